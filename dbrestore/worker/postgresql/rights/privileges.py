"""The privileges in a dump's text: understood from tokens and rebuilt, if they are of exactly the allowed shapes.

    {GRANT | REVOKE [GRANT OPTION FOR]} privilege [(column, ...)], ... ON <kind> <object> {TO | FROM} role [WITH GRANT OPTION]
    ALTER DEFAULT PRIVILEGES FOR ROLE role [IN SCHEMA schema] {GRANT | REVOKE ...} ON {TABLES | ...} {TO | FROM} role [WITH GRANT OPTION]

Invariant: a rebuilt statement is made of keywords, quoted names and numbers; everything else raises NotUnderstood.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from psycopg import sql

from dbrestore.worker.postgresql import addresses
from dbrestore.worker.postgresql.addresses import Key
from dbrestore.worker.postgresql.rights import extension_privileges
from dbrestore.worker.postgresql.rights.extension_privileges import Allowed
from dbrestore.worker.postgresql.sql_tokens import Cursor, NotUnderstood, Token, spelling, statements

_PRIVILEGES = (
    "all",
    "select",
    "insert",
    "update",
    "delete",
    "truncate",
    "references",
    "trigger",
    "maintain",
    "usage",
    "create",
    "execute",
    "connect",
    "temporary",
)
_KINDS = (
    ("large", "object"),
    ("foreign", "data", "wrapper"),
    ("foreign", "server"),
    ("schema",),
    ("table",),
    ("sequence",),
    ("function",),
    ("procedure",),
    ("routine",),
    ("type",),
    ("domain",),
    ("language",),
)
_DEFAULT_KINDS = (("large", "objects"), ("tables",), ("sequences",), ("functions",), ("routines",), ("types",), ("schemas",))
PRIVILEGES_OF_COLUMNS = ("SELECT", "INSERT", "UPDATE", "REFERENCES")
_ARGUMENT_SYMBOLS = frozenset("(),.[]")
_ROUTINES = ("FUNCTION", "PROCEDURE", "ROUTINE")
_PUBLIC = "public"
# Privileges, each with its columns.
Listed = tuple[tuple[str, tuple[str, ...]], ...]


# What they hold belongs to the server, and nobody's dump says who may use it.
_SYSTEM_SCHEMAS = ("pg_catalog", "information_schema")


@dataclass(frozen=True)
class Privilege:
    """One rebuilt statement, the roles that must exist for it, and the role whose default privileges it changes.

    The rest is what it means: `listed` are privileges in upper case, each with its columns; `grantee` None is PUBLIC; `option` is WITH
    GRANT OPTION or GRANT OPTION FOR; `objects` are what it is about; of default privileges `TABLES` and the like, with the role as name."""

    statement: sql.Composed
    roles: tuple[str, ...]
    defaults_of: str | None
    grants: bool
    option: bool
    listed: Listed
    grantee: str | None
    objects: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Surroundings:
    """What a definition doesn't say itself: the `database` that it is about, whatever the dump calls it; the large objects that it is
    repeated for; roles that others stand in for; and what may be given of extensions' objects."""

    database: str | None = None
    large_objects: tuple[int, ...] = ()
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    allowed: Allowed = field(default_factory=dict)

    def role(self, name: str) -> str:
        """Who stands for the role."""
        return self.stand_ins.get(name, name)


NOTHING_ELSE = Surroundings()


def privileges(definition: str, around: Surroundings = NOTHING_ELSE) -> Iterator[Privilege | str]:
    """Rebuild each statement; a text stands for what is passed over on purpose. Raises NotUnderstood."""
    for statement in statements(definition):
        cursor = Cursor(statement)
        if statement[0].is_word("set", "reset"):
            yield from _other_grantor(cursor)
        elif statement[0].is_word("alter") and around.database is None:
            yield _default_privilege(cursor, around)
        else:
            yield from _privilege(cursor, around)


