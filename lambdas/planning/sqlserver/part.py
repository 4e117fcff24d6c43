"""SQL Server's part of the plan: names, which backups are restored, what the instance must be, space, and what a plan can't see.

RDS restores straight under the asked name, so that is also the temporary one. Whether it is free only the worker can see.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.contract import names
from dbrestore.contract.checks import tsql_question
from dbrestore.contract.checks.tsql_question import NotOneQuestion
from dbrestore.contract.errors import CheckRefused, NotSupportedYet, RestoreError, RestoreRequestInvalid, TargetVersionTooOld
from dbrestore.contract.manifest import NativeBackupSet, NativeDatabaseBackup, StoredFile
from dbrestore.contract.plan import PlannedDatabase, PlannedNative
from dbrestore.contract.request import RestoreRequest, WorkerRequest
from dbrestore.contract.request_problems import Problems
from dbrestore.contract.sqlserver_errors import (
    BackupTooLarge,
    BackupTooOld,
    BaseBackupMissing,
    CrossRegionReplica,
    EditionLimit,
    RecoveryModelRefused,
    SystemDatabaseRefused,
    TooManyStripes,
)
from dbrestore.points.sqlserver import carried
from dbrestore.points.sqlserver.file import LARGEST
from dbrestore.points.sqlserver.needed_sets import needed
from dbrestore.points.sqlserver.sets import MOST_STRIPES
from lambdas.configuration import sqlserver as sqlserver_configuration
from lambdas.estimate import durations
from lambdas.lookup.source import Asked, asked_databases
from lambdas.lookup.target import POINTER
from lambdas.planning.findings import EnginePart, Findings, check_names, check_storage, gib, listed, look_at_files
from lambdas.planning.sqlserver import target as rds_target
from lambdas.planning.sqlserver import told as backups_told

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef

OF_POSTGRESQL = ("owners", "roles", "extensions", "encoding", "locale", "verify", "on_unrestorable")
OF_POSTGRESQL_S_WORKER = ("streams", "keep_toast_compression")
STOP_AT = "/sqlserver/stopAt"


@dataclass(frozen=True)
class Chosen:
    """One database and the backup sets that are restored, in order."""

    asked: Asked[NativeDatabaseBackup]
    sets: tuple[NativeBackupSet, ...]

    @property
    def files(self) -> list[StoredFile]:
        """All that is restored from."""
        return [file for backup_set in self.sets for file in backup_set.files]

    @property
    def stored_length(self) -> int:
        """Bytes of all that is restored from."""
        return sum(one.stored_length for one in self.sets)

    @property
    def restored_size(self) -> int:
        """Bytes of the largest state on the way."""
        return max(one.restored_size for one in self.sets)


def part(found: Findings, problems: Problems) -> EnginePart:
    """What is planned for each database that can be restored from the point."""
    check_names(found, "sqlserver", problems)
    _refuse_wishes_of_postgresql(found.request, problems)
    _refuse_other_questions(found.request, problems)
    chosen = _chosen(found, problems)
    files = [file for one in chosen for file in look_at_files(found, one.asked.pointer, one.files, problems)]
    role = _check_instance(found, chosen, problems)
    space = sum(one.restored_size for one in chosen)
    fix = "grow its storage first, because storage autoscaling is too slow for a restore"
    notes = [backups_told.told(one.asked.backup.name, one.sets, found.request.sqlserver.stop_at) for one in chosen]
    notes += check_storage(found, space, "the files of the databases", fix, problems)
    notes += _unseen(found.instance, chosen) if found.instance else []
    checking = _checking(found, problems)
    stored = sum(one.stored_length for one in chosen)
    hours = durations.reading_hours(stored, "sqlserver")
    native = _native(found, role, stored, checking) if role and checking else None
    return EnginePart(tuple(map(_planned, chosen)), tuple(notes), tuple(files), hours, native=native)


def _refuse_wishes_of_postgresql(request: RestoreRequest, problems: Problems) -> None:
    given = request.model_dump(include=set(OF_POSTGRESQL), exclude_defaults=True)
    places = [f"/{RestoreRequest.model_fields[name].alias}" for name in given]
    given = request.worker.model_dump(include=set(OF_POSTGRESQL_S_WORKER), exclude_defaults=True)
    places += [f"/worker/{WorkerRequest.model_fields[name].alias}" for name in given]
    for place in places:
        sentence = "is only for PostgreSQL, and SQL Server restores its backups itself: leave it out"
        problems.add(RestoreRequestInvalid, place, sentence)


def _refuse_other_questions(request: RestoreRequest, problems: Problems) -> None:
    """What can be seen without a server; the rest the worker has it parse before RDS is asked."""
    for n, check in enumerate(request.checks):
        try:
            tsql_question.read(check.sql)
        except NotOneQuestion as problem:
            problems.add(CheckRefused, f"/checks/{n}/sql", f"the check {check.name!r} is {problem}: {tsql_question.ADVICE}")


def _chosen(found: Findings, problems: Problems) -> list[Chosen]:
    """The sets of each database, unless its backups can't be restored or don't reach the point in time."""
    manifest, stop_at = found.manifest, found.request.sqlserver.stop_at
    asked = asked_databases(manifest, NativeDatabaseBackup, found.request, problems) if manifest else []
    chosen = []
    for one in asked:
        flaws = list(_flaws(one.backup))
        for kind, sentence in flaws:
            problems.add(kind, one.pointer, sentence)
        if not flaws:
            sets = problems.collect(STOP_AT, lambda backup=one.backup: needed(backup, stop_at))  # type: ignore[misc]
            chosen += [Chosen(one, sets)] if sets else []
    return chosen


def _flaws(backup: NativeDatabaseBackup) -> Iterator[tuple[type[RestoreError], str]]:
    """What `points add` refuses: a point may also be made by other means."""
    name, sets = backup.name, backup.backup_sets
    if backup.source_name.casefold() in rds_target.SYSTEM_DATABASES:
        told = f"{name!r} is a backup of the system database {backup.source_name}, and RDS keeps its own"
        yield SystemDatabaseRefused, f"{told}: restore user databases, and run whatever else a server needs as scripts"
    if old := next((one for one in sets if rds_target.is_too_old(one)), None):
        told = f"{name!r} was backed up by {rds_target.product(old.version)}, and SQL Server 2008 R2 was the last to restore such backups"
        yield BackupTooOld, f"{told}: restore it there, and back it up there"
    if not sets or sets[0].kind != "FULL":
        yield BaseBackupMissing, f"{name!r} doesn't begin with a full backup in this restore point: choose another one"
    for one in sets:
        if len(one.files) > MOST_STRIPES:
            told = f"{name!r} has a backup of {len(one.files)} files, and RDS restores {MOST_STRIPES} at most"
            yield TooManyStripes, f"{told}: back it up to fewer"
        for file in one.files:
            if file.length > LARGEST:
                told = f"{file.key} has {file.length:,} bytes, and RDS restores files up to 5 TB"
                yield BackupTooLarge, f"{told}: back up to several files"


def _check_instance(found: Findings, chosen: list[Chosen], problems: Problems) -> str | None:
    """The option's role; None if it is a problem or the instance is unknown."""
    instance, target = found.instance, found.target
    if instance is None or target is None:
        return None
    name, region = instance["DBInstanceIdentifier"], instance["DBInstanceArn"].split(":")[3]
    if region in names.WITHOUT_ACCOUNT_REGIONAL_NAMES:
        told = f"S3 has no bucket names of an account's own in {region}, so a temporary bucket there could be anybody's"
        problems.add(NotSupportedYet, POINTER, f"{told}: restore into an instance in another Region")
    if replicas := rds_target.foreign_replicas(instance):
        told = f"{name} has read replicas in other Regions ({', '.join(replicas)})"
        fix = "delete them and recreate them afterwards, or restore into another instance"
        problems.add(CrossRegionReplica, POINTER, f"{told}, and RDS restores no native backup while they exist: {fix}")
    for reason in rds_target.unrenamable(instance) if found.request.on_conflict == "replace" else ():
        problems.add(NotSupportedYet, "/onConflict", f"{name} {reason}: use fail, and another name for the database")
    for one in chosen:
        _check_backup(instance, one, problems)
    return problems.collect(POINTER, lambda: rds_target.option_role(target, instance, found.waited))


