"""`points remove` and `points prune` at the command line: what they show, and with which exit code they end."""

import json
import re
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest

from dbrestore.cli import main
from dbrestore.cli.removing import asking
from dbrestore.contract import keys, limits
from dbrestore.contract.exit_code import ExitCode
from dbrestore.points import stored_points
from tests.statemachine import plain_moto
from tests.statemachine.conftest import world
from tests.statemachine.engines import INSTANCE
from tests.statemachine.point_removals import OF_POINT, planned
from tests.statemachine.sources import POINT, store_point
from tests.statemachine.test_point_removal_refused import expiring, versioned
from tests.statemachine.world import ACCOUNT, MACHINE_ARN, REGION, World

__all__ = ["world"]

BEGAN = datetime(2026, 11, 1, 2, 15)


@pytest.fixture
def nights(world: World) -> list[str]:
    """The ids of ten points of ten nights; an installation that the command finds."""
    parts = {
        "stateMachineArn": MACHINE_ARN,
        "ledgerTable": "ledger",
        "repositoryBucket": "repository",
        "evidenceBucket": "evidence",
        "functions": {asking.FUNCTION: f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{asking.FUNCTION}"},
    }
    boto3.client("ssm").put_parameter(Name="/dbrestore/control", Value=json.dumps(parts), Type="String")
    boto3.client("s3").delete_object(Bucket="repository", Key=keys.manifest_key(INSTANCE, POINT))
    times = [BEGAN + timedelta(days=night) for night in range(10)]
    return [store_point(INSTANCE, f"{at:%Y%m%dT%H%M%SZ}-00000000", ["orders", "crm"], dumped_at=at).point_id for at in times]


def listed() -> list[str]:
    return [one.point_id for one in stored_points.list_points(boto3.client("s3"), "repository", INSTANCE)]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], list[str]]:
    """The exit code, the lines on stdout, the lines on stderr."""
    code = main.run(["points", *arguments])
    printed = capsys.readouterr()
    return code, printed.out.splitlines(), printed.err.splitlines()


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal with room for a column of reasons."""
    monkeypatch.setenv("COLUMNS", "140")


def lines(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    code, out, _ = run(capsys, *arguments, "--json")
    assert code == 0
    return [json.loads(line) for line in out]


def test_a_dry_run_shows_why_each_point_stays_and_what_would_go_and_removes_nothing(
    nights: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "prune", INSTANCE, "--keep-last", "2", "--keep-weekly", "2", "--dry-run")

    assert code == 0
    assert out[0] == f"{INSTANCE}: crm, orders"
    rows = [re.split(r" {2,}", line) for line in out[2:]]
    assert [row[1] for row in rows] == nights[::-1], "the newest first"
    assert [row[0] for row in rows] == ["keep", "keep", "keep"] + ["remove"] * 7
    # The 8th of November was a Sunday.
    assert [row[4] for row in rows[:3]] == ["last, weekly", "last", "weekly"]
    assert err[0].startswith("3 kept, 7 would remove (21 files, ")
    assert listed() == nights


def test_what_is_not_kept_goes_the_oldest_first(nights: list[str], world: World, capsys: pytest.CaptureFixture[str]) -> None:
    found = lines(capsys, "prune", INSTANCE, "--keep-daily", "3")

    *points, summary = found
    assert listed() == nights[-3:]
    assert [one["action"] for one in points] == ["keep"] * 3 + ["remove"] * 7
    assert (points[0]["reasons"], points[0]["takenAt"], points[0]["databases"]) == (["daily"], "2026-11-10T02:15:00", ["crm", "orders"])
    assert points[-1]["removal"]["outcome"] == "removed"
    assert (summary["kept"], summary["removed"], summary["files"]) == (3, 7, 21)
    assert summary["bytes"] == sum(one["removal"]["bytes"] for one in points if "removal" in one)


def test_points_of_one_database_do_not_push_out_those_of_another_unless_asked_to(
    nights: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    alone = store_point(INSTANCE, "20200101T000000Z-00000000", ["hr"], dumped_at=datetime(2020, 1, 1)).point_id

    assert run(capsys, "prune", "--keep-last", "1")[0] == 0
    assert listed() == [alone, nights[-1]]
    assert run(capsys, "prune", "--keep-last", "1", "--group-by", "instance")[0] == 0
    assert listed() == [nights[-1]]


def test_a_point_that_a_restore_reads_stays_and_the_table_says_why(nights: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    restore_id = planned(request={**OF_POINT, "source": {"restorePoint": nights[0]}})

    code, out, _ = run(capsys, "prune", "--keep-last", "1")

    assert code == 0, "nothing failed"
    assert listed() == [nights[0], nights[-1]]
    assert re.match(rf"keep +{nights[0]} .* {restore_id} reads it and isn't over *$", out[-1])


def test_a_narrow_terminal_shows_whole_ids_and_reasons_below(
    nights: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    _, out, _ = run(capsys, "prune", "--keep-last", "1", "--dry-run")

    assert out[2].split()[:2] == ["keep", nights[-1]]
    assert out[3].strip() == "last"


@pytest.mark.parametrize("options", [[], ["--keep-last", "0"], ["--keep-daily", "-2"], ["--keep-daily", "x"], ["--keep-weekly", "1.5"]])
def test_a_policy_that_keeps_nothing_or_is_none_is_wrong_usage(
    nights: list[str], capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert run(capsys, "prune", *options)[0] == ExitCode.USAGE
    assert listed() == nights


@pytest.mark.parametrize("all_of_them", ["unlimited", "-1"])
def test_unlimited_keeps_all(nights: list[str], capsys: pytest.CaptureFixture[str], all_of_them: str) -> None:
    assert run(capsys, "prune", "--keep-last", all_of_them)[0] == 0
    assert listed() == nights


def test_a_point_whose_manifest_cannot_be_read_is_not_judged(nights: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    boto3.client("s3").put_object(Bucket="repository", Key=keys.manifest_key(INSTANCE, nights[0]), Body=b"{")

    _, _, err = run(capsys, "prune", "--keep-last", "1")

    assert err[0].startswith(f"Kept: {INSTANCE} {nights[0]}: its manifest can't be read")
    assert err[1].startswith("2 kept, 8 removed")
    assert listed() == [nights[0], nights[-1]]


def test_an_instance_without_a_point_is_told_so(nights: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "prune", "orders-pro", "--keep-last", "1")

    assert code == ExitCode.NOT_FOUND
    assert f"did you mean '{INSTANCE}'" in err[0]


def test_a_removed_point_is_told_with_what_it_held_and_until_when_that_is_billed(
    nights: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    versioned([expiring(30)])

    code, out, err = run(capsys, "remove", INSTANCE, nights[0], nights[1])

    assert code == 0
    assert [line.partition(": ")[0] for line in out] == [f"removed {nights[0]}", f"removed {nights[1]}"]
    assert out[0].partition(": ")[2].startswith("3 files, ")
    assert err[0].startswith("Not freed yet: S3 keeps 6 files, ")
    assert "as old versions and bills them until 20" in err[0]


def test_where_nothing_deletes_old_versions_a_removal_frees_nothing_and_says_so(
    nights: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    versioned()

    _, _, err = run(capsys, "remove", INSTANCE, nights[0], "--dry-run")

    assert err[0].startswith("Not freed: S3 keeps 3 files, ")
    assert "NoncurrentVersionExpiration" in err[0]
    assert listed() == nights


def test_the_first_refusal_decides_the_exit_code_and_the_others_go(nights: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    planned(request={**OF_POINT, "source": {"restorePoint": nights[0]}})

    code, out, err = run(capsys, "remove", INSTANCE, nights[0], nights[1])

    assert code == ExitCode.BUSY
    assert err[0].startswith("RestorePointInUse: ")
    assert len(out) == 1
    assert nights[0] in listed()
    assert nights[1] not in listed()
    assert run(capsys, "remove", INSTANCE, "20200101T000000Z-00000000")[0] == ExitCode.NOT_FOUND


def test_latest_is_no_id_of_what_is_to_be_removed(nights: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "remove", INSTANCE, "latest")

    assert code == ExitCode.USAGE
    assert "name what is to be removed by its id" in err[0]
    assert listed() == nights


def test_a_function_that_runs_out_of_time_is_asked_until_all_is_done(
    nights: list[str], world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    first = nights[0]
    plain_moto.fill("repository", (f"{keys.point_prefix(INSTANCE, first)}orders/{number:05}.bak" for number in range(2500)), b"x")
    # Each look at the clock takes half of the time that there is.
    ticks = iter(range(0, 10_000_000, limits.REMOVAL_SECONDS // 2))
    world.stopwatch = lambda: float(next(ticks))

    (removed, *_) = lines(capsys, "remove", INSTANCE, first, nights[1])

    assert (removed["files"], removed["outcome"]) == (2503, "removed")
    assert listed() == nights[2:]
    assert world.calls.count("RemovePoints") > 2
