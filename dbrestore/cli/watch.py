"""`dbrestore status`, `watch`, `cancel` and `report`: a restore that was started before, by its id or its execution."""

from contextlib import suppress
from pathlib import Path

import typer

from dbrestore.cli import consoles, control, examination, identity, listing, restore
from dbrestore.cli.control import Account, ControlPlane
from dbrestore.cli.following import Ended, Progressed, StillRunning, follow, read_report, read_results
from dbrestore.cli.options import AsJson, Longest, RestoreName, RestoreNameOrNone
from dbrestore.cli.proofs import pages
from dbrestore.cli.views import display
from dbrestore.cli.views import exchanges as exchanges_view
from dbrestore.cli.views import left_out as left_out_view
from dbrestore.cli.views import refusal as refusal_view
from dbrestore.cli.views import report as report_view
from dbrestore.contract import left_out_lists as left_out
from dbrestore.contract.errors import LedgerRowUnreadable, RestoreNotFound
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.questions.cancellation import CancelAnswer, CancelQuestion
from dbrestore.contract.record import Report
from dbrestore.contract.swaps.exchanges import SwapRecord
from dbrestore.ledger import exchanges


def status(context: typer.Context, restore_id: RestoreNameOrNone = None, as_json: AsJson = False) -> ExitCode:
    """Show where a restore stands now; without an id, list those that aren't over. The exit code says whether the question could be
    answered, not how the restore went."""
    if restore_id is None:
        return listing.show_running(control.find(context.ensure_object(Account)), as_json=as_json)
    plane, found = _found(context, restore_id)
    shown: display.Display = display.JsonLines() if as_json else display.Lines(consoles.out())
    for event in follow(plane, found.restore_id, found.arn, longest=0):
        shown.show(event)
        if isinstance(event, Progressed) and not as_json:
            consoles.out().print(display.progress_line(event), soft_wrap=True)
        elif isinstance(event, StillRunning) and not as_json:
            print(f"{found.restore_id} RUNNING")
        elif isinstance(event, Ended) and not as_json:
            report_view.print_end(consoles.out(), event)
            _print_changes(plane, event.report)
    return ExitCode.DONE


def watch(context: typer.Context, restore_id: RestoreName, longest: Longest = None, as_json: AsJson = False) -> ExitCode:
    """Follow a restore to its end; the exit code says how it ended."""
    plane, found = _found(context, restore_id)
    return restore.watch(plane, found, longest=longest, as_json=consoles.for_programs(as_json))


def cancel(context: typer.Context, restore_id: RestoreName, as_json: AsJson = False) -> ExitCode:
    """Ask a restore to stop. It removes what it made and ends with RestoreCancelled; the databases that were finished stay."""
    plane, found = _found(context, restore_id)
    examination.ask(plane, "CancelRestore", CancelQuestion(restore_id=found.restore_id, execution_arn=found.arn), CancelAnswer)
    if as_json:
        display.print_json({"type": "cancel", "restoreId": found.restore_id, "cancelRequested": True})
    else:
        print(f"{found.restore_id} was asked to stop. To see it clean up: dbrestore watch {found.restore_id}")
    return ExitCode.DONE


def report(
    context: typer.Context,
    restore_id: RestoreName,
    html: pages.HtmlFile = None,
    opened: pages.OpenIt = False,
    as_json: AsJson = False,
) -> ExitCode:
    """Print the report of a finished restore: states, verification, and the proof that nothing is left; of a drill that was skipped or
    refused, why. With --html or --open: the page of its evidence, for people who were not there."""
    plane, found = _found(context, restore_id)
    written = read_report(plane, found.restore_id)
    if written is None:
        return _refusal(plane, found.restore_id, html, opened=opened, as_json=as_json)
    worker_results = read_results(plane, written)
    if html or opened:
        content = pages.of_restore(plane, written, worker_results)
        print(pages.deliver(content, f"{found.restore_id}.html", html, opened=opened))
    elif as_json:
        missing = left_out_view.as_state(left_out.by_database(worker_results))
        told = [result.to_state() for result in worker_results]
        now = [record.to_state() for record in _exchanges(plane, found.restore_id)]
        display.print_json({"type": "report", "leftOut": missing, **written.to_state(), "exchanges": now, "workerResults": told})
    else:
        report_view.print_report(consoles.out(), written, worker_results)
        _print_changes(plane, written)
    return ExitCode.DONE


def _print_changes(plane: ControlPlane, written: Report | None) -> None:
    """What later executions did with the names that this restore exchanged."""
    if written and written.swaps:
        for line in exchanges_view.since(written, _exchanges(plane, written.restore_id)):
            consoles.out().print(line)


def _exchanges(plane: ControlPlane, restore_id: str) -> tuple[SwapRecord, ...]:
    """As the ledger has them now. A row that another version wrote keeps nobody from reading the report."""
    with suppress(LedgerRowUnreadable):
        return exchanges.of_restore(plane.ledger, restore_id)
    return ()


def _refusal(plane: ControlPlane, restore_id: str, html: Path | None, *, opened: bool, as_json: bool) -> ExitCode:
    """Of a drill that could not begin. Raises RestoreNotFound."""
    evidence = pages.refused(plane, restore_id)
    if evidence is None:
        raise RestoreNotFound(
            f"{restore_id} has no report: it still runs, or was refused before anything was made (`dbrestore status {restore_id}`)."
        )
    if html or opened:
        print(pages.deliver(pages.of_refused(plane, evidence), f"{restore_id}.html", html, opened=opened))
    elif as_json:
        display.print_json({"type": "refusal", **evidence.to_state()})
    else:
        refusal_view.print_refusal(consoles.out(), evidence)
    return ExitCode.DONE


def _found(context: typer.Context, text: str) -> tuple[ControlPlane, identity.Restore]:
    plane = control.find(context.ensure_object(Account))
    return plane, identity.find(plane, text)
