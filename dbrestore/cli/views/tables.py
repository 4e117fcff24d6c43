"""Tables as all commands print them: no frames, numbers to the right, long words folded and never cut."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dbrestore.cli.consoles import visible

_NUMBERS = {"rows", "size", "took", "tables", "files", "dollars", "expected", "at most", "incl. log", "pages in use"}


def table(*columns: str) -> Table:
    """An empty table with these columns."""
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold", justify="right" if column in _NUMBERS else "left")
    return made


# Below, names of resources would be folded to leave room for the sentence beside them.
_WIDE = 110


def explained(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[RenderableType]:
    """Rows whose last cell is a sentence: a column of its own if there is room, else a line of its own under the others."""
    if width >= _WIDE:
        shown = table(*columns)
        for row in rows:
            shown.add_row(*row)
        yield shown
        return
    cells = [columns[:-1], *(row[:-1] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns) - 1)]
    yield _aligned(columns[:-1], widths, "bold")
    for *beginning, sentence in rows:
        yield _aligned(beginning, widths)
        if sentence:
            yield Padding(Text(visible(sentence)), (0, 0, 0, 4))


def _aligned(cells: Sequence[str], widths: Sequence[int], style: str = "") -> Text:
    line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return Text(visible(line.rstrip()), style=style, overflow="fold")
