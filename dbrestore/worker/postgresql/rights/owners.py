"""Who may own what a dump brings, and so as whom its code may run: functions of a dump run as their owner when anybody calls them
(SECURITY DEFINER) and when nobody does (autovacuum evaluates the expressions of indexes and statistics as the owner of the table).

Invariant: never the master user, never a role of RDS or PostgreSQL, never a superuser, and nobody who was not asked for. Whoever else the
dump names is replaced by a powerless role of this database (dbrestore.worker.postgresql.rights.powerless_roles).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dbrestore.contract.errors import OwnerNotUsable
from dbrestore.contract.job import DatabaseJob, FixUp, PostgresOptions
from dbrestore.worker.postgresql.rights.membership import RoleState, role_states
from dbrestore.worker.postgresql.session import Connection

# PostgreSQL keeps `pg_` for itself, RDS `rds`.
_RESERVED = ("pg_", "rds")


@dataclass(frozen=True)
class Owners:
    """What was decided: `owner_of` maps each role of the dump to the target's role that owns instead, `reasons` those that owned something
    and were replaced to why. `roles` is the state of every role that the dump names; `database_owner` owns the database itself.
    `default_privileges_of` are the roles for which the dump may say who gets what of the things that they create later."""

    holder: str
    database_owner: str
    owner_of: dict[str, str]
    reasons: dict[str, str]
    roles: dict[str, RoleState] = field(default_factory=dict)
    default_privileges_of: frozenset[str] = frozenset()

    def of(self, role: str) -> str:
        """Who owns in the target what this role of the dump owned."""
        return self.owner_of.get(role, self.holder)

    def notes(self) -> list[FixUp]:
        """One line per role of the dump that was replaced."""
        return [FixUp(entry=f"ROLE {role}", what=reason) for role, reason in sorted(self.reasons.items())]


@dataclass(frozen=True)
class _Policy:
    options: PostgresOptions
    holder: str
    master_user: str
    roles: dict[str, RoleState]

    def refusal(self, role: str) -> str | None:
        """Why this role of the dump may own nothing; None if it may."""
        state = self.roles[role]
        if role == self.master_user:
            return "is the master user, and nothing from a dump may run as that user"
        if is_reserved(role) or state.is_superuser:
            return "is a system role, and nothing from a dump may run as that role"
        if not state.exists:
            return "does not exist in the target"
        if not state.may_act:
            return "can't be given anything by the master user"
        return None if self.options.create_missing_roles and state.was_made else self._not_kept(state)

    def _not_kept(self, state: RoleState) -> str | None:
        if not self.options.keep_owners:
            return "was not requested as an owner (`owners` of the request)"
        if state.is_powerful:
            return "has more rights than a database's owner needs; ask for it by name (`owners` of the request)"
        return None


def decide(
    master: Connection,
    database: DatabaseJob,
    options: PostgresOptions,
    named: Mapping[str, bool],
    database_owner: str,
    master_user: str,
) -> Owners:
    """Decide for every role that the dump names (`named`: whether it owns anything); `database_owner` is who owned the database there.
    Raises OwnerNotUsable."""
    require_usable(master, options, master_user)
    wanted = {*named, database_owner} - {""}
    roles = role_states(master, wanted | set(options.owners.values()))
    policy = _Policy(options, database.holder_role, master_user, roles)
    refusals = {role: policy.refusal(role) for role in wanted if role not in options.owners}
    kept = {role: role for role, refusal in refusals.items() if refusal is None}
    reasons = {
        role: f"{refusal}: what it owned belongs to {database.holder_role!r}"
        for role, refusal in refusals.items()
        if refusal and named.get(role)
    }
    owner_of = options.owners | kept
    # Its owner can change settings that bend the sessions of everybody who logs in, so it is nobody who was not asked for.
    asked = options.owners.get(database_owner) or (database_owner if options.keep_owners else "")
    owner = asked if owner_of.get(database_owner) == asked else ""
    # Those of the master user own nothing and run nothing; in a copy beside the original they are expected.
    shaped = {role for role, stands_for in owner_of.items() if role == stands_for}
    shaped |= {master_user} if options.keep_owners else set()
    return Owners(database.holder_role, owner or master_user, owner_of, reasons, roles, frozenset(shaped))


def require_usable(master: Connection, options: PostgresOptions, master_user: str) -> None:
    """Raise OwnerNotUsable, a line per role that was asked for and can't own."""
    roles = role_states(master, options.owners.values())
    problems = [f"owners: {role!r} {why}" for role in sorted(roles) if (why := _unusable(role, roles[role], master_user)) is not None]
    if problems:
        raise OwnerNotUsable("\n".join(problems))


def is_reserved(role: str) -> bool:
    """Whether the name is one that PostgreSQL or RDS keeps for itself."""
    return role.startswith(_RESERVED)


def _unusable(role: str, state: RoleState, master_user: str) -> str | None:
    if role == master_user:
        return "is the master user, and nothing from a dump may run as that user: name another role"
    if is_reserved(role) or state.is_superuser:
        return "is a system role, and nothing from a dump may run as that role: name another role"
    if not state.exists:
        return "does not exist in the target: create it first or leave it out"
    if not state.may_act:
        return "can't be given anything by the master user: grant it to the master user first"
    return None
