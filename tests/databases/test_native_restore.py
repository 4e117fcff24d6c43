"""RDS's native restore through the real job function, TLS and the wire, against the simulated SQL Server. No SQL Server engine is in it:
what is shown is what the worker asks for, how often, and what it makes of the answers."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from localcloud import certificates
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
from worker import limits

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
    made = NativeCloud.start(endpoint, authority, tmp_path)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's clock moves by polling, so nothing is gained by waiting."""
    for name, value in {
        "NATIVE_POLL_SECONDS": 0.01, "NATIVE_LONGEST_POLL_SECONDS": 0.02, "NATIVE_LOOK_AGAIN_SECONDS": 0.3,
        "NATIVE_RECONNECT_PAUSE_SECONDS": 0.02, "NATIVE_RECONNECT_SECONDS": 1.0,
    }.items():  # fmt: skip
        monkeypatch.setattr(limits, name, value)


def test_a_full_backup_is_restored_with_recovery_by_one_task(mssql: NativeCloud, tmp_path: Path) -> None:
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop_check"})

    result = restore.run()

    assert result.error is None
    [database] = result.databases
    assert (database.status, database.backup_name, database.asked_name) == ("RESTORED", "shop", "shop_check"), result
    assert database.bytes == sum(map(len, mssql.staged.content.values()))
    assert 0 < database.seconds <= result.seconds
    assert mssql.tasks() == [("RESTORE_DB", "shop_check", "SUCCESS")]
    assert [(one.kind, one.name, one.seen_absent) for one in result.absences] == [
        ("native-task", f"{restore.restore_id}/1/", True)
    ]


def test_the_stripes_of_a_backup_are_restored_by_one_task_under_their_prefix(
    mssql: NativeCloud, tmp_path: Path
) -> None:
    stripes = write(tmp_path, *(replace(FULL, stripe=number, stripes=3) for number in (1, 2, 3)))
    restore = NativeRestore(mssql, stripes, {"shop": "shop"})

    result = restore.run()

    assert result.databases[0].status == "RESTORED"
    assert mssql.tasks() == [("RESTORE_DB", "shop", "SUCCESS")]
    assert mssql.engine.tasks[0].arn == f"arn:aws:s3:::dbrestore-staging/{restore.restore_id}/1/01-full/s-*"


def test_a_chain_is_restored_without_recovery_and_then_finished(mssql: NativeCloud, tmp_path: Path) -> None:
    restore = NativeRestore(mssql, write(tmp_path, FULL, DIFFERENTIAL), {"shop": "shop"})

    result = restore.run()

    assert result.databases[0].status == "RESTORED", result
    assert result.databases[0].bytes == sum(map(len, mssql.staged.content.values()))
    assert mssql.tasks() == [
        ("RESTORE_DB_NORECOVERY", "shop", "SUCCESS"), ("RESTORE_DB_DIFFERENTIAL_NORECOVERY", "shop", "SUCCESS"),
        ("FINISH_RESTORE", "shop", "SUCCESS"),
    ]  # fmt: skip
    assert mssql.state_of("shop") == "ONLINE"


def test_logs_are_restored_up_to_a_point_in_time(mssql: NativeCloud, tmp_path: Path) -> None:
    moment = datetime(2023, 3, 1, 1, 30)
    restore = NativeRestore(mssql, write(tmp_path, FULL, LOG_1, LOG_2), {"shop": "shop"}, stop_at=moment)

    result = restore.run()

    assert result.databases[0].status == "RESTORED", result
    assert [kind for kind, *_ in mssql.tasks()] == [
        "RESTORE_DB_NORECOVERY", "RESTORE_DB_LOG_NORECOVERY", "RESTORE_DB_LOG_NORECOVERY", "FINISH_RESTORE",
    ]  # fmt: skip
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
def test_real_backups_are_restored(
    mssql: NativeCloud, files: str, name: str, stop_at: datetime | None, tasks: int
) -> None:
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
        ("RESTORE_DB_NORECOVERY", "shop", "SUCCESS"), ("RESTORE_DB_DIFFERENTIAL_NORECOVERY", "shop", "SUCCESS"),
        ("FINISH_RESTORE", "shop", "SUCCESS"),
    ]  # fmt: skip


def test_a_submission_whose_answer_was_lost_is_looked_for_before_it_is_made_again(
    mssql: NativeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "NATIVE_LOOK_AGAIN_SECONDS", 0.6)
    restore = NativeRestore(mssql, write(tmp_path, FULL), {"shop": "shop"})
    mssql.engine.switches.drop_before_submit = 1

    begun = time.monotonic()
    result = restore.run()

    assert result.databases[0].status == "RESTORED", result
    assert time.monotonic() - begun > 0.6


@pytest.mark.parametrize("progress", ["CREATED", "IN_PROGRESS", "first of the chain done"])
def test_a_worker_that_died_is_followed_by_one_that_goes_on_with_its_tasks(
    mssql: NativeCloud, tmp_path: Path, progress: str
) -> None:
    restore = NativeRestore(mssql, write(tmp_path, FULL, DIFFERENTIAL), {"shop": "shop"})
    uri = restore.job_uri("restore")
    mssql.engine.switches.percent_per_poll = 50 if progress.startswith("first") else 5
    mssql.engine.switches.stuck_in_created = progress == "CREATED"
    worker = restore.start(uri, NATIVE_LONGEST_POLL_SECONDS=0.1)
    wanted = ("RESTORE_DB_NORECOVERY", "shop", "SUCCESS" if progress.startswith("first") else progress)
    wait_until(lambda: wanted in mssql.tasks())

    worker.kill()
    worker.wait()
    mssql.engine.switches.stuck_in_created = False
    mssql.engine.switches.percent_per_poll = 50
    result = restore.run()

    assert result.databases[0].status == "RESTORED", result
    assert mssql.tasks() == [
        ("RESTORE_DB_NORECOVERY", "shop", "SUCCESS"), ("RESTORE_DB_DIFFERENTIAL_NORECOVERY", "shop", "SUCCESS"),
        ("FINISH_RESTORE", "shop", "SUCCESS"),
    ]  # fmt: skip


def test_three_databases_are_restored_two_at_a_time_and_one_that_fails_stops_no_other(
    mssql: NativeCloud, tmp_path: Path
) -> None:
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
