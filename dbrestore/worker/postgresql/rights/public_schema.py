"""The schema public, which every new database has: its owner, its comment and what everybody may do in it become those of the dump.

Until PostgreSQL 14 everybody may create in it and pg_dump tells what differs from that; pg_dump 15 and later tell what differs from
PostgreSQL 15, whatever the server. Invariant: in the restored database everybody may do no more in it than in the source.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import sql

from dbrestore.contract.errors import ReplayFailed
from dbrestore.contract.job import Check, FixUp, LeftOut
from dbrestore.points.pgdump.toc import Toc, TocEntry
from dbrestore.worker.postgresql import template
from dbrestore.worker.postgresql.archive import Archive, is_public
from dbrestore.worker.postgresql.checks import comments
from dbrestore.worker.postgresql.left_out import LeftOutRecord, Omissions
from dbrestore.worker.postgresql.rights import membership
from dbrestore.worker.postgresql.rights.owners import Owners, is_reserved
from dbrestore.worker.postgresql.rights.privileges import privileges
from dbrestore.worker.postgresql.session import Connection
from dbrestore.worker.postgresql.sql_tokens import NotUnderstood
from dbrestore.worker.postgresql.statements import WAY_OUT

LABEL: Final = "SCHEMA public"
_NEW_DEFAULTS: Final = 15
_DATABASE_OWNER: Final = "pg_database_owner"
_ALL: Final = frozenset({"USAGE", "CREATE"})
_STATE: Final = """SELECT pg_get_userbyid(n.nspowner)::text, ARRAY(SELECT DISTINCT r.rolname::text FROM aclexplode(n.nspacl) AS a
        JOIN pg_roles AS r ON r.oid = a.grantee WHERE a.grantee <> n.nspowner),
        ARRAY(SELECT a.privilege_type FROM aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a WHERE a.grantee = 0)
    FROM pg_namespace AS n WHERE n.nspname = 'public'"""


@dataclass(frozen=True)
class _Said:
    """What a dump says of its schema public: its entry (from pg_dump 15 on), its privileges, its comment."""

    toc: Toc
    schema: TocEntry | None
    acl: TocEntry | None
    comment: TocEntry | None

    @property
    def owner(self) -> str:
        """Empty if the dump doesn't say."""
        entry = self.schema or self.acl
        return entry.owner if entry else ""

    @property
    def is_of_new_pg_dump(self) -> bool:
        """Whether it tells what differs from PostgreSQL 15."""
        return _major(self.toc.dump_version) >= _NEW_DEFAULTS

    @property
    def of_everybody(self) -> frozenset[str]:
        """What PUBLIC had. Raises NotUnderstood."""
        held = {"USAGE"} if self.is_of_new_pg_dump else set(_ALL)
        for listed, grants in self._about_everybody():
            held = held | listed if grants else held - listed
        return frozenset(held)

    @property
    def is_silent_about_everybody(self) -> bool:
        """Whether no statement of the dump is about PUBLIC."""
        return not any(self._about_everybody())

    def _about_everybody(self) -> Iterator[tuple[frozenset[str], bool]]:
        for each in privileges(self.acl.definition) if self.acl else ():
            if not isinstance(each, str) and each.grantee is None and not (each.option and not each.grants):
                names = {name for name, _ in each.listed}
                yield _ALL if "ALL" in names else frozenset(names), each.grants


@dataclass(frozen=True)
class _State:
    """What the restored database has: who owns it, which other roles have privileges on it, and what PUBLIC has."""

    owner: str
    grantees: list[str]
    of_everybody: frozenset[str]


def foresee(master: Connection, archive: Archive, omissions: Omissions, *, skips: bool) -> None:
    """Before anything is loaded: a right of everybody that can't be taken away is told as left out, or raises ReplayFailed."""
    state, said = _state(master), _said(archive)
    if state is None or template.public_is_ours(master):
        return
    try:
        more = sorted(state.of_everybody - said.of_everybody)
    except NotUnderstood:
        return
    if not more:
        return
    why = (
        f"everybody would have {' and '.join(more)} on it, unlike in the source: it belongs to {state.owner!r}, because the database "
        f"could not be created from template1 (another encoding or locale, objects of somebody's in it, or in use)"
    )
    if not skips:
        raise ReplayFailed(f"{LABEL}: {why}; {WAY_OUT}")
    omissions.tell(LeftOut(entry=LABEL, why=why, sql=f"REVOKE {', '.join(more)} ON SCHEMA public FROM PUBLIC;", rows=0))


