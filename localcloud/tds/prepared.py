"""Procedure calls turned into SQL: sp_executesql and the prepared statements of one connection, and procedures by their own name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from localcloud.tds.engine import SqlError, Value
from localcloud.tds.requests import Call, declared_names

Argument = tuple[str, Value]

# "Could not find prepared statement with handle %d."
_NO_SUCH_STATEMENT = 8179


@dataclass(frozen=True)
class Statement:
    """A text and its parameters, by name with `@`."""

    text: str
    parameters: Mapping[str, Value]


@dataclass(frozen=True)
class Work:
    """What a call means: the statement to run, if any, and the handle to return, if it prepared one."""

    statement: Statement | None = None
    handle: int | None = None


class Prepared:
    """The prepared statements of a connection: handle -> text and names of the parameters."""

    def __init__(self) -> None:
        self._statements: dict[int, tuple[str, list[str]]] = {}
        self._last = 0

    def resolve(self, call: Call) -> Work:
        """Raises SqlError for a handle that is unknown and for arguments that are missing."""
        arguments = call.parameters
        match call.procedure.lower().removeprefix("sys."):
            case "sp_executesql":
                return Work(_bound(_text(arguments, 0), _names(arguments, 1), arguments[2:]))
            case "sp_prepare":
                return Work(handle=self._remember(_text(arguments, 2), _names(arguments, 1)))
            case "sp_prepexec":
                handle = self._remember(_text(arguments, 2), _names(arguments, 1))
                return Work(self._statement(handle, arguments[3:]), handle)
            case "sp_execute":
                return Work(self._statement(_handle(arguments), arguments[1:]))
            case "sp_unprepare":
                self._statements.pop(_handle(arguments), None)
                return Work()
        return Work(_procedure(call))

    def _remember(self, text: str, names: list[str]) -> int:
        self._last += 1
        self._statements[self._last] = (text, names)
        return self._last

    def _statement(self, handle: int, arguments: Sequence[Argument]) -> Statement:
        if handle not in self._statements:
            raise SqlError(_NO_SUCH_STATEMENT, f"Could not find prepared statement with handle {handle}.")
        return _bound(*self._statements[handle], arguments)


def _procedure(call: Call) -> Statement:
    arguments = [(name or f"@p{number}", value, bool(name)) for number, (name, value) in enumerate(call.parameters)]
    passed = ", ".join(f"{name}={name}" if is_named else name for name, _, is_named in arguments)
    return Statement(f"exec {call.procedure} {passed}".rstrip(), {name: value for name, value, _ in arguments})


def _bound(text: str, names: Sequence[str], arguments: Sequence[Argument]) -> Statement:
    if len(arguments) > len(names):
        raise SqlError(8144, "Procedure or function has too many arguments specified.")
    return Statement(text, {name or names[place]: value for place, (name, value) in enumerate(arguments)})


def _text(arguments: Sequence[Argument], place: int) -> str:
    value = arguments[place][1] if place < len(arguments) else None
    if not isinstance(value, str):
        raise SqlError(214, f"Procedure expects parameter {place + 1} of type 'ntext/nchar/nvarchar'.")
    return value


def _names(arguments: Sequence[Argument], place: int) -> list[str]:
    # The declaration may be left out or NULL: a statement without parameters.
    is_declared = place < len(arguments) and arguments[place][1] is not None
    return declared_names(_text(arguments, place)) if is_declared else []


def _handle(arguments: Sequence[Argument]) -> int:
    value = arguments[0][1] if arguments else None
    if not isinstance(value, int):
        raise SqlError(214, "Procedure expects parameter '@handle' of type 'int'.")
    return value
