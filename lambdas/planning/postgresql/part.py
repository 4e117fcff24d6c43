"""PostgreSQL's part of the plan: names, dumps, version, space, and what each database is called while it is built."""

from dbrestore.contract import limits, names
from dbrestore.contract.allowed import versions
from dbrestore.contract.errors import RestoreRequestInvalid, TargetVersionTooOld
from dbrestore.contract.manifest import DatabaseBackup
from dbrestore.contract.plan import PlannedDatabase
from dbrestore.contract.request import SqlServerRequest
from dbrestore.contract.request_problems import Problems
from dbrestore.points.pgdump import dump_contents
from lambdas.estimate import durations
from lambdas.lookup.source import Asked, asked_databases
from lambdas.lookup.target import POINTER
from lambdas.planning.findings import EnginePart, Findings, check_names, check_storage, look_at_files
from lambdas.planning.postgresql import choices


def part(found: Findings, problems: Problems) -> EnginePart:
    """What is planned for each database that the restore point holds."""
    check_names(found, "postgres", problems)
    _refuse_wishes_of_sql_server(found.request.sqlserver, problems)
    manifest = found.manifest
    asked = asked_databases(manifest, DatabaseBackup, found.request, problems) if manifest else []
    files = [file for one in asked for file in look_at_files(found, one.pointer, one.backup.files, problems)]
    _check_version(found, asked, problems)
    chosen = choices.options(found, asked, problems)
    notes = [f"{one.backup.name}: {note}" for one in asked for note in dump_contents.notes(one.backup)]
    notes += choices.notes(found, asked, chosen)
    needed = int(sum(one.backup.uncompressed_length for one in asked) * limits.STORAGE_FACTOR)
    notes += check_storage(found, needed, "the data and its indexes", "grow its storage", problems)
    databases = tuple(_planned(found.restore_id, one) for one in asked)
    hours = durations.reading_hours(sum(database.bytes for database in databases), "postgres")
    elsewhere = frozenset(file.elsewhere.bucket for file in files if file.elsewhere)
    return EnginePart(databases, tuple(notes), tuple(files), hours, postgres=chosen, read_by_worker=elsewhere)


def _refuse_wishes_of_sql_server(wishes: SqlServerRequest, problems: Problems) -> None:
    for name in (name for name, wish in wishes if wish):
        key = SqlServerRequest.model_fields[name].alias
        sentence = "is only for SQL Server, and this restore is of PostgreSQL: leave it out"
        problems.add(RestoreRequestInvalid, f"/sqlserver/{key}", sentence)


def _check_version(found: Findings, asked: list[Asked[DatabaseBackup]], problems: Problems) -> None:
    if found.instance is None:
        return
    name, runs = found.instance["DBInstanceIdentifier"], found.instance["EngineVersion"]
    if versions.is_too_old("postgres", runs):
        return  # Told already, whatever was dumped.
    for one in asked:
        if _major(one.backup.server_version) > _major(runs):
            sentence = f"the database {one.backup.name!r} was dumped from {one.backup.server_version}"
            fix = "upgrade the instance or restore into a newer one"
            problems.add(TargetVersionTooOld, POINTER, f"{name} runs PostgreSQL {runs}, {sentence}: {fix}")


def _major(version: str) -> tuple[int, ...]:
    """`(16,)` of `16.4 (Debian 16.4-1)`; before 10 two numbers made the major version."""
    numbers = [int(part) for part in version.split(" ")[0].split(".") if part.isdecimal()]
    return tuple(numbers[:1]) if numbers and numbers[0] >= 10 else tuple(numbers[:2])


def _planned(restore_id: str, asked: Asked[DatabaseBackup]) -> PlannedDatabase:
    temporary = names.temporary_database(restore_id, asked.number)
    return PlannedDatabase(
        name=asked.backup.name,
        asked_name=asked.request.asked_name,
        temporary_name=temporary,
        login_role=f"{temporary}_owner",
        holder_role=f"{temporary}_holder",
        bytes=asked.backup.uncompressed_length,
        stored_bytes=sum(file.length for file in asked.backup.files),
        rows=asked.backup.rows,
        tables=len(asked.backup.tables),
    )
