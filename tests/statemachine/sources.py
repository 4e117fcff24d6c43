"""Restore points of both engines, as small as they can be: what is in the files matters to the worker only."""

import hashlib
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3

from dbrestore.contract import keys
from dbrestore.contract.manifest import ByteRange, DatabaseBackup, Manifest, StoredFile, TableMember
from dbrestore.points.sqlserver import adding as native_points
from tests.unit.points.sqlserver.backups import Written, backup

POINT = "20261122T021500Z-3fa9c1d2"


def store_point(instance: str, point: str, databases: list[str], **backup: Any) -> Manifest:
    """A restore point with one file per database; its contents matter to the worker only."""
    manifest = Manifest(
        point_id=point,
        instance=instance,
        engine=backup.pop("engine", "postgres"),
        engine_version="16.4",
        created_at=datetime(2026, 11, 22, 2, 15, tzinfo=UTC),
        databases=tuple(dump_backup(instance, point, name, dict(backup)) for name in databases),
    )
    s3 = boto3.client("s3")
    for database in manifest.databases:
        for file in database.files:
            s3.put_object(Bucket="repository", Key=file.key, Body=b"x" * file.length)
    s3.put_object(Bucket="repository", Key=keys.manifest_key(instance, point), Body=manifest.to_json().encode())
    return manifest


def dump_backup(instance: str, point: str, name: str, changes: dict[str, Any]) -> DatabaseBackup:
    """What a manifest says of one database."""
    digest = hashlib.sha256(b"x" * 10).hexdigest()
    length = changes.pop("uncompressed_length", 30)
    toc, stored = (ByteRange(offset=offset, length=5, sha256=digest) for offset in (0, 5))
    member = TableMember(dump_id=1, schema_name="public", table="t", stored=stored, uncompressed_length=length, rows=3)
    file = StoredFile(key=keys.database_prefix(instance, point, name) + "dump.pgdump", length=10, sha256=digest)
    return DatabaseBackup(
        **{
            "name": name,
            "files": (file,),
            "format": "custom",
            "compression": "gzip",
            "archive_version": "1.15",
            "server_version": "16.4",
            "dump_version": "16.4",
            "dumped_at": datetime(2026, 11, 22, 2, 15, tzinfo=UTC),
            "encoding": "UTF8",
            "collate": "C",
            "ctype": "C",
            "owner": "app",
            "owners": ("app",),
            "extensions": (),
            "object_counts": {"TABLE": 1, "TABLE DATA": 1},
            "toc": toc,
            "tables": (member,),
            "large_objects": (),
        }
        | changes
    )


def store_native_point(instance: str, databases: list[str], stripes: int = 1, logs: int = 0) -> Manifest:
    """A restore point of SQL Server backups that hold real headers and no data: a full backup of each database, and logs after it."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for n, database in enumerate(databases):
            full = Written(database=database, set_id=UUID(int=100 * n + 1), media=UUID(int=n + 1), database_id=UUID(int=n + 1))
            written = [replace(full, stripe=stripe + 1, stripes=stripes) for stripe in range(stripes)]
            written += [_log(full, number) for number in range(logs)]
            for what in written:
                paths.append(Path(folder, str(len(paths))))
                paths[-1].write_bytes(backup(what))
        return native_points.add(boto3.client("s3"), "repository", instance, paths).points[0]


def _log(full: Written, number: int) -> Written:
    """The n-th log backup after a full one, begun on as many days later."""
    return replace(
        full,
        kind="L",
        set_id=UUID(int=full.set_id.int + number + 1),
        media=UUID(int=full.media.int * 1000 + number),
        first=(21, 160 + 10 * number, 1),
        last=(21, 170 + 10 * number, 1),
        begun=full.begun + timedelta(days=number + 1),
    )
