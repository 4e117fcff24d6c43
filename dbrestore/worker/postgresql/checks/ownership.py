"""Who owns what in the restored database: as was decided, and nobody else.

Read from the system catalogue after the hand-over; no code of the database runs.
"""

from collections.abc import Collection, Mapping
from typing import Final

from dbrestore.contract.job import Check
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql import catalogue
from dbrestore.worker.postgresql.addresses import object_keys
from dbrestore.worker.postgresql.session import Connection

# What has an owner: the class by which an object is filed, its catalogue, the owner's column, and what to leave out because its owner can't
# differ from that of another object: toast tables, indexes, and the types of rows, arrays and multiranges.
_OWNED: Final = (
    ("pg_class", "pg_class", "relowner", "o.relkind NOT IN ('t', 'i', 'I', 'c')"),
    # The constructors of a range type belong to the server's first superuser, whoever makes the type.
    (
        "pg_proc",
        "pg_proc",
        "proowner",
        "NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = o.oid AND d.deptype = 'i')",
    ),
    (
        "pg_type",
        "pg_type",
        "typowner",
        "o.typtype <> 'm' AND NOT EXISTS (SELECT FROM pg_type AS e WHERE e.typarray = o.oid) "
        "AND NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = o.typrelid AND c.relkind <> 'c')",
    ),
    ("pg_namespace", "pg_namespace", "nspowner", "o.nspname !~ '^pg_(toast_)?temp_'"),
    ("pg_operator", "pg_operator", "oprowner", ""),
    ("pg_opclass", "pg_opclass", "opcowner", ""),
    ("pg_opfamily", "pg_opfamily", "opfowner", ""),
    ("pg_collation", "pg_collation", "collowner", ""),
    ("pg_conversion", "pg_conversion", "conowner", ""),
    ("pg_ts_dict", "pg_ts_dict", "dictowner", ""),
    ("pg_ts_config", "pg_ts_config", "cfgowner", ""),
    ("pg_statistic_ext", "pg_statistic_ext", "stxowner", ""),
    ("pg_largeobject", "pg_largeobject_metadata", "lomowner", ""),
    ("pg_foreign_data_wrapper", "pg_foreign_data_wrapper", "fdwowner", ""),
    ("pg_foreign_server", "pg_foreign_server", "srvowner", ""),
    ("pg_language", "pg_language", "lanowner", ""),
    ("pg_publication", "pg_publication", "pubowner", ""),
    ("pg_event_trigger", "pg_event_trigger", "evtowner", ""),
)
_ALL_OWNED: Final = " UNION ALL ".join(
    f"SELECT '{class_name}'::regclass::oid, o.oid, o.{owner} FROM {catalogue_name} AS o WHERE {which or 'true'}"  # noqa: S608 - our own texts
    for class_name, catalogue_name, owner, which in _OWNED
)
# Objects below this number came with the server; large objects may have any.
_FIRST_OF_USERS: Final = 16384
_STRANGERS: Final = f"""SELECT i.type, i.identity, r.rolname::text FROM ({_ALL_OWNED}) AS o (class_id, object_id, owner)
    LEFT JOIN pg_roles AS r ON r.oid = o.owner
    CROSS JOIN LATERAL pg_identify_object(o.class_id, o.object_id, 0) AS i
    WHERE (o.object_id >= {_FIRST_OF_USERS} OR o.class_id = 'pg_largeobject'::regclass)
    AND (r.rolname IS NULL OR r.rolname <> ALL(%s))
    AND NOT EXISTS (SELECT FROM pg_depend AS d
        WHERE d.classid = o.class_id AND d.objid = o.object_id AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass)
    AND NOT (o.class_id = 'pg_namespace'::regclass AND EXISTS (SELECT FROM pg_extension AS e WHERE e.extnamespace = o.object_id))
    ORDER BY 1, 2"""  # noqa: S608 - our own texts
_OWNERS: Final = f"""SELECT o.class_id, o.object_id, r.rolname::text FROM ({_ALL_OWNED}) AS o (class_id, object_id, owner)
    JOIN pg_roles AS r ON r.oid = o.owner"""  # noqa: S608 - our own texts


def owners_check(master: Connection, entries: Collection[TocEntry], decided: Mapping[str, str], otherwise: str) -> Check:
    """Each object that an entry stands for has the owner that was decided: `decided` maps the dump's roles to the target's, `otherwise`
    owns for all that aren't in it. `entries` are those that were restored; run it after the hand-over."""
    present = catalogue.objects(master)
    owner_of = _owners(master)
    wrong = []
    for entry in entries:
        expected = decided.get(entry.owner, otherwise)
        for each in (found for key in object_keys(entry) for found in present.get(key)):
            actual = owner_of.get(_number(each.class_id, each.object_id), expected)
            wrong += [f"{entry.label} of {actual}, not {expected}"] if actual != expected else []
    return _check("owners other than decided", wrong)


def _owners(master: Connection) -> dict[int, str]:
    """By the object's number. Very many objects have few owners: each name is held once."""
    names: dict[str, str] = {}
    with master.cursor() as cursor:
        rows = cursor.stream(_OWNERS.encode(), size=limits.ROWS_TOGETHER)
        return {_number(class_id, object_id): names.setdefault(owner, owner) for class_id, object_id, owner in rows}


def _number(class_id: int, object_id: int) -> int:
    return class_id << 32 | object_id


def strangers_check(master: Connection, allowed: Collection[str]) -> Check:
    """No object of this database belongs to anybody but the `allowed` roles, whether the dump has an entry for it or its code made it."""
    return _check("objects of other owners", strangers(master, allowed))


def strangers(master: Connection, allowed: Collection[str]) -> list[str]:
    """Every object that belongs to another role: `table public.t of postgres`. Left out is what came with the
    server or an extension, and the schemas that extensions were put into."""
    rows = master.execute(_STRANGERS.encode(), [sorted(allowed)])
    return [f"{kind} {identity} of {owner}" for kind, identity, owner in rows]


def _check(name: str, wrong: list[str]) -> Check:
    more = len(wrong) - limits.LISTED_OBJECTS
    listed = wrong[: limits.LISTED_OBJECTS] + ([f"and {more} more"] if more > 0 else [])
    return Check(check=name, expected="none", actual=", ".join(listed) or "none", result="failed" if wrong else "ok")
