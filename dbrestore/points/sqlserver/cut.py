"""One backup set cut out of a file that holds several, so that the file is what BACKUP ... WITH INIT leaves of an older one.

RDS restores the first set of a file and takes no position. A set's blocks are contiguous, and only a few of them say where they stand or
which set they are of: SSET (+62 number, +80 position), the two filemarks (+56 count, +72 positions), both ESET (+78 number; +60 of the
second leads to the first) and in the first ESET the stream TSMP, the map of all sets so far: u32 family, u16 entries, u16 0, then an
entry for each set (+0 u16 length, +12 u64 position of SSET, +30 u16 number, +52 u64 size, +60 u16 volumes) followed by its volumes (+0
u16 length of each, of which they take another copy of the block VOLB). None of these fields is under a block's checksum; the streams'
headers are. Read from real files of 2005 and 2012 with two and six sets; what this makes of a first or only set is that set, byte by byte,
in all 259 real files.

The media's block stays older than the set, and the set's size, in the map and in its header, stays without it: so it is where INIT without
FORMAT wrote over a file (seen once; a size counts the block in 263 backups that wrote it themselves, in 8 further sets it does not).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dbrestore.contract.errors import BackupUnreadable
from dbrestore.points.sqlserver.blocks import SECTOR, Block, blocks, number, stream_header
from dbrestore.points.sqlserver.file import NativeFile, SetInFile
from dbrestore.points.sqlserver.marks import LISTED_FROM, ReadRange

# ESET begins at a multiple of the format's logical block or, if that is longer, of the unit.
_LOGICAL_BLOCK: Final = 1024
_STREAM_HEADER: Final = 22
PIECE: Final = 1 << 20
_WAY_OUT: Final = "restore it on a SQL Server of your own (RESTORE ... WITH FILE = {position}) and back up WITH INIT"


@dataclass(frozen=True)
class Cut:
    """A file: `begin`, then the bytes of the source from `copied_from` to `copied_to`, then `end`."""

    begin: bytes
    copied_from: int
    copied_to: int
    end: bytes

    @property
    def length(self) -> int:
        """Bytes of all three."""
        return len(self.begin) + self.copied_to - self.copied_from + len(self.end)

    def pieces(self, read: ReadRange) -> Iterator[bytes]:
        """The file's bytes in order."""
        if self.begin:
            yield self.begin
        for offset in range(self.copied_from, self.copied_to, PIECE):
            yield read(offset, min(PIECE, self.copied_to - offset))
        if self.end:
            yield self.end


def cut(file: NativeFile, placed: SetInFile, read: ReadRange) -> Cut:
    """The file that holds this set alone. Raises BackupUnreadable with the way out if it can't be made."""
    if placed.position == 1:
        return Cut(b"", 0, placed.extent.end if len(file.sets) > 1 else file.length, b"")
    if placed.header.compressed:
        raise _impossible(placed, "in a compressed file further sets hold positions that can't be rewritten")
    try:
        return moved(file, placed, read)
    except IndexError as error:
        raise _impossible(placed, "its end or its map of the sets is damaged") from error


def moved(file: NativeFile, placed: SetInFile, read: ReadRange) -> Cut:
    """The same for a set anywhere in an uncompressed file; for the first one it comes to the same bytes."""
    layout = file.layout
    if layout is None:
        raise ValueError("a file without its end has no sets")
    first_mark, data_end = layout.marks[0], layout.marks[2 * placed.position - 1]
    start = first_mark + layout.unit
    away = placed.extent.begin - start
    set_block = bytearray(read(placed.extent.begin, SECTOR))
    set_block[62:64] = (1).to_bytes(2, "little")
    set_block[80:88] = start.to_bytes(8, "little")
    tail = read(data_end, placed.extent.end - data_end)
    end = _End(placed, tail, layout.unit, away, start).rewritten(data_end - away, first_mark)
    return Cut(read(0, start) + set_block, placed.extent.begin + SECTOR, data_end, end)


