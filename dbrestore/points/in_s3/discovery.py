"""What below a prefix would make restore points, and what could not and why. Nothing is stored, and of no file more is read than its header
or its table of contents.

Names decide what is looked at, because a prefix may hold a hundred thousand files that are no backups, and each look is a request.
Invariant: every object is in what would make a point, in what could not, or counted among what nobody looked at.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from dbrestore.contract.errors import BackupUnreadable, RestoreError
from dbrestore.contract.manifest import Engine
from dbrestore.points.archive_classes import OF_COPIES
from dbrestore.points.in_s3 import dumps, keys_given, not_backups, sqlserver
from dbrestore.points.in_s3.location import S3Location
from dbrestore.points.in_s3.source import Listed, Source
from dbrestore.points.parts import parts
from dbrestore.points.sqlserver import assembled_points
from dbrestore.points.sqlserver.assembled_points import Round, Selection
from dbrestore.points.sqlserver.given import BACKUPS

# What people call the files of pg_dump -Fc; an object without any suffix may be one too.
DUMPS: Final = (".dump", ".pgdump", ".dmp", ".pgc", ".custom", ".backup", ".pg", ".fc", ".sql", ".gz", ".tar", ".parquet")
MOST_LOOKS: Final = 1_000
_AT_ONCE: Final = 16
_FILES_OF_A_DIRECTORY: Final = 20


class WouldBe(NamedTuple):
    """A restore point that could be made: `sources` are what `points add --from` takes, `copies` the requests by which S3 copies them."""

    engine: Engine
    databases: tuple[str, ...]
    taken_at: datetime | None
    length: int
    sources: tuple[str, ...]
    copies: int


class Refused(NamedTuple):
    """What can't be one, and why."""

    uri: str
    error: str
    sentence: str


class Cold(NamedTuple):
    """What of it is archived."""

    objects: int
    length: int


@dataclass
class Discovered:
    """`cold` is what lies in an archive, by storage class, of what was looked at; `not_looked_at` counts objects by the
    suffix of their names; `notes` are sentences about what would be left out."""

    points: list[WouldBe] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    not_looked_at: Counter[str] = field(default_factory=Counter)
    objects: int = 0
    cold: dict[str, Cold] = field(default_factory=dict)


