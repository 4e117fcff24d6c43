"""Are the large objects what they were in the dump? Read back in pieces, hashed as `points add` hashed the dump's.

Invariant: a missing object, one that is longer or shorter, and one with another byte each change the sum.
"""

import threading
from collections.abc import Iterator
from typing import Final

import psycopg

from dbrestore.contract.job import Check
from dbrestore.contract.manifest import LargeObjectMember
from dbrestore.points.pgdump.row_digest import ObjectDigester, total_text
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.session import Connection, explained

# Together one piece of each at most.
_AT_ONCE: Final = 8
# The objects of one task.
_PER_TASK: Final = 10_000
_SHOWN_DIGITS: Final = 12


class Objects:
    """All large objects of a database; its methods may run in several threads at once."""

    def __init__(self, members: tuple[LargeObjectMember, ...]) -> None:
        self._oids = [oid for member in members for oid in member.oids]
        self._size = sum(member.uncompressed_length for member in members)
        digests = [member.content for member in members if member.content]
        self.is_comparable = len(digests) == len(members) and len({d.seed for d in digests}) <= 1
        self._seed = digests[0].seed if digests else 0
        self._wanted = sum(int(digest.total, 16) for digest in digests)
        self._count = self._read = self._total = 0
        self._problem = ""
        self._lock = threading.Lock()

    def parts(self) -> Iterator[list[int]]:
        """The object ids, for one task each."""
        for begin in range(0, len(self._oids), _PER_TASK):
            yield self._oids[begin : begin + _PER_TASK]

    def read(self, oids: list[int], connection: Connection) -> None:
        """Read these objects."""
        try:
            for begin in range(0, len(oids), _AT_ONCE):
                for oid, start in _starts(connection, oids[begin : begin + _AT_ONCE]):
                    self._add(oid, _pieces(connection, oid, start))
        except psycopg.Error as error:
            if connection.broken:
                raise
            self._problem = explained(error).splitlines()[0]

    def check(self) -> Check:
        """What all reads came to."""
        expected = _described(len(self._oids), self._size, self._wanted)
        actual = self._problem or _described(self._count, self._read, self._total)
        return Check(check="content of large objects", expected=expected, actual=actual, result="ok" if expected == actual else "failed")

    def _add(self, oid: int, pieces: Iterator[bytes]) -> None:
        digester = ObjectDigester(self._seed)
        size = digester.add(oid, pieces)
        with self._lock:
            self._count, self._read = self._count + 1, self._read + size
            self._total += int(digester.digest().total, 16)


def _starts(connection: Connection, oids: list[int]) -> list[tuple[int, bytes]]:
    """The first piece of each that is there."""
    cursor = connection.cursor(binary=True)
    cursor.execute(
        "SELECT oid::bigint, lo_get(oid, 0, %s) FROM pg_largeobject_metadata WHERE oid = ANY(%s::oid[])",
        [limits.LARGE_OBJECT_CHUNK, oids],
    )
    return cursor.fetchall()


def _pieces(connection: Connection, oid: int, start: bytes) -> Iterator[bytes]:
    piece, offset = start, 0
    while piece:
        yield piece
        offset += len(piece)
        if len(piece) < limits.LARGE_OBJECT_CHUNK:
            return
        row = (
            connection.cursor(binary=True)
            .execute("SELECT lo_get(%s::oid, %s::bigint, %s)", [oid, offset, limits.LARGE_OBJECT_CHUNK])
            .fetchone()
        )
        piece = row[0] if row else b""


def _described(count: int, size: int, total: int) -> str:
    return f"{count} of {size} bytes, digest {total_text(total)[:_SHOWN_DIGITS]}"
