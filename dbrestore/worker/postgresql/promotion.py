"""A verified database gets its owner and the name that was asked for; the temporary login goes.

Invariant: settings, owner, privileges and name change in one transaction, so the asked name never stands for anything half done. From then
until the worker has kept its result, the database carries a comment by which a second run knows it.
"""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from dbrestore.contract.errors import DatabaseExists
from dbrestore.contract.job import DatabaseJob, FixUp
from dbrestore.contract.manifest import DatabaseBackup
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.postgresql import temporary_database, termination
from dbrestore.worker.postgresql.archive import Archive
from dbrestore.worker.postgresql.checks import privileges as privilege_checks
from dbrestore.worker.postgresql.checks.privileges import Expected
from dbrestore.worker.postgresql.rights import acl_sources, grants, membership, powerless_roles
from dbrestore.worker.postgresql.rights.owners import Owners
from dbrestore.worker.postgresql.rights.privileges import Surroundings
from dbrestore.worker.postgresql.session import Connection
from dbrestore.worker.postgresql.sql_tokens import Cursor, NotUnderstood, tokens


@dataclass(frozen=True)
class Promotion:
    """One database and who may own what of it."""

    restore_id: str
    database: DatabaseJob
    backup: DatabaseBackup
    archive: Archive
    owners: Owners

    @property
    def mark(self) -> str:
        """The comment of a database that is renamed and not yet finished."""
        return f"dbrestore {self.restore_id}: {self.database.temporary_name} was verified and renamed"


def promote(master: Connection, promotion: Promotion) -> list[FixUp]:
    """Rename the database, in which no session of ours may be left: one that is in use can't be renamed.

    Raises DatabaseExists if the asked name was taken in the meantime."""
    termination.end_sessions_in(master, promotion.database.temporary_name)
    try:
        return _rename(master, promotion)
    except psycopg.errors.DuplicateDatabase as error:
        raise DatabaseExists(
            f"since the restore began, the target has got a database {promotion.database.asked_name!r}; restore under another name"
        ) from error


def is_marked(master: Connection, promotion: Promotion) -> bool:
    """Whether the asked name stands for the database of this restore, renamed by a run that died before it was done."""
    row = master.execute(
        "SELECT shobj_description(oid, 'pg_database') = %s FROM pg_database WHERE datname = %s",
        [promotion.mark, promotion.database.asked_name],
    ).fetchone()
    return row is not None and bool(row[0])


def finish(master: Connection, promotion: Promotion) -> None:
    """Replace the mark by the dump's own comment and drop the login, together."""
    name = sql.Identifier(promotion.database.asked_name)
    with master.transaction(), membership.acting_for(master, [promotion.owners.database_owner]):
        master.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(_comment(promotion.archive))))
        temporary_database.drop_login(master, promotion.database.login_role)
    powerless_roles.drop_unused(master, promotion.database)


def database_notes(promotion: Promotion) -> list[FixUp]:
    """What of the database itself is not restored: settings are listed, an unknown owner replaced."""
    notes = [
        FixUp(entry=e.label, what=f"not executed; run it yourself if it is wanted: {' '.join(e.definition.split())}")
        for e in promotion.archive.toc.entries
        if e.description == "DATABASE PROPERTIES"
    ]
    owner = promotion.owners.database_owner
    if promotion.backup.owner not in ("", owner):
        what = f"{owner!r} owns the database itself instead of {promotion.backup.owner!r}"
        notes.append(FixUp(entry=f"DATABASE {promotion.backup.name}", what=what))
    return notes


def _rename(master: Connection, promotion: Promotion) -> list[FixUp]:
    temporary, asked = promotion.database.temporary_name, promotion.database.asked_name
    owner, names = promotion.owners.database_owner, {"old": sql.Identifier(temporary), "new": sql.Identifier(asked)}
    with master.transaction(), membership.acting_for(master, [owner]):
        _reset(master, names["old"])
        master.execute(sql.SQL("ALTER DATABASE {old} OWNER TO {}").format(sql.Identifier(owner), **names))
        notes = _grant(master, promotion, owner)
        master.execute(sql.SQL("ALTER DATABASE {old} RENAME TO {new}").format(**names))
        master.execute(sql.SQL("COMMENT ON DATABASE {new} IS {}").format(sql.Literal(promotion.mark), **names))
    return notes


def _grant(master: Connection, promotion: Promotion, owner: str) -> list[FixUp]:
    """The privileges on the database itself. Returns what was not executed, and what was and isn't there."""
    expected = Expected(acl_sources.all_privileges(master))
    notes = [
        note
        for entry in promotion.archive.toc.entries
        if grants.of_database(entry)
        for note in grants.execute_entry(master, entry, promotion.owners, _about(promotion.database.temporary_name, entry, owner), expected)
    ]
    return notes + privilege_checks.lost(master, expected)


def _reset(master: Connection, database: sql.Identifier) -> None:
    """The database as a new one is. Code of the dump may still run when autovacuum comes, but as nobody who can change this."""
    for change in ("RESET ALL", "IS_TEMPLATE false", "CONNECTION LIMIT -1"):
        master.execute(sql.SQL("ALTER DATABASE {} {}").format(database, sql.SQL(change)))
    master.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO PUBLIC").format(database))


def _about(temporary: str, entry: TocEntry, owner: str) -> Surroundings:
    return Surroundings(temporary, stand_ins={entry.owner: owner})


def _comment(archive: Archive) -> str | None:
    for entry in archive.toc.entries:
        if entry.description == "COMMENT" and entry.tag.startswith("DATABASE "):
            try:
                cursor = Cursor(tokens(entry.definition))
                for word in ("comment", "on", "database"):
                    cursor.word(word)
                cursor.name()
                cursor.word("is")
                return cursor.text()
            except NotUnderstood:
                return None
    return None
