"""PostgreSQL in what the command prints: the dumps of a restore point, and what a plan says of databases that come out of them."""

from collections.abc import Iterator
from typing import Final

from rich.table import Table

from dbrestore.cli.views import choices as choices_view
from dbrestore.cli.views.creation import Creation
from dbrestore.cli.views.tables import table as plain_table
from dbrestore.cli.views.units import number, size
from dbrestore.contract.manifest import DatabaseBackup, Manifest
from dbrestore.contract.plan import Plan, PlannedWorker
from dbrestore.contract.things import DATABASE, HOLDER_ROLE, LOGIN_ROLE
from dbrestore.points.pgdump import dump_contents

MAKING_STATE: Final = "ReplayDumps"


def summaries(manifest: Manifest) -> list[dict[str, object]]:
    """Each database in a few JSON-ready words."""
    return [{"name": database.name, "rows": database.rows, "bytes": database.uncompressed_length} for database in manifest.databases]


def names(manifest: Manifest) -> list[str]:
    """Of the databases, for one line."""
    return [database.name for database in manifest.databases]


def rows(manifest: Manifest) -> str:
    """Of all databases together."""
    return number(sum(database.rows for database in manifest.databases))


def notes(manifest: Manifest) -> Iterator[str]:
    """What the dumps lack and need."""
    for database in manifest.databases:
        yield from (f"{database.name}: {note}" for note in (*dump_contents.notes(database), *_needs(database)))


def _needs(database: DatabaseBackup) -> Iterator[str]:
    """What isn't in the dump because it isn't the database's own. The plan says more of both: it knows the target."""
    if database.roles:
        plural = "s" if len(database.roles) > 1 else ""
        yield f"it names the role{plural} {_some(database.roles)}, and a dump of a database doesn't create roles"
    if database.extensions:
        yield f"it needs the extensions {_some(tuple(extension.name for extension in database.extensions))}"


def _some(names: tuple[str, ...], most: int = 20) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {number(more)} more" if more > 0 else "")


def table(manifest: Manifest) -> Table:
    """One row per database."""
    made = Table(
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
        made.add_row(
            database.name,
            f"{database.format} {database.compression}",
            f"{database.dumped_at:%Y-%m-%d %H:%M:%S}",
            database.encoding,
            _locale(database),
            number(len(database.tables)),
            number(database.rows),
            size(database.uncompressed_length),
            size(sum(file.length for file in database.files)),
        )
    return made


def _locale(database: DatabaseBackup) -> str:
    provider = "" if database.locale_provider == "libc" else f" ({database.locale_provider} {database.provider_locale})"
    return "/".join(dict.fromkeys((database.collate, database.ctype))) + provider


def planned(plan: Plan) -> Table:
    """One row per database, with the name under which it is built."""
    shown = plain_table("database", "restored as", "is built as", "tables", "rows", "size")
    for database in plan.databases:
        shown.add_row(
            database.name,
            database.asked_name,
            database.temporary_name,
            number(database.tables),
            number(database.rows),
            size(database.bytes),
        )
    return shown


def of_worker(worker: PlannedWorker) -> Iterator[str]:
    """What a plan says of the worker besides."""
    yield f"{worker.streams} streams"


def headlines(plan: Plan) -> Iterator[tuple[str, str]]:
    """What was chosen: a label and a sentence each."""
    if plan.postgres:
        yield from choices_view.told(plan.postgres)


def creations(plan: Plan) -> Iterator[Creation]:
    """What would be made in the database server."""
    for database in plan.databases:
        what = f"stays as {database.asked_name} if it is verified"
        yield Creation(DATABASE, database.temporary_name, what, stays=True)
        fills = f"fills {database.temporary_name} and is removed once it is verified"
        yield Creation(LOGIN_ROLE, database.login_role, fills)
        holds = f"no login, no rights; stays with {database.asked_name} if it owns something there"
        yield Creation(HOLDER_ROLE, database.holder_role, holds)
