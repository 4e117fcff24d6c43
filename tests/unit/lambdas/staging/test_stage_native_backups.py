"""Native backups on their way into the temporary bucket: what is copied, what is compared, and what is left when it ends."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from moto.core.botocore_stubber import BotocoreStubber
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeMultipart, S3Backend

from dbrestore.contract import keys
from dbrestore.contract.drills import PlannedDrill
from dbrestore.contract.errors import BackupArchived, BackupDamaged, NotReady, RestoreClosed, RestoreError
from dbrestore.contract.manifest import Manifest
from dbrestore.contract.record import ResourceRow
from dbrestore.contract.sqlserver_errors import CrossRegionCopyRefused, StagedBackupMissing, StagedCopyDiffers
from tests.statemachine.plain_moto import Died
from tests.unit.lambdas.staging.staged_restores import (
    ACCOUNT,
    INSTANCE,
    MIB,
    ROLE,
    Account,
    Staged,
    account,
    big,
    bucket_name,
    until_done,
)
from tests.unit.points.sqlserver.backups import Written, backup

LOG = replace(Written(), kind="L", set_id=UUID(int=3), last=(21, 180, 1), begun=datetime(2023, 3, 1))
BUCKET = bucket_name()


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Account]:
    with account(monkeypatch, tmp_path) as found:
        yield found


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the parts that were copied, in the order of their copying."""
    copied: list[int] = []
    copy = S3Backend.upload_part_copy

    def counted(backend: Any, bucket: str, upload: str, number: int, **source: Any) -> Any:
        key = copy(backend, bucket, upload, number, **source)
        copied.append(number)
        return key

    monkeypatch.setattr(S3Backend, "upload_part_copy", counted)
    return copied


# Stripes of one backup have equal sizes, but for pages that nobody uses: here all but the first eight.
UNEQUAL = 1 << 30


def files(point: Manifest) -> list[str]:
    return [file.key for file in point.native_databases[0].files]


