"""The job `read`: dumps that S3 has copied into the repository are read once, from the first byte to the last, and what is in them is
written down for the manifest. No database server is asked for anything, and nothing is written into the repository.

What is found of each dump lies as `restores/<restore id>/backups/<n>.json` in the evidence, n from 1. Another worker that takes over skips
the dumps that are there already, and of the one in which the first broke off the members that its note has
(`dbrestore.points.in_s3.reading_note`).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from dbrestore.contract import keys
from dbrestore.contract.errors import BackupDamaged, BackupUnreadable, RestoreError
from dbrestore.contract.job import DatabaseResult, ErrorNote, Job
from dbrestore.contract.manifest import ByteRange, DatabaseBackup, StoredFile
from dbrestore.points.byte_reader import ByteReader
from dbrestore.points.in_s3 import unfinished
from dbrestore.points.in_s3.unfinished import DumpFiles
from dbrestore.points.pgdump import adding, restorable, scan
from dbrestore.points.pgdump.begun import Member
from dbrestore.points.pgdump.rows.member_rows import OtherCounters
from dbrestore.points.pgdump.scan import Contents
from dbrestore.points.pgdump.toc import Toc, parse
from dbrestore.points.ranges import read_range
from dbrestore.worker.base.bounds import USUAL, Bounds
from dbrestore.worker.base.job_folder import JobFolder, Location
from dbrestore.worker.base.progress import ProgressWriter
from dbrestore.worker.postgresql.dumps import counters
from dbrestore.worker.postgresql.dumps.file_digests import FileDigests
from dbrestore.worker.postgresql.dumps.notes import Notes

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Found = TypeVar("Found")
_RANGE: Final = 256 << 10


def run(s3: "S3Client", folder: JobFolder, job: Job, progress: ProgressWriter, bounds: Bounds = USUAL) -> Iterator[DatabaseResult]:
    """What became of each dump; the first one that can't be restored ends it."""
    where = Location.parse(job.manifest or "")
    note = unfinished.read(s3, where.bucket, where.key)
    length = sum(dump.length for dump in note.dumps)
    with counters.beside(length, bounds.counted_beside, bounds.counting_seconds) as others:
        for number, dump in enumerate(note.dumps, 1):
            began = time.monotonic()
            progress.phase("reading", dump.name)
            progress.expect(dump.length, 0)
            at = Location(folder.bucket, keys.reading_key(note.instance, note.point_ids[0], number))
            try:
                backup = folder.read_backup(number)
                if not backup:
                    notes = Notes.of(s3, at, where.bucket, dump, bounds.reading_note_seconds)
                    backup = _Reading(s3, where.bucket, dump, progress, notes, others).backup()
            except RestoreError as error:
                yield _result(dump.name, began, error=error)
                return
            folder.write_backup(number, backup)
            yield _result(dump.name, began, backup)


def _result(name: str, began: float, backup: DatabaseBackup | None = None, error: RestoreError | None = None) -> DatabaseResult:
    return DatabaseResult(
        backup_name=name,
        asked_name=name,
        temporary_name=name,
        status="READ" if backup else "FAILED",
        error=ErrorNote.of(error) if error else None,
        rows=backup.rows if backup else 0,
        bytes=backup.uncompressed_length if backup else 0,
        tables=len(backup.tables) if backup else 0,
        seconds=round(time.monotonic() - began, 3),
    )


@dataclass
class _Reading:
    """One dump, whose rows `others` count too. `read` are the files with their digests, once they were read."""

    s3: "S3Client"
    bucket: str
    dump: DumpFiles
    progress: ProgressWriter
    notes: Notes
    others: OtherCounters
    read: dict[int, StoredFile] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.numbers = {name: number for number, name in enumerate(self.dump.names)}

    def backup(self) -> DatabaseBackup:
        """Raises BackupDamaged, BackupUnreadable, BackupArchived, naming where the dump came from."""
        origin = self.dump.files[0].origin or self.dump.files[0].key
        try:
            reader = ByteReader(self._beginning())
            reader.start_digest()
            toc = parse(reader)
            restorable.require(toc)
            self.notes.take_over(toc, ByteRange(offset=0, length=toc.length, sha256=reader.digest()))
            contents = self._carried_on(toc)
        except (BackupDamaged, BackupUnreadable) as error:
            raise type(error)(f"{origin}: {error}") from error
        files = tuple(self.read[number] for number in range(len(self.dump.files)))
        return adding.described(self.dump.name, toc, files, contents, adding.unproven(toc, origin.rpartition("/")[2]))

    def _beginning(self) -> Iterator[bytes]:
        """In requests of their own, so that what lies behind the table of contents isn't sent twice."""
        file = self.dump.files[0]
        for offset in range(0, file.length, _RANGE):
            yield from read_range(self.s3, file.place(self.bucket), offset=offset, length=min(_RANGE, file.length - offset))

    def _carried_on(self, toc: Toc) -> Contents:
        """A note proves no damage: what is found damaged behind one is read once more, from its beginning."""
        try:
            return self._contents(toc)
        except (BackupDamaged, BackupUnreadable):
            if not self.notes.begun.members:
                raise
        self.notes.forget()
        self.read.clear()
        self.progress.expect(self.dump.length, 0)
        return self._contents(toc)

    def _contents(self, toc: Toc) -> Contents:
        begun = self.notes.begun
        if self.dump.format == "directory":
            self.read.update(self.notes.files)
            self.progress.add(sum(file.length for file in self.read.values()))
            contents = scan.scan_members(self, toc, begun, self._note, self.others)
        else:
            digests = self.notes.digests
            self.progress.add(begun.position)
            contents = scan.scan_file(self._counted(0, begun.position), toc, digests.update, begun, self.notes.add, self.others)
            self.read[0] = digests.compared(self.dump.files[0])
        self.notes.close()
        return contents

    def _note(self, member: Member) -> None:
        self.notes.add(member, self.read[member.stored.file])

    def add(self, name: str, read: Callable[[Iterator[bytes]], Found]) -> tuple[Found, ByteRange]:
        """See `dbrestore.points.pgdump.scan.Members`."""
        number = self.numbers.get(name)
        if number is None or number in self.read:
            raise BackupDamaged(f"the file {name} is {'missing' if number is None else 'listed twice'}")
        digests = FileDigests()
        content = digests.noted(self._counted(number))
        found = read(content)
        for _ in content:
            pass
        file = self.read[number] = digests.compared(self.dump.files[number])
        return found, ByteRange(file=number, offset=0, length=file.length, sha256=file.sha256 or "")

    def close(self) -> None:
        """See `dbrestore.points.pgdump.scan.Members`."""
        for number in range(len(self.dump.files)):
            if number not in self.read:
                raise BackupUnreadable(f"{self.dump.names[number]} doesn't belong to the dump: copy it to a prefix without it")

    def _counted(self, number: int, begin: int = 0) -> Iterator[bytes]:
        file = self.dump.files[number]
        for piece in read_range(self.s3, file.place(self.bucket), offset=begin, length=file.length - begin):
            self.progress.add(len(piece))
            yield piece
