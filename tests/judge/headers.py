"""The header of a set, stream MQCI: items SCIN (the set), SFGI, SFIN (one per file of the database), kept in block MSCI and again, with
what is known only at the end, in block MSLS. Offsets are from the name of the item, little-endian."""

from collections.abc import Iterator
from datetime import datetime

from tests.judge.blocks import Block, u16, u32, u64
from tests.judge.verdict import BackupSet, DataFile

Items = dict[str, bytes]
TO_THE_END = 1 << 20
# what the second header may say otherwise than the first: LSNs known only at the end, when it finished, sizes
OTHERWISE = {
    "SCIN": [(32, 62), (82, 87), (96, 104), (148, 152), (252, 260), (336, 348)],
    "SFGI": [(56, TO_THE_END)],
    "SFIN": [(24, 28), (158, TO_THE_END)],
}


def items_of(data: bytes, block: Block | None) -> Items:
    """Each item under its name, files and file groups with their place among the items; empty where the block has no header."""
    stream = block.stream("MQCI") if block else None
    return dict(_items(data[stream.payload : stream.payload + stream.length])) if stream else {}


def _items(header: bytes) -> Iterator[tuple[str, bytes]]:
    """SCIN, SFGI, SFIN, ... each with its number, for several bear one name."""
    at, seen = 0, 0
    while at + 8 <= len(header) and (length := u32(header, at + 4)) >= 8:
        name = header[at : at + 4].decode("latin-1")
        yield (name if name == "SCIN" else f"{name} {seen}"), header[at : at + length]
        at, seen = at + length, seen + 1


def differences(header: Items, repeated: Items) -> Iterator[str]:
    if list(header) != list(repeated):
        yield f"their items: {', '.join(header)} and {', '.join(repeated)}"
    for name in sorted(header.keys() & repeated.keys()):
        for at, (one, other) in enumerate(zip(header[name], repeated[name], strict=False)):
            if one != other and not any(start <= at < end for start, end in OTHERWISE.get(name[:4], [])):
                yield f"{name} at +{at}"
                break


def described(position: int, header: Items, repeated: Items, start: int, end: int | None) -> BackupSet:
    """LSNs are the second header's: SQL Server 2019 and later take a second checkpoint at the end of a full backup, and it is this one that
    a differential refers to (held on a database's next full; before 2019 both headers say the same)."""
    scin, again = header["SCIN"], repeated.get("SCIN", b"")
    files = tuple(DataFile(_text(item, 48), _text(item, 52), u64(item, 40)) for name, item in header.items() if name.startswith("SFIN"))
    status = u32(scin, 244)
    return BackupSet(
        position=position,
        kind=chr(scin[87]) if len(scin) > 87 else "?",
        database=_text(scin, 104),
        database_id=u16(scin, 92),
        server=_text(scin, 108),
        version=f"{scin[27]}.{scin[26]}.{u16(scin, 24)}" if len(scin) > 27 else "?",
        begun=_date(scin[77:82]),
        finished=_date(again[82:87]),
        first_lsn=_lsn(again or scin, 32),
        last_lsn=_lsn(again or scin, 42),
        checkpoint_lsn=_lsn(again or scin, 52),
        base_lsn=_lsn(scin, 62),
        recovery_model="SIMPLE" if status & 8 else "BULK_LOGGED" if status & 4 else "FULL",
        with_checksum=bool(u32(scin, 8) & 0x10),
        files=files,
        start=start,
        end=end,
    )


def _lsn(item: bytes, at: int) -> tuple[int, int, int]:
    return u32(item, at), u32(item, at + 4), u16(item, at + 8)


def _text(item: bytes, at: int) -> str:
    length, offset = u16(item, at), u16(item, at + 2)
    return item[offset : offset + length].decode("utf-16-le", "replace")


def _date(packed: bytes) -> datetime | None:
    if len(packed) < 5 or not any(packed):
        return None
    bits = int.from_bytes(packed, "big")
    try:
        return datetime(bits >> 26, bits >> 22 & 15, bits >> 17 & 31, bits >> 12 & 31, bits >> 6 & 63, bits & 63)
    except ValueError:
        return None
