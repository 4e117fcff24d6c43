"""Row security that tables force on their owner: which those are, and which materialized views read them.

Invariant: a row that a policy hides from its table's owner gets into no materialized view, whoever may read that one.
"""

from collections.abc import Iterable

from repository.pgdump_toc import TocEntry
from worker import addresses
from worker.job import FixUp
from worker.sql_tokens import Cursor, NotUnderstood, tokens

# Their code is not looked into, so it may read any table.
_CODE = ("FUNCTION", "PROCEDURE", "AGGREGATE", "OPERATOR", "CAST")


def is_forced(entry: TocEntry) -> bool:
    """Whether the entry of a table forces row security on its owner. pg_dump writes that as the last statement of all, so no text or name
    that the definition holds can be mistaken for it."""
    own = (entry.schema_name, entry.tag)
    return any(_forced_table(entry, ending) == own for ending in addresses.endings(entry.definition, "ALTER TABLE "))


def late_refreshes(entries: Iterable[TocEntry]) -> dict[int, tuple[str, ...]]:
    """The refreshes (dump ids) that must wait until row security is on, each with the tables for which it waits: those that it reads,
    through whatever views, or all if it calls code of the dump."""
    by_dump_id = {e.dump_id: e for e in entries}
    secured = {(e.schema_name, e.tag) for e in by_dump_id.values() if e.description == "ROW SECURITY"}
    hiding = {
        e.dump_id for e in by_dump_id.values()
        if e.description == "TABLE" and (e.schema_name, e.tag) in secured and is_forced(e)
    }  # fmt: skip
    if not hiding:
        return {}
    refreshes = (e for e in by_dump_id.values() if e.description == "MATERIALIZED VIEW DATA")
    read = {e.dump_id: _read(e, by_dump_id, hiding) for e in refreshes}
    return {
        i: tuple(f"{by_dump_id[t].schema_name}.{by_dump_id[t].tag}" for t in sorted(t)) for i, t in read.items() if t
    }


def fix_ups(entries: Iterable[TocEntry], late: dict[int, tuple[str, ...]]) -> list[FixUp]:
    """One line for each of these entries that is a refresh under row security."""
    return [
        FixUp(
            entry=e.label,
            what=f"refreshed under row security ({', '.join(late[e.dump_id])}) as a role that no policy names: "
            "run REFRESH MATERIALIZED VIEW as its owner if it held more",
        )
        for e in entries if e.dump_id in late
    ]  # fmt: skip


def _read(refresh: TocEntry, by_dump_id: dict[int, TocEntry], hiding: set[int]) -> set[int]:
    needed, remaining = {refresh.dump_id}, [refresh]
    while remaining:
        following = {d for d in remaining.pop().dependencies if d in by_dump_id} - needed
        needed |= following
        remaining += (by_dump_id[d] for d in following)
    calls_code = any(by_dump_id[d].description in _CODE for d in needed)
    return hiding if calls_code else hiding & needed


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
