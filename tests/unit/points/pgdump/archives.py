"""Writes pg_dump archives, member by member, for tests that need versions or damage which no installed pg_dump makes."""

import gzip
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import lz4.frame
import zstandard

from dbrestore.contract.manifest import Compression

TERMINATOR = b"\\.\n\n\n"
COMPRESSION_CODES = {"none": 0, "gzip": 1, "lz4": 2, "zstd": 3}
SUFFIXES = {"none": "", "gzip": ".gz", "lz4": ".lz4", "zstd": ".zst"}


@dataclass(frozen=True)
class Entry:
    """An entry with the fields that tests vary."""

    dump_id: int
    description: str
    tag: str
    schema: str | None = None
    definition: str = ""
    copy: str = ""
    owner: str = "shop_owner"
    section: int = 2
    dependencies: tuple[int, ...] = ()
    has_data: bool = False
    member: str = ""
    relkind: int = 0


@dataclass(frozen=True)
class Archive:
    """A dump to be written: entries, and the decoded rows or large objects of those with data."""

    entries: tuple[Entry, ...]
    rows: dict[int, bytes] = field(default_factory=dict)
    objects: dict[int, dict[int, bytes]] = field(default_factory=dict)
    compression: Compression = "none"
    version: tuple[int, int] = (1, 16)
    database: str = "shop"
    server: str = "17.10"
    codec: str = "utf-8"


def number(value: int) -> bytes:
    return bytes([value < 0]) + abs(value).to_bytes(4, "little")


def text(value: str | None, codec: str = "utf-8") -> bytes:
    return number(-1) if value is None else number(len(raw := value.encode(codec))) + raw


def header(archive: Archive, archive_format: int) -> bytes:
    compression = (
        bytes([COMPRESSION_CODES[archive.compression]])
        if archive.version >= (1, 15)
        else number(-1 if archive.compression == "gzip" else 0)
    )
    time = b"".join(map(number, (56, 30, 12, 23, 10, 126, 0)))
    names = text(archive.database, archive.codec) + text(archive.server) + text("17.10")
    return b"PGDMP" + bytes([*archive.version, 0, 4, 8, archive_format]) + compression + time + names


def entries(archive: Archive, archive_format: int, offsets: dict[int, int] | None = None) -> bytes:
    return number(len(archive.entries)) + b"".join(_entry(archive, e, archive_format, offsets or {}) for e in archive.entries)


def _entry(archive: Archive, entry: Entry, archive_format: int, offsets: dict[int, int]) -> bytes:
    def t(value: str | None) -> bytes:
        return text(value, archive.codec)

    raw = number(entry.dump_id) + number(entry.has_data) + t("0") + t("16384") + t(entry.tag) + t(entry.description)
    raw += number(entry.section) + t(entry.definition) + t("DROP IT;") + t(entry.copy) + t(entry.schema) + t("")
    raw += t("heap") if archive.version >= (1, 14) else b""
    raw += number(entry.relkind) if archive.version >= (1, 16) else b""
    raw += t(entry.owner) + t("false") + b"".join(t(str(d)) for d in entry.dependencies) + t(None)
    if archive_format == 3:
        return raw + t(entry.member)
    state = (2 if entry.dump_id in offsets else 1) if entry.has_data else 3
    return raw + bytes([state]) + offsets.get(entry.dump_id, 0).to_bytes(8, "little")


def chunks(payload: bytes, size: int = 4096) -> bytes:
    parts = (payload[i : i + size] for i in range(0, len(payload), size))
    return b"".join(number(len(p)) + p for p in parts) + number(0)


def compress(data: bytes, compression: Compression, *, gzip_file: bool = False) -> bytes:
    match compression:
        case "gzip":
            return gzip.compress(data, mtime=0) if gzip_file else zlib.compress(data)
        case "lz4":
            return lz4.frame.compress(data)
        case "zstd":
            return zstandard.ZstdCompressor(write_checksum=False, write_content_size=False).compress(data)
        case _:
            return data


def rows_block(archive: Archive, dump_id: int) -> bytes:
    payload = compress(archive.rows[dump_id] + TERMINATOR, archive.compression)
    return b"\x01" + number(dump_id) + chunks(payload)


def objects_block(archive: Archive, dump_id: int) -> bytes:
    body = b"".join(
        number(oid if oid < 1 << 31 else oid - (1 << 32)) + chunks(compress(content, archive.compression))
        for oid, content in archive.objects[dump_id].items()
    )
    return b"\x03" + number(dump_id) + body + number(0)


