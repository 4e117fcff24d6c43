"""A restore point as large as they get: many databases, each a full backup and its logs, every backup in stripes, all archived.

The files hold the real headers that a restore reads, and are made when they are read: 50,000 of them would take a gigabyte.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import boto3
import moto.s3.models as models

from dbrestore.contract import keys
from dbrestore.contract.manifest import Manifest, NativeBackupSet, NativeDatabaseBackup, StoredFile
from dbrestore.points.sqlserver import adding as native_points
from localcloud.backups.files import Written, backup
from localcloud.base.clients import ACCOUNT

BUCKET = "repository"


@dataclass(frozen=True)
class Chains:
    """So many databases, backup sets of each and stripes of each set."""

    databases: int
    sets: int
    stripes: int

    @property
    def files(self) -> int:
        return self.databases * self.sets * self.stripes

    @property
    def names(self) -> list[str]:
        """The databases' names."""
        return [f"orders{number:02}" for number in range(self.databases)]


def store(instance: str, chains: Chains, storage_class: str) -> list[Any]:
    """Put the point into the repository; moto's objects of its files. The manifest is that of a chain which was judged as `points add`
    judges it, told of each database with its own ids."""
    template = _template(instance, chains)
    backups = tuple(_database(instance, template, number, name, chains) for number, name in enumerate(chains.names))
    manifest = template.model_copy(update={"native_databases": backups})
    key = keys.manifest_key(instance, manifest.point_id)
    boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=manifest.to_json().encode())
    return [put(BUCKET, key, written, storage_class) for key, written in _files(manifest, chains)]


def _template(instance: str, chains: Chains) -> Manifest:
    with TemporaryDirectory() as folder:
        paths = [Path(folder, str(number)) for number in range(chains.sets)]
        for number, path in enumerate(paths):
            path.write_bytes(backup(_written(0, number, 0, replace(chains, stripes=1))))
        return native_points.add(boto3.client("s3"), BUCKET, instance, paths).points[0]


def _written(database: int, number: int, stripe: int, chains: Chains) -> Written:
    """The n-th backup of a database: a full one, then logs that follow each other."""
    full = Written(
        database=chains.names[database],
        set_id=UUID(int=database * 10_000 + 1),
        media=UUID(int=database * 10_000 + 1),
        database_id=UUID(int=database + 1),
        stripe=stripe + 1,
        stripes=chains.stripes,
    )
    if number == 0:
        return full
    return replace(
        full,
        kind="L",
        set_id=UUID(int=full.set_id.int + number),
        media=UUID(int=full.media.int + number),
        first=(21, 150 + 10 * number, 1),
        last=(21, 160 + 10 * number, 1),
        begun=full.begun + timedelta(hours=number),
    )


def _database(instance: str, template: Manifest, database: int, name: str, chains: Chains) -> NativeDatabaseBackup:
    prefix = keys.database_prefix(instance, template.point_id, name)
    judged = template.native_databases[0]
    sets = tuple(_set(one, prefix, database, number, chains) for number, one in enumerate(judged.backup_sets))
    names = {"name": name, "source_name": name, "database_id": str(UUID(int=database + 1))}
    return judged.model_copy(update={**names, "backup_sets": sets})


def _set(one: NativeBackupSet, prefix: str, database: int, number: int, chains: Chains) -> NativeBackupSet:
    stripes = [_written(database, number, stripe, chains) for stripe in range(chains.stripes)]
    files = tuple(_stored(f"{prefix}{number + 1:03}-{stripe.stripe}-of-{chains.stripes}.bak", stripe) for stripe in stripes)
    ids = {"set_id": str(stripes[0].set_id), "media_set_id": str(stripes[0].media)}
    return one.model_copy(update={**ids, "files": files})


def _stored(key: str, written: Written) -> StoredFile:
    content = backup(written)
    return StoredFile(key=key, length=len(content), sha256=hashlib.sha256(content).hexdigest())


def _files(manifest: Manifest, chains: Chains) -> Iterator[tuple[str, Written]]:
    for database, judged in enumerate(manifest.native_databases):
        for number, one in enumerate(judged.backup_sets):
            for stripe, file in enumerate(one.files):
                yield file.key, _written(database, number, stripe, chains)


def put(bucket: str, key: str, written: Written, storage_class: str) -> Any:
    """Straight into moto: 50,000 requests would take minutes and show nothing."""
    stored = models.s3_backends[ACCOUNT]["aws"].put_object(bucket, key, b"", storage=storage_class, etag="0" * 32)
    stored._value_buffer.close()
    stored._value_buffer, stored.contentsize = MadeWhenRead(written), len(backup(written))
    return stored


class MadeWhenRead:
    """In the place of an object's file."""

    def __init__(self, written: Written) -> None:
        self.written = written

    def seek(self, *_: int) -> None:
        pass

    def read(self, _count: int = -1) -> bytes:
        return backup(self.written)

    def close(self) -> None:
        pass
