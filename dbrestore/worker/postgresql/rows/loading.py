"""Rows and large objects: from S3 into the temporary database, streaming, and only whole.

Invariant: a member is committed after its length, its SHA-256, the end of its compressed frame, the closing line and the number
of rows that the server took were all found right; otherwise nothing of it stays.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Self

import psycopg

from dbrestore.contract.errors import BackupDamaged, ReplayFailed
from dbrestore.contract.keys import StoredPlace
from dbrestore.contract.manifest import ByteRange, DatabaseBackup, LargeObjectMember, TableMember
from dbrestore.points.pgdump import blocks as pgdump_blocks
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.points.ranges import read_range, verified, verified_range
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.resuming.journal import begun
from dbrestore.worker.postgresql.rows.sharing import Sharing, Taken
from dbrestore.worker.postgresql.session import Connection, explained

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Count = Callable[[int], None]


@dataclass(frozen=True)
class Members:
    """Where the members of one database lie; `fetched` holds the bytes of a group of small ones, from `fetched_from` on."""

    s3: "S3Client"
    bucket: str
    backup: DatabaseBackup
    fetched: bytes = b""
    fetched_from: int = 0

    def stored(self, stored: ByteRange, what: str) -> Iterator[bytes]:
        """The stored bytes; raises BackupDamaged at their end if they are not those of the manifest."""
        if self.fetched:
            begin = stored.offset - self.fetched_from
            part = self.fetched[begin : begin + stored.length]
            return verified([part], length=stored.length, sha256=stored.sha256, what=what)
        return verified_range(
            self.s3,
            self._place(stored),
            offset=stored.offset,
            length=stored.length,
            sha256=stored.sha256,
            what=what,
        )

    def fetch(self, group: tuple[TableMember, ...]) -> Self:
        """The same, with the bytes of the whole group read at once. If they can't be had, each member is read, and judged, alone."""
        first, last = group[0].stored, group[-1].stored
        length = last.offset + last.length - first.offset
        try:
            fetched = b"".join(read_range(self.s3, self._place(first), offset=first.offset, length=length))
        except BackupDamaged:
            return self
        return replace(self, fetched=fetched, fetched_from=first.offset)

    def _place(self, stored: ByteRange) -> StoredPlace:
        return self.backup.files[stored.file].place(self.bucket)


def groups(members: tuple[TableMember, ...], shared_from: int = limits.SHARED_MEMBER) -> Iterator[tuple[TableMember, ...]]:
    """Large members by themselves, small neighbours together. `shared_from`: bytes of COPY text that several sessions load."""
    group: list[TableMember] = []
    for member in sorted(members, key=lambda m: (m.stored.file, m.stored.offset)):
        if group and not _belongs(group, member, shared_from):
            yield tuple(group)
            group = []
        group.append(member)
    if group:
        yield tuple(group)


def length_of(group: tuple[TableMember, ...]) -> int:
    """Bytes of COPY text."""
    return sum(member.uncompressed_length for member in group)


def _belongs(group: list[TableMember], member: TableMember, shared_from: int) -> bool:
    first, before, stored = group[0].stored, group[-1].stored, member.stored
    return (
        stored.file == first.file
        and max(group[-1].uncompressed_length, member.uncompressed_length) < shared_from
        and max(before.length, stored.length) <= limits.SMALL_MEMBER
        and stored.offset + stored.length - first.offset <= limits.GROUP_LENGTH
        and len(group) < limits.GROUP_MEMBERS
    )


@dataclass(frozen=True)
class Lines:
    """What the transactions of one member begin with, so that the journal tells of it: that of the session that loads it or leads, and
    those of the sessions that help."""

    own: bytes = b""
    helping: bytes = b""


UNTOLD: Final = Lines()


def load_table(
    connection: Connection,
    members: Members,
    member: TableMember,
    copy_statement: bytes,
    count: Count,
    sharing: Sharing | None = None,
    lines: Lines = UNTOLD,
) -> None:
    """COPY one member in one transaction, and in one more for each session that helps. Raises BackupDamaged or ReplayFailed, naming the
    table."""
    what = f"table {member.schema_name}.{member.table} of {members.backup.name}"
    sharing, load, rows = sharing or Sharing(), partial(_copy, copy_statement, count), _rows(members, member, what)
    try:
        with (
            sharing.lead(load, rows, lines.helping),
            begun(connection, lines.own),
            connection.cursor() as cursor,
            closing(sharing.pieces(rows)) as pieces,
        ):
            taken = [sum(of_each) for of_each in zip(load(cursor, pieces), sharing.taken_by_others(), strict=True)]
            _require(taken[0] == member.uncompressed_length, "bytes", taken[0], member.uncompressed_length)
            _require(taken[1] == member.rows, "rows", taken[1], member.rows)
            sharing.let_commit()
    except BackupDamaged as error:
        raise BackupDamaged(f"{what} was not loaded: {str(error).removeprefix(f'{what}: ')}") from error
    except psycopg.Error as error:
        raise ReplayFailed(f"{what}: {explained(error)}") from error


