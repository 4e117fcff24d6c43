"""Restore points of native SQL Server backups: judged by their headers, grouped, ordered, stored as they are. Invariant: nothing is
stored before everything was judged, and each file is read once from end to end while it is stored.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from repository import keys, known_digests, native_chain, native_sets, point_names
from repository.errors import BackupDamaged, BackupUnreadable, RestoreError, RestoreRequestInvalid
from repository.known_digests import KnownDigests
from repository.manifest import (
    Manifest,
    NativeBackupSet,
    NativeDatabaseBackup,
    NativeDatabaseFile,
    NativeKind,
    StoredFile,
)
from repository.multipart import MultipartUpload
from repository.native_errors import NotANativeBackup
from repository.native_file import NativeFile, inspect
from repository.native_sets import Complaint, StripedSet
from repository.unfinished_point import Meter, Progress, StoredObject, new_point_id, removal_on_failure, write_manifest

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_PIECE: Final = 1 << 20
_KINDS: Final[dict[str, NativeKind]] = {"D": "FULL", "I": "DIFFERENTIAL", "L": "LOG"}

Store = Callable[[str, NativeFile], StoredFile]


def add(
    s3: "S3Client",
    bucket: str,
    instance: str,
    paths: Sequence[Path],
    database: str | None = None,
    progress: Progress = lambda done, total, label: None,
    sha256: Sequence[str] = (),
) -> Manifest:
    """Make one restore point of native backup files, in any order; `database` is another name for the one database in them.

    Two ranges of each file are read to judge it; then every file is read and stored once; `progress` gets (bytes done, bytes in all,
    the file being read). `sha256` has, if anything, an element for each file: its digest, or `-` (`known_digests`). Raises every problem
    at once, one line `file: what is wrong and what to do` each: under its own error if they are of one kind, as BackupUnreadable if not.
    Then nothing of the point is left in the bucket."""
    point_names.require_instance_name(instance)
    chains = read_headers(paths)
    names = _names(chains, database)
    given = sha256 or [known_digests.NOT_GIVEN] * len(paths)
    known = {str(path): known_digests.of(path, digest) for path, digest in zip(paths, given, strict=True)}
    now = datetime.now(UTC)
    point_id = new_point_id(now)
    meter = Meter(sum(file.length for chain in chains for one in chain for file in one.files), progress)
    with removal_on_failure(s3, bucket) as stored:

        def store(key: str, file: NativeFile) -> StoredFile:
            return _store(s3, bucket, key, file, known[file.name], meter, stored)

        backups = tuple(
            _backup(name, chain, keys.database_prefix(instance, point_id, name), store)
            for name, chain in zip(names, chains, strict=True)
        )
        manifest = Manifest(
            point_id=point_id, instance=instance, engine="sqlserver", engine_version=_newest_version(backups),
            created_at=now.replace(microsecond=0), native_databases=backups,
        )  # fmt: skip
        write_manifest(s3, bucket, manifest)
    return manifest


def read_headers(paths: Sequence[Path]) -> tuple[tuple[StripedSet, ...], ...]:
    """The files' backup sets, by database in the order of their names, each database's in the order of restoring. Raises as `add` does."""
    files = [_inspected(path) for path in paths]
    sets = native_sets.grouped(files)
    by_database: dict[str, list[StripedSet]] = {}
    for one in sets:
        by_database.setdefault(one.backup_set.database, []).append(one)
    _raise_if_any([
        *((file.name, kind, sentence) for file in files for kind, sentence in file.problems),
        *native_sets.complaints(sets),
        *(complaint for chain in by_database.values() for complaint in native_chain.complaints(chain)),
    ])  # fmt: skip
    return tuple(native_chain.ordered(by_database[name]) for name in sorted(by_database))


def _inspected(path: Path) -> NativeFile:
    if path.is_dir():
        return NativeFile(str(path), 0, None, ((NotANativeBackup, "is a folder: give the files in it"),))
    try:
        with _opened(path) as descriptor:
            length = os.fstat(descriptor).st_size
            return inspect(str(path), length, lambda offset, count: os.pread(descriptor, count, offset))
    except OSError as error:
        return NativeFile(str(path), 0, None, ((BackupUnreadable, f"can't be read: {error.strerror}"),))


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _raise_if_any(complaints: Iterable[Complaint]) -> None:
    found = list(complaints)
    if not found:
        return
    kinds = {kind for _, kind, _ in found}
    kind: type[RestoreError] = kinds.pop() if len(kinds) == 1 else BackupUnreadable
    raise kind("\n".join(f"{names}: {sentence}" for names, _, sentence in found))


def _names(chains: tuple[tuple[StripedSet, ...], ...], database: str | None) -> list[str]:
    names = [chain[0].backup_set.database for chain in chains]
    if not names:
        raise BackupUnreadable("no file was given: a restore point holds at least one database")
    if database is None:
        return names
    if len(names) > 1:
        raise RestoreRequestInvalid(
            f"the files are of {len(names)} databases ({', '.join(names)}), and one name was given: give none"
        )
    return [database]


def _backup(name: str, chain: tuple[StripedSet, ...], prefix: str, store: Store) -> NativeDatabaseBackup:
    return NativeDatabaseBackup(
        name=name,
        source_name=chain[0].backup_set.database,
        database_id=str(chain[0].backup_set.database_id),
        backup_sets=tuple(_backup_set(one, f"{prefix}{n:02}", store) for n, one in enumerate(chain, start=1)),
    )


def _backup_set(one: StripedSet, prefix: str, store: Store) -> NativeBackupSet:
    said, kind = one.backup_set, _KINDS[one.backup_set.kind]
    files = tuple(
        store(f"{prefix}-{kind.lower()}-{n}-of-{len(one.files)}.bak", file) for n, file in enumerate(one.files, start=1)
    )
    return NativeBackupSet(
        kind=kind, set_id=str(said.id), media_set_id=str(one.header.media_set_id), files=files,
        compressed=one.header.compressed, checksums=said.checksums, server=said.server, version=said.version,
        database_version=said.database_version, compatibility_level=said.compatibility_level, begun_at=said.begun_at,
        first_lsn=str(said.first_lsn), last_lsn=str(said.last_lsn), checkpoint_lsn=str(said.checkpoint_lsn),
        base_lsn=str(said.base_lsn), data_size=said.data_size,
        database_files=tuple(
            NativeDatabaseFile(logical_name=file.logical_name, physical_path=file.physical_path, size=file.size)
            for file in said.database_files
        ),
    )  # fmt: skip


def _store(
    s3: "S3Client",
    bucket: str,
    key: str,
    file: NativeFile,
    known: KnownDigests | None,
    meter: Meter,
    stored: list[StoredObject],
) -> StoredFile:
    with Path(file.name).open("rb") as source, MultipartUpload(s3, bucket, key, file.length) as upload:
        while piece := source.read(_PIECE):
            upload.write(piece)
            meter.add(len(piece), file.name)
        if upload.length != file.length:
            sentence = f"had {file.length:,} bytes when it was judged and {upload.length:,} when it was read: wait until it is written"
            raise BackupDamaged(f"{file.name}: {sentence}")
        if known:
            known.require(Path(file.name).name, upload.sha256)
        upload.complete()
    stored.append(StoredObject(key, upload.version_id))
    return StoredFile(key=key, length=upload.length, sha256=upload.sha256, crc32=upload.crc32)


def _newest_version(backups: tuple[NativeDatabaseBackup, ...]) -> str:
    """The target must not be older than any of the servers."""
    versions = [backup_set.version for backup in backups for backup_set in backup.backup_sets]
    return max(versions, key=lambda version: [int(part) for part in version.split(".")])
