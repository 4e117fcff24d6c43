"""A verified database gets its owner and the name that was asked for; the temporary login goes.

Invariant: owner, privileges and name change in one transaction, so the asked name never stands for anything half done. From then until the
worker has kept its result, the database carries a comment by which a second run knows it.
"""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from repository.errors import DatabaseExists
from repository.manifest import DatabaseBackup
from worker import grants, membership, temporary_database, termination
from worker.archive import Archive
from worker.job import DatabaseJob, FixUp
from worker.membership import RoleState
from worker.ownership import resolve
from worker.session import Connection
from worker.sql_tokens import Cursor, NotUnderstood, tokens


@dataclass(frozen=True)
class Promotion:
    """One database and the roles that its dump names."""

    restore_id: str
    database: DatabaseJob
    backup: DatabaseBackup
    archive: Archive
    roles: dict[str, RoleState]
    master_user: str

    @property
    def mark(self) -> str:
        """The comment of a database that is renamed and not yet finished."""
        return f"dbrestore {self.restore_id}: {self.database.temporary_name} was verified and renamed"


def promote(master: Connection, inside: Connection, promotion: Promotion) -> list[FixUp]:
    """Rename the database. `inside` is a session of the master user in it, closed here, because a database in use can't be renamed.

    Raises DatabaseExists if the asked name was taken in the meantime."""
    _release(inside, promotion)
    termination.end_sessions_in(master, promotion.database.temporary_name)
    try:
        return _rename(master, promotion)
    except psycopg.errors.DuplicateDatabase as error:
        raise DatabaseExists(
            f"the target has got a database {promotion.database.asked_name!r} since the restore began; restore under another name"
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
    with master.transaction(), membership.acting_for(master, [_owner(promotion)]):
        master.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(_comment(promotion.archive))))
        temporary_database.drop_login(master, promotion.database.login_role)


def database_notes(promotion: Promotion) -> list[FixUp]:
    """What of the database itself is not restored: settings are listed, an unknown owner replaced."""
    notes = [
        FixUp(entry=e.label, what=f"not executed; run it yourself if it is wanted: {' '.join(e.definition.split())}")
        for e in promotion.archive.toc.entries if e.description == "DATABASE PROPERTIES"
    ]  # fmt: skip
    if promotion.backup.owner and _owner(promotion) != promotion.backup.owner:
        what = f"the owner {promotion.backup.owner!r} can't be used in the target: {promotion.master_user!r} owns it"
        notes.append(FixUp(entry=f"DATABASE {promotion.backup.name}", what=what))
    return notes


def _release(inside: Connection, promotion: Promotion) -> None:
    """Whatever still belongs to the temporary login in the database (its parts that no entry names) goes to the master user."""
    with inside:
        role = sql.Identifier(promotion.database.login_role)
        inside.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(role))
        inside.execute(sql.SQL("DROP OWNED BY {}").format(role))


def _rename(master: Connection, promotion: Promotion) -> list[FixUp]:
    temporary, asked = promotion.database.temporary_name, promotion.database.asked_name
    owner, names = _owner(promotion), {"old": sql.Identifier(temporary), "new": sql.Identifier(asked)}
    with master.transaction(), membership.acting_for(master, [owner]):
        master.execute(sql.SQL("ALTER DATABASE {old} OWNER TO {}").format(sql.Identifier(owner), **names))
        master.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {old} TO PUBLIC").format(**names))
        notes = [
            note for entry in promotion.archive.toc.entries if grants.of_database(entry)
            for note in grants.execute_entry(master, entry, promotion.roles, temporary)
        ]  # fmt: skip
        master.execute(sql.SQL("ALTER DATABASE {old} RENAME TO {new}").format(**names))
        master.execute(sql.SQL("COMMENT ON DATABASE {new} IS {}").format(sql.Literal(promotion.mark), **names))
    return notes


def _owner(promotion: Promotion) -> str:
    return resolve(promotion.backup.owner, promotion.roles, promotion.master_user)


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
