"""A worker that verifies at once what it has replayed: whatever becomes of it, the restore ends as if two commands had been sent."""

from typing import Any

import boto3
import pytest

from dbrestore.contract import limits
from dbrestore.contract.job import ErrorNote
from lambdas.databases.job_rows import job_row
from lambdas.runtime.open_restores import request_cancel
from lambdas.runtime.state import Surroundings
from tests.statemachine.engines import POSTGRES
from tests.statemachine.fake_worker import Behaviour, FakeWorker, end_without_result, leave_unfinished, lose_agent, lose_worker
from tests.statemachine.plain_moto import Died
from tests.statemachine.world import World, execution_arn


@pytest.fixture(autouse=True)
def _goes_on(world: World) -> None:
    world.worker.goes_on = True


def asked_for(world: World) -> list[str]:
    """The names of the jobs that commands asked for, in their order."""
    return [command.parameters["JobUri"][0].split("/")[-2] for command in world.worker.commands]


def jobs_told(world: World) -> list[str]:
    """The names of the jobs whose results the report lists."""
    return [uri.split("/")[-2] for uri in world.report()["results"]]


def first(times: int, harm: Behaviour) -> Behaviour:
    """So many jobs of the kind meet it, those after them don't."""
    harms = iter([harm] * times)
    return lambda worker, job, command: next(harms, FakeWorker.do)(worker, job, command)


def test_one_command_replays_and_verifies(world: World) -> None:
    before = world.inventory()

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended
    assert asked_for(world) == ["replay"]
    assert jobs_told(world) == ["replay", "verify"]
    assert world.report()["databases"][0]["status"] == "PROMOTED"
    assert world.inventory() == before | {"databases": ["orders"]}


def test_what_was_verified_at_once_takes_the_name_of_what_it_replaces(world: World) -> None:
    """The exchange needs the identity that the verification noted."""
    world.worker.databases.add("orders")
    was = world.worker.identity("orders")

    ended = world.run({**POSTGRES.request(), "onConflict": "replace"})

    assert ended["status"] == "SUCCEEDED", ended
    assert asked_for(world) == ["replay", "swap"]
    assert world.worker.identity("orders") not in ("", was)


def test_a_function_of_an_older_version_writes_nothing_to_go_on_with(world: World) -> None:
    """The document that this one writes is taken away, as if it had never been."""

    def forget(worker: FakeWorker, job: Any, command: Any) -> None:
        bucket, key = command.parameters["JobUri"][0].removeprefix("s3://").split("/", 1)
        boto3.client("s3").delete_object(Bucket=bucket, Key=key.replace("/replay/", "/verify/"))
        worker.goes_on = False
        worker.do(job, command)

    world.worker.behaviour["replay"] = forget

    assert world.run()["status"] == "SUCCEEDED"
    assert asked_for(world) == ["replay", "verify"]


def test_a_verification_that_is_under_way_is_waited_for_by_a_command_of_its_own(world: World) -> None:
    world.worker.behaviour["verify"] = leave_unfinished

    def end_at_last() -> None:
        if world.calls.count("VerifyDatabases") == 3:
            (job,) = [job for job in world.worker.jobs if job.kind == "verify"][:1]
            world.worker.do(job, world.worker.commands[-1])

    world.before["VerifyDatabases"] = end_at_last

    assert world.run()["status"] == "SUCCEEDED"
    assert asked_for(world) == ["replay", "verify"]
    assert world.calls.count("VerifyDatabases") == 3


# An agent that isn't heard is sent the command all the same.
@pytest.mark.parametrize(("harm", "times"), [(lose_worker, 1), (lose_agent, 2)])
def test_another_worker_verifies_when_the_first_dies_after_its_replay(world: World, harm: Behaviour, times: int) -> None:
    before = world.inventory()
    world.seconds_between_calls = limits.AGENT_UNHEARD_WITHIN / 5
    world.worker.behaviour["verify"] = first(times, harm)

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended
    assert asked_for(world).count("replay") == 1
    assert len({command.instance_ids[0] for command in world.worker.commands}) == 2
    assert world.inventory() == before | {"databases": ["orders"]}


def test_a_program_that_dies_after_its_replay_is_followed_by_a_command_that_verifies(world: World) -> None:
    before = world.inventory()
    world.worker.behaviour["verify"] = first(1, end_without_result)

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended
    assert asked_for(world) == ["replay", "verify"]
    assert world.inventory() == before | {"databases": ["orders"]}


def test_what_was_verified_before_anybody_asked_is_kept_when_the_restore_is_stopped(world: World) -> None:
    before = world.inventory()

    def stop_after_it(worker: FakeWorker, job: Any, command: Any) -> None:
        worker.do(job, command)
        boto3.client("stepfunctions").stop_execution(executionArn=execution_arn("restore-1"))
        raise Died("nobody saw the result")

    world.worker.behaviour["verify"] = stop_after_it
    world.run()
    assert job_row(world.ledger(), "verify") is None

    world.sweep()

    assert world.inventory() == before | {"databases": ["orders"]}
    rows = {row["kind"]: row for row in world.report()["resources"]}
    assert (rows["database"]["state"], rows["database"]["physicalId"]) == ("KEPT", "orders")
    assert world.report()["databases"][0]["status"] == "PROMOTED"
    assert jobs_told(world) == ["replay", "verify"]
    assert asked_for(world) == ["replay"]


def test_a_cancelled_restore_stops_the_command_that_has_gone_on(world: World) -> None:
    before = world.inventory()
    world.worker.behaviour["verify"] = leave_unfinished
    world.before["VerifyDatabases"] = lambda: request_cancel(Surroundings().table, world.ledger().restore_id)

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "RestoreCancelled")
    assert asked_for(world) == ["replay", "discard-1"]
    assert [command.status for command in world.worker.commands] == ["Cancelled", "Success"]
    assert world.inventory() == before


def test_what_it_could_not_verify_is_dropped_and_told(world: World) -> None:
    before = world.inventory()
    world.worker.failing["PROMOTED orders"] = ErrorNote(name="VerificationFailed", message="rows of public.t: 3, expected 4")

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "VerificationFailed")
    assert asked_for(world) == ["replay", "discard-1"]
    assert world.inventory() == before


def test_a_database_that_failed_stops_it_from_going_on_for_the_other(world: World) -> None:
    world.worker.failing["REPLAYED crm"] = ErrorNote(name="ReplayFailed", message="crm: no room")

    ended = world.run(POSTGRES.request("orders", "crm"))

    assert (ended["status"], ended["error"]) == ("FAILED", "SomeDatabasesFailed")
    assert asked_for(world)[:2] == ["replay", "verify"]
    (verified,) = [job for job in world.worker.jobs if job.kind == "verify"]
    assert [database.asked_name for database in verified.databases] == ["orders"]
