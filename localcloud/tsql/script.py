"""A batch as a tree: statements, and the blocks, conditions and loops around them.

T-SQL needs no semicolons: a statement ends where a word stands that begins another one and can't belong to it. Invariant: a batch is read
whole before any of it runs, so one with a statement that isn't known does nothing, as on a real server.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from localcloud.sqlserver.texts import text
from localcloud.tsql.data_types import DataType
from localcloud.tsql.frame import TableColumn
from localcloud.tsql.statements import recognise
from localcloud.tsql.syntax import Declare, Several, Statement, Tokens
from localcloud.tsql.tokens import Token, tokens, written

_STARTERS: Final = frozenset(
    [
        "ALTER",
        "BACKUP",
        "BEGIN",
        "BREAK",
        "CLOSE",
        "COMMIT",
        "CONTINUE",
        "CREATE",
        "DBCC",
        "DEALLOCATE",
        "DECLARE",
        "DELETE",
        "DENY",
        "DROP",
        "EXEC",
        "EXECUTE",
        "FETCH",
        "GOTO",
        "GRANT",
        "IF",
        "INSERT",
        "KILL",
        "MERGE",
        "OPEN",
        "PRINT",
        "RAISERROR",
        "RESTORE",
        "RETURN",
        "REVOKE",
        "ROLLBACK",
        "SAVE",
        "SELECT",
        "SET",
        "TRUNCATE",
        "UPDATE",
        "USE",
        "WAITFOR",
        "WHILE",
    ]
)
# No reserved words: they begin a statement only where a line does.
_LINE_STARTERS: Final = frozenset({"THROW"})
_CARRY_ON: Final = frozenset({"UNION", "ALL", "EXCEPT", "INTERSECT"})
_TRANSACTION: Final = frozenset({"TRAN", "TRANSACTION"})


@dataclass(frozen=True)
class Block:
    """BEGIN ... END."""

    body: "tuple[Node, ...]"


@dataclass(frozen=True)
class If:
    """IF ... ELSE ..."""

    condition: Tokens
    then: "Node"
    otherwise: "Node | None"


@dataclass(frozen=True)
class While:
    """WHILE."""

    condition: Tokens
    body: "Node"


@dataclass(frozen=True)
class Try:
    """BEGIN TRY ... END TRY BEGIN CATCH ... END CATCH."""

    body: Block
    handler: Block


@dataclass(frozen=True)
class Leave:
    """BREAK, CONTINUE, RETURN: what a RETURN gives back nobody sees."""

    kind: Literal["BREAK", "CONTINUE", "RETURN"]


Node = Statement | Block | If | While | Try | Leave


def parse(batch: str) -> tuple[Node, ...]:
    """Raises SqlError 102 with the first statement that isn't known."""
    return _Parser(tokens(batch)).all()


def declarations(nodes: Iterable[Node]) -> Iterator[tuple[str, DataType | tuple[TableColumn, ...]]]:
    """All that is declared, wherever it stands: a variable is there from the batch's beginning."""
    for node in nodes:
        match node:
            case Several():
                yield from ((one.name, one.type if isinstance(one, Declare) else one.columns) for one in node.statements)
            case Block():
                yield from declarations(node.body)
            case If():
                yield from declarations([node.then, *([node.otherwise] if node.otherwise else [])])
            case While():
                yield from declarations([node.body])
            case Try():
                yield from declarations([node.body, node.handler])


