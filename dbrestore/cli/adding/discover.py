"""`dbrestore points discover`: what of a bucket would make restore points."""

from typing import Annotated

import typer
from rich.filesize import decimal

from dbrestore.cli import consoles
from dbrestore.cli.adding.given import source_of
from dbrestore.cli.control import Account
from dbrestore.cli.options import AsJson
from dbrestore.cli.points import RequesterPays
from dbrestore.cli.views import display
from dbrestore.cli.views.tables import table
from dbrestore.contract.exit_code import ExitCode
from dbrestore.points.in_s3 import discovery, location
from dbrestore.points.in_s3.discovery import Discovered, WouldBe
from dbrestore.points.in_s3.source import Source

_SHOWN = 20


def discover(
    context: typer.Context,
    where: Annotated[str, typer.Argument(metavar="s3://BUCKET[/PREFIX]", help="What to look through.")],
    requester_pays: RequesterPays = False,
    as_json: AsJson = False,
) -> ExitCode:
    """Say which files in S3 would make restore points, and which could not and why. Nothing is stored; of each file the header or the table
    of contents is read."""
    place = location.parse(where)
    source = source_of(context.ensure_object(Account), place.bucket, requester_pays=requester_pays)
    found = discovery.discover(source, place.key)
    if as_json:
        _print_json(found, source)
    else:
        _print(found, source)
    return ExitCode.DONE if found.points else ExitCode.NOT_FOUND


def _print_json(found: Discovered, source: Source) -> None:
    for point in found.points:
        taken = point.taken_at.isoformat() if point.taken_at else None
        told = {"engine": point.engine, "databases": point.databases, "takenAt": taken, "bytes": point.length, "from": point.sources}
        display.print_json({"type": "point", **told})
    for one in found.refused:
        display.print_json({"type": "refused", "from": one.uri, "error": {"name": one.error, "message": one.sentence}})
    for note in found.notes:
        display.print_json({"type": "leftOut", "message": note})
    counts = {"objects": found.objects, "notLookedAt": dict(found.not_looked_at), "bytesRead": source.received}
    display.print_json({"type": "summary", "points": len(found.points), "refused": len(found.refused), **counts})


def _print(found: Discovered, source: Source) -> None:
    if found.points:
        shown = table("engine", "databases", "taken", "size", "from")
        for point in found.points:
            taken = f"{point.taken_at:%Y-%m-%d %H:%M:%S}" if point.taken_at else "?"
            shown.add_row(point.engine, ", ".join(point.databases), taken, decimal(point.length), _from(point))
        consoles.out().print(shown)
    for one in found.refused:
        consoles.say(f"Can't be added: {one.uri}: {one.sentence}")
    for note in found.notes:
        consoles.say(f"Left out: {note}")
    if others := found.not_looked_at:
        kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in others.most_common(_SHOWN))
        consoles.say(f"Not looked at, by their names: {others.total():,} of {found.objects:,} objects ({kinds})")
    consoles.say(f"{len(found.points):,} restore points could be made. {decimal(source.received)} were read, and nothing was stored.")
    if found.points:
        newest = max(found.points, key=lambda point: point.taken_at.timestamp() if point.taken_at else 0.0)
        consoles.say(f"To add the newest: {command(newest)}")


def _from(point: WouldBe) -> str:
    more = len(point.sources) - 1
    return point.sources[0] + (f" and {more} more" if more else "")


def command(point: WouldBe) -> str:
    """What a person types to make this point."""
    return f"dbrestore points add INSTANCE --engine {point.engine} " + " ".join(f"--from '{one}'" for one in point.sources)
