"""What people and AWS do to the instance and its secret while a restore runs: each event in each state. Whatever it is, the restore ends
by itself, with a name that says what happened, and leaves nothing behind that could be removed."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from moto.rds.models import rds_backends

from tests.statemachine.engines import ENGINES, POSTGRES, Engine
from tests.statemachine.world import ACCOUNT, REGION, World

Event = Callable[[World], None]


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


def rebooted(world: World) -> None:
    """For two looks of whoever looks, as after a failover too: the zone changes and the name stays."""
    instance, looks = _instance(world), iter(("rebooting", "rebooting"))
    world.patch.setattr(type(instance), "status", property(lambda one: next(looks, "available"), lambda one, value: None), raising=False)


def failed_over(world: World) -> None:
    _instance(world).availability_zone = f"{REGION}a"


def secret_deleted(world: World) -> None:
    secret = _instance(world).master_user_secret.secret
    boto3.client("secretsmanager").delete_secret(SecretId=secret.arn, ForceDeleteWithoutRecovery=True)


def secret_rotated(world: World) -> None:
    secret = _instance(world).master_user_secret.secret
    boto3.client("secretsmanager").put_secret_value(SecretId=secret.arn, SecretString='{"username":"postgres","password":"new"}')


RENAMED = "orders-renamed"
# The errors by which the restore may end, and whether it may end well: a job that is over already needs the instance no more.
EVENTS: dict[str, tuple[Event, set[str], bool]] = {
    "deleted": (deleted, {"TargetNotUsable", "TargetNotFound", "AwsRefused"}, True),
    "stopped": (stopped, {"TargetNotUsable", "LeftoversRemain"}, True),
    "renamed": (renamed, {"TargetNotUsable", "TargetNotFound", "LeftoversRemain"}, True),
    "rebooted": (rebooted, set(), True),
    "failed over": (failed_over, set(), True),
    "secret deleted": (secret_deleted, {"CredentialsNotUsable"}, True),
    "secret rotated": (secret_rotated, set(), True),
}
IN_EACH_RUN = (("deleted", "ReplayDumps"), ("deleted", "PairSecurityGroups"), ("renamed", "ReplayDumps"), ("renamed", "VerifyDatabases"))


def check(world: World, engine: Engine, state: str, event: str) -> None:
    """The event comes right before the state's first call."""
    before = world.use(engine).inventory() | {"group list": []}
    happen, errors, may_end_well = EVENTS[event]

    def once() -> None:
        world.before.pop(state)
        happen(world)

    world.before[state] = once

    ended = world.run()
    # While it is stopped its group list can't be changed: clean-up ends when somebody starts it again.
    if event == "stopped":
        _instance(world).status = "available"
    for _ in range(3):
        world.sweep()

    told = (ended["status"], ended.get("error"), ended.get("cause"))
    assert ended["status"] == "SUCCEEDED" if may_end_well and not errors else ended.get("error") in errors | {None}, told
    assert state not in world.before, f"{state} was never called"
    left = left_behind(world, before)
    assert left == {}, (left, told)


def left_behind(world: World, before: dict[str, Any]) -> dict[str, Any]:
    """What is there that was not, but for the restored database and what went with the instance."""
    names = [one["DBInstanceIdentifier"] for one in boto3.client("rds").describe_db_instances()["DBInstances"]]
    world.patch.setattr(World, "groups_of_instance", lambda _: [])
    after = world.inventory()
    after["databases"] = sorted(set(after["databases"]) - {"orders"}) if {world.engine.instance, RENAMED} & set(names) else []
    after["roles"] = after["roles"] if after["databases"] else []
    return {kind: things for kind, things in after.items() if things != before[kind]}


def states(engine: Engine) -> tuple[str, ...]:
    return (*engine.creators, "DiscardUnfinishedDatabases", "RemoveWorker", "UnpairSecurityGroups", "CloseRestore")


@pytest.mark.parametrize(("event", "state"), IN_EACH_RUN)
def test_an_event_in_a_state_ends_by_name_and_leaves_nothing(world: World, event: str, state: str) -> None:
    check(world, POSTGRES, state, event)


@pytest.mark.slow
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize(("engine", "state"), [(engine, state) for engine in ENGINES for state in states(engine)], ids=str)
def test_every_event_in_every_state_ends_by_name_and_leaves_nothing(world: World, engine: Engine, state: str, event: str) -> None:
    check(world, engine, state, event)
