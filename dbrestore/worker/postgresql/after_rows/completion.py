"""What follows the rows, as tasks beside those that load them (`post_data` has the order): constraints, materialized views, row security,
statistics of the dump."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count

from dbrestore.contract.job import FixUp
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.after_rows import building_costs, extension_keys, foreign_keys, lock_units, planner_statistics, post_data
from dbrestore.worker.postgresql.after_rows.extension_keys import ForeignKey
from dbrestore.worker.postgresql.after_rows.foreign_keys import Steps
from dbrestore.worker.postgresql.after_rows.graph import Graph, Run
from dbrestore.worker.postgresql.after_rows.lock_units import LockUnits
from dbrestore.worker.postgresql.after_rows.post_data import Part, Phase
from dbrestore.worker.postgresql.building import Building
from dbrestore.worker.postgresql.rights import row_security
from dbrestore.worker.postgresql.rights.row_security import LateRefreshes
from dbrestore.worker.postgresql.scheduling import Task
from dbrestore.worker.postgresql.session import Connection


@dataclass(frozen=True)
class Completion:
    """Of one database. `late`: refreshes that wait for row security. `keys`: those that point at tables of extensions. `of_partitions`: by
    key of a partitioned table, those of its partitions; `refused`: the numbers of these that the server didn't take or prove."""

    building: Building
    units: LockUnits
    late: LateRefreshes
    keys: dict[int, ForeignKey]
    phases: dict[Phase, list[TocEntry]]
    of_partitions: dict[int, list[Steps]]
    refused: set[int] = field(default_factory=set)
    told: list[FixUp] = field(default_factory=list)

    def tasks(self, of_rows: Iterable[Task]) -> list[Task]:
        """Those that load the rows, and all that follows them."""
        rows_are_in = partial(self.building.replay.progress.phase, "constraints")
        graph = Graph(self.building.archive, self.units, of_rows, rows_are_in)
        for phase, entries in self.phases.items():
            if phase == Phase.CONSTRAINTS:
                self._add_constraints(graph, entries)
                continue
            for part in self._parts(phase, entries):
                graph.add(phase, part, sum(map(self._cost, part.entries)), partial(self._counted, part, self._run(phase, part)))
        return graph.tasks

    def fix_ups(self) -> list[FixUp]:
        """What was done otherwise than the dump says, when all tasks are done."""
        refreshed = self.building.omissions.without(self.phases[Phase.SECURED_VIEWS])
        return row_security.fix_ups(refreshed, self.late) + sorted(self.told, key=lambda note: note.entry)

    def _add_constraints(self, graph: Graph, entries: list[TocEntry]) -> None:
        """In the dump's order, but for the keys that are added and proven in two steps: nothing of the phase depends on these."""
        in_steps = {} if self.building.executor.skips else self._in_steps(entries)
        for entry in entries:
            if entry.dump_id not in in_steps:
                self._add_constraint(graph, entry)
        for steps, cost in foreign_keys.together((steps, self._cost(steps.proven.entries[0])) for steps in in_steps.values()):
            run = partial(self._counted, steps.proven, partial(self._build, steps.proven))
            graph.add(Phase.CONSTRAINTS, steps.proven, cost, run, (steps.added, partial(self._add, steps)))

    def _add_constraint(self, graph: Graph, entry: TocEntry) -> None:
        """A partitioned table's key after those of its partitions."""
        of_partitions = self.of_partitions.get(entry.dump_id, ())
        for steps in of_partitions:
            first = (steps.added, partial(self._try_to_add, steps))
            graph.add(Phase.CONSTRAINTS, steps.proven, self._cost(steps.proven.entries[0]), partial(self._try_to_prove, steps), first)
        proofs = tuple(steps.proven.name for steps in of_partitions)
        own = replace(entry, dependencies=(*entry.dependencies, *proofs)) if proofs else entry
        part = post_data.part_of([own], self.units)
        graph.add(Phase.CONSTRAINTS, part, self._cost(entry), partial(self._counted, part, partial(self._build, part)))

    def _in_steps(self, entries: list[TocEntry]) -> dict[int, Steps]:
        needed = {d for entry in entries for d in entry.dependencies}
        keys = [e for e in entries if e.description == "FK CONSTRAINT" and e.dump_id not in needed]
        return {e.dump_id: steps for e in keys if (steps := foreign_keys.steps_of(e, self.units))}

    def _parts(self, phase: Phase, entries: list[TocEntry]) -> Iterator[Part]:
        if phase == Phase.VIEWS:
            yield from (Part((entry,), frozenset()) for entry in entries)
        elif phase == Phase.STATISTICS:
            together = limits.IMPORTED_TOGETHER if planner_statistics.is_possible(self.building.server_version) else len(entries) or 1
            for first in range(0, len(entries), together):
                yield Part(tuple(entries[first : first + together]), frozenset())
        elif phase in (Phase.EXTENSION_KEYS, Phase.SECURED_VIEWS):
            yield from [post_data.part_of(entries, self.units)] if entries else []
        else:
            yield from post_data.parts(entries, self.units, self.building.replay.server.bounds.defined_together)

    def _run(self, phase: Phase, part: Part) -> Run:
        runs: dict[Phase, Callable[[Part, Connection], None]] = {
            Phase.VIEWS: self._build,
            Phase.EXTENSION_KEYS: self._add_to_extensions,
            Phase.SECURED_VIEWS: self._refresh_under_row_security,
            Phase.STATISTICS: self._import,
        }
        return partial(runs[phase], part) if phase in runs else self._definitions(part)

    def _cost(self, entry: TocEntry) -> int:
        return self.building.costs.get(entry.dump_id, 0)

    def _definitions(self, part: Part) -> Run:
        """What is executed leaves the list: the rest may be repeated."""
        remaining = list(part.entries)

        def define(connection: Connection) -> None:
            while batch := self.building.executor.first_batch(remaining):
                with self._working_on(part.entries):
                    self.building.executor.run_all(connection, batch)
                del remaining[: len(batch)]

        return define

    def _build(self, part: Part, connection: Connection) -> None:
        with self._working_on(part.entries):
            self.building.executor.run_all(connection, part.entries)

    def _counted(self, part: Part, run: Run, connection: Connection) -> None:
        """The work that was expected on these entries, whatever phase they are in, is done."""
        run(connection)
        for entry in part.entries:
            # What the partitions' proofs were to do, the key's own has done instead.
            instead = (steps.proven.name for steps in self.of_partitions.get(entry.dump_id, ()) if steps.proven.name in self.refused)
            for number in (entry.dump_id, *instead):
                if number in self.building.costs:
                    self.building.replay.progress.object_done(self.building.costs[number])

    def _add(self, steps: Steps, connection: Connection) -> None:
        """What is proven already was added before."""
        executor = self.building.executor
        remaining = {entry.dump_id for entry in executor.remaining(steps.proven.entries)}
        executor.telling("added").run_all(connection, [e for e in steps.added.entries if e.dump_id in remaining])

    def _try_to_add(self, steps: Steps, connection: Connection) -> None:
        """A partition's key. What is refused is judged when the partitioned table's is added."""
        executor = self.building.executor
        if executor.remaining(steps.proven.entries) and (added := executor.telling("added").remaining(steps.added.entries)):
            executor.telling("added").tried(connection, added)

    def _try_to_prove(self, steps: Steps, connection: Connection) -> None:
        with self._working_on(steps.proven.entries):
            proven = self.building.executor.remaining(steps.proven.entries)
            if proven and not self.building.executor.tried(connection, proven):
                self.refused.add(steps.proven.name)
                return
        self._counted(steps.proven, lambda _: None, connection)

    def _add_to_extensions(self, part: Part, connection: Connection) -> None:
        with self.building.connect_master() as master:
            extension_keys.add(master, connection, self.building.executor, self.keys, part.entries)

    def _refresh_under_row_security(self, part: Part, _: Connection) -> None:
        before, after = row_security.forcing({i: self.building.omissions.without(tables) for i, tables in self.late.items()})
        with self.building.connect() as connection:
            connection.execute("SET row_security = on")
            for statement in before:
                connection.execute(statement)
            self.building.executor.run_all(connection, part.entries)
            for statement in after:
                connection.execute(statement)

    def _import(self, part: Part, connection: Connection) -> None:
        self.told.extend(planner_statistics.restore(connection, self.building.executor, part.entries))

    def _working_on(self, entries: tuple[TocEntry, ...]) -> AbstractContextManager[None]:
        further = f" and {len(entries) - 1} more" if len(entries) > 1 else ""
        return self.building.replay.progress.working_on(f"{entries[0].label}{further}")


