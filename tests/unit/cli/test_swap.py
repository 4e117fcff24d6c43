"""`dbrestore swap` and `drop-old`: what they start, in whose name, and what they show."""

import json
from typing import Any

import boto3
import pytest

from dbrestore.cli import main
from dbrestore.cli.exchanging import swap
from dbrestore.contract import names
from dbrestore.contract.exit_code import ExitCode
from tests.statemachine.conftest import world
from tests.statemachine.world import ACCOUNT, MACHINE_ARN, REQUEST, World, execution_arn

__all__ = ["world"]

ID = names.restore_id(execution_arn("restore-1"))


@pytest.fixture
def replaced(world: World) -> World:
    """An installation that the command finds, after a restore that replaced a database."""
    parts = {
        "stateMachineArn": MACHINE_ARN,
        "ledgerTable": "ledger",
        "repositoryBucket": "repository",
        "evidenceBucket": "evidence",
        "functions": {},
    }
    boto3.client("ssm").put_parameter(Name="/dbrestore/control", Value=json.dumps(parts), Type="String")
    world.patch.setenv("COLUMNS", "250")
    world.worker.databases.add("orders")
    world.worker.identity("orders")
    assert world.run({**REQUEST, "onConflict": "replace"})["status"] == "SUCCEEDED"
    return world


def ordered(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    started, *_, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    execution = boto3.client("stepfunctions").describe_execution(executionArn=started["executionArn"])
    return json.loads(execution["input"])["swap"], dict(execution), last


def test_an_undo_and_the_drop_are_ordered_by_the_restore_s_id(replaced: World, capsys: pytest.CaptureFixture[str]) -> None:
    was = replaced.worker.identity(f"orders_old_{ID.removeprefix('r-')}")

    assert main.run(["swap", "--undo", ID, "--end-sessions", "--swap-minutes", "3", "--reason", "wrong point"]) == ExitCode.DONE
    asked, execution, last = ordered(capsys)
    assert asked.pop("requestedBy").startswith(f"arn:aws:sts::{ACCOUNT}:")
    assert asked == {"action": "undo", "restoreId": ID, "sessions": "end", "minutes": 3, "reason": "wrong point"}
    assert execution["name"].startswith(f"undo-{ID}-2")
    assert (last["type"], last["swaps"][0]["oldIs"]) == ("summary", "orders")
    assert replaced.worker.identity("orders") == was

    assert main.run(["drop-old", ID]) == ExitCode.FAILED
    asked, _, last = ordered(capsys)
    assert (asked["action"], last["error"]["name"]) == ("drop", "SwapRefused")


def test_the_report_tells_what_was_exchanged_and_how_to_turn_it_back(replaced: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["report", ID]) == ExitCode.DONE

    shown = capsys.readouterr().out
    assert f"'orders' was exchanged: 'orders' is the restored database, the one from before is 'orders_old_{ID[2:]}'" in shown
    assert f"To turn it back: dbrestore swap --undo {ID}. To drop it now: dbrestore drop-old {ID}" in shown


def test_the_id_of_the_exchange_itself_stands_for_the_restore_s(replaced: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["swap", "--undo", ID]) == ExitCode.DONE
    _, execution, _ = ordered(capsys)

    assert main.run(["swap", names.restore_id(execution["executionArn"])]) == ExitCode.DONE
    assert f"orders_old_{ID[2:]}" in replaced.worker.databases


def test_the_name_of_the_execution_is_short_enough() -> None:
    asked = swap.order(ID, "swap", {"database": None, "end_sessions": False, "minutes": None, "reason": None}, None)

    assert len(swap.execution_name(asked)) <= 80


def test_what_was_done_with_the_names_later_stands_under_the_report_and_the_status(
    replaced: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["swap", "--undo", ID]) == ExitCode.DONE
    capsys.readouterr()

    for command in ("report", "status"):
        assert main.run([command, ID]) == ExitCode.DONE
        assert "Since then 'orders' was turned back to the database from before, by r-" in capsys.readouterr().out
    assert main.run(["report", ID, "--json"]) == ExitCode.DONE
    [row] = json.loads(capsys.readouterr().out)["exchanges"]
    assert (row["state"], row["exchange"]["name"]) == ("UNDONE", "orders")
