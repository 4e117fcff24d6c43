"""A dump is somebody else's program: what it tries while it is restored fails, or does no harm."""

import time
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from dbrestore.contract.job import PostgresOptions
from dbrestore.contract.texts import LONGEST_TEXT
from dbrestore.worker.base.bounds import Bounds
from tests.databases.restore_case import REPOSITORY, Cloud, Restore, dump_that_needs_a_missing_extension

# Runs whenever a row is checked, indexed or read by the view; in the source it holds still.
TAKE_OVER = """
CREATE FUNCTION attack() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF current_setting('sample.source', true) = 'yes' THEN RETURN; END IF;
    EXECUTE format('ALTER ROLE %I SET work_mem = ''1MB''', session_user);
    BEGIN RESET SESSION AUTHORIZATION; EXCEPTION WHEN OTHERS THEN NULL; END;
    BEGIN RESET ROLE; EXCEPTION WHEN OTHERS THEN NULL; END;
    BEGIN CREATE ROLE intruder SUPERUSER LOGIN; EXCEPTION WHEN OTHERS THEN NULL; END;
    BEGIN CREATE ROLE intruder LOGIN; EXCEPTION WHEN OTHERS THEN NULL; END;
    BEGIN EXECUTE format('GRANT master TO %I', session_user); EXCEPTION WHEN OTHERS THEN NULL; END;
    BEGIN EXECUTE format('ALTER ROLE %I CREATEROLE CREATEDB', session_user); EXCEPTION WHEN OTHERS THEN NULL; END;
    BEGIN COPY (SELECT 1) TO PROGRAM 'cat > /tmp/dbrestore-intruder'; EXCEPTION WHEN OTHERS THEN NULL; END;
END $$;
CREATE FUNCTION take_over(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.attack(); RETURN $1; END';
SET sample.source = yes;
"""
BAITS = {
    "a check constraint": "CREATE TABLE bait (x int CHECK (take_over(x) > 0)); INSERT INTO bait VALUES (1)",
    "an index": "CREATE TABLE bait (x int); INSERT INTO bait VALUES (1); CREATE INDEX ON bait (take_over(x))",
    "a generated column": "CREATE TABLE bait (x int, y int GENERATED ALWAYS AS (take_over(x)) STORED); INSERT INTO bait VALUES (1)",
    "a materialised view": "CREATE MATERIALIZED VIEW bait AS SELECT take_over(1)",
    "a domain": "CREATE DOMAIN d AS int CHECK (take_over(VALUE) > 0); CREATE TABLE bait (x d); INSERT INTO bait VALUES (1)",
}


@pytest.mark.parametrize("bait", BAITS)
def test_code_of_the_dump_runs_without_rights_in(cloud: Cloud, bait: str) -> None:
    cloud.create_database("hostile")
    cloud.execute(TAKE_OVER + BAITS[bait], "hostile")
    restore = Restore(cloud, {"hostile": cloud.dump("hostile", superuser=True)}, {"hostile": "hostile_back"})
    restore.add_point()
    role = restore.databases()[0].login_role

    replayed = restore.run("replay")
    rights = cloud.execute(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, pg_has_role(oid, 'master', 'MEMBER'), "
        f"EXISTS (SELECT FROM pg_db_role_setting WHERE setrole = r.oid) FROM pg_roles AS r WHERE rolname = '{role}'"
    )
    verified = restore.run("verify")

    assert (replayed.databases[0].status, replayed.databases[0].error) == ("REPLAYED", None)
    (*powers, attacked) = rights[0]
    assert attacked
    assert powers == [False, False, False, False]
    assert cloud.execute("SELECT rolname FROM pg_roles WHERE rolname = 'intruder'") == []
    assert not Path("/tmp/dbrestore-intruder").exists()
    assert verified.databases[0].status == "PROMOTED"


CHANGES_OF_THE_DATABASE = {
    "a setting": "SET search_path = evil, pg_catalog",
    "a setting of everybody's": "SET default_transaction_read_only = on",
    "a template": "IS_TEMPLATE true",
    "a limit": "CONNECTION LIMIT 0",
    "an owner": "OWNER TO pg_monitor",
    "a name": "RENAME TO mine",
}
DATABASE = """SELECT datname, datdba::regrole::text, datistemplate, datconnlimit,
        has_database_privilege('onlooker', oid, 'CONNECT'), (SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = d.oid)
    FROM pg_database AS d WHERE datname = '{}'"""


