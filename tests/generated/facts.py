"""Everything that can be read of a database, as facts: (kind of object, its identity, aspect) -> value.

Asked as superuser, of the catalogues alone. Imports nothing of the product: what is wrong there mustn't be wrong here in the same way.
"""

from collections.abc import Iterator

import psycopg
from psycopg import sql

from tests.generated import rights
from tests.generated.rights import SYSTEM, Fact

Facts = dict[Fact, str]

_ASPECTS = {
    "state": """SELECT 'trigger', pg_get_triggerdef(t.oid), tgenabled::text || tgdeferrable || tginitdeferred FROM pg_trigger AS t
        WHERE NOT tgisinternal""",
    "rule state": """SELECT 'rule', (pg_identify_object('pg_rewrite'::regclass, r.oid, 0)).identity, ev_enabled::text || is_instead
        FROM pg_rewrite AS r WHERE r.oid >= 16384""",
    "constraint": """SELECT 'constraint', (pg_identify_object('pg_constraint'::regclass, c.oid, 0)).identity,
        concat_ws(' ', contype, condeferrable, condeferred, convalidated, {enforced},
        CASE contype WHEN 'c' THEN concat_ws(' ', conislocal, coninhcount, connoinherit) END,
        pg_get_constraintdef(c.oid)) FROM pg_constraint AS c WHERE c.oid >= 16384 AND contype <> 't'""",
    "index": """SELECT 'index', (pg_identify_object('pg_class'::regclass, indexrelid, 0)).identity,
        concat_ws(' ', indisunique, indisprimary, indisexclusion, indimmediate, indisclustered, indisvalid, indisready, indislive, indisreplident,
        pg_get_indexdef(indexrelid)) FROM pg_index WHERE indexrelid >= 16384 AND indrelid NOT IN (SELECT reltoastrelid FROM pg_class)""",
    "relation": """SELECT 'relation', (pg_identify_object('pg_class'::regclass, c.oid, 0)).identity,
        concat_ws(' ', relkind, relpersistence, relrowsecurity, relforcerowsecurity, relreplident, relispartition, relispopulated, amname,
        reloptions, (SELECT reloptions FROM pg_class AS t WHERE t.oid = c.reltoastrelid), pg_get_expr(relpartbound, c.oid), reloftype::regtype)
        FROM pg_class AS c LEFT JOIN pg_am ON pg_am.oid = relam WHERE c.oid >= 16384 AND relnamespace NOT IN """ + SYSTEM,
    "column": """SELECT 'column', (pg_identify_object('pg_class'::regclass, attrelid, attnum)).identity,
        concat_ws(' ', format_type(atttypid, atttypmod), attnotnull, atthasdef, attidentity, attgenerated, attstorage, {compression},
        coalesce(nullif(attstattarget::text, '-1'), ''), attoptions, attislocal, attinhcount, attcollation::regcollation,
        pg_get_expr(adbin, adrelid))
        FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum JOIN pg_class AS c ON c.oid = attrelid
        WHERE attrelid >= 16384 AND attnum > 0 AND NOT attisdropped AND relnamespace NOT IN """
    + SYSTEM,
    "column order": """SELECT 'columns', (pg_identify_object('pg_class'::regclass, attrelid, 0)).identity,
        string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
        WHERE attrelid >= 16384 AND attnum > 0 AND NOT attisdropped AND relkind NOT IN ('t', 'i', 'I') GROUP BY attrelid""",
    "inherits": """SELECT 'inheritance', (pg_identify_object('pg_class'::regclass, inhrelid, 0)).identity,
        string_agg((pg_identify_object('pg_class'::regclass, inhparent, 0)).identity, ', ' ORDER BY inhseqno) FROM pg_inherits GROUP BY inhrelid""",
    "policy": """SELECT 'policy', (pg_identify_object('pg_policy'::regclass, p.oid, 0)).identity, concat_ws(' ', polcmd, polpermissive,
        (SELECT string_agg(coalesce(rolname, 'PUBLIC'), ',' ORDER BY rolname) FROM unnest(polroles) AS r LEFT JOIN pg_roles ON r = pg_roles.oid),
        pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy AS p""",
    "function": """SELECT 'function', (pg_identify_object('pg_proc'::regclass, p.oid, 0)).identity,
        concat_ws(' ', prosecdef, proleakproof, proisstrict, provolatile, proparallel, procost, prorows, proconfig, md5(prosrc),
        CASE WHEN prokind <> 'a' THEN md5(pg_get_functiondef(p.oid)) END)
        FROM pg_proc AS p WHERE p.oid >= 16384 AND pronamespace NOT IN """ + SYSTEM,
    "statistics": """SELECT 'statistics', (pg_identify_object('pg_statistic_ext'::regclass, s.oid, 0)).identity,
        pg_get_statisticsobjdef(s.oid) || coalesce(nullif(stxstattarget::text, '-1'), '') FROM pg_statistic_ext AS s""",
    "enum": """SELECT 'enum', (pg_identify_object('pg_type'::regclass, enumtypid, 0)).identity,
        string_agg(quote_literal(enumlabel), ',' ORDER BY enumsortorder) FROM pg_enum GROUP BY enumtypid""",
    "extension": "SELECT 'extension', quote_ident(extname), extnamespace::regnamespace::text || ' ' || extversion FROM pg_extension",
    "default privileges": """SELECT 'default privileges', quote_ident(pg_get_userbyid(defaclrole)) || ' ' || coalesce(defaclnamespace::regnamespace::text, '')
        || ' ' || defaclobjtype::text, (SELECT string_agg(x::text, ', ' ORDER BY x::text) FROM unnest(defaclacl) AS x) FROM pg_default_acl""",
    "setting": """SELECT 'setting', coalesce(setrole::regrole::text, '') , (SELECT string_agg(x, ', ' ORDER BY x) FROM unnest(setconfig) AS x)
        FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())""",
    "comment": """SELECT 'comment', type || ' ' || identity, description FROM pg_description AS d,
        pg_identify_object(d.classoid, d.objoid, d.objsubid) WHERE d.objoid >= 16384 OR classoid IN ('pg_namespace'::regclass, 'pg_largeobject'::regclass)""",
    "security label": "SELECT 'label', objtype || ' ' || objname, provider || ' ' || label FROM pg_seclabels",
    "database": """SELECT 'database', 'database', concat_ws(' ', pg_encoding_to_char(encoding), datcollate, datctype, datistemplate, datallowconn,
        datconnlimit, shobj_description(oid, 'pg_database')) FROM pg_database WHERE datname = current_database()""",
    "text search": """SELECT 'configuration', (pg_identify_object('pg_ts_config'::regclass, mapcfg, 0)).identity,
        string_agg(concat_ws(' ', maptokentype, mapseqno, mapdict::regdictionary), ', ' ORDER BY maptokentype, mapseqno)
        FROM pg_ts_config_map WHERE mapcfg >= 16384 GROUP BY mapcfg""",
    "large object": "SELECT 'large object', m.oid::text, md5(lo_get(m.oid)) FROM pg_largeobject_metadata AS m",
}  # fmt: skip


