"""The step after the replay: is the database what the manifest says? Only then does it get its owners, its privileges and its name; a
drill's copy gets no name, and stays shut.

statistics -> objects | rows, large objects, sequences -> owners -> privileges -> name

Invariant: the master user reads catalogues and never a table, so no code of the dump runs as it.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from dbrestore.contract.checks.asked import CheckAnswer
from dbrestore.contract.errors import ReplayFailed, RestoreError, RestoreFailed, VerificationFailed
from dbrestore.contract.job import Absence, Check, DatabaseJob, DatabaseResult, ErrorNote, Job
from dbrestore.contract.manifest import DatabaseBackup, Manifest
from dbrestore.worker.base import check_list, memory
from dbrestore.worker.base.job_folder import JobFolder
from dbrestore.worker.base.progress import ProgressWriter
from dbrestore.worker.base.secrets import Login
from dbrestore.worker.postgresql import archive as archives
from dbrestore.worker.postgresql import database_locale, left_out, promotion, streams, temporary_database, termination
from dbrestore.worker.postgresql.after_rows import extension_keys
from dbrestore.worker.postgresql.archive import Archive
from dbrestore.worker.postgresql.checks import asked, code_objects
from dbrestore.worker.postgresql.checks import data as data_checks
from dbrestore.worker.postgresql.checks import ownership as owner_checks
from dbrestore.worker.postgresql.checks import structure as structure_checks
from dbrestore.worker.postgresql.checks.asked import Asking
from dbrestore.worker.postgresql.database_locale import DatabaseLocale
from dbrestore.worker.postgresql.promotion import Promotion
from dbrestore.worker.postgresql.resuming import journal
from dbrestore.worker.postgresql.rights import grants, named_roles, owners, ownership, powerless_roles, public_schema
from dbrestore.worker.postgresql.session import Connection, Server, explained
from dbrestore.worker.postgresql.statements import repeated
from dbrestore.worker.postgresql.statistics import Collection
from dbrestore.worker.postgresql.swapping import standing

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


@dataclass(frozen=True)
class Verification:
    """What verifying any database of the job needs. `archive`: of its only one, if this program has read that."""

    s3: "S3Client"
    bucket: str
    manifest: Manifest
    server: Server
    job: Job
    progress: ProgressWriter
    folder: JobFolder
    archive: Archive | None = None


def run(verification: Verification) -> Iterator[tuple[DatabaseResult, tuple[Absence, ...]]]:
    """Verify and promote each database that is there under its temporary name; one that fails doesn't stop the next."""
    for database in verification.job.databases:
        began = time.monotonic()
        backup = verification.manifest.backup(database.backup_name, DatabaseBackup)
        verification.progress.phase("verifying", backup.name)
        result = DatabaseResult(
            backup_name=database.backup_name,
            asked_name=database.asked_name,
            temporary_name=database.temporary_name,
            status="FAILED",
            rows=backup.rows,
            bytes=backup.uncompressed_length,
            tables=len(backup.tables),
        )
        result, absences = _verify_one(verification, database, backup, result)
        yield result.model_copy(update={"seconds": round(time.monotonic() - began, 3)}), absences


def _verify_one(
    verification: Verification, database: DatabaseJob, backup: DatabaseBackup, result: DatabaseResult
) -> tuple[DatabaseResult, tuple[Absence, ...]]:
    try:
        with verification.server.connect_master() as master:
            subject = _promotion(verification, master, database, backup, verification.archive or _fetched(verification, backup))
            result = verification.folder.promoted(database.temporary_name) or _promoted(verification, master, subject, result)
            if result.status != "PROMOTED":
                return result, ()
            result = result.model_copy(update={"identity": result.identity or standing.identity(master, database.asked_name)})
            # Kept before the last traces on the server go: a run after this one knows from it what it would otherwise find nowhere.
            verification.folder.write_promoted(result)
            if promotion.is_marked(master, subject):
                _finish(verification.server, master, subject)
            return result, temporary_database.absences(master, database)
    except RestoreError as error:
        return _failed(result, type(error).__name__, str(error)), ()
    except psycopg.Error as error:
        return _failed(result, ReplayFailed.__name__, f"{backup.name}: {explained(error)}"), ()
    except Exception as error:  # whatever it was, the other databases go on
        return _failed(result, RestoreFailed.__name__, f"{backup.name}: {type(error).__name__}: {error}"), ()


def _fetched(verification: Verification, backup: DatabaseBackup) -> Archive:
    archive = archives.fetch(verification.s3, verification.bucket, backup, verification.job.postgres.encoding)
    memory.give_back()
    return archive


def _promotion(
    verification: Verification, master: Connection, database: DatabaseJob, backup: DatabaseBackup, archive: Archive
) -> Promotion:
    """Decides for every role that the dump names who owns instead."""
    decided = owners.decide(
        master,
        database,
        verification.job.postgres,
        named_roles.of(archive.toc),
        backup.owner,
        verification.server.master_user,
    )
    return Promotion(verification.job.restore_id, database, backup, archive, decided)


def _promoted(verification: Verification, master: Connection, subject: Promotion, result: DatabaseResult) -> DatabaseResult:
    """Checked, handed over and renamed, from wherever an earlier run got to.

    Whether one began to hand over is known from the evidence: what the database says of it, code of the dump could have written."""
    folder, name = verification.folder, subject.database.temporary_name
    checked = folder.checked(name)
    if not temporary_database.exists(master, name):
        if not promotion.is_marked(master, subject):
            raise ReplayFailed(f"{subject.backup.name}: there is no database {name} to verify")
        known = [*subject.owners.notes(), *promotion.database_notes(subject)]
        return (checked or result).model_copy(update={"status": "PROMOTED", "fix_ups": tuple(known)})
    if checked is None:
        checked = _checked(verification, master, subject, result)
        if check_list.failed(checked.checks):
            return _failed(checked, VerificationFailed.__name__, check_list.summary(checked.checks))
        folder.write_checked(checked)
        memory.give_back()
    return _handed_over(verification, master, subject, checked)


