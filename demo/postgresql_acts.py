"""Acts 1 and 2, PostgreSQL: a database comes back beside its damaged original, and a restore survives its worker."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from dbrestore.cli.control import Account, ControlPlane
from dbrestore.cli.following import read_results
from dbrestore.cli.views import report as report_view
from dbrestore.cli.views.units import number, size
from dbrestore.contract.names import RESTORE_ID
from dbrestore.contract.things import INSTANCE as INSTANCE_KIND
from dbrestore.points.pgdump import adding as points
from demo import inventory as demo_inventory
from demo import restores as demo_restores
from demo import shop as demo_shop
from demo.inventory import Inventory
from demo.restores import Act, Wish
from demo.shop import DATABASE, INSTANCE, TABLES, Shop
from demo.stage import Stage
from localcloud.postgresql import sample

NEW = "shop_restored"
AGAIN = "shop_again"
# "In the middle" means: so many bytes of rows have gone into a table, and more are coming.
IN_THE_MIDDLE = 1_000_000
# Seconds between two looks: the rows take a second or more.
LOOK_AGAIN = 0.01


@dataclass(frozen=True)
class Before:
    """The shop before the accident, and what existed before the first restore."""

    rows: dict[str, int]
    hashes: dict[str, str]
    inventory: Inventory


def prepare(stage: Stage, account: Account, plane: ControlPlane, directory: Path, rows: int) -> tuple[Shop, Before]:
    """The instance, its database, the backup, and the accident."""
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


def restore_beside(stage: Stage, plane: ControlPlane, shop: Shop, before: Before) -> Act:
    """Act 1: restore under a new name, compare, and look for leftovers."""
    act = demo_restores.run(stage, plane, Wish(INSTANCE, DATABASE, NEW))
    if act.report.status == "SUCCEEDED":
        results = read_results(plane, act.report)
        for database in report_view.verified(results):
            stage.show(report_view.verification_in_short(database))
        for name, entries in report_view.adapted(results).items():
            stage.show(report_view.fix_ups(name, entries))
        stage.show(_comparison(before.rows, demo_shop.count(shop, DATABASE), demo_shop.count(shop, NEW)))
    has_succeeded = demo_restores.claim_success(stage, act)
    is_equal = has_succeeded and demo_shop.fingerprints(shop, NEW) == before.hashes
    demo_restores.claim_the_command_reports(stage, act.report)
    stage.claim("the restored tables hold the same rows as before the accident", is_equal)
    stage.claim("the damaged original was not touched", demo_shop.count(shop, DATABASE)["shop.orders"] == 0)
    demo_restores.claim_nothing_is_left(stage, shop, act.report, before.inventory, {NEW})
    return act


def lose_the_worker(stage: Stage, plane: ControlPlane, shop: Shop, before: Before) -> Act:
    """Act 2: end the worker's instance while rows are being loaded: another one carries on. Look for leftovers."""
    inventory = demo_inventory.take(shop)
    killer = _Killer(plane, shop)
    killer.start()
    act = demo_restores.run(stage, plane, Wish(INSTANCE, DATABASE, AGAIN))
    killer.join()
    workers = [row for row in act.report.resources if row.kind == INSTANCE_KIND]
    stage.claim(f"the worker {killer.killed} was terminated after {size(killer.bytes_loaded)} of rows", killer.bytes_loaded > 0)
    stage.claim("another worker carried on within the same restore", len(workers) == 2, f"{len(workers)} workers")
    has_succeeded = demo_restores.claim_success(stage, act)
    is_equal = has_succeeded and demo_shop.fingerprints(shop, AGAIN) == before.hashes
    stage.claim("the restored tables hold the same rows as before the accident", is_equal)
    demo_restores.claim_nothing_is_left(stage, shop, act.report, inventory, {AGAIN})
    return act


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
        for loaded in demo_shop.loaded_bytes(self._shop):
            self.bytes_loaded = loaded
            if self.bytes_loaded >= IN_THE_MIDDLE or time.monotonic() > end:
                break
            time.sleep(LOOK_AGAIN)
        if self.bytes_loaded >= IN_THE_MIDDLE:
            self.killed = self._worker()
            self._ec2.terminate_instances(InstanceIds=[self.killed])

    def _worker(self) -> str:
        running = [{"Name": "tag-key", "Values": [RESTORE_ID]}, {"Name": "instance-state-name", "Values": ["running"]}]
        [reservation] = self._ec2.describe_instances(Filters=running)["Reservations"]
        return str(reservation["Instances"][0]["InstanceId"])
