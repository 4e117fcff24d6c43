"""What is being made of objects in S3, so that a run that was broken off is carried on and not begun anew.

    <repository>/<instance>/<first point id>/unfinished.json

It is written before the first copy and deleted when the manifests are there. Invariant: it makes no point visible, and the same objects,
as they are now, find it again.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pydantic import AwareDatetime, Field, ValidationError

from dbrestore.contract import keys
from dbrestore.contract.document import Document
from dbrestore.points.in_s3.source import PinnedObject

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

NAME: Final = "unfinished.json"


class Unfinished(Document):
    """Points of one instance in the making. `settings` is what else decides what becomes of the objects."""

    instance: str
    begun_at: AwareDatetime
    point_ids: tuple[str, ...]
    objects: tuple[PinnedObject, ...]
    settings: dict[str, str] = Field(default={})

    @property
    def key(self) -> str:
        """Where it lies."""
        return keys.point_prefix(self.instance, self.point_ids[0]) + NAME

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Where everything of it lies."""
        return tuple(keys.point_prefix(self.instance, point_id) for point_id in self.point_ids)


def found(
    s3: "S3Client", bucket: str, instance: str, objects: Sequence[PinnedObject], settings: dict[str, str], points: int
) -> Unfinished | None:
    """What was begun of exactly these objects, and not ended; the newest of several."""
    for key in sorted(_keys(s3, bucket, instance), reverse=True):
        try:
            one = Unfinished.from_json(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except ValidationError:
            # Another version's, or nobody's: what lies beside it is none of ours to carry on.
            continue
        if one.objects == tuple(objects) and one.settings == settings and len(one.point_ids) == points:
            return one
    return None


def write(s3: "S3Client", bucket: str, one: Unfinished) -> None:
    """Note what is begun."""
    s3.put_object(Bucket=bucket, Key=one.key, Body=one.to_json().encode(), ContentType="application/json", ChecksumAlgorithm="CRC32")


def _keys(s3: "S3Client", bucket: str, instance: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{keys.segment(instance)}/")
    return [item["Key"] for page in pages for item in page.get("Contents", []) if item["Key"].endswith(f"/{NAME}")]
