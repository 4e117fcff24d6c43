"""Extensions: by a list of allowed ones, with the rows that dumps have for their tables, and left out with what depends on them."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dbrestore.contract.job import PostgresOptions
from tests.databases.hostile.test_hostile_dump import hostile
from tests.databases.replay.test_cases_replay import SKIP, come_back, left_out, message, replayed, restore_of
from tests.databases.restore_case import Cloud, edited

# Stand-ins for PostGIS (a table with rows of its own, to which a database adds) and pg_cron (rows that are commands; only its own show).
# They put extensions into the installation, which all test processes share.
pytestmark = pytest.mark.xdist_group("extensions of the installation")
STUBS = {
    "geostub": """CREATE TABLE geo_ref (srid int PRIMARY KEY, auth text);
    INSERT INTO geo_ref SELECT i, 'EPSG' FROM generate_series(1, 500) AS i; CREATE SEQUENCE geo_seq;
    SELECT pg_catalog.pg_extension_config_dump('geo_ref', 'WHERE srid > 400');
    SELECT pg_catalog.pg_extension_config_dump('geo_seq', ''); ALTER TABLE geo_ref OWNER TO @extowner@;
    ALTER SEQUENCE geo_seq OWNER TO @extowner@""",
    "cronstub": """CREATE TABLE cronjobs (id int PRIMARY KEY, command text); SELECT pg_catalog.pg_extension_config_dump('cronjobs', '');
    ALTER TABLE cronjobs ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON cronjobs USING (true)""",
}


@pytest.fixture(scope="module")
def stubs(cloud: Cloud) -> Iterator[None]:
    """Both can be created on the server."""
    folder = cloud.server.binaries.parent / "share" / "extension"
    written: list[Path] = []
    for name, script in STUBS.items():
        control = "comment = 'stand-in'\ndefault_version = '1.0'\nrelocatable = false\ntrusted = true\n"
        for path, text in ((folder / f"{name}.control", control), (folder / f"{name}--1.0.sql", script)):
            path.write_text(text)
            written.append(path)
    yield
    for path in written:
        path.unlink()


GEO = """CREATE EXTENSION geostub; INSERT INTO geo_ref VALUES (9001, 'own'), (9002, 'own too'); SELECT setval('geo_seq', 77);
CREATE TABLE places (id int PRIMARY KEY, srid int);
INSERT INTO places SELECT i, 9001 FROM generate_series(1, 100) AS i"""


@pytest.mark.usefixtures("stubs")
def test_rows_of_an_extensions_table_join_those_that_it_ships(cloud: Cloud) -> None:
    result = come_back(restore_of(cloud, GEO, postgres=PostgresOptions(allowed_extensions=("plpgsql", "geostub"))))

    assert {fix_up.entry: fix_up.what for fix_up in result.fix_ups if "geo" in fix_up.entry} == {
        "TABLE DATA public.geo_ref": "100 of 102 rows were already there"
    }
    assert cloud.execute("SELECT count(*), max(srid) FROM geo_ref", "case_back") == [(502, 9002)]
    assert cloud.execute("SELECT last_value FROM geo_seq", "case_back") == [(77,)]
    assert cloud.execute("SELECT count(*) FROM places", "case_back") == [(100,)]


@pytest.mark.usefixtures("stubs")
def test_rows_that_must_not_be_loaded_for_an_extension_are_listed(cloud: Cloud) -> None:
    statements = "CREATE EXTENSION cronstub; INSERT INTO cronjobs VALUES (1, 'DROP DATABASE x'); CREATE TABLE t AS SELECT 1 AS x"
    options = PostgresOptions(allowed_extensions=("cronstub",))

    result = come_back(restore_of(cloud, statements, superuser=True, postgres=options))

    (told,) = [fix_up.what for fix_up in result.fix_ups if fix_up.entry == "TABLE DATA public.cronjobs"]
    assert told.startswith("1 rows of the extension's table were not loaded: ")
    assert cloud.execute("SELECT count(*) FROM cronjobs", "case_back", superuser=True) == [(0,)]


@pytest.mark.usefixtures("stubs")
def test_an_extension_that_is_not_allowed_is_refused_with_the_way_out(cloud: Cloud) -> None:
    told = message(replayed(restore_of(cloud, "CREATE EXTENSION geostub; CREATE EXTENSION citext")))

    assert "geostub: the configuration doesn't allow it" in told
    assert "citext" not in told
    assert "skip-missing" in told


@pytest.mark.usefixtures("stubs")
@pytest.mark.parametrize("options", [SKIP, PostgresOptions(skip_missing_extensions=True)], ids=["unrestorable", "extensions"])
def test_what_depends_on_an_extension_that_is_left_out_goes_with_it(cloud: Cloud, options: PostgresOptions) -> None:
    statements = """CREATE EXTENSION citext; CREATE TABLE people (name citext PRIMARY KEY); INSERT INTO people VALUES ('a'), ('b');
    CREATE VIEW names AS SELECT name FROM people; CREATE TABLE other (x int); INSERT INTO other VALUES (1)"""
    options = options.model_copy(update={"allowed_extensions": ("plpgsql",)})

    result = come_back(restore_of(cloud, statements, postgres=options))

    assert left_out(result) == {
        "EXTENSION citext": 0,
        "COMMENT EXTENSION citext": 0,
        "TABLE public.people": 0,
        "TABLE DATA public.people": 2,
        "VIEW public.names": 0,
        "CONSTRAINT public.people people_pkey": 0,
    }
    assert cloud.execute("SELECT x FROM other", "case_back") == [(1,)]


def test_an_extension_that_reaches_other_databases_is_not_allowed_by_default(cloud: Cloud) -> None:
    told = message(replayed(restore_of(cloud, "CREATE EXTENSION dblink", superuser=True)))

    assert "dblink: the configuration doesn't allow it" in told


ALLOWED = PostgresOptions(allowed_extensions=("plpgsql", "geostub"))
SKIPPING = ALLOWED.model_copy(update={"skip_unrestorable": True})
POINTING = "ALTER TABLE places ADD CONSTRAINT known FOREIGN KEY (srid) REFERENCES geo_ref"
KEYS = "SELECT conname, convalidated, condeferrable, confmatchtype::text, confdeltype::text FROM pg_constraint WHERE contype = 'f'"


@pytest.mark.usefixtures("stubs")
@pytest.mark.parametrize("options", ["", " NOT VALID", " MATCH FULL ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED"])
def test_a_foreign_key_to_an_extensions_table_comes_back(cloud: Cloud, options: str) -> None:
    said = f"{GEO}; {POINTING}{options}; COMMENT ON CONSTRAINT known ON places IS 'mine'"

    result = come_back(restore_of(cloud, said, postgres=ALLOWED))

    assert left_out(result) == {}
    assert cloud.execute(KEYS, "case_back") == cloud.execute(KEYS, "case")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        cloud.execute("INSERT INTO places VALUES (101, 1234)", "case_back", superuser=True)
    granted = "SELECT count(*) FROM pg_class AS c, aclexplode(relacl) AS a WHERE relname = 'geo_ref' AND privilege_type = 'REFERENCES'"
    assert cloud.execute(f"{granted} AND a.grantee <> c.relowner", "case_back") == [(0,)]


NO_OWN_FUNCTION = {
    "an action": f"{POINTING} ON DELETE CASCADE",
    "a type of its own": "CREATE DOMAIN ref AS int; ALTER TABLE places ALTER srid TYPE ref; " + POINTING,
    "another type": "ALTER TABLE places ALTER srid TYPE bigint; " + POINTING,
    "a function": "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; " + POINTING,
}


@pytest.mark.usefixtures("stubs")
@pytest.mark.parametrize("kind", NO_OWN_FUNCTION)
def test_a_foreign_key_by_which_code_could_run_for_others_is_left_out(cloud: Cloud, kind: str) -> None:
    result = come_back(restore_of(cloud, f"{GEO}; {NO_OWN_FUNCTION[kind]}", postgres=SKIPPING))

    assert left_out(result) == {"FK CONSTRAINT public.places known": 0}
    assert cloud.execute(KEYS, "case_back") == []


@pytest.mark.usefixtures("stubs")
def test_a_foreign_key_of_a_partitioned_table_is_left_out_where_it_can_not_be_added_unproven(cloud: Cloud) -> None:
    parted = """CREATE TABLE parted (id int, srid int) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF parted DEFAULT;
        INSERT INTO parted VALUES (1, 9001); ALTER TABLE parted ADD CONSTRAINT known FOREIGN KEY (srid) REFERENCES geo_ref"""

    result = come_back(restore_of(cloud, f"{GEO}; {parted}", postgres=SKIPPING))

    assert left_out(result) == {"FK CONSTRAINT public.parted known": 0}
    assert "NOT VALID" in result.left_out[0].why


@pytest.mark.usefixtures("stubs")
def test_a_foreign_key_to_an_extensions_table_is_refused_with_the_reason(cloud: Cloud) -> None:
    told = message(replayed(restore_of(cloud, f"{GEO}; {NO_OWN_FUNCTION['a function']}", postgres=ALLOWED)))

    assert "FK CONSTRAINT public.places known: it points at a table of an extension" in told
    assert "skip" in told


@pytest.mark.usefixtures("stubs")
def test_a_foreign_key_to_rows_that_did_not_come_is_left_out(cloud: Cloud) -> None:
    restore = restore_of(cloud, f"{GEO}; INSERT INTO places VALUES (101, 77777); {POINTING} NOT VALID", postgres=SKIPPING)
    restore.dumps["case"] = edited(restore.dumps["case"], b" NOT VALID;\n", b"          ;\n")
    restore.add_point()

    result = come_back(restore)

    assert left_out(result) == {"FK CONSTRAINT public.places known": 0}
    assert cloud.execute(KEYS, "case_back") == []


# What it makes while it is restored: a function, though the dump has none when the key is added.
@pytest.mark.usefixtures("stubs")
def test_functions_that_come_after_the_foreign_key_stop_the_promotion(cloud: Cloud) -> None:
    restore = restore_of(cloud, f"{GEO}; {POINTING}", postgres=ALLOWED)
    assert restore.run("replay").databases[0].error is None
    database = restore.databases()[0]
    late = f"SET ROLE \"{database.login_role}\"; CREATE FUNCTION public.late() RETURNS int LANGUAGE sql AS 'SELECT 1'"
    cloud.execute(late, database.temporary_name, superuser=True)

    (verified,) = restore.run("verify").databases
    restore.run("discard")

    assert "foreign keys to tables of extensions" in message(verified)


# A foreign key is checked as the owner of the table that it points at, and the check casts the value.
CAST = """CREATE EXTENSION geostub;
CREATE TYPE disguise AS (x int); CREATE TABLE seen (who text);
CREATE FUNCTION unmask(disguise) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
    EXECUTE 'ALTER ROLE master SET work_mem = ''1MB'''; RETURN 401; END $$;
