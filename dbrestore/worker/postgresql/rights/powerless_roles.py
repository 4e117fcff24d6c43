"""Roles without login or rights that own what a dump brings: made here, and unmade below.

The holder, one per restored database, owns what no other role may. It is needed as long as the database is there: it goes with a
database that is discarded, at once if it owns nothing, and otherwise, because PostgreSQL drops no role with a database, when the next
restore into the instance sees that its database is gone. With `create_missing_roles` the dump's own roles are made as well, and go
likewise while nothing is theirs. The comment of a role says which restore made it; no code of a dump can write one.
"""

import contextlib
from collections.abc import Iterable

import psycopg
from psycopg import sql

from dbrestore.contract.job import DatabaseJob, FixUp
from dbrestore.worker.postgresql.rights import membership
from dbrestore.worker.postgresql.rights.owners import is_reserved
from dbrestore.worker.postgresql.session import Connection

_WITHOUT_RIGHTS = sql.SQL("NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS")
_HOLDS = "owns what a restored database's other roles don't; goes when that database is gone"
_LONGEST_NAME = 63
_NO_NAMES = ("", "public", "none", "current_user", "current_role", "session_user")


def make_holder(master: Connection, database: DatabaseJob) -> None:
    """The holder of this database, and the master user a member of it. Idempotent."""
    _make(master, database.holder_role, _mark(database, _HOLDS))


def make_missing(master: Connection, database: DatabaseJob, named: Iterable[str]) -> list[FixUp]:
    """Make the roles of the dump that the target lacks, but for names that belong to the system."""
    wanted = [role for role in sorted(set(named)) if _may_be_made(role)]
    present = {row[0] for row in master.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [wanted])}
    mark = _mark(database, membership.MADE_FOR_DUMP)
    for role in wanted:
        if role not in present:
            _make(master, role, mark)
    return [FixUp(entry=f"ROLE {role}", what="created, without login or rights") for role in made_for(master, database)]


def made_for(master: Connection, database: DatabaseJob) -> list[str]:
    """The roles that were made for this database because the dump names them."""
    return [role for role in _marked(master, database) if role != database.holder_role]


def drop_unused(master: Connection, database: DatabaseJob) -> None:
    """Drop those of this database's roles that own nothing and have no privilege, anywhere."""
    for role in _marked(master, database):
        _drop_if_unused(master, role)


def drop_orphans(master: Connection) -> None:
    """Drop the holders of databases that are gone: neither is their database built at the moment, nor is anything theirs. Since
    PostgreSQL 16 one that another user made is not ours to drop: it goes with that user's next restore."""
    holders = master.execute(
        "SELECT rolname FROM pg_roles AS r, shobj_description(oid, 'pg_authid') AS mark "
        "WHERE mark LIKE 'dbrestore %%: ' || %s AND NOT rolcanlogin "
        "AND NOT EXISTS (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = r.oid) "
        "AND NOT EXISTS (SELECT FROM pg_database WHERE datname = split_part(split_part(mark, ' ', 2), ':', 1))",
        [_HOLDS],
    ).fetchall()
    for (role,) in holders:
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            _drop_if_unused(master, role)


def _mark(database: DatabaseJob, purpose: str) -> str:
    return f"dbrestore {database.temporary_name}: {purpose}"


def _marked(master: Connection, database: DatabaseJob) -> list[str]:
    rows = master.execute(
        "SELECT rolname FROM pg_roles WHERE starts_with(shobj_description(oid, 'pg_authid'), %s) ORDER BY 1",
        [_mark(database, "")],
    )
    return [row[0] for row in rows]


def _may_be_made(role: str) -> bool:
    return role not in _NO_NAMES and not is_reserved(role) and len(role.encode()) <= _LONGEST_NAME


def _make(master: Connection, role: str, mark: str) -> None:
    name = sql.Identifier(role)
    with master.transaction():
        if master.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
            master.execute(sql.SQL("CREATE ROLE {} {}").format(name, _WITHOUT_RIGHTS))
            master.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(name, sql.Literal(mark)))
        if not membership.is_member(master, role):
            membership.become_member(master, role)


def _drop_if_unused(master: Connection, role: str) -> None:
    try:
        master.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
    except psycopg.errors.DependentObjectsStillExist:
        return  # it stays with the database whose objects are its