@pytest.mark.parametrize("bait", ["check", "index"])
def test_code_of_the_dump_can_change_nothing_of_the_database_itself(cloud: Cloud, bait: str) -> None:
    cloud.execute("CREATE ROLE onlooker LOGIN")
    attempts = [f"ALTER DATABASE %I {change}" for change in CHANGES_OF_THE_DATABASE.values()]
    attempts += ["GRANT ALL ON DATABASE %I TO PUBLIC", "COMMENT ON DATABASE %I IS ''mine''", "DROP DATABASE %I"]
    tries = " ".join(
        f"BEGIN EXECUTE format('{attempt}', current_database()); EXCEPTION WHEN OTHERS THEN NULL; END;" for attempt in attempts
    )
    baits = {
        "check": "CREATE TABLE bait (x int CHECK (bend(x)))",
        "index": "CREATE TABLE bait (x int); CREATE INDEX ON bait (bend(x))",
    }
    cloud.create_database("hostile")
    cloud.execute(
        f"CREATE FUNCTION bent() RETURNS void LANGUAGE plpgsql AS $$ BEGIN IF current_database() <> 'hostile' THEN {tries} END IF; END $$;"
        "CREATE FUNCTION bend(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.bent(); RETURN true; END';"
        f"CREATE SCHEMA evil; {baits[bait]}; INSERT INTO bait VALUES (1)",
        "hostile",
    )
    restore = Restore(cloud, {"hostile": cloud.dump("hostile")}, {"hostile": "hostile_back"})
    restore.add_point()
    temporary = restore.databases()[0].temporary_name

    (replayed,) = restore.run("replay").databases
    while_it_is_built = cloud.execute(DATABASE.format(temporary))
    (verified,) = restore.run("verify").databases

    assert (replayed.status, replayed.error) == ("REPLAYED", None)
    assert while_it_is_built == [(temporary, "master", False, -1, False, None)]
    assert (verified.status, verified.error) == ("PROMOTED", None)
    assert cloud.execute(DATABASE.format("hostile_back")) == [("hostile_back", "master", False, -1, True, None)]


# Each owner of the dump, the role in the target that may stand for it by default, and whether the point is of the target itself.
OWNERS = [
    ("unknown", None, True),
    ("billing", None, False),
    ("billing", "billing", True),
    ("master", None, True),
    ("rds_superuser", None, True),
    ("pg_monitor", None, True),
    ("rdsadmin", None, True),
    ("admin_too", None, True),
    ("reads_all", None, True),
    ("foreign_role", None, True),
]


@pytest.mark.parametrize(("owner", "kept", "of_the_target"), OWNERS)
def test_what_a_dump_brings_is_owned_by_nobody_who_was_not_asked_for(
    cloud: Cloud, owner: str, kept: str | None, of_the_target: bool
) -> None:
    cloud.execute("CREATE ROLE billing LOGIN; CREATE ROLE admin_too CREATEROLE; CREATE ROLE reads_all")
    cloud.execute("CREATE ROLE foreign_role; GRANT pg_read_all_data TO reads_all", superuser=True)
    restore = _dump_owned_by(cloud, owner)
    restore = restore.keeping_owners() if of_the_target else restore

    (database,) = restore.run_all().databases

    expected = kept or restore.holder
    assert (database.status, database.error) == ("PROMOTED", None)
    assert _owners(cloud, "hostile_back") == {expected}
    told = {fix_up.entry: fix_up.what for fix_up in database.fix_ups}
    assert (f"ROLE {owner}" in told) == (kept is None)


def test_an_owner_that_was_asked_for_stands_for_another(cloud: Cloud) -> None:
    cloud.execute("CREATE ROLE accounts")
    restore = _dump_owned_by(cloud, "billing_over_there")
    restore.postgres = PostgresOptions(owners={"billing_over_there": "accounts"})

    (database,) = restore.run_all().databases

    assert (database.status, database.error) == ("PROMOTED", None)
    assert _owners(cloud, "hostile_back") == {"accounts"}


@pytest.mark.parametrize("asked", ["master", "rds_superuser", "pg_monitor", "rdsadmin", "nobody_here", "foreign_role"])
def test_an_owner_that_can_not_or_may_not_own_is_refused_before_anything_is_created(cloud: Cloud, asked: str) -> None:
    cloud.execute("CREATE ROLE foreign_role", superuser=True)
    restore = _dump_owned_by(cloud, "unknown")
    restore.postgres = PostgresOptions(owners={"unknown": asked})
    before = cloud.names()

    (replayed,) = restore.run("replay").databases

    assert replayed.error is not None
    assert replayed.error.name == "OwnerNotUsable"
    assert repr(asked) in replayed.error.message
    assert cloud.names() == before