CREATE CAST (disguise AS int) WITH FUNCTION unmask(disguise) AS IMPLICIT;
CREATE FUNCTION attack() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    IF current_database() = 'hostile' THEN RETURN; END IF;
    BEGIN
        CREATE TABLE public.pointing (x public.disguise REFERENCES public.geo_ref);
        INSERT INTO public.pointing VALUES (ROW(1));
    EXCEPTION WHEN OTHERS THEN NULL; END;
END $$;
CREATE FUNCTION f(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.attack(); RETURN true; END';
CREATE TABLE bait (x int CHECK (f(x))); INSERT INTO bait VALUES (1)"""


@pytest.mark.usefixtures("stubs")
def test_no_foreign_key_of_the_dump_runs_its_casts_as_the_owner_of_an_extensions_table(cloud: Cloud) -> None:
    restore = hostile(cloud, CAST)
    restore.postgres = PostgresOptions(allowed_extensions=("plpgsql", "geostub"))

    (database,) = restore.run_all().databases

    assert (database.status, database.error) == ("PROMOTED", None)
    assert cloud.execute("SELECT rolconfig FROM pg_roles WHERE rolname = 'master'") == [(None,)]


# Called when the restore is over: as the owner of the database's objects, by autovacuum for one.
LATER = """CREATE EXTENSION geostub; CREATE SCHEMA own;
CREATE TYPE own.disguise AS (x int);
CREATE FUNCTION own.unmask(own.disguise) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
    EXECUTE 'ALTER ROLE master SET work_mem = ''1MB'''; RETURN 401; END $$;
CREATE CAST (own.disguise AS int) WITH FUNCTION own.unmask(own.disguise) AS IMPLICIT;
CREATE FUNCTION own.attack() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    CREATE TABLE own.pointing (x own.disguise REFERENCES public.geo_ref);
    INSERT INTO own.pointing VALUES (ROW(1)); END $$"""


@pytest.mark.usefixtures("stubs")
@pytest.mark.parametrize("granted", ["ALL", "REFERENCES", "ALL (srid)", "REFERENCES (srid)"])
def test_no_privilege_of_the_dump_opens_an_extensions_table_to_its_code(cloud: Cloud, granted: str) -> None:
    restore = hostile(cloud, f"{LATER}; GRANT {granted} ON geo_ref TO PUBLIC")
    restore.postgres = ALLOWED

    (database,) = restore.run_all().databases

    assert (database.status, database.error) == ("PROMOTED", None)
    attack = f'SET SESSION AUTHORIZATION "{restore.holder}"; SELECT own.attack()'
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        cloud.execute(attack, "hostile_back", superuser=True)
    assert cloud.execute("SELECT rolconfig FROM pg_roles WHERE rolname = 'master'") == [(None,)]
    assert [f.entry for f in database.fix_ups if "could run as its owner" in f.what] != []


@pytest.mark.usefixtures("stubs")
def test_harmless_privileges_on_an_extensions_table_come_back(cloud: Cloud) -> None:
    cloud.execute("CREATE ROLE reader_of_geo")
    granted = "GRANT ALL ON geo_ref TO reader_of_geo; GRANT UPDATE (auth) ON geo_ref TO PUBLIC"
    restore = hostile(cloud, f"CREATE EXTENSION geostub; {granted}")
    restore.postgres = ALLOWED

    (database,) = restore.run_all().databases

    assert (database.status, database.error) == ("PROMOTED", None)
    assert not [f for f in database.fix_ups if "after the privileges were executed" in f.what]
    held = "SELECT privilege_type FROM pg_class, aclexplode(relacl) WHERE relname = 'geo_ref' AND grantee = 'reader_of_geo'::regrole"
    found = {row[0] for row in cloud.execute(held, "hostile_back")}
    assert found == {"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "MAINTAIN"}
    of_column = "SELECT has_column_privilege('public', 'geo_ref', 'auth', 'UPDATE')"
    assert cloud.execute(of_column, "hostile_back") == [(True,)]
