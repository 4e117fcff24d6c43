"""A worker that takes over a dump in the middle reads the rest, and finds what one worker finds; a note that doesn't fit changes
nothing."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract import keys
from dbrestore.points.in_s3.copying import Pace
from tests.unit.points.in_s3.conftest import BACKUPS, MIB, REPOSITORY, Buckets
from tests.unit.points.in_s3.reading import EVIDENCE, asked_for, backup, dying_at_note, in_one_go, noted, prepared, put, read


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
