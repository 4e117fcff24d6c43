"""The tokens of a server's answer except rows: errors, messages, changes of the environment, ends ([MS-TDS] 2.2.7)."""

import struct

from localcloud.tds.engine import Message, SqlError
from localcloud.tds.fields import long_text, short_text
from localcloud.tds.packets import SIZE
from localcloud.tds.versions import Version

# SQL_Latin1_General_CP1_CI_AS, the default of RDS: texts that are not Unicode are Windows-1252.
COLLATION = bytes([0x09, 0x04, 0xD0, 0x00, 0x34])
SERVER = "localcloud"

MORE, FAILED, COUNTED, ATTENTION = 0x01, 0x02, 0x10, 0x20
DONE, DONE_PROCEDURE, DONE_IN_PROCEDURE = 0xFD, 0xFE, 0xFF

_ERROR, _INFO, _LOGIN_ACCEPTED, _ENVIRONMENT, _RETURN_STATUS, _RETURN_VALUE = 0xAA, 0xAB, 0xAD, 0xE3, 0x79, 0xAC
_DATABASE, _PACKET_SIZE, _COLLATION, _BEGUN, _COMMITTED, _ROLLED_BACK = 1, 4, 7, 8, 9, 10
_PROGRAM = "Microsoft SQL Server"
# "Changed database context" as the server says it after a login and after USE.
_CONTEXT_CHANGED = 5701


def error(version: Version, problem: SqlError) -> bytes:
    """An ERROR token."""
    return _message(version, _ERROR, problem.number, problem.state, problem.severity, str(problem))


def information(version: Version, message: Message) -> bytes:
    """An INFO token, as PRINT sends one."""
    return _message(version, _INFO, message.number, message.state, message.severity, message.text)


def login_accepted(version: Version, server: tuple[int, int, int]) -> bytes:
    """LOGINACK: the protocol's version and the server's."""
    content = b"\x01" + struct.pack(">I", version.number) + short_text(_PROGRAM) + struct.pack(">BBH", *server)
    return _sized(_LOGIN_ACCEPTED, content)


def database_changed(version: Version, new: str, old: str) -> bytes:
    """The current database is another one."""
    text = f"Changed database context to '{new}'."
    change = _sized(_ENVIRONMENT, bytes([_DATABASE]) + short_text(new) + short_text(old))
    return change + _message(version, _INFO, _CONTEXT_CHANGED, 2, 0, text)


def collation_set() -> bytes:
    """The collation of the server's texts."""
    return _sized(_ENVIRONMENT, bytes([_COLLATION, len(COLLATION)]) + COLLATION + b"\0")


def packet_size_set() -> bytes:
    """Packets stay at the size that every client starts with, whatever the client asked for."""
    return _sized(_ENVIRONMENT, bytes([_PACKET_SIZE]) + short_text(str(SIZE)) + short_text(str(SIZE)))


def begun(transaction: int) -> bytes:
    """A transaction has begun."""
    return _sized(_ENVIRONMENT, bytes([_BEGUN, 8]) + struct.pack("<Q", transaction) + b"\0")


def ended(transaction: int, *, is_committed: bool) -> bytes:
    """The transaction has ended."""
    kind = _COMMITTED if is_committed else _ROLLED_BACK
    return _sized(_ENVIRONMENT, bytes([kind, 0, 8]) + struct.pack("<Q", transaction))


def done(version: Version, kind: int, status: int = 0, rows: int = 0) -> bytes:
    """The end of a statement or of the whole answer (without MORE)."""
    return struct.pack(f"<BHH{version.count}", kind, status, 0, rows)


def return_status(status: int = 0) -> bytes:
    """What a procedure returned."""
    return struct.pack("<Bi", _RETURN_STATUS, status)


def returned_number(version: Version, name: str, number: int) -> bytes:
    """The int that a procedure left in its first output parameter."""
    return (
        struct.pack("<BH", _RETURN_VALUE, 0)
        + short_text(name)
        + struct.pack(f"<B{version.user_type}HBB", 0x01, 0, 0, 0x26, 4)
        + struct.pack("<Bi", 4, number)
    )


def _message(version: Version, token: int, number: int, state: int, severity: int, text: str) -> bytes:
    head = struct.pack("<iBB", number, state, severity) + long_text(text)
    return _sized(token, head + short_text(SERVER) + short_text("") + struct.pack(f"<{version.line}", 1))


def _sized(token: int, content: bytes) -> bytes:
    return struct.pack("<BH", token, len(content)) + content
