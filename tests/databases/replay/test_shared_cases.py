"""Every database of the collection beside the repository comes out as it should: equal, or red by name and then without that one object.

The collection isn't part of the repository; what it covers is covered in small by tests that need no file.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from dbrestore.contract.allowed.extensions import DEFAULT_EXTENSIONS
from dbrestore.contract.job import DatabaseResult, PostgresOptions
from tests.databases import shared_data
from tests.databases.clouds import Clouds
from tests.databases.equality import contents, schema_without_publications
from tests.databases.restore_case import Cloud, Restore

PLACE = shared_data.folder("pgcases")
# They put extensions into the installation, which all test processes share.
pytestmark = [shared_data.needs(PLACE), pytest.mark.xdist_group("extensions of the installation")]
ROLES = "app_owner", "app_reader"
# What the files' comments say of the target's parameter group; any replay takes longer than these timeouts.
VALUES = {"array_nulls": "off", "xmloption": "document", "datestyle": "German, DMY", "intervalstyle": "sql_standard"}
TIMEOUTS = {"idle_session_timeout": "1s", "transaction_timeout": "1s"}


@dataclass(frozen=True, kw_only=True)
class Expected:
    """`red` begins the error that names what can't be restored (empty: everything can); `left_out` is then left out, entry -> rows;
    `differs` are the tables that don't come back as they were, each told by name."""

    red: str = ""
    left_out: dict[str, int] = field(default_factory=dict)
    differs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """One file and what its comment says of source and target. `ghosts` are roles, `synonyms` a dictionary's file of the source alone;
    `extension` is created from files beside this one, which may say more before they grant anything (`and_says`); `granted` to the target's
    master user."""

    file: str
    expected: Expected = Expected()
    options: tuple[str, ...] = ()
    source: str = "17.10"
    encoding: str = "UTF8"
    parameters: dict[str, str] = field(default_factory=dict)
    ghosts: tuple[str, ...] = ()
    synonyms: str = ""
    extension: str = ""
    and_says: str = ""
    granted: str = ""
    allowed: tuple[str, ...] = ()