def _check_backup(instance: "DBInstanceTypeDef", one: Chosen, problems: Problems) -> None:
    name, backup = instance["DBInstanceIdentifier"], one.asked.backup.name
    newer = [backup_set for backup_set in one.sets if rds_target.is_newer(backup_set, instance)]
    if newer:
        told = f"{name} is {rds_target.product(instance['EngineVersion'])}, the backup of {backup!r} is of"
        fix = "SQL Server restores no backup of a newer version: upgrade the instance or restore into a newer one"
        problems.add(TargetVersionTooOld, POINTER, f"{told} {rds_target.product(newer[-1].version)}, and {fix}")
    if instance.get("MultiAZ") and (model := rds_target.refused_model(one.sets)):
        told = f"{backup!r} was in the recovery model {model} when it was backed up, and {name} is Multi-AZ, where RDS restores only FULL"
        fix = f"run ALTER DATABASE [{one.asked.backup.source_name}] SET RECOVERY FULL at the source and make a new full backup"
        problems.add(RecoveryModelRefused, one.asked.pointer, f"{told}: {fix}, or turn Multi-AZ off for the restore")
    if too_large := rds_target.too_large_for_express(one.sets, instance):
        size, limit = too_large
        told = f"{backup!r} has data files of {gib(size)}, and {name} is an Express edition, whose databases end at {limit} GiB"
        problems.add(EditionLimit, one.asked.pointer, f"{told}: restore into another edition")