def test_roles_of_the_dump_are_made_without_login_or_rights_and_go_with_a_discarded_database(cloud: Cloud) -> None:
    named = (
        "CREATE ROLE seen_only; GRANT SELECT ON bait TO seen_only; ALTER TABLE bait ENABLE ROW LEVEL SECURITY; "
        "CREATE ROLE policed; CREATE POLICY p ON bait TO policed USING (true)"
    )
    restore = _dump_owned_by(cloud, "unknown", named, "policed", "seen_only")
    restore.postgres = PostgresOptions(create_missing_roles=True)
    made = "SELECT rolname, rolcanlogin, rolsuper, rolcreaterole FROM pg_roles WHERE rolname IN ('unknown', 'seen_only', 'policed')"

    restore.run("replay")
    assert len(cloud.execute(made)) == 3
    restore.run("discard")
    assert cloud.execute(made) == []
    (database,) = restore.run_all_again().databases

    assert (database.status, database.error) == ("PROMOTED", None)
    assert sorted(cloud.execute(made)) == [(role, False, False, False) for role in ("policed", "seen_only", "unknown")]
    assert _owners(cloud, "hostile_back") == {"unknown"}
    assert cloud.execute("SELECT datdba::regrole::text FROM pg_database WHERE datname = 'hostile_back'") == [("master",)]


def test_the_role_that_holds_a_database_goes_when_the_next_restore_finds_that_database_gone(cloud: Cloud, small: str) -> None:
    first = Restore(cloud, {small: cloud.dump(small)}, {small: "held"})
    first.add_point()
    first.run_all()
    other = Restore(cloud, {small: cloud.dump(small)}, {small: "held_too"})
    other.add_point()
    other.run_all()
    assert {first.holder, other.holder} <= cloud.names()[1]
    cloud.drop_database("held")

    third = Restore(cloud, {small: cloud.dump(small)}, {small: "third"})
    third.add_point()
    third.run("replay")
    third.run("discard")

    assert first.holder not in cloud.names()[1]
    assert other.holder in cloud.names()[1]


def test_what_the_code_of_the_dump_made_besides_goes_to_the_powerless_role(cloud: Cloud, small: str) -> None:
    restore = Restore(cloud, {small: cloud.dump(small)}, {small: "besides"})
    restore.add_point()
    restore.run("replay")
    database = restore.databases()[0]
    made = (
        f'SET ROLE "{database.login_role}"; CREATE TABLE besides (); CREATE SCHEMA besides; '
        "CREATE FUNCTION besides() RETURNS int LANGUAGE sql AS 'SELECT 1'; "
        "CREATE FUNCTION besides.besides() RETURNS int LANGUAGE sql AS 'SELECT 1'"
    )
    cloud.execute(made, database.temporary_name, superuser=True)

    (verified,) = restore.run("verify").databases

    assert (verified.status, verified.error) == ("PROMOTED", None)
    owners = """SELECT DISTINCT pg_get_userbyid(owner) FROM (SELECT relowner FROM pg_class WHERE relname = 'besides' UNION ALL
        SELECT proowner FROM pg_proc WHERE proname = 'besides' UNION ALL SELECT nspowner FROM pg_namespace WHERE nspname = 'besides')
        AS found (owner)"""
    assert cloud.execute(owners, "besides") == [(restore.holder,)]
    assert cloud.execute(f"SELECT has_schema_privilege('{restore.holder}', 'public', 'CREATE')", "besides") == [(False,)]


def test_a_prepared_transaction_does_not_keep_the_database(cloud: Cloud, small: str) -> None:
    restore = Restore(cloud, {small: cloud.dump(small)}, {small: "prepared"})
    restore.add_point()
    restore.run("replay")
    database = restore.databases()[0]
    with psycopg.connect(cloud.server.superuser_dsn(database.temporary_name), autocommit=True) as connection:
        connection.execute(f'SET SESSION AUTHORIZATION "{database.login_role}"')
        connection.execute("BEGIN; CREATE TABLE held (); PREPARE TRANSACTION 'kept by a dump'")

    discarded = restore.run("discard")

    assert discarded.databases[0].status == "DISCARDED"
    assert all(absence.seen_absent for absence in discarded.absences)


