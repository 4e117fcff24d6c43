"""Restore, verify and discard as jobs of the real worker, one after the other, on real backups: no SQL Server engine is in it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from dbrestore.contract.job import Check, DatabaseResult, NativeOptions
from dbrestore.worker.base.bounds import Bounds
from localcloud.base import certificates
from tests.databases.native_case import EVIDENCE, FULL, REPOSITORY, SAMPLES, NativeCloud, NativeRestore, write

real = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no sample backups here")
CHAIN = ("chain-b-full.bak", "chain-b-log-1.trn", "chain-b-log-2.trn")


@pytest.fixture
def native(authority: certificates.Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NativeCloud]:
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    for bucket in (REPOSITORY, EVIDENCE):
        s3.create_bucket(Bucket=bucket)
    s3.upload_file(str(authority.bundle), EVIDENCE, "certificates/rds-ca.pem")
    made = NativeCloud.start(
        f"http://{host}:{port}", authority, tmp_path, Bounds(native_poll_seconds=0.01, native_longest_poll_seconds=0.02)
    )
    yield made
    made.stop()
    moto.stop()


def samples(*names: str) -> list[Path]:
    return [SAMPLES / name for name in names]


def verified(restore: NativeRestore) -> DatabaseResult:
    result = restore.run("restore")
    assert (result.error, [one.error for one in result.databases]) == (None, [None])
    result = restore.run("verify")
    assert result.error is None
    [database] = result.databases
    return database


def results(checks: Sequence[Check]) -> set[str]:
    return {one.result for one in checks if one.check != "DBCC CHECKDB"}


@real
@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("OlaMsFilterTest", ["full-2008r2.bak"]),
        ("Northwind", ["full-2019.bak"]),
        ("RestoreTimeStripe", ["stripe-1-of-2.bak", "stripe-2-of-2.bak"]),
        ("StopAt", list(CHAIN)),
    ],
)
def test_what_was_restored_from_a_real_backup_is_what_its_header_says(native: NativeCloud, name: str, files: list[str]) -> None:
    restore = NativeRestore(native, samples(*files), {name: "Kopie ü"}, options=NativeOptions(fix_users=True, check_database=True))

    database = verified(restore)

    assert database.status == "PROMOTED"
    # A log backup holds no data pages to count, and the check says so.
    uncounted = [one.check for one in database.checks if one.result == "not checked"]
    assert uncounted == (["pages in use"] if name == "StopAt" else [])
    assert results(database.checks) - {"not checked"} == {"ok"}
    assert database.bytes == restore.sets(name)[-1].restored_size


@real
def test_a_point_in_time_within_the_last_log_is_verified(native: NativeCloud) -> None:
    stop_at = datetime(2020, 5, 12, 13, 29)
    restore = NativeRestore(native, samples(*CHAIN), {"StopAt": "Copy"}, stop_at=stop_at, options=NativeOptions(stop_at=stop_at))

    assert verified(restore).status == "PROMOTED"


def test_a_verified_database_is_dropped_all_the_same_when_the_restore_is_discarded(native: NativeCloud, tmp_path: Path) -> None:
    restore = NativeRestore(native, write(tmp_path, FULL), {"shop": "shop_copy"})
    assert verified(restore).status == "PROMOTED"

    result = restore.run("discard")

    assert [one.status for one in result.databases] == ["DISCARDED"]
    assert {(one.kind, one.name, one.seen_absent) for one in result.absences} == {
        ("database", "shop_copy", True),
        ("native-task", f"{restore.restore_id}/1/", True),
    }
    assert native.engine.database("shop_copy") is None


def test_a_taken_name_fails_the_restore_and_the_discard_leaves_that_database(native: NativeCloud, tmp_path: Path) -> None:
    native.engine.create_database("shop_copy")
    restore = NativeRestore(native, write(tmp_path, FULL), {"shop": "shop_copy"})

    failed, result = restore.run("restore"), restore.run("discard")

    assert failed.databases[0].error
    assert failed.databases[0].error.name == "DatabaseExists"
    assert all(one.seen_absent for one in result.absences)
    assert native.engine.database("shop_copy")


def test_a_master_user_without_rights_is_named_by_a_discard(native: NativeCloud, tmp_path: Path) -> None:
    restore = NativeRestore(native, write(tmp_path, FULL), {"shop": "shop_copy"})
    native.engine.switches.master_is_misaligned = True

    result = restore.run("discard")

    assert result.error
    assert result.error.name == "NotMasterUser"
    assert result.absences == ()
