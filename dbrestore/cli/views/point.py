"""What a restore point holds, as the command prints it."""

from collections import Counter
from collections.abc import Iterator

from rich.table import Table

from dbrestore.cli.views.engines import ENGINES
from dbrestore.contract.manifest import Manifest


def summary(manifest: Manifest) -> dict[str, object]:
    """The point in a few JSON-ready words."""
    return {
        "pointId": manifest.point_id,
        "instance": manifest.instance,
        "databases": ENGINES[manifest.engine].summaries(manifest),
        "notes": notes(manifest),
    }


def notes(manifest: Manifest) -> list[str]:
    """What the dumps of a point lack and need, or how its native backups follow each other, each sentence with its database's
    name; and what lies elsewhere."""
    return [*ENGINES[manifest.engine].notes(manifest), *_in_place(manifest)]


def _in_place(manifest: Manifest) -> Iterator[str]:
    buckets: dict[str, int] = Counter(file.reference.bucket for file in manifest.files if file.reference)
    for bucket, count in sorted(buckets.items()):
        noun = "file stays" if count == 1 else "files stay"
        yield (
            f"{count:,} {noun} in s3://{bucket}, in place: whoever deletes these versions there takes the point away, and removing the "
            "point deletes none of them"
        )


def contents(manifest: Manifest) -> tuple[str, str]:
    """The databases of a point and their rows, for one line of a listing. A native backup doesn't say how many rows it holds."""
    engine = ENGINES[manifest.engine]
    return ", ".join(engine.names(manifest)), engine.rows(manifest)


def databases(manifest: Manifest) -> Table:
    """One row per database, for SQL Server one per backup."""
    return ENGINES[manifest.engine].table(manifest)
