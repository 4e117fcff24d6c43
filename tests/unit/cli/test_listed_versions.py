"""Rows that another version or a hand wrote: listed as far as they can be read, marked, never a traceback, never left out."""

from datetime import datetime
from typing import Any

import pytest

from dbrestore.cli import main
from dbrestore.cli.control import ControlPlane
from dbrestore.contract import anchor
from dbrestore.contract.job import ErrorNote
from dbrestore.ledger.reading import META, OPEN
from dbrestore.ledger.restore_list import RESTORES
from lambdas.runtime.ledger import Ledger
from tests.unit.cli.conftest import start
from tests.unit.cli.listed_restores import JANE, LOST, NOW, change, close, listed, open_one, summary_key

__all__ = ["listed"]

# What is done to the summary of a closed restore, and what is named as unread.
DAMAGES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("a key of a newer version", {"approvedBy": "jo"}, ["approvedBy"]),
    ("a newer version", {"schemaVersion": "99"}, ["schemaVersion"]),
    ("a nested newer key", {"target": {"dbInstance": "shop", "cell": 1}}, ["target/cell"]),
    ("half a name", {"databases": [{"name": "a"}, {"name": "b", "askedName": "b"}]}, ["databases/0"]),
    ("another type", {"databases": {"a", "b"}}, ["databases/0", "databases/0"]),
    ("no moment", {"startedAt": "long ago"}, ["startedAt"]),
    ("a moment without a zone", {"startedAt": "2026-11-20T00:00:00"}, ["startedAt"]),
    ("a key written otherwise", {"ended_at": "x"}, ["ended_at"]),
    ("an unknown outcome", {"outcome": "FINE", "error": "none"}, ["outcome", "error"]),
    ("wrong types", {"leftovers": "many", "mode": 7}, ["mode", "leftovers"]),
    ("the mark itself", {"unread": 5}, []),
]


