"""Queries, conditions and expressions on the simulated server: SQLite answers them, from tables that hold what the system views show and
what the batch has put into tables of its own."""

import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from localcloud.sqlserver import principals
from localcloud.sqlserver.databases import Database, folded
from localcloud.sqlserver.history import Columns
from localcloud.sqlserver.instance import Instance
from localcloud.sqlserver.texts import text
from localcloud.sqlserver.views import Rows, open_database, view_of
from localcloud.tds.engine import ResultSet, SqlError, Value
from localcloud.tsql import functions as sqlserver_functions
from localcloud.tsql.frame import Frame, Table
from localcloud.tsql.rewriting import COLLATION, Rewriting, Unknown, quoted
from localcloud.tsql.script import parse
from localcloud.tsql.syntax import Modify, Select
from localcloud.tsql.tokens import Token, parts, written
from localcloud.tsql.values import BIT, DESCRIPTION, described, loaded, result, stored

# The tasks' status as a function takes the same arguments as the procedure.
StatusOf = Callable[[str | None, int | None], ResultSet]

_STATUS: Final = "rds_fn_task_status"
_DESCRIBED: Final = "dm_exec_describe_first_result_set"
_USERS: Final = "database_principals"
_SPACE: Final = "dm_db_file_space_usage"
_NO_TABLE: Final = re.compile(r"no such table: (?!.*\bsys\.)(?P<name>.*)")
_NO_COLUMN: Final = re.compile(r"no such column: (?P<name>.*)")
_COLUMNS_DIFFER: Final = re.compile(r"table (?P<name>.*) has (?P<given>\d+) values for (?P<named>\d+) columns")


@dataclass
class Queries:
    """What a batch asks. Each method raises SqlError 102 for what isn't understood, 911 and 927 for databases that can't be read, and what
    functions raise."""

    instance: Instance
    frame: Frame
    status_of: StatusOf

    def select(self, tokens: Sequence[Token]) -> ResultSet:
        """The rows of a query."""
        with _Query(self, tokens) as query:
            cursor = query.run(query.rewriting.statement(tokens))
            known = query.columns.union(token.text for token in tokens if token.is_identifier)
            return result([one[0] for one in cursor.description], known, cursor.fetchall())

    def require_syntax(self, tokens: Sequence[Token]) -> None:
        """Of a query that isn't run: tables and columns that aren't there don't matter. As strict as SQLite, and as little of T-SQL as is
        known here."""
        with _Query(self, tokens) as query:
            try:
                query.run(f"EXPLAIN {query.rewriting.statement(tokens)}")
            except sqlite3.OperationalError as error:
                if not str(error).startswith("no such"):
                    raise

    def value(self, expression: Sequence[Token]) -> Value:
        """What an expression comes to."""
        with _Query(self, expression) as query:
            [found] = query.run(f"SELECT {query.rewriting.written(expression)}").fetchone()
            return loaded(found)

    def holds(self, condition: Sequence[Token]) -> bool:
        """Whether a condition is true; unknown is not true."""
        with _Query(self, condition) as query:
            [found] = query.run(f"SELECT CASE WHEN {query.rewriting.written(condition)} THEN 1 ELSE 0 END").fetchone()
            return bool(found)

    def modify(self, statement: Modify, table: Table) -> int:
        """DELETE or UPDATE of rows in a table of the batch's own; how many."""
        with _Query(self, statement.rest) as query:
            name = query.own_table(statement.table) or quoted(statement.table)
            rest = query.rewriting.written(statement.rest)
            into = "FROM " if statement.verb == "DELETE" else ""
            changed = query.run(f"{statement.verb} {into}{name} {rest}").rowcount
            rows = query.connection.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608 (our own name)
        table.rows = [tuple(column.type.converted(loaded(cell)) for column, cell in zip(table.columns, row, strict=True)) for row in rows]
        return changed


