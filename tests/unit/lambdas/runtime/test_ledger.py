"""The ledger: what may be begun when, and what a lost answer must not break."""

from datetime import UTC, datetime

import pytest

from dbrestore.contract import anchor, limits
from dbrestore.contract.errors import DatabaseBusy, NotReady, RestoreCancelled, RestoreClosed, RestoreNotFound
from dbrestore.contract.names import restore_id
from dbrestore.contract.plan import Plan
from dbrestore.ledger.reading import open_restores
from lambdas.planning.plan_restore import plan_restore
from lambdas.runtime.bounds import Bounds
from lambdas.runtime.clock import Clock, system_clock
from lambdas.runtime.ledger import Ledger
from lambdas.runtime.locks import give_up_group_list_lock, group_list_lock
from lambdas.runtime.open_restores import request_cancel
from lambdas.runtime.state import Surroundings
from tests.moving_clock import MovingClock
from tests.statemachine import plain_moto
from tests.statemachine.world import REQUEST, World, execution_arn


def opened(
    name: str = "restore-1", databases: tuple[str, ...] = ("orders",), bounds: Bounds = plain_moto.SHOWN_AT_ONCE, clock: Clock | None = None
) -> tuple[Ledger, Plan]:
    """A restore that has just been planned."""
    request = {**REQUEST, "databases": list(databases)}
    plan = Plan.model_validate(plan_restore({"request": request, "executionArn": execution_arn(name)}, None))
    return Ledger(Surroundings().table, plan.restore_id, clock or system_clock, bounds), plan


def test_an_intent_is_written_only_while_the_restore_runs(world: World) -> None:
    ledger, _ = opened()
    ledger.intend("instance", "worker", "w-1")

    ledger.advance("CLOSING")

    with pytest.raises(RestoreClosed):
        ledger.intend("instance", "worker", "w-2")
    assert [row.name for row in ledger.rows()] == ["w-1"]


def test_while_discarding_only_discarding_may_begin_things(world: World) -> None:
    ledger, _ = opened()

    ledger.advance("DISCARDING")

    ledger.intend("instance", "discard-worker", "d-1", "DISCARDING")
    with pytest.raises(RestoreClosed):
        ledger.intend("instance", "worker", "w-1")


def test_an_intent_that_is_older_is_made_young_again(world: World) -> None:
    # Its thing may be made only now: absence proves something only when enough time has passed since.
    ledger, _ = opened(bounds=Bounds())
    first = ledger.intend("security-group", "worker", "g")

    second = ledger.intend("security-group", "worker", "g")

    assert second.intended_at > first.intended_at
    with pytest.raises(NotReady):
        ledger.seen_absent(second)


def test_a_row_that_was_created_comes_back_as_it_is(world: World) -> None:
    ledger, _ = opened()
    made = ledger.created(ledger.intend("security-group", "worker", "g"), "sg-1")

    assert ledger.intend("security-group", "worker", "g") == made
    assert ledger.created(made, "sg-1").created_at == made.created_at


def test_a_deleted_row_begins_anew_only_when_that_is_asked_for(world: World) -> None:
    ledger, _ = opened()
    ledger.deleted(ledger.created(ledger.intend("security-group", "worker", "g"), "sg-1"))

    assert ledger.intend("security-group", "worker", "g").state == "DELETED"
    assert ledger.intend("security-group", "worker", "g", again=True).state == "INTENT"


def test_what_a_remover_settled_can_not_be_called_created(world: World) -> None:
    ledger, _ = opened()
    row = ledger.intend("instance", "worker", "w-1")
    ledger.deleted(row)

    with pytest.raises(RestoreClosed):
        ledger.created(row, "i-1")


