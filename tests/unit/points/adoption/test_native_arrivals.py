"""Native backups as they arrive, in any order: the same points, each once, of what a job left, in the order in which it ran."""

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from dbrestore.contract.sqlserver_errors import BaseBackupMissing, NotANativeBackup, StripeMissing
from dbrestore.points.adoption.sqlserver import LATE, Due, Judged, Made, Times, judge
from dbrestore.points.sqlserver.file import NativeFile
from tests.unit.points.sqlserver.backups import Written, backup, judged

BEGIN = datetime(2026, 11, 30, 2, tzinfo=UTC)
SETTLE, CHAIN = timedelta(minutes=15), timedelta(hours=24)
FULL = Written()
LOG = replace(FULL, kind="L", set_id=UUID(int=3), last=(21, 180, 1), begun=datetime(2023, 3, 1))


def file(name: str, what: Written) -> NativeFile:
    return judged(backup(what), name)


@dataclass
class Bucket:
    """What has arrived, and what was made of it so far. `calls` counts the looks."""

    files: dict[str, NativeFile] = field(default_factory=dict)
    changed: dict[str, datetime] = field(default_factory=dict)
    made: list[Made] = field(default_factory=list)
    points: list[Due] = field(default_factory=list)
    now: datetime = BEGIN

    def put(self, *files: NativeFile) -> None:
        for one in files:
            self.files[one.name], self.changed[one.name] = one, self.now

    def look(self, after: timedelta = timedelta(0), seed: int = 0) -> Judged:
        """Some time later; the listing comes in any order."""
        self.now += after
        shuffled = list(self.files.values())
        random.Random(seed).shuffle(shuffled)
        found = judge(shuffled, self.made, Times(self.changed, self.now, SETTLE, CHAIN))
        for due in found.due:
            self.made.append(Made(due.fulls, due.sets, self.now, due.changed))
            self.points.append(due)
        return found


def nights(databases: int, count: int) -> list[list[tuple[str, Written]]]:
    """What a job leaves each night, as (name, backup): of every other database in three stripes."""
    found = []
    for night in range(count):
        job = []
        for n in range(databases):
            what = replace(
                FULL,
                database=f"db{n}",
                database_id=UUID(int=100 + n),
                set_id=UUID(int=10_000 + night * 1000 + n),
                media=UUID(int=50_000 + night * 1000 + n),
                begun=datetime(2026, 11, 1 + night, 1) + timedelta(minutes=n),
            )
            stripes = 3 if n % 2 else 1
            job += [(f"{night}/{n}-{s}.bak", replace(what, stripe=s, stripes=stripes)) for s in range(1, stripes + 1)]
        found.append(job)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_thousand_files_in_random_order_make_one_point_per_night_in_order(seed: int) -> None:
    draw = random.Random(seed)
    jobs = nights(databases=26, count=20)
    files = [file(name, what) for job in jobs for name, what in job]
    assert len(files) == 1040
    draw.shuffle(files)
    # Some come twice, as when an upload is repeated.
    arriving = files + draw.sample(files, 50)
    bucket = Bucket()

    while arriving:
        count = draw.randrange(1, 200)
        bucket.put(*(arriving.pop() for _ in range(min(count, len(arriving)))))
        bucket.look(timedelta(minutes=draw.randrange(1, 14)), seed)
    for _ in range(3):
        bucket.look(timedelta(minutes=16), seed)

    assert [set(point.files) for point in bucket.points] == [{name for name, _ in job} for job in jobs]
    moments = [point.changed for point in bucket.points]
    assert moments == sorted(set(moments))


def test_nothing_is_made_before_it_has_settled_and_nothing_twice() -> None:
    bucket = Bucket()
    bucket.put(file("a", FULL))

    first = bucket.look(timedelta(minutes=14))
    assert (first.due, [(names, until) for names, _, until in first.waiting]) == ([], [(("a",), BEGIN + SETTLE)])
    assert len(bucket.look(timedelta(minutes=1)).due) == 1
    assert bucket.look(timedelta(hours=30)) == Judged()


def test_where_backups_never_stop_a_job_is_over_after_four_settle_times() -> None:
    bucket = Bucket()
    for n in range(12):
        bucket.put(
            file(str(n), replace(FULL, set_id=UUID(int=n + 1), media=UUID(int=n + 50), begun=FULL.begun + n * timedelta(minutes=10)))
        )
        bucket.look(timedelta(minutes=10))

    assert [point.files for point in bucket.points] == [(f"{n}",) for n in range(7)]


