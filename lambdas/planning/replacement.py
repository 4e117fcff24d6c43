"""`onConflict: replace`: each database is restored under a derived name, and takes the asked one in the end.

Whether a database bears that name now, only the worker can see; if none does, nothing is kept.
"""

from typing import Final

from dbrestore.contract import names
from dbrestore.contract.allowed import database_names
from dbrestore.contract.manifest import Engine
from dbrestore.contract.plan import Plan, PlannedDatabase
from dbrestore.contract.swaps.exchanges import Exchange, PlannedSwap
from dbrestore.contract.swaps.orders import SwapRequest
from lambdas.runtime.settings import Settings

# The same rules as in dbrestore.worker.sqlserver.ownership, which tries it.
_OWNER: Final = (
    "The owner of a replaced database becomes the restored one's only where that is the login that restores, or a login on which that one "
    "was granted IMPERSONATE: RDS's lists of its master user's rights have no such one. Otherwise the report has the statement to run"
)
ENGINES: Final[dict[Engine, tuple[str, ...]]] = {"postgres": (), "sqlserver": (_OWNER,)}


def planned(plan: Plan, wish: SwapRequest | None, settings: Settings) -> Plan:
    """The same restore under derived names, with what is exchanged when all of it is verified."""
    wish = wish or SwapRequest()
    exchanges = tuple(exchange(one.asked_name, plan.restore_id, plan.engine) for one in plan.databases)
    swap = PlannedSwap(
        action="swap",
        of=plan.restore_id,
        exchanges=exchanges,
        sessions=wish.sessions,
        minutes=wish.minutes,
        keep_days=wish.keep_days or settings.swap_keep_days,
    )
    databases = tuple(_renamed(one, exchanges) for one in plan.databases)
    return plan.model_copy(
        update={"databases": databases, "swap": swap, "swaps": "last", "notes": (*plan.notes, _note(swap), *owner_notes(plan.engine))}
    )


def owner_notes(engine: Engine) -> tuple[str, ...]:
    """What an exchange can't promise of the owner. Empty where everything that belongs to a database goes over."""
    return ENGINES[engine]


def exchange(name: str, restore_id: str, engine: Engine) -> Exchange:
    """The names that two databases have before and after one of them takes this name."""
    fits = database_names.ENGINES[engine].fits
    return Exchange(
        name=name,
        restored_as=names.exchanged(name, "new", restore_id, fits),
        kept_as=names.exchanged(name, "old", restore_id, fits),
    )


def _renamed(database: PlannedDatabase, exchanges: tuple[Exchange, ...]) -> PlannedDatabase:
    """The database as it is restored: with another name, which for SQL Server is also the one that it is built under."""
    name = next(one.restored_as for one in exchanges if one.name == database.asked_name)
    built_as = name if database.temporary_name == database.asked_name else database.temporary_name
    return database.model_copy(update={"asked_name": name, "temporary_name": built_as})


def _note(swap: PlannedSwap) -> str:
    """What the plan says of it."""
    told = "; ".join(f"{one.name!r} becomes {one.kept_as!r} and {one.restored_as!r} becomes {one.name!r}" for one in swap.exchanges[:5])
    more = f" and {len(swap.exchanges) - 5} more" if len(swap.exchanges) > 5 else ""
    how = "ended" if swap.sessions == "end" else "waited for"
    return (
        f"Once all is verified: {told}{more}. Sessions in them are {how}, for {swap.minutes} minutes at most; what was replaced is dropped "
        f"{swap.keep_days} days later, unless dbrestore swap --undo {swap.of} turns it back"
    )
