"""Which columns of a dumped table can be proven: those whose COPY text is the same from every server, whatever its version and settings.

Invariant: a type is taken only if it is known; what isn't understood is left out and told, and nothing here refuses a dump.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Literal

from dbrestore.points.pgdump import column_types
from dbrestore.points.pgdump.column_types import ColumnType, Name
from dbrestore.points.pgdump.rows.canonical_text import Columns, LeftOut
from dbrestore.points.pgdump.sql_words import NotUnderstood
from dbrestore.points.pgdump.toc import Toc, TocEntry

Text = Literal["plain", "time", "bytes"]

_PLAIN: Final = frozenset(
    {
        "smallint",
        "integer",
        "bigint",
        "numeric",
        "boolean",
        "character",
        "character varying",
        "text",
        "name",
        "bpchar",
        "bit",
        "bit varying",
        "date",
        "time",
        "time without time zone",
        "time with time zone",
        "timestamp",
        "timestamp without time zone",
        "interval",
        "uuid",
        "inet",
        "cidr",
        "macaddr",
        "macaddr8",
        "json",
        "jsonb",
        "int4range",
        "int8range",
        "numrange",
        "daterange",
        "tsrange",
        "int4multirange",
        "int8multirange",
        "nummultirange",
        "datemultirange",
        "tsmultirange",
        "tsvector",
        "tsquery",
        "oid",
        "xid",
        "xid8",
        "cid",
        "tid",
        "pg_lsn",
        "txid_snapshot",
        "pg_snapshot",
        "int2vector",
        "oidvector",
        "refcursor",
    }
)
_TIMES: Final = frozenset({"timestamp with time zone", "tstzrange", "tstzmultirange"})
_FLOATS: Final = frozenset({"real", "double precision", "point", "lseg", "box", "path", "polygon", "line", "circle"})
_UNPROVEN: Final = {
    "money": "its text depends on the server's lc_monetary",
    "xml": "its text is normalised when it is read",
    "aclitem": "it names roles",
    "char": "PostgreSQL 16 writes it differently",
    "jsonpath": "its text depends on the server's version",
}
_OBJECT_NAMES: Final = re.compile(r"reg[a-z]+")
# Types of extensions whose text is a function of the value alone.
_EXTENSION_TYPES: Final = {"citext": "citext", "hstore": "hstore", "ltree": "ltree"}
# Since PostgreSQL 12 a floating-point number is written as the shortest text that reads back as the same number.
_SHORTEST_FLOATS: Final = 12


class NotProven(Exception):
    """Why the text of a type may differ between two servers that hold the same value."""


@dataclass
class ColumnReader:
    """Reads the types of one dump's tables; `major` is the version of the server that wrote the rows."""

    entries: dict[tuple[str, Name], TocEntry]
    extensions: frozenset[str]
    major: int
    _multiranges: dict[Name, ColumnType] | None = field(default=None, init=False)

    @classmethod
    def of(cls, toc: Toc) -> "ColumnReader":
        """For the tables of this dump."""
        kinds = {"TABLE": "table", "TYPE": "type", "DOMAIN": "type"}
        entries: dict[tuple[str, Name], TocEntry] = {
            (kinds[e.description], (e.schema_name or "", e.tag)): e for e in toc.entries if e.description in kinds
        }
        extensions = frozenset(e.tag for e in toc.entries if e.description == "EXTENSION")
        major = re.match(r"\d+", toc.server_version)
        return cls(entries, extensions, int(major.group()) if major else 0)

    def columns(self, entry: TocEntry) -> Columns:
        """Of a TABLE DATA entry."""
        try:
            names = column_types.copied_columns(entry.copy_statement)
            types = self._table_columns((entry.schema_name or "", entry.tag), frozenset())
        except NotUnderstood as error:
            return Columns((), left_out=(LeftOut("all columns", f"the definition isn't understood: {error}"),))
        texts: dict[int, Text] = {}
        left_out = []
        for position, name in enumerate(names):
            try:
                texts[position] = self._text(types.get(name), entry.schema_name or "", frozenset())
            except (NotProven, NotUnderstood) as error:
                left_out.append(LeftOut(name, f"{types.get(name, 'unknown type')}: {error}"))
        return Columns(
            tuple(texts) if left_out else None,
            tuple(p for p, t in texts.items() if t == "time"),
            tuple(p for p, t in texts.items() if t == "bytes"),
            tuple(left_out),
        )

    def _table_columns(self, name: Name, below: frozenset[Name]) -> dict[str, ColumnType]:
        entry = self.entries.get(("table", name))
        if entry is None or name in below:
            raise NotUnderstood(f"the dump doesn't define {'.'.join(name)}")
        read = column_types.table(entry.definition)
        if read.of:
            composite = self._user_type(read.of)
            return dict(zip(composite.columns, composite.parts, strict=True))
        inherited: dict[str, ColumnType] = {}
        for parent in read.parents:
            inherited |= self._table_columns(parent, below | {name})
        return inherited | read.columns

    def _text(self, of: ColumnType | None, schema: str, within: frozenset[Name]) -> Text:
        if of is None:
            raise NotProven("its type isn't in the dump")
        text = self._base_text(of.name, within) if len(of.name) == 1 else self._user_text(of.name, within)
        if of.is_array and text == "bytes":
            raise NotProven("bytea within another value")
        return text

    def _base_text(self, name: Name, within: frozenset[Name]) -> Text:
        word = name[0]
        if word in _PLAIN or word.startswith("interval "):
            return "plain"
        if word in _TIMES:
            return "time"
        if word == "bytea":
            return "bytes"
        if word in _FLOATS:
            if self.major < _SHORTEST_FLOATS:
                raise NotProven("its text has other digits since PostgreSQL 12")
            return "plain"
        if _OBJECT_NAMES.fullmatch(word):
            raise NotProven("it names an object of the database")
        raise NotProven(_UNPROVEN.get(word, "its type isn't known"))

    def _user_text(self, name: Name, within: frozenset[Name]) -> Text:
        if name in within:
            raise NotProven("its type holds itself")
        if ("type", name) not in self.entries and ("table", name) not in self.entries:
            return self._foreign_text(name, within)
        user_type = self._user_type(name)
        if user_type.kind == "base":
            raise NotProven("a base type of the dump")
        texts = {self._text(part, name[0], within | {name}) for part in user_type.parts}
        if user_type.kind == "domain":
            return texts.pop()
        if "bytes" in texts:
            raise NotProven("bytea within another value")
        if user_type.kind == "range":
            return texts.pop()
        if "time" in texts:
            raise NotProven("an instant within a composite value")
        return "plain"

    def _foreign_text(self, name: Name, within: frozenset[Name]) -> Text:
        """Of a type that the dump doesn't define: a multirange, or an extension's."""
        if name in self._ranges():
            return self._text(self._ranges()[name], name[0], within)
        if _EXTENSION_TYPES.get(name[-1], "") in self.extensions:
            return "plain"
        raise NotProven("a type that the dump doesn't define")

    def _user_type(self, name: Name) -> column_types.UserType:
        if entry := self.entries.get(("type", name)):
            return column_types.user_type(entry.definition)
        columns = self._table_columns(name, frozenset())
        return column_types.UserType("composite", tuple(columns.values()), tuple(columns))

    def _ranges(self) -> dict[Name, ColumnType]:
        """The name of each multirange that the dump's ranges bring -> its range."""
        if self._multiranges is None:
            self._multiranges = {}
            for (kind, name), entry in self.entries.items():
                if kind == "type" and (multirange := _multirange_of(entry)):
                    self._multiranges[multirange] = ColumnType(name)
        return self._multiranges


def _multirange_of(entry: TocEntry) -> Name | None:
    try:
        return column_types.user_type(entry.definition).multirange
    except NotUnderstood:
        return None