def read(connection: psycopg.Connection) -> Facts:
    """All facts of the database that the connection (a superuser's, autocommit) is in."""
    connection.execute(
        "SET search_path = ''; SET \"DateStyle\" = ISO; SET extra_float_digits = 3; SET TimeZone = 'UTC'; SET xmloption = content"
    )
    facts: Facts = {}
    for found in (rights.read(connection), _aspects(connection), _rows(connection), _sequences(connection)):
        for fact, value in found:
            facts[fact] = f"{facts[fact]} AND {value}" if fact in facts else value
    return facts


def _aspects(connection: psycopg.Connection) -> Iterator[tuple[Fact, str]]:
    version = connection.info.server_version // 10000
    names = {
        "{enforced}": "conenforced" if version >= 18 else "true", "{compression}": "attcompression" if version >= 14 else "''",
    }  # fmt: skip
    for aspect, query in _ASPECTS.items():
        for old, new in names.items():
            query = query.replace(old, new)
        for kind, identity, value in connection.execute(query.encode()).fetchall():
            yield (kind, identity or "", aspect), value or ""


def _rows(connection: psycopg.Connection) -> Iterator[tuple[Fact, str]]:
    query = f"""SELECT (pg_identify_object('pg_class'::regclass, c.oid, 0)).identity, nspname, relname FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = relnamespace WHERE relkind IN ('r', 'm') AND relispopulated AND relnamespace NOT IN {SYSTEM}
        AND relpersistence <> 't'"""
    for identity, schema, name in connection.execute(query.encode()).fetchall():
        hashed = sql.SQL("SELECT count(*) || ' rows, ' || md5(coalesce(string_agg(x, chr(10) ORDER BY x COLLATE \"C\"), '')) FROM "
                         "(SELECT \"whole row\"::text AS x FROM ONLY {} AS \"whole row\") AS r").format(sql.Identifier(schema, name))  # fmt: skip
        row = connection.execute(hashed).fetchone()
        yield ("table", identity, "rows"), str(row and row[0])


def _sequences(connection: psycopg.Connection) -> Iterator[tuple[Fact, str]]:
    query = f"""SELECT (pg_identify_object('pg_class'::regclass, c.oid, 0)).identity, nspname, relname, concat_ws(' ', seqtypid::regtype, seqstart,
        seqincrement, seqmax, seqmin, seqcache, seqcycle, (SELECT (pg_identify_object(refclassid, refobjid, refobjsubid)).identity || deptype::text
        FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype IN ('a', 'i') AND refclassid = 'pg_class'::regclass LIMIT 1))
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace JOIN pg_sequence ON seqrelid = c.oid
        WHERE relnamespace NOT IN {SYSTEM}"""
    for identity, schema, name, settings in connection.execute(query.encode()).fetchall():
        at = connection.execute(
            sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(schema, name))
        ).fetchone()
        yield ("sequence", identity, "value"), str(at)
        yield ("sequence", identity, "settings"), settings
