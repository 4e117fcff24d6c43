"""What a restore point holds, as the command prints it."""

from collections.abc import Iterator

from rich.table import Table

from dbrestore.cli import consoles
from dbrestore.cli.views import sqlserver as native_view
from dbrestore.cli.views.units import number, size
from dbrestore.contract.manifest import DatabaseBackup, Manifest
from dbrestore.points.pgdump import dump_contents


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
    """What the dumps of a point lack and need, or how its native backups follow each other; each sentence with its database's name."""
    if manifest.engine == "sqlserver":
        return list(native_view.notes(manifest))
    return [
        f"{database.name}: {note}"
        for database in manifest.databases
        for note in (*dump_contents.notes(database), *_needs(database))
    ]


def _needs(database: DatabaseBackup) -> Iterator[str]:
    """What isn't in the dump because it isn't the database's own. The plan says more of both: it knows the target."""
    if database.roles:
        yield f"it names the roles {_some(database.roles)}, and no dump of a database creates roles"
    if database.extensions:
        yield f"it needs the extensions {_some(tuple(extension.name for extension in database.extensions))}"


def _some(names: tuple[str, ...], most: int = 20) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {number(more)} more" if more > 0 else "")


def contents(manifest: Manifest) -> tuple[str, str]:
    """The databases of a point and their rows, for one line of a listing. A native backup doesn't say how many rows it holds."""
    names = [database.name for database in manifest.databases]
    names += [consoles.one_line(database.name) for database in manifest.native_databases]
    rows = number(sum(database.rows for database in manifest.databases)) if manifest.databases else "-"
    return ", ".join(names), rows


def databases(manifest: Manifest) -> Table:
    """One row per database, for SQL Server one per backup."""
    return native_view.table(manifest) if manifest.engine == "sqlserver" else _dumped(manifest)


def _dumped(manifest: Manifest) -> Table:
    table = Table(
        "database",
        "format",
        "dumped",
        "encoding",
        "locale",
        "tables",
        "rows",
        "size",
        "stored",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for database in manifest.databases:
        table.add_row(
            database.name, f"{database.format} {database.compression}", f"{database.dumped_at:%Y-%m-%d %H:%M:%S}",
            database.encoding, _locale(database), number(len(database.tables)), number(database.rows), size(database.uncompressed_length),
            size(sum(file.length for file in database.files)),
        )  # fmt: skip
    return table


def _locale(database: DatabaseBackup) -> str:
    provider = "" if database.locale_provider == "libc" else f" ({database.locale_provider} {database.provider_locale})"
    return "/".join(dict.fromkeys((database.collate, database.ctype))) + provider
