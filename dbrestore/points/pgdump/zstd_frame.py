"""The block structure of a zstd frame (RFC 8878, section 3.1.1), so that it can be decompressed a known amount at a time.

The decompressor returns everything that one call can produce, and ten bytes may stand for 128 KiB: feeding whole blocks,
each of which holds at most 128 KiB, is what bounds its memory.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from dbrestore.contract.errors import BackupDamaged
from dbrestore.points.byte_reader import ByteReader

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_LARGEST_BLOCK: Final = 128 << 10
_RLE: Final = 1
_RESERVED: Final = 3
# Bytes of a block's header, and of what may follow the last one.
_HEADER: Final = 3
_CHECKSUM: Final = 4


def block_groups(stored: Iterable[bytes], output: int) -> Iterator[bytes]:
    """The bytes of one frame in groups of whole blocks, each decoding to at most `output` bytes; nothing for an empty stream.

    Raises BackupDamaged for what isn't a frame, for one that breaks off, and for bytes behind it."""
    reader = ByteReader(stored, "zstd data")
    if reader.at_end():
        return
    begin, has_checksum = _header(reader)
    most, last = max(output // _LARGEST_BLOCK, 1), False
    while not last:
        length, last = _group(reader, most)
        yield begin + reader.read(length + (_CHECKSUM if last and has_checksum else 0))
        begin = b""
    if not reader.at_end():
        raise BackupDamaged("bytes follow the end of the compressed data")


def _group(reader: ByteReader, most: int) -> tuple[int, bool]:
    """The length of the next block and of those behind it whose headers were fetched already, and whether the last of them is the frame's.
    At most so many, and taken as one: a copy of each would cost more than a tenth of the decompression."""
    length, last = _block(reader.ahead(_HEADER))
    for _ in range(most - 1):
        begin = reader.cursor + length
        if last or begin + _HEADER > len(reader.buffer):
            break
        more, last = _block(reader.buffer[begin : begin + _HEADER])
        length += more
    return length, last


def _header(reader: ByteReader) -> tuple[bytes, bool]:
    """The frame's header, and whether a checksum follows its last block."""
    start = reader.read(5)
    if not start.startswith(_MAGIC):
        raise BackupDamaged("zstd data doesn't begin with a zstd frame")
    descriptor = start[4]
    single_segment = descriptor >> 5 & 1
    content_size = (single_segment, 2, 4, 8)[descriptor >> 6]
    dictionary_id = (0, 1, 2, 4)[descriptor & 3]
    rest = reader.read((0 if single_segment else 1) + dictionary_id + content_size)
    return start + rest, bool(descriptor >> 2 & 1)


def _block(header: bytes) -> tuple[int, bool]:
    """The length of a block with its header, and whether it is the last."""
    value = int.from_bytes(header, "little")
    last, kind, size = bool(value & 1), value >> 1 & 3, value >> 3
    if kind == _RESERVED or size > _LARGEST_BLOCK:
        raise BackupDamaged("zstd data has an impossible block header")
    return _HEADER + (1 if kind == _RLE else size), last
