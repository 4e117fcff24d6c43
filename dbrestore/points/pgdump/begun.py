"""What was found of a dump when its reading broke off, for whoever carries on. Invariant: what is taken over fits the dump's own table of
contents and lies where it can lie; everything else is read again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dbrestore.contract.manifest import ByteRange, LargeObjectMember, TableMember
from dbrestore.points.pgdump import directory as pgdump_directory
from dbrestore.points.pgdump.row_digest import new_seed
from dbrestore.points.pgdump.toc import Toc, TocEntry

Member = TableMember | LargeObjectMember


@dataclass(frozen=True)
class Begun:
    """The members that were read, in that order, their digests under `seed`. `toc` is where a custom-format file's table of contents lies,
    if there are any."""

    seed: int
    members: tuple[Member, ...] = ()
    toc: ByteRange | None = None

    @property
    def position(self) -> int:
        """Where a custom-format file is read on."""
        return _end(self.members[-1].stored) if self.members else 0

    def by_what(self) -> dict[object, Member]:
        """Those of a directory: rows by their entry, large objects by entry and oid."""
        return {_what(member): member for member in self.members}


def anew() -> Begun:
    """Nothing."""
    return Begun(new_seed())


def fits_file(toc: Toc, members: Sequence[Member], length: int) -> bool:
    """Whether a custom-format file of this length may hold these: each of another entry, one directly behind the other."""
    entries = _entries(toc)
    end = toc.length
    for member in members:
        entry = entries.pop(member.dump_id, None)
        at = member.stored
        if entry is None or not _is_of(member, entry) or (at.file, at.offset) != (0, end) or entry.offset not in (None, end):
            return False
        end = _end(at)
    return end <= length


def fits_directory(toc: Toc, members: Sequence[Member], numbers: Mapping[str, int]) -> bool:
    """Whether a directory whose files have these numbers may hold these: each the whole file that its entry names."""
    entries = _entries(toc)
    seen = {_what(member) for member in members}
    return len(seen) == len(members) and all(_is_whole_file(toc, entries.get(m.dump_id), m, numbers) for m in members)


def _is_whole_file(toc: Toc, entry: TocEntry | None, member: Member, numbers: Mapping[str, int]) -> bool:
    if entry is None or not _is_of(member, entry) or member.stored.offset:
        return False
    if isinstance(member, TableMember):
        return numbers.get(pgdump_directory.rows_file(entry, toc.compression)) == member.stored.file
    return len(member.oids) == 1 and numbers.get(pgdump_directory.object_file(member.oids[0], toc.compression)) == member.stored.file


def _is_of(member: Member, entry: TocEntry) -> bool:
    if isinstance(member, LargeObjectMember):
        return entry.description == "BLOBS"
    told = (member.schema_name, member.table, member.extension)
    return entry.description == "TABLE DATA" and told == (entry.schema_name or "", entry.tag, None)


def _entries(toc: Toc) -> dict[int, TocEntry]:
    return {entry.dump_id: entry for entry in toc.entries if entry.has_data}


def _what(member: Member) -> object:
    return member.dump_id if isinstance(member, TableMember) else (member.dump_id, *member.oids)


def _end(at: ByteRange) -> int:
    return at.offset + at.length
