"""A directory-format dump on the disk, and the one uncompressed tar it becomes in the repository. Invariant: the same directory gives the
same tar, byte for byte, and each file in it is one byte range; nothing is written to the disk on the way.
"""

import hashlib
import os
import re
import stat
import tarfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final, TypeVar

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable
from dbrestore.contract.manifest import ByteRange, Compression
from dbrestore.points.known_digests import KnownDigests
from dbrestore.points.pgdump.toc import Toc, TocEntry

PIECE: Final = 1 << 20
SUFFIXES: Final[dict[Compression, str]] = {"none": "", "gzip": ".gz", "lz4": ".lz4", "zstd": ".zst"}
# A name in a toc is content: it must not lead out of the directory.
_ROWS: Final = re.compile(r"[0-9]+\.dat")
_OBJECTS: Final = re.compile(r"blobs(_[0-9]+)?\.toc")
_OBJECT: Final = re.compile(r"blob_[0-9]+\.dat(\.gz|\.lz4|\.zst)?")
_END_OF_TAR: Final = bytes(2 * tarfile.BLOCKSIZE)

Found = TypeVar("Found")


def toc_path(directory: Path) -> Path:
    """Its toc.dat. Raises BackupUnreadable for a directory that has none."""
    path = directory / "toc.dat"
    if path.is_symlink() or path.exists():
        _refuse_what_is_no_file(path)
        return path
    if (directory / "PG_VERSION").exists():
        raise BackupUnreadable("a server's data directory, not a dump: make the dump with pg_dump -Fc or -Fd")
    raise BackupUnreadable("a directory without toc.dat: not a dump, or pg_dump -Fd was interrupted before its end")


def refuse_strangers(directory: Path, toc: Toc) -> None:
    """Raise BackupDamaged for a file of a table that is missing, BackupUnreadable for one that the dump doesn't know."""
    present = {p.name for p in directory.iterdir()}
    for name in sorted(present):
        _refuse_what_is_no_file(directory / name)
    refuse_strange_names(present, toc)


def refuse_strange_names(present: Collection[str], toc: Toc) -> None:
    """The same by the names of its files alone."""
    known = known_files(toc)
    for name in sorted(set(known).difference(present)):
        entry = known[name]
        raise BackupDamaged(f"the file {name}{f' of {entry.label}' if entry else ''} is missing")
    for name in sorted(set(present) - set(known)):
        if not _OBJECT.fullmatch(name):
            raise BackupUnreadable(f"{name} doesn't belong to the dump: give a directory that holds nothing else")


def known_files(toc: Toc) -> dict[str, TocEntry | None]:
    """The names that its table of contents announces; of the rows of a table with its entry. The files of large objects are not among
    them."""
    members = [e for e in toc.entries if e.has_data]
    rows = {rows_file(e, toc.compression): e for e in members if e.description == "TABLE DATA"}
    return {"toc.dat": None, **dict.fromkeys(objects_file(e) for e in members if e.description == "BLOBS"), **rows}


def rows_file(entry: TocEntry, compression: Compression) -> str:
    """The file of a TABLE DATA entry: `2645.dat.zst`."""
    if not entry.member_name or not _ROWS.fullmatch(entry.member_name):
        raise BackupDamaged(f"{entry.label}: the table of contents names the impossible file {entry.member_name!r}")
    return entry.member_name + SUFFIXES[compression]


def objects_file(entry: TocEntry) -> str:
    """The file that lists the large objects of a BLOBS entry: `blobs_2673.toc`, before version 1.16 `blobs.toc`."""
    if not entry.member_name or not _OBJECTS.fullmatch(entry.member_name):
        raise BackupDamaged(f"{entry.label}: the table of contents names the impossible file {entry.member_name!r}")
    return entry.member_name


def object_file(oid: int, compression: Compression) -> str:
    """The file of one large object: `blob_16544.dat.zst`."""
    return f"blob_{oid}.dat{SUFFIXES[compression]}"


