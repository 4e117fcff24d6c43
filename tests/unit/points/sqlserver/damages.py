"""What tests of damage do to backups, and how they ask whether it's found. Positions are found by walking the bytes, not by the product."""

import random
import struct
from collections.abc import Iterator
from dataclasses import replace

from dbrestore.contract.errors import BackupDamaged
from dbrestore.contract.manifest import NativeChecks
from dbrestore.points.sqlserver import file as native_file
from dbrestore.points.sqlserver.damage.file import DamageCheck, StripeChecks, whole
from dbrestore.points.sqlserver.header import NativeHeader
from localcloud.backups.checksums import page_checksum
from localcloud.backups.files import PAGE, Written, backup

SECTOR = 512


def header_of(data: bytes) -> NativeHeader:
    """The header as `points add` reads it."""
    found = native_file.inspect("x.bak", len(data), lambda offset, count: data[offset : offset + count]).header
    assert found is not None
    return found


def stripe(data: bytes, header: NativeHeader | None = None, piece: int = 1 << 20) -> StripeChecks:
    """One file, fed in pieces."""
    check = DamageCheck("x.bak", header or header_of(data))
    for start in range(0, len(data), piece):
        check.feed(data[start : start + piece])
    return check.finish()


def checked(*files: bytes, header: NativeHeader | None = None) -> NativeChecks:
    """A whole backup set."""
    return whole([stripe(file, header) for file in files])


def complaint(*files: bytes, header: NativeHeader | None = None) -> str:
    """The sentence; empty if no damage was found."""
    try:
        checked(*files, header=header)
    except BackupDamaged as error:
        return str(error)
    return ""


def stream(data: bytes, tag: bytes, after: int = 0) -> tuple[int, int]:
    """Where the bytes of a stream of an uncompressed backup begin, aligned, and how many there are."""
    found = data.index(tag, after)
    (length,) = struct.unpack_from("<Q", data, found + 8)
    begin = -(-(found + 22) // 4) * 4
    return begin, found + 22 + length - begin


def pages(data: bytes) -> dict[tuple[int, int], int]:
    """Position of each page of the first stream of pages, by the file and the page that it says it is."""
    begin, length = stream(data, b"MQDA")
    found = range(begin, begin + length, PAGE)
    return {_named(data, at): at for at in found if data[at] == 1 and 1 <= data[at + 1] <= 22}


def records(data: bytes) -> Iterator[tuple[int, int]]:
    """Position and size of the bytes under each record's checksum."""
    at = 480
    while at < len(data):
        kind, _, size = struct.unpack_from("<BBH", data, at)
        if kind == 0x21:
            yield at + 28, size
            at += 28 + size
        else:
            mark = data.index(b"SFMB", at)
            at = mark + SECTOR
            while at < len(data) and not data[at]:
                at += SECTOR


def flipped(data: bytes, bit: int) -> bytes:
    """One bit is the other one."""
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


def overwritten(data: bytes, at: int, new: bytes) -> bytes:
    """Other bytes from `at` on."""
    return data[:at] + new + data[at + len(new) :]


def swapped(data: bytes, one: int, other: int, size: int = PAGE) -> bytes:
    """Two pieces in each other's place."""
    return overwritten(overwritten(data, one, data[other : other + size]), other, data[one : one + size])


def resealed(data: bytes, at: int, **fields: tuple[int, bytes]) -> bytes:
    """A page with other bytes (offset, bytes) and the checksum that belongs to them."""
    page = bytearray(data[at : at + PAGE])
    for offset, new in fields.values():
        page[offset : offset + len(new)] = new
    page[60:64] = struct.pack("<I", page_checksum(bytes(page)))
    return overwritten(data, at, bytes(page))


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Flips, cuts, insertions and noise, mostly near the beginning, where lengths and counts stand."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 50))):
        if not out:
            break
        at = chance.randrange(min(chance.choice((600, 10_000, len(out))), len(out)))
        match chance.randrange(5):
            case 0:
                out[at] ^= 1 << chance.randrange(8)
            case 1:
                del out[at : at + chance.choice((1, 4, 512, 65_536))]
            case 2:
                out[at:at] = chance.randbytes(chance.choice((1, 4, 512, 8192)))
            case 3:
                out[at : at + 8] = chance.choice((bytes(8), b"\xff" * 8, struct.pack("<Q", 1 << chance.randrange(63))))
            case _:
                out[at : at + 512] = chance.randbytes(512)
    return bytes(out)


def without_checksum(what: Written) -> Written:
    """The same backup, not made WITH CHECKSUM."""
    return replace(what, flags=what.flags & ~0x10)


def stripes(what: Written, count: int) -> list[bytes]:
    """All files of a striped backup."""
    return [backup(replace(what, stripes=count, stripe=number)) for number in range(1, count + 1)]


def _named(data: bytes, at: int) -> tuple[int, int]:
    page, file = struct.unpack_from("<IH", data, at + 32)
    return file, page
