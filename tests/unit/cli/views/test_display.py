"""What a person at a terminal sees while a restore runs."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console
from rich.live import Live

from dbrestore.cli.consoles import visible
from dbrestore.cli.following import Progressed, StateChanged
from dbrestore.cli.views.display import LiveTable, progress_line
from dbrestore.cli.views.units import duration, number, size
from dbrestore.contract.job import ErrorNote, Progress
from dbrestore.contract.record import PhaseRow

BEGAN = datetime(2026, 11, 23, 5, 12, tzinfo=UTC)


def phase(state: str, status: str = "SUCCEEDED", seconds: float = 2, **more: object) -> StateChanged:
    ended = None if status == "RUNNING" else BEGAN + timedelta(seconds=seconds)
    row = PhaseRow.model_validate({"state": state, "startedAt": BEGAN, "endedAt": ended, "status": status, **more})
    return StateChanged("r-1", row)


def progressed(**values: object) -> Progressed:
    progress = Progress.model_validate({"kind": "replay", "phase": "data", "database": "shop", **values})
    return Progressed("r-1", "ReplayDumps", "replay", progress, rate=10_000_000, remaining=6)


def rendered(*events: StateChanged | Progressed) -> list[str]:
    table = LiveTable(Live(console=Console(file=StringIO())))
    for event in events:
        table.show(event)
    written = StringIO()
    Console(file=written, width=110).print(table.render())
    return [line.rstrip() for line in written.getvalue().splitlines()]


def test_each_state_has_a_line_with_its_mark_and_time_and_the_progress_stands_below() -> None:
    lines = rendered(
        phase("PlanRestore"),
        phase("ReplayDumps", "RUNNING", waitingFor="waiting for the worker"),
        progressed(bytesDone=40_000_000, bytesTotal=100_000_000, tablesDone=3, tablesTotal=12),
    )

    assert lines[0] == "✓  PlanRestore  2.0 s"
    assert lines[1].startswith("…  ReplayDumps")
    assert lines[1].endswith("waiting for the worker")
    assert lines[2] == "shop: data · 40.0 MB of 100.0 MB (40 %) · 3 of 12 tables · 10.0 MB/s · 6.0 s left"


@pytest.mark.parametrize(
    ("objects", "work", "share"),
    [(0, 100, "33 %"), (11, 299, "99 %"), (11, 300, "99 %"), (12, 300, "100 %")],
)
def test_progress_is_not_a_hundred_percent_while_an_index_is_missing(objects: int, work: int, share: str) -> None:
    told = Progress(
        kind="replay",
        phase="data",
        bytes_done=100,
        bytes_total=100,
        objects_done=objects,
        objects_total=12,
        work_done=work,
        work_total=300,
        current=("INDEX public lines_item",),
    )

    line = progress_line(Progressed("r-1", "ReplayDumps", "replay", told, rate=None, remaining=None))

    assert line == f"data · 100 B of 100 B ({share}) · {objects} of 12 indexes and constraints · INDEX public lines_item"


def test_progress_goes_when_its_state_ends_and_a_failure_says_why() -> None:
    error = ErrorNote(name="ReplayFailed", message="no such type\nDETAIL: more")

    lines = rendered(phase("ReplayDumps", "RUNNING"), progressed(bytesTotal=1), phase("ReplayDumps", "FAILED", error=error))

    assert lines == ["✗  ReplayDumps  2.0 s  ReplayFailed: no such type", ""]


def test_progress_says_only_what_is_known() -> None:
    told = Progress(kind="verify", phase="counting rows")
    unknown = Progressed("r-1", "VerifyDatabases", "verify", told, rate=None, remaining=None)

    assert progress_line(unknown) == "counting rows"


def test_progress_ends_with_what_rds_said_last() -> None:
    progress = Progress(kind="restore", phase="restoring", database="crm", bytes_done=5, bytes_total=20, note="25 percent processed.")
    event = Progressed("r-1", "RestoreNativeBackups", "restore", progress, rate=None, remaining=None)

    assert progress_line(event) == "crm: restoring · 5 B of 20 B (25 %) · 25 percent processed."


def test_the_progress_of_a_repeated_job_names_it() -> None:
    told = Progress(kind="replay", phase="data", database="shop")
    again = Progressed("r-1", "ReplayDumps", "replay-2", told, rate=None, remaining=None)

    assert progress_line(again) == "shop: data · job replay-2"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_500_000, "2.5 MB"), (7_000_000_000, "7.0 GB"), (5e15, "5000.0 TB")],
)
def test_sizes_are_decimal(value: float, text: str) -> None:
    assert size(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (60, "1 min 00 s"), (187, "3 min 07 s"), (7500, "2 h 05 min")]
)
def test_durations_grow_coarser(value: float, text: str) -> None:
    assert duration(value) == text


def test_numbers_are_grouped() -> None:
    assert number(1_234_567) == "1,234,567"


def test_control_characters_are_shown_and_everything_else_is_kept() -> None:
    assert visible("a\x1b[2J\x07b\tc\nd 🐘 [red]") == "a\\x1b[2J\\x07b\tc\nd 🐘 [red]"
