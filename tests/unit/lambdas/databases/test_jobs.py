"""A job of the worker: sent once as far as anybody can tell, waited for, and its end understood."""

from typing import Any

import boto3
import pytest
from moto.ec2.models.instances import InstanceBackend
from moto.ssm.exceptions import SSMException
from moto.ssm.responses import SimpleSystemManagerResponse

from dbrestore.contract import limits
from dbrestore.contract.errors import NotReady, RestoreClosed, WorkerFailed, WorkerTimedOut, WorkerToReplace
from lambdas.databases.job_rows import job_row
from lambdas.databases.replay_dumps import replay_dumps
from lambdas.planning.plan_restore import plan_restore
from lambdas.runtime.bounds import Bounds
from lambdas.worker.instance import deploy_worker
from tests.statemachine.fake_worker import end_without_result, leave_unfinished, lose_agent
from tests.statemachine.world import REQUEST, World, execution_arn

MINUTES_UNHEARD = limits.AGENT_UNHEARD_WITHIN // 60


@pytest.fixture
def deployed(world: World) -> dict[str, Any]:
    """A restore whose worker stands."""
    state: dict[str, Any] = {"plan": plan_restore({"request": REQUEST, "executionArn": execution_arn("restore-1")}, None)}
    return state | {"worker": world.until_done(deploy_worker, state)}


def test_the_command_carries_the_jobs_uri_and_nothing_else(world: World, deployed: dict[str, Any]) -> None:
    world.until_done(replay_dumps, deployed)

    restore = deployed["plan"]["restoreId"]
    (command,) = world.worker.commands
    assert command.parameters == {"JobUri": [f"s3://evidence/restores/{restore}/jobs/replay/job.json"]}
    assert command.document_name == "dbrestore-run-job"
    assert command.instance_ids == [deployed["worker"]["instanceId"]]


def test_the_job_says_all_that_the_worker_needs(world: World, deployed: dict[str, Any]) -> None:
    world.until_done(replay_dumps, deployed)

    (job,) = world.worker.jobs
    plan = deployed["plan"]
    assert job.server.host == plan["target"]["host"]
    assert job.server.secret_arn == plan["target"]["secretArn"]
    assert job.server.ca_bundle == "s3://evidence/certificates/rds-ca.pem"
    assert job.manifest == plan["source"]["manifest"]
    assert [d.temporary_name for d in job.databases] == [d["temporaryName"] for d in plan["databases"]]


def test_a_command_whose_record_was_lost_is_found_and_not_sent_again(world: World, deployed: dict[str, Any]) -> None:
    world.worker.behaviour["replay"] = leave_unfinished
    with pytest.raises(NotReady, match="finish the job replay"):
        world.invoke(replay_dumps, deployed)
    ledger = world.ledger()
    row = job_row(ledger, "replay")
    assert row is not None
    forgotten = row.model_copy(update={"command_id": None}).to_state()
    ledger.table.write(ledger.table.put({"pk": ledger.restore_id, "sk": "JOB#replay"} | forgotten))

    with pytest.raises(NotReady):
        world.invoke(replay_dumps, deployed)

    assert len(world.worker.commands) == 1
    assert job_row(ledger, "replay") == row


def test_a_job_that_runs_is_waited_for_and_says_so_in_the_ledger(world: World, deployed: dict[str, Any]) -> None:
    world.worker.behaviour["replay"] = leave_unfinished

    for _ in range(3):
        with pytest.raises(NotReady):
            world.invoke(replay_dumps, deployed)

    item = world.ledger().table.get(world.ledger().restore_id, "PHASE#ReplayDumps")
    assert item is not None
    assert (item["status"], item["attempts"]) == ("RUNNING", 3)
    assert "finish the job replay" in item["waitingFor"]


def test_a_result_that_arrives_late_counts(world: World, deployed: dict[str, Any]) -> None:
    world.worker.behaviour["replay"] = leave_unfinished
    with pytest.raises(NotReady):
        world.invoke(replay_dumps, deployed)
    world.worker.do(world.worker.jobs[0], world.worker.commands[0])

    told = world.invoke(replay_dumps, deployed)

    assert told["databases"][0]["status"] == "REPLAYED"
    assert told["result"].endswith("/jobs/replay/result.json")


def test_a_worker_that_vanished_before_its_job_is_lost(world: World, deployed: dict[str, Any]) -> None:
    boto3.client("ec2").terminate_instances(InstanceIds=[deployed["worker"]["instanceId"]])

    with pytest.raises(WorkerToReplace, match="could not be given the job"):
        world.until_done(replay_dumps, deployed)

    assert world.worker.jobs == []


