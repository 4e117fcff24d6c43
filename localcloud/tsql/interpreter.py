"""Runs a batch: its blocks, conditions and loops, and the statements that concern only the batch itself.

Invariant: an error is told in its place and ends its statement; the rest of the batch runs, unless the error is of those that end it,
XACT_ABORT is on, or a CATCH takes it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final

from localcloud.sqlserver.texts import text
from localcloud.tds.engine import Result, ResultSet, SqlError, Value
from localcloud.tsql import raising as sqlserver_raising
from localcloud.tsql.arguments import Call
from localcloud.tsql.frame import Frame, Table
from localcloud.tsql.queries import Queries
from localcloud.tsql.script import Block, If, Leave, Node, Try, While, declarations, parse
from localcloud.tsql.statements import recognise
from localcloud.tsql.syntax import (
    Argument,
    Assign,
    CreateTable,
    Declare,
    DropTable,
    Execute,
    ExecuteText,
    Insert,
    Modify,
    Print,
    Raise,
    Select,
    Several,
    Statement,
    Throw,
)
from localcloud.tsql.tokens import Token, tokens

# Polling loops take some hundreds.
MOST_STATEMENTS: Final = 20_000
_EXECUTE_SQL: Final = "sp_executesql"
_XACT_ABORT: Final = "XACT_ABORT"

Serve = Callable[[Statement | Call, Frame], Sequence[Result]]


class _Left(Exception):
    """BREAK, CONTINUE or RETURN, on its way to what it ends."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class _Endless(Exception):
    """The batch has run too many statements; no CATCH takes it."""


