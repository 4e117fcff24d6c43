"""The members of a dump while it is read. Invariant: each is told of once, in the order in which it was read, and when all its rows are
counted; meanwhile others are read.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from dbrestore.contract.errors import BackupDamaged
from dbrestore.contract.manifest import ByteRange, LargeObjectMember, TableMember
from dbrestore.points.pgdump.begun import Member
from dbrestore.points.pgdump.rows.member_rows import MemberRows
from dbrestore.points.pgdump.toc import TocEntry

# Told of each member that was read to its end.
Told = Callable[[Member], None]


class _Whole(NamedTuple):
    member: Member
    is_new: bool

    @property
    def is_counted(self) -> bool:
        return True

    def finished(self) -> Member:
        return self.member


class _Table(NamedTuple):
    """`stored` is where the rows lie."""

    entry: TocEntry
    rows: MemberRows
    stored: ByteRange
    is_new: bool = True

    @property
    def is_counted(self) -> bool:
        return self.rows.is_counted

    def finished(self) -> Member:
        with naming(self.entry.label):
            found = self.rows.result()
        return TableMember(
            dump_id=self.entry.dump_id,
            schema_name=self.entry.schema_name or "",
            table=self.entry.tag,
            stored=self.stored,
            uncompressed_length=found.length,
            rows=found.rows,
            content=found.content,
        )


@dataclass
class MembersUnderway:
    """`members` are those that are whole."""

    told: Told
    members: list[Member] = field(default_factory=list)
    _waiting: deque[_Whole | _Table] = field(default_factory=deque, init=False)

    def known(self, member: Member) -> None:
        """One that was read by somebody else, and is told of to nobody."""
        self._waiting.append(_Whole(member, is_new=False))

    def read(self, member: LargeObjectMember) -> None:
        """One that was just read."""
        self._waiting.append(_Whole(member, is_new=True))
        self._finish_counted()

    def rows_read(self, entry: TocEntry, rows: MemberRows, stored: ByteRange) -> None:
        """All rows of a table were just read from there. Raises BackupDamaged, naming it, for any table whose rows are counted by now and
        can't be what COPY wrote."""
        self._waiting.append(_Table(entry, rows, stored))
        self._finish_counted()

    def finish(self) -> None:
        """No more are read: waits until all are counted. Raises as `rows_read` does."""
        while self._waiting:
            self._finish(self._waiting.popleft())

    @property
    def tables(self) -> tuple[TableMember, ...]:
        """Those of them."""
        return tuple(member for member in self.members if isinstance(member, TableMember))

    @property
    def large_objects(self) -> tuple[LargeObjectMember, ...]:
        """Those of them."""
        return tuple(member for member in self.members if isinstance(member, LargeObjectMember))

    def _finish_counted(self) -> None:
        while self._waiting and self._waiting[0].is_counted:
            self._finish(self._waiting.popleft())

    def _finish(self, read: _Whole | _Table) -> None:
        member = read.finished()
        self.members.append(member)
        if read.is_new:
            self.told(member)


@contextmanager
def naming(label: str) -> Iterator[None]:
    """Whatever is damaged meanwhile is damage of this."""
    try:
        yield
    except BackupDamaged as error:
        raise BackupDamaged(f"{label}: {error}") from error
