"""Step 5 on SQL Server: is the restored database what its backup says? Then what came with it is settled: TRUSTWORTHY goes off, users
without a login are told or mapped.

state -> files, compatibility level, owner -> TRUSTWORTHY -> DBCC CHECKDB -> users -> checks of one's own

Invariant: all of it can be done again. The database has its name already, so what is not whole stays under it until it is discarded.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from dbrestore.contract import names
from dbrestore.contract.errors import DatabaseNotInRestorePoint, RestoreError, VerificationFailed
from dbrestore.contract.job import (
    Absence,
    Check,
    DatabaseResult,
    ErrorNote,
    FixUp,
    Job,
    NativeDatabaseJob,
    NativeOptions,
)
from dbrestore.contract.manifest import Manifest, NativeBackupSet, NativeDatabaseBackup
from dbrestore.contract.sqlserver_errors import ServerOutOfReach
from dbrestore.worker.base import check_list
from dbrestore.worker.base.progress import ProgressWriter
from dbrestore.worker.sqlserver import asked, database_triggers, swapping
from dbrestore.worker.sqlserver import checks as native_checks
from dbrestore.worker.sqlserver.asked import Asking
from dbrestore.worker.sqlserver.checks import Expected
from dbrestore.worker.sqlserver.database_names import bracketed
from dbrestore.worker.sqlserver.messages import error_of_engine
from dbrestore.worker.sqlserver.session import EngineError, NativeConnection, Row, SqlServer
from dbrestore.worker.sqlserver.standing_connection import TEMPORARY, StandingConnection

Settled = tuple[DatabaseResult, tuple[Absence, ...]]

_CAN_NOT_BE_OPENED: Final = 4060


def run(server: SqlServer, job: Job, manifest: Manifest, progress: ProgressWriter) -> Iterator[Settled]:
    """Each database, PROMOTED or FAILED; one that fails doesn't stop the next. Raises ServerOutOfReach: then none
    can be looked at."""
    with StandingConnection(server) as connection:
        for database in job.native_databases:
            began = time.monotonic()
            progress.phase("verifying", database.asked_name)
            verification = Verification(server, job.native_options, database, names.asking_user(job.restore_id))
            result = _verified(connection, verification, manifest)
            yield result.model_copy(update={"seconds": round(time.monotonic() - began, 3)}), ()


@dataclass(frozen=True)
class Verification:
    """Of one database. `asking_user` is what the user is called that asks its checks."""

    server: SqlServer
    options: NativeOptions
    database: NativeDatabaseJob
    asking_user: str


def _verified(connection: StandingConnection, verification: Verification, manifest: Manifest) -> DatabaseResult:
    database = verification.database
    result = DatabaseResult(
        backup_name=database.backup_name,
        asked_name=database.asked_name,
        temporary_name=database.asked_name,
        status="FAILED",
    )
    try:
        last_set = _last_set(database, manifest)
        expected = Expected(last_set, goes_on=_goes_on(last_set, verification.options.stop_at))
        examined = _examined(connection, verification, expected, result)
        return _asked(connection, verification, manifest, examined) if examined.status == "PROMOTED" else examined
    except ServerOutOfReach:
        raise
    except EngineError as problem:
        return _failed(result, error_of_engine(problem.number, f"{database.asked_name}: {problem.message}"))
    except RestoreError as problem:
        return _failed(result, problem)


def _asked(connection: StandingConnection, verification: Verification, manifest: Manifest, result: DatabaseResult) -> DatabaseResult:
    """Whatever the answers are, the database is what was backed up."""
    database = verification.database
    identity = connection.ask(lambda master: swapping.identity(master, database.asked_name))
    asking = Asking(verification.server, database.asked_name, verification.asking_user, manifest.created_at)
    return result.model_copy(update={"answers": asked.ask(connection, asking, database.asked_checks), "identity": identity})


def _last_set(database: NativeDatabaseJob, manifest: Manifest) -> NativeBackupSet:
    backup = manifest.backup(database.backup_name, NativeDatabaseBackup)
    found = next((one for one in backup.backup_sets if one.set_id == database.last_set), None)
    if found is None:
        raise DatabaseNotInRestorePoint(
            f"the restore point {manifest.point_id} has no backup set {database.last_set} of a database {database.backup_name!r}: choose "
            "the point that was restored"
        )
    return found


def _goes_on(last_set: NativeBackupSet, stop_at: datetime | None) -> bool:
    return stop_at is not None and last_set.kind == "LOG"


def _examined(connection: StandingConnection, verification: Verification, expected: Expected, result: DatabaseResult) -> DatabaseResult:
    """Waits for a database that is coming up, as after a fail-over: a good one must not be given up, because it is dropped then."""
    bounds, waited = connection.bounds, 0.0
    findings = _findings(connection, verification, expected)
    while native_checks.may_come_up(findings.checks[0]) and waited < bounds.native_online_within_seconds:
        time.sleep(bounds.native_reconnect_pause_seconds)
        # Not by the clock: DBCC CHECKDB may have run for hours when a fail-over ends it.
        waited += bounds.native_reconnect_pause_seconds
        findings = _findings(connection, verification, expected)
    size = sum(file.size for file in expected.last_set.database_files)
    result = result.model_copy(update={"checks": tuple(findings.checks), "fix_ups": tuple(findings.notes), "bytes": size})
    if check_list.failed(findings.checks):
        name = verification.database.asked_name
        return _failed(result, VerificationFailed(f"{name}: {check_list.summary(findings.checks)}"))
    return result.model_copy(update={"status": "PROMOTED"})


@dataclass(frozen=True)
class Findings:
    """The first check is that of the state."""

    checks: list[Check]
    notes: list[FixUp] = field(default_factory=list)


def _findings(connection: StandingConnection, verification: Verification, expected: Expected) -> Findings:
    """Two questions, so that a connection that is lost between them doesn't matter."""
    row = connection.ask(lambda master: native_checks.row_of(master, verification.database.asked_name))
    state = native_checks.state(row)
    if row is None or state.result != "ok":
        return Findings([state])
    try:
        return connection.ask(lambda master: _inside(master, verification, expected, row))
    except EngineError as problem:
        if problem.number != _CAN_NOT_BE_OPENED:
            raise
        return Findings([native_checks.state(row, problem)])


