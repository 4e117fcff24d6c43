"""What of a database is done, written down in the database itself: whoever carries on after a lost connection or a dead worker reads it.

A line is written in the transaction of what it tells of, so it is there exactly if that is. The journal is the master user's, in a schema
whose name comes from the restore id, which no dump can know. It is made when the database is prepared and still holds nothing of the
dump, and dropped before the database is checked.

Invariants: the temporary login, and so code of the dump, may add lines and do nothing else with it. A line that is false makes a database
that lacks something, as code of the dump could make it anyway; verification finds what is missing.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Literal

import psycopg
from psycopg import sql

from dbrestore.contract.job import FixUp, Job
from dbrestore.contract.manifest import DatabaseBackup
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.session import Connection

# entry: of the dump, its definition or its rows, by dump id. added: a foreign key that is there and may be unproven, by dump id. objects: a
# member of large objects, by its number. share: rows of a table, by the dump id of its data, that a helping session committed; they count
# only with the table's own line. root: rows went through the root of their partition, by the dump id of the data.
Kind = Literal["entry", "added", "objects", "share", "root"]

# Raised with the meaning of a line.
_FORMAT: Final = 2
_TABLE: Final = "done"
_MADE: Final = (
    """CREATE TABLE {table} (kind text NOT NULL CHECK (kind IN ('entry', 'added', 'objects', 'share', 'root')), number integer NOT NULL)"""
)
# The schema's comment is its owner's alone to write.
_FOUND: Final = """SELECT obj_description(n.oid, 'pg_namespace') FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid
    WHERE n.nspname = %s AND c.relname = %s AND c.relkind = 'r' AND n.nspowner = c.relowner
        AND c.relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)"""


@dataclass(frozen=True)
class Journal:
    """`done`: by kind, the numbers of what was done when it was read. `notes`: what preparing the database told. `is_new`: it is yet to be
    made. `kind`: what lines about entries tell of them."""

    schema: str
    is_new: bool = True
    done: dict[str, set[int]] = field(default_factory=dict)
    notes: list[FixUp] = field(default_factory=list)
    kind: Kind = "entry"

    def has(self, number: int, kind: Kind = "entry") -> bool:
        """Whether it was done when the journal was read."""
        return number in self.done.get(kind, ())

    @property
    def lines(self) -> int:
        """How many different ones there were."""
        return sum(map(len, self.done.values()))

    def numbers(self, kind: Kind) -> list[int]:
        """Of all lines of this kind, in order."""
        return sorted(self.done.get(kind, ()))

    def without(self, entries: Iterable[TocEntry]) -> list[TocEntry]:
        """Those that are yet to be done."""
        return [entry for entry in entries if not self.has(entry.dump_id, self.kind)]

    def half_loaded(self) -> list[int]:
        """Data of tables of which some sessions committed rows and the one that led them didn't."""
        return [number for number in self.numbers("share") if not self.has(number)]

    def of(self, entries: Iterable[TocEntry]) -> bytes:
        """The statement that writes down these entries."""
        return self.line(*((self.kind, entry.dump_id) for entry in entries))

    def line(self, *lines: tuple[Kind, int]) -> bytes:
        """The statement that writes down these."""
        values = sql.SQL(", ").join(sql.SQL("({}, {})").format(sql.Literal(kind), sql.Literal(number)) for kind, number in lines)
        return sql.SQL("INSERT INTO {} (kind, number) VALUES {}").format(_table(self.schema), values).as_string().encode()


def schema_of(temporary_name: str) -> str:
    """In which schema of a temporary database its journal is. It is no role's name: where a session that code of the dump is in has the
    usual search path, its unqualified names would mean the schema of the login's name."""
    return f"{temporary_name}-journal"


def stamp(job: Job, backup: DatabaseBackup, refused: Iterable[str]) -> str:
    """What must be the same for a replay to carry on: the restore, the dump with the digests of its members, and what is asked for."""
    told = [_FORMAT, job.restore_id, job.keep_toast_compression, *sorted(refused)]
    found = sha256("\n".join([backup.model_copy(update={"tables": ()}).to_json(), job.postgres.to_json(), *map(str, told)]).encode())
    # One by one: the document of 20,000 tables would be held three times for this.
    for member in backup.tables:
        found.update(f"\n{member.dump_id} {member.stored.sha256} {member.uncompressed_length} {member.rows}".encode())
    return found.hexdigest()


def make(master: Connection, journal: Journal, login: str, stamp_: str, notes: list[FixUp]) -> None:
    """In the temporary database; `login` may write it. The last of what prepares the database."""
    comment = json.dumps({"stamp": stamp_, "notes": [note.model_dump(mode="json") for note in notes]})
    names = {"schema": sql.Identifier(journal.schema), "table": _table(journal.schema), "login": sql.Identifier(login)}
    with master.transaction():
        for statement in (
            sql.SQL("CREATE SCHEMA {schema}").format(**names),
            sql.SQL(_MADE).format(**names),
            sql.SQL("GRANT USAGE ON SCHEMA {schema} TO {login}").format(**names),
            sql.SQL("GRANT INSERT ON {table} TO {login}").format(**names),
            sql.SQL("COMMENT ON SCHEMA {schema} IS {comment}").format(comment=sql.Literal(comment), **names),
        ):
            master.execute(statement)


def read(master: Connection, schema: str, stamp_: str, most: int) -> Journal | None:
    """The journal of this schema in the temporary database, where nobody else may be at work. None if there is none, if it is of another
    replay, or if what it tells can't be carried on from: more than so many different lines, or a table that is half loaded while rows of
    others may have been led into it."""
    row = master.execute(_FOUND, [schema, _TABLE]).fetchone()
    told = json.loads(row[0]) if row and row[0] else {}
    if told.get("stamp") != stamp_:
        return None
    found = Journal(schema, False, notes=[FixUp.model_validate(n) for n in told["notes"]])
    query = sql.SQL("SELECT DISTINCT kind, number FROM {} LIMIT {}").format(_table(schema), sql.Literal(most + 1))
    with master.cursor() as cursor:
        for kind, number in cursor.stream(query, size=limits.ROWS_TOGETHER):
            found.done.setdefault(kind, set()).add(number)
    return None if found.lines > most or (found.half_loaded() and found.numbers("root")) else found


def drop(master: Connection, schema: str) -> None:
    """In the temporary database; idempotent. What of the dump hangs on it goes too, and is missed by the checks."""
    master.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


def most_lines(backup: DatabaseBackup, entries: int) -> int:
    """That a journal of this dump can have."""
    return 4 * entries + len(backup.large_objects) + limits.OBJECTS_PER_TRANSACTION


@contextlib.contextmanager
def begun(connection: Connection, first: bytes = b"") -> Iterator[None]:
    """A transaction whose beginning and `first` statements take one round trip; psycopg.Rollback ends it silently. Without any it may be
    within another."""
    if not first:
        with connection.transaction():
            yield
        return
    try:
        connection.execute(b"BEGIN; " + first)
        yield
        connection.execute(b"COMMIT")
    except BaseException as error:
        with contextlib.suppress(psycopg.Error):
            connection.execute(b"ROLLBACK")
        if not isinstance(error, psycopg.Rollback):
            raise


def _table(schema: str) -> sql.Identifier:
    return sql.Identifier(schema, _TABLE)
