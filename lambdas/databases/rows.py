"""Rows of the databases that a restore makes, and of what is made with them: written before the job, settled by what a job's result says.

A row of these kinds has the asked name as its role. A row is DELETED only when a database server said so, and KEPT only after verification.
The role that holds what nobody else may own stays with the database, unless it was seen absent: then it owned nothing. A drill's rows are
never KEPT: its copies are dropped like what is unfinished.
"""

from dbrestore.contract.anchor import Whereabouts
from dbrestore.contract.job import Absence, Result
from dbrestore.contract.plan import PlannedDatabase
from dbrestore.contract.record import ResourceRow
from dbrestore.contract.things import DATABASE, HOLDER_ROLE, LOGIN_ROLE, NATIVE_TASK
from lambdas.runtime.ledger import Ledger

KINDS = (DATABASE, LOGIN_ROLE, NATIVE_TASK)


def intend(ledger: Ledger, database: PlannedDatabase) -> None:
    """Write down what will be made for a PostgreSQL database."""
    ledger.intend(DATABASE, database.asked_name, database.temporary_name)
    ledger.intend(LOGIN_ROLE, database.asked_name, database.login_role)
    ledger.intend(HOLDER_ROLE, database.asked_name, database.holder_role)


def note_made(ledger: Ledger, result: Result) -> None:
    """What was made for the databases that the worker replayed or restored; what of it, and of the others, it saw absent is settled."""
    made = {d.asked_name for d in result.databases if d.status in ("REPLAYED", "RESTORED")}
    for row in ledger.unsettled(*KINDS):
        if row.state == "INTENT" and row.role in made:
            ledger.created(row, row.name)
    settle_absent(ledger, result)


def settle_verified(ledger: Ledger, result: Result, where: Whereabouts) -> None:
    """Promoted databases are kept, what the verification saw absent is deleted, and a holder that it did not see absent is kept. Nothing is
    kept of a drill."""
    if where.drill:
        settle_absent(ledger, result)
        return
    promoted = {d.asked_name for d in result.databases if d.status == "PROMOTED"}
    for row in ledger.unsettled(DATABASE):
        if row.role in promoted:
            ledger.kept(row, row.role)
    holders = {database.holder_role for database in where.databases}
    for row in settle_absent(ledger, result):
        if row.kind == HOLDER_ROLE and row.name in holders and row.role in promoted:
            ledger.kept(row, row.name, f"owns objects of {row.role}; goes with the first restore after that database is dropped")


def settle_absent(ledger: Ledger, result: Result) -> tuple[ResourceRow, ...]:
    """Settle what the worker looked for and did not find; the rows that are still unsettled."""
    absent: dict[tuple[str, str], Absence]
    absent = {(absence.kind, absence.name): absence for absence in result.absences if absence.seen_absent}
    left = []
    for row in ledger.unsettled(*KINDS):
        if found := absent.get((row.kind, row.name)):
            ledger.deleted(row, found.note)
        else:
            left.append(row)
    return tuple(left)
