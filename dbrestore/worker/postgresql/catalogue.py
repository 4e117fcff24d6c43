"""What the restored database holds, under the keys by which a dump is asked for it (dbrestore.worker.postgresql.addresses).

Read from the system catalogue as the master user; no code of the database runs.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.addresses import Key
from dbrestore.worker.postgresql.session import Connection
from dbrestore.worker.postgresql.sql_tokens import spelled


@dataclass(frozen=True, slots=True)
class CatalogueObject:
    """`class_id` and `object_id` address it for the server; `state` is a trigger's firing or what is to be said of a constraint."""

    class_id: int
    object_id: int
    state: str


class Objects:
    """What was found, by its key. There are several for each table, so sixteen bytes are held of each, in a table of our own with open
    places: the key's hash, and a number of which the last byte says what the object has in common with many others.

    A hash of 64 bits stands for the key. Python makes it with a secret of the process, so nobody who gives names can have two that look
    alike; that what is missing looks like one of a million others by chance is one in ten million millions."""

    def __init__(self) -> None:
        self._hashes, self._numbers = _places(_FIRST_PLACES), _places(_FIRST_PLACES)
        self._taken = 0
        self._further: dict[int, list[int]] = {}
        self._in_common: dict[tuple[int, str], int] = {}
        self._unproven: dict[str, set[Key]] = {}

    def add(self, key: Key, found: CatalogueObject) -> None:
        """One more; several may have the same key."""
        in_common = self._in_common.setdefault((found.class_id, found.state), len(self._in_common))
        self._put(_hash(key), found.object_id << 8 | in_common)
        if found.state in _UNPROVEN:
            self._unproven.setdefault(found.state, set()).add(key)

    def get(self, key: Key) -> list[CatalogueObject]:
        """All of this key."""
        wanted, in_common = _hash(key), list(self._in_common)
        place = self._place(wanted)
        numbers = (self._numbers[place], *self._further.get(wanted, ())) if self._hashes[place] else ()
        return [CatalogueObject(in_common[number & 255][0], number >> 8, in_common[number & 255][1]) for number in numbers]

    def unproven(self, state: str) -> frozenset[Key]:
        """The keys of the constraints that are in this state."""
        return frozenset(self._unproven.get(state, ()))

    def __contains__(self, key: Key) -> bool:
        return self._hashes[self._place(_hash(key))] != 0

    def _put(self, hashed: int, number: int) -> None:
        if 3 * self._taken >= 2 * len(self._hashes):
            self._double()
        place = self._place(hashed)
        if not self._hashes[place]:
            self._hashes[place], self._numbers[place] = hashed, number
            self._taken += 1
        elif self._numbers[place] != number:
            self._further.setdefault(hashed, []).append(number)

    def _place(self, hashed: int) -> int:
        """Where it is, or the empty place where it would be."""
        hashes, last = self._hashes, len(self._hashes) - 1
        place = hashed & last
        while hashes[place] not in (0, hashed):
            place = place + 1 & last
        return place

    def _double(self) -> None:
        before = zip(self._hashes, self._numbers, strict=True)
        self._hashes, self._numbers = _places(2 * len(self._hashes)), _places(2 * len(self._hashes))
        for hashed, number in before:
            if hashed:
                place = self._place(hashed)
                self._hashes[place], self._numbers[place] = hashed, number


# States of constraints.
_UNPROVEN: Final = ("not valid", "not enforced")
# A power of two, so that a hash's last bits are a place.
_FIRST_PLACES: Final = 1 << 12
_BITS: Final = (1 << 64) - 1

_KINDS_OF_RELATIONS = """CASE c.relkind
    WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'TABLE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
    WHEN 'S' THEN 'SEQUENCE' WHEN 'i' THEN 'INDEX' WHEN 'I' THEN 'INDEX' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE' END"""
# Tables and what is true of them besides; a relation may answer for several entries.
_RELATION_KINDS = f"""SELECT {_KINDS_OF_RELATIONS} WHERE c.relkind <> 'c'
    UNION ALL SELECT 'ROW SECURITY' WHERE c.relrowsecurity
    UNION ALL SELECT 'FORCED ROW SECURITY' WHERE c.relforcerowsecurity
    UNION ALL SELECT 'TABLE ATTACH' WHERE c.relispartition AND c.relkind IN ('r', 'p', 'f')
    UNION ALL SELECT 'INDEX ATTACH' WHERE c.relispartition AND c.relkind IN ('i', 'I')
    UNION ALL SELECT 'MATERIALIZED VIEW DATA' WHERE c.relkind = 'm' AND c.relispopulated
    UNION ALL SELECT 'SEQUENCE OWNED BY' WHERE c.relkind = 'S' AND EXISTS (
        SELECT FROM pg_depend AS o
        WHERE o.classid = 'pg_class'::regclass AND o.objid = c.oid AND o.refobjsubid > 0 AND o.deptype = 'a')"""  # noqa: S608 - our own texts
