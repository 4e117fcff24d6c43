"""A file is judged by two ranges of it: what it is, and whether its end is there."""

import random
import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable, RestoreError
from dbrestore.contract.sqlserver_errors import (
    BackupTooLarge,
    MediaPasswordSet,
    NotANativeBackup,
    SystemDatabaseRefused,
)
from dbrestore.points.sqlserver.file import LARGEST, inspect
from dbrestore.points.sqlserver.header_ranges import RANGE
from tests.unit.points.sqlserver.backups import SECTOR, Written, backup, compressed, judged

BIG = backup(Written(pages=500))


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
        (b"\0" * 4096, "isn't a native SQL Server backup"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip archive: unpack"),
        (b"<!DOCTYPE html>", "web page"),
        (b"\1\x0f\0\0" + bytes(8188), "file of a database"),
        (b"PK\3\4" + bytes(26) + b"model.xml", r"\.bacpac or \.dacpac.*SqlPackage"),
        (b"PK\3\4" + bytes(26) + b"word/document.xml", "Office document"),
        (random.Random(1).randbytes(4096), "looks like random bytes.*kms_master_key_arn"),
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


@pytest.mark.parametrize("unit", [512, 4096, 65536])
@pytest.mark.parametrize("write", [backup, compressed])
def test_every_backup_set_of_a_file_is_found_with_its_place(write: Callable[[Written], bytes], unit: int) -> None:
    data = write(Written(sets=3, unit=unit))

    found = judged(data)

    assert found.problems == ()
    assert [one.position for one in found.sets] == [1, 2, 3]
    assert [one.header.backup_set.begun_at.day for one in found.sets] == [26, 27, 28]
    assert found.sets[-1].extent.end == len(data)
    assert all(one.extent.end == other.extent.begin for one, other in pairwise(found.sets))


@pytest.mark.parametrize(("name", "number"), [("MASTER", 9), ("model", 3), ("msdb", 4), ("rdsadmin", 5), ("mine", 1)])
def test_a_system_database_is_refused_by_its_name_or_number(name: str, number: int) -> None:
    assert kinds(backup(Written(database=name, database_number=number))) == [SystemDatabaseRefused]


def test_all_problems_of_a_file_are_told_at_once() -> None:
    assert kinds(backup(Written(kind="F", password=b"x" * 16))[:-SECTOR]) == [
        MediaPasswordSet,
        BackupUnreadable,
        BackupDamaged,
    ]


@given(st.binary(max_size=400), st.sampled_from([b"", b"TAPE", b"MSSQLBAK\2\0\0\0"]))
def test_any_bytes_are_judged_without_a_crash(data: bytes, beginning: bytes) -> None:
    assert kinds(beginning + data)
