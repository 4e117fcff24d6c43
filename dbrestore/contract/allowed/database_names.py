"""Which names a database may bear in the target: each engine's own rules, and which two names it takes for one."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from dbrestore.contract.allowed import postgresql, sqlserver
from dbrestore.contract.allowed.name_flaws import Flaw, place_of
from dbrestore.contract.manifest import Engine
from dbrestore.contract.request import DatabaseRequest, RestoreRequest


@dataclass(frozen=True)
class Names:
    """An engine's rules. `flaws` tells what it would refuse; two names of which `fold` makes the same can't stand side by side; what is
    longer than `fits` allows is no name."""

    flaws: Callable[[DatabaseRequest], Iterator[Flaw]]
    fold: Callable[[str], str]
    fits: Callable[[str], bool]


ENGINES: Final[dict[Engine, Names]] = {
    "postgres": Names(postgresql.flaws, postgresql.folded, postgresql.fits),
    "sqlserver": Names(sqlserver.flaws, sqlserver.folded, sqlserver.fits),
}


def flaws(request: RestoreRequest, engine: Engine) -> Iterator[Flaw]:
    """(JSON pointer, sentence) for each name that the engine would refuse or take for another."""
    rules = ENGINES[engine]
    for n, database in enumerate(request.databases):
        yield from ((f"/databases/{n}/{place}", sentence) for place, sentence in rules.flaws(database))
    yield from _twins(request, rules.fold)


def folded(name: str, engine: Engine) -> str:
    """Two names of which this is the same can't stand side by side: SQL Server on RDS allows none that differ only by case or accent."""
    return ENGINES[engine].fold(name)


def _twins(request: RestoreRequest, fold: Callable[[str], str]) -> Iterator[Flaw]:
    """Names that differ, and not for the engine; the very same ones are told of already, whatever the engine."""
    names = {database.asked_name for database in request.databases}
    alike = Counter(map(fold, names))
    for n, database in enumerate(request.databases):
        name = database.asked_name
        if alike[fold(name)] > 1:
            others = sorted(other for other in names if other != name and fold(other) == fold(name))
            told = f"{name!r} differs from {', '.join(map(repr, others))} only by case or accent"
            yield f"/databases/{n}/{place_of(database)}", f"{told}, which RDS for SQL Server refuses: rename one"
