"""`dbrestore points`: the restore points of the repository."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table

from dbrestore.cli import consoles, control, request
from dbrestore.cli.adding.engines import ENGINES
from dbrestore.cli.adding.given import Given
from dbrestore.cli.control import Account, ControlPlane
from dbrestore.cli.options import AsJson, RetrievalTier, ToAccount, ToRegion, WorkerWishes
from dbrestore.cli.views import display
from dbrestore.cli.views import point as point_view
from dbrestore.contract.errors import BackupDamaged, BackupUnreadable, RestoreRequestInvalid
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.manifest import Manifest
from dbrestore.points import known_digests, stored_points
from dbrestore.points.in_s3.in_place import warnings as in_place_warnings
from dbrestore.points.in_s3.retrieval import Wish
from dbrestore.points.unfinished_point import Progress

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Restore points of the backup repository.")

Unread = BackupDamaged | BackupUnreadable
Instance = Annotated[str, typer.Argument(help="The instance that was backed up.")]


class Engine(StrEnum):
    """Whose backups are added."""

    POSTGRES = "postgres"
    SQLSERVER = "sqlserver"


Sources = Annotated[
    list[str],
    typer.Option(
        "--from",
        metavar="PATH",
        help="A pg_dump custom-format file or directory, a file of a native SQL Server backup, or a folder with such files (a backup "
        "job's: everything in it and its subfolders). Or where it lies in S3: s3://bucket/key, s3://bucket/prefix/; then S3 copies it, "
        "and nothing but headers comes to this computer. Repeatable.",
    ),
]
DatabaseNames = Annotated[
    list[str] | None,
    typer.Option(
        "--database",
        metavar="NAME",
        help="The database's name; default: the backup's own. One per --from; for SQL Server, one for all.",
    ),
]
Digests = Annotated[
    list[str] | None,
    typer.Option(
        "--sha256",
        metavar="DIGEST",
        help="The SHA-256 of a file, computed where it was made; compared while the file is read (of dumps in S3 by the worker). One per "
        "--from, in order; - for none. A file PATH.sha256 next to it (sha256sum's output; for a directory, of all its files) is read "
        "automatically on this computer.",
    ),
]


Positions = Annotated[
    list[int] | None,
    typer.Option(
        "--set",
        metavar="N",
        min=1,
        help="SQL Server: from files that hold several backup sets, take the N-th, counted from 1 (RESTORE ... WITH FILE = N). Repeatable. "
        "Default: the newest full backup of each database and what follows it.",
    ),
]


InPlace = Annotated[
    bool,
    typer.Option(
        "--in-place",
        help="Backups in S3: copy nothing; the restore point refers to the versions that lie there now. Their bucket must keep versions, "
        "and restores must be allowed to read there (configuration/in_place.json). Whoever deletes these versions takes the point away.",
    ),
]
Near = Annotated[
    str | None,
    typer.Option(
        "--near", metavar="INSTANCE", help="Dumps in S3: the worker that reads them stands beside this instance. Default: INSTANCE."
    ),
]
RequesterPays = Annotated[
    bool, typer.Option("--requester-pays", help="The bucket charges whoever reads it (requester pays), and you agree.")
]
Retrieve = Annotated[
    RetrievalTier | None,
    typer.Option(
        help="Backups in S3 that are archived: have S3 retrieve them by this tier, and say when to run the same command again. Without it "
        "they are refused."
    ),
]
RetrieveDays = Annotated[
    int, typer.Option(metavar="N", min=1, max=90, help="For how many days the retrieved copies can be read where they lie.")
]


@app.command()
def add(
    context: typer.Context,
    instance: Instance,
    source: Sources,
    engine: Annotated[Engine, typer.Option(help="The engine that made the backups.")] = Engine.POSTGRES,
    database: DatabaseNames = None,
    sha256: Digests = None,
    position: Positions = None,
    requester_pays: RequesterPays = False,
    retrieve: Retrieve = None,
    retrieve_days: RetrieveDays = 3,
    in_place: InPlace = False,
    near: Near = None,
    account: ToAccount = None,
    to_region: ToRegion = None,
    worker: WorkerWishes = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Make restore points from existing backups: each is read once, checked and copied into the repository, or stays in S3 (--in-place).
    One point for all dumps given; for SQL Server as many as there are full backups of a database."""
    of_engine = ENGINES[engine.value]
    wishes = request.worker_wishes(worker or ())
    where = near, account, to_region
    retrieval = _retrieval(retrieve, retrieve_days)
    given = Given(instance, source, database or [], position or [], requester_pays, *where, wishes, retrieval, in_place)
    of_engine.require_fitting(given)
    _require_fitting(given)
    digests = _digests(sha256 or [], source)
    plane = control.find(context.ensure_object(Account))
    with progress_bar() as told:
        added = of_engine.add(plane, given, digests, told)
    for manifest in added.points:
        _tell_added(manifest, as_json=as_json)
    for sentence in added.left_out:
        _tell("leftOut", "Left out", sentence, as_json=as_json)
    for sentence in in_place_warnings(given.source(plane), added.points) if in_place else ():
        _tell("warning", "Warning", sentence, as_json=as_json)
    return ExitCode.DONE


