"""The rows of a dump as a server writes them under `TimeZone` UTC and `bytea_output` hex, which pg_dump leaves to the source's settings.

Invariant: the value stays the same; only an instant's offset and the notation of bytes change. Everything else pg_dump pins itself:
DateStyle ISO, IntervalStyle postgres, extra_float_digits 3.
"""

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dbrestore.contract.errors import BackupDamaged

_INSTANT: Final = re.compile(rb"(\d{4,})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(\.\d+)?([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?( BC)?")
_OTHER_OFFSET: Final = re.compile(rb":\d\d(?:\.\d+)?[+-](?!00[^\d:])")
_PERHAPS_EAST: Final = re.compile(rb"\+(?!00[^\d:])")
# Also the day of a date; each of an instant's own hyphens fails at its third character.
_PERHAPS_WEST: Final = re.compile(rb"-[01]\d(?:[^\d -]| BC)")
_NULL: Final = rb"\N"
_HEX: Final = rb"\\x"
_ESCAPED: Final = re.compile(rb"\\\\(\d{3}|\\\\)|([^\\]+)")
_DAY: Final = 86_400
# Days from 1 March of the year 0 to 1970-01-01, both Gregorian.
_EPOCH: Final = 719_468
_ERA_YEARS, _ERA_DAYS = 400, 146_097


@dataclass(frozen=True)
class LeftOut:
    """A column that isn't compared; `why` is half a sentence."""

    column: str
    why: str


@dataclass(frozen=True)
class Columns:
    """Positions in the COPY statement's order. `kept` None: all. Of those kept, `times` hold instants, which the dump wrote in its server's
    time zone, and `bytes` hold bytea, hexadecimal or escaped."""

    kept: tuple[int, ...] | None = None
    times: tuple[int, ...] = ()
    bytes: tuple[int, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


class CanonicalText:
    """For the rows of one member, block by block. Text that isn't an instant and no bytea stays as it is."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        # The setting is one for the whole dump: the first value tells.
        self._is_escaped: bool | None = None if columns.bytes else False

    def rows(self, block: bytes) -> Iterable[bytes]:
        """The rows of whole lines, with their ends, and only the columns that are kept. Raises BackupDamaged if a row lacks columns."""
        try:
            if self._columns.kept is None and not self._must_change(block):
                # Its lines end at line feeds alone, and are made one at a time: the processor's cache holds them until they are hashed.
                return io.BytesIO(block)
            return [self._line(line) for line in block.split(b"\n")[:-1]]
        except IndexError:
            raise BackupDamaged("a row has fewer columns than the COPY statement names") from None

    def _must_change(self, block: bytes) -> bool:
        if self._is_escaped is None:
            self._sniff(block)
        return bool(self._is_escaped) or (bool(self._columns.times) and _has_offset(block))

    def _sniff(self, block: bytes) -> None:
        for line in block.split(b"\n")[:-1]:
            fields = line.split(b"\t")
            for position in self._columns.bytes:
                if fields[position] != _NULL:
                    self._is_escaped = not fields[position].startswith(_HEX)
                    return

    def _line(self, line: bytes) -> bytes:
        fields = line.split(b"\t")
        for position in self._columns.times:
            fields[position] = _INSTANT.sub(_in_utc, fields[position])
        for position in self._columns.bytes:
            if fields[position] != _NULL and not fields[position].startswith(_HEX):
                fields[position] = _hexadecimal(fields[position])
        kept = self._columns.kept
        return b"\t".join(fields if kept is None else [fields[position] for position in kept]) + b"\n"


def _has_offset(block: bytes) -> bool:
    """Whether an instant may stand here with another offset than +00. Quick for the many blocks where none does."""
    is_perhaps = _PERHAPS_EAST.search(block) or _PERHAPS_WEST.search(block)
    return is_perhaps is not None and _OTHER_OFFSET.search(block) is not None


def _in_utc(found: re.Match[bytes]) -> bytes:
    year, month, day, hour, minute, second = (int(part) for part in found.group(1, 2, 3, 4, 5, 6))
    fraction, sign, *offset, before_christ = found.group(7, 8, 9, 10, 11, 12)
    hours, minutes, seconds = (int(part or b"0") for part in offset)
    shift = (hours * 60 + minutes) * 60 + seconds
    at = _days(1 - year if before_christ else year, month, day) * _DAY + (hour * 60 + minute) * 60 + second
    days, within = divmod(at - (shift if sign == b"+" else -shift), _DAY)
    year, month, day = _date(days)
    era = " BC" if year <= 0 else ""
    year = 1 - year if year <= 0 else year
    clock = f"{within // 3600:02}:{within // 60 % 60:02}:{within % 60:02}{(fraction or b'').decode()}"
    return f"{year:04}-{month:02}-{day:02} {clock}+00{era}".encode()


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar, for any year (0 is 1 BC): Python's own ends at 1 and 9999."""
    year -= month <= 2
    era, of_era = divmod(year, _ERA_YEARS)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * _ERA_DAYS + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _EPOCH


def _date(days: int) -> tuple[int, int, int]:
    """The reverse."""
    era, of_era = divmod(days + _EPOCH, _ERA_DAYS)
    years = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * years + years // 4 - years // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + (3 if shifted < 10 else -9)
    return years + era * _ERA_YEARS + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def _hexadecimal(escaped: bytes) -> bytes:
    """`\\\\000abc` (bytea_output escape, its backslashes doubled by COPY) as `\\\\x00616263`."""
    content = bytearray()
    for code, literal in _ESCAPED.findall(escaped):
        content += literal or (b"\\" if code == rb"\\" else bytes([int(code, 8) & 0xFF]))
    return _HEX + content.hex().encode()
