"""Which names a database may bear in PostgreSQL."""

from collections.abc import Iterator
from typing import Final

from dbrestore.contract import limits
from dbrestore.contract.allowed.name_flaws import Flaw, reserved
from dbrestore.contract.request import DatabaseRequest

RESERVED: Final = ("postgres", "rdsadmin", "template0", "template1")


def flaws(database: DatabaseRequest) -> Iterator[Flaw]:
    """What the server would refuse of its names, by their keys."""
    for place, name in (("name", database.name), ("as", database.as_)):
        if name is None:
            continue
        if "\0" in name:
            yield place, "contains a NUL character, which no PostgreSQL name may: write the name without it"
        length, longest = len(name.encode("utf-8", "surrogatepass")), limits.LONGEST_DATABASE_NAME_BYTES
        if length > longest:
            yield place, f"is {length} bytes long, but PostgreSQL's names have at most {longest}: shorten it"
    yield from reserved(database, database.asked_name in RESERVED)


def fits(name: str) -> bool:
    """Whether the server would take the whole of it."""
    return len(name.encode("utf-8", "surrogatepass")) <= limits.LONGEST_DATABASE_NAME_BYTES


def folded(name: str) -> str:
    """The name itself: to PostgreSQL names that differ are different."""
    return name
