"""Databases that need something out of the ordinary: row security forced on owners, other encodings, odd ways of dumping."""

import psycopg

from tests.databases.equality import contents
from tests.databases.restore_case import Cloud, Restore


def come_back(cloud: Cloud, name: str, *options: str) -> Restore:
    """Dump as superuser, restore as `<name>_back`, and expect an equal content."""
    restore = Restore(cloud, {name: cloud.dump(name, *options, superuser=True)}, {name: f"{name}_back"})
    restore.add_point()
    (database,) = restore.run_all().databases
    assert (database.status, database.error) == ("PROMOTED", None)
    assert contents(cloud, f"{name}_back") == contents(cloud, name)
    return restore


def test_row_security_that_binds_the_owner_hides_no_rows(cloud: Cloud) -> None:
    cloud.create_database("secured")
    cloud.execute(
        "CREATE TABLE t (x int); INSERT INTO t SELECT generate_series(1, 9); CREATE POLICY p ON t USING (x < 3);"
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "secured",
    )

    come_back(cloud, "secured")

    assert cloud.execute("SELECT relforcerowsecurity FROM pg_class WHERE relname = 't'", "secured_back") == [(True,)]


def test_a_database_in_another_encoding_keeps_its_texts(cloud: Cloud) -> None:
    cloud.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with psycopg.connect(cloud.dsn("latin"), autocommit=True, client_encoding="UTF8") as connection:
        connection.execute("CREATE TABLE \"Größe\" (t text DEFAULT 'ä'); INSERT INTO \"Größe\" VALUES ('Straße'), ('\u00a9')")
        connection.execute('CREATE INDEX "Maß" ON "Größe" (t) WHERE t <> \'ö\'; COMMENT ON TABLE "Größe" IS \'für alle\'')

    come_back(cloud, "latin", "-Fd")

    assert cloud.execute("SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = 'latin_back'") == [
        ("LATIN1", "C")
    ]
    with psycopg.connect(cloud.dsn("latin_back"), client_encoding="UTF8") as connection:
        assert connection.execute('SELECT max(t) FROM "Größe"').fetchone() == ("©",)


def test_rows_dumped_through_the_partition_root_are_all_counted(cloud: Cloud) -> None:
    cloud.create_database("rooted")
    cloud.execute(
        "CREATE TABLE p (x int PRIMARY KEY) PARTITION BY HASH (x); CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 1); INSERT INTO p SELECT generate_series(1, 1000)",
        "rooted",
    )

    come_back(cloud, "rooted", "-Fc", "--load-via-partition-root")


def test_many_tables_need_no_more_locks_than_the_server_has(cloud: Cloud) -> None:
    cloud.create_database("many")
    cloud.execute("CREATE ROLE keeper; GRANT keeper TO CURRENT_USER; GRANT CREATE ON SCHEMA public TO keeper", "many")
    make = "EXECUTE format('CREATE TABLE t%1$s (x serial PRIMARY KEY, y text); INSERT INTO t%1$s (y) VALUES (%1$s); "
    make += "ALTER TABLE t%1$s OWNER TO keeper; GRANT SELECT ON t%1$s TO PUBLIC', i)"
    with psycopg.connect(cloud.dsn("many"), autocommit=True) as connection:
        for start in range(0, 800, 200):
            connection.execute(f"DO $$ BEGIN FOR i IN {start}..{start + 199} LOOP {make}; END LOOP; END $$")
    restore = Restore(cloud, {"many": cloud.dump("many", superuser=True)}, {"many": "many_back"}).keeping_owners()
    restore.add_point()

    (database,) = restore.run_all().databases

    query = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relowner = 'keeper'::regrole AND relacl IS NOT NULL"
    assert (database.status, database.tables) == ("PROMOTED", 800)
    assert cloud.execute(query, "many_back") == [(800,)]


def test_comments_and_settings_of_extensions_come_back(cloud: Cloud) -> None:
    cloud.create_database("extended")
    cloud.execute("CREATE SCHEMA e; CREATE EXTENSION citext SCHEMA e; COMMENT ON EXTENSION citext IS 'own; text'", "extended")

    come_back(cloud, "extended")

    query = "SELECT obj_description(oid, 'pg_extension'), extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'citext'"
    assert cloud.execute(query, "extended_back") == [("own; text", "e")]
