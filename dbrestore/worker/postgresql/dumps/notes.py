"""The note of one dump while it is read: taken over, if it fits, and written now and then. Reading goes on whether or not one can be
written."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from dbrestore.contract.manifest import ByteRange, StoredFile
from dbrestore.points.in_s3 import reading_note
from dbrestore.points.in_s3.reading_note import ReadingNote
from dbrestore.points.in_s3.unfinished import DumpFiles
from dbrestore.points.pgdump import begun as pgdump_begun
from dbrestore.points.pgdump.begun import Begun, Member
from dbrestore.points.pgdump.toc import Toc
from dbrestore.worker.base.job_folder import Location
from dbrestore.worker.postgresql.dumps.file_digests import FileDigests

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


@dataclass
class Notes:
    """`begun` is what was taken over, `members` are these and those that were read since. `digests` are a custom-format file's own, `files`
    those of a directory that hold the members."""

    s3: "S3Client"
    at: Location
    dump: DumpFiles
    identity: str
    every: float
    begun: Begun = field(default_factory=pgdump_begun.anew)
    digests: FileDigests = field(default_factory=FileDigests)
    files: dict[int, StoredFile] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)
    written: float = field(default_factory=time.monotonic)
    is_there: bool = False

    @classmethod
    def of(cls, s3: "S3Client", at: Location, repository: str, dump: DumpFiles, every: float) -> Self:
        """Of a dump as it lies in the repository now; a note every so many seconds."""
        return cls(s3, at, dump, reading_note.copy_identity(s3, repository, dump), every)

    def take_over(self, toc: Toc, toc_range: ByteRange) -> None:
        """What another worker left, if it is of this copy."""
        note = reading_note.found(self.s3, self.at.bucket, self.at.key)
        if not note or note.copy_identity != self.identity or not (begun := reading_note.begun(note, toc, toc_range, self.dump)):
            return
        try:
            self.digests = FileDigests(note.state, begun.position if note.state else 0)
        except ValueError:
            return
        self.begun, self.members = begun, list(begun.members)
        self.files = {member.stored.file: note.files[member.stored.file] for member in begun.members if note.files}

    def forget(self) -> None:
        """Begin anew."""
        self.begun, self.digests = pgdump_begun.anew(), FileDigests()
        self.files, self.members = {}, []

    def add(self, member: Member, file: StoredFile | None = None) -> None:
        """A member was read, which is the whole of this file in a directory."""
        self.members.append(member)
        if file:
            self.files[member.stored.file] = file
        if time.monotonic() - self.written >= self.every:
            self._write()

    def close(self) -> None:
        """All members were read. A dump that took so long that there is a note isn't read again by the next execution either."""
        if self.is_there:
            self._write()

    def _write(self) -> None:
        state = self.digests.state() if self.dump.format == "custom" else None
        if state or self.dump.format == "directory":
            members = tuple(self.members)
            note = ReadingNote(
                code=reading_note.code(),
                copy_identity=self.identity,
                seed=self.begun.seed,
                members=members,
                state=state,
                files=self.files,
            )
            reading_note.write(self.s3, self.at.bucket, self.at.key, note)
        self.written, self.is_there = time.monotonic(), True
