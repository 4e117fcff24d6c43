"""Step 5: a dump becomes a database under a temporary name. Invariant: nothing of the dump runs as anybody but the temporary login.

names free? -> login and empty database -> extensions and their rows -> pre-data -> rows, large objects, indexes, and all the rest

What an earlier attempt of the same restore left, in this process or on a worker that died, is carried on from (`journal`).
"""

import logging
import time
from collections.abc import Iterator

import psycopg
from psycopg import sql

from dbrestore.contract.errors import DatabaseExists, ReplayFailed, RestoreError, RestoreFailed
from dbrestore.contract.job import DatabaseJob, DatabaseResult, ErrorNote, FixUp, LeftOut
from dbrestore.contract.manifest import DatabaseBackup
from dbrestore.points.pgdump import encoding as pgdump_encoding
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.base import memory
from dbrestore.worker.base.secrets import Login
from dbrestore.worker.postgresql import archive as archives
from dbrestore.worker.postgresql import extensions, foreseen, growth, left_out, streams, temporary_database
from dbrestore.worker.postgresql.after_rows import building_costs, completion, lock_units
from dbrestore.worker.postgresql.archive import Archive
from dbrestore.worker.postgresql.before_rows import definitions
from dbrestore.worker.postgresql.building import Building, Replay
from dbrestore.worker.postgresql.checks import asked
from dbrestore.worker.postgresql.database_locale import DatabaseLocale
from dbrestore.worker.postgresql.growth import Watch
from dbrestore.worker.postgresql.left_out import Omissions
from dbrestore.worker.postgresql.resuming import journal as journals
from dbrestore.worker.postgresql.resuming.journal import Journal
from dbrestore.worker.postgresql.resuming.losses import Losses
from dbrestore.worker.postgresql.rights import (
    named_roles,
    owners,
    powerless_roles,
    public_schema,
    restoring_user,
)
from dbrestore.worker.postgresql.rows import copy_target, extension_rows, partition_roots
from dbrestore.worker.postgresql.rows.loading import Members
from dbrestore.worker.postgresql.rows.table_tasks import TableTasks
from dbrestore.worker.postgresql.scheduling import Task
from dbrestore.worker.postgresql.session import Connection, explained
from dbrestore.worker.postgresql.statements import Executor

_log = logging.getLogger(__name__)


def run(replay: Replay) -> Iterator[DatabaseResult]:
    """Replay each database of the job; one that fails doesn't stop the next. Raises only what would fail all of them."""
    backups = [replay.manifest.backup(database.backup_name, DatabaseBackup) for database in replay.job.databases]
    with replay.server.connect_master() as master:
        restoring_user.require_able(master, replay.server)
    for database, backup in zip(replay.job.databases, backups, strict=True):
        yield _replay_one(replay, database, backup)


def _replay_one(replay: Replay, database: DatabaseJob, backup: DatabaseBackup) -> DatabaseResult:
    """Whatever goes wrong is this database's own misfortune."""
    began = time.monotonic()
    result = DatabaseResult(
        backup_name=database.backup_name,
        asked_name=database.asked_name,
        temporary_name=database.temporary_name,
        status="REPLAYED",
        rows=backup.rows,
        bytes=backup.uncompressed_length,
        tables=len(backup.tables),
    )
    try:
        replay.progress.phase("preparing", backup.name)
        archive = archives.fetch(replay.s3, replay.bucket, backup, replay.job.postgres.encoding)
        memory.give_back()
        changes = _build(replay, database, backup, archive, _require_possible(replay, database, backup, archive))
        replay.keep(archive)
    except RestoreError as error:
        changes = _failure(backup, type(error).__name__, str(error))
    except psycopg.Error as error:
        changes = _failure(backup, ReplayFailed.__name__, f"{backup.name}: {explained(error)}")
    except Exception as error:
        changes = _failure(backup, RestoreFailed.__name__, f"{backup.name}: {type(error).__name__}: {error}")
    return result.model_copy(update={**changes, "seconds": round(time.monotonic() - began, 3)})


