"""The sweeper: what it starts, and what it leaves alone."""

import boto3
import pytest

from dbrestore.contract import limits
from dbrestore.contract.errors import LedgerRowUnreadable
from dbrestore.ledger import reading
from dbrestore.ledger.reading import META
from lambdas.closing.sweep_ledger import pause, sweep_ledger
from lambdas.runtime.ledger import Ledger
from tests.statemachine import plain_moto
from tests.statemachine.fake_worker import leave_unfinished
from tests.statemachine.plain_moto import Died
from tests.statemachine.world import REQUEST, World, execution_arn


def stopped(world: World, name: str, database: str = "orders") -> None:
    """A restore that was stopped in the middle of its job."""
    world.worker.behaviour["replay"] = leave_unfinished
    world.before["ReplayDumps"] = lambda: _stop(name)
    world.run({**REQUEST, "databases": [database]}, name=name)
    plain_moto.wait_for_executions()
    world.before.clear()
    world.worker.behaviour.clear()


def _stop(name: str) -> None:
    boto3.client("stepfunctions").stop_execution(executionArn=execution_arn(name))


def sweep() -> list[str]:
    return list(sweep_ledger({"source": "aws.states", "detail": {"status": "ABORTED"}}, None)["started"])


def test_nothing_is_started_for_a_restore_that_runs(world: World) -> None:
    seen: list[list[str]] = []
    world.before["ReplayDumps"] = lambda: seen.append(sweep())

    ended = world.run()

    assert ended["status"] == "SUCCEEDED"
    assert seen == [[]]


def test_nothing_is_started_for_a_restore_that_is_closed(world: World) -> None:
    world.run()

    assert sweep() == []


def test_one_clean_up_at_a_time_is_started_for_a_restore(world: World) -> None:
    stopped(world, "restore-1")
    seen: list[list[str]] = []
    world.before["RemoveWorker"] = lambda: seen.append(sweep())

    started = sweep()
    world.wait(execution_arn(started[0]))

    restore = world.ledger().restore_id
    assert started == [f"cleanup-{restore}-1"]
    assert seen
    assert not any(seen)
    assert world.meta().status == "CLOSED"


def test_a_clean_up_that_failed_is_followed_by_another_with_the_next_number(world: World) -> None:
    stopped(world, "restore-1")

    def refuse() -> None:
        raise PermissionError("denied on purpose")

    world.before["RemoveWorker"] = refuse
    first = sweep()
    failed = world.wait(execution_arn(first[0]))
    world.before.clear()
    second = sweep()
    world.wait(execution_arn(second[0]))

    assert (failed["status"], failed["error"]) == ("FAILED", "LeftoversRemain")
    assert second == [first[0][:-1] + "2"]
    assert world.meta().status == "CLOSED"


def test_a_clean_up_that_was_counted_but_never_started_is_started_under_its_number(world: World) -> None:
    stopped(world, "restore-1")
    ledger = world.ledger()
    ledger.table.write(ledger.table.update(ledger.restore_id, "META", "SET cleanUps = :one", one=1))

    assert sweep() == [f"cleanup-{ledger.restore_id}-1"]


@pytest.mark.slow
def test_clean_ups_that_go_on_failing_come_at_growing_distances(world: World) -> None:
    stopped(world, "restore-1")

    def refuse() -> None:
        raise PermissionError("denied on purpose")

    world.before["RemoveWorker"] = refuse
    started = []
    while numbers := sweep():
        started += numbers
        world.wait(execution_arn(numbers[0]))

    assert len(started) == limits.CLEAN_UPS_AT_ONCE
    assert [pause(n) for n in (1, 3, 4, 5, 6, 40)] == [0, 0, 600, 1200, 2400, 86400]


def test_every_open_restore_is_looked_at(world: World) -> None:
    stopped(world, "restore-1")
    stopped(world, "restore-2", "crm")

    assert len(sweep()) == 2


def change(ledger: Ledger, update: str, **values: str) -> None:
    ledger.table.write(ledger.table.update(ledger.restore_id, META, update, **values))


