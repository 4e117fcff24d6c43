"""One generated database there and back: applied, dumped, restored by the real worker, compared, and judged."""

import contextlib
import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
from psycopg import sql

from dbrestore.contract.errors import RestoreError
from dbrestore.contract.job import DatabaseResult, ErrorNote, PostgresOptions
from tests.databases.restore_case import Restore
from tests.generated import compare, script
from tests.generated.compare import Difference, Expected
from tests.generated.dumps import Dump
from tests.generated.facts import Facts
from tests.generated.script import OWNERS, Script
from tests.generated.servers import Servers
from tests.generated.told import Told, untold

Meanwhile = Callable[[Restore], None]
_SHOWN = 12
_FAILED_ENTRY = re.compile(r"from TOC entry \d+; \d+ \d+ ((?:.|\n)*?)\npg_restore: error: (.*)")
_CODECS = {"LATIN1": "latin-1", "SQL_ASCII": "latin-1", "EUC_JP": "euc_jp"}
# Which word of a relation's state says whether it is populated.
_POPULATED = 6
_NEVER_RESTORED = (
    "EVENT TRIGGER",
    "PUBLICATION",
    "SUBSCRIPTION",
    "SERVER",
    "USER MAPPING",
    "FOREIGN",
    "SECURITY LABEL",
)


@dataclass(frozen=True)
class Choices:
    """What the request chooses: whether OWNERS own again, whether what can't be is skipped, whether values are compared."""

    owners_kept: bool
    skip: bool
    content: bool
    extensions: tuple[str, ...]

    def options(self) -> PostgresOptions:
        """As the worker gets them."""
        return PostgresOptions(
            owners={role: role for role in OWNERS} if self.owners_kept else {},
            skip_unrestorable=self.skip,
            allowed_extensions=(*self.extensions, "plpgsql"),
            verify="content" if self.content else "counts",
        )


@dataclass
class Verdict:
    """What became of one database. `false_red`: plain pg_restore can and the restore didn't; `false_green`: differences nobody told."""

    number: int
    dump: Dump
    script: Script
    versions: str = ""
    statements: int = 0
    outcome: str = ""
    error: ErrorNote | None = None
    plain: dict[str, str] = field(default_factory=dict)
    needlessly_left_out: list[str] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    false_green: list[Difference] = field(default_factory=list)
    false_red: bool = False

    @property
    def is_good(self) -> bool:
        """Neither a false red nor a false green."""
        return not self.false_red and not self.false_green

    @property
    def way(self) -> tuple[object, ...]:
        """In which it is bad: the first difference's kind and aspect, the error's name."""
        first = next(((d.kind, d.aspect) for d in self.false_green), None)
        return self.false_red, bool(self.needlessly_left_out), first, self.error and self.error.name

    def __str__(self) -> str:
        dumped = f"{self.versions}, {self.script.encoding}, {' '.join(self.dump.arguments)}"
        lines = [f"database {self.number} ({dumped}): {self.outcome}"]
        if self.error:
            lines.append(f"  error: {self.error.name}: {self.error.message}")
        if self.false_red:
            lines.append("  FALSE RED: plain pg_restore restores " + ("all of it" if not self.plain else "more of it"))
        lines += [f"  plain pg_restore: {entry}: {why}" for entry, why in list(self.plain.items())[:2]]
        lines += [f"  LEFT OUT WITHOUT NEED: {entry}" for entry in self.needlessly_left_out[:_SHOWN]]
        lines += [f"  FALSE GREEN: {difference}" for difference in self.false_green[:_SHOWN]]
        lines += [f"  FALSE GREEN: {len(self.false_green) - _SHOWN} more"] * (len(self.false_green) > _SHOWN)
        return "\n".join(lines)


def run(servers: Servers, number: int, drawn: Script, dump: Dump, choices: Choices, meanwhile: Meanwhile | None = None) -> Verdict:
    """Take the script's database there and back. `meanwhile` is called with what was restored before that is compared."""
    verdict = Verdict(number, dump, drawn, f"{servers.source_version} to {servers.target_version}")
    name = f"gen {number}"
    with _dropped(servers, name):
        verdict.statements = len(script.apply(drawn, servers.source.superuser_dsn(), name).taken)
        judge(servers, verdict, name, choices, meanwhile)
    return verdict


