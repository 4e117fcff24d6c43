"""Which backup sets make which restore points: of files that are named, of files with several sets, of the folders of backup jobs."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from dbrestore.contract.errors import BackupUnreadable, RestoreError, RestoreRequestInvalid
from dbrestore.contract.sqlserver_errors import BaseBackupMissing, NotANativeBackup, StripesMixed, SystemDatabaseRefused
from dbrestore.points.sqlserver import described_points
from dbrestore.points.sqlserver import given as native_given
from dbrestore.points.sqlserver.assembled_points import Selection
from tests.unit.points.sqlserver.backups import Written, backup_of_sets

BEGIN = datetime(2026, 11, 20, 2)


def lsn(hours: int, slot: int = 1) -> tuple[int, int, int]:
    """The log's position so many hours after the beginning."""
    return 40, 1000 + 100 * hours, slot


class Database:
    """Its backups, each in a media set of its own, by the hour at which they begin."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self._like = Written(database=name, database_id=UUID(int=number), pages=1)
        self._made = number << 32

    def _set(self, kind: str, hour: int, **fields: object) -> Written:
        self._made += 1
        ids = {"set_id": UUID(int=self._made), "media": UUID(int=self._made)}
        return replace(self._like, kind=kind, begun=BEGIN + timedelta(hours=hour), **ids, **fields)  # type: ignore[arg-type]

    def full(self, hour: int) -> Written:
        return self._set("D", hour, first=lsn(hour), checkpoint=lsn(hour), last=lsn(hour, 50))

    def differential(self, hour: int, of: Written) -> Written:
        base = of.final[2] if of.final else of.checkpoint
        fields = {
            "first": lsn(hour),
            "checkpoint": lsn(hour),
            "last": lsn(hour, 50),
            "base": base,
            "base_set": of.set_id,
        }
        return self._set("I", hour, **fields)

    def log(self, begin: int, hour: int) -> Written:
        return self._set("L", hour, first=lsn(begin), last=lsn(hour))

    def logs(self, hours: Iterable[int]) -> list[Written]:
        """Each from the hour before."""
        return [self.log(hour - 1, hour) for hour in hours]


SHOP, CRM = Database("shop", 1), Database("crm", 2)


def write(path: Path, *sets: Written) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(backup_of_sets(sets))
    return path


def chosen(*paths: Path, positions: Sequence[int] = ()) -> Selection:
    return described_points.chosen(native_given.look(paths), positions)


def told(selection: Selection) -> list[list[str]]:
    """Of each point: `crm: D L L`."""
    return [[f"{chain.database}: {' '.join(one.backup_set.kind for one in chain.sets)}" for chain in point] for point in selection.points]


def refused(kind: type[RestoreError], *paths: Path, positions: Sequence[int] = ()) -> str:
    with pytest.raises(kind) as caught:
        chosen(*paths, positions=positions)
    assert type(caught.value) is kind
    return str(caught.value)


def test_of_a_file_with_several_sets_the_newest_full_backup_and_what_follows_it_are_taken(tmp_path: Path) -> None:
    old, new = SHOP.full(0), SHOP.full(24)
    path = write(tmp_path / "shop.bak", old, SHOP.log(0, 12), new, SHOP.differential(30, new), SHOP.log(12, 36))

    selection = chosen(path)

    assert told(selection) == [["shop: D I L"]]
    assert [one.stripes[0].placed.position for one in selection.points[0][0].sets] == [3, 4, 5]
    assert [line.partition(": ")[2] for line in selection.left_out] == [
        "full backup of 'shop' begun 2026-11-20 02:00:00 is left out, because set 3 is a newer full backup; --set 1 takes it",
        "log backup of 'shop' begun 2026-11-20 14:00:00 is left out, because set 3 is a newer full backup; --set 2 takes it",
    ]
    assert selection.left_out[0].startswith(f"{path} (set 1 of 5): ")


def test_a_file_with_several_databases_gives_the_newest_of_each(tmp_path: Path) -> None:
    path = write(tmp_path / "all.bak", SHOP.full(0), CRM.full(1), SHOP.full(24), CRM.log(1, 25))

    selection = chosen(path)

    assert told(selection) == [["crm: D L", "shop: D"]]
    assert [line.partition(" is")[0] for line in selection.left_out] == [
        f"{path} (set 1 of 4): full backup of 'shop' begun 2026-11-20 02:00:00"
    ]


def test_the_sets_asked_for_are_taken_and_no_others(tmp_path: Path) -> None:
    path = write(tmp_path / "shop.bak", SHOP.full(0), SHOP.log(0, 12), SHOP.full(24))

    selection = chosen(path, positions=[1, 2])

    assert told(selection) == [["shop: D L"]]
    assert selection.left_out == []


def test_a_position_that_no_set_has_is_refused_with_what_there_is(tmp_path: Path) -> None:
    path = write(tmp_path / "shop.bak", SHOP.full(0), SHOP.full(24))

    sentence = refused(RestoreRequestInvalid, path, positions=[7])

    assert sentence.startswith(f"{path}: holds 2 backup sets, and --set 7 isn't one of them: 1 is a full backup of 'shop' begun")
    assert "; 2 is a full backup of 'shop' begun 2026-11-21 02:00:00" in sentence


def test_a_set_that_rds_refuses_is_no_matter_where_another_one_is_asked_for(tmp_path: Path) -> None:
    master = replace(SHOP.full(0), database="master", database_number=1)
    path = write(tmp_path / "all.bak", master, SHOP.full(1))

    assert told(chosen(path, positions=[2])) == [["shop: D"]]
    assert refused(SystemDatabaseRefused, path).startswith(f"{path} (set 1 of 2): is a backup of the system database")


def test_two_full_backups_are_two_points_the_oldest_first(tmp_path: Path) -> None:
    paths = [write(tmp_path / "new.bak", SHOP.full(24)), write(tmp_path / "old.bak", SHOP.full(0))]

    selection = chosen(*paths)

    assert told(selection) == [["shop: D"], ["shop: D"]]
    assert [point[0].full.backup_set.begun_at for point in selection.points] == [BEGIN, BEGIN + timedelta(days=1)]


def file_of(folder: Path, what: Written) -> Path:
    """Where Ola Hallengren's jobs write it."""
    kind, suffix = {"D": ("FULL", "bak"), "I": ("DIFF", "bak"), "L": ("LOG", "trn")}[what.kind]
    place = folder / "SQL1" / what.database / kind
    return place / f"SQL1_{what.database}_{kind}_{what.begun:%Y%m%d_%H%M%S}.{suffix}"


