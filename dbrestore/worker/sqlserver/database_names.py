"""Which databases the server has, by names as SQL Server and RDS tell them apart: neither by case nor by accent. Names in statements."""

import unicodedata
from datetime import datetime

from dbrestore.worker.sqlserver.session import NativeConnection


def taken_by(connection: NativeConnection, name: str) -> str | None:
    """The database that stands in the way of one of this name. The server's own collation decides, and so do we, because it may tell
    accents apart where RDS does not."""
    same = connection.rows("SELECT name FROM sys.databases WHERE name = %s", (name,))
    if same:
        return str(same[0]["name"])
    names = [str(row["name"]) for row in connection.rows("SELECT name FROM sys.databases")]
    return next((one for one in names if _folded(one) == _folded(name)), None)


def state_of(connection: NativeConnection, name: str) -> str | None:
    """ONLINE, RESTORING, ... ; None if there is none."""
    rows = connection.rows("SELECT state_desc FROM sys.databases WHERE name = %s", (name,))
    return str(rows[0]["state_desc"]) if rows else None


def created(connection: NativeConnection, name: str) -> datetime | None:
    """When the database of this name was made, by the server's clock; None if there is none. It stays the same while further backups are
    restored into it, and tells a database from a later one of the same name."""
    rows = connection.rows("SELECT create_date FROM sys.databases WHERE name = %s", (name,))
    return rows[0]["create_date"] if rows else None


def bracketed(name: str) -> str:
    """A name in a statement that takes no parameter for it: in brackets, a closing one doubled, all else is literal."""
    return f"[{name.replace(']', ']]')}]"


def _folded(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    return "".join(character for character in decomposed if not unicodedata.combining(character))
