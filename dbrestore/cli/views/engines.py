"""What differs between the engines in what the command prints."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.table import Table

from dbrestore.cli.views import postgresql, sqlserver
from dbrestore.cli.views.creation import Creation
from dbrestore.contract.manifest import Engine, Manifest
from dbrestore.contract.plan import Plan, PlannedWorker


@dataclass(frozen=True)
class Views:
    """Of a restore point: `summaries`, `names`, `rows`, `notes`, `table`. Of a plan: `planned`, `of_worker`, `headlines`, `creations`, and
    `making_state`, in which databases begin to exist. `counts_rows`: a restore's outcome has a number of rows."""

    summaries: Callable[[Manifest], Sequence[dict[str, object]]]
    names: Callable[[Manifest], Iterable[str]]
    rows: Callable[[Manifest], str]
    notes: Callable[[Manifest], Iterable[str]]
    table: Callable[[Manifest], Table]
    planned: Callable[[Plan], Table]
    of_worker: Callable[[PlannedWorker], Iterable[str]]
    headlines: Callable[[Plan], Iterable[tuple[str, str]]]
    creations: Callable[[Plan], Iterable[Creation]]
    making_state: str
    counts_rows: bool


ENGINES: Final[dict[Engine, Views]] = {
    "postgres": Views(
        summaries=postgresql.summaries,
        names=postgresql.names,
        rows=postgresql.rows,
        notes=postgresql.notes,
        table=postgresql.table,
        planned=postgresql.planned,
        of_worker=postgresql.of_worker,
        headlines=postgresql.headlines,
        creations=postgresql.creations,
        making_state=postgresql.MAKING_STATE,
        counts_rows=True,
    ),
    "sqlserver": Views(
        summaries=sqlserver.summaries,
        names=sqlserver.names,
        rows=sqlserver.rows,
        notes=sqlserver.notes,
        table=sqlserver.table,
        planned=sqlserver.planned,
        of_worker=sqlserver.of_worker,
        headlines=sqlserver.headlines,
        creations=sqlserver.creations,
        making_state=sqlserver.MAKING_STATE,
        counts_rows=False,
    ),
}
