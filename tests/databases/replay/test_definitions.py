"""Definitions that are made side by side make the same database."""

from pathlib import Path

import pytest

from tests.databases.restore_case import Cloud, Restore
from tests.unit.points.pgdump import archives
from tests.unit.points.pgdump.archives import Archive, Entry

DATABASE = Entry(900, "DATABASE", "tied", definition="CREATE DATABASE tied WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'C';\n")


def restored(cloud: Cloud, path: Path, *entries: Entry) -> Restore:
    """A dump of these entries, and its restore."""
    path.write_bytes(archives.custom(Archive((DATABASE, *entries), database="tied")))
    restore = Restore(cloud, {"tied": path}, {"tied": "tied_back"})
    restore.add_point()
    return restore


def test_a_table_that_needs_another_unsaid_is_made_when_that_is_there(cloud: Cloud, tmp_path: Path) -> None:
    slow = "CREATE TABLE public.kept (x int CHECK (x > 0)); SELECT pg_catalog.pg_sleep(1);\n"
    restore = restored(
        cloud,
        tmp_path / "tied.pgdump",
        Entry(1, "TABLE", "kept", "public", slow),
        Entry(2, "TABLE", "alike", "public", "CREATE TABLE public.alike (LIKE public.kept INCLUDING ALL);\n"),
        Entry(3, "TABLE", "alone", "public", "CREATE TABLE public.alone (y int);\n"),
    )

    (database,) = restore.run_all().databases

    assert (database.status, database.error) == ("PROMOTED", None)
    rows = cloud.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1", "tied_back")
    assert [name for (name,) in rows] == ["alike", "alone", "kept"]


@pytest.mark.parametrize("together", [1, 1000])
def test_what_is_refused_is_named(cloud: Cloud, tmp_path: Path, together: int) -> None:
    restore = restored(
        cloud,
        tmp_path / "tied.pgdump",
        *(Entry(n, "TABLE", f"t{n}", "public", f"CREATE TABLE public.t{n} (x int);\n") for n in range(1, 6)),
        Entry(6, "TABLE", "wrong", "public", "CREATE TABLE public.wrong (x no_such_type);\n"),
    )

    restore.bounds = type(restore.bounds)(defined_together=together)
    (database,) = restore.run("replay").databases
    restore.run("discard")

    assert database.status == "FAILED"
    assert database.error is not None
    assert 'TABLE public.wrong: type "no_such_type" does not exist' in database.error.message


def test_thousands_of_definitions_side_by_side(cloud: Cloud) -> None:
    cloud.create_database("many")
    cloud.execute(
        """CREATE TABLE parts (k int, v text) PARTITION BY LIST (k);
        DO $$ BEGIN FOR n IN 1..150 LOOP
            EXECUTE format('CREATE TABLE t%s (id serial PRIMARY KEY, v text DEFAULT ''x''); COMMENT ON TABLE t%s IS ''of %s''', n, n, n);
            EXECUTE format('CREATE TABLE p%s PARTITION OF parts FOR VALUES IN (%s); CREATE VIEW v%s AS SELECT * FROM t%s', n, n, n, n);
            EXECUTE format('INSERT INTO t%s (v) VALUES (''a''), (''b''); INSERT INTO parts VALUES (%s, ''c'')', n, n);
        END LOOP; END $$""",
        "many",
    )
    before = cloud.schema("many")
    restore = Restore(cloud, {"many": cloud.dump("many")}, {"many": "many_back"})
    restore.add_point()

    (database,) = restore.run_all().databases

    assert (database.status, database.error) == ("PROMOTED", None)
    assert cloud.schema("many_back").replace(f'"{restore.holder}"', "master").replace(restore.holder, "master") == before
