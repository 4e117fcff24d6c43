"""One file of a native backup, judged by two ranges of it: the first and the last 64 KiB.

Real backups end with a set's end (`ESET`) and a filemark (`SFMB`), which begins one sector or eight before the end; in the first case
it also counts the filemarks before it and says where the nearest stands. A file that lost its end, or bytes from its middle, shows it
there. A byte that was changed elsewhere does not show: the two ranges can't see it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from repository import native_container, native_header
from repository.errors import BackupDamaged, BackupUnreadable, RestoreError
from repository.native_blocks import SECTOR, Block, blocks
from repository.native_errors import BackupTooLarge, MediaPasswordSet, NotANativeBackup
from repository.native_header import NativeHeader

RANGE: Final = 64 << 10
# "5 TB per file" in RDS's documentation; S3 counts its own limits in powers of two.
LARGEST: Final = 5 << 40
# Where the last filemark begins, counted from the end of the file: 1 or 8 sectors.
_LAST_FILEMARKS: Final = (SECTOR, 8 * SECTOR)

ReadRange = Callable[[int, int], bytes]
Problem = tuple[type[RestoreError], str]

_KINDS: Final = {"F": "file", "G": "file differential", "P": "partial", "Q": "partial differential"}
_SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the backup itself: fetch it with `git lfs pull`"),
    (b"PGDMP", "is a pg_dump archive of PostgreSQL: add it with --engine postgres"),
    (b"\x1f\x8b", "is a gzip file: unpack it first"),
    (b"PK\x03\x04", "is a zip file: unpack it first"),
)


@dataclass(frozen=True)
class NativeFile:
    """`name` is what messages call it; `header` is None if it can't be read. `problems` are sentences that begin with a verb."""

    name: str
    length: int
    header: NativeHeader | None
    problems: tuple[Problem, ...]


def inspect(name: str, length: int, read: ReadRange) -> NativeFile:
    """Judge a file of `length` bytes; `read(offset, count)` is asked twice at most."""
    if not length:
        return NativeFile(name, length, None, ((NotANativeBackup, "is empty: the backup was never written"),))
    head = read(0, min(RANGE, length))
    try:
        _require_native(head)
        header = native_header.read(head)
    except RestoreError as error:
        return NativeFile(name, length, None, ((type(error), str(error)),))
    start = -(-max(0, length - RANGE) // SECTOR) * SECTOR
    tail = read(start, length - start) if start else head
    return NativeFile(name, length, header, (*_header_problems(header), *_size_problems(length, tail, start, header)))


def _require_native(head: bytes) -> None:
    if head.startswith((b"TAPE", native_container.MAGIC)):
        return
    for signature, sentence in _SIGNATURES:
        if head.startswith(signature):
            raise NotANativeBackup(sentence)
    raise NotANativeBackup(
        f"is no native SQL Server backup (it begins with {head[:8]!r}): make one with BACKUP DATABASE ... TO DISK"
    )


def _header_problems(header: NativeHeader) -> Iterator[Problem]:
    backup_set = header.backup_set
    if header.has_password:
        yield (
            MediaPasswordSet,
            "has a media password, and RDS takes none: back up again without MEDIAPASSWORD and PASSWORD",
        )
    if backup_set.kind not in "DIL":
        kind = _KINDS.get(backup_set.kind, f"{backup_set.kind!r}")
        yield BackupUnreadable, f"is a {kind} backup, and RDS restores full, differential and log backups only"


def _size_problems(length: int, tail: bytes, start: int, header: NativeHeader) -> Iterator[Problem]:
    if length > LARGEST:
        yield (
            BackupTooLarge,
            f"has {length:,} bytes, and RDS restores files up to 5 TB: back up to several files (TO DISK = ..., DISK = ...)",
        )
    found = list(blocks(tail, start))
    if problem := _end_problem(length, found, start, header.compressed):
        yield BackupDamaged, f"{problem}: it is truncated or incomplete, so copy it again from its original"
    elif last_set := _last_set(found, header):
        sentence = f"holds {last_set} backup sets, and RDS restores the first (oldest) only: back up WITH FORMAT, one set per file"
        yield BackupUnreadable, sentence


def _end_problem(length: int, found: list[Block], start: int, compressed: bool) -> str:
    if length % SECTOR:
        return f"ends with {length % SECTOR} odd bytes (a backup's length is a multiple of {SECTOR})"
    marks = {length - start - block.position: block for block in found if block.tag == b"SFMB"}
    last = next((marks[distance] for distance in _LAST_FILEMARKS if distance in marks), None)
    # In a compressed container the set's end is inside a record.
    has_end = compressed or any(last and block.tag == b"ESET" and block.position < last.position for block in found)
    if last is None or not has_end or not _closes_a_set(last):
        return "does not end as a backup does"
    if lost := _displacement(last, found, start):
        return f"has {abs(lost):,} bytes {'fewer' if lost > 0 else 'more'} than it says"
    return ""


def _closes_a_set(mark: Block) -> bool:
    """A set has three filemarks; each counts those before it, so the one before the last, too, would be an end, but with an odd number."""
    return len(mark.data) != SECTOR or mark.number(56, 4) in range(2, 1 << 16, 2)


def _displacement(last: Block, found: list[Block], start: int) -> int:
    """How far the filemark before the last stands from where the last one says it stands. Positions beyond 4 GiB were seen in no file,
    so only what 32 bits hold is compared; 0 if there is nothing to compare."""
    before = [block for block in found if block.tag == b"SFMB" and block.position < last.position]
    if len(last.data) != SECTOR or not before:
        return 0
    said = last.number(72, 4)
    ahead = (said - start - before[-1].position) & 0xFFFFFFFF
    return ahead - (1 << 32) if ahead >> 31 else ahead


def _last_set(found: list[Block], header: NativeHeader) -> int:
    """The number of the last backup set in the file if there is more than one, else 0."""
    numbers = [block.number(76) for block in found if block.tag == b"ESET"]
    last = numbers[-1] if numbers else header.backup_set.number
    return last if last > 1 else 0
