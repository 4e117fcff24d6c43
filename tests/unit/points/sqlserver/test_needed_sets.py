"""Which backup sets a restore needs: nothing superfluous, nothing missing, and a point in time that is surely inside."""

import re
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from dbrestore.contract.manifest import NativeBackupSet, NativeDatabaseBackup, NativeKind
from dbrestore.contract.sqlserver_errors import PointInTimeUnreachable
from dbrestore.points.sqlserver import adding as native_points
from dbrestore.points.sqlserver.needed_sets import gaps, needed
from tests.unit.points.conftest import BUCKET
from tests.unit.points.sqlserver.test_samples import SAMPLES, paths

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-05-12T{clock}")


def backup_set(name: str, kind: NativeKind, begun: str, first: int, last: int) -> NativeBackupSet:
    """A set from one LSN to another."""
    return NativeBackupSet(
        kind=kind,
        set_id=name,
        media_set_id=name,
        files=(),
        compressed=False,
        checksums=True,
        server="s",
        version="15.0.2080",
        database_version=904,
        compatibility_level=150,
        begun_at=at(begun),
        first_lsn=f"21:{first}:1",
        last_lsn=f"21:{last}:1",
        checkpoint_lsn="21:100:1",
        base_lsn="0:0:0",
        data_size=1,
        database_files=(),
    )


FULL = backup_set("full", "FULL", "01:00:00", 100, 110)
LOG_1 = backup_set("log 1", "LOG", "02:00:00", 90, 200)
DIFFERENTIAL = backup_set("diff", "DIFFERENTIAL", "02:30:00", 210, 220)
LOG_2 = backup_set("log 2", "LOG", "03:00:00", 200, 300)
LOG_3 = backup_set("log 3", "LOG", "04:00:00", 300, 400)


def chosen(*sets: NativeBackupSet, stop_at: str | None = None) -> list[str]:
    backup = NativeDatabaseBackup(name="crm", source_name="crm", database_id="i", backup_sets=sets)
    return [one.set_id for one in needed(backup, at(stop_at) if stop_at else None)]


def refused(*sets: NativeBackupSet, stop_at: str) -> str:
    with pytest.raises(PointInTimeUnreachable) as caught:
        chosen(*sets, stop_at=stop_at)
    return str(caught.value)


def test_a_full_backup_alone_is_all_there_is_to_restore() -> None:
    assert chosen(FULL) == ["full"]


def test_without_a_point_in_time_everything_after_the_full_backup_is_restored() -> None:
    assert chosen(FULL, LOG_1, LOG_2, LOG_3) == ["full", "log 1", "log 2", "log 3"]


def test_the_last_differential_saves_the_logs_before_it() -> None:
    earlier = backup_set("earlier", "DIFFERENTIAL", "01:30:00", 150, 160)

    assert chosen(FULL, earlier, LOG_1, DIFFERENTIAL, LOG_2, LOG_3) == ["full", "diff", "log 2", "log 3"]


@pytest.mark.parametrize(
    ("stop_at", "sets"),
    [
        ("01:30:00", ["full", "log 1"]),
        ("02:00:00", ["full", "log 1", "log 2"]),
        ("02:15:00", ["full", "log 1", "log 2"]),
        ("03:00:01", ["full", "diff", "log 2", "log 3"]),
        ("03:59:59", ["full", "diff", "log 2", "log 3"]),
    ],
)
def test_logs_are_restored_up_to_the_one_that_holds_the_moment(stop_at: str, sets: list[str]) -> None:
    assert chosen(FULL, LOG_1, DIFFERENTIAL, LOG_2, LOG_3, stop_at=stop_at) == sets


def test_a_differential_that_may_have_ended_after_the_moment_is_left_out_while_logs_can_do_without() -> None:
    assert chosen(FULL, LOG_1, DIFFERENTIAL, LOG_2, stop_at="02:30:05") == ["full", "log 1", "log 2"]


def test_a_differential_that_may_have_ended_after_the_moment_is_taken_where_no_logs_lead_past_it() -> None:
    assert chosen(FULL, DIFFERENTIAL, LOG_2, stop_at="02:30:05") == ["full", "diff", "log 2"]


def test_a_differential_that_ends_in_a_later_log_than_the_moments_is_left_out() -> None:
    long = backup_set("long", "DIFFERENTIAL", "02:30:00", 210, 310)

    assert chosen(FULL, LOG_1, LOG_2, long, LOG_3, stop_at="02:45:00") == ["full", "log 1", "log 2"]


def test_where_nothing_is_certain_the_base_that_ended_first_is_taken() -> None:
    early = backup_set("early", "DIFFERENTIAL", "01:30:00", 150, 160)

    assert chosen(FULL, early, LOG_1, stop_at="01:30:05") == ["full", "log 1"]


def test_a_differential_past_the_moments_log_is_no_way_to_it() -> None:
    long = backup_set("long", "DIFFERENTIAL", "02:30:00", 210, 310)

    assert "do not join" in refused(FULL, LOG_2, long, LOG_3, stop_at="02:45:00")


