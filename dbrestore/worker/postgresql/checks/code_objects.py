"""What of a restored database runs without being called, or as another than its caller: functions that run as their owner, expressions that
autovacuum evaluates as the owner of the table, triggers.

Read from the system catalogue; no code of the database runs. A function that another one calls inside is not seen, because the catalogue
doesn't know it.
"""

from typing import Final

from dbrestore.contract.job import CodeObject
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.session import Connection

# Functions that came neither with the server (numbers below 16384) nor with an extension. Code of the dump can create a trusted extension
# and make its own functions members of that, but not change whose they are.
_OF_USERS: Final = """WITH RECURSIVE f AS (SELECT p.oid, p.proowner, p.prosecdef FROM pg_proc AS p
    JOIN pg_roles AS o ON o.oid = p.proowner WHERE p.oid >= 16384 AND NOT (
        (o.rolsuper OR o.rolname = current_user) AND EXISTS (
            SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')))"""
# What an expression depends on: a function itself, one by way of an operator, or one of a type or of what that is made of.
_REACHED: Final = f"""{_OF_USERS},
direct (class_id, object_id, function) AS (
    SELECT d.classid, d.objid, f.oid FROM pg_depend AS d JOIN f ON d.refclassid = 'pg_proc'::regclass AND d.refobjid = f.oid
    UNION SELECT d.classid, d.objid, f.oid FROM pg_depend AS d
        JOIN pg_operator AS o ON d.refclassid = 'pg_operator'::regclass AND d.refobjid = o.oid
        JOIN f ON f.oid IN (o.oprcode, o.oprrest, o.oprjoin)),
ranges (type, of_type) AS (SELECT r.rngsubtype, r.rngtypid FROM pg_range AS r
    UNION ALL SELECT r.rngtypid, (to_jsonb(r) ->> 'rngmultitypid')::oid FROM pg_range AS r),
parts (type, of_type) AS (
    SELECT typbasetype, oid FROM pg_type WHERE typtype = 'd' UNION ALL SELECT typelem, oid FROM pg_type WHERE typelem <> 0
    UNION ALL SELECT a.atttypid, t.oid FROM pg_type AS t JOIN pg_attribute AS a ON a.attrelid = t.typrelid AND a.attnum > 0
    UNION ALL SELECT type, of_type FROM ranges),
typed (type, function) AS (
    SELECT k.contypid, d.function FROM pg_constraint AS k
        JOIN direct AS d ON d.class_id = 'pg_constraint'::regclass AND d.object_id = k.oid WHERE k.contypid <> 0
    UNION SELECT t.type, f.oid FROM pg_cast AS c JOIN f ON f.oid = c.castfunc, unnest(ARRAY[c.castsource, c.casttarget]) AS t (type)
        WHERE t.type >= 16384
    UNION SELECT r.rngtypid, f.oid FROM pg_range AS r JOIN f ON f.oid IN (r.rngsubdiff, r.rngcanonical)
    UNION SELECT p.of_type, t.function FROM typed AS t JOIN parts AS p ON p.type = t.type),
ranged (type, function) AS (SELECT r.rngtypid, f.oid FROM pg_range AS r JOIN f ON f.oid IN (r.rngsubdiff, r.rngcanonical)
    UNION SELECT p.of_type, g.function FROM ranged AS g JOIN (
        SELECT type, of_type FROM ranges UNION ALL SELECT typbasetype, oid FROM pg_type WHERE typtype = 'd') AS p ON p.type = g.type),
reached (class_id, object_id, function) AS (SELECT * FROM direct
    UNION SELECT d.classid, d.objid, t.function FROM pg_depend AS d
        JOIN typed AS t ON d.refclassid = 'pg_type'::regclass AND d.refobjid = t.type)
"""  # noqa: S608 - our own texts
_DEFINERS: Final = """SELECT 'security definer function', f.oid::regprocedure::text, f.oid::regprocedure::text, r.rolname,
    'whenever a role that may call it does'
    FROM f JOIN pg_roles AS r ON r.oid = f.proowner WHERE f.prosecdef"""
