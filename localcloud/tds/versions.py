"""What differs between the versions of TDS: 7.2 widened counts, line numbers and user types, put headers in front of requests, and brought
types without a length limit ([MS-TDS] 2.2.6, 2.2.7; "Introduced in TDS 7.2" there)."""

from dataclasses import dataclass

from localcloud.tds.fields import WireError

_7_1, _7_2, _7_4 = 0x71000000, 0x72000000, 0x74000004


@dataclass(frozen=True)
class Version:
    """One version by the number that LOGIN7 and LOGINACK carry."""

    number: int

    @property
    def is_7_2(self) -> bool:
        """7.2 or newer."""
        return self.number >= _7_2

    @property
    def user_type(self) -> str:
        """Of a column, as `struct` writes it."""
        return "I" if self.is_7_2 else "H"

    @property
    def line(self) -> str:
        """The number of a line in ERROR and INFO."""
        return "I" if self.is_7_2 else "H"

    @property
    def count(self) -> str:
        """The rows in DONE."""
        return "Q" if self.is_7_2 else "I"


NEWEST = Version(_7_4)


def agreed(asked: int) -> Version:
    """What is spoken with a client that wants version `asked`. Raises WireError for 7.0 and older."""
    if asked < _7_1:
        raise WireError(f"the client speaks TDS version 0x{asked:08X}; the simulated server speaks 7.1 to 7.4")
    return Version(min(asked, _7_4))
