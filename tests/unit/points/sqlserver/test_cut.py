"""A backup set that is cut out of its file is a whole backup of its own: for the product, for the judge, byte by byte."""

from dataclasses import replace
from datetime import datetime
from functools import cache
from itertools import product
from uuid import UUID

import pytest

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable
from dbrestore.points.sqlserver import cut as native_cut
from dbrestore.points.sqlserver.file import NativeFile, SetInFile
from localcloud.backups.written import older_sets
from tests.judge import judged as heard
from tests.unit.points.sqlserver.backups import Written, backup, backup_of_sets, compressed, judged
from tests.unit.points.sqlserver.damages import checked
from tests.unit.points.sqlserver.test_samples import SAMPLES

VERSIONS = [(9, 0, 5000), (10, 50, 4000), (15, 0, 2080)]
CASES = list(product(VERSIONS, (512, 4096, 65536), ((2, 1), (3, 1), (6, 1), (3, 2))))
EACH = pytest.mark.parametrize(("version", "unit", "form"), CASES)


def pieces(data: bytes, found: NativeFile, placed: SetInFile) -> bytes:
    def read(offset: int, count: int) -> bytes:
        return data[offset : offset + count]

    part = native_cut.cut(found, placed, read)
    out = b"".join(part.pieces(read))
    assert len(out) == part.length
    return out


def cut(data: bytes, position: int) -> bytes:
    """The file of the n-th set alone."""
    found = judged(data)
    assert (found.problems, found.notes) == ((), ())
    return pieces(data, found, found.sets[position - 1])


@cache
def written(version: tuple[int, int, int], unit: int, form: tuple[int, int]) -> tuple[tuple[Written, ...], bytes]:
    """The sets of a file (the last stripe, if there are several), and its bytes."""
    what = Written(version=version, unit=unit, sets=form[0], stripes=form[1], stripe=form[1], pages=1)
    sets = (*older_sets(what), replace(what, sets=1))
    return sets, backup_of_sets(sets)


@EACH
def test_a_set_cut_out_is_what_an_overwriting_backup_leaves_byte_by_byte(
    version: tuple[int, int, int], unit: int, form: tuple[int, int]
) -> None:
    sets, data = written(version, unit, form)

    assert cut(data, 1) == backup(sets[0])
    for position, one in enumerate(sets[1:], start=2):
        assert cut(data, position) == backup(replace(one, overwritten=sets[0].begun)), position


@EACH
def test_a_set_cut_out_is_one_set_with_the_same_facts_for_both_readers(
    version: tuple[int, int, int], unit: int, form: tuple[int, int]
) -> None:
    _, data = written(version, unit, form)
    whole, all_heard = judged(data), heard(data)
    assert all_heard.in_order, str(all_heard)

    for placed, before in zip(whole.sets, all_heard.sets, strict=True):
        alone = pieces(data, whole, placed)
        found, verdict = judged(alone), heard(alone)
        assert (found.problems, found.notes, len(found.sets)) == ((), (), 1)
        assert found.sets[0].extent.end == len(alone)
        assert replace(found.sets[0].header.backup_set, number=placed.position) == placed.header.backup_set
        assert verdict.in_order, str(verdict)
        [after] = verdict.sets
        places = {"position": before.position, "start": before.start, "end": before.end}
        assert replace(after, **places) == before  # type: ignore[arg-type]


@EACH
def test_a_set_cut_out_has_no_damage(version: tuple[int, int, int], unit: int, form: tuple[int, int]) -> None:
    if form[1] > 1:
        form = (form[0], 1)
    _, data = written(version, unit, form)

    for position in range(1, form[0] + 1):
        assert checked(cut(data, position)).covered > 0


def test_both_stripes_cut_out_are_a_whole_set_without_damage() -> None:
    what = [Written(sets=3, stripes=2, stripe=stripe, pages=300) for stripe in (1, 2)]

    assert checked(*(cut(backup(one), 2) for one in what)).allocated_pages


def test_sets_of_different_kinds_and_sizes_are_cut_out_each() -> None:
    full = Written(pages=200)
    log = replace(full, kind="L", set_id=UUID(int=3), begun=datetime(2023, 3, 1), pages=900)
    other = replace(full, database="crm", database_id=UUID(int=7), set_id=UUID(int=7), begun=datetime(2023, 3, 2), pages=1)
    data = backup_of_sets([full, log, other])

    assert cut(data, 2) == backup(replace(log, overwritten=full.begun))
    assert cut(data, 3) == backup(replace(other, overwritten=full.begun))


def test_of_a_compressed_file_the_first_set_is_cut_out_and_further_ones_are_refused_with_the_way_out() -> None:
    what = Written(sets=2)
    data = compressed(what)

    assert cut(data, 1) == compressed(older_sets(what)[0])
    with pytest.raises(BackupUnreadable, match=r"set 2 can't be cut out .*WITH FILE = 2\) and back up WITH INIT"):
        cut(data, 2)


def test_an_end_of_a_set_without_its_map_is_refused() -> None:
    data = backup(Written(sets=2))
    renamed = data.replace(b"TSMP", b"TSMX")

    with pytest.raises(BackupUnreadable, match=r"set 2 can't be cut out \(its end holds no map of the sets\)"):
        cut(renamed, 2)


@pytest.mark.parametrize("unit", [512, 4096])
@pytest.mark.parametrize("version", [(9, 0, 5000), (15, 0, 2080)])
@pytest.mark.parametrize("sets", [27, 28, 29, 30, 60])
def test_every_set_is_found_where_there_are_more_than_a_filemark_lists(version: tuple[int, int, int], sets: int, unit: int) -> None:
    what = Written(version=version, sets=sets, pages=1, kind="L", unit=unit)
    data = backup(what)

    found = judged(data)

    assert (found.problems, len(found.sets)) == ((), sets)
    assert [one.header.backup_set.begun_at for one in found.sets] == [one.begun for one in (*older_sets(what), what)]
    alone = pieces(data, found, found.sets[-1])
    assert alone == backup(replace(what, sets=1, overwritten=older_sets(what)[0].begun))
    assert heard(alone).in_order


def test_a_filemark_may_count_more_than_it_lists() -> None:
    data = bytearray(backup(Written(sets=30, pages=1, kind="L")))
    for number, place in enumerate(heard(bytes(data)).marks):
        data[place + 56 : place + 60] = number.to_bytes(4, "little")

    found = judged(bytes(data))

    assert (found.problems, len(found.sets)) == ((), 30)


@pytest.mark.parametrize("offset", [0, 56, 72, 104])
def test_a_filemark_that_lists_others_wrongly_is_damage_however_far_away_it_stands(offset: int) -> None:
    data = bytearray(backup(Written(sets=30, pages=1, kind="L")))
    # The last mark lists the nearest 55, and the sixth of all is the oldest of those.
    place = heard(bytes(data)).marks[5]
    data[place + offset] ^= 0x40

    assert [kind for kind, _ in judged(bytes(data)).problems] == [BackupDamaged]


needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no sample backups here (DBRESTORE_SAMPLES)")


@needs_samples
def test_a_real_set_moved_to_where_it_stands_stays_the_same_byte_by_byte() -> None:
    moved = []
    for path in sorted(SAMPLES.iterdir()):
        data = path.read_bytes()
        found = judged(data)
        if found.layout is None or not found.sets or found.sets[0].header.compressed:
            continue

        def read(offset: int, count: int, data: bytes = data) -> bytes:
            return data[offset : offset + count]

        assert b"".join(native_cut.moved(found, found.sets[0], read).pieces(read)) == data, path.name
        moved.append(path.name)
    assert len(moved) >= 12
