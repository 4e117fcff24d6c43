"""What can be known before the first statement of a dump is executed: what is never restored, refused extensions, schemas that it lacks.

Invariant: a table is never lost by a rule of ours unless the request allows what is unrestorable to be skipped.
"""

from psycopg import sql

from dbrestore.contract.errors import ReplayFailed
from dbrestore.contract.job import FixUp
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.postgresql import archive as archives
from dbrestore.worker.postgresql.archive import Archive, Division
from dbrestore.worker.postgresql.left_out import Omissions
from dbrestore.worker.postgresql.session import Connection
from dbrestore.worker.postgresql.statements import WAY_OUT


def leave_out(archive: Archive, omissions: Omissions, refused: dict[str, str], *, skips: bool) -> Division:
    """Divide the dump. `refused` maps extensions that are left out to the reason.

    Raises ReplayFailed for a table that hangs on something that is never restored, unless such things are skipped."""
    division = archives.divide(archive.toc)
    for entry in division.extensions:
        if entry.tag in refused:
            omissions.add(entry, refused[entry.tag])
    for entry in archive.toc.entries:
        if entry.description == "TABLE" and entry.dump_id in division.left_out:
            why = division.left_out[entry.dump_id]
            if not skips:
                raise ReplayFailed(f"{entry.label}: {why}; {WAY_OUT}")
            omissions.add(entry, why)
    return division


def fix_ups(archive: Archive, division: Division, omissions: Omissions) -> list[FixUp]:
    """One line per entry that is never restored, unless another step tells of it, and per tablespace that isn't used."""
    by_rule = {
        i: why
        for i, why in division.left_out.items()
        if not (omissions.includes(archive.by_dump_id[i]) or archives.is_public(archive.by_dump_id[i]))
    }
    return archives.fix_ups(archive.toc, by_rule)


def make_missing_schemas(master: Connection, owner: Connection, pre_data: tuple[TocEntry, ...]) -> list[FixUp]:
    """A dump of chosen tables doesn't define their schemas: they are made, empty, by the temporary login (`owner`)."""
    present = {row[0] for row in master.execute("SELECT nspname FROM pg_namespace")}
    defined = {e.tag for e in pre_data if e.description == "SCHEMA"}
    missing = sorted({e.schema_name for e in pre_data if e.schema_name} - present - defined)
    for name in missing:
        owner.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    what = "the dump doesn't define it (it holds chosen tables only): created without its owner, its privileges and its comment"
    return [FixUp(entry=f"SCHEMA {name}", what=what) for name in missing]
