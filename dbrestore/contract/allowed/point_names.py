"""Which names a restore point may carry. Invariant: what no request could ask for is refused before anything is stored under it."""

import re
from typing import Final

from dbrestore.contract.errors import RestoreRequestInvalid

# A letter, then letters, digits and hyphens, at most 63 in all: what RDS takes as a DB instance identifier.
INSTANCE_NAME: Final = r"^[A-Za-z][A-Za-z0-9-]{0,62}$"
# PostgreSQL cuts longer names off (NAMEDATALEN is 64 with the closing zero).
LONGEST_DATABASE_NAME: Final = 63


def require_instance_name(name: str) -> None:
    """Raises RestoreRequestInvalid for what isn't a DB instance identifier."""
    # `$` alone would let a line end pass.
    if not re.fullmatch(INSTANCE_NAME, name):
        raise RestoreRequestInvalid(f"{name!r} isn't a DB instance name: use a letter, then letters, digits and hyphens, at most 63 in all")


def require_database_name(name: str) -> None:
    """Raises RestoreRequestInvalid for what PostgreSQL could not call a database."""
    length = len(name.encode("utf-8", "surrogateescape"))
    if not name:
        raise RestoreRequestInvalid("a database's name is empty: leave --database out to use each dump's own")
    if "\0" in name:
        raise RestoreRequestInvalid(f"the database name {name!r} holds a zero byte: PostgreSQL allows none")
    if length > LONGEST_DATABASE_NAME:
        raise RestoreRequestInvalid(f"the database name {name!r} has {length} bytes: PostgreSQL allows {LONGEST_DATABASE_NAME}")
