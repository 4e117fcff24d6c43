"""What a dump may give away of extensions' own objects, which may belong to the master user: nothing by which code would run as it.

REFERENCES has values cast and checked as the table's owner, TRIGGER puts code where the master user and the extension's next version write,
CREATE puts functions beside those that the extension finds by its search path, and who may change instructions to an extension is obeyed.
"""

from collections.abc import Mapping
from typing import Final

from dbrestore.worker.postgresql.addresses import Key
from dbrestore.worker.postgresql.rights.acl_sources import AllPrivileges
from dbrestore.worker.postgresql.rows import extension_rows
from dbrestore.worker.postgresql.session import Connection

_MEMBERS: Final = """SELECT m.kind, m.schema_name::text, m.name::text, e.extname::text FROM (
        SELECT 'pg_class'::regclass, c.oid, 'TABLE', n.nspname, c.relname
            FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
        UNION ALL SELECT 'pg_namespace'::regclass, n.oid, 'SCHEMA', NULL, n.nspname FROM pg_namespace AS n
        UNION ALL SELECT 'pg_proc'::regclass, p.oid, 'FUNCTION', n.nspname, p.proname
            FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE p.prosecdef
    ) AS m (class_id, object_id, kind, schema_name, name)
    JOIN pg_depend AS d ON d.classid = m.class_id AND d.objid = m.object_id AND d.deptype = 'e'
    JOIN pg_extension AS e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid"""
_WITHHELD: Final = {"TABLE": {"REFERENCES", "TRIGGER"}, "SCHEMA": {"CREATE"}, "FUNCTION": {"EXECUTE"}}
_AS: Final = {"PROCEDURE": "FUNCTION", "ROUTINE": "FUNCTION"}

# The object, of a function only its name -> the privileges on it that may be given.
Allowed = Mapping[Key, tuple[str, ...]]


def allowed(master: Connection, all_of: AllPrivileges) -> Allowed:
    """For every member of an extension of which something is withheld."""
    found: dict[Key, tuple[str, ...]] = {}
    for kind, schema, name, extension in master.execute(_MEMBERS):
        only = {"SELECT"} if kind == "TABLE" and extension in extension_rows.INSTRUCTIONS else set(all_of[kind])
        found[Key(kind, schema, (name,))] = tuple(p for p in all_of[kind] if p in only - _WITHHELD[kind])
        if schema == "pg_catalog":
            found[Key(kind, None, (name,))] = found[Key(kind, schema, (name,))]
    return found


def of(key: Key, known: Allowed) -> tuple[str, ...] | None:
    """What may be given of the object of a statement; None: everything."""
    return known.get(Key(_AS.get(key.kind, key.kind), key.schema_name, key.names[:1]))
