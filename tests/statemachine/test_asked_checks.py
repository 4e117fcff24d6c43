"""Checks of one's own through the real definition: the worker gets each with its database, and no answer but the right one is green."""

from typing import Any

import boto3

from dbrestore.cli.exit_code_choice import of_execution
from dbrestore.contract import keys
from dbrestore.contract.checks.asked import CheckAnswer
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.job import ErrorNote
from dbrestore.contract.record import Report
from tests.statemachine.engines import POSTGRES, SQLSERVER, Engine
from tests.statemachine.world import World

GOOD = CheckAnswer(name="rows", expected="5", status="ok", sha256="ab" * 32)
WRONG = CheckAnswer(
    name="newest", expected="at most 60 s before the restore point", status="failed", sha256="cd" * 32, why="an older moment came back"
)
UNASKED = CheckAnswer(name="slow", expected="1", status="not checked", why="canceling statement\ndue to statement timeout")


def request(*databases: str, engine: Engine = POSTGRES) -> dict[str, Any]:
    checks = [{"name": "rows", "database": name, "sql": "SELECT count(*) FROM t", "expect": 5} for name in databases]
    return {**engine.request(*databases), "checks": checks}


def report(world: World) -> Report:
    key = keys.report_key(world.ledger().restore_id)
    return Report.from_json(boto3.client("s3").get_object(Bucket="evidence", Key=key)["Body"].read())


def test_each_database_is_asked_its_own_questions(world: World) -> None:
    world.worker.answers["orders"] = (GOOD,)

    ended = world.run(request("orders", "crm"))

    assert ended["status"] == "SUCCEEDED"
    for kind in ("replay", "verify"):
        (job,) = [job for job in world.worker.jobs if job.kind == kind]
        assert {d.backup_name: [c.database for c in d.asked_checks] for d in job.databases} == {"orders": ["orders"], "crm": ["crm"]}


def test_a_check_without_a_database_is_of_the_only_one(world: World) -> None:
    world.run({**POSTGRES.request("orders"), "checks": [{"name": "one", "sql": "SELECT 1", "expect": 1}]})

    (job,) = [job for job in world.worker.jobs if job.kind == "verify"]
    assert [c.name for c in job.databases[0].asked_checks] == ["one"]


def test_another_answer_keeps_the_database_and_ends_red(world: World) -> None:
    before = world.inventory()
    world.worker.answers["orders"] = (GOOD, WRONG, UNASKED)

    ended = world.run(request("orders"))

    assert (ended["status"], ended["error"]) == ("FAILED", "ChecksFailed")
    told = report(world)
    assert told.error is not None
    assert told.error.message.splitlines() == [
        "2 of 3 checks did not hold",
        "orders: newest: failed: expected at most 60 s before the restore point; an older moment came back",
        "orders: slow: not checked: expected 1; canceling statement due to statement timeout",
        f"All answers: dbrestore report {told.restore_id}",
    ]
    assert of_execution(ended["status"], told.error, told.leftovers) == ExitCode.NOT_VERIFIED == 4
    assert world.inventory() == before | {"databases": ["orders"]}
    assert world.meta().status == "CLOSED"


def test_a_failed_database_is_told_before_checks(world: World) -> None:
    world.worker.answers["orders"] = (WRONG,)
    world.worker.failing["PROMOTED crm"] = ErrorNote(name="VerificationFailed", message="rows of t: 2, not 3")

    ended = world.run(request("orders", "crm"))

    assert ended["error"] == "SomeDatabasesFailed"
    assert "1 of 1 checks did not hold" in ended["cause"]


def test_databases_of_sql_server_are_asked_their_own_questions_too(world: World) -> None:
    world.use(SQLSERVER)
    world.worker.answers["orders"] = (GOOD,)

    ended = world.run(request("orders", "crm", engine=SQLSERVER))

    assert ended["status"] == "SUCCEEDED"
    for kind in ("restore", "verify"):
        (job,) = [job for job in world.worker.jobs if job.kind == kind]
        assert {d.backup_name: [c.database for c in d.asked_checks] for d in job.native_databases} == {"orders": ["orders"], "crm": ["crm"]}


def test_another_answer_of_sql_server_keeps_the_database_and_ends_red(world: World) -> None:
    world.use(SQLSERVER)
    before = world.inventory()
    world.worker.answers["orders"] = (GOOD, WRONG)

    ended = world.run(request("orders", engine=SQLSERVER))

    assert (ended["status"], ended["error"]) == ("FAILED", "ChecksFailed")
    assert world.inventory() == before | {"databases": ["orders"]}
    assert world.meta().status == "CLOSED"
