"""`dbrestore points discover`: what of a bucket would make restore points."""

import json
import shlex
from typing import Annotated, NamedTuple

import typer
from rich.filesize import decimal

from dbrestore.cli import consoles
from dbrestore.cli.adding import costs
from dbrestore.cli.adding.given import source_of
from dbrestore.cli.control import Account
from dbrestore.cli.options import AsJson
from dbrestore.cli.points import RequesterPays
from dbrestore.cli.views import display
from dbrestore.cli.views.tables import table
from dbrestore.cli.views.units import dollars
from dbrestore.contract.exit_code import ExitCode
from dbrestore.points.adoption import suggestion
from dbrestore.points.in_s3 import discovery, location
from dbrestore.points.in_s3.discovery import Discovered, WouldBe
from dbrestore.points.in_s3.source import Source
from dbrestore.prices import prices_in

_SHOWN = 20


class Regions(NamedTuple):
    """Where the backups lie, and where the repository does, or will."""

    bucket: str
    home: str


def discover(
    context: typer.Context,
    where: Annotated[str, typer.Argument(metavar="s3://BUCKET[/PREFIX]", help="What to look through.")],
    requester_pays: RequesterPays = False,
    as_json: AsJson = False,
) -> ExitCode:
    """Say which files in S3 would make restore points, and which could not and why. Nothing is stored; of each file the header or the table
    of contents is read."""
    place = location.parse(where)
    account = context.ensure_object(Account)
    source = source_of(account, place.bucket, requester_pays=requester_pays)
    found = discovery.discover(source, place.key)
    regions = Regions(source.s3.meta.region_name, account.session.region_name or source.s3.meta.region_name)
    if as_json:
        _print_json(found, source, regions)
    else:
        _print(found, source, regions)
    return ExitCode.DONE if found.points else ExitCode.NOT_FOUND


def _print_json(found: Discovered, source: Source, regions: Regions) -> None:
    for point in found.points:
        cost = costs.of_point(point, *regions)
        taken = point.taken_at.isoformat() if point.taken_at else None
        told = {"engine": point.engine, "databases": point.databases, "takenAt": taken, "bytes": point.length, "from": point.sources}
        of_cost = {
            "dollarsToAdd": round(cost.dollars, 6),
            "dollarsPerMonth": cost.monthly.dollars,
            "costs": [one.to_state() for one in cost.once],
        }
        display.print_json({"type": "point", **told, **of_cost})
    for one in found.refused:
        display.print_json({"type": "refused", "from": one.uri, "error": {"name": one.error, "message": one.sentence}})
    for note in found.notes:
        display.print_json({"type": "leftOut", "message": note})
    counts = {"objects": found.objects, "notLookedAt": dict(found.not_looked_at), "bytesRead": source.received}
    retrieval = [one.to_state() for one in costs.of_retrieval(found.cold, regions.bucket)]
    display.print_json({"type": "summary", "points": len(found.points), "refused": len(found.refused), **counts, "retrieval": retrieval})


def _print(found: Discovered, source: Source, regions: Regions) -> None:
    if found.points:
        shown = table("engine", "databases", "taken", "size", "to add", "a month", "from")
        for point in found.points:
            taken = f"{point.taken_at:%Y-%m-%d %H:%M:%S}" if point.taken_at else "?"
            cost = costs.of_point(point, *regions)
            prices = dollars(cost.dollars), dollars(cost.monthly.dollars)
            shown.add_row(point.engine, ", ".join(point.databases), taken, decimal(point.length), *prices, _from(point))
        consoles.out().print(shown)
    for one in found.refused:
        consoles.say(f"Can't be added: {one.uri}: {one.sentence}")
    for note in found.notes:
        consoles.say(f"Left out: {note}")
    if others := found.not_looked_at:
        kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in others.most_common(_SHOWN))
        consoles.say(f"Not looked at, by their names: {others.total():,} of {found.objects:,} objects ({kinds})")
    consoles.say(f"{len(found.points):,} {_noun(found)} could be made. {decimal(source.received)} were read, and nothing was stored.")
    if found.points:
        newest = max(found.points, key=lambda point: point.taken_at.timestamp() if point.taken_at else 0.0)
        consoles.say(f"To add the newest: {command(newest)}")
        _say_costs(newest, regions)
        _say_rule(newest)
    for item in costs.of_retrieval(found.cold, regions.bucket):
        consoles.say(f"Archived: {item.item}: {dollars(item.dollars)} ({item.basis})")


def _say_rule(point: WouldBe) -> None:
    if pattern := suggestion.pattern_for(point):
        bucket = location.parse(point.sources[0]).bucket
        rule = {"name": "nightly", "bucket": bucket, "pattern": pattern, "instance": "INSTANCE", "engine": point.engine}
        consoles.say(
            f"To adopt what arrives there from now on, a rule in configuration/adoption.json: {json.dumps(rule, ensure_ascii=False)}"
        )


def _say_costs(point: WouldBe, regions: Regions) -> None:
    cost = costs.of_point(point, *regions)
    for item in (*cost.once, cost.monthly):
        consoles.say(f"  {item.item}: {dollars(item.dollars)} ({item.basis})")
    table_ = prices_in(regions.home).table
    consoles.say(f"  List prices as of {table_.of}, without free tiers, discounts and taxes")
    for note in cost.notes:
        consoles.say(f"  {note}")


def _noun(found: Discovered) -> str:
    return "restore point" if len(found.points) == 1 else "restore points"


def _from(point: WouldBe) -> str:
    more = len(point.sources) - 1
    return point.sources[0] + (f" and {more} more" if more else "")


def command(point: WouldBe) -> str:
    """What a person types to make this point."""
    return f"dbrestore points add INSTANCE --engine {point.engine} " + " ".join(f"--from {shlex.quote(one)}" for one in point.sources)
