"""The privileges in a dump's text: understood from tokens and rebuilt, if they are of exactly the allowed shapes.

    {GRANT | REVOKE [GRANT OPTION FOR]} privilege [(column, ...)], ... ON <kind> <object> {TO | FROM} role [WITH GRANT OPTION]
    ALTER DEFAULT PRIVILEGES FOR ROLE role [IN SCHEMA schema] {GRANT | REVOKE ...} ON {TABLES | ...} {TO | FROM} role [WITH GRANT OPTION]

Invariant: a rebuilt statement is made of keywords, quoted names and numbers; everything else raises NotUnderstood.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from psycopg import sql

from worker.sql_tokens import Cursor, NotUnderstood, Token, statements

_PRIVILEGES = (
    "all", "select", "insert", "update", "delete", "truncate", "references", "trigger", "maintain", "usage", "create", "execute",
    "connect", "temporary",
)  # fmt: skip
_KINDS = (
    ("large", "object"), ("foreign", "data", "wrapper"), ("foreign", "server"), ("schema",), ("table",), ("sequence",), ("function",),
    ("procedure",), ("routine",), ("type",), ("domain",), ("language",),
)  # fmt: skip
_DEFAULT_KINDS = (
    ("large", "objects"),
    ("tables",),
    ("sequences",),
    ("functions",),
    ("routines",),
    ("types",),
    ("schemas",),
)
_ARGUMENT_SYMBOLS = frozenset("(),.[]")
_PUBLIC = "public"


@dataclass(frozen=True)
class Privilege:
    """One rebuilt statement, the roles that must exist for it, and the role whose default privileges it changes."""

    statement: sql.Composed
    roles: tuple[str, ...]
    defaults_of: str | None = None


def privileges(definition: str, database: str | None = None) -> Iterator[Privilege | str]:
    """Rebuild each statement; a text stands for what is passed over on purpose. Raises NotUnderstood."""
    for statement in statements(definition):
        if statement[0].is_word("set", "reset"):
            cursor = Cursor(statement)
            cursor.take()
            cursor.word("session")
            cursor.word("authorization")
            if statement[0].is_word("set"):
                yield f"granted by the object's owner instead of {cursor.name()!r}"
            cursor.end()
        elif statement[0].is_word("alter"):
            yield _default_privilege(Cursor(statement))
        else:
            yield _privilege(Cursor(statement), database)


def _privilege(cursor: Cursor, database: str | None) -> Privilege:
    action = _action(cursor)
    listed = _privilege_list(cursor)
    cursor.word("on")
    target = _database(cursor, database) if database is not None else _object(cursor)
    role, rest = _grantee(cursor, action)
    return Privilege(action.statement + listed + sql.SQL(" ON ") + target + rest, role)


def _default_privilege(cursor: Cursor) -> Privilege:
    for word in ("alter", "default", "privileges", "for", "role"):
        cursor.word(word)
    of = cursor.name()
    head = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} ").format(sql.Identifier(of))
    if cursor.skip("in", "schema"):
        head += sql.SQL("IN SCHEMA {} ").format(sql.Identifier(cursor.name()))
    action = _action(cursor)
    listed = _privilege_list(cursor)
    cursor.word("on")
    kind = _keywords(cursor, _DEFAULT_KINDS)
    role, rest = _grantee(cursor, action)
    return Privilege(head + action.statement + listed + sql.SQL(" ON ") + kind + rest, (of, *role), of)


@dataclass(frozen=True)
class _Action:
    statement: sql.Composed
    preposition: str


def _action(cursor: Cursor) -> _Action:
    if cursor.word("grant", "revoke") == "grant":
        return _Action(sql.Composed([sql.SQL("GRANT ")]), "to")
    option = "GRANT OPTION FOR " if cursor.skip("grant", "option", "for") else ""
    return _Action(sql.Composed([sql.SQL("REVOKE "), sql.SQL(option)]), "from")


def _privilege_list(cursor: Cursor) -> sql.Composed:
    found = [_one_privilege(cursor)]
    while cursor.symbol(","):
        found.append(_one_privilege(cursor))
    return sql.SQL(", ").join(found)


def _one_privilege(cursor: Cursor) -> sql.Composed:
    name = cursor.word(*_PRIVILEGES)
    if name == "all":
        cursor.skip("privileges")
    columns = cursor.names() if cursor.peek() == Token("symbol", "(") else ()
    listed = sql.SQL(" ({})").format(sql.SQL(", ").join(map(sql.Identifier, columns))) if columns else sql.SQL("")
    return sql.Composed([_fixed(name.upper()), listed])


def _object(cursor: Cursor) -> sql.Composed:
    kind = _keywords(cursor, _KINDS)
    text = kind.as_string()
    if text == "LARGE OBJECT":
        token = cursor.take()
        if token.kind != "number":
            raise NotUnderstood(f"{token.value!r} where a large object's number should stand")
        return sql.Composed([kind, sql.SQL(" "), sql.Literal(int(token.value))])
    name = sql.Identifier(*cursor.qualified_name())
    arguments = _arguments(cursor) if text in ("FUNCTION", "PROCEDURE", "ROUTINE") else sql.SQL("")
    return sql.Composed([kind, sql.SQL(" "), name, arguments])


def _database(cursor: Cursor, database: str) -> sql.Composed:
    cursor.word("database")
    cursor.name()
    return sql.SQL("DATABASE {}").format(sql.Identifier(database))


def _arguments(cursor: Cursor) -> sql.Composed:
    """The argument list of a function: words, names and `( ) , . [ ]` alone, which can't be anything but types and argument names."""
    parts: list[sql.Composable] = []
    depth = 0
    while True:
        token = cursor.take()
        depth += {"(": 1, ")": -1}.get(token.value, 0) if token.kind == "symbol" else 0
        parts.append(_argument_part(token))
        if depth <= 0:
            break
    if len(parts) < 2:
        raise NotUnderstood("a function without its argument list")
    return sql.SQL(" ").join(parts)


def _argument_part(token: Token) -> sql.Composable:
    if token.kind == "name":
        return sql.Identifier(token.value)
    if token.kind in ("word", "number") or token.value in _ARGUMENT_SYMBOLS:
        return _fixed(token.value)
    raise NotUnderstood(f"{token.value!r} in an argument list")


def _grantee(cursor: Cursor, action: _Action) -> tuple[tuple[str, ...], sql.Composed]:
    cursor.word(action.preposition)
    token = cursor.take()
    if token.kind not in ("word", "name"):
        raise NotUnderstood(f"{token.value!r} where a role should stand")
    public = token.is_word(_PUBLIC)
    role = sql.SQL("PUBLIC") if public else sql.Identifier(token.value)
    option = " WITH GRANT OPTION" if action.preposition == "to" and cursor.skip("with", "grant", "option") else ""
    cursor.end()
    rest = sql.Composed([sql.SQL(f" {action.preposition.upper()} "), role, sql.SQL(option)])
    return () if public else (token.value,), rest


def _keywords(cursor: Cursor, choices: tuple[tuple[str, ...], ...]) -> sql.SQL:
    for words in choices:
        if cursor.skip(*words):
            return _fixed(" ".join(words).upper())
    raise NotUnderstood(f"privileges on {cursor.peek().value!r}")


def _fixed(text: str) -> sql.SQL:
    """A word that the lexer or a table above has shown to be only a word."""
    return sql.SQL(text)
