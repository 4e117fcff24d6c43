"""Acting for another role: to hand over an object the master user must be a member of its new owner, and may have to lend
itself the membership.

Invariant: a membership is lent and given back in the same transaction, so that a death in between leaves nothing lent.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import sql

from dbrestore.worker.postgresql.session import Connection


@dataclass(frozen=True)
class RoleState:
    """Whether the role exists in the target and whether the master user may act for it. `is_powerful`: it has an attribute, or is a member
    of a role, with which more can be done than a database's owner needs. `was_made` by a restore, without login or rights."""

    exists: bool
    may_act: bool
    is_superuser: bool = False
    is_powerful: bool = False
    was_made: bool = False


_NOBODY = RoleState(exists=False, may_act=False)
# How the comment ends of a role that was made because a dump names it (dbrestore.worker.postgresql.rights.powerless_roles).
MADE_FOR_DUMP = "made because a dump names it"

# pg_database_owner has no rights of its own.
_POWERFUL = """rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls OR EXISTS (
        SELECT FROM pg_roles AS p
        WHERE p.oid <> r.oid AND pg_has_role(r.oid, p.oid, 'MEMBER') AND p.rolname <> 'pg_database_owner' AND (
            p.rolsuper OR p.rolcreaterole OR p.rolcreatedb OR p.rolreplication OR p.rolbypassrls
            OR p.rolname LIKE 'pg\\_%%' OR p.rolname LIKE 'rds%%' OR p.rolname = current_user))"""


def role_states(master: Connection, roles: Iterable[str]) -> dict[str, RoleState]:
    """Look all roles up at once."""
    wanted = sorted(set(roles))
    administers = "pg_has_role(oid, 'MEMBER WITH ADMIN OPTION')"
    if master.info.server_version < 160000:
        # Before 16 a role with CREATEROLE may grant any role but a superuser's.
        administers = "(SELECT rolcreaterole FROM pg_roles WHERE rolname = current_user)"
    query = f"""SELECT rolname, pg_has_role(oid, 'USAGE') OR (NOT rolsuper AND {administers}), rolsuper, {_POWERFUL},
            NOT rolcanlogin AND coalesce(shobj_description(oid, 'pg_authid') LIKE 'dbrestore %%: ' || %s, false)
        FROM pg_roles AS r WHERE rolname = ANY(%s)"""  # noqa: S608 - our own texts
    found = {name: RoleState(True, *state) for name, *state in master.execute(query.encode(), [MADE_FOR_DUMP, wanted])}
    return {role: found.get(role, _NOBODY) for role in wanted}


def is_member(master: Connection, role: str) -> bool:
    """Whether the session's user has all rights of the role, and may become it."""
    modes = ("USAGE", "SET") if master.info.server_version >= 160000 else ("USAGE",)
    row = master.execute("SELECT bool_and(pg_has_role(%s, mode)) FROM unnest(%s::text[]) AS mode", [role, list(modes)]).fetchone()
    return row is not None and bool(row[0])


def become_member(master: Connection, role: str) -> None:
    """A member for good of a role that the session's user has made: since PostgreSQL 16 that alone lets nobody act as it."""
    options = sql.SQL(" WITH INHERIT TRUE, SET TRUE" if master.info.server_version >= 160000 else "")
    master.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role)) + options)


@contextmanager
def acting_for(master: Connection, roles: Iterable[str]) -> Iterator[None]:
    """Inside a transaction: be a member of each role, and afterwards of exactly those that one was a member of before."""
    give_back = [statement for role in sorted(set(roles)) for statement in borrow(master, role)]
    yield
    for statement in give_back:
        master.execute(statement)


def borrow(master: Connection, role: str) -> list[sql.Composed]:
    """Become a member with all its rights. Returns the statements that undo exactly that."""
    if is_member(master, role):
        return []
    if master.info.server_version < 160000:
        become_member(master, role)
        return [sql.SQL("REVOKE {} FROM CURRENT_USER").format(sql.Identifier(role))]
    name = sql.Identifier(role)
    own_grant = master.execute(
        "SELECT inherit_option, set_option FROM pg_auth_members WHERE roleid = to_regrole(quote_ident(%s)) "
        "AND member = to_regrole(quote_ident(current_user)) AND grantor = member",
        [role],
    ).fetchone()
    become_member(master, role)
    if own_grant is None:
        return [sql.SQL("REVOKE {} FROM CURRENT_USER GRANTED BY CURRENT_USER").format(name)]
    inherit, set_role = (sql.SQL("TRUE" if each else "FALSE") for each in own_grant)
    return [sql.SQL("GRANT {} TO CURRENT_USER WITH INHERIT {}, SET {}").format(name, inherit, set_role)]
