"""What a restored SQL Server database is compared with: what the header of the last backup says of it.

Invariant: nothing here changes the database. Facts: a restore keeps logical file names and sizes, and the compatibility level unless the
server's lowest is higher (assumed; SQL Server 2014 to 2025: 100).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from dbrestore.contract.job import Check
from dbrestore.contract.manifest import NativeBackupSet
from dbrestore.worker.base import limits
from dbrestore.worker.sqlserver import pages as native_pages
from dbrestore.worker.sqlserver.session import EngineError, NativeConnection, Row
from dbrestore.worker.sqlserver.standing_connection import TEMPORARY

_PAGE: Final = 8192
_LOWEST_COMPATIBILITY_LEVEL: Final = 100
_COMING_UP: Final = ("RECOVERING", "RECOVERY_PENDING", "RESTORING", "ONLINE")
_PAST: Final = "the backup ends after the requested point in time, when the database may have been different"


@dataclass(frozen=True)
class Expected:
    """`last_set` is the last that was restored. If it goes on after the requested point in time, what differs from its header may
    have been so at that point."""

    last_set: NativeBackupSet
    goes_on: bool


def row_of(master: NativeConnection, name: str) -> Row | None:
    """What `sys.databases` says of a database; None if there is none of that name."""
    rows = master.rows(
        "SELECT name, state_desc, compatibility_level, is_trustworthy_on, SUSER_SNAME(owner_sid) AS owner FROM sys.databases "
        "WHERE name = %s",
        [name],
    )
    return rows[0] if rows else None


def state(row: Row | None, refusal: EngineError | None = None) -> Check:
    """Whether it can be used at all. `refusal` is what the server said when it was to be opened."""
    found = str(row["state_desc"]) if row else "there is no such database"
    if refusal:
        found = f"{found}, but it can't be opened: {refusal}"
    return Check(check="state", expected="ONLINE", actual=found, result="ok" if found == "ONLINE" else "failed")


def may_come_up(checked: Check) -> bool:
    """Whether a database whose state is not good yet may become so by itself: after a fail-over or a restart each database is recovered
    while `master` answers already, and for a moment one that is ONLINE can't be opened."""
    return checked.result == "failed" and checked.actual.startswith(_COMING_UP)


def compared(row: Row, inside: NativeConnection, expected: Expected) -> list[Check]:
    """Files, pages in use, compatibility level and owner, in this order."""
    pages = native_pages.in_use(inside, expected.last_set)
    return [*_files(inside, expected), pages, _compatibility_level(row, expected), _owner(row)]


def consistency(inside: NativeConnection, *, wanted: bool) -> Check:
    """DBCC CHECKDB of the current database: reads every page, which may take hours. Raises EngineError for what passes by itself."""
    if not wanted:
        return Check(
            check="DBCC CHECKDB",
            expected="no errors",
            actual="not requested (sqlserver.checkDatabase)",
            result="not checked",
        )
    try:
        inside.run("DBCC CHECKDB WITH NO_INFOMSGS")
    except EngineError as error:
        if error.number in TEMPORARY:
            raise
        lines = error.message.splitlines()[: limits.CHECKDB_LINES]
        words = " ".join(lines)[: limits.MESSAGE_LENGTH // 2]
        return Check(check="DBCC CHECKDB", expected="no errors", actual=f"{words} ({error.number})", result="failed")
    return Check(check="DBCC CHECKDB", expected="no errors", actual="no errors", result="ok")


def _files(inside: NativeConnection, expected: Expected) -> Iterator[Check]:
    sizes = {str(row["name"]): int(row["size"]) * _PAGE for row in inside.rows("SELECT name, size FROM sys.database_files")}
    wanted = {file.logical_name: file.size for file in expected.last_set.database_files}
    is_same = sizes.keys() == wanted.keys()
    yield _check("files", _listed(wanted), _listed(sizes), is_same, expected)
    for name, size in wanted.items():
        if name in sizes:
            found = f"{sizes[name]} bytes"
            yield _check(f"size of file {name}", f"at least {size} bytes", found, sizes[name] >= size, expected)


def _listed(names: dict[str, int]) -> str:
    return ", ".join(sorted(names))


def _compatibility_level(row: Row, expected: Expected) -> Check:
    found, wanted = int(row["compatibility_level"]), expected.last_set.compatibility_level
    is_raised = wanted < _LOWEST_COMPATIBILITY_LEVEL <= found
    words = str(wanted) if wanted >= _LOWEST_COMPATIBILITY_LEVEL else f"at least {_LOWEST_COMPATIBILITY_LEVEL} (it was {wanted})"
    return _check("compatibility level", words, str(found), found == wanted or is_raised, expected)


def _owner(row: Row) -> Check:
    """Reported only: what RDS makes the owner is documented nowhere."""
    return Check(check="owner", expected="any", actual=str(row["owner"] or "unknown"), result="ok")


def _check(check: str, expected: str, actual: str, is_good: bool, what: Expected) -> Check:
    result: Literal["ok", "failed", "not checked"] = "ok" if is_good else "not checked" if what.goes_on else "failed"
    said = f"{actual}; {_PAST}" if result == "not checked" else actual
    return Check(check=check, expected=expected, actual=said, result=result)
