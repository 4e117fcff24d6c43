"""LZ77 with Huffman codes as Microsoft publishes it (MS-XCA, section 2.2): the compression of SQL Server's backups.

512 code lengths of four bits, then a bit stream of 16-bit words. A symbol below 256 is a byte; above, it says how long a copy is and how
many bits of distance follow. Invariant: a wrong stream ends in an error or in `size` bytes, never in a loop or a read past the end.
"""

from typing import Final

from dbrestore.contract.errors import BackupDamaged

TABLE: Final = 256
_LONGEST_CODE: Final = 15


def is_table(data: bytes | memoryview) -> bool:
    """Whether 256 bytes are a complete set of code lengths: chance makes one of them in none of the backups seen."""
    return len(data) == TABLE and sum(map(_SHARES.__getitem__, data)) == 1 << _LONGEST_CODE


def inflate(data: bytes, size: int) -> bytes:
    """The first `size` bytes that `data` (table and stream) stands for. Raises BackupDamaged if it doesn't hold them."""
    if not is_table(data[:TABLE]):
        raise BackupDamaged("a compressed record has no valid table of codes")
    try:
        return _decode(_Bits(data, TABLE), _codes(data[:TABLE]), size)
    except IndexError as error:
        raise BackupDamaged("a compressed record ends in the middle or copies from before its beginning") from error


def _share(length: int) -> int:
    return 1 << (_LONGEST_CODE - length) if length else 0


# What the two code lengths in a byte take of all 15-bit words.
_SHARES: Final = tuple(_share(byte & 15) + _share(byte >> 4) for byte in range(256))


def _codes(table: bytes) -> list[tuple[int, int]]:
    """For every 15-bit word the symbol that it begins with and the length of that symbol's code; codes count up by length, then symbol."""
    lengths = [length for byte in table for length in (byte & 15, byte >> 4)]
    codes: list[tuple[int, int]] = []
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        codes += [(symbol, length)] * _share(length)
    return codes


def _decode(bits: "_Bits", codes: list[tuple[int, int]], size: int) -> bytes:
    out = bytearray()
    while len(out) < size:
        symbol, length = codes[bits.window >> 17]
        bits.drop(length)
        if symbol < 256:
            out.append(symbol)
        else:
            _copy(out, bits, symbol - 256)
    return bytes(out[:size])


def _copy(out: bytearray, bits: "_Bits", symbol: int) -> None:
    length, distance_bits = symbol & 15, symbol >> 4
    if length == 15:
        length = bits.long_length()
    distance = (1 << distance_bits) + (bits.window >> (32 - distance_bits))
    bits.drop(distance_bits)
    start = len(out) - distance
    if start < 0:
        raise IndexError("distance")
    # A copy may overlap what it writes: then the bytes at its start repeat.
    piece = bytes(out[start : start + length + 3])
    while len(piece) < length + 3:
        piece += piece[: length + 3 - len(piece)]
    out += piece


class _Bits:
    """The next 16 to 32 bits of the stream stand at the top of `window`, the rest of it is 0."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data, self._position = data, position
        self.window = self._word() << 16 | self._word()
        self._spare = 16

    def drop(self, count: int) -> None:
        """Move on by up to 15 bits."""
        self.window = self.window << count & 0xFFFFFFFF
        self._spare -= count
        if self._spare < 0:
            self.window |= self._word() << -self._spare
            self._spare += 16

    def long_length(self) -> int:
        """The length of a copy that doesn't fit into its symbol: it stands between the words of the bit stream."""
        length = self._data[self._position]
        self._position += 1
        return self._word() if length == 255 else length + 15

    def _word(self) -> int:
        # The stream's last symbol leaves the window empty: up to two words past the end are read and never used.
        if self._position > len(self._data) + 2:
            raise IndexError("stream")
        word = int.from_bytes(self._data[self._position : self._position + 2], "little")
        self._position += 2
        return word
