"""What is missing in restored databases, and what of the dump runs by itself: the lists that a person must read first.

Invariant: nothing here is cut in a report; on the screen at the end of a restore a long list ends with the way to the whole of it.
"""

from collections.abc import Iterable, Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dbrestore.cli.consoles import visible
from dbrestore.cli.views.tables import table
from dbrestore.cli.views.units import number
from dbrestore.contract.job import CodeObject, LeftOut, Result
from dbrestore.contract.left_out_lists import Lists

SHOWN_AT_THE_END = 20


def as_state(found: Lists) -> dict[str, list[dict[str, object]]]:
    """The same for programs."""
    return {name: [one.to_state() for one in listed] for name, listed in found.items()}


def in_short(found: Lists, restore_id: str) -> Iterator[RenderableType]:
    """What and why, without the SQL; the beginning of long lists."""
    for name, listed in found.items():
        yield _headline(name, listed)
        for one in listed[:SHOWN_AT_THE_END]:
            yield _entry(one)
            yield _below(one.why)
        if len(listed) > SHOWN_AT_THE_END:
            yield f"and {number(len(listed) - SHOWN_AT_THE_END)} more"
    if found:
        yield f"The whole list, with the SQL to make each by hand: dbrestore report {restore_id}"


def whole(found: Lists) -> Iterator[RenderableType]:
    """Everything, with the SQL."""
    for name, listed in found.items():
        yield _headline(name, listed)
        for one in listed:
            yield _entry(one)
            yield _below(one.why)
            if one.sql:
                yield _below(one.sql.strip(), "dim")


def code(name: str, objects: Iterable[CodeObject]) -> Table:
    """Every object through which code of the dump runs without being called, or with other rights than its caller's."""
    shown = table(f"code of the dump in {name}", "object", "runs", "as", "when")
    for one in objects:
        shown.add_row(one.kind, one.name, one.function, one.runs_as, one.when)
    return shown


def code_by_database(results: Iterable[Result]) -> dict[str, list[CodeObject]]:
    """What runs by itself, by the database's asked name; each object once, whichever jobs name it."""
    found: dict[str, dict[CodeObject, None]] = {}
    for database in (database for result in results for database in result.databases if database.code):
        found.setdefault(database.asked_name, {}).update(dict.fromkeys(database.code))
    return {name: list(objects) for name, objects in found.items()}


def _headline(name: str, listed: tuple[LeftOut, ...]) -> Text:
    rows = sum(one.rows for one in listed)
    loaded = f", {number(rows)} rows of the dump were not loaded" if rows else ""
    return Text(visible(f"LEFT OUT of {name}: {number(len(listed))} objects of the dump{loaded}"), style="bold red")


def _entry(one: LeftOut) -> Text:
    rows = f" ({number(one.rows)} rows)" if one.rows else ""
    return Text(visible(f"  {one.entry}{rows}"), style="bold")


def _below(text: str, style: str = "") -> Padding:
    return Padding(Text(visible(text), style=style), (0, 0, 0, 4))
