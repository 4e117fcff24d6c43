"""Everything that can be read of a database, as facts: (kind of object, its identity, aspect) -> value.

Asked as superuser, of the catalogues alone. Imports nothing of the product: what is wrong there mustn't be wrong here in the same way.
"""

import re
from collections.abc import Iterator

import psycopg
from psycopg import sql

from tests.generated import rights
from tests.generated.rights import SYSTEM, Fact

Facts = dict[Fact, str]

# The settings on which a value's text depends.
_PINNED = """SET search_path = ''; SET "DateStyle" = ISO; SET "IntervalStyle" = postgres; SET extra_float_digits = 3; SET "TimeZone"
        = 'UTC';
    SET bytea_output = hex; SET xmloption = content; SET row_security = off"""
# IDENTITY(catalogue, oid[, column]) stands for the server's own name of an object.
_IDENTITY = re.compile(r"IDENTITY\((\w+), ([\w.]+)(?:, (\w+))?\)")

# aspect -> SQL for kind, identity, value
_ASPECTS = {
    "state": """SELECT 'trigger', pg_get_triggerdef(t.oid), tgenabled::text || tgdeferrable || tginitdeferred FROM pg_trigger AS t
        WHERE NOT tgisinternal""",
    "rule state": """SELECT 'rule', IDENTITY(pg_rewrite, r.oid), ev_enabled::text || is_instead FROM pg_rewrite AS r WHERE r.oid >=
        16384""",
    "constraint": """SELECT 'constraint', IDENTITY(pg_constraint, c.oid), concat_ws(' ', contype, condeferrable, condeferred, convalidated,
        {enforced}, CASE contype WHEN 'c' THEN concat_ws(' ', conislocal, coninhcount, connoinherit) END, pg_get_constraintdef(c.oid))
        FROM pg_constraint AS c WHERE c.oid >= 16384 AND contype <> 't'""",
    "index": """SELECT 'index', IDENTITY(pg_class, indexrelid), concat_ws(' ', indisunique, indisprimary, indisexclusion, indimmediate,
        indisclustered, indisvalid, indisready, indislive, indisreplident, pg_get_indexdef(indexrelid))
        FROM pg_index WHERE indexrelid >= 16384 AND indrelid NOT IN (SELECT reltoastrelid FROM pg_class)""",
    "relation": f"""SELECT 'relation', IDENTITY(pg_class, c.oid), concat_ws(' ', relkind, relpersistence, relrowsecurity,
        relforcerowsecurity,
        relreplident, relispartition, relispopulated, amname, (SELECT string_agg(o, ',' ORDER BY o) FROM unnest(reloptions) AS o),
        (SELECT reloptions FROM pg_class AS t WHERE t.oid = c.reltoastrelid), pg_get_expr(relpartbound, c.oid), reloftype::regtype)
        FROM pg_class AS c LEFT JOIN pg_am ON pg_am.oid = relam WHERE c.oid >= 16384 AND relnamespace NOT IN {SYSTEM}""",
    "column": f"""SELECT 'column', IDENTITY(pg_class, attrelid, attnum), concat_ws(' ', format_type(atttypid, atttypmod), attnotnull,
        atthasdef,
        attidentity, attgenerated, attstorage, {{compression}}, nullif(attstattarget::text, '-1'), attoptions, attislocal, attinhcount,
        attcollation::regcollation, pg_get_expr(adbin, adrelid))
        FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum JOIN pg_class AS c ON c.oid = attrelid
        WHERE attrelid >= 16384 AND attnum > 0 AND NOT attisdropped AND relnamespace NOT IN {SYSTEM}""",
    "column order": """SELECT 'columns', IDENTITY(pg_class, attrelid), string_agg(quote_ident(attname), ', ' ORDER BY attnum)
        FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
        WHERE attrelid >= 16384 AND attnum > 0 AND NOT attisdropped AND relkind NOT IN ('t', 'i', 'I') GROUP BY attrelid""",
    "inherits": """SELECT 'inheritance', IDENTITY(pg_class, inhrelid), string_agg(IDENTITY(pg_class, inhparent), ', ' ORDER BY inhseqno)
        FROM pg_inherits GROUP BY inhrelid""",
    "policy": """SELECT 'policy', IDENTITY(pg_policy, p.oid), concat_ws(' ', polcmd, polpermissive, (SELECT
        string_agg(coalesce(rolname, 'PUBLIC'),
        ',' ORDER BY rolname) FROM unnest(polroles) AS r LEFT JOIN pg_roles ON r = pg_roles.oid), pg_get_expr(polqual, polrelid),
        pg_get_expr(polwithcheck, polrelid)) FROM pg_policy AS p""",
    "function": f"""SELECT 'function', IDENTITY(pg_proc, p.oid), concat_ws(' ', prosecdef, proleakproof, proisstrict, provolatile,
        proparallel,
        procost, prorows, proconfig, md5(prosrc), CASE WHEN prokind <> 'a' THEN md5(pg_get_functiondef(p.oid)) END)
        FROM pg_proc AS p WHERE p.oid >= 16384 AND pronamespace NOT IN {SYSTEM}""",
    "statistics": """SELECT 'statistics', IDENTITY(pg_statistic_ext, s.oid),
        pg_get_statisticsobjdef(s.oid) || coalesce(nullif(stxstattarget::text, '-1'), '') FROM pg_statistic_ext AS s""",
    "enum": """SELECT 'enum', IDENTITY(pg_type, enumtypid), string_agg(quote_literal(enumlabel), ',' ORDER BY enumsortorder)
        FROM pg_enum GROUP BY enumtypid""",
    "extension": "SELECT 'extension', quote_ident(extname), extnamespace::regnamespace::text || ' ' || extversion FROM pg_extension",
    "default privileges": """SELECT 'default privileges', concat_ws(' ', quote_ident(pg_get_userbyid(defaclrole)),
        nullif(defaclnamespace, 0)::regnamespace, defaclobjtype),
        (SELECT string_agg(x::text, ', ' ORDER BY x::text) FROM unnest(defaclacl) AS x) FROM pg_default_acl""",
    "setting": """SELECT 'setting', setrole::regrole::text, (SELECT string_agg(x, ', ' ORDER BY x) FROM unnest(setconfig) AS x)
        FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())""",
    "comment": """SELECT 'comment', type || ' ' || identity, description FROM pg_description AS d,
        pg_identify_object(d.classoid, d.objoid, d.objsubid)
        WHERE d.objoid >= 16384 OR classoid IN ('pg_namespace'::regclass, 'pg_largeobject'::regclass)""",
    "security label": "SELECT 'label', objtype || ' ' || objname, provider || ' ' || label FROM pg_seclabels",
    "database": """SELECT 'database', 'database', concat_ws(' ', pg_encoding_to_char(encoding), datcollate, datctype, datistemplate,
        datallowconn, datconnlimit, shobj_description(oid, 'pg_database')) FROM pg_database WHERE datname = current_database()""",
    "text search": """SELECT 'configuration', IDENTITY(pg_ts_config, mapcfg),
        string_agg(concat_ws(' ', maptokentype, mapseqno, mapdict::regdictionary), ', ' ORDER BY maptokentype, mapseqno)
        FROM pg_ts_config_map WHERE mapcfg >= 16384 GROUP BY mapcfg""",
    "content": "SELECT 'large object', m.oid::text, md5(lo_get(m.oid)) FROM pg_largeobject_metadata AS m",
}
# Into which partition a value falls by its hash may be up to the numbers that a server gave to an enum's labels: read together.
_HASHED = "pg_partitioned_table AS h WHERE partstrat = 'h' AND partrelid IN (SELECT relid FROM pg_partition_ancestors(c.oid))"
_TABLES = f"""SELECT IDENTITY(pg_class, c.oid), nspname, relname, CASE WHEN relkind = 'p' THEN '' ELSE 'ONLY' END
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE relispopulated AND relpersistence <> 't' AND relnamespace NOT IN {SYSTEM}
    AND (relkind IN ('r', 'm') AND NOT EXISTS (SELECT FROM {_HASHED})
        OR relkind = 'p' AND ARRAY[c.oid] = ARRAY(SELECT partrelid FROM {_HASHED}))"""
