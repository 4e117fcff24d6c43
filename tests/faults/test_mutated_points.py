"""Thousands of flips, cuts, zeroed ranges and hostile values in manifests and dumps: each is refused with an error of ours, or changes
nothing of what comes back. What is read here is what a restore reads, by the same functions, before any server is asked.
"""

import hashlib
import json
import random
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable
from dbrestore.contract.manifest import ArchiveFormat, ByteRange, Compression, DatabaseBackup
from dbrestore.points import known_digests, manifest_reading
from dbrestore.points.pgdump import adding as points
from dbrestore.points.pgdump import blocks as pgdump_blocks
from dbrestore.points.pgdump import manifest_check
from dbrestore.points.pgdump import scan as pgdump_scan
from dbrestore.points.pgdump import toc as pgdump_toc
from dbrestore.points.ranges import verified
from tests.unit.points.conftest import BUCKET, s3  # noqa: F401 # a fixture
from tests.unit.points.pgdump import archives

CODECS: tuple[Compression, ...] = ("none", "gzip", "lz4", "zstd")
FORMATS: tuple[ArchiveFormat, ...] = ("custom", "directory")
COUNTS = [200, pytest.param(10_000, marks=pytest.mark.slow)]
MIB = 1 << 20
SECONDS, MEMORY = 5.0, 300 * MIB
HOSTILE: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    7,
    2**31,
    2**63,
    10**30,
    1e308,
    0.5,
    "",
    "x",
    "../../etc/passwd",
    "a\0b",
    "\ud800",
    "9" * 5000,
    [],
    [[]],
    {},
    {"a": 1},
)


