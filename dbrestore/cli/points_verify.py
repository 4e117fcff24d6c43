"""`dbrestore points verify`: whether the files of a restore point still are what was added, and what a restore would find. Importing it
adds the command."""

from typing import Annotated

import typer

from dbrestore.cli import consoles, control, points
from dbrestore.cli.control import Account
from dbrestore.cli.options import AsJson
from dbrestore.cli.points import Instance, progress_bar
from dbrestore.cli.views import display
from dbrestore.contract.exit_code import ExitCode
from dbrestore.points import point_verification, restorable, stored_points
from dbrestore.points.point_verification import State, Verdict
from dbrestore.points.restorable import Chance, Outlook

_CHANCES: dict[Chance, str] = {
    "restorable": "can be restored",
    "unread": "can be restored unless what could not be read is damaged",
    "earlier": "CAN'T BE RESTORED TO ITS LATEST STATE",
    "damaged": "CAN'T BE RESTORED",
}
_WORDS: dict[State, str] = {"ok": "ok", "damaged": "DAMAGED", "missing": "MISSING", "archived": "not read"}


@points.app.command()
def verify(
    context: typer.Context,
    instance: Instance,
    point: Annotated[str, typer.Argument(metavar="[ID]", help="A restore point's id.")] = stored_points.LATEST,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep",
            help="Read every byte, and check the SHA-256 of each file and the checksums that SQL Server wrote into native backups.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> ExitCode:
    """Compare a restore point's files with its manifest, and say what a restore would find; without an id, of the latest point. Nothing is
    changed."""
    plane = control.find(context.ensure_object(Account))
    manifest = stored_points.load(plane.storage, plane.repository_bucket, instance, point)
    with progress_bar() as told:
        if deep:
            found = list(point_verification.deep(plane.storage, plane.repository_bucket, manifest, told))
        else:
            found = list(point_verification.shallow(plane.storage, plane.repository_bucket, manifest))
    if any(verdict.state == "missing" for verdict in found):
        # A point that was removed meanwhile is no damaged one.
        stored_points.load(plane.storage, plane.repository_bucket, instance, manifest.point_id)
    for verdict in found:
        _tell(verdict, as_json=as_json)
    for outlook in restorable.outlooks(manifest, found, deep=deep):
        _tell_outlook(outlook, as_json=as_json)
    if not as_json:
        _summarize(found)
    return _exit_code(found)


def _tell(verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        told = {"key": verdict.key, "state": verdict.state, "message": verdict.sentence, "isArchived": verdict.is_archived}
        display.print_json({"type": "file", **told, "damagedTables": list(verdict.lost)})
    else:
        consoles.out().print(f"{_WORDS[verdict.state]:<9} {verdict.key} {verdict.sentence}", soft_wrap=True)


def _tell_outlook(outlook: Outlook, *, as_json: bool) -> None:
    if as_json:
        display.print_json({"type": "database", "name": outlook.database, "state": outlook.chance, "message": outlook.sentence})
    else:
        name = consoles.one_line(outlook.database)
        consoles.out().print(f"{name} {_CHANCES[outlook.chance]}: {outlook.sentence}", soft_wrap=True)


def _summarize(found: list[Verdict]) -> None:
    wrong = len({verdict.key for verdict in found if verdict.state in ("damaged", "missing")})
    unread = sum(verdict.state == "archived" for verdict in found)
    told = (
        f"{len({verdict.key for verdict in found})} files"
        + (f", {wrong} damaged or missing" if wrong else "")
        + (f", {unread} not read" if unread else "")
    )
    consoles.say(told)


def _exit_code(found: list[Verdict]) -> ExitCode:
    states = {verdict.state for verdict in found}
    if states & {"damaged", "missing"}:
        return ExitCode.FAILED
    return ExitCode.NOT_VERIFIED if "archived" in states else ExitCode.DONE