def _require_possible(replay: Replay, database: DatabaseJob, backup: DatabaseBackup, archive: Archive) -> dict[str, str]:
    """What can be known before anything is created. Returns the extensions to leave out, with the reason.

    Raises DatabaseExists, CheckRefused, OwnerNotUsable or ReplayFailed."""
    with replay.server.connect_master() as master:
        if not database.stays_temporary and temporary_database.exists(master, database.asked_name):
            raise DatabaseExists(f"the target already has: {database.asked_name!r}; restore under another name or rename the old one")
        asked.require_questions(master, database.asked_checks)
        owners.require_usable(master, replay.job.postgres, replay.server.master_user)
        return extensions.refused(master, backup, archive, replay.job.postgres)


def _failure(backup: DatabaseBackup, name: str, message: str) -> dict[str, object]:
    note = ErrorNote(name=name, message=_legible(backup, message))
    return {"status": "FAILED", "error": note, "rows": 0, "bytes": 0, "tables": 0}


def _build(replay: Replay, database: DatabaseJob, backup: DatabaseBackup, archive: Archive, refused: dict[str, str]) -> dict[str, object]:
    """Build the database, however often the connection is lost. Returns what the result tells of it."""
    stamp, losses = journals.stamp(replay.job, backup, refused), Losses(replay.server.bounds)
    with growth.watched(replay.server, database, backup) as watch:
        while True:
            try:
                return _attempt(replay, database, backup, archive, refused, watch, stamp)
            except (ReplayFailed, psycopg.Error) as error:
                if watch.outgrown or not losses.may_carry_on(error, replay.progress.work_done):
                    raise


def _attempt(
    replay: Replay,
    database: DatabaseJob,
    backup: DatabaseBackup,
    archive: Archive,
    refused: dict[str, str],
    watch: Watch,
    stamp: str,
) -> dict[str, object]:
    """Build what isn't there yet."""
    omissions, skips = Omissions(archive, backup), replay.job.postgres.skip_unrestorable
    division = foreseen.leave_out(archive, omissions, refused, skips=skips)
    login, journal = _place(replay, database, backup, archive, stamp)
    executor = Executor(archive, backup, omissions, skips, journal)
    with replay.server.connect_master() as master:
        usable, version = streams.usable(master, replay.job.streams), master.info.server_version
    costs = building_costs.of(archive, backup, (*division.early, *division.post_data))
    building = Building(replay, database, backup, archive, division, omissions, login, executor, watch, costs, usable, version)
    memory.give_back()
    notes = foreseen.fix_ups(archive, division, omissions)
    notes += _prepare(building, stamp) if journal.is_new else _prepared_before(building)
    _define(building)
    memory.give_back()
    following = completion.of_building(building)
    memory.give_back()
    building.run(following.tasks(_loading(following.building)))
    return _outcome(building, notes + building.rerouted.fix_ups() + following.fix_ups())


def _place(replay: Replay, database: DatabaseJob, backup: DatabaseBackup, archive: Archive, stamp: str) -> tuple[Login, Journal]:
    """The login, and the journal of a database that an earlier attempt left or that is empty."""
    most = journals.most_lines(backup, len(archive.toc.entries))
    if found := temporary_database.taken_over(replay.server, database, stamp, most):
        _log.warning("%s: carrying on after %d parts that were done", database.temporary_name, found[1].lines)
        return found
    locale = DatabaseLocale.wanted(backup, archive.toc, replay.job.postgres)
    return temporary_database.create(replay.server, database, locale), Journal(journals.schema_of(database.temporary_name))


def _prepared_before(building: Building) -> list[FixUp]:
    """What preparing it told, and left out, when an earlier attempt did that."""
    with building.connect_master() as master:
        public_schema.foresee(master, building.archive, building.omissions, skips=building.replay.job.postgres.skip_unrestorable)
    extension_rows.leave_out(building.archive, building.omissions)
    return [*building.executor.journal.notes]


def _prepare(building: Building, stamp: str) -> list[FixUp]:
    """Everything that only the master user can do, while the database holds nothing of the dump. The journal comes last."""
    server, target = building.replay.server, building.database.temporary_name
    with server.connect_master(target) as master, server.connect(building.login, target) as owner:
        chosen = building.omissions.without(building.division.extensions)
        public_schema.foresee(master, building.archive, building.omissions, skips=building.replay.job.postgres.skip_unrestorable)
        notes = _make_roles(master, building)
        notes += extensions.create(master, owner, building.archive, chosen, building.backup.extensions)
        notes += foreseen.make_missing_schemas(master, owner, building.omissions.without(building.division.pre_data))
        members = Members(building.replay.s3, building.replay.bucket, building.backup)
        notes += extension_rows.load(master, building.archive, building.omissions, members, building.login)
        journals.make(master, building.executor.journal, building.login.user, stamp, notes)
        return notes


