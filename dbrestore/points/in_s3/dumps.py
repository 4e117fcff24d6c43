"""pg_dump archives that lie in S3, told by their table of contents: of a file some ranges of its beginning, of a directory toc.dat.

What `pg_dumpall -F` of PostgreSQL 19's betas left (toc.glo, map.dat, `databases/<oid>.dmp` or `databases/<oid>/`) is as many dumps as
map.dat names; toc.glo, its roles and tablespaces, is none of them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Final

from dbrestore.contract.allowed import point_names
from dbrestore.contract.errors import BackupDamaged, BackupUnreadable, RestoreError, SourceNotFound
from dbrestore.points.in_s3 import keys_given, not_backups
from dbrestore.points.in_s3.location import S3Location
from dbrestore.points.in_s3.source import PinnedObject, Source
from dbrestore.points.pgdump import directory, restorable
from dbrestore.points.pgdump.toc import Toc, parse

TOC: Final = "toc.dat"
MAP: Final = "map.dat"
_DATABASES: Final = "databases/"
_RANGE: Final = 256 << 10
_LONGEST_MAP: Final = 4 << 20
# One page of a listing.
_LOOKED_THROUGH: Final = 1_000
# A dump of as many tables; S3 lists and copies a thousand in some seconds.
_MOST_FILES: Final = 100_000


@dataclass(frozen=True)
class S3Dump:
    """A dump and its objects: one, or those of a directory with toc.dat first. `names` are theirs in the directory."""

    name: str
    toc: Toc
    objects: tuple[PinnedObject, ...]
    names: tuple[str, ...]
    uri: str


def look(source: Source, key: str, name: str | None = None) -> tuple[S3Dump, ...]:
    """The dump at this key, or those below it. `name` is the database's, the dump's own if None. Raises BackupUnreadable, BackupDamaged
    and what `Source` raises, naming the place."""
    if keys_given.of_one_object(source, key):
        return (_file(source, key, name),)
    prefix = keys_given.prefix_of(key)
    if source.exists(prefix + TOC):
        return (_directory(source, prefix, name),)
    if source.exists(prefix + MAP):
        return tuple(_all(source, prefix, name))
    raise _nothing(source, key)


def _nothing(source: Source, key: str) -> RestoreError:
    where = S3Location(source.bucket, key)
    if not key.endswith(keys_given.SLASH) and next(iter(source.listed(keys_given.prefix_of(key))), None) is None:
        return SourceNotFound(f"{where}: there is neither such an object nor anything below it: compare the name")
    listed = [one.key for one in islice(source.listed(keys_given.prefix_of(key)), _LOOKED_THROUGH)]
    if foreign := next(not_backups.found(listed), None):
        return BackupUnreadable(f"{S3Location(source.bucket, foreign.prefix)}: {foreign.sentence}")
    return BackupUnreadable(
        f"{where}: no dump lies directly there (a directory dump has {TOC}): name the dump itself; `dbrestore points discover {where}` "
        "lists what could be added"
    )


def _file(source: Source, key: str, name: str | None) -> S3Dump:
    pinned = source.pinned(key)
    with _naming(pinned.uri):
        toc = read_toc(source, pinned)
        if toc.format != "custom":
            raise BackupUnreadable("the toc.dat of a directory-format dump: give the prefix that it lies under")
        return _checked(S3Dump(_database(toc, name), toc, (pinned,), ("",), pinned.uri))


def _directory(source: Source, prefix: str, name: str | None) -> S3Dump:
    where = str(S3Location(source.bucket, prefix))
    with _naming(where):
        toc = read_toc(source, source.pinned(prefix + TOC))
        if toc.format != "directory":
            raise BackupUnreadable("its toc.dat is a custom-format dump: give that object instead of the prefix")
        keys = [one.key for one in keys_given.below(source, prefix)]
        if len(keys) > _MOST_FILES:
            raise BackupUnreadable(
                f"has {len(keys):,} objects, and a dump's directory has {_MOST_FILES:,} at most: name the dump's own prefix"
            )
        names = sorted((key.removeprefix(prefix) for key in keys), key=lambda one: (one != TOC, one))
        directory.refuse_strange_names(names, toc)
        objects = source.all_pinned([prefix + one for one in names])
        return _checked(S3Dump(_database(toc, name), toc, objects, tuple(names), where))


def _all(source: Source, prefix: str, name: str | None) -> Iterator[S3Dump]:
    """Those of `pg_dumpall`, by their names in map.dat: each line an oid and a name, behind a # nothing."""
    if name is not None:
        raise BackupUnreadable(f"{S3Location(source.bucket, prefix)}: holds several databases, and one name was given: give none")
    listed = source.pinned(prefix + MAP)
    if listed.length > _LONGEST_MAP:
        raise BackupUnreadable(f"{listed.uri}: isn't a list of databases: it has {listed.length:,} bytes")
    for line in source.reader(listed)(0, listed.length).decode("utf-8", "replace").splitlines():
        oid, _, database = line.strip().partition(" ")
        if not oid or oid.startswith("#"):
            continue
        if not (oid.isascii() and oid.isdecimal() and database):
            raise BackupUnreadable(f"{listed.uri}: the line {line[:80]!r} isn't an oid and a database's name")
        at = f"{prefix}{_DATABASES}{oid}"
        if source.exists(f"{at}.tar"):
            raise BackupUnreadable(f"{S3Location(source.bucket, at)}.tar: a tar file: run pg_dumpall with -Fc or -Fd instead of -Ft")
        yield _file(source, f"{at}.dmp", database) if source.exists(f"{at}.dmp") else _directory(source, f"{at}/", database)


def read_toc(source: Source, pinned: PinnedObject) -> Toc:
    """The table of contents; no byte behind the range in which it ends is asked for. Raises BackupUnreadable, BackupDamaged."""
    return parse(_ranges(source.reader(pinned), pinned.length))


def _ranges(read: Callable[[int, int], bytes], length: int) -> Iterator[bytes]:
    for offset in range(0, length, _RANGE):
        yield read(offset, min(_RANGE, length - offset))


def _checked(dump: S3Dump) -> S3Dump:
    restorable.require(dump.toc)
    point_names.require_database_name(dump.name)
    return dump


def _database(toc: Toc, name: str | None) -> str:
    return restorable.own_name(toc) if name is None else name


@contextmanager
def _naming(where: str) -> Iterator[None]:
    try:
        yield
    except (BackupDamaged, BackupUnreadable) as error:
        raise type(error)(f"{where}: {error}") from error


def totals(dumps: Sequence[S3Dump]) -> int:
    """Bytes of all objects."""
    return sum(one.length for dump in dumps for one in dump.objects)
