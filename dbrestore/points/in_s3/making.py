"""Points in the making of objects in S3. Invariant: a point is visible when it is whole. What is wrong with the objects, or an interruption
by a person, leaves nothing; a lost connection, or a process that dies, leaves what the same command carries on.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from botocore.exceptions import BotoCoreError

from dbrestore.contract import keys
from dbrestore.contract.errors import NotReady
from dbrestore.contract.manifest import Manifest, StoredFile
from dbrestore.points.in_s3 import copying, in_place, unfinished
from dbrestore.points.in_s3.copying import Pace, Repository, Wanted
from dbrestore.points.in_s3.source import PinnedObject, Source
from dbrestore.points.in_s3.unfinished import Unfinished
from dbrestore.points.unfinished_point import Meter, Name, StoredObject, new_names, write_manifest

# Then the next call, of the same command or of the same function, carries on.
_CARRIED_ON: Final = (NotReady, BotoCoreError)


@dataclass(frozen=True)
class Making:
    """What is made of what. `settings` are whatever else decides what becomes of the objects; `points` how many there will be, `point_id`
    the id of the one if it is given. `in_place`: the objects stay where they are, and the points refer to them; `ordered`: somebody else
    has them copied."""

    instance: str
    objects: Sequence[PinnedObject]
    settings: dict[str, str]
    points: int = 1
    point_id: str | None = None
    in_place: Source | None = None
    ordered: bool = False

    @property
    def known_as(self) -> dict[str, str]:
        """The settings by which what was begun is found again."""
        return {**self.settings, "inPlace": "yes"} if self.in_place else self.settings


@dataclass
class Made:
    """What has come of it so far."""

    repository: Repository
    note: Unfinished
    names: list[Name]
    pace: Pace
    meter: Meter
    in_place: Source | None = None
    ordered: bool = False
    stored: list[StoredObject] = field(default_factory=list)

    def copy(self, wanted: Sequence[Wanted]) -> dict[str, StoredFile]:
        """Have S3 copy the objects, or refer to them, or say what is to be copied; the files by their keys. Raises what `copying.copy` and
        `in_place.referred` do."""
        if self.in_place:
            return in_place.referred(self.in_place, wanted)
        if self.ordered:
            return {one.key: StoredFile(key=one.key, length=one.source.length, sha256=None, origin=one.source.uri) for one in wanted}
        arrived: dict[str, StoredFile] = {}
        for prefix in self.note.prefixes:
            of_point = [one for one in wanted if one.key.startswith(prefix)]
            for one, copied in zip(of_point, copying.copy(of_point, self.repository, prefix, self.pace, self.meter.add), strict=True):
                self.stored.append(copied.stored)
                arrived[one.key] = copied.file.model_copy(update={"origin": one.source.uri})
        return arrived

    def finish(self, points: Sequence[Manifest]) -> None:
        """Make the points visible."""
        for point in points:
            self.stored.append(write_manifest(self.repository.s3, self.repository.bucket, point))
        self.repository.s3.delete_object(Bucket=self.repository.bucket, Key=self.note.key)


@contextmanager
def made(repository: Repository, what: Making, pace: Pace, meter: Meter) -> Iterator[Made]:
    """Begin or carry on. An error removes every object of these points, with all versions if those may be deleted, unless the next call
    would carry on."""
    if what.in_place:
        in_place.require_fixed(what.objects)
    note = _begun(repository, what)
    names = [Name(point_id, note.begun_at) for point_id in note.point_ids]
    made = Made(repository, note, names, pace, meter, what.in_place, what.ordered)
    try:
        yield made
    except _CARRIED_ON:
        raise
    except BaseException as error:
        remove(repository, note, error, {one.key for one in made.stored})
        raise


def _begun(repository: Repository, what: Making) -> Unfinished:
    s3, bucket = repository.s3, repository.bucket
    if note := unfinished.found(s3, bucket, what.instance, what.objects, what.known_as, what.points):
        return note
    names = new_names(what.points)
    note = Unfinished(
        instance=what.instance,
        begun_at=names[0].made_at,
        point_ids=(what.point_id,) if what.point_id and what.points == 1 else tuple(name.point_id for name in names),
        objects=tuple(what.objects),
        settings=what.known_as,
    )
    unfinished.write(s3, bucket, note)
    return note


def remove(repository: Repository, note: Unfinished, cause: BaseException, own: Collection[str] = ()) -> None:
    """Everything of points in the making: uploads, objects, their versions, the note. `own` are the keys that the caller wrote: a point
    whose manifest is another's work is whole, and stays. What can't be removed is noted at the error."""
    s3, bucket = repository.s3, repository.bucket
    try:
        for prefix in (*note.prefixes, note.key):
            if (made := prefix + keys.MANIFEST) not in own and copying.is_there(repository, made):
                continue
            copying.abort(repository, prefix)
            if repository.keeps_versions:
                copying.hide(repository, prefix)
                continue
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
                for one in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
                    s3.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
    except Exception as second:  # the first error is the one to report
        cause.add_note(f"what was copied of {note.point_ids[0]} into s3://{bucket} could not be removed: {second}")
