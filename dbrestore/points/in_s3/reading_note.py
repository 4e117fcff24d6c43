"""How far a dump in the repository was read, so that a worker that takes over carries on behind the last member and not at the beginning.

    <evidence>/readings/<instance>/<point id>/<n>.json

It is written now and then while the n-th dump is read, and belongs to the point and not to an execution: the same command, or the next look
of a rule, has another one. Invariant: what doesn't fit (other code, another copy, another table of contents, a state that can't be) is
ignored, and the dump is read from its beginning.
"""

import hashlib
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Annotated, Final

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import Field, ValidationError

from dbrestore.contract.deployed import versions
from dbrestore.contract.document import Document
from dbrestore.contract.manifest import ByteRange, Count, LargeObjectMember, StoredFile, TableMember
from dbrestore.points.carried_sha256 import Sha256State
from dbrestore.points.in_s3.unfinished import DumpFiles
from dbrestore.points.pgdump import begun as pgdump_begun
from dbrestore.points.pgdump.begun import Begun
from dbrestore.points.pgdump.toc import Toc

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# A dump of 100,000 tables has a note of 50 MB.
LONGEST: Final = 256 << 20


class FileState(Document):
    """How far one file's digests came."""

    sha256: Sha256State
    crc32: Annotated[int, Field(ge=0, lt=1 << 32)]


class ReadingNote(Document):
    """What was read of one dump. `code` is whose reading it was, `copy_identity` of which copy. `members` are in the order in which they
    were read, their digests under `seed`. A custom-format file has the `state` of its own digests, which may be ahead of the last member;
    a directory the `files` that were read, by their numbers."""

    code: str
    copy_identity: str
    seed: Annotated[int, Field(ge=0, lt=1 << 53)]
    members: tuple[TableMember | LargeObjectMember, ...]
    state: FileState | None = None
    files: dict[Count, StoredFile] = Field(default={})


def code() -> str:
    """Whose notes are carried on with."""
    return versions.of_code()


def copy_identity(s3: "S3Client", bucket: str, dump: DumpFiles) -> str:
    """Of a dump's files as they lie there now: their names, lengths, ETags and when they were written, a thousand in one request; of those
    that stay where they are, their versions, which nobody can write anew."""
    lines = [f"{file.reference.to_json()}\0{file.length}" for file in dump.files if file.reference]
    lines += _lines(s3, bucket, {file.key for file in dump.files if not file.reference})
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _lines(s3: "S3Client", bucket: str, wanted: set[str]) -> list[str]:
    if not wanted:
        return []
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=_common(sorted(wanted)))
    found = [item for page in pages for item in page.get("Contents", []) if item["Key"] in wanted]
    return [f"{item['Key']}\0{item['Size']}\0{item['ETag']}\0{item['LastModified'].isoformat()}" for item in found]


def _common(keys: Sequence[str]) -> str:
    """The beginning of all of them."""
    first, last = keys[0], keys[-1]
    same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:same]


def found(s3: "S3Client", bucket: str, key: str) -> ReadingNote | None:
    """The note, if there is one that this code has written. What can't be read is none: an older TargetStack lets nobody read it."""
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
        with closing(answer["Body"]) as body:
            note = ReadingNote.from_json(body.read()) if answer["ContentLength"] <= LONGEST else None
    except (ClientError, BotoCoreError, ValidationError):
        return None
    return note if note and note.code == code() else None


def write(s3: "S3Client", bucket: str, key: str, note: ReadingNote) -> None:
    """Over the one before. A note that can't be written costs whoever carries on some time, and nobody else."""
    with suppress(ClientError, BotoCoreError):
        s3.put_object(Bucket=bucket, Key=key, Body=note.to_json().encode(), ContentType="application/json")


def begun(note: ReadingNote, toc: Toc, toc_range: ByteRange, dump: DumpFiles) -> Begun | None:
    """What is taken over; None if it can't be of this dump."""
    fits = _fits_file if dump.format == "custom" else _fits_directory
    return Begun(note.seed, note.members, toc_range) if note.members and fits(note, toc, dump) else None


def _fits_file(note: ReadingNote, toc: Toc, dump: DumpFiles) -> bool:
    length = dump.files[0].length
    if note.state is None or not pgdump_begun.fits_file(toc, note.members, length):
        return False
    return Begun(note.seed, note.members).position <= note.state.sha256.length <= length


def _fits_directory(note: ReadingNote, toc: Toc, dump: DumpFiles) -> bool:
    numbers = {name: number for number, name in enumerate(dump.names)}
    if not pgdump_begun.fits_directory(toc, note.members, numbers):
        return False
    return all(_is_as_copied(note.files.get(m.stored.file), m.stored, dump.files[m.stored.file]) for m in note.members)


def _is_as_copied(read: StoredFile | None, stored: ByteRange, copied: StoredFile) -> bool:
    """Whether what was read of a file is what S3 told of its copy, where it told anything."""
    if read is None or (read.sha256, read.length) != (stored.sha256, stored.length) or read.crc32 is None:
        return False
    known = copied.model_copy(update={"sha256": copied.sha256 or read.sha256, "crc32": copied.crc32 or read.crc32})
    return known == read
