"""`onConflict: replace`: each database is restored under a derived name, and takes the asked one in the end.

Whether a database bears that name now, only the worker can see; if none does, nothing is kept.
"""

from dbrestore.contract import names
from dbrestore.contract.allowed import database_names
from dbrestore.contract.manifest import Engine
from dbrestore.contract.plan import PlannedDatabase
from dbrestore.contract.request import RestoreRequest
from dbrestore.contract.swaps import Exchange, PlannedSwap, SwapRequest
from lambdas.runtime.settings import Settings


def planned(
    request: RestoreRequest, restore_id: str, engine: Engine, databases: tuple[PlannedDatabase, ...], settings: Settings
) -> PlannedSwap:
    """What is exchanged when all of them are verified."""
    wish = request.swap or SwapRequest()
    return PlannedSwap(
        action="swap",
        of=restore_id,
        exchanges=tuple(exchange(one.asked_name, restore_id, engine) for one in databases),
        sessions=wish.sessions,
        minutes=wish.minutes,
        keep_days=wish.keep_days or settings.swap_keep_days,
    )


def exchange(name: str, restore_id: str, engine: Engine) -> Exchange:
    """The names that two databases have before and after one of them takes this name."""
    fits = database_names.ENGINES[engine].fits
    return Exchange(
        name=name,
        restored_as=names.exchanged(name, "new", restore_id, fits),
        kept_as=names.exchanged(name, "old", restore_id, fits),
    )


def renamed(database: PlannedDatabase, exchanges: tuple[Exchange, ...]) -> PlannedDatabase:
    """The database as it is restored: with another name, which for SQL Server is also the one that it is built under."""
    name = next(one.restored_as for one in exchanges if one.name == database.asked_name)
    built_as = name if database.temporary_name == database.asked_name else database.temporary_name
    return database.model_copy(update={"asked_name": name, "temporary_name": built_as})


def note(swap: PlannedSwap) -> str:
    """What the plan says of it."""
    told = "; ".join(f"{one.name!r} becomes {one.kept_as!r} and {one.restored_as!r} becomes {one.name!r}" for one in swap.exchanges[:5])
    more = f" and {len(swap.exchanges) - 5} more" if len(swap.exchanges) > 5 else ""
    how = "ended" if swap.sessions == "end" else "waited for"
    return (
        f"Once all is verified: {told}{more}. Sessions in them are {how}, for {swap.minutes} minutes at most; what was replaced is dropped "
        f"{swap.keep_days} days later, unless dbrestore swap --undo {swap.of} turns it back"
    )
