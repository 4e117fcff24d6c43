"""Restore points in the repository, made of dumps. Invariant: a point is visible when it is whole, because its manifest is
written last; a point that could not be finished leaves no object and no part behind.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dbrestore.contract import keys
from dbrestore.contract.allowed import point_names
from dbrestore.contract.errors import BackupDamaged, BackupUnreadable
from dbrestore.contract.manifest import DatabaseBackup, Manifest, StoredFile
from dbrestore.points import known_digests
from dbrestore.points.known_digests import KnownDigests
from dbrestore.points.multipart import MultipartUpload
from dbrestore.points.pgdump import database as pgdump_database
from dbrestore.points.pgdump import outlook as pgdump_outlook
from dbrestore.points.pgdump import restorable
from dbrestore.points.pgdump import scan as pgdump_scan
from dbrestore.points.pgdump.toc import Toc
from dbrestore.points.unfinished_point import (
    Meter,
    Progress,
    StoredObject,
    new_point_id,
    removal_on_failure,
    write_manifest,
)

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

FILE_NAMES: Final = {"custom": "dump.pgdump", "directory": "dump.tar"}


@dataclass(frozen=True)
class _Dump:
    name: str
    path: Path
    toc: Toc
    length: int
    known: KnownDigests | None


def add(
    s3: "S3Client",
    bucket: str,
    instance: str,
    pairs: Sequence[tuple[str | None, Path]],
    progress: Progress = lambda done, total, label: None,
    sha256: Sequence[str] = (),
) -> Manifest:
    """Make one restore point of dumps: (database name or None for the dump's own, path of a file or directory).

    Every byte is read and stored once; `progress` gets (bytes done, bytes in all, the database being read). `sha256` has, if anything, an
    element for each dump: its digest, or `-` (`known_digests`).
    Raises RestoreRequestInvalid for a name that no request could ask for, BackupUnreadable or BackupDamaged, naming the path;
    then nothing of the point is left in the bucket."""
    point_names.require_instance_name(instance)
    given = sha256 or [known_digests.NOT_GIVEN] * len(pairs)
    dumps = [_open(name, path, digest) for (name, path), digest in zip(pairs, given, strict=True)]
    _refuse_twice(dumps)
    now = datetime.now(UTC)
    point_id = new_point_id(now)
    meter = Meter(sum(d.length for d in dumps), progress)
    with removal_on_failure(s3, bucket) as stored:
        backups = tuple(_store(s3, bucket, keys.database_prefix(instance, point_id, d.name), d, meter, stored) for d in dumps)
        manifest = Manifest(
            point_id=point_id,
            instance=instance,
            engine="postgres",
            engine_version=restorable.newest_version(backups),
            created_at=now.replace(microsecond=0),
            databases=backups,
        )
        write_manifest(s3, bucket, manifest)
    return manifest


def _open(name: str | None, path: Path, sha256: str) -> _Dump:
    with _naming(path):
        toc = pgdump_scan.peek(path)
        database = restorable.own_name(toc) if name is None else name
        point_names.require_database_name(database)
        return _Dump(database, path, toc, pgdump_scan.stored_length(path), known_digests.of(path, sha256))


def _refuse_twice(dumps: list[_Dump]) -> None:
    if not dumps:
        raise BackupUnreadable("no dump was given: a restore point holds at least one database")
    name, times = Counter(d.name for d in dumps).most_common(1)[0]
    if times > 1:
        paths = ", ".join(str(d.path) for d in dumps if d.name == name)
        raise BackupUnreadable(f"{times} dumps are of the database {name!r} ({paths}): give one, or name them apart")


def _store(s3: "S3Client", bucket: str, prefix: str, dump: _Dump, meter: Meter, stored: list[StoredObject]) -> DatabaseBackup:
    key = prefix + FILE_NAMES[dump.toc.format]
    with MultipartUpload(s3, bucket, key, dump.length) as upload:

        def store(data: bytes) -> None:
            upload.write(data)
            meter.add(len(data), dump.name)

        with _naming(dump.path):
            contents = pgdump_scan.scan(dump.path, dump.toc, store, dump.known)
            if dump.known and dump.toc.format == "custom":
                dump.known.require(dump.path.name, upload.sha256)
        upload.complete()
    stored.append(StoredObject(key, upload.version_id))
    file = StoredFile(key=key, length=upload.length, sha256=upload.sha256, crc32=upload.crc32)
    return described(dump.name, dump.toc, (file,), contents, _unproven(dump))


def described(
    name: str, toc: Toc, files: tuple[StoredFile, ...], contents: pgdump_scan.Contents, unproven: Iterable[str] = ()
) -> DatabaseBackup:
    """The manifest's part about a dump that was read. `unproven` are sentences about what no reading can prove."""
    said = pgdump_database.describe(toc)
    return DatabaseBackup(
        name=name,
        files=files,
        format=toc.format,
        compression=toc.compression,
        archive_version=toc.archive_version,
        server_version=toc.server_version,
        dump_version=toc.dump_version,
        dumped_at=toc.dumped_at,
        encoding=said.encoding,
        client_encoding=said.client_encoding,
        locale_provider=said.locale_provider,
        collate=said.collate,
        ctype=said.ctype,
        provider_locale=said.provider_locale,
        owner=said.owner,
        owners=said.owners,
        extensions=said.extensions,
        object_counts=said.object_counts,
        toc=contents.toc,
        tables=contents.tables,
        large_objects=contents.large_objects,
        notes=(*pgdump_database.notes(toc), *unproven, *pgdump_outlook.notes(toc)),
        roles=pgdump_outlook.roles(toc),
    )


def _unproven(dump: _Dump) -> Iterator[str]:
    if dump.known is None:
        yield from unproven(dump.toc, dump.path.name)


def unproven(toc: Toc, file_name: str) -> Iterator[str]:
    """What can't be proven of a dump whose digest nobody knows."""
    codec = toc.compression
    if codec != "gzip":
        yield (
            f"its data ({'uncompressed' if codec == 'none' else codec}) has no checksum: bits that flipped before it was added can't be "
            f"detected. To prove it, give its SHA-256 from where it was made as --sha256 or in {file_name}{known_digests.SUFFIX} next to it"
        )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except (BackupDamaged, BackupUnreadable) as error:
        raise type(error)(f"{path}: {error}") from error
