"""What the scheduler is given for the rows: a task per table or group of small ones, per large-object member, and per index.

Invariants: what the journal tells of is counted and not done again; a table's index waits for its rows; rows that the server refused are
only left out if their bytes are those of the manifest.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import psycopg

from dbrestore.contract.errors import ReplayFailed
from dbrestore.contract.manifest import LargeObjectMember, TableMember
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.base.progress import ProgressWriter
from dbrestore.worker.postgresql.archive import Archive
from dbrestore.worker.postgresql.rows import copy_target, loading, partition_roots
from dbrestore.worker.postgresql.rows.copy_target import CopyTarget
from dbrestore.worker.postgresql.rows.loading import Lines, Members
from dbrestore.worker.postgresql.rows.partition_roots import Place, Rerouted
from dbrestore.worker.postgresql.rows.reading_ahead import ReadAhead
from dbrestore.worker.postgresql.rows.sharing import Sharing
from dbrestore.worker.postgresql.scheduling import Task
from dbrestore.worker.postgresql.session import Connection, is_lost, is_transient
from dbrestore.worker.postgresql.statements import Executor

# A constraint that carries further statements (CLUSTER ON, REPLICA IDENTITY, SET STATISTICS) needs its table for itself.
_FURTHER_STATEMENT = "ALTER "


@dataclass(frozen=True)
class TableTasks:
    """The tasks of one database. `sessions` run them; an idle one helps with a table of at least `shared_from` bytes.
    `costs`: of each index by its dump id (`building_costs`)."""

    executor: Executor
    members: Members
    archive: Archive
    progress: ProgressWriter
    rerouted: Rerouted
    costs: dict[int, int]
    sessions: int
    shared_from: int

    def all(self, indexes: Iterable[TocEntry]) -> list[Task]:
        """Rows, large objects, and these indexes."""
        tables = tuple(m for m in self.members.backup.tables if not (self._is_left_out(m) or self._is_loaded(m)))
        groups = list(loading.groups(tables, self.shared_from))
        shared = {group[0].dump_id: Sharing() for group in groups if loading.length_of(group[:1]) >= self.shared_from}
        indexes = list(indexes)
        own, ahead = self._own_indexes(groups, indexes), ReadAhead(self.members)
        together = {entry.dump_id for entries in own.values() for entry in entries}
        return [
            *(self._table_task(group, ahead, shared.get(group[0].dump_id), own[group[0].dump_id]) for group in groups),
            *self._help_tasks(groups, shared),
            *(self._large_object_task(m, n) for n, m in enumerate(self.members.backup.large_objects, start=1) if not self._is_filled(m, n)),
            *self._index_tasks(groups, [entry for entry in indexes if entry.dump_id not in together]),
        ]

    def _is_left_out(self, member: TableMember) -> bool:
        return self.executor.omissions.includes(loading.entry_of(member, self.archive.by_dump_id))

    def _is_loaded(self, member: TableMember) -> bool:
        is_loaded = self.executor.journal.has(member.dump_id)
        if is_loaded:
            self.progress.add(member.uncompressed_length)
            self.progress.table_done()
        return is_loaded

    def _is_filled(self, member: LargeObjectMember, number: int) -> bool:
        is_filled = self.executor.journal.has(number, "objects")
        if is_filled:
            self.progress.add(member.uncompressed_length)
        return is_filled

    def _own_indexes(self, groups: list[tuple[TableMember, ...]], indexes: Iterable[TocEntry]) -> dict[int, list[TocEntry]]:
        """By the task that loads small tables, their indexes: built with few round trips by the session that loaded them. Not of tables
        that are locked, or loaded, together with others."""
        found: dict[int, list[TocEntry]] = {group[0].dump_id: [] for group in groups}
        related, data_of = self.archive.related_tables(), self.archive.data_of
        loaded_by = {member.dump_id: group[0].dump_id for group in groups if len(group) > 1 for member in group}
        for entry in indexes:
            table = next((d for d in entry.dependencies if d in data_of and d not in related), 0)
            task = loaded_by.get(data_of.get(table, 0))
            if task is not None and self.costs.keys() & set(entry.dependencies) <= {other.dump_id for other in found[task]}:
                found[task].append(entry)
        return found

    def _table_task(self, group: tuple[TableMember, ...], ahead: ReadAhead, sharing: Sharing | None, indexes: list[TocEntry]) -> Task:
        remaining = list(group)

        def load(connection: Connection) -> None:
            where = ahead.take(group)
            while remaining:
                with self.progress.working_on(f"{remaining[0].schema_name}.{remaining[0].table}"):
                    self._load(connection, where, remaining[0], sharing)
                remaining.pop(0)
                self.progress.table_done()
            self._build_together(indexes, connection)

        run = load if sharing is None else partial(self._led, sharing, load)
        covered = (*(member.dump_id for member in group), *(entry.dump_id for entry in indexes))
        foreseen = partial(ahead.begin, group)
        return Task(name=group[0].dump_id, cost=loading.length_of(group), run=run, covers=covered, foreseen=foreseen)

    def _led(self, sharing: Sharing, load: Callable[[Connection], None], connection: Connection) -> None:
        """Whatever way the table took, nobody may go on waiting to help with it."""
        try:
            load(connection)
        finally:
            sharing.end()

    def _build_together(self, entries: list[TocEntry], connection: Connection) -> None:
        """What is built leaves the list: the rest may be repeated."""
        while batch := self.executor.first_batch(entries):
            with self.progress.working_on(f"{len(batch)} indexes of small tables"):
                self.executor.run_all(connection, batch)
            del entries[: len(batch)]
            for entry in batch:
                self.progress.object_done(self.costs[entry.dump_id])

    def _help_tasks(self, groups: list[tuple[TableMember, ...]], shared: dict[int, Sharing]) -> Iterator[Task]:
        """One for each further session and large table: what a session does that would otherwise be idle."""
        large = [group for group in groups if group[0].dump_id in shared for _ in range(self.sessions - 1)]
        for number, group in enumerate(large, start=len(self.members.backup.large_objects) + 1):
            yield Task(name=-number, cost=loading.length_of(group), run=shared[group[0].dump_id].help, helps=True)

    def _load(self, connection: Connection, where: Members, member: TableMember, sharing: Sharing | None) -> None:
        entry = loading.entry_of(member, self.archive.by_dump_id)
        target = copy_target.of(entry)
        place = None if self.rerouted.is_empty() else self._place(connection, target)
        if place and self.rerouted.has_sister_of(place):
            refusal = self._through_root(connection, where, member, target, place)
        else:
            journal, number = self.executor.journal, member.dump_id
            lines = Lines(journal.line(("entry", number)), journal.line(("share", number)))
            refusal = self._refusal(connection, where, member, target, lines, sharing)
            if refusal and partition_roots.is_refused_by_partition(refusal) and (place := self._place(connection, target)):
                refusal = self._through_root(connection, where, member, target, place)
        if refusal:
            self.executor.refuse(entry, refusal)

    def _place(self, connection: Connection, target: CopyTarget) -> Place | None:
        return partition_roots.place_of(connection, target.table, self.members.backup.client_encoding)

    def _through_root(
        self, connection: Connection, where: Members, member: TableMember, target: CopyTarget, place: Place
    ) -> psycopg.Error | None:
        """Load what the partition refuses; returns why the whole tree doesn't take it either."""
        line = self.executor.journal.line(("entry", member.dump_id), ("root", member.dump_id))
        refusal = self._refusal(connection, where, member, replace(target, table=place.root), Lines(line))
        if refusal is None:
            self.rerouted.add(member.dump_id, place)
        return refusal

    def _refusal(
        self,
        connection: Connection,
        where: Members,
        member: TableMember,
        target: CopyTarget,
        lines: Lines,
        sharing: Sharing | None = None,
    ) -> psycopg.Error | None:
        """Load; returns why the server didn't take the rows, though their bytes are those of the manifest."""
        # In bytes, because psycopg knows no codec for a session in SQL_ASCII.
        statement = target.statement().as_string().encode(self.archive.codec)
        try:
            loading.load_table(connection, where, member, statement, self.progress.add, sharing, lines)
        except ReplayFailed as error:
            if not isinstance(error.__cause__, psycopg.Error) or is_transient(error) or is_lost(error):
                raise
            loading.require_intact(self.members, member)
            return error.__cause__
        return None

    def _large_object_task(self, member: LargeObjectMember, number: int) -> Task:
        # A directory has several members with one dump id, so the number stands in for it; negative, because it isn't a dump id.
        line = self.executor.journal.line(("objects", number))
        return Task(
            name=-number,
            cost=member.uncompressed_length,
            run=lambda connection: loading.load_large_objects(connection, self.members, member, self.progress.add, line),
        )

    def _index_tasks(self, groups: list[tuple[TableMember, ...]], indexes: Iterable[TocEntry]) -> Iterator[Task]:
        loaded_by = {member.dump_id: group[0].dump_id for group in groups for member in group}
        for entry in indexes:
            table = next(d for d in entry.dependencies if self.archive.is_table(d))
            data = self.archive.data_of.get(table, 0)
            yield Task(
                name=entry.dump_id,
                cost=self.costs[entry.dump_id],
                run=partial(self._build_index, entry),
                units=frozenset((table,)),
                exclusive=entry.description == "CONSTRAINT" or _FURTHER_STATEMENT in entry.definition,
                after={loaded_by.get(data, 0), *entry.dependencies},
            )

    def _build_index(self, entry: TocEntry, connection: Connection) -> None:
        with self.progress.working_on(entry.label):
            self.executor.run(connection, entry)
        self.progress.object_done(self.costs[entry.dump_id])
