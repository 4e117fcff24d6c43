"""`dbrestore list`: the restores that were begun, closed ones too."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from dbrestore.cli import control
from dbrestore.cli.control import Account, ControlPlane
from dbrestore.cli.options import AsJson
from dbrestore.cli.views import standing as standing_view
from dbrestore.contract.errors import RestoreRequestInvalid
from dbrestore.contract.exit_code import ExitCode
from dbrestore.ledger import standing

DEFAULT_LIMIT = 20
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}

Running = Annotated[bool, typer.Option("--running", help="Only restores that aren't over: running, or still being cleaned up.")]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="AGE|MOMENT",
        help="Only restores that began since: an age (90m, 24h, 7d, 2w) or a moment like 2026-11-20 or 2026-11-20T13:30 (UTC unless it "
        "names another zone).",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help=f"The newest N at most. Default: {DEFAULT_LIMIT}; with --running or --since all.",
    ),
]


def list_restores(
    context: typer.Context, running: Running = False, since: Since = None, limit: Limit = None, as_json: AsJson = False
) -> ExitCode:
    """List the restores, newest first. The exit code says whether the question could be answered, not how they went. A request that was
    refused isn't a restore: it began nothing."""
    moment = read_since(since, datetime.now(UTC)) if since is not None else None
    plane = control.find(context.ensure_object(Account))
    if running:
        return show_running(plane, moment, limit, as_json=as_json)
    most = limit if limit is not None or moment else DEFAULT_LIMIT
    nothing = f"No restore has begun since {moment:%Y-%m-%d %H:%M:%S} UTC." if moment else "No restore has been started yet."
    standing_view.show(plane, standing.newest(plane, moment, most), nothing, as_json=as_json)
    return ExitCode.DONE


def show_running(plane: ControlPlane, since: datetime | None = None, limit: int | None = None, *, as_json: bool) -> ExitCode:
    """The restores that aren't over."""
    which = f" that began since {since:%Y-%m-%d %H:%M:%S} UTC" if since else ""
    found = standing.open_ones(plane, since, limit)
    standing_view.show(plane, found, f"No restore{which} is running.", as_json=as_json)
    return ExitCode.DONE


def read_since(text: str, now: datetime) -> datetime:
    """A moment, in UTC, out of an age or an ISO 8601 date or time. Raises RestoreRequestInvalid."""
    try:
        if age := re.fullmatch(r"(\d+)([mhdw])", text.strip()):
            return now - int(age[1]) * _UNITS[age[2]]
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise RestoreRequestInvalid(
            f"--since {text!r}: write an age like 24h (m, h, d, w) or a moment like 2026-11-20 or 2026-11-20T13:30"
        ) from None
