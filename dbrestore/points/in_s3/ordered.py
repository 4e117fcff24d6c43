"""Copies that an execution has S3 make, by the note of whoever ordered them.

Whoever can write a note can write anything into it, and the execution has rights of its own. Invariant: what is copied goes below the
prefix of the note's own point, never to where a manifest is looked for, and never comes out of a bucket of this installation.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from dbrestore.contract import keys
from dbrestore.contract.errors import NotReady, RestoreRequestInvalid
from dbrestore.contract.manifest import StoredFile
from dbrestore.points.in_s3 import copying, postgresql
from dbrestore.points.in_s3.copying import Pace, Repository, Wanted
from dbrestore.points.in_s3.unfinished import DumpFiles, Unfinished

Keep = Callable[[Unfinished], None]


@dataclass(frozen=True)
class Copies:
    """What a note has copied: the objects and their keys, in the order of its dumps' files."""

    note: Unfinished
    wanted: tuple[Wanted, ...]

    @property
    def prefix(self) -> str:
        """Where all of them go."""
        return self.note.prefixes[0]

    @property
    def length(self) -> int:
        """Bytes of all of them."""
        return sum(one.source.length for one in self.wanted)


def of(note: Unfinished, own_buckets: Collection[str]) -> Copies:
    """Raises RestoreRequestInvalid for a note that this application doesn't write."""
    files = [file for dump in note.dumps for file in dump.files]
    if [file.length for file in files] != [one.length for one in note.objects]:
        raise _odd(note, "its dumps aren't its objects")
    if len({file.key for file in files}) < len(files):
        raise _odd(note, "two of its files have one key")
    if strange := next((file.key for file in files if not _is_of_point(file.key, note)), None):
        raise _odd(note, f"{strange!r} is no key of a dump of {note.point_ids[0]}")
    if own := next((one.bucket for one in note.objects if one.bucket in own_buckets), None):
        raise _odd(note, f"{own} is a bucket of this installation, whose restore points are there already")
    return Copies(note, tuple(Wanted(source, file.key) for source, file in zip(note.objects, files, strict=True)))


def _is_of_point(key: str, note: Unfinished) -> bool:
    """`<instance>/<point id>/<database>/<file>`: what lies directly in the point's folder is its manifest."""
    prefix = note.prefixes[0]
    return key.startswith(prefix) and "/" in key.removeprefix(prefix)


def _odd(note: Unfinished, what: str) -> RestoreRequestInvalid:
    where = f"{keys.segment(note.instance)}/{note.point_ids[0]}"
    return RestoreRequestInvalid(f"/add/pointId: the note of {where} can't be carried out: {what}: run `dbrestore points add` again")


def copied(copies: Copies, to: Repository, pace: Pace, keep: Keep) -> Unfinished:
    """The note with what S3 has of every copy; `keep` gets it now and then on the way, too. Raises what `copying.bring` does,
    BackupDamaged for a copy that differs, and NotReady when the pace's time is over: then the next call carries on."""
    _bring(copies, to, pace)
    files = {file.key: file for dump in copies.note.dumps for file in dump.files}
    unseen = [one for one in copies.wanted if not _is_seen(files[one.key])]
    found = copying.described(unseen, to, pace)
    files |= {one.key: told.file.model_copy(update={"origin": one.source.uri}) for one, told in zip(unseen, found, strict=False)}
    note = copies.note.model_copy(update={"dumps": tuple(_with(dump, files) for dump in copies.note.dumps)})
    for dump in note.dumps:
        postgresql.require_digest(dump)
    keep(note)
    if len(found) < len(unseen):
        raise NotReady(f"S3 has copied all; looking at {len(unseen) - len(found):,} of {len(copies.wanted):,} copies")
    return note


def _bring(copies: Copies, to: Repository, pace: Pace) -> None:
    there: list[int] = []
    try:
        copying.bring(copies.wanted, to, copies.prefix, pace, lambda count, key: there.append(count))
    except NotReady as error:
        done = f"S3 has copied {sum(there):,} of {copies.length:,} bytes"
        raise NotReady(done if pace.is_over() else f"{done}; {error}") from error


def _is_seen(file: StoredFile) -> bool:
    """Whether an earlier call noted it: S3 computes a checksum of whatever it copies for us."""
    return bool(file.sha256 or file.crc32)


def _with(dump: DumpFiles, files: dict[str, StoredFile]) -> DumpFiles:
    return dump.model_copy(update={"files": tuple(files[file.key] for file in dump.files)})
