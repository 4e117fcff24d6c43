"""A file is judged by two ranges of it: what it is, and whether its end is there."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repository.errors import BackupDamaged, BackupUnreadable, RestoreError
from repository.native_errors import BackupTooLarge, MediaPasswordSet, NotANativeBackup
from repository.native_file import LARGEST, RANGE, NativeFile, inspect
from tests.unit.repository.native_backups import SECTOR, Written, backup, block, compressed

BIG = backup(Written(pages=500))


def judged(data: bytes) -> NativeFile:
    return inspect("x.bak", len(data), lambda offset, count: data[offset : offset + count])


def kinds(data: bytes) -> list[type[RestoreError]]:
    return [kind for kind, _ in judged(data).problems]


@pytest.mark.parametrize("data", [backup(), BIG, compressed(), compressed(Written(pages=255))], ids=len)
def test_a_whole_backup_has_no_problem(data: bytes) -> None:
    found = judged(data)

    assert found.problems == ()
    assert found.header is not None
    assert (found.name, found.length) == ("x.bak", len(data))


@pytest.mark.parametrize("size", [1, SECTOR, RANGE, RANGE + 1, 3 * RANGE, len(BIG)])
def test_no_file_is_read_in_more_than_two_ranges_of_64_kib(size: int) -> None:
    asked: list[tuple[int, int]] = []

    def read(offset: int, count: int) -> bytes:
        asked.append((offset, count))
        return BIG[offset : offset + count]

    inspect("x.bak", size, read)

    assert 1 <= len(asked) <= 2
    assert all(count <= RANGE and offset + count <= size for offset, count in asked)


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "Git LFS pointer.*git lfs pull"),
        (b"PGDMP\1\2", "--engine postgres"),
        (b"\x1f\x8b\x08\0", "gzip file: unpack"),
        (b"PK\3\4", "zip file: unpack"),
        (b"BACKUP DATABASE shop", "it begins with b'BACKUP D'"),
        (b"\0" * 4096, "no native SQL Server backup"),
    ],
)
def test_what_is_no_native_backup_is_named_for_what_it_is(data: bytes, part: str) -> None:
    found = judged(data)

    [(kind, sentence)] = found.problems
    assert kind is NotANativeBackup
    assert re.search(part, sentence)
    assert found.header is None


@pytest.mark.parametrize("data", [backup(), compressed()], ids=["plain", "compressed"])
def test_a_file_that_lost_its_end_is_truncated_however_little_it_lost(data: bytes) -> None:
    header_length = 8192

    for lost in [*range(1, 40), *range(SECTOR, len(data) - header_length, SECTOR)]:
        assert kinds(data[:-lost]) == [BackupDamaged], lost


@given(st.integers(1, len(BIG) - 9000))
def test_a_file_that_is_being_written_is_truncated(lost: int) -> None:
    assert kinds(BIG[:-lost]) == [BackupDamaged]


def test_odd_bytes_are_told_as_such() -> None:
    [(_, sentence)] = judged(backup()[:-1]).problems

    assert sentence.startswith("ends with 511 odd bytes")


def test_bytes_that_are_missing_or_doubled_between_the_two_ranges_show_in_the_last_filemark() -> None:
    middle = len(BIG) // 2

    [(_, fewer)] = judged(BIG[:middle] + BIG[middle + SECTOR :]).problems
    [(_, more)] = judged(BIG[:middle] + bytes(3 * SECTOR) + BIG[middle:]).problems

    assert fewer.startswith("has 512 bytes fewer than it says")
    assert more.startswith("has 1,536 bytes more than it says")


def test_zeros_behind_the_end_are_not_a_backup() -> None:
    assert kinds(backup() + bytes(SECTOR)) == [BackupDamaged]


def test_an_end_in_sectors_of_4096_bytes_is_accepted() -> None:
    end = block(b"ESET", {76: b"\1\0"}, length=4096) + block(b"SFMB", {}, length=4096)

    assert kinds(BIG[:-4096] + end) == []


def test_an_end_without_the_sets_end_is_truncated() -> None:
    assert kinds(BIG[:-3584] + bytes(3584 - SECTOR) + BIG[-SECTOR:]) == [BackupDamaged]


def test_more_than_5_tb_are_refused_although_everything_else_is_right() -> None:
    def read(offset: int, count: int) -> bytes:
        return BIG[:count] if not offset else BIG[-count:]

    [(kind, sentence)] = inspect("x.bak", LARGEST + SECTOR, read).problems[:1]
    allowed = inspect("x.bak", LARGEST, read).problems

    assert (kind, "several files" in sentence) == (BackupTooLarge, True)
    assert BackupTooLarge not in [kind for kind, _ in allowed]


@pytest.mark.parametrize("password", [{"password": b"x" * 16}, {"set_password": b"x" * 16}])
def test_a_password_is_refused(password: dict[str, bytes]) -> None:
    assert kinds(backup(Written(**password))) == [MediaPasswordSet]  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "part"), [("F", "a file backup"), ("P", "a partial"), ("Z", "'Z'")])
def test_kinds_that_rds_does_not_restore_are_refused(kind: str, part: str) -> None:
    [(error, sentence)] = judged(backup(Written(kind=kind))).problems

    assert (error, part in sentence) == (BackupUnreadable, True)


def test_several_backup_sets_in_one_file_are_refused_because_the_oldest_would_be_restored() -> None:
    [(error, sentence)] = judged(backup(Written(sets=3))).problems

    assert error is BackupUnreadable
    assert sentence.startswith("holds 3 backup sets")


def test_all_problems_of_a_file_are_told_at_once() -> None:
    assert kinds(backup(Written(kind="F", password=b"x" * 16))[:-SECTOR]) == [
        MediaPasswordSet,
        BackupUnreadable,
        BackupDamaged,
    ]


@given(st.binary(max_size=400), st.sampled_from([b"", b"TAPE", b"MSSQLBAK\2\0\0\0"]))
def test_any_bytes_are_judged_without_a_crash(data: bytes, beginning: bytes) -> None:
    assert kinds(beginning + data)
