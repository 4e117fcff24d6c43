"""Every value proven: sound databases of every kind of type are green, one changed value is red, what can't be compared is told."""

import re
from pathlib import Path

import psycopg
import pytest

from dbrestore.contract.job import Check, DatabaseResult, PostgresOptions
from tests.databases import content_case
from tests.databases.restore_case import Cloud, Restore

CONTENT = PostgresOptions(verify="content")

# What the dump's own server may be set to, without pg_dump asking.
SOURCE_SETTINGS = {
    "as RDS has it": "",
    "Kathmandu, escaped bytes": "ALTER DATABASE typed SET TimeZone = 'Asia/Kathmandu'; ALTER DATABASE typed SET bytea_output = 'escape'",
    "Berlin": "ALTER DATABASE typed SET TimeZone = 'Europe/Berlin'; ALTER DATABASE typed SET DateStyle = 'German'",
    "Newfoundland": "ALTER DATABASE typed SET TimeZone = 'America/St_Johns'; ALTER DATABASE typed SET IntervalStyle = 'iso_8601'",
}


def restored(cloud: Cloud, source: str, *options: str) -> DatabaseResult:
    """Dump with these options, restore, drop what came out; returns the verified result."""
    restore = Restore(cloud, {source: cloud.dump(source, *options, superuser=True)}, {source: f"{source}_back"}, postgres=CONTENT)
    restore.add_point()
    (result,) = restore.run_all().databases
    return result


def contents(result: DatabaseResult, verdict: str) -> dict[str, Check]:
    """The checks of contents with this verdict."""
    return {
        check.check.removeprefix("content of "): check
        for check in result.checks
        if check.check.startswith("content") and check.result == verdict
    }


@pytest.fixture(scope="module")
def typed(cloud: Cloud) -> str:
    cloud.create_database("typed")
    cloud.execute((Path(__file__).parents[1] / "every_type.sql").read_text(), "typed", superuser=True)
    return "typed"


TYPED_TABLES = {
    "binaries",
    "child",
    "columnless",
    "documents",
    "hidden",
    "made",
    "nets",
    "numbers",
    "of_type",
    "parent",
    "parts1",
    "parts2",
    "shapes",
    "texts",
    "times",
    'we ird"s',
}


@pytest.mark.parametrize(
    "options",
    [("-Fc",), ("-Fd", "-j2"), ("-Fc", "--quote-all-identifiers", "--no-comments"), ("-Fc", "-E", "SQL_ASCII")],
)
def test_every_type_comes_back_and_is_proven(cloud: Cloud, typed: str, options: tuple[str, ...]) -> None:
    result = restored(cloud, typed, *options)

    assert_all_proven(result)


@pytest.mark.parametrize("settings", SOURCE_SETTINGS)
def test_a_source_with_settings_of_its_own_is_proven_too(cloud: Cloud, typed: str, settings: str) -> None:
    cloud.execute("ALTER DATABASE typed RESET ALL;" + SOURCE_SETTINGS[settings], superuser=True)
    try:
        result = restored(cloud, typed)
    finally:
        cloud.execute("ALTER DATABASE typed RESET ALL", superuser=True)

    assert_all_proven(result)


def assert_all_proven(result: DatabaseResult) -> None:
    assert result.error is None, result.error
    assert set(contents(result, "ok")) == {f"public.{table}" for table in TYPED_TABLES} | {"large objects"}
    assert not contents(result, "not checked")
    assert not [check for check in result.checks if check.check.startswith("rows of ")]


