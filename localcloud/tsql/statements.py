"""Which of the statements that the simulated server knows a list of tokens is.

Tolerant in what doesn't matter (case, brackets, N'...', omitted `msdb.dbo`), strict in the rest. Invariant: what isn't wholly understood
is no statement, so that new SQL fails loudly. Expressions stay tokens: they are worked out when the statement runs.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

from localcloud.sqlserver.texts import text
from localcloud.tsql import setting_statements
from localcloud.tsql import user_statements as users
from localcloud.tsql.data_types import DECLARED, parse
from localcloud.tsql.syntax import (
    AlterAuthorization,
    AlterDatabase,
    AlterUser,
    Argument,
    CheckDatabase,
    Declare,
    DeclareTable,
    DropDatabase,
    DropTable,
    DropUser,
    Execute,
    ExecuteText,
    Impersonate,
    Insert,
    Print,
    Raise,
    Select,
    Several,
    Statement,
    Throw,
    Transaction,
    Use,
    WaitFor,
)
from localcloud.tsql.tables import columns_of, table_statement
from localcloud.tsql.tokens import Token, closing, depths, parts, written

_CHECK_OPTIONS: Final = frozenset({"NO_INFOMSGS", "ALL_ERRORMSGS", "PHYSICAL_ONLY", "EXTENDED_LOGICAL_CHECKS", ",", "NOINDEX"})
_RAISE_OPTIONS: Final = frozenset({"NOWAIT", "LOG", "SETERROR", ","})
_ACCESS: Final = frozenset({"SINGLE_USER", "RESTRICTED_USER", "MULTI_USER"})
_RECOVERY: Final = frozenset({"FULL", "SIMPLE", "BULK_LOGGED"})
_ENDINGS: Final[tuple[list[str], ...]] = (["WITH", "ROLLBACK", "IMMEDIATE"], ["WITH", "NO_WAIT"], [])


def recognise(tokens: Sequence[Token]) -> Statement:
    """Raises SqlError 102 for what isn't known."""
    known: dict[str, Callable[[Sequence[Token]], Statement | None]] = {
        "EXEC": _execute,
        "EXECUTE": _execute,
        "SELECT": _select,
        "WITH": _with,
        "GRANT": users.granted,
        "DECLARE": _declare,
        "SET": setting_statements.recognised,
        "PRINT": _print,
        "RAISERROR": _raise,
        "THROW": _throw,
        "WAITFOR": _wait_for,
        "USE": _use,
        "ALTER": _alter,
        "DROP": _drop,
        "DBCC": _check,
        "CREATE": lambda given: users.created(given) or table_statement(given),
        "INSERT": _insert,
        "DELETE": table_statement,
        "UPDATE": table_statement,
        "BEGIN": _transaction,
        "COMMIT": _transaction,
        "ROLLBACK": _transaction,
    }
    read = known.get(tokens[0].upper)
    found = read(tokens) if read else None
    if found is None:
        raise text("unknown-statement").error(statement=written(tokens))
    return found


def _words(tokens: Sequence[Token]) -> list[str]:
    return [token.upper for token in tokens]


def _execute(tokens: Sequence[Token]) -> Execute | ExecuteText | Impersonate | None:
    rest, status = tokens[1:], ""
    if _words(rest)[:1] == ["AS"]:
        return users.impersonated(rest)
    if len(rest) > 1 and rest[0].kind == "variable" and rest[1].upper == "=":
        rest, status = rest[2:], rest[0].text
    if rest and rest[0].upper == "(":
        inner = rest[1:-1]
        is_plain = closing(rest, 0) == len(rest) - 1 and all(token.kind in ("string", "variable") or token.upper == "+" for token in inner)
        return ExecuteText(tuple(inner)) if inner and is_plain and not status else None
    by_variable = bool(rest) and rest[0].kind == "variable"
    end = 1 if by_variable else _end_of_name(rest)
    arguments = [_argument(part) for part in parts(rest[end:])]
    if not end or not all(arguments):
        return None
    known = tuple(one for one in arguments if one)
    name = rest[end - 1].text
    # After the first argument with a name all must have one.
    if any(later.name == "" and earlier.name for earlier, later in pairwise(known)):
        return None
    return Execute(name if by_variable else name.lower(), known, by_variable, status)


