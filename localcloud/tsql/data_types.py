"""The data types of T-SQL that variables, columns of temporary tables, CAST and CONVERT may have, and what they make of a value.

The rules are those of Microsoft's documentation: a text that is too long is cut, one that is no number is an error. Types that the wire of
the simulated server can't carry (decimal, date, xml ...) are not known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from localcloud.sqlserver.texts import text
from localcloud.tds.engine import Value
from localcloud.tsql.tokens import Token

# Bytes of a whole number; tinyint has no sign.
_WHOLE: Final = {"tinyint": 1, "smallint": 2, "int": 4, "bigint": 8}
_TEXTS: Final = frozenset({"char", "varchar", "nchar", "nvarchar"})
_MOMENTS: Final = frozenset({"datetime", "datetime2", "smalldatetime"})
_FRACTIONS: Final = frozenset({"float", "real"})
_OTHER_NAMES: Final = {"integer": "int"}
_LONGEST_NAME: Final = 128
# Without a length a declared text holds one character, and CAST makes thirty of it.
DECLARED, CAST = 1, 30
# What CONVERT's third argument means; 0 stands for its absence.
_STYLES: Final = {
    0: "%b %e %Y %l:%M%p",
    100: "%b %e %Y %l:%M%p",
    101: "%m/%d/%Y",
    103: "%d/%m/%Y",
    104: "%d.%m.%Y",
    108: "%H:%M:%S",
    8: "%H:%M:%S",
    112: "%Y%m%d",
    20: "%Y-%m-%d %H:%M:%S",
    120: "%Y-%m-%d %H:%M:%S",
    23: "%Y-%m-%d",
    21: "%Y-%m-%d %H:%M:%S.",
    121: "%Y-%m-%d %H:%M:%S.",
    126: "%Y-%m-%dT%H:%M:%S.",
}


@dataclass(frozen=True)
class DataType:
    """`length` in characters; None where there is no limit or no text."""

    name: str
    length: int | None = None

    @property
    def is_text(self) -> bool:
        """Whether it holds characters."""
        return self.name in _TEXTS

    def converted(self, given: Value, style: int = 0) -> Value:
        """A value of this type. Raises SqlError 245, 241 and 8115 for one that can't be."""
        if given is None:
            return None
        if self.is_text:
            return _as_text(given, style)[: self.length]
        if self.name in _MOMENTS:
            return _as_moment(given)
        if self.name in _FRACTIONS:
            return float(self._number(given))
        if self.name == "bit":
            words: dict[Value, int] = {"true": 1, "false": 0}
            folded = given.lower() if isinstance(given, str) else given
            return bool(words[folded] if folded in words else self._number(given))
        return self._whole(int(self._number(given)))

    def _number(self, given: Value) -> float:
        if isinstance(given, str):
            try:
                # An empty text is 0; '1.5' is no int.
                return float(given or 0) if self.name in _FRACTIONS else int(given.strip() or 0)
            except ValueError as error:
                raise text("conversion-failed").error(value=given, type=self.name) from error
        if isinstance(given, datetime | bytes) or given is None:
            raise text("not-convertible").error(type=self.name)
        return given

    def _whole(self, given: int) -> int:
        size = 8 * _WHOLE[self.name]
        least, most = (0, 1 << size) if self.name == "tinyint" else (-1 << size - 1, 1 << size - 1)
        if not least <= given < most:
            raise text("overflow").error(type=self.name)
        return given


def parse(tokens: Sequence[Token], length: int) -> tuple[DataType, int] | None:
    """The type that stands at the beginning, and how many tokens it takes; `length` is that of a text that names none. None: not known."""
    name = tokens[0].text.lower() if tokens and tokens[0].is_identifier else ""
    name = _OTHER_NAMES.get(name, name)
    if name == "sysname":
        return DataType("nvarchar", _LONGEST_NAME), 1
    if name not in {*_WHOLE, *_TEXTS, *_MOMENTS, *_FRACTIONS, "bit"}:
        return None
    if len(tokens) < 4 or tokens[1].upper != "(":
        return DataType(name, length if name in _TEXTS else None), 1
    if tokens[3].upper != ")" or name in _WHOLE:
        return None
    if tokens[2].upper == "MAX":
        return DataType(name), 4
    if not tokens[2].text.isdigit():
        return None
    return DataType(name, int(tokens[2].text) if name in _TEXTS else None), 4


def _as_text(given: Value, style: int) -> str:
    if isinstance(given, datetime):
        if style not in _STYLES:
            raise text("not-convertible").error(type="varchar")
        written = given.strftime(_STYLES[style])
        return f"{written}{given.microsecond // 1000:03}" if written.endswith(".") else written
    if isinstance(given, bool):
        return str(int(given))
    if isinstance(given, bytes):
        return given.decode("cp1252", "replace")
    return f"{given:g}" if isinstance(given, float) else str(given)


def _as_moment(given: Value) -> datetime:
    if isinstance(given, datetime):
        return given
    try:
        return datetime.fromisoformat(str(given).strip()).replace(tzinfo=None)
    except ValueError as error:
        raise text("no-moment").error() from error
