"""The privileges of a dump, executed as the master user acting for the owners.

Invariant: whatever isn't understood (`worker.privileges`), or names a role that the target lacks, is listed and not executed.
"""

from collections.abc import Iterator
from itertools import islice

import psycopg

from repository.pgdump_toc import TocEntry
from worker import limits, membership
from worker.archive import Archive, Division
from worker.job import FixUp
from worker.owners import Owners
from worker.privileges import Privilege, privileges
from worker.session import Connection
from worker.sql_tokens import NotUnderstood


def execute(master: Connection, archive: Archive, division: Division, owners: Owners) -> list[FixUp]:
    """Execute the privileges of all objects of the database. Returns what was not executed, and why."""
    entries = iter([
        e for e in archive.toc.entries
        if e.description in ("ACL", "DEFAULT ACL") and e.dump_id not in division.left_out and not of_database(e)
    ])  # fmt: skip
    notes: list[FixUp] = []
    while batch := list(islice(entries, limits.OBJECTS_PER_TRANSACTION)):
        acting = {owners.of(e.owner) for e in batch}
        with master.transaction(), membership.acting_for(master, acting):
            notes += [note for entry in batch for note in execute_entry(master, entry, owners)]
    return notes


def of_database(entry: TocEntry) -> bool:
    """Whether the privileges are those of the database itself, which are settled when it gets its name."""
    return entry.description == "ACL" and entry.tag.startswith("DATABASE ")


def execute_entry(master: Connection, entry: TocEntry, owners: Owners, database: str | None = None) -> Iterator[FixUp]:
    """Execute one entry inside a transaction. With `database` it is about the database of this name, whatever the dump calls it."""
    try:
        found = list(privileges(entry.definition, database))
    except NotUnderstood as error:
        yield FixUp(entry=entry.label, what=f"not executed: {_one_line(entry.definition)} ({error})")
        return
    for each in found:
        if isinstance(each, str):
            yield FixUp(entry=entry.label, what=each)
        elif each.defaults_of is not None and each.defaults_of not in owners.default_privileges_of:
            yield FixUp(
                entry=entry.label,
                what=f"not executed, {each.defaults_of!r} owns nothing here: {each.statement.as_string()}",
            )
        elif missing := [r for r in each.roles if not owners.roles[r].exists]:
            yield FixUp(
                entry=entry.label,
                what=f"not executed, the target has no role {missing[0]!r}: {each.statement.as_string()}",
            )
        else:
            yield from _execute(master, entry, each)


def roles_in(entry: TocEntry) -> set[str]:
    """The roles that the statements of an entry name."""
    try:
        database = "" if of_database(entry) else None
        return {
            role for each in privileges(entry.definition, database) if not isinstance(each, str) for role in each.roles
        }
    except NotUnderstood:
        return set()


def _execute(master: Connection, entry: TocEntry, privilege: Privilege) -> Iterator[FixUp]:
    said: list[str] = []
    handler = lambda diagnostic: said.append(diagnostic.message_primary or "")  # noqa: E731
    master.add_notice_handler(handler)
    try:
        with master.transaction():
            master.execute(privilege.statement)
    except psycopg.Error as error:
        said.append(str(error).splitlines()[0])
    finally:
        master.remove_notice_handler(handler)
    for message in said:
        yield FixUp(entry=entry.label, what=f"{privilege.statement.as_string()}: {message}")


def _one_line(definition: str) -> str:
    return " ".join(definition.split())
