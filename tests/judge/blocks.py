"""The blocks of MTF 1.00a as SQL Server writes them: TAPE and a filemark, then for each backup set SSET, VOLB, MSCI, MSDA..., MSTL...,
MSLS, a filemark, two ESET, a filemark. All numbers little-endian; positions are bytes of the file."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import xor

TAGS = frozenset({b"TAPE", b"SFMB", b"SSET", b"VOLB", b"MSCI", b"MSDA", b"MSTL", b"MSLS", b"ESET"})
HEADER, STREAM_HEADER, LOGICAL = 52, 22, 1024


@dataclass(frozen=True)
class Stream:
    tag: str
    at: int
    length: int

    @property
    def payload(self) -> int:
        """Where its bytes begin; the data streams' begin at the next multiple of four, two bytes on."""
        return self.at + STREAM_HEADER

    def aligned(self) -> range:
        """The bytes of MQDA or MQTL without the two that align them."""
        return range((self.payload + 3) & ~3, self.payload + self.length)


@dataclass(frozen=True)
class Block:
    tag: str
    at: int
    end: int
    streams: tuple[Stream, ...]

    def stream(self, tag: str) -> Stream | None:
        return next((stream for stream in self.streams if stream.tag == tag), None)


class Broken(Exception):
    """Says where, in bytes of the stream of blocks, and why."""

    def __init__(self, at: int, why: str) -> None:
        super().__init__(why)
        self.at = at


def xor_words(data: bytes, form: str = "<H") -> int:
    return reduce(xor, (word for (word,) in struct.iter_unpack(form, data)), 0)


def u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def u64(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def is_block(data: bytes, at: int) -> bool:
    return data[at : at + 4] in TAGS and at + HEADER <= len(data) and xor_words(data[at : at + 50]) == u16(data, at + 50)


def block_at(data: bytes, at: int) -> Block:
    if not is_block(data, at):
        raise Broken(at, f"{bytes(data[at : at + 4])!r} is no block, or its header has another checksum")
    tag, empty = data[at : at + 4].decode(), tuple[Stream, ...]()
    if tag == "SFMB":
        end, streams = at + (u16(data, at + 8) or 65536), empty
    else:
        streams = tuple(_streams(data, at + u16(data, at + 8)))
        last = streams[-1]
        end = -(-(last.payload + last.length) // 512) * 512
    if end > len(data):
        raise Broken(at, f"truncated: {tag} ends at {end}, the file at {len(data)}")
    return Block(tag, at, end, streams)


def _streams(data: bytes, at: int) -> Iterator[Stream]:
    while True:
        header = data[at : at + STREAM_HEADER]
        if len(header) < STREAM_HEADER:
            raise Broken(at, "truncated: a stream's header is cut off")
        if xor_words(header[:20]) != u16(header, 20):
            raise Broken(at, "a stream's header has another checksum")
        stream = Stream(header[:4].decode("latin-1"), at, u64(header, 8))
        yield stream
        if stream.tag == "SPAD":
            return
        at = (stream.payload + stream.length + 3) & ~3
        if at > len(data):
            raise Broken(stream.at, f"truncated: stream {stream.tag} ends at {at}, the file at {len(data)}")


def walked(data: bytes) -> Iterator[Block | Broken]:
    """Every block to the end of the file; behind a break the next 512 bytes that begin a sound block go on."""
    at = 0
    while at < len(data):
        try:
            block = block_at(data, at)
        except Broken as broken:
            yield broken
            at = next(
                (place for place in range((max(at, broken.at) // 512 + 1) * 512, len(data), 512) if is_block(data, place)),
                len(data),
            )
        else:
            yield block
            at = block.end


def mark_positions(data: bytes, mark: Block) -> tuple[int, list[int]]:
    """The filemark's count of filemarks before it (by MTF "entries used", so of those that it has room for), and the positions it names,
    newest first. Before 2008 they begin at +60."""
    start = 72 if u32(data, mark.at + 60) == 72 else 60
    count = u32(data, mark.at + 56)
    room = (mark.end - mark.at - start) // 8
    return count, [u64(data, mark.at + start + 8 * number) for number in range(min(count, room))]
