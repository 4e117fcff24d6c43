"""Is every row, large object and sequence value there? Compared or counted in the finished database, on several connections.

Invariant: every table that rows were copied into is in exactly one row of the result; no code of the dump decides what is read.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import psycopg
from psycopg import sql

from dbrestore.contract.job import Check
from dbrestore.contract.manifest import DatabaseBackup, LargeObjectMember, TableMember
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql import scheduling
from dbrestore.worker.postgresql.archive import Archive
from dbrestore.worker.postgresql.checks import content as content_checks
from dbrestore.worker.postgresql.checks.content import NotComparable
from dbrestore.worker.postgresql.checks.large_objects import Objects
from dbrestore.worker.postgresql.rows import copy_target, partition_roots, sequence_value, table_reading
from dbrestore.worker.postgresql.rows.copy_target import CopyTarget
from dbrestore.worker.postgresql.rows.table_reading import NotASequence, NotATable, TableName
from dbrestore.worker.postgresql.scheduling import Task
from dbrestore.worker.postgresql.session import Connection

# Cost and work.
Run = tuple[int, Callable[[Connection], None]]


@dataclass(slots=True)
class Loaded:
    """What was copied into one table, which for some dumps is the partitioned table and not the partition: its rows, its bytes of COPY text
    (for the order of the work), and if contents are compared, its members."""

    rows: int = 0
    size: int = 0
    members: list[tuple[CopyTarget, TableMember]] | None = None

    def add(self, member: TableMember, target: CopyTarget | None) -> None:
        """One more. `target` if contents are compared."""
        self.rows += member.rows
        self.size += member.uncompressed_length
        if target:
            self.members = self.members or []
            self.members.append((target, member))


def check(
    connect: Callable[[], Connection],
    connections: int,
    archive: Archive,
    gone: Collection[int],
    backup: DatabaseBackup,
    *,
    contents: bool = False,
    through_root: Collection[int] = (),
    beside: Callable[[], list[Check]] = lambda: [],
) -> list[Check]:
    """Rows per table (with `contents` their values too), large objects, sequences. `connect` must give a role that owns everything.
    `gone`: the dump ids of what was left out. `through_root`: entries whose rows the replay loaded through the root of their partition.
    `beside`: what is checked meanwhile, in the time of one of the connections; its rows come first."""
    found: list[Check] = []
    objects = Objects(backup.large_objects)
    compared = contents and content_checks.has_digests(backup)
    roots = _roots(connect, archive, backup, through_root)
    runs: list[Run] = [
        *_of_tables(_loaded(archive, gone, backup, roots, contents=compared), backup, found, contents=compared),
        (0, partial(_sequences, archive, gone, found)),
    ]
    if compared and objects.is_comparable:
        runs += [(len(part), partial(objects.read, part)) for part in objects.parts()]
    else:
        runs.append((1, partial(_large_objects, backup.large_objects, found)))
    others: list[Check] = []
    # Nobody knows how long it takes, so it begins first.
    runs.append((sum(cost for cost, _ in runs) + 1, lambda _: others.extend(beside())))
    tasks = [Task(name=number, cost=cost, run=run) for number, (cost, run) in enumerate(runs)]
    scheduling.run(tasks, connect, connections)
    if compared:
        found += content_checks.columns_left_out(archive, gone, backup)
        found += [objects.check()] if objects.is_comparable else []
    elif contents:
        found.append(content_checks.no_digests())
    return others + sorted(found, key=lambda each: each.check)


def _roots(
    connect: Callable[[], Connection], archive: Archive, backup: DatabaseBackup, through_root: Collection[int]
) -> dict[TableName, TableName]:
    if not through_root:
        return {}
    tables = [copy_target.of(archive.by_dump_id[dump_id]).table for dump_id in through_root]
    with connect() as connection:
        return partition_roots.of_trees(connection, tables, backup.client_encoding)


def _loaded(
    archive: Archive, gone: Collection[int], backup: DatabaseBackup, roots: dict[TableName, TableName], *, contents: bool
) -> dict[TableName, Loaded]:
    """`roots`: for tables that are compared only together with their tree, its root. Rows of extensions' configuration tables are among
    what the replay left out of the later steps: extensions ship rows of their own."""
    found: dict[TableName, Loaded] = defaultdict(Loaded)
    for member in backup.tables:
        if member.dump_id not in gone:
            target = copy_target.of(archive.by_dump_id[member.dump_id])
            table = roots.get(target.table, target.table)
            found[table].add(member, replace(target, table=table) if contents else None)
    return found


def _of_tables(loaded: dict[TableName, Loaded], backup: DatabaseBackup, found: list[Check], *, contents: bool) -> Iterator[Run]:
    """Cost and work for each table, or for some small ones: their rows are compared, or only counted."""
    if not contents:
        yield from _counts(loaded, backup.client_encoding, found)
        return
    for table, one in loaded.items():
        try:
            content = content_checks.expected(one.members or (), backup.client_encoding)
            yield one.size, partial(content_checks.compare, content, loaded, found)
        except NotComparable as reason:
            yield one.size, partial(_count_rows, table, one.rows, loaded, backup.client_encoding, found)
            found.append(content_checks.not_checked(table, str(reason)))


def _counts(loaded: dict[TableName, Loaded], encoding: str, found: list[Check]) -> Iterator[Run]:
    small = [table for table, one in loaded.items() if one.size < limits.COUNTED_ALONE]
    for first in range(0, len(small), limits.COUNTED_TOGETHER):
        group = {table: loaded[table].rows for table in small[first : first + limits.COUNTED_TOGETHER]}
        yield sum(loaded[table].size for table in group), partial(_count_together, group, loaded, encoding, found)
    for table in loaded.keys() - set(small):
        yield loaded[table].size, partial(_count_rows, table, loaded[table].rows, loaded, encoding, found)


def _count_together(
    expected: dict[TableName, int], loaded: Iterable[TableName], encoding: str, found: list[Check], connection: Connection
) -> None:
    """With a few statements for all; if anything is unusual about one of them, one by one."""
    try:
        counted = table_reading.counts(connection, list(expected), encoding)
    except (NotATable, psycopg.Error):
        if connection.closed:
            raise
        for table, rows in expected.items():
            _count_rows(table, rows, loaded, encoding, found, connection)
    else:
        pairs = zip(expected.items(), counted, strict=True)
        found.extend(_check(f"rows of {'.'.join(table)}", str(rows), str(actual)) for (table, rows), actual in pairs)


def _count_rows(
    table: TableName,
    expected: int,
    loaded: Iterable[TableName],
    encoding: str,
    found: list[Check],
    connection: Connection,
) -> None:
    try:
        with table_reading.reading(connection, table, loaded, encoding) as source:
            row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(source.rows)).fetchone()
            actual = str(row[0] if row else 0)
    except NotATable as error:
        actual = str(error)
    except psycopg.Error as error:
        actual = str(error).splitlines()[0]
    found.append(_check(f"rows of {'.'.join(table)}", str(expected), actual))


def _sequences(archive: Archive, gone: Collection[int], found: list[Check], connection: Connection) -> None:
    entries = [e for e in archive.toc.entries if e.description == "SEQUENCE SET" and e.dump_id not in gone]
    wrong = [each for entry in entries if (each := _sequence(connection, entry)).result != "ok"]
    found += wrong
    found.append(_check("sequences at their values", str(len(entries)), str(len(entries) - len(wrong))))


def _sequence(connection: Connection, entry: TocEntry) -> Check:
    wanted = sequence_value.parse(entry)
    expected = f"{wanted[0]}, {str(wanted[1]).lower()}" if wanted else "a setval() that is understood"
    try:
        value, is_called = table_reading.sequence_value(connection, tuple(filter(None, (entry.schema_name, entry.tag))))
        actual = f"{value}, {str(is_called).lower()}"
    except NotASequence as error:
        actual = str(error)
    except psycopg.Error as error:
        actual = str(error).splitlines()[0]
    return _check(f"value of sequence {entry.schema_name}.{entry.tag}", expected, actual)


def _large_objects(members: tuple[LargeObjectMember, ...], found: list[Check], connection: Connection) -> None:
    count = size = 0
    for member in members:
        # A transaction per member, so that the descriptors it opens are closed at its end.
        with connection.transaction():
            row = connection.execute(
                "SELECT count(*), coalesce(sum(lo_lseek64(lo_open(oid, 262144), 0, 2)), 0) "
                "FROM pg_largeobject_metadata WHERE oid = ANY(%s)",
                [list(member.oids)],
            ).fetchone()
        count, size = count + (row[0] if row else 0), size + (row[1] if row else 0)
    expected = sum(len(m.oids) for m in members), sum(m.uncompressed_length for m in members)
    found.append(_check("large objects", f"{expected[0]} of {expected[1]} bytes", f"{count} of {int(size)} bytes"))


def _check(name: str, expected: str, actual: str) -> Check:
    if expected == actual:
        return Check(check=name, expected=expected, actual=expected, result="ok")
    return Check(check=name, expected=expected, actual=actual, result="failed")
