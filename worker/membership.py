"""Acting for another role: to hand over an object the master user must be a member of its new owner, and may have to lend
itself the membership.

Invariant: a membership is lent and given back in the same transaction, so that a death in between leaves nothing lent.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import sql

from worker.session import Connection


@dataclass(frozen=True)
class RoleState:
    """Whether the role exists in the target and whether the master user may act for it."""

    exists: bool
    may_act: bool


def role_states(master: Connection, roles: Iterable[str]) -> dict[str, RoleState]:
    """Look all roles up at once."""
    wanted = sorted(set(roles))
    administers = "pg_has_role(oid, 'MEMBER WITH ADMIN OPTION')"
    if master.info.server_version < 160000:
        # Before 16 a role with CREATEROLE may grant any role but a superuser's.
        administers = "(SELECT rolcreaterole FROM pg_roles WHERE rolname = current_user)"
    query = f"SELECT rolname, pg_has_role(oid, 'USAGE') OR (NOT rolsuper AND {administers}) FROM pg_roles WHERE rolname = ANY(%s)"  # noqa: S608
    found = {
        name: RoleState(exists=True, may_act=may_act) for name, may_act in master.execute(query.encode(), [wanted])
    }
    return {role: found.get(role, RoleState(exists=False, may_act=False)) for role in wanted}


@contextmanager
def acting_for(master: Connection, roles: Iterable[str]) -> Iterator[None]:
    """Inside a transaction: be a member of each role, and afterwards of exactly those that one was a member of before."""
    give_back = [statement for role in sorted(set(roles)) for statement in borrow(master, role)]
    yield
    for statement in give_back:
        master.execute(statement)


def borrow(master: Connection, role: str) -> list[sql.Composed]:
    """Become a member with all its rights. Returns the statements that undo exactly that."""
    if master.info.server_version < 160000:
        return _borrow_before_16(master, role)
    row = master.execute("SELECT pg_has_role(%s, 'USAGE') AND pg_has_role(%s, 'SET')", [role, role]).fetchone()
    if row is not None and row[0]:
        return []
    name = sql.Identifier(role)
    own_grant = master.execute(
        "SELECT inherit_option, set_option FROM pg_auth_members WHERE roleid = to_regrole(quote_ident(%s)) "
        "AND member = to_regrole(quote_ident(current_user)) AND grantor = member",
        [role],
    ).fetchone()
    master.execute(sql.SQL("GRANT {} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE").format(name))
    if own_grant is None:
        return [sql.SQL("REVOKE {} FROM CURRENT_USER GRANTED BY CURRENT_USER").format(name)]
    inherit, set_role = (sql.SQL("TRUE" if each else "FALSE") for each in own_grant)
    return [sql.SQL("GRANT {} TO CURRENT_USER WITH INHERIT {}, SET {}").format(name, inherit, set_role)]


def _borrow_before_16(master: Connection, role: str) -> list[sql.Composed]:
    row = master.execute("SELECT pg_has_role(%s, 'MEMBER')", [role]).fetchone()
    if row is not None and row[0]:
        return []
    master.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role)))
    return [sql.SQL("REVOKE {} FROM CURRENT_USER").format(sql.Identifier(role))]
