"""Checks of one's own, asked of a restored database on a real server: what they find, what they can't do, and what they leave."""

import uuid
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract.checks.asked import AskedCheck, CheckAnswer
from dbrestore.worker.base.bounds import Bounds
from tests.databases.restore_case import Cloud, Restore

EXTRA = """
CREATE TABLE moments (at timestamptz, local timestamp, day date);
INSERT INTO moments VALUES (now() - interval '1 hour', now() AT TIME ZONE 'UTC' - interval '1 hour', current_date - 1);
CREATE TABLE written (note text); CREATE SEQUENCE counted;
CREATE TABLE guarded (tenant integer); INSERT INTO guarded VALUES (1), (2);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON guarded USING (tenant = 1);
CREATE FUNCTION writes() RETURNS integer LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.written VALUES (1); RETURN 1; END';
CREATE FUNCTION escapes() RETURNS integer LANGUAGE plpgsql AS $$BEGIN
    SET TRANSACTION READ WRITE; INSERT INTO public.written VALUES (1); RETURN 1; END$$;
CREATE FUNCTION escapes_in_part() RETURNS integer LANGUAGE plpgsql AS $$BEGIN
    BEGIN PERFORM set_config('transaction_read_only', 'off', true); EXCEPTION WHEN OTHERS THEN NULL; END;
    INSERT INTO public.written VALUES (1); RETURN 1; END$$;
CREATE FUNCTION never_ends() RETURNS integer LANGUAGE plpgsql AS $$BEGIN
    LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END$$;
"""


@pytest.fixture(scope="module")
def dump(cloud: Cloud) -> Path:
    """A database with what the questions below are about."""
    cloud.create_database("asked")
    cloud.execute(
        "CREATE TABLE items (id integer, label text); INSERT INTO items SELECT i, 'x' || i FROM generate_series(1, 3000) AS i", "asked"
    )
    cloud.execute(EXTRA, "asked")
    return cloud.dump("asked")


@pytest.fixture(scope="module")
def restore(cloud: Cloud, dump: Path) -> Restore:
    """A restore of it; each test makes one more of the same point, with questions of its own."""
    made = Restore(cloud, {"asked": dump}, {"asked": "asked-copy"})
    made.add_point()
    return made


def check(sql: str, expect: Any, **more: Any) -> AskedCheck:
    return AskedCheck.model_validate({"name": "c", "database": "asked", "sql": sql, "expect": expect, **more})


def asking(restore: Restore, *checks: AskedCheck) -> Restore:
    numbered = tuple(one.model_copy(update={"name": f"c{n}"}) for n, one in enumerate(checks))
    return replace(restore, restore_id=f"r-{uuid.uuid4().hex[:12]}", asked_checks=numbered)


def ask(restore: Restore, *checks: AskedCheck) -> tuple[CheckAnswer, ...]:
    """The answers; the database is promoted whatever they are, and nothing of it was written."""
    restore = asking(restore, *checks)
    try:
        (database,) = restore.run_all().databases
        assert (database.status, database.error) == ("PROMOTED", None)
        assert restore.cloud.execute("SELECT count(*) FROM written", "asked-copy", superuser=True) == [(0,)]
        assert {c.result for c in database.checks} == {"ok"}
        return database.answers
    finally:
        restore.cloud.drop_database("asked-copy")
        restore.run("discard")


HOLD = [
    ("SELECT count(*) FROM items", 3000),
    ("SELECT count(*)::text FROM items;", "3000"),
    ("-- how many\nSELECT count(*) FROM public.items", {"min": 3000, "max": 3000}),
    ("SELECT avg(id) FROM items", 1500.5),
    ("SELECT 0.1::float8 + 0.2", {"min": 0.3}),
    ("SELECT true", True),
    ("SELECT 'true'", True),
    ("SELECT NULL::integer", None),
    ("SELECT label FROM items WHERE id = 7", "x7"),
    ("SELECT '50% of it'", "50% of it"),
    ("SELECT max(at) FROM moments", {"maxAgeSeconds": 4000}),
    ("SELECT max(local) FROM moments", {"maxAgeSeconds": 4000}),
    ("SELECT max(day) FROM moments", {"maxAgeSeconds": 3 * 86400}),
    ("SELECT FROM items WHERE label IS NULL", {"rows": 0}),
    ("SELECT * FROM items", {"rows": 3000}),
    ("TABLE items", {"rows": 3000}),
    ("VALUES (5)", 5),
    ("WITH a AS (SELECT 1 AS one) SELECT one FROM a", 1),
    ("SELECT count(*) FROM guarded", 2),
]