@dataclass(frozen=True)
class Point:
    """A restore point in memory: its manifest's text and its objects by key."""

    manifest: bytes
    objects: dict[str, bytes]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A small dump of each format and codec."""
    folder, found = tmp_path_factory.mktemp("sources"), []
    for archive_format in FORMATS:
        for codec in CODECS:
            archive = archives.shop(codec, database=f"{archive_format} {codec}")
            archive.rows[20] = archive.rows[20][:900].rpartition(b"\n")[0] + b"\n"
            archive.objects[22][16401] = b"picture" * 40
            path = folder / f"{archive_format}-{codec}"
            if archive_format == "custom":
                path.write_bytes(archives.custom(archive))
            else:
                archives.directory(archive, path)
            found.append(path)
    return found


@pytest.fixture
def point(s3, sources: list[Path]) -> Point:  # noqa: F811
    made = points.add(s3, BUCKET, "shop", [(None, path) for path in sources])
    keys = [file.key for database in made.databases for file in database.files]
    return Point(made.to_json().encode(), {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys})


def read(point: Point) -> dict[str, object]:
    """What a restore of every database would bring back, in whatever order they are listed. Raises what it would raise."""
    manifest = manifest_reading.parse("manifest", point.manifest)
    found = {backup.name: _database(point, backup) for backup in manifest.databases}
    return {"": (manifest.instance, manifest.point_id), **found}


def require_the_same(found: dict[str, object], sound: dict[str, object]) -> None:
    """A database that isn't listed any more can't be asked for, which the plan says; those that are must be as they were."""
    assert {name: sound.get(name) for name in found} == found


def _database(point: Point, backup: DatabaseBackup) -> object:
    if backup.files[0].key not in point.objects:
        raise BackupDamaged("no such object")
    toc = pgdump_toc.parse([b"".join(_stored(point, backup, backup.toc))])
    manifest_check.require_whole(toc, backup)
    rows = {}
    for member in backup.tables:
        stored = _stored(point, backup, member.stored)
        rows[member.dump_id] = b"".join(pgdump_blocks.table_rows(stored, backup.format, backup.compression, member.dump_id))
        found = len(rows[member.dump_id]), rows[member.dump_id].count(b"\n")
        if found != (member.uncompressed_length, member.rows):
            raise BackupDamaged("other rows")
    objects = {}
    for large in backup.large_objects:
        stored = _stored(point, backup, large.stored)
        contents = pgdump_blocks.large_objects(stored, backup.format, backup.compression, large.dump_id, large.oids)
        objects.update({oid: b"".join(content) for oid, content in contents})
    return toc, rows, objects


def _stored(point: Point, backup: DatabaseBackup, stored: ByteRange) -> Iterator[bytes]:
    content = point.objects[backup.files[stored.file].key][stored.offset :][: stored.length]
    return verified([content], length=stored.length, sha256=stored.sha256, what="member")


def damaged(content: bytes, chance: random.Random) -> bytes:
    """A bit flipped, an end cut off, a range zeroed, left out or repeated."""
    begin = chance.randrange(len(content))
    end = min(len(content), begin + chance.choice((1, 4, 30, 500)))
    match chance.randrange(5):
        case 0:
            return content[:begin]
        case 1:
            return content[:begin] + bytes(end - begin) + content[end:]
        case 2:
            return content[:begin] + content[end:]
        case 3:
            return content[:end] + content[begin:]
        case _:
            return content[:begin] + bytes([content[begin] ^ 1 << chance.randrange(8)]) + content[begin + 1 :]


def hostile(document: dict[str, Any], chance: random.Random) -> None:
    """One value of the document replaced, left out, repeated or exchanged with its neighbour."""
    places = list(_places(document))
    holder, key = chance.choice(places)
    if isinstance(holder, list) and chance.random() < 0.5:
        holder.insert(key, holder[chance.randrange(len(holder))])
    elif chance.random() < 0.2:
        del holder[key]
    elif chance.random() < 0.2:
        other, another = chance.choice(places)
        holder[key], other[another] = other[another], holder[key]
    else:
        holder[key] = chance.choice(HOSTILE)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def refused(attempt: Callable[[], object]) -> bool:
    """Whether it ended in an error that a person can read; in time, and without memory in proportion to what a hostile text asks for."""
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = None
    try:
        attempt()
    except (BackupDamaged, BackupUnreadable) as error:
        told = str(error)
    assert time.monotonic() - begun < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MEMORY
    assert told is None or 0 < len(told) < 2000
    return told is not None


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", COUNTS)
def test_a_changed_manifest_is_refused_or_means_the_same(point: Point, count: int) -> None:
    chance, sound, found = random.Random(count), read(point), 0

    for _ in range(count):
        changed = Point(damaged(point.manifest, chance), point.objects)
        if not refused(lambda changed=changed: read(changed)):
            require_the_same(read(changed), sound)
        else:
            found += 1

    assert found > count // 2


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", COUNTS)
def test_a_hostile_value_in_a_manifest_is_refused_or_means_the_same(point: Point, count: int) -> None:
    chance, sound, found = random.Random(count + 1), read(point), 0

    for _ in range(count):
        document = json.loads(point.manifest)
        hostile(document, chance)
        changed = Point(json.dumps(document).encode(), point.objects)
        if not refused(lambda changed=changed: read(changed)):
            require_the_same(read(changed), sound)
        else:
            found += 1

    assert found > count // 2


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", COUNTS)
def test_a_changed_object_of_a_point_is_refused_or_means_the_same(point: Point, count: int) -> None:
    chance, sound, found = random.Random(count + 2), read(point), 0

    for _ in range(count):
        key = chance.choice(sorted(point.objects))
        changed = Point(point.manifest, point.objects | {key: damaged(point.objects[key], chance)})
        if not refused(lambda changed=changed: read(changed)):
            require_the_same(read(changed), sound)
        else:
            found += 1

    # The tars' headers and padding carry nothing that a restore reads.
    assert found > count // 2


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", COUNTS)
def test_a_dump_that_changed_before_it_was_added_is_refused_by_its_digest(sources: list[Path], tmp_path: Path, count: int) -> None:
    chance, unseen = random.Random(count + 3), 0
    for path in sources:
        _note_digests(path)

    for number in range(count):
        source = chance.choice(sources)
        changed = tmp_path / source.name
        _copy_damaged(source, changed, chance)
        assert refused(lambda path=changed: _scan(path, known_digests.of(path))), (number, source.name)
        unseen += not refused(lambda path=changed: _scan(path, None))

    # Without a digest nobody can see a flipped bit in a row: that is what the note of `points add` says.
    assert unseen > 0


def _scan(path: Path, known: known_digests.KnownDigests | None) -> None:
    digest = hashlib.sha256()
    toc = pgdump_scan.peek(path)
    pgdump_scan.scan(path, toc, digest.update, known)
    if known and path.is_file():
        known.require(path.name, digest.hexdigest())


def _note_digests(path: Path) -> None:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    path.with_name(path.name + known_digests.SUFFIX).write_text("".join(lines))


def _copy_damaged(source: Path, target: Path, chance: random.Random) -> None:
    """A copy with one change in one of its files that really is one, and the list of digests beside it."""
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    contents = {file.name: file.read_bytes() for file in files}
    name = chance.choice([name for name, content in contents.items() if content])
    while (changed := damaged(contents[name], chance)) == contents[name]:
        pass
    target.with_name(target.name + known_digests.SUFFIX).write_text(source.with_name(source.name + known_digests.SUFFIX).read_text())
    if source.is_dir():
        target.mkdir(exist_ok=True)
    for file, content in (contents | {name: changed}).items():
        (target / file if source.is_dir() else target).write_bytes(content)
