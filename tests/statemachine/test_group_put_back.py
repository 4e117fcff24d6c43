"""Somebody writes a whole list of security groups of their own, as `terraform apply` does, while a restore needs its group on it."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest

from dbrestore.contract import limits
from dbrestore.contract.things import GROUP_LIST_ENTRY
from tests.statemachine.engines import ENGINES, Engine
from tests.statemachine.fake_worker import FakeWorker
from tests.statemachine.world import World

Look = Callable[[int], None]


def looks(world: World, kind: str, state: str, at_look: Look, *, done_after: int) -> None:
    """The job of this kind is under way for so many looks of its state; after each, `at_look` is called with its number."""
    begun: list[tuple[Any, Any]] = []
    world.worker.behaviour[kind] = lambda _worker, job, command: begun.append((job, command))  # type: ignore[index,assignment]
    count = 0

    def before() -> None:
        nonlocal count
        if begun:
            count += 1
            at_look(count)
        if count == done_after and begun:
            FakeWorker.do(world.worker, *begun.pop())

    # A look that waits ends with an error, after which no hook of the world is called: the next one's beginning is as good.
    world.before[state] = before


def entry(world: World) -> Any:
    (row,) = world.ledger().rows(GROUP_LIST_ENTRY)
    return row


@pytest.mark.parametrize("when", ["first", "verify"])
@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_a_group_that_was_taken_off_is_put_back_and_told(world: World, engine: Engine, when: str) -> None:
    before = world.use(engine).inventory()
    kind, state = (engine.job, engine.restoring) if when == "first" else ("verify", "VerifyDatabases")
    seen: dict[int, list[str]] = {}

    def at_look(number: int) -> None:
        if number == 2:
            world.change_group_list(*world.group_list)
        seen[number] = world.groups_of_instance()

    looks(world, kind, state, at_look, done_after=6)

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended
    assert len(seen[1]) == 2
    assert seen[2] == world.group_list
    assert sorted(seen[3]) == sorted(seen[1])
    assert len(entry(world).taken_off_at) == 1
    (told,) = [row for row in world.report()["resources"] if row["kind"] == "group-list-entry"]
    assert len(told["takenOffAt"]) == 1
    assert told["seenAbsentAt"]
    assert world.inventory() == before | {"databases": ["orders"]}


def test_while_it_is_put_back_the_restore_says_so(world: World) -> None:
    told = []

    def at_look(number: int) -> None:
        if number == 2:
            world.change_group_list(*world.group_list)
        told.append(_waiting_for(world, "ReplayDumps"))

    looks(world, "replay", "ReplayDumps", at_look, done_after=5)

    assert world.run()["status"] == "SUCCEEDED"
    assert any("somebody took sg-" in words and "being put back (1 of 5 times)" in words for words in told), told


def test_a_group_that_is_taken_off_again_and_again_ends_the_restore(world: World) -> None:
    before = world.inventory()
    looks(world, "replay", "ReplayDumps", lambda _: world.change_group_list(*world.group_list), done_after=100)

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "TargetNotUsable")
    assert f"{limits.PUT_BACK_AT_MOST + 1} times while the restore ran" in ended["cause"]
    assert world.inventory() == before


def test_after_clean_up_began_nobody_puts_it_back(world: World) -> None:
    def at_look(number: int) -> None:
        if number == 2:
            world.ledger().advance("CLOSING")
            world.change_group_list(*world.group_list)

    looks(world, "replay", "ReplayDumps", at_look, done_after=100)

    world.run()

    assert entry(world).taken_off_at == ()
    assert world.groups_of_instance() == world.group_list


def test_an_instance_that_is_deleted_while_a_job_runs_ends_it_by_name(world: World) -> None:
    def at_look(number: int) -> None:
        if number == 2:
            boto3.client("rds").delete_db_instance(DBInstanceIdentifier=world.engine.instance, SkipFinalSnapshot=True)

    looks(world, "replay", "ReplayDumps", at_look, done_after=100)

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "TargetNotUsable")
    assert "deleted" in ended["cause"]
    assert world.ledger().meta().status == "CLOSED"


def _waiting_for(world: World, state: str) -> str:
    item = world.ledger().table.get(world.ledger().restore_id, f"PHASE#{state}") or {}
    return str(item.get("waitingFor", ""))


@pytest.mark.parametrize("when", ["first", "verify"])
def test_the_functions_that_wait_may_put_it_back(world: World, when: str) -> None:
    world.judge()
    kind, state = ("replay", "ReplayDumps") if when == "first" else ("verify", "VerifyDatabases")

    def at_look(number: int) -> None:
        if number == 2:
            world.change_group_list(*world.group_list)

    looks(world, kind, state, at_look, done_after=5)

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert len(entry(world).taken_off_at) == 1
