"""Rows of extensions' configuration tables (PostGIS's spatial_ref_sys): the dump has rows for a table that the extension makes.

Invariants: they are loaded by the master user while the database holds nothing of the dump, into tables without triggers, rules or row
security, so no code of the dump can run; rows that are instructions to somebody with more rights are never loaded.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg import sql

from dbrestore.contract.errors import ReplayFailed
from dbrestore.contract.job import FixUp
from dbrestore.contract.manifest import TableMember
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.base.secrets import Login
from dbrestore.worker.postgresql.archive import Archive
from dbrestore.worker.postgresql.left_out import Omissions
from dbrestore.worker.postgresql.rows import copy_target, loading, sequence_value
from dbrestore.worker.postgresql.rows.loading import Members
from dbrestore.worker.postgresql.session import Connection, explained, is_refusal

# pg_cron runs the commands in its table, pg_partman's maintenance the functions that its table names, orafce opens the folders in its own,
# the geocoder writes shell scripts from what stands in its own, and pg_hint_plan's hints set parameters while anybody's query is planned.
INSTRUCTIONS = frozenset({"pg_cron", "pg_partman", "orafce", "pg_hint_plan", "postgis_tiger_geocoder"})
_WHY_LEFT_OUT = "its table is an extension's"
_BY_HAND = "load them by hand if they are wanted (pg_restore --data-only --table)"
_PLAIN_TABLE = """SELECT e.extname FROM pg_class AS c
    JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    JOIN pg_extension AS e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
    WHERE c.oid = to_regclass(%s) AND c.oid = ANY (e.extconfig) AND c.relkind = 'r' AND NOT (c.relhastriggers AND EXISTS (
        SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)) AND NOT c.relhasrules AND NOT c.relrowsecurity"""


@dataclass(frozen=True)
class ExtensionRows:
    """One TABLE DATA entry without a table of its own in the dump."""

    entry: TocEntry
    member: TableMember


def is_of_extension(entry: TocEntry, archive: Archive) -> bool:
    """Whether the table (or sequence) of this TABLE DATA (or SEQUENCE SET) entry is not defined by the dump but made by an extension."""
    return archive.toc.relation_of(entry) is None


def leave_out(archive: Archive, omissions: Omissions) -> None:
    """They were loaded or listed by an earlier attempt: later steps have nothing to do with them."""
    for entry in _entries(archive):
        omissions.add(entry, _WHY_LEFT_OUT, harmless=True)


def load(master: Connection, archive: Archive, omissions: Omissions, members: Members, login: Login) -> list[FixUp]:
    """Load what may be loaded, and let the login read it. The rest is left out and listed."""
    notes: list[FixUp] = []
    of_members = {member.dump_id: member for member in members.backup.tables}
    for entry in _entries(archive):
        if omissions.includes(entry):
            continue
        if entry.description == "SEQUENCE SET":
            notes += _set_sequence(master, entry, omissions)
        elif entry.dump_id in of_members:
            notes += _load_one(master, ExtensionRows(entry, of_members[entry.dump_id]), members, login)
            # Loaded or listed here, once and for all: later steps have nothing to do with it.
        omissions.add(entry, _WHY_LEFT_OUT, harmless=True)
    return notes


def _entries(archive: Archive) -> Iterator[TocEntry]:
    for entry in archive.toc.entries:
        if entry.description in ("TABLE DATA", "SEQUENCE SET") and is_of_extension(entry, archive):
            yield entry


def _load_one(master: Connection, rows: ExtensionRows, members: Members, login: Login) -> list[FixUp]:
    table = copy_target.of(rows.entry).table
    found = master.execute(_PLAIN_TABLE, [sql.Identifier(*table).as_string()]).fetchone()
    if found is None:
        return [_listed(rows, "the extension's table is missing, or has triggers, rules or row security")]
    if found[0] in INSTRUCTIONS:
        return [_listed(rows, f"to {found[0]} they are instructions, which a copy must not carry out on its own")]
    try:
        taken = _insert(master, rows, members)
        _let_read(master, table, login)
    except (psycopg.Error, ReplayFailed) as error:
        cause = error if isinstance(error, psycopg.Error) else error.__cause__
        if not isinstance(cause, psycopg.Error) or not is_refusal(cause):
            raise
        return [_listed(rows, explained(cause))]
    if taken == rows.member.rows:
        return []
    return [FixUp(entry=rows.entry.label, what=f"{rows.member.rows - taken} of {rows.member.rows} rows were already there")]


def _insert(master: Connection, rows: ExtensionRows, members: Members) -> int:
    """Through a table of our own, so that rows which the extension ships itself don't stop the others. Returns how many were new."""
    target = copy_target.of(rows.entry)
    table, own = sql.Identifier(*target.table), sql.Identifier("pg_temp", "rows_of_extension")
    columns = sql.SQL(", ").join(map(sql.Identifier, target.columns)) if target.columns else sql.SQL("*")
    with master.transaction():
        master.execute(
            sql.SQL("CREATE TEMPORARY TABLE rows_of_extension ON COMMIT DROP AS SELECT {} FROM {} LIMIT 0").format(columns, table)
        )
        master.execute(sql.SQL("SET LOCAL client_encoding = {}").format(sql.Literal(members.backup.client_encoding)))
        loading.load_table(master, members, rows.member, b"COPY pg_temp.rows_of_extension FROM STDIN", lambda _: None)
        into = sql.SQL(" ({})").format(columns) if target.columns else sql.SQL("")
        done = master.execute(
            sql.SQL("INSERT INTO {}{} OVERRIDING SYSTEM VALUE SELECT * FROM {} ON CONFLICT DO NOTHING").format(table, into, own)
        )
        return done.rowcount


def _let_read(master: Connection, table: tuple[str, ...], login: Login) -> None:
    """Views of the dump may read it. No foreign key of the login may point at it (`after_rows.extension_keys`)."""
    try:
        master.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(sql.Identifier(*table), sql.Identifier(login.user)))
    except psycopg.errors.InsufficientPrivilege:
        return


def _set_sequence(master: Connection, entry: TocEntry, omissions: Omissions) -> list[FixUp]:
    try:
        sequence_value.set_to(master, entry)
    except psycopg.Error as error:
        if not is_refusal(error):
            raise
        return [FixUp(entry=entry.label, what=f"the extension's sequence keeps its own value: {explained(error)}")]
    return []


def _listed(rows: ExtensionRows, why: str) -> FixUp:
    return FixUp(
        entry=rows.entry.label,
        what=f"{rows.member.rows} rows of the extension's table were not loaded: {why}; {_BY_HAND}",
    )
