"""A program that has replayed goes on and verifies, where that job's document lies there and is about the same databases."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dbrestore.contract.job import DatabaseResult, JobKind, Result
from tests.databases.hostile.test_damage import flip_a_bit
from tests.databases.replay.test_cases_replay import restore_of
from tests.databases.replay.test_resume import SLOW, when_slow_is_loaded
from tests.databases.restore_case import EVIDENCE, Cloud, Restore


@pytest.fixture(scope="module")
def dump(cloud: Cloud, small: str) -> Path:
    """Of the small database."""
    return cloud.dump(small)


@pytest.fixture
def restore(cloud: Cloud, small: str, dump: Path) -> Iterator[Restore]:
    """Whose verification is written already when its replay is asked for."""
    restore = Restore(cloud, {small: dump}, {small: "followed"})
    restore.add_point()
    restore.job_uri("verify", "verify")
    yield restore
    cloud.drop_database("followed")
    cloud.drop_role(restore.holder)


def told(restore: Restore, name: str) -> Result | None:
    """The job's result, if there is one."""
    key = f"restores/{restore.restore_id}/jobs/{name}/result.json"
    found = restore.cloud.s3().list_objects_v2(Bucket=EVIDENCE, Prefix=key)
    return restore.result(f"s3://{EVIDENCE}/{key.replace('result', 'job')}") if found["KeyCount"] else None


def killed(restore: Restore, last: int) -> int:
    """How many lines around the jobs the program passed; 0 if it was killed before the last one."""
    command = [sys.executable, "-m", "tests.databases.replay.killed_between", restore.job_uri("replay", "replay"), str(last)]
    ended = subprocess.run(command, env=restore.cloud.environment(), check=False, capture_output=True, text=True, timeout=120)
    assert ended.returncode == (-signal.SIGKILL if last else 0), ended.stderr
    return int(ended.stdout or 0)


def outcome(restore: Restore, kind: JobKind) -> tuple[str, object]:
    """What a command for the job finds or does."""
    (database,) = restore.run(kind).databases
    return database.status, database.error


def test_one_program_replays_and_verifies_as_two_do(restore: Restore, cloud: Cloud, small: str) -> None:
    by_two = replace(restore.again(), asked={small: "by_two"})
    apart = by_two.run_all()

    restore.run_program("replay")

    at_once = told(restore, "verify")
    assert at_once is not None
    assert [comparable(each, small) for each in at_once.databases] == [comparable(each, small) for each in apart.databases]
    assert len(at_once.databases[0].checks) > 10
    assert {absence.seen_absent for absence in at_once.absences} == {True}
    assert cloud.execute("SELECT count(*) FROM items", "followed") == [(3000,)]
    cloud.drop_database("by_two")
    cloud.drop_role(by_two.holder)


@pytest.mark.parametrize("is_planned", [True, False])
def test_what_the_plan_says_is_the_same_is_read_once_for_both_jobs(cloud: Cloud, *, is_planned: bool) -> None:
    restore = replace(restore_of(cloud, SLOW), is_planned=is_planned)
    restore.job_uri("verify", "verify")
    program = restore.start(restore.job_uri("replay", "replay"))
    when_slow_is_loaded(restore)

    restore.damage("case", flip_a_bit, lambda backup: backup.toc)
    restore.change_manifest(lambda text: text.replace('"schemaVersion":"1"', '"schemaVersion":"0"'))

    assert program.wait(120) == 0
    verified = told(restore, "verify")
    assert verified is not None
    assert [each.status for each in verified.databases] == (["PROMOTED"] if is_planned else [])
    restore.run("discard")


def comparable(result: DatabaseResult, small: str) -> DatabaseResult:
    """Without what differs from restore to restore."""
    return result.model_copy(
        update={
            "seconds": 0.0,
            "identity": "",
            "asked_name": small,
            "temporary_name": "",
            "fix_ups": tuple(note.entry for note in result.fix_ups),
            "checks": tuple((check.check, check.result) for check in result.checks),
            "code": (),
        }
    )


def test_a_second_command_for_either_job_does_nothing_again(restore: Restore, cloud: Cloud) -> None:
    restore.run("replay")
    first = told(restore, "replay"), told(restore, "verify")
    cloud.drop_database("followed")

    again = restore.run("replay"), restore.run("verify")

    assert again == first
    assert "followed" not in cloud.names()[0]


def test_commands_that_come_while_the_program_goes_on_are_one_job_each(restore: Restore) -> None:
    first = restore.start(restore.job_uri("replay", "replay"))
    until = time.monotonic() + 60
    while told(restore, "replay") is None and time.monotonic() < until:
        time.sleep(0.01)

    # As VerifyDatabases sends it once it has seen the replay's result, and SSM twice.
    others = [restore.start(restore.job_uri(kind, kind)) for kind in ("verify", "verify", "replay")]

    assert [process.wait(120) for process in (first, *others)] == [0] * 4
    verified = told(restore, "verify")
    assert verified is not None
    assert [(database.status, database.error) for database in verified.databases] == [("PROMOTED", None)]


@pytest.mark.parametrize("share", [0.45, 0.6, 0.75, *(pytest.param(each / 20, marks=pytest.mark.slow) for each in range(1, 20))])
def test_a_program_that_died_anywhere_around_its_jobs_is_followed_by_commands(restore: Restore, cloud: Cloud, share: float) -> None:
    counted = restore.again()
    counted.job_uri("verify", "verify")
    passed = killed(counted, 0)
    cloud.drop_database("followed")
    cloud.drop_role(counted.holder)
    assert passed > 20

    killed(restore, int(passed * share))

    assert outcome(restore, "replay") == ("REPLAYED", None)
    assert outcome(restore, "verify") == ("PROMOTED", None)
    assert cloud.execute("SELECT count(*) FROM items", "followed") == [(3000,)]
    temporary = restore.databases()[0]
    assert not {temporary.temporary_name, temporary.login_role} & set.union(*cloud.names())


def test_nothing_follows_a_replay_that_failed_for_one_database(cloud: Cloud, dump: Path) -> None:
    restore = Restore(cloud, {"bad": dump, "good": dump}, {"bad": "bad", "good": "good"})
    restore.add_point()
    restore.damage("bad", flip_a_bit)
    restore.job_uri("verify", "verify")

    restore.run("replay")

    assert told(restore, "verify") is None
    restore.run("discard")


def test_nothing_follows_a_replay_of_other_databases(cloud: Cloud, small: str, dump: Path) -> None:
    """`replay-2` is of those databases alone whose files were archived, and the verification is of all."""
    both = Restore(cloud, {small: dump, "other": dump}, {small: "followed", "other": "other"})
    both.add_point()
    both.job_uri("verify", "verify")
    one = replace(both, dumps={small: dump})

    replayed = one.run("replay", "replay-2")

    assert [database.status for database in replayed.databases] == ["REPLAYED"]
    assert told(both, "verify") is None
    both.run("discard")


def test_nothing_follows_where_nobody_wrote_the_job(cloud: Cloud, small: str, dump: Path) -> None:
    restore = Restore(cloud, {small: dump}, {small: "followed"})
    restore.add_point()

    restore.run("replay")

    assert told(restore, "verify") is None
    restore.run("discard")
