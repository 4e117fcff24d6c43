"""What the ledger says, for whoever reads it: functions, and people with the command. Nothing here writes."""

from collections.abc import Iterator

from dbrestore.contract.record import PhaseRow
from dbrestore.ledger.stored_rows import readable
from dbrestore.ledger.table import Item, Table

META = "META"
OPEN = "OPEN"
RESOURCE = "RESOURCE#"
PHASE = "PHASE#"
JOB = "JOB#"


def open_restores(table: Table) -> Iterator[str]:
    """Ids of all restores that aren't CLOSED."""
    return (str(item["sk"]) for item in table.query(OPEN))


def phases(table: Table, restore_id: str) -> tuple[PhaseRow, ...]:
    """All states that were entered, by the time of their beginning. Raises LedgerRowUnreadable."""
    found = (phase(item) for item in table.query(restore_id, PHASE))
    return tuple(sorted(found, key=lambda row: row.started_at))


def phase(item: Item) -> PhaseRow:
    """One state's row. Raises LedgerRowUnreadable."""
    return readable(PhaseRow, item)


def job_names(table: Table, restore_id: str) -> tuple[str, ...]:
    """All jobs of the worker that were begun."""
    return tuple(str(item["sk"]).removeprefix(JOB) for item in table.query(restore_id, JOB))


def jobs_of(table: Table, restore_id: str, *kinds: str) -> tuple[str, ...]:
    """The names of all jobs of these kinds that were begun, in the order of the kinds and of their numbers."""
    names = [name for name in job_names(table, restore_id) if kind_of(name) in kinds]
    return tuple(sorted(names, key=lambda name: (kinds.index(kind_of(name)), len(name), name)))


def numbered(name: str, number: int) -> str:
    """The name of the n-th job of a kind: `replay`, `replay-2`."""
    return name if number == 1 else f"{name}-{number}"


def kind_of(name: str) -> str:
    """`replay` of `replay-2`."""
    return name.partition("-")[0]


def things_made(table: Table, restore_id: str) -> int:
    """How many things the restore has a row for."""
    return len(table.query(restore_id, RESOURCE))
