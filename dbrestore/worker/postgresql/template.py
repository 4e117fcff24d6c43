"""The template that a new database is made of: template0, which nobody changed, or before PostgreSQL 15 template1.

There the schema public of template0 belongs to the superuser who made the server, so that on RDS nobody could take from everybody the right
to create in it. That of template1 is the master's. Invariant: nothing that somebody made in template1 gets into a restored database.
"""

from typing import Final

import psycopg

from dbrestore.worker.postgresql.database_locale import DatabaseLocale
from dbrestore.worker.postgresql.session import Connection, Server

PRISTINE: Final = "template0"
_OWN: Final = "template1"
# From here on the schema public goes with the database.
_PUBLIC_OF_DATABASE_OWNER: Final = 150000
_FIRST_OF_USERS: Final = 16384
_CATALOGUES: Final = (
    "pg_namespace",
    "pg_class",
    "pg_proc",
    "pg_type",
    "pg_extension",
    "pg_cast",
    "pg_operator",
    "pg_opclass",
    "pg_opfamily",
    "pg_collation",
    "pg_conversion",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
    "pg_language",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_event_trigger",
    "pg_publication",
    "pg_default_acl",
    "pg_am",
    "pg_transform",
)
_UNTOUCHED: Final = " AND ".join(
    (
        "SELECT NOT EXISTS (SELECT FROM pg_largeobject_metadata)",
        *(f"NOT EXISTS (SELECT FROM {catalogue} WHERE oid >= {_FIRST_OF_USERS})" for catalogue in _CATALOGUES),  # nosec B608 - our own texts
    )
)
_PUBLIC_IS_OURS: Final = "SELECT coalesce(bool_or(pg_has_role(nspowner, 'USAGE')), false) FROM pg_namespace WHERE nspname = 'public'"


def of(server: Server, master: Connection, locale: DatabaseLocale) -> str:
    """The name of the template for a database with this locale."""
    if master.info.server_version >= _PUBLIC_OF_DATABASE_OWNER:
        return PRISTINE
    try:
        with server.connect_master(_OWN) as inside:
            usable = _has(inside, locale) and _is(inside, _UNTOUCHED) and public_is_ours(inside)
    except psycopg.Error:
        return PRISTINE
    return _OWN if usable else PRISTINE


def public_is_ours(inside: Connection) -> bool:
    """Whether the session's user may act as the owner of this database's schema public."""
    return _is(inside, _PUBLIC_IS_OURS)


def _has(inside: Connection, locale: DatabaseLocale) -> bool:
    """A copy of another encoding or locale than its template's is only made of template0."""
    row = inside.execute(
        "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    return locale.provider == "libc" and row == (locale.encoding, locale.collate, locale.ctype)


def _is(inside: Connection, query: str) -> bool:
    row = inside.execute(query.encode()).fetchone()
    return row is not None and bool(row[0])
