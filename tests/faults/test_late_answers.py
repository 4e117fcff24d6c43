"""Every flow where AWS is slow and inconsistent: what was made is unknown for minutes, answers differ, changes are refused now and then.

Oracles: nothing is left, nothing was called absent that was there, and what ends well elsewhere ends well here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from moto.ec2.models import ec2_backends

from dbrestore.contract.errors import AwsRefused
from dbrestore.contract.record import ResourceRow
from tests.statemachine.engines import ALIKE, ENGINES, SQLSERVER, Engine
from tests.statemachine.fake_worker import Behaviour, end_without_result, lose_worker
from tests.statemachine.plain_moto import Died
from tests.statemachine.world import ACCOUNT, REGION, World, execution_arn

SEEDS = 200
SWEEPS = 3
A_FEW = (1,)
Flow = Callable[[World], None]


def undisturbed(_world: World) -> None:
    """Nothing happens from outside."""


def job(kind: str, behaviour: Behaviour) -> Flow:
    """The job of this kind goes differently."""

    def begin(world: World) -> None:
        world.worker.behaviour[world.engine.job if kind == "first" else kind] = behaviour  # type: ignore[index]

    return begin


def stopped(state: str) -> Flow:
    """Somebody stops the execution when this state has done its first call."""

    def begin(world: World) -> None:
        def stop() -> None:
            world.after.pop(named(world, state))
            boto3.client("stepfunctions").stop_execution(executionArn=execution_arn("restore-1"))
            raise Died("nobody hears this any more")

        world.after[named(world, state)] = stop

    return begin


def broken(state: str) -> Flow:
    """This state's first call does its work and then fails."""

    def begin(world: World) -> None:
        def fail() -> None:
            world.after.pop(named(world, state))
            raise AwsRefused("broken on purpose")

        world.after[named(world, state)] = fail

    return begin


def named(world: World, state: str) -> str:
    return world.engine.restoring if state == "the restoring" else state


FLOWS: dict[str, tuple[Flow, bool]] = {
    "undisturbed": (undisturbed, True),
    "worker lost": (job("first", lose_worker), False),
    "worker lost late": (job("verify", lose_worker), False),
    "program crashed": (job("first", end_without_result), False),
    **{f"stopped in {state}": (stopped(state), False) for state in ("DeployWorker", "PairSecurityGroups", "the restoring", "RemoveWorker")},
    **{f"broken in {state}": (broken(state), False) for state in ("DeployWorker", "PairSecurityGroups")},
}
CASES = [(engine, flow) for engine in ENGINES for flow in FLOWS]
# In the states of these nothing depends on the engine: the campaign goes through them for the second one too.
FLOWS_ALIKE = [flow for flow in FLOWS if flow.rpartition(" in ")[2] in ALIKE]


@contextmanager
def compared(world: World, wrong: list[ResourceRow]) -> Iterator[None]:
    """After each call of a function: what the ledger says was seen absent isn't there."""
    try:
        yield
    finally:
        there = living_instances() | groups()
        wrong += [row for row in rows_seen_absent(world) if row.physical_id in there or row.name in there.values()]


def rows_seen_absent(world: World) -> tuple[ResourceRow, ...]:
    if not world.ledger().exists():
        return ()
    return tuple(row for row in world.ledger().rows("instance", "security-group") if row.seen_absent_at and not row.note)


def living_instances() -> dict[str, str]:
    """Id -> name, from moto itself."""
    reservations = ec2_backends[ACCOUNT][REGION].reservations.values()
    found = (instance for reservation in reservations for instance in reservation.instances)
    return {one.id: tag(one, "Name") for one in found if one._state.name != "terminated"}


def groups() -> dict[str, str]:
    """Id -> name, from moto itself."""
    backend = ec2_backends[ACCOUNT][REGION]
    return {group.id: group.name for of_vpc in backend.groups.values() for group in of_vpc.values()}


def tag(thing: Any, key: str) -> str:
    return next((one["value"] for one in thing.get_tags() if one["key"] == key), "")


def check(world: World, engine: Engine, flow: str, seed: int) -> None:
    """One restore, and what must be true after it."""
    before = world.use(engine).inventory()
    begin, ends_well = FLOWS[flow]
    begin(world)
    wrong: list[ResourceRow] = []
    world.around = lambda: compared(world, wrong)
    late = world.be_inconsistent(seed)

    ended = world.run()
    world.worker.behaviour.clear()
    for _ in range(SWEEPS):
        world.sweep()

    told = (ended["status"], ended.get("error"), ended.get("cause"), world.calls[-30:], late.met)
    assert not wrong, (wrong, told)
    databases = ["orders"] if ended["status"] == "SUCCEEDED" or world.worker.databases == {"orders"} else []
    assert world.inventory() == before | {"databases": databases}, told
    assert (ended["status"] == "SUCCEEDED") == ends_well, told
    assert late.met, "nothing was late"


def case(engine: Engine, flow: str) -> Any:
    slow = engine is SQLSERVER and flow in FLOWS_ALIKE
    return pytest.param(engine, flow, marks=pytest.mark.slow if slow else ())


@pytest.mark.parametrize("seed", A_FEW)
@pytest.mark.parametrize(("engine", "flow"), [case(*one) for one in CASES], ids=str)
def test_what_shows_late_costs_no_restore_and_leaves_nothing(world: World, engine: Engine, flow: str, seed: int) -> None:
    check(world, engine, flow, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_seed_leaves_anything_or_tells_an_absence_that_is_none(world: World, seed: int) -> None:
    """The seeds are dealt over engines and flows: all of them under each would take a day."""
    engine, flow = CASES[seed % len(CASES)]
    check(world, engine, flow, seed)
