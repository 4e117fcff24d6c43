"""Drills through the real definition: what one restores and drops, what keeps it from passing, and that a start is one drill."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from dbrestore.cli.exit_code_choice import of_execution
from dbrestore.contract import keys
from dbrestore.contract.checks.asked import CheckAnswer
from dbrestore.contract.drills import DrillOrder
from dbrestore.contract.errors import DrillSkipped
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.job import ErrorNote
from dbrestore.contract.record import Report
from dbrestore.ledger import restore_list
from lambdas.runtime.drill_rows import DrillRows
from tests.statemachine.engines import ENGINES, INSTANCE, POSTGRES, SQLSERVER, Engine
from tests.statemachine.world import ACCOUNT, REGION, World

SCHEDULE = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/dbrestore-drills/weekly"
AT = "2027-01-03T02:00:00Z"


def declared(engine: Engine = POSTGRES, **values: Any) -> dict[str, Any]:
    return {
        "name": "weekly",
        "schedule": {"expression": "rate(7 days)", "timeZone": "UTC"},
        "source": {"dbInstance": engine.instance},
        "target": {"dbInstance": engine.instance},
        "databases": ["orders"],
        **values,
    }


@pytest.fixture
def declare(world: World, tmp_path: Path) -> Any:
    """Declares drills as the functions find them."""
    path = tmp_path / "drills.json"

    def declare(*drills: dict[str, Any]) -> None:
        # The functions read a file once.
        number = len(list(tmp_path.glob("drills*.json")))
        written = path.with_name(f"drills{number}.json")
        written.write_text(json.dumps({"drills": list(drills)}))
        world.patch.setenv("DRILL_CONFIGURATION", str(written))

    return declare


def start(**values: Any) -> dict[str, Any]:
    return {"drill": {"name": "weekly", **values}}


def scheduled(at: str = AT) -> dict[str, Any]:
    return start(scheduleArn=SCHEDULE, scheduledTime=at)


def report(world: World, name: str = "restore-1") -> Report:
    key = keys.report_key(world.ledger(name).restore_id)
    return Report.from_json(boto3.client("s3").get_object(Bucket="evidence", Key=key)["Body"].read())


@pytest.mark.parametrize("engine", ENGINES)
def test_a_drill_proves_a_backup_and_leaves_nothing(world: World, declare: Any, engine: Engine) -> None:
    world.use(engine)
    declare(declared(engine, objectives={"recoveryMinutes": 60, "pointHours": 24 * 365 * 100}))
    before = world.inventory()

    ended = world.run(scheduled())

    assert ended["status"] == "SUCCEEDED", ended
    assert world.inventory() == before
    assert world.meta().status == "CLOSED"
    told = report(world)
    assert told.drill is not None
    assert (told.drill.name, told.drill.verdict, told.drill.why, told.drill.copies) == ("weekly", "PASSED", "", "SUCCESSFUL")
    assert [(one.name, one.met) for one in told.drill.objectives] == [("recoveryMinutes", True), ("pointHours", True)]
    assert [d.status for d in told.databases] == ["VERIFIED"]
    assert told.reason == "the drill weekly"
    assert told.requested_by == SCHEDULE
    assert not [row for row in told.resources if row.state == "KEPT"]
    *begun, event = world.heard()
    assert {(one["detail"]["mode"], one["detail"]["drillName"]) for one in (*begun, event)} == {("drill", "weekly")}
    assert begun[0]["detail-type"] == "Restore Started"
    assert (event["detail-type"], event["detail"]["drill"]["verdict"]) == ("Drill Completed", "PASSED")


def test_the_copy_has_a_name_that_nobody_may_ask_for(world: World, declare: Any) -> None:
    declare(declared())
    world.run(start())
    (job,) = [job for job in world.worker.jobs if job.kind == "replay"]
    (database,) = job.databases

    assert database.asked_name == database.temporary_name == f"dbrestore_{job.restore_id.removeprefix('r-')}_1"
    ended = world.run(
        {"target": {"dbInstance": INSTANCE}, "databases": [{"name": "orders", "as": database.asked_name.upper()}]}, "restore-2"
    )
    assert (ended["status"], ended["error"]) == ("FAILED", "RestoreRequestInvalid")
    assert "/databases/0/as: " in ended["cause"]
    assert "begins like names of databases that dbrestore makes and drops" in ended["cause"]


def test_a_request_can_not_call_itself_a_drill(world: World) -> None:
    ended = world.run({**POSTGRES.request("orders"), "mode": "drill"})

    assert (ended["status"], ended["error"]) == ("FAILED", "RestoreRequestInvalid")
    assert "/mode: is of declared drills alone" in ended["cause"]


def test_a_start_that_is_delivered_again_is_the_same_drill(world: World, declare: Any) -> None:
    declare(declared())
    first = world.run(scheduled(), "drill-1")
    calls = len(world.calls)

    again = world.run(scheduled(), "drill-2")
    by_another_clock = world.run(scheduled("2027-01-03T03:00:00+01:00"), "drill-3")

    assert [one["status"] for one in (first, again, by_another_clock)] == ["SUCCEEDED"] * 3
    assert world.calls[calls:] == ["PlanRestore", "PlanRestore"]
    assert json.loads(again["output"])["plan"] == {"drill": "weekly", "sameAs": first["executionArn"]}
    assert world.run(scheduled("2027-01-10T02:00:00Z"), "drill-4")["status"] == "SUCCEEDED"
    assert "VerifyDatabases" in world.calls[calls + 2 :]


def test_a_drill_that_meets_the_one_before_it_is_skipped_and_listed(world: World, declare: Any) -> None:
    declare(declared())
    skipped: list[dict[str, Any]] = []

    def meanwhile() -> None:
        world.before.clear()
        skipped.append(world.run(scheduled("2027-01-10T02:00:00Z"), "drill-2"))

    world.before["VerifyDatabases"] = meanwhile

    assert world.run(scheduled(), "drill-1")["status"] == "SUCCEEDED"
    (ended,) = skipped
    assert (ended["status"], ended["error"]) == ("FAILED", "DrillSkipped")
    (row,) = [row for row in listed(world) if row.error]
    assert (row.mode, row.error and row.error.name) == ("drill", "DrillSkipped")
    assert world.run(scheduled("2027-01-17T02:00:00Z"), "drill-3")["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("objectives", "why"),
    [
        ({"recoveryMinutes": 0.0000001}, "the databases were verified 0."),
        ({"pointHours": 0.0000001}, "the restore point was "),
    ],
)
def test_a_missed_objective_is_never_green(world: World, declare: Any, objectives: dict[str, float], why: str) -> None:
    declare(declared(objectives=objectives))
    before = world.inventory()

    ended = world.run(start())

    assert (ended["status"], ended["error"]) == ("FAILED", "DrillFailed")
    told = report(world)
    assert told.drill is not None
    assert told.drill.verdict == "FAILED"
    assert told.drill.why.startswith(f"DrillFailed: {why}")
    assert [one.met for one in told.drill.objectives] == [False]
    assert of_execution(ended["status"], told.error, told.leftovers) == ExitCode.NOT_VERIFIED
    assert world.inventory() == before
    assert [event["detail-type"] for event in world.events()] == ["Drill Completed", "Objective Missed"]


@pytest.mark.parametrize("status", ["failed", "not checked"])
def test_a_check_that_does_not_hold_is_never_green(world: World, declare: Any, status: Any) -> None:
    declare(declared(checks=[{"name": "rows", "sql": "SELECT count(*) FROM t", "expect": 5}]))
    before = world.inventory()

    def answered() -> None:
        (job,) = [job for job in world.worker.jobs if job.kind == "replay"]
        world.worker.answers[job.databases[0].asked_name] = (CheckAnswer(name="rows", expected="5", status=status, why="so it is"),)

    world.before["VerifyDatabases"] = answered

    ended = world.run(start())

    assert (ended["status"], ended["error"]) == ("FAILED", "DrillFailed")
    assert "1 of 1 checks did not hold" in ended["cause"]
    assert world.inventory() == before


def test_a_backup_that_can_not_be_restored_fails_the_drill_with_its_own_error(world: World, declare: Any) -> None:
    declare(declared())
    before = world.inventory()

    def fail() -> None:
        copy = f"dbrestore_{world.ledger().restore_id.removeprefix('r-')}_1"
        world.worker.failing[f"REPLAYED {copy}"] = ErrorNote(name="BackupDamaged", message="a member is short")

    world.after["PairSecurityGroups"] = fail

    ended = world.run(start())

    assert (ended["status"], ended["error"]) == ("FAILED", "BackupDamaged")
    told = report(world)
    assert told.drill is not None
    assert (told.drill.verdict, told.drill.why) == ("FAILED", "BackupDamaged: a member is short")
    assert world.inventory() == before


def test_a_drill_that_can_not_begin_is_in_the_list(world: World, declare: Any) -> None:
    declare(declared(databases=["nothing_of_the_kind"]))

    ended = world.run(scheduled())

    assert (ended["status"], ended["error"]) == ("FAILED", "DatabaseNotInRestorePoint")
    (row,) = listed(world)
    assert (row.mode, row.outcome, row.reason) == ("drill", "FAILED", "the drill weekly")
    assert row.error is not None
    assert row.error.name == "DatabaseNotInRestorePoint"
    (event,) = world.events()
    assert (event["detail-type"], event["detail"]["drill"]["verdict"]) == ("Drill Completed", "FAILED")


def test_a_drill_that_nobody_declared_is_refused_with_those_that_are(world: World, declare: Any) -> None:
    declare(declared(), declared(name="daily"))

    ended = world.run({"drill": {"name": "weakly"}})

    assert (ended["status"], ended["error"]) == ("FAILED", "DrillNotFound")
    assert "Did you mean weekly?" in ended["cause"]


def test_a_rotation_takes_those_that_were_never_drilled_first(world: World, declare: Any) -> None:
    declare(declared(databases={"rotate": 1}))
    taken = []
    for n in range(3):
        assert world.run(start(), f"drill-{n}")["status"] == "SUCCEEDED"
        world.clock.let_pass(seconds=60)
        taken.append([d.backup_name for d in world.worker.jobs[-1].databases])

    assert taken[0] != taken[1]
    assert taken[0] == taken[2]


def test_of_random_points_those_within_the_days_count(world: World, declare: Any) -> None:
    declare(declared(source={"dbInstance": INSTANCE, "restorePoint": {"random": {"withinDays": 1}}}, databases={"random": 1}))
    assert world.run(start(), "drill-1")["status"] == "SUCCEEDED"
    world.clock.let_pass(seconds=2 * 86400)

    ended = world.run(start(), "drill-2")

    assert (ended["status"], ended["error"]) == ("FAILED", "RestorePointNotFound")
    assert "no restore point of the last day to choose" in ended["cause"]


def test_a_drill_whose_execution_is_stopped_leaves_nothing(world: World, declare: Any) -> None:
    declare(declared())
    before = world.inventory()
    world.before["VerifyDatabases"] = lambda: boto3.client("stepfunctions").stop_execution(executionArn=world.meta().execution_arn)

    ended = world.run(start())
    world.before.clear()

    assert ended["status"] == "ABORTED"
    world.clock.let_pass(seconds=300)
    assert [one["status"] for one in world.sweep()] == ["SUCCEEDED"]
    assert world.inventory() == before
    told = report(world)
    assert told.drill is not None
    assert told.drill.verdict == "FAILED"


def test_many_deliveries_at_any_time_and_in_any_order_are_one_drill_each(world: World, declare: Any) -> None:
    declare(declared())
    rows = DrillRows(world.surroundings().table, "weekly")
    began = datetime(2027, 1, 3, 2, tzinfo=UTC)
    deliveries = [(began + timedelta(days=n * 7 % 70), f"execution-{n}") for n in range(100)]

    winners = {
        (at, rows.delivered_to(DrillOrder(name="weekly", schedule_arn=SCHEDULE, scheduled_time=at), execution))
        for at, execution in deliveries
    }

    assert len(winners) == len({at for at, _ in deliveries}) == 10


def listed(world: World) -> tuple[restore_list.ListedRestore, ...]:
    return tuple(restore_list.read(item) for item in world.surroundings().table.newest(restore_list.RESTORES))


@pytest.mark.parametrize("engine", ENGINES)
def test_copies_that_stay_a_while_go_when_their_time_is_over(world: World, declare: Any, engine: Engine) -> None:
    world.use(engine)
    declare(declared(engine, keepHours=24))
    before = world.inventory()

    ended = world.run(scheduled())

    assert ended["status"] == "SUCCEEDED", ended
    copy = f"dbrestore_{world.ledger().restore_id.removeprefix('r-')}_1"
    assert world.inventory()["databases"] == [*before["databases"], copy]
    kept = report(world)
    assert kept.drill is not None
    assert (kept.status, kept.drill.verdict, kept.drill.copies) == ("SUCCEEDED", "PASSED", "DELETING")
    assert kept.leftovers == ()
    assert world.sweep() == []
    assert world.run(scheduled("2027-01-10T02:00:00Z"), "drill-2")["status"] == "SUCCEEDED", "the drill before it is over"
    world.clock.let_pass(seconds=25 * 3600)
    assert {one["status"] for one in world.sweep()} == {"SUCCEEDED"}
    assert world.inventory() == before
    gone = report(world)
    assert gone.drill is not None
    assert (gone.status, gone.drill.verdict, gone.drill.copies, gone.ended_at) == ("SUCCEEDED", "PASSED", "SUCCESSFUL", kept.ended_at)
    assert world.meta().status == "CLOSED"
    assert [event["detail-type"] for event in world.events()] == ["Drill Completed", "Drill Completed"], "one for each drill"


def test_copies_of_a_drill_that_did_not_pass_go_at_once(world: World, declare: Any) -> None:
    declare(declared(keepHours=24, objectives={"pointHours": 0.0000001}))
    before = world.inventory()

    assert world.run(start())["error"] == "DrillFailed"

    assert world.inventory() == before
    assert world.meta().status == "CLOSED"


def test_damage_on_purpose_that_nothing_notices_is_never_green(world: World, declare: Any) -> None:
    declare(declared())

    ended = world.run(start(withDamage=True))

    (job,) = [job for job in world.worker.jobs if job.kind == "replay"]
    assert job.with_damage
    assert (ended["status"], ended["error"]) == ("FAILED", "DrillFailed")
    assert "read with damage on purpose, and nothing noticed it" in ended["cause"]


def test_damage_on_purpose_of_sql_server_is_found_in_the_temporary_bucket(world: World, declare: Any) -> None:
    world.use(SQLSERVER)
    declare(declared(SQLSERVER))
    before = world.inventory()

    ended = world.run(start(withDamage=True))

    assert (ended["status"], ended["error"]) == ("FAILED", "StagedCopyDiffers")
    assert [job.kind for job in world.worker.jobs] == []
    assert world.inventory() == before
    told = report(world)
    assert (told.status, told.drill and told.drill.name) == ("FAILED", "weekly")


def test_a_start_that_meets_another_one_being_planned_is_skipped_and_counted(world: World) -> None:
    rows = DrillRows(world.surroundings().table, "weekly")
    rows.begin("r-first", "arn:first", lambda _: True)

    for number in (1, 2):
        with pytest.raises(DrillSkipped, match="the one before it, r-first, still runs"):
            rows.begin(f"r-{number}", f"arn:{number}", lambda arn: arn == "arn:first")

    assert rows.skipped_in_a_row() == 2
    rows.begin("r-first", "arn:first", lambda _: False)
    rows.begin("r-3", "arn:3", lambda _: False)
    assert rows.skipped_in_a_row() == 0
