"""`dbrestore cleanup`: what carries this installation's tags and belongs to no open restore, told and, when it was seen twice, removed."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dbrestore.cli import consoles, control, examination
from dbrestore.cli.consoles import visible
from dbrestore.cli.control import Account
from dbrestore.cli.options import AsJson
from dbrestore.cli.views import display
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.questions.strays import CleanUpAnswer, CleanUpQuestion

FUNCTION = "CleanUpStrays"


def cleanup(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only report what is found: remove nothing, and don't count it as seen.")
    ] = False,
    as_json: AsJson = False,
) -> ExitCode:
    """Find by its tags whatever restores left behind, and remove what was seen twice, at least an hour apart.

    This also runs automatically once a day. What belongs to an open restore or to another installation is never touched. Exit code 5 while
    something is left.
    """
    plane = control.find(context.ensure_object(Account))
    answer = examination.ask(plane, FUNCTION, CleanUpQuestion(dry_run=dry_run), CleanUpAnswer)
    if as_json:
        display.print_json({"type": "cleanup", **answer.to_state()})
    else:
        print_answer(consoles.out(), answer)
    return exit_code(answer)


def print_answer(console: Console, answer: CleanUpAnswer) -> None:
    """One row per thing; then where was looked, and where that was not possible."""
    if answer.strays:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for column in ("", "resource", "id", "restore", "in", "first seen", "why"):
            table.add_column(column, overflow="fold")
        for one in answer.strays:
            where, seen = f"{one.account}/{one.region}", f"{one.first_seen_at:%Y-%m-%d %H:%M}"
            cells = (one.outcome, one.kind, one.physical_id, one.restore_id or "", where, seen, one.why)
            table.add_row(*(visible(cell) for cell in cells))
        console.print(table)
    for sentence in answer.unseen:
        console.print(visible(f"not looked at: {sentence}"))
    console.print(visible(summary(answer)))


def summary(answer: CleanUpAnswer) -> str:
    """`2 removed, 1 waiting, 0 kept in 123456789012/eu-central-1`; or that there is nothing."""
    where = ", ".join(answer.places) or "no place: nothing was restored yet"
    if not answer.strays:
        return f"Nothing is left behind in {where}"
    counts = [f"{sum(one.outcome == outcome for one in answer.strays)} {outcome}" for outcome in ("removed", "waiting", "kept")]
    return f"{', '.join(counts)} in {where}"


def exit_code(answer: CleanUpAnswer) -> ExitCode:
    """What nobody could look at may hold something too."""
    is_left = any(one.outcome != "removed" for one in answer.strays)
    return ExitCode.LEFTOVERS if is_left or answer.unseen else ExitCode.DONE
