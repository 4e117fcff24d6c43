"""The container of a compressed backup: records of XPRESS Huffman behind `MSSQLBAK`, filemarks as they are, padding, and an index of the
records before the first filemark of each set. What comes out is the stream of blocks that an uncompressed backup is.

Records as seen in files of 2016 and later: +0 u8 kind, +1 u8 inflated size / 512, +2 u16 size behind the header. Data have a header of 28
bytes with a checksum (u32) at +24, padding one of 24 bytes. The index has its length behind 24 bytes at +32 (u32), the number of its pairs
of positions at +28, their checksum at +36 and the pairs, 16 bytes each, at +40."""

import struct
from bisect import bisect_right
from dataclasses import dataclass, field

MAGIC = b"MSSQLBAK"
FIRST_RECORD = 480
DATA, PADDING, INDEX = 0x21, 0x24, 0x2C
WORD = 0xFFFFFFFF


@dataclass
class Unwrapped:
    """The stream of blocks, and where its pieces lie in the file."""

    stream: bytes
    starts: list[int] = field(default_factory=lambda: [0])
    places: list[int] = field(default_factory=lambda: [0])
    problems: list[str] = field(default_factory=list)
    records: int = 0
    bad_records: list[int] = field(default_factory=list)
    covered: int = 0
    compressed: bool = False

    def at(self, offset: int) -> int:
        """The file's byte for the stream's byte `offset`; of a record its first."""
        piece = bisect_right(self.starts, offset) - 1
        return self.places[piece] + (0 if self.compressed and not self.is_mark(self.starts[piece]) else offset - self.starts[piece])

    def is_mark(self, start: int) -> bool:
        return self.stream[start : start + 4] == b"SFMB"


def rotated_sum(data: bytes) -> int:
    """x = rol32(x, 1) ^ word over the u32 words of `data`, zero-padded."""
    data += bytes(-len(data) % 4)
    total = 0
    for (word,) in struct.iter_unpack("<I", data):
        total = ((total << 1 | total >> 31) & WORD) ^ word
    return total


def unwrapped(file: bytes) -> Unwrapped:
    if not file.startswith(MAGIC):
        return Unwrapped(file)
    container = Unwrapped(b"", [], [], compressed=True)
    layout = struct.unpack_from("<I", file, 8)[0] if len(file) >= 12 else 0
    if layout != 2:
        container.problems.append(f"compressed in layout {layout}: only layout 2 (SQL Server 2014 and later) is known")
        container.starts, container.places = [0], [0]
        return container
    pieces: list[bytes] = []
    position, length = FIRST_RECORD, 0
    while position + 4 <= len(file):
        taken, piece = _next_piece(file, position, container)
        if piece:
            container.starts.append(length)
            container.places.append(position)
            pieces.append(piece)
            length += len(piece)
        position += taken
    container.stream = b"".join(pieces)
    if not container.starts:
        container.starts, container.places = [0], [0]
    return container


def _next_piece(file: bytes, position: int, container: Unwrapped) -> tuple[int, bytes]:
    """How many bytes of the file the piece takes, and what it is inflated."""
    kind, blocks, size = struct.unpack_from("<BBH", file, position)
    if file[position : position + 4] == b"SFMB":
        unit = struct.unpack_from("<H", file, position + 8)[0] or 65536
        return unit, file[position : position + unit]
    if kind == PADDING and blocks == 0:
        return 24 + size, b""
    if kind == INDEX and position + 40 <= len(file):
        return _index(file, position, container), b""
    if kind == DATA and position + 28 + size <= len(file):
        return 28 + size, _record(file, position, blocks * 512, size, container)
    if kind == DATA:
        container.problems.append(f"truncated: the record at byte {position} needs {28 + size} bytes, {len(file) - position} are left")
        return len(file) - position, b""
    container.problems.append(f"structure broken: no record at byte {position}")
    following = file.find(b"SFMB", position)
    return (following if following >= 0 else len(file)) - position, b""


def _index(file: bytes, position: int, container: Unwrapped) -> int:
    pairs, length, checksum = (int(word) for word in struct.unpack_from("<III", file, position + 28))
    if rotated_sum(file[position + 40 : position + 40 + 16 * pairs]) != checksum:
        container.problems.append(f"the index of records at byte {position} has another checksum")
    return 24 + length


def _record(file: bytes, position: int, inflated: int, size: int, container: Unwrapped) -> bytes:
    payload = file[position + 28 : position + 28 + size]
    container.records += 1
    container.covered += size
    good = rotated_sum(payload) == struct.unpack_from("<I", file, position + 24)[0]
    try:
        data = inflate(payload, inflated)
    except (IndexError, struct.error, ValueError):
        data, good = bytes(inflated), False
    if not good:
        container.bad_records.append(position)
    return data


def inflate(payload: bytes, size: int) -> bytes:
    """MS-XCA 2.1 (LZ77+Huffman), one table: 256 bytes of 4-bit code lengths, then u16 words read from the highest bit on, between them the
    bytes and words of long lengths. Raises ValueError (or IndexError, struct.error) for what is no such stream."""
    table = _decoding_table(payload[:256])
    payload += bytes(4)
    position, spare = 260, 16
    first, second = struct.unpack_from("<HH", payload, 256)
    bits = first << 16 | second
    out = bytearray()

    def skip(count: int) -> None:
        nonlocal bits, spare, position
        bits = bits << count & WORD
        spare -= count
        if spare < 0:
            bits |= (struct.unpack_from("<H", payload, position)[0] if position + 2 <= len(payload) else 0) << -spare
            spare, position = spare + 16, position + 2

    while len(out) < size:
        symbol, width = table[bits >> 17]
        skip(width)
        if symbol < 256:
            out.append(symbol)
            continue
        length, distance_bits = symbol & 15, symbol >> 4 & 15
        if length == 15:
            length, position = _long_length(payload, position)
        distance = (1 << distance_bits) + (bits >> (32 - distance_bits))
        skip(distance_bits)
        if distance > len(out):
            raise ValueError("a copy from before the beginning")
        for _ in range(length + 3):
            out.append(out[-distance])
    if len(out) != size:
        raise ValueError("longer than its header says")
    return bytes(out)


def _long_length(payload: bytes, position: int) -> tuple[int, int]:
    if payload[position] < 255:
        return 15 + payload[position], position + 1
    return struct.unpack_from("<H", payload, position + 1)[0], position + 3


def _decoding_table(lengths: bytes) -> list[tuple[int, int]]:
    """(symbol, width) for every 15 bits; canonical: by width, then by symbol."""
    widths = [width for pair in lengths for width in (pair & 15, pair >> 4)]
    if sum(1 << (15 - width) for width in widths if width) != 1 << 15:
        raise ValueError("not a Huffman table")
    table: list[tuple[int, int]] = []
    for width, symbol in sorted((width, symbol) for symbol, width in enumerate(widths) if width):
        table += [(symbol, width)] * (1 << (15 - width))
    return table
