"""What the restored database holds, under the names that pg_dump's table of contents uses: (description, schema, tag).

Read from the system catalogue as the master user; no code of the database runs.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

from worker.session import Connection


class Key(NamedTuple):
    """How the table of contents names an object."""

    description: str
    schema_name: str | None
    tag: str


@dataclass(frozen=True)
class CatalogueObject:
    """`class_id` and `object_id` address it for the server; `state` is a trigger's firing or a constraint's validation."""

    class_id: int
    object_id: int
    state: str


_FUNCTION_TAG = """p.proname || '(' || CASE WHEN p.prokind = 'a' AND p.pronargs = 0 THEN '*' ELSE coalesce((
    SELECT string_agg(format_type(a.type, NULL), ', ' ORDER BY a.n)
    FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, n)), '') END || ')'"""
# Tables and what is true of them besides; a relation may answer for several entries.
_RELATION_KINDS = """SELECT CASE c.relkind
        WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'TABLE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
        WHEN 'S' THEN 'SEQUENCE' WHEN 'i' THEN 'INDEX' WHEN 'I' THEN 'INDEX' WHEN 'f' THEN 'FOREIGN TABLE' END
    UNION ALL SELECT 'ROW SECURITY' WHERE c.relrowsecurity
    UNION ALL SELECT 'TABLE ATTACH' WHERE c.relispartition AND c.relkind IN ('r', 'p', 'f')
    UNION ALL SELECT 'INDEX ATTACH' WHERE c.relispartition AND c.relkind IN ('i', 'I')
    UNION ALL SELECT 'MATERIALIZED VIEW DATA' WHERE c.relkind = 'm' AND c.relispopulated
    UNION ALL SELECT 'SEQUENCE OWNED BY' WHERE c.relkind = 'S' AND EXISTS (
        SELECT FROM pg_depend AS o
        WHERE o.classid = 'pg_class'::regclass AND o.objid = c.oid AND o.refobjsubid > 0 AND o.deptype = 'a')"""


def _in_schema(description: str, prefix: str, state: str = "''") -> str:
    """The usual shape: `<prefix>name` in the schema `<prefix>namespace`."""
    return f"SELECT {description}, n.nspname, x.{prefix}name, x.oid, {state} FROM {{}} AS x JOIN pg_namespace AS n ON n.oid = x.{prefix}namespace"  # noqa: S608, E501


def _on_table(description: str, table_column: str, name: str, state: str = "''") -> str:
    """What belongs to a table: the tag is `table name`."""
    return f"""SELECT '{description}', n.nspname, c.relname || ' ' || x.{name}, x.oid, {state}
        FROM {{}} AS x JOIN pg_class AS c ON c.oid = x.{table_column} JOIN pg_namespace AS n ON n.oid = c.relnamespace"""  # noqa: S608


# One SELECT per catalogue: description, schema, tag, oid, state.
_SOURCES = {
    "pg_namespace": "SELECT 'SCHEMA', NULL, nspname, oid, '' FROM {}",
    "pg_extension": "SELECT 'EXTENSION', NULL, extname, oid, '' FROM {}",
    "pg_type": _in_schema("CASE x.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END", "typ"),
    "pg_proc": f"""SELECT CASE p.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END,
            n.nspname, {_FUNCTION_TAG}, p.oid, ''
        FROM {{}} AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')""",  # noqa: S608
    "pg_operator": _in_schema("'OPERATOR'", "opr"),
    "pg_opclass": _in_schema("'OPERATOR CLASS'", "opc"),
    "pg_opfamily": _in_schema("'OPERATOR FAMILY'", "opf"),
    "pg_collation": _in_schema("'COLLATION'", "coll"),
    "pg_conversion": _in_schema("'CONVERSION'", "con"),
    "pg_ts_parser": _in_schema("'TEXT SEARCH PARSER'", "prs"),
    "pg_ts_dict": _in_schema("'TEXT SEARCH DICTIONARY'", "dict"),
    "pg_ts_template": _in_schema("'TEXT SEARCH TEMPLATE'", "tmpl"),
    "pg_ts_config": _in_schema("'TEXT SEARCH CONFIGURATION'", "cfg"),
    "pg_statistic_ext": _in_schema("'STATISTICS'", "stx"),
    "pg_class": f"""SELECT d.description, n.nspname, c.relname, c.oid, ''
        FROM {{}} AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        CROSS JOIN LATERAL ({_RELATION_KINDS}) AS d (description)
        WHERE c.relkind NOT IN ('t', 'c')""",  # noqa: S608
    "pg_attrdef": """SELECT 'DEFAULT', n.nspname, c.relname || ' ' || a.attname, d.oid, ''
        FROM {} AS d JOIN pg_class AS c ON c.oid = d.adrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum""",
    "pg_constraint": """SELECT
            CASE k.contype WHEN 'f' THEN 'FK CONSTRAINT' WHEN 'c' THEN 'CHECK CONSTRAINT' ELSE 'CONSTRAINT' END, n.nspname,
            coalesce(c.relname, t.typname) || ' ' || k.conname, k.oid, CASE WHEN k.convalidated THEN 'valid' ELSE 'not valid' END
        FROM {} AS k JOIN pg_namespace AS n ON n.oid = k.connamespace
        LEFT JOIN pg_class AS c ON c.oid = nullif(k.conrelid, 0) LEFT JOIN pg_type AS t ON t.oid = nullif(k.contypid, 0)""",
    "pg_trigger": _on_table("TRIGGER", "tgrelid", "tgname", """CASE x.tgenabled
        WHEN 'D' THEN 'disabled' WHEN 'A' THEN 'always' WHEN 'R' THEN 'replica' ELSE 'enabled' END""") + " WHERE NOT x.tgisinternal",
    "pg_rewrite": _on_table("RULE", "ev_class", "rulename"),
    "pg_policy": _on_table("POLICY", "polrelid", "polname"),
    "pg_cast": """SELECT 'CAST', NULL,
            'CAST (' || format_type(castsource, NULL) || ' AS ' || format_type(casttarget, NULL) || ')', oid, '' FROM {}""",
    "pg_transform": """SELECT 'TRANSFORM', NULL, 'TRANSFORM FOR ' || format_type(t.trftype, NULL) || ' LANGUAGE ' || l.lanname, t.oid, ''
        FROM {} AS t JOIN pg_language AS l ON l.oid = t.trflang""",
    "pg_largeobject_metadata": "SELECT 'LARGE OBJECT', NULL, oid::text, oid, '' FROM {}",
}  # fmt: skip