def stored(there: Account, bucket: str, key: str) -> bytes:
    return bytes(there.s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def test_small_and_large_files_lie_where_rds_will_read_them(there: Account) -> None:
    point = there.point(big(12, stripe=1, stripes=2, free=UNEQUAL), Written(stripe=2, stripes=2, free=UNEQUAL), LOG)
    restore = there.restore(point)

    told = until_done(restore.stage)

    found = there.objects(BUCKET)
    places = ["1/01-full/s-01.bak", "1/01-full/s-02.bak", "1/02-log/s-01.bak"]
    assert list(found) == [restore.prefix + place for place in places]
    for source, copy in zip(files(point), found, strict=True):
        assert stored(there, "repository", source) == stored(there, BUCKET, copy)
    expected = {"bucket": BUCKET, "prefix": restore.prefix, "objects": 3, "bytes": sum(found.values())}
    assert told == expected
    assert restore.stage() == expected
    assert there.uploads(BUCKET) == []


def test_only_what_the_point_in_time_needs_is_copied(there: Account) -> None:
    later = replace(LOG, set_id=UUID(int=4), first=(21, 180, 1), last=(21, 190, 1), begun=datetime(2023, 3, 2))
    point = there.point(Written(finished=Written.begun), LOG, later)
    restore = there.restore(point, stop_at=datetime(2023, 2, 28, 23, 59, 59))

    until_done(restore.stage)

    assert [key.removeprefix(restore.prefix) for key in there.objects(BUCKET)] == [
        "1/01-full/s-01.bak",
        "1/02-log/s-01.bak",
    ]


def test_rows_stand_in_the_ledger_before_what_they_are_about(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(big(6)))
    rows: dict[str, dict[str, str]] = {}
    for name in ("create_bucket", "create_multipart_upload"):
        make = getattr(S3Backend, name)

        def noting(*arguments: Any, _name: str = name, _make: Any = make, **more: Any) -> Any:
            rows[_name] = {row.kind: row.state for row in restore.ledger.rows()}
            return _make(*arguments, **more)

        monkeypatch.setattr(S3Backend, name, noting)

    until_done(restore.stage)

    assert rows["create_bucket"] == {"bucket": "INTENT"}
    assert rows["create_multipart_upload"] == {"bucket": "CREATED", "staged-objects": "INTENT"}
    assert restore.row("staged-objects").name == f"{BUCKET}/{restore.prefix}"
    assert restore.row("bucket").name == BUCKET


def test_the_bucket_is_closed_to_everybody_but_the_role_of_the_option(there: Account) -> None:
    restore = there.restore(there.point(Written()))

    until_done(restore.stage)

    s3, bucket = there.s3, {"Bucket": BUCKET}
    assert set(s3.get_public_access_block(**bucket)["PublicAccessBlockConfiguration"].values()) == {True}
    owner = s3.get_bucket_ownership_controls(**bucket)["OwnershipControls"]["Rules"]
    assert owner == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (encryption,) = s3.get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert encryption["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert s3.get_bucket_tagging(**bucket)["TagSet"] == [
        {"Key": "dbrestore:managed", "Value": "true"},
        {"Key": "dbrestore:installation", "Value": "123456789012/eu-central-1/dbrestore"},
    ]
    (rule,) = s3.get_bucket_lifecycle_configuration(**bucket)["Rules"]
    assert (rule["Expiration"]["Days"], rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]) == (31, 7)
    statements = json.loads(s3.get_bucket_policy(**bucket)["Policy"])["Statement"]
    arn = f"arn:aws:s3:::{BUCKET}"
    assert [(s["Effect"], s["Action"], s["Resource"]) for s in statements] == [
        ("Deny", "s3:*", [arn, f"{arn}/*"]),
        ("Allow", "s3:GetObject", [f"{arn}/{restore.prefix}*"]),
        ("Allow", "s3:ListBucket", arn),
        ("Allow", "s3:GetBucketLocation", arn),
    ]
    assert statements[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert [s["Principal"] for s in statements[1:]] == [{"AWS": ROLE}, {"AWS": ROLE}, {"AWS": [ROLE]}]
    assert statements[2]["Condition"] == {"StringLikeIfExists": {"s3:prefix": [f"{restore.prefix}*"]}}


def test_every_call_about_a_bucket_names_whose_it_must_be(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(big(6), LOG))
    without = []
    through = BotocoreStubber.__call__

    def listen(stub: Any, event_name: str, request: Any, **more: Any) -> Any:
        name = event_name.split(".")[-1]
        if "dbrestore-staging" in request.url and "x-amz-expected-bucket-owner" not in request.headers:
            without.append(name)
        if "Copy" in name:
            assert request.headers["x-amz-source-expected-bucket-owner"].decode() == ACCOUNT
        return through(stub, event_name, request, **more)

    monkeypatch.setattr(BotocoreStubber, "__call__", listen)

    until_done(restore.stage)
    until_done(restore.remove)

    assert set(without) == {"CreateBucket"}


@pytest.mark.parametrize("survived", range(6))
def test_who_dies_after_some_parts_is_carried_on(there: Account, parts: list[int], monkeypatch: pytest.MonkeyPatch, survived: int) -> None:
    point = there.point(big(22))
    restore = there.restore(point)
    there.bounds = replace(there.bounds, staging_threads=1)
    copy = S3Backend.upload_part_copy

    def dying(*arguments: Any, **more: Any) -> Any:
        if len(parts) == survived:
            raise Died("between two parts")
        return copy(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(S3Backend, "upload_part_copy", dying)
        if survived < 5:
            with pytest.raises(Died):
                restore.stage()
    until_done(restore.stage)

    assert parts == [1, 2, 3, 4, 5]
    (copied,) = there.objects(BUCKET)
    assert stored(there, BUCKET, copied) == stored(there, "repository", files(point)[0])


def test_an_invocation_stops_in_time_and_says_how_far_it_came(there: Account, parts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(big(22)))
    there.bounds = replace(there.bounds, staging_threads=1)

    stage_until(there, restore, lambda: len(parts) == 2, told="2 of 5 parts")
    until_done(restore.stage)

    assert parts == [1, 2, 3, 4, 5]


def test_a_file_that_is_whole_does_not_wait_for_the_others(there: Account, parts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    point = there.point(big(12, stripe=1, stripes=2, free=UNEQUAL), big(22, stripe=2, stripes=2, free=UNEQUAL))
    restore = there.restore(point)
    there.bounds = replace(there.bounds, staging_threads=1)

    stage_until(there, restore, lambda: len(parts) == 3)
    before = there.objects(BUCKET)
    stage_until(there, restore, lambda: len(parts) == 5)
    after = there.objects(BUCKET)
    until_done(restore.stage)

    assert (list(before), list(after)) == ([], [f"{restore.prefix}1/01-full/s-01.bak"])
    assert len(there.objects(BUCKET)) == 2
    assert parts == [1, 2, 3, 1, 2, 3, 4, 5]


def test_the_file_that_lacks_the_fewest_parts_is_copied_first(there: Account, parts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(big(22, stripe=1, stripes=2, free=UNEQUAL), big(12, stripe=2, stripes=2, free=UNEQUAL)))
    there.bounds = replace(there.bounds, staging_threads=1)

    until_done(restore.stage)

    assert parts == [1, 2, 3, 1, 2, 3, 4, 5]


def stage_until(there: Account, restore: Staged, is_over: Callable[[], bool], told: str = "parts are copied") -> None:
    """One invocation, whose time ends when that is so."""
    there.stopwatch = lambda: 1e9 if is_over() else 0.0
    with pytest.raises(NotReady, match=told):
        restore.stage()
    there.stopwatch = time.monotonic


def test_two_invocations_at_once_make_one_whole_copy(there: Account) -> None:
    point = there.point(big(16, stripe=1, stripes=2, free=UNEQUAL), big(11, stripe=2, stripes=2, free=UNEQUAL))
    restore = there.restore(point)

    with ThreadPoolExecutor(2) as threads:
        told = list(threads.map(lambda _: until_done(restore.stage, 50), range(2)))

    assert told[0] == told[1]
    for source, copy in zip(files(point), there.objects(BUCKET), strict=True):
        assert stored(there, "repository", source) == stored(there, BUCKET, copy)


def test_of_several_uploads_of_a_file_one_is_carried_on(there: Account, parts: list[int]) -> None:
    restore = there.restore(there.point(big(6)))
    there.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    key = f"{restore.prefix}1/01-full/s-01.bak"
    begun = sorted(there.s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"] for _ in range(3))

    until_done(restore.stage)

    left = [upload["UploadId"] for upload in there.s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]]
    assert sorted(left) == begun[1:]
    assert sorted(parts) == [1, 2]
    until_done(restore.remove)
    assert there.buckets() == []


def test_an_upload_that_another_invocation_ended_is_no_error(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(big(6)))
    complete = S3Backend.complete_multipart_upload

    def twice(backend: Any, bucket: str, upload: str, body: Any) -> Any:
        listed = list(body)
        complete(backend, bucket, upload, iter(listed))
        return complete(backend, bucket, upload, iter(listed))

    with monkeypatch.context() as patch:
        patch.setattr(S3Backend, "complete_multipart_upload", twice)
        with pytest.raises(NotReady, match="another invocation"):
            restore.stage()

    assert until_done(restore.stage)["objects"] == 1


def test_parts_of_another_plan_are_copied_again(there: Account, parts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    point = there.point(big(12))
    restore = there.restore(point)
    there.bounds = replace(there.bounds, staging_threads=1)
    copy = S3Backend.upload_part_copy
    with monkeypatch.context() as patch:
        patch.setattr(S3Backend, "upload_part_copy", lambda *a, **more: _died() if parts else copy(*a, **more))
        with pytest.raises(Died):
            restore.stage()

    there.bounds = replace(there.bounds, staging_part_bytes=6 * MIB)
    until_done(restore.stage)

    assert parts == [1, 1, 2, 3]
    (copied,) = there.objects(BUCKET)
    assert stored(there, BUCKET, copied) == stored(there, "repository", files(point)[0])


def test_what_is_staged_and_compared_is_not_looked_at_again(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(big(6)))
    until_done(restore.stage)
    asked = requests(monkeypatch)

    restore.stage()

    assert [name for service, name in asked if service == "s3"] == ["GetObject"]


def requests(patch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Service and operation of every request from now on."""
    asked: list[tuple[str, str]] = []
    through = BotocoreStubber.__call__

    def listen(stub: Any, event_name: str, request: Any, **more: Any) -> Any:
        _, service, operation = event_name.split(".")
        asked.append((service, operation))
        return through(stub, event_name, request, **more)

    patch.setattr(BotocoreStubber, "__call__", listen)
    return asked


def _died(*_: Any) -> None:
    raise Died("before the answer")


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


def again(restore: Staged, row: ResourceRow) -> None:
    """As if an invocation had not come to its end."""
    table, key = restore.ledger.table, f"RESOURCE#{row.kind}#{row.role}#{row.name}"
    table.write(table.update(restore.plan.restore_id, key, "SET #state = :state", state="INTENT"))


def flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[bytes], bytes]], None]:
    """S3 stores something else than it was asked to copy."""

    def install(change: Callable[[bytes], bytes]) -> None:
        put = S3Backend.put_object

        def spoilt(backend: Any, bucket_name: str, key_name: str, value: bytes, *more: Any, **named: Any) -> Any:
            changed = change(bytes(value)) if bucket_name == BUCKET else value
            return put(backend, bucket_name, key_name, changed, *more, **named)

        monkeypatch.setattr(S3Backend, "put_object", spoilt)

    return install


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


def with_damage(restore: Staged) -> Staged:
    drill = PlannedDrill(name="weekly", with_damage=True, point_made_at=datetime.now(UTC))
    return replace(restore, plan=restore.plan.model_copy(update={"drill": drill}))


SIZES = [Written(), big(5), big(6), big(12), big(21)]


@pytest.mark.parametrize("what", SIZES, ids=["small", "just over a part", "6 MiB", "12 MiB", "21 MiB"])
def test_damage_on_purpose_is_found_in_the_copy_and_the_original_stays(there: Account, what: Written) -> None:
    point = there.point(what)
    restore = with_damage(there.restore(point))
    [source] = files(point)
    before = stored(there, "repository", source)

    with pytest.raises(StagedCopyDiffers, match="S3 computed the checksum"):
        until_done(restore.stage)

    [(copy, length)] = there.objects(BUCKET).items()
    found = stored(there, BUCKET, copy)
    assert (length, found[1:], found[0] ^ before[0]) == (len(before), before[1:], 1)
    assert stored(there, "repository", source) == before
    assert there.uploads(BUCKET) == []


def test_damage_on_purpose_is_in_each_file_and_no_checksum_is_needed_to_find_it(there: Account) -> None:
    point = without_crc32(there, there.point(big(12, stripe=1, stripes=2, free=UNEQUAL), big(7, stripe=2, stripes=2, free=UNEQUAL)))
    restore = with_damage(there.restore(point))

    with pytest.raises(StagedCopyDiffers, match="isn't a native SQL Server backup"):
        until_done(restore.stage)

    assert [stored(there, BUCKET, key)[:4] for key in there.objects(BUCKET)] == [b"UAPE", b"UAPE"]


def test_damage_on_purpose_carries_on_where_an_invocation_stopped(there: Account, parts: list[int]) -> None:
    restore = with_damage(there.restore(there.point(big(21))))
    there.bounds = replace(there.bounds, staging_threads=1)
    stage_until(there, restore, lambda: len(parts) >= 2)

    with pytest.raises(StagedCopyDiffers):
        until_done(restore.stage)

    assert parts == [2, 3, 4, 5]


def test_damage_on_purpose_needs_a_file_that_can_be_read(there: Account) -> None:
    point = there.point(big(12))
    there.s3.delete_object(Bucket="repository", Key=files(point)[0])

    with pytest.raises(BackupDamaged, match="is no longer in the repository"):
        until_done(with_damage(there.restore(point)).stage)


def spoil_part(patch: pytest.MonkeyPatch, number: int, change: Callable[[bytes], bytes]) -> None:
    set_part = FakeMultipart.set_part
    patch.setattr(FakeMultipart, "set_part", lambda u, n, value: set_part(u, n, change(value) if n == number else value))


def without_crc32(there: Account, point: Manifest) -> Manifest:
    """As version 0.1 made points."""
    key = keys.manifest_key(INSTANCE, point.point_id)
    document = json.loads(stored(there, "repository", key))
    for one in document["nativeDatabases"][0]["backupSets"]:
        for file in one["files"]:
            del file["crc32"]
    there.s3.put_object(Bucket="repository", Key=key, Body=json.dumps(document).encode())
    return point


def test_the_remover_takes_everything_and_saw_it_gone(there: Account) -> None:
    restore = there.restore(there.point(big(6), LOG))
    until_done(restore.stage)

    until_done(restore.remove)

    assert there.buckets() == []
    for kind in ("bucket", "staged-objects"):
        row = restore.row(kind)
        assert row.state == "DELETED"
        assert row.seen_absent_at
    assert restore.remove() == {}


def test_a_bucket_that_is_still_there_is_not_called_gone(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(Written()))
    until_done(restore.stage)

    with monkeypatch.context() as patch:
        patch.setattr(S3Backend, "delete_bucket", S3Backend.get_bucket)
        with pytest.raises(NotReady, match="to be gone"):
            restore.remove()

    assert restore.row("bucket").state == "CREATED"
    until_done(restore.remove)
    assert there.buckets() == []


def test_versions_uploads_and_strangers_objects_do_not_keep_the_bucket(there: Account) -> None:
    restore = there.restore(there.point(big(6)))
    until_done(restore.stage)
    there.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for key in (f"{restore.prefix}1/01-full/s-01.bak", "somebody/else"):
        there.s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
        there.s3.put_object(Bucket=BUCKET, Key=key, Body=b"2")
        there.s3.delete_object(Bucket=BUCKET, Key=key)
        there.s3.create_multipart_upload(Bucket=BUCKET, Key=key)

    until_done(restore.remove)

    assert there.buckets() == []


def test_a_restore_that_staged_nothing_is_removed_by_the_ledger_alone(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(Written()))
    asked = requests(monkeypatch)

    assert restore.remove() == {}

    # And the bus is told that the state began.
    assert {service for service, _ in asked} == {"dynamodb", "eventbridge"}


def test_one_restore_ends_while_another_still_reads(there: Account) -> None:
    other_role = ROLE + "-of-another-instance"
    point = there.point(big(6), LOG)
    first, second = there.restore(point), there.restore(point, "restore-2", other_role)
    until_done(first.stage)
    until_done(second.stage)

    until_done(first.remove)

    assert {key.split("/")[0] for key in there.objects(BUCKET)} == {second.plan.restore_id}
    policy = there.s3.get_bucket_policy(Bucket=BUCKET)["Policy"]
    assert other_role in policy
    assert first.plan.restore_id not in policy
    assert first.row("bucket").seen_absent_at is None
    assert second.plan.restore_id in (first.row("bucket").note or "")
    assert first.row("staged-objects").seen_absent_at
    until_done(second.remove)
    assert there.buckets() == []
    third = there.restore(point, "restore-3")
    assert until_done(third.stage)["bucket"] == bucket_name(2)


@pytest.mark.parametrize("lost", ["CreateBucket", "PutBucketPolicy", "CreateMultipartUpload", "UploadPartCopy", "CompleteMultipartUpload"])
def test_who_dies_after_any_request_is_carried_on_and_removed(there: Account, monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    restore = there.restore(there.point(big(6)))
    dead = threading.Event()
    through = BotocoreStubber.__call__

    def dying(stub: Any, event_name: str, request: Any, **more: Any) -> Any:
        answer = through(stub, event_name, request, **more)
        if event_name.endswith(f".{lost}") and not dead.is_set():
            dead.set()
            raise Died("after the request")
        return answer

    monkeypatch.setattr(BotocoreStubber, "__call__", dying)
    with pytest.raises(Died):
        restore.stage()

    assert until_done(restore.stage)["objects"] == 1
    until_done(restore.remove)
    assert there.buckets() == []


def test_the_remover_waits_for_an_invocation_that_did_not_end_properly(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(big(6)))
    there.bounds = replace(there.bounds, visible_after=150)
    with monkeypatch.context() as patch:
        patch.setattr(S3Backend, "create_multipart_upload", _died)
        with pytest.raises(Died):
            restore.stage()

    for _ in range(2):
        with pytest.raises(NotReady, match="did not end properly"):
            restore.remove()


def test_the_remover_waits_for_nobody_after_invocations_that_ended(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(big(6)))
    there.bounds = replace(there.bounds, visible_after=150)
    until_done(restore.stage)

    restore.remove()

    assert there.buckets() == []


def test_a_restore_that_closes_stages_nothing_more(there: Account) -> None:
    restore = there.restore(there.point(Written()))
    restore.ledger.advance("CLOSING")

    with pytest.raises(RestoreClosed):
        restore.stage()

    assert there.buckets() == []
    assert restore.ledger.rows() == ()