KID = {
    "FUNCTION public.n_remote()": 0,
    "VIEW public.both_orders": 0,
    "MATERIALIZED VIEW public.cached": 0,
    "TABLE public.kid": 0,
    "TABLE public.uses_rowtype": 0,
    "TABLE DATA public.kid": 1,
}
FOREIGN = Expected(
    red="TABLE public.kid: it depends on FOREIGN TABLE public.remote_orders",
    differs=("public.kid", "public.uses_rowtype"),
    left_out={"TABLE public.kid": 0, "TABLE public.uses_rowtype": 0, "TABLE DATA public.kid": 1},
)
PLACES = Expected(red="FK CONSTRAINT public.places places_srid_fkey", left_out={"FK CONSTRAINT public.places places_srid_fkey": 0})
CASES = {
    # Its owner, who isn't the master user, lets nobody add rows nor point at it.
    "c01": Case(
        "c01_extcfg",
        extension="geostub",
        allowed=("geostub",),
        expected=Expected(red=PLACES.red, left_out=PLACES.left_out, differs=("public.geo_ref",)),
    ),
    "c01 of the master": Case("c01_extcfg", extension="geostub", allowed=("geostub",), and_says="ALTER TABLE geo_ref OWNER TO @extowner@;"),
    "c03": Case("c03_lo_acl"),
    "c04": Case("c04_notvalid_inherit"),
    "c05": Case("c05_quoteall", options=("--quote-all-identifiers",)),
    "c06": Case(
        "c06_policy_role",
        ghosts=("ghost_authenticated", "ghost_anon"),
        expected=Expected(
            red='POLICY public.notes own: role "ghost_authenticated" does not exist',
            left_out={"POLICY public.notes own": 0, "POLICY public.notes readers": 0},
        ),
    ),
    "c07": Case(
        "c07_matview_unqualified",
        source="15",
        expected=Expected(
            red="MATERIALIZED VIEW DATA public.",
            differs=("public.counted", "public.words"),
            left_out={"MATERIALIZED VIEW DATA public.counted": 0, "MATERIALIZED VIEW DATA public.words": 0},
        ),
    ),
    "c08": Case(
        "c08_generated_unqualified",
        expected=Expected(
            red="TABLE DATA public.articles: function unaccent(text) does not exist",
            left_out={"TABLE DATA public.articles": 100},
            differs=("public.articles",),
        ),
    ),
    "c09": Case(
        "c09_opclass",
        expected=Expected(
            red="OPERATOR FAMILY public.pt_fam: must be superuser",
            left_out={"OPERATOR FAMILY public.pt_fam": 0, "OPERATOR CLASS public.pt_ops": 0},
        ),
    ),
    "c10b": Case("c10b_function_set", granted="GRANT SET ON PARAMETER session_replication_role TO master WITH GRANT OPTION"),
    "c11": Case("c11_sqlascii_data", encoding="SQL_ASCII"),
    "c11b": Case("c11b_sqlascii_utf8names", encoding="SQL_ASCII"),
    "c11d": Case("c11d_sqlascii_pure", encoding="SQL_ASCII"),
    "c15": Case(
        "c15_unaccent_immutable",
        expected=Expected(
            red="INDEX public.partner_name_unaccent: functions in index expression must be marked IMMUTABLE",
            left_out={"INDEX public.partner_name_unaccent": 0},
        ),
    ),
    "c19": Case(
        "c19_access_method",
        expected=Expected(
            red="TABLE public.facts: it depends on ACCESS METHOD heap2",
            differs=("public.facts",),
            left_out={"TABLE public.facts": 0, "TABLE DATA public.facts": 100, "CONSTRAINT public.facts facts_pkey": 0},
        ),
    ),
    "c20": Case("c20_force_rls"),
    # The policy binds whoever refreshes it now, as it would the table's owner.
    "c20b": Case("c20b_force_rls_matview", expected=Expected(differs=("public.totals",))),
    "c21": Case(
        "c21_foreign",
        expected=Expected(
            red="case: extensions of the dump that can't be created: postgres_fdw: the configuration doesn't allow it",
            left_out=KID
            | {
                "EXTENSION postgres_fdw": 0,
                "COMMENT EXTENSION postgres_fdw": 0,
                "SERVER far": 0,
                "FOREIGN TABLE public.remote_orders": 0,
                "FOREIGN TABLE public.parts_25": 0,
                "TABLE ATTACH public.parts_25": 0,
                "TRIGGER public.remote_orders tr": 0,
            },
            differs=FOREIGN.differs,
        ),
    ),
    "c21 allowed": Case("c21_foreign", expected=FOREIGN, allowed=("postgres_fdw",)),
    "c34": Case(
        "c34_tsfile",
        synonyms="pgcases_syn",
        expected=Expected(
            red="TEXT SEARCH DICTIONARY public.odd_syn: could not open synonym file",
            left_out={
                "TEXT SEARCH DICTIONARY public.odd_syn": 0,
                "TEXT SEARCH CONFIGURATION public.odd": 0,
                "INDEX public.t_to_tsvector_idx": 0,
            },
        ),
    ),
    "c38": Case(
        "c38_missing_ext",
        source="15",
        expected=Expected(
            red="case: extensions of the dump that can't be created: uuid-ossp: the target server doesn't offer it",
            left_out={
                "EXTENSION uuid-ossp": 0,
                'COMMENT EXTENSION "uuid-ossp"': 0,
                "TABLE public.t": 0,
                "TABLE DATA public.t": 100,
                "CONSTRAINT public.t t_pkey": 0,
            },
            differs=("public.t",),
        ),
    ),
    "c39": Case(
        "c39_internal_agg",
        expected=Expected(
            red='FUNCTION public.with_custom(): permission denied to set parameter "app.user_id"',
            left_out={"FUNCTION public.with_custom()": 0, "AGGREGATE public.concat_all(text, text)": 0},
        ),
    ),
    "c40": Case("c40_timeouts", parameters=TIMEOUTS),
    "c41": Case("c41_array_nulls", parameters=VALUES),
    "c42": Case("c42_xml_fragment", parameters=VALUES),
    "c53": Case("c53_shell_operator"),
    "c54": Case("c54_operator_owner"),
    "c56": Case("c56_attach_fk_deadlock"),
}
# An extension of its own, what nobody may define, foreign tables, and a source of another version; the rest in the campaign.
QUICK = ("c01", "c09", "c21", "c38")


@dataclass(frozen=True)
class Source:
    """A dump and what the dumped database was like."""

    dump: Path
    contents: dict[str, object]
    schema: list[str]


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CASES])
def test_a_case_comes_out_as_it_should(clouds: Clouds, cloud: Cloud, name: str) -> None:
    case = CASES[name]
    with ExitStack() as stack:
        source = stack.enter_context(_made(clouds.of(case.source), case))
        target = stack.enter_context(_with_roles(clouds.of("17.10", **case.parameters)))
        stack.enter_context(_granted(target, case.granted))
        if case.expected.red:
            _is_red(_restore(target, source, case, skips=False), case.expected)
        restore = _restore(target, source, case, skips=bool(case.expected.red))
        stack.callback(target.drop_database, "case_back")
        _is_back(restore, source, case)


def test_every_file_has_an_expectation() -> None:
    assert {case.file for case in CASES.values()} == {path.stem for path in PLACE.glob("c[0-9]*.sql")}


