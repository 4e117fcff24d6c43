"""What comes out of a backup or lies in a folder may have been made to harm: it is refused in a sentence, quickly and in little memory."""

import os
import struct
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable
from dbrestore.contract.sqlserver_errors import BackupEncrypted, BaseBackupMissing
from dbrestore.points.sqlserver import adding as native_points
from dbrestore.points.sqlserver import described_points
from dbrestore.points.sqlserver import file as native_file
from dbrestore.points.sqlserver import given as native_given
from dbrestore.points.sqlserver.blocks import stream_header
from dbrestore.points.sqlserver.file import NativeFile
from localcloud.backups.files import PAGE, Written, backup, backup_of_sets, compressed
from tests.unit.points.conftest import BUCKET, leftovers
from tests.unit.points.sqlserver.damages import (
    complaint,
    overwritten,
    pages,
    records,
    stream,
    stripes,
    without_checksum,
)

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

BIG = without_checksum(Written(pages=3000))
PLAIN = backup(BIG)
PAGES = pages(PLAIN)


def judged(data: bytes) -> NativeFile:
    return native_file.inspect("x.bak", len(data), lambda offset, count: data[offset : offset + count])


def _sentences(file: NativeFile) -> list[str]:
    return [sentence for _, sentence in file.problems]


def test_most_pages_lost_is_damage_however_many_they_are() -> None:
    """A download that reserved its space and never filled it has its beginning and its end."""
    first, last = PAGES[1, 8], max(PAGES.values()) + PAGE
    for new in (bytes(PAGE), b"\xff" * PAGE):
        lost = overwritten(PLAIN, first, new * ((last - first) // PAGE))
        assert "page 1:8 is in use and not in its place" in complaint(lost)


def test_a_full_backup_without_any_page_is_damage() -> None:
    begin, length = stream(PLAIN, b"MQDA")
    assert "holds no page of its database" in complaint(overwritten(PLAIN, begin, bytes(length)))

    striped = [overwritten(data, *_blank_pages(data)) for data in stripes(BIG, 2)]
    assert "holds no page of its database" in complaint(*striped)


def _blank_pages(data: bytes) -> tuple[int, bytes]:
    begin, length = stream(data, b"MQDA")
    return begin, bytes(length)


def test_most_records_wrong_is_damage_if_the_kind_of_checksum_is_known() -> None:
    data = compressed(Written(pages=1200))
    found = list(records(data))
    header = judged(data).header
    for at, size in found[2:]:
        data = overwritten(data, at + size // 2, bytes([data[at + size // 2] ^ 1]))

    assert f"and those of {len(found) - 3:,} more records" in complaint(data, header=header)


@pytest.mark.parametrize("name", ["", "x" * 129, "🐘" * 65])
def test_a_name_that_no_database_can_have_is_a_damaged_header(name: str) -> None:
    """With none the point would be written and could never be loaded."""
    [sentence] = _sentences(judged(backup(Written(database=name))))

    assert f"a database name of {len(name.encode('utf-16-le')) // 2} characters" in sentence


@pytest.mark.parametrize("name", ["x" * 128, "🐘" * 64, "..", "a/b\n\x1b[31m"])
def test_every_other_name_is_read(name: str) -> None:
    header = judged(backup(Written(database=name))).header

    assert header is not None
    assert header.backup_set.database == name


def test_items_are_counted_while_they_are_read() -> None:
    """Items of eight bytes each would cost forty times as much memory as the file has bytes."""
    head = bytearray(PLAIN)
    at, length = head.index(b"MQCI"), 24 << 20
    head[at : at + 22] = stream_header(bytes(head[at : at + 22]), length)
    data = bytes(head[: at + 22]) + (b"ABCD" + struct.pack("<I", 8)) * (length // 8) + bytes(512)

    tracemalloc.start()
    [sentence] = _sentences(judged(data))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert "has a damaged header" in sentence
    assert peak < 120 << 20


def test_a_header_that_announces_more_than_any_has_is_read_no_further_than_64_mib(tmp_path: Path) -> None:
    head = bytearray(PLAIN[:8192])
    at = head.index(b"MQCI")
    head[at : at + 22] = stream_header(bytes(head[at : at + 22]), 1 << 60)
    path = tmp_path / "x.bak"
    path.write_bytes(head)
    os.truncate(path, 1 << 30)

    asked: list[int] = []
    with native_given.opened(path) as (length, read):

        def counted(offset: int, count: int) -> bytes:
            asked.append(count)
            return read(offset, count)

        native_file.inspect("x.bak", length, counted)

    assert max(asked) == 64 << 20


@pytest.mark.parametrize("where", [68, 8, 4])
def test_a_damaged_map_of_the_sets_is_refused_with_the_way_out(s3: "S3Client", tmp_path: Path, where: int) -> None:
    """The volumes of the first entry, its length, the number of entries: each beyond what is there."""
    data = backup_of_sets([Written(), replace(Written(), begun=Written().begun.replace(year=2024))])
    last = data.rindex(b"TSMP") + 22
    path = tmp_path / "x.bak"
    path.write_bytes(overwritten(data, last + where, b"\xff\xff"))

    if where == 4:
        # The set is found before the entries end.
        assert native_points.add(s3, BUCKET, "crm", [path]).points
        return
    with pytest.raises(BackupUnreadable, match=r"can't be cut out \(.*map of the sets.*WITH FILE = 2"):
        native_points.add(s3, BUCKET, "crm", [path])
    assert leftovers(s3) == []


def test_nobody_is_waited_for_at_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.bak")
    looked: list[NativeFile] = []
    thread = threading.Thread(target=lambda: looked.extend(native_given.look([tmp_path / "x.bak"]).files), daemon=True)
    thread.start()
    thread.join(10)

    [file] = looked
    assert "can't be read: it is a pipe or a device" in _sentences(file)[0]


def test_another_backup_in_the_place_of_the_judged_one_is_not_stored(s3: "S3Client", tmp_path: Path) -> None:
    """A job writes over yesterday's file with one of the same length, while a large folder is being added."""
    first, path = tmp_path / "a.bak", tmp_path / "x.bak"
    other = replace(Written(), database="a", database_id=UUID(int=7), media=UUID(int=8), set_id=UUID(int=9))
    first.write_bytes(backup(other))
    path.write_bytes(backup())

    def overwrite(_done: int, _total: int, _file: str) -> None:
        path.write_bytes(backup(replace(Written(), begun=Written().begun.replace(year=2024))))

    with pytest.raises(BackupDamaged, match=r"x\.bak: .*is another backup than the one that was judged"):
        native_points.add(s3, BUCKET, "crm", [first, path], progress=overwrite)
    assert leftovers(s3) == []


def test_the_way_out_of_an_unreadable_compression_keeps_its_spelling() -> None:
    [(kind, sentence)] = judged(b"MSSQLBAK" + struct.pack("<I", 2) + bytes(5000)).problems

    assert kind is BackupEncrypted
    assert "Back up again WITH NO_COMPRESSION, or WITH COMPRESSION (ALGORITHM = MS_XPRESS), without encryption" in sentence


def test_a_differential_names_its_base_by_id(tmp_path: Path) -> None:
    full = Written()
    differential = replace(
        full,
        kind="I",
        set_id=UUID(int=2),
        media=UUID(int=2),
        first=(21, 182, 34),
        last=(21, 197, 1),
        checkpoint=(21, 182, 34),
        base=full.checkpoint,
        base_set=full.set_id,
    )
    paths = [tmp_path / "full.bak", tmp_path / "differential.bak"]
    paths[0].write_bytes(backup(full))

    paths[1].write_bytes(backup(differential))
    assert len(described_points.chosen(native_given.look(paths)).points[0][0].sets) == 2

    paths[1].write_bytes(backup(replace(differential, base_set=UUID(int=7))))
    with pytest.raises(BaseBackupMissing, match=f"set id {UUID(int=7)}, and .* has {full.set_id}, although the LSNs fit"):
        described_points.chosen(native_given.look(paths))


def test_what_could_not_be_looked_into_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The logs may be in there, and the point would be green without them."""
    folder, elsewhere = tmp_path / "jobs", tmp_path / "elsewhere"
    for path in (folder / "LOG", folder / "lost+found", folder / "FULL", elsewhere):
        path.mkdir(parents=True)
    (folder / "FULL" / "x.bak").write_bytes(backup())
    (folder / "FULL" / "inside").symlink_to(folder / "FULL")
    (folder / "linked").symlink_to(elsewhere)
    (folder / "y.trn").symlink_to(tmp_path / "nowhere")
    scan = os.scandir

    def scandir(path: str) -> object:
        if Path(path).name in ("LOG", "lost+found"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    # root may read what nobody may.
    monkeypatch.setattr(os, "scandir", scandir)
    given = native_given.look([folder])

    problems = {Path(file.name).name: sentence for file in given.files for _, sentence in file.problems}
    notes = {Path(file.name).name: note for file in given.files for note in file.notes}
    assert problems == {"LOG": "can't be read: Permission denied"}
    assert notes == {
        "linked": "is a link to another folder, and was not followed: give that folder too",
        "lost+found": "can't be read: Permission denied",
        "y.trn": "is a link that leads nowhere, and was skipped",
    }
