"""The job `swap` on SQL Server: RDS renames one database at a time, so each step can be carried on, and the last word is which name holds
what.

Which database is meant its `database_guid` says: RESTORE makes a new one, and a rename keeps it. Between the two renames nobody bears the
name. If the second is refused the first is turned back; a program that dies between them leaves that to the next run.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dbrestore.contract.errors import DatabaseExists, DatabaseInUse, RestoreError, SwapRefused
from dbrestore.contract.job import Absence, ErrorNote, FixUp, SwapResult
from dbrestore.contract.swaps.exchanges import SwapJob
from dbrestore.contract.swaps.orders import SwapAction
from dbrestore.worker.base import limits
from dbrestore.worker.sqlserver import ownership
from dbrestore.worker.sqlserver.database_names import bracketed
from dbrestore.worker.sqlserver.messages import error_of_engine
from dbrestore.worker.sqlserver.session import ConnectionLost, EngineError, NativeConnection, SqlServer

# "could not be exclusively locked", "can't be altered now": sessions of others are in it.
_IN_USE: Final = (5030, 5061, 5064, 3702)
_NAMES = (
    "SELECT d.name, d.user_access_desc, s.database_guid FROM sys.databases AS d "
    "LEFT JOIN sys.database_recovery_status AS s ON s.database_id = d.database_id"
)
_IDENTITY = (
    "SELECT s.database_guid FROM sys.database_recovery_status AS s JOIN sys.databases AS d ON d.database_id = s.database_id "
    "WHERE d.name = %s"
)
_SESSIONS = (
    "SELECT s.login_name, s.program_name, count(*) AS number FROM sys.dm_exec_sessions AS s "
    "JOIN sys.databases AS d ON d.database_id = s.database_id WHERE d.name = %s AND s.is_user_process = 1 "
    "AND s.session_id <> @@SPID GROUP BY s.login_name, s.program_name"
)
Settled = tuple[SwapResult, Sequence[Absence]]


@dataclass(frozen=True)
class Standing:
    """`restored` and `old` are the names that the two bear, empty if they are gone. `alone` are databases that let only one session in."""

    old_id: str
    restored: str
    old: str
    names: dict[str, str]
    alone: frozenset[str]


def identity(master: NativeConnection, name: str) -> str:
    """Of the database of this name; empty if there is none, or it can't be opened."""
    rows = master.rows(_IDENTITY, [name])
    return str(rows[0]["database_guid"] or "").upper() if rows else ""


def run(server: SqlServer, swaps: Sequence[SwapJob]) -> Iterator[Settled]:
    """Carry each out; one that fails doesn't stop the next."""
    for swap in swaps:
        began = time.monotonic()
        result = _carried_out(server, swap)
        yield result.model_copy(update={"seconds": round(time.monotonic() - began, 3)}), ()


def look(server: SqlServer, swaps: Sequence[SwapJob]) -> Iterator[Settled]:
    """How each stands, and nobody is kept out any more."""
    for swap in swaps:
        with server.connect() as master:
            yield _told(master, swap), ()


def _carried_out(server: SqlServer, swap: SwapJob) -> SwapResult:
    notes: list[FixUp] = []
    problem: RestoreError | None = None
    try:
        with server.connect() as master:
            notes = _ACTIONS[swap.action](server, master, swap)
    except RestoreError as error:
        problem = error
    except EngineError as error:
        problem = error_of_engine(error.number, f"{swap.name}: {error.message}")
    except ConnectionLost as error:
        problem = SwapRefused(f"the connection was lost while the names of {swap.name!r} were exchanged ({error}): try again")
    with server.connect() as master:
        told = _told(master, swap)
    return told.model_copy(update={"fix_ups": tuple(notes), "error": ErrorNote.of(problem) if problem and not told.is_done else None})


def _told(master: NativeConnection, swap: SwapJob) -> SwapResult:
    found = standing(master, swap)
    for name in {found.restored, found.old} & found.alone:
        master.run(f"ALTER DATABASE {bracketed(name)} SET MULTI_USER")
    return SwapResult(
        **swap.model_dump(include={"action", "name", "restored_as", "kept_as", "restored_id"}),
        is_done=_IS_DONE[swap.action](swap, found),
        restored_is=found.restored,
        old_id=found.old_id,
        old_is=found.old,
    )


def standing(master: NativeConnection, swap: SwapJob) -> Standing:
    """Before the first exchange the old database is whatever bears the name, and once nothing of it does, what bears the derived one."""
    rows = _look(master)
    names = {name: guid for name, (guid, _) in rows.items()}
    by_id = {guid: name for name, guid in names.items() if guid}
    restored = by_id.get(swap.restored_id, "")
    holder = swap.name if swap.name in names and restored != swap.name else swap.kept_as
    old_id = swap.old_id or names.get(holder, "")
    alone = frozenset(name for name, (_, access) in rows.items() if access == "SINGLE_USER")
    return Standing(old_id, restored, by_id.get(old_id, ""), names, alone)


