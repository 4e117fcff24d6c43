"""The extensions of a dump: created as the master user, in the empty database, before any code of the dump has run.

Invariant: only extensions that the configuration allows and the server offers, by names quoted here; nothing of the dump's text is
executed.
"""

from collections.abc import Iterable

from psycopg import Error, sql

from dbrestore.contract.allowed.extensions import DEFAULT_EXTENSIONS
from dbrestore.contract.errors import ReplayFailed
from dbrestore.contract.job import FixUp, PostgresOptions
from dbrestore.contract.manifest import DatabaseBackup, Extension
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.postgresql.archive import Archive
from dbrestore.worker.postgresql.session import Connection, explained
from dbrestore.worker.postgresql.sql_tokens import Cursor, NotUnderstood, tokens

_WAY_OUT = (
    "allow them in the configuration, install what the server lacks, or leave them out with everything that depends on them: extensions "
    "`skip-missing` (--extensions skip-missing)"
)


def refused(master: Connection, backup: DatabaseBackup, archive: Archive, options: PostgresOptions) -> dict[str, str]:
    """The extensions to leave out, with the reason. Raises ReplayFailed with all of them if the request doesn't allow to leave any out."""
    allowed = options.allowed_extensions or DEFAULT_EXTENSIONS
    offered = {row[0] for row in master.execute("SELECT name FROM pg_available_extensions")}
    found = {}
    # What is created is what the dump names, whatever the manifest says.
    named = {e.tag for e in archive.toc.entries if e.description == "EXTENSION"} | {e.name for e in backup.extensions}
    for name in sorted(named):
        if name not in offered:
            found[name] = "the target server doesn't offer it"
        elif name not in allowed:
            found[name] = "the configuration doesn't allow it"
    if found and not (options.skip_missing_extensions or options.skip_unrestorable):
        told = "; ".join(f"{name}: {why}" for name, why in found.items())
        raise ReplayFailed(f"{backup.name}: extensions of the dump that can't be created: {told}; {_WAY_OUT}")
    return found


def create(
    master: Connection,
    owner: Connection,
    archive: Archive,
    chosen: Iterable[TocEntry],
    extensions: tuple[Extension, ...],
) -> list[FixUp]:
    """Create the `chosen` extensions in the dump's order, and their comments. The schemas they live in belong to the temporary login
    (`owner`)."""
    schema_of = {e.name: e.schema_name for e in extensions}
    schemas = {e.tag for e in archive.toc.entries if e.description == "SCHEMA"}
    for schema in sorted(schemas.intersection(schema_of.values()) - {"public"}):
        owner.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    created = set()
    for entry in chosen:
        place = schema_of.get(entry.tag)
        _create(master, entry.tag, place if place in schemas | {"public", "pg_catalog"} else None)
        created.add(entry.tag)
    return [note for entry in archive.toc.entries for note in _comment(master, entry, created)]


def _create(master: Connection, name: str, schema: str | None) -> None:
    """Without a schema the extension makes its own."""
    where = sql.SQL(" WITH SCHEMA {}").format(sql.Identifier(schema)) if schema else sql.SQL("")
    try:
        master.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(name)) + where)
    except Error as error:
        raise ReplayFailed(f"the extension {name} can't be created: {explained(error)}") from error


def _comment(master: Connection, entry: TocEntry, created: set[str]) -> list[FixUp]:
    """Restore a comment that differs from the extension's own. Only its owner may, and that isn't always the master user."""
    if entry.description != "COMMENT" or not entry.tag.startswith("EXTENSION "):
        return []
    try:
        name, text = _comment_parts(entry.definition)
        if name not in created:
            return []
        present = master.execute("SELECT obj_description(oid, 'pg_extension') FROM pg_extension WHERE extname = %s", [name]).fetchone()
        if present != (text,):
            master.execute(sql.SQL("COMMENT ON EXTENSION {} IS {}").format(sql.Identifier(name), sql.Literal(text)))
    except (Error, NotUnderstood) as error:
        return [FixUp(entry=entry.label, what=f"the comment was not restored: {error}")]
    return []


def _comment_parts(definition: str) -> tuple[str, str]:
    cursor = Cursor(tokens(definition))
    for word in ("comment", "on", "extension"):
        cursor.word(word)
    name = cursor.name()
    cursor.word("is")
    return name, cursor.text()
