"""What the master user may do and lends to the temporary login while definitions are made: to set a parameter in a function's definition.

Invariant: only parameters whose power ends in the login's own sessions and database, and nothing stays lent.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.postgresql.session import Connection

# `replica` stops triggers and foreign keys in the session that sets it; the login owns all tables that it can reach anyway.
_PARAMETERS = ("session_replication_role",)
_FIRST_VERSION = 150000


@contextmanager
def parameters(master: Connection, entries: Iterable[TocEntry], role: str) -> Iterator[None]:
    """Lend the parameters that functions of the dump set, if the master user has them to give (PostgreSQL 15 and newer)."""
    wanted = [p for p in _PARAMETERS if any(p in e.definition for e in entries)]
    lent = [name for name in wanted if _may_lend(master, name) and _lend(master, name, role)]
    try:
        yield
    finally:
        if lent and not master.closed:
            take_back(master, role)


def take_back(master: Connection, role: str) -> None:
    """Whatever parameter is still lent to the role, which couldn't be dropped otherwise."""
    if master.info.server_version < _FIRST_VERSION:
        return
    rows = master.execute(
        "SELECT p.parname FROM pg_parameter_acl AS p, aclexplode(p.paracl) AS a WHERE a.grantee = to_regrole(quote_ident(%s))",
        [role],
    ).fetchall()
    for (name,) in rows:
        master.execute(sql.SQL("REVOKE SET ON PARAMETER {} FROM {}").format(sql.Identifier(name), sql.Identifier(role)))


def _may_lend(master: Connection, name: str) -> bool:
    if master.info.server_version < _FIRST_VERSION:
        return False
    row = master.execute("SELECT has_parameter_privilege(%s, 'SET WITH GRANT OPTION')", [name]).fetchone()
    return row is not None and bool(row[0])


def _lend(master: Connection, name: str, role: str) -> bool:
    try:
        master.execute(sql.SQL("GRANT SET ON PARAMETER {} TO {}").format(sql.Identifier(name), sql.Identifier(role)))
    except psycopg.Error:
        return False
    return True
