"""Ways by which a dump could reach beyond its login, its time or its report, each found by looking for one."""

import hashlib
import time
import tracemalloc
from dataclasses import replace

import psycopg
import pytest

from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.postgresql.checks import comments
from tests.databases.hostile.test_hostile_dump import hostile
from tests.databases.restore_case import Cloud, Restore, edited


def test_what_claims_to_be_the_databases_own_privileges_is_about_nothing_else(cloud: Cloud) -> None:
    cloud.create_database("hostile" * 8)
    cloud.execute(f"CREATE TABLE t (x int); GRANT ALL ON DATABASE {'hostile' * 8} TO PUBLIC", "hostile" * 8)
    old = f"GRANT ALL ON DATABASE {'hostile' * 8} TO PUBLIC;".encode()
    new = b"ALTER DEFAULT PRIVILEGES FOR ROLE master GRANT ALL ON TABLES TO PUBLIC;".ljust(len(old))
    dump = edited(cloud.dump("hostile" * 8), old, new)
    restore = Restore(cloud, {"hostile" * 8: dump}, {"hostile" * 8: "hostile_back"}).keeping_owners()
    restore.add_point()

    (database,) = restore.run_all().databases

    assert (database.status, database.error) == ("PROMOTED", None)
    assert cloud.execute("SELECT defaclrole::regrole FROM pg_default_acl") == []
    assert any("ALTER DEFAULT PRIVILEGES" in note.what for note in database.fix_ups)


STUBBORN = """CREATE FUNCTION v(int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    WHILE current_database() <> 'hostile' AND pg_catalog.current_query() LIKE 'ANALYZE %' LOOP
        BEGIN PERFORM pg_catalog.pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;
CREATE FUNCTION f(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.v($1); RETURN $1; END';
CREATE TABLE bait (x int) WITH (autovacuum_enabled = off); INSERT INTO bait VALUES (1); CREATE INDEX ON bait (f(x))"""


def test_code_that_can_not_be_cancelled_does_not_hold_the_verification(cloud: Cloud) -> None:
    restore = replace(hostile(cloud, STUBBORN), bounds=Bounds(analyze_seconds=1, cancel_seconds=1.0))
    began = time.monotonic()

    (database,) = restore.run_all().databases
    restore.run("discard")

    assert time.monotonic() - began < 30
    assert database.status == "FAILED"


BESIDES = {
    "a function": "CREATE FUNCTION public.besides() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "an operator": "CREATE OPERATOR public.#@# (LEFTARG = int, RIGHTARG = int, FUNCTION = pg_catalog.int4pl)",
    "a type": "CREATE TYPE public.besides AS ENUM ('a')",
    "a schema": "CREATE SCHEMA besides CREATE TABLE besides (x int)",
    "a publication": "CREATE PUBLICATION besides FOR TABLE public.bait",
    "an extension": "CREATE EXTENSION citext SCHEMA public",
    "statistics": "CREATE STATISTICS public.besides ON x, y FROM public.bait",
    "a large object": "PERFORM lo_create(4242)",
    "default privileges": "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC",
    "a collation": 'CREATE COLLATION public.besides FROM "C"',
    "a text search": "CREATE TEXT SEARCH CONFIGURATION public.besides (COPY = pg_catalog.simple)",
    "a cast": "CREATE TYPE public.besides AS (x int); CREATE FUNCTION public.c(public.besides) RETURNS int LANGUAGE sql AS 'SELECT 1'; "
    "CREATE CAST (public.besides AS int) WITH FUNCTION public.c(public.besides)",
}


def doing(statements: str) -> str:
    """A database whose code does that while its rows are loaded elsewhere."""
    return f"""CREATE FUNCTION v() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
            IF current_database() <> 'hostile' THEN {statements}; END IF; END $$;
        CREATE FUNCTION f(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.v(); RETURN true; END';
        CREATE TABLE bait (x int CHECK (f(x)), y int); INSERT INTO bait VALUES (1)"""


HIDDEN = """CREATE EXTENSION citext SCHEMA public;
    CREATE FUNCTION public.hidden() RETURNS text SECURITY DEFINER LANGUAGE sql AS 'SELECT 1::text';
    ALTER EXTENSION citext ADD FUNCTION public.hidden()"""


def test_a_function_that_was_hidden_in_an_extension_is_told(cloud: Cloud) -> None:
    restore = hostile(cloud, doing(HIDDEN))

    (database,) = restore.run_all().databases

    assert (database.status, database.error) == ("PROMOTED", None)
    assert [(each.name, each.runs_as) for each in database.code] == [("public.hidden()", restore.holder)]


def test_a_comment_as_long_as_code_likes_is_not_read(cloud: Cloud) -> None:
    cloud.create_database("said")
    cloud.execute("CREATE TABLE t (x int); COMMENT ON COLUMN t.x IS 'short'", "said")
    cloud.execute("DO $$ BEGIN EXECUTE format('COMMENT ON TABLE t IS %L', repeat('x', 20000000)); END $$", "said")
    with psycopg.connect(cloud.dsn("said")) as connection:
        tracemalloc.start()
        found = comments.read(connection)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < 10_000_000
    assert hashlib.sha256(b"x" * 20_000_000).digest() in found.of_objects.values()


def test_code_that_holds_a_lock_does_not_hold_up_the_hand_over(cloud: Cloud) -> None:
    restore = replace(hostile(cloud, "CREATE TABLE bait (x int)"), bounds=Bounds(hand_over_lock_seconds=2))
    restore.run("replay")
    database = restore.databases()[0]
    # As autovacuum does with code of the dump that catches its cancelling: nobody but it can end it.
    with psycopg.connect(cloud.server.superuser_dsn(database.temporary_name)) as autovacuum:
        autovacuum.execute("LOCK TABLE bait IN ROW SHARE MODE")
        began = time.monotonic()
        (verified,) = restore.run("verify").databases
    restore.run("discard")

    assert time.monotonic() - began < 30
    assert verified.error is not None
    assert "lock timeout" in verified.error.message


@pytest.mark.parametrize("what", BESIDES)
def test_what_code_makes_besides_holds_up_nothing(cloud: Cloud, what: str) -> None:
    restore = hostile(cloud, doing(BESIDES[what]))

    (database,) = restore.run_all().databases

    assert (database.status, database.error) == ("PROMOTED", None)
