"""The privileges of a dump: understood from tokens, rebuilt, and executed as the master user if they are of exactly the allowed shapes.

    {GRANT | REVOKE [GRANT OPTION FOR]} privilege [(column, ...)], ... ON <kind> <object> {TO | FROM} role [WITH GRANT OPTION]
    ALTER DEFAULT PRIVILEGES FOR ROLE role [IN SCHEMA schema] {GRANT | REVOKE ...} ON {TABLES | ...} {TO | FROM} role [WITH GRANT OPTION]

Invariant: whatever isn't understood, or names a role that the target lacks, is listed and not executed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import psycopg
from psycopg import sql

from repository.pgdump_toc import TocEntry
from worker import limits, membership
from worker.archive import Archive, Division
from worker.job import FixUp
from worker.membership import RoleState
from worker.ownership import resolve
from worker.session import Connection
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


def execute(
    master: Connection, archive: Archive, division: Division, roles: dict[str, RoleState], master_user: str
) -> list[FixUp]:
    """Execute the privileges of all objects of the database. Returns what was not executed, and why."""
    entries = iter([
        e for e in archive.toc.entries
        if e.description in ("ACL", "DEFAULT ACL") and e.dump_id not in division.left_out and not of_database(e)
    ])  # fmt: skip
    notes: list[FixUp] = []
    while batch := list(islice(entries, limits.OBJECTS_PER_TRANSACTION)):
        owners = {resolve(e.owner, roles, master_user) for e in batch}
        owners |= {role for e in batch if e.description == "DEFAULT ACL" for role in _default_roles(e, roles)}
        with master.transaction(), membership.acting_for(master, owners):
            notes += [note for entry in batch for note in execute_entry(master, entry, roles)]
    return notes


def of_database(entry: TocEntry) -> bool:
    """Whether the privileges are those of the database itself, which are settled when it gets its name."""
    return entry.description == "ACL" and entry.tag.startswith("DATABASE ")


def execute_entry(
    master: Connection, entry: TocEntry, roles: dict[str, RoleState], database: str | None = None
) -> Iterator[FixUp]:
    """Execute one entry inside a transaction. With `database` it is about the database of this name, whatever the dump calls it."""
    try:
        found = list(privileges(entry.definition, database))
    except NotUnderstood as error:
        yield FixUp(entry=entry.label, what=f"not executed: {_one_line(entry.definition)} ({error})")
        return
    for each in found:
        if isinstance(each, str):
            yield FixUp(entry=entry.label, what=each)
        elif missing := [r for r in each.roles if not roles[r].exists]:
            yield FixUp(
                entry=entry.label,
                what=f"not executed, the target has no role {missing[0]!r}: {each.statement.as_string()}",
            )
        else:
            yield from _execute(master, entry, each)


def roles_in(entry: TocEntry) -> set[str]:
    """The roles that the statements of an entry name."""
    try:
        database = "" if of_database(entry) else None
        return {
            role for each in privileges(entry.definition, database) if not isinstance(each, str) for role in each.roles
        }
    except NotUnderstood:
        return set()


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


def _default_roles(entry: TocEntry, roles: dict[str, RoleState]) -> set[str]:
    """Whose default privileges the entry changes, if the master user may act for them."""
    try:
        found = {each.defaults_of for each in privileges(entry.definition) if not isinstance(each, str)}
    except NotUnderstood:
        return set()
    return {role for role in found if role is not None and roles[role].may_act}


def _execute(master: Connection, entry: TocEntry, privilege: Privilege) -> Iterator[FixUp]:
    said: list[str] = []
    handler = lambda diagnostic: said.append(diagnostic.message_primary or "")  # noqa: E731
    master.add_notice_handler(handler)
    try:
        with master.transaction():
            master.execute(privilege.statement)
    except psycopg.Error as error:
        said.append(str(error).splitlines()[0])
    finally:
        master.remove_notice_handler(handler)
    for message in said:
        yield FixUp(entry=entry.label, what=f"{privilege.statement.as_string()}: {message}")


def _one_line(definition: str) -> str:
    return " ".join(definition.split())
