"""Native backups of the local cloud's writer, and a compressed stream without copies."""

import struct

from localcloud.native_backups import DATABASE, MEDIA, SECTOR, SET, Written, backup, backup_of_sets, compressed
from localcloud.native_blocks import block

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
    "literal",
]


def literal(data: bytes) -> bytes:
    """XPRESS Huffman without a single copy: every symbol has a code of nine bits, so a byte's code is the byte."""
    bits = "".join(f"{byte:09b}" for byte in data)
    bits += "0" * (-len(bits) % 16)
    words = [int(bits[n : n + 16], 2) for n in range(0, len(bits), 16)]
    return b"\x99" * 256 + b"".join(struct.pack("<H", word) for word in words)