class _Parser:
    def __init__(self, found: Sequence[Token]) -> None:
        self._tokens, self._at = found, 0

    def all(self) -> tuple[Node, ...]:
        """Up to the end."""
        nodes = []
        while self._skip_semicolons():
            nodes.append(self._node())
        return tuple(nodes)

    def _word(self, ahead: int = 0) -> str:
        place = self._at + ahead
        return self._tokens[place].upper if place < len(self._tokens) else ""

    def _skip_semicolons(self) -> bool:
        while self._word() == ";":
            self._at += 1
        return self._at < len(self._tokens)

    def _node(self) -> Node:
        match self._word():
            case "BEGIN" if self._word(1) == "TRY":
                return self._try()
            case "BEGIN" if self._word(1) not in _TRANSACTION:
                self._at += 1
                return self._block("END")
            case "IF":
                return self._if()
            case "WHILE":
                self._at += 1
                return While(self._condition(), self._body())
            case "BREAK" | "CONTINUE" as kind:
                self._at += 1
                return Leave("BREAK" if kind == "BREAK" else "CONTINUE")
            case "RETURN":
                self._at += 1
                self._taken()
                return Leave("RETURN")
        return recognise(self._statement())

    def _block(self, *ending: str) -> Block:
        begun, body = self._at, list[Node]()
        while [self._word(ahead) for ahead in range(len(ending))] != list(ending):
            if not self._skip_semicolons():
                raise self._unknown(begun)
            if self._word() != ending[0]:
                body.append(self._node())
            elif len(ending) > 1 and self._word(1) != ending[1]:
                raise self._unknown(begun)
        self._at += len(ending)
        return Block(tuple(body))

    def _try(self) -> Try:
        begun = self._at
        self._at += 2
        body = self._block("END", "TRY")
        self._skip_semicolons()
        if (self._word(), self._word(1)) != ("BEGIN", "CATCH"):
            raise self._unknown(begun)
        self._at += 2
        return Try(body, self._block("END", "CATCH"))

    def _if(self) -> If:
        self._at += 1
        condition, then = self._condition(), self._body()
        before = self._at
        self._skip_semicolons()
        if self._word() != "ELSE":
            self._at = before
            return If(condition, then, None)
        self._at += 1
        return If(condition, then, self._body())

    def _condition(self) -> Tokens:
        begun = self._at
        found = self._taken()
        if not found:
            raise self._unknown(max(0, begun - 1))
        return found

    def _body(self) -> Node:
        if not self._skip_semicolons():
            raise self._unknown(0)
        return self._node()

    def _statement(self) -> Tokens:
        begun = self._at
        self._at += 1
        return (self._tokens[begun], *self._taken(self._tokens[begun]))

    def _taken(self, first: Token | None = None) -> Tokens:
        """Up to where the statement that began with `first` ends, or an expression where nothing began."""
        found: list[Token] = [first] if first else []
        taken: list[Token] = []
        depth = 0
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            opens, closes = token.upper in ("(", "CASE"), token.upper == ")" or (token.upper == "END" and depth > 0)
            if depth == 0 and not opens and self._ends(token, found):
                break
            depth += opens - closes
            found.append(token)
            taken.append(token)
            self._at += 1
        return tuple(taken)

    def _ends(self, token: Token, found: Sequence[Token]) -> bool:
        if token.upper in (";", "END", "ELSE"):
            return True
        if token.upper in _LINE_STARTERS:
            return token.begins_line
        return token.upper in _STARTERS and not _belongs(token.upper, [one.upper for one in found])

    def _unknown(self, begun: int) -> Exception:
        return text("unknown-statement").error(statement=written(self._tokens[begun : begun + 20]))


def _belongs(word: str, found: Sequence[str]) -> bool:
    """Whether a word that may begin a statement goes on with the one before it."""
    first, last = (found[0], found[-1]) if found else ("", "")
    if word == "SELECT" and last in _CARRY_ON:
        return True
    match first:
        case "ALTER":
            return (word == "SET" and "SET" not in found) or (word == "ROLLBACK" and last == "WITH")
        case "UPDATE":
            return word == "SET" and "SET" not in found
        case "INSERT":
            return word in ("SELECT", "EXEC", "EXECUTE") and not {"SELECT", "EXEC", "EXECUTE", "VALUES"} & set(found)
        case "WITH":
            return word == "SELECT" and last == ")"
        case "GRANT":
            return list(found) == ["GRANT"]
        case "DROP":
            return word == "IF" and last in ("DATABASE", "TABLE")
    return False
