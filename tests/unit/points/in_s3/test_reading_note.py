"""A worker that takes over a dump in the middle reads the rest, and finds what one worker finds; a note that doesn't fit changes
nothing."""

import base64
import hashlib
import json
import os
import random
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dbrestore.contract import keys
from dbrestore.contract.job import DatabaseResult, DatabaseServer, Job
from dbrestore.contract.manifest import DatabaseBackup
from dbrestore.points.in_s3 import postgresql
from dbrestore.points.in_s3.copying import Pace
from dbrestore.points.in_s3.unfinished import Unfinished
from dbrestore.points.pgdump import directory, scan
from dbrestore.points.pgdump.begun import Begun
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.base.job_folder import JobFolder
from dbrestore.worker.base.progress import ProgressWriter
from dbrestore.worker.postgresql.dumps import reading
from tests.unit.points.in_s3.conftest import BACKUPS, MIB, REGION, REPOSITORY, Buckets
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


@pytest.mark.parametrize("beside", [0, 1 << 40])
@pytest.mark.parametrize("compression", ["none", "gzip", "lz4", "zstd"])
@pytest.mark.parametrize("kind", ["custom", "directory"])
def test_the_second_worker_reads_the_rest_and_the_manifest_is_the_same(
    buckets: Buckets, tmp_path: Path, kind: str, compression: Any, beside: int
) -> None:
    path = put(buckets, kind, compression, tmp_path)
    note = prepared(buckets)
    with dying_at_note(buckets, 8):
        read(buckets, note, "r-1", beside=beside)
    before = noted(buckets, note)
    since = len(buckets.requests)

    [result] = read(buckets, note, "r-2", beside=beside)

    assert result.status == "READ"
    length = sum(file.length for file in note.dumps[0].files)
    done = sum(member["stored"]["length"] for member in before["members"])
    assert len(before["members"]) == 7
    assert 0.35 * length < done < 0.65 * length
    # The table of contents comes in a range of its own, of 256 KiB at the most.
    assert asked_for(buckets, since) <= length - done + (300 << 10)
    found, expected = backup(buckets, "r-2"), in_one_go(path, before["seed"])
    if kind == "custom":
        assert (found.toc, found.tables, found.large_objects) == (expected.toc, expected.tables, expected.large_objects)
    assert [(t.dump_id, t.rows, t.content) for t in found.tables] == [(t.dump_id, t.rows, t.content) for t in expected.tables]
    assert [(o.oids, o.content) for o in found.large_objects] == [(o.oids, o.content) for o in expected.large_objects]
    for file in found.files:
        body = buckets.s3.get_object(Bucket=REPOSITORY, Key=file.key)["Body"].read()
        assert (file.length, file.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    read(buckets, note, "r-3")
    assert (backup(buckets, "r-3").files, backup(buckets, "r-3").tables) == (found.files, found.tables)


def test_digests_of_what_s3_copied_in_parts_are_carried_on_too(buckets: Buckets, tmp_path: Path) -> None:
    path = put(buckets, "custom", "none", tmp_path)
    note = prepared(buckets, pace=Pace(2, 5 * MIB))
    assert note.dumps[0].files[0].sha256 is None
    with dying_at_note(buckets, 8):
        read(buckets, note, "r-1")
    since = len(buckets.requests)

    [result] = read(buckets, note, "r-2")

    assert (result.status, backup(buckets, "r-2").files[0].sha256) == ("READ", hashlib.sha256(path.read_bytes()).hexdigest())
    assert asked_for(buckets, since) < 0.7 * path.stat().st_size


def test_a_dump_that_stays_where_it_is_is_carried_on_too(buckets: Buckets, tmp_path: Path) -> None:
    path = put(buckets, "custom", "none", tmp_path)
    note = prepared(buckets, places=[f"s3://{BACKUPS}/"])
    with dying_at_note(buckets, 8):
        read(buckets, note, "r-1")
    since = len(buckets.requests)

    [result] = read(buckets, note, "r-2")

    assert (result.status, backup(buckets, "r-2").files[0].sha256) == ("READ", hashlib.sha256(path.read_bytes()).hexdigest())
    assert 0 < asked_for(buckets, since, BACKUPS) < 0.7 * path.stat().st_size


def test_a_dump_that_is_read_quickly_leaves_no_note(buckets: Buckets, tmp_path: Path) -> None:
    put(buckets, "custom", "zstd", tmp_path)
    note = prepared(buckets)

    read(buckets, note, "r-1", every=60)

    assert "Contents" not in buckets.s3.list_objects_v2(Bucket=EVIDENCE, Prefix=keys.READINGS)


def changed(**values: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda note: {**note, **values}


def of_first(**values: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(note: dict[str, Any]) -> dict[str, Any]:
        first, *others = note["members"]
        return {**note, "members": [{**first, **values}, *others]}

    return change


def of_state(**values: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda note: {**note, "state": {**note["state"], "sha256": {**note["state"]["sha256"], **values}}}


UNFIT = {
    "other code": changed(code="0" * 64),
    "another copy": changed(copyIdentity="0" * 64),
    "an unknown key": changed(more=1),
    "a seed that can't be": changed(seed=-1),
    "no digests": changed(state=None),
    "another table": of_first(table="x"),
    "another entry": of_first(dumpId=107),
    "no entry": of_first(dumpId=9_999),
    "an extension": of_first(extension="x"),
    "a member twice": lambda note: {**note, "members": [note["members"][0], *note["members"]]},
    "a gap": lambda note: {**note, "members": note["members"][1:]},
    "another file": of_first(stored={"file": 7, "offset": 0, "length": 1, "sha256": ""}),
    "behind the end": lambda note: {**note, "members": [*note["members"][:-1], _longer(note["members"][-1])]},
    "more bytes left over than a block": of_state(rest="00" * 64),
    "another number of bytes left over": of_state(rest="00" * 62, length=3),
    "digests behind the members": of_state(rest="", length=64),
    "digests of something else": of_state(words="0" * 64),
    "no JSON": lambda note: "{",
}


def _longer(member: dict[str, Any]) -> dict[str, Any]:
    return {**member, "stored": {**member["stored"], "length": 1 << 40}}


@pytest.mark.parametrize("name", UNFIT)
def test_a_note_that_does_not_fit_is_ignored(buckets: Buckets, tmp_path: Path, name: str) -> None:
    path = put(buckets, "custom", "none", tmp_path)
    note = prepared(buckets)
    with dying_at_note(buckets, 8):
        read(buckets, note, "r-1")
    changed = UNFIT[name](noted(buckets, note))
    buckets.s3.put_object(Bucket=EVIDENCE, Key=reading_key(note), Body=changed if isinstance(changed, str) else json.dumps(changed))
    since = len(buckets.requests)

    [result] = read(buckets, note, "r-2", every=60)

    assert result.status == "READ"
    assert asked_for(buckets, since) >= path.stat().st_size
    assert backup(buckets, "r-2").files[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [(t.rows, t.stored) for t in backup(buckets, "r-2").tables] == [(t.rows, t.stored) for t in in_one_go(path, 1).tables]


@pytest.mark.parametrize(
    "change",
    [
        lambda files: {},
        lambda files: {name: {**file, "sha256": "0" * 64} for name, file in files.items()},
        lambda files: {name: {**file, "crc32": None} for name, file in files.items()},
        lambda files: {name: {**file, "key": "x"} for name, file in files.items()},
        lambda files: {name: {**file, "length": 1} for name, file in files.items()},
    ],
)
def test_of_a_directory_too(buckets: Buckets, tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    path = put(buckets, "directory", "none", tmp_path)
    note = prepared(buckets)
    with dying_at_note(buckets, 8):
        read(buckets, note, "r-1")
    left = noted(buckets, note)
    body = json.dumps({**left, "files": change(left["files"])})
    buckets.s3.put_object(Bucket=EVIDENCE, Key=reading_key(note), Body=body)
    since = len(buckets.requests)

    [result] = read(buckets, note, "r-2", every=60)

    assert result.status == "READ"
    assert asked_for(buckets, since) >= sum(file.stat().st_size for file in path.iterdir())


def test_a_copy_that_was_written_anew_is_read_from_its_beginning(buckets: Buckets, tmp_path: Path) -> None:
    path = put(buckets, "custom", "none", tmp_path)
    note = prepared(buckets)
    with dying_at_note(buckets, 8):
        read(buckets, note, "r-1")
    harmed = path.read_bytes().replace(b"note 1 ", b"note x ")
    buckets.s3.put_object(Bucket=REPOSITORY, Key=note.dumps[0].files[0].key, Body=harmed)
    since = len(buckets.requests)

    [result] = read(buckets, note, "r-2")

    assert result.error
    assert result.error.name == "BackupDamaged"
    assert asked_for(buckets, since) >= len(harmed)


def test_a_process_that_dies_over_rows_ends_the_reading(buckets: Buckets, tmp_path: Path) -> None:
    put(buckets, "custom", "none", tmp_path)
    note = prepared(buckets)

    def kill(params: dict[str, Any], **_: Any) -> None:
        for one in counting():
            os.kill(one, signal.SIGKILL)

    buckets.s3.meta.events.register("before-parameter-build.s3.GetObject", kill)
    [failed] = read(buckets, note, "r-1", beside=0)
    buckets.s3.meta.events.unregister("before-parameter-build.s3.GetObject", kill)

    assert failed.error
    assert (failed.status, failed.error.name) == ("FAILED", "CountingBrokeOff")
    assert JobFolder(buckets.s3, EVIDENCE, "restores/r-1/jobs/read/").read_backup(1) is None
    assert counting() == []
    assert read(buckets, note, "r-2", beside=0)[0].status == "READ"


def counting() -> list[int]:
    """Processes of this one that count rows."""
    children = (int(word) for file in Path("/proc/self/task").glob("*/children") for word in file.read_text().split())
    return [one for one in children if b"dumps.counting" in Path(f"/proc/{one}/cmdline").read_bytes()]


def test_damage_behind_a_note_is_read_once_more_beside_others_too(buckets: Buckets, tmp_path: Path) -> None:
    put(buckets, "custom", "none", tmp_path)
    note = prepared(buckets)
    with dying_at_note(buckets, 8):
        read(buckets, note, "r-1", beside=0)
    left = noted(buckets, note)
    wrong = of_state(words="0" * 64)(left)
    buckets.s3.put_object(Bucket=EVIDENCE, Key=reading_key(note), Body=json.dumps(wrong))

    [result] = read(buckets, note, "r-2", beside=0)

    assert result.status == "READ"


def test_who_may_not_keep_notes_reads_all_the_same(buckets: Buckets, tmp_path: Path) -> None:
    """A worker of an older TargetStack."""
    put(buckets, "custom", "zstd", tmp_path)
    note = prepared(buckets)

    def deny(params: dict[str, Any], model: Any, **_: Any) -> None:
        if params["Key"].startswith(keys.READINGS):
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, model.name)

    for operation in ("GetObject", "PutObject"):
        buckets.s3.meta.events.register(f"before-parameter-build.s3.{operation}", deny)

    assert read(buckets, note, "r-1")[0].status == "READ"
