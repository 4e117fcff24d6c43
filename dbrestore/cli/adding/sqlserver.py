"""Native backups: as many restore points as there are full backups of a database."""

from dbrestore.cli.adding.given import Given
from dbrestore.cli.control import ControlPlane
from dbrestore.contract.errors import RestoreRequestInvalid
from dbrestore.points.in_s3 import retrieval
from dbrestore.points.in_s3 import sqlserver as in_s3
from dbrestore.points.known_digests import NOT_GIVEN
from dbrestore.points.sqlserver.described_points import Added
from dbrestore.points.sqlserver.given import BACKUPS
from dbrestore.points.unfinished_point import Progress


def require_fitting(given: Given) -> None:
    """Raises RestoreRequestInvalid for options that don't go with native backups."""
    if len(given.names) > 1:
        raise RestoreRequestInvalid(
            f"{len(given.names)} --database for native backups: give one if all files are of one database, otherwise none"
        )


def add(plane: ControlPlane, given: Given, digests: list[str], told: Progress) -> Added:
    """The points, and what was left out of them."""
    name = given.names[0] if given.names else None
    if given.places:
        if any(digest != NOT_GIVEN for digest in digests):
            raise RestoreRequestInvalid("--sha256: nobody reads native backups in S3 to their end when they are added: leave it out")
        keys = [place.key for place in given.places]
        if given.retrieval:
            retrieval.require_readable(given.source(plane), keys, given.retrieval, BACKUPS)
        return in_s3.add(
            given.source(plane),
            given.repository(plane),
            given.instance,
            keys,
            name,
            told,
            given.positions,
            places=given.staying(plane),
        )
    # Here alone: what recomputes checksums takes a fifth of a second to load, and other commands don't need it.
    from dbrestore.points.sqlserver import adding

    return adding.add(plane.storage, plane.repository_bucket, given.instance, given.paths, name, told, digests, given.positions)