def _restore(target: Cloud, source: Source, case: Case, *, skips: bool) -> Restore:
    options = PostgresOptions(
        keep_owners=True, verify="content", allowed_extensions=(*DEFAULT_EXTENSIONS, *case.allowed), skip_unrestorable=skips
    )
    restore = Restore(target, {"case": source.dump}, {"case": "case_back"}, postgres=options)
    restore.add_point()
    return restore


def _is_red(restore: Restore, expected: Expected) -> None:
    """The error names the object, and nothing is left."""
    before = _names(restore)
    (replayed,) = restore.run("replay").databases
    restore.run("discard")
    assert replayed.error is not None
    assert replayed.error.message.startswith(expected.red)
    assert "skip" in replayed.error.message
    assert _names(restore) == before


def _names(restore: Restore) -> set[str]:
    """Of databases and roles, but those that hold the databases of other cases."""
    databases, roles = restore.cloud.names()
    return {name for name in databases | roles if not name.endswith("-holder")}


def _is_back(restore: Restore, source: Source, case: Case) -> None:
    """Promoted; what isn't as it was is known and told."""
    (replayed,) = restore.run("replay").databases
    assert (replayed.status, replayed.error) == ("REPLAYED", None)
    (verified,) = restore.run("verify").databases
    assert (verified.status, verified.error) == ("PROMOTED", None)
    expected, told = case.expected, _told(replayed, verified)
    assert {note.entry: note.rows for note in verified.left_out} == expected.left_out
    owners = {restore.holder: "rdsadmin"}
    now = contents(restore.cloud, "case_back", owners)
    differing = {name for name in source.contents.keys() | now if source.contents.get(name) != now.get(name)}
    assert differing == set(expected.differs)
    assert {name for name in differing if not any(label.endswith(f" {name}") for label in told)} == set()
    schema = schema_without_publications(restore.cloud, "case_back", owners)
    if expected.red:
        assert shared_data.labels(source.schema) - shared_data.labels(schema) <= told
        assert shared_data.labels(schema) <= shared_data.labels(source.schema)
    else:
        assert schema == source.schema


def _told(*results: DatabaseResult) -> set[str]:
    return {note.entry for result in results for note in (*result.left_out, *result.fix_ups)}


@contextmanager
def _made(cloud: Cloud, case: Case) -> Iterator[Source]:
    """The database, dumped; then what only the source had is gone."""
    with ExitStack() as stack:
        stack.enter_context(_with_roles(cloud))
        if case.extension:
            stack.enter_context(_with_extension(cloud, case))
        with _with_roles(cloud, case.ghosts), _with_synonyms(cloud, case.synonyms):
            template = f"TEMPLATE template0 ENCODING '{case.encoding}' LOCALE 'C'"
            cloud.execute(f'CREATE DATABASE "case" {template}')
            stack.callback(cloud.drop_database, "case")
            with psycopg.connect(cloud.server.superuser_dsn("case"), autocommit=True) as connection:
                connection.execute((PLACE / f"{case.file}.sql").read_bytes())
            dump = cloud.dump("case", "-Fc", *case.options, superuser=True)
            for ghost in case.ghosts:
                cloud.execute(f"DROP OWNED BY {ghost}", "case", superuser=True)
        yield Source(dump, contents(cloud, "case"), schema_without_publications(cloud, "case"))


@contextmanager
def _with_roles(cloud: Cloud, names: tuple[str, ...] = ROLES) -> Iterator[Cloud]:
    missing = [name for name in names if name not in cloud.names()[1]]
    for name in missing:
        cloud.execute(f"CREATE ROLE {name}")
    yield cloud
    for name in missing:
        cloud.drop_role(name)


@contextmanager
def _granted(cloud: Cloud, grant: str) -> Iterator[None]:
    """What is granted, until it is taken back."""
    if not grant:
        yield
        return
    cloud.execute(grant, superuser=True)
    yield
    what, _, _ = grant.removeprefix("GRANT ").partition(" TO ")
    cloud.execute(f"REVOKE {what} FROM master CASCADE", superuser=True)


@contextmanager
def _with_extension(cloud: Cloud, case: Case) -> Iterator[None]:
    with ExitStack() as stack:
        for file in sorted(PLACE.glob(f"{case.extension}*")):
            text = file.read_text().replace("grant ", f"{case.and_says} grant ", 1)
            stack.enter_context(_written(_shared_files(cloud) / "extension" / file.name, text))
        yield


@contextmanager
def _with_synonyms(cloud: Cloud, name: str) -> Iterator[None]:
    with ExitStack() as stack:
        if name:
            stack.enter_context(_written(_shared_files(cloud) / "tsearch_data" / f"{name}.syn", "postgres pgsql\n"))
        yield


@contextmanager
def _written(path: Path, text: str) -> Iterator[None]:
    path.write_text(text)
    yield
    path.unlink()


def _shared_files(cloud: Cloud) -> Path:
    return next((cloud.server.binaries.parent / "share").glob("**/plpgsql.control")).parents[1]
