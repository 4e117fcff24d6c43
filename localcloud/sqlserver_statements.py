"""Which of the few statements that the simulated server knows a list of tokens is.

Tolerant in what doesn't matter (case, brackets, N'...', omitted `msdb.dbo`), strict in the rest. Invariant: what isn't wholly understood
is no statement, so that new SQL of the product fails loudly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from localcloud.sqlserver_texts import text
from localcloud.sqlserver_tokens import Token
from localcloud.tds_engine import Value


@dataclass(frozen=True)
class Execute:
    """A procedure by its last name; arguments by position, then by name (lower case, without @)."""

    procedure: str
    positional: tuple[Value, ...]
    named: Mapping[str, Value]


@dataclass(frozen=True)
class Select:
    """A query."""

    tokens: tuple[Token, ...]


@dataclass(frozen=True)
class Use:
    """Another current database."""

    database: str


@dataclass(frozen=True)
class AlterUser:
    """ALTER USER [u] WITH LOGIN = [l]."""

    user: str
    login: str


@dataclass(frozen=True)
class SetTrustworthy:
    """ALTER DATABASE [d] SET TRUSTWORTHY ON | OFF."""

    database: str
    on: bool


@dataclass(frozen=True)
class CheckDatabase:
    """DBCC CHECKDB ('d') WITH NO_INFOMSGS; None: the current database."""

    database: str | None


@dataclass(frozen=True)
class Transaction:
    """BEGIN, COMMIT or ROLLBACK."""

    opens: bool


@dataclass(frozen=True)
class Setting:
    """SET something: without effect here."""


Statement = Execute | Select | Use | AlterUser | SetTrustworthy | CheckDatabase | Transaction | Setting

_TRANSACTION_WORDS: Final = frozenset({"BEGIN", "COMMIT", "ROLLBACK"})
_CHECK_OPTIONS: Final = frozenset(
    {"NO_INFOMSGS", "ALL_ERRORMSGS", "PHYSICAL_ONLY", "EXTENDED_LOGICAL_CHECKS", ",", "NOINDEX"}
)


def recognise(tokens: Sequence[Token], parameters: Mapping[str, Value]) -> Statement:
    """Raises SqlError 102 for what isn't known, 137 for a variable without a value."""
    first = tokens[0].upper
    found: Statement | None = None
    if first in ("EXEC", "EXECUTE"):
        found = _execute(tokens[1:], parameters)
    elif first == "SELECT":
        found = Select(tuple(tokens))
    elif first == "ALTER":
        found = _alter(tokens)
    elif first == "DBCC":
        found = _check(tokens, parameters)
    else:
        found = _session(tokens)
    if found is None:
        raise text("unknown-statement").error(statement=written(tokens))
    return found


def written(tokens: Sequence[Token]) -> str:
    """The tokens in one line, for messages."""
    return " ".join(repr(token.text) if token.kind == "string" else token.text for token in tokens)


def value(token: Token, parameters: Mapping[str, Value]) -> Value:
    """A literal's or a parameter's value; a bare word stands for itself, as in EXEC."""
    if token.kind == "variable":
        known = {name.lower(): given for name, given in parameters.items()}
        if token.text.lower() not in known:
            raise text("undeclared").error(name=token.text)
        return known[token.text.lower()]
    if token.kind == "number":
        return float(token.text) if "." in token.text else int(token.text, 0)
    return None if token.upper == "NULL" else token.text


def _execute(tokens: Sequence[Token], parameters: Mapping[str, Value]) -> Execute | None:
    end = 0
    while end < len(tokens) and (tokens[end].is_identifier or tokens[end].upper == "."):
        # `exec a.b c`: a second name without a dot is the first argument.
        if end and tokens[end].is_identifier and tokens[end - 1].is_identifier:
            break
        end += 1
    if not end or not tokens[end - 1].is_identifier:
        return None
    positional: list[Value] = []
    named: dict[str, Value] = {}
    for argument in _split(tokens[end:]):
        if len(argument) == 1 and not named:
            positional.append(value(argument[0], parameters))
        elif len(argument) == 3 and argument[0].kind == "variable" and argument[1].upper == "=":
            named[argument[0].text.lstrip("@").lower()] = value(argument[2], parameters)
        else:
            return None
    return Execute(tokens[end - 1].text.lower(), tuple(positional), named)


def _split(tokens: Sequence[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]] if tokens else []
    for token in tokens:
        if token.upper == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _alter(tokens: Sequence[Token]) -> Statement | None:
    words = [token.upper for token in tokens]
    if len(tokens) == 7 and words[1] == "USER" and words[3:6] == ["WITH", "LOGIN", "="]:
        return AlterUser(tokens[2].text, tokens[6].text)
    if (
        len(tokens) == 6
        and words[1] == "DATABASE"
        and words[3:5] == ["SET", "TRUSTWORTHY"]
        and words[5] in ("ON", "OFF")
    ):
        return SetTrustworthy(tokens[2].text, words[5] == "ON")
    return None


def _check(tokens: Sequence[Token], parameters: Mapping[str, Value]) -> CheckDatabase | None:
    words = [token.upper for token in tokens]
    if words[1:2] != ["CHECKDB"]:
        return None
    database, rest = None, 2
    if words[2:3] == ["("]:
        if words[4:5] != [")"]:
            return None
        database, rest = str(value(tokens[3], parameters)), 5
    options = words[rest:]
    if options and (options[0] != "WITH" or not set(options[1:]) <= _CHECK_OPTIONS):
        return None
    return CheckDatabase(database)


def _session(tokens: Sequence[Token]) -> Statement | None:
    words = [token.upper for token in tokens]
    if words[0] == "SET" and len(tokens) > 1 and tokens[1].kind == "word":
        return Setting()
    if words[0] == "USE" and len(tokens) == 2:
        return Use(tokens[1].text)
    # BEGIN alone opens a block, not a transaction.
    if words in (["COMMIT"], ["ROLLBACK"]) or (
        words[0] in _TRANSACTION_WORDS and words[1:] in (["TRAN"], ["TRANSACTION"])
    ):
        return Transaction(words[0] == "BEGIN")
    return None