@dataclass
class _Query:
    """One query at SQLite."""

    asked: Queries
    tokens: Sequence[Token]
    connection: sqlite3.Connection = field(init=False)
    rewriting: Rewriting = field(init=False)
    functions: sqlserver_functions.Functions = field(init=False)
    tables: set[str] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)

    def __enter__(self) -> "_Query":
        self.connection = sqlite3.connect(":memory:", detect_types=sqlite3.PARSE_DECLTYPES)
        self.rewriting = Rewriting(self.asked.frame, self._table, self._collation)
        self.functions = sqlserver_functions.Functions(self.asked.instance, self.asked.frame)
        self.functions.register(self.connection)
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.connection.close()
        if isinstance(error, sqlite3.Error) and self.functions.raised:
            raise self.functions.raised from None
        if known := _known(error, self.tables):
            raise known from error
        if isinstance(error, sqlite3.Error | Unknown):
            raise text("unknown-statement").error(statement=f"{written(self.tokens)} ({error})") from error

    def run(self, statement: str) -> sqlite3.Cursor:
        """A statement of SQLite's with the values that were met while it was written."""
        return self.connection.execute(statement, self.rewriting.values)

    def own_table(self, name: str) -> str | None:
        """A table variable or a temporary table."""
        table = self.asked.frame.table(name)
        if table is None:
            return None
        columns = tuple((one.name, "NVARCHAR" if one.type.is_text else BIT if one.type.name == "bit" else "") for one in table.columns)
        return self._filled(name.lower(), columns, iter(table.rows))

    def _table(self, names: Sequence[str], arguments: Sequence[Token] | None) -> str | None:
        if arguments is not None:
            known = {_STATUS: self._tasks, _DESCRIBED: self._described}.get(names[-1].lower())
            return known(arguments) if known else None
        if len(names) == 1 and (own := self.own_table(names[0])):
            return own
        session = self.asked.frame.session
        view = view_of(names, session.database)
        where = (names[-3] if len(names) > 2 else "") or session.database
        principals.require_inside(self.asked.instance, session, where)
        if view is None:
            return self._of_database(names, where)
        database = open_database(self.asked.instance, where)
        if names[-1].lower() == _SPACE:
            principals.require_state_of(session)
        if names[-1].lower() == _USERS:
            principals.await_others(self.asked.instance, database, session)
        name = ".".join((database.name, *(name.lower() for name in names[-2:])))
        return self._filled(name, view.columns, self._visible(names[-1], view.rows(self.asked.instance, database)))

    def _visible(self, view: str, rows: Rows) -> Rows:
        """Who is nobody outside of a database sees two others (Microsoft Learn, "sys.databases")."""
        session = self.asked.frame.session
        shown = {"master", "tempdb", session.database}
        return (row for row in rows if view.lower() != "databases" or row[0] in shown or not principals.reader(session))

    def _of_database(self, names: Sequence[str], where: str) -> str | None:
        """A table that a database holds by a test's word."""
        if len(names) > 1 and names[-2].lower() not in ("dbo", ""):
            return None
        database: Database | None = self.asked.instance.databases.find(where)
        tables = database.contents.tables if database and database.state == "ONLINE" else {}
        found = next((one for one in tables if one.casefold() == names[-1].casefold()), None)
        if database is None or found is None:
            return None
        principals.require_select(self.asked.frame.session, found)
        columns, rows = tables[found]
        typed = tuple((name, _sqlite_type([row[place] for row in rows])) for place, name in enumerate(columns))
        return self._filled(f"{database.name}.dbo.{found}", typed, iter(rows))

    def _described(self, arguments: Sequence[Token]) -> str:
        """Of the first query in a text, which is run for it here: SQLite has no types without values."""
        [given, *_] = (self.asked.frame.value(argument[0]) for argument in parts(arguments))
        try:
            query = next((node for node in parse(str(given)) if isinstance(node, Select)), None)
            rows = described(self.asked.select(query.query)) if query else []
        except SqlError as error:
            rows = [(0, None, None, error.number, error.severity, error.state, str(error))]
        return self._filled(_DESCRIBED, DESCRIPTION, iter(rows))

    def _tasks(self, arguments: Sequence[Token]) -> str:
        database, task_id = (self.asked.frame.value(argument[0]) for argument in parts(arguments))
        number = None if task_id is None else int(task_id)  # type: ignore[arg-type]
        found = self.asked.status_of(None if database is None else str(database), number)
        columns = tuple(
            (one.name, BIT if one.type == "bit" else "NVARCHAR" if one.type.startswith("nvarchar") else "") for one in found.columns
        )
        return self._filled(_STATUS, columns, iter(found.rows))

    def _filled(self, table: str, columns: Columns, rows: Rows) -> str:
        if table in self.tables:
            return quoted(table)
        self.tables.add(table)
        said = ", ".join(
            f"{quoted(name)} {type_}" + (f" COLLATE {self._collation(COLLATION)}" if type_ == "NVARCHAR" else "") for name, type_ in columns
        )
        self.columns.update(name for name, _ in columns)
        self.connection.execute(f"CREATE TABLE {quoted(table)} ({said})")
        marks = ", ".join("?" * len(columns))
        kept = [tuple(map(stored, row)) for row in rows]
        self.connection.executemany(f"INSERT INTO {quoted(table)} VALUES ({marks})", kept)  # noqa: S608 (our own names)
        return quoted(table)

    def _collation(self, name: str) -> str:
        fold_parts = name.upper().split("_")
        fold = folded if "AI" in fold_parts else str.casefold if "CI" in fold_parts else str
        known = f"fold_{fold.__name__}"
        self.connection.create_collation(known, lambda one, other: (fold(one) > fold(other)) - (fold(one) < fold(other)))
        return known


def _sqlite_type(values: Sequence[Value]) -> str:
    if any(isinstance(one, str) for one in values):
        return "NVARCHAR"
    return BIT if values and all(isinstance(one, bool) for one in values) else ""


def _known(error: BaseException | None, tables: set[str]) -> SqlError | None:
    """What SQLite says and SQL Server does too, about tables of a database; of the server's own views not all columns are here."""
    said = str(error) if isinstance(error, sqlite3.OperationalError) else ""
    if found := _NO_TABLE.fullmatch(said):
        return text("no-table").error(table=found["name"])
    if (found := _NO_COLUMN.fullmatch(said)) and all(".dbo." in table for table in tables):
        return text("no-column").error(column=found["name"])
    if found := _COLUMNS_DIFFER.fullmatch(said):
        return text("more-columns" if int(found["given"]) > int(found["named"]) else "fewer-columns").error(table=found["name"])
    return None
