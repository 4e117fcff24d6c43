"""One generated database there and back: applied, dumped, restored by the real worker, compared, and judged."""

import contextlib
import re
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from repository.errors import RestoreError
from tests.databases.restore_case import EVIDENCE, Cloud, Restore
from tests.generated import compare, script
from tests.generated.compare import Difference, Expected
from tests.generated.dumps import Dump
from tests.generated.script import OWNERS, Script
from tests.generated.servers import Servers
from tests.generated.strategies.further import EXTENSIONS
from tests.generated.told import Told, untold
from worker.job import DatabaseResult, ErrorNote, Job, JobKind, PostgresOptions

_SHOWN = 12
_FAILED_ENTRY = re.compile(r"from TOC entry \d+; \d+ \d+ ((?:.|\n)*?)\npg_restore: error: (.*)")
_CODECS = {"LATIN1": "latin-1", "SQL_ASCII": "latin-1", "EUC_JP": "euc_jp"}
_NEVER_RESTORED = (
    "EVENT TRIGGER",
    "PUBLICATION",
    "SUBSCRIPTION",
    "SERVER",
    "USER MAPPING",
    "FOREIGN",
    "SECURITY LABEL",
)
_ALLOWED = (*EXTENSIONS, "earthdistance", "plpgsql")


@dataclass
class OptionRestore(Restore):
    """A restore with options for PostgreSQL."""

    options: PostgresOptions = field(default_factory=PostgresOptions)

    def job_uri(self, kind: JobKind, name: str) -> str:
        """Write the job's document with the options in it."""
        uri = super().job_uri(kind, name)
        key = uri.removeprefix(f"s3://{EVIDENCE}/")
        s3 = self.cloud.s3()
        job = Job.from_json(s3.get_object(Bucket=EVIDENCE, Key=key)["Body"].read())
        s3.put_object(
            Bucket=EVIDENCE, Key=key, Body=job.model_copy(update={"postgres": self.options}).to_json().encode()
        )
        return uri


@dataclass
class Verdict:
    """What became of one database. `false_red`: plain pg_restore can and the restore didn't; `false_green`: differences nobody told."""

    number: int
    dump: Dump
    script: Script
    statements: int = 0
    outcome: str = ""
    error: str = ""
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

    def __str__(self) -> str:
        lines = [f"database {self.number} ({self.script.encoding}, {' '.join(self.dump.arguments)}): {self.outcome}"]
        if self.error:
            lines.append(f"  error: {self.error}")
        if self.false_red:
            lines.append("  FALSE RED: plain pg_restore restores " + ("all of it" if not self.plain else "more of it"))
        lines += [f"  plain pg_restore: {entry}: {why}" for entry, why in list(self.plain.items())[:2]]
        lines += [f"  LEFT OUT WITHOUT NEED: {entry}" for entry in self.needlessly_left_out[:_SHOWN]]
        lines += [f"  FALSE GREEN: {difference}" for difference in self.false_green[:_SHOWN]]
        lines += [f"  FALSE GREEN: {len(self.false_green) - _SHOWN} more"] * (len(self.false_green) > _SHOWN)
        return "\n".join(lines)


def run(servers: Servers, number: int, drawn: Script, dump: Dump, *, owners_kept: bool, skip: bool) -> Verdict:
    """Take the script's database there and back."""
    verdict = Verdict(number, dump, drawn)
    name = f"gen {number}"
    with _dropped(servers, name):
        verdict.statements = len(script.apply(drawn, servers.source.superuser_dsn(), name).taken)
        path = dump.run(
            servers.dumping, servers.source.superuser_dsn(name), servers.cloud.directory / f"{uuid.uuid4().hex}.dump"
        )
        restore = _restore(servers, name, path, owners_kept=owners_kept, skip=skip)
        result = _restored(restore)
        verdict.outcome, verdict.error = (
            result.status,
            f"{result.error.name}: {result.error.message}" if result.error else "",
        )
        verdict.told = [Told(f.entry, f.what, was_left_out=False) for f in result.fix_ups]
        verdict.told += [Told(e.entry, e.why, was_left_out=True) for e in result.left_out]
        if result.status != "PROMOTED" or result.left_out:
            verdict.plain = plain_failures(servers, name, path)
            verdict.needlessly_left_out = _needlessly_left_out(result, verdict.plain)
            verdict.false_red = not verdict.plain or bool(verdict.needlessly_left_out)
        if result.status == "PROMOTED":
            _compare(servers, verdict, restore, path)
    return verdict


