"""A dump is somebody else's program: what it tries while it is restored fails, or does no harm."""

import time
from pathlib import Path

import pytest

from tests.databases.restore_case import Cloud, Restore
from worker import limits
from worker.job import LONGEST_TEXT

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


def test_settings_that_the_dump_gives_its_database_do_not_bend_our_sessions(cloud: Cloud) -> None:
    cloud.create_database("hostile")
    cloud.execute(
        "CREATE FUNCTION set_traps() RETURNS void LANGUAGE plpgsql AS $$ BEGIN IF current_database() <> 'hostile' THEN "
        "EXECUTE format('ALTER DATABASE %I SET search_path = evil, pg_catalog', current_database());"
        "EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END IF; END $$;"
        "CREATE FUNCTION bend(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.set_traps(); RETURN true; END';"
        "CREATE SCHEMA evil; CREATE TABLE bait (x int CHECK (bend(x))); INSERT INTO bait VALUES (1)",
        "hostile",
    )
    restore = Restore(cloud, {"hostile": cloud.dump("hostile")}, {"hostile": "hostile_back"})
    restore.add_point()
    traps = "SELECT setconfig::text FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase WHERE datname = '{}'"

    replayed = restore.run("replay")
    set_by_the_dump = cloud.execute(traps.format(restore.databases()[0].temporary_name))
    verified = restore.run("verify")

    assert (replayed.databases[0].status, replayed.databases[0].error) == ("REPLAYED", None)
    assert "evil" in set_by_the_dump[0][0]
    assert (verified.databases[0].status, verified.databases[0].error) == ("PROMOTED", None)
    assert cloud.execute(traps.format("hostile_back")) == []


def test_what_the_code_of_the_dump_made_besides_goes_to_the_master_user(cloud: Cloud, small: str) -> None:
    restore = Restore(cloud, {small: cloud.dump(small)}, {small: "besides"})
    restore.add_point()
    restore.run("replay")
    database = restore.databases()[0]
    made = f'CREATE TABLE besides (); ALTER TABLE besides OWNER TO "{database.login_role}"'
    cloud.execute(made, database.temporary_name, superuser=True)

    (verified,) = restore.run("verify").databases

    assert (verified.status, verified.error) == ("PROMOTED", None)
    assert cloud.execute("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'besides'", "besides") == [
        ("master",)
    ]


def test_what_acts_beyond_the_database_is_listed_and_not_restored(cloud: Cloud) -> None:
    cloud.create_database("hostile")
    cloud.execute(
        "CREATE FUNCTION fire() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE EVENT TRIGGER always ON ddl_command_start EXECUTE FUNCTION fire();"
        "CREATE PUBLICATION everything FOR ALL TABLES; CREATE FOREIGN DATA WRAPPER far; CREATE SERVER away FOREIGN DATA WRAPPER far;"
        "CREATE USER MAPPING FOR PUBLIC SERVER away OPTIONS (password 'p'); CREATE FOREIGN TABLE elsewhere (x int) SERVER away;"
        "CREATE VIEW over AS SELECT * FROM elsewhere; CREATE TABLE here (x int); COMMENT ON EVENT TRIGGER always IS 'c'",
        "hostile", superuser=True,
    )  # fmt: skip
    restore = Restore(cloud, {"hostile": cloud.dump("hostile", superuser=True)}, {"hostile": "hostile_back"})
    restore.add_point()

    (replayed,) = restore.run("replay").databases
    (verified,) = restore.run("verify").databases

    assert verified.status == "PROMOTED"
    assert {fix_up.entry for fix_up in replayed.fix_ups} == {
        "EVENT TRIGGER always", "COMMENT EVENT TRIGGER always", "PUBLICATION everything", "FOREIGN DATA WRAPPER far", "SERVER away",
        "USER MAPPING USER MAPPING public SERVER away", "FOREIGN TABLE public.elsewhere", "VIEW public.over",
    }  # fmt: skip


def test_an_extension_that_the_target_lacks_is_refused_before_anything_is_created(cloud: Cloud, small: str) -> None:
    restore = Restore(cloud, {small: cloud.dump(small)}, {small: "lacking"})
    restore.add_point()
    restore.change_manifest(
        lambda text: text.replace('"extensions":[]', '"extensions":[{"name":"no_such_thing","schemaName":"public"}]')
    )
    before = cloud.names()

    (replayed,) = restore.run("replay").databases

    assert replayed.error is not None
    assert "no_such_thing" in replayed.error.message
    assert cloud.names() == before


def hostile(cloud: Cloud, statements: str) -> Restore:
    """A restore of the database `hostile` with functions that behave there."""
    cloud.create_database("hostile")
    cloud.execute(statements, "hostile")
    restore = Restore(cloud, {"hostile": cloud.dump("hostile")}, {"hostile": "hostile_back"})
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


def test_a_replay_that_failed_returns_whatever_the_code_of_the_dump_does(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CANCEL_SECONDS", 2.0)
    restore = hostile(cloud, ENDLESS + LATE)
    monkeypatch.setattr(limits, "SMALL_MEMBER", 0)
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
def test_a_dump_that_writes_without_end_is_stopped(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(limits, "SIZE_FREE", 50 << 20)
    monkeypatch.setattr(limits, "SIZE_LOOK_SECONDS", 0.2)
    restore = hostile(
        cloud,
        f"CREATE TABLE heap (x text); CREATE FUNCTION fill(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN {FILLING[what]} END $$;"
        "CREATE FUNCTION f(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN public.fill($1); END';"
        "CREATE TABLE bait (x int CHECK (f(x))); INSERT INTO bait VALUES (1)",
    )

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
    restore = Restore(
        cloud, {"first": cloud.dump(small), "second": cloud.dump(small)}, {"first": "one", "second": "two"}
    )
    restore.add_point()
    restore.change_manifest(lambda text: text.replace('"toc":{"file":0,', '"toc":{"file":7,', 1))

    first, second = restore.run("replay").databases
    restore.run("discard")

    assert first.status == "FAILED"
    assert second.status == "REPLAYED"
