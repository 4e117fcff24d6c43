"""Streaming decompression of pg_dump's codecs. Invariant: the stored stream is exactly one finished frame, or it is damaged.

pg_restore takes an unfinished lz4 or zstd stream for the end of the data and says nothing, so the end is checked here.
Output comes in pieces of at most about 1 MiB, however strongly the data is compressed: memory doesn't depend on it.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

import lz4.frame
import zstandard
from isal import isal_zlib
from isal.igzip_lib import IsalError

from dbrestore.contract.errors import BackupDamaged
from dbrestore.contract.manifest import Compression
from dbrestore.points.pgdump.zstd_frame import block_groups

PIECE: Final = 1 << 20
# Input per call: zlib and lz4 copy what they have not used at every call, so a slice must stay small beside a piece.
_SLICE: Final = 64 << 10


class _Frame(Protocol):
    """What lz4's and bz2-like decompressors have in common."""

    eof: bool
    needs_input: bool
    unused_data: bytes | None

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def decompress(stored: Iterable[bytes], compression: Compression) -> Iterator[bytes]:
    """The decoded stream of one member. An empty stream decodes to nothing (pg_dump writes no frame for an empty large object).

    Raises BackupDamaged where decoding fails, the frame isn't finished, or bytes follow it."""
    return _CODECS[compression](stored)


def _none(stored: Iterable[bytes]) -> Iterator[bytes]:
    return (piece for piece in stored if piece)


def _gzip(stored: Iterable[bytes]) -> Iterator[bytes]:
    # 32 + 15: the zlib header of a custom-format block or the gzip header of a directory's file.
    frame = isal_zlib.decompressobj(wbits=47)
    fed = False
    for data in _slices(stored):
        fed = True
        _refuse_trailing(frame.eof)
        while data:
            try:
                yield from filter(None, [frame.decompress(data, PIECE)])
            except IsalError as error:  # type: ignore[misc]  # its stub has an instance
                raise BackupDamaged(f"gzip data is damaged: {error}") from error
            _refuse_trailing(bool(frame.unused_data))
            data = frame.unconsumed_tail
    yield from filter(None, [frame.flush()])
    _require_finished(frame.eof or not fed, "gzip")


def _lz4(stored: Iterable[bytes]) -> Iterator[bytes]:
    frame: _Frame = lz4.frame.LZ4FrameDecompressor()
    fed = False
    for data in _slices(stored):
        fed = True
        _refuse_trailing(frame.eof)
        yield from _drain_lz4(frame, data)
        _refuse_trailing(bool(frame.unused_data))
    _require_finished(frame.eof or not fed, "lz4")


def _drain_lz4(frame: _Frame, data: bytes) -> Iterator[bytes]:
    try:
        yield from filter(None, [frame.decompress(data, PIECE)])
        while not (frame.eof or frame.needs_input):
            yield from filter(None, [frame.decompress(b"", PIECE)])
    except (RuntimeError, EOFError) as error:
        raise BackupDamaged(f"lz4 data is damaged: {error}") from error


def _zstd(stored: Iterable[bytes]) -> Iterator[bytes]:
    frame = zstandard.ZstdDecompressor().decompressobj()
    fed = False
    for data in block_groups(stored, PIECE):
        fed = True
        try:
            yield from filter(None, [frame.decompress(data)])
        except zstandard.ZstdError as error:
            raise BackupDamaged(f"zstd data is damaged: {error}") from error
    _require_finished(frame.eof or not fed, "zstd")


_CODECS: Final[dict[Compression, Callable[[Iterable[bytes]], Iterator[bytes]]]] = {
    "none": _none,
    "gzip": _gzip,
    "lz4": _lz4,
    "zstd": _zstd,
}


def _slices(stored: Iterable[bytes]) -> Iterator[bytes]:
    for piece in stored:
        if len(piece) <= _SLICE:
            yield from filter(None, [piece])
        else:
            yield from (piece[start : start + _SLICE] for start in range(0, len(piece), _SLICE))


def _refuse_trailing(trailing: bool) -> None:
    if trailing:
        raise BackupDamaged("bytes follow the end of the compressed data")


def _require_finished(finished: bool, codec: str) -> None:
    if not finished:
        raise BackupDamaged(f"the {codec} data breaks off before its end")
