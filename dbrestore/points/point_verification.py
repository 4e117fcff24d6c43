"""The stored files of a restore point against its manifest: as S3 describes them, or byte by byte.

A file is what was added if it has its length and the checksum that S3 keeps is the manifest's. Read deeply, every byte is: its SHA-256 is
computed anew and, for native backups, everything that `points add` checks.
"""

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from botocore.exceptions import ClientError

from dbrestore.contract.errors import BackupDamaged, RestoreError
from dbrestore.contract.manifest import ByteRange, DatabaseBackup, Engine, Manifest, NativeDatabaseBackup, StoredFile
from dbrestore.points.in_s3.refusals import explained
from dbrestore.points.sqlserver.file import inspect
from dbrestore.points.unfinished_point import Meter, Progress

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

    from dbrestore.points.sqlserver.damage.file import StripeChecks

Backup = DatabaseBackup | NativeDatabaseBackup
State = Literal["ok", "damaged", "missing", "archived"]
PIECE: Final = 1 << 20

_MISSING: Final = ("404", "NoSuchKey", "NoSuchVersion", "NotFound")
# Of a version: what can't be an id of one, or is a delete marker's.
_NO_VERSION: Final = ("400", "405", "MethodNotAllowed")


@dataclass(frozen=True)
class Verdict:
    """What was found of one file, or of one backup set by the key of its first file. `sentence` begins with a verb. `is_archived`: a
    restore retrieves the file first; `lost` are tables whose rows are damaged, as far as the file was read for that."""

    key: str
    state: State
    sentence: str
    is_archived: bool = False
    lost: tuple[str, ...] = ()


def shallow(s3: "S3Client", bucket: str, manifest: Manifest) -> Iterator[Verdict]:
    """By what S3 says of each file; nothing is read."""
    for file in _files(manifest):
        yield _described(s3, bucket, file)


def deep(s3: "S3Client", bucket: str, manifest: Manifest, progress: Progress) -> Iterator[Verdict]:
    """By every byte of each file that isn't archived. `progress` gets (bytes done, bytes in all, the key being read)."""
    meter = Meter(sum(file.length for file in _files(manifest)), progress)
    reader = _Reader(s3, bucket, meter)
    judged = ENGINES[manifest.engine]
    for database in manifest.backups:
        yield from judged(reader, database)


def _files(manifest: Manifest) -> list[StoredFile]:
    return [file for database in manifest.backups for file in database.files]


def _described(s3: "S3Client", bucket: str, file: StoredFile) -> Verdict:
    told = _present(s3, bucket, file)
    if isinstance(told, Verdict):
        return told
    state, sentence = _by_checksum(file, told)
    if not _is_archived(told):
        return Verdict(file.key, state, sentence)
    return Verdict(file.key, state, f"{sentence}; is archived ({told.get('StorageClass')}): a restore retrieves it first", is_archived=True)


def _is_archived(told: "HeadObjectOutputTypeDef") -> bool:
    is_readable = 'ongoing-request="false"' in told.get("Restore", "")
    return not is_readable and (told.get("StorageClass") in ("GLACIER", "DEEP_ARCHIVE") or "ArchiveStatus" in told)


def _present(s3: "S3Client", bucket: str, file: StoredFile) -> "HeadObjectOutputTypeDef | Verdict":
    """What S3 says of a file of the right length, or what is wrong with it."""
    try:
        told = s3.head_object(**file.place(bucket).arguments, ChecksumMode="ENABLED")
    except ClientError as error:
        if error.response["Error"]["Code"] not in (*_MISSING, *(_NO_VERSION if file.reference else ())):
            raise (explained(error, str(file.reference.place)) if file.reference else error) from error
        return Verdict(file.key, "missing", f"{_why_missing(error, file)}: choose another restore point")
    if file.reference and told["ETag"] != file.reference.etag:
        return Verdict(file.key, "damaged", f"has the ETag {told['ETag']}, and the manifest says {file.reference.etag}")
    if told["ContentLength"] == file.length:
        return told
    return Verdict(file.key, "damaged", f"has {told['ContentLength']:,} bytes, and the manifest says {file.length:,}")


def _why_missing(error: ClientError, file: StoredFile) -> str:
    if file.reference:
        return f"is gone: somebody deleted {file.reference.place}"
    headers = error.response["ResponseMetadata"].get("HTTPHeaders", {})
    hidden = headers.get("x-amz-delete-marker") == "true"
    return "is hidden by a delete marker: S3 may still have its versions" if hidden else "is not in the repository"


def _by_checksum(file: StoredFile, told: "HeadObjectOutputTypeDef") -> tuple[State, str]:
    found, sha256 = told.get("ChecksumCRC32", ""), told.get("ChecksumSHA256", "")
    # Of an upload in parts it may be one over the parts' checksums (`...-<parts>`): points made before 0.3 have it.
    is_of_parts = told.get("ChecksumType") == "COMPOSITE" or "-" in found + sha256
    same: bool | None = None
    if sha256 and file.sha256 and not is_of_parts:
        same = base64.b64decode(sha256).hex() == file.sha256
    elif found and file.crc32 and not is_of_parts:
        same = found == file.crc32
    if same is None and file.reference:
        return "ok", "is the version that was added, with its length and ETag"
    if same is None:
        return "ok", "has its length; S3 keeps no checksum of it that can be compared: read it with --deep"
    return ("ok", "has its length and its checksum") if same else ("damaged", "has a different checksum than the manifest says")


