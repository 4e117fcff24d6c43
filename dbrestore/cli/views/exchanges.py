"""Which name holds what after an exchange of names, as people read it."""

from collections.abc import Iterable, Iterator

from rich.text import Text

from dbrestore.cli.consoles import visible
from dbrestore.contract.job import SwapResult
from dbrestore.contract.record import Report
from dbrestore.contract.swaps.exchanges import SwapRecord


def told(report: Report) -> Iterator[Text]:
    """A line per name; what of the old database could not be given to the new one; until when the old one stays."""
    for swap in report.swaps:
        yield Text(visible(_line(swap)), style="green" if swap.is_done else "red")
        yield from (Text(visible(f"  {note.entry}: {note.what}"), style="yellow") for note in swap.fix_ups)
    if report.kept_until and any(swap.action == "swap" and swap.old_is for swap in report.swaps):
        yield Text(
            f"What was replaced stays until {report.kept_until:%Y-%m-%d %H:%M} UTC. To turn it back: dbrestore swap --undo "
            f"{report.restore_id}. To drop it now: dbrestore drop-old {report.restore_id}"
        )


def since(report: Report, records: Iterable[SwapRecord]) -> Iterator[Text]:
    """A line for each of the report's exchanges that another execution changed later: what the report can't know."""
    for record in records:
        if record.by != report.restore_id and record.changed_at > report.ended_at:
            name = record.exchange.name
            what = {
                "SWAPPED": f"{name!r} was exchanged",
                "UNDONE": f"{name!r} was turned back to the database from before",
                "DROPPED": f"the database from before, {record.exchange.kept_as!r}, was dropped",
            }[record.state]
            yield Text(visible(f"Since then {what}, by {record.by} at {record.changed_at:%Y-%m-%d %H:%M} UTC."), style="yellow")


def _line(swap: SwapResult) -> str:
    words = {"swap": "exchanged", "undo": "turned back", "drop": "dropped"}[swap.action]
    if swap.action == "drop" and swap.is_done:
        return f"{swap.kept_as!r} was dropped: {swap.truth}"
    return f"{swap.name!r} {'was' if swap.is_done else 'was NOT'} {words}: {swap.truth}"
