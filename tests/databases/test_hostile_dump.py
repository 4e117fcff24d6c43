"""A dump is somebody else's program: what it tries while it is restored fails, or does no harm."""

from pathlib import Path

import pytest

from tests.databases.restore_case import Cloud, Restore

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
