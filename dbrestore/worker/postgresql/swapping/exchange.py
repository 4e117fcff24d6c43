"""The job `swap`: exchanges names, turns an exchange back, drops what was kept; and tells, whatever happened, which name holds what.

Each action looks first and carries on: one that an earlier run finished is found done.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import psycopg
from psycopg import sql

from dbrestore.contract.errors import DatabaseExists, ReplayFailed, RestoreError, RestoreFailed, SwapRefused
from dbrestore.contract.job import Absence, ErrorNote, FixUp, SwapResult
from dbrestore.contract.swaps.exchanges import SwapJob
from dbrestore.contract.swaps.orders import SwapAction
from dbrestore.worker.postgresql.rights import membership
from dbrestore.worker.postgresql.session import Connection, Server, explained
from dbrestore.worker.postgresql.swapping import carrying_over, renaming, standing
from dbrestore.worker.postgresql.swapping.renaming import Move
from dbrestore.worker.postgresql.swapping.standing import Standing


def run(server: Server, swaps: Sequence[SwapJob]) -> Iterator[tuple[SwapResult, tuple[Absence, ...]]]:
    """Carry each out; one that fails doesn't stop the next."""
    with server.connect_master() as master:
        for swap in swaps:
            began = time.monotonic()
            result = _carried_out(server, master, swap)
            yield result.model_copy(update={"seconds": round(time.monotonic() - began, 3)}), ()


def look(server: Server, swaps: Sequence[SwapJob]) -> Iterator[tuple[SwapResult, tuple[Absence, ...]]]:
    """How each stands, once no other run can change it any more."""
    if not swaps:
        return
    with server.connect_master() as master:
        for swap in swaps:
            renaming.wait_for_others(master, swap)
            yield _told(master, swap), ()


def _carried_out(server: Server, master: Connection, swap: SwapJob) -> SwapResult:
    try:
        notes = ACTIONS[swap.action](server, master, swap)
        return _told(master, swap).model_copy(update={"fix_ups": tuple(notes)})
    except RestoreError as error:
        problem = error
    except psycopg.errors.DuplicateDatabase as error:
        problem = DatabaseExists(f"{explained(error)}: somebody made it at the same moment. Nothing was renamed: try again")
    except psycopg.errors.InsufficientPrivilege as error:
        problem = SwapRefused(f"{explained(error)}: to rename a database takes its ownership and CREATEDB. Nothing was renamed")
    except psycopg.Error as error:
        problem = ReplayFailed(explained(error))
    except Exception as error:  # whatever it was, how the names stand must be told
        problem = RestoreFailed(f"{type(error).__name__}: {error}")
    # The session may be what was lost.
    with server.connect_master() as again:
        renaming.wait_for_others(again, swap)
        return _told(again, swap).model_copy(update={"error": ErrorNote.of(problem)})


def _told(master: Connection, swap: SwapJob) -> SwapResult:
    found = standing.look(master, swap)
    return SwapResult(
        **swap.model_dump(include={"action", "name", "restored_as", "kept_as", "restored_id"}),
        is_done=_IS_DONE[swap.action](swap, found),
        restored_is=found.restored,
        old_id=found.old_id,
        old_is=found.old,
    )


def _swap(server: Server, master: Connection, swap: SwapJob) -> list[FixUp]:
    found = standing.look(master, swap)
    if found.restored == swap.name:
        return []
    if found.restored != swap.restored_as:
        raise SwapRefused(_elsewhere("the restored database", swap.restored_id, swap.restored_as, found.restored))
    moves = [Move(swap.restored_id, swap.restored_as, swap.name)]
    if not found.old_id:
        return renaming.carry_out(server, master, swap, moves, lambda _: [])
    _require_free(swap.kept_as, found)
    moves = [Move(found.old_id, swap.name, swap.kept_as), *moves]
    return renaming.carry_out(server, master, swap, moves, partial(_carry_over, old=found.old_id, new=swap.restored_id))


def _undo(server: Server, master: Connection, swap: SwapJob) -> list[FixUp]:
    found = standing.look(master, swap)
    if swap.old_id and found.old == swap.name:
        return []
    if not swap.old_id:
        raise SwapRefused(f"no database was kept when {swap.name!r} was given its name: there is nothing to go back to")
    if found.old != swap.kept_as:
        raise SwapRefused(_elsewhere("the database from before", found.old_id, swap.kept_as, found.old))
    moves = [Move(found.old_id, swap.kept_as, swap.name)]
    if found.restored == swap.name:
        _require_free(swap.restored_as, found)
        moves = [Move(swap.restored_id, swap.name, swap.restored_as), *moves]
    elif swap.name in found.names:
        raise SwapRefused(f"{swap.name!r} is another database than the restored one by now: rename that first, and try again")
    return renaming.carry_out(server, master, swap, moves, lambda _: [])


def _drop(server: Server, master: Connection, swap: SwapJob) -> list[FixUp]:
    found = standing.look(master, swap)
    if not swap.old_id or not found.old:
        return []
    if found.old != swap.kept_as:
        raise SwapRefused(_elsewhere("the database from before", found.old_id, swap.kept_as, found.old) + ". It is not dropped")
    renaming.unhindered(server, master, swap, [swap.kept_as], lambda: _dropped(master, swap, found.old_id))
    return []


def _dropped(master: Connection, swap: SwapJob, old_id: str) -> None:
    owner = master.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE oid::text = %s AND datname = %s", [old_id, swap.kept_as])
    for (role,) in owner.fetchall():
        # DROP DATABASE stands in no transaction, so what is lent for it is given back after it.
        lent = membership.borrow(master, role)
        try:
            master.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(swap.kept_as)))
            master.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(swap.kept_as)))
        finally:
            for statement in lent:
                master.execute(statement)


def _carry_over(master: Connection, old: str, new: str) -> list[FixUp]:
    return carrying_over.carry_over(master, old, new)


def _require_free(name: str, found: Standing) -> None:
    if name in found.names:
        raise DatabaseExists(f"the server has a database {name!r} already: rename or drop it, and try again. Nothing was renamed")


def _elsewhere(what: str, oid: str, expected: str, found: str) -> str:
    now = f"is called {found!r} now" if found else "is gone"
    return f"{what} (oid {oid or 'unknown'}) was {expected!r} and {now}: somebody changed it by hand. Nothing was renamed"


ACTIONS: Final[dict[SwapAction, Callable[[Server, Connection, SwapJob], list[FixUp]]]] = {"swap": _swap, "undo": _undo, "drop": _drop}
_IS_DONE: Final[dict[SwapAction, Callable[[SwapJob, Standing], bool]]] = {
    "swap": lambda swap, found: found.restored == swap.name,
    "undo": lambda swap, found: bool(swap.old_id) and found.old == swap.name,
    "drop": lambda swap, found: not swap.old_id or not found.old,
}
