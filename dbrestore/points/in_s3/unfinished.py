"""What is being made of objects in S3, so that a run that was broken off is carried on and not begun anew.

    <repository>/.unfinished/<instance>/<first point id>.json

It is written before the first copy and deleted when the manifests are there; what nobody carries on is removed by the daily look of
`lambdas.closing.abandoned_points`. Invariant: it makes no point visible, and the same objects, as they are now, find it again.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pydantic import AwareDatetime, Field, ValidationError

from dbrestore.contract import keys
from dbrestore.contract.document import Document
from dbrestore.contract.errors import InternalContradiction
from dbrestore.contract.manifest import ArchiveFormat, StoredFile
from dbrestore.points.in_s3.source import PinnedObject

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# No instance has a name that begins so.
FOLDER: Final = ".unfinished/"


def key(instance: str, point_id: str) -> str:
    """Where the note of points lies of which this is the first."""
    return f"{FOLDER}{keys.segment(instance)}/{keys.segment(point_id)}.json"


class DumpFiles(Document):
    """One dump as it lies in the repository: one file, or those of a directory with toc.dat first. `names` are what they are called in the
    directory, `name` the database's; `sha256` what whoever added a file says of it."""

    name: str
    format: ArchiveFormat
    files: tuple[StoredFile, ...]
    names: tuple[str, ...]
    sha256: str | None = None

    @property
    def length(self) -> int:
        """Bytes of all files."""
        return sum(file.length for file in self.files)


class Heading(Document):
    """Of which points a note is, and when these were begun. That of a hundred thousand files takes a third of the note's memory."""

    instance: str
    begun_at: AwareDatetime
    point_ids: tuple[str, ...]

    @property
    def key(self) -> str:
        """Where the note lies."""
        return key(self.instance, self.point_ids[0])

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Where everything of the points lies."""
        return tuple(keys.point_prefix(self.instance, point_id) for point_id in self.point_ids)


class Unfinished(Heading):
    """Points of one instance in the making. `settings` is what else decides what becomes of the objects; `dumps` are what a worker reads,
    of PostgreSQL alone. `ordered`: the execution that reads them has them copied first (`dbrestore.points.in_s3.ordered`), else they lie
    there; `requester_pays` is of the bucket that they come from then."""

    objects: tuple[PinnedObject, ...]
    settings: dict[str, str] = Field(default={})
    dumps: tuple[DumpFiles, ...] = ()
    ordered: bool = False
    requester_pays: bool = False


def found(
    s3: "S3Client", bucket: str, instance: str, objects: Sequence[PinnedObject], settings: dict[str, str], points: int
) -> Unfinished | None:
    """What was begun of exactly these objects, and not ended; the newest of several."""
    wanted = tuple(objects), settings, points
    # One note after the other, because each may be of a hundred thousand objects.
    same = (one for one in every(s3, bucket, instance) if (one.objects, one.settings, len(one.point_ids)) == wanted)
    return max((one for one in same if not _is_made(s3, bucket, one)), key=lambda one: one.point_ids, default=None)


def _is_made(s3: "S3Client", bucket: str, one: Unfinished) -> bool:
    """Whether it has a manifest: then only the note was left, and the same objects become another point."""
    at = keys.manifest_key(one.instance, one.point_ids[0])
    return any(item["Key"] == at for item in s3.list_objects_v2(Bucket=bucket, Prefix=at, MaxKeys=1).get("Contents", []))


def write(s3: "S3Client", bucket: str, one: Unfinished) -> None:
    """Note what is begun."""
    s3.put_object(Bucket=bucket, Key=one.key, Body=one.to_json().encode(), ContentType="application/json", ChecksumAlgorithm="CRC32")


def read(s3: "S3Client", bucket: str, at: str) -> Unfinished:
    """The note under this key. Raises InternalContradiction for one that another version wrote, or somebody's hand."""
    try:
        return Unfinished.from_json(s3.get_object(Bucket=bucket, Key=at)["Body"].read())
    except ValidationError as error:
        raise InternalContradiction(f"s3://{bucket}/{at} can't be read: delete it, and add the backups again") from error


def every(s3: "S3Client", bucket: str, instance: str | None = None) -> Iterator[Unfinished]:
    """What is unfinished of an instance or of all; notes that can't be read are passed over."""
    for at in _keys(s3, bucket, f"{FOLDER}{keys.segment(instance)}/" if instance is not None else FOLDER):
        with suppress(InternalContradiction):
            yield read(s3, bucket, at)


def headings(s3: "S3Client", bucket: str) -> Iterator[Heading]:
    """Those of all notes, whatever version wrote them; what has none is passed over."""
    for at in _keys(s3, bucket, FOLDER):
        with suppress(ValidationError):
            yield Heading.from_json_of_any_version(s3.get_object(Bucket=bucket, Key=at)["Body"].read())


def _keys(s3: "S3Client", bucket: str, prefix: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (item["Key"] for item in page.get("Contents", []))
