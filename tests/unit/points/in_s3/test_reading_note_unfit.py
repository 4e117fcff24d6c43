"""Notes that don't fit what is there, and processes that die over rows: the dump is read from its beginning, and never wrongly."""

import hashlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dbrestore.contract import keys
from dbrestore.worker.base.job_folder import JobFolder
from tests.unit.points.in_s3.conftest import REPOSITORY, Buckets
from tests.unit.points.in_s3.reading import EVIDENCE, asked_for, backup, dying_at_note, in_one_go, noted, prepared, put, read, reading_key


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
