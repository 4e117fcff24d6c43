"""The files of one restore point, read once from end to end: checked, cut if they hold more than one backup set, and stored.

Invariant: nothing is stored of a file whose bytes are not what its checksums say. Once one is damaged the others are still checked, so that
all damage is told at once, and not stored.
"""

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable, RestoreError
from dbrestore.contract.manifest import NativeChecks, StoredFile
from dbrestore.points.known_digests import KnownDigests
from dbrestore.points.multipart import SMALLEST_PART, MultipartUpload, part_size
from dbrestore.points.sqlserver.cut import PIECE, Cut, cut
from dbrestore.points.sqlserver.damage import file as native_damage
from dbrestore.points.sqlserver.damage.file import DamageCheck, StripeChecks
from dbrestore.points.sqlserver.file import NativeFile, inspect
from dbrestore.points.sqlserver.given import opened
from dbrestore.points.sqlserver.marks import ReadRange
from dbrestore.points.sqlserver.sets import Complaint, Stripe, StripedSet
from dbrestore.points.unfinished_point import Meter, StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# Each holds four parts of its upload; those of files beyond 72 GiB grow, so these are sent one after another.
_AT_ONCE: Final = 4


@dataclass
class Storing:
    """Where to, and what came of it so far."""

    s3: "S3Client"
    bucket: str
    meter: Meter
    stored: list[StoredObject]
    digests: dict[str, KnownDigests]
    complaints: list[Complaint] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def backup_set(self, one: StripedSet, prefix: str) -> tuple[tuple[StoredFile, ...], NativeChecks | None]:
        """Store all stripes as `<prefix>-<n>-of-<N>.bak`. None, and a complaint more, if one of them is damaged."""
        keys = [f"{prefix}-{n}-of-{len(one.stripes)}.bak" for n in range(1, len(one.stripes) + 1)]
        results = [result for result in self._each(one.stripes, keys) if result]
        if len(results) < len(keys):
            return (), None
        try:
            checks = native_damage.whole([checked for _, checked in results])
        except BackupDamaged as error:
            self.complaints.append((one.names, type(error), str(error)))
            return (), None
        return tuple(file for file, _ in results), checks

    def _each(self, stripes: Sequence[Stripe], keys: list[str]) -> list[tuple[StoredFile, StripeChecks] | None]:
        large = any(part_size(stripe.file.length) > SMALLEST_PART for stripe in stripes)
        with ThreadPoolExecutor(1 if large else _AT_ONCE, thread_name_prefix="stripe") as threads:
            running = [threads.submit(self._file, stripe, key) for stripe, key in zip(stripes, keys, strict=True)]
            try:
                return [future.result() for future in running]
            except BaseException:
                self.is_over.set()
                raise

    def _file(self, stripe: Stripe, key: str) -> tuple[StoredFile, StripeChecks] | None:
        try:
            with opened(Path(stripe.file.name)) as (length, read):
                _require_length(stripe.file.length, length)
                _require_same(stripe.file, read)
                part = cut(stripe.file, stripe.placed, read)
                if self.complaints:
                    self._checked(stripe, part.pieces(read))
                    return None
                stored = self._stored(stripe, key, part, read)
                _require_length(stripe.file.length, os.stat(stripe.file.name).st_size)
                return stored
        except RestoreError as error:
            self.complaints.append((stripe.name, type(error), str(error)))
            return None

    def _stored(self, stripe: Stripe, key: str, part: Cut, read: ReadRange) -> tuple[StoredFile, StripeChecks]:
        with MultipartUpload(self.s3, self.bucket, key, part.length) as upload:
            checked = self._checked(stripe, _noted(part.pieces(read), upload))
            self._require_known(stripe.file, upload.sha256 if part.length == stripe.file.length else None, read)
            upload.complete()
        self.stored.append(StoredObject(key, upload.version_id))
        return StoredFile(key=key, length=upload.length, sha256=upload.sha256, crc32=upload.crc32), checked

    def _checked(self, stripe: Stripe, pieces: Iterator[bytes]) -> StripeChecks:
        check = DamageCheck(stripe.name, stripe.header)
        try:
            for piece in pieces:
                if self.is_over.is_set():
                    raise BackupUnreadable("was not read to its end, because another file could not be")
                check.feed(piece)
                with self._one_at_a_time:
                    self.meter.add(len(piece), stripe.file.name)
            return check.finish()
        except BackupDamaged as error:
            if not (away := stripe.moved_by):
                raise
            raise BackupDamaged(f"{error} (bytes are counted in the set alone: it stands {away:,} bytes later)") from error

    def _require_known(self, file: NativeFile, found: str | None, read: ReadRange) -> None:
        """The digest that somebody knows is of the whole file; of one that is cut all of it is read for that."""
        if known := self.digests.get(file.name):
            known.require(Path(file.name).name, found or _sha256(file.length, read))


def _noted(pieces: Iterator[bytes], upload: MultipartUpload) -> Iterator[bytes]:
    for piece in pieces:
        upload.write(piece)
        yield piece


def _sha256(length: int, read: ReadRange) -> str:
    digest = hashlib.sha256()
    for offset in range(0, length, PIECE):
        digest.update(read(offset, PIECE))
    return digest.hexdigest()


def _require_same(file: NativeFile, read: ReadRange) -> None:
    """A job that writes over yesterday's file may do so between the two."""
    if inspect(file.name, file.length, read) != file:
        raise BackupDamaged("is another backup than the one that was judged: wait until it is written, then add it again")


def _require_length(judged: int, found: int) -> None:
    if found != judged:
        raise BackupDamaged(f"had {judged:,} bytes when it was judged and {found:,} when it was read: wait until it is written")
