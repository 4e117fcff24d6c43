"""Restore points of native SQL Server backups: judged by their headers, grouped, ordered, stored as they are, but for a set that is cut out
of a file with several. Invariant: nothing is stored before every header was judged, and what is stored is checked in the same reading.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dbrestore.contract.allowed import point_names
from dbrestore.points.sqlserver import described_points
from dbrestore.points.sqlserver import given as native_given
from dbrestore.points.sqlserver.assembled_points import Round
from dbrestore.points.sqlserver.described_points import Added
from dbrestore.points.sqlserver.sets import Stripe
from dbrestore.points.sqlserver.store import Storing
from dbrestore.points.unfinished_point import Meter, Progress, new_names, removal_on_failure, write_manifest

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def add(
    s3: "S3Client",
    bucket: str,
    instance: str,
    paths: Sequence[Path],
    database: str | None = None,
    progress: Progress = lambda done, total, label: None,
    sha256: Sequence[str] = (),
    positions: Sequence[int] = (),
) -> Added:
    """Make restore points of native backup files and folders of them, in any order: as many as there are full backups of a database.

    `database` is another name for the one database in them; `positions` choose the sets of files that hold several (default: the newest
    full backup and what follows). A few ranges of each file are read to judge it; then every file is read, checked and stored once;
    `progress` gets (bytes done, bytes in all, the file being read). Raises every problem at once, one line `file: what is wrong and what
    to do` each: under its own error if they are of one kind, as BackupUnreadable if not. Then nothing is left in the bucket."""
    point_names.require_instance_name(instance)
    given = native_given.look(paths, sha256)
    selection = described_points.chosen(given, positions)
    described_points.require_one_name(selection.points, database)
    total = sum(stripe.length for point in selection.points for stripe in _stripes(point))
    with removal_on_failure(s3, bucket) as stored:
        storing = Storing(s3, bucket, Meter(total, progress), stored, given.digests)
        names = new_names(len(selection.points))
        points = [
            described_points.described(instance, name, point, database, storing)
            for name, point in zip(names, selection.points, strict=True)
        ]
        described_points.raise_if_any(storing.complaints)
        for point in points:
            stored.append(write_manifest(s3, bucket, point))
    return Added(tuple(points), tuple(selection.left_out))


def _stripes(point: Round) -> Iterator[Stripe]:
    return (stripe for chain in point for one in chain.sets for stripe in one.stripes)
