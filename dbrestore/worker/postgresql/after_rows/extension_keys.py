"""Foreign keys to tables of extensions: the only constraints that the master user adds, because the temporary login must never be allowed
to point at such a table.

PostgreSQL checks a new value as the owner of the table pointed at, and casts it first: with REFERENCES, code of the dump could bring a cast
of its own. And whoever deletes a row there has the pointing table read as that one's owner, in the deleter's session: the planner runs
functions of the dump (a partial index's), and what they put off until the end of the transaction runs as the deleter.

Invariants: the statement is rebuilt from tokens and reads no row (NOT VALID; the login validates); types and operators are the server's;
a database with functions of its own has no such key, neither here nor after the hand-over.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

from dbrestore.contract.job import Check
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.archive import Archive
from dbrestore.worker.postgresql.checks import code_objects
from dbrestore.worker.postgresql.session import Connection
from dbrestore.worker.postgresql.sql_tokens import Cursor, NotUnderstood, tokens
from dbrestore.worker.postgresql.statements import Executor, repeated

_HAS_FUNCTIONS = (
    "it points at a table of an extension, and the database has functions of its own, which could run as whoever deletes rows of that "
    "table: add it by hand if they are trusted"
)
_OTHER_TYPES = "it points at a table of an extension, and its columns are not of the same built-in types there"
_OTHER_TABLE = "it points at a table of an extension, and isn't a key of a table of the dump"
_OWN_TABLE = "SELECT relkind IN ('r', 'p') AND relowner = to_regrole(quote_ident(%s)) FROM pg_class WHERE oid = to_regclass(%s)"
_IS_OF_EXTENSION = """SELECT c.relkind = 'r' AND EXISTS (SELECT FROM pg_depend AS d
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') FROM pg_class AS c WHERE c.oid = to_regclass(%s)"""
# Numbers below 16384 came with the server; a domain among its types would bring checks.
_SAME_TYPES = """SELECT count(*) = cardinality(%(columns)s::text[])
    FROM unnest(%(columns)s::text[], %(referenced_columns)s::text[]) AS k (own, other)
    JOIN pg_attribute AS a ON a.attrelid = to_regclass(%(table)s) AND a.attname = k.own
    JOIN pg_attribute AS b ON b.attrelid = to_regclass(%(referenced)s) AND b.attname = k.other AND b.atttypid = a.atttypid
    JOIN pg_type AS t ON t.oid = a.atttypid AND t.oid < 16384 AND t.typtype = 'b'"""
_BUILT_IN_OPERATORS = """SELECT bool_and(o < 16384) FROM pg_constraint AS k, unnest(k.conpfeqop || k.conppeqop || k.conffeqop) AS o
    WHERE k.contype = 'f' AND k.conrelid = to_regclass(%s) AND k.conname = %s"""
_POINTING = """SELECT k.conrelid::regclass::text || ' ' || quote_ident(k.conname) FROM pg_constraint AS k WHERE k.contype = 'f'
    AND EXISTS (SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = k.confrelid AND d.deptype = 'e')
    AND NOT EXISTS (SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = k.conrelid AND d.deptype = 'e') ORDER BY 1"""


class _Hindrance(Exception):
    """Why the master user doesn't add a key."""


@dataclass(frozen=True)
class ForeignKey:
    """`table` and `referenced` are (schema, name). `options` are keywords out of a fixed list: no action but NO ACTION and RESTRICT: any
    other has the deleter run triggers of the dump. `is_proven`: the dump's was validated."""

    name: str
    table: tuple[str, ...]
    columns: tuple[str, ...]
    referenced: tuple[str, ...]
    referenced_columns: tuple[str, ...]
    options: str
    is_proven: bool

    def statement(self) -> sql.Composed:
        """The statement, rebuilt."""
        listed = [sql.SQL(", ").join(map(sql.Identifier, each)) for each in (self.columns, self.referenced_columns)]
        return sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({}){} NOT VALID").format(
            sql.Identifier(*self.table),
            sql.Identifier(self.name),
            listed[0],
            sql.Identifier(*self.referenced),
            listed[1],
            sql.SQL(self.options),
        )


def among(entries: Iterable[TocEntry], archive: Archive) -> dict[int, ForeignKey]:
    """By dump id, the foreign keys whose table pointed at the dump doesn't make. One that isn't plain is no matter of ours: the temporary
    login tries it, and the server refuses."""
    found: dict[int, ForeignKey] = {}
    for entry in entries:
        if entry.description == "FK CONSTRAINT":
            try:
                key = parse(entry)
            except NotUnderstood:
                continue
            if key.referenced not in archive.relations:
                found[entry.dump_id] = key
    return found