def of_building(building: Building) -> Completion:
    """What of its dump follows the rows. Its `building` knows the costs of partitions' keys, too."""
    entries, units = building.archive.toc.entries, lock_units.of_dump(building.archive.toc.entries)
    late, keys = row_security.late_refreshes(entries), extension_keys.among(entries, building.archive)
    phases = post_data.phases(building.division.post_data, late, keys)
    of_partitions = {} if building.executor.skips else _of_partitions(building, units, phases[Phase.CONSTRAINTS])
    proofs = [steps.proven.entries[0] for each in of_partitions.values() for steps in each]
    costs = building.costs | building_costs.of(building.archive, building.backup, proofs)
    return Completion(replace(building, costs=costs), units, late, keys, phases, of_partitions)


def _of_partitions(building: Building, units: LockUnits, entries: list[TocEntry]) -> dict[int, list[Steps]]:
    """By key of a partitioned table that isn't done, those of its partitions. Their numbers are the same in each attempt, as the journal
    tells of them."""
    numbers = count(1 + max((e.dump_id for e in building.archive.toc.entries), default=0))
    keys = [e for e in entries if e.description == "FK CONSTRAINT"]
    every = {e.dump_id: foreign_keys.of_partitions(e, building.archive, units, numbers) for e in keys}
    return {e.dump_id: every[e.dump_id] for e in building.executor.remaining(keys) if every[e.dump_id]}
