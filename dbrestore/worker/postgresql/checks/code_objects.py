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
_OF_USERS: Final = """WITH f AS (SELECT p.oid, p.proowner, p.prosecdef FROM pg_proc AS p
    JOIN pg_roles AS o ON o.oid = p.proowner WHERE p.oid >= 16384 AND NOT (
        (o.rolsuper OR o.rolname = current_user) AND EXISTS (
            SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'))),
-- What an expression depends on: a function itself, or one by way of an operator, or of the checks and functions of a type.
reached (class_id, object_id, function) AS (
    SELECT d.classid, d.objid, f.oid FROM pg_depend AS d JOIN f ON d.refclassid = 'pg_proc'::regclass AND d.refobjid = f.oid
    UNION SELECT d.classid, d.objid, f.oid FROM pg_depend AS d
        JOIN pg_operator AS o ON d.refclassid = 'pg_operator'::regclass AND d.refobjid = o.oid
        JOIN f ON f.oid IN (o.oprcode, o.oprrest, o.oprjoin)
    UNION SELECT d.classid, d.objid, f.oid FROM pg_depend AS d
        JOIN pg_constraint AS k ON d.refclassid = 'pg_type'::regclass AND d.refobjid = k.contypid
        JOIN pg_depend AS c ON c.classid = 'pg_constraint'::regclass AND c.objid = k.oid
        JOIN f ON c.refclassid = 'pg_proc'::regclass AND c.refobjid = f.oid
    UNION SELECT d.classid, d.objid, f.oid FROM pg_depend AS d
        JOIN pg_cast AS c ON d.refclassid = 'pg_type'::regclass AND d.refobjid IN (c.castsource, c.casttarget)
        JOIN f ON f.oid = c.castfunc)
"""
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
# A partition's copy of a trigger is told with that of its parent.
_TRIGGERS: Final = """SELECT 'trigger', format('%I on %s', x.tgname, x.tgrelid::regclass), f.oid::regprocedure::text,
    CASE WHEN f.prosecdef THEN r.rolname ELSE 'whoever writes the table' END,
    'whenever somebody writes ' || x.tgrelid::regclass::text
    FROM pg_trigger AS x JOIN f ON f.oid = x.tgfoid JOIN pg_roles AS r ON r.oid = f.proowner
    WHERE NOT x.tgisinternal AND x.tgparentid = 0"""
_EVENT_TRIGGERS: Final = """SELECT 'event trigger', quote_ident(x.evtname), f.oid::regprocedure::text,
    CASE WHEN f.prosecdef THEN r.rolname ELSE 'whoever gives the command' END, 'at each ' || x.evtevent
    FROM pg_event_trigger AS x JOIN f ON f.oid = x.evtfoid JOIN pg_roles AS r ON r.oid = f.proowner"""
_QUERY: Final = f"""{_OF_USERS}
    SELECT kind, name::text, string_agg(DISTINCT function, ', ' ORDER BY function), runs_as::text, occasion
    FROM ({" UNION ALL ".join((_DEFINERS, _INDEXES, _STATISTICS, _TRIGGERS, _EVENT_TRIGGERS))})
        AS c (kind, name, function, runs_as, occasion)
    GROUP BY 1, 2, 4, 5 ORDER BY array_position(ARRAY['security definer function', 'expression index', 'partial index', 'statistics object',
        'event trigger', 'trigger'], kind), 2, 4"""  # noqa: S608


def code_objects(master: Connection) -> tuple[CodeObject, ...]:
    """Every SECURITY DEFINER function, expression or partial index, statistics object and trigger that runs a function of the dump; run it
    after the hand-over. Of very many the first `limits.LISTED_OBJECTS`; then the last one says how many more there are."""
    rows = master.execute(_QUERY.encode()).fetchall()
    found = [
        CodeObject(kind=kind, name=name, function=function, runs_as=runs_as, when=occasion)
        for kind, name, function, runs_as, occasion in rows[: limits.LISTED_OBJECTS]
    ]
    more = len(rows) - len(found)
    if more:
        found.append(CodeObject(kind="not listed", name=f"{more} more", function="", runs_as="", when=""))
    return tuple(found)
