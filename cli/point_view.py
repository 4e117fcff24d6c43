"""What a restore point holds, as the command prints it."""

from rich.table import Table

from cli.units import number, size
from repository import dump_contents
from repository.manifest import Manifest, NativeBackupSet, NativeDatabaseBackup


def summary(manifest: Manifest) -> dict[str, object]:
    """The point in a few JSON-ready words."""
    dumped = [
        {"name": database.name, "rows": database.rows, "bytes": database.uncompressed_length}
        for database in manifest.databases
    ]
    native = [
        {
            "name": database.name,
            "backups": [backup_set.kind for backup_set in database.backup_sets],
            "bytes": database.restored_size,
        }
        for database in manifest.native_databases
    ]
    return {
        "pointId": manifest.point_id, "instance": manifest.instance, "databases": [*dumped, *native], "notes": notes(manifest),
    }  # fmt: skip


def notes(manifest: Manifest) -> list[str]:
    """What the dumps of a point lack, each sentence with its database's name."""
    return [f"{database.name}: {note}" for database in manifest.databases for note in dump_contents.notes(database)]


def contents(manifest: Manifest) -> tuple[str, str]:
    """The databases of a point and their rows, for one line of a listing. A native backup doesn't say how many rows it holds."""
    names = [database.name for database in manifest.databases]
    names += [database.name for database in manifest.native_databases]
    rows = number(sum(database.rows for database in manifest.databases)) if manifest.databases else "-"
    return ", ".join(names), rows


def databases(manifest: Manifest) -> Table:
    """One row per database, for SQL Server one per backup."""
    return _native(manifest) if manifest.engine == "sqlserver" else _dumped(manifest)


def _dumped(manifest: Manifest) -> Table:
    table = Table("database", "format", "dumped", "tables", "rows", "size", "stored", box=None, padding=(0, 2, 0, 0))
    for database in manifest.databases:
        table.add_row(
            database.name, f"{database.format} {database.compression}", f"{database.dumped_at:%Y-%m-%d %H:%M:%S}",
            number(len(database.tables)), number(database.rows), size(database.uncompressed_length),
            size(sum(file.length for file in database.files)),
        )  # fmt: skip
    return table


def _native(manifest: Manifest) -> Table:
    table = Table(
        "database", "backup", "begun", "server", "version", "level", "files", "checksums", "size", "stored",
        box=None, padding=(0, 2, 0, 0),
    )  # fmt: skip
    for database in manifest.native_databases:
        for backup_set in database.backup_sets:
            table.add_row(*_native_row(database, backup_set))
    return table


def _native_row(database: NativeDatabaseBackup, backup_set: NativeBackupSet) -> tuple[str, ...]:
    return (
        database.name, backup_set.kind.lower(), f"{backup_set.begun_at:%Y-%m-%d %H:%M:%S}", backup_set.server, backup_set.version,
        str(backup_set.compatibility_level), str(len(backup_set.files)), "yes" if backup_set.checksums else "no",
        size(backup_set.restored_size), size(backup_set.stored_length),
    )  # fmt: skip
