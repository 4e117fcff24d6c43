"""What a restore of native backups proves, and what it doesn't, as sentences for the report: `ok` alone says neither.

Three things look at the same pages: `points add` recomputes SQL Server's checksums over the backup's files, RDS restores what it can read,
and DBCC CHECKDB, if it ran, reads the restored database.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from dbrestore.contract.job import DatabaseResult, Result
from dbrestore.contract.plan import Plan, PlannedDatabase, PlannedNative

CHECKDB: Final = "DBCC CHECKDB"
_ADDING: Final = (
    "A byte under a checksum is as SQL Server wrote it; what has no checksum was not checked, and a page that was wrong before it was "
    "backed up may have a right checksum"
)
_RAN: Final = (
    "every page in use can be read, its checksum is right where it has one, and allocation, tables, indexes and system tables agree. Not "
    "proven: that the rows are those of the source, and what no constraint says"
)
_DID_NOT_RUN: Final = (
    "that pages and indexes agree with each other is not proven. Ask for it with sqlserver.checkDatabase, or for all restores in "
    "configuration/sqlserver.json"
)


def sentences(plan: Plan, results: Iterable[Result]) -> tuple[str, ...]:
    """Of every database; none for PostgreSQL."""
    return tuple(_sentences(plan, plan.native, list(results))) if plan.native else ()


def _sentences(plan: Plan, native: PlannedNative, results: list[Result]) -> Iterator[str]:
    shares = "; ".join(f"{database.asked_name}: {database.checked}" for database in plan.databases if database.checked)
    if shares:
        yield f"Backup files, when they were added: {shares}. {_ADDING}."
    checked = [database for result in results if result.kind == "verify" for database in result.databases]
    ran = [database.asked_name for database in plan.databases if _was_whole(database, checked)]
    if ran:
        yield f"{CHECKDB} found no errors in {', '.join(ran)}: {_RAN}."
    if not native.check_database:
        yield f"{CHECKDB} was not run, by {native.check_decided_by}: {_DID_NOT_RUN}."


def _was_whole(planned: PlannedDatabase, verified: list[DatabaseResult]) -> bool:
    checks = (check for one in verified if one.asked_name == planned.asked_name for check in one.checks)
    return any(check.check == CHECKDB and check.result == "ok" for check in checks)