def written(folder: Path, sets: Iterable[Written]) -> list[Path]:
    return [write(file_of(folder, one), one) for one in sets]


def week(folder: Path) -> None:
    """Two databases, two full backups and two differentials each, twenty logs of one and an old one."""
    fulls = [SHOP.full(0), SHOP.full(48)]
    written(folder, [*fulls, SHOP.differential(24, fulls[0]), SHOP.differential(72, fulls[1])])
    # Logs at every fourth hour; the 13th runs from before the second full backup to behind it.
    written(folder, (SHOP.log(hour - 4, hour + 1 if hour == 48 else hour) for hour in range(4, 84, 4) if hour != 52))
    written(folder, [SHOP.log(49, 52), SHOP.log(-8, -4)])
    others = [CRM.full(1), CRM.full(49)]
    written(folder, [*others, CRM.differential(25, others[0]), CRM.differential(73, others[1])])
    (folder / "SQL1" / "shop" / "DatabaseBackup.txt").write_text("Outcome: Succeeded")


def test_a_folder_of_a_backup_job_becomes_a_point_for_each_round_of_full_backups(tmp_path: Path) -> None:
    week(tmp_path)

    selection = chosen(tmp_path)

    first, second = told(selection)
    assert first == ["crm: D I", "shop: D " + "L " * 6 + "I " + "L " * 5 + "L"]
    assert second == ["crm: D I", "shop: D " + "L " * 7 + "I L L"]
    old, new = (selection.points[n][1].sets for n in (0, 1))
    over = [one.backup_set.begun_at for one in old if one in new]
    assert over == [BEGIN + timedelta(hours=49)]
    assert sorted(line.partition("/SQL1/shop/")[2] for line in selection.left_out) == [
        "DatabaseBackup.txt: isn't a backup, and was skipped",
        "LOG/SQL1_shop_LOG_20261119_220000.trn: log backup of 'shop' begun 2026-11-19 22:00:00 is left out: "
        "it is older than the first full backup",
    ]


