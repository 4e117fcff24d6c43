"""`dbrestore points`: the restore points of the repository."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from cli import consoles, control, display
from cli.control import Account
from cli.exit_codes import ExitCode
from cli.options import AsJson
from cli.units import number, size
from repository import points
from repository.errors import RestoreRequestInvalid
from repository.manifest import Manifest

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Restore points of the backup repository.")

Instance = Annotated[str, typer.Argument(help="The instance that was backed up.")]


@app.command()
def add(
    context: typer.Context,
    instance: Instance,
    source: Annotated[
        list[Path],
        typer.Option("--from", metavar="PATH", help="A pg_dump custom-format file or directory. Repeatable."),
    ],
    database: Annotated[
        list[str] | None,
        typer.Option(
            "--database", metavar="NAME", help="The database's name, one per --from. Default: the dump's own."
        ),
    ] = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Make one restore point out of dumps that exist: read once, checked, copied into the repository."""
    pairs = _pairs(database or [], source)
    plane = control.find(context.ensure_object(Account))
    with _progress() as told:
        manifest = points.add(plane.storage, plane.repository_bucket, instance, pairs, told)
    if as_json:
        display.print_json({"type": "summary", **_short(manifest)})
    else:
        print(manifest.point_id)
    return ExitCode.DONE


@app.command("list")
def list_points(
    context: typer.Context,
    instance: Annotated[str | None, typer.Argument(help="Only this instance's points.")] = None,
    as_json: AsJson = False,
) -> ExitCode:
    """List the restore points, oldest first within an instance."""
    plane = control.find(context.ensure_object(Account))
    found = points.list_points(plane.storage, plane.repository_bucket, instance)
    if as_json:
        for point in found:
            display.print_json(
                {
                    "type": "point",
                    "instance": point.instance,
                    "pointId": point.point_id,
                    "writtenAt": point.written_at.isoformat(),
                }
            )
        return ExitCode.DONE
    table = Table("instance", "restore point", "written", box=None, padding=(0, 2, 0, 0))
    for point in found:
        table.add_row(point.instance, point.point_id, f"{point.written_at:%Y-%m-%d %H:%M:%S %Z}")
    consoles.out().print(table if found else "No restore point yet. Make one with `dbrestore points add`.")
    return ExitCode.DONE


@app.command()
def show(
    context: typer.Context,
    instance: Instance,
    point: Annotated[str, typer.Argument(metavar="[ID]", help="A restore point's id.")] = points.LATEST,
    as_json: AsJson = False,
) -> ExitCode:
    """Show what a restore point holds; without an id, the latest."""
    plane = control.find(context.ensure_object(Account))
    manifest = points.load(plane.storage, plane.repository_bucket, instance, point)
    if as_json:
        display.print_json({"type": "manifest", **manifest.to_state()})
        return ExitCode.DONE
    console = consoles.out()
    console.print(
        f"{manifest.instance} {manifest.point_id}: {manifest.engine} {manifest.engine_version}, "
        f"made {manifest.created_at:%Y-%m-%d %H:%M:%S %Z}"
    )
    console.print(_databases(manifest))
    return ExitCode.DONE


def _pairs(databases: list[str], sources: list[Path]) -> list[tuple[str | None, Path]]:
    if databases and len(databases) != len(sources):
        raise RestoreRequestInvalid(
            f"{len(databases)} --database for {len(sources)} --from: name every database or none (then each dump's own name is taken)"
        )
    names: list[str | None] = [*databases] if databases else [None] * len(sources)
    return list(zip(names, sources, strict=True))


@contextmanager
def _progress() -> Iterator[points.Progress]:
    """A bar on stderr; nothing where stderr is no terminal."""
    console = consoles.err()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda done, total, label: bar.update(task, completed=done, total=total, description=label)


def _short(manifest: Manifest) -> dict[str, object]:
    databases = [
        {"name": database.name, "rows": database.rows, "bytes": database.uncompressed_length}
        for database in manifest.databases
    ]
    return {"pointId": manifest.point_id, "instance": manifest.instance, "databases": databases}


def _databases(manifest: Manifest) -> Table:
    table = Table("database", "format", "dumped", "tables", "rows", "size", "stored", box=None, padding=(0, 2, 0, 0))
    for database in manifest.databases:
        table.add_row(
            database.name, f"{database.format} {database.compression}", f"{database.dumped_at:%Y-%m-%d %H:%M:%S}",
            number(len(database.tables)), number(database.rows), size(database.uncompressed_length),
            size(sum(file.length for file in database.files)),
        )  # fmt: skip
    return table
