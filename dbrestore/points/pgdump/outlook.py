"""What a restore of a dump will need or can't bring back, told from its table of contents. Invariant: these are notes for a person;
nothing is refused for them, and a target may turn out to have what they ask for.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from dbrestore.points.pgdump import database as pgdump_database
from dbrestore.points.pgdump import entries as pgdump_entries
from dbrestore.points.pgdump.toc import Toc, TocEntry

_NO_ROLES: Final = ("PUBLIC", "DEFAULT", "CURRENT_USER", "CURRENT_ROLE", "SESSION_USER")
# In the words of pg_dump's statements names are lower case or quoted, so these can't be names.
_COMMA: Final = (",",)
_BEFORE_ROLES: Final = ("TO", "FROM", "ROLE", "AUTHORIZATION")
# Which entries name roles, besides their owners, and the words that end the part which does.
_NAMING: Final = {
    "ACL": (),
    "DEFAULT ACL": (),
    "DATABASE PROPERTIES": ("SET", "RESET"),
    "POLICY": ("USING", "WITH"),
}
# They belong to an object whose own entry tells the same.
_ATTACHED: Final = ("ACL", "COMMENT", "DEFAULT ACL", "SECURITY LABEL", "TABLE ATTACH", "SEQUENCE OWNED BY", "DEFAULT")
_FROM_THE_START: Final = ("public", "information_schema")
_LIBC_NAME: Final = re.compile(r"C|POSIX|[a-z]{2,3}(_[A-Z]{2})?(\.[A-Za-z0-9_-]+)?(@\w+)?|C\.[A-Za-z0-9_-]+")
_SUPERUSERS_LANGUAGE: Final = re.compile(r'\n    LANGUAGE "?(?:c|internal)\b')
_MOST_NAMES: Final = 20


def roles(toc: Toc) -> tuple[str, ...]:
    """Every role that the dump names: owners, who is granted something and by whom, for whom policies are, who has settings. Those that
    every server has (`pg_...`) are left out."""
    found = {e.owner for e in toc.entries if e.owner}
    found.update(*(_roles_of(e) for e in toc.entries if e.description in _NAMING))
    return tuple(sorted(role for role in found if not role.startswith("pg_")))


def notes(toc: Toc) -> list[str]:
    """Sentences, in the order of how much depends on them."""
    found = [
        _missing_schemas(toc),
        _locale(pgdump_database.describe(toc)),
        _access_methods(toc),
        _superusers_functions(toc),
        _extensions_tables(toc),
        _policies(toc),
    ]
    return [note for note in found if note]


def _roles_of(entry: TocEntry) -> set[str]:
    words = _NAMING[entry.description]
    found: set[str] = set()
    for statement in pgdump_database.statements(entry.definition):
        found.update(_named(statement, words))
    return found


def _named(tokens: Iterable[str], ends: tuple[str, ...]) -> Iterator[str]:
    """The names in the lists behind TO, FROM, ROLE and AUTHORIZATION."""
    expected = listed = False
    for token in tokens:
        if token in ends:
            return
        if expected and token not in _NO_ROLES:
            yield pgdump_database.unquoted(token)
        listed, expected = expected, token in _BEFORE_ROLES or (listed and token in _COMMA)


def _missing_schemas(toc: Toc) -> str:
    """`pg_dump -t` and some uses of `-n` leave out the schema that the objects lie in."""
    made = {e.tag for e in toc.entries if e.description == "SCHEMA"}
    found: dict[str, int] = defaultdict(int)
    for entry in toc.entries:
        if entry.section == "pre-data" and entry.schema_name and entry.description not in _ATTACHED:
            found[entry.schema_name] += 1
    for name in list(found):
        if name in made or name in _FROM_THE_START or name.startswith("pg_"):
            del found[name]
    if not found:
        return ""
    unless = ", unless one of its extensions makes them" if toc.extensions else ""
    return (
        f"schemas that it uses and doesn't create: {_some(found)}. The {sum(found.values())} objects in them can't be restored{unless}: "
        "dump again without -t, or with --schema"
    )


def _locale(said: pgdump_database.DatabaseDescription) -> str:
    names = dict.fromkeys((said.collate, said.ctype))
    if all(_LIBC_NAME.fullmatch(name) for name in names):
        return ""
    return f"its locale is {_some(map(repr, names))}, a name that RDS doesn't have: choose another locale for the restored database"


def _access_methods(toc: Toc) -> str:
    tables = [e for e in toc.entries if e.access_method not in ("", "heap") and e.description in ("TABLE", "MATERIALIZED VIEW")]
    methods = sorted({e.access_method for e in tables})
    names = _some(f"{e.schema_name}.{e.tag}" for e in tables)
    return f"tables in the access methods {_some(methods)}, which a target needs for them: {names}" if tables else ""


def _superusers_functions(toc: Toc) -> str:
    found = [
        f"{e.schema_name}.{e.tag}"
        for e in toc.entries
        if e.description in ("FUNCTION", "PROCEDURE") and _SUPERUSERS_LANGUAGE.search(e.definition.partition("\n    AS ")[0])
    ]
    return f"functions in C or internal ones, which only a superuser may create: {_some(found)}" if found else ""


def _extensions_tables(toc: Toc) -> str:
    found = []
    for entry in (e for e in toc.entries if e.has_data and e.description == "TABLE DATA"):
        extension = pgdump_entries.extension_of(toc, entry)
        if extension is not None:
            found.append(f"{entry.schema_name}.{entry.tag}{f' of {extension}' if extension else ''}")
    if found and not toc.extensions:
        return (
            f"rows of tables that it doesn't create, probably an extension's, which pg_dump -n and -t leave out: {_some(found)}. They "
            "can't be restored: dump again without -n, or with --extension"
        )
    return f"rows of tables that an extension makes, restored if the target's extension allows it: {_some(found)}" if found else ""


def _policies(toc: Toc) -> str:
    """Roles belong to the server, and PostgreSQL makes no policy for one that it doesn't have."""
    needed = sorted(set().union(*(_roles_of(e) for e in toc.entries if e.description == "POLICY")))
    return f"policies are for the roles {_some(needed)}: a target that lacks one can't have its policies" if needed else ""


def _some(names: Iterable[str]) -> str:
    every = list(names)
    more = len(every) - _MOST_NAMES
    return ", ".join(every[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
