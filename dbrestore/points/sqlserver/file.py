"""One file of a native backup, judged by a few ranges of it: its first and last 64 KiB, the beginning and the end of each further backup
set in it, and more only where those announce more than they hold (many database files, blocks of 64 KiB).

Invariant: a byte that was changed between these ranges does not show here; `dbrestore.points.sqlserver.damage.file` reads all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable, RestoreError
from dbrestore.contract.sqlserver_errors import (
    BackupTooLarge,
    MediaPasswordSet,
    NotANativeBackup,
    SystemDatabaseRefused,
)
from dbrestore.points.sqlserver import container as native_container
from dbrestore.points.sqlserver import copies as native_copies
from dbrestore.points.sqlserver import header as native_header
from dbrestore.points.sqlserver.blocks import SECTOR
from dbrestore.points.sqlserver.header import BackupSet, Media, NativeHeader, NotEnough
from dbrestore.points.sqlserver.header_ranges import RANGE, Blocks
from dbrestore.points.sqlserver.marks import Extent, Filemark, Layout, ReadRange
from dbrestore.points.sqlserver.signatures import require_native

# "5 TB per file" in RDS's documentation; S3 counts its own limits in powers of two.
LARGEST: Final = 5 << 40
_SYSTEM_DATABASES: Final = ("master", "tempdb", "model", "msdb", "mssqlsystemresource", "rdsadmin")
_LAST_SYSTEM_DATABASE: Final = 4
_KINDS: Final = {"F": "file", "G": "file differential", "P": "partial", "Q": "partial differential"}

Problem = tuple[type[RestoreError], str]


@dataclass(frozen=True)
class SetInFile:
    """The `position`-th backup set of a file; before all of them stand the file's media block and first filemark. `problems` are why RDS
    would not restore it, sentences that begin with a verb."""

    position: int
    header: NativeHeader
    extent: Extent
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class NativeFile:
    """`name` is what messages call it; `sets` is empty if it can't be read, and `layout` None if its end isn't there. `own_problems` are
    those of the whole file, `notes` tell what could not be judged."""

    name: str
    length: int
    sets: tuple[SetInFile, ...]
    own_problems: tuple[Problem, ...]
    layout: Layout | None = None
    notes: tuple[str, ...] = ()

    @property
    def header(self) -> NativeHeader | None:
        """Of the first backup set, the one that RDS restores; None if there is none."""
        return self.sets[0].header if self.sets else None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Of all its sets, and its own."""
        return tuple(dict.fromkeys([*(one for placed in self.sets for one in placed.problems), *self.own_problems]))


def inspect(name: str, length: int, read: ReadRange) -> NativeFile:
    """Judge a file of `length` bytes. `read(offset, count)` is asked twice for most, and never for anything behind the end."""
    if not length:
        return NativeFile(name, length, (), ((NotANativeBackup, "is empty: the backup was never written"),))
    try:
        return _judged(name, length, read)
    except RestoreError as error:
        return NativeFile(name, length, (), ((type(error), str(error)),))
    except (IndexError, ValueError, NotEnough) as error:
        sentence = f"has a damaged header ({error}): compare the file with its original"
        return NativeFile(name, length, (), ((BackupDamaged, sentence),))


def _judged(name: str, length: int, read: ReadRange) -> NativeFile:
    head = read(0, min(RANGE, length))
    require_native(head)
    compressed = head.startswith(native_container.MAGIC)
    if compressed:
        native_container.require_readable(head)
    file = Blocks(length, read, head, compressed=compressed)
    media = file.parsed(0, native_header.media)
    first = _header(file, media, 0)
    problems = [*_size_problems(length)]
    # What RDS takes in no case needs no look at its end.
    layout = _layout(file, problems) if length <= LARGEST else None
    if layout is None:
        return NativeFile(name, length, (_placed(1, first, Extent(0, length)),), tuple(problems))
    headers = [first, *(_header(file, media, extent.begin) for extent in layout.extents[1:])]
    sets, notes = _finished(file, layout, headers)
    return NativeFile(name, length, sets, tuple(problems), layout, tuple(notes))