def _restore(servers: Servers, name: str, path: Path, *, owners_kept: bool, skip: bool) -> OptionRestore:
    owners = {role: role for role in OWNERS} if owners_kept else {}
    options = PostgresOptions(owners=owners, skip_unrestorable=skip, allowed_extensions=_ALLOWED)
    return OptionRestore(servers.cloud, {name: path}, {name: f"{name} back"}, options=options)


def _restored(restore: OptionRestore) -> DatabaseResult:
    """Both jobs. What `points add` or a job says is turned into a result; what a failed replay left is discarded."""
    (name,) = restore.dumps
    failed = DatabaseResult(backup_name=name, asked_name=restore.asked[name], temporary_name="", status="FAILED")
    try:
        restore.add_point()
    except RestoreError as error:
        return failed.model_copy(
            update={"error": ErrorNote(name=f"points add: {type(error).__name__}", message=str(error))}
        )
    replayed = restore.run("replay")
    if replayed.error or replayed.databases[0].status != "REPLAYED":
        restore.run("discard")
        return replayed.databases[0] if replayed.databases else failed.model_copy(update={"error": replayed.error})
    verified = restore.run("verify")
    (before,), (after,) = replayed.databases, verified.databases
    if after.status != "PROMOTED":
        restore.run("discard")
    return after.model_copy(
        update={"fix_ups": before.fix_ups + after.fix_ups, "left_out": tuple({*before.left_out, *after.left_out})}
    )


def _compare(servers: Servers, verdict: Verdict, restore: OptionRestore, path: Path) -> None:
    """With the source, and if need be with what a superuser's pg_restore makes of the dump: what that lacks is not in the dump."""
    (name,) = restore.dumps
    holder = _owner_of_the_rest(servers.cloud, restore)
    expected = Expected(lambda role: restore.options.owners.get(role, holder))
    restored = compare.facts_of(servers.cloud.server.superuser_dsn(restore.asked[name]), servers.comparing)
    source = compare.facts_of(servers.source.superuser_dsn(name), servers.comparing)
    verdict.differences = compare.differences(source, restored, expected)
    verdict.false_green = untold(verdict.differences, verdict.told)
    if verdict.false_green:
        with _reference(servers, name, path) as reference:
            made = compare.facts_of(reference, servers.comparing)
        own = [d for d in verdict.false_green if d.kind in ("database", "setting") and verdict.dump.is_whole]
        remaining = {
            d.fact for d in compare.differences(made, restored, expected) if d.kind not in ("database", "setting")
        }
        verdict.false_green = own + [d for d in verdict.false_green if d.fact in remaining]


def _owner_of_the_rest(cloud: Cloud, restore: Restore) -> str:
    """The holder of the restore, if there is one."""
    (database,) = restore.databases()
    return database.holder_role if database.holder_role in cloud.names()[1] else "master"


@contextmanager
def _reference(servers: Servers, name: str, path: Path) -> Iterator[str]:
    """What a superuser's pg_restore makes of the dump on the source server, where every role is."""
    reference = f"{name} reference"
    _create_alike(servers, name, servers.source.superuser_dsn(), reference)
    dsn = servers.source.superuser_dsn(reference)
    subprocess.run(
        [str(servers.dumping.with_name("pg_restore")), "-d", dsn, str(path)], capture_output=True, check=False
    )
    try:
        yield dsn
    finally:
        _drop(servers.source.superuser_dsn(), reference)


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
        command = [
            str(servers.comparing.with_name("pg_restore")),
            "-v",
            "--no-owner",
            "--no-privileges",
            "-d",
            cloud.dsn(name),
            str(path),
        ]
        done = subprocess.run(command, capture_output=True, check=False)
        said = done.stderr.decode(_CODECS.get(encoding, "utf-8"), errors="replace")
        found = dict(_FAILED_ENTRY.findall(said))
        return found or ({"": said[-500:]} if done.returncode else {})
    finally:
        cloud.drop_database(name)


def _needlessly_left_out(result: DatabaseResult, plain: dict[str, str]) -> list[str]:
    """Entries that were left out although plain pg_restore has them. (It isn't asked for privileges.)"""
    labels = [e.entry for e in result.left_out if not e.entry.startswith(("ACL", "DEFAULT ACL", *_NEVER_RESTORED))]
    return [label for label in labels if not any(entry.startswith(_without_schema(label)) for entry in plain)]


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
