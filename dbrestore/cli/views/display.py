"""How a followed restore is shown: live on a terminal, one line per state change elsewhere, JSON Lines for programs.

Progress for people goes to stderr, so that stdout carries nothing but the result.
"""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dbrestore.cli import consoles, exit_code_choice
from dbrestore.cli.consoles import visible
from dbrestore.cli.following import Ended, Event, Progressed, StateChanged, StillRunning, seconds_this_time
from dbrestore.cli.views import left_out as left_out_view
from dbrestore.cli.views.units import duration, number, size
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.job import Progress
from dbrestore.contract.record import PhaseRow

# Bytes of a file name that are no UTF-8 come as halves of pairs.
_UNPRINTABLE = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_MARKS = {"RUNNING": ("…", "yellow"), "SUCCEEDED": ("✓", "green"), "FAILED": ("✗", "red")}


class Display(Protocol):
    """Something that shows events as they come."""

    def show(self, event: Event) -> None:
        """Show one event."""


@contextmanager
def display(*, as_json: bool) -> Iterator[Display]:
    """The display that fits: JSON Lines on stdout if asked for, live if stderr is a terminal, lines otherwise."""
    console = consoles.err()
    if as_json:
        yield JsonLines()
    elif console.is_terminal:
        with Live(console=console, refresh_per_second=8) as live:
            yield LiveTable(live)
    else:
        yield Lines(console)


class JsonLines:
    """One JSON object per event on stdout; `type` is state, progress, error or summary."""

    def show(self, event: Event) -> None:
        """Write the event's lines at once: a program reads them while the restore runs."""
        for line in as_json_lines(event):
            print_json(line)


class Lines:
    """One line per state that begins or ends; progress and what is waited for are left out."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: dict[str, str] = {}

    def show(self, event: Event) -> None:
        """Write a line if a state changed."""
        if isinstance(event, StateChanged) and self._told.get(event.phase.state) != event.phase.status:
            self._told[event.phase.state] = event.phase.status
            self._console.print(_state_line(event.phase), soft_wrap=True)


class LiveTable:
    """All states with their times, and a line of progress below them."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._phases: dict[str, PhaseRow] = {}
        self._progress: Progressed | None = None
        # Rendered anew at every refresh, so that the clock of a running state moves between two events.
        live.update(_Rendered(self))

    def show(self, event: Event) -> None:
        """Take the event in; the live area redraws itself."""
        if isinstance(event, StateChanged):
            self._phases[event.phase.state] = event.phase
            if event.phase.status != "RUNNING":
                self._progress = None
        elif isinstance(event, Progressed):
            self._progress = event
        else:
            self._live.refresh()

    def render(self) -> Group:
        """The table as it stands now."""
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for phase in self._phases.values():
            mark, colour = _MARKS[phase.status]
            table.add_row(Text(mark, style=colour), phase.state, duration(seconds_this_time(phase)), _note(phase))
        return Group(table, Text(visible(progress_line(self._progress)) if self._progress else "", style="cyan"))


class _Rendered:
    def __init__(self, table: LiveTable) -> None:
        self._table = table

    def __rich__(self) -> Group:
        return self._table.render()


def progress_line(event: Progressed) -> str:
    """`shop: loading rows · 120.0 MB of 300.0 MB (40 %) · 3 of 12 tables · 45.0 MB/s · 4.0 s left`; the job's name comes last if it isn't
    the first of its kind."""
    progress = event.progress
    parts = [f"{progress.database}: {progress.phase}" if progress.database else progress.phase]
    if progress.bytes_total:
        parts.append(f"{size(progress.bytes_done)} of {size(progress.bytes_total)} ({_share(progress)} %)")
    if progress.tables_total:
        parts.append(f"{number(progress.tables_done)} of {number(progress.tables_total)} tables")
    if progress.objects_total:
        parts.append(f"{number(progress.objects_done)} of {number(progress.objects_total)} indexes and constraints")
    if progress.current:
        parts.append(", ".join(progress.current))
    if progress.note:
        parts.append(progress.note)
    if event.rate is not None:
        parts.append(f"{size(event.rate)}/s")
    if event.remaining is not None:
        parts.append(f"{duration(event.remaining)} left")
    if event.job != progress.kind:
        parts.append(f"job {event.job}")
    return " · ".join(parts)


def _share(progress: Progress) -> int:
    """Of everything, where that is known; 100 only when all of it is done."""
    if not progress.work_total:
        return 100 * progress.bytes_done // progress.bytes_total
    share = 100 * progress.work_done // progress.work_total
    is_done = progress.bytes_done >= progress.bytes_total and progress.objects_done >= progress.objects_total
    return 100 if is_done else min(share, 99)


def as_json_lines(event: Event) -> Iterator[dict[str, Any]]:
    """The events as they are documented for programs."""
    head = {"restoreId": event.restore_id, "at": datetime.now(UTC).isoformat(timespec="milliseconds")}
    if isinstance(event, StateChanged):
        yield {"type": "state", **head, **event.phase.to_state(), "seconds": round(seconds_this_time(event.phase), 3)}
    elif isinstance(event, Progressed):
        pace = {"bytesPerSecond": event.rate, "remainingSeconds": event.remaining}
        yield {"type": "progress", **head, "state": event.state, "job": event.job, **event.progress.to_state(), **pace}
    elif isinstance(event, StillRunning):
        yield {"type": "summary", **head, "status": "RUNNING", "exitCode": int(ExitCode.STILL_RUNNING)}
    else:
        yield from _end_lines(head, event)


def print_json(value: object) -> None:
    """One line of JSON on stdout, at once. What a terminal would act on, and what isn't a character at all, is escaped as JSON does it."""
    text = json.dumps(value, ensure_ascii=False)
    sys.stdout.write(_UNPRINTABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", text) + "\n")
    sys.stdout.flush()


def _end_lines(head: dict[str, Any], end: Ended) -> Iterator[dict[str, Any]]:
    if end.error:
        yield {"type": "error", **head, "name": end.error.name, "message": end.error.message}
    databases = [outcome.to_state() for outcome in end.report.databases] if end.report else []
    yield {
        "type": "summary",
        **head,
        "leftOut": left_out_view.as_state(end.left_out),
        "answers": {name: [answer.to_state() for answer in found] for name, found in end.answers.items()},
        "status": end.status,
        "error": end.error.to_state() if end.error else None,
        "leftovers": list(end.leftovers),
        "databases": databases,
        "swaps": [swap.to_state() for swap in end.report.swaps] if end.report else [],
        "adapted": end.adapted,
        "report": end.report_uri,
        "exitCode": int(exit_code_choice.of_execution(end.status, end.error, end.leftovers)),
    }


def _state_line(phase: PhaseRow) -> str:
    if phase.status == "RUNNING":
        return f"{phase.again_at or phase.started_at:%H:%M:%S}  {phase.state} ..."
    moment = phase.ended_at or phase.started_at
    return f"{moment:%H:%M:%S}  {phase.state} {phase.status.lower()} after {duration(seconds_this_time(phase))} {_note(phase)}".rstrip()


def _note(phase: PhaseRow) -> str:
    if phase.error:
        return f"{phase.error.name}: {phase.error.message.splitlines()[0] if phase.error.message else ''}"
    return phase.waiting_for or "" if phase.status == "RUNNING" else ""
