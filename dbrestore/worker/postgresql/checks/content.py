"""Is every value what it was in the dump? The restored tables are read back as COPY text and hashed as `points add` hashed the dump's.

Invariant: both texts were written by a server under the same settings (dbrestore.points.pgdump.rows.canonical_text), so equal digests mean
equal rows; what can't be compared is told as not checked, never passed over.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Final

import psycopg
from psycopg import sql
from psycopg.pq import ExecStatus

from dbrestore.contract.job import Check
from dbrestore.contract.manifest import DatabaseBackup, TableMember
from dbrestore.points.pgdump.proven_columns import ColumnReader
from dbrestore.points.pgdump.row_digest import total_text
from dbrestore.points.pgdump.rows.block_count import hashed
from dbrestore.worker.postgresql.archive import Archive
from dbrestore.worker.postgresql.rows import table_reading
from dbrestore.worker.postgresql.rows.copy_target import CopyTarget
from dbrestore.worker.postgresql.rows.table_reading import NotATable, Readable, TableName
from dbrestore.worker.postgresql.session import Connection, explained

_NO_DIGESTS: Final = "the restore point has no digests: add it again"
# pg_dump pins the first three; what it leaves to the server is what `points add` has translated the dump's text into.
_SETTINGS: Final = {
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "extra_float_digits": "3",
    "TimeZone": "UTC",
    "bytea_output": "hex",
}
# Every text of these comes back the same after it was converted to Unicode; of East Asian encodings some don't.
_ONE_TO_ONE: Final = ("UTF8", "SQL_ASCII", "LATIN", "ISO_8859_", "WIN", "KOI8")
_SHOWN_DIGITS: Final = 12


class NotComparable(Exception):
    """Why the rows of a table can only be counted."""


@dataclass(frozen=True)
class Content:
    """What one table must hold. `columns` are read, in this order; none: those of a table without columns."""

    table: TableName
    columns: tuple[str, ...]
    encoding: str
    rows: int
    seed: int
    total: int


def expected(members: Iterable[tuple[CopyTarget, TableMember]], encoding: str) -> Content:
    """Of one table, from all members that were copied into it. Raises NotComparable."""
    found: list[Content] = []
    for target, member in members:
        if member.content is None:
            raise NotComparable("none of its columns can be compared")
        kept = member.content.columns
        columns = target.columns if kept is None else tuple(target.columns[position] for position in kept)
        found.append(Content(target.table, columns, encoding, member.rows, member.content.seed, int(member.content.total, 16)))
    first = found[0]
    if any((each.columns, each.seed) != (first.columns, first.seed) for each in found):
        raise NotComparable("its partitions were dumped with their columns in different orders")
    return Content(first.table, first.columns, encoding, sum(c.rows for c in found), first.seed, sum(c.total for c in found))


def compare(content: Content, loaded: Iterable[TableName], found: list[Check], connection: Connection) -> None:
    """Read the table and append what was found. `loaded` are all tables that rows were copied into."""
    wanted = _described(content.rows, content.total)
    try:
        with table_reading.reading(connection, content.table, loaded, content.encoding) as source:
            _pin(connection)
            rows, total = _read(connection, _statement(content, source, connection), content.seed)
            actual = _described(rows, total)
            if actual != wanted and rows == content.rows and (why := _why_not_comparable(connection, content.encoding)):
                found.append(not_checked(content.table, why))
                return
    except NotATable as error:
        actual = str(error)
    except psycopg.Error as error:
        if connection.broken:
            raise
        actual = explained(error).splitlines()[0]
    name = f"content of {'.'.join(content.table)}"
    found.append(Check(check=name, expected=wanted, actual=actual, result="ok" if wanted == actual else "failed"))


def has_digests(backup: DatabaseBackup) -> bool:
    """Whether `points add` made any: points of older versions have none."""
    return not backup.tables or any(member.content for member in backup.tables)


def no_digests() -> Check:
    """The row of a database whose point has none."""
    return Check(check="content", expected="as in the dump", actual=_NO_DIGESTS, result="not checked")


def not_checked(table: TableName, why: str) -> Check:
    """The row of a table whose content isn't compared."""
    return Check(check=f"content of {'.'.join(table)}", expected="as in the dump", actual=why, result="not checked")


def columns_left_out(archive: Archive, gone: Collection[int], backup: DatabaseBackup) -> Iterator[Check]:
    """One row for each column that `points add` couldn't take into the digests."""
    reader = ColumnReader.of(archive.toc)
    entries = {e.dump_id: e for e in archive.toc.entries if e.description == "TABLE DATA"}
    for member in backup.tables:
        if member.dump_id in gone:
            continue
        for column in reader.columns(entries[member.dump_id]).left_out:
            name = f"content of {member.schema_name}.{member.table}: {column.column}"
            yield Check(check=name, expected="as in the dump", actual=column.why, result="not checked")


def _why_not_comparable(connection: Connection, encoding: str) -> str | None:
    """None if the database's encoding gives every text of the dump's back."""
    own = connection.info.parameter_status("server_encoding") or ""
    if own == encoding or "SQL_ASCII" in (own, encoding) or encoding.startswith(_ONE_TO_ONE):
        return None
    return f"the dump is in {encoding} and the database in {own}: some characters are read back as others that mean the same"


def _described(rows: int, total: int) -> str:
    return f"{rows} rows, digest {total_text(total)[:_SHOWN_DIGITS]}"


def _pin(connection: Connection) -> None:
    """Until the end of the transaction."""
    for name, value in _SETTINGS.items():
        connection.execute("SELECT set_config(%s, %s, true)", [name, value])


def _statement(content: Content, source: Readable, connection: Connection) -> bytes:
    listed = sql.SQL(", ").join(map(sql.Identifier, content.columns))
    if source.is_partitioned:
        statement = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(listed, source.rows)
    else:
        columns = sql.SQL(" ({})").format(listed) if content.columns else sql.SQL("")
        statement = sql.SQL("COPY {}{} TO STDOUT").format(source.name, columns)
    return statement.as_bytes(connection)


def _read(connection: Connection, statement: bytes, seed: int) -> tuple[int, int]:
    """Rows and the sum of their hashes. Below psycopg's own reader of COPY, which costs twice as much per row."""
    connected = connection.pgconn
    _require(connection, connected.exec_(statement), ExecStatus.COPY_OUT)
    messages = iter(partial(connected.get_copy_data, 0), (-1, b""))
    _, total = hashed(map(itemgetter(1), messages), seed)
    result = connected.get_result()
    while connected.get_result():
        pass
    _require(connection, result, ExecStatus.COMMAND_OK)
    return (result.command_tuples or 0) if result else 0, total


def _require(connection: Connection, result: psycopg.pq.abc.PGresult | None, status: ExecStatus) -> None:
    if result is None:
        raise psycopg.OperationalError("the connection to the instance was lost")
    if result.status != status:
        raise psycopg.errors.error_from_result(result, encoding=connection.info.encoding)
