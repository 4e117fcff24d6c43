"""Which objects there are, who owns them, and who may do what with them, as facts (see `facts`)."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

Fact = tuple[str, str, str]
SYSTEM = "('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace)"
# What initdb made has lower oids.
_OWN = "c.oid >= 16384"


@dataclass(frozen=True)
class Catalogue:
    """One catalogue and its columns: namespace, owner, privileges; `usual` is an expression of the privileges that stand for NULL."""

    name: str
    namespace: str | None = None
    owner: str | None = None
    acl: str | None = None
    usual: str = ""
    where: str = _OWN

    @property
    def identity(self) -> str:
        """SQL that names an object."""
        if self.name == "pg_largeobject_metadata":
            return "c.oid::text"
        return f"(pg_identify_object('{self.name}'::regclass, c.oid, 0)).identity"

    @property
    def is_members(self) -> str:
        """SQL that tells whether an object is an extension's or the server's own, as the functions that make a range are."""
        kinds = "('e', 'i')" if self.name == "pg_proc" else "('e')"
        member = f"EXISTS (SELECT FROM pg_depend WHERE classid = '{self.name}'::regclass AND objid = c.oid AND deptype IN {kinds})"
        return f"({member} OR {self.name == 'pg_language'})"

    @property
    def condition(self) -> str:
        """SQL that chooses the database's own objects."""
        return self.where + (f" AND {self.namespace} NOT IN {SYSTEM}" if self.namespace else "")


# Types of tables and arrays go with them, indexes with their tables, the relation of a composite type with that.
_NO_INDEX = f"{_OWN} AND relkind NOT IN ('t', 'i', 'I', 'c')"
_NO_ROW_TYPE = f"{_OWN} AND typcategory <> 'A' AND NOT EXISTS (SELECT FROM pg_class AS r WHERE r.oid = typrelid AND relkind <> 'c')"
# acldefault() doesn't know large objects before PostgreSQL 18.
_LARGE_OBJECT = "ARRAY[makeaclitem(lomowner, lomowner, 'SELECT', false), makeaclitem(lomowner, lomowner, 'UPDATE', false)]"
_CATALOGUES = (
    Catalogue(
        "pg_class",
        "relnamespace",
        "relowner",
        "relacl",
        "acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", relowner)",
        _NO_INDEX,
    ),
    Catalogue("pg_proc", "pronamespace", "proowner", "proacl", "acldefault('f', proowner)"),
    Catalogue("pg_type", "typnamespace", "typowner", "typacl", "acldefault('T', typowner)", _NO_ROW_TYPE),
    Catalogue(
        "pg_namespace", None, "nspowner", "nspacl", "acldefault('n', nspowner)", f"c.oid NOT IN {SYSTEM} AND nspname !~ '^pg_(toast_)?temp'"
    ),
    Catalogue("pg_operator", "oprnamespace", "oprowner"),
    Catalogue("pg_opclass", "opcnamespace", "opcowner"),
    Catalogue("pg_opfamily", "opfnamespace", "opfowner"),
    Catalogue("pg_collation", "collnamespace", "collowner"),
    Catalogue("pg_conversion", "connamespace", "conowner"),
    Catalogue("pg_statistic_ext", "stxnamespace", "stxowner"),
    Catalogue("pg_ts_config", "cfgnamespace", "cfgowner"),
    Catalogue("pg_ts_dict", "dictnamespace", "dictowner"),
    Catalogue("pg_ts_parser", "prsnamespace"),
    Catalogue("pg_ts_template", "tmplnamespace"),
    Catalogue("pg_language", None, "lanowner", "lanacl", "acldefault('l', lanowner)", "true"),
    Catalogue("pg_foreign_data_wrapper", None, "fdwowner", "fdwacl", "acldefault('F', fdwowner)"),
    Catalogue("pg_foreign_server", None, "srvowner", "srvacl", "acldefault('S', srvowner)"),
    Catalogue("pg_event_trigger", None, "evtowner"),
    Catalogue("pg_publication", None, "pubowner"),
    Catalogue("pg_extension"),
    Catalogue("pg_cast"),
    Catalogue("pg_am"),
    Catalogue("pg_policy"),
    Catalogue("pg_largeobject_metadata", None, "lomowner", "lomacl", _LARGE_OBJECT, "true"),
)


def _exploded(owner: str, is_members: str = "false") -> str:
    """Lines "grantee<TAB>privilege<TAB>grantor<TAB>grantable". The owner of an extension's member depends on who made the extension."""
    names = [
        f"CASE WHEN {role} = {owner} AND {is_members} THEN '(owner)' WHEN {role} = 0 THEN 'PUBLIC' ELSE pg_get_userbyid({role}) END"
        for role in ("a.grantee", "a.grantor")
    ]
    grantable = "CASE WHEN a.is_grantable THEN 'grantable' END"
    return f"string_agg(concat_ws(E'\\t', {names[0]}, a.privilege_type, {names[1]}, {grantable}), E'\\n')"


_COLUMNS = f"""SELECT (pg_identify_object('pg_class'::regclass, attrelid, attnum)).identity, {_exploded("0")},
    min(pg_get_userbyid(relowner)) FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid, aclexplode(attacl) AS a
    WHERE attrelid >= 16384 GROUP BY attrelid, attnum"""
_DATABASE = f"""SELECT {_exploded("datdba")}, min(pg_get_userbyid(datdba))
    FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS a WHERE datname = current_database()"""


def read(connection: psycopg.Connection) -> Iterator[tuple[Fact, str]]:
    """Aspects `there`, `owner`, `privileges`."""
    for catalogue in _CATALOGUES:
        yield from _objects(connection, catalogue)
    for identity, privileges, owner in connection.execute(_COLUMNS.encode()).fetchall():
        yield ("column", identity, "privileges"), privileges
        yield ("column", identity, "owner"), owner
    for privileges, owner in connection.execute(_DATABASE.encode()).fetchall():
        yield ("database", "database", "privileges"), privileges
        yield ("database", "database", "owner"), owner


def _objects(connection: psycopg.Connection, catalogue: Catalogue) -> Iterator[tuple[Fact, str]]:
    name = catalogue.name
    owner = f"CASE WHEN NOT {catalogue.is_members} THEN pg_get_userbyid({catalogue.owner}) END" if catalogue.owner else "NULL"
    query = f"SELECT {catalogue.identity}, {owner} FROM {name} AS c WHERE {catalogue.condition}"
    for identity, role in connection.execute(query.encode()).fetchall():
        yield (name, identity, "there"), "yes"
        if role is not None:
            yield (name, identity, "owner"), role
    if catalogue.acl and catalogue.owner:
        exploded, source = (
            _exploded(catalogue.owner, catalogue.is_members),
            f"aclexplode(coalesce({catalogue.acl}, {catalogue.usual})) AS a",
        )
        query = f"SELECT {catalogue.identity}, {exploded} FROM {name} AS c, {source} WHERE {catalogue.condition} GROUP BY c.oid"
        for identity, privileges in connection.execute(query.encode()).fetchall():
            yield (name, identity, "privileges"), privileges
