"""Extensions: by a list of allowed ones, with the rows that dumps have for their tables, and left out with what depends on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dbrestore.contract.job import PostgresOptions
from tests.databases.hostile.test_hostile_dump import hostile
from tests.databases.replay.test_cases_replay import SKIP, come_back, left_out, message, replayed, restore_of
from tests.databases.restore_case import Cloud

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
    statements = (
        "CREATE EXTENSION cronstub; INSERT INTO cronjobs VALUES (1, 'DROP DATABASE x'); CREATE TABLE t AS SELECT 1 AS x"
    )
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
@pytest.mark.parametrize(
    "options", [SKIP, PostgresOptions(skip_missing_extensions=True)], ids=["unrestorable", "extensions"]
)
def test_what_depends_on_an_extension_that_is_left_out_goes_with_it(cloud: Cloud, options: PostgresOptions) -> None:
    statements = """CREATE EXTENSION citext; CREATE TABLE people (name citext PRIMARY KEY); INSERT INTO people VALUES ('a'), ('b');
    CREATE VIEW names AS SELECT name FROM people; CREATE TABLE other (x int); INSERT INTO other VALUES (1)"""
    options = options.model_copy(update={"allowed_extensions": ("plpgsql",)})

    result = come_back(restore_of(cloud, statements, postgres=options))

    assert left_out(result) == {
        "EXTENSION citext": 0, "COMMENT EXTENSION citext": 0, "TABLE public.people": 0, "TABLE DATA public.people": 2,
        "VIEW public.names": 0, "CONSTRAINT public.people people_pkey": 0,
    }  # fmt: skip
    assert cloud.execute("SELECT x FROM other", "case_back") == [(1,)]


def test_an_extension_that_reaches_other_databases_is_not_allowed_by_default(cloud: Cloud) -> None:
    told = message(replayed(restore_of(cloud, "CREATE EXTENSION dblink", superuser=True)))

    assert "dblink: the configuration doesn't allow it" in told


@pytest.mark.usefixtures("stubs")
def test_a_foreign_key_to_an_extensions_table_is_refused_unless_it_may_be_left_out(cloud: Cloud) -> None:
    statements = f"{GEO}; ALTER TABLE places ADD CONSTRAINT known FOREIGN KEY (srid) REFERENCES geo_ref"
    options = SKIP.model_copy(update={"allowed_extensions": ("plpgsql", "geostub")})

    result = come_back(restore_of(cloud, statements, postgres=options))

    assert left_out(result) == {"FK CONSTRAINT public.places known": 0}


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
