"""What a running batch knows besides the server: its variables and table variables, the session's temporary tables, the error it caught."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from localcloud.sqlserver.texts import text
from localcloud.tds.engine import Session, SqlError, Value
from localcloud.tsql.data_types import DataType
from localcloud.tsql.tokens import Token

_TEMPORARY: Final = "temporary_tables"


@dataclass(frozen=True)
class TableColumn:
    """`counts`: IDENTITY, filled by the server."""

    name: str
    type: DataType
    counts: bool = False


@dataclass
class Table:
    """A table variable or a temporary table."""

    columns: tuple[TableColumn, ...]
    rows: list[tuple[Value, ...]] = field(default_factory=list)
    counted: int = 0

    def insert(self, rows: Sequence[Sequence[Value]], names: Sequence[str]) -> None:
        """Add rows; without names in the order of the columns. Raises SqlError 213 and 207 for what doesn't fit, and those of types."""
        places = self._places(names)
        if any(len(row) != len(places) for row in rows):
            raise text("columns-differ").error()
        for row in rows:
            self.counted += 1
            given = dict(zip(places, row, strict=True))
            self.rows.append(
                tuple(
                    self.counted if column.counts else column.type.converted(given.get(place)) for place, column in enumerate(self.columns)
                )
            )

    def _places(self, names: Sequence[str]) -> list[int]:
        if not names:
            return [place for place, column in enumerate(self.columns) if not column.counts]
        known = {column.name.casefold(): place for place, column in enumerate(self.columns)}
        for name in names:
            if name.casefold() not in known:
                raise text("no-column").error(column=name)
        return [known[name.casefold()] for name in names]


@dataclass
class Variable:
    """`type` is None for a client's parameter, which comes with its value's own."""

    value: Value
    type: DataType | None = None


@dataclass
class Frame:
    """One batch, or a text that one executes: that has variables of its own. Names are without case. `catching` counts the TRY blocks
    around what runs."""

    session: Session
    variables: dict[str, Variable] = field(default_factory=dict)
    table_variables: dict[str, Table] = field(default_factory=dict)
    caught: SqlError | None = None
    catching: int = 0
    last_error: int = 0
    row_count: int = 0

    @property
    def temporary(self) -> dict[str, Table]:
        """The temporary tables, which outlive the batch."""
        tables: dict[str, Table] = self.session.settings.setdefault(_TEMPORARY, {})
        return tables

    def declare(self, declared: Iterable[tuple[str, DataType | tuple[TableColumn, ...]]]) -> None:
        """Variables with their types, table variables with their columns: NULL and empty until something is assigned."""
        for name, kind in declared:
            if isinstance(kind, DataType):
                self.variables.setdefault(name.lower(), Variable(None, kind))
            else:
                self.table_variables.setdefault(name.lower(), Table(kind))

    def variable(self, name: str) -> Variable:
        """Raises SqlError 137."""
        if name.lower() not in self.variables:
            raise text("undeclared").error(name=name)
        return self.variables[name.lower()]

    def assign(self, name: str, value: Value) -> None:
        """Raises SqlError 137, and those of types."""
        variable = self.variable(name)
        variable.value = variable.type.converted(value) if variable.type else value

    def table(self, name: str) -> Table | None:
        """A table variable or a temporary table."""
        known = self.temporary if name.startswith("#") else self.table_variables
        return known.get(name.lower())

    def value(self, token: Token) -> Value:
        """A literal's or a variable's value; a bare word stands for itself, as in EXEC. Raises SqlError 137."""
        if token.kind == "variable":
            return self.variable(token.text).value
        if token.text[:2].lower() == "0x" and token.kind == "number":
            digits = token.text[2:]
            return bytes.fromhex(digits if len(digits) % 2 == 0 else f"0{digits}")
        if token.kind == "number":
            return float(token.text) if "." in token.text else int(token.text)
        return None if token.upper == "NULL" else token.text
