"""How a dump names an object, and the same name as the catalogue spells it: one key for both.

The tag of an entry is the name itself for most kinds. Where names may be overloaded or belong to a table, the entry's DROP statement says
which object is meant; it is read by tokens and never executed. Invariant: how names were quoted makes no difference.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.postgresql.sql_tokens import Cursor, NotUnderstood, Token, spelling, tokens


class Key(NamedTuple):
    """`kind` as pg_dump describes it; `names` are the object's own and what tells it from others of this name: a function's types, an index
    method, the table before the trigger."""

    kind: str
    schema_name: str | None
    names: tuple[str, ...]


# The kinds whose tag is the bare name.
_PLAIN: Final = (
    "TYPE",
    "DOMAIN",
    "COLLATION",
    "CONVERSION",
    "TEXT SEARCH PARSER",
    "TEXT SEARCH DICTIONARY",
    "TEXT SEARCH TEMPLATE",
    "TEXT SEARCH CONFIGURATION",
    "STATISTICS",
    "TABLE",
    "VIEW",
    "MATERIALIZED VIEW",
    "FOREIGN TABLE",
    "SEQUENCE",
    "INDEX",
)
# What is true of an object that has an entry of its own besides.
_STATES: Final = ("TABLE ATTACH", "INDEX ATTACH", "SEQUENCE OWNED BY", "MATERIALIZED VIEW DATA", "ROW SECURITY")
_WITHOUT_SCHEMA: Final = (
    "SCHEMA",
    "EXTENSION",
    "SERVER",
    "FOREIGN DATA WRAPPER",
    "PUBLICATION",
    "SUBSCRIPTION",
    "EVENT TRIGGER",
)
_OF_A_TABLE: Final = ("TRIGGER", "RULE", "POLICY")
_CONSTRAINTS: Final = ("CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT")
_VIEW_RULE: Final = " _RETURN"
# How nearly every constraint is dropped: by names that need no quotes, and so no tokens, of which each is an object of its own.
_NAME: Final = "([a-z_][a-z0-9_]*)"
_DROP_CONSTRAINT: Final = re.compile(rf"ALTER TABLE (?:ONLY )?{_NAME}\.{_NAME} DROP CONSTRAINT {_NAME};\n?")


def object_keys(entry: TocEntry) -> list[Key]:
    """The objects that an entry stands for: itself, or the large objects that it lists. None if it isn't understood."""
    try:
        return _object_keys(entry)
    except NotUnderstood:
        return []


def _object_keys(entry: TocEntry) -> list[Key]:
    if entry.description == "BLOB METADATA":
        return [large_object(oid) for oid in entry.definition.split()]
    if entry.description == "BLOB":
        return [large_object(entry.tag)]
    if entry.description in _WITHOUT_SCHEMA:
        return [Key(entry.description, None, (entry.tag,))]
    if entry.description in (*_PLAIN, *_STATES):
        return [Key(entry.description, entry.schema_name, (entry.tag,))]
    if entry.description == "SHELL TYPE":
        return [Key("TYPE", entry.schema_name, (entry.tag,))]
    if entry.description == "RULE" and entry.tag.endswith(_VIEW_RULE):
        # The rule of a view that pg_dump made in two steps: its DROP statement is a view's.
        return [Key("RULE", entry.schema_name, (entry.tag.removesuffix(_VIEW_RULE), _VIEW_RULE.strip()))]
    if entry.description == "TRIGGER" and not entry.drop_statement:
        return [partition_trigger(entry.definition)[0]]
    return [_dropped(entry)]


def large_object(oid: str | int) -> Key:
    """The key of a large object."""
    return Key("LARGE OBJECT", None, (str(oid),))


def firing(entry: TocEntry) -> str:
    """How a TRIGGER entry leaves its trigger: `enabled`, `disabled`, `always` or `replica`."""
    if not entry.drop_statement:
        return partition_trigger(entry.definition)[1]
    # pg_get_triggerdef ends with a bracket, so an ending that is this statement lies in no text of it.
    for ending in endings(entry.definition, "ALTER "):
        with suppress(NotUnderstood):
            return partition_trigger(ending)[1]
    return "enabled"


def endings(definition: str, beginning: str) -> Iterator[str]:
    """What the last statement of a definition may be: from each line with this beginning to the end, because a name may hold such a line
    too. The wrong ones are not understood: they begin inside of something quoted, or before more than one statement."""
    place = definition.find(f"\n{beginning}")
    while place >= 0:
        yield definition[place + 1 :]
        place = definition.find(f"\n{beginning}", place + 1)


def partition_trigger(definition: str) -> tuple[Key, str]:
    """`ALTER [FOREIGN] TABLE t {ENABLE [ALWAYS | REPLICA] | DISABLE} TRIGGER x`: all that pg_dump writes of a trigger that a partition has
    from its parent, when it fires otherwise. Raises NotUnderstood."""
    cursor = Cursor(tokens(definition))
    cursor.word("alter")
    cursor.skip("foreign")
    cursor.word("table")
    schema, table = _in_schema(cursor)
    state = {"enable": "enabled", "disable": "disabled"}[cursor.word("enable", "disable")]
    if state == "enabled" and cursor.peek().is_word("always", "replica"):
        state = cursor.word("always", "replica")
    cursor.word("trigger")
    key = Key("TRIGGER", schema, (table, cursor.name()))
    cursor.symbol(";")
    cursor.end()
    return key, state


def address(cursor: Cursor) -> Key:
    """What stands behind DROP or COMMENT ON. Raises NotUnderstood."""
    for kind, read in _GRAMMAR.items():
        words = kind.lower().split()
        # The last of them may be a schema's name instead: `OPERATOR class.@ (...)`.
        if cursor.peek(len(words)) != Token("symbol", ".") and cursor.skip(*words):
            return read(kind, cursor)
    raise NotUnderstood(f"{cursor.peek().value!r} where a kind of object was expected")


