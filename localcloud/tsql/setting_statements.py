"""SET: which one a list of tokens is."""

from collections.abc import Sequence
from typing import Final

from localcloud.tsql.syntax import Assign, Setting
from localcloud.tsql.tokens import Token

# What drivers and scripts set and what changes nothing here.
_SETTINGS: Final = frozenset(
    [
        "NOCOUNT",
        "XACT_ABORT",
        "ANSI_DEFAULTS",
        "ANSI_NULLS",
        "ANSI_NULL_DFLT_ON",
        "ANSI_PADDING",
        "ANSI_WARNINGS",
        "ARITHABORT",
        "CONCAT_NULL_YIELDS_NULL",
        "CURSOR_CLOSE_ON_COMMIT",
        "DATEFIRST",
        "DATEFORMAT",
        "DEADLOCK_PRIORITY",
        "IMPLICIT_TRANSACTIONS",
        "LANGUAGE",
        "LOCK_TIMEOUT",
        "NUMERIC_ROUNDABORT",
        "QUOTED_IDENTIFIER",
        "PARSEONLY",
        "TEXTSIZE",
        "TRANSACTION",
    ]
)


def recognised(tokens: Sequence[Token]) -> Assign | Setting | None:
    """Of a variable, or of the session; None if it isn't known."""
    words = [token.upper for token in tokens]
    if len(tokens) > 3 and tokens[1].kind == "variable":
        if words[2] == "=":
            return Assign(tokens[1].text, "", tuple(tokens[3:]))
        is_compound = words[2] in ("+", "-", "*", "/") and words[3] == "=" and len(tokens) > 4
        return Assign(tokens[1].text, words[2], tuple(tokens[4:])) if is_compound else None
    if len(tokens) > 2 and words[1] in _SETTINGS:
        return Setting(words[1], tokens[-1].text.upper())
    return None