def _make_roles(master: Connection, building: Building) -> list[FixUp]:
    """Policies name their roles, so these come before the definitions."""
    if not building.replay.job.postgres.create_missing_roles:
        return []
    return powerless_roles.make_missing(master, building.database, named_roles.of(building.archive.toc))


def _define(building: Building) -> None:
    """The definitions that come before the rows."""
    building.replay.progress.phase("schema")
    # The index of a partitioned table is one of its partitions' names only: at once, before anybody works on these.
    of_partitioned = _of_partitioned_tables(building.archive, building.division.early)
    definitions.define(building, [*building.division.pre_data, *of_partitioned])


def _loading(building: Building) -> list[Task]:
    """For rows and large objects, and for each index as soon as its table is loaded."""
    replay, backup = building.replay, building.backup
    replay.progress.phase("data")
    replay.progress.expect(backup.uncompressed_length, len(backup.tables), list(building.costs.values()))
    members = Members(replay.s3, replay.bucket, backup)
    tasks = TableTasks(
        building.executor,
        members,
        building.archive,
        replay.progress,
        building.rerouted,
        building.costs,
        sessions=building.streams,
        shared_from=replay.server.bounds.shared_member,
    )
    already = {e.dump_id for e in _of_partitioned_tables(building.archive, building.division.early)}
    for dump_id in already:
        replay.progress.object_done(building.costs[dump_id])
    early = [e for e in building.division.early if e.dump_id not in already]
    _recall(building)
    return tasks.all(early)


def _recall(building: Building) -> None:
    """Before any row is loaded: tables that an earlier attempt loaded half are emptied, and it is known which rows it led elsewhere."""
    journal, archive = building.executor.journal, building.archive
    half, rerouted = (_data(archive, numbers) for numbers in (journal.half_loaded(), journal.numbers("root")))
    if not (half or rerouted):
        return
    encoding = building.backup.client_encoding
    with building.connect() as connection:
        for entry in half:
            table = sql.Identifier(*copy_target.of(entry).table)
            connection.execute(sql.SQL("TRUNCATE ONLY {}").format(table).as_string().encode(archive.codec))
        for entry in rerouted:
            if place := partition_roots.place_of(connection, copy_target.of(entry).table, encoding):
                building.rerouted.add(entry.dump_id, place)


def _data(archive: Archive, numbers: list[int]) -> list[TocEntry]:
    """Of tables that the dump makes; what else a line may tell of is nothing."""
    entries = [archive.by_dump_id[number] for number in numbers if number in archive.by_dump_id]
    return [e for e in entries if e.description == "TABLE DATA" and e.copy_statement]


def _of_partitioned_tables(archive: Archive, entries: tuple[TocEntry, ...]) -> list[TocEntry]:
    tables = {e.dump_id for e in archive.toc.entries if e.description == "TABLE" and lock_units.is_partitioned(e)}
    return [e for e in entries if not tables.isdisjoint(e.dependencies)]


def _outcome(building: Building, notes: list[FixUp]) -> dict[str, object]:
    record, backup = building.omissions.record(), building.backup
    told = tuple(_told(backup, note) for note in record.left_out)
    record = record.model_copy(update={"left_out": told, "through_root": building.rerouted.dump_ids()})
    left_out.save(building.replay.folder, building.database.temporary_name, record)
    gone = set(record.dump_ids)
    loaded = [member for member in backup.tables if member.dump_id not in gone]
    objects = sum(member.uncompressed_length for member in backup.large_objects)
    return {
        "fix_ups": tuple(FixUp(entry=_legible(backup, n.entry), what=_legible(backup, n.what)) for n in notes),
        "left_out": record.left_out,
        "rows": sum(member.rows for member in loaded),
        "bytes": sum(member.uncompressed_length for member in loaded) + objects,
        "tables": len(loaded),
    }


def _told(backup: DatabaseBackup, note: LeftOut) -> LeftOut:
    texts = (_legible(backup, text) for text in (note.entry, note.why, note.sql))
    return LeftOut(**dict(zip(("entry", "why", "sql"), texts, strict=True)), rows=note.rows)


def _legible(backup: DatabaseBackup, text: str) -> str:
    return pgdump_encoding.readable(text, backup.client_encoding)
