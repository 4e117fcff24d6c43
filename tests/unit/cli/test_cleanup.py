"""`dbrestore cleanup`: what it shows, and with which exit code it ends."""

import json
from datetime import UTC, datetime

import boto3
import pytest

from dbrestore.cli import cleanup, main
from dbrestore.contract import limits
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.questions.strays import CleanUpAnswer, Outcome, Stray
from tests.statemachine.conftest import world
from tests.statemachine.world import ACCOUNT, MACHINE_ARN, REGION, World
from tests.unit.lambdas.closing.test_clean_up_strays import instance, pass_some_time

__all__ = ["world"]

PLACE = f"{ACCOUNT}/{REGION}"


@pytest.fixture
def installed(world: World) -> World:
    """An installation that the command finds, after one restore."""
    parts = {
        "stateMachineArn": MACHINE_ARN,
        "ledgerTable": "ledger",
        "repositoryBucket": "repository",
        "evidenceBucket": "evidence",
        "functions": {cleanup.FUNCTION: f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{cleanup.FUNCTION}"},
    }
    boto3.client("ssm").put_parameter(Name="/dbrestore/control", Value=json.dumps(parts), Type="String")
    assert world.run()["status"] == "SUCCEEDED"
    return world


def test_nothing_to_clean_up_says_where_it_looked(installed: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["cleanup"]) == ExitCode.DONE

    assert capsys.readouterr().out == f"Nothing is left behind in {PLACE}\n"


def test_what_is_left_is_shown_and_removed_at_the_second_sighting(installed: World, capsys: pytest.CaptureFixture[str]) -> None:
    left = instance()

    assert main.run(["cleanup", "--json"]) == ExitCode.LEFTOVERS
    first = json.loads(capsys.readouterr().out)
    pass_some_time(installed)
    assert main.run(["cleanup"]) == ExitCode.DONE

    shown = capsys.readouterr().out
    assert [(one["physicalId"], one["outcome"]) for one in first["strays"]] == [(left, "waiting")]
    assert left[:10] in shown
    assert shown.endswith(f"1 removed, 0 waiting, 0 kept in {PLACE}\n")


def test_a_dry_run_removes_nothing_however_often_it_is_asked_for(installed: World, capsys: pytest.CaptureFixture[str]) -> None:
    instance()

    for _ in range(2):
        assert main.run(["cleanup", "--dry-run"]) == ExitCode.LEFTOVERS
        pass_some_time(installed)

    assert f"0 removed, 1 waiting, 0 kept in {PLACE}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("outcomes", "unseen", "code"),
    [
        ((), (), ExitCode.DONE),
        (("removed", "removed"), (), ExitCode.DONE),
        (("removed", "waiting"), (), ExitCode.LEFTOVERS),
        (("kept",), (), ExitCode.LEFTOVERS),
        ((), ("nobody could look",), ExitCode.LEFTOVERS),
    ],
)
def test_the_exit_code_says_whether_something_is_left(outcomes: tuple[Outcome, ...], unseen: tuple[str, ...], code: ExitCode) -> None:
    now = datetime.now(UTC)
    strays = tuple(
        Stray(kind="instance", physical_id="i-1", account=ACCOUNT, region=REGION, first_seen_at=now, outcome=outcome, why="")
        for outcome in outcomes
    )

    assert cleanup.exit_code(CleanUpAnswer(looked_at=now, dry_run=False, places=(), unseen=unseen, strays=strays)) == code


def test_two_sightings_lie_further_apart_than_anything_may_stay_unseen() -> None:
    assert limits.STRAY_LOOKS_APART > limits.VISIBLE_AFTER + limits.SHOWN_WITHIN + limits.SESSION_SECONDS
