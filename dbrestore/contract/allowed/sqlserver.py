"""Which names a database may bear in SQL Server on RDS, and which two names it takes for one."""

import unicodedata
from collections.abc import Iterator
from typing import Final

from dbrestore.contract import limits
from dbrestore.contract.allowed.name_flaws import Flaw, place_of, reserved
from dbrestore.contract.request import DatabaseRequest

RESERVED: Final = ("distribution", "master", "model", "msdb", "rdsadmin", "resource", "tempdb")


def flaws(database: DatabaseRequest) -> Iterator[Flaw]:
    """What the server would refuse of its name, by its key."""
    place, name = place_of(database), database.asked_name
    fix = "restore it under another name with `as`"
    # sysname is nvarchar(128): characters beyond the basic plane count twice.
    length, longest = len(name.encode("utf-16-le", "surrogatepass")) // 2, limits.LONGEST_SQLSERVER_NAME
    if length > longest:
        yield place, f"is {length} characters long, but SQL Server's names have at most {longest}: {fix}"
    if any(unicodedata.category(character) == "Cc" for character in name):
        yield place, f"holds a control character, which has no place in a name: {fix}"
    if name != name.strip():
        yield place, f"{name!r} begins or ends with a space, which SQL Server ignores when it compares names: {fix}"
    yield from reserved(database, folded(name.strip()) in RESERVED)


def fits(name: str) -> bool:
    """Whether the server would take the whole of it."""
    return len(name.encode("utf-16-le", "surrogatepass")) // 2 <= limits.LONGEST_SQLSERVER_NAME


def folded(name: str) -> str:
    """Names that differ only by case or accent become one: RDS allows no two of them."""
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    return "".join(character for character in decomposed if not unicodedata.combining(character))