# GRANT knows no aggregates, and names them by their types alone.
_ROUTINE_KINDS = """SELECT CASE x.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END,
        pg_get_function_identity_arguments(x.oid)
    UNION ALL SELECT 'AGGREGATE AS FUNCTION', coalesce((SELECT string_agg(format_type(a.type, NULL), ', ' ORDER BY a.n)
        FROM unnest(x.proargtypes) WITH ORDINALITY AS a (type, n)), '') WHERE x.prokind = 'a'"""
_SIDE = "CASE WHEN x.opr{0} = 0 THEN 'NONE' ELSE format_type(x.opr{0}, NULL) END"
# Partitions have constraints and triggers from their parents; an entry of the dump stands for the parent's.
_OF_ITS_OWN = "x.conislocal AND x.conparentid = 0"


def _in_schema(kind: str, prefix: str, names: str = "") -> str:
    """The usual shape: `<prefix>name` in the schema `<prefix>namespace`, with further names or spellings."""
    return f"""SELECT {kind}, n.nspname, ARRAY[x.{prefix}name::text{names}], x.oid, ''
        FROM {{}} AS x JOIN pg_namespace AS n ON n.oid = x.{prefix}namespace"""  # noqa: S608 - our own texts


def _on_table(kind: str, table_column: str, name: str, state: str = "''") -> str:
    """What belongs to a table: the table's name comes first."""
    return f"""SELECT '{kind}', n.nspname, ARRAY[c.relname::text, x.{name}], x.oid, {state}
        FROM {{}} AS x JOIN pg_class AS c ON c.oid = x.{table_column} JOIN pg_namespace AS n ON n.oid = c.relnamespace"""  # noqa: S608 - our own texts


_KINDS_OF_TYPES = "CASE x.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END"
# Types of tables' rows and of arrays come and go with what they are of: there are two for each table.
_OF_THEIR_OWN = """WHERE NOT EXISTS (SELECT FROM pg_type AS e WHERE e.typarray = x.oid)
    AND NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = x.typrelid AND c.relkind <> 'c')"""


# One SELECT per catalogue: kind, schema, names, oid, state.
_SOURCES: Final = {
    "pg_namespace": "SELECT 'SCHEMA', NULL, ARRAY[nspname::text], oid, '' FROM {}",
    "pg_extension": "SELECT 'EXTENSION', NULL, ARRAY[extname::text], oid, '' FROM {}",
    "pg_type": f"{_in_schema(_KINDS_OF_TYPES, 'typ')} {_OF_THEIR_OWN}",
    "pg_proc": f"""SELECT k.kind, n.nspname, ARRAY[x.proname::text, k.arguments], x.oid, ''
        FROM {{}} AS x JOIN pg_namespace AS n ON n.oid = x.pronamespace CROSS JOIN LATERAL ({_ROUTINE_KINDS}) AS k (kind, arguments)
        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')""",  # noqa: S608 - our own texts
    "pg_operator": _in_schema("'OPERATOR'", "opr", f", {_SIDE.format('left')}, {_SIDE.format('right')}")
    + " WHERE x.oprcode <> 0 AND n.nspname <> 'pg_catalog'",
    "pg_opclass": _in_schema("'OPERATOR CLASS'", "opc", ", (SELECT amname FROM pg_am WHERE oid = x.opcmethod)"),
    "pg_opfamily": _in_schema("'OPERATOR FAMILY'", "opf", ", (SELECT amname FROM pg_am WHERE oid = x.opfmethod)"),
    "pg_collation": _in_schema("'COLLATION'", "coll"),
    "pg_conversion": _in_schema("'CONVERSION'", "con"),
    "pg_ts_parser": _in_schema("'TEXT SEARCH PARSER'", "prs"),
    "pg_ts_dict": _in_schema("'TEXT SEARCH DICTIONARY'", "dict"),
    "pg_ts_template": _in_schema("'TEXT SEARCH TEMPLATE'", "tmpl"),
    "pg_ts_config": _in_schema("'TEXT SEARCH CONFIGURATION'", "cfg"),
    "pg_statistic_ext": _in_schema("'STATISTICS'", "stx"),
    "pg_class": f"""SELECT d.kind, n.nspname, ARRAY[c.relname::text], c.oid, ''
        FROM {{}} AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace CROSS JOIN LATERAL ({_RELATION_KINDS}) AS d (kind)
        WHERE c.relkind NOT IN ('t', 'c') AND n.nspname <> 'pg_toast'""",  # noqa: S608 - our own texts
    "pg_attrdef": """SELECT 'DEFAULT', n.nspname, ARRAY[c.relname::text, a.attname], d.oid, ''
        FROM {} AS d JOIN pg_class AS c ON c.oid = d.adrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum""",
    "pg_constraint": f"""SELECT
            CASE x.contype WHEN 'f' THEN 'FK CONSTRAINT' WHEN 'c' THEN 'CHECK CONSTRAINT' ELSE 'CONSTRAINT' END, n.nspname,
            ARRAY[coalesce(c.relname, t.typname)::text, x.conname], x.oid,
            CASE WHEN x.convalidated THEN 'valid' WHEN NOT ({_OF_ITS_OWN}) THEN 'as the parent'
                WHEN coalesce((to_jsonb(x) ->> 'conenforced')::boolean, true) THEN 'not valid' ELSE 'not enforced' END
        FROM {{}} AS x JOIN pg_namespace AS n ON n.oid = x.connamespace
        LEFT JOIN pg_class AS c ON c.oid = nullif(x.conrelid, 0) LEFT JOIN pg_type AS t ON t.oid = nullif(x.contypid, 0)
        WHERE x.contype <> 't'""",  # noqa: S608 - our own texts
    "pg_trigger": _on_table(
        "TRIGGER",
        "tgrelid",
        "tgname",
        """CASE x.tgenabled
        WHEN 'D' THEN 'disabled' WHEN 'A' THEN 'always' WHEN 'R' THEN 'replica' ELSE 'enabled' END""",
    )
    # Until PostgreSQL 14 a partition's copy of a trigger counts as internal.
    + " WHERE NOT x.tgisinternal OR (x.tgparentid <> 0 AND current_setting('server_version_num')::int < 150000)",
    "pg_rewrite": _on_table("RULE", "ev_class", "rulename"),
    "pg_policy": _on_table("POLICY", "polrelid", "polname"),
    "pg_cast": "SELECT 'CAST', NULL, ARRAY[format_type(castsource, NULL), format_type(casttarget, NULL)], oid, '' FROM {}",
    "pg_transform": """SELECT 'TRANSFORM', NULL, ARRAY[format_type(t.trftype, NULL), l.lanname], t.oid, ''
        FROM {} AS t JOIN pg_language AS l ON l.oid = t.trflang""",
    "pg_largeobject_metadata": "SELECT 'LARGE OBJECT', NULL, ARRAY[oid::text], oid, '' FROM {}",
}
# Which names of a kind are types, as the server spells them.
_SPELLED: Final = {
    "FUNCTION": (1,),
    "PROCEDURE": (1,),
    "AGGREGATE": (1,),
    "AGGREGATE AS FUNCTION": (1,),
    "OPERATOR": (1, 2),
    "CAST": (0, 1),
    "TRANSFORM": (0,),
}
_MEMBERS: Final = """SELECT classid, objid FROM pg_depend
    WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND classid <> 'pg_extension'::regclass"""


