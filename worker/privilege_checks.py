"""Are the privileges that were granted and revoked what the catalogue has now? A server can pass over a GRANT in silence, and one entry of
a dump may stand for many objects.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from repository.pgdump_toc import TocEntry
from worker import catalogue, limits
from worker.addresses import Key
from worker.catalogue import CatalogueObject, Objects
from worker.job import FixUp
from worker.privileges import Privilege
from worker.session import Connection

# What a statement calls an object -> the kinds that it may be in the catalogue, and what acldefault() calls it.
_KINDS: Final = {
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
_OF_COLUMNS: Final = ("SELECT", "INSERT", "UPDATE", "REFERENCES")

_ALL = """SELECT k, privilege_type FROM unnest(%s::"char"[]) AS k CROSS JOIN LATERAL aclexplode(acldefault(k, 10)) WHERE grantee = 10"""
# Where the privileges of these kinds are: class, catalogue, their column, the owner's, what acldefault() calls the kind.
_CATALOGUES: Final = (
    ("pg_class", "pg_class", "relacl", "relowner", "CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\""),
    ("pg_proc", "pg_proc", "proacl", "proowner", "'f'"),
    ("pg_namespace", "pg_namespace", "nspacl", "nspowner", "'n'"),
    ("pg_type", "pg_type", "typacl", "typowner", "'T'"),
    ("pg_largeobject", "pg_largeobject_metadata", "lomacl", "lomowner", "'L'"),
)
_OF_OBJECTS: Final = " UNION ALL ".join(
    f"SELECT '{class_name}'::regclass::oid, c.oid, '', a.* FROM {catalogue_name} AS c "  # noqa: S608
    f"CROSS JOIN LATERAL aclexplode(coalesce(c.{acl}, acldefault({code}, c.{owner}))) AS a WHERE c.oid = ANY(%(oids)s)"
    for class_name, catalogue_name, acl, owner, code in _CATALOGUES
)
_HELD: Final = f"""SELECT h.class_id, h.object_id, h.column_name, r.rolname::text, h.privilege_type, bool_or(h.is_grantable) FROM (
        {_OF_OBJECTS}
        UNION ALL SELECT 'pg_class'::regclass, c.attrelid, c.attname::text, a.*
        FROM pg_attribute AS c CROSS JOIN LATERAL aclexplode(c.attacl) AS a WHERE c.attrelid = ANY(%(oids)s)
    ) AS h (class_id, object_id, column_name, grantor, grantee, privilege_type, is_grantable)
    LEFT JOIN pg_roles AS r ON r.oid = h.grantee WHERE h.grantee = 0 OR r.oid IS NOT NULL GROUP BY 1, 2, 3, 4, 5"""  # noqa: S608

# How much of a privilege a role has.
_NONE, _HELD_ONLY, _GRANTABLE = 0, 1, 2

AllPrivileges = dict[str, tuple[str, ...]]


class _Held(NamedTuple):
    """One privilege of one role (None: PUBLIC) on an object or one of its columns."""

    object: Key
    column: str
    privilege: str
    grantee: str | None


@dataclass
class Expected:
    """What the executed statements come to, in their order: how much of a privilege there must be, and the entry that says so.
    `all_of` are the privileges that ALL means on this server, by kind."""

    all_of: AllPrivileges = field(default_factory=dict)
    held: dict[_Held, tuple[int, TocEntry]] = field(default_factory=dict)

    def after(self, entry: TocEntry, privilege: Privilege, *, done: bool) -> None:
        """Note one statement that was executed. Not `done`: the server said something against it, so what it left is unknown."""
        for each in self._about(privilege):
            level, _ = self.held.pop(each, (_NONE, entry))
            if not done:
                continue
            if privilege.grants:
                level = max(level, _GRANTABLE if privilege.option else _HELD_ONLY)
            elif privilege.option:
                level = min(level, _HELD_ONLY)
            else:
                level = _NONE
            self.held[each] = level, entry

    def _about(self, privilege: Privilege) -> Iterator[_Held]:
        for key in privilege.objects:
            for name, columns in privilege.listed if key.kind in _KINDS else ():
                for column in columns or ("",):
                    whole = _OF_COLUMNS if column else self.all_of.get(key.kind, ())
                    for one in whole if name == "ALL" else (name,):
                        yield _Held(key, column, one, privilege.grantee)


def all_privileges(master: Connection) -> AllPrivileges:
    """What ALL means on this server, by what statements call a kind."""
    of_code: dict[str, list[str]] = defaultdict(list)
    for code, privilege in master.execute(_ALL, [sorted({code for _, code in _KINDS.values()})]):
        of_code[code].append(privilege)
    return {kind: tuple(of_code[code]) for kind, (_, code) in _KINDS.items()}


def lost(master: Connection, expected: Expected) -> list[FixUp]:
    """What isn't as the executed statements should have left it, one line each."""
    if not expected.held:
        return []
    present = catalogue.objects(master, with_members=True)
    found = {held.object: _found(held.object, present) for held in expected.held}
    actual = _actual(master, [each for every in found.values() for each in every])
    notes = [
        FixUp(entry=entry.label, what=f"{_named(held)} is {'missing' if level else 'still there'} after the privileges were executed")
        for held, (level, entry) in expected.held.items() if not _is_as(level, _level(held, found[held.object], actual))
    ]  # fmt: skip
    more = len(notes) - limits.LISTED_OBJECTS
    if more > 0:
        notes[limits.LISTED_OBJECTS :] = [FixUp(entry="ACL", what=f"{more} more privileges are not as in the dump")]
    return notes


_Actual = dict[tuple[int, int, str, str, str | None], int]


def _actual(master: Connection, objects: list[CatalogueObject]) -> _Actual:
    rows = master.execute(_HELD.encode(), {"oids": [each.object_id for each in objects]})
    return {
        (class_id, object_id, column, privilege, role): _GRANTABLE if grantable else _HELD_ONLY
        for class_id, object_id, column, role, privilege, grantable in rows
    }


def _found(key: Key, present: Objects) -> list[CatalogueObject]:
    kinds, _ = _KINDS[key.kind]
    return [each for kind in kinds for each in present.get(key._replace(kind=kind), ())]


def _level(held: _Held, found: list[CatalogueObject], actual: _Actual) -> int:
    levels = [actual.get((o.class_id, o.object_id, held.column, held.privilege, held.grantee), _NONE) for o in found]
    return max(levels, default=_NONE)


def _is_as(expected: int, level: int) -> bool:
    return level >= expected if expected else level == _NONE


def _named(held: _Held) -> str:
    schema = f"{held.object.schema_name}." if held.object.schema_name else ""
    column = f" (column {held.column!r})" if held.column else ""
    name = schema + " ".join(filter(None, held.object.names))
    return f"{held.privilege}{column} on {held.object.kind} {name} of {held.grantee or 'PUBLIC'}"
