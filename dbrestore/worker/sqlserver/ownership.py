"""The owner of the old database becomes that of the one that takes its name, where RDS lets the login that restores say so.

RDS's lists of its master user's rights name neither CONTROL SERVER nor IMPERSONATE on other logins. So it may make itself the owner, and
others only if somebody granted it IMPERSONATE on them (Microsoft Learn, "ALTER AUTHORIZATION", Permissions). What can't be given is told,
with the reason.
"""

from dbrestore.contract.job import FixUp
from dbrestore.worker.sqlserver import database_triggers
from dbrestore.worker.sqlserver.database_names import bracketed
from dbrestore.worker.sqlserver.session import EngineError, NativeConnection, SqlServer

_OWNERS = (
    "SELECT d.name, p.name AS owner, SUSER_SNAME() AS me FROM sys.databases AS d "
    "LEFT JOIN sys.server_principals AS p ON p.sid = d.owner_sid"
)
_EVENTS = ("ALTER_AUTHORIZATION_DATABASE",)


def carry_over(server: SqlServer, master: NativeConnection, old: str, new: str, name: str) -> list[FixUp]:
    """From the database that is called `old` now to `new`, which will be called `name`. Returns what was or wasn't given."""
    rows = {str(row["name"]): row for row in master.rows(_OWNERS)}
    before = rows[old]["owner"] if old in rows else None
    after = rows[new]["owner"] if new in rows else None
    if before is None or before == after:
        return []
    owner, me = str(before), str(rows[old]["me"])
    why = _obstacle(server, new, is_mine=after == me) or _refusal(master, new, owner)
    if why is None:
        return []
    statement = f"ALTER AUTHORIZATION ON DATABASE::{bracketed(name)} TO {bracketed(owner)}"
    return [FixUp(entry=f"OWNER {owner}", what=f"not given, {why}; as a login that may, run: {statement}")]


def _obstacle(server: SqlServer, database: str, *, is_mine: bool) -> str | None:
    """Why it is not even tried."""
    if is_mine:
        return "since the login that restores owns the database, and without that could no longer turn the exchange back"
    with server.connect(database) as inside:
        trigger = database_triggers.of(inside, _EVENTS)
    return f"since the database trigger {trigger} of the backup would run with the rights of the login that restores" if trigger else None


def _refusal(master: NativeConnection, database: str, owner: str) -> str | None:
    try:
        master.run(f"ALTER AUTHORIZATION ON DATABASE::{bracketed(database)} TO {bracketed(owner)}")
    except EngineError as error:
        return f"the server refused it ({error.number}: {error.message})"
    return None
