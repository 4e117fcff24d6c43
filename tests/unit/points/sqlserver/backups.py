"""Native backups of the local cloud's writer, and a compressed stream without copies."""

import struct

from dbrestore.points.sqlserver.file import NativeFile, inspect
from dbrestore.points.sqlserver.header import NativeHeader
from localcloud.backups.blocks import block
from localcloud.backups.files import DATABASE, MEDIA, SECTOR, SET, Written, backup, backup_of_sets, compressed

__all__ = [
    "DATABASE",
    "MEDIA",
    "SECTOR",
    "SET",
    "Written",
    "backup",
    "backup_of_sets",
    "block",
    "compressed",
    "header_of",
    "judged",
    "literal",
]


def judged(data: bytes, name: str = "x.bak") -> NativeFile:
    """What the product makes of a file with these bytes."""
    return inspect(name, len(data), lambda offset, count: data[offset : offset + count])


def header_of(data: bytes) -> NativeHeader:
    """What the product reads of the first set in it. Raises what is wrong with it."""
    found = judged(data)
    if found.header is None:
        kind, sentence = found.problems[0]
        raise kind(sentence)
    return found.header


def literal(data: bytes) -> bytes:
    """XPRESS Huffman without a single copy: every symbol has a code of nine bits, so a byte's code is the byte."""
    bits = "".join(f"{byte:09b}" for byte in data)
    bits += "0" * (-len(bits) % 16)
    words = [int(bits[n : n + 16], 2) for n in range(0, len(bits), 16)]
    return b"\x99" * 256 + b"".join(struct.pack("<H", word) for word in words)
