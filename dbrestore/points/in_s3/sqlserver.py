"""Restore points of native backups that lie in S3. A few ranges of each file are read to judge it, as on a disk; then S3 copies them.

The checksums inside are not recomputed, because nobody reads the pages: `points verify --deep` and every restore do. Invariant: nothing is
copied before every header was judged, and the manifests come last.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Final

from dbrestore.contract.allowed import point_names
from dbrestore.contract.errors import BackupUnreadable, RestoreError
from dbrestore.contract.manifest import NativeChecks, StoredFile
from dbrestore.contract.sqlserver_errors import NotANativeBackup
from dbrestore.points.in_s3 import copying, in_place, keys_given, making, not_backups
from dbrestore.points.in_s3.copying import Pace, Repository, Wanted
from dbrestore.points.in_s3.location import S3Location
from dbrestore.points.in_s3.making import Making
from dbrestore.points.in_s3.source import PinnedObject, Source
from dbrestore.points.sqlserver import described_points
from dbrestore.points.sqlserver.assembled_points import Round
from dbrestore.points.sqlserver.described_points import Added
from dbrestore.points.sqlserver.file import NativeFile, inspect
from dbrestore.points.sqlserver.given import BACKUPS, Given
from dbrestore.points.sqlserver.sets import StripedSet
from dbrestore.points.unfinished_point import Meter, Progress

_LOOKS_AT_ONCE: Final = 16
# One page of a listing.
_LOOKED_THROUGH: Final = 1_000
SEVERAL: Final = "holds {count} backup sets, and S3 can't copy one of them alone: add the file from a disk, or back up WITH INIT"


def _nothing(source: Source, asked: Sequence[str]) -> BackupUnreadable:
    """Why prefixes that hold something hold no backup."""
    places = ", ".join(str(S3Location(source.bucket, key)) for key in asked)
    keys = [one.key for key in asked for one in islice(source.listed(keys_given.prefix_of(key)), _LOOKED_THROUGH)]
    if foreign := next(not_backups.found(keys), None):
        return BackupUnreadable(f"{S3Location(source.bucket, foreign.prefix)}: {foreign.sentence}")
    return BackupUnreadable(
        f"{places}: nothing there is named as a backup ({', '.join(BACKUPS)}): name the files themselves; `dbrestore points discover` "
        "lists what could be added"
    )


@dataclass(frozen=True)
class Looked:
    """The files that were judged, and each one's object by the name that messages call it."""

    given: Given
    objects: dict[str, PinnedObject]


def look(source: Source, asked: Sequence[str]) -> Looked:
    """Judge the objects of these keys, and those below these prefixes whose names are a backup's. Raises SourceNotFound,
    SourceAccessDenied; what is wrong with a file is in the file."""
    named = [key for key in asked if keys_given.of_one_object(source, key)]
    listed, passed_over = _below(source, [key for key in asked if key not in named])
    wanted = list(dict.fromkeys([*named, *listed]))
    with ThreadPoolExecutor(_LOOKS_AT_ONCE, thread_name_prefix="look") as threads:
        looked = list(threads.map(lambda key: _looked(source, key), wanted))
    files = tuple(file for file, _ in looked)
    in_folders = frozenset(str(S3Location(source.bucket, key)) for key in listed if key not in named)
    objects = {file.name: pinned for file, pinned in looked if pinned}
    return Looked(Given(files, {}, in_folders, tuple(passed_over)), objects)


