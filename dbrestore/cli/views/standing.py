"""Restores in a list, as people and programs read them: one line each."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console

from dbrestore.cli import consoles
from dbrestore.cli.control import ControlPlane
from dbrestore.cli.views import display
from dbrestore.cli.views.tables import explained
from dbrestore.cli.views.units import duration, number
from dbrestore.contract import keys
from dbrestore.ledger.restore_list import ListedRestore
from dbrestore.ledger.standing import Listing, Standing

COLUMNS = ("restore", "mode", "state", "target", "databases", "began", "took", "by", "remarks")
_DATABASES = 3


def show(plane: ControlPlane, listing: Listing, nothing: str, *, as_json: bool) -> None:
    """Print it; `nothing` is the sentence for an empty one."""
    if as_json:
        for one in listing.shown:
            display.print_json(as_line(plane, one))
    elif listing.shown:
        print_table(consoles.out(), plane, listing.shown)
    if not listing.shown:
        consoles.say(nothing) if as_json else consoles.out().print(nothing)
    if listing.hidden:
        running = f", {number(listing.hidden_open)} of them not over" if listing.hidden_open else ""
        consoles.say(f"There are older ones{running}: --limit, --since or --running shows them.")


def as_line(plane: ControlPlane, one: Standing) -> dict[str, Any]:
    """One restore for programs."""
    seconds = one.seconds
    restore = one.restore.model_dump(mode="json", by_alias=True, exclude={"schema_version"})
    has_report = one.restore.ended_at is not None
    uri = f"s3://{plane.evidence_bucket}/{keys.report_key(one.restore.restore_id)}"
    return {
        "type": "restore",
        **{name: restore[name] for name in ("restoreId", "mode")},
        "status": one.status,
        "state": one.state,
        "cancelRequested": one.cancel_requested,
        **restore,
        "seconds": None if seconds is None else round(seconds, 3),
        "report": uri if has_report else None,
    }


def print_table(console: Console, plane: ControlPlane, shown: Iterable[Standing]) -> None:
    """One row per restore; remarks below it where the terminal is narrow."""
    for part in explained(COLUMNS, [_cells(plane, one) for one in shown], console.width):
        console.print(part, soft_wrap=True)


def _cells(plane: ControlPlane, one: Standing) -> list[str]:
    restore, seconds = one.restore, one.seconds
    return [
        restore.restore_id,
        restore.mode or "?",
        f"{one.status} {one.state}" if one.state else one.status,
        _target(plane, restore),
        _databases(restore),
        f"{restore.started_at:%Y-%m-%d %H:%M:%S %Z}" if restore.started_at else "?",
        "?" if seconds is None else duration(seconds),
        who(restore.requested_by),
        "; ".join(remarks(one)),
    ]


def _target(plane: ControlPlane, restore: ListedRestore) -> str:
    """The instance; with account and Region if it lies elsewhere than the control plane."""
    target = restore.target
    if target is None:
        return "?"
    _, _, _, region, account, *_ = plane.state_machine_arn.split(":")
    is_here = (target.account or account, target.region or region) == (account, region)
    return target.db_instance if is_here else f"{target.db_instance} in {target.account}/{target.region}"


def _databases(restore: ListedRestore) -> str:
    """As `-d` takes them."""
    names = [one.name if one.name == one.asked_name else f"{one.name}={one.asked_name}" for one in restore.databases]
    more = len(names) - _DATABASES
    return ", ".join(names[:_DATABASES]) + (f" and {number(more)} more" if more > 0 else "") or "?"


def who(requested_by: str | None) -> str:
    """Of an ARN the name at its end: a session is called after its person."""
    if requested_by is None:
        return "-"
    return requested_by.rpartition("/")[2].rpartition(":")[2] if requested_by.startswith("arn:") else requested_by


def remarks(one: Standing) -> Iterator[str]:
    """What there is to say besides, the worst first."""
    restore = one.restore
    if restore.leftovers:
        yield f"left behind: {number(restore.leftovers)} (the report names them)"
    if restore.error:
        yield restore.error.in_short
    if one.status == "STOPPED":
        yield "its execution is over, but its clean-up is not: the sweeper checks every five minutes"
    if one.cancel_requested and one.is_open:
        yield "was asked to stop"
    if restore.unread:
        yield f"not read (another version wrote it, or it was edited): {', '.join(restore.unread)}"
    if restore.reason:
        yield f"reason: {restore.reason.partition(chr(10))[0]}"