_INDEXES: Final = """SELECT CASE WHEN x.indexprs IS NULL THEN 'partial index' ELSE 'expression index' END, x.indexrelid::regclass::text,
    u.function::regprocedure::text, r.rolname, 'whenever autovacuum, ANALYZE or REINDEX works on ' || x.indrelid::regclass::text
    FROM pg_index AS x JOIN pg_class AS c ON c.oid = x.indrelid JOIN pg_roles AS r ON r.oid = c.relowner
    JOIN reached AS u ON u.class_id = 'pg_class'::regclass AND u.object_id = x.indexrelid
    WHERE x.indexprs IS NOT NULL OR x.indpred IS NOT NULL"""
_STATISTICS: Final = """SELECT 'statistics object', format('%I.%I', n.nspname, x.stxname), u.function::regprocedure::text, r.rolname,
    'whenever autovacuum or ANALYZE works on ' || x.stxrelid::regclass::text
    FROM pg_statistic_ext AS x JOIN pg_namespace AS n ON n.oid = x.stxnamespace
    JOIN pg_class AS c ON c.oid = x.stxrelid JOIN pg_roles AS r ON r.oid = c.relowner
    JOIN reached AS u ON u.class_id = 'pg_statistic_ext'::regclass AND u.object_id = x.oid"""
# The statistics of ranges are of distances, which the type's own function measures.
_RANGES: Final = """SELECT 'range column', format('%s.%I', c.oid::regclass, a.attname), g.function::regprocedure::text, r.rolname,
    'whenever autovacuum or ANALYZE works on ' || c.oid::regclass::text
    FROM pg_attribute AS a JOIN ranged AS g ON g.type = a.atttypid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'm') JOIN pg_roles AS r ON r.oid = c.relowner"""
# A partition's copy of a trigger is told with that of its parent.
_TRIGGERS: Final = """SELECT 'trigger', format('%I on %s', x.tgname, x.tgrelid::regclass), f.oid::regprocedure::text,
    CASE WHEN f.prosecdef THEN r.rolname ELSE 'whoever writes the table' END,
    'whenever somebody writes ' || x.tgrelid::regclass::text
    FROM pg_trigger AS x JOIN f ON f.oid = x.tgfoid JOIN pg_roles AS r ON r.oid = f.proowner
    WHERE NOT x.tgisinternal AND x.tgparentid = 0"""
_EVENT_TRIGGERS: Final = """SELECT 'event trigger', quote_ident(x.evtname), f.oid::regprocedure::text,
    CASE WHEN f.prosecdef THEN r.rolname ELSE 'whoever gives the command' END, 'at each ' || x.evtevent
    FROM pg_event_trigger AS x JOIN f ON f.oid = x.evtfoid JOIN pg_roles AS r ON r.oid = f.proowner"""
_QUERY: Final = f"""{_REACHED}
    SELECT kind, name::text, string_agg(DISTINCT function, ', ' ORDER BY function), runs_as::text, occasion
    FROM ({" UNION ALL ".join((_DEFINERS, _INDEXES, _STATISTICS, _RANGES, _TRIGGERS, _EVENT_TRIGGERS))})
        AS c (kind, name, function, runs_as, occasion)
    GROUP BY 1, 2, 4, 5 ORDER BY array_position(ARRAY['security definer function', 'expression index', 'partial index', 'statistics object',
        'range column', 'event trigger', 'trigger'], kind), 2, 4"""  # noqa: S608 - our own texts


def has_functions(master: Connection) -> bool:
    """Whether the database has any function that came neither with the server nor with an extension."""
    row = master.execute(f"{_OF_USERS} SELECT EXISTS (SELECT FROM f)".encode()).fetchone()  # noqa: S608 - our own texts
    return row is None or bool(row[0])


def code_objects(master: Connection, most: int = limits.LISTED_OBJECTS) -> tuple[CodeObject, ...]:
    """Every SECURITY DEFINER function, index, statistics object, range and trigger that runs a function of the dump; run it
    after the hand-over. Of very many the first; then the last one says how many more there are."""
    rows = master.execute(_QUERY.encode()).fetchall()
    found = [
        CodeObject(kind=kind, name=name, function=function, runs_as=runs_as, when=occasion)
        for kind, name, function, runs_as, occasion in rows[:most]
    ]
    more = len(rows) - len(found)
    if more:
        found.append(CodeObject(kind="not listed", name=f"{more} more", function="", runs_as="", when=""))
    return tuple(found)
