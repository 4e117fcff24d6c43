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
    """`class_id` and `object_id` address it for the server; `state` is what its kind has to say: a trigger's firing, a constraint's validation."""

    class_id: int
    object_id: int
    state: str


_FUNCTION_TAG = """p.proname || '(' || CASE WHEN p.prokind = 'a' AND p.pronargs = 0 THEN '*' ELSE coalesce((
    SELECT string_agg(format_type(a.type, NULL), ', ' ORDER BY a.n) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, n)), '') END || ')'"""

# One SELECT per catalogue: description, schema, tag, oid, state.
_SOURCES = {
    "pg_namespace": "SELECT 'SCHEMA', NULL, nspname, oid, '' FROM pg_namespace",
    "pg_extension": "SELECT 'EXTENSION', NULL, extname, oid, '' FROM pg_extension",
    "pg_type": """SELECT CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, n.nspname, t.typname, t.oid, ''
        FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace""",
    "pg_proc": f"""SELECT CASE p.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END, n.nspname, {_FUNCTION_TAG}, p.oid, ''
        FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')""",
    "pg_operator": "SELECT 'OPERATOR', n.nspname, o.oprname, o.oid, '' FROM pg_operator AS o JOIN pg_namespace AS n ON n.oid = o.oprnamespace",
    "pg_opclass": "SELECT 'OPERATOR CLASS', n.nspname, o.opcname, o.oid, '' FROM pg_opclass AS o JOIN pg_namespace AS n ON n.oid = o.opcnamespace",
    "pg_opfamily": "SELECT 'OPERATOR FAMILY', n.nspname, o.opfname, o.oid, '' FROM pg_opfamily AS o JOIN pg_namespace AS n ON n.oid = o.opfnamespace",
    "pg_collation": "SELECT 'COLLATION', n.nspname, c.collname, c.oid, '' FROM pg_collation AS c JOIN pg_namespace AS n ON n.oid = c.collnamespace",
    "pg_conversion": "SELECT 'CONVERSION', n.nspname, c.conname, c.oid, '' FROM pg_conversion AS c JOIN pg_namespace AS n ON n.oid = c.connamespace",
    "pg_ts_parser": "SELECT 'TEXT SEARCH PARSER', n.nspname, t.prsname, t.oid, '' FROM pg_ts_parser AS t JOIN pg_namespace AS n ON n.oid = t.prsnamespace",
    "pg_ts_dict": "SELECT 'TEXT SEARCH DICTIONARY', n.nspname, t.dictname, t.oid, '' FROM pg_ts_dict AS t JOIN pg_namespace AS n ON n.oid = t.dictnamespace",
    "pg_ts_template": "SELECT 'TEXT SEARCH TEMPLATE', n.nspname, t.tmplname, t.oid, '' FROM pg_ts_template AS t JOIN pg_namespace AS n ON n.oid = t.tmplnamespace",
    "pg_ts_config": "SELECT 'TEXT SEARCH CONFIGURATION', n.nspname, t.cfgname, t.oid, '' FROM pg_ts_config AS t JOIN pg_namespace AS n ON n.oid = t.cfgnamespace",
    "pg_class": """SELECT d.description, n.nspname, c.relname, c.oid, '' FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        CROSS JOIN LATERAL (
            SELECT CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'TABLE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                WHEN 'i' THEN 'INDEX' WHEN 'I' THEN 'INDEX' WHEN 'f' THEN 'FOREIGN TABLE' END
            UNION ALL SELECT 'ROW SECURITY' WHERE c.relrowsecurity
            UNION ALL SELECT 'TABLE ATTACH' WHERE c.relispartition AND c.relkind IN ('r', 'p', 'f')
            UNION ALL SELECT 'INDEX ATTACH' WHERE c.relispartition AND c.relkind IN ('i', 'I')
            UNION ALL SELECT 'MATERIALIZED VIEW DATA' WHERE c.relkind = 'm' AND c.relispopulated
            UNION ALL SELECT 'SEQUENCE OWNED BY' WHERE c.relkind = 'S' AND EXISTS (
                SELECT FROM pg_depend AS o WHERE o.classid = 'pg_class'::regclass AND o.objid = c.oid AND o.refobjsubid > 0 AND o.deptype = 'a')
        ) AS d (description) WHERE c.relkind <> 't' AND c.relkind <> 'c'""",
    "pg_attrdef": """SELECT 'DEFAULT', n.nspname, c.relname || ' ' || a.attname, d.oid, '' FROM pg_attrdef AS d JOIN pg_class AS c ON c.oid = d.adrelid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum""",
    "pg_constraint": """SELECT CASE k.contype WHEN 'f' THEN 'FK CONSTRAINT' WHEN 'c' THEN 'CHECK CONSTRAINT' ELSE 'CONSTRAINT' END, n.nspname,
            coalesce(c.relname, t.typname) || ' ' || k.conname, k.oid, CASE WHEN k.convalidated THEN 'valid' ELSE 'not valid' END
        FROM pg_constraint AS k JOIN pg_namespace AS n ON n.oid = k.connamespace
        LEFT JOIN pg_class AS c ON c.oid = k.conrelid AND k.conrelid <> 0 LEFT JOIN pg_type AS t ON t.oid = k.contypid AND k.contypid <> 0""",
    "pg_trigger": """SELECT 'TRIGGER', n.nspname, c.relname || ' ' || t.tgname, t.oid,
            CASE t.tgenabled WHEN 'D' THEN 'disabled' WHEN 'A' THEN 'always' WHEN 'R' THEN 'replica' ELSE 'enabled' END
        FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal""",
    "pg_rewrite": """SELECT 'RULE', n.nspname, c.relname || ' ' || r.rulename, r.oid, '' FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = r.ev_class
        JOIN pg_namespace AS n ON n.oid = c.relnamespace""",
    "pg_policy": """SELECT 'POLICY', n.nspname, c.relname || ' ' || p.polname, p.oid, '' FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace""",
    "pg_statistic_ext": "SELECT 'STATISTICS', n.nspname, s.stxname, s.oid, '' FROM pg_statistic_ext AS s JOIN pg_namespace AS n ON n.oid = s.stxnamespace",
    "pg_cast": "SELECT 'CAST', NULL, 'CAST (' || format_type(castsource, NULL) || ' AS ' || format_type(casttarget, NULL) || ')', oid, '' FROM pg_cast",
    "pg_transform": """SELECT 'TRANSFORM', NULL, 'TRANSFORM FOR ' || format_type(t.trftype, NULL) || ' LANGUAGE ' || l.lanname, t.oid, ''
        FROM pg_transform AS t JOIN pg_language AS l ON l.oid = t.trflang""",
    "pg_largeobject_metadata": "SELECT 'LARGE OBJECT', NULL, oid::text, oid, '' FROM pg_largeobject_metadata",
}  # fmt: skip


def objects(connection: Connection) -> dict[Key, list[CatalogueObject]]:
    """Every object by its key; overloaded operators share one."""
    # Names are cast to text, or the union would cut `table constraint` to the 63 bytes of one name.
    # A large object's owner and comment are filed under pg_largeobject.
    class_of = {name: name.removesuffix("_metadata") for name in _SOURCES}
    query = " UNION ALL ".join(
        f"SELECT '{class_of[name]}'::regclass::oid, description, schema_name::text, tag::text, oid, state "
        f"FROM ({source}) AS {name}_ (description, schema_name, tag, oid, state)"
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
