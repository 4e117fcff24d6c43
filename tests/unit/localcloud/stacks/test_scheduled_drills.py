"""A declared drill, from its file to the execution that it starts: synthesised, deployed and fired by the local cloud's Scheduler."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract.drills import DrillStart
from localcloud.base import clock
from localcloud.cloud import Cloud, start
from localcloud.flow import scheduler_view, told_view
from localcloud.flow.scheduler import RECORD
from localcloud.stacks import assets
from localcloud.stacks.application import CONTROL_PARAMETER, CONTROL_STACK

# One cloud for all of these tests.
pytestmark = pytest.mark.xdist_group("scheduled-drills")

# A minute of AWS takes three seconds: each start is a dozen functions, and a loaded machine must keep up with them.
TIME_SCALE = 20.0
DRILL = {
    "name": "orders-every-minute",
    "schedule": {"expression": "cron(* * * * ? *)", "timeZone": "Europe/Berlin", "flexibleMinutes": 0},
    "source": {"dbInstance": "orders-prod"},
    "target": {"dbInstance": "drills"},
}


@pytest.fixture(scope="module")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("drilled")
    (folder / "drills.json").write_text(json.dumps({"drills": [DRILL]}))
    running = start(folder / "cloud", time_scale=TIME_SCALE)
    assembly = assets.synthesised({"drillConfiguration": str(folder / "drills.json")}, folder / "assemblies")
    running.deploy(assembly, only=[CONTROL_STACK])
    yield running
    running.stop()


@pytest.fixture
def calm(drilled: Cloud) -> Cloud:
    """The same cloud, in which nothing is started any more."""
    scheduler = drilled.client("scheduler")
    with suppress(scheduler.exceptions.ResourceNotFoundException):
        scheduler.delete_schedule(Name=DRILL["name"], GroupName="dbrestore-drills")
    return drilled


def _machine(cloud: Cloud) -> str:
    return str(json.loads(cloud.client("ssm").get_parameter(Name=CONTROL_PARAMETER)["Parameter"]["Value"])["stateMachineArn"])


def _inputs(cloud: Cloud) -> list[dict[str, Any]]:
    steps = cloud.client("stepfunctions")
    listed = steps.list_executions(stateMachineArn=_machine(cloud))["executions"]
    return [json.loads(steps.describe_execution(executionArn=one["executionArn"])["input"]) for one in listed]


def test_a_declared_drill_starts_the_state_machine_with_its_name_and_the_time_that_was_meant(drilled: Cloud) -> None:
    deadline = time.monotonic() + 30
    while len(inputs := [one for one in _inputs(drilled) if "drill" in one]) < 2:
        assert time.monotonic() < deadline, "It was never started."
        time.sleep(0.2)

    orders = [DrillStart.model_validate(one).drill for one in inputs]
    arn = f"arn:aws:scheduler:{drilled.region}:{drilled.account}:schedule/dbrestore-drills/{DRILL['name']}"
    callers = {call.principal for call in drilled.calls if call.action == "states:StartExecution"}
    record = [json.loads(line) for line in (drilled.directory / RECORD).read_text().splitlines()]
    assert {(order.name, order.schedule_arn, order.requested_by) for order in orders} == {(DRILL["name"], arn, None)}
    assert len({order.scheduled_time for order in orders}) == len(orders)
    assert all(order.scheduled_time and order.scheduled_time.second == 0 for order in orders)
    assert f"arn:aws:iam::{drilled.account}:role/dbrestore-scheduler-{drilled.region}" in callers
    assert [line["kind"] for line in record[:2]] == ["clock", "started"]


def test_what_comes_next_is_shown_on_the_clouds_own_clock(drilled: Cloud) -> None:
    before = clock.now()
    view = scheduler_view.look(drilled.directory, drilled.endpoint)
    after = clock.now()
    text = list(scheduler_view.lines(view))

    (schedule,) = view.schedules
    start = datetime.fromisoformat(schedule["nextStart"])
    # The record tells the beginning in whole seconds.
    assert before - timedelta(seconds=2 * TIME_SCALE) <= view.now <= after + timedelta(seconds=2 * TIME_SCALE)
    assert (schedule["name"], schedule["state"], schedule["timeZone"]) == (DRILL["name"], "ENABLED", "Europe/Berlin")
    assert view.now < start <= view.now + timedelta(minutes=1)
    assert view.done[0]["kind"] == "started"
    assert text[0].endswith("UTC and runs 20 times as fast as yours.")
    assert text[3].split() == [
        DRILL["name"],
        "every",
        "day",
        "every",
        "minute",
        "of",
        "every",
        "hour",
        *f"{start:%Y-%m-%d %H:%M}".split(),
        "Europe/Berlin",
    ]
    assert "started arn:aws:states:" in text[6]


def test_a_start_that_failed_or_was_given_up_is_told_with_the_reason(tmp_path: Path, drilled: Cloud) -> None:
    line = {"at": "2027-01-31T02:00:05Z", "schedule": "arn:x:schedule/g/weekly", "scheduledTime": "2027-01-31T02:00:00Z", "attempt": 3}
    kinds = [
        {"kind": "failed", "error": "Oops", "message": "because"},
        {"kind": "given up", "queue": ""},
        {"kind": "given up", "queue": "q"},
    ]
    (tmp_path / RECORD).write_text("".join(json.dumps({**line, **kind}) + "\n" for kind in kinds) + '{"half')

    text = "\n".join(scheduler_view.lines(scheduler_view.look(tmp_path, drilled.endpoint)))

    assert "weekly    2027-01-31T02:00:00Z  3        failed: Oops: because" in text
    assert "given up, and lost: it has no dead-letter queue" in text
    assert "given up, kept in q" in text


def test_people_are_told_of_an_end_in_one_line_of_their_topic(calm: Cloud) -> None:
    detail = {"restoreId": "r-0123456789ab", "mode": "drill", "target": "drills", "status": "FAILED", "error": {"name": "DrillSkipped"}}
    execution = f"arn:aws:states:{calm.region}:{calm.account}:execution:dbrestore:one"
    entry = {"Source": "dbrestore.restore", "DetailType": "Drill Completed", "Resources": [execution], "Detail": json.dumps(detail)}
    calm.client("events").put_events(Entries=[entry])

    deadline = time.monotonic() + 20
    line = "dbrestore: Drill Completed: r-0123456789ab (a drill into drills): FAILED, DrillSkipped."
    while not any(_tells(one, line) for one in told_view.told(calm.directory)):
        assert time.monotonic() < deadline, "Nobody was told."
        time.sleep(0.1)


def _tells(one: dict[str, Any], line: str) -> bool:
    return one["type"] == "message" and one["topic"] == "dbrestore-restores" and line in one["message"]
