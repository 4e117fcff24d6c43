"""The ledger's row of a job: which worker has it, and what was seen of it."""

from datetime import datetime
from typing import Any

from pydantic import AwareDatetime

from dbrestore.contract.document import Document
from dbrestore.ledger.reading import JOB
from dbrestore.ledger.stored_rows import readable
from lambdas.runtime.ledger import Ledger


class JobRow(Document):
    """One job in the ledger. `error` is the name of the error that it ended with when there is no result to read; `missed_at` when EC2 did
    not show the worker for the first time in a row; `unheard_since` when SSM didn't hear its agent for the first time in a row, or when
    the program went on all the same: `last_progress` is the ETag of what it told then; `workers` how many had the job, `failed_commands`
    how many of this one's ended before it."""

    name: str
    instance_id: str
    sent_at: AwareDatetime
    command_id: str | None = None
    error: str | None = None
    missed_at: AwareDatetime | None = None
    unheard_since: AwareDatetime | None = None
    last_progress: str | None = None
    workers: int = 1
    failed_commands: int = 0


def job_row(ledger: Ledger, name: str) -> JobRow | None:
    """A job's row, or None if it was never begun."""
    item = ledger.table.get(ledger.restore_id, JOB + name)
    return readable(JobRow, item) if item else None


def age(row: JobRow, now: datetime) -> float:
    return (now - row.sent_at).total_seconds()


def save(ledger: Ledger, row: JobRow) -> None:
    ledger.table.write(ledger.table.put(item(ledger, row)))


def item(ledger: Ledger, row: JobRow) -> dict[str, Any]:
    return {"pk": ledger.restore_id, "sk": JOB + row.name} | row.to_state()
