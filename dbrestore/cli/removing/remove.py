"""`dbrestore points remove`: restore points that are named go. Importing it adds the command."""

from typing import Annotated

import typer

from dbrestore.cli import consoles, control, exit_code_choice, points
from dbrestore.cli.control import Account
from dbrestore.cli.options import AsJson
from dbrestore.cli.points import Instance
from dbrestore.cli.removing import asking
from dbrestore.cli.views import display
from dbrestore.cli.views import removal as removal_view
from dbrestore.contract.errors import RestoreRequestInvalid
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.questions.removal import PointRemoval
from dbrestore.points import stored_points

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and why the rest would stay; remove nothing.")]


@points.app.command()
def remove(
    context: typer.Context,
    instance: Instance,
    point: Annotated[list[str], typer.Argument(metavar="ID...", help="The ids of restore points.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> ExitCode:
    """Remove restore points. One that a restore reads, that a drill needs or that S3's Object Lock keeps stays, and the exit code says so.

    In the versioned bucket of an installation the files are hidden, not deleted: they can be had back, and cost, until S3 deletes the old
    versions. The command says when that is. Of a point whose files stay in place (`points add --in-place`) the manifest alone goes.
    """
    if stored_points.LATEST in point:
        raise RestoreRequestInvalid("`latest` may be another point by now: name what is to be removed by its id (`dbrestore points list`)")
    plane = control.find(context.ensure_object(Account))
    told = asking.asked(plane, instance, point, dry_run=dry_run)
    for one in told:
        _tell(one, as_json=as_json)
    if not as_json:
        for sentence in removal_view.sums(told):
            consoles.say(sentence)
    return next((exit_code_choice.of_note(one.error) for one in told if one.error), ExitCode.DONE)


def _tell(one: PointRemoval, *, as_json: bool) -> None:
    if as_json:
        display.print_json({"type": "removal", **one.to_state()})
    elif one.error:
        consoles.say(f"{one.error.name}: {one.error.message}", style="red")
    else:
        consoles.out().print(f"{removal_view.WORDS[one.outcome]} {one.point_id}: {removal_view.amount([one])}", soft_wrap=True)
