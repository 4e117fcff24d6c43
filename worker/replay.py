"""Step 5: a dump becomes a database under a temporary name. Invariant: nothing of the dump runs as anybody but the temporary login.

names free? -> login and empty database -> extensions -> pre-data -> rows, large objects, indexes -> the rest
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from repository.errors import DatabaseExists, DatabaseNotInRestorePoint, ReplayFailed, RestoreError
from repository.manifest import DatabaseBackup, LargeObjectMember, Manifest, TableMember
from repository.pgdump_toc import TocEntry
from worker import archive as archives
from worker import (
    copy_target,
    extensions,
    loading,
    named_roles,
    owners,
    pg_restore,
    powerless_roles,
    private_folder,
    scheduling,
    temporary_database,
)
from worker.archive import Archive, Division
from worker.job import DatabaseJob, DatabaseResult, ErrorNote, FixUp, Job
from worker.loading import Members
from worker.progress import ProgressWriter
from worker.scheduling import Task
from worker.session import Connection, Login, Server, explained

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# A constraint that carries further statements (CLUSTER ON, REPLICA IDENTITY, SET STATISTICS) needs its table for itself.
_FURTHER_STATEMENT = "ALTER "


@dataclass(frozen=True)
class Replay:
    """What replaying any database of the job needs; `private` is the job's own folder."""

    s3: "S3Client"
    bucket: str
    manifest: Manifest
    server: Server
    job: Job
    progress: ProgressWriter
    private: Path


def run(replay: Replay) -> Iterator[DatabaseResult]:
    """Replay each database of the job; one that fails doesn't stop the next. Raises only what would fail all of them."""
    backups = [backup_of(replay.manifest, database) for database in replay.job.databases]
    replay.server.connect_master().close()
    for database, backup in zip(replay.job.databases, backups, strict=True):
        yield _replay_one(replay, database, backup)


def backup_of(manifest: Manifest, database: DatabaseJob) -> DatabaseBackup:
    """The manifest's part about the database. Raises DatabaseNotInRestorePoint with what there is."""
    for backup in manifest.databases:
        if backup.name == database.backup_name:
            return backup
    has = ", ".join(repr(backup.name) for backup in manifest.databases)
    raise DatabaseNotInRestorePoint(f"{manifest.point_id} has no database {database.backup_name!r}; it has {has}")


def _replay_one(replay: Replay, database: DatabaseJob, backup: DatabaseBackup) -> DatabaseResult:
    began = time.monotonic()
    result = DatabaseResult(
        backup_name=database.backup_name, asked_name=database.asked_name, temporary_name=database.temporary_name, status="REPLAYED",
        rows=backup.rows, bytes=backup.uncompressed_length, tables=len(backup.tables),
    )  # fmt: skip
    try:
        _require_possible(replay, database, backup)
        with private_folder.of_database(replay.private) as private:
            notes = _build(replay, database, backup, private)
        changes: dict[str, object] = {"fix_ups": tuple(notes)}
    except RestoreError as error:
        changes = _failure(type(error).__name__, str(error))
    except psycopg.Error as error:
        changes = _failure(ReplayFailed.__name__, f"{backup.name}: {explained(error)}")
    return result.model_copy(update={**changes, "seconds": round(time.monotonic() - began, 3)})


def _require_possible(replay: Replay, database: DatabaseJob, backup: DatabaseBackup) -> None:
    """What can be known before anything is created. Raises DatabaseExists, OwnerNotUsable or ReplayFailed."""
    server = replay.server
    with server.connect_master() as master:
        if temporary_database.exists(master, database.asked_name):
            raise DatabaseExists(
                f"the target already has: {database.asked_name!r}; restore under another name or rename the old one"
            )
        owners.require_usable(master, replay.job.postgres, server.master_user)
        extensions.require_available(master, backup.extensions, backup.name)


def _failure(name: str, message: str) -> dict[str, object]:
    return {"status": "FAILED", "error": ErrorNote(name=name, message=message), "rows": 0, "bytes": 0, "tables": 0}


