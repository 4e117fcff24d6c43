"""COPY text as pg_dump stores it: a line per row, a tab between columns, and `\\.` with three line ends behind the last row.

Invariant: rows that break off before the closing lines are never taken for all of them.
"""

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


def column_count(copy_statement: str) -> int:
    """Columns of `COPY app."a (b)" (id, "x,y") FROM stdin;`; pg_dump leaves the list out for a table without columns."""
    outside = "".join(copy_statement.split('"')[::2])
    _, opened, listed = outside.partition("(")
    return listed.partition(")")[0].count(",") + 1 if opened else 0
