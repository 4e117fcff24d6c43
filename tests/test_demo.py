"""The demonstration is the end-to-end test: the real template, definition, functions, worker program, PostgreSQL and command."""

import json
import os
import socket
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from rich.console import Console

from lambdas.record import Report
from localcloud import demo
from localcloud.demo import Act
from localcloud.demo_inventory import Inventory
from localcloud.demo_stage import Stage

DEFINITION = Path(__file__).parent.parent / "statemachine" / "restore_databases.asl.json"
WIDTH = 110

# One process plays it for all of these tests.
pytestmark = [pytest.mark.xdist_group("demonstration"), pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Played:
    """The demonstration after its end."""

    first: Act
    second: Act
    stage: Stage
    text: str
    endpoint: str
    directory: Path


@pytest.fixture(scope="module")
def played() -> Played:
    written = StringIO()
    stage = Stage(Console(file=written, width=WIDTH, highlight=False))
    with demo.private_directory() as directory:
        first, second = demo.play(stage, directory)
    endpoint = next(word.rstrip(",") for word in written.getvalue().split() if word.startswith("http://127.0.0.1:"))
    return Played(first, second, stage, written.getvalue(), endpoint, directory)


def test_every_claim_of_the_demonstration_is_true(played: Played) -> None:
    assert played.stage.broken == []
    assert played.text.count("✓") >= 9


def test_the_database_comes_back_whole_beside_the_original(played: Played) -> None:
    report = played.first.report

    [database] = report.databases
    assert (played.first.exit_code, report.status, report.error, report.leftovers) == (0, "SUCCEEDED", None, ())
    assert (database.name, database.asked_name, database.status) == ("shop", "shop_restored", "PROMOTED")
    assert database.rows > demo.ROWS
    assert states_of(report) == [
        "PlanRestore", "DeployWorker", "PairSecurityGroups", "ReplayDumps", "VerifyDatabases", "DiscardUnfinishedDatabases",
        "RemoveWorker", "UnpairSecurityGroups", "RemoveStagingBucket", "CloseRestore",
    ]  # fmt: skip


def test_a_restore_whose_worker_died_fails_with_that_error_and_still_runs_every_remover(played: Played) -> None:
    report = played.second.report

    assert (played.second.exit_code, report.status, report.leftovers) == (1, "FAILED", ())
    assert report.error is not None
    assert report.error.name == "WorkerLost"
    failed = [phase.state for phase in report.phases if phase.status == "FAILED"]
    assert failed == ["ReplayDumps"]
    assert states_of(report)[-5:] == removers()


@pytest.mark.parametrize("act", ["first", "second"])
def test_every_resource_is_proven_gone_and_only_the_restored_database_stays(played: Played, act: str) -> None:
    resources = getattr(played, act).report.resources

    kept = [row.physical_id for row in resources if row.state == "KEPT"]
    gone = [row for row in resources if row.state == "DELETED"]
    assert kept == (["shop_restored"] if act == "first" else [])
    assert len(kept) + len(gone) == len(resources)
    assert all(row.seen_absent_at for row in gone)
    assert {row.kind for row in gone} >= {
        "instance",
        "security-group",
        "security-group-rule",
        "group-list-entry",
        "role",
    }


def test_the_dead_worker_is_replaced_to_drop_what_it_left_in_the_database_server(played: Played) -> None:
    resources = played.second.report.resources

    assert sorted(row.role for row in resources if row.kind == "instance") == ["discard-worker", "worker"]
    [database] = [row for row in resources if row.kind == "database"]
    assert database.seen_absent_at


def test_the_output_is_narrow(played: Played) -> None:
    assert max(map(len, played.text.splitlines())) <= WIDTH


def test_nothing_runs_afterwards_and_the_environment_is_as_before(played: Played) -> None:
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", urlsplit(played.endpoint).port or 0)) != 0
    assert not played.directory.exists()
    assert os.environ.get("AWS_ENDPOINT_URL") != played.endpoint


def test_a_claim_that_is_not_true_is_printed_with_what_was_found_and_breaks_the_demonstration() -> None:
    written = StringIO()
    stage = Stage(Console(file=written))

    stage.claim("the sky is blue", False, "grey")

    assert "✗ the sky is blue (grey)" in written.getvalue()
    assert stage.broken == ["the sky is blue"]


def test_an_inventory_names_what_is_new_and_what_is_missing() -> None:
    before = Inventory(*(frozenset({"a"}) for _ in range(9)))
    after = replace(before, databases=frozenset({"a", "left"}), roles=frozenset())

    assert after.difference(before) == ["new databases: left", "missing roles: a"]
    assert after.difference(after) == []


def states_of(report: Report) -> list[str]:
    return [phase.state for phase in report.phases]


def removers() -> list[str]:
    """The states after the try block, in the order of the definition."""
    states = json.loads(DEFINITION.read_text())["States"]
    tasks = [name for name, state in states.items() if state["Type"] == "Task"]
    return tasks[tasks.index("DiscardUnfinishedDatabases") :]
