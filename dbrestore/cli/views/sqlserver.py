"""SQL Server in what the command prints: the native backups of a restore point, and what a plan says of databases that RDS restores from
them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rich.table import Table

from dbrestore.cli.consoles import one_line
from dbrestore.cli.views.creation import Creation
from dbrestore.cli.views.tables import table as plain_table
from dbrestore.cli.views.units import number, size
from dbrestore.contract import names as fixed_names
from dbrestore.contract import things
from dbrestore.contract.manifest import Manifest, NativeBackupSet, NativeDatabaseBackup, NativeKind
from dbrestore.contract.plan import Plan, PlannedWorker
from dbrestore.points.sqlserver import needed_sets
from dbrestore.points.sqlserver import staged as native_staging

MAKING_STATE: Final = "RestoreNativeBackups"
ANY_GENERATION: Final = "<n>"
_PAGE: Final = 8192
_GAP: Final = "╳"
_JOINED: Final = "──"


def summaries(manifest: Manifest) -> list[dict[str, object]]:
    """Each database in a few JSON-ready words."""
    return [
        {
            "name": database.name,
            "backups": [backup_set.kind for backup_set in database.backup_sets],
            "bytes": database.restored_size,
        }
        for database in manifest.native_databases
    ]


def names(manifest: Manifest) -> list[str]:
    """Of the databases, for one line."""
    return [one_line(database.name) for database in manifest.native_databases]


def rows(manifest: Manifest) -> str:
    """A native backup doesn't say how many it holds."""
    return "-"


def table(manifest: Manifest) -> Table:
    """One row per backup."""
    made = Table(
        "database",
        "backup",
        "begun",
        "finished",
        "recovery",
        "server",
        "version",
        "LSNs",
        "files",
        "checked",
        "used",
        "size",
        "stored",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for database in manifest.native_databases:
        for backup_set in database.backup_sets:
            made.add_row(*_row(database, backup_set))
    return made


def _row(database: NativeDatabaseBackup, backup_set: NativeBackupSet) -> tuple[str, ...]:
    finished = f"{backup_set.finished_at:%Y-%m-%d %H:%M:%S}" if backup_set.finished_at else "-"
    return (
        one_line(database.name),
        backup_set.kind.lower(),
        f"{backup_set.begun_at:%Y-%m-%d %H:%M:%S}",
        finished,
        (backup_set.recovery_model or "-").lower().replace("_", "-"),
        one_line(backup_set.server),
        backup_set.version,
        f"{backup_set.first_lsn} to {backup_set.last_lsn}",
        str(len(backup_set.files)),
        share(backup_set) or "-",
        _used(backup_set),
        size(backup_set.restored_size),
        size(backup_set.stored_length),
    )


def _used(backup_set: NativeBackupSet) -> str:
    """The pages of the database that hold something, as far as the backup tells."""
    pages = backup_set.checks.allocated_pages if backup_set.checks else None
    return "-" if pages is None else size(pages * _PAGE)


def share(backup_set: NativeBackupSet) -> str:
    """How much of it lies under a checksum that was compared: `81 %`; empty if nobody compared any."""
    checks = backup_set.checks
    # Rounded down: what is not whole must not look so.
    return f"{100 * checks.covered // checks.length} %" if checks and checks.length else ""


def notes(manifest: Manifest) -> Iterator[str]:
    """The chain of each database on a line, then what could not be judged, and where a set stood in its file."""
    for database in manifest.native_databases:
        yield chain(database)
        for backup_set in database.backup_sets:
            told = f"{one_line(database.name)}: the {backup_set.kind.lower()} backup begun {backup_set.begun_at}"
            if backup_set.sets_in_file > 1:
                yield f"{told} was set {backup_set.position} of {backup_set.sets_in_file} in its file, and is stored alone"
            for sentence in backup_set.checks.not_judged if backup_set.checks else ():
                yield f"{told}: {sentence}"


def chain(database: NativeDatabaseBackup) -> str:
    """`crm: full ── 12 logs ── differential ── 3 logs ╳ log`, and what a gap means."""
    gaps = needed_sets.gaps(database.backup_sets)
    runs: list[_Run] = []
    for n, backup_set in enumerate(database.backup_sets):
        if runs and runs[-1].kind == backup_set.kind and n not in gaps:
            runs[-1].count += 1
        else:
            runs.append(_Run(backup_set.kind, follows_gap=n in gaps))
    line = "".join(f" {_GAP if run.follows_gap else _JOINED} {run}" for run in runs).removeprefix(f" {_JOINED} ")
    return f"{one_line(database.name)}: {line}" + (f" ({_GAP}: a log backup is missing)" if gaps else "")


@dataclass
class _Run:
    """Backups of one kind that follow each other."""

    kind: NativeKind
    follows_gap: bool
    count: int = 1

    def __str__(self) -> str:
        return self.kind.lower() if self.count == 1 else f"{number(self.count)} {self.kind.lower()}s"


def planned(plan: Plan) -> Table:
    """One row per database."""
    shown = plain_table("database", "restored as", "size", "incl. log", "pages in use")
    for database in plan.databases:
        in_use = "not known" if database.page_bytes is None else size(database.page_bytes)
        shown.add_row(database.name, database.asked_name, size(database.bytes), size(database.log_bytes), in_use)
    return shown


def of_worker(worker: PlannedWorker) -> Iterator[str]:
    """Nothing besides: it only tells RDS what to do."""
    yield from ()


def headlines(plan: Plan) -> Iterator[tuple[str, str]]:
    """What is checked and copied: a label and a sentence each."""
    if plan.native:
        runs = "runs" if plan.native.check_database else "does not run"
        yield "Checked", f"DBCC CHECKDB {runs}, by {plan.native.check_decided_by}"
        told = f"{size(plan.native.staged_bytes)} into a temporary bucket"
        yield "Copied", f"{told}, which RDS reads with {plan.native.option_role_arn}"


def creations(plan: Plan) -> Iterator[Creation]:
    """The temporary bucket, and what would be made in the database server."""
    target = plan.target
    bucket = fixed_names.staging_bucket(fixed_names.prefix(plan.execution_arn), 0, target.account, target.region).replace(
        "-g0-", f"-g{ANY_GENERATION}-"
    )
    yield Creation(things.BUCKET, bucket, "shared with other restores of that account and Region")
    prefix = native_staging.restore_prefix(plan.restore_id)
    yield Creation(things.STAGED_OBJECTS, f"{bucket}/{prefix}", "copies of the backup files")
    for place, database in enumerate(plan.databases, start=1):
        yield Creation(things.DATABASE, database.temporary_name, "stays if it is verified", stays=True)
        task = native_staging.database_prefix(plan.restore_id, place)
        yield Creation(things.NATIVE_TASK, task, f"RDS restores {database.asked_name}")