def settle(master: Connection, archive: Archive, owners: Owners, database_owner: str) -> list[FixUp]:
    """Owner, comment, and the privileges from which the dump's start; these are executed afterwards. `database_owner` is who owned the
    database in the source. Idempotent. Returns what is not as in the source."""
    said, state = _said(archive), _state(master)
    if state is None:
        return [FixUp(entry=LABEL, what="the restored database has none")]
    if not (template.public_is_ours(master) or state.owner in owners.owner_of.values()):
        return list(_kept(said, state.owner, database_owner))
    wanted = owners.of(said.owner) if said.owner in owners.owner_of else state.owner
    with master.transaction(), membership.acting_for(master, {state.owner, wanted}):
        if wanted != state.owner:
            master.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(sql.Identifier(wanted)))
        _reset(master, said)
        notes = list(_comment(master, archive))
    if said.owner not in owners.owner_of:
        notes += _other_owner(said, state.owner, database_owner)
    return notes + _untold(master, said)


def owner(master: Connection) -> str:
    """Who owns it now; empty if there is none."""
    state = _state(master)
    return state.owner if state else ""


def check(master: Connection, archive: Archive, record: LeftOutRecord) -> list[Check]:
    """Everybody has no more than in the source, unless that was told as left out. Run it when the privileges were executed."""
    state = _state(master)
    if state is None or any(note.entry == LABEL for note in record.left_out):
        return []
    try:
        allowed = _said(archive).of_everybody
    except NotUnderstood:
        return []
    more = ", ".join(sorted(state.of_everybody - allowed)) or "none"
    name = "privileges on schema public that everybody has beyond those in the source"
    return [Check(check=name, expected="none", actual=more, result="ok" if more == "none" else "failed")]


def _said(archive: Archive) -> _Said:
    of_public = {e.description: e for e in archive.toc.entries if is_public(e)}
    return _Said(archive.toc, of_public.get("SCHEMA"), of_public.get("ACL"), of_public.get("COMMENT"))


def _state(master: Connection) -> _State | None:
    row = master.execute(_STATE).fetchone()
    return _State(row[0], row[1], frozenset(row[2])) if row else None


def _reset(master: Connection, said: _Said) -> None:
    """What the dump's statements are to be added to; nobody gets more by default than on a new server of the version."""
    state = _state(master)
    others = [sql.SQL("PUBLIC"), *map(sql.Identifier, state.grantees if state else ())]
    master.execute(sql.SQL("REVOKE ALL ON SCHEMA public FROM {} CASCADE").format(sql.SQL(", ").join(others)))
    old = not said.is_of_new_pg_dump and master.info.server_version < _NEW_DEFAULTS * 10000
    master.execute(sql.SQL("GRANT {} ON SCHEMA public TO PUBLIC").format(sql.SQL("USAGE, CREATE" if old else "USAGE")))


def _comment(master: Connection, archive: Archive) -> Iterator[FixUp]:
    entry = _said(archive).comment
    if entry is None:
        return
    try:
        text = comments.text_of(entry, archive.toc)
        with master.transaction():
            master.execute(sql.SQL("COMMENT ON SCHEMA public IS {}").format(sql.Literal(text)))
    except (NotUnderstood, psycopg.Error) as error:
        yield FixUp(entry=entry.label, what=f"not executed: {str(error).splitlines()[0]}")


def _kept(said: _Said, owner: str, database_owner: str) -> Iterator[FixUp]:
    """Nothing of it can be changed, because it belongs to a role of the server."""
    yield from _other_owner(said, owner, database_owner)
    if said.comment is not None:
        yield FixUp(entry=said.comment.label, what=f"not executed: the schema belongs to {owner!r}")


def _other_owner(said: _Said, owner: str, database_owner: str) -> Iterator[FixUp]:
    """A role of the server, and since PostgreSQL 15 the owner of the database, is nobody whom one would miss."""
    is_usual = is_reserved(said.owner) or (owner == _DATABASE_OWNER and said.owner == database_owner)
    if said.owner not in ("", owner) and not is_usual:
        yield FixUp(entry=LABEL, what=f"{owner!r} owns it instead of {said.owner!r}")


def _untold(master: Connection, said: _Said) -> list[FixUp]:
    """What the source had or lacked is known from what the dump doesn't say."""
    if _major(said.toc.server_version) >= _NEW_DEFAULTS:
        return []
    if said.is_of_new_pg_dump:
        is_used = said.schema or any(e.schema_name == "public" for e in said.toc.entries)
        what = "the dump lacks it (the source had none, or it was left out of the dump): the database has one, like every new database"
        return [] if is_used else [FixUp(entry=LABEL, what=what)]
    if master.info.server_version < _NEW_DEFAULTS * 10000 or not said.is_silent_about_everybody:
        return []
    what = "everybody could create in it, as everywhere before PostgreSQL 15; here only its owner can, as is usual since"
    return [FixUp(entry=LABEL, what=what)]


def _major(version: str) -> int:
    digits = version.partition(".")[0]
    return int(digits) if digits.isdecimal() else _NEW_DEFAULTS
