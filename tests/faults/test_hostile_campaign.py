"""Every kind of object that can hold code tries everything, while it is restored and for two minutes afterwards: nobody gains anything."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from dbrestore.contract.job import PostgresOptions
from tests.databases.conftest import authority, cloud, clouds, nothing_left, server
from tests.databases.restore_case import Cloud, Restore
from tests.faults.hostile_source import ATTEMPTS, BACK, HARMLESS, KINDS, MARK, NEIGHBOUR, SOURCE, TRACE, statements

__all__ = ["authority", "cloud", "clouds", "nothing_left", "server"]

QUICK = ("check", "expression index", "statistics", "materialized view", "foreign key")
# Who owns the dump's objects, in turn; `gone` and `renamed` exist only in the source.
OWNERS = ("kept", "gone", "renamed", "master")
ALL_ASKED = PostgresOptions(keep_owners=True, create_missing_roles=True, owners={"renamed": "stands_in"})

# What must be as before: roles, memberships, databases, settings, comments, slots and the like, but for what is the restore's own.
_UNTOUCHED = {
    "roles": "SELECT a.rolname, to_jsonb(a)::text FROM pg_authid AS a WHERE rolname !~ '^(dbrestore-|gone$)'",
    "memberships": "SELECT roleid::regrole::text, member::regrole::text, grantor::regrole::text FROM pg_auth_members "
    "WHERE roleid::regrole::text !~ '^(\"dbrestore-|gone$)'",
    # A GRANT that grants nothing, for want of the right to, may write the default out.
    "databases": f"""SELECT datname, (to_jsonb(d) - 'datfrozenxid' - 'datminmxid' - 'datacl')::text,
        coalesce(datacl, acldefault('d', datdba))::text FROM pg_database AS d WHERE datname <> '{BACK}'""",
    "settings": "SELECT s::text FROM pg_db_role_setting AS s",
    "comments": "SELECT objoid, description FROM pg_shdescription WHERE description !~ '^dbrestore dbrestore-'",
    "rest": "SELECT count(*), (SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_tablespace), "
    "(SELECT count(*) FROM pg_subscription), (SELECT count(*) FROM pg_parameter_acl) FROM pg_prepared_xacts",
}


@dataclass(frozen=True)
class Ran:
    """A line of the server's log: code of this kind ran as `user` in `database`."""

    kind: str
    user: str
    database: str


@pytest.fixture
def neighbour(cloud: Cloud) -> Iterator[psycopg.Connection]:
    """Somebody else's login, in a session of its own, with a database and rows; and autovacuum that comes every second."""
    cloud.execute("CREATE ROLE neighbour LOGIN PASSWORD 'n'; CREATE ROLE onlooker LOGIN PASSWORD 'o'")
    cloud.create_database(NEIGHBOUR)
    cloud.execute("CREATE TABLE kept AS SELECT generate_series(1, 100) AS x; GRANT SELECT ON kept TO neighbour", NEIGHBOUR)
    _set_autovacuum(cloud, "ALTER SYSTEM SET autovacuum_naptime = '1s'")
    with psycopg.connect(cloud.dsn(NEIGHBOUR), user="neighbour", password="n", autocommit=True) as session:
        yield session
    _set_autovacuum(cloud, "ALTER SYSTEM RESET autovacuum_naptime")


@pytest.mark.parametrize("options", [PostgresOptions(), ALL_ASKED], ids=["default", "owners asked for"])
@pytest.mark.parametrize(("kinds", "seconds"), [(QUICK, 4), pytest.param(tuple(KINDS), 120, marks=pytest.mark.slow)], ids=["quick", "all"])
def test_nobody_gains_anything(
    cloud: Cloud, neighbour: psycopg.Connection, kinds: tuple[str, ...], seconds: int, options: PostgresOptions
) -> None:
    restore = _dumped(cloud, kinds, options)
    asked = {"kept", "gone", "stands_in"} if options.keep_owners else set()
    before, began = _state(cloud), _log(cloud).stat().st_size

    (database,) = restore.run_all().databases
    print(database.error)
    login, holder = restore.databases()[0].login_role, restore.holder
    assert (database.status, database.error) == ("PROMOTED", None)
    while_it_was_restored = _executions(cloud, began)
    _call_everything(cloud)
    time.sleep(seconds)

    ran = _executions(cloud, began)
    print(Counter((each.user, each.database == BACK) for each in ran), len({each.kind for each in ran}), len(ATTEMPTS))
    print(sorted(set(KINDS) - {each.kind for each in ran}), Counter(each.kind for each in ran if each.database == BACK))
    # Autovacuum may come between the hand-over and the name.
    assert login in {each.user for each in ran if each.database != BACK} <= {login, holder} | asked
    assert {each.user for each in ran} <= {login, holder, "onlooker"} | asked
    assert {each.user for each in ran[len(while_it_was_restored) :]} & ({holder} | asked)
    assert _done(cloud, began) <= HARMLESS
    after = _state(cloud)
    changed = {name: _differences(found, after[name]) for name, found in before.items() if found != after[name]}
    assert changed == {}
    assert neighbour.execute("SELECT count(*) FROM kept").fetchone() == (100,)
    assert not Path(TRACE).exists()
    _require_tame(cloud, {holder} | asked)