def _dropped(entry: TocEntry) -> Key:
    if entry.description in _CONSTRAINTS and (plain := _DROP_CONSTRAINT.fullmatch(entry.drop_statement)):
        return Key(entry.description, plain[1], (plain[2], plain[3]))
    cursor = Cursor(tokens(entry.drop_statement))
    if entry.description in (*_CONSTRAINTS, "DEFAULT"):
        key = _of_altered_table(entry, cursor)
    else:
        cursor.word("drop")
        key = address(cursor)
    cursor.symbol(";")
    cursor.end()
    if key.kind != entry.description:
        raise NotUnderstood(f"{entry.label} would be dropped as {key.kind}")
    return key


def _of_altered_table(entry: TocEntry, cursor: Cursor) -> Key:
    """`ALTER {TABLE [ONLY] | DOMAIN} x {DROP CONSTRAINT y | ALTER COLUMN y DROP DEFAULT}`."""
    cursor.word("alter")
    cursor.skip("foreign")
    cursor.word("table", "domain")
    cursor.skip("only")
    schema, table = _in_schema(cursor)
    if entry.description == "DEFAULT":
        cursor.word("alter")
        cursor.word("column")
        name = cursor.name()
        cursor.word("drop")
        cursor.word("default")
    else:
        cursor.word("drop")
        cursor.word("constraint")
        name = cursor.name()
    return Key(entry.description, schema, (table, name))


def _in_schema(cursor: Cursor) -> tuple[str, str]:
    found = cursor.qualified_name()
    if len(found) != 2:
        raise NotUnderstood(f"{'.'.join(found)!r} where schema and name were expected")
    return found[0], found[1]


def _plain(kind: str, cursor: Cursor) -> Key:
    schema, name = _in_schema(cursor)
    return Key(kind, schema, (name,))


def _without_schema(kind: str, cursor: Cursor) -> Key:
    return Key(kind, None, (cursor.name(),))


def _numbered(_: str, cursor: Cursor) -> Key:
    token = cursor.take()
    if token.kind != "number":
        raise NotUnderstood(f"{token.value!r} where a large object's number was expected")
    return large_object(token.value)


def _routine(kind: str, cursor: Cursor) -> Key:
    schema, name = _in_schema(cursor)
    return Key(kind, schema, (name, spelling(_in_brackets(cursor))))


def _operator(kind: str, cursor: Cursor) -> Key:
    schema = cursor.name()
    cursor.require(".")
    name = _operator_name(cursor)
    left, right = _separated(_in_brackets(cursor), Token("symbol", ","))
    return Key(kind, schema, (name, spelling(left), spelling(right)))


def _operator_name(cursor: Cursor) -> str:
    token = cursor.take()
    if token.kind != "operator" and token != Token("symbol", "="):
        raise NotUnderstood(f"{token.value!r} where an operator was expected")
    return token.value


def _with_method(kind: str, cursor: Cursor) -> Key:
    schema, name = _in_schema(cursor)
    cursor.word("using")
    return Key(kind, schema, (name, cursor.name()))


def _of_a_table(kind: str, cursor: Cursor) -> Key:
    name = cursor.name()
    cursor.word("on")
    # A domain's name may be `domain` itself, but not a table's unquoted one behind which another name stands.
    if kind == "CONSTRAINT" and cursor.peek(1).kind in ("word", "name"):
        cursor.word("domain")
    schema, table = _in_schema(cursor)
    return Key(kind, schema, (table, name))


def _column(kind: str, cursor: Cursor) -> Key:
    found = cursor.qualified_name()
    if len(found) != 3:
        raise NotUnderstood(f"{'.'.join(found)!r} where schema, table and column were expected")
    return Key(kind, found[0], found[1:])


def _cast(kind: str, cursor: Cursor) -> Key:
    source, target = _separated(_in_brackets(cursor), Token("word", "as"))
    return Key(kind, None, (spelling(source), spelling(target)))


def _transform(kind: str, cursor: Cursor) -> Key:
    cursor.word("for")
    of_type: list[Token] = []
    while not cursor.peek().is_word("language"):
        of_type.append(cursor.take())
    cursor.word("language")
    return Key(kind, None, (spelling(of_type), cursor.name()))


def _in_brackets(cursor: Cursor) -> list[Token]:
    """The tokens of `( ... )`, without these brackets."""
    cursor.require("(")
    found: list[Token] = []
    depth = 1
    while True:
        token = cursor.take()
        depth += {"(": 1, ")": -1}.get(token.value, 0) if token.kind == "symbol" else 0
        if not depth:
            return found
        found.append(token)


def _separated(found: list[Token], separator: Token) -> tuple[list[Token], list[Token]]:
    if found.count(separator) != 1:
        raise NotUnderstood(f"not two types: {spelling(found)}")
    place = found.index(separator)
    return found[:place], found[place + 1 :]


_GRAMMAR: Final[dict[str, Callable[[str, Cursor], Key]]] = {
    "LARGE OBJECT": _numbered,
    "COLUMN": _column,
    "CONSTRAINT": _of_a_table,
    **dict.fromkeys(_OF_A_TABLE, _of_a_table),
    **dict.fromkeys(("FUNCTION", "PROCEDURE", "AGGREGATE"), _routine),
    **dict.fromkeys(("OPERATOR CLASS", "OPERATOR FAMILY"), _with_method),
    "OPERATOR": _operator,
    "CAST": _cast,
    "TRANSFORM": _transform,
    **dict.fromkeys(_WITHOUT_SCHEMA, _without_schema),
    **dict.fromkeys(_PLAIN, _plain),
}
