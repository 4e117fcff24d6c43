"""Checks in a request: which forms an expectation may have, which questions may be asked, and what is told of each mistake."""

from typing import Any

import pytest

from dbrestore.contract.checks.asked import ALL_QUESTIONS, AskedCheck, Expectation
from dbrestore.contract.errors import RestoreRequestInvalid
from dbrestore.contract.request import RestoreRequest
from dbrestore.contract.request_problems import Problems, read


def request(*checks: Any, databases: tuple[str, ...] = ("orders",)) -> dict[str, Any]:
    return {"target": {"dbInstance": "orders-prod"}, "databases": list(databases), "checks": list(checks)}


def check(**values: Any) -> dict[str, Any]:
    return {"name": "newest", "sql": "SELECT 1", "expect": 1, **values}


def told(*checks: Any, databases: tuple[str, ...] = ("orders",)) -> list[str]:
    """Every problem of a request with these checks, as it is told."""
    problems = Problems()
    read(request(*checks, databases=databases), problems)
    try:
        problems.raise_if_any()
    except RestoreRequestInvalid as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        (5, "5"),
        (0.5, "0.5"),
        ("five", "five"),
        (True, "true"),
        (None, "NULL"),
        ({"min": 3}, "at least 3"),
        ({"max": 9}, "at most 9"),
        ({"min": 3, "max": 9.5}, "at least 3 and at most 9.5"),
        ({"maxAgeSeconds": 3600}, "at most 3,600 s before the restore point"),
        ({"rows": 0}, "0 rows"),
    ],
)
def test_an_expectation_is_told_in_words_and_comes_back_as_it_went(expect: Any, words: str) -> None:
    asked = AskedCheck.model_validate(check(expect=expect))

    assert asked.told == words
    assert AskedCheck.from_json(asked.to_json()) == asked


@pytest.mark.parametrize(
    "expect",
    [
        [],
        {},
        {"min": "3"},
        {"min": 1, "rows": 1},
        {"rows": -1},
        {"rows": 1.5},
        {"maxAgeSeconds": -1},
        {"Max": 3},
        {"min": True},
        {"min": None},
    ],
)
def test_an_expectation_of_no_known_form_is_refused_with_the_forms(expect: Any) -> None:
    (line,) = told(check(expect=expect))

    assert line.startswith('/checks/0/expect: must be the value itself (a number, a text, true, false or null), or {"min": 1, "max": 9}')


def test_bounds_in_the_wrong_order_are_refused() -> None:
    assert told(check(expect={"min": 2, "max": 1})) == ["/checks/0/expect: has a min that is greater than its max: exchange the two"]


@pytest.mark.parametrize("sql", ["select 1", "(SELECT 1)", "--\nSELECT 1", "/* a */ WITH a AS (TABLE b) TABLE a", "VALUES (1)", "TABLE a"])
def test_a_question_that_reads_is_taken(sql: str) -> None:
    assert told(check(sql=sql)) == []


@pytest.mark.parametrize("sql", ["DELETE FROM a", "COPY a TO PROGRAM 'x'", "-- SELECT", "EXPLAIN TABLE a", "selection", "1", " "])
def test_a_question_that_does_not_begin_as_one_that_reads_is_refused(sql: str) -> None:
    assert told(check(sql=sql)) == ["/checks/0/sql: must be one statement that reads: SELECT, WITH ... SELECT, VALUES or TABLE"]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    lines = told(
        check(database="orders"),
        check(name="which"),
        check(database="Orders"),
        check(database="orders"),
        databases=("orders", "crm"),
    )

    assert lines == [
        "/checks/1/database: is missing: say which of orders, crm is asked",
        "/checks/2/database: names 'Orders', which isn't restored here: name one of orders, crm as the restore point does",
        "/checks/3/name: 'newest' stands there twice: give each check a name of its own",
    ]


def test_forms_are_told_with_their_places() -> None:
    assert told({"name": "a", "sql": 5, "expect": 1}, "SELECT 1", check(show=5)) == [
        "/checks/0/sql: must be one statement that reads, in at most 4,000 characters, not 5",
        '/checks/1: must be an object like {"name": ..., "sql": ..., "expect": ...}, not "SELECT 1"',
        "/checks/2/show: must be true or false, not 5",
    ]
    assert told({"name": "a", "sql": "SELECT 1"}) == ["/checks/0/expect: is missing: add it"]


def test_checks_are_bounded_by_what_a_state_may_carry() -> None:
    long = [check(name=str(n), sql="SELECT " + "1" * 3900) for n in range(12)]

    (line,) = told(*long)

    assert line == f"/checks: hold more than {ALL_QUESTIONS:,} characters of SQL together: put long questions into views, or ask fewer"
    assert told(*[check(name=str(n)) for n in range(51)]) == ["/checks: has too many: 50 at most"]


def test_one_database_need_not_be_named() -> None:
    read_request = RestoreRequest.model_validate(request(check()))

    assert read_request.checks[0].database is None
    assert told(check()) == []
    assert isinstance(AskedCheck.model_validate(check(expect={"rows": 1})).expect, Expectation)
