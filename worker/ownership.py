"""Every object gets the owner that the dump names, if the target has that role; else the master user, and a fix-up says so.

The privileged part of a restore. Invariant: statements are made of the server's own quoting of catalogue objects and of quoted
role names; nothing of the dump's text is in them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from psycopg import sql

from repository.pgdump_toc import TocEntry
from worker import catalogue, limits, membership
from worker.addresses import Key, object_keys
from worker.archive import Archive, Division
from worker.catalogue import CatalogueObject
from worker.job import FixUp
from worker.membership import RoleState
from worker.session import Connection

# Description in the dump -> what ALTER calls it.
_KINDS = {
    "SCHEMA": "SCHEMA", "TYPE": "TYPE", "DOMAIN": "DOMAIN", "FUNCTION": "ROUTINE", "PROCEDURE": "PROCEDURE", "AGGREGATE": "ROUTINE",
    "OPERATOR": "OPERATOR", "OPERATOR CLASS": "OPERATOR CLASS", "OPERATOR FAMILY": "OPERATOR FAMILY", "COLLATION": "COLLATION",
    "CONVERSION": "CONVERSION", "TEXT SEARCH DICTIONARY": "TEXT SEARCH DICTIONARY",
    "TEXT SEARCH CONFIGURATION": "TEXT SEARCH CONFIGURATION",
    "TABLE": "TABLE", "VIEW": "VIEW", "MATERIALIZED VIEW": "MATERIALIZED VIEW", "SEQUENCE": "SEQUENCE", "STATISTICS": "STATISTICS",
    "LARGE OBJECT": "LARGE OBJECT",
}  # fmt: skip


@dataclass(frozen=True)
class Transfer:
    """One object and its owner to be."""

    kind: str
    found: CatalogueObject
    schema_name: str | None
    owner: str


def settle(
    master: Connection, archive: Archive, division: Division, roles: dict[str, RoleState], master_user: str
) -> list[FixUp]:
    """Hand over all objects. `roles` has the state of each owner in the dump. Idempotent."""
    present = catalogue.objects(master)
    owned = [e for e in archive.toc.entries if e.dump_id not in division.left_out]
    transfers = list(_transfers(owned, present, roles, master_user, _follows_its_table(master)))
    # Schemas last: while they belong to the temporary login, the right to create in them can be lent.
    for kinds in (set(_KINDS.values()) - {"SCHEMA"}, {"SCHEMA"}):
        chosen = iter([t for t in transfers if t.kind in kinds])
        while batch := list(islice(chosen, limits.OBJECTS_PER_TRANSACTION)):
            _hand_over(master, batch)
    return [note for entry in owned if entry.description in _KINDS for note in owner_note(entry, roles, master_user)]


def resolve(owner: str, roles: dict[str, RoleState], master_user: str) -> str:
    """The owner in the target."""
    return owner if roles.get(owner, RoleState(exists=False, may_act=False)).may_act else master_user


def owner_note(entry: TocEntry, roles: dict[str, RoleState], master_user: str) -> list[FixUp]:
    """The fix-up if the owner is another than in the dump."""
    if not entry.owner or resolve(entry.owner, roles, master_user) == entry.owner:
        return []
    reason = "may not be handed to by the master user" if roles[entry.owner].exists else "does not exist in the target"
    return [FixUp(entry=entry.label, what=f"the owner {entry.owner!r} {reason}: {master_user!r} owns it")]


def _transfers(
    entries: list[TocEntry], present: dict[Key, list[CatalogueObject]], roles: dict[str, RoleState], master_user: str,
    following: set[int],
) -> Iterator[Transfer]:  # fmt: skip
    for entry in entries:
        for key in object_keys(entry):
            if not entry.owner or key.kind not in _KINDS:
                continue
            for found in present.get(key, ()):
                if key.kind != "SEQUENCE" or found.object_id not in following:
                    owner = resolve(entry.owner, roles, master_user)
                    yield Transfer(_KINDS[key.kind], found, entry.schema_name, owner)


def _follows_its_table(master: Connection) -> set[int]:
    """Sequences of serial and identity columns: they change hands with their table and can't by themselves."""
    rows = master.execute(
        "SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass "
        "AND refobjsubid > 0 AND deptype IN ('a', 'i')"
    )
    return {row[0] for row in rows}


def _hand_over(master: Connection, batch: list[Transfer]) -> None:
    identities = catalogue.identities(master, [each.found for each in batch])
    with master.transaction(), membership.acting_for(master, {each.owner for each in batch}):
        take_back = [statement for each in _places(batch) for statement in _lend_create(master, *each)]
        for each, identity in zip(batch, identities, strict=True):
            target = sql.SQL(" ".join(("ALTER", each.kind, identity)))
            master.execute(target + sql.SQL(" OWNER TO {}").format(sql.Identifier(each.owner)))
        for statement in take_back:
            master.execute(statement)


def _places(batch: list[Transfer]) -> list[tuple[str, str | None]]:
    """Who must be allowed to create where: (owner, schema), schema None for the database itself."""
    places = {(each.owner, each.schema_name) for each in batch if each.kind != "LARGE OBJECT"}
    return sorted(places, key=lambda place: (place[0], place[1] or ""))


def _lend_create(master: Connection, owner: str, schema: str | None) -> list[sql.Composed]:
    """Let the new owner create in the schema (or schemas in the database). Returns what takes exactly that back."""
    query, place = "has_schema_privilege(%s, %s, 'CREATE')", sql.SQL("SCHEMA {}").format(sql.Identifier(schema or ""))
    if schema is None:
        schema = master.info.dbname
        query, place = "has_database_privilege(%s, %s, 'CREATE')", sql.SQL("DATABASE {}").format(sql.Identifier(schema))
    row = master.execute(f"SELECT {query}".encode(), [owner, schema]).fetchone()
    if row is not None and row[0]:
        return []
    names = {"place": place, "owner": sql.Identifier(owner)}
    master.execute(sql.SQL("GRANT CREATE ON {place} TO {owner}").format(**names))
    return [sql.SQL("REVOKE CREATE ON {place} FROM {owner}").format(**names)]