def _tell(kind: str, label: str, sentence: str, *, as_json: bool) -> None:
    if as_json:
        display.print_json({"type": kind, "message": sentence})
    else:
        consoles.say(f"{label}: {sentence}")


def _require_fitting(given: Given) -> None:
    if given.retrieval and not given.places:
        raise RestoreRequestInvalid("--retrieve is for backups in S3: leave it out")
    if given.in_place and not given.places:
        raise RestoreRequestInvalid("--in-place is for backups in S3: leave it out")


def _retrieval(tier: RetrievalTier | None, days: int) -> Wish | None:
    return Wish(tier.value, days) if tier else None


def _tell_added(manifest: Manifest, *, as_json: bool) -> None:
    if as_json:
        display.print_json({"type": "summary", **point_view.summary(manifest)})
        return
    print(manifest.point_id)
    for note in point_view.notes(manifest):
        consoles.say(f"Note: {note}")


@app.command("list")
def list_points(
    context: typer.Context,
    instance: Annotated[str | None, typer.Argument(help="Only this instance's points.")] = None,
    as_json: AsJson = False,
) -> ExitCode:
    """List the restore points, oldest first within an instance."""
    plane = control.find(context.ensure_object(Account))
    found = stored_points.list_points(plane.storage, plane.repository_bucket, instance)
    if instance is not None and not found:
        raise stored_points.no_point_of(plane.storage, plane.repository_bucket, instance)
    if as_json:
        for point in found:
            display.print_json(_point_line(point, _manifest(plane, point)))
        return ExitCode.DONE
    table = Table("instance", "restore point", "written", "databases", "rows", box=None, padding=(0, 2, 0, 0))
    for point in found:
        manifest = _manifest(plane, point)
        contents = point_view.contents(manifest) if isinstance(manifest, Manifest) else (_unread(manifest), "-")
        table.add_row(point.instance, point.point_id, f"{point.written_at:%Y-%m-%d %H:%M:%S %Z}", *contents)
    consoles.out().print(table if found else "No restore point yet. Make one with `dbrestore points add`.")
    return ExitCode.DONE


@app.command()
def show(
    context: typer.Context,
    instance: Instance,
    point: Annotated[str, typer.Argument(metavar="[ID]", help="A restore point's id.")] = stored_points.LATEST,
    as_json: AsJson = False,
) -> ExitCode:
    """Show what a restore point holds; without an id, the latest."""
    plane = control.find(context.ensure_object(Account))
    manifest = stored_points.load(plane.storage, plane.repository_bucket, instance, point)
    if as_json:
        display.print_json({"type": "manifest", **manifest.to_state()})
        return ExitCode.DONE
    console = consoles.out()
    console.print(
        f"{manifest.instance} {manifest.point_id}: {manifest.engine} {manifest.engine_version}, "
        f"made {manifest.created_at:%Y-%m-%d %H:%M:%S %Z}"
    )
    console.print(point_view.databases(manifest))
    for note in point_view.notes(manifest):
        console.print(f"Note: {note}", soft_wrap=True)
    return ExitCode.DONE


def _manifest(plane: ControlPlane, point: stored_points.PointName) -> Manifest | Unread:
    """What the point holds; one that can't be read must not hide the others."""
    try:
        return stored_points.load(plane.storage, plane.repository_bucket, point.instance, point.point_id)
    except (BackupDamaged, BackupUnreadable) as error:
        return error


def _unread(error: Unread) -> str:
    return "manifest damaged" if isinstance(error, BackupDamaged) else "manifest of a newer version"


def _point_line(point: stored_points.PointName, manifest: Manifest | Unread) -> dict[str, object]:
    if isinstance(manifest, Manifest):
        told = point_view.summary(manifest)
    else:
        told = {"error": {"name": type(manifest).__name__, "message": str(manifest)}}
    names = {"instance": point.instance, "pointId": point.point_id}
    return {"type": "point", **names, "writtenAt": point.written_at.isoformat(), **told}


def _digests(given: list[str], sources: list[str]) -> list[str]:
    if given and len(given) != len(sources):
        raise RestoreRequestInvalid(
            f"{len(given)} --sha256 for {len(sources)} --from: give one for each, in order (- where there is none), or none at all"
        )
    return given or [known_digests.NOT_GIVEN] * len(sources)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar on stderr; nothing where stderr isn't a terminal."""
    console = consoles.err()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with ProgressBar(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda done, total, label: bar.update(task, completed=done, total=total, description=label)