def test_what_is_settled_one_way_is_not_settled_the_other_way_by_one_who_looked_earlier(world: World) -> None:
    ledger, _ = opened()
    kept, dropped = (ledger.intend("database", name, name) for name in ("orders", "crm"))
    ledger.kept(kept, "orders")
    ledger.deleted(dropped)

    with pytest.raises(RestoreClosed, match="settled meanwhile"):
        ledger.deleted(kept)
    with pytest.raises(RestoreClosed, match="settled meanwhile"):
        ledger.kept(dropped, "crm")

    assert {row.role: row.state for row in ledger.rows()} == {"orders": "KEPT", "crm": "DELETED"}


def test_the_same_end_may_be_told_twice(world: World) -> None:
    ledger, _ = opened()
    row = ledger.intend("database", "orders", "orders")

    ledger.deleted(row)
    ledger.deleted(row, "looked again")

    assert [(row.state, row.note) for row in ledger.rows()] == [("DELETED", "looked again")]


def test_a_database_is_locked_until_its_restore_is_closed(world: World) -> None:
    first, plan = opened()

    with pytest.raises(DatabaseBusy, match=f"orders: restore {plan.restore_id} is working on it right now"):
        opened("restore-2", ("crm", "orders"))

    assert not Ledger(Surroundings().table, restore_id(execution_arn("restore-2"))).exists()
    first.close(anchor.of(plan))
    opened("restore-2")


def test_only_open_restores_are_shown_to_the_sweeper(world: World) -> None:
    first, plan = opened()
    second, _ = opened("restore-2", ("crm",))

    assert sorted(open_restores(Surroundings().table)) == sorted([first.restore_id, second.restore_id])
    first.close(anchor.of(plan))
    assert list(open_restores(Surroundings().table)) == [second.restore_id]


def test_a_closed_restore_stays_closed(world: World) -> None:
    ledger, plan = opened()
    ledger.close(anchor.of(plan))

    ledger.advance("DISCARDING")

    assert ledger.meta().status == "CLOSED"
    with pytest.raises(RestoreClosed):
        plan_restore({"request": REQUEST, "executionArn": plan.execution_arn}, None)


def test_a_cancelled_restore_begins_nothing(world: World) -> None:
    ledger, _ = opened()

    request_cancel(ledger.table, ledger.restore_id)

    with pytest.raises(RestoreCancelled):
        ledger.require("RUNNING")


def test_only_a_running_restore_can_be_cancelled(world: World) -> None:
    ledger, _ = opened()
    ledger.advance("CLOSING")

    with pytest.raises(RestoreClosed, match="CLOSING"):
        request_cancel(ledger.table, ledger.restore_id)
    with pytest.raises(RestoreNotFound):
        request_cancel(ledger.table, "r-000000000000")


def test_a_young_intent_is_not_believed_absent(world: World) -> None:
    ledger, _ = opened(bounds=Bounds())
    row = ledger.intend("instance", "worker", "w-1")

    with pytest.raises(NotReady):
        ledger.seen_absent(row)
    ledger.seen_absent(ledger.created(row, "i-1"))

    assert ledger.rows()[0].seen_absent_at is not None


@pytest.mark.parametrize("is_made", [True, False], ids=["made", "intended"])
def test_what_is_missed_counts_as_gone_at_the_second_look_after_its_bound(world: World, is_made: bool) -> None:
    clock = MovingClock()
    ledger, _ = opened(bounds=Bounds(), clock=clock)
    row = ledger.intend("instance", "worker", "w-1")
    row = ledger.created(row, "i-1") if is_made else row

    def missed(after: float) -> str:
        clock.let_pass(seconds=after)
        with pytest.raises(NotReady) as later:
            ledger.missed(ledger.rows()[0])
        return str(later.value)

    bound = limits.SHOWN_WITHIN + (0 if is_made else limits.VISIBLE_AFTER)
    assert "would have to be visible" in missed(bound - 1)
    assert "waiting to look again" in missed(1)
    assert "waiting to look again" in missed(limits.LOOKS_APART - 1)
    ledger.found(ledger.rows()[0])
    assert "waiting to look again" in missed(60), "it was found in between"
    clock.let_pass(seconds=limits.LOOKS_APART)
    ledger.missed(ledger.rows()[0])

    (gone,) = ledger.rows()
    assert (gone.state, gone.seen_absent_at is not None) == ("DELETED", True)