def require_intact(members: Members, member: TableMember) -> None:
    """Read the stored bytes once more. Raises BackupDamaged if they are why the server refused the rows."""
    what = f"table {member.schema_name}.{member.table} of {members.backup.name}"
    for _ in _rows(members, member, what):
        pass


def load_large_objects(connection: Connection, members: Members, member: LargeObjectMember, count: Count, line: bytes = b"") -> None:
    """Create and fill the large objects of one member in one transaction, which begins with that line of the journal."""
    what = f"large objects {_span(member.oids)} of {members.backup.name}"
    backup, size = members.backup, 0
    try:
        with begun(connection, line):
            stored = members.stored(member.stored, what)
            for oid, content in pgdump_blocks.large_objects(stored, backup.format, backup.compression, member.dump_id, member.oids):
                size += _fill(connection, oid, content, count)
            _exhaust(stored)
            _require(size == member.uncompressed_length, "bytes", size, member.uncompressed_length)
    except BackupDamaged as error:
        raise BackupDamaged(f"{what} were not loaded: {str(error).removeprefix(f'{what}: ')}") from error
    except psycopg.Error as error:
        raise ReplayFailed(f"{what}: {explained(error)}") from error


def _rows(members: Members, member: TableMember, what: str) -> Iterator[bytes]:
    backup = members.backup
    stored = members.stored(member.stored, what)
    yield from pgdump_blocks.table_rows(stored, backup.format, backup.compression, member.dump_id)
    # The SHA-256 is judged when the stored stream is read to its end, which a decoder need not do.
    _exhaust(stored)


def _copy(statement: bytes, count: Count, cursor: psycopg.Cursor[tuple[object, ...]], rows: Iterable[bytes]) -> Taken:
    """An error inside `copy` makes the server refuse the COPY as a whole."""
    loaded = 0
    with cursor.copy(statement) as copy:
        for piece in rows:
            copy.write(piece)
            loaded += len(piece)
            count(len(piece))
    return loaded, cursor.rowcount


def _fill(connection: Connection, oid: int, content: Iterator[bytes], count: Count) -> int:
    connection.execute("SELECT pg_catalog.lo_create(%s::oid)", [oid])
    size = 0
    for piece in _pieces(content):
        connection.execute("SELECT pg_catalog.lo_put(%s::oid, %s::bigint, %b::bytea)", [oid, size, piece])
        size += len(piece)
        count(len(piece))
    return size


def _pieces(content: Iterator[bytes]) -> Iterator[bytes]:
    """The content in pieces of exactly LARGE_OBJECT_CHUNK, but the last."""
    held = bytearray()
    for part in content:
        held += part
        while len(held) >= limits.LARGE_OBJECT_CHUNK:
            yield bytes(held[: limits.LARGE_OBJECT_CHUNK])
            del held[: limits.LARGE_OBJECT_CHUNK]
    if held:
        yield bytes(held)


def _exhaust(stored: Iterator[bytes]) -> None:
    if any(True for piece in stored if piece):
        raise BackupDamaged("bytes follow the end of the data")


def _require(right: bool, unit: str, found: int, expected: int) -> None:
    if not right:
        raise BackupDamaged(f"{found} {unit} were loaded where the manifest says {expected}")


def _span(oids: tuple[int, ...]) -> str:
    return str(oids[0]) if len(oids) == 1 else f"{oids[0]}..{oids[-1]}"


def entry_of(member: TableMember, entries: dict[int, TocEntry]) -> TocEntry:
    """The TABLE DATA entry of a member. Raises BackupDamaged if the dump has none."""
    entry = entries.get(member.dump_id)
    if entry is None or entry.description != "TABLE DATA":
        raise BackupDamaged(f"the dump has no TABLE DATA entry {member.dump_id} for {member.schema_name}.{member.table}")
    return entry
