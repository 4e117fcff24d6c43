"""What a client asks for after the login: a batch of SQL, a procedure call, a transaction."""

import re
from dataclasses import dataclass
from typing import Literal

from localcloud.tds import values as tds_values
from localcloud.tds.engine import Value
from localcloud.tds.fields import Reader, WireError, decoded
from localcloud.tds.packets import BATCH, PROCEDURE, TRANSACTION
from localcloud.tds.versions import Version

# Procedures that clients may call by number instead of by name.
_NUMBERS = {10: "sp_executesql", 11: "sp_prepare", 12: "sp_execute", 13: "sp_prepexec", 15: "sp_unprepare"}
_BY_NUMBER = 0xFFFF
_BEGIN, _COMMIT, _ROLLBACK = 5, 7, 8
_BEGIN_ANOTHER = 1
_TRANSACTION_HEADER = 2


@dataclass(frozen=True)
class Batch:
    """A text of SQL."""

    text: str


@dataclass(frozen=True)
class Call:
    """A procedure call; a parameter that was passed by position has the name ""."""

    procedure: str
    parameters: tuple[tuple[str, Value], ...]


@dataclass(frozen=True)
class TransactionChange:
    """Begin, commit or roll back; `begins_another` after the end of one."""

    kind: Literal["begin", "commit", "rollback"]
    begins_another: bool = False


def read(version: Version, kind: int, content: bytes) -> Batch | Call | TransactionChange:
    """The request of a message of type `kind`. Raises WireError."""
    reader = Reader(content)
    if version.is_7_2:
        reader.take(max(0, reader.number(4) - 4))  # ALL_HEADERS: nothing in them matters here
    if kind == BATCH:
        return Batch(decoded(reader.rest()))
    if kind == PROCEDURE:
        return _call(reader)
    if kind == TRANSACTION:
        return _transaction(reader)
    raise WireError(f"a packet of type {kind} came where a request was expected")


def transaction(content: bytes) -> int:
    """The descriptor of the transaction that a request belongs to, as its headers tell; 0 if they name none. Raises WireError."""
    reader = Reader(content)
    headers = Reader(reader.take(max(0, reader.number(4) - 4)))
    while headers:
        length, kind = headers.number(4), headers.number(2)
        data = headers.take(max(0, length - 6))
        if kind == _TRANSACTION_HEADER:
            return int.from_bytes(data[:8], "little")
    return 0


def declared_names(declaration: str) -> list[str]:
    """The names in `@a int, @b nvarchar(20)`, in their order."""
    return re.findall(r"@\w+", declaration)


def _call(reader: Reader) -> Call:
    length = reader.number(2)
    procedure = _numbered(reader.number(2)) if length == _BY_NUMBER else reader.text(length)
    reader.take(2)  # option flags
    parameters = []
    while reader:
        name = reader.short_text()
        reader.take(1)  # by value or by reference: output parameters are the caller's business
        parameters.append((name, tds_values.read(reader)))
    return Call(procedure, tuple(parameters))


def _numbered(number: int) -> str:
    if number not in _NUMBERS:
        raise WireError(f"procedure number {number} is not simulated")
    return _NUMBERS[number]


def _transaction(reader: Reader) -> TransactionChange:
    kind = reader.number(2)
    if kind == _BEGIN:
        return TransactionChange("begin")
    if kind not in (_COMMIT, _ROLLBACK):
        raise WireError(f"transaction request {kind} is not simulated")
    reader.short_text()
    return TransactionChange("commit" if kind == _COMMIT else "rollback", bool(reader.number(1) & _BEGIN_ANOTHER))
