"""Stripes make whole sets and sets make chains, or each file is refused with the reason: all problems in one answer."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable, RestoreError
from dbrestore.contract.sqlserver_errors import (
    BaseBackupMissing,
    NotANativeBackup,
    StripeMissing,
    StripesMixed,
    TooManyStripes,
)
from dbrestore.points.sqlserver import described_points
from dbrestore.points.sqlserver import given as native_given
from tests.unit.points.sqlserver.backups import Written, backup

FULL = Written()
DIFFERENTIAL = replace(
    FULL,
    kind="I",
    set_id=UUID(int=2),
    media=UUID(int=2),
    first=(21, 182, 34),
    last=(21, 197, 1),
    checkpoint=(21, 182, 34),
    base=FULL.checkpoint,
)
LOG = replace(FULL, kind="L", set_id=UUID(int=3), media=UUID(int=3), first=(21, 150, 1), last=(21, 180, 1))
NEXT_LOG = replace(FULL, kind="L", set_id=UUID(int=4), media=UUID(int=4), first=(21, 180, 1), last=(21, 200, 1))
LAST_LOG = replace(FULL, kind="L", set_id=UUID(int=5), media=UUID(int=5), first=(21, 200, 1), last=(22, 1, 1))


class Files:
    """Backups in a folder, each named by the caller."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, **files: Written) -> list[Path]:
        for name, what in files.items():
            (self.folder / name).write_bytes(backup(what))
        return [self.folder / name for name in files]

    def refused(self, kind: type[RestoreError], paths: Sequence[Path]) -> list[str]:
        with pytest.raises(kind) as caught:
            described_points.chosen(native_given.look(paths))
        assert type(caught.value) is kind
        return str(caught.value).replace(f"{self.folder}/", "").splitlines()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def kinds(paths: Sequence[Path]) -> list[str]:
    [[chain]] = described_points.chosen(native_given.look(paths)).points
    return [one.backup_set.kind for one in chain.sets]


def test_stripes_stand_in_their_order_whatever_order_they_are_given_in(files: Files) -> None:
    paths = files.write(**{f"s{n}": replace(FULL, stripe=n, stripes=10) for n in (3, 10, 1, 2, 9, 4, 8, 5, 7, 6)})

    [[chain]] = described_points.chosen(native_given.look(paths)).points

    assert [Path(stripe.name).name for stripe in chain.full.stripes] == [f"s{n}" for n in range(1, 11)]


def test_a_missing_stripe_is_named_by_its_number(files: Files) -> None:
    paths = files.write(a=replace(FULL, stripe=1, stripes=4), c=replace(FULL, stripe=3, stripes=4))

    [line] = files.refused(StripeMissing, paths)

    assert line.startswith("a, c: the set of 'shop' begun 2023-02-28 23:59:58")
    assert "has 4 files and stripe 2, 4 is not given" in line


def test_stripes_of_two_backups_are_mixed_and_both_are_named(files: Files) -> None:
    later = replace(FULL, stripes=2, stripe=2, media=UUID(int=9), set_id=UUID(int=9), begun=datetime(2023, 3, 1))
    paths = files.write(a=replace(FULL, stripe=1, stripes=2), b=later)

    lines = files.refused(StripesMixed, paths)

    assert [line.split(":")[0] for line in lines] == ["a", "b"]
    assert "stripe 2 is not given, but b of 'shop' begun 2023-03-01" in lines[0]
    assert "stripe 1 is not given, but a of 'shop' begun 2023-02-28" in lines[1]


def test_an_overwritten_stripe_of_the_same_media_set_is_mixed_too(files: Files) -> None:
    tuesday = replace(FULL, stripes=2, stripe=2, set_id=UUID(int=9))
    paths = files.write(monday=replace(FULL, stripe=1, stripes=2), tuesday=tuesday)

    assert "monday: the set of 'shop'" in files.refused(StripesMixed, paths)[0]


def test_a_stripe_given_twice_is_refused(files: Files) -> None:
    paths = files.write(
        a=replace(FULL, stripe=1, stripes=2),
        b=replace(FULL, stripe=2, stripes=2),
        copy=replace(FULL, stripe=2, stripes=2),
    )

    [line] = files.refused(StripesMixed, paths)

    assert line.startswith("a, b, copy: stripe 2 of 'shop'")
    assert "was given twice" in line


def test_a_single_file_given_twice_is_refused(files: Files) -> None:
    [path] = files.write(a=FULL)

    assert "stripe 1 of 'shop'" in files.refused(StripesMixed, [path, path])[0]


def test_more_than_ten_stripes_are_refused_even_when_all_are_there(files: Files) -> None:
    paths = files.write(**{f"s{n}": replace(FULL, stripe=n, stripes=11) for n in range(1, 12)})

    [line] = files.refused(TooManyStripes, paths)

    assert "a backup of 11 files, and RDS restores 10 at most" in line


