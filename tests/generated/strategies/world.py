"""What a generated database has so far, and the choices from which the next statement is made.

Statements may turn out invalid (the server then refuses them and the database is what remains), so the parts below know only as much of
PostgreSQL's rules as makes most of them valid.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.generated.script import GONE, OWNER, OWNERS, READER, Statement
from tests.generated.strategies import names

T = TypeVar("T")


@dataclass(frozen=True)
class Column:
    """`value` is an SQL expression of the row's number i; None: the column can't be written."""

    name: str
    type: str
    value: str | None


@dataclass
class Table:
    """`reference` is quoted and qualified; `key` its primary key column, an integer; `kind` one of table, view, matview, root, foreign."""

    reference: str
    columns: list[Column]
    kind: str = "table"
    key: str | None = None
    owner: str = OWNER
    leaves: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Made:
    """An object as COMMENT, ALTER and GRANT name it."""

    kind: str
    reference: str


@dataclass
class World:
    """`draw` is hypothesis's; `version` the source server's major version."""

    draw: Any
    version: int
    encoding: str
    hard: bool
    statements: list[Statement] = field(default_factory=list)
    schemas: list[str] = field(default_factory=lambda: ["public"])
    tables: list[Table] = field(default_factory=list)
    types: list[tuple[str, str]] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    trigger_functions: list[str] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    _number: int = 0

    def one(self, choices: Sequence[T]) -> T:
        """One of them, each as likely."""
        return self.draw(st.sampled_from(choices))

    def some(self, choices: Sequence[T], most: int) -> list[T]:
        """Up to `most` different ones."""
        return self.draw(st.lists(st.sampled_from(choices), max_size=most, unique_by=str)) if choices else []

    def chance(self, percent: int) -> bool:
        """Whether what happens in so many of a hundred cases happens."""
        return self.draw(st.integers(0, 99)) >= 100 - percent

    def number(self, low: int, high: int) -> int:
        """low <= n <= high."""
        return self.draw(st.integers(low, high))

    def name(self) -> str:
        """A new name, quoted."""
        self._number += 1
        return names.quoted(names.odd(self.draw, self._number, self.encoding))

    def place(self) -> str:
        """A new qualified name."""
        return f"{self.one(self.schemas)}.{self.name()}"

    def text(self) -> str:
        """A text literal of any content."""
        return names.literal(names.text(self.draw, self.encoding))

    def role(self) -> str:
        """A grantee, quoted; now and then one that the target lacks."""
        if self.chance(5):
            return names.quoted(GONE)
        return self.one(["PUBLIC", *(names.quoted(r) for r in (*OWNERS, READER))])

    def run(self, text: str, role: str | None = OWNER) -> None:
        """Add a statement."""
        self.statements.append(Statement(text, role))

    def make(self, kind: str, reference: str) -> str:
        """Note an object that was made; returns its reference."""
        self.made.append(Made(kind, reference))
        return reference

    def real_tables(self) -> list[Table]:
        """Those that can have triggers, policies, constraints."""
        return [t for t in self.tables if t.kind in ("table", "root")]

    def readable(self) -> list[Table]:
        """All that can be read."""
        return [t for t in self.tables if t.kind != "foreign"]
