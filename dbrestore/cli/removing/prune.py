"""`dbrestore points prune`: of many restore points those go that no --keep option keeps, in restic's words. Importing it adds it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Final

import typer

from dbrestore.cli import consoles, control, exit_code_choice, points
from dbrestore.cli.control import Account, ControlPlane
from dbrestore.cli.options import AsJson
from dbrestore.cli.removing import asking
from dbrestore.cli.removing.remove import DryRun
from dbrestore.cli.views import display, tables
from dbrestore.cli.views import removal as removal_view
from dbrestore.cli.views.units import number, size
from dbrestore.contract.error_names import by_name
from dbrestore.contract.errors import (
    BackupUnfit,
    RemovalRefused,
    RestorePointInUse,
    RestorePointNotFound,
    RestoreRequestInvalid,
)
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.manifest import Manifest
from dbrestore.contract.questions.removal import PointRemoval
from dbrestore.points import retention, stored_points
from dbrestore.points.retention import Judged, Policy
from dbrestore.points.stored_points import PointName

COLUMNS: Final = ("", "restore point", "taken", "size", "why")
_THREADS: Final = 8
# Why a point stays that nobody keeps by a rule: no failure of the command.
_STAYS: Final = (RemovalRefused, RestorePointInUse, RestorePointNotFound)


class GroupBy(StrEnum):
    """Which points are judged together."""

    DATABASES = "databases"
    INSTANCE = "instance"


def count(given: str | int) -> int:
    """A number of points; `unlimited` and -1 are all. Raises BadParameter."""
    if str(given) in ("unlimited", str(retention.UNLIMITED)):
        return retention.UNLIMITED
    if not str(given).isdecimal():
        raise typer.BadParameter(f"{given!r} is neither a number from 0 on nor `unlimited`")
    return int(given)


def _kept(what: str, option: str) -> object:
    return typer.Option(option, metavar="N", parser=count, help=f"Keep the newest point of each of the last N {what} that have one.")


KeepLast = Annotated[int, typer.Option("--keep-last", metavar="N", parser=count, help="Keep the last N points; `unlimited` keeps all.")]
KeepHourly = Annotated[int, _kept("hours", "--keep-hourly")]
KeepDaily = Annotated[int, _kept("days", "--keep-daily")]
KeepWeekly = Annotated[int, _kept("weeks (from Monday)", "--keep-weekly")]
KeepMonthly = Annotated[int, _kept("months", "--keep-monthly")]
KeepYearly = Annotated[int, _kept("years", "--keep-yearly")]


@dataclass(frozen=True)
class Line:
    """One point in the table: what was judged, and what became of it if it was to go."""

    judged: Judged
    removal: PointRemoval | None = None

    @property
    def goes(self) -> bool:
        """Whether it is removed, or would be."""
        return self.removal is not None and self.removal.error is None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it stays."""
        if self.removal is None or self.removal.error is None:
            return self.judged.reasons
        sentence = self.removal.error.message.removeprefix(f"{self.judged.point.point_id}: ")
        return (sentence.partition(": nothing was removed")[0].partition("\n")[0],)