def add(
    source: Source,
    repository: Repository,
    instance: str,
    asked: Sequence[str],
    database: str | None = None,
    progress: Progress = lambda done, total, label: None,
    positions: Sequence[int] = (),
    pace: Pace = copying.UNHURRIED,
    point_id: str | None = None,
    places: Collection[str] | None = None,
) -> Added:
    """Make restore points of native backups in S3: as many as there are full backups of a database. With `places` (s3://bucket/prefix)
    the files stay, and must lie in one of these. Raises what
    `dbrestore.points.sqlserver.adding.add` and `dbrestore.points.in_s3.making.made` do; nothing is left of points that can't be."""
    point_names.require_instance_name(instance)
    looked = look(source, asked)
    if asked and not looked.given.files:
        raise _nothing(source, asked)
    selection = described_points.chosen(looked.given, positions)
    described_points.require_one_name(selection.points, database)
    described_points.raise_if_any([*_of_several_sets(selection.points)])
    names = [stripe.file.name for point in selection.points for one in _sets(point) for stripe in one.stripes]
    objects = [looked.objects[name] for name in names]
    meter = Meter(sum(one.length for one in objects), progress)
    if places is not None:
        in_place.require_allowed(objects, places)
    staying = source if places is not None else None
    settings = {"database": database or "", "positions": str(sorted(positions))}
    what = Making(instance, objects, settings, len(selection.points), point_id, staying)
    with making.made(repository, what, pace, meter) as made:
        copies = _Copies(looked.objects, made.copy)
        # First all keys of all points, then all copies at once: stripes are many and small as often as large.
        for name, point in zip(made.names, selection.points, strict=True):
            described_points.described(instance, name, point, database, copies)
        copies.arrive()
        points = [described_points.described(instance, *each, database, copies) for each in zip(made.names, selection.points, strict=True)]
        made.finish(points)
    return Added(tuple(points), tuple(selection.left_out))


class _Copies:
    """Asked for the first time a backup set's files are noted, and once they have arrived they are told."""

    def __init__(self, objects: dict[str, PinnedObject], copy: Callable[[Sequence[Wanted]], dict[str, StoredFile]]) -> None:
        self._objects, self._copy = objects, copy
        self._wanted: list[Wanted] = []
        self._arrived: dict[str, StoredFile] = {}

    def arrive(self) -> None:
        """Have S3 copy all that were asked for."""
        self._arrived = self._copy(self._wanted)

    def backup_set(self, one: StripedSet, prefix: str) -> tuple[tuple[StoredFile, ...], NativeChecks | None]:
        """See `dbrestore.points.sqlserver.described_points.Keeping`."""
        keys = [f"{prefix}-{n}-of-{len(one.stripes)}.bak" for n in range(1, len(one.stripes) + 1)]
        if self._arrived:
            return tuple(self._arrived[key] for key in keys), None
        self._wanted += [Wanted(self._objects[stripe.file.name], key) for stripe, key in zip(one.stripes, keys, strict=True)]
        return (), None


def _sets(point: Round) -> Iterator[StripedSet]:
    return (one for chain in point for one in chain.sets)


def _of_several_sets(points: Sequence[Round]) -> Iterator[tuple[str, type[RestoreError], str]]:
    for point in points:
        for stripe in (stripe for one in _sets(point) for stripe in one.stripes):
            if (count := len(stripe.file.sets)) > 1:
                yield stripe.name, NotANativeBackup, SEVERAL.format(count=count)


def _below(source: Source, prefixes: Sequence[str]) -> tuple[list[str], list[str]]:
    """Keys of backups, and sentences about the rest."""
    keys: list[str] = []
    passed_over: list[str] = []
    for prefix in prefixes:
        present = keys_given.below(source, prefix)
        backups = [one.key for one in keys_given.with_suffix(present, BACKUPS)]
        keys += backups
        if others := len(present) - len(backups):
            where = S3Location(source.bucket, keys_given.prefix_of(prefix))
            passed_over.append(f"{where}: {others:,} objects whose names are no backup's ({', '.join(BACKUPS)}) were not looked at")
    return keys, passed_over


def _looked(source: Source, key: str) -> tuple[NativeFile, PinnedObject | None]:
    name = str(S3Location(source.bucket, key))
    try:
        pinned = source.pinned(key)
        return inspect(name, pinned.length, source.reader(pinned)), pinned
    except RestoreError as error:
        sentence = str(error).removeprefix(f"{name}: ")
        return NativeFile(name, 0, (), ((type(error), sentence),)), None
