"""Reading and writing the fields of TDS messages: little-endian numbers, UTF-16 texts with their length in front."""

import struct


class WireError(Exception):
    """The client sent something that is no TDS message, or one that the simulated server does not speak."""


class Reader:
    """A cursor over one message. Every method raises WireError where the message ends too early."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        end = self._at + size
        if end > len(self._data):
            raise WireError(f"the message ends at byte {len(self._data)}, {size} bytes are expected from {self._at} on")
        self._at, start = end, self._at
        return self._data[start:end]

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self._data) - self._at)

    def number(self, size: int) -> int:
        """An unsigned number of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def text(self, characters: int) -> str:
        """A text of so many UTF-16 code units."""
        return decoded(self.take(2 * characters))

    def short_text(self) -> str:
        """A text with its length in one byte in front (B_VARCHAR)."""
        return self.text(self.number(1))


def decoded(data: bytes) -> str:
    """The text of UTF-16 bytes."""
    try:
        return data.decode("utf-16-le")
    except UnicodeDecodeError as error:
        raise WireError(f"not a UTF-16 text: {error}") from error


def short_text(text: str) -> bytes:
    """A text with its length in one byte in front (B_VARCHAR); what exceeds 255 code units is cut."""
    encoded = text.encode("utf-16-le")[: 2 * 255]
    return bytes([len(encoded) // 2]) + encoded


def long_text(text: str) -> bytes:
    """A text with its length in two bytes in front (US_VARCHAR)."""
    encoded = text.encode("utf-16-le")
    return struct.pack("<H", len(encoded) // 2) + encoded
