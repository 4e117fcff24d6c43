"""A removal and whatever else happens at every moment of it: a restore begins, another removal is asked for, the function dies."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from botocore.client import BaseClient

from dbrestore.contract import limits
from dbrestore.contract.errors import RestoreError
from lambdas.planning.plan_restore import plan_restore
from lambdas.runtime import point_rows
from tests.statemachine.engines import INSTANCE
from tests.statemachine.point_removals import NEWER, NEWEST, OF_POINT, files, listed, planned, points, remove
from tests.statemachine.sources import POINT, store_point
from tests.statemachine.test_drills import declare, declared
from tests.statemachine.world import REQUEST, World, execution_arn

__all__ = ["declare", "points"]


@contextmanager
def at_call(patch: pytest.MonkeyPatch, number: int, do: Callable[[], None], *, after: bool = False) -> Iterator[list[str]]:
    """`do` before, or after, the call of AWS with this number; the calls until then."""
    original, calls, numbers = BaseClient._make_api_call, [], count(1)

    def call(client: Any, operation: str, arguments: Any) -> Any:
        calls.append(operation)
        is_it = next(numbers) == number
        if is_it and not after:
            do()
        try:
            return original(client, operation, arguments)
        finally:
            if is_it and after:
                do()

    with patch.context() as within:
        within.setattr(BaseClient, "_make_api_call", call)
        yield calls


@contextmanager
def before_first(patch: pytest.MonkeyPatch, operation: str, do: Callable[[], None]) -> Iterator[None]:
    """`do` once, before the first call of this operation."""
    original, still = BaseClient._make_api_call, [do]

    def call(client: Any, name: str, arguments: Any) -> Any:
        if name == operation and still:
            still.pop()()
        return original(client, name, arguments)

    with patch.context() as within:
        within.setattr(BaseClient, "_make_api_call", call)
        yield
    assert not still, f"{operation} was never called"


def both(world: World, opened: str) -> tuple[bool, bool]:
    """Whether the restore was opened and whether the point is there, after a check that it is whole or not listed at all."""
    assert files(POINT) == (3 if POINT in listed() else 0)
    return opened.startswith("r-"), POINT in listed()


@pytest.mark.slow
def test_a_restore_that_starts_at_any_moment_of_a_removal_wins_or_is_refused(points: World) -> None:
    outcomes = set()
    for number in count(1):
        store_point(INSTANCE, POINT, ["orders", "crm"])
        points.clock.let_pass(seconds=3600)
        opened: list[str] = []
        with at_call(points.patch, number, lambda: opened.append(_plan(points, number))):  # noqa: B023 - called within the loop
            remove(points, POINT)
        if not opened:
            break
        restored, there = both(points, opened[0])
        assert restored == there, (number, opened)
        assert restored or opened[0] in ("RestorePointRemoved", "RestorePointNotFound"), opened
        outcomes.add(opened[0] if not restored else "restored")
        _close(points, number)
    assert outcomes == {"restored", "RestorePointRemoved", "RestorePointNotFound"}


@pytest.mark.slow
def test_a_removal_that_starts_at_any_moment_of_a_plan_removes_or_is_refused(points: World) -> None:
    outcomes = set()
    for number in count(1):
        store_point(INSTANCE, POINT, ["orders", "crm"])
        points.clock.let_pass(seconds=3600)
        told: list[Any] = []
        with at_call(points.patch, number, lambda: told.extend(remove(points, POINT))):  # noqa: B023 - called within the loop
            opened = _plan(points, number)
        if not told:
            break
        restored, there = both(points, opened)
        assert restored == there, (number, opened, told)
        outcomes.add(told[0][1:])
        _close(points, number)
    assert outcomes == {("removed", ""), ("refused", "RestorePointInUse")}


def _plan(world: World, number: int) -> str:
    try:
        section = {"request": OF_POINT, "executionArn": execution_arn(f"restore-{number}")}
        return str(plan_restore(section, None, world.surroundings())["restoreId"])
    except RestoreError as error:
        return type(error).__name__


def _close(world: World, number: int) -> None:
    ledger = world.ledger(f"restore-{number}")
    if ledger.exists():
        ledger.close(ledger.meta().anchor)


@pytest.mark.slow
def test_of_two_removals_at_once_that_rely_on_each_others_point_one_is_refused(points: World, declare: Any) -> None:
    remove(points, NEWEST)
    declare(declared(databases=["orders"]))
    left = set()
    for number in count(1):
        for point in (POINT, NEWER):
            store_point(INSTANCE, point, ["orders", "crm"])
        points.clock.let_pass(seconds=3600)
        other: list[Any] = []
        with at_call(points.patch, number, lambda: other.extend(remove(points, NEWER))):  # noqa: B023 - called within the loop
            own = remove(points, POINT)
        if not other:
            break
        assert listed() != [], (number, own, other)
        left.add(tuple(listed()))
    assert left >= {(POINT,), (NEWER,)}


# Crashes


class Killed(BaseException):
    """The function died."""


def kill() -> None:
    raise Killed


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
def test_a_removal_that_dies_anywhere_is_finished_and_never_listed_as_good(points: World, after: bool) -> None:
    phases = set()
    for number in count(1):
        store_point(INSTANCE, POINT, ["orders", "crm"])
        points.clock.let_pass(seconds=3600)
        died = False
        with at_call(points.patch, number, kill, after=after):
            try:
                remove(points, POINT)
            except Killed:
                died = True
        if not died:
            break
        assert files(POINT) == 3 if POINT in listed() else True
        begun = point_rows.find(points.surroundings().table, INSTANCE, POINT) is not None
        phases.add((POINT in listed(), begun))
        assert points.call("RemovePoints", {})["finished"] == [], "while its function may still run nobody else does its work"
        points.clock.let_pass(seconds=limits.VISIBLE_AFTER + 1)
        assert points.call("RemovePoints", {})["finished"] == ([f"{INSTANCE}/{POINT}"] if begun else [])
        if begun:
            assert (POINT in listed(), files(POINT)) == (False, 0)
    assert (True, True) in phases, "died between the ledger and the manifest"
    assert (False, True) in phases, "died among the files"


def test_before_the_first_file_goes_the_point_is_in_no_list(points: World) -> None:
    seen: list[list[str]] = []
    with before_first(points.patch, "DeleteObjects", lambda: seen.append(listed())):
        remove(points, POINT)

    assert seen == [[NEWER, NEWEST]]


def test_a_removal_that_died_is_finished_by_asking_again(points: World) -> None:
    with at_call(points.patch, 1, lambda: None) as calls:
        remove(points, POINT, dryRun=True)
    store_point(INSTANCE, POINT, ["orders", "crm"])
    with at_call(points.patch, len(calls) + 8, kill), pytest.raises(Killed):
        remove(points, POINT)
    assert POINT not in listed()
    assert files(POINT) > 0

    assert remove(points, POINT) == [(POINT, "removed", "")]
    assert files(POINT) == 0


def test_a_removal_that_died_early_and_is_refused_now_keeps_nobody_from_restoring(points: World, declare: Any) -> None:
    remove(points, POINT, NEWER)
    point_rows.begin(points.surroundings().table, point_rows.Removal(INSTANCE, NEWEST, points.clock()))
    declare(declared(databases="all"))
    points.clock.let_pass(seconds=limits.VISIBLE_AFTER + 1)

    told = points.call("RemovePoints", {})

    assert told["stuck"][0].startswith(f"{INSTANCE}/{NEWEST}: RestorePointNeeded: ")
    assert planned(request={**REQUEST, "source": {"restorePoint": NEWEST}}).startswith("r-")


def test_what_there_is_no_time_for_is_told_and_goes_on(points: World) -> None:
    points.bounds = replace(points.bounds, removal_seconds=-1)

    told = points.call("RemovePoints", {"instance": INSTANCE, "points": [POINT, NEWER]})

    assert (told["points"], told["remaining"]) == ([], [POINT, NEWER])
    assert listed() == [POINT, NEWER, NEWEST]


def test_a_file_that_s3_does_not_delete_is_told_and_the_removal_goes_on_later(points: World) -> None:
    original = BaseClient._make_api_call

    def call(client: Any, operation: str, arguments: Any) -> Any:
        if operation != "DeleteObjects":
            return original(client, operation, arguments)
        return {"Errors": [{"Key": arguments["Delete"]["Objects"][0]["Key"], "Code": "InternalError", "Message": "try again"}]}

    with points.patch.context() as within:
        within.setattr(BaseClient, "_make_api_call", call)
        assert remove(points, POINT) == [(POINT, "refused", "AwsRefused")]
    assert POINT not in listed()
    assert files(POINT) == 2

    points.clock.let_pass(seconds=limits.VISIBLE_AFTER + 1)
    assert points.call("RemovePoints", {})["finished"] == [f"{INSTANCE}/{POINT}"]
    assert files(POINT) == 0