@points.app.command()
def prune(
    context: typer.Context,
    instance: Annotated[str | None, typer.Argument(help="Only this instance's points.")] = None,
    keep_last: KeepLast = 0,
    keep_hourly: KeepHourly = 0,
    keep_daily: KeepDaily = 0,
    keep_weekly: KeepWeekly = 0,
    keep_monthly: KeepMonthly = 0,
    keep_yearly: KeepYearly = 0,
    group_by: Annotated[
        GroupBy,
        typer.Option(help="Judge points of the same databases together, or all of an instance, whichever databases they hold."),
    ] = GroupBy.DATABASES,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> ExitCode:
    """Remove the restore points that no --keep option keeps. The options add up, and mean what they mean in restic's `forget`.

    Points are judged by when their backups were taken, on the clock of whoever took them. What a restore reads, what a drill needs and what
    S3's Object Lock keeps stays, and the table says so.
    """
    policy = Policy(keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly)
    if policy.is_empty:
        raise RestoreRequestInvalid("no --keep option was given: that would remove every restore point")
    plane = control.find(context.ensure_object(Account))
    found = stored_points.list_points(plane.storage, plane.repository_bucket, instance)
    if instance is not None and not found:
        raise stored_points.no_point_of(plane.storage, plane.repository_bucket, instance)
    manifests, unread = _manifests(plane, found)
    groups = [retention.judged(policy, group) for group in retention.grouped(map(retention.of, manifests), group_by.value)]
    lines = _settled(plane, groups, dry_run=dry_run)
    (_print_json if as_json else _print)(lines, unread, dry_run)
    return _exit_code(lines)


def _manifests(plane: ControlPlane, found: Sequence[PointName]) -> tuple[list[Manifest], list[PointName]]:
    """Those that can be read, and the names of the others: what can't be judged stays."""

    def load(point: PointName) -> Manifest | None:
        try:
            return stored_points.load(plane.storage, plane.repository_bucket, point.instance, point.point_id)
        except (BackupUnfit, RestorePointNotFound):
            return None

    with ThreadPoolExecutor(_THREADS) as threads:
        read = list(threads.map(load, found))
    unread = [point for point, manifest in zip(found, read, strict=True) if manifest is None]
    return [manifest for manifest in read if manifest], unread


def _settled(plane: ControlPlane, groups: Sequence[Sequence[Judged]], *, dry_run: bool) -> list[list[Line]]:
    """Each group with what became of its points. The oldest go first: whatever interrupts this, the newest are there."""
    lines = [[Line(judged) for judged in group] for group in groups]
    going: dict[str, list[str]] = {}
    for line in sorted((line for group in lines for line in group), key=lambda line: line.judged.point.taken_at):
        if not line.judged.reasons:
            going.setdefault(line.judged.point.instance, []).append(line.judged.point.point_id)
    told = {(instance, one.point_id): one for instance, ids in going.items() for one in asking.asked(plane, instance, ids, dry_run=dry_run)}
    return [
        [replace(line, removal=told.get((line.judged.point.instance, line.judged.point.point_id))) for line in group] for group in lines
    ]


def _removals(lines: Sequence[Sequence[Line]]) -> list[PointRemoval]:
    return [line.removal for group in lines for line in group if line.removal]


def _print(lines: Sequence[Sequence[Line]], unread: Sequence[PointName], dry_run: bool) -> None:
    for group in lines:
        point = group[0].judged.point
        consoles.out().print(f"{point.instance}: {', '.join(map(consoles.one_line, point.databases))}")
        console = consoles.out()
        for part in tables.explained(COLUMNS, [_cells(line, dry_run) for line in group], console.width):
            console.print(part)
    for name in unread:
        consoles.say(f"Kept: {name.instance} {name.point_id}: its manifest can't be read (`dbrestore points remove` removes it)")
    everything = [line for group in lines for line in group]
    gone = [line.removal for line in everything if line.goes and line.removal]
    verb = "would remove" if dry_run else "removed"
    consoles.say(
        f"{number(len(everything) - len(gone) + len(unread))} kept, {number(len(gone))} {verb}"
        + f" ({removal_view.amount(gone)})" * bool(gone)
    )
    for sentence in removal_view.sums(gone):
        consoles.say(sentence)


def _cells(line: Line, dry_run: bool) -> tuple[str, ...]:
    point, goes = line.judged.point, "remove" if dry_run else "removed"
    size_of = size(line.removal.bytes if line.removal and line.goes else point.bytes)
    action = goes if line.goes else "keep"
    return action, point.point_id, f"{point.taken_at:%Y-%m-%d %H:%M:%S}", size_of, ", ".join(line.reasons)


def _print_json(lines: Sequence[Sequence[Line]], unread: Sequence[PointName], dry_run: bool) -> None:
    for group in lines:
        for line in group:
            display.print_json(_json(line))
    for name in unread:
        reason = "its manifest can't be read"
        display.print_json({"type": "point", "instance": name.instance, "pointId": name.point_id, "action": "keep", "reasons": [reason]})
    gone = [one for one in _removals(lines) if one.error is None]
    everything = sum(len(group) for group in lines) + len(unread)
    counts = {
        "kept": everything - len(gone),
        "removed": len(gone),
        "files": sum(one.files for one in gone),
        "bytes": sum(one.bytes for one in gone),
    }
    display.print_json({"type": "summary", "dryRun": dry_run, **counts})


def _json(line: Line) -> dict[str, object]:
    point = line.judged.point
    told = {"removal": line.removal.to_state()} if line.removal else {}
    return {
        "type": "point",
        "instance": point.instance,
        "pointId": point.point_id,
        "databases": list(point.databases),
        "takenAt": point.taken_at.isoformat(),
        "bytes": point.bytes,
        "action": "remove" if line.goes else "keep",
        "reasons": list(line.reasons),
        **told,
    }


def _exit_code(lines: Sequence[Sequence[Line]]) -> ExitCode:
    failed = (one.error for one in _removals(lines) if one.error and not issubclass(by_name(one.error.name), _STAYS))
    return next(map(exit_code_choice.of_note, failed), ExitCode.DONE)