def _checked(verification: Verification, master: Connection, subject: Promotion, result: DatabaseResult) -> DatabaseResult:
    """Everything that can be compared is, by the temporary login where rows are read, because what it reads may run code of the dump."""
    server, temporary = verification.server, subject.database.temporary_name
    record = left_out.load(verification.folder, temporary)
    gone = left_out.gone(subject.archive, record)
    temporary_database.shut_out(master, subject.database)
    login = temporary_database.renew_login(master, subject.database)
    connect, end_sessions = partial(server.connect, login, temporary), partial(termination.end_sessions_of, master, login.user)
    usable = streams.usable(master, verification.job.streams)
    collection = Collection(connect, usable, end_sessions, server.bounds)
    notes = collection.collect(subject.archive, gone)
    memory.give_back()
    with server.connect_master(temporary) as inside:
        journal.drop(inside, journal.schema_of(temporary))
    checks = data_checks.check(
        connect,
        usable,
        subject.archive,
        gone,
        subject.backup,
        contents=verification.job.postgres.verify == "content",
        through_root=record.through_root,
        beside=partial(_structure, verification, subject, gone),
    )
    memory.give_back()
    return result.model_copy(
        update={
            "checks": tuple(checks),
            "fix_ups": tuple(notes),
            "left_out": record.left_out,
            "answers": () if check_list.failed(checks) else _answers(verification, login, subject, end_sessions),
        }
    )


def _structure(verification: Verification, subject: Promotion, gone: frozenset[int]) -> list[Check]:
    """Objects, and the database's locale. Nothing of the dump runs any more, so reading rows meanwhile changes nothing of these."""
    with verification.server.connect_master(subject.database.temporary_name) as inside:
        wanted = DatabaseLocale.wanted(subject.backup, subject.archive.toc, verification.job.postgres)
        locale = database_locale.check(inside, wanted, subject.backup.server_version)
        return [*structure_checks.check(inside, subject.archive, gone), locale]


def _answers(verification: Verification, login: Login, subject: Promotion, end_sessions: Callable[[], None]) -> tuple[CheckAnswer, ...]:
    """What the request asks of the database, once it is known to be what was backed up. Asked in `public`, on UTC's clock."""
    temporary = subject.database.temporary_name
    connect = partial(verification.server.connect, login, temporary, search_path="public", TimeZone="UTC")
    asking = Asking(connect, end_sessions, verification.manifest.created_at, verification.server.bounds)
    return tuple(asked.ask(asking, subject.database.asked_checks))


def _handed_over(verification: Verification, master: Connection, subject: Promotion, checked: DatabaseResult) -> DatabaseResult:
    verification.progress.phase("owners and privileges")
    database = subject.database
    record = left_out.load(verification.folder, database.temporary_name)
    gone = left_out.gone(subject.archive, record)
    temporary_database.shut_out(master, database)
    powerless_roles.make_holder(master, database)
    notes = [*checked.fix_ups, *subject.owners.notes()]
    with verification.server.connect_master(database.temporary_name) as inside:
        inside.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(f"{verification.server.bounds.hand_over_lock_seconds}s")))
        # Code that autovacuum runs in the meantime may take locks in an order of its own.
        repeated(partial(ownership.settle, inside, subject.archive, gone, subject.owners, database.login_role))
        notes += public_schema.settle(inside, subject.archive, subject.owners, subject.backup.owner)
        notes += grants.execute(inside, subject.archive, gone, subject.owners)
        repeated(partial(ownership.release, inside, database.login_role, subject.owners))
        checks = (*checked.checks, *_owner_checks(inside, subject, gone))
        checks += (*public_schema.check(inside, subject.archive, record), extension_keys.check(inside))
        code = code_objects.code_objects(inside)
    result = checked.model_copy(update={"fix_ups": tuple(notes), "code": code, "checks": checks})
    if check_list.failed(checks):
        return _failed(result, VerificationFailed.__name__, check_list.summary(checks))
    notes += promotion.database_notes(subject)
    if not database.stays_temporary:
        notes += promotion.promote(master, subject)
    return result.model_copy(update={"status": "PROMOTED", "fix_ups": tuple(notes)})


def _finish(server: Server, master: Connection, subject: Promotion) -> None:
    """The login goes. Until the database was renamed, which ends even autovacuum there, code that began as the login could make things."""
    if temporary_database.role_exists(master, subject.database.login_role):
        with server.connect_master(subject.database.asked_name) as inside:
            ownership.release(inside, subject.database.login_role, subject.owners)
    promotion.finish(master, subject)


def _owner_checks(inside: Connection, subject: Promotion, gone: frozenset[int]) -> tuple[Check, ...]:
    """That the hand-over did what was decided, and that nothing belongs to anybody else."""
    decided = subject.owners
    entries = [e for e in subject.archive.toc.entries if e.dump_id not in gone]
    return (
        owner_checks.owners_check(inside, entries, decided.owner_of, decided.holder),
        owner_checks.strangers_check(inside, {*decided.owner_of.values(), decided.holder}),
    )


def _failed(result: DatabaseResult, name: str, message: str) -> DatabaseResult:
    return result.model_copy(update={"status": "FAILED", "error": ErrorNote(name=name, message=message)})
