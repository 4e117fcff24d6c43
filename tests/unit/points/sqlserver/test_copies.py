"""The header before the data and its copy behind it: what names the backup is alike, or the file is refused; LSNs are the final ones."""

from dataclasses import replace
from datetime import datetime

import pytest

from dbrestore.contract.errors import BackupDamaged
from dbrestore.points.sqlserver.copies import _VARYING
from tests.unit.points.sqlserver.backups import Written, backup, compressed, judged
from tests.unit.points.sqlserver.damages import overwritten

WHAT = Written(kind="I", base=(21, 99, 3), pages=1)
PLAIN = backup(WHAT)
COPIES = {"first": PLAIN.index(b"SCIN"), "second": PLAIN.rindex(b"SCIN")}
EITHER = pytest.mark.parametrize("copy", COPIES)


def flipped(copy: str, offset: int, mask: int) -> bytes:
    """A byte of an item of a copy of the header, by its offset from the item SCIN."""
    at = COPIES[copy] + offset
    return overwritten(PLAIN, at, bytes([PLAIN[at] ^ mask]))


# Offsets from the item's tag.
IDENTITY = [
    ("kind", 87, 0x40),
    ("version", 24, 0x40),
    ("version", 27, 0x40),
    ("database version", 94, 0x40),
    ("checksums", 8, 0x10),
    ("database number", 92, 0x40),
    ("base lsn", 62, 0x40),
    ("base lsn", 66, 0x40),
    ("base lsn", 70, 0x40),
    ("begun at", 81, 0x01),
    ("base id", 200, 0x40),
    ("base id", 215, 0x40),
    ("database id", 224, 0x40),
    ("database id", 239, 0x40),
    ("database", 364, 0x01),
    ("server", 364 + 8, 0x01),
]


@EITHER
@pytest.mark.parametrize(("name", "offset", "mask"), IDENTITY)
def test_a_field_that_names_the_backup_is_alike_in_both_copies(copy: str, name: str, offset: int, mask: int) -> None:
    [(kind, sentence)] = judged(flipped(copy, offset, mask)).problems

    assert kind is BackupDamaged
    assert f"its two copies don't agree about {name}" in sentence


@EITHER
@pytest.mark.parametrize("name", ["shop", "D:\\shop.mdf", "shop_log"])
def test_the_names_and_paths_of_the_databases_files_are_alike_in_both_copies(copy: str, name: str) -> None:
    files = PLAIN.index(b"SFIN") if copy == "first" else PLAIN.index(b"SFIN", COPIES["second"])
    at = PLAIN.index(name.encode("utf-16-le"), files)

    [(kind, sentence)] = judged(overwritten(PLAIN, at, b"x")).problems

    assert kind is BackupDamaged
    assert "don't agree about the database's files" in sentence


@pytest.mark.parametrize(
    ("final", "name"),
    [
        (((21, 152, 37), (21, 169, 1), (21, 153, 37)), "first lsn"),
        (((21, 153, 37), (21, 168, 9), (21, 153, 37)), "last lsn"),
        (((21, 153, 37), (21, 169, 1), (21, 153, 36)), "checkpoint lsn"),
    ],
)
def test_an_lsn_of_the_copy_is_never_lower(final: tuple[tuple[int, int, int], ...], name: str) -> None:
    [(_, sentence)] = judged(backup(replace(WHAT, final=final))).problems  # type: ignore[arg-type]

    assert f"don't agree about {name}" in sentence


@pytest.mark.parametrize("write", [backup, compressed])
def test_the_higher_lsns_of_the_copy_are_the_backups(write: object) -> None:
    what = replace(WHAT, final=((21, 160, 1), (22, 1, 2), (21, 160, 3)), finished=datetime(2023, 3, 1, 4))

    found = judged(write(what))  # type: ignore[operator]

    said = found.sets[0].header.backup_set
    assert (found.problems, found.notes) == ((), ())
    assert (said.first_lsn, said.last_lsn, said.checkpoint_lsn) == what.final
    assert said.finished_at == datetime(2023, 3, 1, 4)


@EITHER
def test_the_last_lsn_stands_twice_in_each_copy(copy: str) -> None:
    [(kind, sentence)] = judged(flipped(copy, 144, 1)).problems

    assert (kind, "it tells the last LSN twice, and not alike" in sentence) == (BackupDamaged, True)


@EITHER
def test_bytes_whose_meaning_is_not_known_are_told(copy: str) -> None:
    found = judged(flipped(copy, 20, 1))

    assert found.problems == ()
    assert found.notes == ("its header's two copies differ in 1 byte that are alike in every other backup seen",)


@EITHER
def test_no_flipped_bit_in_the_items_passes_unless_the_copies_of_sound_backups_differ_there(copy: str) -> None:
    varying = {offset for begin, end in _VARYING[b"SCIN"] for offset in range(begin, end)}

    silent = [offset for offset in range(400) if not (found := judged(flipped(copy, offset, 0x04))).problems and not found.notes]

    assert set(silent) <= varying


def test_a_copy_that_is_not_there_is_told_and_what_it_alone_knows_is_not_known() -> None:
    at = PLAIN.rindex(b"MSLS")

    found = judged(overwritten(PLAIN, at, b"XXXX"))

    assert found.problems == ()
    assert found.notes == ("its header's second copy, behind the data, was not found: when it finished isn't known",)
    assert found.header
    assert found.header.backup_set.finished_at is None


def test_each_set_of_a_file_is_compared_with_its_own_copy() -> None:
    data = backup(Written(sets=2, pages=1))
    last = data.rindex(b"SCIN")

    [(_, sentence)] = judged(overwritten(data, last + 81, bytes([data[last + 81] ^ 1]))).problems

    assert "don't agree about begun at" in sentence