def _look(master: NativeConnection) -> dict[str, tuple[str, str]]:
    rows = master.rows(_NAMES)
    return {str(row["name"]): (str(row["database_guid"] or "").upper(), str(row["user_access_desc"])) for row in rows}


def _swap(server: SqlServer, master: NativeConnection, swap: SwapJob) -> list[FixUp]:
    found = standing(master, swap)
    if found.restored == swap.name:
        return []
    if found.restored != swap.restored_as:
        raise SwapRefused(_elsewhere("the restored database", swap.restored_as, found.restored))
    # First, so that a run that dies after it leaves nothing that the next one would not find done.
    notes = ownership.carry_over(server, master, found.old, found.restored, swap.name)
    if found.old_id and found.old != swap.kept_as:
        _require_free(swap.kept_as, found)
        _exchange(master, swap, (swap.name, swap.kept_as), (swap.restored_as, swap.name))
    else:
        _rename(master, swap, swap.restored_as, swap.name)
    return notes


def _undo(_: SqlServer, master: NativeConnection, swap: SwapJob) -> list[FixUp]:
    found = standing(master, swap)
    if not swap.old_id:
        raise SwapRefused(f"no database was kept when {swap.name!r} was given its name: there is nothing to go back to")
    if found.old == swap.name:
        return []
    if found.old != swap.kept_as:
        raise SwapRefused(_elsewhere("the database from before", swap.kept_as, found.old))
    if found.restored == swap.name:
        _require_free(swap.restored_as, found)
        _exchange(master, swap, (swap.name, swap.restored_as), (swap.kept_as, swap.name))
    else:
        _require_free(swap.name, found)
        _rename(master, swap, swap.kept_as, swap.name)
    return []


def _drop(_: SqlServer, master: NativeConnection, swap: SwapJob) -> list[FixUp]:
    found = standing(master, swap)
    if not swap.old_id or not found.old:
        return []
    if found.old != swap.kept_as:
        raise SwapRefused(_elsewhere("the database from before", swap.kept_as, found.old) + ". It is not dropped")
    # rds_drop_database ends the sessions in it.
    _freed(master, swap, swap.kept_as, lambda: master.run("exec msdb.dbo.rds_drop_database %s", [swap.kept_as]))
    return []


def _exchange(master: NativeConnection, swap: SwapJob, first: tuple[str, str], second: tuple[str, str]) -> None:
    """The second rename follows at once; if it is refused, the first is turned back."""
    _rename(master, swap, *first)
    try:
        _rename(master, swap, *second)
    except (EngineError, RestoreError):
        master.run("exec rdsadmin.dbo.rds_modify_db_name %s, %s", [first[1], first[0]])
        raise


def _rename(master: NativeConnection, swap: SwapJob, before: str, after: str) -> None:
    _freed(master, swap, before, lambda: master.run("exec rdsadmin.dbo.rds_modify_db_name %s, %s", [before, after]))
    if swap.sessions == "end":
        master.run(f"ALTER DATABASE {bracketed(after)} SET MULTI_USER")


def _freed(master: NativeConnection, swap: SwapJob, name: str, act: Callable[[], None]) -> None:
    """Do it when nobody else is in the database. Raises DatabaseInUse when the time is over."""
    deadline = time.monotonic() + swap.seconds
    while True:
        there = _who(master, name) if swap.sessions == "wait" else []
        try:
            if not there:
                if swap.sessions == "end":
                    master.run(f"ALTER DATABASE {bracketed(name)} SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
                return act()
        except EngineError as error:
            if error.number not in _IN_USE:
                raise
        if time.monotonic() >= deadline:
            told = f": {'; '.join(there[: limits.SESSIONS_NAMED])}" if there else ""
            raise DatabaseInUse(
                f"{name!r} did not become free within {swap.seconds:.0f} seconds{told}. It was neither renamed nor dropped: let sessions "
                "be ended (swap.sessions: end), or allow more minutes, and try again"
            )
        time.sleep(limits.IN_USE_LOOK_SECONDS)


def _who(master: NativeConnection, name: str) -> list[str]:
    rows = master.rows(_SESSIONS, [name])
    return [f"{row['number']} sessions of {row['login_name']} ({row['program_name']})" for row in rows]


def _require_free(name: str, found: Standing) -> None:
    if name in found.names:
        raise DatabaseExists(f"the server has a database {name!r} already: rename or drop it, and try again. Nothing was renamed")


def _elsewhere(what: str, expected: str, found: str) -> str:
    now = f"is called {found!r} now" if found else "is gone"
    return f"{what} was {expected!r} and {now}: somebody changed it by hand. Nothing was renamed"


_ACTIONS: Final[dict[SwapAction, Callable[[SqlServer, NativeConnection, SwapJob], list[FixUp]]]] = {
    "swap": _swap,
    "undo": _undo,
    "drop": _drop,
}
_IS_DONE: Final[dict[SwapAction, Callable[[SwapJob, Standing], bool]]] = {
    "swap": lambda swap, found: found.restored == swap.name,
    "undo": lambda swap, found: bool(swap.old_id) and found.old == swap.name,
    "drop": lambda swap, found: not swap.old_id or not found.old,
}
