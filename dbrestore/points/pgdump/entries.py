"""Questions to a table of contents about more than one of its entries: whose table is it, which large objects are there."""

from typing import Final

from dbrestore.contract.errors import BackupDamaged
from dbrestore.points.pgdump.toc import Toc, TocEntry

# Which extension makes these configuration tables, where a dump has several extensions: its entries don't tell.
_MAKERS: Final = {
    "spatial_ref_sys": "postgis",
    "topology": "postgis_topology",
    "layer": "postgis_topology",
    "job": "pg_cron",
    "part_config": "pg_partman",
    "part_config_sub": "pg_partman",
}
_LARGEST_OID: Final = (1 << 32) - 1


def extension_of(toc: Toc, entry: TocEntry) -> str | None:
    """The extension whose configuration table has the rows of a TABLE DATA entry; None if the table is one of the dump's own.

    pg_dump writes such rows (`pg_extension_config_dump`) without a TABLE entry: CREATE EXTENSION makes the table. Empty if the dump
    doesn't tell whose it is: it has several extensions, or (`pg_dump -n public`) none at all. Raises BackupDamaged if the table is simply
    missing."""
    relation = toc.relation_of(entry)
    if relation and relation.description in ("TABLE", "FOREIGN TABLE"):
        return None
    present = toc.by_dump_id
    needed = [present[d] for d in entry.dependencies if d in present]
    names = toc.extensions
    if not toc.has_definitions or any(e.description != "EXTENSION" for e in needed):
        raise BackupDamaged(f"{entry.label}: the table itself isn't in the dump")
    for extension in (*(e.tag for e in needed), *([*names] if len(names) == 1 else []), _MAKERS.get(entry.tag)):
        if extension in names:
            return extension
    return ""


def large_objects(toc: Toc) -> set[int]:
    """The oids of the large objects that the dump creates."""
    since_17 = [line for e in toc.entries if e.description == "BLOB METADATA" for line in e.definition.split()]
    return {oid(o) for o in (*since_17, *(e.tag for e in toc.entries if e.description == "BLOB"))}


def oid(text: str) -> int:
    """A large object's number. Raises BackupDamaged for what is none."""
    # Python refuses to read numbers of thousands of digits, with another error.
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= _LARGEST_OID):
        raise BackupDamaged(f"{text[:20]!r} isn't a number of a large object")
    return int(text)
