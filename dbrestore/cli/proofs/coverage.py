"""`dbrestore drill coverage`: which databases were proven to restore, which failed, and which nobody ever tried.

Asked of the ledger's list of restores, and of the newest restore point of each instance. What an older version listed without its proof is
made up for from its report.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from dbrestore.cli import consoles, control
from dbrestore.cli.control import Account, ControlPlane
from dbrestore.cli.following import read_report, read_results
from dbrestore.cli.options import AsJson
from dbrestore.cli.proofs import pages
from dbrestore.cli.views import coverage as coverage_view
from dbrestore.cli.views import display
from dbrestore.contract.drills import Drill
from dbrestore.contract.errors import RestoreError
from dbrestore.contract.evidence import ListedProof
from dbrestore.contract.exit_code import ExitCode
from dbrestore.evidence import coverage, listed_proof
from dbrestore.evidence.coverage import Coverage, Ended
from dbrestore.ledger import restore_list
from dbrestore.ledger.restore_list import RESTORES, ListedRestore
from dbrestore.points import stored_points
from dbrestore.points.stored_points import PointName

Declared = Callable[[ControlPlane], Iterable[Drill]]

_PAGE = 100
# What the list of restores has besides restores and drills.
_PROVES_NOTHING = ("add", "swap", "undo", "drop")

Days = Annotated[int, typer.Option(metavar="N", min=1, max=3650, help="How many days to look back.")]


def add_to(app: typer.Typer, declared: Declared) -> None:
    """Make it a command of `app`; `declared` tells the drills that are deployed."""

    @app.command("coverage")
    def drill_coverage(
        context: typer.Context,
        days: Days = 90,
        html: pages.HtmlFile = None,
        opened: pages.OpenIt = False,
        as_json: AsJson = False,
    ) -> ExitCode:
        """Show for each instance and database when it was last proven to restore, by which drill, and how old the backup was; and which
        were never proven. The exit code says whether the question could be answered."""
        plane = control.find(context.ensure_object(Account))
        until = datetime.now(UTC)
        found = gathered(plane, declared(plane), until - timedelta(days=days), until)
        if html or opened:
            from dbrestore.evidence import page

            print(pages.deliver(page.of_coverage(found), "coverage.html", html, opened=opened))
        elif as_json:
            display.print_json({"type": "coverage", **found.to_state()})
        else:
            coverage_view.show(consoles.out(), found)
        return ExitCode.DONE


def gathered(plane: ControlPlane, drills: Iterable[Drill], since: datetime, until: datetime) -> Coverage:
    """What the ledger and the repository say."""
    unread: list[str] = []
    drills = tuple(drills)
    ended = tuple(_ended(plane, {drill.name: drill for drill in drills}, since, unread))
    points = tuple(_in_newest_points(plane, unread))
    return coverage.gathered(ended, points, drills, since, until, tuple(unread))


def _ended(plane: ControlPlane, drills: Mapping[str, Drill], since: datetime, unread: list[str]) -> Iterator[Ended]:
    for item in plane.ledger.newest(RESTORES, restore_list.sort_key(since), _PAGE):
        row = restore_list.read(item)
        at = row.ended_at or row.started_at
        if row.outcome is None or at is None or row.mode in _PROVES_NOTHING:
            continue
        try:
            proof = row.proof or _made_up(plane, row, drills)
        except RestoreError as error:
            unread.append(f"{row.restore_id}: {error}")
            continue
        if proof:
            yield Ended(restore_id=row.restore_id, ended_at=at, proof=proof)
        else:
            unread.append(f"{row.restore_id}: its row in the ledger's list has no proof, and there is no report")


def _made_up(plane: ControlPlane, row: ListedRestore, drills: Mapping[str, Drill]) -> ListedProof | None:
    """Out of the report; of a drill that ended before it had a plan, out of its row. Raises EvidenceUnreadable."""
    report = read_report(plane, row.restore_id)
    if report:
        return listed_proof.listed(report, read_results(plane, report))
    return _refused(row, drills) if row.mode == "drill" else None


def _refused(row: ListedRestore, drills: Mapping[str, Drill]) -> ListedProof:
    name = (row.reason or "").removeprefix(restore_list.REFUSED_DRILL)
    source = drills[name].source.db_instance if name in drills else ""
    why = f"{row.error.name}: {row.error.message}" if row.error else "it ended before it had a plan"
    return ListedProof(outcome="FAIL", drill=name or None, source=source, why=why[: listed_proof.LONGEST])


def _in_newest_points(plane: ControlPlane, unread: list[str]) -> Iterator[tuple[str, str]]:
    newest: dict[str, PointName] = {point.instance: point for point in stored_points.list_points(plane.storage, plane.repository_bucket)}
    for instance, point in newest.items():
        try:
            manifest = stored_points.load(plane.storage, plane.repository_bucket, instance, point.point_id)
        except RestoreError as error:
            unread.append(str(error))
            continue
        yield from ((instance, backup.name) for backup in manifest.backups)