def _unseen(instance: "DBInstanceTypeDef", chosen: list[Chosen]) -> list[str]:
    """What may still be refused by RDS and no API tells beforehand."""
    if not instance.get("MultiAZ"):
        return []
    notes = []
    if unknown := [one.asked.backup.name for one in chosen if one.sets[0].recovery_model is None]:
        notes.append(
            f"{instance['DBInstanceIdentifier']} is Multi-AZ: RDS restores only backups of databases in the FULL recovery model there, and "
            f"this point doesn't know which one it was of {listed(unknown)}: a point that is added again does"
        )
    if chains := [one.asked.backup.name for one in chosen if len(one.sets) > 1]:
        notes.append(
            f"{', '.join(chains)}: RDS once refused differential and log backups on Multi-AZ instances; its documentation no longer says so"
        )
    return notes


def _planned(one: Chosen) -> PlannedDatabase:
    return PlannedDatabase(
        name=one.asked.backup.name,
        asked_name=one.asked.request.asked_name,
        temporary_name=one.asked.request.asked_name,
        bytes=one.restored_size,
        log_bytes=rds_target.log_size(one.sets),
        page_bytes=rds_target.page_size(one.sets),
        stored_bytes=one.stored_length,
        checked=backups_told.checked(one.sets),
        backup_sets=carried.runs(one.asked.backup, one.sets),
        rows=0,
        tables=0,
    )


def _checking(found: Findings, problems: Problems) -> tuple[bool, str] | None:
    """Whether DBCC CHECKDB runs, and who decided that; None if the configuration can't be read."""
    asked = found.request.sqlserver.check_database
    if asked is not None:
        return asked, "the request"
    path = found.surroundings.settings.sqlserver_configuration
    policy = problems.collect("/sqlserver/checkDatabase", lambda: sqlserver_configuration.deployed(path))
    return (policy.checks(found.request.mode), f"the configuration ({policy.check_database})") if policy else None


def _native(found: Findings, role: str, stored: int, checking: tuple[bool, str]) -> PlannedNative:
    wishes = found.request.sqlserver
    return PlannedNative(
        option_role_arn=role,
        staged_bytes=stored,
        stop_at=wishes.stop_at,
        fix_users=wishes.fix_users,
        check_database=checking[0],
        check_decided_by=checking[1],
    )
