"""What `points add` was given."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dbrestore.cli.control import Account, ControlPlane
from dbrestore.contract.errors import RestoreRequestInvalid
from dbrestore.points.in_s3 import in_place, location, source
from dbrestore.points.in_s3.copying import Repository
from dbrestore.points.in_s3.location import S3Location
from dbrestore.points.in_s3.retrieval import Wish
from dbrestore.points.in_s3.source import Source


@dataclass(frozen=True)
class Given:
    """`sources` are paths or places in S3; `names` of databases, one for each source or fewer; `positions` of backup sets in their files,
    counted from 1. The worker that reads dumps in S3 stands where one would for a restore into `near` (default: the instance itself) in
    this account and Region; `worker` is what is asked of it. Archived objects are refused, or retrieved as `retrieval` says.
    `in_place`: what lies in S3 stays there."""

    instance: str
    sources: list[str]
    names: list[str]
    positions: list[int]
    requester_pays: bool = False
    near: str | None = None
    account: str | None = None
    region: str | None = None
    worker: dict[str, Any] = field(default_factory=dict)
    retrieval: Wish | None = None
    in_place: bool = False

    @cached_property
    def paths(self) -> list[Path]:
        """What lies on a disk."""
        return [Path(one) for one in self.sources]

    @cached_property
    def places(self) -> tuple[S3Location, ...]:
        """What lies in S3, or nothing. Raises RestoreRequestInvalid for both at once, and for several buckets."""
        places = places_in(self.sources)
        if places and len(places) < len(self.sources):
            raise RestoreRequestInvalid("--from: give paths or places in S3, not both: a restore point is made of the one or the other")
        return places

    def source(self, plane: ControlPlane) -> Source:
        """The bucket that the backups lie in. Raises SourceNotFound, and RestoreRequestInvalid for one that they can't stay in."""
        found = source_of(plane.account, self.places[0].bucket, requester_pays=self.requester_pays)
        if self.in_place:
            in_place.require_usable(found, plane.storage.meta.region_name)
        return found

    def staying(self, plane: ControlPlane) -> tuple[str, ...] | None:
        """Where restores may read what stays; None if S3 copies."""
        return plane.places_in_place if self.in_place else None

    def copied_from(self, plane: ControlPlane) -> tuple[str, ...]:
        """Where an execution may copy from, so that nobody's computer has to see to it."""
        return () if self.in_place else (*plane.places_in_place, *plane.places_copied)

    def repository(self, plane: ControlPlane) -> Repository:
        """Where they go."""
        return Repository(plane.storage, plane.repository_bucket, self.requester_pays)


def places_in(sources: Sequence[str]) -> tuple[S3Location, ...]:
    """Those of the sources that are meant to lie in S3. Raises RestoreRequestInvalid for what can't, and for several buckets."""
    places = tuple(location.parse(one) for one in sources if location.is_one(one))
    if len(buckets := sorted({place.bucket for place in places})) > 1:
        raise RestoreRequestInvalid(f"--from: the backups of one restore point lie in one bucket, and these are {', '.join(buckets)}")
    return places


def source_of(account: Account, bucket: str, *, requester_pays: bool) -> Source:
    """A bucket, with the caller's own rights and in its own Region. Raises SourceNotFound."""
    session = account.session
    return source.in_its_region(
        lambda region: session.client("s3", region_name=region or session.region_name), bucket, requester_pays=requester_pays
    )
