"""Dumps in a declared place, the order of the command, and what lies in the repository afterwards."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto.s3.models import S3Backend

from dbrestore.points.in_s3 import postgresql
from dbrestore.points.in_s3.copying import Repository
from dbrestore.points.in_s3.source import Source
from dbrestore.points.in_s3.unfinished import Unfinished
from tests.statemachine.test_added_points import really_read
from tests.statemachine.world import INSTANCE, REGION, World
from tests.unit.points.pgdump import archives

BUCKET = "team-backups"
MIB = 1 << 20
SHOP = archives.shop("none")
LARGE = archives.custom(replace(SHOP, rows={**SHOP.rows, 20: b"1\tx\n" * (11 * MIB // 4)}))
WAY = ("CopyDumps", "DeployWorker", "ReadDumps")
CLEARING = ("DiscardUnfinishedDatabases", "RemoveWorker", "UnpairSecurityGroups", "RemoveStagingBucket", "RemoveCopies", "CloseRestore")


def put(*bodies: bytes, versions: bool = True) -> None:
    """As `0.dump` and so on, in a bucket that keeps versions or none."""
    s3 = boto3.client("s3")
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    if versions:
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for number, body in enumerate(bodies):
        s3.put_object(Bucket=BUCKET, Key=f"{number}.dump", Body=body)


def ordered_of(*bodies: bytes, versions: bool = True, **more: Any) -> Unfinished:
    """What the command leaves where the execution copies."""
    put(*bodies, versions=versions)
    return again(len(bodies), **more)


def again(dumps: int = 1, **more: Any) -> Unfinished:
    """The same command."""
    s3 = boto3.client("s3")
    pairs = [(f"db{number}", f"{number}.dump") for number in range(dumps)]
    places = (f"s3://{BUCKET}/",)
    return postgresql.prepare(Source(s3, BUCKET), Repository(s3, "repository"), INSTANCE, pairs, copied_from=places, **more)


def lies(note: Unfinished) -> list[str]:
    """Everything of the point in the repository: objects, uploads, the note; without their prefix."""
    s3, prefix = boto3.client("s3"), note.prefixes[0]
    found = [item["Key"] for item in s3.list_objects_v2(Bucket="repository", Prefix=prefix).get("Contents", [])]
    found += [f"upload of {item['Key']}" for item in s3.list_multipart_uploads(Bucket="repository", Prefix=prefix).get("Uploads", [])]
    notes = [item["Key"] for item in s3.list_objects_v2(Bucket="repository", Prefix=note.key).get("Contents", [])]
    return [key.replace(prefix, "") for key in found] + ["note" for _ in notes]


WHOLE = ["db0/dump.pgdump", "manifest.json"]
LATER = ["db0/dump.pgdump", "note"]


def copies_row(world: World) -> dict[str, Any]:
    [row] = [row for row in world.report()["resources"] if row["kind"] == "dump-copies"]
    return dict(row)


@pytest.fixture
def reading(world: World) -> World:
    """Where parts are as small as S3 lets them be, one after the other."""
    world.worker.behaviour["read"] = really_read
    world.bounds = replace(world.bounds, staging_part_bytes=5 * MIB, staging_threads=1)
    return world


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of parts that S3 copied, in the order of copying."""
    numbers: list[int] = []
    copy = S3Backend.upload_part_copy

    def copied(backend: Any, bucket: str, upload: str, number: int, **source: Any) -> Any:
        numbers.append(number)
        return copy(backend, bucket, upload, number, **source)

    monkeypatch.setattr(S3Backend, "upload_part_copy", copied)
    return numbers