def parse_objects(listing: Iterator[bytes]) -> tuple[int, ...]:
    """The oids that a blobs toc lists, one `16544 blob_16544.dat` in a line."""
    text = b"".join(listing).decode("ascii", "replace")
    oids = []
    for line in text.splitlines(keepends=True):
        number, _, name = line.partition(" ")
        if not number.isdecimal() or len(number) > 10 or name != f"blob_{number}.dat\n":
            raise BackupDamaged(f"the list of large objects has the impossible line {line[:80]!r}")
        oids.append(int(number))
    return tuple(oids)


def pieces(path: Path) -> Iterator[bytes]:
    """The content of a file, 1 MiB at a time."""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE):
            yield piece


def member_pieces(path: Path) -> Iterator[bytes]:
    """The same of a file in a dump's directory, which must be one itself: somebody may have put another thing there meanwhile."""
    try:
        # Without O_NONBLOCK, opening a named pipe waits for somebody to write into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise BackupUnreadable(f"{path.name} can't be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        _refuse_kind(path.name, os.fstat(file.fileno()).st_mode)
        while piece := file.read(PIECE):
            yield piece


def _refuse_what_is_no_file(path: Path) -> None:
    _refuse_kind(path.name, path.lstat().st_mode)


def _refuse_kind(name: str, mode: int) -> None:
    """A link leads to a file of another owner, a device never ends: a dump's directory holds files, and nothing else is read."""
    if stat.S_ISREG(mode):
        return
    if stat.S_ISLNK(mode):
        raise BackupUnreadable(f"{name} is a symbolic link, which isn't followed: give a directory that holds the files themselves")
    raise BackupUnreadable(f"{name} doesn't belong to the dump, it isn't a file: give a directory that holds nothing else")


def tar_length(directory: Path) -> int:
    """The length of the tar that `TarStream` makes of a dump's directory."""
    lengths = ((_header(p.name, size), size) for p in directory.iterdir() if (size := p.lstat().st_size) >= 0)
    return sum(len(header) + size + _padding(size) for header, size in lengths) + len(_END_OF_TAR)


class TarStream:
    """Writes the files of a directory into one tar, in the order in which they are added, through `store`."""

    def __init__(self, directory: Path, store: Callable[[bytes], None], known: KnownDigests | None = None) -> None:
        self._directory = directory
        self._store = store
        self._known = known
        self._position = 0
        self._added: set[str] = set()

    def add(self, name: str, read: Callable[[Iterator[bytes]], Found]) -> tuple[Found, ByteRange]:
        """Store a file while `read` looks at its bytes; returns what `read` found and the file's place in the tar.

        Raises BackupDamaged if the file is missing, its length changes meanwhile, or its known digest is another."""
        path = self._directory / name
        if not path.is_file() or name in self._added:
            raise BackupDamaged(f"the file {name} is {'listed twice' if name in self._added else 'missing'}")
        self._added.add(name)
        size, digest = path.stat().st_size, hashlib.sha256()
        self._put(_header(name, size))
        offset, content = self._position, self._content(path, digest.update)
        found = read(content)
        for _ in content:
            pass
        if self._position - offset != size:
            raise BackupDamaged(f"the file {name} changed while it was read: wait for pg_dump to end")
        if self._known:
            self._known.require(name, digest.hexdigest())
        self._put(bytes(_padding(size)))
        return found, ByteRange(offset=offset, length=size, sha256=digest.hexdigest())

    def close(self) -> None:
        """End the tar. Raises BackupUnreadable if the directory holds a large object that no list names."""
        for name in sorted({p.name for p in self._directory.iterdir()} - self._added):
            raise BackupUnreadable(f"{name} doesn't belong to the dump: give a directory that holds nothing else")
        self._put(_END_OF_TAR)

    def _content(self, path: Path, look: Callable[[bytes], None]) -> Iterator[bytes]:
        for piece in member_pieces(path):
            look(piece)
            self._put(piece)
            yield piece

    def _put(self, data: bytes) -> None:
        self._store(data)
        self._position += len(data)


def _header(name: str, size: int) -> bytes:
    """Nothing of the computer or the day is in it. A member over 8 GiB gets a pax header for its size."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> int:
    return -size % tarfile.BLOCKSIZE
