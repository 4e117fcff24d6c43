"""One graph of tasks for the rows and for all that follows them: a part of the dump is ready when what it is about is there.

Invariant: a task waits only for tasks that were added before it, so no dump, whatever it says of its dependencies, makes them wait in a
circle.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import count
from typing import Final

from dbrestore.worker.postgresql.after_rows.lock_units import LockUnits, read
from dbrestore.worker.postgresql.after_rows.post_data import EARLY, WAITING, Part, Phase
from dbrestore.worker.postgresql.archive import Archive
from dbrestore.worker.postgresql.rights import row_security
from dbrestore.worker.postgresql.scheduling import Task
from dbrestore.worker.postgresql.session import Connection

# Of tasks that do no entry: no dump id is as large.
_FIRST_NAME: Final = 1 << 32
Run = Callable[[Connection], None]


class Graph:
    """`tasks` are complete when everything was added, in the order of the phases."""

    def __init__(self, archive: Archive, units: LockUnits, of_rows: Iterable[Task], rows_are_in: Callable[[], None]) -> None:
        """`of_rows`: the tasks that load, and those of early indexes; `rows_are_in` is called when all of them are done."""
        self.tasks = [_beside_its_tree(task, units) for task in of_rows]
        self._archive, self._units = archive, units
        self._done_with = {dump_id: task.name for task in self.tasks for dump_id in (task.name, *task.covers)}
        self._trees = self._tables_of_trees()
        self._names = count(_FIRST_NAME)
        self._since, self._waited_for = {task.name for task in self.tasks if not task.helps}, set[int]()
        self._phase, self._attached = Phase.ATTACHED, dict[int, int]()
        self._rows = self._gate(lambda _: rows_are_in())

    def add(self, phase: Phase, part: Part, cost: int, run: Run, first: tuple[Part, Run] | None = None) -> None:
        """A part, and what is done `first` for it, with locks of its own."""
        if phase in WAITING and phase != self._phase:
            self._waited_for = {self._gate(lambda _: None)}
        self._phase = phase
        after = self._needed(phase, part)
        if first:
            name = next(self._names)
            self._append(Task(name, 0, first[1], first[0].units, after=after, shared=first[0].shared))
            after = {name}
        if phase == Phase.ATTACHED:
            self._attached |= dict.fromkeys(part.units, part.name)
        self._append(Task(part.name, cost, run, part.units, after=after, shared=part.shared, covers=part.covers))

    def _needed(self, phase: Phase, part: Part) -> set[int]:
        """The tasks that a part waits for. What attaches indexes comes before the keys of the same tables: older dumps don't say so."""
        said = {self._done_with[d] for d in part.needed if d in self._done_with}
        rows = self._rows_needed(part) if phase in EARLY else {self._rows}
        attached = {self._attached[unit] for unit in part.units if phase == Phase.CONSTRAINTS and unit in self._attached}
        return said | rows | attached | self._waited_for

    def _append(self, task: Task) -> None:
        self.tasks.append(task)
        self._since.add(task.name)
        self._done_with |= dict.fromkeys((task.name, *task.covers), task.name)

    def _gate(self, run: Run) -> int:
        """A task that does next to nothing when all that were added since the last gate are done: many need not name as many others."""
        name = next(self._names)
        self.tasks.append(Task(name, 0, run, after=self._since))
        self._since = {name}
        return name

    def _tables_of_trees(self) -> dict[int, list[int]]:
        """By unit; a table that belongs to none is its own."""
        found = defaultdict[int, list[int]](list)
        for relation, unit in self._units.unit_of.items():
            if unit != relation:
                found[unit].append(relation)
        return found

    def _loading(self, unit: int) -> set[int]:
        """The tasks that load rows of its tables."""
        data = (self._archive.data_of.get(table, 0) for table in self._trees.get(unit, (unit,)))
        return {self._done_with[d] for d in data if d in self._done_with}

    def _rows_needed(self, part: Part) -> set[int]:
        """Those that load the rows of its tables; all, if it is about anything else or may run code that reads whatever it likes."""
        units = frozenset[int]().union(*map(self._units.of, part.entries))
        is_known = units and all(unit in self._trees or self._archive.is_table(unit) for unit in units)
        if not is_known or any(row_security.needs_code(entry, self._archive.by_dump_id) for entry in part.entries):
            return {self._rows}
        return set[int]().union(*map(self._loading, units))


def _beside_its_tree(task: Task, units: LockUnits) -> Task:
    """An index is built beside those of other partitions, and not beside what locks the whole tree. A key keeps readers away, too."""
    trees = frozenset(units.unit_of.get(unit, unit) for unit in task.units)
    own = task.units | read(task.units) if task.exclusive else task.units
    return replace(task, units=own, shared=trees - task.units)
