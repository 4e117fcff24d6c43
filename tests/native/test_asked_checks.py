"""Checks of one's own of native backups, from the request to the report: the real definition, functions and worker, and a simulated server
whose tables hold what the test says."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from dbrestore.contract import keys
from dbrestore.contract.job import Result
from localcloud.sqlserver.databases import Contents
from tests.native.installation import DATABASE, Installation

ORDERS = (("id", "total"), [(1, 10), (2, 20), (3, 30)])
COUNT = {"name": "orders", "sql": "SELECT COUNT(*) FROM dbo.orders", "expect": {"min": 3}, "show": True}
NONE_FREE = {"name": "free ones", "sql": "SELECT id FROM orders WHERE total = 0", "expect": {"rows": 0}}
TOO_FEW = {"name": "many orders", "sql": "SELECT COUNT(*) FROM orders", "expect": {"min": 1000}}
DROPS = {"name": "drops", "sql": "SELECT id FROM orders DROP TABLE orders", "expect": {"rows": 0}}


@pytest.fixture
def asked(native: Installation) -> Iterator[Installation]:
    native.switches.source_contents = Contents(tables={"orders": ORDERS})
    yield native
    restored = native.engine.database(DATABASE)
    assert restored is None or (restored.users, restored.contents.tables) == ([], {"orders": ORDERS})


def answers(native: Installation) -> list[tuple[str, str, str | None]]:
    """Name, status and shown value of each, out of the worker's own result."""
    key = keys.job_prefix(native.world.ledger().restore_id, "verify") + "result.json"
    result = Result.from_json(boto3.client("s3").get_object(Bucket="evidence", Key=key)["Body"].read())
    return [(one.name, one.status, one.value) for database in result.databases for one in database.answers]


def ask(native: Installation, *checks: dict[str, Any]) -> dict[str, Any]:
    native.request["checks"] = list(checks)
    return native.run()


def test_checks_that_hold_let_a_restore_succeed(asked: Installation) -> None:
    ended = ask(asked, COUNT, NONE_FREE)

    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert answers(asked) == [("orders", "ok", "3"), ("free ones", "ok", None)]


def test_one_that_differs_keeps_the_database_and_ends_red(asked: Installation) -> None:
    before = asked.inventory()

    ended = ask(asked, COUNT, TOO_FEW)

    assert (ended["status"], ended["error"]) == ("FAILED", "ChecksFailed")
    assert "shop: many orders: failed: expected at least 1,000; a smaller number came back" in ended["cause"]
    after = asked.inventory()
    assert {**after, "databases": {}} == {**before, "databases": {}}
    assert set(after["databases"]) - set(before["databases"]) == {DATABASE}
    assert asked.world.meta().status == "CLOSED"


def test_one_that_is_two_statements_is_refused_before_rds_is_asked(asked: Installation) -> None:
    before = asked.inventory()

    ended = ask(asked, COUNT, DROPS)

    assert (ended["status"], ended["error"]) == ("FAILED", "CheckRefused"), ended
    assert "the check 'drops' is not one statement that reads" in ended["cause"]
    assert asked.tasks() == []
    asked.fix()
    assert asked.inventory() == before


def test_one_that_can_not_be_asked_is_not_green(asked: Installation) -> None:
    ended = ask(asked, {"name": "gone", "sql": "SELECT COUNT(*) FROM dbo.gone", "expect": 0})

    assert (ended["status"], ended["error"]) == ("FAILED", "ChecksFailed")
    assert "gone: not checked: expected 0; Invalid object name 'dbo.gone'. (208)" in ended["cause"]
