"""The files that somebody gives: named one by one, or all of a folder and the folders in it, as backup jobs fill them."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from repository import known_digests
from repository.errors import BackupUnreadable
from repository.known_digests import KnownDigests
from repository.native_container import MAGIC
from repository.native_errors import NotANativeBackup
from repository.native_file import NativeFile, inspect
from repository.native_marks import ReadRange

# What backup jobs and maintenance plans call their files; others in a folder are passed over unless they begin as a backup does.
_BACKUPS: Final = (".bak", ".dif", ".diff", ".trn", ".trn1", ".log", ".full", ".bkp", ".bck")
_BEGINNINGS: Final = (b"TAPE", MAGIC)


@dataclass(frozen=True)
class Given:
    """The files that were looked at. `in_folders` are the names of those that nobody named one by one, `passed_over` of those that are no
    backups."""

    files: tuple[NativeFile, ...]
    digests: dict[str, KnownDigests]
    in_folders: frozenset[str]
    passed_over: tuple[str, ...]


def look(paths: Sequence[Path], sha256: Sequence[str] = ()) -> Given:
    """Judge each file. `sha256` has, if anything, an element for each path: its digest, or `-` (`known_digests`)."""
    given = sha256 or [known_digests.NOT_GIVEN] * len(paths)
    looked = _Looked()
    for path, digest in zip(paths, given, strict=True):
        if path.is_dir():
            # Refuses a digest of a folder.
            known_digests.of(path, digest)
            looked.folder(path)
            looked.files += _not_looked_into(path)
        else:
            looked.file(path, digest)
    return Given(tuple(looked.files), looked.digests, frozenset(looked.in_folders), tuple(looked.passed_over))


class _Looked:
    """What was looked at so far; a file of a folder that was named as well is looked at once."""

    def __init__(self) -> None:
        self.files: list[NativeFile] = []
        self.digests: dict[str, KnownDigests] = {}
        self.in_folders: list[str] = []
        self.passed_over: list[str] = []

    def file(self, path: Path, digest: str = known_digests.NOT_GIVEN) -> None:
        self.files.append(_inspected(path))
        if known := known_digests.of(path, digest):
            self.digests[str(path)] = known

    def folder(self, folder: Path) -> None:
        backups, others = _of_folder(folder)
        if not backups:
            sentence = "is a folder without a backup in it: give files, or the folder that the backup job writes to"
            self.files.append(NativeFile(str(folder), 0, (), ((NotANativeBackup, sentence),)))
        seen = {Path(file.name) for file in self.files}
        for path in backups:
            if path not in seen:
                self.file(path)
                self.in_folders.append(str(path))
        self.passed_over += map(str, others)


def _of_folder(folder: Path) -> tuple[list[Path], list[Path]]:
    """Backups, and what is none, in the order of their names."""
    present = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != known_digests.SUFFIX)
    found = [path for path in present if path.suffix.lower() in _BACKUPS or _begins_as_one(path)]
    return found, [path for path in present if path not in set(found)]


def _begins_as_one(path: Path) -> bool:
    try:
        with opened(path) as (_, read):
            return read(0, 8).startswith(_BEGINNINGS)
    except OSError:
        return False


def _inspected(path: Path) -> NativeFile:
    try:
        with opened(path) as (length, read):
            return inspect(str(path), length, read)
    except OSError as error:
        return NativeFile(str(path), 0, (), ((BackupUnreadable, f"can't be read: {error.strerror}"),))


@contextmanager
def opened(path: Path) -> Iterator[tuple[int, ReadRange]]:
    """A file's length now, and how to read ranges of it. Raises OSError, for a pipe or a device too."""
    # Opening a pipe would wait for somebody who writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device: write it to a file first", str(path))
        yield found.st_size, lambda offset, count: os.pread(descriptor, count, offset)
    finally:
        os.close(descriptor)


def _not_looked_into(folder: Path) -> Iterator[NativeFile]:
    """Folders that can't be read: a backup may be missed in them. Links to other folders and to nothing are told alone, and so is what
    every mounted disk has."""
    failed: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=failed.append):
        for path in (Path(place, name) for name in sorted(folders)):
            if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
                sentence = "is a link to another folder, and was not followed: give that folder too"
                yield NativeFile(str(path), 0, (), (), notes=(sentence,))
        for path in (Path(place, name) for name in sorted(files)):
            if path.suffix.lower() in _BACKUPS and not path.exists():
                yield NativeFile(str(path), 0, (), (), notes=("is a link that leads nowhere, and was passed over",))
    for error in failed:
        sentence = f"can't be read: {error.strerror}"
        parts = Path(error.filename).relative_to(folder).parts
        is_of_no_job = any(part.startswith(".") or part == "lost+found" for part in parts)
        problems = () if is_of_no_job else ((BackupUnreadable, sentence),)
        yield NativeFile(str(error.filename), 0, (), problems, notes=(sentence,) if is_of_no_job else ())
