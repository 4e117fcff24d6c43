"""A process that counts blocks of rows for the one that reads a dump: `python -m dbrestore.worker.postgresql.dumps.counting DESCRIPTOR`.

Blocks lie in memory that both have mapped, which DESCRIPTOR is; where, comes on standard input, and what each comes to goes to standard
output, in the same order. It ends when its standard input does, so it doesn't survive the process that began it. It knows no AWS, has no
environment, and imports little, since it must begin quickly.

    question    offset, length of the block, length of the shape; the shape as JSON
    answer      rows, tabs, sum of hashes, length of the words; what is wrong with the block, if anything
"""

import json
import mmap
import struct
import sys
from functools import lru_cache
from typing import BinaryIO, Final

from dbrestore.contract.errors import BackupDamaged
from dbrestore.points.pgdump.rows.block_count import HASH_LENGTH, BlockCounter, RowShape, Totals
from dbrestore.points.pgdump.rows.canonical_text import Columns

QUESTION: Final = struct.Struct("<QII")
ANSWER: Final = struct.Struct(f"<QQ{HASH_LENGTH}sI")
_MODULUS: Final = 1 << 8 * HASH_LENGTH


def question(offset: int, length: int, shape: RowShape) -> bytes:
    """About a block that lies there."""
    columns = shape.columns
    described = json.dumps([columns.kept, columns.times, columns.bytes, shape.seed, shape.is_utf8]).encode()
    return QUESTION.pack(offset, length, len(described)) + described


def answer(totals: Totals, damage: str = "") -> bytes:
    """What a block comes to, or what is wrong with it."""
    words = damage.encode()
    return ANSWER.pack(totals.rows, totals.tabs, (totals.hashes % _MODULUS).to_bytes(HASH_LENGTH, "little"), len(words)) + words


def answered(header: bytes) -> tuple[Totals, int]:
    """What the first bytes of an answer say, and how many bytes of words follow."""
    rows, tabs, hashes, words = ANSWER.unpack(header)
    return Totals(rows, tabs, int.from_bytes(hashes, "little")), words


def serve(questions: BinaryIO, answers: BinaryIO, area: mmap.mmap) -> None:
    """Answer until there are no more questions."""
    while header := questions.read(QUESTION.size):
        offset, length, shape_length = QUESTION.unpack(header)
        counter = _counter(questions.read(shape_length))
        answers.write(_counted(counter, area[offset : offset + length]))
        answers.flush()


def _counted(counter: BlockCounter, block: bytes) -> bytes:
    try:
        return answer(counter.count(block))
    except BackupDamaged as damage:
        return answer(Totals(), str(damage))


# One for all members of a shape: what a counter learns from the first value of a dump holds for all of them. Another dump has another seed.
@lru_cache(maxsize=1)
def _counter(described: bytes) -> BlockCounter:
    kept, times, in_bytes, seed, is_utf8 = json.loads(described)
    columns = Columns(None if kept is None else tuple(kept), tuple(times), tuple(in_bytes))
    return BlockCounter(RowShape(columns, seed, is_utf8))


def main(arguments: list[str]) -> int:
    """Serve the process that began this one. An end of that one is no error."""
    with mmap.mmap(int(arguments[0]), 0) as area:
        try:
            serve(sys.stdin.buffer, sys.stdout.buffer, area)
        except BrokenPipeError:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
