"""What is wrong with a database's name in a request, and at which of its keys."""

from collections.abc import Iterator

from dbrestore.contract.request import DatabaseRequest

# The key below the database's place in the request, or its JSON pointer, and the sentence.
Flaw = tuple[str, str]


def place_of(database: DatabaseRequest) -> str:
    """The key that holds the name in the target."""
    return "as" if database.as_ else "name"


def reserved(database: DatabaseRequest, is_reserved: bool) -> Iterator[Flaw]:
    """The flaw of a name that is the server's own."""
    if is_reserved:
        sentence = f"{database.asked_name!r} belongs to the server: restore it under another name with `as`"
        yield place_of(database), sentence
