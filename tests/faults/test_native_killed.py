"""A restore of native backups that is ended from outside, with a server behind it that goes on with what it was asked for: in each state by
StopExecution, which no Catch sees, and in the middle of RestoreNativeBackups by the death of the worker. Nothing is left, and databases
and tasks of others stay as they are."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from dbrestore.contract.errors import AwsRefused
from dbrestore.contract.job import Job
from localcloud.sqlserver.tasks import Task
from tests.native.chains import CHAIN
from tests.native.conftest import authority, native
from tests.native.installation import BYSTANDER, DATABASE, SHORT_WAITS, Installation
from tests.statemachine.engines import REMOVERS, SQLSERVER
from tests.statemachine.fake_worker import FakeWorker
from tests.statemachine.world import REGION, execution_arn

__all__ = ["authority", "native"]

QUICK = ("StageNativeBackups", "VerifyDatabases")
PROGRAM = """from dbrestore.worker import run_job
from dbrestore.worker.base.bounds import Bounds
run_job.run({uri!r}, {bounds!r})"""


def stop_execution() -> None:
    """What the console's button does."""
    boto3.client("stepfunctions").stop_execution(executionArn=execution_arn("restore-1"))


@pytest.fixture
def beside_others(native: Installation) -> Installation:
    """Somebody else restores a chain of their own meanwhile; ours is one too."""
    native.point(*CHAIN)
    native.engine.take_slots(1)
    return native


@pytest.mark.parametrize(
    "state",
    [pytest.param(state, marks=() if state in QUICK else pytest.mark.slow) for state in (*SQLSERVER.creators, *REMOVERS)],
)
def test_a_restore_stopped_in_a_state_is_cleared_up_by_the_sweeper(beside_others: Installation, state: str) -> None:
    native, before = beside_others, beside_others.inventory()

    def stop() -> None:
        stop_execution()
        raise AwsRefused("nobody hears this any more")

    native.world.before[state] = stop
    ended = native.run()
    native.world.before.clear()
    swept = native.world.sweep()

    assert ended["status"] == "ABORTED"
    assert [clean_up["status"] for clean_up in swept] == ["SUCCEEDED"]
    assert_nothing_left(native, before, kept={DATABASE} if state in REMOVERS else set())


def begun(task: Task) -> bool:
    return task.lifecycle == "IN_PROGRESS"


# When the worker dies: its own tasks, oldest first, are (types and) life cycles as RDS lists them at that moment.
MOMENTS: dict[str, Callable[[list[Task]], bool]] = {
    "nothing is submitted": lambda tasks: True,
    "the first task waits": lambda tasks: [task.lifecycle for task in tasks] == ["CREATED"],
    "the first task runs": lambda tasks: [begun(task) for task in tasks] == [True],
    "the second task runs": lambda tasks: [begun(task) for task in tasks] == [False, True],
    "the recovery runs": lambda tasks: bool(tasks) and tasks[-1].type == "FINISH_RESTORE" and begun(tasks[-1]),
}
QUICK_MOMENTS = ("the second task runs",)


@pytest.fixture
def endpoint(native: Installation) -> Iterator[str]:
    """The same account over HTTP, for a worker in a process of its own."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.mark.parametrize("moment", [pytest.param(name, marks=() if name in QUICK_MOMENTS else pytest.mark.slow) for name in MOMENTS])
def test_a_worker_that_dies_while_rds_restores_leaves_nothing(beside_others: Installation, endpoint: str, moment: str) -> None:
    native, before = beside_others, beside_others.inventory()
    native.switches.percent_per_poll = 5
    native.switches.stuck_in_created = "waits" in moment
    seen: list[list[tuple[str, str]]] = []

    def die(_worker: FakeWorker, _job: Job, command: Any) -> None:
        process = start_worker(native, endpoint, command.parameters["JobUri"][0])
        wait_until(lambda: MOMENTS[moment](own_tasks(native)), process)
        process.kill()
        process.wait()
        seen.append([(task.type, task.lifecycle) for task in own_tasks(native)])
        boto3.client("ec2").terminate_instances(InstanceIds=command.instance_ids)

    native.world.worker.behaviour["restore"] = die

    ended = native.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "WorkerLost"), ended
    assert len(seen) == 1
    assert_nothing_left(native, before)
    roles = {row["role"] for row in native.world.report()["resources"] if row["kind"] == "instance"}
    assert roles == {"worker", "discard-worker"}


def start_worker(native: Installation, endpoint: str, uri: str) -> subprocess.Popen[bytes]:
    """The worker's program as on its instance, with a pause between polls in which it can be met."""
    bounds = replace(SHORT_WAITS, native_poll_seconds=0.05, native_longest_poll_seconds=0.05)
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}
    environment = {**os.environ, **keys, "AWS_ENDPOINT_URL": endpoint}
    return subprocess.Popen([sys.executable, "-c", PROGRAM.format(bounds=bounds, uri=uri)], env=environment)


def own_tasks(native: Installation) -> list[Task]:
    """Those of this restore: recovery has no ARN, only the name."""
    return [task for task in native.engine.tasks if task.database == DATABASE]


def wait_until(happens: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Look very often; the process must be there until then."""
    deadline = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        assert process.poll() is None, "the worker ended by itself"
        time.sleep(0.005)


def assert_nothing_left(native: Installation, before: dict[str, Any], kept: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    """Everything is as before but the databases that are kept; the report proves it."""
    after = native.inventory()
    found, expected = after.pop("databases"), dict(before)
    databases = expected.pop("databases")
    assert after == expected
    assert {name: told for name, told in found.items() if name not in kept} == databases
    assert (set(found), BYSTANDER in found) == ({*databases, *kept}, True)
    assert native.world.sweep() == []
    for row in native.world.report()["resources"]:
        assert row["state"] == ("KEPT" if row["kind"] == "database" and kept else "DELETED"), row
