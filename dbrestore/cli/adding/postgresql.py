"""Dumps: one restore point of all."""

from dbrestore.cli.adding import reading
from dbrestore.cli.adding.given import Given
from dbrestore.cli.control import ControlPlane
from dbrestore.contract.errors import RestoreRequestInvalid
from dbrestore.points.in_s3 import retrieval
from dbrestore.points.sqlserver.described_points import Added
from dbrestore.points.unfinished_point import Progress


def require_fitting(given: Given) -> None:
    """Raises RestoreRequestInvalid for options that don't go with dumps."""
    names, sources = given.names, given.sources
    if names and len(names) != len(sources):
        raise RestoreRequestInvalid(
            f"{len(names)} --database for {len(sources)} --from: name every database, or none to use each dump's own name"
        )
    if given.positions:
        raise RestoreRequestInvalid("--set is for native SQL Server backups (--engine sqlserver): leave it out")


def add(plane: ControlPlane, given: Given, digests: list[str], told: Progress) -> Added:
    """The point, read once and checked: here, or what lies in S3 by a worker."""
    own_names: list[str | None] = [None] * len(given.sources)
    if given.places:
        keys = [place.key for place in given.places]
        if given.retrieval:
            retrieval.require_readable(given.source(plane), keys, given.retrieval)
        return reading.add(plane, given, list(zip(given.names or own_names, keys, strict=True)), digests, told)
    # Here alone: other commands don't need what reads dumps.
    from dbrestore.points.pgdump import adding

    pairs = list(zip(given.names or own_names, given.paths, strict=True))
    made = adding.add(plane.storage, plane.repository_bucket, given.instance, pairs, told, digests)
    return Added((made,), ())
