"""Native backups of the local cloud's writer, and the same as SQL Server compresses them."""

import struct

from localcloud.native_backups import (
    DATABASE,
    MEDIA,
    SECTOR,
    SET,
    Written,
    backup,
    block,
    filemark,
    set_of,
    tape,
)

__all__ = ["DATABASE", "MEDIA", "SECTOR", "SET", "Written", "backup", "block", "compressed", "literal"]


_PLAIN = Written()


def compressed(what: Written = _PLAIN, version: int = 2) -> bytes:
    """The same in a container of compressed records, with a gap after the first and the others overlapping by four bytes."""
    said = set_of(what)
    out = bytearray(b"MSSQLBAK" + struct.pack("<I", version) + bytes(465))
    out += _record(tape(what)) + b"\x01" * 7 + _record(said[:2048])
    for data in (said[2048:], *[bytes(SECTOR)] * what.pages):
        # Its first four bytes are the last four of the record before.
        out += _record(data)[4:]
    out += bytes(-len(out) % SECTOR)
    marks = [len(out), 2 * SECTOR]
    return bytes(out) + filemark([2 * SECTOR]) + bytes(2 * SECTOR) + filemark(marks)


def literal(data: bytes) -> bytes:
    """XPRESS Huffman without a single copy: every symbol has a code of nine bits, so a byte's code is the byte."""
    bits = "".join(f"{byte:09b}" for byte in data)
    bits += "0" * (-len(bits) % 16)
    words = [int(bits[n : n + 16], 2) for n in range(0, len(bits), 16)]
    return b"\x99" * 256 + b"".join(struct.pack("<H", word) for word in words)


def _record(data: bytes) -> bytes:
    payload = literal(data)
    header = struct.pack("<IBBHIIIIII", 0, 0x21, len(data) // SECTOR, len(payload), 0, 0, 7, 7, 0, 7)
    return header + payload