def test_a_late_stripe_completes_its_backup_and_holds_back_what_came_with_it() -> None:
    bucket = Bucket()
    other = replace(FULL, database="crm", set_id=UUID(int=7), media=UUID(int=8), begun=FULL.begun + timedelta(minutes=1))
    bucket.put(file("1", replace(FULL, stripe=1, stripes=2)), file("crm", other))

    found = bucket.look(timedelta(hours=1))
    assert [(missing.files, missing.error) for missing in found.missing] == [(("1",), StripeMissing)]
    assert found.missing[0].sentence.endswith("of 2 files these have not arrived: 2")
    assert bucket.points == []
    bucket.put(file("2", replace(FULL, stripe=2, stripes=2)))
    bucket.look(timedelta(minutes=16))

    assert [sorted(point.files) for point in bucket.points] == [["1", "2", "crm"]]


def test_what_is_missing_for_a_day_holds_nothing_back_any_more() -> None:
    bucket = Bucket()
    other = replace(FULL, database="crm", set_id=UUID(int=7), media=UUID(int=8))
    bucket.put(file("1", replace(FULL, stripe=1, stripes=2)), file("crm", other))

    bucket.look(LATE + timedelta(minutes=1))

    assert [point.files for point in bucket.points] == [("crm",)]


def test_logs_make_another_point_of_the_same_full_backup_once_a_day() -> None:
    bucket = Bucket()
    bucket.put(file("full", FULL))
    bucket.look(SETTLE)
    for hours in range(1, 27):
        bucket.now += timedelta(hours=1)
        bucket.put(file(f"log{hours:02}", log(hours)))
        bucket.look()

    assert [len(point.files) for point in bucket.points] == [1, 25]
    assert bucket.points[1].changed > bucket.points[0].changed


def log(number: int) -> Written:
    """One of a chain of log backups."""
    first = (21, 169 + number * 10 - 10, 1) if number > 1 else FULL.first
    return replace(LOG, set_id=UUID(int=500 + number), media=UUID(int=900 + number), first=first, last=(21, 169 + number * 10, 1))


def test_a_log_whose_forerunner_is_missing_waits_for_it() -> None:
    bucket = Bucket()
    bucket.put(file("full", FULL), file("log1", log(1)), file("log3", log(3)))

    found = bucket.look(SETTLE)
    assert [sorted(due.files) for due in found.due] == [["full", "log1"]]
    assert [missing.files for missing in found.missing] == [("log3",)]
    bucket.put(file("log2", log(2)))
    bucket.look(CHAIN)

    assert sorted(bucket.points[1].files) == ["full", "log1", "log2", "log3"]


def test_a_differential_without_its_full_backup_is_missing_it() -> None:
    bucket = Bucket()
    bucket.put(file("diff", replace(FULL, kind="I", base_set=UUID(int=99), base=(9, 9, 9))))

    found = bucket.look(SETTLE)

    assert [(missing.files, missing.error) for missing in found.missing] == [(("diff",), BaseBackupMissing)]


def test_a_newer_full_backup_ends_the_growth_of_the_one_before() -> None:
    bucket = Bucket()
    bucket.put(file("monday", FULL))
    bucket.look(SETTLE)
    tuesday = replace(FULL, set_id=UUID(int=77), media=UUID(int=78), begun=FULL.begun + timedelta(days=1), last=(30, 1, 1))
    bucket.now += CHAIN
    bucket.put(file("log", log(1)), file("tuesday", tuesday))
    bucket.look(SETTLE)

    assert [point.files for point in bucket.points] == [("monday",), ("tuesday",)]


@pytest.mark.parametrize(
    ("body", "error"),
    [(b"PAR1" + bytes(5000), NotANativeBackup), (backup(replace(FULL, sets=2)), NotANativeBackup)],
)
def test_what_is_no_backup_or_holds_several_is_unfit_and_hinders_nothing(body: bytes, error: type) -> None:
    bucket = Bucket()
    bucket.put(judged(body, "x"), file("full", replace(FULL, set_id=UUID(int=4), media=UUID(int=5))))

    found = bucket.look(SETTLE)

    assert [(unfit.file, unfit.error) for unfit in found.unfit][:1] == [("x", error)]
    assert [point.files for point in bucket.points] == [("full",)]