def parse(entry: TocEntry) -> ForeignKey:
    """Read the definition as pg_dump writes it. Raises NotUnderstood for anything else."""
    cursor = Cursor(tokens(entry.definition))
    for word in ("alter", "table"):
        cursor.word(word)
    cursor.skip("only")
    table = _qualified(cursor, entry)
    cursor.word("add")
    cursor.word("constraint")
    name = cursor.name()
    cursor.word("foreign")
    cursor.word("key")
    columns = cursor.names()
    cursor.word("references")
    referenced, referenced_columns = _qualified(cursor, entry), cursor.names()
    options = _options(cursor)
    is_proven = not cursor.skip("not", "valid")
    cursor.symbol(";")
    cursor.end()
    return ForeignKey(name, table, columns, referenced, referenced_columns, options, is_proven)


def add(master: Connection, owner: Connection, executor: Executor, keys: dict[int, ForeignKey], entries: Iterable[TocEntry]) -> None:
    """Add those that point at tables of extensions; the temporary login (`owner`) executes the others. Raises ReplayFailed for what is
    refused, unless that is skipped."""
    for entry in executor.remaining(entries):
        _add_one(master, owner, executor, entry, keys[entry.dump_id])


def check(master: Connection) -> Check:
    """After the hand-over: who deletes rows of an extension's table runs no function of the dump by that."""
    found = [row[0] for row in master.execute(_POINTING)]
    actual = ", ".join(found) if found and code_objects.has_functions(master) else "none"
    return Check(
        check="foreign keys to tables of extensions, in a database with functions of its own",
        expected="none",
        actual=actual,
        result="ok" if actual == "none" else "failed",
    )


def _add_one(master: Connection, owner: Connection, executor: Executor, entry: TocEntry, key: ForeignKey) -> None:
    if not _look(master, _IS_OF_EXTENSION, [_text(master, key.referenced)]):
        executor.run(owner, entry)
        return
    try:
        repeated(lambda: _add_unproven(master, key, owner.info.user, is_first=executor.journal.is_new))
        if key.is_proven:
            _validate(owner, key)
        owner.execute(executor.journal.of([entry]))
    except _Hindrance as hindrance:
        executor.leave_out(entry, str(hindrance))
    except psycopg.Error as error:
        executor.refuse(entry, error)


def _add_unproven(master: Connection, key: ForeignKey, login: str, *, is_first: bool) -> None:
    """Nobody can change the table between the look and the statement. One that isn't proven yet may stand there from an earlier attempt."""
    with master.transaction():
        master.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(f"{limits.HAND_OVER_LOCK_SECONDS}s")))
        master.execute(sql.SQL("LOCK TABLE ONLY {} IN SHARE ROW EXCLUSIVE MODE").format(sql.Identifier(*key.table)))
        _require_harmless(master, key, login)
        if not is_first:
            master.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}").format(*_names(key)))
        master.execute(key.statement())
        if not _look(master, _BUILT_IN_OPERATORS, [_text(master, key.table), key.name]):
            raise _Hindrance(_OTHER_TYPES)


def _require_harmless(master: Connection, key: ForeignKey, login: str) -> None:
    table, referenced = _text(master, key.table), _text(master, key.referenced)
    if not _look(master, _OWN_TABLE, [login, table]):
        raise _Hindrance(_OTHER_TABLE)
    if code_objects.has_functions(master):
        raise _Hindrance(_HAS_FUNCTIONS)
    columns = {"columns": [*key.columns], "referenced_columns": [*key.referenced_columns]}
    if not _look(master, _SAME_TYPES, {"table": table, "referenced": referenced, **columns}):
        raise _Hindrance(_OTHER_TYPES)


def _validate(owner: Connection, key: ForeignKey) -> None:
    """Reads rows, and so isn't the master user's. A key that rows break goes again."""
    names = _names(key)
    try:
        repeated(lambda: owner.execute(sql.SQL("ALTER TABLE {} VALIDATE CONSTRAINT {}").format(*names)))
    except psycopg.Error:
        if not owner.closed:
            owner.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(*names))
        raise


def _names(key: ForeignKey) -> tuple[sql.Identifier, sql.Identifier]:
    return sql.Identifier(*key.table), sql.Identifier(key.name)


def _options(cursor: Cursor) -> str:
    options = " MATCH FULL" if cursor.skip("match", "full") else ""
    while cursor.skip("on"):
        event = cursor.word("update", "delete").upper()
        cursor.word("restrict")
        options += f" ON {event} RESTRICT"
    if cursor.skip("deferrable"):
        options += " DEFERRABLE"
    if cursor.skip("initially", "deferred"):
        options += " INITIALLY DEFERRED"
    return options


def _qualified(cursor: Cursor, entry: TocEntry) -> tuple[str, ...]:
    """Archives of version 1.12 name what lies in the entry's own schema without it."""
    found = cursor.qualified_name()
    return (entry.schema_name, *found) if len(found) == 1 and entry.schema_name else found


def _text(connection: Connection, name: tuple[str, ...]) -> str:
    return sql.Identifier(*name).as_string(connection)


def _look(connection: Connection, query: str, parameters: list[str] | Mapping[str, object]) -> bool:
    row = connection.execute(query.encode(), parameters).fetchone()
    return row is not None and bool(row[0])
