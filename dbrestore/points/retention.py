"""Which restore points a policy keeps. The rules are restic's (restic documentation, "Removing snapshots according to a policy"):

- Of the newest `last` points each is kept; of each of the last so many hours, days, ISO weeks, months and years that have a point at all,
  the newest. A rule that has counted fewer than it may when the oldest point comes keeps that one too.
- Points of different databases are judged apart (restic's groups are of hosts and paths): else a point of one database would push out the
  only one of another.

A point's time is that of the oldest backup in it, on the clock of whoever took it; its id tells only when it was added.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Final, Literal

from dbrestore.contract.manifest import DatabaseBackup, Manifest, NativeDatabaseBackup

UNLIMITED: Final = -1
GroupBy = Literal["databases", "instance"]


@dataclass(frozen=True)
class Policy:
    """How many points each rule keeps; 0: none, UNLIMITED: one for each hour, day and so on that there is."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether it keeps nothing at all."""
        return not any(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True)
class AgedPoint:
    """A restore point, the names of its databases, when it was taken (without a zone) and the bytes of its files."""

    instance: str
    point_id: str
    databases: tuple[str, ...]
    taken_at: datetime
    bytes: int = 0


@dataclass(frozen=True)
class Judged:
    """A point and why it is kept; without a reason it is not."""

    point: AgedPoint
    reasons: tuple[str, ...]


Bucket = Callable[[datetime, int], object]
# Of points one after the other, newest first, those with the same value share a place. Each point is the n-th of its group.
_BUCKETS: Final[dict[str, tuple[str, Bucket]]] = {
    "last": ("last", lambda _, number: number),
    "hourly": ("hourly", lambda at, _: (at.year, at.month, at.day, at.hour)),
    "daily": ("daily", lambda at, _: (at.year, at.month, at.day)),
    "weekly": ("weekly", lambda at, _: at.isocalendar()[:2]),
    "monthly": ("monthly", lambda at, _: (at.year, at.month)),
    "yearly": ("yearly", lambda at, _: at.year),
}


def of(manifest: Manifest) -> AgedPoint:
    """The point of a manifest."""
    backups = manifest.backups
    taken = [at.replace(tzinfo=None) for at in map(_taken_at, backups) if at]
    return AgedPoint(
        instance=manifest.instance,
        point_id=manifest.point_id,
        databases=tuple(sorted(backup.name for backup in backups)),
        taken_at=min(taken, default=manifest.created_at.astimezone(UTC).replace(tzinfo=None)),
        bytes=sum(file.length for backup in backups for file in backup.files),
    )


def _taken_at(backup: DatabaseBackup | NativeDatabaseBackup) -> datetime | None:
    if isinstance(backup, DatabaseBackup):
        return backup.dumped_at
    return backup.backup_sets[-1].finished_at or backup.backup_sets[-1].begun_at


def grouped(points: Iterable[AgedPoint], by: GroupBy = "databases") -> tuple[tuple[AgedPoint, ...], ...]:
    """The points that are judged together, by instance and, unless `by` says otherwise, by their databases."""
    groups: dict[tuple[str, tuple[str, ...]], list[AgedPoint]] = defaultdict(list)
    for point in points:
        groups[point.instance, point.databases if by == "databases" else ()].append(point)
    return tuple(tuple(groups[key]) for key in sorted(groups))


def judged(policy: Policy, points: Iterable[AgedPoint]) -> tuple[Judged, ...]:
    """All points of one group, the newest first."""
    newest_first = sorted(points, key=lambda point: (point.taken_at, point.point_id), reverse=True)
    rules = [_Rule(reason, bucket, getattr(policy, name)) for name, (reason, bucket) in _BUCKETS.items()]
    last = len(newest_first) - 1
    return tuple(
        Judged(point, tuple(filter(None, [rule.reason_for(point.taken_at, number, number == last) for rule in rules])))
        for number, point in enumerate(newest_first)
    )


@dataclass
class _Rule:
    reason: str
    bucket: Bucket
    left: int
    before: object = None

    def reason_for(self, taken_at: datetime, number: int, is_oldest: bool) -> str | None:
        """Why the point is kept by this rule, which then has one less to keep."""
        place = self.bucket(taken_at, number)
        if not self.left or (place == self.before and not is_oldest):
            return None
        reason = f"oldest {self.reason}" if place == self.before else self.reason
        self.before = place
        self.left -= self.left > 0
        return reason
