"""Which privileges there are: on objects and their columns, on the database, and by default on what a role will make.

Read from the system catalogue; no code of the database runs. Invariant: an ACL that was never changed is what the server takes it for.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from dbrestore.worker.postgresql import catalogue
from dbrestore.worker.postgresql.addresses import Key
from dbrestore.worker.postgresql.session import Connection

# What a statement calls an object -> the kinds that it may be in the catalogue, and what acldefault() calls it.
_OBJECTS: Final = {
    "TABLE": (("TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE", "SEQUENCE"), "r"),
    "SEQUENCE": (("SEQUENCE",), "s"),
    "FUNCTION": (("FUNCTION", "AGGREGATE AS FUNCTION"), "f"),
    "PROCEDURE": (("PROCEDURE",), "f"),
    "ROUTINE": (("FUNCTION", "AGGREGATE AS FUNCTION", "PROCEDURE"), "f"),
    "SCHEMA": (("SCHEMA",), "n"),
    "TYPE": (("TYPE", "DOMAIN"), "T"),
    "DOMAIN": (("DOMAIN",), "T"),
    "LARGE OBJECT": (("LARGE OBJECT",), "L"),
}
# The same of what a role will make -> what acldefault() and pg_default_acl call it.
_BY_DEFAULT: Final = {
    "TABLES": ("r", "r"),
    "SEQUENCES": ("s", "S"),
    "FUNCTIONS": ("f", "f"),
    "ROUTINES": ("f", "f"),
    "TYPES": ("T", "T"),
    "SCHEMAS": ("n", "n"),
    "LARGE OBJECTS": ("L", "L"),
}
_CODES: Final = {
    **{kind: code for kind, (_, code) in _OBJECTS.items()},
    **{kind: code for kind, (code, _) in _BY_DEFAULT.items()},
    "DATABASE": "d",
}

_ALL: Final = """SELECT k, privilege_type FROM unnest(%s::"char"[]) AS k CROSS JOIN LATERAL aclexplode(acldefault(k, 10))
    WHERE grantee = 10"""
# Where the privileges of these kinds are: class, catalogue, their column, the owner's, what acldefault() calls the kind.
_CATALOGUES: Final = (
    ("pg_class", "pg_class", "relacl", "relowner", "CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\""),
    ("pg_proc", "pg_proc", "proacl", "proowner", "'f'"),
    ("pg_namespace", "pg_namespace", "nspacl", "nspowner", "'n'"),
    ("pg_type", "pg_type", "typacl", "typowner", "'T'"),
    ("pg_largeobject", "pg_largeobject_metadata", "lomacl", "lomowner", "'L'"),
)
_OF_OBJECTS: Final = " UNION ALL ".join(
    f"SELECT '{class_name}'::regclass::oid, c.oid, '', a.* FROM {catalogue_name} AS c "  # noqa: S608 - our own texts
    f"CROSS JOIN LATERAL aclexplode(coalesce(c.{acl}, acldefault({code}, c.{owner}))) AS a WHERE c.oid = ANY(%(oids)s)"
    for class_name, catalogue_name, acl, owner, code in _CATALOGUES
)
_HELD: Final = f"""SELECT h.class_id, h.object_id, h.column_name, r.rolname::text, h.privilege_type, bool_or(h.is_grantable) FROM (
        {_OF_OBJECTS}
        UNION ALL SELECT 'pg_class'::regclass, c.attrelid, c.attname::text, a.*
        FROM pg_attribute AS c CROSS JOIN LATERAL aclexplode(c.attacl) AS a WHERE c.attrelid = ANY(%(oids)s)
    ) AS h (class_id, object_id, column_name, grantor, grantee, privilege_type, is_grantable)
    LEFT JOIN pg_roles AS r ON r.oid = h.grantee WHERE h.grantee = 0 OR r.oid IS NOT NULL GROUP BY 1, 2, 3, 4, 5"""  # noqa: S608 - our own texts
# Those of a schema are added to those of all schemas, and there is nothing else that they could change.
_HELD_BY_DEFAULT: Final = """SELECT r.rolname::text, a.privilege_type, bool_or(a.is_grantable)
    FROM pg_roles AS o LEFT JOIN pg_default_acl AS d ON d.defaclrole = o.oid AND d.defaclobjtype = %(kind)s::"char" AND d.defaclnamespace =
        CASE WHEN %(schema)s::text IS NULL THEN 0 ELSE (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s) END
    CROSS JOIN LATERAL aclexplode(
        coalesce(d.defaclacl, CASE WHEN %(schema)s::text IS NULL THEN acldefault(%(code)s::"char", o.oid) END)) AS a
    LEFT JOIN pg_roles AS r ON r.oid = a.grantee WHERE o.rolname = %(role)s AND (a.grantee = 0 OR r.oid IS NOT NULL) GROUP BY 1, 2"""
_HELD_ON_DATABASE: Final = """SELECT r.rolname::text, a.privilege_type, bool_or(a.is_grantable)
    FROM pg_database AS d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a
    LEFT JOIN pg_roles AS r ON r.oid = a.grantee WHERE d.datname = %s AND (a.grantee = 0 OR r.oid IS NOT NULL) GROUP BY 1, 2"""

# How much of a privilege a role has.
NONE, HELD_ONLY, GRANTABLE = 0, 1, 2

AllPrivileges = dict[str, tuple[str, ...]]
_Row = tuple[str | None, str, bool]


class Held(NamedTuple):
    """One privilege of one role (None: PUBLIC) on an object or one of its columns."""

    object: Key
    column: str
    privilege: str
    grantee: str | None


def is_known(kind: str) -> bool:
    """Whether privileges on what a statement calls so can be looked up."""
    return kind in _CODES


def is_by_default(kind: str) -> bool:
    """Whether the kind is of what a role will make: then the key's name is the role."""
    return kind in _BY_DEFAULT


