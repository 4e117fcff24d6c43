"""The command as people and scripts meet it: exit code, stdout for the result, stderr for problems, never a traceback."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest

from dbrestore.cli import identity, main
from dbrestore.cli.control import Account, ControlPlane
from lambdas.runtime import phases
from lambdas.runtime.ledger import Ledger
from tests.unit.cli.conftest import start


@pytest.mark.parametrize(
    "arguments",
    [
        ["restore"],
        ["restore", "shop"],
        ["restore", "shop", "-d"],
        ["nonsense"],
        ["restore", "shop", "-d", "a", "--mode", "drill"],
        ["watch", "x", "--timeout", "soon"],
        ["restore", "shop", "-d", "a=b=c"],
        ["restore", "no such!", "-d", "a"],
        ["plan", "shop", "-d", "a", "--account", "123"],
        ["plan", "shop", "-d", "a", "--to-region", "Ireland"],
        ["points", "add", "shop", "--from", "x", "--database", "a", "--database", "b"],
    ],
)
def test_wrong_usage_ends_with_2_and_one_problem_per_line(arguments: list[str], no_aws: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(arguments) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.strip()
    assert "Traceback" not in printed.err


def test_an_endpoint_where_nobody_listens_ends_with_10_and_says_what_to_do(no_aws: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["plan", "shop", "-d", "shop"]) == 10

    assert "dbrestore local up" in capsys.readouterr().err


def test_an_account_without_dbrestore_ends_with_10(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["points", "list"]) == 10

    assert "/dbrestore/control" in capsys.readouterr().err


def test_a_signpost_that_cannot_be_read_ends_with_10(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    account.client("ssm").put_parameter(Name="/dbrestore/control", Value='{"stateMachineArn": 1}', Type="String")

    assert main.run(["points", "list"]) == 10
    assert "Deploy dbrestore again" in capsys.readouterr().err


def test_a_profile_that_does_not_exist_ends_with_12(no_aws: None) -> None:
    assert main.run(["--profile", "no-such-profile", "points", "list"]) == 12


def test_no_wait_prints_the_restore_and_returns_at_once(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["restore", "shop", "-d", "shop=copy", "--no-wait", "--reason", "why"]) == 0

    restore_id, arn = capsys.readouterr().out.split()
    execution = plane.executions.describe_execution(executionArn=arn)
    assert restore_id == identity.started(arn).restore_id
    assert json.loads(execution["input"]) == {
        "target": {"dbInstance": "shop"},
        "source": {"dbInstance": "shop"},
        "databases": [{"as": "copy", "name": "shop"}],
        "reason": "why",
        "requestedBy": "arn:aws:sts::123456789012:user/moto",
    }
    assert execution["name"].startswith("restore-shop-")


@pytest.mark.parametrize("command", [["restore", "--no-wait"], ["restore", "--no-wait", "--mode", "plan"]])
def test_the_target_may_lie_in_another_account_and_region(
    plane: ControlPlane, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main.run([*command, "shop", "-d", "shop", "--account", "222222222222", "--to-region", "eu-west-1"]) == 0

    _, arn = capsys.readouterr().out.split()
    asked = json.loads(plane.executions.describe_execution(executionArn=arn)["input"])
    assert asked["target"] == {"dbInstance": "shop", "account": "222222222222", "region": "eu-west-1"}


def test_another_target_gets_the_data_of_the_named_instance(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["restore", "shop", "-d", "shop", "--to", "rehearsal", "--point", "20261123T051200Z-3fa9c1d2", "--no-wait"]) == 0

    asked = json.loads(plane.executions.describe_execution(executionArn=capsys.readouterr().out.split()[1])["input"])
    assert asked["target"] == {"dbInstance": "rehearsal"}
    assert asked["source"] == {"dbInstance": "shop", "restorePoint": "20261123T051200Z-3fa9c1d2"}


def test_wishes_for_sql_server_reach_the_input(plane: ControlPlane) -> None:
    wishes = ["--stop-at", "2026-05-12T13:29:50", "--fix-users", "--check-database"]
    assert main.run(["restore", "crm", "-d", "crm", "--no-wait", *wishes]) == 0

    assert input_of_only_execution(plane)["sqlserver"] == {
        "stopAt": "2026-05-12T13:29:50",
        "fixUsers": True,
        "checkDatabase": True,
    }


@pytest.mark.parametrize(("option", "asked"), [("--check-database", True), ("--no-check-database", False), ("--fix-users", None)])
def test_a_check_of_the_database_is_asked_for_refused_or_left_to_the_configuration(
    plane: ControlPlane, option: str, asked: bool | None
) -> None:
    assert main.run(["restore", "crm", "-d", "crm", "--no-wait", option]) == 0

    assert input_of_only_execution(plane)["sqlserver"].get("checkDatabase") is asked


@pytest.mark.usefixtures("ctrl_c")
def test_a_point_in_time_can_be_planned_in_another_region(plane: ControlPlane) -> None:
    assert main.run(["plan", "crm", "-d", "crm", "--stop-at", "2026-05-12T13:29:50", "--to-region", "eu-west-1"]) == 130

    asked = input_of_only_execution(plane)
    assert asked["sqlserver"] == {"stopAt": "2026-05-12T13:29:50"}
    assert asked["target"] == {"dbInstance": "crm", "region": "eu-west-1"}


def input_of_only_execution(plane: ControlPlane) -> dict[str, Any]:
    [execution] = plane.executions.list_executions(stateMachineArn=plane.state_machine_arn)["executions"]
    asked: dict[str, Any] = json.loads(plane.executions.describe_execution(executionArn=execution["executionArn"])["input"])
    return asked


@pytest.mark.parametrize(
    ("error", "code"),
    [("WorkerLost", 1), ("SomeDatabasesFailed", 3), ("VerificationFailed", 4), ("LeftoversRemain", 5)],
)
def test_watch_ends_with_the_code_of_the_first_error(
    plane: ControlPlane, capsys: pytest.CaptureFixture[str], error: str, code: int
) -> None:
    arn = start(plane, "one", fail={"error": error, "cause": "first line\nsecond line"})

    assert main.run(["watch", arn]) == code

    printed = capsys.readouterr()
    assert f"{error}: first line\n{error}: second line\n" in printed.err
    assert identity.started(arn).restore_id in printed.out


def test_watch_gives_up_after_its_time_with_13_and_the_restore_goes_on(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    arn = start(plane, "one", wait=20)

    assert main.run(["watch", "one", "--timeout", "0.1"]) == 13

    assert f"dbrestore watch {identity.started(arn).restore_id}" in capsys.readouterr().err
    assert plane.executions.describe_execution(executionArn=arn)["status"] == "RUNNING"


@pytest.fixture
def ctrl_c(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ctrl-C as soon as the command waits. At any other moment it may be raised in a callback of the garbage collector, where Python only
    prints it. The handler is Python's own: a process that was started in the background ignores the signal."""
    sleep = time.sleep

    def press_or_sleep(seconds: float) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.raise_signal(signal.SIGINT)
        sleep(seconds)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(time, "sleep", press_or_sleep)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_leaves_with_130_says_how_to_come_back_and_the_restore_goes_on(
    plane: ControlPlane, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = start(plane, "one", wait=20)

    assert main.run(["watch", "one"]) == 130

    assert f"dbrestore watch {identity.started(arn).restore_id}" in capsys.readouterr().err
    assert plane.executions.describe_execution(executionArn=arn)["status"] == "RUNNING"


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_while_a_plan_is_made_ends_with_130(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["plan", "shop", "-d", "shop"]) == 130

    assert "Traceback" not in capsys.readouterr().err


def test_json_gives_one_object_per_line_and_the_summary_has_the_exit_code(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    arn = start(plane, "one", fail={"error": "ReplayFailed", "cause": "no"})
    ledger = Ledger(plane.ledger, identity.started(arn).restore_id)
    phases.began(ledger, "ReplayDumps")

    assert main.run(["watch", "one", "--json"]) == 1

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["type"] for line in lines] == ["state", "error", "summary"]
    assert (lines[0]["state"], lines[0]["status"]) == ("ReplayDumps", "RUNNING")
    assert (lines[1]["name"], lines[1]["message"]) == ("ReplayFailed", "no")
    assert (lines[2]["status"], lines[2]["exitCode"]) == ("FAILED", 1)


def test_without_a_terminal_what_happens_is_told_in_json_lines(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    arn = start(plane, "one", wait=0)
    ledger = Ledger(plane.ledger, identity.started(arn).restore_id)
    phases.began(ledger, "DeployWorker")
    phases.succeeded(ledger, "DeployWorker")

    assert main.run(["watch", "one"]) == 0

    first, *_, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (first["type"], first["state"], first["status"]) == ("state", "DeployWorker", "SUCCEEDED")
    assert (last["type"], last["status"]) == ("summary", "SUCCEEDED")


def test_status_answers_with_0_while_it_runs_and_after_it_failed(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    start(plane, "long", wait=20)
    start(plane, "bad", fail={"error": "WorkerLost", "cause": "gone"})
    time.sleep(1)

    assert main.run(["status", "long"]) == 0
    assert "RUNNING" in capsys.readouterr().out
    assert main.run(["status", "bad"]) == 0
    assert "FAILED: WorkerLost" in capsys.readouterr().out


def test_a_restore_without_a_report_or_a_ledger_row_ends_with_10(plane: ControlPlane) -> None:
    start(plane, "one", wait=0)

    assert main.run(["report", "one"]) == 10
    assert main.run(["cancel", "one"]) == 10
    assert main.run(["status", "r-000000000000"]) == 10


def test_a_name_with_markup_or_escapes_reaches_the_terminal_as_text(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    start(plane, "one", fail={"error": "ReplayFailed", "cause": "[red]\x1b[2J[/red]"})

    assert main.run(["watch", "one"]) == 1

    printed = capsys.readouterr().err
    assert "[red]\\x1b[2J[/red]" in printed
    assert "\x1b[2J" not in printed


def test_the_version_is_printed_without_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--version"]) == 0

    assert capsys.readouterr().out == f"{version('dbrestore')}\n"
