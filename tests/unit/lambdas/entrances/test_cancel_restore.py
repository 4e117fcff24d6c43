"""`dbrestore cancel` as the function does it: over the world in moto."""

import pytest

from dbrestore.contract import names
from dbrestore.contract.errors import RestoreClosed, RestoreNotFound, RestoreRequestInvalid
from tests.statemachine.world import World, execution_arn


def cancel(world: World, restore_id: str, arn: str | None = None) -> dict[str, object]:
    return world.call("CancelRestore", {"restoreId": restore_id, "executionArn": arn})


def test_a_restore_that_is_still_being_planned_stops_before_it_makes_anything(world: World) -> None:
    arn = execution_arn("restore-1")
    before = world.inventory()
    world.before["PlanRestore"] = lambda: cancel(world, names.restore_id(arn), arn) and None

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "RestoreCancelled")
    assert "DeployWorker" not in world.calls
    assert world.inventory() == before
    assert world.meta().status == "CLOSED"


def test_a_restore_that_is_over_or_unknown_is_not_cancelled(world: World) -> None:
    world.run()
    arn = execution_arn("restore-1")

    with pytest.raises(RestoreClosed):
        cancel(world, names.restore_id(arn), arn)
    with pytest.raises(RestoreNotFound):
        cancel(world, "r-000000000000")
    # Somebody else's execution, and one that never was.
    for other in ("arn:aws:states:eu-central-1:123456789012:execution:theirs:x", execution_arn("restore-9")):
        with pytest.raises(RestoreNotFound):
            cancel(world, names.restore_id(other), other)


@pytest.mark.parametrize("wrong", ["", "RESTORES", "r-12", "x" * 3000])
def test_what_is_no_restore_id_is_refused(world: World, wrong: str) -> None:
    with pytest.raises(RestoreRequestInvalid):
        cancel(world, wrong)
