"""The step after the replay: is the database what the manifest says? Only then does it get its owners, its privileges and its name.

statistics -> rows, large objects, sequences -> objects -> owners -> privileges -> name
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from repository.errors import ReplayFailed, RestoreError, VerificationFailed
from repository.manifest import DatabaseBackup, Manifest
from worker import archive as archives
from worker import (
    check_list,
    data_checks,
    grants,
    left_out,
    membership,
    ownership,
    promotion,
    structure_checks,
    temporary_database,
)
from worker.archive import Archive, Division
from worker.job import Absence, Check, DatabaseJob, DatabaseResult, ErrorNote, FixUp, Job
from worker.job_folder import JobFolder
from worker.progress import ProgressWriter
from worker.promotion import Promotion
from worker.replay import backup_of
from worker.session import Connection, Server, explained

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


@dataclass(frozen=True)
class Verification:
    """What verifying any database of the job needs; `private` is the job's own folder."""

    s3: "S3Client"
    bucket: str
    manifest: Manifest
    server: Server
    job: Job
    progress: ProgressWriter
    folder: JobFolder
    private: Path


def run(verification: Verification) -> Iterator[tuple[DatabaseResult, tuple[Absence, ...]]]:
    """Verify and promote each database that is there under its temporary name; one that fails doesn't stop the next."""
    for database in verification.job.databases:
        began = time.monotonic()
        backup = backup_of(verification.manifest, database)
        verification.progress.phase("verifying", backup.name)
        result = DatabaseResult(
            backup_name=database.backup_name, asked_name=database.asked_name, temporary_name=database.temporary_name, status="FAILED",
            rows=backup.rows, bytes=backup.uncompressed_length, tables=len(backup.tables),
        )  # fmt: skip
        result, absences = _verify_one(verification, database, backup, result)
        yield result.model_copy(update={"seconds": round(time.monotonic() - began, 3)}), absences


def _verify_one(
    verification: Verification, database: DatabaseJob, backup: DatabaseBackup, result: DatabaseResult
) -> tuple[DatabaseResult, tuple[Absence, ...]]:
    kept = verification.folder.promoted(database.temporary_name)
    try:
        with verification.server.connect_master() as master:
            archive = archives.fetch(verification.s3, verification.bucket, backup, verification.job.postgres.encoding)
            subject = _promotion(verification, master, database, backup, archive)
            result = kept or _checked_and_renamed(verification, master, subject, result)
            if result.status == "PROMOTED":
                # Kept before the last traces on the server go: a run after this one knows from it what it would otherwise find nowhere.
                verification.folder.write_promoted(result)
                if promotion.is_marked(master, subject):
                    promotion.finish(master, subject)
                return result, temporary_database.absences(master, database)
            return result, ()
    except RestoreError as error:
        return _failed(result, type(error).__name__, str(error)), ()
    except psycopg.Error as error:
        return _failed(result, ReplayFailed.__name__, f"{backup.name}: {explained(error)}"), ()


def _promotion(
    verification: Verification, master: Connection, database: DatabaseJob, backup: DatabaseBackup, archive: Archive
) -> Promotion:
    """Looks up every role that the dump names: owners, grantees, whose default privileges."""
    named = {backup.owner} | {e.owner for e in archive.toc.entries}
    named |= {
        role for e in archive.toc.entries if e.description in ("ACL", "DEFAULT ACL") for role in grants.roles_in(e)
    }
    roles = membership.role_states(master, named)
    return Promotion(verification.job.restore_id, database, backup, archive, roles, verification.server.master_user)


def _checked_and_renamed(
    verification: Verification, master: Connection, subject: Promotion, result: DatabaseResult
) -> DatabaseResult:
    database = subject.database
    if not temporary_database.exists(master, database.temporary_name):
        if promotion.is_marked(master, subject):
            return result.model_copy(update={"status": "PROMOTED", "fix_ups": tuple(promotion.database_notes(subject))})
        raise ReplayFailed(f"{database.backup_name}: there is no database {database.temporary_name} to verify")
    record = left_out.load(verification.folder, database.temporary_name)
    division = left_out.applied(archives.divide(subject.archive.toc), record)
    result = result.model_copy(update={"left_out": record.left_out})
    # The temporary login owns the database and may have given it settings that bend our own sessions.
    master.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(sql.Identifier(database.temporary_name)))
    inside = verification.server.connect_master(database.temporary_name)
    checks = _checks(verification, master, inside, subject, division)
    result = result.model_copy(update={"checks": tuple(checks)})
    if check_list.failed(checks):
        inside.close()
        return _failed(result, VerificationFailed.__name__, check_list.summary(checks))
    notes = _settle(verification, inside, subject, division)
    notes += promotion.promote(master, inside, subject)
    return result.model_copy(update={"status": "PROMOTED", "fix_ups": tuple(notes)})


def _checks(
    verification: Verification, master: Connection, inside: Connection, subject: Promotion, division: Division
) -> list[Check]:
    connect, connections = _reader(verification, master, inside, subject)
    data = data_checks.check(connect, connections, subject.archive, division, subject.backup)
    return [*structure_checks.check(inside, subject.archive, division, subject.backup), *data]


def _reader(
    verification: Verification, master: Connection, inside: Connection, subject: Promotion
) -> tuple[Callable[[], Connection], int]:
    """Who may read all: the temporary login, or, when an earlier run began to hand over, the master user acting for the owners."""
    server, database = verification.server, subject.database
    if _is_handed_over(inside, database.login_role):
        return partial(_acting_reader, server, subject), 1
    login = temporary_database.renew_login(master, database)
    with server.connect(login, database.temporary_name) as owner:
        data_checks.analyze(owner)
    return partial(server.connect, login, database.temporary_name), verification.job.streams


def _is_handed_over(inside: Connection, login_role: str) -> bool:
    row = inside.execute(
        "SELECT EXISTS (SELECT FROM pg_class AS c WHERE c.relkind IN ('r', 'p', 'S') AND c.relowner <> to_regrole(quote_ident(%s)) "
        "AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace) "
        "AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))",
        [login_role],
    ).fetchone()
    return row is not None and bool(row[0])


def _acting_reader(server: Server, subject: Promotion) -> Connection:
    """A session whose lent memberships are rolled back when it is closed, because its transaction is never committed."""
    connection = server.connect_master(subject.database.temporary_name)
    connection.autocommit = False
    for role, state in subject.roles.items():
        if state.may_act:
            membership.borrow(connection, role)
    return connection


def _settle(verification: Verification, inside: Connection, subject: Promotion, division: Division) -> list[FixUp]:
    verification.progress.phase("owners and privileges")
    notes = ownership.settle(inside, subject.archive, division, subject.roles, subject.master_user)
    notes += grants.execute(inside, subject.archive, division, subject.roles, subject.master_user)
    return notes + promotion.database_notes(subject)


def _failed(result: DatabaseResult, name: str, message: str) -> DatabaseResult:
    return result.model_copy(update={"status": "FAILED", "error": ErrorNote(name=name, message=message)})