def all_privileges(master: Connection) -> AllPrivileges:
    """What ALL means on this server, by what statements call a kind."""
    of_code: dict[str, list[str]] = defaultdict(list)
    for code, privilege in master.execute(_ALL, [sorted(set(_CODES.values()))]):
        of_code[code].append(privilege)
    return {kind: tuple(of_code[code]) for kind, code in _CODES.items()}


def read(master: Connection, keys: Iterable[Key]) -> dict[Held, int]:
    """How much of each privilege there is on what the keys stand for."""
    wanted, found = set(keys), defaultdict[Held, int](int)
    for held, is_grantable in (*_of_objects(master, wanted), *_of_others(master, wanted)):
        found[held] = max(found[held], GRANTABLE if is_grantable else HELD_ONLY)
    return found


def _of_objects(master: Connection, keys: set[Key]) -> Iterator[tuple[Held, bool]]:
    chosen = [key for key in keys if key.kind in _OBJECTS]
    if not chosen:
        return
    present, of_id = catalogue.objects(master, with_members=True), defaultdict(list)
    for key in chosen:
        for kind in _OBJECTS[key.kind][0]:
            for each in present.get(key._replace(kind=kind)):
                of_id[each.class_id, each.object_id].append(key)
    rows = master.execute(_HELD.encode(), {"oids": [object_id for _, object_id in of_id]})
    for class_id, object_id, column, role, privilege, is_grantable in rows:
        for key in of_id.get((class_id, object_id), ()):
            yield Held(key, column, privilege, role), is_grantable


def _of_others(master: Connection, keys: set[Key]) -> Iterator[tuple[Held, bool]]:
    for key in keys:
        for role, privilege, is_grantable in _rows(master, key):
            yield Held(key, "", privilege, role), is_grantable


def _rows(master: Connection, key: Key) -> Iterable[_Row]:
    (name, *_) = key.names
    if key.kind == "DATABASE":
        return master.execute(_HELD_ON_DATABASE, [name])
    if not is_by_default(key.kind):
        return ()
    code, kind = _BY_DEFAULT[key.kind]
    return master.execute(_HELD_BY_DEFAULT, {"kind": kind, "code": code, "schema": key.schema_name, "role": name})
