"""`dbrestore drill`: what is declared, when it starts next, and one of them now."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from dbrestore.cli import control, drills, main
from dbrestore.cli.views.drills import ListedDrill
from dbrestore.contract.drills import Drill
from dbrestore.contract.exit_code import ExitCode
from dbrestore.ledger import restore_list
from tests.statemachine.conftest import world
from tests.statemachine.world import ACCOUNT, MACHINE_ARN, REGION, World

__all__ = ["world"]

EXAMPLE = Path(__file__).parents[3] / "examples" / "configuration" / "drills.json"
NOW = datetime(2026, 11, 29, 17, tzinfo=UTC)


def install(world: World, file: Path = EXAMPLE, schedules: tuple[str, ...] = ("orders-weekly", "crm-monthly")) -> None:
    parts = {
        "stateMachineArn": MACHINE_ARN,
        "ledgerTable": "ledger",
        "repositoryBucket": "repository",
        "evidenceBucket": "evidence",
        "functions": {drills.FUNCTION: f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{drills.FUNCTION}"},
    }
    boto3.client("ssm").put_parameter(Name=control.Account().signpost, Value=json.dumps(parts), Type="String")
    world.patch.setenv("DRILL_CONFIGURATION", str(file))
    # Wide enough for every cell, whatever the terminal of who runs the tests.
    world.patch.setenv("COLUMNS", "250")
    scheduler = boto3.client("scheduler")
    scheduler.create_schedule_group(Name="dbrestore-drills")
    for name in schedules:
        scheduler.create_schedule(
            Name=name,
            GroupName="dbrestore-drills",
            ScheduleExpression="rate(7 days)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": MACHINE_ARN, "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/scheduler"},
            State="DISABLED" if name == "crm-monthly" else "ENABLED",
        )


def drill(**schedule: Any) -> Drill:
    values = {"expression": "cron(0 2 ? * SUN *)", "timeZone": "Europe/Berlin", **schedule}
    return Drill.model_validate({"name": "a", "schedule": values, "source": {"dbInstance": "b"}, "target": {"dbInstance": "c"}})


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_declared_drills_are_listed_with_what_they_do(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    install(world)

    assert main.run(["drill", "list"]) == ExitCode.DONE

    weekly, monthly = (line for line in capsys.readouterr().out.splitlines() if line.startswith(("orders-", "crm-")))
    for text in ("Sunday at 02:00", "Europe/Berlin", "+ up to 45 min", "orders-prod, latest", "orders, invoices", "drills (222222222222)"):
        assert text in weekly
    assert "90 min to recover, 26 h old at most" in weekly
    for text in ("crm-mssql, any of 90 days", "3 in turn", "disabled in Scheduler", "none"):
        assert text in monthly


def test_programs_get_the_whole_declaration_and_the_next_start(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    install(world, schedules=("orders-weekly",))

    assert main.run(["drill", "list", "--json"]) == ExitCode.DONE

    weekly, monthly, summary = lines(capsys.readouterr().out)
    start = datetime.fromisoformat(weekly["nextStart"])
    assert (weekly["type"], weekly["name"], weekly["state"]) == ("drill", "orders-weekly", "ENABLED")
    assert (start.isoweekday(), start.hour, start.minute) == (7, 2, 0)
    assert start > datetime.now(UTC)
    assert weekly["checks"][0]["expect"] == {"min": 1000, "max": None, "maxAgeSeconds": None, "rows": None}
    assert (monthly["state"], monthly["nextStart"]) == ("MISSING", None)
    assert summary == {"type": "summary", "drills": 2, "exitCode": 0}


def test_without_drills_the_list_says_where_they_are_declared(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "drills.json").write_text('{"drills": []}')
    install(world, tmp_path / "drills.json", ())

    assert main.run(["drill", "list"]) == ExitCode.DONE

    assert "No drill is declared: configuration/drills.json declares them" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("schedule", "state", "told"),
    [
        ({}, "ENABLED", "2026-12-06 02:00 + up to 30 min"),
        ({}, "UNKNOWN", "2026-12-06 02:00 + up to 30 min"),
        ({"flexibleMinutes": 0}, "ENABLED", "2026-12-06 02:00"),
        ({"expression": "rate(7 days)"}, "ENABLED", "by its rate"),
        ({"expression": "at(2020-01-01T00:00:00)"}, "ENABLED", "never again"),
        ({}, "MISSING", "no schedule: deploy again"),
    ],
)
def test_when_a_drill_starts_next(schedule: dict[str, Any], state: str, told: str) -> None:
    assert ListedDrill.of(drill(**schedule), state, NOW).when == told


def test_an_expression_that_this_version_can_not_read_is_shown_as_it_is() -> None:
    listed = ListedDrill.of(drill(expression="moon(full)"), "ENABLED", NOW)

    assert (listed.told, listed.next_start) == ("moon(full)", None)


@pytest.mark.parametrize(("options", "damaged"), [([], False), (["--with-damage"], True)])
def test_a_drill_is_started_in_the_name_of_who_asked_and_followed(
    world: World, capsys: pytest.CaptureFixture[str], options: list[str], damaged: bool
) -> None:
    install(world)

    code = main.run(["drill", "run", "orders-weekly", *options])

    started, *_, last = lines(capsys.readouterr().out)
    execution = boto3.client("stepfunctions").describe_execution(executionArn=started["executionArn"])
    order = json.loads(execution["input"])["drill"]
    assert (started["type"], last["type"], last["exitCode"]) == ("started", "summary", code)
    # There is no such target here.
    assert execution["status"] == "FAILED"
    assert execution["name"].startswith("drill-orders-weekly-2")
    assert (order["name"], order["withDamage"]) == ("orders-weekly", damaged)
    assert order["requestedBy"].startswith(f"arn:aws:sts::{ACCOUNT}:")
    assert set(order) == {"name", "withDamage", "requestedBy"}


def test_the_name_of_the_execution_has_room_for_the_longest_name_of_a_drill(world: World) -> None:
    install(world)
    plane = control.find(control.Account())

    started = drills.start(plane, drills.DrillOrder(name="x" * 48))

    assert len(started.name) == 80


def test_a_drill_that_is_not_declared_is_not_started_and_names_that_are_like_it_are_told(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    install(world)

    assert main.run(["drill", "run", "order-weekly"]) == ExitCode.NOT_FOUND
    assert main.run(["drill", "run", "zzz"]) == ExitCode.NOT_FOUND

    first, second = capsys.readouterr().err.splitlines()
    assert (
        first == "DrillNotFound: No drill 'order-weekly' is declared. Did you mean orders-weekly? `dbrestore drill list` shows all of them."
    )
    assert "There are orders-weekly, crm-monthly." in second
    assert boto3.client("stepfunctions").list_executions(stateMachineArn=MACHINE_ARN)["executions"] == []


def ran(world: World, number: int, name: str, **values: Any) -> None:
    began = NOW + timedelta(days=number)
    error = {"name": "DrillFailed", "message": "the restore point was 30.0 hours old, and the objective is 26\nmore"}
    row = {
        "pk": "RESTORES",
        "sk": restore_list.sort_key(began, f"r-{number:012d}"),
        "mode": "drill",
        "startedAt": began.isoformat(),
        "endedAt": (began + timedelta(minutes=5)).isoformat(),
        "outcome": "FAILED" if number % 2 else "SUCCEEDED",
        "error": error if number % 2 else None,
        "reason": f"the drill {name}",
    }
    table = world.ledger().table
    table.write(table.put(row | values))


def test_one_drill_is_shown_with_its_checks_and_its_last_runs(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    install(world)
    for number in range(4):
        ran(world, number, "orders-weekly")
    ran(world, 9, "orders-weekly-2")
    ran(world, 8, "orders-weekly", mode="restore")
    ran(world, 5, "orders-weekly", reason="the drill orders-weekly, with damage on purpose")

    assert main.run(["drill", "show", "orders-weekly", "--runs", "3"]) == ExitCode.DONE

    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if line.startswith("r-")] == ["r-000000000005", "r-000000000003", "r-000000000002"]
    assert "SELECT" in out
    assert "DrillFailed: the restore point was" in " ".join(out.split())


def test_one_drill_is_shown_to_programs_with_its_runs(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    install(world)
    ran(world, 1, "crm-monthly")

    assert main.run(["drill", "show", "crm-monthly", "--json"]) == ExitCode.DONE

    (told,) = lines(capsys.readouterr().out)
    assert (told["type"], told["name"]) == ("drill", "crm-monthly")
    assert [(run["restoreId"], run["outcome"], run["error"]["name"]) for run in told["runs"]] == [
        ("r-000000000001", "FAILED", "DrillFailed")
    ]


def test_a_drill_that_never_ran_says_how_to_run_it(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    install(world)

    assert main.run(["drill", "show", "orders-weekly"]) == ExitCode.DONE

    assert "It has not run yet. To run it now: dbrestore drill run orders-weekly" in capsys.readouterr().out
