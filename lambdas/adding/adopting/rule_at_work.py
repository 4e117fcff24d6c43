"""One rule while its bucket is looked at: where it reads, where it writes, what it may still do in this invocation, and what becomes of an
error.

An error of a backup is final until it is written anew. What lies outside of it (a permission, the archive, an instance that isn't there) is
told once and tried again at every slow look. What may pass is tried some times, at growing distances, before it counts as such.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from dbrestore.contract import keys
from dbrestore.contract.adoption.answers import Waiting
from dbrestore.contract.adoption.rules import AdoptionRule
from dbrestore.contract.errors import BackupUnfit, Busy, NotReady, RequestRefused, RestoreError, WorkFailed
from dbrestore.contract.job import ErrorNote
from dbrestore.points.in_s3 import copying, in_place, source, unfinished
from dbrestore.points.in_s3.copying import Pace, Repository
from dbrestore.points.in_s3.location import S3Location
from dbrestore.points.in_s3.source import Listed, Source
from lambdas.adding.adopting.rows import AdoptionRows, Heard, PointRow, RefusedRow
from lambdas.runtime.aws import translated
from lambdas.runtime.state import Surroundings

MOST_TRIES: Final = 6
_FIRST_PAUSE: Final = timedelta(minutes=5)
FAILURES: Final = (RestoreError, ClientError, BotoCoreError)


@dataclass(frozen=True)
class RuleAtWork:
    """`now` is when the look began; `is_over` whether the invocation's time is."""

    rule: AdoptionRule
    rows: AdoptionRows
    surroundings: Surroundings
    now: datetime
    is_over: Callable[[], bool]

    @cached_property
    def source(self) -> Source:
        """The bucket, in its own Region. Raises SourceNotFound, SourceAccessDenied, and RestoreRequestInvalid for one in which backups
        can't stay."""
        client = self.surroundings.control.copying_s3
        found = source.in_its_region(client, self.rule.bucket, requester_pays=self.rule.requester_pays)
        if self.rule.in_place:
            in_place.require_usable(found, client(None).meta.region_name)
        return found

    @property
    def places(self) -> tuple[str, ...] | None:
        """Where the backups stay, which restores may read; None if they are copied."""
        return (self.rule.uri,) if self.rule.in_place else None

    @property
    def repository(self) -> Repository:
        """Where copies go; what is removed there stays as a version, as with all functions."""
        s3 = self.surroundings.control.copying_s3(None)
        return Repository(s3, self.surroundings.settings.repository_bucket, self.rule.requester_pays, keeps_versions=True)

    @property
    def pace(self) -> Pace:
        """How copies are made as long as there is time."""
        bounds = self.surroundings.bounds
        return Pace(bounds.staging_threads, bounds.staging_part_bytes, self.is_over)

    @property
    def since(self) -> datetime:
        """What is older is passed over."""
        return self.now - self.rule.window

    def uri(self, key: str) -> str:
        """What messages call an object of the bucket."""
        return str(S3Location(self.rule.bucket, key))

    def listed(self) -> Iterator[Listed]:
        """What the bucket holds that may be meant."""
        return self.source.listed(self.rule.keys.prefix)

    def settled(self, heard: Heard) -> bool:
        """Whether the listing has it, and nothing is to be learnt from when it came."""
        return heard.at + self.rule.settle <= self.now

    def is_made(self, point_id: str) -> bool:
        """Whether the point is there already: the ledger may have lost what the repository has."""
        return copying.is_there(self.repository, keys.manifest_key(self.rule.instance, point_id))

    def refuse(self, key: str, fingerprint: str, changed: datetime, error: RestoreError, *, again: bool = False) -> None:
        """Note what did not become a point; `again` if something outside of it may change that, whatever the error."""
        row = self._row(key, fingerprint, changed, error)
        self.rows.refuse(row.model_copy(update={"again": again or not is_its_own(error)}))
        self.known_as_refused.add(fingerprint)

    def note_late(self, key: str, fingerprint: str, changed: datetime, error: RestoreError) -> None:
        """Tell of what is missing, and go on looking for it."""
        self.rows.refuse(self._row(key, fingerprint, changed, error).model_copy(update={"missing": True}))

    def _row(self, key: str, fingerprint: str, changed: datetime, error: RestoreError) -> RefusedRow:
        uri = self.uri(key)
        note = ErrorNote.of(type(error)(str(error).removeprefix(f"{uri}: ")))
        return RefusedRow(uri=uri, fingerprint=fingerprint, error=note, at=self.now, changed=changed, again=True)

    @cached_property
    def known_as_refused(self) -> set[str]:
        """Fingerprints of what isn't looked at now: refused for good, or not long ago for what lies outside of it."""
        slow = timedelta(hours=self.rule.look_hours)
        refused = [row for row in self.rows.refused() if not row.missing]
        return {row.fingerprint for row in refused if not row.again or row.at + slow > self.now}

    def made(self, point: PointRow, adopted: Iterable[str]) -> PointRow:
        """The point is there, of these keys; its note goes, if it is still there."""
        note = unfinished.key(self.rule.instance, point.point_id)
        self.repository.s3.delete_object(Bucket=self.repository.bucket, Key=note)
        for key in adopted:
            self.rows.accept(self.uri(key))
        return self.rows.keep(point.model_copy(update={"state": "MADE", "at": self.now, "next_at": None}))

    def postponed(self, point: PointRow, error: RestoreError) -> PointRow:
        """Another try later; people are told when that is no longer likely to help."""
        if isinstance(error, NotReady):
            return self.rows.keep(point.model_copy(update={"state": "COPYING", "at": self.now, "next_at": self.now}))
        pause = _FIRST_PAUSE * 2**point.tries
        if not _may_pass(error) or point.tries >= MOST_TRIES:
            pause = timedelta(hours=self.rule.look_hours)
            self.refuse(point.uri.removeprefix(self.uri("")), point.point_id, point.changed, error, again=True)
        change = {"state": "COPYING", "tries": point.tries + 1, "at": self.now, "next_at": self.now + pause}
        return self.rows.keep(point.model_copy(update=change))

    def failed(self, point: PointRow, error: RestoreError, of: Mapping[str, str]) -> PointRow:
        """An error kept the point from being made: another try later; or, if it is the backups' own, none, and those of these (keys by
        their fingerprints) that it names are refused, all of them if it names none."""
        if not is_its_own(error):
            return self.postponed(point, error)
        named_in_it = {one: key for one, key in of.items() if f"{self.uri(key)}:" in f"{error}:"}
        for fingerprint, key in (named_in_it or of).items():
            self.refuse(key, fingerprint, point.changed, type(error)(_about(str(error), self.uri(key))))
        return self.rows.keep(point.model_copy(update={"state": "FAILED", "at": self.now, "next_at": None}))

    def wait(self, key: str, reason: str, until: datetime | None) -> Waiting:
        """What is waited for."""
        return Waiting(uri=self.uri(key), reason=reason, until=until)


def named(error: Exception) -> RestoreError:
    """By one of our names."""
    return error if isinstance(error, RestoreError) else translated(error)  # type: ignore[arg-type]


def is_its_own(error: RestoreError) -> bool:
    """Whether it is the backup's: nothing but another backup changes it."""
    return isinstance(error, BackupUnfit | RequestRefused)


def _about(message: str, uri: str) -> str:
    """What a message of several lines says of one of them."""
    return next((line for line in message.splitlines() if uri in line), message)


def _may_pass(error: RestoreError) -> bool:
    return isinstance(error, Busy | WorkFailed)
