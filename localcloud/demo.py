"""`make demo`: the whole application on this computer, in two acts, and a check of everything that it claims.

Act 1: somebody forgets a WHERE; the database is restored beside the original. Act 2: the worker is killed in the middle of a restore.
Invariant: the exit code is 0 only if every claim that is printed was seen to be true, asked of AWS and PostgreSQL themselves.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from cli import consoles, control, identity, local, report_view, request, restore
from cli.control import Account, ControlPlane
from cli.following import read_report, read_results
from cli.units import number, size
from lambdas.names import RESTORE_ID
from lambdas.record import Report
from localcloud import daemon, demo_inventory, demo_shop, sample
from localcloud.demo_inventory import Inventory
from localcloud.demo_shop import DATABASE, INSTANCE, TABLES, Shop
from localcloud.demo_stage import Stage
from repository import points

ROWS = 300_000
NEW = "shop_restored"
# "In the middle" means: so many bytes of rows have gone into a table, and more are coming.
IN_THE_MIDDLE = 1_000_000


@dataclass(frozen=True)
class Before:
    """The shop before the accident, and what existed before the first restore."""

    rows: dict[str, int]
    hashes: dict[str, str]
    inventory: Inventory


@dataclass(frozen=True)
class Act:
    """One restore as it ended: the exit code of the command and the report."""

    exit_code: int
    report: Report


def main() -> int:
    """Play both acts; 0 if everything was as claimed."""
    if not sys.stdout.isatty():
        os.environ.setdefault("COLUMNS", "110")
    stage = Stage(consoles.out())
    with private_directory() as directory:
        play(stage, directory)
    stage.claim("everything that the demonstration started has been stopped and removed", not directory.exists())
    return 1 if stage.broken else 0


def play(stage: Stage, directory: Path, rows: int = ROWS) -> tuple[Act, Act]:
    """Both acts in a local cloud of their own, which ends with them."""
    stage.title("A shop on RDS, its backup, and an accident")
    with _local_cloud(stage, directory) as (account, plane):
        shop, before = _prepare(stage, account, plane, directory, rows)
        stage.title("Act 1: the backup comes back beside the damaged original")
        first = restore_beside(stage, plane, shop, before)
        stage.title("Act 2: the worker is killed while it loads rows")
        second = lose_the_worker(stage, plane, shop)
    return first, second


def restore_beside(stage: Stage, plane: ControlPlane, shop: Shop, before: Before) -> Act:
    """Act 1: restore under a new name, compare, and look for leftovers."""
    act = _restore(stage, plane, NEW)
    has_succeeded = (act.exit_code, act.report.status) == (0, "SUCCEEDED")
    if has_succeeded:
        results = read_results(plane, act.report)
        for database in report_view.verified(results):
            stage.show(report_view.verification_in_short(database))
        for name, entries in report_view.adapted(results).items():
            stage.show(report_view.fix_ups(name, entries))
        stage.show(_comparison(before.rows, demo_shop.count(shop, DATABASE), demo_shop.count(shop, NEW)))
    stage.claim("the restore SUCCEEDED with exit code 0", has_succeeded, str(act.report.error))
    is_equal = has_succeeded and demo_shop.fingerprints(shop, NEW) == before.hashes
    _claim_the_command_reports(stage, act.report)
    stage.claim("the restored tables hold the same rows as before the accident", is_equal)
    stage.claim("the damaged original was not touched", demo_shop.count(shop, DATABASE)["shop.orders"] == 0)
    _claim_nothing_is_left(stage, shop, act.report, before.inventory, {NEW})
    return act


def lose_the_worker(stage: Stage, plane: ControlPlane, shop: Shop) -> Act:
    """Act 2: end the worker's instance while rows are being loaded, and look for leftovers."""
    inventory = demo_inventory.take(shop)
    killer = _Killer(plane, shop)
    killer.start()
    act = _restore(stage, plane, "shop_again")
    killer.join()
    error = act.report.error.name if act.report.error else "no error"
    stage.claim(
        f"the worker {killer.killed} was terminated after {size(killer.bytes_loaded)} of rows", killer.bytes_loaded > 0
    )
    stage.claim(
        "the restore FAILED with exit code 1", (act.exit_code, act.report.status) == (1, "FAILED"), str(act.exit_code)
    )
    stage.claim("the first error is reported: WorkerLost", error == "WorkerLost", error)
    _claim_nothing_is_left(stage, shop, act.report, inventory, set())
    return act


def _prepare(stage: Stage, account: Account, plane: ControlPlane, directory: Path, rows: int) -> tuple[Shop, Before]:
    with stage.step(f"create RDS instance '{INSTANCE}'") as details:
        shop = demo_shop.create(account, plane, directory)
        details.append(f"PostgreSQL {shop.query('SHOW server_version')[0][0]} at {shop.host}:{shop.port}")
    with stage.step("build the sample database") as details:
        sample.create(shop.dsn(DATABASE), rows)
        counted = demo_shop.count(shop, DATABASE)
        details.append(f"{number(sum(counted.values()))} rows, every kind of object")
    with stage.step("back it up with pg_dump") as details:
        dump = demo_shop.dump(shop, directory)
        details.append(f"{dump.name}, {size(dump.stat().st_size)}")
    with stage.step("dbrestore points add shop") as details:
        manifest = points.add(plane.storage, plane.repository_bucket, INSTANCE, [(None, dump)])
        details.append(f"restore point {manifest.point_id}")
    before = Before(counted, demo_shop.fingerprints(shop, DATABASE), demo_inventory.take(shop))
    with stage.step("DELETE FROM shop.orders;") as details:
        details.append(f"no WHERE: {number(demo_shop.delete_orders(shop))} rows gone")
    return shop, before


