"""Databases change their names, all of them or none, in one transaction.

Invariant: whoever dies at any moment leaves the names as they were before or as they are to be. An advisory lock, held to the transaction's
end, lets a later look wait for one whose program died and whose COMMIT the server may still carry out.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

import psycopg
from psycopg import sql

from dbrestore.contract.errors import DatabaseInUse, SwapRefused
from dbrestore.contract.job import FixUp
from dbrestore.contract.swaps.exchanges import SwapJob
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.rights import membership
from dbrestore.worker.postgresql.session import Connection, Server
from dbrestore.worker.postgresql.swapping import sessions

# A program that dies without a word must not keep the old name locked until TCP notices.
_SETTINGS = ("idle_in_transaction_session_timeout = '15s'", "lock_timeout = '15s'", "statement_timeout = '60s'")
Done = TypeVar("Done")
_IN_THE_WAY = (psycopg.errors.ObjectInUse, psycopg.errors.LockNotAvailable)


@dataclass(frozen=True)
class Move:
    """The database of this oid goes from one name to another."""

    oid: str
    before: str
    after: str


Between = Callable[[Connection], list[FixUp]]


def carry_out(server: Server, master: Connection, swap: SwapJob, moves: Sequence[Move], between: Between) -> list[FixUp]:
    """Rename them in this order, once no session of others stands in the way; `between` belongs to the same transaction.

    Raises DatabaseInUse, SwapRefused; then nothing has changed."""
    names = [move.before for move in moves]
    return unhindered(server, master, swap, names, lambda: _in_one_transaction(master, swap, moves, between))


def unhindered(server: Server, master: Connection, swap: SwapJob, names: Sequence[str], act: Callable[[], Done]) -> Done:
    """What needs databases without sessions, tried until it may. Raises DatabaseInUse when the time is over."""
    deadline = time.monotonic() + swap.seconds
    while True:
        if swap.sessions == "end" or not sessions.who(master, names):
            try:
                with sessions.kept_out(server, names) if swap.sessions == "end" else nullcontext():
                    return act()
            except _IN_THE_WAY as error:
                _give_up_after(deadline, master, swap, names, str(error.diag.message_primary))
        _give_up_after(deadline, master, swap, names, "others are connected")
        time.sleep(limits.IN_USE_LOOK_SECONDS)


def wait_for_others(master: Connection, swap: SwapJob) -> None:
    """Until no program that was killed can still change the names."""
    with master.transaction():
        _lock(master, swap)


def _give_up_after(deadline: float, master: Connection, swap: SwapJob, names: Sequence[str], why: str) -> None:
    if time.monotonic() < deadline:
        return
    there = sessions.who(master, names)
    more = f" and {len(there) - limits.SESSIONS_NAMED} more" if len(there) > limits.SESSIONS_NAMED else ""
    told = f": {'; '.join(there[: limits.SESSIONS_NAMED])}{more}" if there else ""
    advice = "end what keeps them" if swap.sessions == "end" else "let sessions be ended (swap.sessions: end)"
    raise DatabaseInUse(
        f"{' and '.join(map(repr, names))} did not become free within {swap.seconds:.0f} seconds ({why}){told}. Nothing was renamed or "
        f"dropped: {advice}, or allow more minutes, and try again"
    )


def _in_one_transaction(master: Connection, swap: SwapJob, moves: Sequence[Move], between: Between) -> list[FixUp]:
    owners = _owners(master, [move.oid for move in moves])
    with master.transaction():
        _lock(master, swap)
        with membership.acting_for(master, owners):
            notes = between(master)
            for move in moves:
                names = {"before": sql.Identifier(move.before), "after": sql.Identifier(move.after)}
                master.execute(sql.SQL("ALTER DATABASE {before} RENAME TO {after}").format(**names))
            _require(master, moves)
    return notes


def _lock(master: Connection, swap: SwapJob) -> None:
    for setting in _SETTINGS:
        master.execute(sql.SQL("SET LOCAL {}").format(sql.SQL(setting)))
    key = int.from_bytes(sha256(f"dbrestore swap {swap.name}".encode()).digest()[:8], "big", signed=True)
    master.execute("SELECT pg_advisory_xact_lock(%s)", [key])


def _owners(master: Connection, oids: Sequence[str]) -> list[str]:
    """For whom the user must act. Raises SwapRefused if it may not."""
    rows = master.execute("SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE oid::text = ANY(%s)", [list(oids)]).fetchall()
    states = membership.role_states(master, [owner for _, owner in rows])
    for name, owner in rows:
        if not states[owner].may_act:
            raise SwapRefused(
                f"{name!r} belongs to {owner!r}, for whom the user that restores may not act, and only its owner may rename a database: "
                f"GRANT {owner} to that user, or give the database another owner, and try again. Nothing was renamed"
            )
    return [owner for _, owner in rows]


def _require(master: Connection, moves: Sequence[Move]) -> None:
    """That it was these databases, and no others of the same names: otherwise the transaction is rolled back."""
    found: dict[str, str] = dict(master.execute("SELECT oid::text, datname FROM pg_database").fetchall())
    for move in moves:
        if found.get(move.oid) != move.after:
            raise SwapRefused(
                f"{move.before!r} was no longer the database that was meant when it was renamed: somebody replaced it at the same moment. "
                "Nothing was renamed: look at both, and try again"
            )
