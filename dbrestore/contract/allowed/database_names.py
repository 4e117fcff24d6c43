"""Which names a database may bear in the target: each engine's own rules, and which two names it takes for one."""

import unicodedata
from collections import Counter
from collections.abc import Iterator

from dbrestore.contract import limits
from dbrestore.contract.manifest import Engine
from dbrestore.contract.request import DatabaseRequest, RestoreRequest

RESERVED = {
    "postgres": ("postgres", "rdsadmin", "template0", "template1"),
    "sqlserver": ("distribution", "master", "model", "msdb", "rdsadmin", "resource", "tempdb"),
}
Flaw = tuple[str, str]


def flaws(request: RestoreRequest, engine: Engine) -> Iterator[Flaw]:
    """(JSON pointer, sentence) for each name that the engine would refuse or take for another."""
    for n, database in enumerate(request.databases):
        found = _postgres_flaws(database) if engine == "postgres" else _sqlserver_flaws(database)
        yield from ((f"/databases/{n}/{place}", sentence) for place, sentence in found)
    if engine == "sqlserver":
        yield from _twins(request)


def folded(name: str, engine: Engine) -> str:
    """Two names of which this is the same can't stand side by side: SQL Server on RDS allows none that differ only by case or accent."""
    if engine == "postgres":
        return name
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def place_of(database: DatabaseRequest) -> str:
    """The key that holds the name in the target."""
    return "as" if database.as_ else "name"


def _postgres_flaws(database: DatabaseRequest) -> Iterator[Flaw]:
    for place, name in (("name", database.name), ("as", database.as_)):
        if name is None:
            continue
        if "\0" in name:
            yield place, "holds a NUL character, which no PostgreSQL name may: write the name without it"
        length, longest = len(name.encode("utf-8", "surrogatepass")), limits.LONGEST_DATABASE_NAME_BYTES
        if length > longest:
            yield place, f"is {length} bytes long, PostgreSQL's names end at {longest}: shorten it"
    yield from _reserved(database, database.asked_name in RESERVED["postgres"])


def _sqlserver_flaws(database: DatabaseRequest) -> Iterator[Flaw]:
    place, name = place_of(database), database.asked_name
    mend = "bring it back under another name with `as`"
    # sysname is nvarchar(128): characters beyond the basic plane count twice.
    length, longest = len(name.encode("utf-16-le", "surrogatepass")) // 2, limits.LONGEST_SQLSERVER_NAME
    if length > longest:
        yield place, f"is {length} characters long, SQL Server's names end at {longest}: {mend}"
    if any(unicodedata.category(character) == "Cc" for character in name):
        yield place, f"holds a control character, which has no place in a name: {mend}"
    if name != name.strip():
        yield place, f"{name!r} begins or ends with a space, which SQL Server overlooks when it compares names: {mend}"
    yield from _reserved(database, folded(name.strip(), "sqlserver") in RESERVED["sqlserver"])


def _reserved(database: DatabaseRequest, is_reserved: bool) -> Iterator[Flaw]:
    if is_reserved:
        sentence = f"{database.asked_name!r} belongs to the server: bring it back under another name with `as`"
        yield place_of(database), sentence


def _twins(request: RestoreRequest) -> Iterator[Flaw]:
    """Names that differ, and not for SQL Server; the very same ones are told of already, whatever the engine."""
    names = {database.asked_name for database in request.databases}
    alike = Counter(folded(name, "sqlserver") for name in names)
    for n, database in enumerate(request.databases):
        name = database.asked_name
        if alike[folded(name, "sqlserver")] > 1:
            others = sorted(
                other for other in names if other != name and folded(other, "sqlserver") == folded(name, "sqlserver")
            )
            told = f"{name!r} differs from {', '.join(map(repr, others))} only by case or accent"
            yield f"/databases/{n}/{place_of(database)}", f"{told}, which RDS for SQL Server refuses: rename one"
