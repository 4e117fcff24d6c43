"""Partitions whose key means something else on another server: their rows come back wherever they belong there, proven and told."""

import re
from dataclasses import replace
from typing import Literal

import psycopg
import pytest

from dbrestore.contract.job import DatabaseResult, PostgresOptions
from dbrestore.worker.base.bounds import Bounds
from tests.databases.replay.test_cases_replay import left_out, message, of_dump, replayed, restore_of
from tests.databases.restore_case import Cloud, Restore

# An array's hash is that of its elements, and that of an enum's label the hash of a number which each server gives anew.
KINDS = """DO $$ BEGIN EXECUTE (SELECT format('CREATE TYPE kind AS ENUM (%s)', string_agg(quote_literal('k' || i), ','))
    FROM generate_series(1, 40) AS i); END $$;
CREATE FUNCTION kinds(i int) RETURNS kind[] LANGUAGE sql AS $$SELECT ARRAY[('k' || 1 + i % 40)::kind]$$;"""
HASHED = """CREATE TABLE root (at int, k kind[]) PARTITION BY HASH (k);
CREATE TABLE h0 PARTITION OF root FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE h1 PARTITION OF root FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX ON root (at); INSERT INTO root SELECT i, kinds(i) FROM generate_series(1, 4000) AS i"""
MANY = f"""CREATE TABLE root (at int, k kind[]) PARTITION BY HASH (k);
{"".join(f"CREATE TABLE h{n} PARTITION OF root FOR VALUES WITH (MODULUS 8, REMAINDER {n});" for n in range(8))}
INSERT INTO root SELECT i, kinds(i) FROM generate_series(1, 4000) AS i"""
# Beside a plain sister, and with names of which each needs quotes.
BELOW = """CREATE TABLE "r.oöt" (at int, k kind[]) PARTITION BY LIST (at);
CREATE TABLE plain PARTITION OF "r.oöt" FOR VALUES IN (0);
CREATE TABLE "ha""shed" PARTITION OF "r.oöt" DEFAULT PARTITION BY HASH (k);
CREATE TABLE "h é" PARTITION OF "ha""shed" FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE h1 PARTITION OF "ha""shed" FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO "r.oöt" SELECT i % 3, kinds(i) FROM generate_series(1, 300) AS i"""
TEXTS = """CREATE TABLE root (t text) PARTITION BY HASH (t);
CREATE TABLE h0 PARTITION OF root FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE h1 PARTITION OF root FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO root SELECT chr(i) FROM generate_series(192, 255) AS i"""
# Rows that come to h0 from its sister are refused there.
ONLY_ITS_OWN = """; DO $$ BEGIN EXECUTE (SELECT format('ALTER TABLE h0 ADD CONSTRAINT own CHECK (k::text IN (%s))',
    string_agg(DISTINCT quote_literal(k::text), ',')) FROM h0); END $$"""


def in_encoding(cloud: Cloud, encoding: str, statements: str) -> None:
    """The database `case`, in this encoding; in SQL_ASCII the statements' own bytes."""
    cloud.execute(f"CREATE DATABASE \"case\" TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'", superuser=True)
    dsn = cloud.server.superuser_dsn("case")
    sent_in = "LATIN1" if encoding == "SQL_ASCII" else "UTF8"
    with psycopg.connect(dsn, autocommit=True, client_encoding=sent_in) as connection:
        connection.execute(statements.encode())


def restored(restore: Restore) -> tuple[DatabaseResult, DatabaseResult]:
    """What the replay and the verification say."""
    (before,), (after,) = restore.run("replay").databases, restore.run("verify").databases
    assert (before.error, after.error) == (None, None)
    return before, after


def checked(result: DatabaseResult) -> dict[str, str]:
    """The checks of tables, each with the rows that were found."""
    begins = ("content of public.", "rows of public.")
    return {c.check: c.actual.split(",")[0] for c in result.checks if c.check.startswith(begins)}