def _other_grantor(cursor: Cursor) -> Iterator[str]:
    """`{SET | RESET} SESSION AUTHORIZATION`, by which pg_dump says who granted."""
    begins = cursor.word("set", "reset") == "set"
    cursor.word("session")
    cursor.word("authorization")
    if begins:
        yield f"granted by the object's owner instead of {cursor.name()!r}"
    cursor.end()


def _privilege(cursor: Cursor, around: Surroundings) -> Iterator[Privilege | str]:
    action = _action(cursor)
    listed = _privilege_list(cursor)
    cursor.word("on")
    target = _database(cursor, around.database) if around.database is not None else _object(cursor, around)
    if action.preposition == "to" and (allowed := _allowed(target, around)) is not None:
        given = tuple(_harmless(listed, allowed))
        if given != listed:
            yield (
                f"of what is asked for on {target.statement.as_string()}, which is an extension's, only {', '.join(allowed) or 'nothing'} "
                "may be given: with more, code could run as its owner"
            )
        listed = given
    if listed:
        yield _rebuilt(cursor, around, action, listed, target)


def _allowed(target: "_Target", around: Surroundings) -> tuple[str, ...] | None:
    found = [extension_privileges.of(key, around.allowed) for key in target.objects]
    return next((each for each in found if each is not None), None)


def _harmless(listed: Listed, allowed: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, columns in listed:
        for one in allowed:
            if name == one or (name == "ALL" and (not columns or one in PRIVILEGES_OF_COLUMNS)):
                yield one, columns


@dataclass(frozen=True)
class _Target:
    """`head` is what stands before GRANT."""

    statement: sql.Composable
    objects: tuple[Key, ...] = ()
    head: sql.Composable = field(default_factory=lambda: sql.SQL(""))
    defaults_of: str | None = None


def _rebuilt(cursor: Cursor, around: Surroundings, action: "_Action", listed: Listed, target: _Target) -> Privilege:
    grantee, option, to_role = _grantee(cursor, action, around)
    what = sql.SQL(", ").join([_rebuilt_privilege(*each) for each in listed])
    statement = sql.Composed([target.head, action.statement, what, sql.SQL(" ON "), target.statement, to_role])
    roles = tuple(role for role in (target.defaults_of, grantee) if role is not None)
    grants = action.preposition == "to"
    return Privilege(statement, roles, target.defaults_of, grants, action.option or option, listed, grantee, target.objects)


def _default_privilege(cursor: Cursor, around: Surroundings) -> Privilege:
    for word in ("alter", "default", "privileges", "for", "role"):
        cursor.word(word)
    of = around.role(cursor.name())
    head = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} ").format(sql.Identifier(of))
    schema = cursor.name() if cursor.skip("in", "schema") else None
    if schema is not None:
        head += sql.SQL("IN SCHEMA {} ").format(sql.Identifier(schema))
    action = _action(cursor)
    listed = _privilege_list(cursor)
    cursor.word("on")
    kind = _keywords(cursor, _DEFAULT_KINDS)
    target = _Target(kind, (Key(kind.as_string(), schema, (of,)),), head, of)
    return _rebuilt(cursor, around, action, listed, target)


@dataclass(frozen=True)
class _Action:
    statement: sql.Composed
    preposition: str
    option: bool = False


def _action(cursor: Cursor) -> _Action:
    if cursor.word("grant", "revoke") == "grant":
        return _Action(sql.Composed([sql.SQL("GRANT ")]), "to")
    option = cursor.skip("grant", "option", "for")
    return _Action(sql.SQL("REVOKE {}").format(sql.SQL("GRANT OPTION FOR " if option else "")), "from", option)


def _privilege_list(cursor: Cursor) -> Listed:
    found = [_one_privilege(cursor)]
    while cursor.symbol(","):
        found.append(_one_privilege(cursor))
    return tuple(found)


def _one_privilege(cursor: Cursor) -> tuple[str, tuple[str, ...]]:
    name = cursor.word(*_PRIVILEGES)
    if name == "all":
        cursor.skip("privileges")
    return name.upper(), cursor.names() if cursor.peek() == Token("symbol", "(") else ()