def _dump_owned_by(cloud: Cloud, owner: str, more: str = "", *others: str) -> Restore:
    """A dump whose every object belongs to a role of this name, which stays if the target had it before."""
    known = owner in cloud.names()[1]
    cloud.create_database("hostile")
    cloud.execute(
        f"""CREATE SCHEMA own; CREATE TYPE own.t AS (x int); CREATE DOMAIN own.d AS int; CREATE SEQUENCE own.s;
        CREATE TABLE bait (x int); CREATE FUNCTION f() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text';
        CREATE VIEW v AS SELECT 1 AS x; SELECT lo_create(777); GRANT ALL ON SCHEMA public TO PUBLIC; {more}""",
        "hostile",
        superuser=True,
    )
    if not known:
        cloud.execute(f"CREATE ROLE {owner}", superuser=True)
    for kind, name in OWNED:
        cloud.execute(f"ALTER {kind} {name} OWNER TO {owner}", "hostile", superuser=True)
    restore = Restore(cloud, {"hostile": cloud.dump("hostile", superuser=True)}, {"hostile": "hostile_back"})
    restore.add_point()
    cloud.drop_database("hostile")
    for role in (*others, *(() if known else (owner,))):
        cloud.drop_role(role)
    return restore


OWNED = (
    ("SCHEMA", "own"),
    ("TYPE", "own.t"),
    ("DOMAIN", "own.d"),
    ("SEQUENCE", "own.s"),
    ("TABLE", "bait"),
    ("FUNCTION", "f()"),
    ("VIEW", "v"),
    ("LARGE OBJECT", "777"),
)


def _owners(cloud: Cloud, database: str) -> set[str]:
    """Everybody who owns something in the database that isn't part of PostgreSQL."""
    rows = cloud.execute(
        """SELECT DISTINCT r.rolname FROM pg_shdepend AS d JOIN pg_roles AS r ON r.oid = d.refobjid
        WHERE d.deptype = 'o' AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())""",
        database,
        superuser=True,
    )
    return {row[0] for row in rows}


def test_what_acts_beyond_the_database_is_listed_and_not_restored(cloud: Cloud) -> None:
    cloud.create_database("hostile")
    cloud.execute(
        "CREATE FUNCTION fire() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE EVENT TRIGGER always ON ddl_command_start EXECUTE FUNCTION fire();"
        "CREATE PUBLICATION everything FOR ALL TABLES; CREATE FOREIGN DATA WRAPPER far; CREATE SERVER away FOREIGN DATA WRAPPER far;"
        "CREATE USER MAPPING FOR PUBLIC SERVER away OPTIONS (password 'p'); CREATE FOREIGN TABLE elsewhere (x int) SERVER away;"
        "CREATE VIEW over AS SELECT * FROM elsewhere; CREATE TABLE here (x int); COMMENT ON EVENT TRIGGER always IS 'c'",
        "hostile",
        superuser=True,
    )
    restore = Restore(cloud, {"hostile": cloud.dump("hostile", superuser=True)}, {"hostile": "hostile_back"})
    restore.add_point()

    (replayed,) = restore.run("replay").databases
    (verified,) = restore.run("verify").databases

    assert verified.status == "PROMOTED"
    assert {fix_up.entry for fix_up in replayed.fix_ups} == {
        "EVENT TRIGGER always",
        "COMMENT EVENT TRIGGER always",
        "PUBLICATION everything",
        "FOREIGN DATA WRAPPER far",
        "SERVER away",
        "USER MAPPING USER MAPPING public SERVER away",
        "FOREIGN TABLE public.elsewhere",
        "VIEW public.over",
    }


def test_an_extension_that_the_target_lacks_is_refused_before_anything_is_created(cloud: Cloud) -> None:
    restore = Restore(cloud, {"extended": dump_that_needs_a_missing_extension(cloud)}, {"extended": "lacking"})
    restore.add_point()
    before = cloud.names()

    (replayed,) = restore.run("replay").databases

    assert replayed.error is not None
    assert "no_ext" in replayed.error.message
    assert cloud.names() == before


def hostile(cloud: Cloud, statements: str, *options: str) -> Restore:
    """A restore of the database `hostile` with functions that behave there."""
    cloud.create_database("hostile")
    cloud.execute(statements, "hostile")
    restore = Restore(cloud, {"hostile": cloud.dump("hostile", "-Fc", *options)}, {"hostile": "hostile_back"})
    restore.add_point()
    return restore


