"""One restore of the demonstration, as `dbrestore restore` does it, and the claims that are the same for every engine."""

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dbrestore.cli import identity, request, restore
from dbrestore.cli.control import ControlPlane
from dbrestore.cli.following import read_report
from dbrestore.cli.views import report as report_view
from dbrestore.contract.record import Report
from dbrestore.ledger import reading
from demo import inventory as demo_inventory
from demo.inventory import Inventory, Server
from demo.stage import Stage


@dataclass(frozen=True)
class Act:
    """One restore as it ended: the exit code of the command and the report."""

    exit_code: int
    report: Report


@dataclass(frozen=True)
class Refusal:
    """One restore that was refused: the exit code, the error's name and sentence, and how many things are in the ledger as made."""

    exit_code: int
    error: str
    sentence: str
    things_made: int


@dataclass(frozen=True)
class Wish:
    """What is typed: `dbrestore restore SOURCE -d DATABASE=NEW`; `target` if it is another instance than the source."""

    source: str
    database: str
    new: str
    target: str | None = None
    stop_at: datetime | None = None

    @property
    def command(self) -> str:
        """As a person types it."""
        target = f" --to {self.target}" if self.target else ""
        stop_at = f" --stop-at {self.stop_at.isoformat()}" if self.stop_at else ""
        return f"dbrestore restore {self.source}{target} -d {self.database}={self.new}{stop_at}"


def run(stage: Stage, plane: ControlPlane, wish: Wish) -> Act:
    """A restore that is begun, whether it succeeds or not."""
    return followed(plane, _start(stage, plane, wish))


def followed(plane: ControlPlane, started: identity.Restore) -> Act:
    """An execution that has begun, of whatever mode, watched to its end."""
    exit_code = _watch(plane, started)
    report = read_report(plane, started.restore_id)
    if report is None:
        raise RuntimeError(f"{started.arn} ended without a report")
    return Act(exit_code, report)


def run_refused(stage: Stage, plane: ControlPlane, wish: Wish) -> Refusal:
    """A restore that is refused before anything is made, so it has no report."""
    started = _start(stage, plane, wish)
    exit_code = _watch(plane, started)
    ended = plane.executions.describe_execution(executionArn=started.arn)
    sentence = json.loads(ended.get("cause", "{}")).get("errorMessage", "")
    made = reading.things_made(plane.ledger, started.restore_id)
    return Refusal(exit_code, ended.get("error", "no error"), sentence, made)


def _start(stage: Stage, plane: ControlPlane, wish: Wish) -> identity.Restore:
    stage.command(wish.command)
    asked = request.build(
        request.Target(wish.target or wish.source),
        [f"{wish.database}={wish.new}"],
        source=wish.source,
        point="latest",
        mode="restore",
        on_conflict="fail",
        reason="demonstration",
        sqlserver={"stopAt": wish.stop_at},
    )
    return restore.start(plane, asked)


def _watch(plane: ControlPlane, started: identity.Restore) -> int:
    restore.announce(started, as_json=False)
    return restore.watch(plane, started, longest=None, as_json=False)


def claim_success(stage: Stage, act: Act) -> bool:
    """Whether it was one."""
    has_succeeded = (act.exit_code, act.report.status) == (0, "SUCCEEDED")
    stage.claim("the restore SUCCEEDED with exit code 0", has_succeeded, str(act.report.error))
    return has_succeeded


def claim_the_command_reports(stage: Stage, report: Report) -> None:
    """As a process of its own, from the installed script: what is called from here can't show that the command itself is broken."""
    script = Path(sys.executable).with_name("dbrestore")
    ended = subprocess.run([script, "report", report.restore_id], capture_output=True, text=True, check=False)
    is_told = ended.returncode == 0 and ended.stdout.startswith(f"{report.restore_id} {report.status}")
    told = ended.stderr.strip() or ended.stdout[:100]
    stage.claim("`dbrestore report`, run as a separate process, says the same", is_told, told)


def claim_nothing_is_left(stage: Stage, server: Server, report: Report, before: Inventory, wanted: set[str]) -> None:
    """Our own records first, then AWS and the database server themselves; `wanted` are the databases that are new."""
    stage.show(report_view.proof(report.resources))
    unproven = [row.name for row in report.resources if row.state != "KEPT" and not row.seen_absent_at]
    stage.claim(
        f"all {len(report.resources)} things that were made are accounted for",
        not (unproven or report.leftovers),
        ", ".join(unproven),
    )
    claim_as_before(stage, server, before, wanted, _holders(report, len(wanted)))


def _holders(report: Report, databases: int) -> set[str]:
    """A database of PostgreSQL comes with one role."""
    if report.target.engine != "postgres":
        return set()
    digits = report.restore_id.removeprefix("r-")
    return {f"dbrestore_{digits}_{number}_holder" for number in range(1, databases + 1)}


def claim_as_before(stage: Stage, server: Server, before: Inventory, wanted: set[str], holders: set[str] | None = None) -> None:
    """What AWS and the database server list."""
    found = demo_inventory.take(server)
    as_it_was = found.difference(before.with_restored(wanted, holders or set()))
    also = f", and {', '.join(wanted)}" if wanted else ""
    stage.claim(
        f"EC2, S3, the instance's groups, databases, logins and tasks are as before{also}",
        not as_it_was,
        "; ".join(as_it_was),
    )
