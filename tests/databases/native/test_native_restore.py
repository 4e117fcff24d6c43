"""RDS's native restore through the real job function, TLS and the wire, against the simulated SQL Server. No SQL Server engine is in it:
what is shown is what the worker asks for, how often, and what it makes of the answers."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import boto3
import pytest
from moto.server import ThreadedMotoServer

from dbrestore.contract.checks.asked import AskedCheck
from dbrestore.contract.job import Progress, Result
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.base.progress import ProgressWriter
from dbrestore.worker.base.secrets import Credentials, Login
from dbrestore.worker.sqlserver import restore as native_restore
from dbrestore.worker.sqlserver.beginnings import Beginnings
from dbrestore.worker.sqlserver.session import SqlServer
from localcloud.base import certificates
from localcloud.sqlserver.databases import Database
from localcloud.sqlserver.switches import Intruder
from localcloud.tds.engine import Session
from tests.databases.native_case import (
    CRM,
    DIFFERENTIAL,
    EVIDENCE,
    FULL,
    HR,
    KEYS,
    LOG_1,
    LOG_2,
    REPOSITORY,
    SAMPLES,
    NativeCloud,
    NativeRestore,
    wait_until,
    write,
)

# The server's clock moves by polling, so nothing is gained by waiting.
SHORT_WAITS = Bounds(
    native_poll_seconds=0.01,
    native_longest_poll_seconds=0.02,
    native_look_again_seconds=0.3,
    native_reconnect_pause_seconds=0.02,
    native_reconnect_seconds=1.0,
)

real = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no sample backups here")


@pytest.fixture(scope="module")
def endpoint(authority: certificates.Authority) -> Iterator[str]:
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    s3 = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1", **KEYS)
    for bucket in (REPOSITORY, EVIDENCE):
        s3.create_bucket(Bucket=bucket)
    s3.upload_file(str(authority.bundle), EVIDENCE, "certificates/rds-ca.pem")
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture
def mssql(endpoint: str, authority: certificates.Authority, tmp_path: Path) -> Iterator[NativeCloud]:
    made = NativeCloud.start(endpoint, authority, tmp_path, SHORT_WAITS)
    yield made
    made.stop()


def test_a_full_backup_is_restored_with_recovery_by_one_task(mssql: NativeCloud, tmp_path: Path) -> None:
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop_check"})

    result = restore.run()

    assert result.error is None
    [database] = result.databases
    assert (database.status, database.backup_name, database.asked_name) == ("RESTORED", "shop", "shop_check"), result
    assert database.bytes == sum(map(len, mssql.staged.content.values()))
    assert 0 < database.seconds <= result.seconds
    assert mssql.tasks() == [("RESTORE_DB", "shop_check", "SUCCESS")]
    assert [(one.kind, one.name, one.seen_absent) for one in result.absences] == [("native-task", f"{restore.restore_id}/1/", True)]


def test_the_stripes_of_a_backup_are_restored_by_one_task_under_their_prefix(mssql: NativeCloud, tmp_path: Path) -> None:
    stripes = write(tmp_path, *(replace(FULL, stripe=number, stripes=3) for number in (1, 2, 3)))
    restore = NativeRestore(mssql, stripes, {"shop": "shop"})

    result = restore.run()

    assert result.databases[0].status == "RESTORED"
    assert mssql.tasks() == [("RESTORE_DB", "shop", "SUCCESS")]
    assert mssql.engine.tasks[0].arn == f"arn:aws:s3:::dbrestore-staging/{restore.restore_id}/1/01-full/s-*"


def question(sql: str, expect: Any = 1, database: str = "shop") -> AskedCheck:
    return AskedCheck.model_validate({"name": "c", "database": database, "sql": sql, "expect": expect})


REFUSED = [
    ("SELECT 1 SELECT 2", "not one statement that reads (Incorrect syntax"),
    ("SELECT 1 DROP TABLE t", "not one statement that reads"),
    ("SELECT id INTO copied FROM orders", "not one statement that reads"),
    ("SELECT id FROM (DELETE FROM orders OUTPUT deleted.id) AS d", "not one statement that reads"),
    ("SELECT [;1]; SELECT 2", "more than one statement"),
    ("SELECT 1) AS x (y) COMMIT --", "not one statement: it closes a parenthesis that it did not open"),
    ("SELECT * FROM OPENQUERY(linked, 'DELETE FROM t')", "about more than the database"),
    ("TABLE orders", "not a query of T-SQL"),
]


@pytest.mark.parametrize(("sql", "why"), REFUSED)
@pytest.mark.parametrize("expect", [1, {"rows": 0}], ids=["value", "rows"])
def test_a_check_that_is_no_question_is_refused_before_anything_is_restored(
    mssql: NativeCloud, tmp_path: Path, sql: str, why: str, expect: Any
) -> None:
    restore = NativeRestore(mssql, write(tmp_path, FULL, CRM), {"shop": "shop", "crm": "crm"}, asked_checks=(question(sql, expect),))

    shop, crm = restore.run().databases

    assert (shop.asked_name, shop.status, shop.error and shop.error.name) == ("shop", "FAILED", "CheckRefused")
    assert shop.error
    assert shop.error.message.startswith("the check 'c' is ")
    assert why in shop.error.message
    assert (crm.asked_name, crm.status) == ("crm", "RESTORED")
    assert mssql.tasks() == [("RESTORE_DB", "crm", "SUCCESS")]


def test_questions_about_tables_that_are_not_there_yet_are_no_reason_to_refuse(mssql: NativeCloud, tmp_path: Path) -> None:
    checks = (
        question("SELECT COUNT(*) FROM orders AS o WHERE o.placed_at > GETDATE()"),
        question("SELECT a, a FROM nowhere", {"rows": 0}),
        question("WITH a AS (SELECT id FROM orders) SELECT MAX(id) FROM a"),
    )
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"}, asked_checks=checks)

    [database] = restore.run().databases

    assert (database.status, database.error) == ("RESTORED", None)


def test_a_chain_is_restored_without_recovery_and_then_finished(mssql: NativeCloud, tmp_path: Path) -> None:
    restore = NativeRestore(mssql, write(tmp_path, FULL, DIFFERENTIAL), {"shop": "shop"})

    result = restore.run()

    assert result.databases[0].status == "RESTORED", result
    assert result.databases[0].bytes == sum(map(len, mssql.staged.content.values()))
    assert mssql.tasks() == [
        ("RESTORE_DB_NORECOVERY", "shop", "SUCCESS"),
        ("RESTORE_DB_DIFFERENTIAL_NORECOVERY", "shop", "SUCCESS"),
        ("FINISH_RESTORE", "shop", "SUCCESS"),
    ]
    assert mssql.state_of("shop") == "ONLINE"


def test_logs_are_restored_up_to_a_point_in_time(mssql: NativeCloud, tmp_path: Path) -> None:
    moment = datetime(2023, 3, 1, 1, 30)
    restore = NativeRestore(mssql, write(tmp_path, FULL, LOG_1, LOG_2), {"shop": "shop"}, stop_at=moment)

    result = restore.run()

    assert result.databases[0].status == "RESTORED", result
    assert [kind for kind, *_ in mssql.tasks()] == [
        "RESTORE_DB_NORECOVERY",
        "RESTORE_DB_LOG_NORECOVERY",
        "RESTORE_DB_LOG_NORECOVERY",
        "FINISH_RESTORE",
    ]
    found = mssql.engine.database("shop")
    assert found
    assert (found.state, found.recovered_to) == ("ONLINE", moment)


@real
@pytest.mark.parametrize(
    ("files", "name", "stop_at", "tasks"),
    [
        ("full-2019.bak", "Northwind", None, 1),
        ("compressed-2016.bak", "TutorialDB", None, 1),
        ("stripe-1-of-2.bak stripe-2-of-2.bak", "RestoreTimeStripe", None, 1),
        ("chain-a-full.bak chain-a-differential.bak", "doublediff", None, 3),
        ("chain-b-full.bak chain-b-log-1.trn chain-b-log-2.trn", "StopAt", datetime(2020, 5, 12, 13, 29, 50), 4),
    ],
)
def test_real_backups_are_restored(mssql: NativeCloud, files: str, name: str, stop_at: datetime | None, tasks: int) -> None:
    restore = NativeRestore(mssql, [SAMPLES / one for one in files.split()], {name: f"{name} Übung's"}, stop_at=stop_at)

    result = restore.run()

    assert result.databases[0].status == "RESTORED", result
    assert [life for *_, life in mssql.tasks()] == ["SUCCESS"] * tasks
    assert mssql.state_of(f"{name} Übung's") == "ONLINE"


@pytest.mark.parametrize("submission", [1, 2, 3])
@pytest.mark.parametrize("moment", ["drop_after_submit", "drop_before_submit"])
def test_a_connection_lost_around_a_submission_makes_no_task_twice_and_leaves_none_out(
    mssql: NativeCloud, tmp_path: Path, moment: str, submission: int
) -> None:
    restore = NativeRestore(mssql, write(tmp_path, FULL, DIFFERENTIAL), {"shop": "shop"})
    setattr(mssql.engine.switches, moment, submission)

    result = restore.run()

    assert result.databases[0].status == "RESTORED", result
    assert getattr(mssql.engine.switches, moment) is None
    assert mssql.tasks() == [
        ("RESTORE_DB_NORECOVERY", "shop", "SUCCESS"),
        ("RESTORE_DB_DIFFERENTIAL_NORECOVERY", "shop", "SUCCESS"),
        ("FINISH_RESTORE", "shop", "SUCCESS"),
    ]


def test_a_submission_whose_answer_was_lost_is_looked_for_before_it_is_made_again(
    mssql: NativeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mssql.bounds = replace(mssql.bounds, native_look_again_seconds=0.6)
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})
    mssql.engine.switches.drop_before_submit = 1

    begun = time.monotonic()
    result = restore.run()

    assert result.databases[0].status == "RESTORED", result
    assert time.monotonic() - begun > 0.6


@pytest.mark.parametrize("progress", ["CREATED", "IN_PROGRESS", "first of the chain done"])
def test_a_worker_that_died_is_followed_by_one_that_goes_on_with_its_tasks(mssql: NativeCloud, tmp_path: Path, progress: str) -> None:
    restore = NativeRestore(mssql, write(tmp_path, FULL, DIFFERENTIAL), {"shop": "shop"})
    uri = restore.job_uri("restore")
    mssql.engine.switches.percent_per_poll = 50 if progress.startswith("first") else 5
    mssql.engine.switches.stuck_in_created = progress == "CREATED"
    worker = restore.start(uri, native_longest_poll_seconds=0.1)
    wanted = ("RESTORE_DB_NORECOVERY", "shop", "SUCCESS" if progress.startswith("first") else progress)
    wait_until(lambda: wanted in mssql.tasks())

    worker.kill()
    worker.wait()
    mssql.engine.switches.stuck_in_created = False
    mssql.engine.switches.percent_per_poll = 50
    result = restore.run()

    assert result.databases[0].status == "RESTORED", result
    assert mssql.tasks() == [
        ("RESTORE_DB_NORECOVERY", "shop", "SUCCESS"),
        ("RESTORE_DB_DIFFERENTIAL_NORECOVERY", "shop", "SUCCESS"),
        ("FINISH_RESTORE", "shop", "SUCCESS"),
    ]


def test_a_chain_that_is_finished_already_is_not_finished_again(mssql: NativeCloud, tmp_path: Path) -> None:
    restore = NativeRestore(mssql, write(tmp_path, FULL, DIFFERENTIAL), {"shop": "shop"})
    for step in restore.databases()[0].steps:
        mssql.submit("shop", step.s3_arn, kind=step.kind, recover=False)
    wait_until(lambda: [life for *_, life in mssql.polled()] == ["SUCCESS", "SUCCESS"])
    found = mssql.engine.database("shop")
    assert found
    found.state = "ONLINE"

    result = restore.run()

    assert result.databases[0].status == "RESTORED", result
    assert [kind for kind, *_ in mssql.tasks()] == ["RESTORE_DB_NORECOVERY", "RESTORE_DB_DIFFERENTIAL_NORECOVERY"]


def test_three_databases_are_restored_two_at_a_time_and_one_that_fails_stops_no_other(mssql: NativeCloud, tmp_path: Path) -> None:
    restore = NativeRestore(mssql, write(tmp_path, FULL, CRM, HR), {"shop": "shop", "crm": "crm", "hr": "hr"})
    mssql.engine.switches.percent_per_poll = 25
    mssql.engine.switches.fail_next("access-denied")

    result = restore.run()

    assert result.error is None
    assert {one.asked_name: one.status for one in result.databases} == {
        "shop": "FAILED",
        "crm": "RESTORED",
        "hr": "RESTORED",
    }
    [failed] = [one for one in result.databases if one.error]
    assert failed.error
    assert failed.error.name == "StagingAccessDenied"
    assert sorted(one.name for one in result.absences) == [f"{restore.restore_id}/{number}/" for number in (1, 2, 3)]
    created = {task.database: task.created_at for task in mssql.engine.tasks}
    assert created["crm"] < created["hr"]
    assert len(mssql.engine.tasks) == 3


def test_a_restore_waits_for_a_slot_while_others_have_both(mssql: NativeCloud, tmp_path: Path) -> None:
    mssql.engine.take_slots(2, polls=30)
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})

    result = restore.run()

    assert result.databases[0].status == "RESTORED", result
    others, own = mssql.engine.tasks[:2], mssql.engine.tasks[2]
    assert {task.lifecycle for task in others} == {"SUCCESS"}
    assert own.created_at > max(task.last_updated for task in others)


def test_waiting_for_a_slot_has_an_end_that_names_the_others(mssql: NativeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mssql.bounds = replace(mssql.bounds, native_slot_wait_seconds=3600)
    mssql.engine.take_slots(2)
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})
    began = mssql.engine.instance.clock.now

    result = restore.run()

    assert_failed(result, "NativeSlotsTaken", "for 1 hours .*1 \\(BACKUP_DB of other1\\), 2 \\(BACKUP_DB of other2\\)")
    assert 60 <= (mssql.engine.instance.clock.now - began).total_seconds() / 60 < 70
    assert len(mssql.tasks()) == 2
    assert absent(result) == [f"{restore.restore_id}/1/"]


def test_a_task_that_waits_behind_others_is_not_stuck_but_its_waiting_has_an_end(
    mssql: NativeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mssql.bounds = replace(mssql.bounds, native_slot_wait_seconds=3600)
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})
    [first] = restore.databases()[0].steps
    mssql.submit("shop", first.s3_arn)
    mssql.engine.take_slots(2)

    result = restore.run()

    assert_failed(result, "NativeSlotsTaken", "BACKUP_DB of other1")
    assert mssql.engine.tasks[0].lifecycle == "CANCEL_REQUESTED"


def test_with_one_slot_taken_two_databases_are_restored_one_after_the_other(mssql: NativeCloud, tmp_path: Path) -> None:
    mssql.engine.take_slots(1)
    restore = NativeRestore(mssql, write(tmp_path, FULL, CRM), {"shop": "shop", "crm": "crm"})

    result = restore.run()

    assert [one.status for one in result.databases] == ["RESTORED", "RESTORED"]
    _, shop, crm = mssql.engine.tasks
    assert crm.created_at >= shop.last_updated


def test_a_task_that_never_begins_is_cancelled_and_said_to_be_stuck(mssql: NativeCloud, tmp_path: Path) -> None:
    mssql.engine.switches.stuck_in_created = True
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})

    result = restore.run()

    assert_failed(result, "NativeTaskStuck", r"task 1 \(RESTORE_DB\) did not begin in 15 minutes")
    assert mssql.tasks() == [("RESTORE_DB", "shop", "CANCEL_REQUESTED")]
    waited = mssql.engine.instance.clock.now - mssql.engine.tasks[0].created_at
    assert 15 <= waited.total_seconds() / 60 < 22
    assert absent(result) == []


def test_a_task_that_somebody_else_cancels_is_told_so(mssql: NativeCloud, tmp_path: Path) -> None:
    mssql.engine.switches.percent_per_poll = 10
    mssql.engine.switches.cancel_at_poll = 6
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})

    result = restore.run()

    assert_failed(result, "NativeTaskCancelled", "task 1")
    assert mssql.tasks() == [("RESTORE_DB", "shop", "CANCELLED")]
    assert absent(result) == [f"{restore.restore_id}/1/"]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("access-denied", "StagingAccessDenied"),
        ("no-bucket", "StagedBackupMissing"),
        ("transfer-aborted", "NativeTransferAborted"),
    ],
)
def test_a_task_that_ends_in_error_fails_under_its_name(mssql: NativeCloud, tmp_path: Path, line: str, name: str) -> None:
    mssql.engine.switches.fail_next(line, file="s-01.bak")
    restore = NativeRestore(mssql, write(tmp_path, FULL, DIFFERENTIAL), {"shop": "shop"})

    result = restore.run()

    assert_failed(result, name, "shop: RDS's task 1")
    assert len(mssql.tasks()) == 1
    assert absent(result) == [f"{restore.restore_id}/1/"]


def test_a_staged_stripe_that_is_gone_fails_as_rds_says(mssql: NativeCloud, tmp_path: Path) -> None:
    restore = NativeRestore(mssql, write(tmp_path, replace(FULL, stripes=2), replace(FULL, stripe=2, stripes=2)), {"shop": "shop"})
    mssql.staged.content.popitem()

    result = restore.run()

    assert_failed(result, "StripeMissing", "2 media families but only 1")


@pytest.mark.parametrize(("there", "asked"), [("shop", "shop"), ("SHOP", "shop"), ("Café", "CAFE"), ("cafe", "Cafe\u0301")])
def test_a_name_that_is_taken_is_refused_before_anything_is_submitted(mssql: NativeCloud, tmp_path: Path, there: str, asked: str) -> None:
    mssql.engine.create_database(there)
    restore = NativeRestore(mssql, write(tmp_path, FULL, CRM), {"shop": asked, "crm": "crm"})

    result = restore.run()

    assert {one.asked_name: one.status for one in result.databases} == {asked: "FAILED", "crm": "RESTORED"}
    [failed] = [one.error for one in result.databases if one.error]
    assert failed.name == "DatabaseExists"
    assert repr(there) in failed.message
    assert mssql.tasks() == [("RESTORE_DB", "crm", "SUCCESS")]
    assert len(absent(result)) == 2


@pytest.mark.parametrize(("moment", "tasks"), [("submit", []), ("start", [("RESTORE_DB", "shop", "ERROR")])])
def test_a_name_that_is_taken_in_the_last_moment_is_refused_by_rds(
    mssql: NativeCloud, tmp_path: Path, moment: str, tasks: list[tuple[str, str, str]]
) -> None:
    mssql.engine.switches.intruders.append(Intruder("Shop", before=moment))
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})

    result = restore.run()

    assert_failed(result, "DatabaseExists", "already exists")
    assert mssql.tasks() == tasks
    assert absent(result) == [f"{restore.restore_id}/1/"]


def test_what_rds_was_asked_for_is_noted_before_it_is_asked(mssql: NativeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})
    seen = list[list[str]]()

    def watch(_: Session, text: str) -> None:
        if "rds_restore_database" in text:
            seen.append(begun(restore))

    mssql.engine.switches.before_batch.append(watch)
    result = restore.run()

    assert result.databases[0].status == "RESTORED", result
    assert seen == [[f"restores/{restore.restore_id}/begun/1.json"]]


def test_a_half_database_is_told_as_left_when_rds_has_forgotten_its_task(mssql: NativeCloud, tmp_path: Path) -> None:
    mssql.engine.switches.percent_per_poll = 10
    mssql.engine.switches.fail_over_at_poll = 5
    mssql.engine.switches.fail_over_forgets_tasks = True
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})

    failed, discarded = restore.run(), restore.run("discard")

    assert_failed(failed, "NativeTaskFailed", "no longer lists it")
    assert mssql.tasks() == []
    assert mssql.state_of("shop") == "RESTORING"
    assert_failed(discarded, "LeftoversRemain", "can't be determined")
    assert absent(discarded) == [f"{restore.restore_id}/1/"]


@pytest.mark.parametrize("moment", ["before it looks", "submit", "start"])
def test_a_database_whose_name_a_restore_met_taken_is_not_called_left(
    mssql: NativeCloud, tmp_path: Path, moment: Literal["before it looks", "submit", "start"]
) -> None:
    if moment == "before it looks":
        mssql.engine.create_database("Shop")
    else:
        mssql.engine.switches.intruders.append(Intruder("Shop", before=moment))
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})

    failed, discarded = restore.run(), restore.run("discard")

    assert_failed(failed, "DatabaseExists", "already")
    assert (discarded.error, [one.status for one in discarded.databases]) == (None, ["DISCARDED"])
    assert mssql.state_of("shop") == "ONLINE"
    assert absent(discarded) == [f"{restore.restore_id}/1/", "shop"]


@pytest.mark.parametrize("state", ["RESTORING", "ONLINE"])
@pytest.mark.parametrize("after", [1, 2])
def test_nothing_more_goes_onto_a_database_that_somebody_put_in_the_place_of_ours(
    mssql: NativeCloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: Literal["RESTORING", "ONLINE"],
    after: int,
) -> None:
    moment = datetime(2023, 3, 1, 1, 30)
    restore = NativeRestore(mssql, write(tmp_path, FULL, LOG_1, LOG_2), {"shop": "shop"}, stop_at=moment)
    databases, theirs = mssql.engine.instance.databases, list[Database]()

    def replace_when_it_ended(_: Session, __: str) -> None:
        ours = databases.find("shop")
        # Its n-th log is restored, and the worker has not seen that yet.
        if ours and not theirs and [life for *_, life in mssql.tasks()][after:] == ["SUCCESS"]:
            databases.drop(ours)
            theirs.append(databases.create("shop", mssql.engine.instance.clock.now, "somebody", state))

    mssql.engine.switches.after_batch.append(replace_when_it_ended)
    result = restore.run()

    assert_failed(result, "DatabaseExists", "somebody replaced the database")
    assert len(mssql.tasks()) == after + 1
    assert theirs == [mssql.engine.database("shop")]


def test_a_fail_over_while_rds_restores_is_a_clear_error(mssql: NativeCloud, tmp_path: Path) -> None:
    mssql.engine.switches.percent_per_poll = 10
    mssql.engine.switches.fail_over_at_poll = 5
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})

    result = restore.run()

    assert_failed(result, "ServerUnreachable", "task 1 .*failed over; restore again")
    assert mssql.tasks() == [("RESTORE_DB", "shop", "ERROR")]


def test_a_server_that_stays_away_after_a_lost_connection_is_unreachable(mssql: NativeCloud, tmp_path: Path) -> None:
    mssql.engine.switches.percent_per_poll = 5
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})
    uri = restore.job_uri("restore")
    worker = restore.start(uri, native_reconnect_seconds=1, native_reconnect_pause_seconds=0.1)
    wait_until(lambda: ("RESTORE_DB", "shop", "IN_PROGRESS") in mssql.tasks())

    mssql.server.stop()

    assert worker.wait(30) == 0
    error = restore.result(uri).error
    assert error
    assert error.name == "ServerUnreachable"
    assert f"localhost:{mssql.server.port}: it gave no answer" in error.message


def test_a_port_that_does_not_answer_is_unreachable(mssql: NativeCloud, tmp_path: Path) -> None:
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})
    mssql.server.stop()

    result = restore.run()

    assert_refused(result, "ServerUnreachable", f"localhost:{mssql.server.port} .*Connection refused.*security groups")


def test_a_certificate_of_another_authority_is_refused(mssql: NativeCloud, tmp_path: Path) -> None:
    other = certificates.create(tmp_path / "other")
    mssql.s3().upload_file(str(other.bundle), EVIDENCE, "certificates/other.pem")
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})
    restore.ca_bundle = f"s3://{EVIDENCE}/certificates/other.pem"

    result = restore.run()

    assert_refused(result, "CertificateRefused", "unable to get local issuer certificate.*certificates/other.pem")
    assert mssql.tasks() == []


def test_a_certificate_of_another_host_is_refused(mssql: NativeCloud, tmp_path: Path) -> None:
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})
    restore.host = "127.0.0.1"

    result = restore.run()

    assert_refused(result, "CertificateRefused", "127.0.0.1:.*mismatch")


def test_a_stale_secret_is_a_refused_login_that_shows_no_password(
    mssql: NativeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mssql.bounds = replace(mssql.bounds, rotation_seconds=0.0)
    mssql.put_secret("stale-password")
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})

    result = restore.run()

    assert_refused(result, "LoginRefused", "the password in arn:aws:secretsmanager.* was refused for 'master' .*Login failed")
    assert "stale-password" not in result.to_json()


def test_a_master_user_without_rights_is_told_what_to_do(mssql: NativeCloud, tmp_path: Path) -> None:
    mssql.engine.switches.master_is_misaligned = True
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})

    result = restore.run()

    assert_refused(result, "NotMasterUser", "229.*EXECUTE permission was denied")


def test_an_instance_whose_option_went_away_is_told_so(mssql: NativeCloud, tmp_path: Path) -> None:
    mssql.engine.instance.backup_restore_option = "applying"
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})

    result = restore.run()

    assert_failed(result, "NativeBackupOptionMissing", "not enabled yet")


def test_progress_tells_the_bytes_and_the_last_message(mssql: NativeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mssql.engine.switches.percent_per_poll = 25
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})
    told: list[Progress] = []
    job = restore.job("restore")
    server = SqlServer(
        job.server, mssql.authority.bundle, Credentials(lambda: Login("master", "secret"), "the secret", "put it right", bounds=SHORT_WAITS)
    )

    beginnings = Beginnings(mssql.s3(), EVIDENCE, restore.restore_id)
    list(native_restore.run(server, job, restore.manifest, ProgressWriter("restore", told.append, every=0.0), beginnings))

    size = sum(map(len, mssql.staged.content.values()))
    assert {one.bytes_total for one in told} == {size}
    assert [one.bytes_done for one in told] == sorted(one.bytes_done for one in told)
    notes = {one.bytes_done * 100 // size: one.note for one in told}
    assert list(notes) == [0, 25, 50, 75, 100]
    assert notes[0] == "Task execution has started."
    assert notes[75] == "s-01.bak: Completed processing 75% of S3 chunks."
    assert {(one.phase, one.database) for one in told if one.note} == {("restoring", "shop")}


def test_the_workers_memory_does_not_grow_with_the_time_that_it_waits(mssql: NativeCloud, tmp_path: Path) -> None:
    peaks = []
    for polls, name in ((10, "shop"), (600, "shop_2")):
        restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": name})
        mssql.engine.take_slots(2, polls=polls)
        uri = restore.job_uri("restore")
        assert restore.start(uri, native_longest_poll_seconds=0.001, native_poll_seconds=0.001).wait(120) == 0
        result = restore.result(uri)
        assert result.databases[0].status == "RESTORED", result
        peaks.append(result.peak_memory)

    print(f"peak memory after 10 and 600 polls: {peaks}")
    assert peaks[1] < peaks[0] + (2 << 20)


def assert_failed(result: Result, name: str, message: str) -> None:
    assert result.error is None, result.error
    [database] = result.databases
    assert database.status == "FAILED"
    assert database.error
    assert (database.error.name, bool(re.search(message, database.error.message))) == (name, True), database.error


def assert_refused(result: Result, name: str, message: str) -> None:
    assert result.databases == ()
    assert result.error
    assert (result.error.name, bool(re.search(message, result.error.message))) == (name, True), result.error


def begun(restore: NativeRestore) -> list[str]:
    found = restore.cloud.s3().list_objects_v2(Bucket=EVIDENCE, Prefix=f"restores/{restore.restore_id}/begun/")
    return [item["Key"] for item in found.get("Contents", [])]


def absent(result: Result) -> list[str]:
    return sorted(one.name for one in result.absences if one.seen_absent)
