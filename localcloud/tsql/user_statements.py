"""Statements about users and owners of a database: which one a list of tokens is, or None."""

from collections.abc import Sequence
from typing import Final

from localcloud.tsql.syntax import AlterAuthorization, AlterUser, CreateUser, DropUser, Grant, Impersonate
from localcloud.tsql.tokens import Token

# On the whole database.
_GRANTABLE: Final = frozenset({"SELECT", "UNMASK"})


def created(tokens: Sequence[Token]) -> CreateUser | None:
    """CREATE USER u WITHOUT LOGIN."""
    words = _words(tokens)
    is_known = len(tokens) == 5 and words[1] == "USER" and words[3:] == ["WITHOUT", "LOGIN"] and tokens[2].is_identifier
    return CreateUser(tokens[2].text) if is_known else None


def altered(tokens: Sequence[Token]) -> AlterUser | None:
    """ALTER USER u WITH LOGIN = l."""
    is_known = len(tokens) == 7 and _words(tokens)[3:6] == ["WITH", "LOGIN", "="]
    return AlterUser(tokens[2].text, tokens[6].text) if is_known else None


def handed_over(tokens: Sequence[Token]) -> AlterAuthorization | None:
    """ALTER AUTHORIZATION ON DATABASE::d TO l."""
    words = _words(tokens)
    is_known = len(tokens) == 9 and words[2:6] == ["ON", "DATABASE", ":", ":"] and words[7] == "TO" and tokens[6].is_identifier
    return AlterAuthorization(tokens[6].text, tokens[8].text) if is_known else None


def dropped(tokens: Sequence[Token]) -> DropUser | None:
    """DROP USER u."""
    return DropUser(tokens[2].text) if len(tokens) == 3 and tokens[2].is_identifier else None


def granted(tokens: Sequence[Token]) -> Grant | None:
    """GRANT p TO u."""
    words = _words(tokens)
    is_known = len(tokens) == 4 and words[1] in _GRANTABLE and words[2] == "TO" and tokens[3].is_identifier
    return Grant(words[1], tokens[3].text) if is_known else None


def impersonated(tokens: Sequence[Token]) -> Impersonate | None:
    """AS USER = 'u' WITH NO REVERT, after EXECUTE."""
    words = _words(tokens)
    is_known = words[:3] == ["AS", "USER", "="] and words[4:] == ["WITH", "NO", "REVERT"] and tokens[3].kind == "string"
    return Impersonate(tokens[3].text) if is_known else None


def _words(tokens: Sequence[Token]) -> list[str]:
    return [token.upper for token in tokens]
