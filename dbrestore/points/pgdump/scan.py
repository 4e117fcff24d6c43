"""Reads a dump once, from its first byte to its last, while it is stored. Invariant: what is scanned without an error can be replayed:
every member is there, decodes to its end, and has the rows the manifest says.

What no reader can see: pg_dump's zstd, lz4 and uncompressed data carry no checksum, so a bit that flipped before this scan and
still decodes to rows of the right shape (any line, where a table has one column) goes unnoticed; gzip would tell, and so do digests
that were taken where the dump was made (`known_digests`). From here on the SHA-256 of the manifest guards every byte.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, TypeVar

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable
from dbrestore.contract.manifest import ByteRange, LargeObjectMember, ObjectDigest, TableMember
from dbrestore.points.byte_reader import ByteReader
from dbrestore.points.known_digests import KnownDigests
from dbrestore.points.pgdump import begun as pgdump_begun
from dbrestore.points.pgdump import blocks as pgdump_blocks
from dbrestore.points.pgdump import directory as pgdump_directory
from dbrestore.points.pgdump import entries as pgdump_entries
from dbrestore.points.pgdump import restorable
from dbrestore.points.pgdump.begun import Begun, Member
from dbrestore.points.pgdump.row_digest import DumpDigests
from dbrestore.points.pgdump.rows import copy_text
from dbrestore.points.pgdump.rows.member_rows import MemberRows, Nobody, OtherCounters
from dbrestore.points.pgdump.toc import Toc, TocEntry, parse, parse_trailing
from dbrestore.points.pgdump.underway import MembersUnderway, Told, naming

Store = Callable[[bytes], None]
Found = TypeVar("Found")
NOBODY: Final = Nobody()


@dataclass(frozen=True)
class Contents:
    """The byte ranges of one stored dump, in the order in which they lie in it."""

    toc: ByteRange
    tables: tuple[TableMember, ...]
    large_objects: tuple[LargeObjectMember, ...]


@dataclass(frozen=True)
class _Reading:
    """One dump while it is read, by this process and `others`."""

    toc: Toc
    begun: Begun
    digests: DumpDigests
    others: OtherCounters
    underway: MembersUnderway


def peek(path: Path) -> Toc:
    """The table of contents alone, of a custom-format file or a directory; refuses early what can't be restored later.

    Raises BackupUnreadable or BackupDamaged."""
    if path.is_dir():
        toc = parse(pgdump_directory.pieces(pgdump_directory.toc_path(path)))
        if toc.format != "directory":
            raise BackupUnreadable("its toc.dat is a custom-format dump: give that file instead of the directory")
        pgdump_directory.refuse_strangers(path, toc)
    elif path.is_file():
        toc = parse(pgdump_directory.pieces(path))
        if toc.format != "custom":
            raise BackupUnreadable("the toc.dat of a directory-format dump: give the directory instead of the file")
    else:
        raise BackupUnreadable("there is no such file or directory" if not path.exists() else "neither a file nor a directory")
    restorable.require(toc)
    return toc


def stored_length(path: Path) -> int:
    """How many bytes `scan` will store."""
    return pgdump_directory.tar_length(path) if path.is_dir() else path.stat().st_size


def scan(path: Path, toc: Toc, store: Store, known: KnownDigests | None = None) -> Contents:
    """Read the whole dump and hand each byte of its stored form to `store`. `toc` is what `peek` returned; `known` are the digests of a
    directory's files (that of a file the caller compares, who takes it anyway).

    Raises BackupDamaged or BackupUnreadable, naming the member; `store` may have seen any part by then."""
    if toc.format == "custom":
        return scan_file(pgdump_directory.pieces(path), toc, store)
    return scan_members(pgdump_directory.TarStream(path, store, known), toc)


class Members(Protocol):
    """The files of a directory-format dump, wherever they lie."""

    def add(self, name: str, read: Callable[[Iterator[bytes]], Found]) -> tuple[Found, ByteRange]:
        """What `read` found in the bytes of this file, and where they lie. Raises BackupDamaged if it is missing."""

    def close(self) -> None:
        """All files were added. Raises BackupUnreadable if there are others."""


def scan_file(
    pieces: Iterable[bytes],
    toc: Toc,
    store: Store,
    begun: Begun | None = None,
    told: Told = lambda member: None,
    others: OtherCounters = NOBODY,
) -> Contents:
    """The same of a custom-format file that comes in pieces: from its beginning, or from behind the last member of what was begun."""
    reading = _reading(toc, begun, told, others)
    return _complete(toc, _scan_file(ByteReader(_tee(pieces, store), position=reading.begun.position), reading))


def scan_members(
    members: Members, toc: Toc, begun: Begun | None = None, told: Told = lambda member: None, others: OtherCounters = NOBODY
) -> Contents:
    """The same of a directory. Of what was begun no file is asked for again but the lists of large objects."""
    return _complete(toc, _scan_directory(members, _reading(toc, begun, told, others)))


def _reading(toc: Toc, begun: Begun | None, told: Told, others: OtherCounters) -> _Reading:
    begun = begun or pgdump_begun.anew()
    return _Reading(toc, begun, DumpDigests(toc, begun.seed), others, MembersUnderway(told))


def _complete(toc: Toc, contents: Contents) -> Contents:
    _require_declared_objects(toc, contents.large_objects)
    return replace(contents, tables=tuple(_with_extension(toc, member) for member in contents.tables))


def _with_extension(toc: Toc, member: TableMember) -> TableMember:
    extension = pgdump_entries.extension_of(toc, toc.by_dump_id[member.dump_id])
    return member if extension is None else replace(member, extension=extension)


def _scan_file(reader: ByteReader, reading: _Reading) -> Contents:
    toc, begun, underway = reading.toc, reading.begun, reading.underway
    toc_range = begun.toc or _toc_of_file(reader, toc)
    underway.members.extend(begun.members)
    offsets = {member.dump_id: member.stored.offset for member in begun.members}
    missing = {e.dump_id: e for e in toc.entries if e.has_data and e.dump_id not in offsets}
    while missing and not reader.at_end():
        entry, offset = _begin_block(reader, missing)
        offsets[entry.dump_id] = offset
        _scan_block(reader, reading, entry, offset)
    underway.finish()
    if missing:
        raise BackupDamaged(f"the file ends before the data of {next(iter(missing.values())).label} ({len(missing)} missing)")
    _check_rest(reader, toc, offsets)
    return Contents(toc_range, underway.tables, underway.large_objects)


def _toc_of_file(reader: ByteReader, toc: Toc) -> ByteRange:
    reader.start_digest()
    if parse(reader) != toc:
        raise BackupDamaged("the dump changed while it was read: wait for pg_dump to end")
    return ByteRange(offset=0, length=toc.length, sha256=reader.digest())


def _begin_block(reader: ByteReader, missing: dict[int, TocEntry]) -> tuple[TocEntry, int]:
    offset = reader.position
    reader.start_digest()
    kind, dump_id = pgdump_blocks.read_block(reader)
    entry = missing.pop(dump_id, None)
    if entry is None or restorable.KINDS[entry.description] != kind:
        raise BackupDamaged(f"the block of {kind} at byte {offset} (dump id {dump_id}) has no entry in the table of contents")
    if entry.offset not in (None, offset):
        raise BackupDamaged(f"{entry.label}: its data begins at byte {offset}, the table of contents says {entry.offset}")
    return entry, offset


def _scan_block(reader: ByteReader, reading: _Reading, entry: TocEntry, offset: int) -> None:
    if entry.description == "TABLE DATA":
        with naming(entry.label):
            rows = _rows(entry, reading, pgdump_blocks.rows(reader, reading.toc.compression))
        reading.underway.rows_read(entry, rows, _range_to(reader, offset))
        return
    objects = reading.digests.objects()
    with naming(entry.label):
        sizes = [(oid, objects.add(oid, content)) for oid, content in pgdump_blocks.objects(reader, reading.toc.compression)]
    reading.underway.read(_large_objects(entry, sizes, _range_to(reader, offset), objects.digest()))


def _range_to(reader: ByteReader, offset: int) -> ByteRange:
    return ByteRange(offset=offset, length=reader.position - offset, sha256=reader.digest())


def _check_rest(reader: ByteReader, toc: Toc, offsets: dict[int, int]) -> None:
    """Behind the last block there is nothing, or (standard output redirected to a file) the entries once more, with their offsets."""
    if reader.at_end():
        return
    begin = reader.position
    try:
        trailing = parse_trailing(reader, toc)
    except BackupDamaged as error:
        raise BackupDamaged(f"unknown bytes follow the last data block at byte {begin}") from error
    if tuple(map(_without_offset, trailing)) != tuple(map(_without_offset, toc.entries)) or not reader.at_end():
        raise BackupDamaged(f"unknown bytes follow the last data block at byte {begin}")
    if any(e.offset not in (None, offsets.get(e.dump_id)) for e in trailing):
        raise BackupDamaged("the table of contents at the end of the file has other offsets than the data")


def _without_offset(entry: TocEntry) -> TocEntry:
    return replace(entry, common=entry.common._replace(offset_state="not set"), offset=None)


def _scan_directory(tar: Members, reading: _Reading) -> Contents:
    found, toc_range = tar.add("toc.dat", _parse_all)
    if found != reading.toc:
        raise BackupDamaged("the dump changed while it was read: wait for pg_dump to end")
    known, underway = reading.begun.by_what(), reading.underway
    for entry in (e for e in reading.toc.entries if e.has_data):
        if entry.description != "TABLE DATA":
            _scan_object_files(tar, reading, entry, known)
        elif before := known.get(entry.dump_id):
            underway.known(before)
        else:
            _scan_rows_file(tar, reading, entry)
    underway.finish()
    tar.close()
    return Contents(toc_range, underway.tables, underway.large_objects)


def _parse_all(stored: Iterator[bytes]) -> Toc:
    reader = ByteReader(stored)
    toc = parse(reader)
    if not reader.at_end():
        raise BackupDamaged("bytes follow the table of contents in toc.dat")
    return toc


def _scan_rows_file(tar: Members, reading: _Reading, entry: TocEntry) -> None:
    def read(stored: Iterator[bytes]) -> MemberRows:
        return _rows(entry, reading, pgdump_blocks.table_rows(stored, "directory", reading.toc.compression, entry.dump_id))

    with naming(entry.label):
        rows, stored = tar.add(pgdump_directory.rows_file(entry, reading.toc.compression), read)
    reading.underway.rows_read(entry, rows, stored)


def _scan_object_files(tar: Members, reading: _Reading, entry: TocEntry, known: Mapping[object, Member]) -> None:
    with naming(entry.label):
        oids, _ = tar.add(pgdump_directory.objects_file(entry), pgdump_directory.parse_objects)
    for oid in oids:
        if before := known.get((entry.dump_id, oid)):
            reading.underway.known(before)
            continue
        with naming(entry.label):
            member = _scan_object_file(tar, reading, entry, oid)
        reading.underway.read(member)


def _scan_object_file(tar: Members, reading: _Reading, entry: TocEntry, oid: int) -> LargeObjectMember:
    objects, compression = reading.digests.objects(), reading.toc.compression

    def size(stored: Iterator[bytes]) -> int:
        found = pgdump_blocks.large_objects(stored, "directory", compression, entry.dump_id, (oid,))
        return sum(objects.add(oid, content) for oid, content in found)

    length, stored = tar.add(pgdump_directory.object_file(oid, compression), size)
    return _large_objects(entry, [(oid, length)], stored, objects.digest())


def _rows(entry: TocEntry, reading: _Reading, text: Iterable[bytes]) -> MemberRows:
    """All of them read, but perhaps not counted yet."""
    rows = MemberRows(reading.digests.rows(entry), copy_text.column_count(entry.copy_statement), reading.others)
    for piece in text:
        rows.add(piece)
    return rows


def _large_objects(entry: TocEntry, sizes: list[tuple[int, int]], stored: ByteRange, content: ObjectDigest) -> LargeObjectMember:
    return LargeObjectMember(
        dump_id=entry.dump_id,
        oids=tuple(oid for oid, _ in sizes),
        stored=stored,
        uncompressed_length=sum(size for _, size in sizes),
        content=content,
    )


def _require_declared_objects(toc: Toc, members: tuple[LargeObjectMember, ...]) -> None:
    """Every large object that the TOC creates has content, and the reverse: a shortened list of them would go unnoticed."""
    if not any(e.description == "BLOBS" for e in toc.entries):
        return
    declared = pgdump_entries.large_objects(toc)
    stored = [oid for member in members for oid in member.oids]
    if declared != set(stored) or len(stored) != len(declared):
        raise BackupDamaged(f"the dump holds {len(stored)} large objects but its table of contents names {len(declared)}")


def _tee(source: Iterable[bytes], store: Store) -> Iterator[bytes]:
    for piece in source:
        store(piece)
        yield piece
