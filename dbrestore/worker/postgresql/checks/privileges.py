"""Are the privileges that were granted and revoked what the catalogue has now? A server can pass over a GRANT in silence, and one entry of
a dump may stand for many objects.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from dbrestore.contract.job import FixUp
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.rights import acl_sources
from dbrestore.worker.postgresql.rights.acl_sources import GRANTABLE, HELD_ONLY, NONE, AllPrivileges, Held
from dbrestore.worker.postgresql.rights.privileges import PRIVILEGES_OF_COLUMNS, Privilege
from dbrestore.worker.postgresql.session import Connection


@dataclass
class Expected:
    """What the executed statements come to, in their order: how much of a privilege there must be, and the entry that says so.
    `all_of` are the privileges that ALL means on this server, by kind."""

    all_of: AllPrivileges = field(default_factory=dict)
    held: dict[Held, tuple[int, TocEntry]] = field(default_factory=dict)

    def after(self, entry: TocEntry, privilege: Privilege, *, done: bool) -> None:
        """Note one statement that was executed. Not `done`: the server said something against it, so what it left is unknown."""
        for each in self._about(privilege):
            level, _ = self.held.pop(each, (NONE, entry))
            if not done:
                continue
            if privilege.grants:
                level = max(level, GRANTABLE if privilege.option else HELD_ONLY)
            elif privilege.option:
                level = min(level, HELD_ONLY)
            else:
                level = NONE
            self.held[each] = level, entry

    def _about(self, privilege: Privilege) -> Iterator[Held]:
        for key in privilege.objects:
            for name, columns in privilege.listed if acl_sources.is_known(key.kind) else ():
                for column in columns or ("",):
                    whole = PRIVILEGES_OF_COLUMNS if column else self.all_of.get(key.kind, ())
                    for one in whole if name == "ALL" else (name,):
                        yield Held(key, column, one, privilege.grantee)


def lost(master: Connection, expected: Expected) -> list[FixUp]:
    """What isn't as the executed statements should have left it, one line each."""
    actual = acl_sources.read(master, {held.object for held in expected.held})
    notes = [
        FixUp(entry=entry.label, what=f"{_named(held)} is {'missing' if level else 'still there'} after the privileges were executed")
        for held, (level, entry) in expected.held.items()
        if not _is_as(level, actual.get(held, NONE))
    ]
    more = len(notes) - limits.LISTED_OBJECTS
    if more > 0:
        notes[limits.LISTED_OBJECTS :] = [FixUp(entry="ACL", what=f"{more} more privileges are not as in the dump")]
    return notes


def _is_as(expected: int, level: int) -> bool:
    return level >= expected if expected else level == NONE


def _named(held: Held) -> str:
    grantee, kind = held.grantee or "PUBLIC", held.object.kind
    if acl_sources.is_by_default(kind):
        place = f" in schema {held.object.schema_name}" if held.object.schema_name else ""
        return f"{held.privilege} on {kind} that {held.object.names[0]!r} will make{place} of {grantee}"
    schema = f"{held.object.schema_name}." if held.object.schema_name else ""
    column = f" (column {held.column!r})" if held.column else ""
    name = schema + " ".join(filter(None, held.object.names))
    return f"{held.privilege}{column} on {kind} {name} of {grantee}"
