"""The header and table of contents (TOC) of a pg_dump archive, versions 1.12 to 1.16. Invariant: it is understood whole, or refused.

An Int is a sign byte and four bytes, little endian; a String is an Int length (negative: NULL) and its bytes. The first
`length` bytes of a custom-format file, saved alone, are what `pg_restore -l`, `-L` and `--section` need; a directory has
them as `toc.dat`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Final, Self

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable
from dbrestore.contract.manifest import ArchiveFormat, Compression
from dbrestore.points.byte_reader import ByteReader
from dbrestore.points.pgdump import encoding as pgdump_encoding
from dbrestore.points.pgdump import signature as pgdump_signature
from dbrestore.points.pgdump import toc_texts
from dbrestore.points.pgdump.packed_statements import Block, Packing, Statements
from dbrestore.points.pgdump.toc_values import (
    Common,
    Section,
    moment,
    read_compression,
    read_dependencies,
    read_int,
    read_place,
    read_relkind,
    read_repeated,
    read_section,
    read_string,
)

Version = tuple[int, int]

MAGIC: Final = b"PGDMP"
OLDEST: Final[Version] = (1, 12)
NEWEST: Final[Version] = (1, 16)
# A million entries have some 500 MB.
LONGEST: Final = 1 << 30

_FORMATS: Final[dict[int, ArchiveFormat]] = {1: "custom", 3: "directory"}
_WITH_DATA_ALONE: Final = (
    "ENCODING",
    "STDSTRINGS",
    "SEARCHPATH",
    "DATABASE",
    "DATABASE PROPERTIES",
    "BLOB",
    "BLOB METADATA",
    "ACL",
    "COMMENT",
    "SECURITY LABEL",
)
_HEADER_TEXTS: Final = ("database", "server_version", "dump_version")
RELATIONS: Final = ("TABLE", "SEQUENCE", "MATERIALIZED VIEW", "FOREIGN TABLE", "VIEW")


@dataclass(frozen=True, slots=True)
class TocEntry:
    """One object of the dump. `offset` (custom format) is where its data block begins, if pg_dump knew; `member_name` (directory format)
    its file without the compression's suffix. The SQL of the entry is at its `place` among `statements`, which it may share with others."""

    dump_id: int
    tag: str
    common: Common
    dependencies: tuple[int, ...] = ()
    offset: int | None = None
    member_name: str | None = None
    statements: Sequence[Statements] | Block = (Statements(),)
    place: int = 0

    @property
    def has_data(self) -> bool:
        """Whether rows or large objects of the dump are its."""
        return self.common.has_data

    @property
    def description(self) -> str:
        """The kind of object: `TABLE`."""
        return self.common.description

    @property
    def section(self) -> Section:
        """When `pg_restore` would restore it."""
        return self.common.section

    @property
    def schema_name(self) -> str | None:
        """None for what lies in no schema."""
        return self.common.schema_name

    @property
    def tablespace(self) -> str:
        """Empty for the database's own."""
        return self.common.tablespace

    @property
    def owner(self) -> str:
        """The role's name."""
        return self.common.owner

    @property
    def relkind(self) -> str:
        """As in pg_class, from archive version 1.16 on; empty for what is no relation."""
        return self.common.relkind

    @property
    def access_method(self) -> str:
        """A table's (`heap`), from archive version 1.14 on."""
        return self.common.access_method

    @property
    def definition(self) -> str:
        """What makes the object; empty if nothing does."""
        return self.statements[self.place].definition

    @property
    def copy_statement(self) -> str:
        """What copies its rows."""
        return self.statements[self.place].copy

    @property
    def drop_statement(self) -> str:
        """What drops the object: it names it exactly."""
        return self.statements[self.place].drop

    def defined_by(self, definition: str) -> Self:
        """The same entry with another definition."""
        return replace(self, statements=(self.statements[self.place]._replace(definition=definition),), place=0)

    @property
    def label(self) -> str:
        """How messages name it: `TABLE DATA public.orders`."""
        return f"{self.description} {self.schema_name}.{self.tag}" if self.schema_name else f"{self.description} {self.tag}"


