"""Restore points as they lie in the repository: which there are, and what each one's manifest says.

Making them is `dbrestore.points.pgdump.adding`. Imported by the functions, whose layer has none of the libraries that read dumps.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from botocore.exceptions import ClientError

from dbrestore.contract import keys
from dbrestore.contract.errors import BackupArchived, RestorePointNotFound
from dbrestore.contract.manifest import Manifest
from dbrestore.points import manifest_reading
from dbrestore.points.manifest_reading import Stored

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

LATEST: Final = "latest"


@dataclass(frozen=True)
class PointName:
    """A restore point in a listing. `written_at` is when its manifest was written."""

    instance: str
    point_id: str
    written_at: datetime


def list_points(s3: "S3Client", bucket: str, instance: str | None = None) -> tuple[PointName, ...]:
    """The whole points of one instance or of all, oldest first within an instance; empty if there are none."""
    prefix = f"{keys.segment(instance)}/" if instance is not None else ""
    return tuple(sorted(_points(s3, bucket, prefix), key=lambda p: (p.instance, p.point_id)))


def load(s3: "S3Client", bucket: str, instance: str, point: str = LATEST) -> Manifest:
    """The manifest of a point, by its id or `latest`; raises what `find` does."""
    return find(s3, bucket, instance, point).manifest


def find(s3: "S3Client", bucket: str, instance: str, point: str = LATEST, expected: str | None = None) -> Stored:
    """The manifest of a point, by its id or `latest`, with its SHA-256. Raises RestorePointNotFound with what there is, BackupDamaged if it
    can't be read or doesn't have the `expected` SHA-256, BackupArchived if S3 keeps it in an archive."""
    if point == LATEST:
        found = list_points(s3, bucket, instance)
        if not found:
            raise no_point_of(s3, bucket, instance)
        point = found[-1].point_id
    try:
        return manifest_reading.fetch(s3, bucket, keys.manifest_key(instance, point), expected)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code == "InvalidObjectState":
            raise _archived_manifest(bucket, instance, point) from error
        if code != "NoSuchKey":
            raise
        raise _no_point(s3, bucket, instance, point) from error


def no_point_of(s3: "S3Client", bucket: str, instance: str) -> RestorePointNotFound:
    """The error for an instance without a point, with the instances that have one."""
    instances = sorted({p.instance for p in list_points(s3, bucket)})
    if not instances:
        return RestorePointNotFound(
            "the repository holds no restore point yet: make one with `dbrestore points add`; `dbrestore points discover s3://BUCKET` says "
            "what could be one of what lies in S3 already"
        )
    near = difflib.get_close_matches(instance, instances, n=3)
    return RestorePointNotFound(
        f"the repository has no restore point of {instance!r}{_did_you_mean(near)}; it has points of {_some(instances)}"
    )


def _points(s3: "S3Client", bucket: str, prefix: str) -> Iterator[PointName]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            match item["Key"].split("/"):
                case [instance, point_id, keys.MANIFEST]:
                    yield PointName(unquote(instance), unquote(point_id), item["LastModified"])


def _archived_manifest(bucket: str, instance: str, point: str) -> BackupArchived:
    return BackupArchived(
        f"s3://{bucket}/{keys.manifest_key(instance, point)} is archived, and nothing can be planned without it: retrieve it with S3 "
        "RestoreObject, copy it onto itself into STANDARD, and keep manifests out of the lifecycle rule (a manifest is small; a rule can "
        "set a minimum size)"
    )


def _no_point(s3: "S3Client", bucket: str, instance: str, point: str) -> RestorePointNotFound:
    ids = [p.point_id for p in list_points(s3, bucket, instance)]
    if not ids:
        return no_point_of(s3, bucket, instance)
    near = difflib.get_close_matches(point, ids, n=3)
    return RestorePointNotFound(f"{instance!r} has no restore point {point!r}{_did_you_mean(near)}; it has {_some(ids[::-1])}")


def _did_you_mean(near: list[str]) -> str:
    return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""


def _some(names: list[str], most: int = 10) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
