"""Damage on purpose: the repository as it would be read if one bit of each dump had changed.

It shows that a drill can fail. The stored files stay as they are; everything above the reading of S3 meets the damage as if it were theirs.
"""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from dbrestore.contract.manifest import DatabaseBackup
from dbrestore.points.ranges import CHUNK

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def damaged(s3: "S3Client", backups: Iterable[DatabaseBackup]) -> "S3Client":
    """The client, in whose answers one bit in the middle of each dump's largest stored member is another."""
    return cast("S3Client", _Damaged(s3, dict(map(_spot, backups))))


def _spot(backup: DatabaseBackup) -> tuple[str, int]:
    """The key of a file, and the position in it."""
    members = [table.stored for table in backup.tables] + [objects.stored for objects in backup.large_objects]
    if not members:
        return _key(backup, 0), backup.files[0].length // 2
    largest = max(members, key=lambda stored: stored.length)
    return _key(backup, largest.file), largest.offset + largest.length // 2


def _key(backup: DatabaseBackup, number: int) -> str:
    return backup.files[number].place("").key


@dataclass(frozen=True)
class _Damaged:
    s3: "S3Client"
    spots: Mapping[str, int]

    def get_object(self, **request: Any) -> Any:
        """As S3 answers it, ranges included."""
        answer: dict[str, Any] = {**self.s3.get_object(**request)}
        begin = int(request.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        spot = self.spots.get(request["Key"], -1) - begin
        if 0 <= spot < answer["ContentLength"]:
            answer["Body"] = _Body(answer["Body"], spot)
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.s3, name)


class _Body(io.RawIOBase):
    def __init__(self, body: Any, spot: int) -> None:
        super().__init__()
        self._body, self._left = body, spot

    def read(self, size: int = CHUNK) -> bytes:
        """The next bytes, with the bit changed when they hold it."""
        piece = bytearray(self._body.read(size))
        if 0 <= self._left < len(piece):
            piece[self._left] ^= 1
        self._left -= len(piece)
        return bytes(piece)

    def close(self) -> None:
        """End the answer."""
        self._body.close()
        super().close()