def test_a_command_that_ended_without_a_result_is_a_failure_with_its_last_words(world: World, deployed: dict[str, Any]) -> None:
    world.worker.behaviour["replay"] = leave_unfinished
    for number in range(limits.JOB_COMMANDS):
        with pytest.raises(NotReady):
            world.invoke(replay_dumps, deployed)
        assert len(world.worker.commands) == number + 1
        command = world.worker.commands[-1]
        command.status = "Failed"
        command.invocations[0].update(StatusDetails="Failed", ResponseCode=1, StandardErrorContent="x" * 9000 + "no disk")

    with pytest.raises(WorkerFailed, match="no disk") as caught:
        world.invoke(replay_dumps, deployed)

    assert len(str(caught.value)) < 3000


def cut_off(command: Any) -> None:
    """As SSM ends a command that ran for 48 hours."""
    command.status, command.status_details = "TimedOut", "Execution Timed Out"
    command.invocations[0].update(Status="TimedOut", StatusDetails="Execution Timed Out", ResponseCode=-1)


@pytest.mark.parametrize("version", ["3.1.1927.0", "3.3.2745.9", "2.3.978.0", "3.0"])
def test_a_job_that_an_old_agent_did_not_do_is_told_with_the_agent_and_what_to_do(
    world: World, deployed: dict[str, Any], version: str
) -> None:
    world.worker.behaviour["replay"] = end_without_result
    world.worker.agent = version

    with pytest.raises(WorkerFailed, match=r"MemoryError\. The worker's image has the SSM agent") as caught:
        world.until_done(replay_dumps, deployed)

    assert f"has the SSM agent {version}, which is older than 3.3.2746.0" in str(caught.value)
    assert "take a newer image, or none in worker.imageId for Amazon's newest" in str(caught.value)


@pytest.mark.parametrize("version", ["3.3.2746.0", "3.3.4121.0", "4.0.0.0", "", "unknown"])
def test_nothing_is_said_about_an_agent_that_is_new_enough_or_that_nobody_knows(
    world: World, deployed: dict[str, Any], version: str
) -> None:
    world.worker.behaviour["replay"] = end_without_result
    world.worker.agent = version

    with pytest.raises(WorkerFailed) as caught:
        world.until_done(replay_dumps, deployed)

    assert "agent" not in str(caught.value)


def test_an_agent_whose_version_cannot_be_had_changes_no_error(world: World, deployed: dict[str, Any]) -> None:
    def refuse(_response: Any) -> None:
        raise SSMException("ThrottlingException", "Rate exceeded")

    world.worker.behaviour["replay"] = end_without_result
    world.patch.setattr(SimpleSystemManagerResponse, "describe_instance_information", refuse)

    with pytest.raises(WorkerFailed, match=r"MemoryError$"):
        world.until_done(replay_dumps, deployed)


def test_a_replay_that_ssm_cut_off_is_carried_on_by_another_command_as_often_as_it_takes(world: World, deployed: dict[str, Any]) -> None:
    world.worker.behaviour["replay"] = leave_unfinished

    for number in range(limits.JOB_COMMANDS + 1):
        with pytest.raises(NotReady):
            world.invoke(replay_dumps, deployed)
        assert len(world.worker.commands) == number + 1
        cut_off(world.worker.commands[-1])

    world.clock.let_pass(days=40)
    with pytest.raises(WorkerTimedOut, match=r"raise worker\.maxRunHours"):
        world.invoke(replay_dumps, deployed)


def test_a_restore_that_closes_sends_no_job(world: World, deployed: dict[str, Any]) -> None:
    world.ledger().advance("DISCARDING")

    with pytest.raises(RestoreClosed):
        world.invoke(replay_dumps, deployed)

    assert world.worker.jobs == []
    assert boto3.client("s3").list_objects_v2(Bucket="evidence", Prefix="restores/").get("Contents", []) == []


@pytest.fixture
def shown(world: World, deployed: dict[str, Any]) -> list[bool]:
    """A job is under way, on a worker that is old enough to be known everywhere. Whether EC2 shows it, look by look; then it does."""
    answers: list[bool] = []
    everything = InstanceBackend.all_reservations
    world.patch.setattr(
        InstanceBackend, "all_reservations", lambda *args, **more: everything(*args, **more) if not answers or answers.pop(0) else []
    )
    world.bounds = Bounds()
    world.worker.behaviour["replay"] = leave_unfinished
    with pytest.raises(NotReady, match="finish the job"):
        world.invoke(replay_dumps, deployed)
    world.clock.let_pass(seconds=limits.SHOWN_WITHIN + 1)
    return answers


