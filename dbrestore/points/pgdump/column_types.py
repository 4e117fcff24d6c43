"""The types of columns, out of the definitions in a dump: `CREATE TABLE`, `CREATE TYPE`, `CREATE DOMAIN` as pg_dump writes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from dbrestore.points.pgdump import sql_words
from dbrestore.points.pgdump.sql_words import END, NotUnderstood, Token

Name = tuple[str, ...]
Kind = Literal["composite", "domain", "enum", "range", "base"]

# What may follow the type of a column, a field or a domain.
_BEHIND_A_TYPE: Final = (
    "collate",
    "not",
    "null",
    "default",
    "generated",
    "constraint",
    "check",
    "primary",
    "unique",
    "references",
    "storage",
    "compression",
    "options",
)
# What begins an element of CREATE TABLE that isn't a column.
_CONSTRAINTS: Final = ("constraint", "check", "primary", "unique", "foreign", "exclude", "like")
_OPEN, _CLOSE, _BEGIN_ARRAY = Token("symbol", "("), Token("symbol", ")"), Token("symbol", "[")


@dataclass(frozen=True)
class ColumnType:
    """As `format_type` writes it, without modifiers and quotes: `("timestamp with time zone",)`, `("public", "mood")`, `("char",)`: that is
    the type of one byte, since `character(1)` is written so."""

    name: Name
    is_array: bool = False

    def __str__(self) -> str:
        return ".".join(self.name) + ("[]" if self.is_array else "")


@dataclass(frozen=True)
class Table:
    """`columns` are those that the definition itself names; others come from `parents` (INHERITS) or the type that it is `of`."""

    columns: dict[str, ColumnType]
    parents: tuple[Name, ...] = ()
    of: Name | None = None


@dataclass(frozen=True)
class UserType:
    """`parts` are the types of a composite's fields, the base of a domain, the subtype of a range; `multirange` its twin's name."""

    kind: Kind
    parts: tuple[ColumnType, ...] = ()
    columns: tuple[str, ...] = ()
    multirange: Name | None = None


def table(definition: str) -> Table:
    """Read `CREATE [UNLOGGED] TABLE a.b ...`. Raises NotUnderstood."""
    found = sql_words.tokens(definition)
    place = _behind(found, "table")
    _, place = sql_words.qualified(found, place)
    of = None
    if found[place].is_word("of"):
        of, place = sql_words.qualified(found, place + 1)
    elements: list[list[Token]] = []
    if found[place] == _OPEN:
        elements, place = sql_words.listed(found, place)
    columns = {e[0].value: _type([*e, END], 1) for e in elements if not e[0].is_word(*_CONSTRAINTS) and of is None}
    parents: list[Name] = []
    if found[place].is_word("inherits"):
        listed, _ = sql_words.listed(found, place + 1)
        parents = [sql_words.qualified([*e, END], 0)[0] for e in listed]
    return Table(columns, tuple(parents), of)


def user_type(definition: str) -> UserType:
    """Read `CREATE TYPE a.b ...` or `CREATE DOMAIN a.b AS ...`. Raises NotUnderstood."""
    found = sql_words.tokens(definition)
    place = _behind(found, "type", "domain")
    is_domain = found[place - 1].is_word("domain")
    _, place = sql_words.qualified(found, place)
    if not found[place].is_word("as"):
        return UserType("base")
    place += 1
    if is_domain:
        return UserType("domain", (_type(found, place),))
    if found[place].is_word("enum"):
        return UserType("enum")
    if found[place].is_word("range"):
        return _range(sql_words.listed(found, place + 1)[0])
    fields, _ = sql_words.listed(found, place)
    return UserType("composite", tuple(_type([*f, END], 1) for f in fields), tuple(f[0].value for f in fields))


def copied_columns(copy_statement: str) -> tuple[str, ...]:
    """The columns of `COPY a.b (c, d) FROM stdin;` in its order. Raises NotUnderstood."""
    found = sql_words.tokens(copy_statement)
    _, place = sql_words.qualified(found, _behind(found, "copy"))
    if found[place] != _OPEN:
        return ()
    return tuple(e[0].value for e in sql_words.listed(found, place)[0])


def _behind(found: Sequence[Token], *keywords: str) -> int:
    for place, token in enumerate(found[:3]):
        if token.is_word(*keywords):
            return place + 1
    raise NotUnderstood(f"no {' or '.join(keywords).upper()} in the beginning")


def _type(found: Sequence[Token], place: int) -> ColumnType:
    words: list[str] = []
    if found[place].is_name and found[place + 1] == Token("symbol", "."):
        name, place = sql_words.qualified(found, place)
    elif found[place].kind == "name":
        name, place = (found[place].value,), place + 1
    else:
        name = ()
    while found[place] == _OPEN or (found[place].kind == "word" and not found[place].is_word(*_BEHIND_A_TYPE)):
        if found[place] == _OPEN:
            place = sql_words.listed(found, place)[1]
        else:
            words.append(found[place].value)
            place += 1
    if bool(name) == bool(words):
        raise NotUnderstood(f"{found[place].value!r} where a type was expected")
    return ColumnType(name or (" ".join(words),), found[place] == _BEGIN_ARRAY)


def _range(options: list[list[Token]]) -> UserType:
    subtype, multirange = None, None
    for option in options:
        if option[0].is_word("subtype"):
            subtype = _type([*option, END], 2)
        elif option[0].is_word("multirange_type_name"):
            multirange = sql_words.qualified([*option, END], 2)[0]
    if subtype is None:
        raise NotUnderstood("a range without a subtype")
    return UserType("range", (subtype,), multirange=multirange)