def _inside(master: NativeConnection, verification: Verification, expected: Expected, row: Row) -> Findings:
    """Of a database that was ONLINE a moment ago; asked again as a whole when a connection was lost."""
    found = Findings([native_checks.state(row)])
    # No limit: DBCC CHECKDB answers when it is done.
    with verification.server.connect(verification.database.asked_name, answer_within=None) as inside:
        found.checks.extend(native_checks.compared(row, inside, expected))
        found.checks.append(_trustworthy(master, row, found.notes))
        found.checks.append(native_checks.consistency(inside, wanted=verification.options.check_database))
        if not check_list.failed(found.checks):
            found.notes.extend(_orphans(master, inside, fix=verification.options.fix_users))
    return found


def _trustworthy(master: NativeConnection, row: Row, notes: list[FixUp]) -> Check:
    """Off, because modules of a trustworthy database may act outside it; a restore should have switched it off by itself."""
    name, found = str(row["name"]), "off"
    if row["is_trustworthy_on"]:
        try:
            _run(master, f"ALTER DATABASE {bracketed(name)} SET TRUSTWORTHY OFF")
            notes.append(
                FixUp(
                    entry="TRUSTWORTHY",
                    what="it was on and was switched off: switch it on again if its modules need it",
                )
            )
        except EngineError as problem:
            if problem.number in TEMPORARY:
                raise
            found = f"on, and could not be switched off: {problem}"
    return Check(check="TRUSTWORTHY", expected="off", actual=found, result="ok" if found == "off" else "failed")


def _orphans(master: NativeConnection, inside: NativeConnection, *, fix: bool) -> list[FixUp]:
    """Users of SQL logins that this server does not know. Logins are no part of a backup."""
    rows = inside.rows(
        "SELECT u.name FROM sys.database_principals AS u LEFT JOIN sys.server_principals AS l ON l.sid = u.sid "
        "WHERE u.type = 'S' AND u.authentication_type = 1 AND u.name <> 'dbo' AND l.sid IS NULL ORDER BY u.name"
    )
    trigger = database_triggers.of(inside, ["ALTER_USER"]) if rows and fix else None
    return [_orphan(master, inside, str(row["name"]), trigger, fix=fix) for row in rows]


def _orphan(master: NativeConnection, inside: NativeConnection, user: str, trigger: str | None, *, fix: bool) -> FixUp:
    logins = master.rows("SELECT name FROM sys.server_principals WHERE type = 'S' AND name = %s", [user])
    login = str(logins[0]["name"]) if logins else user
    statement = f"ALTER USER {bracketed(user)} WITH LOGIN = {bracketed(login)}"
    if not logins:
        what = f"its login is not on this server: create one, then run {statement} in the database"
    elif not fix:
        what = f"mapped to no login: run {statement} in the database, or restore with sqlserver.fixUsers"
    elif trigger:
        what = (
            f"not mapped: the database trigger {trigger} of the backup would run with the rights of the login that restores: look at it, "
        )
        what += f"then run {statement} in the database"
    else:
        what = _mapped(inside, statement, login)
    return FixUp(entry=f"USER {user}", what=what)


def _mapped(inside: NativeConnection, statement: str, login: str) -> str:
    try:
        _run(inside, statement)
    except EngineError as problem:
        return f"could not be mapped to the login {login} ({problem}): run {statement} in the database"
    return f"mapped to the login {login}"


def _run(connection: NativeConnection, statement: str) -> None:
    # Without parameters, so a per cent sign in a name is only that.
    connection.run(statement.replace("%", "%%"))


def _failed(result: DatabaseResult, problem: RestoreError) -> DatabaseResult:
    return result.model_copy(update={"status": "FAILED", "error": ErrorNote.of(problem)})