# The alias isn't a column's name: a column of that name would be meant.
_HASH = """SELECT count(*) || ' rows, ' || md5(coalesce(string_agg(x, chr(10) ORDER BY x COLLATE "C"), ''))
    FROM (SELECT "the whole row"::text AS x FROM {} {} AS "the whole row") AS r"""
_SEQUENCES = f"""SELECT IDENTITY(pg_class, c.oid), nspname, relname, concat_ws(' ', seqtypid::regtype, seqstart, seqincrement,
        seqmax, seqmin,
    seqcache, seqcycle, (SELECT IDENTITY(pg_class, refobjid, refobjsubid) || deptype::text FROM pg_depend
    WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype IN ('a', 'i') AND refclassid = 'pg_class'::regclass LIMIT 1))
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace JOIN pg_sequence ON seqrelid = c.oid WHERE relnamespace NOT IN
        {SYSTEM}"""


def read(connection: psycopg.Connection) -> Facts:
    """All facts of the database that the connection (a superuser's, autocommit) is in."""
    connection.execute(_PINNED.encode())
    facts: Facts = {}
    for found in (rights.read(connection), _aspects(connection), _rows(connection), _sequences(connection)):
        for fact, value in found:
            facts[fact] = f"{facts[fact]} AND {value}" if fact in facts else value
    return facts


def _asked(connection: psycopg.Connection, query: str) -> list[tuple[str, ...]]:
    version = connection.info.server_version // 10000
    query = query.replace("{enforced}", "conenforced" if version >= 18 else "true")
    query = query.replace("{compression}", "attcompression" if version >= 14 else "''")
    expanded = _IDENTITY.sub(lambda m: f"(pg_identify_object('{m[1]}'::regclass, {m[2]}, {m[3] or 0})).identity", query)
    return connection.execute(expanded.encode()).fetchall()


def _aspects(connection: psycopg.Connection) -> Iterator[tuple[Fact, str]]:
    for aspect, query in _ASPECTS.items():
        for kind, identity, value in _asked(connection, query):
            yield (kind, identity or "", aspect), value or ""


def _rows(connection: psycopg.Connection) -> Iterator[tuple[Fact, str]]:
    for identity, schema, name, only in _asked(connection, _TABLES):
        row = connection.execute(sql.SQL(_HASH).format(sql.SQL(only), sql.Identifier(schema, name))).fetchone()
        yield ("table", identity, "rows"), str(row and row[0])


def _sequences(connection: psycopg.Connection) -> Iterator[tuple[Fact, str]]:
    for identity, schema, name, settings in _asked(connection, _SEQUENCES):
        query = sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(schema, name))
        yield ("sequence", identity, "value"), str(connection.execute(query).fetchone())
        yield ("sequence", identity, "settings"), settings