def test_a_moment_in_a_gap_that_a_later_differential_bridges_is_refused() -> None:
    sentence = refused(FULL, LOG_1, backup_set("diff", "DIFFERENTIAL", "03:10:00", 310, 320), LOG_3, stop_at="02:30:00")

    assert sentence.startswith("the log backups of 'crm' up to 2026-05-12 02:30:00 do not join")


def test_a_clock_that_was_put_back_does_not_lead_past_the_moments_first_occurrence() -> None:
    put_back = backup_set("put back", "LOG", "02:20:00", 300, 350)

    assert chosen(FULL, LOG_1, LOG_2, put_back, LOG_3, stop_at="02:30:00") == ["full", "log 1", "log 2"]


@pytest.mark.parametrize("stop_at", ["00:00:00", "01:00:00"])
def test_a_moment_before_the_full_backup_is_refused_with_its_beginning(stop_at: str) -> None:
    sentence = refused(FULL, LOG_1, stop_at=stop_at)

    assert re.search(r"before the full backup of 'crm' began \(2026-05-12 01:00:00\): choose an earlier", sentence)


@pytest.mark.parametrize("stop_at", ["04:00:00", "05:00:00"])
def test_a_moment_that_no_log_surely_holds_is_refused_with_what_the_backups_reach(stop_at: str) -> None:
    assert "began (2026-05-12 04:00:00)" in refused(FULL, LOG_1, LOG_2, LOG_3, stop_at=stop_at)


@pytest.mark.parametrize("sets", [(FULL,), (FULL, DIFFERENTIAL)])
def test_a_moment_without_any_log_backup_is_refused_as_such(sets: tuple[NativeBackupSet, ...]) -> None:
    assert "has no log backups" in refused(*sets, stop_at="02:45:00")


def finished(one: NativeBackupSet, clock: str) -> NativeBackupSet:
    return one.model_copy(update={"finished_at": at(clock)})


FINISHED_FULL = finished(FULL, "01:20:00")
FINISHED = finished(DIFFERENTIAL, "02:31:00")


@pytest.mark.parametrize(
    ("stop_at", "sets"),
    [
        # A second is cut off in the header, so what finished in the same one may have finished after.
        ("02:31:00", ["full", "log 1", "log 2"]),
        ("02:30:30", ["full", "log 1", "log 2"]),
        ("02:31:01", ["full", "diff", "log 2"]),
    ],
)
def test_a_differential_is_used_from_the_second_after_it_finished(stop_at: str, sets: list[str]) -> None:
    assert chosen(FINISHED_FULL, LOG_1, FINISHED, LOG_2, stop_at=stop_at) == sets


def test_a_differential_that_finished_after_the_moment_is_no_way_over_a_gap() -> None:
    assert "do not join" in refused(FINISHED_FULL, FINISHED, LOG_2, LOG_3, stop_at="02:30:30")


def test_a_differential_that_finished_before_the_moment_leads_over_a_gap_in_the_logs() -> None:
    assert chosen(FINISHED_FULL, FINISHED, LOG_2, LOG_3, stop_at="02:31:01") == ["full", "diff", "log 2"]


@pytest.mark.parametrize("stop_at", ["01:10:00", "01:20:00"])
def test_a_moment_at_which_the_full_backup_had_not_finished_is_refused(stop_at: str) -> None:
    sentence = refused(FINISHED_FULL, LOG_1, LOG_2, stop_at=stop_at)

    assert "is before the full backup of 'crm' finished (2026-05-12 01:20:00): choose an earlier" in sentence


def test_a_moment_a_second_after_the_full_backup_finished_is_reached() -> None:
    assert chosen(FINISHED_FULL, LOG_1, LOG_2, stop_at="01:20:01") == ["full", "log 1"]


def test_a_full_backup_of_an_older_point_is_taken_from_its_beginning_on() -> None:
    assert chosen(FULL, LOG_1, LOG_2, stop_at="01:00:01") == ["full", "log 1"]


def test_gaps_are_named_by_the_log_behind_them_and_a_differential_does_not_fill_one() -> None:
    assert gaps([FULL, LOG_1, LOG_2, LOG_3]) == ()
    assert gaps([FULL, LOG_1, DIFFERENTIAL, LOG_3]) == (3,)
    assert gaps([FULL, LOG_2, LOG_3]) == (1,)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no sample backups here (DBRESTORE_SAMPLES)")
@pytest.mark.parametrize(
    ("stop_at", "kinds"),
    [
        (None, ["FULL", "LOG", "LOG"]),
        ("13:29:00", ["FULL", "LOG"]),
        ("13:29:50", ["FULL", "LOG", "LOG"]),
        ("13:30:24", None),
    ],
)
def test_the_headers_of_a_real_chain_say_which_log_holds_a_moment(s3: "S3Client", stop_at: str | None, kinds: list[str] | None) -> None:
    made = native_points.add(s3, BUCKET, "i", paths("chain-b-full.bak chain-b-log-1.trn chain-b-log-2.trn")).points[0]
    moment = datetime.fromisoformat(f"2020-05-12T{stop_at}") if stop_at else None

    [backup] = made.native_databases

    if kinds is None:
        with pytest.raises(PointInTimeUnreachable, match="2020-05-12 13:30:24"):
            needed(backup, moment)
    else:
        assert [one.kind for one in needed(backup, moment)] == kinds
