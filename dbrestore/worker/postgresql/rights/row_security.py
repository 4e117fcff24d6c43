"""Row security that applies to whoever reads a table for a materialized view: which views those are.

Invariant: a row that a policy hides from the owner of a materialized view gets into none, whoever may read that one.
"""

from collections.abc import Iterable, Iterator

from psycopg import sql

from dbrestore.contract.job import FixUp
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.postgresql import addresses
from dbrestore.worker.postgresql.sql_tokens import Cursor, NotUnderstood, tokens

# Their code is not looked into, so it may read any table.
_CODE = ("FUNCTION", "PROCEDURE", "AGGREGATE", "OPERATOR", "CAST")
_READERS = ("VIEW", "MATERIALIZED VIEW", "RULE")
_WITH_RIGHTS_OF_CALLER = "security_invoker"
# The refreshes (dump ids) that must wait until row security is on, each with the tables for which it waits.
LateRefreshes = dict[int, tuple[TocEntry, ...]]


def is_forced(entry: TocEntry) -> bool:
    """Whether the entry of a table forces row security on its owner. pg_dump writes that as the last statement of all, so no text or name
    that the definition holds can be mistaken for it."""
    own = (entry.schema_name, entry.tag)
    return any(_forced_table(entry, ending) == own for ending in addresses.endings(entry.definition, "ALTER TABLE "))


def late_refreshes(entries: Iterable[TocEntry]) -> LateRefreshes:
    """Those that read tables whose row security is forced or whose owner is another than the reader: through whatever views, or perhaps, by
    code of the dump that they call."""
    entries = tuple(entries)
    if not any(e.description == "MATERIALIZED VIEW DATA" for e in entries):
        return {}
    by_dump_id = {e.dump_id: e for e in entries}
    secured = {(e.schema_name, e.tag) for e in by_dump_id.values() if e.description == "ROW SECURITY"}
    tables = {e.dump_id: is_forced(e) for e in by_dump_id.values() if e.description == "TABLE" and (e.schema_name, e.tag) in secured}
    refreshes = [e for e in by_dump_id.values() if tables and e.description == "MATERIALIZED VIEW DATA"]
    found = {e.dump_id: set(_hiding(e, by_dump_id, tables)) for e in refreshes}
    return {i: tuple(by_dump_id[d] for d in sorted(hiding)) for i, hiding in found.items() if hiding}


def needs_code(entry: TocEntry, by_dump_id: dict[int, TocEntry]) -> bool:
    """Whether what it depends on includes code of the dump."""
    return any(needed.description in _CODE for needed in _needed(entry, by_dump_id))


def fix_ups(entries: Iterable[TocEntry], late: LateRefreshes) -> list[FixUp]:
    """One line for each of these entries that is a refresh under row security."""
    return [FixUp(entry=e.label, what=_told(late[e.dump_id])) for e in entries if e.dump_id in late]


def forcing(late: LateRefreshes) -> tuple[list[sql.Composed], list[sql.Composed]]:
    """The temporary login owns all tables, so it must be subject to the policies that its readers were subject to: the statements for that,
    and those that undo it."""
    tables = {t.dump_id: t for waited in late.values() for t in waited if not is_forced(t)}
    names = [sql.Identifier(*filter(None, (t.schema_name, t.tag))) for t in tables.values()]
    words = sql.SQL("ALTER TABLE {} {} ROW LEVEL SECURITY")
    on, off = ([words.format(n, sql.SQL(state)) for n in names] for state in ("FORCE", "NO FORCE"))
    return on, off


def _told(tables: tuple[TocEntry, ...]) -> str:
    names = ", ".join(f"{t.schema_name}.{t.tag}" for t in tables)
    return (
        f"refreshed under row security ({names}) as a role that no policy names: run REFRESH MATERIALIZED VIEW as its owner if it held more"
    )


def _hiding(refresh: TocEntry, by_dump_id: dict[int, TocEntry], tables: dict[int, bool]) -> Iterator[int]:
    for entry in _needed(refresh, by_dump_id):
        read = tables if entry.description in _CODE else tables.keys() & set(entry.dependencies)
        readers = {entry.owner} if entry.description in _READERS else set()
        if entry.description in _CODE or _WITH_RIGHTS_OF_CALLER in entry.definition:
            readers = {refresh.owner}
        yield from (d for d in read if tables[d] or not readers <= {by_dump_id[d].owner})


def _needed(entry: TocEntry, by_dump_id: dict[int, TocEntry]) -> list[TocEntry]:
    """The entry and all that it depends on."""
    found = {entry.dump_id: entry}
    remaining = [entry]
    while remaining:
        following = {d: by_dump_id[d] for d in remaining.pop().dependencies if d in by_dump_id and d not in found}
        found |= following
        remaining += following.values()
    return list(found.values())


def _forced_table(entry: TocEntry, statement: str) -> tuple[str | None, str] | None:
    """The table of `ALTER TABLE ONLY x FORCE ROW LEVEL SECURITY;`; None if the statement is another."""
    try:
        cursor = Cursor(tokens(statement))
        for word in ("alter", "table", "only"):
            cursor.word(word)
        *schema, name = cursor.qualified_name()
        for word in ("force", "row", "level", "security"):
            cursor.word(word)
        cursor.require(";")
        cursor.end()
    except NotUnderstood:
        return None
    return (schema[0] if schema else entry.schema_name), name