def _restore(stage: Stage, plane: ControlPlane, new: str) -> Act:
    """What `dbrestore restore` does, with the report at the end."""
    stage.command(f"dbrestore restore {INSTANCE} -d {DATABASE}={new}")
    asked = request.build(
        INSTANCE,
        [f"{DATABASE}={new}"],
        source=INSTANCE,
        point="latest",
        mode="restore",
        on_conflict="fail",
        reason="demonstration",
    )
    started = restore.start(plane, asked)
    restore.announce(started, as_json=False)
    exit_code = restore.watch(plane, started, longest=None, as_json=False)
    return Act(exit_code, _report(plane, started))


def _report(plane: ControlPlane, started: identity.Restore) -> Report:
    report = read_report(plane, started.restore_id)
    if report is None:
        raise RuntimeError(f"{started.arn} ended without a report")
    return report


def _claim_the_command_reports(stage: Stage, report: Report) -> None:
    """As a process of its own, from the installed script: what is called from here can't show that the command itself is broken."""
    script = Path(sys.executable).with_name("dbrestore")
    ended = subprocess.run([script, "report", report.restore_id], capture_output=True, text=True, check=False)
    is_told = ended.returncode == 0 and ended.stdout.startswith(f"{report.restore_id} {report.status}")
    told = ended.stderr.strip() or ended.stdout[:100]
    stage.claim("`dbrestore report` tells it again, as a process of its own", is_told, told)


def _claim_nothing_is_left(stage: Stage, shop: Shop, report: Report, before: Inventory, wanted: set[str]) -> None:
    stage.show(report_view.proof(report.resources))
    unproven = [row.name for row in report.resources if row.state != "KEPT" and not row.seen_absent_at]
    stage.claim(
        f"all {len(report.resources)} things that were made are accounted for",
        not (unproven or report.leftovers),
        ", ".join(unproven),
    )
    found = demo_inventory.take(shop)
    as_it_was = found.difference(before.with_databases(wanted))
    also = f", and {', '.join(wanted)}" if wanted else ""
    stage.claim(
        f"EC2, S3, the instance's groups, its databases and roles are as before{also}",
        not as_it_was,
        "; ".join(as_it_was),
    )


def _comparison(before: dict[str, int], damaged: dict[str, int], restored: dict[str, int]) -> Table:
    table = Table("rows in", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("before", "after the DELETE", "restored"):
        table.add_column(column, justify="right")
    for name in TABLES:
        table.add_row(name, *(number(counted[name]) for counted in (before, damaged, restored)))
    return table


class _Killer(threading.Thread):
    """Ends the worker's instance, as AWS does when its host fails, as soon as rows are seen to arrive."""

    def __init__(self, plane: ControlPlane, shop: Shop) -> None:
        super().__init__(daemon=True)
        self._ec2 = plane.account.client("ec2")
        self._shop = shop
        self.killed = "(none)"
        self.bytes_loaded = 0

    def run(self) -> None:
        end = time.monotonic() + 60
        while self.bytes_loaded < IN_THE_MIDDLE and time.monotonic() < end:
            self.bytes_loaded = demo_shop.loaded_bytes(self._shop)
        if self.bytes_loaded >= IN_THE_MIDDLE:
            self.killed = self._worker()
            self._ec2.terminate_instances(InstanceIds=[self.killed])

    def _worker(self) -> str:
        running = [{"Name": "tag-key", "Values": [RESTORE_ID]}, {"Name": "instance-state-name", "Values": ["running"]}]
        [reservation] = self._ec2.describe_instances(Filters=running)["Reservations"]
        return str(reservation["Instances"][0]["InstanceId"])


@contextmanager
def _local_cloud(stage: Stage, directory: Path) -> Iterator[tuple[Account, ControlPlane]]:
    outside = dict(os.environ)
    with stage.step("start a local cloud") as details:
        # A directory of its own: a local cloud that the person at the keyboard uses stays as it is.
        os.environ["DBRESTORE_LOCAL_DIR"] = str(directory / "local")
        running = daemon.up()
        os.environ.update(local.environment(running))
        details.append(f"{running.endpoint}, both stacks deployed")
    try:
        account = Account()
        yield account, control.find(account)
    finally:
        daemon.down()
        os.environ.clear()
        os.environ.update(outside)


@contextmanager
def private_directory() -> Iterator[Path]:
    """A directory of the demonstration's own, which goes with it."""
    directory = Path(tempfile.mkdtemp(prefix="dbrestore-demo-"))
    # PostgreSQL refuses to run as root and then runs as nobody, who must be able to enter.
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    sys.exit(main())