def _end_of_name(tokens: Sequence[Token]) -> int:
    end = 0
    while end < len(tokens) and (tokens[end].is_identifier or tokens[end].upper == "."):
        # `exec a.b c`: a second name without a dot is the first argument.
        if end and tokens[end].is_identifier and tokens[end - 1].is_identifier:
            break
        end += 1
    return end if end and tokens[end - 1].is_identifier else 0


def _argument(tokens: Sequence[Token]) -> Argument | None:
    name, rest = "", tokens
    if len(tokens) > 2 and tokens[0].kind == "variable" and tokens[1].upper == "=":
        name, rest = tokens[0].text.lstrip("@").lower(), tokens[2:]
    is_output = len(rest) > 1 and rest[-1].upper in ("OUTPUT", "OUT")
    rest = rest[:-1] if is_output else rest
    is_negative = len(rest) == 2 and rest[0].upper == "-" and rest[1].kind == "number"
    rest = rest[1:] if is_negative else rest
    if len(rest) != 1 or rest[0].kind == "sign":
        return None
    return Argument(rest[0], name, is_negative, is_output)


def _select(tokens: Sequence[Token]) -> Select | None:
    words = _words(tokens)
    if any(token.upper == "INTO" for depth, token in depths(tokens) if not depth):
        return None
    start = 1
    if words[1:2] == ["TOP"]:
        start = (closing(tokens, 2) or 2) + 1 if words[2:3] == ["("] else 3
    if words[start + 1 : start + 2] != ["="] or tokens[start].kind != "variable":
        return Select(tuple(tokens))
    end = _end_of_list(tokens, start)
    names, columns = [], list[Token]()
    for item in parts(tokens[start:end]):
        if len(item) < 3 or item[0].kind != "variable" or item[1].upper != "=":
            return None
        names.append(item[0].text)
        columns += [*([Token("sign", ",")] if columns else []), *item[2:]]
    return Select((*tokens[:start], *columns, *tokens[end:]), tuple(names))


def _with(tokens: Sequence[Token]) -> Select | None:
    """A query with tables before it; those have no lists of columns here."""
    is_query = any(token.upper == "SELECT" for depth, token in depths(tokens) if not depth)
    return Select(tuple(tokens)) if is_query else None


def _end_of_list(tokens: Sequence[Token], start: int) -> int:
    depth = 0
    for position in range(start, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[position].upper, 0)
        if not depth and tokens[position].upper == "FROM":
            return position
    return len(tokens)


def _declare(tokens: Sequence[Token]) -> Several | None:
    found = [_declared(part) for part in parts(tokens[1:])]
    return Several(tuple(one for one in found if one)) if found and all(found) else None


def _declared(tokens: Sequence[Token]) -> Declare | DeclareTable | None:
    if len(tokens) < 2 or tokens[0].kind != "variable":
        return None
    rest = tokens[2:] if tokens[1].upper == "AS" else tokens[1:]
    if rest and rest[0].upper == "TABLE":
        columns = columns_of(rest[1:])
        return DeclareTable(tokens[0].text, columns) if columns else None
    found = parse(rest, DECLARED)
    if found is None:
        return None
    initial = rest[found[1] :]
    if initial and (len(initial) < 2 or initial[0].upper != "="):
        return None
    return Declare(tokens[0].text, found[0], tuple(initial[1:]))


def _insert(tokens: Sequence[Token]) -> Insert | None:
    found = table_statement(tokens)
    if not isinstance(found, Insert):
        return None
    source = recognise(found.source) if found.source else None
    is_known = source is None or isinstance(source, Execute | ExecuteText) or (isinstance(source, Select) and not source.variables)
    return found if is_known else None


