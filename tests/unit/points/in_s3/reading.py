"""A dump of some tables, a worker that dies while it reads it, and what it noted."""

import base64
import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract import keys
from dbrestore.contract.job import DatabaseResult, DatabaseServer, Job
from dbrestore.contract.manifest import DatabaseBackup
from dbrestore.points.in_s3 import postgresql
from dbrestore.points.in_s3.unfinished import Unfinished
from dbrestore.points.pgdump import directory, scan
from dbrestore.points.pgdump.begun import Begun
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.base.job_folder import JobFolder
from dbrestore.worker.base.progress import ProgressWriter
from dbrestore.worker.postgresql.dumps import reading
from tests.unit.points.in_s3.conftest import MIB, REGION, REPOSITORY, Buckets
from tests.unit.points.pgdump import archives
from tests.unit.points.pgdump.archives import Archive, Entry

EVIDENCE = "evidence"
TABLES = 8
EACH = MIB + 17


class Killed(BaseException):
    """The worker's process ends here."""


def wide(compression: Any = "none") -> Archive:
    """The shop, with eight more tables of a MiB of rows that no codec makes shorter by much."""
    shop, chance = archives.shop(compression), random.Random(5)
    rows = {100 + n: base64.b64encode(chance.randbytes(EACH * 3 // 4)) + b"\n" for n in range(TABLES)}
    entries = [
        Entry(100 + n, "TABLE DATA", f"t{n}", "public", copy=f"COPY public.t{n} (a) FROM stdin;\n", has_data=True, member=f"{100 + n}.dat")
        for n in range(TABLES)
    ]
    return replace(shop, entries=(*shop.entries, *entries), rows={**shop.rows, **rows})


def put(buckets: Buckets, kind: str, compression: Any, folder: Path) -> Path:
    """The dump, in the bucket of backups and on the disk."""
    if kind == "directory":
        path = archives.directory(wide(compression), folder / "x")
        for file in path.iterdir():
            buckets.put(f"a/{file.name}", file.read_bytes())
        return path
    (folder / "x").write_bytes(archives.custom(wide(compression), seekable=False))
    buckets.put("a", (folder / "x").read_bytes())
    return folder / "x"


def prepared(buckets: Buckets, **more: Any) -> Unfinished:
    buckets.s3.create_bucket(Bucket=EVIDENCE, CreateBucketConfiguration={"LocationConstraint": REGION})
    return postgresql.prepare(buckets.source, buckets.repository, "shop", [(None, "a")], **more)


def read(buckets: Buckets, note: Unfinished, restore_id: str, every: float = 0, beside: int = 1 << 40) -> list[DatabaseResult]:
    """As a worker of this execution does, with a note after each member; from a dump of so many bytes, `beside` others that count."""
    folder = JobFolder(buckets.s3, EVIDENCE, f"restores/{restore_id}/jobs/read/")
    job = Job(
        kind="read",
        restore_id=restore_id,
        server=DatabaseServer(host="", port=0, region="", ca_bundle=""),
        manifest=f"s3://{REPOSITORY}/{note.key}",
    )
    bounds = Bounds(reading_note_seconds=every, counted_beside=beside)
    return list(reading.run(buckets.s3, folder, job, ProgressWriter("read", lambda progress: None), bounds))


@contextmanager
def dying_at_note(buckets: Buckets, number: int) -> Iterator[None]:
    """The worker dies when it is about to write its n-th note."""
    seen = iter(range(1, 1_000))

    def die(params: dict[str, Any], **_: Any) -> None:
        if params["Key"].startswith(keys.READINGS) and next(seen) == number:
            raise Killed

    events = buckets.s3.meta.events
    events.register("before-parameter-build.s3.PutObject", die)
    try:
        with pytest.raises(Killed):
            yield
    finally:
        events.unregister("before-parameter-build.s3.PutObject", die)


def asked_for(buckets: Buckets, since: int, bucket: str = REPOSITORY) -> int:
    """Bytes of the point's files in requests from then on."""
    ranges = [
        re.findall(r"\d+", params["Range"])
        for name, params in buckets.requests[since:]
        if name == "GetObject" and params["Bucket"] == bucket and "Range" in params
    ]
    return sum(int(last) - int(first) + 1 for first, last in ranges)


def backup(buckets: Buckets, restore_id: str) -> DatabaseBackup:
    found = JobFolder(buckets.s3, EVIDENCE, f"restores/{restore_id}/jobs/read/").read_backup(1)
    assert found
    return found


def reading_key(note: Unfinished) -> str:
    return keys.reading_key("shop", note.point_ids[0], 1)


def noted(buckets: Buckets, note: Unfinished) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(buckets.s3.get_object(Bucket=EVIDENCE, Key=reading_key(note))["Body"].read())
    return found


def in_one_go(path: Path, seed: int) -> scan.Contents:
    """What reading the same dump from the disk finds, under the same seed."""
    toc = scan.peek(path)
    if path.is_dir():
        return scan.scan_members(directory.TarStream(path, lambda piece: None), toc, Begun(seed))
    return scan.scan_file(directory.pieces(path), toc, lambda piece: None, Begun(seed))
