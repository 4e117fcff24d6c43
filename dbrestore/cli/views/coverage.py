"""Coverage as people read it on a terminal: what is missing comes first."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dbrestore.cli.consoles import one_line
from dbrestore.cli.views.tables import table
from dbrestore.cli.views.units import duration
from dbrestore.evidence.coverage import Coverage, CoveredDatabase, Trial
from dbrestore.evidence.words import plural


def show(console: Console, found: Coverage) -> None:
    """Everything."""
    console.print(Text(f"{found.since:%Y-%m-%d} to {found.until:%Y-%m-%d}: {found.sentence}", style="bold"))
    for sentence in found.unread:
        console.print(Text(f"not looked at: {one_line(sentence)}", style="yellow"))
    if found.databases:
        console.print(_databases(found))
    if found.failures:
        console.print(_failures(found))


def _databases(found: Coverage) -> Table:
    shown = table("instance", "database", "proven", "by", "point's age", "recovery", "trials", "not passed")
    for one in (*found.never, *found.proven):
        last = one.last_proven
        told = _proven(last) if last else [Text("never" if one.trials else "never tried", style="red"), "-", "-", "-"]
        shown.add_row(one_line(one.instance), one_line(one.name), *told, str(len(one.trials)), _not_passed(one))
    return shown


def _proven(last: Trial) -> list[str | Text]:
    age = duration(last.age_seconds) if last.age_seconds is not None else "-"
    recovery = duration(last.recovery_seconds) if last.recovery_seconds is not None else "-"
    return [Text(f"{last.at:%Y-%m-%d}", style="green"), last.by or last.restore_id, age, recovery]


def _not_passed(one: CoveredDatabase) -> Text:
    return Text(str(len(one.failures)), style="red" if one.failures else "")


def _failures(found: Coverage) -> Table:
    shown = table("did not pass", "of", "drill", "restore", "why")
    for one in found.failures:
        shown.add_row(
            f"{one.ended_at:%Y-%m-%d %H:%M}", one_line(one.proof.source), one.proof.drill or "-", one.restore_id, one_line(one.proof.why)
        )
    shown.caption = plural(len(found.failures), "restore or drill", "restores or drills")
    return shown
