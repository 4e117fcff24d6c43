"""What a dump may write is bounded: while a database is replayed, somebody looks how large it has become.

Invariant: a temporary database that outgrows its bound loses all sessions of its login, again and again, until the replay has ended.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from dbrestore.contract.errors import ReplayFailed
from dbrestore.contract.job import DatabaseJob
from dbrestore.contract.manifest import DatabaseBackup
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql import termination
from dbrestore.worker.postgresql.session import Connection, Server


@dataclass
class Watch:
    """Looks after one temporary database from a thread of its own."""

    server: Server
    database: DatabaseJob
    bound: int
    outgrown: str = ""
    _ended: threading.Event = field(default_factory=threading.Event)

    def end_sessions(self) -> None:
        """End every session of the login. Code of the dump can't catch that, as it can a cancel."""
        with self.server.connect_master() as master:
            termination.end_sessions_of(master, self.database.login_role)

    def look(self) -> None:
        """Until the end; a server that doesn't answer is for the replay itself to find."""
        pause = self.server.bounds.size_look_seconds
        while not self._ended.wait(pause):
            began = time.monotonic()
            try:
                with self.server.connect_master(patiently=False) as master:
                    self._judge(_size(master, self.database) + _temporary_files(master, self.database))
            except psycopg.Error:
                continue
            # Many thousand tables are as many files to be looked at.
            pause = max(self.server.bounds.size_look_seconds, 20 * (time.monotonic() - began))

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()

    def _judge(self, size: int) -> None:
        if size > self.bound:
            self.outgrown = (
                f"{self.database.backup_name}: the temporary database has grown to {size} bytes, over the {self.bound} that its dump can "
                "need: something in the dump writes without end"
            )
            self.end_sessions()


@contextmanager
def watched(server: Server, database: DatabaseJob, backup: DatabaseBackup) -> Iterator[Watch]:
    """Raises ReplayFailed for a database that outgrew its bound, whatever error that ended in."""
    watch = Watch(server, database, bound(backup, server.bounds.size_free))
    thread = threading.Thread(target=watch.look, daemon=True)
    thread.start()
    try:
        yield watch
    except (ReplayFailed, psycopg.Error) as error:
        if watch.outgrown:
            raise ReplayFailed(watch.outgrown) from error
        raise
    finally:
        watch.end()
        thread.join()


def bound(backup: DatabaseBackup, free: int = limits.SIZE_FREE) -> int:
    """Bytes that the database may come to: rows, their overhead, indexes and materialized views, with much to spare."""
    return free + limits.SIZE_FACTOR * (backup.uncompressed_length + limits.SIZE_PER_ROW * backup.rows)


def _size(master: Connection, database: DatabaseJob) -> int:
    row = master.execute("SELECT pg_database_size(oid) FROM pg_database WHERE datname = %s", [database.temporary_name]).fetchone()
    return int(row[0]) if row else 0


def _temporary_files(master: Connection, database: DatabaseJob) -> int:
    """Of sorts and the like, which lie outside of the database. Named for the process they belong to."""
    may = master.execute("SELECT has_function_privilege('pg_ls_tmpdir()', 'EXECUTE')").fetchone()
    if not may or not may[0]:
        return 0
    row = master.execute(
        "SELECT coalesce(sum(f.size), 0) FROM pg_ls_tmpdir() AS f JOIN pg_stat_activity AS a "
        "ON starts_with(f.name, 'pgsql_tmp' || a.pid || '.') WHERE a.usename = %s",
        [database.login_role],
    ).fetchone()
    return int(row[0]) if row else 0