@dataclass(frozen=True)
class Toc:
    """The header and the entries in archive order. `version` is (1, 12) to (1, 16); `dumped_at` is the clock of the computer that dumped
    (the archive names no time zone); `length` counts the bytes of header and entries."""

    version: Version
    offset_size: int
    format: ArchiveFormat
    compression: Compression
    dumped_at: datetime
    database: str
    server_version: str
    dump_version: str
    entries: tuple[TocEntry, ...]
    length: int

    @property
    def archive_version(self) -> str:
        """As pg_restore prints it: `1.16`."""
        return f"{self.version[0]}.{self.version[1]}"

    @cached_property
    def by_dump_id(self) -> dict[int, TocEntry]:
        """Each entry by its dump id."""
        return {e.dump_id: e for e in self.entries}

    @cached_property
    def relations(self) -> dict[tuple[str | None, str], int]:
        """By schema and name, the dump id of each relation that can hold rows or a value: no two share a name."""
        return {(e.schema_name, e.tag): e.dump_id for e in self.entries if e.description in RELATIONS}

    def relation_of(self, entry: TocEntry) -> TocEntry | None:
        """The relation of an entry's name: as a rule what it depends on, so that nobody need know all names."""
        name = (entry.schema_name, entry.tag)
        needed = (self.by_dump_id[d] for d in entry.dependencies if d in self.by_dump_id)
        found = next((e for e in needed if (e.schema_name, e.tag) == name and e.description in RELATIONS), None)
        return found or self.by_dump_id.get(self.relations.get(name, 0))

    @cached_property
    def has_definitions(self) -> bool:
        """Whether it is more than `pg_dump --data-only` writes."""
        return any(e.section == "pre-data" and not e.has_data and e.description not in _WITH_DATA_ALONE for e in self.entries)

    @cached_property
    def extensions(self) -> frozenset[str]:
        """The names of the extensions that the dump creates."""
        return frozenset(e.tag for e in self.entries if e.description == "EXTENSION")


def parse(source: Iterable[bytes] | ByteReader) -> Toc:
    """Read the TOC from the beginning of a custom-format file or of a directory's toc.dat; takes no more of the source than it needs.

    Raises BackupUnreadable for what isn't an archive of a known version, BackupDamaged for one that breaks off or contradicts itself."""
    reader = source if isinstance(source, ByteReader) else ByteReader(source)
    header = _header(reader)
    entries = parse_entries(reader, header)
    codec = pgdump_encoding.python_codec(client_encoding(entries))
    return _decoded(replace(header, entries=entries, length=reader.position), codec)


def parse_trailing(reader: ByteReader, toc: Toc) -> tuple[TocEntry, ...]:
    """The entries that pg_dump repeats behind the last block when its standard output was redirected to a file: no header, but offsets."""
    codec = pgdump_encoding.python_codec(client_encoding(toc.entries))
    return _decoded(replace(toc, entries=parse_entries(reader, toc)), codec).entries


def recoded(toc: Toc, codec: str) -> Toc:
    """The TOC of an SQL_ASCII dump, which was read byte by byte, with its texts read in a codec after all. Raises BackupDamaged."""
    raw = "latin-1"
    return replace(toc, database=toc_texts.text(toc.database, codec, raw), entries=toc_texts.decoded(toc.entries, codec, raw))


def client_encoding(entries: tuple[TocEntry, ...]) -> str:
    """The encoding of the dump's texts and rows, from its ENCODING entry (`SET client_encoding = 'UTF8';`)."""
    definitions = (e.definition for e in entries if e.description == "ENCODING")
    quoted = next(definitions, "'UTF8'").split("'")
    if len(quoted) < 2:
        raise BackupDamaged("the ENCODING entry of the dump names no encoding")
    return quoted[1]