def judge(servers: Servers, verdict: Verdict, name: str, choices: Choices, meanwhile: Meanwhile | None = None) -> None:
    """Dump the database `name` of the source, restore it, compare."""
    path = servers.cloud.directory / f"{uuid.uuid4().hex}.dump"
    verdict.dump.run(servers.pg_dump, servers.source.superuser_dsn(name), path)
    restore = Restore(servers.cloud, {name: path}, {name: f"{name} back"}, postgres=choices.options())
    result = _restored(restore)
    if meanwhile:
        meanwhile(restore)
    verdict.outcome, verdict.error = result.status, result.error
    verdict.told = [Told(f.entry, f.what, was_left_out=False) for f in result.fix_ups]
    verdict.told += [Told(e.entry, e.why, was_left_out=True, rows=e.rows) for e in result.left_out]
    if result.status != "PROMOTED" or result.left_out:
        verdict.plain = plain_failures(servers, name, path)
        verdict.needlessly_left_out = _needlessly_left_out(result, verdict.plain)
        verdict.false_red = not verdict.plain or bool(verdict.needlessly_left_out)
    if result.status == "PROMOTED":
        _compare(servers, verdict, restore, path)


def _restored(restore: Restore) -> DatabaseResult:
    """Both jobs. What `points add` or a job says is turned into a result; what a failed replay left is discarded."""
    (name,) = restore.dumps
    failed = DatabaseResult(backup_name=name, asked_name=restore.asked[name], temporary_name="", status="FAILED")
    try:
        restore.add_point()
    except RestoreError as error:
        return failed.model_copy(update={"error": ErrorNote(name=f"points add: {type(error).__name__}", message=str(error))})
    replayed = restore.run("replay")
    if replayed.error or replayed.databases[0].status != "REPLAYED":
        restore.run("discard")
        return replayed.databases[0] if replayed.databases else failed.model_copy(update={"error": replayed.error})
    verified = restore.run("verify")
    (before,), (after,) = replayed.databases, verified.databases
    if after.status != "PROMOTED":
        restore.run("discard")
    return after.model_copy(update={"fix_ups": before.fix_ups + after.fix_ups, "left_out": tuple({*before.left_out, *after.left_out})})


def _compare(servers: Servers, verdict: Verdict, restore: Restore, path: Path) -> None:
    """With the source, and if need be with what a superuser's pg_restore makes of the dump: what that lacks is not in the dump.

    Catalogues of two versions can't be compared: then that pg_restore is made on the target's server and compared alone.
    """
    (name,) = restore.dumps
    holder = restore.databases()[0].holder_role
    expected = Expected(lambda role: restore.postgres.owners.get(role, holder))
    restored = compare.facts_of(servers.cloud.server.superuser_dsn(restore.asked[name]), servers.comparing)
    if servers.source_version == servers.target_version:
        source = compare.facts_of(servers.source.superuser_dsn(name), servers.comparing)
        verdict.differences = compare.differences(source, restored, expected)
        verdict.false_green = untold(verdict.differences, verdict.told, compare.parents(source))
        if not verdict.false_green:
            return
    made = _reference(servers, name, path)
    remaining = [d for d in compare.differences(made, restored, expected) if d.kind not in ("database", "setting")]
    if servers.source_version == servers.target_version:
        facts = {d.fact for d in remaining}
        own = [d for d in verdict.false_green if d.kind in ("database", "setting") and verdict.dump.is_whole]
        verdict.false_green = own + [d for d in verdict.false_green if d.fact in facts]
    else:
        verdict.differences = [d for d in remaining if not _is_refreshed_here_alone(d, made)]
        untold_ones = untold(verdict.differences, verdict.told, compare.parents(made))
        verdict.false_green = _not_as_in_source(servers, name, untold_ones, verdict.told)
        kept = {d.fact for d in verdict.false_green}
        verdict.differences = [d for d in verdict.differences if d not in untold_ones or d.fact in kept]


def _not_as_in_source(servers: Servers, name: str, differences: list[Difference], told: list[Told]) -> list[Difference]:
    """pg_restore may lose rows, by chance even: those of a partition by the hash of an enum's array. Where the restored rows are the
    source's, but for what was told, it is pg_restore that lost them."""
    if not any(d.aspect == "rows" for d in differences):
        return differences
    source = compare.facts_of(servers.source.superuser_dsn(name), servers.comparing)
    rows = [replace(d, original=source.get(d.fact)) for d in differences if d.aspect == "rows"]
    wrong = {d.fact for d in untold(rows, told, compare.parents(source)) if d.original != d.restored}
    return [d for d in differences if d.aspect != "rows" or d.fact in wrong]


def _is_refreshed_here_alone(difference: Difference, made: Facts) -> bool:
    """pg_restore refreshes a materialized view as its owner, who may lack a privilege that isn't in the dump; a restore as who owns all."""
    state = made.get(("relation", difference.identity, "relation"), "").split(" ")
    changed = ("relation", "rows") if state[0] == "m" and state[_POPULATED] == "f" else ()
    return difference.aspect in changed


