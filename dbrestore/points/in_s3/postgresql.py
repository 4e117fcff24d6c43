"""Restore points of dumps in S3: S3 copies them into the repository, a worker reads the copies, and a function writes the manifest. Who has
S3 copy is the caller, or, where the installation may read, the execution that has the copies read (`dbrestore.points.in_s3.ordered`).

What is read is what is kept, so nobody can change it in between. Invariant: what `prepare` leaves is visible to nobody: the point appears
with the manifest, which `manifest` makes of what the worker found.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from typing import Final

from dbrestore.contract import keys
from dbrestore.contract.allowed import point_names
from dbrestore.contract.errors import BackupDamaged, BackupUnreadable, RestoreRequestInvalid
from dbrestore.contract.manifest import DatabaseBackup, Manifest, StoredFile
from dbrestore.points import known_digests
from dbrestore.points.in_s3 import copying, dumps, in_place, making, unfinished
from dbrestore.points.in_s3.copying import Pace, Repository, Wanted
from dbrestore.points.in_s3.dumps import S3Dump
from dbrestore.points.in_s3.making import Made, Making
from dbrestore.points.in_s3.source import Source
from dbrestore.points.in_s3.unfinished import DumpFiles, Unfinished
from dbrestore.points.pgdump.restorable import newest_version
from dbrestore.points.unfinished_point import Meter, Progress

FILE: Final = "dump.pgdump"


def prepare(
    source: Source,
    repository: Repository,
    instance: str,
    pairs: Sequence[tuple[str | None, str]],
    progress: Progress = lambda done, total, label: None,
    pace: Pace = copying.UNHURRIED,
    digests: Sequence[str] = (),
    point_id: str | None = None,
    places: Collection[str] | None = None,
    copied_from: Collection[str] = (),
    begins: Callable[[Making], None] = lambda what: None,
) -> Unfinished:
    """Copy dumps, each (database name or None for the dump's own, key or prefix), and note what a worker has to read; with `places`
    (s3://bucket/prefix) they stay, and must lie in one of these. If all of them lie in one of `copied_from`, nothing is copied here: the
    note orders it. `begins` is told before any of it. Called again for the same objects, it carries on, and copies nothing
    twice. Raises what `dumps.look` and `copying.copy` do, and RestoreRequestInvalid for a
    name that no request could ask for; then nothing is left. `digests`: the SHA-256 of each file, in the order of the pairs, or a dash."""
    point_names.require_instance_name(instance)
    looked = [dumps.look(source, key, name) for name, key in pairs]
    known = _known(looked, digests)
    found = [dump for each in looked for dump in each]
    _refuse_twice(found)
    objects = [one for dump in found for one in dump.objects]
    settings = {"names": "\n".join(dump.name for dump in found), **known}
    what = _where(Making(instance, objects, settings, point_id=point_id), source, places, copied_from)
    begins(what)
    if what.ordered and (begun := _ordered(repository, what)):
        return begun
    with making.made(repository, what, pace, Meter(dumps.totals(found), progress)) as made:
        return _noted(made, found, known)


def _where(what: Making, source: Source, places: Collection[str] | None, copied_from: Collection[str]) -> Making:
    """Whether the dumps stay where they are, or who has them copied. Raises SourceAccessDenied."""
    if places is not None:
        in_place.require_allowed(what.objects, places)
        return replace(what, in_place=source)
    return replace(what, ordered=all(one.uri.startswith(tuple(copied_from)) for one in what.objects))


def _noted(made: Made, found: Sequence[S3Dump], known: Mapping[str, str]) -> Unfinished:
    repository, note = made.repository, made.note
    wanted = [_wanted(dump, keys.database_prefix(note.instance, note.point_ids[0], dump.name)) for dump in found]
    arrived = made.copy([one for each in wanted for one in each])
    read = tuple(_files(dump, [arrived[one.key] for one in each], known) for dump, each in zip(found, wanted, strict=True))
    for one in read:
        require_digest(one)
    whose = {"ordered": made.ordered, "requester_pays": made.ordered and repository.requester_pays}
    note = note.model_copy(update={"dumps": read, **whose})
    unfinished.write(repository.s3, repository.bucket, note)
    return note


def manifest(note: Unfinished, backups: Sequence[DatabaseBackup]) -> Manifest:
    """The point's manifest, of what the worker found of each dump, in the note's order. Raises BackupDamaged if a file has another length
    than S3 told."""
    for files, backup in zip(note.dumps, backups, strict=True):
        for expected, found in zip(files.files, backup.files, strict=True):
            if (expected.key, expected.length) != (found.key, found.length):
                raise BackupDamaged(f"{files.name}: {expected.key} had {expected.length:,} bytes, and the worker read {found.length:,}")
        require_digest(files, backup.files[0].sha256)
    return Manifest(
        point_id=note.point_ids[0],
        instance=note.instance,
        engine="postgres",
        engine_version=newest_version(backups),
        created_at=note.begun_at.astimezone(UTC).replace(microsecond=0),
        databases=tuple(backups),
    )


def _ordered(repository: Repository, what: Making) -> Unfinished | None:
    """What was ordered of these objects before: an execution may be at work on it, and has noted more than is known here."""
    note = unfinished.found(repository.s3, repository.bucket, what.instance, what.objects, what.known_as, what.points)
    is_the_same = note and note.dumps and note.ordered and note.requester_pays == repository.requester_pays
    return note if is_the_same else None


def _refuse_twice(found: Sequence[S3Dump]) -> None:
    if not found:
        raise BackupUnreadable("no dump was given: a restore point holds at least one database")
    name, times = Counter(dump.name for dump in found).most_common(1)[0]
    if times > 1:
        places = ", ".join(dump.uri for dump in found if dump.name == name)
        raise BackupUnreadable(f"{times} dumps are of the database {name!r} ({places}): give one, or name them apart")


def _wanted(dump: S3Dump, prefix: str) -> list[Wanted]:
    if dump.toc.format == "custom":
        return [Wanted(dump.objects[0], prefix + FILE)]
    return [Wanted(one, prefix + name) for one, name in zip(dump.objects, dump.names, strict=True)]


def _files(dump: S3Dump, files: Sequence[StoredFile], known: Mapping[str, str]) -> DumpFiles:
    return DumpFiles(name=dump.name, format=dump.toc.format, files=tuple(files), names=dump.names, sha256=known.get(dump.uri))


def _known(looked: Sequence[tuple[S3Dump, ...]], digests: Sequence[str]) -> dict[str, str]:
    """The digests that were given, by the place of the file. Raises RestoreRequestInvalid for one that can't be of one file."""
    known = {}
    for given, digest in zip(looked, digests, strict=False):
        if digest != known_digests.NOT_GIVEN:
            if len(given) != 1 or given[0].toc.format != "custom":
                raise RestoreRequestInvalid(f"--sha256: {given[0].uri} is a directory, which has no SHA-256 of its own: give - for it")
            known[given[0].uri] = known_digests.required(digest)
    return known


def require_digest(files: DumpFiles, found: str | None = None) -> None:
    """Once it is known: S3 computes it of what it copies in one request, the worker of all that it reads. Raises BackupDamaged."""
    found = found or files.files[0].sha256
    if files.sha256 and found and found != files.sha256:
        raise BackupDamaged(
            f"{files.files[0].origin or files.name}: the SHA-256 of its bytes is {found}, --sha256 says {files.sha256}: upload it again "
            "from where it was made"
        )