class _Reader:
    """Reads files from end to end, each piece once."""

    def __init__(self, s3: "S3Client", bucket: str, meter: Meter) -> None:
        self._s3, self._bucket, self._meter = s3, bucket, meter

    def judged(self, file: StoredFile, read: Callable[[StoredFile], object]) -> Verdict:
        """What `read` finds, unless S3 has no bytes to give."""
        present = _present(self._s3, self._bucket, file)
        if isinstance(present, Verdict):
            return present
        try:
            read(file)
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidObjectState":
                raise
            return Verdict(file.key, "archived", "is archived, so it can't be read: a restore retrieves it first", is_archived=True)
        except RestoreError as error:
            return Verdict(file.key, "damaged", str(error))
        return Verdict(file.key, "ok", "is what was added, byte by byte")

    def digest(self, file: StoredFile) -> None:
        """Raises BackupDamaged unless the bytes have the manifest's digest."""
        digest = _Digest()
        for piece in self._pieces(file):
            digest.update(piece)
        digest.require(file)

    def lost_tables(self, database: DatabaseBackup, number: int) -> Iterator[str]:
        """The tables whose rows in this file, the `number`-th of the database, aren't what the manifest says; read table by table."""
        file = database.files[number]
        for member in database.tables:
            stored = member.stored
            if stored.file == number and stored.length and self._digest_of(file, stored) != stored.sha256:
                yield f"{member.schema_name}.{member.table}"

    def checked(self, file: StoredFile) -> "StripeChecks":
        """The same, and what the checksums of a native backup's file come to. Raises BackupDamaged."""
        # Here and below alone: what recomputes checksums takes a fifth of a second to load, and most commands don't need it.
        from dbrestore.points.sqlserver.damage.file import DamageCheck

        judged = inspect(file.key, file.length, lambda offset, count: self._range(file, offset, count))
        if judged.header is None or judged.problems:
            raise BackupDamaged(judged.problems[0][1])
        check, digest = DamageCheck(file.key, judged.header), _Digest()
        for piece in self._pieces(file):
            digest.update(piece)
            check.feed(piece)
        # What SQL Server's checksums say comes first: they tell where.
        checks = check.finish()
        digest.require(file)
        return checks

    def _digest_of(self, file: StoredFile, stored: ByteRange) -> str:
        """Of what there is of the range: a file may be too short."""
        digest = hashlib.sha256()
        wanted = f"bytes={stored.offset}-{stored.offset + stored.length - 1}"
        try:
            with closing(self._s3.get_object(**file.place(self._bucket).arguments, Range=wanted)["Body"]) as body:
                for piece in body.iter_chunks(PIECE):
                    digest.update(piece)
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidRange":
                raise
        return digest.hexdigest()

    def _range(self, file: StoredFile, offset: int, count: int) -> bytes:
        wanted = f"bytes={offset}-{offset + count - 1}"
        with closing(self._s3.get_object(**file.place(self._bucket).arguments, Range=wanted)["Body"]) as body:
            return body.read()

    def _pieces(self, file: StoredFile) -> Iterator[bytes]:
        with closing(self._s3.get_object(**file.place(self._bucket).arguments)["Body"]) as body:
            for piece in body.iter_chunks(PIECE):
                self._meter.add(len(piece), file.key)
                yield piece


class _Digest:
    """What a manifest may have of a file, computed anew: the SHA-256, or the CRC-32 alone of what S3 copied and nobody had read."""

    def __init__(self) -> None:
        self._sha256, self._crc32 = hashlib.sha256(), 0

    def update(self, piece: bytes) -> None:
        """More bytes of the file."""
        self._sha256.update(piece)
        self._crc32 = zlib.crc32(piece, self._crc32)

    def require(self, file: StoredFile) -> None:
        """Raises BackupDamaged if these bytes are others than the manifest's."""
        found, crc32 = self._sha256.hexdigest(), base64.b64encode(self._crc32.to_bytes(4, "big")).decode()
        if file.sha256 not in (None, found):
            raise BackupDamaged(f"has the SHA-256 {found}, and the manifest says {file.sha256}: choose another restore point")
        if file.sha256 is None and file.crc32 not in (None, crc32):
            raise BackupDamaged(f"has the CRC-32 {crc32}, and the manifest says {file.crc32}: choose another restore point")


def _together(key: str, stripes: "list[StripeChecks]") -> Iterator[Verdict]:
    from dbrestore.points.sqlserver.damage import file as native_damage

    try:
        native_damage.whole(stripes)
    except BackupDamaged as error:
        yield Verdict(key, "damaged", str(error))


def _dump(reader: _Reader, database: Backup) -> Iterator[Verdict]:
    for number, file in enumerate(database.files):
        verdict = reader.judged(file, reader.digest)
        if verdict.state != "damaged" or not isinstance(database, DatabaseBackup):
            yield verdict
            continue
        yield replace(verdict, lost=tuple(reader.lost_tables(database, number)))


def _native(reader: _Reader, database: Backup) -> Iterator[Verdict]:
    for backup_set in database.backup_sets if isinstance(database, NativeDatabaseBackup) else ():
        stripes: list[StripeChecks] = []
        verdicts = [
            reader.judged(file, lambda file, found=stripes: found.append(reader.checked(file)))  # type: ignore[misc]
            for file in backup_set.files
        ]
        yield from verdicts
        if len(stripes) == len(backup_set.files):
            yield from _together(backup_set.files[0].key, stripes)


ENGINES: Final[dict[Engine, Callable[[_Reader, Backup], Iterator[Verdict]]]] = {"postgres": _dump, "sqlserver": _native}