DIFFER = [
    ("SELECT count(*) FROM items", 2999, "another value came back"),
    ("SELECT count(*) FROM items", {"min": 3001}, "a smaller number came back"),
    ("SELECT count(*) FROM items", {"max": 2999}, "a greater number came back"),
    ("SELECT 'NaN'::numeric", {"min": 0}, "which is no number"),
    ("SELECT 'x'", {"min": 0}, "a value of type text came back, which is no number"),
    ("SELECT max(at) FROM moments", {"maxAgeSeconds": 60}, "an older moment came back"),
    ("SELECT 'infinity'::timestamptz", {"maxAgeSeconds": 60}, "which is no moment"),
    ("SELECT '2026-01-01'", {"maxAgeSeconds": 60}, "a value of type text came back, which is no moment"),
    ("SELECT FROM items", {"rows": 0}, "another number of rows came back"),
    ("SELECT NULL", 0, "NULL came back"),
    ("SELECT 0", None, "a value came back"),
]

CANT_BE_HAD = [
    ("SELECT id FROM items", 1, "more than one row came back"),
    ("SELECT id FROM items WHERE id < 0", 1, "no row came back"),
    ("SELECT id, label FROM items WHERE id = 1", 1, "its rows have 2 columns"),
    ("SELECT 1/0", 1, "division by zero"),
    ("SELECT secret FROM items", 1, 'column "secret" does not exist'),
    ("SELECT repeat('x', 20000)", "x", "longer than 10,000 characters"),
    ("SELECT writes()", 1, "read-only transaction"),
    ("SELECT escapes()", 1, "read-write"),
    ("SELECT escapes_in_part()", 1, "read-only transaction"),
    ("SELECT nextval('counted')", 1, "read-only transaction"),
    ("SELECT id FROM items WHERE id = 1 FOR UPDATE", 1, "read-only transaction"),
    ("SELECT pg_read_file('/etc/passwd')", "x", "permission denied"),
    ("SELECT lo_export(1, '/tmp/x')", 1, "permission denied"),
]


def test_what_is_as_expected_holds(restore: Restore) -> None:
    answers = ask(restore, *(check(sql, expect) for sql, expect in HOLD))

    assert [(sql, a.status, a.why) for (sql, _), a in zip(HOLD, answers, strict=True)] == [(sql, "ok", "") for sql, _ in HOLD]
    assert [a.value for a in answers] == [None] * len(HOLD)
    assert answers[0].sha256 == sha256(b"3000").hexdigest()


def test_what_differs_is_told_without_the_value(restore: Restore) -> None:
    answers = ask(restore, *(check(sql, expect) for sql, expect, _ in DIFFER))

    for (sql, _, why), answer in zip(DIFFER, answers, strict=True):
        assert answer.status == "failed", sql
        assert why in answer.why, sql
        assert answer.value is None


def test_what_can_not_be_had_is_not_green(restore: Restore) -> None:
    answers = ask(restore, *(check(sql, expect) for sql, expect, _ in CANT_BE_HAD))

    for (sql, _, why), answer in zip(CANT_BE_HAD, answers, strict=True):
        assert answer.status == "not checked", sql
        assert why in answer.why, sql


def test_a_value_is_shown_only_on_request(restore: Restore) -> None:
    shown, hidden = ask(restore, check("SELECT 'seven'", "eight", show=True), check("SELECT 'seven'", "eight"))

    assert (shown.value, hidden.value) == ("seven", None)
    assert shown.sha256 == hidden.sha256 == sha256(b"seven").hexdigest()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT $$a$$; DROP TABLE items",
        "SELECT 1 /* one */; SELECT 2",
        "WITH gone AS (DELETE FROM items RETURNING 1) SELECT count(*) FROM gone",
        "SELECT 1 INTO made",
        "SELECT",
        "TABLE items /* one */; COPY items TO PROGRAM 'true'",
        "WITH a AS (SELECT 1) INSERT INTO written SELECT 'x' FROM a",
    ],
)
@pytest.mark.parametrize("expect", [1, {"rows": 0}])
def test_what_is_no_single_reading_statement_is_refused_before_anything_is_made(restore: Restore, sql: str, expect: Any) -> None:
    if sql == "SELECT" and expect != 1:
        return
    restore = asking(restore, check(sql, expect))
    before = restore.cloud.names()

    (database,) = restore.run("replay").databases

    assert database.error is not None
    assert database.error.name == "CheckRefused", database.error
    assert "the check 'c0' is not one statement that reads" in database.error.message
    assert restore.cloud.names() == before
    restore.run("discard")


def test_a_question_that_catches_its_cancelling_is_ended(restore: Restore) -> None:
    hasty = replace(restore, bounds=Bounds(check_seconds=1, cancel_seconds=1.0))

    stuck, after = ask(hasty, check("SELECT never_ends()", 1), check("SELECT 1", 1))

    assert stuck.status == "not checked"
    assert "could not be cancelled" in stuck.why
    assert after.status == "ok"
