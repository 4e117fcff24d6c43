"""What a dump says about the database it came from: name, encoding, locale, owners, extensions. Invariant: an assumption is written down.

The facts stand in definitions made of SQL tokens, as pg_dump quotes them; nothing here is guessed from comments or order.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dbrestore.contract.manifest import Extension
from dbrestore.points.pgdump.proven_columns import ColumnReader
from dbrestore.points.pgdump.toc import Toc, TocEntry, client_encoding

# What RDS gives a database that asks for nothing.
RDS_LOCALE: Final = "en_US.UTF-8"
# How many columns one note names.
_NAMED_COLUMNS: Final = 20
_TOKEN: Final = re.compile(r"""E'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|[^\s'"=;(),]+|[=;(),]""", re.DOTALL)
# CREATE DATABASE and CREATE EXTENSION have some names and a locale's rules; a hostile one may have megabytes of tokens.
_LONGEST_CREATE: Final = 1 << 20


@dataclass(frozen=True)
class DatabaseDescription:
    """As in `manifest.DatabaseBackup`."""

    name: str
    encoding: str
    client_encoding: str
    locale_provider: str
    collate: str
    ctype: str
    provider_locale: str
    owner: str
    owners: tuple[str, ...]
    extensions: tuple[Extension, ...]
    object_counts: dict[str, int]


def describe(toc: Toc) -> DatabaseDescription:
    """Everything the manifest records about the database as a whole."""
    entry = next((e for e in toc.entries if e.description == "DATABASE"), None)
    options = _options(entry.definition) if entry else {}
    text_encoding = client_encoding(toc.entries)
    locale = options.get("LOCALE", RDS_LOCALE)
    return DatabaseDescription(
        name=entry.tag if entry else toc.database,
        encoding=options.get("ENCODING", text_encoding),
        client_encoding=text_encoding,
        locale_provider=options.get("LOCALE_PROVIDER", "libc").lower(),
        collate=options.get("LC_COLLATE", locale),
        ctype=options.get("LC_CTYPE", locale),
        provider_locale=options.get("ICU_LOCALE", options.get("BUILTIN_LOCALE", "")),
        owner=entry.owner if entry else "",
        owners=tuple(sorted({e.owner for e in toc.entries if e.owner})),
        extensions=tuple(_extension(e) for e in toc.entries if e.description == "EXTENSION"),
        object_counts=dict(sorted(Counter(e.description for e in toc.entries).items())),
    )


def notes(toc: Toc) -> tuple[str, ...]:
    """What was assumed, and whose values no verification compares."""
    entry = next((e for e in toc.entries if e.description == "DATABASE"), None)
    return (*_notes(entry, _options(entry.definition) if entry else {}), *_columns_not_proven(toc))


def collation_rules(toc: Toc) -> str:
    """The database's own ICU collation rules; empty if it has none."""
    entry = next((e for e in toc.entries if e.description == "DATABASE"), None)
    return _options(entry.definition).get("ICU_RULES", "") if entry else ""


def _options(definition: str) -> dict[str, str]:
    """The `KEY = value` pairs of CREATE DATABASE. A quoted name isn't a key, whatever it spells."""
    tokens = next(statements(definition[:_LONGEST_CREATE]))
    return {tokens[i - 1]: unquoted(tokens[i + 1]) for i in range(1, len(tokens) - 1) if tokens[i] == "="}


def _extension(entry: TocEntry) -> Extension:
    """From `CREATE EXTENSION IF NOT EXISTS name WITH SCHEMA schema;`."""
    tokens = next(statements(entry.definition[:_LONGEST_CREATE]))
    place = tokens.index("SCHEMA") + 1 if "SCHEMA" in tokens[:-1] else None
    schema = unquoted(tokens[place]) if place else entry.schema_name or "public"
    return Extension(name=entry.tag, schema_name=schema)


def statements(definition: str) -> Iterator[list[str]]:
    """The tokens of each statement, without the semicolons."""
    statement: list[str] = []
    for found in _TOKEN.finditer(definition):
        if found[0] == ";":
            yield statement
            statement = []
        else:
            statement.append(found[0])
    yield statement


def unquoted(token: str) -> str:
    """What a token stands for: a quoted name or text without its quotes, anything else as it is."""
    if token.startswith('"'):
        return token[1:-1].replace('""', '"')
    if token.startswith("'"):
        return token[1:-1].replace("''", "'")
    if token.startswith("E'"):
        return re.sub(r"\\(.)|''", lambda m: m.group(1) or "'", token[2:-1], flags=re.DOTALL)
    return token


def _notes(entry: TocEntry | None, options: dict[str, str]) -> list[str]:
    notes = []
    if entry is None:
        notes.append(f"the dump doesn't describe its database: locale {RDS_LOCALE} and no owner are assumed")
    elif not options.keys() & {"LOCALE", "LC_COLLATE"}:
        notes.append(f"the dump doesn't name the database's locale: {RDS_LOCALE} is assumed")
    return notes


def _columns_not_proven(toc: Toc) -> list[str]:
    """One sentence about the columns whose values a verification of contents leaves out."""
    reader = ColumnReader.of(toc)
    found = [
        f"{entry.schema_name}.{entry.tag}: {column.column} ({column.why})"
        for entry in toc.entries
        if entry.description == "TABLE DATA"
        for column in reader.columns(entry).left_out
    ]
    if not found:
        return []
    more = f"; and {len(found) - _NAMED_COLUMNS} more" if len(found) > _NAMED_COLUMNS else ""
    return [f"columns whose values no verification compares, {len(found)}: {'; '.join(found[:_NAMED_COLUMNS])}{more}"]