def test_a_full_backup_is_followed_by_its_differential_and_logs_in_the_order_of_restoring(files: Files) -> None:
    paths = files.write(d=LAST_LOG, c=NEXT_LOG, b=DIFFERENTIAL, a=FULL)

    assert kinds(paths) == ["D", "I", "L", "L"]


def test_logs_may_follow_the_full_backup_at_once(files: Files) -> None:
    assert kinds(files.write(b=NEXT_LOG, c=LAST_LOG, a=LOG, full=FULL)) == ["D", "L", "L", "L"]


def test_several_databases_are_several_chains(files: Files) -> None:
    crm = replace(FULL, database="crm", database_id=UUID(int=7), set_id=UUID(int=7), media=UUID(int=7))

    [chains] = described_points.chosen(native_given.look(files.write(a=FULL, b=crm, c=LOG))).points

    assert [[one.backup_set.database for one in chain.sets] for chain in chains] == [["crm"], ["shop", "shop"]]


@pytest.mark.parametrize("alone", [DIFFERENTIAL, LOG], ids=["differential", "log"])
def test_what_builds_on_a_full_backup_is_refused_without_one(files: Files, alone: Written) -> None:
    [line] = files.refused(BaseBackupMissing, files.write(a=alone))

    assert line.startswith("a: is a ")
    assert "give its full backup too" in line


def test_a_differential_of_another_full_backup_is_refused_with_both_lsns(files: Files) -> None:
    [line] = files.refused(BaseBackupMissing, files.write(full=FULL, diff=replace(DIFFERENTIAL, base=(21, 153, 38))))

    assert line.startswith("diff: is a differential backup of 'shop', but based on a full backup with checkpoint LSN 21:153:38")
    assert "full has 21:153:37" in line


def test_a_gap_between_logs_is_refused_with_both_lsns(files: Files) -> None:
    [line] = files.refused(BaseBackupMissing, files.write(full=FULL, first=LOG, third=LAST_LOG))

    assert line.startswith("third: is a log backup of 'shop', and begins at LSN 21:200:1, but first ends at 21:180:1")


def test_a_differential_bridges_a_gap_between_logs(files: Files) -> None:
    later = replace(DIFFERENTIAL, last=(21, 201, 1))

    assert kinds(files.write(full=FULL, first=LOG, diff=later, third=LAST_LOG)) == ["D", "L", "I", "L"]


def test_a_log_that_begins_where_the_full_backup_ends_follows_it_and_one_record_later_does_not(files: Files) -> None:
    touching = replace(NEXT_LOG, first=FULL.last)

    assert kinds(files.write(full=FULL, log=touching)) == ["D", "L"]
    files.refused(BaseBackupMissing, files.write(full=FULL, log=replace(touching, first=(21, 169, 2))))


def test_a_log_from_before_the_full_backup_is_refused(files: Files) -> None:
    [line] = files.refused(BackupUnreadable, files.write(full=FULL, old=replace(LOG, last=FULL.last)))

    assert "ends at LSN 21:169:1, before full does" in line


def test_a_log_of_a_database_made_anew_is_refused_although_its_lsns_fit(files: Files) -> None:
    [line] = files.refused(BaseBackupMissing, files.write(full=FULL, log=replace(LOG, database_id=UUID(int=8))))

    assert "another database of that name" in line


def test_two_full_backups_of_a_database_are_two_points(files: Files) -> None:
    newer = replace(
        FULL, set_id=UUID(int=9), media=UUID(int=9), begun=datetime(2023, 3, 7), first=(30, 1, 1), last=(30, 9, 1), checkpoint=(30, 1, 1)
    )

    older, newest = described_points.chosen(native_given.look(files.write(a=newer, b=FULL))).points

    assert [chain.full.names.rpartition("/")[2] for chain in (*older, *newest)] == ["b", "a"]


def test_all_problems_of_all_files_are_told_at_once(files: Files) -> None:
    paths = files.write(
        cut=FULL,
        stripe=replace(FULL, database="crm", stripes=2, set_id=UUID(int=6)),
        diff=replace(DIFFERENTIAL, base=(1, 1, 1)),
    )
    paths[0].write_bytes(paths[0].read_bytes()[:-1])
    (files.folder / "empty").touch()
    folder = files.folder / "folder"
    folder.mkdir()

    lines = files.refused(BackupUnreadable, [*paths, files.folder / "empty", files.folder / "nowhere", folder])

    assert [line.split(":")[0].removesuffix("/") for line in lines] == [
        "cut",
        "empty",
        "nowhere",
        "folder",
        "stripe",
        "diff",
    ]
    assert "can't be read: No such file" in lines[2]
    assert "is a folder without a backup in it" in lines[3]


@pytest.mark.parametrize(("content", "kind"), [(b"", NotANativeBackup), (backup()[:-512], BackupDamaged)])
def test_problems_of_one_kind_keep_their_name(files: Files, content: bytes, kind: type[RestoreError]) -> None:
    (files.folder / "a").write_bytes(content)

    files.refused(kind, [files.folder / "a"])