def objects(connection: Connection) -> dict[Key, list[CatalogueObject]]:
    """Every object by its key; overloaded operators share one."""
    # Names are cast to text, or the union would cut `table constraint` to the 63 bytes of one name.
    # A large object's owner and comment are filed under pg_largeobject.
    class_of = {name: name.removesuffix("_metadata") for name in _SOURCES}
    query = " UNION ALL ".join(
        f"SELECT '{class_of[name]}'::regclass::oid, description, schema_name::text, tag::text, oid, state "  # noqa: S608
        f"FROM ({source.format(name)}) AS {name}_ (description, schema_name, tag, oid, state)"
        for name, source in _SOURCES.items()
    )
    found: dict[Key, list[CatalogueObject]] = defaultdict(list)
    for class_id, description, schema, tag, object_id, state in connection.execute(query.encode()):
        if description is not None:
            found[Key(description, schema, tag)].append(CatalogueObject(class_id, object_id, state))
    return found


def comments(connection: Connection) -> list[str]:
    """The texts of all comments in this database."""
    return [row[0] for row in connection.execute("SELECT description FROM pg_description")]


def identities(connection: Connection, wanted: list[CatalogueObject]) -> list[str]:
    """How statements address the objects, quoted by the server; in the order of `wanted`."""
    rows = connection.execute(
        "SELECT i.identity FROM unnest(%s::oid[], %s::oid[]) WITH ORDINALITY AS o (class_id, object_id, n), "
        "pg_identify_object(o.class_id, o.object_id, 0) AS i ORDER BY o.n",
        [[each.class_id for each in wanted], [each.object_id for each in wanted]],
    )
    return [row[0] for row in rows]