def _print(tokens: Sequence[Token]) -> Print | None:
    return Print(tuple(tokens[1:])) if len(tokens) > 1 else None


def _raise(tokens: Sequence[Token]) -> Raise | None:
    end = closing(tokens, 1) if _words(tokens)[1:2] == ["("] else None
    if end is None:
        return None
    options, arguments = _words(tokens[end + 1 :]), parts(tokens[2:end])
    if len(arguments) < 3 or (options and (options[0] != "WITH" or not set(options[1:]) <= _RAISE_OPTIONS)):
        return None
    return Raise(tuple(map(tuple, arguments)))


def _throw(tokens: Sequence[Token]) -> Throw | None:
    arguments = parts(tokens[1:])
    return Throw(tuple(map(tuple, arguments))) if len(arguments) in (0, 3) else None


def _wait_for(tokens: Sequence[Token]) -> WaitFor | None:
    is_delay = len(tokens) == 3 and tokens[1].upper == "DELAY" and tokens[2].kind in ("string", "variable")
    return WaitFor(tokens[2]) if is_delay else None


def _use(tokens: Sequence[Token]) -> Use | None:
    return Use(tokens[1].text) if len(tokens) == 2 and tokens[1].is_identifier else None


def _alter(tokens: Sequence[Token]) -> AlterUser | AlterAuthorization | AlterDatabase | None:
    words = _words(tokens)
    if words[1:2] == ["USER"]:
        return users.altered(tokens)
    if words[1:2] == ["AUTHORIZATION"]:
        return users.handed_over(tokens)
    if len(tokens) < 5 or words[1] != "DATABASE" or words[3] != "SET" or not tokens[2].is_identifier:
        return None
    setting, rest = words[4], words[5:]
    if setting in _ACCESS and rest in _ENDINGS:
        return AlterDatabase(tokens[2].text, "ACCESS", setting)
    known = {"TRUSTWORTHY": {"ON", "OFF"}, "RECOVERY": _RECOVERY}
    if rest and rest[0] in known.get(setting, ()) and rest[1:] in _ENDINGS:
        return AlterDatabase(tokens[2].text, setting, rest[0])
    if setting == "COMPATIBILITY_LEVEL" and len(tokens) == 7 and rest[0] == "=" and tokens[6].text.isdigit():
        return AlterDatabase(tokens[2].text, setting, tokens[6].text)
    return None


def _drop(tokens: Sequence[Token]) -> DropDatabase | DropTable | DropUser | None:
    words = _words(tokens)
    if words[1:2] == ["USER"]:
        return users.dropped(tokens)
    if words[1:2] != ["DATABASE"]:
        found = table_statement(tokens)
        return found if isinstance(found, DropTable) else None
    if_exists = words[2:4] == ["IF", "EXISTS"]
    names = parts(tokens[4 if if_exists else 2 :])
    if not names or any(len(name) != 1 or not name[0].is_identifier for name in names):
        return None
    return DropDatabase(tuple(name[0].text for name in names), if_exists)


def _check(tokens: Sequence[Token]) -> CheckDatabase | None:
    words = _words(tokens)
    if words[1:2] != ["CHECKDB"]:
        return None
    database, rest = None, 2
    if words[2:3] == ["("]:
        if words[4:5] != [")"]:
            return None
        database, rest = tokens[3], 5
    options = words[rest:]
    if options and (options[0] != "WITH" or not set(options[1:]) <= _CHECK_OPTIONS):
        return None
    return CheckDatabase(database)


def _transaction(tokens: Sequence[Token]) -> Transaction | None:
    words = _words(tokens)
    if words in (["COMMIT"], ["ROLLBACK"]) or words[1:] in (["TRAN"], ["TRANSACTION"]):
        return Transaction(words[0] == "BEGIN", words[0] == "ROLLBACK")
    return None
