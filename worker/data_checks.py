"""Is every row, large object and sequence value there? Counted again in the finished database, on several connections.

Invariant: no code of the dump decides what is counted: row security is off, and where a table forces it even on its owner, it is
lifted for the count.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import psycopg
from psycopg import sql

from repository.manifest import DatabaseBackup, LargeObjectMember
from repository.pgdump_toc import TocEntry
from worker import copy_target, scheduling, sequence_value
from worker.archive import Archive, Division
from worker.job import Check
from worker.scheduling import Task
from worker.session import Connection


@dataclass(frozen=True)
class Expected:
    """Rows that one table must have, and how many bytes they were, for the order of the work."""

    rows: int
    size: int


def check(
    connect: Callable[[], Connection], connections: int, archive: Archive, division: Division, backup: DatabaseBackup
) -> list[Check]:
    """Rows per table, large objects, sequences. `connect` must give a role that owns (or acts for the owners of) everything."""
    found: list[Check] = []
    tasks = [
        Task(name=number, cost=expected.size, run=partial(_count_rows, table, expected, found))
        for number, (table, expected) in enumerate(_expected_rows(archive, division, backup).items())
    ]
    tasks.append(Task(name=-1, cost=0, run=partial(_sequences, archive, division, found)))
    tasks.append(Task(name=-2, cost=1, run=partial(_large_objects, backup.large_objects, found)))
    scheduling.run(tasks, connect, connections)
    return sorted(found, key=lambda each: each.check)


def analyze(connection: Connection) -> None:
    """Collect the planner's statistics. Run as the temporary login: expressions of indexes run as the owner of their table."""
    connection.execute("ANALYZE")


def _expected_rows(archive: Archive, division: Division, backup: DatabaseBackup) -> dict[tuple[str, ...], Expected]:
    """Per table that rows were copied into, which for some dumps is the partitioned table and not the partition. Rows of extensions'
    configuration tables are among what the replay left out of the later steps: the extension ships rows of its own."""
    found: dict[tuple[str, ...], Expected] = defaultdict(lambda: Expected(0, 0))
    for member in backup.tables:
        if member.dump_id in division.left_out:
            continue
        table = copy_target.of(archive.by_dump_id[member.dump_id]).table
        before = found[table]
        found[table] = Expected(before.rows + member.rows, before.size + member.uncompressed_length)
    return found


def _count_rows(table: tuple[str, ...], expected: Expected, found: list[Check], connection: Connection) -> None:
    name = sql.Identifier(*table)
    try:
        actual = str(_count(connection, name))
    except psycopg.Error as error:
        actual = str(error).splitlines()[0]
    found.append(_check(f"rows of {'.'.join(table)}", str(expected.rows), actual))


def _count(connection: Connection, name: sql.Identifier) -> int:
    row = connection.execute(
        "SELECT relkind = 'p', relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = %s::regclass",
        [name.as_string()],
    ).fetchone()
    partitioned, forced = row or (False, False)
    only = sql.SQL("" if partitioned else "ONLY ")
    with connection.transaction(force_rollback=True):
        if forced:
            connection.execute(sql.SQL("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY").format(name))
        counted = connection.execute(sql.SQL("SELECT count(*) FROM {}{}").format(only, name)).fetchone()
    return int(counted[0]) if counted else 0


def _sequences(archive: Archive, division: Division, found: list[Check], connection: Connection) -> None:
    entries = [e for e in archive.toc.entries if e.description == "SEQUENCE SET" and e.dump_id not in division.left_out]
    wrong = [each for entry in entries if (each := _sequence(connection, entry)).result != "ok"]
    found += wrong
    found.append(_check("sequences at their values", str(len(entries)), str(len(entries) - len(wrong))))


def _sequence(connection: Connection, entry: TocEntry) -> Check:
    wanted = sequence_value.parse(entry)
    expected = f"{wanted[0]}, {str(wanted[1]).lower()}" if wanted else "a setval() that is understood"
    name = sql.Identifier(*filter(None, (entry.schema_name, entry.tag)))
    try:
        row = connection.execute(sql.SQL("SELECT last_value, is_called FROM {}").format(name)).fetchone()
        actual = f"{row[0]}, {str(row[1]).lower()}" if row else "nothing"
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
    return Check(check=name, expected=expected, actual=actual, result="ok" if expected == actual else "failed")
