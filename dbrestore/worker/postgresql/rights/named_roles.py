"""The roles that a dump names: owners, grantees, whose default privileges it changes, whom its policies are for."""

from dbrestore.points.pgdump.toc import Toc, TocEntry
from dbrestore.worker.postgresql.archive import is_public
from dbrestore.worker.postgresql.rights import grants
from dbrestore.worker.postgresql.sql_tokens import NotUnderstood, Token, tokens

# Entries that bear the name of the owner of something else.
_OWNED_BY_NOBODY = ("ACL", "DEFAULT ACL", "COMMENT", "SECURITY LABEL")
_NO_ROLES = ("public", "current_user", "current_role", "session_user")


def of(toc: Toc) -> dict[str, bool]:
    """Every one of them, by name: whether it owns something that a restore hands over."""
    found = {entry.owner for entry in toc.entries}
    for entry in toc.entries:
        if entry.description in ("ACL", "DEFAULT ACL"):
            found |= grants.roles_in(entry)
        elif entry.description == "POLICY":
            found |= policy_roles(entry)
    owners = {e.owner for e in toc.entries if e.description not in _OWNED_BY_NOBODY and not is_public(e)}
    return {role: role in owners for role in found - {""}}


def policy_roles(entry: TocEntry) -> set[str]:
    """The roles of `CREATE POLICY ... TO role, role USING (...)`; none if the statement has another shape."""
    # Expressions come behind the roles, and hold what the lexer doesn't know.
    head = entry.definition.partition(" USING (")[0].partition(" WITH CHECK (")[0]
    try:
        found = tokens(head)
    except NotUnderstood:
        return set()
    places = [place for place, token in enumerate(found) if token.is_word("to")]
    listed = found[places[-1] + 1 :] if places else []
    return {token.value for token in listed if _is_role(token)}


def _is_role(token: Token) -> bool:
    return token.kind in ("word", "name") and not token.is_word(*_NO_ROLES)