def test_a_removal_that_was_accepted_is_told_with_its_own_time(world: World) -> None:
    clock = MovingClock()
    ledger, _ = opened(clock=clock)
    row = ledger.created(ledger.intend("security-group", "worker", "g"), "sg-1")

    ledger.removal_accepted(row, "sg-1")
    (between,) = ledger.rows()
    clock.let_pass(minutes=1)
    ledger.deleted(between)

    (gone,) = ledger.rows()
    assert between.state == "CREATED"
    assert gone.deleted_at == between.deleted_at
    assert gone.seen_absent_at is not None
    assert gone.deleted_at is not None
    assert gone.seen_absent_at > gone.deleted_at


def test_two_restores_never_hold_the_lock_of_a_group_list_at_once(world: World) -> None:
    first, plan = opened()
    second, _ = opened("restore-2", ("crm",))

    with (
        group_list_lock(first, plan.target.arn, "PairSecurityGroups", "RUNNING"),
        pytest.raises(NotReady, match=first.restore_id),
        group_list_lock(second, plan.target.arn, "PairSecurityGroups", "RUNNING"),
    ):
        pass
    with group_list_lock(second, plan.target.arn, "PairSecurityGroups", "RUNNING"):
        pass


def test_a_step_gets_its_own_lock_back_and_another_step_waits_for_its_zombie(world: World) -> None:
    ledger, plan = opened(bounds=Bounds())
    held = group_list_lock(ledger, plan.target.arn, "PairSecurityGroups", "RUNNING")
    held.__enter__()

    with pytest.raises(NotReady), group_list_lock(ledger, plan.target.arn, "UnpairSecurityGroups", "RUNNING"):
        pass
    with group_list_lock(ledger, plan.target.arn, "PairSecurityGroups", "RUNNING"):
        pass


def test_a_step_gives_up_the_lock_of_its_dead_predecessor_and_nobody_elses(world: World) -> None:
    first, plan = opened()
    second, _ = opened("restore-2", ("crm",))
    held = group_list_lock(first, plan.target.arn, "UnpairSecurityGroups", "RUNNING")
    held.__enter__()

    for ledger, holder in ((second, "UnpairSecurityGroups"), (first, "PairSecurityGroups")):
        give_up_group_list_lock(ledger, plan.target.arn, holder)
        with pytest.raises(NotReady), group_list_lock(second, plan.target.arn, "PairSecurityGroups", "RUNNING"):
            pass

    give_up_group_list_lock(first, plan.target.arn, "UnpairSecurityGroups")
    with group_list_lock(second, plan.target.arn, "PairSecurityGroups", "RUNNING"):
        pass


def test_a_holder_that_comes_back_late_releases_nothing(world: World) -> None:
    clock = MovingClock()
    first, plan = opened(clock=clock)
    second, _ = opened("restore-2", ("crm",), clock=clock)
    late = group_list_lock(first, plan.target.arn, "PairSecurityGroups", "RUNNING")
    late.__enter__()
    clock.let_pass(seconds=limits.LOCK_SECONDS + 1)

    with group_list_lock(second, plan.target.arn, "PairSecurityGroups", "RUNNING"):
        late.__exit__(None, None, None)

        lock = second.table.get(f"GROUPS#{plan.target.arn}", "LOCK")
        assert lock is not None
        assert lock["restoreId"] == second.restore_id


def test_a_closing_restore_takes_no_lock_to_attach(world: World) -> None:
    ledger, plan = opened()
    ledger.advance("CLOSING")

    with pytest.raises(RestoreClosed), group_list_lock(ledger, plan.target.arn, "PairSecurityGroups", "RUNNING"):
        pass


def test_the_ledger_knows_when_a_restore_began(world: World) -> None:
    ledger, plan = opened()

    meta = ledger.meta()

    assert meta.plan == plan
    assert abs((datetime.now(UTC) - meta.started_at).total_seconds()) < 60