def _dumped(cloud: Cloud, kinds: tuple[str, ...], options: PostgresOptions) -> Restore:
    cloud.execute("CREATE ROLE kept; CREATE ROLE stands_in; CREATE ROLE gone; CREATE ROLE renamed")
    cloud.create_database(SOURCE)
    cloud.execute(statements(kinds), SOURCE)
    objects = cloud.execute(
        """SELECT 'TABLE', oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        UNION ALL SELECT 'ROUTINE', oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        AND proname <> 'attack' ORDER BY 2""",
        SOURCE,
    )
    for number, (kind, name) in enumerate(objects):
        cloud.execute(f"ALTER {kind} {name} OWNER TO {OWNERS[number % len(OWNERS)]}", SOURCE, superuser=True)
    restore = Restore(cloud, {SOURCE: cloud.dump(SOURCE, superuser=True)}, {SOURCE: BACK}, postgres=options)
    restore.add_point()
    cloud.drop_database(SOURCE)
    for role in ("gone", "renamed"):
        cloud.drop_role(role)
    return restore


def _call_everything(cloud: Cloud) -> None:
    """A login without rights calls what it may call, and reads and writes what it may."""
    with psycopg.connect(cloud.dsn(BACK), user="onlooker", password="o", autocommit=True) as session:
        callable_ = session.execute(
            """SELECT prokind::text, oid::regproc::text, pronargs FROM pg_proc WHERE pronamespace = 'public'::regnamespace
            AND has_function_privilege(oid, 'EXECUTE') AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)"""
        ).fetchall()
        tables = session.execute("SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace").fetchall()
        calls = [f"{'CALL' if kind == 'p' else 'SELECT'} {name}({', '.join(['NULL'] * given)})" for kind, name, given in callable_]
        for statement in [
            *calls,
            *(f"{verb} {name}" for (name,) in tables for verb in ("TABLE", "ANALYZE", "TRUNCATE")),
        ]:
            try:
                session.execute(statement.encode())
            except psycopg.Error:
                continue
    assert any("definer" in call for call in calls)


def _require_tame(cloud: Cloud, owners: set[str]) -> None:
    """The restored database is as a new one is, and nobody who was not asked for owns any of it."""
    (settings,) = cloud.execute(
        f"SELECT datdba::regrole::text, datistemplate, datconnlimit, datallowconn FROM pg_database WHERE datname = '{BACK}'"
    )
    owned = cloud.execute(
        """SELECT DISTINCT r.rolname FROM pg_shdepend AS d JOIN pg_roles AS r ON r.oid = d.refobjid
        WHERE d.deptype = 'o' AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())""",
        BACK,
        superuser=True,
    )
    made = " UNION ALL ".join(f"SELECT oid::bigint FROM {name}" for name in ("pg_publication", "pg_event_trigger", "pg_foreign_server"))

    assert settings == ("master", False, -1, True)
    assert {name for (name,) in owned} <= owners
    assert cloud.execute(made, BACK) == []


def _state(cloud: Cloud) -> dict[str, object]:
    state: dict[str, object] = {name: sorted(cloud.execute(query, superuser=True)) for name, query in _UNTOUCHED.items()}
    state |= {f"schema of {name}": cloud.schema(name) for name in ("postgres", "template1", NEIGHBOUR)}
    data = cloud.server.directory / "data"
    return state | {name: (data / name).read_text() for name in ("pg_hba.conf", "pg_ident.conf", "postgresql.auto.conf")}


def _differences(before: object, after: object) -> list[object]:
    parts = [set(each.splitlines() if isinstance(each, str) else each) for each in (before, after)]  # type: ignore[call-overload]
    return sorted(parts[0] ^ parts[1])


def _set_autovacuum(cloud: Cloud, statement: str) -> None:
    cloud.execute(statement, superuser=True)
    cloud.execute("SELECT pg_reload_conf()", superuser=True)


def _log(cloud: Cloud) -> Path:
    return cloud.server.directory / "log"


def _lines(cloud: Cloud, began: int, what: str) -> list[list[str]]:
    text = _log(cloud).read_bytes()[began:].decode(errors="replace")
    marked = (line.partition(f"{MARK}|{what}|")[2] for line in text.splitlines() if "LOG:" in line)
    return [line.split("|") for line in marked if line]


def _executions(cloud: Cloud, began: int) -> list[Ran]:
    return [Ran(kind, user, database) for kind, _, user, database in _lines(cloud, began, "ran")]


def _done(cloud: Cloud, began: int) -> set[str]:
    """The attempts that were no error."""
    return {attempt for _, attempt, _, _ in _lines(cloud, began, "done")}