def _reference(servers: Servers, name: str, path: Path) -> Facts:
    """What a superuser's pg_restore makes of the dump, on the source's server if it is of the target's version: every role is there."""
    same = servers.source_version == servers.target_version
    server, pg_restore = (servers.source, servers.pg_dump.with_name("pg_restore")) if same else (servers.cloud.server, servers.pg_restore)
    reference = f"{name} reference"
    _create_alike(servers, name, server.superuser_dsn(), reference)
    dsn = server.superuser_dsn(reference)
    try:
        subprocess.run([str(pg_restore), "-d", dsn, str(path)], capture_output=True, check=False)
        return compare.facts_of(dsn, servers.comparing)
    finally:
        _drop(server.superuser_dsn(), reference)


def _create_alike(servers: Servers, name: str, dsn: str, new: str) -> str:
    """An empty database with the encoding (returned) and locale of the source database `name`, at the DSN's server."""
    query = "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = %s"
    with psycopg.connect(servers.source.superuser_dsn()) as connection:
        encoding, locale = connection.execute(query, [name]).fetchall()[0]
    create = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LOCALE {}")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(create.format(sql.Identifier(new), sql.Literal(encoding), sql.Literal(locale)))
    return str(encoding)


def plain_failures(servers: Servers, source_name: str, path: Path) -> dict[str, str]:
    """What `pg_restore --no-owner --no-privileges` as the master user can't restore into an empty database of its own: entry -> why."""
    name, cloud = f"plain {uuid.uuid4().hex[:8]}", servers.cloud
    encoding = _create_alike(servers, source_name, cloud.dsn(), name)
    try:
        options = ("-v", "--no-owner", "--no-privileges", "-d", cloud.dsn(name, sslmode="prefer"))
        done = subprocess.run([str(servers.pg_restore), *options, str(path)], capture_output=True, check=False)
        said = done.stderr.decode(_CODECS.get(encoding, "utf-8"), errors="replace")
        found = dict(_FAILED_ENTRY.findall(said))
        return found or ({"": said[-500:]} if done.returncode else {})
    finally:
        cloud.drop_database(name)


def _needlessly_left_out(result: DatabaseResult, plain: dict[str, str]) -> list[str]:
    """Entries that were left out although plain pg_restore has them. (It isn't asked for privileges.)"""
    elsewhere = _of_missing_access_methods(result)
    labels = [
        (e.entry, e.why)
        for e in result.left_out
        if not e.entry.startswith(("ACL", "DEFAULT ACL", *_NEVER_RESTORED)) and e.entry not in elsewhere
    ]
    return [f"{label}: {why}" for label, why in labels if not any(entry.startswith(_without_schema(label)) for entry in plain)]


def _of_missing_access_methods(result: DatabaseResult) -> set[str]:
    """What depends on these: plain pg_restore makes a table whose access method it can't have in `heap`, which is another table."""
    found: set[str] = set()
    while more := {
        e.entry
        for e in result.left_out
        if e.entry not in found and e.why.startswith(("it depends on ACCESS METHOD ", *(f"it depends on {entry}, " for entry in found)))
    }:
        found |= more
    return found


def _without_schema(label: str) -> tuple[str, ...]:
    """pg_restore says `TABLE t owner` of `TABLE public.t`; each dot may be the one after the schema, and each space after the kind."""
    kind = re.match(r"[A-Z ]+ ", label)
    head = kind[0] if kind else ""
    heads = [head[: n + 1] for n, character in enumerate(head) if character == " "]
    return (label, *(h + label[n + 1 :] for h in heads for n, character in enumerate(label) if character == "."))


@contextmanager
def _dropped(servers: Servers, name: str) -> Iterator[None]:
    """No database outlives its round trip."""
    try:
        yield
    finally:
        _drop(servers.source.superuser_dsn(), name)
        servers.cloud.drop_database(f"{name} back")


def _drop(superuser_dsn: str, name: str) -> None:
    """Subscriptions (without slots here) keep a database from being dropped."""
    clear = """DO $$ DECLARE s name; BEGIN FOR s IN SELECT subname FROM pg_subscription, pg_database AS d
        WHERE d.oid = subdbid AND datname = current_database() LOOP EXECUTE format('DROP SUBSCRIPTION %I', s); END LOOP; END $$"""
    with (
        contextlib.suppress(psycopg.OperationalError),
        psycopg.connect(superuser_dsn, dbname=name, autocommit=True) as inside,
    ):
        inside.execute(clear)
    with psycopg.connect(superuser_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
