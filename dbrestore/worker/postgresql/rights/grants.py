"""The privileges of a dump, executed as the master user acting for the owners, and looked for afterwards.

Invariant: whatever isn't understood (`rights.privileges`), names a role that the target lacks, or isn't there afterwards, is listed.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import islice

import psycopg

from dbrestore.contract.job import FixUp
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.archive import Archive, is_public
from dbrestore.worker.postgresql.checks import privileges as privilege_checks
from dbrestore.worker.postgresql.checks.privileges import Expected
from dbrestore.worker.postgresql.rights import acl_sources, extension_privileges, membership, public_schema
from dbrestore.worker.postgresql.rights.owners import Owners
from dbrestore.worker.postgresql.rights.privileges import Privilege, Surroundings, privileges
from dbrestore.worker.postgresql.session import Connection
from dbrestore.worker.postgresql.sql_tokens import NotUnderstood


def execute(master: Connection, archive: Archive, gone: Collection[int], owners: Owners) -> list[FixUp]:
    """Execute the privileges of all objects of the database but those that are `gone`. Returns what was not executed, and why."""
    entries = iter(
        [e for e in archive.toc.entries if e.description in ("ACL", "DEFAULT ACL") and e.dump_id not in gone and not of_database(e)]
    )
    large_objects, owner_of_public = _large_objects(archive), public_schema.owner(master)
    expected = Expected(acl_sources.all_privileges(master))
    allowed = extension_privileges.allowed(master, expected.all_of)
    notes: list[FixUp] = []
    while batch := list(islice(entries, limits.OBJECTS_PER_TRANSACTION)):
        acting = {owners.of(e.owner) for e in batch}
        with master.transaction(), membership.acting_for(master, acting):
            for entry in batch:
                owner = owner_of_public if is_public(entry) else owners.of(entry.owner)
                around = replace(_surroundings(entry, large_objects, owner), allowed=allowed)
                notes += execute_entry(master, entry, owners, around, expected)
    return notes + privilege_checks.lost(master, expected)


def of_database(entry: TocEntry) -> bool:
    """Whether the privileges are those of the database itself, which are settled when it gets its name."""
    return entry.description == "ACL" and entry.tag.startswith("DATABASE ")


def _large_objects(archive: Archive) -> dict[int, tuple[int, ...]]:
    """The large objects that an entry lists, by its dump id."""
    return {e.dump_id: tuple(map(int, e.definition.split())) for e in archive.toc.entries if e.description == "BLOB METADATA"}


def _surroundings(entry: TocEntry, large_objects: Mapping[int, tuple[int, ...]], owner: str) -> Surroundings:
    """Since pg_dump 17 one entry `LARGE OBJECTS a..b` stands for all that the entry it depends on lists."""
    repeated: tuple[int, ...] = ()
    if entry.description == "ACL" and entry.tag.startswith("LARGE OBJECTS "):
        repeated = tuple(oid for dump_id in entry.dependencies for oid in large_objects.get(dump_id, ()))
    # What the owner left itself is left to whoever owns here; default privileges are for the role itself or nobody.
    return Surroundings(None, repeated, {entry.owner: owner} if entry.description == "ACL" else {})


def execute_entry(master: Connection, entry: TocEntry, owners: Owners, around: Surroundings, expected: Expected) -> Iterator[FixUp]:
    """Execute one entry inside a transaction, and note in `expected` what must be there afterwards."""
    try:
        found = list(privileges(entry.definition, around))
    except NotUnderstood as error:
        yield FixUp(entry=entry.label, what=f"not executed: {_one_line(entry.definition)} ({error})")
        return
    for each in found:
        if isinstance(each, str):
            yield FixUp(entry=entry.label, what=each)
        elif each.defaults_of is not None and each.defaults_of not in owners.default_privileges_of:
            yield FixUp(entry=entry.label, what=f"not executed, {each.defaults_of!r} owns nothing here: {_shown(each)}")
        elif missing := [r for r in each.roles if not _exists(r, owners, around)]:
            yield FixUp(
                entry=entry.label,
                what=f"not executed, the target has no role {missing[0]!r}: {_shown(each)}",
            )
        else:
            said = _execute(master, each)
            expected.after(entry, each, done=not said)
            yield from (FixUp(entry=entry.label, what=f"{_shown(each)}: {message}") for message in said)


def roles_in(entry: TocEntry) -> set[str]:
    """The roles that the statements of an entry name."""
    try:
        around = Surroundings("" if of_database(entry) else None)
        return {role for each in privileges(entry.definition, around) if not isinstance(each, str) for role in each.roles}
    except NotUnderstood:
        return set()


def _exists(role: str, owners: Owners, around: Surroundings) -> bool:
    return role in around.stand_ins.values() or owners.roles[role].exists


def _execute(master: Connection, privilege: Privilege) -> list[str]:
    """What the server had to say against it."""
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
    return said


def _shown(privilege: Privilege) -> str:
    return _cut(privilege.statement.as_string())


def _cut(text: str) -> str:
    """Of a statement about very many objects the beginning and the end."""
    half = limits.STATEMENT_IN_NOTE // 2
    return text if len(text) <= limits.STATEMENT_IN_NOTE else f"{text[:half]} ... {text[-half:]}"


def _one_line(definition: str) -> str:
    return _cut(" ".join(definition.split()))