def test_a_log_missing_in_a_folder_is_told_with_the_files_around_it(tmp_path: Path) -> None:
    written(tmp_path, [SHOP.full(0), *SHOP.logs([1, 2, 4, 5])])

    sentence = refused(BaseBackupMissing, tmp_path)

    assert "LOG_20261120_060000.trn: is a log backup of 'shop', and begins at LSN 40:1300:1, but " in sentence
    assert "LOG_20261120_040000.trn ends at 40:1200:1: give the log backups between them too" in sentence
    assert len(sentence.splitlines()) == 1


def test_names_are_one_database_however_they_are_spelled_and_the_full_backups_spelling_is_the_points(
    tmp_path: Path,
) -> None:
    full, log = SHOP.full(0), SHOP.log(0, 1)
    paths = [
        write(tmp_path / "a", replace(full, database="StopAt")),
        write(tmp_path / "b", replace(log, database="STOPAT")),
    ]

    assert told(chosen(*paths)) == [["StopAt: D L"]]


def test_a_differential_belongs_to_the_full_backup_whose_final_checkpoint_it_names(tmp_path: Path) -> None:
    full = replace(SHOP.full(0), final=(lsn(0, 7), lsn(0, 60), lsn(0, 7)))
    of_it = SHOP.differential(5, full)
    of_the_first_header = replace(of_it, base=full.checkpoint)

    assert told(chosen(write(tmp_path / "f", full), write(tmp_path / "d", of_it))) == [["shop: D I"]]
    sentence = refused(BaseBackupMissing, tmp_path / "f", write(tmp_path / "d", of_the_first_header))
    assert "with checkpoint LSN 40:1000:1, and" in sentence
    assert "f has 40:1000:7" in sentence


def test_a_log_after_the_full_backups_first_end_and_before_its_final_one_does_not_follow_it(tmp_path: Path) -> None:
    full = replace(SHOP.full(0), final=(lsn(0), lsn(2), lsn(1)))

    sentence = refused(BackupUnreadable, write(tmp_path / "f", full), write(tmp_path / "l", SHOP.log(0, 1)))

    assert "ends at LSN 40:1100:1, before" in sentence


def test_system_databases_in_a_folder_are_left_out_and_told(tmp_path: Path) -> None:
    systems = [replace(Database(name, 9 + n).full(n), database_number=n) for n, name in enumerate(("master", "model", "msdb"), 1)]
    written(tmp_path, [SHOP.full(0), *systems])

    selection = chosen(tmp_path)

    assert told(selection) == [["shop: D"]]
    assert [line.rpartition("bak: ")[2] for line in selection.left_out] == [
        f"full backup of '{one.database}' begun {one.begun} is left out: RDS restores no system database" for one in systems
    ]


def test_a_system_database_that_is_named_is_refused_although_its_folder_is_given_too(tmp_path: Path) -> None:
    master = replace(Database("master", 9).full(0), database_number=1)
    [_, path] = written(tmp_path, [SHOP.full(0), master])

    assert refused(SystemDatabaseRefused, path, tmp_path).startswith(f"{path}: is a backup of the system database 'master'")


def test_a_folder_with_system_databases_alone_makes_no_point_and_says_why(tmp_path: Path) -> None:
    written(tmp_path, [replace(Database("msdb", 9).full(0), database_number=4)])

    first, second = refused(BackupUnreadable, tmp_path).splitlines()

    assert first == "nothing that was given can become a restore point:"
    assert second.endswith("is left out: RDS restores no system database")


def test_a_copy_only_full_backup_between_is_a_point_of_its_own_and_keeps_the_differential_where_it_belongs(
    tmp_path: Path,
) -> None:
    full, copy = SHOP.full(0), SHOP.full(2)
    written(tmp_path, [full, copy, SHOP.differential(4, full), *SHOP.logs([1, 2, 3, 4, 5])])

    selection = chosen(tmp_path)

    assert told(selection) == [["shop: D L L L I"], ["shop: D L L L"]]


def test_a_position_that_no_file_has_is_refused_where_each_holds_one_set(tmp_path: Path) -> None:
    paths = written(tmp_path, [SHOP.full(0)])

    with pytest.raises(RestoreRequestInvalid, match=r"--set 2: each file holds one backup set"):
        described_points.chosen(native_given.look(paths), (2,))
    assert told(described_points.chosen(native_given.look(paths), (1,))) == [["shop: D"]]


