"""The S3 side of a restore task: which objects an ARN means, and what SQL Server makes of them.

Really reads the staged objects, two ranges each, and says why RDS would refuse them. Invariant: the headers decide; nothing is believed
because of a file's name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from dbrestore.contract.errors import BackupUnreadable, RestoreError
from dbrestore.contract.sqlserver_errors import (
    BackupEncrypted,
    MediaPasswordSet,
    NotANativeBackup,
    SystemDatabaseRefused,
)
from dbrestore.points.sqlserver import file as native_file
from dbrestore.points.sqlserver.file import NativeFile
from dbrestore.points.sqlserver.header import BackupSet, NativeHeader
from localcloud.sqlserver.texts import text

# A header that is encrypted doesn't show the real one.
THUMBPRINT: Final = "0x" + "5A" * 20
_MOST_FILES: Final = 10
_CAUSES: Final[dict[type[RestoreError], str]] = {
    NotANativeBackup: "not-a-backup",
    BackupEncrypted: "no-certificate",
    MediaPasswordSet: "password",
    SystemDatabaseRefused: "system-backup",
}


class NoSuchBucket(Exception):
    """S3 has no bucket of that name."""


class NoSuchKey(Exception):
    """The bucket has no such object."""


class AccessDenied(Exception):
    """The option's role may not read it."""


class OtherRegion(Exception):
    """The bucket is in another Region than the instance."""


class S3Reader(Protocol):
    """What RDS reads with the option's role. Each raises NoSuchBucket, NoSuchKey, AccessDenied or OtherRegion."""

    def keys(self, bucket: str, prefix: str) -> Sequence[str]:
        """All keys under the prefix, in order."""
        ...

    def length(self, bucket: str, key: str) -> int:
        """Bytes of the object."""
        ...

    def read(self, bucket: str, key: str, offset: int, count: int) -> bytes:
        """`count` bytes from `offset`."""
        ...


class TaskFailed(Exception):
    """Why a task ends in ERROR: a line of `task_info`."""


def failed(key: str, *, command: str = "RESTORE FILELIST", **values: object) -> TaskFailed:
    """By a text's key. What the engine says is followed by the statement of RDS's that failed."""
    cause = text(key)
    line = cause.line(**values)
    return TaskFailed(f"{line} {text('terminated').line(command=command)}" if cause.number else line)


@dataclass(frozen=True)
class Place:
    """`arn:aws:s3:::bucket/key`, or all objects whose key begins so if it ends in `*`."""

    bucket: str
    key: str
    is_prefix: bool


@dataclass(frozen=True)
class Source:
    """A backup set that can be restored: all its files, by name."""

    files: tuple[str, ...]
    header: NativeHeader

    @property
    def backup_set(self) -> BackupSet:
        """What the files say about the backup."""
        return self.header.backup_set


def parse(arn: str) -> Place | None:
    """None for what is no ARN of an S3 object."""
    head, colons, path = arn.partition(":s3:::")
    bucket, slash, key = path.partition("/")
    if not (head.startswith("arn:") and colons and bucket and slash and key):
        return None
    return Place(bucket, key.removesuffix("*"), key.endswith("*"))


def objects(s3: S3Reader, place: Place) -> Sequence[str]:
    """The keys to restore from. Raises TaskFailed."""
    try:
        keys = s3.keys(place.bucket, place.key)
    except NoSuchBucket as error:
        raise failed("no-bucket") from error
    except AccessDenied as error:
        raise failed("access-denied") from error
    except OtherRegion as error:
        raise failed("wrong-region") from error
    found = keys if place.is_prefix else [key for key in keys if key == place.key]
    if not found:
        raise failed("wrong-object")
    if len(found) > _MOST_FILES:
        raise failed("too-many-files")
    return found


def read(s3: S3Reader, place: Place, keys: Sequence[str]) -> Source:
    """The backup set that the objects are. Raises TaskFailed."""
    files = [_file(s3, place.bucket, key) for key in keys]
    for file in files:
        _require_readable(file)
    headers = [(file.name, file.header) for file in files if file.header]
    _require_one_set(headers)
    return Source(tuple(file.name for file in files), headers[0][1])


def _file(s3: S3Reader, bucket: str, key: str) -> NativeFile:
    name = key.rpartition("/")[2]
    try:
        return native_file.inspect(name, s3.length(bucket, key), lambda offset, count: s3.read(bucket, key, offset, count))
    except NoSuchKey as error:
        raise failed("wrong-object") from error
    except AccessDenied as error:
        raise failed("access-denied") from error


def _require_readable(file: NativeFile) -> None:
    if not file.length:
        raise failed("empty-file", file=file.name)
    for kind, _ in file.problems:
        # Of several sets in a file RDS restores the first; what kind that is, the task judges.
        if file.header is None or kind is not BackupUnreadable:
            raise failed(_CAUSES.get(kind, "damaged"), file=file.name, thumbprint=THUMBPRINT)


def _require_one_set(headers: list[tuple[str, NativeHeader]]) -> None:
    first = headers[0][1]
    seen: dict[int, str] = {}
    for name, header in headers:
        if (header.media_set_id, header.backup_set.id) != (first.media_set_id, first.backup_set.id):
            raise failed("foreign-stripe", file=name)
        if header.stripe in seen:
            raise failed("stripe-twice", file=name, stripe=header.stripe, other=seen[header.stripe])
        seen[header.stripe] = name
    if len(seen) < first.stripes:
        raise failed("stripes-missing", announced=first.stripes, given=len(seen))
