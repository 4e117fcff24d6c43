"""What people and AWS do to the instance and its secret while a restore runs: each event in each state. Whatever it is, the restore ends
by itself, with a name that says what happened, and leaves nothing behind that could be removed."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import boto3
import pytest
from moto.rds.models import rds_backends

from dbrestore.contract.errors import CredentialsNotUsable
from dbrestore.contract.job import ErrorNote, Job, Result
from dbrestore.contract.sqlserver_errors import ServerUnreachable
from dbrestore.worker.base import secrets
from tests.statemachine.engines import ENGINES, POSTGRES, Engine
from tests.statemachine.fake_worker import FakeWorker
from tests.statemachine.test_group_put_back import looks
from tests.statemachine.world import ACCOUNT, REGION, World

Happening = Callable[[World], None]


def _instance(world: World) -> Any:
    return rds_backends[ACCOUNT][REGION].databases[world.engine.instance]


def deleted(world: World) -> None:
    boto3.client("rds").delete_db_instance(DBInstanceIdentifier=world.engine.instance, SkipFinalSnapshot=True)


def stopped(world: World) -> None:
    """By somebody: it stays stopped for up to seven days."""
    _instance(world).status = "stopped"


def renamed(world: World) -> None:
    boto3.client("rds").modify_db_instance(
        DBInstanceIdentifier=world.engine.instance, NewDBInstanceIdentifier=RENAMED, ApplyImmediately=True
    )


def started(world: World) -> None:
    _instance(world).status = "available"


def rebooted(world: World) -> None:
    """For a few looks of whoever looks, as after a failover too: the zone changes and the name stays."""
    instance, looks_ = _instance(world), iter(("rebooting",) * 3)
    world.patch.setattr(type(instance), "status", property(lambda one: next(looks_, "available"), lambda one, value: None), raising=False)


def failed_over(world: World) -> None:
    _instance(world).availability_zone = f"{REGION}a"


def secret_deleted(world: World) -> None:
    secret = _instance(world).master_user_secret.secret
    boto3.client("secretsmanager").delete_secret(SecretId=secret.arn, RecoveryWindowInDays=7)


def secret_put_back(world: World) -> None:
    secret = _instance(world).master_user_secret.secret
    boto3.client("secretsmanager").restore_secret(SecretId=secret.arn)


def secret_rotated(world: World) -> None:
    secret = _instance(world).master_user_secret.secret
    boto3.client("secretsmanager").put_secret_value(SecretId=secret.arn, SecretString='{"username":"postgres","password":"new"}')


def nothing(_world: World) -> None:
    """Nobody has to put anything right."""


RENAMED = "orders-renamed"
# A job's first look sent it; at this one it is under way.
LOOK = 2
KINDS = ("replay", "restore", "verify", "discard")


@dataclass(frozen=True)
class Event:
    """`put_right`: what people do when they read the error. `error` ends a restore that needs the server or the secret once more, `late`
    one that needs neither any more, but has still to leave; None: it succeeds. The cause says `words`."""

    happen: Happening
    put_right: Happening = nothing
    error: str | None = None
    words: str = ""
    late: str | None = None


EVENTS = {
    "deleted": Event(deleted, error="TargetNotUsable", words="was deleted while the restore ran"),
    "stopped": Event(stopped, started, "TargetNotUsable", "which doesn't resolve by itself: fix that", late="LeftoversRemain"),
    "renamed": Event(renamed, error="TargetNotUsable", words="restore again into the instance by its new name"),
    "rebooted": Event(rebooted),
    "failed over": Event(failed_over),
    "secret deleted": Event(secret_deleted, secret_put_back, "CredentialsNotUsable", "restore-secret brings it back"),
    "secret rotated": Event(secret_rotated),
}
IN_EACH_RUN = (
    ("deleted", "ReplayDumps"),
    ("deleted", "PairSecurityGroups"),
    ("renamed", "ReplayDumps"),
    ("renamed", "VerifyDatabases"),
    ("stopped", "VerifyDatabases"),
    ("secret deleted", "VerifyDatabases"),
)
# The restore has left the instance before it.
LEFT = "CloseRestore"


def logging_in(worker: FakeWorker, job: Job, command: Any) -> None:
    """A job begins with the secret, which the worker's own code reads and judges, and with the server that bears the address."""
    try:
        secrets.by_secret(boto3.client("secretsmanager"), job.server.secret_arn).login()
        if job.server.host not in addresses():
            raise ServerUnreachable(f"{job.server.host} can't be reached")
    except (CredentialsNotUsable, ServerUnreachable) as error:
        note = ErrorNote(name=type(error).__name__, message=str(error))
        had_session = len(worker.jobs) > 1
        worker.write(job, command, Result(kind=job.kind, restore_id=job.restore_id, error=note, logged_in=had_session))
    else:
        worker.do(job, command)


