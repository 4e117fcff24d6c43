"""The end of act 1: the restored database takes the name of the damaged one, and gives it back."""

from dataclasses import dataclass

from dbrestore.cli.control import ControlPlane
from dbrestore.cli.exchanging import swap
from dbrestore.contract.swaps.orders import SwapAction
from demo import inventory as demo_inventory
from demo import restores as demo_restores
from demo import shop as demo_shop
from demo.restores import Act
from demo.shop import DATABASE, Shop
from demo.stage import Stage


@dataclass(frozen=True)
class Exchanges:
    """The one that gives the name, and the one that turns it back."""

    swapped: Act
    undone: Act


def run(stage: Stage, plane: ControlPlane, shop: Shop, restored: Act, rows: dict[str, int]) -> Exchanges:
    """`rows` are those before the accident."""
    before, damaged = demo_inventory.take(shop), demo_shop.count(shop, DATABASE)
    swapped = _exchange(stage, plane, "swap", restored.report.restore_id)
    stage.claim(f"{DATABASE!r} is the restored database now, with every row from before", demo_shop.count(shop, DATABASE) == rows)
    undone = _exchange(stage, plane, "undo", restored.report.restore_id)
    stage.claim("and after the undo the damaged one again", demo_shop.count(shop, DATABASE) == damaged)
    demo_restores.claim_as_before(stage, shop, before, set())
    return Exchanges(swapped, undone)


def _exchange(stage: Stage, plane: ControlPlane, action: SwapAction, restore_id: str) -> Act:
    how = {"database": None, "end_sessions": True, "minutes": None, "reason": "demonstration"}
    stage.command(f"dbrestore swap {'--undo ' if action == 'undo' else ''}{restore_id} --end-sessions")
    started = swap.start(plane, swap.order(restore_id, action, how, plane.account.caller()))
    return demo_restores.followed(plane, started)
