"""Ends other sessions of the target and waits for each to be gone, at most `limits.TERMINATION_SECONDS`.

Sessions of superusers (RDS's own) can't be ended by the master.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg

from dbrestore.contract.errors import ReplayFailed
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.session import Connection

_OF_DATABASE: LiteralString = "datname = %s AND pid <> pg_backend_pid() AND usename NOT IN (SELECT rolname FROM pg_roles WHERE rolsuper)"
_OF_ROLE: LiteralString = "usename = %s AND pid <> pg_backend_pid()"


_BUILDING: LiteralString = """SELECT a.pid, a.query_start FROM pg_stat_progress_create_index AS i
    JOIN pg_stat_activity AS a ON a.pid = i.pid WHERE a.usename = %s"""
_STILL_BUILDING: LiteralString = """SELECT FROM pg_stat_activity AS a JOIN unnest(%s::int[], %s::timestamptz[]) AS b (pid, began)
    ON a.pid = b.pid AND a.query_start = b.began WHERE a.state = 'active'"""


def end_sessions_in(master: Connection, database: str) -> None:
    """All but our own and those of superusers."""
    _end(master, _OF_DATABASE, database)


def end_sessions_of(master: Connection, role: str) -> None:
    """All of one role."""
    _end(master, _OF_ROLE, role)


def let_finish_building(master: Connection, role: str, seconds: float) -> None:
    """Wait until the sessions of the role that are building indexes now are through with that. Their work isn't lost if they commit it
    themselves, and those who died with it can't begin anything else."""
    building = master.execute(_BUILDING, [role]).fetchall()
    pids, since, deadline = [pid for pid, _ in building], [began for _, began in building], time.monotonic() + seconds
    while master.execute(_STILL_BUILDING, [pids, since]).fetchall() and time.monotonic() < deadline:
        time.sleep(limits.TERMINATION_PAUSE_SECONDS)


@contextmanager
def bounded(end_sessions: Callable[[], None], seconds: float, sentence: str) -> Iterator[None]:
    """Ends the sessions if what runs in them isn't over then: code of the dump can catch the server's time-out. Raises ReplayFailed with
    the sentence in that case."""
    ended = threading.Event()

    def end() -> None:
        ended.set()
        end_sessions()

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        yield
    except psycopg.Error as error:
        if ended.is_set():
            raise ReplayFailed(sentence) from error
        raise
    finally:
        timer.cancel()
        timer.join()


def _end(master: Connection, which: LiteralString, name: str) -> None:
    if master.info.server_version >= 140000:
        patience = int(limits.TERMINATION_SECONDS * 1000)
        query = f"SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE {which}"  # noqa: S608 - our own texts
        master.execute(query, [patience, name])
        return
    # PostgreSQL 13 ends a session without waiting for it.
    deadline = time.monotonic() + limits.TERMINATION_SECONDS
    query = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {which}"  # noqa: S608 - our own texts
    while master.execute(query, [name]).fetchall():
        if time.monotonic() > deadline:
            return
        time.sleep(limits.TERMINATION_PAUSE_SECONDS)
