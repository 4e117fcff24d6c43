"""The demonstration is the end-to-end test: the real template, definition, functions, worker program, PostgreSQL and command."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from rich.console import Console

from dbrestore.contract.record import Report
from demo import __main__ as demo
from demo import native_acts as demo_native
from demo.__main__ import Acts
from demo.inventory import Inventory
from demo.stage import Stage
from localcloud.s3.access_log import Access

DEFINITION = Path(__file__).parent.parent / "statemachine" / "restore_databases.asl.json"
WIDTH = 110

# One process plays it for all of these tests.
pytestmark = [pytest.mark.xdist_group("demonstration"), pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Played:
    """The demonstration after its end."""

    acts: Acts
    stage: Stage
    text: str
    endpoint: str
    directory: Path


@pytest.fixture(scope="module")
def played() -> Played:
    written = StringIO()
    stage = Stage(Console(file=written, width=WIDTH, highlight=False))
    with demo.private_directory() as directory:
        acts = demo.play(stage, directory)
    endpoint = next(word.rstrip(",") for word in written.getvalue().split() if word.startswith("http://127.0.0.1:"))
    return Played(acts, stage, written.getvalue(), endpoint, directory)


def test_the_demonstration_is_played_once_for_all_processes_of_a_run(request: pytest.FixtureRequest) -> None:
    alone = "PYTEST_XDIST_WORKER" not in os.environ

    assert alone or request.node.nodeid.endswith("@demonstration")


def test_every_claim_of_the_demonstration_is_true(played: Played) -> None:
    assert played.stage.broken == []
    assert played.text.count("✓") >= 39


def test_a_drill_passes_and_the_same_with_damage_does_not(played: Played) -> None:
    sound, damaged = played.acts.third.sound.report, played.acts.third.damaged.report

    assert sound.drill is not None
    assert (sound.status, sound.drill.verdict, sound.drill.copies) == ("SUCCEEDED", "PASSED", "SUCCESSFUL")
    assert [one.name for one in sound.drill.objectives] == ["recoveryMinutes", "pointHours"]
    assert [outcome.status for outcome in sound.databases] == ["VERIFIED"]
    assert damaged.drill is not None
    assert (damaged.status, damaged.drill.verdict) == ("FAILED", "FAILED")
    assert damaged.drill.why.startswith("BackupDamaged: ")
    assert "✓ the drill PASSED with exit code 0" in played.text
    assert "shop-weekly" in played.acts.third.page.read_text()


def test_a_ticket_gets_its_answer_once_somebody_else_has_approved(played: Played) -> None:
    told, report = played.acts.fourth.told, played.acts.fourth.report

    assert (told["status"], told["requestedBy"], told["approval"]["by"]) == ("SUCCEEDED", "tickets", "colleague")
    assert report.approval is not None
    assert (report.approval.decision, report.approval.reason) == ("approved", "seen")
    assert states_of(report)[:2] == ["PlanRestore", "AwaitApproval"]


def test_the_database_comes_back_whole_beside_the_original(played: Played) -> None:
    report = played.acts.first.report

    [database] = report.databases
    assert (played.acts.first.exit_code, report.status, report.error, report.leftovers) == (0, "SUCCEEDED", None, ())
    assert (database.name, database.asked_name, database.status) == ("shop", "shop_restored", "PROMOTED")
    assert database.rows > demo.ROWS
    assert states_of(report) == [
        "PlanRestore",
        "DeployWorker",
        "PairSecurityGroups",
        "ReplayDumps",
        "VerifyDatabases",
        "DiscardUnfinishedDatabases",
        "RemoveWorker",
        "UnpairSecurityGroups",
        "RemoveStagingBucket",
        "CloseRestore",
    ]


def test_the_restored_database_takes_the_name_and_gives_it_back(played: Played) -> None:
    swapped, undone = played.acts.exchanges.swapped.report, played.acts.exchanges.undone.report

    assert [(report.mode, report.status) for report in (swapped, undone)] == [("swap", "SUCCEEDED")] * 2
    assert [(one.restored_is, one.old_is) for one in swapped.swaps] == [("shop", swapped.swaps[0].kept_as)]
    assert [(one.restored_is, one.old_is) for one in undone.swaps] == [(undone.swaps[0].restored_as, "shop")]
    assert states_of(swapped)[2:4] == ["PairSecurityGroups", "SwapDatabases"]


def test_a_restore_whose_worker_died_is_carried_on_by_another(played: Played) -> None:
    report = played.acts.second.report

    assert (played.acts.second.exit_code, report.status, report.error, report.leftovers) == (0, "SUCCEEDED", None, ())
    assert [phase.state for phase in report.phases if phase.status == "FAILED"] == []
    assert states_of(report)[-5:] == removers()


def test_native_backups_come_back_to_a_moment_by_way_of_the_temporary_bucket(played: Played) -> None:
    report = played.acts.fifth.report

    [database] = report.databases
    assert (played.acts.fifth.exit_code, report.status, report.error, report.leftovers) == (0, "SUCCEEDED", None, ())
    assert (database.name, database.asked_name, database.status) == ("crm", "crm_at_1010", "PROMOTED")
    assert states_of(report) == [
        "PlanRestore",
        "DeployWorker",
        "PairSecurityGroups",
        "StageNativeBackups",
        "RestoreNativeBackups",
        "VerifyDatabases",
        "DiscardUnfinishedDatabases",
        "RemoveWorker",
        "UnpairSecurityGroups",
        "RemoveStagingBucket",
        "CloseRestore",
    ]
    assert {"bucket", "staged-objects", "native-task"} <= {row.kind for row in report.resources if row.seen_absent_at}


def test_it_is_said_that_no_sql_server_was_there(played: Played) -> None:
    act = " ".join(played.text.partition("Act 3")[2].split())

    assert "simulated SQL Server and RDS's part in it" in act
    assert "It restores no rows" in act


def test_an_instance_without_the_option_is_refused_and_nothing_is_made(played: Played) -> None:
    refusal = played.acts.sixth

    assert (refusal.exit_code, refusal.error, refusal.things_made) == (1, "NativeBackupOptionMissing", 0)
    assert refusal.sentence.startswith("/target/dbInstance: crm-test has the default option group")


@pytest.mark.parametrize("act", ["first", "second", "fifth"])
def test_every_resource_is_proven_gone_and_only_the_restored_database_stays_with_its_holder(played: Played, act: str) -> None:
    resources = getattr(played.acts, act).report.resources

    kept = [row.physical_id for row in resources if row.state == "KEPT"]
    gone = [row for row in resources if row.state == "DELETED"]
    digits = getattr(played.acts, act).report.restore_id.removeprefix("r-")
    holder = f"dbrestore_{digits}_1_holder"
    assert kept == {"first": ["shop_restored", holder], "second": ["shop_again", holder], "fifth": ["crm_at_1010"]}[act]
    assert len(kept) + len(gone) == len(resources)
    assert all(row.seen_absent_at for row in gone)
    assert {row.kind for row in gone} >= {
        "instance",
        "security-group",
        "security-group-rule",
        "group-list-entry",
    }


def test_the_dead_worker_is_replaced_once(played: Played) -> None:
    resources = played.acts.second.report.resources

    assert [row.role for row in resources if row.kind == "instance"] == ["worker", "worker"]


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


def a_stage() -> Stage:
    return Stage(Console(file=StringIO()))


IN_ORDER = ("RESTORE_DB_NORECOVERY", "RESTORE_DB_LOG_NORECOVERY", "RESTORE_DB_LOG_NORECOVERY", "FINISH_RESTORE")


@pytest.mark.parametrize(
    ("types", "lifecycle", "is_true"),
    [
        (IN_ORDER, "SUCCESS", True),
        (IN_ORDER[:1] + IN_ORDER, "SUCCESS", False),
        (IN_ORDER[::-1], "SUCCESS", False),
        (IN_ORDER[:3], "SUCCESS", False),
        (IN_ORDER, "ERROR", False),
    ],
)
def test_a_set_that_rds_restored_twice_late_or_in_vain_breaks_the_demonstration(
    types: tuple[str, ...], lifecycle: str, is_true: bool
) -> None:
    stage = a_stage()

    demo_native.claim_each_set_once(stage, [{"task_type": one, "lifecycle": lifecycle} for one in types])

    assert (not stage.broken) == is_true


@pytest.mark.parametrize(("received", "sent", "is_true"), [(0, 40, True), (0, 1000, False), (1000, 0, False)])
def test_bytes_that_passed_a_function_or_the_worker_break_the_demonstration(received: int, sent: int, is_true: bool) -> None:
    stage = a_stage()

    demo_native.claim_copied_by_s3(stage, 1000, [Access("a role", "GET", "bucket", "key", received, sent)])

    assert (not stage.broken) == is_true


def test_without_an_access_log_nothing_is_claimed_of_it() -> None:
    stage = a_stage()

    demo_native.claim_copied_by_s3(stage, 1000, [])

    assert stage.broken


def test_an_inventory_names_what_is_new_and_what_is_missing() -> None:
    before = Inventory(*(frozenset({"a"}) for _ in range(10)))
    after = replace(before, databases=frozenset({"a", "left"}), roles=frozenset())

    assert after.difference(before) == ["new databases: left", "missing roles: a"]
    assert after.difference(after) == []


def states_of(report: Report) -> list[str]:
    return [phase.state for phase in report.phases]


def removers() -> list[str]:
    """The states after the try block, in the order of the definition, but for that of copies, which no restore has."""
    states = json.loads(DEFINITION.read_text())["States"]
    tasks = [name for name, state in states.items() if state["Type"] == "Task"]
    return [name for name in tasks[tasks.index("DiscardUnfinishedDatabases") :] if name != "RemoveCopies"]


def test_a_local_cloud_that_cannot_start_is_one_sentence(tmp_path: Path) -> None:
    # In the local cloud's process, before anything else.
    ending = "import os, sys\nif 'localcloud' in sys.orig_argv:\n    os.write(2, b'This computer is on fire.')\n    os._exit(1)\n"
    (tmp_path / "sitecustomize.py").write_text(ending)
    variables = {**os.environ, "PYTHONPATH": str(tmp_path), "TMPDIR": str(tmp_path)}

    done = subprocess.run([sys.executable, "-m", "demo"], env=variables, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr == "The local cloud could not start: This computer is on fire.\n"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("dbrestore")] == []
