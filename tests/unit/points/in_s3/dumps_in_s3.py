"""Dumps put into a bucket, prepared, read as a worker does, and published."""

from pathlib import Path
from typing import Any

from dbrestore.contract.job import DatabaseResult, DatabaseServer, Job
from dbrestore.contract.manifest import DatabaseBackup, Manifest
from dbrestore.points import stored_points
from dbrestore.points.in_s3 import postgresql
from dbrestore.points.in_s3.unfinished import Unfinished
from dbrestore.points.unfinished_point import write_manifest
from dbrestore.worker.base.job_folder import JobFolder
from dbrestore.worker.base.progress import ProgressWriter
from dbrestore.worker.postgresql.dumps import reading
from tests.unit.points.in_s3.conftest import REPOSITORY, Buckets
from tests.unit.points.pgdump import archives

EVIDENCE = "evidence"
CUSTOM = archives.custom(archives.shop("zstd"))


def prepare(buckets: Buckets, *asked: str, names: list[str | None] | None = None, **more: Any) -> Unfinished:
    pairs = list(zip(names or [None] * len(asked), asked, strict=True))
    return postgresql.prepare(buckets.source, buckets.repository, "shop", pairs, **more)


def read(buckets: Buckets, note: Unfinished) -> list[DatabaseResult]:
    """As the worker does."""
    if EVIDENCE not in [bucket["Name"] for bucket in buckets.s3.list_buckets()["Buckets"]]:
        buckets.s3.create_bucket(Bucket=EVIDENCE, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    folder = JobFolder(buckets.s3, EVIDENCE, "restores/r-1/jobs/read/")
    server = DatabaseServer(host="", port=0, region="", ca_bundle="")
    job = Job(kind="read", restore_id="r-1", server=server, manifest=f"s3://{REPOSITORY}/{note.key}")
    return list(reading.run(buckets.s3, folder, job, ProgressWriter("read", lambda progress: None)))


def publish(buckets: Buckets, note: Unfinished) -> Manifest:
    """As ReadDumps does."""
    folder = JobFolder(buckets.s3, EVIDENCE, "restores/r-1/jobs/read/")
    backups = [folder.read_backup(number) for number in range(1, len(note.dumps) + 1)]
    write_manifest(buckets.s3, REPOSITORY, postgresql.manifest(note, [backup for backup in backups if backup]))
    return stored_points.load(buckets.s3, REPOSITORY, "shop")


def put_directory(buckets: Buckets, path: Path, prefix: str) -> None:
    for file in path.iterdir():
        buckets.put(prefix + file.name, file.read_bytes())


def comparable(backup: DatabaseBackup) -> dict[str, Any]:
    """Without where it lies, and without digests under a seed of each reading."""
    state = backup.model_dump(exclude={"files", "toc", "notes"})
    for member in (*state["tables"], *state["large_objects"]):
        member["stored"] = {name: member["stored"][name] for name in ("length", "sha256")}
        del member["content"]
    return state
