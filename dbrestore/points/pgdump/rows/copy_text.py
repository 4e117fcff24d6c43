"""COPY text as pg_dump stores it: a line per row, a tab between columns, and `\\.` with three line ends behind the last row.

Invariant: rows are counted on what was read, and every row has the columns that the COPY statement names.
"""

import codecs
from collections.abc import Iterable, Iterator
from typing import Final

from dbrestore.contract.errors import BackupDamaged

TERMINATOR: Final = b"\\.\n\n\n"


def without_terminator(text: Iterable[bytes]) -> Iterator[bytes]:
    """The rows without the closing lines. Raises BackupDamaged if those aren't exactly there."""
    held, before = b"", b"\n"
    for piece in text:
        if len(piece) < len(TERMINATOR):
            held += piece
            continue
        if held:
            yield held
            before = held[-1:]
        held = piece
    # A short last piece was joined to its predecessor above, so the terminator is never split here.
    rows = held.removesuffix(TERMINATOR)
    if rows == held or (rows[-1:] or before) != b"\n":
        raise BackupDamaged("the rows don't end with the line `\\.` that closes them: some are missing")
    if rows:
        yield rows


class RowCheck:
    """Counts bytes and rows of one table's COPY text and checks their shape while they pass."""

    def __init__(self, columns: int, encoding: str) -> None:
        self._columns = columns
        self._decoder = codecs.getincrementaldecoder("utf-8")() if encoding == "UTF8" else None
        self._tabs = 0
        self.length = 0
        self.rows = 0

    def add(self, text: bytes) -> None:
        """Look at the next piece. Raises BackupDamaged for bytes that the encoding can't have."""
        self.length += len(text)
        self.rows += text.count(b"\n")
        self._tabs += text.count(b"\t")
        self._decode(text, final=False)

    def close(self) -> None:
        """Raise BackupDamaged if the rows as a whole can't be what COPY wrote."""
        self._decode(b"", final=True)
        expected = self.rows * max(self._columns - 1, 0)
        if self._tabs != expected:
            raise BackupDamaged(f"{self.rows} rows of {self._columns} columns need {expected} tabs but have {self._tabs}")

    def _decode(self, text: bytes, *, final: bool) -> None:
        if self._decoder is None:
            return
        try:
            self._decoder.decode(text, final)
        except UnicodeDecodeError as error:
            raise BackupDamaged(f"the rows contain bytes that aren't UTF-8: {error.reason}") from error


def column_count(copy_statement: str) -> int:
    """Columns of `COPY app."a (b)" (id, "x,y") FROM stdin;`; pg_dump leaves the list out for a table without columns."""
    outside = "".join(copy_statement.split('"')[::2])
    _, opened, listed = outside.partition("(")
    return listed.partition(")")[0].count(",") + 1 if opened else 0
