"""Sources that are not what they were, and copies that differ from them: each is found, by its checksums or its header."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from moto.s3.exceptions import S3ClientError
from moto.s3.models import S3Backend

from dbrestore.contract.errors import BackupArchived, BackupDamaged, RestoreError
from dbrestore.contract.sqlserver_errors import CrossRegionCopyRefused, StagedBackupMissing, StagedCopyDiffers
from tests.unit.lambdas.staging.staged_backups import BUCKET, LOG, again, files, flipped, spoil, spoil_part, stored, there, without_crc32
from tests.unit.lambdas.staging.staged_restores import (
    Account,
    big,
    until_done,
)
from tests.unit.points.sqlserver.backups import Written, backup

__all__ = ["spoil", "there"]


def gone(there: Account, key: str) -> None:
    there.s3.delete_object(Bucket="repository", Key=key)


def shortened(there: Account, key: str) -> None:
    there.s3.put_object(Bucket="repository", Key=key, Body=b"short")


def archived(there: Account, key: str) -> None:
    there.s3.put_object(Bucket="repository", Key=key, Body=stored(there, "repository", key), StorageClass="DEEP_ARCHIVE")


@pytest.mark.parametrize("mebibytes", [1, 12])
@pytest.mark.parametrize(
    ("happens", "error", "words"),
    [
        (gone, BackupDamaged, "no longer in the repository"),
        (shortened, BackupDamaged, "has 5 bytes, and the manifest says"),
        (archived, BackupArchived, "is archived; what the restore reads is retrieved"),
    ],
)
def test_a_source_that_is_not_what_it_was_ends_the_staging(
    there: Account,
    mebibytes: int,
    happens: Callable[[Account, str], None],
    error: type[RestoreError],
    words: str,
) -> None:
    point = there.point(big(mebibytes))
    restore = there.restore(point)
    happens(there, files(point)[0])

    with pytest.raises(error, match=words) as caught:
        restore.stage()

    assert files(point)[0] in str(caught.value)


@pytest.mark.parametrize("mebibytes", [1, 12])
def test_a_source_that_is_replaced_while_it_is_copied_is_not_mixed(there: Account, mebibytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    point = there.point(big(mebibytes))
    restore = there.restore(point)
    head = S3Backend.head_object

    def replaced(backend: Any, bucket: str, key: str, *more: Any, **named: Any) -> Any:
        found = head(backend, bucket, key, *more, **named)
        if bucket == "repository":
            there.s3.put_object(Bucket=bucket, Key=key, Body=b"x" * found.size)
            # What HeadObject tells is of the object before.
        return found

    monkeypatch.setattr(S3Backend, "head_object", replaced)

    with pytest.raises(BackupDamaged, match="was replaced while it was copied"):
        restore.stage()


@pytest.mark.parametrize(("mebibytes", "operation"), [(1, "copy_object"), (12, "upload_part_copy")])
def test_a_copy_between_regions_that_an_endpoint_refuses_is_explained(
    there: Account, mebibytes: int, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore = there.restore(there.point(big(mebibytes)))

    def refused(*_: Any, **__: Any) -> None:
        raise S3ClientError("AccessDenied", "VPC endpoints do not support cross-region requests")

    monkeypatch.setattr(S3Backend, operation, refused)

    with pytest.raises(CrossRegionCopyRefused, match="must not run in a VPC"):
        restore.stage()


def test_a_bucket_that_somebody_deleted_is_an_error_and_not_made_again(there: Account) -> None:
    restore = there.restore(there.point(Written()))
    until_done(restore.stage)
    row = restore.row("staged-objects")
    there.s3.delete_object(Bucket=BUCKET, Key=next(iter(there.objects(BUCKET))))
    there.s3.delete_bucket(Bucket=BUCKET)
    again(restore, row)

    with pytest.raises(StagedBackupMissing, match="somebody deleted it"):
        restore.stage()

    assert there.buckets() == []
    until_done(restore.remove)


def test_a_small_copy_that_differs_by_one_byte_is_found_by_its_sha_256(
    there: Account, spoil: Callable[[Callable[[bytes], bytes]], None]
) -> None:
    restore = there.restore(without_crc32(there, there.point(big(1))))
    spoil(flipped(300_000))

    with pytest.raises(StagedCopyDiffers, match="S3 computed the checksum"):
        until_done(restore.stage)


def test_a_large_copy_that_differs_by_one_byte_is_found_by_its_crc_32(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(big(12)))
    spoil_part(monkeypatch, 2, flipped(100))

    with pytest.raises(StagedCopyDiffers, match="S3 computed the checksum"):
        until_done(restore.stage)


def test_without_a_crc_32_a_large_copy_is_compared_by_its_header_and_that_is_told(there: Account) -> None:
    restore = there.restore(without_crc32(there, there.point(big(12), LOG)))

    until_done(restore.stage)

    told = "1 of 2 files were compared by length and header alone: the restore point has no CRC-32 of them"
    assert restore.row("staged-objects").note == told
    until_done(restore.remove)
    assert restore.row("staged-objects").note == told


def test_a_header_that_is_of_another_backup_is_found_without_a_checksum(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    other = big(12, set_id=UUID(int=9))
    restore = there.restore(without_crc32(there, there.point(big(12))))
    spoil_part(monkeypatch, 1, lambda data: backup(other)[: len(data)])

    with pytest.raises(StagedCopyDiffers, match="its header is of a different backup"):
        until_done(restore.stage)


def test_a_header_that_cannot_be_read_is_found_without_a_checksum(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(without_crc32(there, there.point(big(12))))
    spoil_part(monkeypatch, 1, lambda data: bytes(len(data)))

    with pytest.raises(StagedCopyDiffers, match="isn't a native SQL Server backup"):
        until_done(restore.stage)
