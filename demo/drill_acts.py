"""Act 3, drills: one that proves the backup of the shop and leaves nothing, and the same with damage, which must end red."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dbrestore.cli import drills
from dbrestore.cli.control import ControlPlane
from dbrestore.cli.following import read_results
from dbrestore.cli.proofs import pages
from dbrestore.contract.drills import DrillOrder
from demo import inventory as demo_inventory
from demo import restores as demo_restores
from demo.restores import Act
from demo.shop import DATABASE, INSTANCE, Shop
from demo.stage import Stage

NAME: Final = "shop-weekly"
# Git ignores it, and `make clean` removes it.
KEPT: Final = Path(__file__).resolve().parent.parent / "build" / "demo"
# Sundays at two: no schedule starts it while the demonstration plays.
DECLARED: Final = {
    "name": NAME,
    "schedule": {"expression": "cron(0 2 ? * SUN *)", "timeZone": "Europe/Berlin"},
    "source": {"dbInstance": INSTANCE},
    "databases": [DATABASE],
    "target": {"dbInstance": INSTANCE},
    "objectives": {"recoveryMinutes": 30, "pointHours": 24},
    "checks": [
        {"name": "orders", "sql": "SELECT count(*) FROM shop.orders", "expect": {"min": 1}, "show": True},
        {
            "name": "lines without an order",
            "sql": "SELECT FROM shop.order_lines AS l WHERE NOT EXISTS (SELECT FROM shop.orders AS o WHERE o.id = l.order_id)",
            "expect": {"rows": 0},
        },
    ],
}


@dataclass(frozen=True)
class Drills:
    """The drill that must pass with the page of its evidence, and the one that must not pass."""

    sound: Act
    page: Path
    damaged: Act


def declare(directory: Path) -> Path:
    """The file that declares the drill, as it is deployed."""
    path = directory / "drills.json"
    path.write_text(json.dumps({"drills": [DECLARED]}, indent=2))
    return path


def run(stage: Stage, plane: ControlPlane, shop: Shop) -> Drills:
    """Both, and what they leave: nothing."""
    before = demo_inventory.take(shop)
    sound = _drill(stage, plane, with_damage=False)
    told = sound.report.drill
    stage.claim("the drill PASSED with exit code 0", (sound.exit_code, told and told.verdict) == (0, "PASSED"), str(sound.report.error))
    met = told is not None and len(told.objectives) == 2 and all(one.met for one in told.objectives)
    stage.claim("both objectives were met: recovery within 30 minutes, a backup of the last 24 hours", met, str(told))
    demo_restores.claim_nothing_is_left(stage, shop, sound.report, before, set())
    page = _page(plane, sound)
    stage.claim("the evidence of it is a page for auditors, kept beyond this demonstration", page.stat().st_size > 0, str(page))
    damaged = _drill(stage, plane, with_damage=True)
    error = damaged.report.error.name if damaged.report.error else "no error"
    stage.claim(
        "one flipped bit, and the drill FAILED with exit code 1: BackupDamaged", (damaged.exit_code, error) == (1, "BackupDamaged"), error
    )
    demo_restores.claim_as_before(stage, shop, before, set())
    return Drills(sound, page, damaged)


def _page(plane: ControlPlane, act: Act) -> Path:
    """Out of the evidence bucket, which goes with the demonstration."""
    KEPT.mkdir(parents=True, exist_ok=True)
    content = pages.of_restore(plane, act.report, read_results(plane, act.report))
    return pages.deliver(content, "", KEPT / "drill.html", opened=False)


def _drill(stage: Stage, plane: ControlPlane, *, with_damage: bool) -> Act:
    stage.command(f"dbrestore drill run {NAME}" + (" --with-damage" if with_damage else ""))
    order = DrillOrder(name=NAME, requested_by=plane.account.caller(), with_damage=with_damage)
    started = drills.start(plane, order)
    return demo_restores.followed(plane, started)