def addresses() -> set[str]:
    """Where a server answers, or soon will."""
    there = boto3.client("rds").describe_db_instances()["DBInstances"]
    return {one["Endpoint"]["Address"] for one in there if one["DBInstanceStatus"] != "stopped"}


def check(world: World, engine: Engine, event: str, state: str, job: str = "") -> None:
    """The event comes right before the state's first call, or while its job is under way."""
    before = world.use(engine).inventory() | {"group list": []}
    happened: list[int] = []

    def at_look(number: int) -> None:
        if number == LOOK:
            happened.append(number)
            EVENTS[event].happen(world)

    world.worker.behaviour = dict.fromkeys(KINDS, logging_in)
    if job:
        looks(world, job, state, at_look, done_after=LOOK + 3)
    else:
        begins = count(LOOK)
        world.before[state] = lambda: at_look(next(begins))

    ended = world.run()
    EVENTS[event].put_right(world)
    for _ in range(3):
        world.sweep()

    told = (ended["status"], ended.get("error"), ended.get("cause"))
    assert happened == [LOOK], told
    error = expected(engine, event, state, job)
    assert told[:2] == (("FAILED", error) if error else ("SUCCEEDED", None)), told
    assert error is None or error == EVENTS[event].late or EVENTS[event].words in ended["cause"], told
    left = left_behind(world, before)
    assert left == {}, (left, told)


def expected(engine: Engine, event: str, state: str, job: str) -> str | None:
    """The error, None for a good end."""
    one = EVENTS[event]
    if state in engine.creators and not (job == "verify" and event in ("stopped", "secret deleted")):
        return one.error
    return one.late if state != LEFT else None


def left_behind(world: World, before: dict[str, Any]) -> dict[str, Any]:
    """What is there that was not, but for the restored database and what went with the instance."""
    names = [one["DBInstanceIdentifier"] for one in boto3.client("rds").describe_db_instances()["DBInstances"]]
    after = world.inventory(target_is_gone=True)
    after["databases"] = sorted(set(after["databases"]) - {"orders"}) if {world.engine.instance, RENAMED} & set(names) else []
    after["roles"] = after["roles"] if after["databases"] else []
    return {kind: things for kind, things in after.items() if things != before[kind]}


def states(engine: Engine) -> tuple[str, ...]:
    return (*engine.creators, "DiscardUnfinishedDatabases", "RemoveWorker", "UnpairSecurityGroups", "CloseRestore")


@pytest.mark.parametrize(("event", "state"), IN_EACH_RUN)
def test_an_event_in_a_state_ends_by_name_and_leaves_nothing(world: World, event: str, state: str) -> None:
    check(world, POSTGRES, event, state)


@pytest.mark.slow
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize(("engine", "state"), [(engine, state) for engine in ENGINES for state in states(engine)], ids=str)
def test_every_event_in_every_state_ends_by_name_and_leaves_nothing(world: World, engine: Engine, state: str, event: str) -> None:
    check(world, engine, event, state)


@pytest.mark.slow
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("job", ["the first", "verify"])
@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_every_event_while_a_job_runs_ends_by_name_and_leaves_nothing(world: World, engine: Engine, job: str, event: str) -> None:
    kind, state = (engine.job, engine.restoring) if job == "the first" else ("verify", "VerifyDatabases")
    check(world, engine, event, state, kind)
