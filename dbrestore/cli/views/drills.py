"""Declared drills as people read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console
from rich.table import Table

from dbrestore.cli.consoles import visible
from dbrestore.cli.views.tables import table
from dbrestore.cli.views.units import duration
from dbrestore.contract.drills import Drill, DrillSchedule, Rotation, Sample
from dbrestore.contract.schedules import expressions, words
from dbrestore.contract.schedules.expressions import Rate
from dbrestore.ledger.restore_list import ListedRestore

# What a schedule that starts nothing is said to be, by its state.
_SILENT = {"DISABLED": "disabled in Scheduler", "MISSING": "no schedule: deploy again"}


@dataclass(frozen=True)
class ListedDrill:
    """A drill with its schedule in words and its next start, in its own time zone; None if there is none, or nobody knows. `state`:
    ENABLED, DISABLED, MISSING, or UNKNOWN."""

    drill: Drill
    state: str
    told: str
    next_start: datetime | None

    @classmethod
    def of(cls, drill: Drill, state: str, now: datetime) -> "ListedDrill":
        """The drill as it stands at `now`. A version that reads expressions otherwise may have deployed it: then they stay as they are."""
        try:
            told, start = _read(drill.schedule, now)
        except ValueError:
            told, start = drill.schedule.expression, None
        return cls(drill, state, told, None if state in _SILENT else start)

    @property
    def when(self) -> str:
        """The next start for people; the drill begins up to so many minutes later."""
        if self.state in _SILENT:
            return _SILENT[self.state]
        if self.next_start is None:
            return "by its rate" if self.drill.schedule.expression.startswith("rate") else "never again"
        late = self.drill.schedule.flexible_minutes
        return f"{self.next_start:%Y-%m-%d %H:%M}" + (f" + up to {late} min" if late else "")

    def to_state(self) -> dict[str, object]:
        """For programs."""
        start = self.next_start.isoformat() if self.next_start else None
        return {**self.drill.to_state(), "state": self.state, "scheduleInWords": self.told, "nextStart": start}


def _read(schedule: DrillSchedule, now: datetime) -> tuple[str, datetime | None]:
    expression, clock = expressions.parse(schedule.expression), expressions.zone(schedule.time_zone)
    # A rate counts from its first start, which Scheduler doesn't tell.
    start = None if isinstance(expression, Rate) else next(expressions.starts(expression, clock, now), None)
    return words.told(expression), start.astimezone(clock) if start else None


def print_drills(console: Console, listed: Sequence[ListedDrill]) -> None:
    """One row per drill; a sentence if there is none."""
    if not listed:
        console.print("No drill is declared: configuration/drills.json declares them. Deploy after a change.")
        return
    shown = table("drill", "starts", "time zone", "next start", "from", "databases", "into", "objectives")
    for one in listed:
        _add(shown, one)
    console.print(shown)


def print_drill(console: Console, listed: ListedDrill, runs: Sequence[ListedRestore]) -> None:
    """The drill, its checks, and its runs, newest first."""
    print_drills(console, [listed])
    if listed.drill.checks:
        checks = table("check", "of", "expects", "SQL")
        for check in listed.drill.checks:
            checks.add_row(*(visible(cell) for cell in (check.name, check.database or "", check.told, " ".join(check.sql.split()))))
        console.print(checks)
    if not runs:
        console.print(f"It has not run yet. To run it now: dbrestore drill run {listed.drill.name}")
        return
    shown = table("run", "began", "took", "outcome", "why")
    for one in runs:
        shown.add_row(*_run(one))
    console.print(shown)


def _run(one: ListedRestore) -> tuple[str, ...]:
    began = f"{one.started_at:%Y-%m-%d %H:%M}" if one.started_at else "-"
    took = duration((one.ended_at - one.started_at).total_seconds()) if one.started_at and one.ended_at else "-"
    why = one.error.in_short if one.error else ""
    return one.restore_id, began, took, one.outcome or "not over", visible(why)


def _add(shown: Table, one: ListedDrill) -> None:
    drill = one.drill
    cells = (
        drill.name,
        one.told,
        drill.schedule.time_zone,
        one.when,
        _source(drill),
        _databases(drill),
        _target(drill),
        _objectives(drill),
    )
    shown.add_row(*(visible(cell) for cell in cells))


def _source(drill: Drill) -> str:
    point = drill.source.restore_point
    return f"{drill.source.db_instance}, " + ("latest" if point == "latest" else f"any of {point.random.within_days} days")


def _databases(drill: Drill) -> str:
    chosen = drill.databases
    if isinstance(chosen, Rotation):
        return f"{chosen.rotate} in turn"
    if isinstance(chosen, Sample):
        return f"{chosen.random} at random"
    return "all" if chosen == "all" else ", ".join(chosen)


def _target(drill: Drill) -> str:
    place = "/".join(filter(None, (drill.target.account, drill.target.region)))
    return drill.target.db_instance + (f" ({place})" if place else "")


def _objectives(drill: Drill) -> str:
    asked = ((drill.objectives.recovery_minutes, "min to recover"), (drill.objectives.point_hours, "h old at most"))
    return ", ".join(f"{value:g} {unit}" for value, unit in asked if value is not None) or "none"
