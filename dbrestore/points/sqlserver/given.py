"""The files that somebody gives: named one by one, or all of a folder and the folders in it, as backup jobs fill them."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dbrestore.contract.errors import BackupUnreadable
from dbrestore.contract.sqlserver_errors import NotANativeBackup
from dbrestore.points import known_digests
from dbrestore.points.known_digests import KnownDigests
from dbrestore.points.sqlserver.container import MAGIC
from dbrestore.points.sqlserver.file import NativeFile, inspect
from dbrestore.points.sqlserver.marks import ReadRange

# What backup jobs and maintenance plans call their files; others in a folder are passed over unless they begin as a backup does. Not
# .log: that is text more often, and one that lost its beginning is told as passed over.
BACKUPS: Final = (".bak", ".dif", ".diff", ".trn", ".trn1", ".full", ".bkp", ".bck")
_BEGINNINGS: Final = (b"TAPE", MAGIC)

# Device and inode.
_Identity = tuple[int, int]


@dataclass(frozen=True)
class Given:
    """The files that were looked at. `in_folders` are the names of those that nobody named one by one, `passed_over` are sentences about
    others in the folders."""

    files: tuple[NativeFile, ...]
    digests: dict[str, KnownDigests]
    in_folders: frozenset[str]
    passed_over: tuple[str, ...]


def look(paths: Sequence[Path], sha256: Sequence[str] = ()) -> Given:
    """Judge each file. `sha256` has, if anything, an element for each path: its digest, or `-` (`known_digests`)."""
    given = sha256 or [known_digests.NOT_GIVEN] * len(paths)
    looked = _Looked()
    # Folders last: what is named as well is looked at once, as named.
    for path, digest in sorted(zip(paths, given, strict=True), key=lambda pair: pair[0].is_dir()):
        if path.is_dir():
            # Refuses a digest of a folder.
            known_digests.of(path, digest)
            looked.folder(path)
            looked.files += _not_looked_into(path)
        else:
            looked.file(path, digest)
    return Given(tuple(looked.files), looked.digests, frozenset(looked.in_folders), tuple(looked.passed_over))


class _Looked:
    """What was looked at so far; a file that is met again, by a link or in a folder that was named as well, is looked at once."""

    def __init__(self) -> None:
        self.files: list[NativeFile] = []
        self.digests: dict[str, KnownDigests] = {}
        self.in_folders: list[str] = []
        self.passed_over: list[str] = []
        self._names: dict[_Identity, str] = {}

    def file(self, path: Path, digest: str = known_digests.NOT_GIVEN) -> None:
        self.files.append(_inspected(path))
        if path.is_file():
            self._names[_identity(path)] = str(path)
        if known := known_digests.of(path, digest):
            self.digests[str(path)] = known

    def folder(self, folder: Path) -> None:
        found = [path for path in folder.rglob("*") if path.is_file() and path.suffix != known_digests.SUFFIX]
        # Links last, so that a file is called by its own name.
        present = sorted((path for path in found if not _is_hidden(path, folder)), key=lambda at: (at.is_symlink(), at))
        backups = [path for path in present if path.suffix.lower() in BACKUPS or _begins_as_one(path)]
        if not backups:
            sentence = "is a folder without a backup in it: give files, or the folder that the backup job writes to"
            self.files.append(NativeFile(str(folder), 0, (), ((NotANativeBackup, sentence),)))
        for path in backups:
            self._in_folder(path)
        others = set(present) - set(backups)
        self.passed_over += [f"{path}: isn't a backup, and was skipped" for path in sorted(others)]
        if hidden := len(found) - len(present):
            self.passed_over.append(f"{folder}: {hidden:,} hidden files (names that begin with a dot) were skipped")

    def _in_folder(self, path: Path) -> None:
        other = self._names.get(_identity(path))
        if other is None:
            self.file(path)
            self.in_folders.append(str(path))
        elif other != str(path):
            self.passed_over.append(f"{path}: is the same file as {other}, and was skipped")


def _identity(path: Path) -> _Identity:
    found = path.stat()
    return found.st_dev, found.st_ino


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


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
            if path.suffix.lower() in BACKUPS and not path.exists():
                yield NativeFile(str(path), 0, (), (), notes=("is a link that leads nowhere, and was skipped",))
    for error in failed:
        sentence = f"can't be read: {error.strerror}"
        parts = Path(error.filename).relative_to(folder).parts
        is_of_no_job = any(part.startswith(".") or part == "lost+found" for part in parts)
        problems = () if is_of_no_job else ((BackupUnreadable, sentence),)
        yield NativeFile(str(error.filename), 0, (), problems, notes=(sentence,) if is_of_no_job else ())
