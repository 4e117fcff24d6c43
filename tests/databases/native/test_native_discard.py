"""Discarding an unfinished SQL Server restore: its tasks end, its database goes, and nobody else's does."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from dbrestore.contract.job import Absence, DatabaseResult, NativeDatabaseJob
from dbrestore.worker.base import limits
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.sqlserver import discard as native_discard
from dbrestore.worker.sqlserver.session import EngineError
from localcloud.base import certificates
from localcloud.sqlserver.switches import Intruder
from tests.databases.native_server import FULL, PREFIX, NativeServer, job, native_server

SHORT_WAITS = Bounds(
    native_poll_seconds=0.01,
    native_longest_poll_seconds=0.02,
    native_reconnect_pause_seconds=0.01,
    native_late_submission_seconds=0.0,
)


@pytest.fixture
def case(authority: certificates.Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[NativeServer]:
    with native_server(authority, SHORT_WAITS) as made:
        yield made


def discard(case: NativeServer, *databases: NativeDatabaseJob, has_begun: bool = False) -> list[tuple[DatabaseResult, Absence, Absence]]:
    found = native_discard.run(case.server, databases or (job(),), lambda _: has_begun)
    return [(result, tasks, database) for result, (tasks, database) in found]


def test_a_running_task_is_cancelled_and_what_it_began_is_dropped(case: NativeServer) -> None:
    case.switches.percent_per_poll = 5
    case.submit()
    case.poll(3)
    assert case.engine.database("shop")

    [(result, tasks, database)] = discard(case)

    assert case.lifecycles() == ["CANCELLED"]
    assert case.engine.database("shop") is None
    assert (result.status, result.asked_name, result.error) == ("DISCARDED", "shop", None)
    assert tasks == Absence(kind="native-task", name=PREFIX, seen_absent=True)
    assert database == Absence(kind="database", name="shop", seen_absent=True)


def test_a_task_that_never_began_is_cancelled(case: NativeServer) -> None:
    case.switches.stuck_in_created = True
    case.submit()

    [(result, _, _)] = discard(case)

    assert case.lifecycles() == ["CANCELLED"]
    assert result.status == "DISCARDED"


def test_a_database_that_a_chain_left_restoring_is_dropped(case: NativeServer) -> None:
    case.submit(norecovery=True)
    case.poll(4)
    made = case.engine.database("shop")
    assert made
    assert made.state == "RESTORING"

    [(result, _, database)] = discard(case)

    assert case.engine.database("shop") is None
    assert result.status == "DISCARDED"
    assert database.seen_absent


def test_a_database_whose_restore_succeeded_before_the_run_failed_is_dropped(case: NativeServer) -> None:
    case.restored()
    case.poll(10)

    [(result, _, _)] = discard(case)

    assert case.engine.database("shop") is None
    assert result.status == "DISCARDED"


def test_a_recovery_under_way_is_waited_for_because_it_cannot_be_cancelled(case: NativeServer) -> None:
    case.submit(norecovery=True)
    case.poll(4)
    case.finish()
    case.poll()

    [(result, tasks, _)] = discard(case)

    assert case.lifecycles() == ["SUCCESS", "SUCCESS"]
    assert case.engine.database("shop") is None
    assert result.status == "DISCARDED"
    assert tasks.seen_absent


def test_a_database_that_was_there_before_stays(case: NativeServer) -> None:
    case.switches.intruders.append(Intruder("shop", "start"))
    case.submit()
    case.poll(2)
    assert case.lifecycles() == ["ERROR"]

    [(result, tasks, database)] = discard(case)

    assert case.engine.database("shop")
    assert result.status == "DISCARDED"
    assert tasks.seen_absent
    assert database.seen_absent
    assert "did not make" in (database.note or "")


def test_a_database_that_another_made_after_our_task_failed_stays(case: NativeServer) -> None:
    case.switches.fail_next("access-denied")
    case.submit()
    case.poll(2)
    case.engine.create_database("shop")

    [(result, _, database)] = discard(case)

    assert case.engine.database("shop")
    assert result.status == "DISCARDED"
    assert "did not make" in (database.note or "")


def test_a_database_that_another_made_after_ours_was_dropped_stays(case: NativeServer) -> None:
    case.restored()
    case.simulated.rows("exec msdb.dbo.rds_drop_database 'shop'")
    case.engine.create_database("shop")

    [(_, _, database)] = discard(case)

    assert case.engine.database("shop")
    assert "did not make" in (database.note or "")


def test_a_database_that_may_be_anybodys_stays_and_is_told_as_left(case: NativeServer) -> None:
    case.switches.stuck_in_created = True
    case.submit()
    case.engine.create_database("shop")

    [(result, tasks, database)] = discard(case)

    assert case.engine.database("shop")
    assert result.status == "FAILED"
    assert result.error
    assert result.error.name == "LeftoversRemain"
    assert "can't be determined" in result.error.message
    assert tasks.seen_absent
    assert not database.seen_absent


def test_a_half_database_that_a_restore_of_others_may_have_made_stays(case: NativeServer) -> None:
    case.switches.stuck_in_created = True
    case.submit(norecovery=True)
    case.simulated.s3.content["others/x.bak"] = case.simulated.s3.content[case.stage()]
    case.simulated.rows(f"exec msdb.dbo.rds_cancel_task {case.engine.tasks[0].id}")
    case.simulated.restore("shop", "others/x.bak", with_norecovery=1)
    case.switches.stuck_in_created = False
    case.poll(5)
    assert case.lifecycles() == ["CANCELLED", "SUCCESS"]
    made, cancelled = case.engine.database("shop"), case.engine.tasks[0]
    assert made
    made.create_date = cancelled.last_updated

    [(result, _, database)] = discard(case)

    assert case.engine.database("shop") is made
    assert result.status == "FAILED"
    assert not database.seen_absent


def assert_left(found: tuple[DatabaseResult, Absence, Absence]) -> None:
    result, _, database = found
    assert result.status == "FAILED"
    assert result.error
    assert result.error.name == "LeftoversRemain"
    assert "can't be determined" in result.error.message
    assert not database.seen_absent


@pytest.mark.parametrize("norecovery", [False, True])
def test_a_half_database_whose_task_rds_has_forgotten_is_told_as_left(case: NativeServer, norecovery: bool) -> None:
    case.switches.percent_per_poll = 5
    case.submit(norecovery=norecovery)
    case.poll(3)
    case.switches.fail_over_forgets_tasks = True
    case.switches.fail_over_at_poll = 1

    [found] = discard(case, has_begun=True)

    assert case.lifecycles() == []
    assert case.engine.database("shop")
    assert_left(found)


@pytest.mark.parametrize("hours", [9, -5])
def test_a_half_database_dated_in_another_zone_than_its_task_is_told_as_left(case: NativeServer, hours: int) -> None:
    case.submit(norecovery=True)
    case.poll(4)
    made = case.engine.database("shop")
    assert made
    made.create_date += timedelta(hours=hours)

    [found] = discard(case, has_begun=True)

    assert case.engine.database("shop") is made
    assert_left(found)


def test_a_database_whose_name_our_task_met_taken_is_anothers(case: NativeServer) -> None:
    case.switches.intruders.append(Intruder("shop", "start"))
    case.submit()
    case.poll(2)
    assert case.lifecycles() == ["ERROR"]

    [(result, _, database)] = discard(case, has_begun=True)

    assert case.engine.database("shop")
    assert result.status == "DISCARDED"
    assert "did not make" in (database.note or "")


def test_our_own_database_is_dropped_when_the_list_proves_it_ours(case: NativeServer) -> None:
    case.submit(norecovery=True)
    case.poll(4)

    [(result, _, database)] = discard(case, has_begun=True)

    assert case.engine.database("shop") is None
    assert result.status == "DISCARDED"
    assert database.seen_absent


def test_a_half_database_that_others_put_between_our_tasks_stays(case: NativeServer) -> None:
    case.submit(norecovery=True)
    case.poll(4)
    case.simulated.rows("exec msdb.dbo.rds_drop_database 'shop'")
    case.simulated.s3.content["r-another/1/x.bak"] = case.simulated.s3.content[case.stage()]
    case.simulated.restore("shop", "r-another/1/x.bak", with_norecovery=1)
    case.poll(4)
    theirs = case.engine.database("shop")
    log = case.stage(2, "LOG", replace(FULL, kind="L"))
    case.simulated.restore_log("shop", log, with_norecovery=1)
    case.poll(4)
    assert [task.type for task in case.engine.tasks][2] == "RESTORE_DB_LOG_NORECOVERY"

    [found] = discard(case, has_begun=True)

    assert case.engine.database("shop") is theirs
    assert theirs
    assert theirs.state == "RESTORING"
    assert_left(found)


def test_a_half_database_that_was_made_while_our_log_was_at_work_is_not_ours(case: NativeServer) -> None:
    case.submit(norecovery=True)
    case.poll(4)
    case.simulated.rows("exec msdb.dbo.rds_drop_database 'shop'")
    case.simulated.restore_log("shop", case.stage(2, "LOG", replace(FULL, kind="L")), with_norecovery=1)
    theirs = case.engine.instance.databases.create("shop", case.engine.tasks[1].created_at, "somebody", "RESTORING")
    case.poll(4)

    [found] = discard(case, has_begun=True)

    assert case.engine.database("shop") is theirs
    assert_left(found)


def test_a_database_that_is_made_while_a_restore_of_others_is_at_work_stays(case: NativeServer) -> None:
    case.submit(norecovery=True)
    case.poll(4)
    made, ours = case.engine.database("shop"), case.engine.tasks[0]
    case.simulated.s3.content["others/x.bak"] = case.simulated.s3.content[case.stage()]
    case.switches.stuck_in_created = True
    case.simulated.restore("SHOP2", "others/x.bak", with_norecovery=1)
    theirs = case.engine.tasks[1]
    theirs.database, theirs.created_at, theirs.lifecycle = "SHOP", ours.created_at, "SUCCESS"

    [found] = discard(case)

    assert case.engine.database("shop") is made
    assert_left(found)


def test_discarding_again_finds_nothing_to_do(case: NativeServer) -> None:
    case.submit()
    case.poll(2)

    first, second = discard(case), discard(case)

    assert [result.status for result, _, _ in (*first, *second)] == ["DISCARDED"] * 2
    assert all(tasks.seen_absent and database.seen_absent for _, tasks, database in second)


def test_a_task_that_a_stopped_worker_asked_for_at_the_last_moment_is_cancelled_too(
    case: NativeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.bound(native_late_submission_seconds=1.5)
    case.switches.percent_per_poll = 5
    late = threading.Timer(0.7, case.submit)
    late.start()

    [(result, tasks, database)] = discard(case)

    late.join()
    assert case.lifecycles() == ["CANCELLED"]
    assert result.status == "DISCARDED"
    assert tasks.seen_absent
    assert database.seen_absent


def test_a_database_and_tasks_that_never_were_are_absent(case: NativeServer) -> None:
    [(result, tasks, database)] = discard(case, job("O'Brien ü]"))

    assert result.status == "DISCARDED"
    assert tasks.seen_absent
    assert database == Absence(kind="database", name="O'Brien ü]", seen_absent=True)


def test_a_name_with_quotes_and_brackets_is_dropped_and_no_other(case: NativeServer) -> None:
    name = "x'] ; exec rds_drop_database 'other'; --"
    case.engine.create_database("other")
    case.restored(name)

    [(result, _, _)] = discard(case, job(name))

    assert result.status == "DISCARDED"
    assert case.engine.database(name) is None
    assert case.engine.database("other")


def test_a_task_that_does_not_end_is_told_and_its_database_is_not_called_absent(case: NativeServer) -> None:
    case.submit(norecovery=True)
    case.poll(4)
    case.switches.stuck_in_created = True
    case.finish()

    [(result, tasks, database)] = discard(case)

    assert not tasks.seen_absent
    assert not database.seen_absent
    assert result.status == "FAILED"
    assert result.error
    assert "2 (FINISH_RESTORE) is CREATED" in result.error.message


def test_a_task_that_does_not_end_does_not_keep_the_next_database(case: NativeServer) -> None:
    case.submit(norecovery=True)
    case.poll(4)
    case.switches.stuck_in_created = True
    case.finish()

    [(first, _, _), (second, _, _)] = discard(case, job(), job("crm", "r-20261123-shop/2/"))

    assert (first.status, second.status) == ("FAILED", "DISCARDED")


def test_tasks_of_others_and_their_databases_are_left_alone(case: NativeServer) -> None:
    case.simulated.s3.content["r-another/1/x.bak"] = case.simulated.s3.content[case.stage()]
    case.simulated.restore("crm", "r-another/1/x.bak")
    case.switches.percent_per_poll = 5
    case.poll()

    [(_, tasks, database)] = discard(case, job("crm"))

    assert case.lifecycles() == ["IN_PROGRESS"]
    assert case.engine.database("crm")
    assert tasks.seen_absent
    assert "did not make" in (database.note or "")


def test_a_recovery_of_somebody_elses_database_is_not_ours(case: NativeServer) -> None:
    case.switches.fail_next("access-denied")
    case.submit()
    case.poll(2)
    case.simulated.s3.content["r-another/1/x.bak"] = case.simulated.s3.content[case.stage()]
    case.simulated.restore("shop", "r-another/1/x.bak", with_norecovery=1)
    case.poll(4)
    case.finish()
    case.poll(4)

    [(_, _, database)] = discard(case)

    assert case.engine.database("shop")
    assert "did not make" in (database.note or "")


def test_a_fail_over_in_the_middle_is_survived(case: NativeServer) -> None:
    case.switches.percent_per_poll = 5
    case.submit()
    case.poll(2)
    case.switches.fail_over_at_poll = 2

    [(result, tasks, database)] = discard(case)

    assert result.status == "DISCARDED"
    assert tasks.seen_absent
    assert database.seen_absent
    assert case.engine.database("shop") is None


def test_the_deadline_is_the_servers_own_clock(case: NativeServer) -> None:
    case.submit(norecovery=True)
    case.poll(4)
    case.switches.stuck_in_created = True
    case.finish()
    began = case.engine.instance.clock.now

    discard(case)

    waited = case.engine.instance.clock.now - began
    assert timedelta(seconds=limits.NATIVE_CANCEL_SECONDS) <= waited <= timedelta(seconds=limits.NATIVE_CANCEL_SECONDS + 600)


def test_a_master_user_without_rights_can_prove_nothing(case: NativeServer) -> None:
    case.switches.master_is_misaligned = True

    with pytest.raises(EngineError) as refused:
        discard(case)

    assert refused.value.number == 229