@dataclass
class Interpreter:
    """One batch. `serve` does what concerns the server and the session; `turn` is held while a statement runs."""

    queries: Queries
    serve: Serve
    turn: Callable[[], AbstractContextManager[object]]
    results: list[Result] = field(default_factory=list)
    ran: int = 0

    @property
    def frame(self) -> Frame:
        """What the batch knows."""
        return self.queries.frame

    def run(self, nodes: Sequence[Node]) -> None:
        """Fill `results`. Raises DropConnection."""
        self.frame.declare(declarations(nodes))
        try:
            self._all(nodes)
        except _Left:
            pass
        except _Endless:
            self.results.append(text("endless").error(count=MOST_STATEMENTS))
        except SqlError as error:
            self.results.append(error)

    def _all(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._one(node)

    def _one(self, node: Node) -> None:
        match node:
            case Block():
                self._all(node.body)
            case If():
                self._if(node)
            case While():
                self._while(node)
            case Try():
                self._try(node)
            case Leave():
                raise _Left(node.kind)
            case _:
                self._guarded(lambda: self._statement(node))

    def _guarded(self, work: Callable[[], None]) -> bool:
        """Do it in the server's turn; False if it failed and the batch goes on all the same."""
        self.ran += 1
        if self.ran > MOST_STATEMENTS:
            raise _Endless
        try:
            with self.turn():
                work()
        except SqlError as error:
            self.frame.last_error = error.number
            if self.frame.catching or error.ends_batch or self.frame.session.settings.get(_XACT_ABORT) == "ON":
                raise
            self.results.append(error)
            return False
        self.frame.last_error = 0
        return True

    def _holds(self, condition: Sequence[Token]) -> bool:
        answer: list[bool] = []
        self._guarded(lambda: answer.append(self.queries.holds(condition)))
        return bool(answer and answer[0])

    def _if(self, node: If) -> None:
        if self._holds(node.condition):
            self._one(node.then)
        elif node.otherwise:
            self._one(node.otherwise)

    def _while(self, node: While) -> None:
        while self._holds(node.condition):
            try:
                self._one(node.body)
            except _Left as left:
                if left.kind == "RETURN":
                    raise
                if left.kind == "BREAK":
                    return

    def _try(self, node: Try) -> None:
        frame = self.frame
        frame.catching += 1
        try:
            self._all(node.body.body)
            return
        except SqlError as error:
            before, frame.caught = frame.caught, error
        finally:
            frame.catching -= 1
        try:
            self._all(node.handler.body)
        finally:
            frame.caught = before

    def _statement(self, statement: Statement) -> None:
        match statement:
            case Several():
                for one in statement.statements:
                    if isinstance(one, Declare) and one.initial:
                        self.frame.assign(one.name, self.queries.value(one.initial))
            case Assign():
                self.frame.assign(statement.name, self._assigned(statement))
            case Select():
                self._select(statement)
            case Print() | Raise() | Throw():
                self._say(statement)
            case Insert() | Modify() | CreateTable() | DropTable():
                self._change(statement)
            case Execute() | ExecuteText():
                self._execute(statement)
            case _:
                self.results += self.serve(statement, self.frame)

    def _say(self, statement: Print | Raise | Throw) -> None:
        if isinstance(statement, Print):
            self.results.append(sqlserver_raising.printed(self.queries.value(statement.expression)))
            return
        arguments = [self.queries.value(one) for one in statement.arguments]
        if isinstance(statement, Throw):
            sqlserver_raising.throw(arguments, self.frame.caught)
        else:
            self.results.append(sqlserver_raising.raised(arguments))

    def _execute(self, statement: Execute | ExecuteText) -> None:
        frame = self.frame
        if isinstance(statement, ExecuteText):
            self._nested(str(self.queries.value(statement.expression) or ""), Frame(frame.session))
        elif statement.procedure == _EXECUTE_SQL:
            self._execute_sql(statement.arguments)
        else:
            self.results += self.serve(self._call(statement), frame)
            if statement.status:
                frame.assign(statement.status, 0)

    def _call(self, statement: Execute) -> Call:
        given = [(one.name, self.argument(one)) for one in statement.arguments]
        name = statement.procedure
        if statement.by_variable:
            [*_, last] = tokens(str(self.frame.variable(name).value or name))
            name = last.text.lower()
        return Call(name, tuple(value for key, value in given if not key), {key: value for key, value in given if key})

    def _assigned(self, statement: Assign) -> Value:
        if not statement.operator:
            return self.queries.value(statement.expression)
        grouped = (Token("sign", "("), *statement.expression, Token("sign", ")"))
        return self.queries.value((Token("variable", statement.name), Token("sign", statement.operator), *grouped))

    def _select(self, statement: Select) -> None:
        found = self.queries.select(statement.query)
        self.frame.row_count = len(found.rows)
        if not statement.variables:
            self.results.append(found)
        elif found.rows:
            for name, value in zip(statement.variables, found.rows[-1], strict=True):
                self.frame.assign(name, value)

    def _change(self, statement: Insert | Modify | CreateTable | DropTable) -> None:
        frame = self.frame
        match statement:
            case CreateTable():
                if frame.table(statement.name):
                    raise text("table-exists").error(table=statement.name)
                frame.temporary[statement.name.lower()] = Table(statement.columns)
            case DropTable():
                if frame.temporary.pop(statement.name.lower(), None) is None and not statement.if_exists:
                    raise text("no-table-to-drop").error(table=statement.name)
            case Modify():
                frame.row_count = self.queries.modify(statement, self._table(statement.table))
            case Insert():
                rows = list(self._rows(statement))
                self._table(statement.table).insert(rows, statement.columns)
                frame.row_count = len(rows)

    def _table(self, name: str) -> Table:
        table = self.frame.table(name)
        if table is None:
            raise text("no-table").error(table=name)
        return table

    def _rows(self, statement: Insert) -> Iterator[Sequence[Value]]:
        if statement.rows:
            yield from ([self.queries.value(cell) for cell in row] for row in statement.rows)
        elif isinstance(source := recognise(statement.source), Select):
            yield from self.queries.select(source.query).rows
        else:
            before = len(self.results)
            self._statement(source)
            # The rows go into the table; messages go to the client.
            returned, self.results[before:] = self.results[before:], []
            for one in returned:
                if isinstance(one, ResultSet):
                    yield from one.rows
                else:
                    self.results.append(one)

    def _nested(self, batch: str, frame: Frame) -> None:
        frame.catching = self.frame.catching
        inner = Interpreter(Queries(self.queries.instance, frame, self.queries.status_of), self.serve, self.turn, self.results, self.ran)
        nodes = parse(batch)
        frame.declare(declarations(nodes))
        try:
            inner._all(nodes)
        except _Left:
            pass
        finally:
            self.ran = inner.ran

    def _execute_sql(self, arguments: Sequence[Argument]) -> None:
        given = [(argument.name, self.argument(argument)) for argument in arguments]
        inner = Frame(self.frame.session)
        if len(given) > 1:
            declaration = [one for one in tokens(str(given[1][1])) if one.upper not in ("OUTPUT", "OUT")]
            inner.declare(declarations([recognise((Token("word", "DECLARE"), *declaration))]))
        names = list(inner.variables)
        outputs: list[tuple[str, str]] = []
        for place, (argument, (name, value)) in enumerate(zip(arguments[2:], given[2:], strict=True)):
            own = f"@{name}" if name else names[place]
            inner.assign(own, value)
            if argument.is_output:
                outputs.append((own, argument.value.text))
        self._nested(str(given[0][1] or ""), inner)
        for own, outer in outputs:
            self.frame.assign(outer, inner.variable(own).value)

    def argument(self, argument: Argument) -> Value:
        """What is given for one of a procedure."""
        value = self.frame.value(argument.value)
        return -value if argument.is_negative and isinstance(value, int | float) else value