def _placed(position: int, header: NativeHeader, extent: Extent) -> SetInFile:
    return SetInFile(position, header, extent, tuple(_header_problems(header)))


def _header(file: Blocks, media: Media, begin: int) -> NativeHeader:
    return file.parsed(begin, lambda data: native_header.header(media, data, compressed=file.compressed))


def _layout(file: Blocks, problems: list[Problem]) -> Layout | None:
    """Where the filemarks stand; None, and a problem more, if the file doesn't end as a backup does."""
    sentence = _end_problem(file)
    if not sentence:
        try:
            return file.layout()
        except BackupDamaged as error:
            sentence = str(error)
    problems.append((BackupDamaged, f"{sentence}: it is truncated or incomplete, so copy it again from its original"))
    return None


def _end_problem(file: Blocks) -> str:
    if file.length % SECTOR:
        return f"ends with {file.length % SECTOR} odd bytes (a backup's length is a multiple of {SECTOR})"
    if file.last is None or not _closes_a_set(file.last[1]) or not file.end_of_set_is_there(*file.last):
        return "does not end as a backup does"
    if lost := file.displacement(*file.last):
        return f"has {abs(lost):,} bytes {'fewer' if lost > 0 else 'more'} than it says"
    return ""


def _closes_a_set(mark: Filemark) -> bool:
    # Each set adds two filemarks to the one behind the media's block, so the number of those before the last is even.
    return len(mark.before) > 0 and (mark.count % 2 == 0 or mark.is_full)


def _finished(file: Blocks, layout: Layout, headers: list[NativeHeader]) -> tuple[tuple[SetInFile, ...], list[str]]:
    """Every set with what the copy of its header behind the data says, and notes about those that have none."""
    sets, notes = [], []
    for position, (header, extent) in enumerate(zip(headers, layout.extents, strict=True), start=1):
        behind = file.copy_before(layout.marks[2 * position - 1])
        if behind is None:
            notes.append("its header's second copy, behind the data, was not found: when it finished isn't known")
            said = header.backup_set
        else:
            said = native_copies.final(header.backup_set, behind)
            if differing := native_copies.differing_bytes(file.parsed(extent.begin, native_header.control), behind):
                notes.append(
                    f"its header's two copies differ in {differing} byte{'s' * (differing > 1)} that are alike in every other backup seen"
                )
        header = replace(header, backup_set=replace(said, number=position))
        sets.append(_placed(position, header, extent))
    return tuple(sets), notes


def _header_problems(header: NativeHeader) -> Iterator[Problem]:
    said = header.backup_set
    if header.has_password:
        yield (
            MediaPasswordSet,
            "has a media password, which RDS doesn't accept: back up again without MEDIAPASSWORD and PASSWORD",
        )
    if said.kind not in "DIL":
        kind = _KINDS.get(said.kind, f"{said.kind!r}")
        yield BackupUnreadable, f"is a {kind} backup, and RDS restores full, differential and log backups only"
    if _is_of_the_server(said):
        yield (
            SystemDatabaseRefused,
            f"is a backup of the system database {said.database!r}, and RDS restores none: leave it out (logins, jobs and settings that "
            "live there are recreated on the instance)",
        )


def _is_of_the_server(said: BackupSet) -> bool:
    return said.database.casefold() in _SYSTEM_DATABASES or 1 <= said.database_number <= _LAST_SYSTEM_DATABASE


def _size_problems(length: int) -> Iterator[Problem]:
    if length > LARGEST:
        yield (
            BackupTooLarge,
            f"has {length:,} bytes, and RDS restores files up to 5 TB: back up to several files (TO DISK = ..., DISK = ...)",
        )