@pytest.mark.parametrize(("damage", "unread"), [one[1:] for one in DAMAGES], ids=[one[0] for one in DAMAGES])
def test_a_summary_of_another_version_is_listed_as_far_as_it_can_be_read_and_marked(
    plane: ControlPlane, listed: Any, capsys: pytest.CaptureFixture[str], damage: dict[str, Any], unread: list[str]
) -> None:
    plan, sound = open_one(plane, "one"), open_one(plane, "sound", age=1)
    close(plane, plan)
    close(plane, sound)
    change(plane, RESTORES, summary_key(plane, plan), **damage)

    lines = {line["restoreId"]: line for line in listed()}

    assert sorted(lines[plan.restore_id]["unread"]) == sorted(unread)
    assert lines[plan.restore_id]["target"]["dbInstance"] == "shop"
    assert datetime.fromisoformat(lines[plan.restore_id]["startedAt"]) == NOW
    assert lines[sound.restore_id]["unread"] == []
    assert main.run(["list"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert plan.restore_id in text
    assert not unread or f"not read (another version wrote it, or it was edited): {lines[plan.restore_id]['unread'][0]}" in text


def test_a_summary_whose_key_nobody_can_read_is_listed(plane: ControlPlane, listed: Any) -> None:
    change(plane, RESTORES, "what is this?")

    [line] = listed()

    assert (line["restoreId"], line["status"]) == ("what is this?", "UNKNOWN")
    assert line["unread"] == ["startedAt", "META"]


@pytest.mark.parametrize(
    ("damage", "unread"),
    [
        ({"plan": "no JSON"}, ["mode", "target", "databases"]),
        ({"plan": None}, ["mode", "target", "databases"]),
        ({"plan": '{"version": 99, "targets": []}'}, ["mode", "target", "databases"]),
        ({"plan": '{"mode": "restore", "target": {"host": "h"}, "databases": "all"}'}, ["target", "databases"]),
        ({"startedAt": 5, "executionArn": None}, []),
        ({"anchor": {"version": 2}, "status": "PAUSED"}, ["status"]),
    ],
)
@pytest.mark.parametrize("arguments", [["list"], ["list", "--running"]])
def test_a_running_restore_is_listed_whatever_another_version_wrote_and_without_a_summary(
    plane: ControlPlane, listed: Any, damage: dict[str, Any], unread: list[str], arguments: list[str]
) -> None:
    plan = open_one(plane, "one", arn=start(plane, "one", wait=30))
    plane.ledger.write(plane.ledger.delete(RESTORES, summary_key(plane, plan)))
    change(plane, plan.restore_id, META, **damage)
    change(plane, plan.restore_id, "PHASE#Thaw", status="RUNNING", since=5)

    [line] = listed(*arguments)

    assert (line["restoreId"], line["state"]) == (plan.restore_id, "Thaw")
    assert line["status"] == ("STOPPED" if "executionArn" in damage else "RUNNING")
    assert [name for name in line["unread"] if name not in ("startedAt", "executionArn")] == unread
    assert ("startedAt" in line["unread"]) is ("startedAt" in damage)
    assert ("executionArn" in line["unread"]) is ("executionArn" in damage)


@pytest.mark.parametrize("arguments", [["list"], ["list", "--running"]])
def test_a_restore_under_open_without_its_row_is_listed_and_marked(plane: ControlPlane, listed: Any, arguments: list[str]) -> None:
    change(plane, OPEN, "r-0123456789ab")

    [line] = listed(*arguments)

    assert (line["restoreId"], line["status"], line["unread"]) == ("r-0123456789ab", "UNKNOWN", ["META"])


@pytest.mark.parametrize("arn", [None, "x", 7, b"\x00", "arn:aws:states:eu-central-1:123456789012:execution:dbrestore:another"])
@pytest.mark.parametrize("arguments", [["status"], ["report"], ["watch"], ["cancel"]])
def test_a_row_that_lost_its_execution_is_named_and_no_other_execution_is_told_of(
    plane: ControlPlane, capsys: pytest.CaptureFixture[str], arguments: list[str], arn: object
) -> None:
    plan = open_one(plane, "one")
    start(plane, "another")
    change(plane, plan.restore_id, META, executionArn=arn)

    assert main.run([*arguments, plan.restore_id]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"LedgerRowUnreadable: The ledger has a restore {plan.restore_id}, but its row META no longer says which")


def test_a_restore_without_its_row_is_said_to_be_damaged_and_not_to_be_missing(
    plane: ControlPlane, capsys: pytest.CaptureFixture[str]
) -> None:
    change(plane, OPEN, "r-0123456789ab")

    assert main.run(["status", "r-0123456789ab"]) == 1

    assert "its row META is gone" in capsys.readouterr().err


def test_a_row_that_lost_its_execution_is_found_while_step_functions_knows_it(
    plane: ControlPlane, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = open_one(plane, "one", arn=start(plane, "one", wait=30))
    change(plane, plan.restore_id, META, executionArn="x")

    assert main.run(["status", plan.restore_id]) == 0

    assert f"{plan.restore_id} RUNNING" in capsys.readouterr().out


@pytest.mark.parametrize(("error", "status"), [(None, "SUCCEEDED"), (LOST, "FAILED")])
def test_a_restore_that_an_older_version_opened_gets_its_summary_at_its_end(
    plane: ControlPlane, listed: Any, error: ErrorNote | None, status: str
) -> None:
    plan = open_one(plane, "one", requested_by=JANE)
    plane.ledger.write(plane.ledger.delete(RESTORES, summary_key(plane, plan)))
    close(plane, plan, error)

    [line] = listed()

    assert (line["status"], line["seconds"], line["requestedBy"]) == (status, 90, JANE)
    assert (line["target"]["dbInstance"], line["databases"][0]["name"]) == ("shop", "one")
    assert line["unread"] == []


@pytest.mark.parametrize(("error", "status"), [(None, "UNKNOWN"), (LOST, "FAILED")])
def test_the_outcome_of_one_that_an_older_version_closed_is_never_guessed(
    plane: ControlPlane, listed: Any, error: ErrorNote | None, status: str
) -> None:
    plan = open_one(plane, "one")
    ledger = Ledger(plane.ledger, plan.restore_id)
    if error:
        ledger.remember(error)
    ledger.close(anchor.of(plan))

    [line] = listed()

    assert (line["status"], line["state"], line["seconds"]) == (status, None, None)