class _End:
    """The blocks behind a set's data: filemark, first and second end of the set, filemark."""

    def __init__(self, placed: SetInFile, tail: bytes, unit: int, away: int, start: int) -> None:
        self._placed, self._tail, self._unit = placed, tail, unit
        # How far the set moves towards the file's beginning, and where it begins then.
        self._away, self._start = away, start

    def rewritten(self, position: int, first_mark: int) -> bytes:
        """As they are behind the data of an only set that ends at this position."""
        ends = [block for block in blocks(self._tail) if block.tag == b"ESET"]
        if len(ends) != 2 or ends[0].position != self._unit:
            raise _impossible(self._placed, "its end has an unknown form")
        one, other = ends
        marks = len(self._tail) - self._unit
        first_end = self._first_end(one, self._tail[one.position : other.position])
        second_end = bytearray(self._tail[other.position : marks])
        second_end[60:68] = (number(bytes(second_end), 60, 8) - self._away).to_bytes(8, "little")
        second_end[78:80] = (1).to_bytes(2, "little")
        return b"".join(
            (
                _mark(self._tail[: self._unit], [first_mark]),
                first_end,
                bytes(second_end),
                _mark(self._tail[marks:], [position, first_mark]),
            )
        )

    def _first_end(self, block: Block, data: bytes) -> bytes:
        place = block.stream_position(b"TSMP")
        if place is None:
            raise _impossible(self._placed, "its end holds no map of the sets")
        length = number(data, place + 8, 8)
        header, payload = (
            data[place : place + _STREAM_HEADER],
            data[place + _STREAM_HEADER : place + _STREAM_HEADER + length],
        )
        map_ = self._map(payload)
        stream = stream_header(header, len(map_)) + map_
        stream += bytes(-(place + len(stream)) % 4)
        spad_place = (place + _STREAM_HEADER + length + 3) // 4 * 4
        spad = data[spad_place : spad_place + _STREAM_HEADER]
        unit = max(self._unit, _LOGICAL_BLOCK)
        room = -(place + len(stream) + _STREAM_HEADER) % unit
        out = bytearray(data[:place] + stream + stream_header(spad, room) + bytes(room))
        out[78:80] = (1).to_bytes(2, "little")
        return bytes(out)

    def _map(self, payload: bytes) -> bytes:
        for begin, end in _entries(payload):
            entry = bytearray(payload[begin:end])
            if number(bytes(entry), 30, 2) == self._placed.position:
                entry[12:20] = self._start.to_bytes(8, "little")
                entry[30:32] = (1).to_bytes(2, "little")
                return payload[:4] + (1).to_bytes(2, "little") + payload[6:8] + bytes(entry)
        raise _impossible(self._placed, "it is missing in the map of the sets")


def _entries(payload: bytes) -> Iterator[tuple[int, int]]:
    """Where each set's entry begins and, with its volumes, ends."""
    position = 8
    for _ in range(number(payload, 4, 2)):
        begin = position
        volumes = number(payload, begin + 60, 2)
        position += number(payload, begin, 2)
        for _ in range(volumes):
            position += number(payload, position, 2)
        yield begin, position


def _mark(block: bytes, before: list[int]) -> bytes:
    start = LISTED_FROM.get(number(block, 60, 4), 60)
    listed = b"".join(position.to_bytes(8, "little") for position in before)
    out = bytearray(block)
    out[56:60] = len(before).to_bytes(4, "little")
    room = (len(block) - start) // 8 * 8
    out[start : start + room] = listed + bytes(room - len(listed))
    return bytes(out)


def _impossible(placed: SetInFile, why: str) -> BackupUnreadable:
    return BackupUnreadable(
        f"holds several backup sets, and set {placed.position} can't be cut out ({why}): {_WAY_OUT.format(position=placed.position)}"
    )