def _header(reader: ByteReader) -> Toc:
    pgdump_signature.require(reader.peek(pgdump_signature.LENGTH), MAGIC)
    reader.read(len(MAGIC))
    version = _version(reader.read(3))
    int_size, offset_size, format_code = reader.read(3)
    if int_size != 4 or offset_size not in (4, 8):
        raise BackupUnreadable(f"numbers of {int_size} and offsets of {offset_size} bytes: only 4 and 4 or 8 are known")
    if format_code not in _FORMATS:
        raise BackupUnreadable(f"archive format {format_code} is unknown: dump again with pg_dump -Fc or -Fd")
    compression = read_compression(reader, version)
    dumped_at = moment([read_int(reader) for _ in range(7)])
    database, server_version, dump_version = (read_string(reader) or "" for _ in range(3))
    return Toc(version, offset_size, _FORMATS[format_code], compression, dumped_at, database, server_version, dump_version, (), 0)


def _version(raw: bytes) -> Version:
    version = (raw[0], raw[1])
    if version < OLDEST:
        raise BackupUnreadable(f"archive version {raw[0]}.{raw[1]} is too old: dump again with pg_dump 10 or newer")
    if version > NEWEST:
        raise BackupUnreadable(f"archive version {raw[0]}.{raw[1]} is newer than 1.16, the newest known: update this program")
    return version


def parse_entries(reader: ByteReader, header: Toc) -> tuple[TocEntry, ...]:
    """The entries behind the header, their texts not yet in the dump's encoding."""
    count, begin = read_int(reader), reader.position
    if count < 0:
        raise BackupDamaged(f"the table of contents says it has {count} entries")
    packing = Packing()
    entries = tuple(_entry(reader, header, begin + LONGEST, packing) for _ in range(count))
    packing.close()
    if len({e.dump_id for e in entries}) != count:
        raise BackupDamaged("two entries of the table of contents have the same dump id")
    return entries


def _entry(reader: ByteReader, header: Toc, end: int, packing: Packing) -> TocEntry:
    if reader.position > end:
        raise BackupDamaged(f"the table of contents goes on after {LONGEST:,} bytes: longer than any that this program reads")
    dump_id, has_data = read_int(reader), read_int(reader)
    if dump_id <= 0 or has_data not in (0, 1):
        raise BackupDamaged(f"the entry before byte {reader.position} has the impossible dump id {dump_id}")
    read_string(reader), read_string(reader)  # the object ids in the source's catalogue
    tag, description = read_string(reader) or "", read_repeated(reader)
    section = read_section(reader)
    definition, drop_statement, copy_statement = (read_string(reader) or "" for _ in range(3))
    schema_name, tablespace = read_repeated(reader), read_repeated(reader)
    access_method = read_repeated(reader) if header.version >= (1, 14) else ""
    relkind = read_relkind(reader) if header.version >= (1, 16) else ""
    owner, _with_oids = read_repeated(reader), read_string(reader)
    dependencies = tuple(packing.once(number) for number in read_dependencies(reader))
    state, offset, member_name = read_place(reader, header.format, header.offset_size)
    common = Common(bool(has_data), description, section, schema_name or None, tablespace, owner, relkind, state, access_method)
    return TocEntry(
        packing.once(dump_id),
        packing.once(tag),
        packing.once(common),
        packing.once(dependencies),
        offset,
        member_name,
        *packing.place(Statements(definition, copy_statement, drop_statement)),
    )


def _decoded(toc: Toc, codec: str) -> Toc:
    """The TOC with its texts read in the dump's encoding, which only an entry of the TOC itself names."""
    if codec == "utf-8" and all(getattr(toc, name).isascii() for name in _HEADER_TEXTS) and all(map(toc_texts.is_ascii, toc.entries)):
        return toc
    header = {name: toc_texts.text(getattr(toc, name), codec) for name in _HEADER_TEXTS}
    return replace(toc, entries=toc_texts.decoded(toc.entries, codec), **header)  # type: ignore[arg-type]
