"""`dbrestore list`, and `status` without an id: every restore of the ledger, as far as its rows can be read."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dbrestore.cli import identity, listing, main
from dbrestore.cli.control import ControlPlane
from dbrestore.cli.views.standing import who
from dbrestore.contract import keys
from dbrestore.contract.errors import RestoreRequestInvalid
from dbrestore.contract.job import ErrorNote
from dbrestore.ledger import restore_list, standing
from dbrestore.ledger.reading import OPEN
from lambdas.runtime import phases
from lambdas.runtime.ledger import Ledger
from lambdas.runtime.open_restores import request_cancel
from tests.unit.cli.conftest import REGION, start
from tests.unit.cli.listed_restores import JANE, LOST, NOW, change, close, listed, open_one
from tests.unit.cli.views.test_report import report
from tests.unit.lambdas.estimated_plans import database, target

__all__ = ["listed"]


def test_restores_are_listed_newest_first_and_closed_ones_too(plane: ControlPlane, listed: Any) -> None:
    old = open_one(plane, "old", age=30, requested_by=JANE, reason="OPS-7")
    failed = open_one(plane, "failed", age=20)
    close(plane, old)
    close(plane, failed, LOST)
    running = open_one(plane, "running", arn=start(plane, "running", wait=30))

    lines = listed()

    assert [line["restoreId"] for line in lines] == [plan.restore_id for plan in (running, failed, old)]
    assert [line["status"] for line in lines] == ["RUNNING", "FAILED", "SUCCEEDED"]
    assert lines[1]["error"] == {"name": "WorkerLost", "message": LOST.message}
    assert lines[2] | {"type": "restore", "mode": "restore", "seconds": 90, "state": None, "error": None} == lines[2]
    assert (lines[2]["requestedBy"], lines[2]["reason"]) == (JANE, "OPS-7")
    assert lines[2]["target"] == {"dbInstance": "shop", "account": "123456789012", "region": REGION}
    assert lines[2]["databases"] == [{"name": "old", "askedName": "old"}]
    assert datetime.fromisoformat(lines[2]["startedAt"]) == NOW - timedelta(hours=30)
    assert lines[2]["report"] == f"s3://evidence/{keys.report_key(old.restore_id)}"
    assert not any(line["unread"] for line in lines)


@pytest.mark.parametrize("arguments", [["list", "--running"], ["status"]])
def test_the_running_ones_tell_their_state_of_the_flow(plane: ControlPlane, listed: Any, arguments: list[str]) -> None:
    close(plane, open_one(plane, "closed"))
    running = open_one(plane, "running", age=2, arn=start(plane, "running", wait=30))
    ledger = Ledger(plane.ledger, running.restore_id)
    phases.began(ledger, "DeployWorker")
    phases.succeeded(ledger, "DeployWorker")
    phases.began(ledger, "ReplayDumps")

    [line] = listed(*arguments)

    assert (line["restoreId"], line["status"], line["state"]) == (running.restore_id, "RUNNING", "ReplayDumps")
    # The tests before this one may have run for long.
    assert 7200 <= line["seconds"] <= round(7200 + (datetime.now(UTC) - NOW).total_seconds(), 3)
    assert line["report"] is None


def test_one_that_is_closed_between_two_looks_is_not_listed_as_running(plane: ControlPlane, listed: Any) -> None:
    plan = open_one(plane, "one")
    close(plane, plan)
    # As a first look saw it.
    change(plane, OPEN, plan.restore_id)

    assert listed("list", "--running") == []


def test_what_was_stopped_or_asked_to_stop_is_told_until_it_is_cleared_up(
    plane: ControlPlane, listed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped = open_one(plane, "stopped", age=1, arn=start(plane, "stopped", fail={"error": "a", "cause": "b"}))
    cancelled = open_one(plane, "cancelled", arn=start(plane, "cancelled", wait=30))
    request_cancel(plane.ledger, cancelled.restore_id)

    lines = listed("list", "--running")
    assert main.run(["list"]) == 0

    assert [(line["status"], line["cancelRequested"]) for line in lines] == [("RUNNING", True), ("STOPPED", False)]
    text = " ".join(capsys.readouterr().out.split())
    assert "was asked to stop" in text
    assert "its execution is over, but its clean-up is not" in text
    close(plane, stopped, LOST)
    assert [line["restoreId"] for line in listed("status")] == [cancelled.restore_id]


def test_leftovers_are_told_while_the_clean_up_goes_on(plane: ControlPlane, listed: Any) -> None:
    plan = open_one(plane, "left", arn=start(plane, "left", fail={"error": "a", "cause": "b"}))
    began = Ledger(plane.ledger, plan.restore_id).meta().started_at
    error = ErrorNote(name="LeftoversRemain", message="instance i-1")
    restore_list.ended(plane.ledger, plan.restore_id, began, NOW, error, leftovers=2)

    for arguments in (["list"], ["list", "--running"]):
        [line] = listed(*arguments)
        assert (line["status"], line["outcome"], line["leftovers"]) == ("STOPPED", "FAILED", 2)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["list"], "No restore has been started yet."),
        (["list", "--running"], "No restore is running."),
        (["status"], "No restore is running."),
        (["list", "--since", "2026-11-20"], "No restore has begun since 2026-11-20 00:00:00 UTC."),
        (
            ["list", "--running", "--since", "2026-11-20T10:00+02:00"],
            "No restore that began since 2026-11-20 08:00:00 UTC is running.",
        ),
    ],
)
def test_an_empty_list_says_so(plane: ControlPlane, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    assert main.run(arguments) == 0
    assert capsys.readouterr().out.strip() == sentence
    assert main.run([*arguments, "--json"]) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err.strip()) == ("", sentence)


def test_a_limit_hides_older_ones_and_says_so_and_since_hides_none(
    plane: ControlPlane, listed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    oldest = open_one(plane, "oldest", age=50, arn=start(plane, "oldest", wait=60))
    plans = [open_one(plane, f"n{number:02}", age=number) for number in range(22)]
    for plan in plans:
        close(plane, plan)

    assert main.run(["list", "--json"]) == 0
    printed = capsys.readouterr()
    limited = [json.loads(line)["restoreId"] for line in printed.out.splitlines()]

    assert limited == [plan.restore_id for plan in plans[:20]]
    assert "There are older ones, 1 of them not over" in printed.err
    assert [line["restoreId"] for line in listed("list", "--limit", "2")] == limited[:2]
    assert len(listed("list", "--since", "3w")) == 23
    assert [line["restoreId"] for line in listed("list", "--since", "51h", "--limit", "30")][-1] == oldest.restore_id
    assert len(listed("list", "--since", "170m")) == 3
    assert listed("list", "--running", "--since", "49h") == []
    main.run(["list", "--limit", "23"])
    assert "older ones" not in capsys.readouterr().err


def test_a_short_list_reads_little_however_many_restores_there_were(plane: ControlPlane) -> None:
    for number in range(40):
        close(plane, open_one(plane, f"n{number:02}", age=number))
    asked: list[str] = []
    client = plane.account.client("dynamodb")
    client.meta.events.register("before-call.dynamodb", lambda model, **_: asked.append(model.name))
    counted = ControlPlane(plane.account, plane.state_machine_arn, "ledger", "repository", "evidence")
    counted.__dict__["ledger"] = type(plane.ledger)(client, "ledger")

    found = standing.newest(counted, None, 5)

    assert (len(found.shown), found.hidden) == (5, True)
    assert asked == ["Query", "Query"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90m", datetime(2026, 11, 23, 10, 30, tzinfo=UTC)),
        ("24h", datetime(2026, 11, 22, 12, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 16, 12, tzinfo=UTC)),
        ("2w", datetime(2026, 11, 9, 12, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T13:30", datetime(2026, 11, 20, 13, 30, tzinfo=UTC)),
        ("2026-11-20T13:30:01+02:00", datetime(2026, 11, 20, 11, 30, 1, tzinfo=UTC)),
        ("0300-01-01", datetime(300, 1, 1, tzinfo=UTC)),
    ],
)
def test_since_is_an_age_or_a_moment(text: str, moment: datetime) -> None:
    assert listing.read_since(text, datetime(2026, 11, 23, 12, tzinfo=UTC)) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "24", "h", "-1h", "99999999999d", "0001-01-01T00:00+05:00", "2026-13-01"])
def test_a_since_that_is_no_moment_ends_with_2(no_aws: None, capsys: pytest.CaptureFixture[str], text: str) -> None:
    with pytest.raises(RestoreRequestInvalid):
        listing.read_since(text, NOW)
    assert main.run(["list", "--since", text]) == 2
    assert "24h" in capsys.readouterr().err


@pytest.mark.parametrize("columns", ["80", "200"])
def test_for_people_a_line_says_who_what_and_where(
    plane: ControlPlane, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    names = tuple(database(name) for name in "abcde")
    elsewhere = target(account="444444444444")
    plan = open_one(plane, "one", requested_by=JANE, reason="OPS-7", databases=names, target=elsewhere)
    close(plane, plan, LOST)

    assert main.run(["list"]) == 0

    text = " ".join(capsys.readouterr().out.split())
    for words in (
        plan.restore_id,
        "FAILED",
        "shop in 444444444444/us-east-1",
        "a, b, c and 2 more",
        f"{NOW:%Y-%m-%d %H:%M:%S} UTC",
        "1 min 30 s",
        "jane@example.com",
        "WorkerLost: The worker is gone; reason: OPS-7",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("requested_by", "name"),
    [
        (JANE, "jane@example.com"),
        ("arn:aws:iam::123456789012:user/ops/jo", "jo"),
        ("arn:aws:iam::123456789012:root", "root"),
        ("Jo / change 7:2", "Jo / change 7:2"),
        (None, "-"),
    ],
)
def test_of_an_arn_the_person_is_shown(requested_by: str | None, name: str) -> None:
    assert who(requested_by) == name


def test_a_restore_that_step_functions_forgot_is_found_and_its_report_stays(
    plane: ControlPlane, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = open_one(plane, "forgotten", age=5000)
    close(plane, plan)
    written = report(restoreId=plan.restore_id, executionArn=plan.execution_arn)
    plane.storage.put_object(Bucket="evidence", Key=keys.report_key(plan.restore_id), Body=written.to_json())

    assert identity.find(plane, plan.restore_id).arn == plan.execution_arn
    assert main.run(["report", plan.restore_id]) == 0
    capsys.readouterr()
    assert main.run(["status", plan.restore_id]) == 10
    assert f"dbrestore report {plan.restore_id}" in capsys.readouterr().err
