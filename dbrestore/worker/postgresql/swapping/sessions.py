"""Sessions of others in databases that are to be renamed or dropped: who they are, and keeping them out for the moment of the rename.

PostgreSQL's rename first shuts new sessions out, with a lock that each of them takes before it counts, and then waits five seconds for
those that are there (`CountOtherDBBackends` of src/backend/storage/ipc/procarray.c). So who ends them meanwhile, from another session,
always gets there, and nothing has to be undone if this program dies.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.session import Connection, Server

# Autovacuum gives way to a rename by itself; sessions of superusers, which are RDS's own, nobody can end.
_LOOK = """SELECT count(*), coalesce(usename, backend_type), coalesce(nullif(application_name, ''), 'no application name')
    FROM pg_stat_activity WHERE datid = ANY(%s) AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker'
    GROUP BY 2, 3 ORDER BY 1 DESC, 2, 3"""
_END = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datid = ANY(%s) AND pid <> pg_backend_pid()
    AND usename NOT IN (SELECT rolname FROM pg_roles WHERE rolsuper)"""
_PREPARED = "SELECT count(*), 'prepared transaction', gid FROM pg_prepared_xacts AS p WHERE database = ANY(%s) GROUP BY 3"


def who(master: Connection, databases: Sequence[str]) -> list[str]:
    """`2 sessions of app (psql)` for each kind of session in the databases of these names; empty if nobody is there."""
    oids = [row[0] for row in master.execute("SELECT oid FROM pg_database WHERE datname = ANY(%s)", [list(databases)])]
    sessions = master.execute(_LOOK.encode(), [oids]).fetchall()
    prepared = master.execute(_PREPARED.encode(), [list(databases)]).fetchall()
    told = [f"{count} session{'s' if count > 1 else ''} of {user} ({application})" for count, user, application in sessions]
    return [*told, *(f"the prepared transaction {gid!r}" for _, _, gid in prepared)]


@contextmanager
def kept_out(server: Server, databases: Sequence[str]) -> Iterator[None]:
    """While this lasts, sessions in these databases are ended as often as they begin. What kept them from being ended is raised if the
    body failed because of them."""
    stopped = threading.Event()
    with server.connect_master() as ending:
        oids = [row[0] for row in ending.execute("SELECT oid FROM pg_database WHERE datname = ANY(%s)", [list(databases)])]
        refused: list[psycopg.Error] = []
        thread = threading.Thread(target=_end_them, args=(ending, oids, stopped, refused))
        thread.start()
        try:
            yield
        except psycopg.errors.ObjectInUse as error:
            raise (refused[0] if refused else error) from error
        finally:
            stopped.set()
            thread.join()


def _end_them(ending: Connection, oids: list[int], stopped: threading.Event, refused: list[psycopg.Error]) -> None:
    while not stopped.is_set():
        try:
            ending.execute(_END.encode(), [oids])
        except psycopg.Error as error:
            refused[:] = [error]
            if ending.closed:
                return
        stopped.wait(limits.ENDING_PAUSE_SECONDS)
