"""A worker that dies while it replays or verifies dumps: another one carries on within the same restore, a few times."""

from typing import Any

import boto3
import pytest

from dbrestore.contract import limits
from dbrestore.contract.job import Job
from lambdas.databases.job_rows import job_row
from tests.statemachine.engines import SQLSERVER
from tests.statemachine.fake_worker import Behaviour, FakeWorker, end_without_result, leave_unfinished, lose_agent, lose_worker
from tests.statemachine.world import World


# Of the world's clock between two looks: a worker that SSM doesn't hear is waited for some of them.
@pytest.fixture(autouse=True)
def _minutes_pass(world: World) -> None:
    world.seconds_between_calls = limits.AGENT_UNHEARD_WITHIN / 5


def first(times: int, harm: Behaviour) -> Behaviour:
    """So many jobs meet the harm, those after them don't."""
    harms = iter([harm] * times)
    return lambda worker, job, command: next(harms, FakeWorker.do)(worker, job, command)


def cut_off(worker: FakeWorker, job: Job, command: Any) -> None:
    """SSM ends the command after 48 hours."""
    leave_unfinished(worker, job, command)
    command.status, command.status_details = "TimedOut", "Execution Timed Out"
    command.invocations[0].update(Status="TimedOut", StatusDetails="Execution Timed Out", ResponseCode=-1)


def cancel(worker: FakeWorker, job: Job, command: Any) -> None:
    """Somebody cancels it in SSM's console."""
    leave_unfinished(worker, job, command)
    command.status, command.status_details = "Cancelled", "Cancelled"
    command.invocations[0].update(Status="Cancelled", StatusDetails="Cancelled", ResponseCode=-1)


@pytest.mark.parametrize("harm", [lose_worker, lose_agent])
@pytest.mark.parametrize("kind", ["replay", "verify"])
@pytest.mark.parametrize("times", [1, limits.JOB_WORKERS - 1])
def test_another_worker_carries_on_with_the_same_job(world: World, kind: str, times: int, harm: Behaviour) -> None:
    before = world.inventory()
    world.worker.behaviour[kind] = first(times, harm)

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended
    workers = [command.instance_ids[0] for command in world.worker.commands if f"/{kind}/" in command.parameters["JobUri"][0]]
    assert len(set(workers)) == len(workers) == times + 1
    assert world.inventory() == before | {"databases": ["orders"]}
    rows = [row for row in world.report()["resources"] if row["kind"] == "instance"]
    assert [row["state"] for row in rows] == ["DELETED"] * (times + 1)


@pytest.mark.parametrize("harm", [lose_worker, lose_agent])
@pytest.mark.parametrize("kind", ["replay", "verify"])
def test_workers_that_keep_dying_end_it_and_leave_nothing(world: World, kind: str, harm: Behaviour) -> None:
    before = world.inventory()
    world.worker.behaviour[kind] = harm

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "WorkerLost")
    assert f"while it worked on the job {kind}, as {limits.JOB_WORKERS - 1} before it" in ended["cause"]
    assert [job.kind for job in world.worker.jobs].count(kind) == limits.JOB_WORKERS
    assert world.inventory() == before


@pytest.mark.parametrize("harm", [cancel, end_without_result])
def test_a_command_that_ended_without_a_result_is_followed_by_another_on_the_same_worker(world: World, harm: Behaviour) -> None:
    world.worker.behaviour["replay"] = first(limits.JOB_COMMANDS - 1, harm)

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended
    sent = [command for command in world.worker.commands if "/replay/" in command.parameters["JobUri"][0]]
    assert len(sent) == limits.JOB_COMMANDS
    assert len({command.instance_ids[0] for command in sent}) == 1


def test_commands_that_keep_ending_end_it(world: World) -> None:
    before = world.inventory()
    world.worker.behaviour["replay"] = end_without_result

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "WorkerFailed")
    assert [job.kind for job in world.worker.jobs].count("replay") == limits.JOB_COMMANDS
    assert world.inventory() == before


def test_a_replay_takes_longer_than_one_command_may(world: World) -> None:
    times = limits.JOB_COMMANDS + 2
    world.worker.behaviour["replay"] = first(times, cut_off)

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended
    assert [job.kind for job in world.worker.jobs].count("replay") == times + 1
    row = job_row(world.ledger(), "replay")
    assert row is None or row.failed_commands == 0


@pytest.mark.parametrize("harm", [lose_worker, lose_agent])
@pytest.mark.parametrize("kind", ["restore", "verify"])
def test_what_can_not_be_carried_on_is_not(world: World, kind: str, harm: Behaviour) -> None:
    before = world.use(SQLSERVER).inventory()
    world.worker.behaviour[kind] = harm

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "WorkerLost")
    assert [job.kind for job in world.worker.jobs].count(kind) == 1
    assert world.inventory() == before


def test_a_worker_that_somebody_stopped_is_ended_before_another_takes_its_place(world: World) -> None:
    def stop(worker: FakeWorker, job: Job, command: Any) -> None:
        leave_unfinished(worker, job, command)
        boto3.client("ec2").stop_instances(InstanceIds=command.instance_ids)

    world.worker.behaviour["replay"] = first(1, stop)

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended
    rows = [row for row in world.report()["resources"] if row["kind"] == "instance"]
    assert [row["state"] for row in rows] == ["DELETED"] * 2


def test_a_verification_of_native_backups_takes_no_longer_than_one_command_may(world: World) -> None:
    world.use(SQLSERVER).worker.behaviour["verify"] = cut_off

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "WorkerTimedOut")
    assert "48 hours" in ended["cause"]