def test_one_look_that_does_not_find_the_worker_means_nothing(world: World, deployed: dict[str, Any], shown: list[bool]) -> None:
    for told in ("second look", "finish the job", "second look", "finish the job"):
        shown[:] = [told == "finish the job"]
        with pytest.raises(NotReady, match=told):
            world.invoke(replay_dumps, deployed)
        world.clock.let_pass(seconds=limits.LOOKS_APART + 1)

    assert shown == []
    assert len(world.worker.commands) == 1


def test_two_looks_some_time_apart_that_do_not_find_it_mean_that_it_is_lost(
    world: World, deployed: dict[str, Any], shown: list[bool]
) -> None:
    for _ in range(2):
        shown[:] = [False]
        with pytest.raises(NotReady, match="second look"):
            world.invoke(replay_dumps, deployed)
        world.clock.let_pass(seconds=limits.LOOKS_APART - 1)
    world.clock.let_pass(seconds=2)
    shown[:] = [False] * 3

    with pytest.raises(WorkerToReplace, match="gone"):
        world.invoke(replay_dumps, deployed)


def test_a_worker_that_ssm_does_not_hear_is_waited_for_some_minutes_and_then_lost(world: World, deployed: dict[str, Any]) -> None:
    world.worker.behaviour["replay"] = lose_agent
    for _ in range(2):
        with pytest.raises(NotReady):
            world.invoke(replay_dumps, deployed)
        world.clock.let_pass(minutes=MINUTES_UNHEARD - 1)
    world.clock.let_pass(minutes=1)

    with pytest.raises(WorkerToReplace, match=r"is running, and SSM has not heard its agent since \d\d:\d\d UTC"):
        world.invoke(replay_dumps, deployed)

    assert world.worker.commands[0].status == "InProgress"


def test_an_agent_that_is_heard_again_in_between_begins_anew(world: World, deployed: dict[str, Any]) -> None:
    world.worker.behaviour["replay"] = lose_agent
    unheard = {deployed["worker"]["instanceId"]}

    for silent in (unheard, set[str](), unheard):
        with pytest.raises(NotReady):
            world.invoke(replay_dumps, deployed)
        world.worker.silent = silent
        with pytest.raises(NotReady):
            world.invoke(replay_dumps, deployed)
        world.clock.let_pass(minutes=MINUTES_UNHEARD - 1)

    row = job_row(world.ledger(), "replay")
    assert row is not None
    assert (row.error, row.unheard_since is not None) == (None, True)


def test_a_program_that_goes_on_under_a_dead_agent_is_let_finish(world: World, deployed: dict[str, Any]) -> None:
    world.worker.behaviour["replay"] = lose_agent
    progress = f"restores/{deployed['plan']['restoreId']}/jobs/replay/progress.json"
    for step in range(5):
        with pytest.raises(NotReady):
            world.invoke(replay_dumps, deployed)
        boto3.client("s3").put_object(Bucket="evidence", Key=progress, Body=str(step).encode())
        world.clock.let_pass(minutes=MINUTES_UNHEARD + 1)
    world.worker.do(world.worker.jobs[0], world.worker.commands[0])

    told = world.invoke(replay_dumps, deployed)

    assert told["databases"][0]["status"] == "REPLAYED"
    assert len(world.worker.commands) == 1


def test_a_ping_that_cannot_be_had_loses_no_worker(world: World, deployed: dict[str, Any]) -> None:
    def refuse(_response: Any) -> None:
        raise SSMException("ThrottlingException", "Rate exceeded")

    world.worker.behaviour["replay"] = leave_unfinished
    world.patch.setattr(SimpleSystemManagerResponse, "describe_instance_information", refuse)

    for _ in range(3):
        with pytest.raises(NotReady):
            world.invoke(replay_dumps, deployed)
        world.clock.let_pass(minutes=MINUTES_UNHEARD)


def test_no_other_command_goes_to_a_worker_that_ssm_does_not_hear(world: World, deployed: dict[str, Any]) -> None:
    world.worker.behaviour["replay"] = lose_agent
    with pytest.raises(NotReady):
        world.invoke(replay_dumps, deployed)
    command = world.worker.commands[0]
    command.status, command.status_details = "TimedOut", "Delivery Timed Out"

    with pytest.raises(NotReady):
        world.invoke(replay_dumps, deployed)

    assert len(world.worker.commands) == 1
