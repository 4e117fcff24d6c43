"""What needs a restore point besides a running restore: declared drills, and other points with files in it.

A drill needs a point if, without it, no point within the drill's reach has one of the databases that the drill restores. A point of this
version holds all its files itself, the base of each differential and log included; another version's may refer to a file of another point,
and then that one stays.
"""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from dbrestore.contract import keys
from dbrestore.contract.drills import Drill, RandomPoint
from dbrestore.contract.errors import BackupUnfit, RestorePointNeeded, RestorePointNotFound
from dbrestore.contract.refusals import error_code
from dbrestore.points import stored_points
from dbrestore.points.stored_points import PointName

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_THREADS: Final = 8


@dataclass
class Needs:
    """The points of one instance and the drills that are declared for it. `gone` are points that are removed or will be."""

    s3: "S3Client"
    bucket: str
    instance: str
    drills: tuple[Drill, ...]
    gone: set[str] = field(default_factory=set)
    _databases: dict[str, frozenset[str]] = field(default_factory=dict)
    _listed: tuple[PointName, ...] | None = None
    _users: dict[str, set[str]] | None = None

    @property
    def points(self) -> tuple[PointName, ...]:
        """The listed ones, oldest first; `look_again` forgets them."""
        if self._listed is None:
            self._listed = stored_points.list_points(self.s3, self.bucket, self.instance)
        return self._listed

    def look_again(self, being_removed: Iterable[str]) -> None:
        """Another removal may have gone on meanwhile; without drills that matters to nobody."""
        self.gone |= set(being_removed)
        if self.drills:
            self._listed = None

    def require_unneeded(self, point_id: str, now: datetime) -> None:
        """Raises RestorePointNeeded."""
        for drill in self.drills:
            self._require_without(drill, point_id, now)
        if self._users is None:
            self._users = self._referring()
        if users := self._users.get(point_id, set()) - self.gone - {point_id}:
            raise RestorePointNeeded(
                f"{point_id}: {', '.join(sorted(users))} refers to files in it: nothing was removed; remove that one first"
            )

    def _require_without(self, drill: Drill, point_id: str, now: datetime) -> None:
        there = [point for point in self.points if point.point_id not in self.gone - {point_id}]
        reach = _reach(drill, there, now)
        if point_id not in reach:
            return
        wanted = {name for one in reach for name in self._databases_of(one) if _restores(drill, name)}
        for one in reversed(_reach(drill, [point for point in there if point.point_id != point_id], now)):
            wanted -= self._databases_of(one)
            if not wanted:
                return
        if wanted:
            raise RestorePointNeeded(
                f"{point_id}: it is the last point from which the drill {drill.name} can restore {', '.join(sorted(wanted))}: nothing was "
                "removed; add a newer point first, or take the drill out of configuration/drills.json"
            )

    def _databases_of(self, point_id: str) -> frozenset[str]:
        """What a drill could restore of it: nothing of a point that can't be read."""
        if point_id not in self._databases:
            try:
                backups = stored_points.load(self.s3, self.bucket, self.instance, point_id).backups
            except (BackupUnfit, RestorePointNotFound):
                backups = ()
            self._databases[point_id] = frozenset(backup.name for backup in backups)
        return self._databases[point_id]

    def _referring(self) -> dict[str, set[str]]:
        """Which points name keys of which other points."""
        with ThreadPoolExecutor(_THREADS) as threads:
            named = threads.map(self._named_by, [point.point_id for point in self.points])
            found: dict[str, set[str]] = {}
            for point, others in zip(self.points, named, strict=True):
                for other in others:
                    found.setdefault(other, set()).add(point.point_id)
        return found

    def _named_by(self, point_id: str) -> set[str]:
        """By the text alone: a manifest of a version that isn't known counts too."""
        try:
            body = self.s3.get_object(Bucket=self.bucket, Key=keys.manifest_key(self.instance, point_id))["Body"].read()
        except ClientError as error:
            if error_code(error) == "InvalidObjectState":
                raise stored_points.archived_manifest(self.bucket, self.instance, point_id) from error
            if error_code(error) != "NoSuchKey":
                raise
            return set()
        # JSON may write a slash with a backslash before it.
        own = re.escape(keys.segment(self.instance).encode())
        named = re.findall(rb'"' + own + rb'/([^/"\\]+)/', body.replace(rb"\/", b"/"))
        return {name.decode() for name in named} - {keys.segment(point_id)}


def _reach(drill: Drill, points: list[PointName], now: datetime) -> list[str]:
    """The points from which a run of the drill would take one, as `PlanRestore` does."""
    if not isinstance(drill.source.restore_point, RandomPoint):
        return [point.point_id for point in points[-1:]]
    oldest = now - timedelta(days=drill.source.restore_point.random.within_days)
    return [point.point_id for point in points if point.written_at >= oldest]


def _restores(drill: Drill, database: str) -> bool:
    return not isinstance(drill.databases, tuple) or database in drill.databases