def _build(replay: Replay, database: DatabaseJob, backup: DatabaseBackup, private: Path) -> list[FixUp]:
    """Build the database. Returns the fix-ups."""
    server, progress, target = replay.server, replay.progress, database.temporary_name
    progress.phase("preparing", backup.name)
    archive = archives.fetch(replay.s3, replay.bucket, backup, private)
    division = archives.divide(archive.toc)
    login = temporary_database.create(server, database, backup, replay.job.postgres)
    notes = archives.fix_ups(archive.toc, division)
    with server.connect_master(target) as master, server.connect(login, target) as owner:
        if replay.job.postgres.create_missing_roles:
            notes += powerless_roles.make_missing(master, database, named_roles.of(archive.toc))
        notes += extensions.create(master, owner, archive, division, backup.extensions)
        old_server = owner.info.server_version < 170000
    progress.phase("schema")
    notes += pg_restore.restore(server, login, target, archive, division.pre_data, private, old_server=old_server)
    progress.phase("data")
    _load(replay, database, backup, login, archive, division)
    progress.phase("constraints")
    notes += pg_restore.restore(
        server, login, target, archive, division.post_data, private, jobs=replay.job.streams, old_server=old_server
    )
    return notes


def _load(
    replay: Replay, database: DatabaseJob, backup: DatabaseBackup, login: Login, archive: Archive, division: Division
) -> None:
    members = Members(replay.s3, replay.bucket, backup)
    replay.progress.expect(backup.uncompressed_length, len(backup.tables))
    entries = {e.dump_id: e for e in archive.toc.entries}
    groups = list(loading.groups(backup.tables))
    tasks = [
        *(_table_task(replay, members, group, entries) for group in groups),
        *(_large_object_task(replay, members, member, n) for n, member in enumerate(backup.large_objects, start=1)),
        *_index_tasks(groups, archive, division),
    ]
    scheduling.run(tasks, partial(_connect, replay, backup, login, database.temporary_name), replay.job.streams)


def _table_task(replay: Replay, members: Members, group: tuple[TableMember, ...], entries: dict[int, TocEntry]) -> Task:
    targets = [copy_target.parse(loading.entry_of(member, entries).copy_statement) for member in group]

    def load(connection: Connection) -> None:
        where = members.fetch(group) if len(group) > 1 else members
        for member, target in zip(group, targets, strict=True):
            loading.load_table(connection, where, member, target.statement(), replay.progress.add)
            replay.progress.table_done()

    return Task(name=group[0].dump_id, cost=_size(group), run=load)


def _size(group: tuple[TableMember, ...]) -> int:
    return sum(member.uncompressed_length for member in group)


def _large_object_task(replay: Replay, members: Members, member: LargeObjectMember, number: int) -> Task:
    # A directory has several members with one dump id, so the number stands in for it; negative, because it is no dump id.
    return Task(
        name=-number, cost=member.uncompressed_length,
        run=lambda connection: loading.load_large_objects(connection, members, member, replay.progress.add),
    )  # fmt: skip


def _index_tasks(groups: list[tuple[TableMember, ...]], archive: Archive, division: Division) -> Iterator[Task]:
    data_of = archives.tables_of_data(archive.toc.entries)
    tables = {e.dump_id for e in archive.toc.entries if e.description == "TABLE"}
    size_of = {member.dump_id: member.uncompressed_length for group in groups for member in group}
    loaded_by = {member.dump_id: group[0].dump_id for group in groups for member in group}
    for entry in division.early:
        table = next(d for d in entry.dependencies if d in tables)
        data = data_of.get(table, 0)
        yield Task(
            name=entry.dump_id, cost=size_of.get(data, 0), run=partial(_build_index, entry), table=table,
            exclusive=entry.description == "CONSTRAINT" or _FURTHER_STATEMENT in entry.definition,
            after={loaded_by.get(data, 0), *entry.dependencies},
        )  # fmt: skip


def _build_index(entry: TocEntry, connection: Connection) -> None:
    try:
        connection.execute(sql.SQL(entry.definition))
    except psycopg.Error as error:
        raise ReplayFailed(f"{entry.label}: {explained(error)}") from error


# Since PostgreSQL 14, and only where the server was built with it, as RDS's are.
_PREFER_LZ4 = """SELECT set_config(name, 'lz4', false) FROM pg_settings
    WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)"""


def _connect(replay: Replay, backup: DatabaseBackup, login: Login, database: str) -> Connection:
    connection = replay.server.connect(login, database, synchronous_commit="off")
    if not replay.job.keep_toast_compression:
        connection.execute(_PREFER_LZ4)
    # Rows are sent as they lie in the dump. Set in the end, so that psycopg's own statements before it are plain ASCII.
    connection.execute(sql.SQL("SET client_encoding = {}").format(sql.Literal(backup.client_encoding)))
    return connection