def test_hidden_files_digests_and_links_in_a_folder_do_no_harm(tmp_path: Path) -> None:
    [path] = written(tmp_path, [SHOP.full(0)])
    path.with_name(path.name + ".sha256").write_text("0" * 64)
    path.with_name("._" + path.name).write_bytes(b"\0\5\x16\7" + bytes(4092))
    (tmp_path / ".snapshot").mkdir()
    write(tmp_path / ".snapshot" / "shop.bak", SHOP.full(1))
    (tmp_path / "latest.bak").symlink_to(path)
    (tmp_path / "gone.bak").symlink_to(tmp_path / "nowhere")
    os.link(path, tmp_path / "z.bak")

    given = native_given.look([tmp_path])
    selection = described_points.chosen(given)

    assert told(selection) == [["shop: D"]]
    assert list(given.digests) == [str(path)]
    assert sorted(selection.left_out) == sorted(
        [
            f"{tmp_path / 'z.bak'}: is the same file as {path}, and was skipped",
            f"{tmp_path / 'latest.bak'}: is the same file as {path}, and was skipped",
            f"{tmp_path}: 2 hidden files (names that begin with a dot) were skipped",
            f"{tmp_path / 'gone.bak'}: is a link that leads nowhere, and was skipped",
        ]
    )


def test_a_copy_in_a_folder_is_left_out_and_one_that_is_named_is_refused(tmp_path: Path) -> None:
    full = SHOP.full(0)
    one, copy = write(tmp_path / "a" / "shop.bak", full), write(tmp_path / "b" / "shop.bak", full)

    selection = chosen(tmp_path)

    assert told(selection) == [["shop: D"]]
    assert selection.left_out == [f"{copy}: is left out: it is the same backup as {one}"]
    assert "was given twice" in refused(StripesMixed, one, copy)


def test_a_file_that_is_named_and_stands_in_a_folder_that_is_named_too_is_taken_once(tmp_path: Path) -> None:
    [full, log] = written(tmp_path, [SHOP.full(0), SHOP.log(0, 1)])

    assert told(chosen(log, tmp_path)) == told(chosen(tmp_path, full)) == [["shop: D L"]]


def test_a_text_called_log_is_passed_over_and_a_log_backup_of_that_name_is_not(tmp_path: Path) -> None:
    write(tmp_path / "shop.bak", SHOP.full(0))
    write(tmp_path / "shop_1.log", SHOP.log(0, 1))
    (tmp_path / "job.log").write_text("done")

    selection = chosen(tmp_path)

    assert told(selection) == [["shop: D L"]]
    assert selection.left_out == [f"{tmp_path / 'job.log'}: isn't a backup, and was skipped"]


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_backup_in_a_folder_that_is_none_any_more_is_refused_not_left_out(tmp_path: Path, content: bytes) -> None:
    write(tmp_path / "shop.bak", SHOP.full(0))
    (tmp_path / "newest.bak").write_bytes(content)

    assert refused(NotANativeBackup, tmp_path).startswith(f"{tmp_path / 'newest.bak'}: is ")


def test_a_folder_of_two_servers_with_a_database_of_one_name_keeps_their_chains_apart(tmp_path: Path) -> None:
    twin = Database("shop", 3)
    one, other = SHOP.full(0), twin.full(0)
    sets = [
        one,
        SHOP.differential(3, one),
        *SHOP.logs([1, 2]),
        replace(other, begun=BEGIN + timedelta(minutes=1)),
        twin.differential(3, other),
        twin.log(0, 1),
    ]
    for n, what in enumerate(sets):
        write(tmp_path / f"{n}.bak", what)

    selection = chosen(tmp_path)

    assert told(selection) == [["shop: D L L I"], ["shop: D L I"]]


def test_the_logs_of_a_database_that_was_made_anew_are_older_by_the_clock_not_by_their_lsns(tmp_path: Path) -> None:
    write(tmp_path / "full.bak", SHOP.full(0))
    dropped = write(tmp_path / "dropped.trn", replace(Database("shop", 4).log(90, 91), begun=BEGIN - timedelta(days=1)))

    selection = chosen(tmp_path)

    assert told(selection) == [["shop: D"]]
    assert selection.left_out[0].startswith(f"{dropped}: log backup of 'shop'")