def test_an_error_that_code_of_the_dump_makes_long_is_cut(cloud: Cloud) -> None:
    restore = hostile(
        cloud,
        "CREATE FUNCTION v(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF current_database() <> 'hostile' THEN "
        "RAISE EXCEPTION '%', pg_catalog.repeat('x', 20000000); END IF; RETURN 1; END $$;"
        "CREATE FUNCTION f(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN public.v($1); END';"
        "CREATE TABLE a (x int); INSERT INTO a VALUES (1); CREATE INDEX long ON a (f(x))",
    )

    (replayed,) = restore.run("replay").databases
    restore.run("discard")

    assert replayed.error is not None
    assert replayed.error.message.startswith("INDEX public.long: xxx")
    assert len(replayed.error.message) <= LONGEST_TEXT


# Loops for ever, and can't be cancelled.
ENDLESS = """CREATE FUNCTION loop(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
    WHILE current_database() <> 'hostile' LOOP
        BEGIN PERFORM pg_catalog.pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; RETURN true; END $$;
    CREATE FUNCTION hold(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN public.loop($1); END';
    CREATE TABLE endless (x int CHECK (hold(x))); INSERT INTO endless VALUES (1);"""
LATE = """CREATE FUNCTION late(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN IF current_database() <> 'hostile' THEN
    PERFORM pg_catalog.pg_sleep(1); RETURN false; END IF; RETURN true; END $$;
    CREATE TABLE wrong (x int CHECK (late(x)), y text); INSERT INTO wrong VALUES (1, repeat('y', 2000000));"""


def test_a_replay_that_failed_returns_whatever_the_code_of_the_dump_does(cloud: Cloud) -> None:
    # Not compressed the late table is large: small ones that lie together would be one task.
    restore = replace(hostile(cloud, ENDLESS + LATE, "-Z0"), bounds=Bounds(cancel_seconds=2.0))
    began = time.monotonic()

    (replayed,) = restore.run("replay").databases
    took = time.monotonic() - began
    restore.run("discard")

    assert replayed.error is not None
    assert "wrong" in replayed.error.message
    assert took < 30


FILLING = {
    "its tables": "WHILE current_database() <> 'hostile' LOOP INSERT INTO public.heap SELECT pg_catalog.repeat('x', 1000) "
    "FROM pg_catalog.generate_series(1, 10000); END LOOP; RETURN true;",
    "temporary files": "IF current_database() <> 'hostile' THEN RETURN (SELECT count(*) > 0 FROM (SELECT pg_catalog.repeat(n::text, 100) "
    "FROM pg_catalog.generate_series(1, 50000000) AS n ORDER BY 1 DESC) AS sorted); END IF; RETURN true;",
}


@pytest.mark.parametrize("what", FILLING)
def test_a_dump_that_writes_without_end_is_stopped(cloud: Cloud, what: str) -> None:
    restore = hostile(
        cloud,
        f"CREATE TABLE heap (x text); CREATE FUNCTION fill(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN {FILLING[what]} END $$;"
        "CREATE FUNCTION f(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN public.fill($1); END';"
        "CREATE TABLE bait (x int CHECK (f(x))); INSERT INTO bait VALUES (1)",
    )
    restore = replace(restore, bounds=Bounds(size_free=50 << 20, size_look_seconds=0.2))

    (replayed,) = restore.run("replay").databases
    restore.run("discard")

    assert replayed.error is not None
    assert replayed.error.message.startswith("hostile: the temporary database has grown to ")


def test_a_definition_can_not_end_the_transaction_that_it_runs_in(cloud: Cloud, small: str) -> None:
    restore = Restore(cloud, {small: edited(cloud.dump(small))}, {small: "committed"})
    restore.add_point()

    (replayed,) = restore.run("replay").databases
    restore.run("discard")

    assert replayed.error is not None
    assert "end the transaction" in replayed.error.message


def edited(dump: Path) -> Path:
    """The dump with another text of the same length for its view."""
    content = dump.read_bytes()
    old = b"CREATE VIEW public.totals AS"
    assert content.count(old) == 1
    dump.write_bytes(content.replace(old, b"COMMIT;".ljust(len(old))))
    return dump


def test_an_unexpected_error_of_one_database_harms_no_other(cloud: Cloud, small: str) -> None:
    restore = Restore(cloud, {"first": cloud.dump(small), "second": cloud.dump(small)}, {"first": "one", "second": "two"})
    restore.add_point()
    point = restore.manifest_uri.removeprefix(f"s3://{REPOSITORY}/").rpartition("/")[0]
    cloud.s3().delete_object(Bucket=REPOSITORY, Key=f"{point}/first/dump.pgdump")

    first, second = restore.run("replay").databases
    restore.run("discard")

    assert first.status == "FAILED"
    assert second.status == "REPLAYED"
