"""Executes the SQL that pg_dump wrote for an entry, logged in as the temporary login, as pg_restore would.

Invariants: an entry is executed whole or not at all, and stands in the journal with that; one that the server refuses fails the database,
or is left out with all that depends on it if the request allows that; and the name of the entry stands in every error.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from dbrestore.contract.errors import ReplayFailed
from dbrestore.contract.manifest import DatabaseBackup
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.base import limits
from dbrestore.worker.base.secrets import Login
from dbrestore.worker.postgresql.archive import Archive
from dbrestore.worker.postgresql.left_out import Omissions
from dbrestore.worker.postgresql.resuming.journal import Journal, Kind, begun
from dbrestore.worker.postgresql.session import Connection, Server, explained, is_refusal, is_transient

WAY_OUT = "onUnrestorable `skip` (--skip-unrestorable) restores the rest without it and what depends on it"
_HEAP = "heap"
_ENDS: Final = "{}: there are statements that end the transaction, which pg_dump never writes"
# Around a definition that is sent with its transaction, and what the server says where that was ended in between.
_BEFORE: Final = b"; SAVEPOINT definition;"
_AFTER: Final = b"; RELEASE SAVEPOINT definition; COMMIT"
_ENDED_BY_ITSELF: Final = (psycopg.errors.NoActiveSqlTransaction, psycopg.errors.InvalidSavepointSpecification)


@dataclass(frozen=True)
class Executor:
    """How the statements of one database are executed. `skips`: what the server refuses is left out and not an error. What is in the
    journal is not executed again."""

    archive: Archive
    backup: DatabaseBackup
    omissions: Omissions
    skips: bool
    journal: Journal

    def connect(self, server: Server, login: Login, database: str) -> Connection:
        """A session with the settings that pg_dump expects, in the encoding of the dump's texts."""
        connection = server.connect(
            login,
            database,
            check_function_bodies="off",
            synchronous_commit="off",
            standard_conforming_strings="off" if self._has_old_strings() else "on",
        )
        # Rows are sent as they lie in the dump. Set in the end, so that psycopg's own statements before it are plain ASCII.
        connection.execute(sql.SQL("SET client_encoding = {}").format(sql.Literal(self._client_encoding(connection))))
        return connection

    def run_all(self, connection: Connection, entries: Iterable[TocEntry]) -> None:
        """Execute in this order, in transactions of limited size. Raises ReplayFailed for what is refused, unless that is skipped."""
        remaining = self.remaining(entries)
        while batch := self.first_batch(remaining):
            repeated(partial(self._run_batch, connection, batch))
            del remaining[: len(batch)]

    def first_batch(self, entries: Sequence[TocEntry]) -> Sequence[TocEntry]:
        """The first of them, as many as go into one transaction."""
        return entries[: limits.OBJECTS_PER_TRANSACTION]

    def tried(self, connection: Connection, batch: Sequence[TocEntry]) -> bool:
        """Whether all of them were executed, in one transaction. If the server refuses any, none is."""
        try:
            repeated(partial(self._run_joined, connection, batch))
        except psycopg.Error as error:
            if connection.closed or is_transient(error):
                raise
            return False
        return True

    def remaining(self, entries: Iterable[TocEntry]) -> list[TocEntry]:
        """Those that are neither left out nor done."""
        return self.journal.without(self.omissions.without(entries))

    def telling(self, kind: Kind) -> "Executor":
        """The same, whose lines in the journal are of this kind."""
        return replace(self, journal=replace(self.journal, kind=kind))

    def run(self, connection: Connection, entry: TocEntry) -> None:
        """Execute one in a transaction of its own. Raises as `run_all`."""
        self._run_batch(connection, [entry])

    def run_strictly(self, connection: Connection, entry: TocEntry) -> None:
        """The same, but what is refused is an error even if such things are skipped."""
        replace(self, skips=False).run(connection, entry)

    def refuse(self, entry: TocEntry, error: psycopg.Error) -> None:
        """Leave the entry out for this reason; raises ReplayFailed if that isn't allowed or not the entry's own fault."""
        words = explained(error)
        if not is_refusal(error):
            raise ReplayFailed(f"{entry.label}: {words}") from error
        self.leave_out(entry, words, error)

    def leave_out(self, entry: TocEntry, why: str, error: psycopg.Error | None = None) -> None:
        """Leave the entry out for this reason; raises ReplayFailed if the request doesn't allow that."""
        if not self.skips:
            raise ReplayFailed(f"{entry.label}: {why}; {WAY_OUT}") from error
        self.omissions.add(entry, why)

    def _run_batch(self, connection: Connection, batch: Sequence[TocEntry]) -> None:
        chosen = self.remaining(batch)
        if not chosen:
            return
        if len(chosen) == 1 and not self.skips and not any(self._surroundings(connection, chosen[0])):
            self._run_alone(connection, chosen[0])
            return
        if len(chosen) > 1 and not self.skips:
            try:
                self._run_joined(connection, chosen)
            except psycopg.Error as error:
                if connection.closed or is_transient(error):
                    raise
            else:
                return
        # One by one: what is refused has a name.
        with begun(connection, b"" if self.skips else self.journal.of(chosen)):
            executed = [entry for entry in chosen if self._run_entry(connection, entry)]
            if self.skips and executed:
                connection.execute(self.journal.of(executed))

    def _run_alone(self, connection: Connection, entry: TocEntry) -> None:
        """With its transaction in one query: the server commits what it has begun with, as the build of an index, though who asked for it
        may have died in the meantime. A savepoint tells what a COMMIT in the definition would hide."""
        definition = entry.definition.encode(self.archive.codec)
        try:
            connection.execute(b"\n".join((b"BEGIN; " + self.journal.of([entry]) + _BEFORE, definition, _AFTER)))
        except psycopg.Error as error:
            with contextlib.suppress(psycopg.Error):
                connection.execute(b"ROLLBACK")
            if isinstance(error, _ENDED_BY_ITSELF):
                raise ReplayFailed(_ENDS.format(entry.label)) from error
            self.refuse(entry, error)

    def _run_joined(self, connection: Connection, entries: Sequence[TocEntry]) -> None:
        """All in one transaction and with few round trips, of which each takes as long as making a small table."""
        with begun(connection, self.journal.of(entries)):
            for statements in self._joined(connection, entries):
                connection.execute(statements)
                _require_in_transaction(connection, f"{len(entries)} entries from {entries[0].label} to {entries[-1].label}")

    def _joined(self, connection: Connection, entries: Sequence[TocEntry]) -> Iterator[sql.Composed | bytes]:
        """Definitions that follow each other with nothing around them are one text."""
        texts: list[bytes] = []
        for entry in entries:
            before, after = self._surroundings(connection, entry)
            definition = entry.definition.encode(self.archive.codec)
            if texts and (before or after or sum(map(len, texts)) + len(definition) > limits.JOINED_STATEMENTS):
                yield b"\n".join(texts)
                texts.clear()
            if before or after:
                yield from before
                yield definition
                yield from after
            else:
                texts.append(definition)
        if texts:
            yield b"\n".join(texts)

    def _run_entry(self, connection: Connection, entry: TocEntry) -> bool:
        """Whether it was executed, and not left out."""
        try:
            if self.skips:
                with connection.transaction():
                    self._execute(connection, entry)
            else:
                self._execute(connection, entry)
        except psycopg.Error as error:
            self.refuse(entry, error)
            return False
        return True

    def _execute(self, connection: Connection, entry: TocEntry) -> None:
        before, after = self._surroundings(connection, entry)
        for statement in before:
            connection.execute(statement)
        # Without parameters this is one simple query, which may hold several statements.
        connection.execute(entry.definition.encode(self.archive.codec))
        _require_in_transaction(connection, entry.label)
        for statement in after:
            connection.execute(statement)

    def _surroundings(self, connection: Connection, entry: TocEntry) -> tuple[list[sql.Composed], list[sql.Composed]]:
        """What pg_restore sends before and after some entries."""
        before, after = [], []
        if entry.access_method not in ("", _HEAP):
            if entry.relkind != "p":
                before.append(_set_local("default_table_access_method", entry.access_method))
                after.append(_set_local("default_table_access_method", _HEAP))
            elif connection.info.server_version >= 170000:
                after.append(
                    sql.SQL("ALTER TABLE {} SET ACCESS METHOD {}").format(
                        sql.Identifier(*filter(None, (entry.schema_name, entry.tag))),
                        sql.Identifier(entry.access_method),
                    )
                )
        if self._names_are_unqualified() and entry.schema_name not in (None, "pg_catalog"):
            before.append(sql.SQL("SET LOCAL search_path = {}, pg_catalog").format(sql.Identifier(entry.schema_name)))
            after.append(_set_local("search_path", ""))
        return before, after

    def _client_encoding(self, connection: Connection) -> str:
        encoding = self.backup.client_encoding
        is_byte_by_byte = encoding == connection.info.parameter_status("server_encoding") == "SQL_ASCII"
        return "LATIN1" if is_byte_by_byte else encoding

    def _has_old_strings(self) -> bool:
        entry = self.archive.first("STDSTRINGS")
        return entry is not None and "'off'" in entry.definition

    def _names_are_unqualified(self) -> bool:
        return self.archive.toc.version < (1, 13)


def repeated(work: Callable[[], object]) -> None:
    """Do it, and again if what went wrong may go right the next time."""
    for attempt in range(1, limits.ATTEMPTS + 1):
        try:
            work()
        except (ReplayFailed, psycopg.Error) as error:
            if attempt == limits.ATTEMPTS or not is_transient(error):
                raise
        else:
            return


def _require_in_transaction(connection: Connection, what: str) -> None:
    if connection.info.transaction_status != TransactionStatus.INTRANS:
        raise ReplayFailed(_ENDS.format(what))


def _set_local(name: str, value: str) -> sql.Composed:
    return sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), sql.Literal(value))
