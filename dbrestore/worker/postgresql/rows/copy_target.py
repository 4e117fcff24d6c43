"""The table and columns that a COPY statement of a dump names."""

from dataclasses import dataclass, replace

from psycopg import sql

from dbrestore.contract.errors import BackupDamaged
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.postgresql.sql_tokens import Cursor, NotUnderstood, Token, tokens


@dataclass(frozen=True, slots=True)
class CopyTarget:
    """`table` is (schema, name); no columns means all of them."""

    table: tuple[str, ...]
    columns: tuple[str, ...]

    def statement(self) -> sql.Composed:
        """The statement, rebuilt: what is executed is never the dump's own text."""
        listed = sql.SQL(", ").join(map(sql.Identifier, self.columns))
        columns = sql.SQL(" ({})").format(listed) if self.columns else sql.SQL("")
        return sql.SQL("COPY {}{} FROM STDIN").format(sql.Identifier(*self.table), columns)


def of(entry: TocEntry) -> CopyTarget:
    """The target of a TABLE DATA entry. Archives of version 1.12 name the table without its schema."""
    target = parse(entry.copy_statement)
    if not entry.schema_name or (len(target.table) > 1 and target.table != (entry.schema_name, entry.tag)):
        return target
    # The texts of the entry, which there are already, if the statement says the same.
    return replace(target, table=(entry.schema_name, entry.tag if len(target.table) > 1 else target.table[0]))


def parse(statement: str) -> CopyTarget:
    """Read `COPY schema.table (column, ...) FROM stdin;`. Raises BackupDamaged for anything else."""
    try:
        cursor = Cursor(tokens(statement))
        cursor.word("copy")
        table = cursor.qualified_name()
        columns = _columns(cursor)
        cursor.word("from")
        cursor.word("stdin")
        cursor.symbol(";")
        cursor.end()
    except NotUnderstood as error:
        raise BackupDamaged(f"the dump's statement {statement!r} isn't a COPY FROM stdin: {error}") from error
    return CopyTarget(table, columns)


def _columns(cursor: Cursor) -> tuple[str, ...]:
    """`()` stands in the dump of a table without columns, which COPY itself doesn't accept."""
    if cursor.peek() != Token("symbol", "("):
        return ()
    if cursor.peek(1) == Token("symbol", ")"):
        cursor.take(), cursor.take()
        return ()
    return cursor.names()
