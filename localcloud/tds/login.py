"""LOGIN7: who logs in, and the answer to it."""

import struct
from dataclasses import dataclass

from localcloud.tds import tokens
from localcloud.tds.engine import SqlError
from localcloud.tds.fields import Reader, WireError, decoded
from localcloud.tds.handshake import VERSION
from localcloud.tds.versions import NEWEST, Version, agreed

_VERSION = 4
# Where LOGIN7 keeps the offset and the length of a text.
_USER, _PASSWORD, _DATABASE = 40, 44, 68
_DEFAULT_DATABASE = "master"
_LOGIN_FAILED = 18456
# Of the server's state (17xxx) and of logins (184xx), by their texts in sys.messages.
_STAND_ALONE = range(17000, 18500)


@dataclass(frozen=True)
class Login:
    """What the client wants to be let in with."""

    user: str
    password: str
    database: str
    version: Version = NEWEST


def read(content: bytes) -> Login:
    """The login of a LOGIN7 message. Raises WireError."""
    password = bytes((byte ^ 0xA5) << 4 & 0xF0 | (byte ^ 0xA5) >> 4 for byte in _field(content, _PASSWORD))
    return Login(
        user=decoded(_field(content, _USER)),
        password=decoded(password),
        database=decoded(_field(content, _DATABASE)) or _DEFAULT_DATABASE,
        version=agreed(Reader(content[_VERSION:]).number(4)),
    )


def accepted(version: Version, database: str) -> bytes:
    """The answer that lets the client in."""
    return (
        tokens.database_changed(version, database, _DEFAULT_DATABASE)
        + tokens.collation_set()
        + tokens.packet_size_set()
        + tokens.login_accepted(version, VERSION)
        + tokens.done(version, tokens.DONE)
    )


def refused(version: Version, error: SqlError, user: str) -> bytes:
    """The answer that keeps the client out: a database that can't be opened ends in a failed login too; what keeps everybody out, such as
    18401 or 17809, says so itself and stands alone."""
    failed = SqlError(_LOGIN_FAILED, f"Login failed for user '{user}'.", severity=14)
    problems = [error] if error.number in _STAND_ALONE else [error, failed]
    told = b"".join(tokens.error(version, problem) for problem in problems)
    return told + tokens.done(version, tokens.DONE, tokens.FAILED)


def _field(content: bytes, position: int) -> bytes:
    try:
        start, characters = struct.unpack_from("<HH", content, position)
    except struct.error as error:
        raise WireError("LOGIN7 ends before its table of texts") from error
    return content[start : start + 2 * characters]
