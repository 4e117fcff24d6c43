"""The definitions before the rows, side by side where none can need another: one session makes a thousand tables in a second, whatever
the server could do besides.

Invariants: what hangs together by the dump's dependencies is made by one session, in the dump's order; what is refused among others is
tried again when all of them are through, in the dump's order, and counts only then.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby
from typing import Final

from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.postgresql.building import Building
from dbrestore.worker.postgresql.linked import Linked
from dbrestore.worker.postgresql.rights import lending
from dbrestore.worker.postgresql.scheduling import Task
from dbrestore.worker.postgresql.session import Connection

_RELATIONS: Final = ("TABLE", "SEQUENCE", "VIEW", "MATERIALIZED VIEW")
# Relations, and what is said of them. All else is made by itself, in its place: types, functions, what the dump doesn't describe.
_OF_RELATIONS: Final = (*_RELATIONS, "TABLE ATTACH", "SEQUENCE OWNED BY", "DEFAULT", "COMMENT")


def define(building: Building, entries: Iterable[TocEntry]) -> None:
    """Execute them."""
    with (
        building.connect_master() as master,
        lending.parameters(master, building.division.pre_data, building.login.user),
        building.connect() as connection,
    ):
        waiting: list[TocEntry] = []
        for found in _runs(building, entries):
            if len(found) > 1:
                building.executor.run_all(connection, waiting)
                waiting = _side_by_side(building, found)
            else:
                waiting += found[0]
        building.executor.run_all(connection, waiting)


def _runs(building: Building, entries: Iterable[TocEntry]) -> Iterator[list[list[TocEntry]]]:
    """What follows each other, in parts that may be made side by side. Who leaves out what is refused must know what was made before."""
    relations = frozenset(e.dump_id for e in building.archive.toc.entries if e.description in _RELATIONS)
    together = building.replay.server.bounds.defined_together
    for are_relations, run in groupby(building.executor.remaining(entries), key=lambda entry: entry.description in _OF_RELATIONS):
        chosen = list(run)
        divisible = are_relations and len(chosen) > together and not building.executor.skips
        yield list(parts(chosen, relations, together)) if divisible else [chosen]


def _side_by_side(building: Building, found: list[list[TocEntry]]) -> list[TocEntry]:
    """Make most of them. Returns what was refused, with what shared its transaction, in the dump's order."""
    undone: list[TocEntry] = []
    order = {entry.dump_id: place for place, entry in enumerate(building.division.pre_data)}
    building.run([Task(number, len(part), partial(_make, building, part, undone)) for number, part in enumerate(found)])
    return sorted(undone, key=lambda entry: order[entry.dump_id])


def _make(building: Building, part: list[TocEntry], undone: list[TocEntry], connection: Connection) -> None:
    """What is done, or put off, leaves the part: it may be repeated."""
    while part:
        batch = building.executor.first_batch(part)
        if not building.executor.tried(connection, batch):
            undone.extend(batch)
        del part[: len(batch)]


def parts(entries: Iterable[TocEntry], relations: frozenset[int], together: int) -> Iterator[list[TocEntry]]:
    """What hangs together by these `relations`, or is about one of them, also one that was made before: two that attach to the same tables
    would wait for each other's locks. Small parts are put together, up to so many entries."""
    entries, linked = list(entries), Linked()
    for entry in entries:
        for related in relations.intersection(entry.dependencies):
            linked.join(entry.dump_id, related)
    return linked.parts(entries, together)
