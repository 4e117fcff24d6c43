"""A thing that a restore makes, as an item of the ledger."""

from dbrestore.contract.record import ResourceRow
from dbrestore.ledger import stored_rows
from dbrestore.ledger.reading import RESOURCE
from dbrestore.ledger.table import Item


def key(kind: str, role: str, name: str) -> str:
    """The sort key below the restore's id."""
    return f"{RESOURCE}{kind}#{role}#{name}"


def item(restore_id: str, row: ResourceRow) -> Item:
    """As it is written."""
    return {"pk": restore_id, "sk": key(row.kind, row.role, row.name)} | row.to_state()


def read(stored: Item) -> ResourceRow:
    """As any version may have written it. Raises LedgerRowUnreadable."""
    return stored_rows.readable(ResourceRow, stored)