def objects(connection: Connection, *, with_members: bool = False) -> Objects:
    """Every object by its key; the members of extensions only if asked for."""
    # A large object's owner and comment are filed under pg_largeobject.
    class_of = {name: name.removesuffix("_metadata") for name in _SOURCES}
    query = " UNION ALL ".join(
        f"SELECT '{class_of[name]}'::regclass::oid, kind, schema_name::text, names::text[], oid, state "  # noqa: S608 - our own texts
        f"FROM ({source.format(name)}) AS {name}_ (kind, schema_name, names, oid, state)"
        for name, source in _SOURCES.items()
    )
    members = set() if with_members else set(connection.execute(_MEMBERS))
    found = Objects()
    with connection.cursor() as cursor:
        for class_id, kind, schema, names, object_id, state in cursor.stream(query.encode(), size=limits.ROWS_TOGETHER):
            if kind is not None and (class_id, object_id) not in members:
                found.add(key(kind, schema, names), CatalogueObject(class_id, object_id, state))
    return found


def key(kind: str, schema: str | None, names: Iterable[str]) -> Key:
    """The key of what the catalogue names so."""
    types = _SPELLED.get(kind, ())
    return Key(kind, schema, tuple(spelled(name) if place in types else name for place, name in enumerate(names)))


def _hash(key: Key) -> int:
    """Never 0, which an empty place holds."""
    return hash((key.kind, key.schema_name or "", key.names)) & _BITS or 1


def _places(count: int) -> "array[int]":
    """Empty ones."""
    return array("Q", bytes(8 * count))


def identities(connection: Connection, wanted: list[CatalogueObject]) -> list[str]:
    """How statements address the objects, quoted by the server; in the order of `wanted`.

    Procedures that differ in the modes of their arguments alone are told apart by these."""
    rows = connection.execute(
        "SELECT CASE WHEN p.oid IS NULL THEN i.identity ELSE format('%%I.%%I(%%s)', n.nspname, p.proname, "
        "pg_get_function_identity_arguments(p.oid)) END "
        "FROM unnest(%s::oid[], %s::oid[]) WITH ORDINALITY AS o (class_id, object_id, n) "
        "CROSS JOIN LATERAL pg_identify_object(o.class_id, o.object_id, 0) AS i "
        "LEFT JOIN pg_proc AS p ON o.class_id = 'pg_proc'::regclass AND p.oid = o.object_id AND p.prokind = 'p' "
        "LEFT JOIN pg_namespace AS n ON n.oid = p.pronamespace ORDER BY o.n",
        [[each.class_id for each in wanted], [each.object_id for each in wanted]],
    )
    return [row[0] for row in rows]