@pytest.mark.parametrize(("verify", "check"), [("content", "content of"), ("counts", "rows of")])
def test_rows_that_belong_to_another_partition_here_come_back(cloud: Cloud, verify: Literal["content", "counts"], check: str) -> None:
    restore = restore_of(cloud, KINDS + HASHED, postgres=PostgresOptions(verify=verify))

    before, after = restored(restore)

    (note,) = [f for f in before.fix_ups if f.entry == "TABLE public.root"]
    assert "2 partitions were loaded through the root" in note.what
    assert checked(after) == {f"{check} public.root": "4000 rows" if verify == "content" else "4000"}
    same = "SELECT at, k::text FROM root ORDER BY at"
    assert cloud.execute(same, "case_back", superuser=True) == cloud.execute(same, "case")


@pytest.mark.parametrize(("encoding", "wanted"), [("UTF8", None), ("SQL_ASCII", None), ("SQL_ASCII", "UTF8"), ("LATIN1", None)])
def test_a_tree_with_one_such_level_is_proven_as_a_whole(cloud: Cloud, encoding: str, wanted: str | None) -> None:
    in_encoding(cloud, encoding, KINDS + BELOW)
    choices = PostgresOptions(verify="content", encoding=wanted)
    restore = of_dump(cloud, cloud.dump("case", superuser=True), choices)

    before, after = restored(restore)

    assert [f.entry for f in before.fix_ups if "through the root" in f.what] == ["TABLE public.r.oöt"]
    assert list(checked(after).values()) == ["300 rows"]


def test_only_the_first_of_such_partitions_is_asked_itself(cloud: Cloud) -> None:
    restore = replace(restore_of(cloud, KINDS + HASHED), bounds=Bounds())
    log = cloud.server.directory / "log"
    before = log.stat().st_size
    cloud.execute("ALTER ROLE ALL SET log_statement = 'all'", superuser=True)
    try:
        restored(restore)
    finally:
        cloud.execute("ALTER ROLE ALL RESET log_statement", superuser=True)

    sent = re.findall(r': COPY "\w+"\."(\w+)" .*FROM', log.read_bytes()[before:].decode())
    # Small members that lie together are one task.
    assert sent == ["h0", "root", "root"]


def test_who_would_help_with_such_a_partition_waits_for_nothing(cloud: Cloud) -> None:
    """More of them than sessions, and all of them large ones: the later are loaded by one session each, through the root."""
    before, after = restored(restore_of(cloud, KINDS + MANY))

    (note,) = [f for f in before.fix_ups if f.entry == "TABLE public.root"]
    assert "8 partitions were loaded through the root" in note.what
    assert checked(after) == {"rows of public.root": "4000"}


def test_a_row_that_is_missing_in_such_a_tree_is_found(cloud: Cloud) -> None:
    restore = restore_of(cloud, KINDS + HASHED, postgres=PostgresOptions(verify="content"))
    assert restore.run("replay").databases[0].error is None
    cloud.execute("DELETE FROM root WHERE at = 7", restore.databases()[0].temporary_name, superuser=True)

    (result,) = restore.run("verify").databases
    restore.run("discard")

    assert "content of public.root: expected 4000 rows" in message(result)


def test_texts_in_another_encoding_have_another_hash(cloud: Cloud) -> None:
    in_encoding(cloud, "LATIN1", TEXTS)
    restore = of_dump(cloud, cloud.dump("case", superuser=True), PostgresOptions(verify="content", encoding="UTF8"))

    _, after = restored(restore)

    assert checked(after) == {"content of public.root": "64 rows"}


def test_what_the_whole_tree_refuses_is_told(cloud: Cloud) -> None:
    refused = restore_of(cloud, KINDS + HASHED + ONLY_ITS_OWN)

    assert message(replayed(refused)).startswith("TABLE DATA public.h1: ")

    choices = PostgresOptions(skip_unrestorable=True, verify="content")
    skipping = replace(refused, postgres=choices, restore_id="r-0123456789ab")
    before, after = restored(skipping)
    assert left_out(before).keys() == {"TABLE DATA public.h1"}
    taken = cloud.execute("SELECT count(*) FROM h0", "case")[0][0]
    assert checked(after) == {"content of public.root": f"{taken} rows"}