ENCODED = {
    "LATIN1": "CREATE TABLE t (a text); INSERT INTO t VALUES ('Äpfel'), ('ß'), (NULL)",
    "EUC_JP": "CREATE TABLE t (a text); INSERT INTO t VALUES ('日本語')",
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_databases_of_other_encodings_are_proven(cloud: Cloud, encoding: str) -> None:
    cloud.execute(f"CREATE DATABASE encoded TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'", superuser=True)
    cloud.execute(ENCODED[encoding], "encoded", superuser=True)

    result = restored(cloud, "encoded")

    assert result.error is None, result.error
    assert set(contents(result, "ok")) == {"public.t", "large objects"}


NOT_PROVEN = r"""
CREATE TYPE noted AS (at timestamptz, note text);
CREATE TYPE inner_bytes AS (a bytea);
CREATE TABLE t (a integer, price money, b text, regs regclass, doc xml, "one" "char", rights aclitem, way jsonpath,
    c noted, d bytea[], e inner_bytes);
INSERT INTO t VALUES (1, '12.50', 'x', 'pg_class', '<a/>', 'c', NULL, '$.a', ROW('2026-01-01', 'y'), ARRAY['\x01'::bytea], ROW('\x01'));
CREATE TABLE hopeless (a money);
INSERT INTO hopeless VALUES ('1'), ('2');
"""


def test_what_another_server_may_write_differently_is_told_and_the_rest_is_proven(cloud: Cloud) -> None:
    cloud.create_database("partly")
    cloud.execute(NOT_PROVEN, "partly", superuser=True)
    restore = Restore(cloud, {"partly": cloud.dump("partly", superuser=True)}, {"partly": "partly_back"}, postgres=CONTENT)
    restore.add_point()
    restore.run("replay")
    temporary = restore.databases()[0].temporary_name
    cloud.execute("UPDATE t SET price = '99'; UPDATE t SET doc = '<b/>'", temporary, superuser=True)
    (green,) = restore.run("verify").databases

    assert green.error is None, green.error
    assert set(contents(green, "ok")) == {"public.t", "large objects"}
    told = contents(green, "not checked")
    assert set(told) == {"public.hopeless", "public.hopeless: a"} | {
        f"public.t: {column}" for column in ("price", "regs", "doc", "one", "rights", "way", "c", "d", "e")
    }
    assert told["public.t: price"].actual == "money: its text depends on the server's lc_monetary"
    assert [(c.check, c.actual) for c in green.checks if c.check.startswith("rows")] == [("rows of public.hopeless", "2")]


SPOILED = {
    "one value": ("UPDATE lines SET amount = amount + 1 WHERE item = 7", "public.lines"),
    "values swapped between rows": (
        "UPDATE lines SET amount = CASE item WHEN 7 THEN 8 ELSE 7 END WHERE item IN (7, 8)",
        "public.lines",
    ),
    "one row twice, another gone": ("UPDATE lines SET item = 8, amount = 8 WHERE item = 7", "public.lines"),
    "a value for a missing one": ("UPDATE items SET label = '\\N' WHERE id = 5", "public.items"),
    "one byte of a large object": ("SELECT lo_put(oid, 1, '\\x03') FROM pg_largeobject_metadata", "large objects"),
    "a large object under another number": (
        "SELECT lo_from_bytea(77, lo_get(oid)), lo_unlink(oid) FROM pg_largeobject_metadata",
        "large objects",
    ),
    "a view in a table's place": (
        "ALTER TABLE lines RENAME TO lines_; CREATE VIEW lines AS SELECT * FROM lines_",
        "public.lines",
    ),
}


@pytest.fixture(scope="module")
def spoiled(cloud: Cloud, small: str) -> Restore:
    """Of a point that every test restores anew."""
    restore = Restore(cloud, {small: cloud.dump(small)}, {small: "spoiled"}, postgres=CONTENT)
    restore.add_point()
    return restore


@pytest.mark.parametrize("change", SPOILED)
def test_no_change_that_keeps_the_number_of_rows_is_missed(cloud: Cloud, spoiled: Restore, change: str) -> None:
    statement, table = SPOILED[change]
    restore = spoiled.again()
    restore.run("replay")
    cloud.execute(statement, restore.databases()[0].temporary_name, superuser=True)

    (verified,) = restore.run("verify").databases
    restore.run("discard")

    assert verified.error is not None
    assert verified.error.name == "VerificationFailed"
    assert table in contents(verified, "failed")
    assert "spoiled" not in cloud.names()[0]


def test_partitions_that_were_dumped_through_their_root_are_proven_together(cloud: Cloud) -> None:
    """A partition by hash of an enum is always dumped so, its sister by range under the same root never."""
    cloud.create_database("rooted")
    cloud.execute(
        "CREATE TYPE kind AS ENUM ('a', 'b', 'c');"
        "CREATE TABLE root (at integer, k kind) PARTITION BY RANGE (at);"
        "CREATE TABLE plain PARTITION OF root FOR VALUES FROM (0) TO (100);"
        "CREATE TABLE hashed PARTITION OF root FOR VALUES FROM (100) TO (200) PARTITION BY HASH (k);"
        "CREATE TABLE hashed0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE hashed1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "INSERT INTO root SELECT i, (enum_range(NULL::kind))[1 + i % 3] FROM generate_series(0, 199) AS i",
        "rooted",
    )

    result = restored(cloud, "rooted")
    assert result.error is None, result.error
    assert {name: check.actual.split(",")[0] for name, check in contents(result, "ok").items()} == {
        "large objects": "0 of 0 bytes",
        "public.plain": "100 rows",
        "public.root": "100 rows",
    }
    cloud.drop_database("rooted_back")

    result = restored(cloud, "rooted", "-Fc", "--load-via-partition-root")
    assert result.error is None, result.error
    assert contents(result, "ok")["public.root"].actual.startswith("200 rows")


def test_a_point_without_digests_is_counted_and_told(cloud: Cloud, small: str) -> None:
    restore = Restore(cloud, {small: cloud.dump(small)}, {small: "counted"}, postgres=CONTENT)
    restore.add_point()
    restore.change_manifest(lambda text: re.sub(r'"content":\{[^}]*\}', '"content":null', text))

    (result,) = restore.run_all().databases

    assert result.error is None, result.error
    (told,) = contents(result, "not checked").values()
    assert told.actual == "the restore point has no digests: add it again"
    assert "rows of public.lines" in [check.check for check in result.checks]


def test_bytes_of_no_encoding_are_proven(cloud: Cloud) -> None:
    cloud.execute("CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'", superuser=True)
    cloud.execute("CREATE TABLE t (a text); INSERT INTO t VALUES (E'\\377\\001x'), (E'\\303\\244')", "bytes", superuser=True)
    content = content_case.expected(cloud.dump("bytes", superuser=True))["t"]

    with psycopg.connect(cloud.server.superuser_dsn("bytes"), autocommit=True) as connection:
        assert content_case.compared(connection, content).result == "ok"
        connection.execute("UPDATE t SET a = E'\\376\\001x' WHERE a LIKE '%x'")
        assert content_case.compared(connection, content).result == "failed"