@pytest.mark.parametrize(
    ("update", "values", "told"),
    [
        ("SET #plan = :other REMOVE anchor", {"other": '{"of": "tomorrow"}'}, "/anchor/target/account: is missing"),
        ("SET #status = :other", {"other": "SLEEPING"}, "/status: Input should be"),
        ("REMOVE #status", {}, "/status: is missing"),
        ("SET cleanUps = :other", {"other": "some"}, "/cleanUps: Input should be"),
    ],
    ids=["nothing tells where", "unknown status", "no status", "no number"],
)
def test_a_row_that_tells_too_little_keeps_no_other_restore_from_being_cleared_up(
    world: World, update: str, values: dict[str, str], told: str
) -> None:
    for name, database in (("restore-1", "orders"), ("restore-2", "crm")):
        stopped(world, name, database)
    first, second = sorted((world.ledger("restore-1"), world.ledger("restore-2")), key=lambda ledger: ledger.restore_id)
    change(first, update, **values)

    with pytest.raises(LedgerRowUnreadable, match=first.restore_id) as caught:
        sweep()

    assert told in str(caught.value)
    assert second.restore_id not in str(caught.value)
    assert second.meta().clean_ups == 1


def test_a_plan_of_another_version_is_no_hindrance(world: World) -> None:
    def change_and_stop() -> None:
        change(world.ledger(), "SET #plan = :other", other='{"of": "tomorrow"}')
        _stop("restore-1")
        raise Died("nobody hears this any more")

    world.before["ReplayDumps"] = change_and_stop
    world.run()
    world.before.clear()

    [clean_up] = world.sweep()

    assert clean_up["status"] == "SUCCEEDED"
    assert world.meta().status == "CLOSED"
    assert "another version" in world.report()["planTrouble"]


def test_an_open_restore_whose_own_row_was_deleted_is_told(world: World) -> None:
    stopped(world, "restore-1")
    ledger = world.ledger()
    ledger.table.write(ledger.table.delete(ledger.restore_id, META))

    with pytest.raises(LedgerRowUnreadable, match=rf"{ledger.restore_id} is listed under OPEN.*META is gone"):
        sweep()


def test_the_report_of_a_stopped_restore_says_that_it_was_stopped(world: World) -> None:
    stopped(world, "restore-1")

    world.sweep()

    report = world.report()
    assert report["status"] == "FAILED"
    assert report["error"]["name"] == "RestoreFailed"
    assert "ended before it could report" in report["error"]["message"]
    assert report["executionArn"] == execution_arn("restore-1")


def test_the_report_of_a_stopped_restore_shows_no_state_that_still_runs(world: World) -> None:
    world.worker.behaviour["replay"] = leave_unfinished

    def stop_while_it_waits() -> None:
        if world.calls.count("ReplayDumps") > 1:
            _stop("restore-1")
            raise Died("nobody hears this any more")

    world.before["ReplayDumps"] = stop_while_it_waits
    world.run()
    assert {p.state: p.status for p in reading.phases(world.ledger().table, world.ledger().restore_id)}["ReplayDumps"] == "RUNNING"
    world.before.clear()

    world.sweep()

    told = {phase["state"]: phase for phase in world.report()["phases"]}
    assert not [phase for phase in told.values() if phase["status"] == "RUNNING" or phase["endedAt"] is None]
    assert told["ReplayDumps"]["status"] == "FAILED"
    assert told["ReplayDumps"]["error"]["name"] == "RestoreFailed"
    assert told["ReplayDumps"]["endedAt"] == told["DiscardUnfinishedDatabases"]["startedAt"]
    kept = {phase.state: phase.status for phase in reading.phases(world.ledger().table, world.ledger().restore_id)}
    assert "RUNNING" not in kept.values(), "whoever looks at the ledger afterwards sees the same"


def test_a_restore_whose_execution_is_unknown_is_cleared_up(world: World) -> None:
    # Step Functions forgets executions after 90 days; the ledger does not.
    stopped(world, "restore-1")
    ledger = world.ledger()
    gone = execution_arn("forgotten")
    ledger.table.write(ledger.table.update(ledger.restore_id, "META", "SET executionArn = :gone", gone=gone))

    assert len(sweep()) == 1