def _rebuilt_privilege(name: str, columns: tuple[str, ...]) -> sql.Composable:
    listed = sql.SQL(" ({})").format(sql.SQL(", ").join(map(sql.Identifier, columns))) if columns else sql.SQL("")
    return sql.Composed([_fixed(name), listed])


def _object(cursor: Cursor, around: Surroundings) -> _Target:
    kind = _keywords(cursor, _KINDS)
    text = kind.as_string()
    if text == "LARGE OBJECT":
        return _large_objects(cursor, around)
    name = cursor.qualified_name()
    if name[0] in _SYSTEM_SCHEMAS:
        raise NotUnderstood(f"what is in {name[0]} belongs to the server")
    schema, own = (name[0], name[1:]) if len(name) > 1 else (None, name)
    arguments = _arguments(cursor) if text in _ROUTINES else []
    parts = [kind, sql.SQL(" "), sql.Identifier(*name), sql.SQL(" ").join(map(_argument_part, arguments))]
    spelled = (spelling(arguments[1:-1]),) if text in _ROUTINES else ()
    return _Target(sql.Composed(parts), (Key(text, schema, own + spelled),))


def _large_objects(cursor: Cursor, around: Surroundings) -> _Target:
    token = cursor.take()
    if token.kind != "number":
        raise NotUnderstood(f"{token.value!r} where a large object's number was expected")
    numbers = around.large_objects or (int(token.value),)
    listed = sql.SQL(", ").join(map(sql.Literal, numbers))
    return _Target(sql.SQL("LARGE OBJECT {}").format(listed), tuple(map(addresses.large_object, numbers)))


def _database(cursor: Cursor, database: str) -> _Target:
    cursor.word("database")
    cursor.name()
    return _Target(sql.SQL("DATABASE {}").format(sql.Identifier(database)), (Key("DATABASE", None, (database,)),))


def _arguments(cursor: Cursor) -> list[Token]:
    """The argument list of a function: words, names and `( ) , . [ ]` alone, which can't be anything but types and argument names."""
    found: list[Token] = []
    depth = 0
    while True:
        token = cursor.take()
        depth += {"(": 1, ")": -1}.get(token.value, 0) if token.kind == "symbol" else 0
        found.append(token)
        if depth <= 0:
            break
    if len(found) < 2:
        raise NotUnderstood("a function without its argument list")
    return found


def _argument_part(token: Token) -> sql.Composable:
    if token.kind == "name":
        return sql.Identifier(token.value)
    if token.kind in ("word", "number") or token.value in _ARGUMENT_SYMBOLS:
        return _fixed(token.value)
    raise NotUnderstood(f"{token.value!r} in an argument list")


def _grantee(cursor: Cursor, action: _Action, around: Surroundings) -> tuple[str | None, bool, sql.Composed]:
    """Who (None: PUBLIC), whether with the option to grant it on, and `{TO | FROM} role ...`."""
    cursor.word(action.preposition)
    token = cursor.take()
    if token.kind not in ("word", "name"):
        raise NotUnderstood(f"{token.value!r} where a role was expected")
    grantee = None if token.is_word(_PUBLIC) else around.role(token.value)
    role = sql.SQL("PUBLIC") if grantee is None else sql.Identifier(grantee)
    option = action.preposition == "to" and cursor.skip("with", "grant", "option")
    cursor.end()
    rest = [sql.SQL(f" {action.preposition.upper()} "), role, sql.SQL(" WITH GRANT OPTION" if option else "")]
    return grantee, option, sql.Composed(rest)


def _keywords(cursor: Cursor, choices: tuple[tuple[str, ...], ...]) -> sql.SQL:
    for words in choices:
        if cursor.skip(*words):
            return _fixed(" ".join(words).upper())
    raise NotUnderstood(f"privileges on {cursor.peek().value!r}")


def _fixed(text: str) -> sql.SQL:
    """A word that the lexer or a table above has shown to be only a word."""
    return sql.SQL(text)
