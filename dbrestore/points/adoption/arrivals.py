"""What has arrived: the objects that a rule means, each a backup by itself or all of a directory one.

Invariant: what is found depends on what lies in the bucket now, not on how often or in which order anybody heard of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from dbrestore.contract.adoption.patterns import Pattern
from dbrestore.points.in_s3 import dumps
from dbrestore.points.in_s3.source import Listed

# Directly in a directory, one of them says that it is one.
_ROOTS: Final = (dumps.TOC, dumps.MAP)


@dataclass(frozen=True)
class Unit:
    """One backup: an object, or the directory whose prefix `key` is. `changed` is when the last of it arrived, as far as anybody knows."""

    key: str
    database: str | None
    run: str | None
    objects: tuple[Listed, ...]
    changed: datetime

    @property
    def fingerprint(self) -> str:
        """Another one when it is written anew; of a directory its table of contents alone counts, which pg_dump writes last."""
        root = next((one for one in self.objects if one.key in self._roots), self.objects[0])
        return digest(f"{root.key}\0{root.etag}\0{root.length}\0{root.modified.isoformat()}")

    @property
    def has_root(self) -> bool:
        """Whether it can be read already: of a directory the table of contents is there."""
        return not self.key.endswith("/") or any(one.key in self._roots for one in self.objects)

    @property
    def _roots(self) -> tuple[str, ...]:
        return tuple(self.key + name for name in _ROOTS)


def digest(text: str) -> str:
    """A name for what may be long, or have any characters."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def units(pattern: Pattern, listed: Iterable[Listed], heard: Mapping[str, datetime]) -> list[Unit]:
    """In the order in which they arrived. `heard` are the times of events, by key: S3 gives an object that was uploaded in parts the time
    at which the upload began (Amazon S3 User Guide, "Working with object metadata")."""
    found: dict[str, list[Listed]] = {}
    named: dict[str, tuple[str | None, str | None]] = {}
    for one in listed:
        if one.key.endswith("/") and not one.length:
            continue
        if match := pattern.match(one.key):
            found.setdefault(match.unit, []).append(one)
            named[match.unit] = (match.database, match.run)
    made = [Unit(key, *named[key], tuple(objects), _changed(objects, heard)) for key, objects in found.items()]
    return sorted(made, key=lambda unit: (unit.changed, unit.key))


def _changed(objects: Iterable[Listed], heard: Mapping[str, datetime]) -> datetime:
    return max(max(one.modified, heard.get(one.key, one.modified)) for one in objects)


def point_id(changed: datetime, instance: str, members: Iterable[str]) -> str:
    """The restore point's: by when the last of it arrived, so that a backup that is taken in late is not the latest; and the same for the
    same members, so that it is one point however often it is made."""
    return f"{changed:%Y%m%dT%H%M%SZ}-{digest(chr(0).join([instance, *sorted(members)]))[:8]}"
