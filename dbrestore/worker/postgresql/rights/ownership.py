"""Every object gets the owner that was decided on (rights.owners); what no entry of the dump stands for goes to the holder.

The privileged part of a restore. Invariant: statements are made of the server's own quoting of catalogue objects and of quoted
role names; nothing of the dump's text is in them.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from psycopg import sql

from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql import catalogue
from dbrestore.worker.postgresql.addresses import object_keys
from dbrestore.worker.postgresql.archive import Archive
from dbrestore.worker.postgresql.catalogue import CatalogueObject, Objects
from dbrestore.worker.postgresql.rights import membership
from dbrestore.worker.postgresql.rights.owners import Owners
from dbrestore.worker.postgresql.session import Connection

# Description in the dump -> what ALTER calls it.
_KINDS = {
    "SCHEMA": "SCHEMA",
    "TYPE": "TYPE",
    "DOMAIN": "DOMAIN",
    "FUNCTION": "ROUTINE",
    "PROCEDURE": "PROCEDURE",
    "AGGREGATE": "ROUTINE",
    "OPERATOR": "OPERATOR",
    "OPERATOR CLASS": "OPERATOR CLASS",
    "OPERATOR FAMILY": "OPERATOR FAMILY",
    "COLLATION": "COLLATION",
    "CONVERSION": "CONVERSION",
    "TEXT SEARCH DICTIONARY": "TEXT SEARCH DICTIONARY",
    "TEXT SEARCH CONFIGURATION": "TEXT SEARCH CONFIGURATION",
    "TABLE": "TABLE",
    "VIEW": "VIEW",
    "MATERIALIZED VIEW": "MATERIALIZED VIEW",
    "SEQUENCE": "SEQUENCE",
    "STATISTICS": "STATISTICS",
    "LARGE OBJECT": "LARGE OBJECT",
}
_SCHEMAS: Final = "SELECT nspname::text FROM pg_namespace WHERE nspowner = to_regrole(quote_ident(%s))"
_PUBLICATIONS: Final = "SELECT pubname::text FROM pg_publication WHERE pubowner = to_regrole(quote_ident(%s))"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One object and its owner to be."""

    kind: str
    found: CatalogueObject
    schema_name: str | None
    owner: str


def settle(master: Connection, archive: Archive, gone: Collection[int], owners: Owners, login_role: str) -> None:
    """Hand over all objects but those that were left out, which are `gone`. Idempotent."""
    present = catalogue.objects(master)
    owned = [e for e in archive.toc.entries if e.dump_id not in gone]
    transfers = list(_transfers(owned, present, owners, _follows_its_table(master)))
    # Schemas last: while they belong to the temporary login, the right to create in them can be lent.
    _hand_over_all(master, [t for t in transfers if t.kind != "SCHEMA"])
    _hand_over_unnamed(master, login_role, owners.holder)
    _hand_over_all(master, [t for t in transfers if t.kind == "SCHEMA"])


def release(master: Connection, login_role: str, owners: Owners) -> None:
    """What got to the temporary login after all goes to the holder, and the login's privileges go."""
    login, holder = sql.Identifier(login_role), sql.Identifier(owners.holder)
    with master.transaction(), membership.acting_for(master, [login_role]):
        master.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(login, holder))
        master.execute(sql.SQL("DROP OWNED BY {}").format(login))


def _hand_over_all(master: Connection, transfers: list[Transfer]) -> None:
    chosen = iter(transfers)
    while batch := list(islice(chosen, limits.OBJECTS_PER_TRANSACTION)):
        _hand_over(master, batch)


def _hand_over_unnamed(master: Connection, login_role: str, holder: str) -> None:
    """Whatever still belongs to the temporary login goes to the holder: schemas, for now, shell operators and other parts of objects that
    no entry names, what code of the dump made besides."""
    with master.transaction():
        for (publication,) in master.execute(_PUBLICATIONS, [login_role]).fetchall():
            # A copy must not begin to publish by itself.
            master.execute(sql.SQL("DROP PUBLICATION {}").format(sql.Identifier(publication)))
        names = {"login": sql.Identifier(login_role), "holder": sql.Identifier(holder)}
        # Lent to a role that then becomes the schema's owner, the right would be taken back from the owner.
        for (schema,) in master.execute(_SCHEMAS, [login_role]).fetchall():
            master.execute(sql.SQL("ALTER SCHEMA {} OWNER TO {holder}").format(sql.Identifier(schema), **names))
        places = _places_of(master, login_role)
        take_back = [statement for place in places for statement in _lend_create(master, holder, place)]
        master.execute(sql.SQL("REASSIGN OWNED BY {login} TO {holder}").format(**names))
        for statement in take_back:
            master.execute(statement)


def _places_of(master: Connection, role: str) -> list[str]:
    """The schemas in which the role owns something of this database."""
    rows = master.execute(
        "SELECT DISTINCT (parse_ident(i.schema))[1] FROM pg_shdepend AS d "
        "CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) AS i "
        "WHERE d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND i.schema IS NOT NULL "
        "AND d.refclassid = 'pg_authid'::regclass AND d.refobjid = to_regrole(quote_ident(%s)) AND d.deptype = 'o'",
        [role],
    )
    return [row[0] for row in rows]


def _transfers(entries: list[TocEntry], present: Objects, owners: Owners, following: set[int]) -> Iterator[Transfer]:
    for entry in entries:
        for key in object_keys(entry):
            if key.kind not in _KINDS:
                continue
            for found in present.get(key):
                if key.kind != "SEQUENCE" or found.object_id not in following:
                    yield Transfer(_KINDS[key.kind], found, entry.schema_name, owners.of(entry.owner))


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
        changes = [
            sql.SQL(" ".join(("ALTER", each.kind, identity))) + sql.SQL(" OWNER TO {}").format(sql.Identifier(each.owner))
            for each, identity in zip(batch, identities, strict=True)
        ]
        # Without parameters these are one simple query: a round trip for each of many thousands of tables took longer than the change.
        master.execute(sql.SQL("; ").join(changes))
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