def custom(archive: Archive, *, seekable: bool = True) -> bytes:
    """The bytes of a custom-format file; `seekable` False as pg_dump writes them into a pipe."""
    blocks = {
        e.dump_id: rows_block(archive, e.dump_id) if e.dump_id in archive.rows else objects_block(archive, e.dump_id)
        for e in archive.entries
        if e.has_data
    }
    position = len(header(archive, 1)) + len(entries(archive, 1))
    offsets = {}
    for dump_id, block in blocks.items():
        offsets[dump_id] = position
        position += len(block)
    return header(archive, 1) + entries(archive, 1, offsets if seekable else None) + b"".join(blocks.values())


def directory(archive: Archive, path: Path) -> Path:
    """Write a directory-format dump."""
    path.mkdir()
    (path / "toc.dat").write_bytes(header(archive, 3) + entries(archive, 3))
    suffix = SUFFIXES[archive.compression]
    members = {e.dump_id: e.member for e in archive.entries if e.has_data}
    for dump_id, rows in archive.rows.items():
        content = compress(rows + TERMINATOR, archive.compression, gzip_file=True)
        (path / f"{members[dump_id]}{suffix}").write_bytes(content)
    for dump_id, objects in archive.objects.items():
        (path / members[dump_id]).write_text("".join(f"{oid} blob_{oid}.dat\n" for oid in objects))
        for oid, content in objects.items():
            (path / f"blob_{oid}.dat{suffix}").write_bytes(compress(content, archive.compression, gzip_file=True))
    return path


def shop(compression: Compression = "none", version: tuple[int, int] = (1, 16), database: str = "shop") -> Archive:
    """A small dump that has everything: two tables, one of them empty, large objects, an extension, a quoted name."""
    return Archive(
        entries=(*_schema(database), *_metadata(version), *_data(version), _index()),
        rows={20: "".join(f"{i}\tnote {i} ä😀\n" for i in range(3000)).encode(), 21: b""},
        objects={22: {16401: b"picture" * 3000, 3000000001: b""}},
        compression=compression,
        version=version,
        database=database,
    )


def _schema(database: str) -> tuple[Entry, ...]:
    quoted = database.replace('"', '""')
    create = f"CREATE DATABASE \"{quoted}\" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C.UTF-8';\n"
    return (
        Entry(1, "ENCODING", "ENCODING", definition="SET client_encoding = 'UTF8';\n", owner=""),
        Entry(2, "DATABASE", database, definition=create),
        Entry(3, "EXTENSION", "uuid-ossp", definition='CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA "my ext";\n', owner=""),
        Entry(10, "TABLE", "orders", "public", definition="CREATE TABLE public.orders (id integer, note text);\n", relkind=114),
        Entry(11, "TABLE", 'od"d', "public", definition='CREATE TABLE public.x ("a,b" text);\n', owner="other", relkind=114),
    )


def _metadata(version: tuple[int, int]) -> tuple[Entry, ...]:
    """Of the large objects."""
    if version >= (1, 16):
        return (Entry(90, "BLOB METADATA", "16401..3000000001", definition="16401\n3000000001\n", section=3),)
    return (Entry(90, "BLOB", "16401"), Entry(91, "BLOB", "3000000001"))


def _data(version: tuple[int, int]) -> tuple[Entry, ...]:
    orders, odd = "COPY public.orders (id, note) FROM stdin;\n", 'COPY public."od""d" ("a,b") FROM stdin;\n'
    objects = "blobs_22.toc" if version >= (1, 16) else "blobs.toc"
    return (
        _member(20, "TABLE DATA", "orders", "20.dat", of=10, schema="public", copy=orders),
        _member(21, "TABLE DATA", 'od"d', "21.dat", of=11, schema="public", copy=odd),
        _member(22, "BLOBS", "BLOBS", objects, of=90),
    )


def _member(dump_id: int, description: str, tag: str, file: str, *, of: int, schema: str | None = None, copy: str = "") -> Entry:
    return Entry(dump_id, description, tag, schema, copy=copy, section=3, dependencies=(of,), has_data=True, member=file)


def _index() -> Entry:
    create = "CREATE INDEX orders_idx ON public.orders (id);\n"
    return Entry(30, "INDEX", "orders_idx", "public", definition=create, section=4, dependencies=(10,))