def discover(source: Source, key: str, most_looks: int = MOST_LOOKS) -> Discovered:
    """Look through everything at or below a key. Raises SourceNotFound, SourceAccessDenied, and BackupUnreadable for too many objects."""
    present = _present(source, key)
    found = Discovered(objects=len(present))
    present = _without_foreign(source, present, found)
    roots, inside, others = _apart(present, {*_cluster_prefixes(present), *_directory_prefixes(present)})
    native = list(keys_given.with_suffix(others, BACKUPS))
    maybe = [one for one in others if _may_be_a_dump(one)]
    looked = {one.key for one in (*native, *maybe)}
    found.not_looked_at.update(_suffix(one.key) for one in others if one.key not in looked)
    found.cold.update(_cold([*native, *maybe, *inside]))
    # Of a directory each file is a request.
    whole = _newest(roots, max(1, most_looks // _FILES_OF_A_DIRECTORY), found)
    _dumps(source, [one.key for one in (*whole, *_newest(maybe, most_looks, found))], found)
    _native(source, _newest(native, most_looks, found), found)
    return found


def _cold(objects: Sequence[Listed]) -> Iterator[tuple[str, Cold]]:
    for archive in OF_COPIES:
        lengths = [one.length for one in objects if one.storage_class == archive]
        if lengths:
            yield archive, Cold(len(lengths), sum(lengths))


def copies_of(length: int) -> int:
    """The requests by which S3 copies an object: one, or an upload's beginning, parts and end."""
    planned = parts(length)
    return len(planned) + 2 if planned else 1


def _present(source: Source, key: str) -> Sequence[Listed]:
    if keys_given.of_one_object(source, key):
        return [one for one in source.listed(key) if one.key == key]
    return keys_given.below(source, key)


def _without_foreign(source: Source, present: Sequence[Listed], found: Discovered) -> Sequence[Listed]:
    """What lies below none of the prefixes that hold something else; each of those is told once."""
    foreign = {one.prefix: one.sentence for one in not_backups.found(one.key for one in present) if one.prefix}
    below: Counter[str] = Counter()
    others = []
    for one in present:
        root = next((prefix for prefix in _above(one.key) if prefix in foreign), None)
        if root is None:
            others.append(one)
        else:
            below[root] += 1
    found.refused += [
        Refused(str(S3Location(source.bucket, root)), BackupUnreadable.__name__, f"{number:,} objects: {foreign[root]}")
        for root, number in sorted(below.items())
    ]
    return others


def _cluster_prefixes(present: Sequence[Listed]) -> Iterator[str]:
    """Where `pg_dumpall -F` wrote."""
    holders = {prefix for one in present for prefix in _above(one.key)}
    for one in present:
        prefix = one.key.removesuffix(dumps.MAP)
        if prefix != one.key and prefix[-1:] in ("", "/") and f"{prefix}databases/" in holders:
            yield prefix


def _directory_prefixes(present: Sequence[Listed]) -> Iterator[str]:
    for one in present:
        prefix, _, name = one.key.rpartition("/")
        if name == dumps.TOC and prefix:
            yield f"{prefix}/"


def _apart(present: Sequence[Listed], prefixes: Collection[str]) -> tuple[list[Listed], list[Listed], list[Listed]]:
    """The prefixes as if each were one object, as new as its newest; the objects below them; and those below none."""
    roots: dict[str, Listed] = {}
    inside, others = [], []
    for one in present:
        root = next((prefix for prefix in _above(one.key) if prefix in prefixes), None)
        if root is None:
            others.append(one)
            continue
        inside.append(one)
        if root not in roots or one.modified > roots[root].modified:
            roots[root] = replace(one, key=root)
    return list(roots.values()), inside, others


def _above(key: str) -> Iterator[str]:
    """Its prefixes that end in a slash, the shortest first; before all of them the bucket's own, which is empty."""
    yield ""
    yield from (key[: place + 1] for place, character in enumerate(key) if character == keys_given.SLASH)


def _may_be_a_dump(one: Listed) -> bool:
    return one.key.lower().endswith(DUMPS) or not PurePosixPath(one.key).suffix


def _suffix(key: str) -> str:
    return "directories" if key.endswith(keys_given.SLASH) else PurePosixPath(key).suffix.lower() or "(none)"


def _newest(objects: Sequence[Listed], most: int, found: Discovered) -> list[Listed]:
    """The newest of too many; the others are counted as not looked at."""
    ordered = sorted(objects, key=lambda one: one.modified, reverse=True)
    found.not_looked_at.update(_suffix(one.key) for one in ordered[most:])
    return ordered[:most]


def _dumps(source: Source, keys: Sequence[str], found: Discovered) -> None:
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="look") as threads:
        for key, looked in zip(keys, threads.map(_told(source), keys), strict=True):
            uri = str(S3Location(source.bucket, key))
            if isinstance(looked, RestoreError):
                found.refused.append(Refused(uri, type(looked).__name__, str(looked).removeprefix(f"{uri}: ")))
            else:
                taken = max((dump.toc.dumped_at for dump in looked), default=None)
                names = tuple(dump.name for dump in looked)
                found.points.append(WouldBe("postgres", names, taken, dumps.totals(looked), (uri,), _copies(looked)))


def _copies(looked: Sequence[dumps.S3Dump]) -> int:
    return sum(copies_of(one.length) for dump in looked for one in dump.objects)


def _told(source: Source) -> Callable[[str], tuple[dumps.S3Dump, ...] | RestoreError]:
    def look(key: str) -> tuple[dumps.S3Dump, ...] | RestoreError:
        try:
            return dumps.look(source, key)
        except RestoreError as error:
            return error

    return look


def _native(source: Source, objects: Sequence[Listed], found: Discovered) -> None:
    if not objects:
        return
    given = sqlserver.look(source, [one.key for one in objects]).given
    everywhere = frozenset(file.name for file in given.files)
    selection = assembled_points.selected(given.files, (), everywhere)
    found.points += [_point(point) for point in selection.points if not _complaints_of(point, selection)]
    told = [(file.name, kind, sentence) for file in given.files for kind, sentence in file.own_problems]
    found.refused += [Refused(names, kind.__name__, sentence) for names, kind, sentence in (*told, *selection.complaints)]
    found.notes += selection.left_out


def _point(point: Round) -> WouldBe:
    stripes = [stripe for chain in point for one in chain.sets for stripe in one.stripes]
    return WouldBe(
        "sqlserver",
        tuple(chain.database for chain in point),
        max(chain.full.backup_set.begun_at for chain in point),
        sum(stripe.length for stripe in stripes),
        tuple(dict.fromkeys(stripe.file.name for stripe in stripes)),
        sum(copies_of(stripe.length) for stripe in stripes),
    )


def _complaints_of(point: Round, selection: Selection) -> bool:
    """Whether something is wrong with one of its files."""
    names = [stripe.file.name for chain in point for one in chain.sets for stripe in one.stripes]
    return any(name in told for told, _, _ in selection.complaints for name in names)
