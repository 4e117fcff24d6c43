"""`dbrestore drill`: the drills that are declared, and one of them at once.

The function ListDrills tells what was deployed, and EventBridge Scheduler whether its schedule is enabled: somebody may have disabled it.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from botocore.exceptions import ClientError

from dbrestore.cli import consoles, control, examination, identity, restore
from dbrestore.cli.control import Account, ControlPlane
from dbrestore.cli.options import AsJson, Longest
from dbrestore.cli.views import display
from dbrestore.cli.views import drills as view
from dbrestore.cli.views.drills import ListedDrill
from dbrestore.contract.drills import (
    Drill,
    DrillListAnswer,
    DrillListQuestion,
    DrillOrder,
    DrillStart,
    named,
    schedule_group,
)
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.refusals import error_code
from dbrestore.ledger import restore_list
from dbrestore.ledger.restore_list import ListedRestore

FUNCTION: Final = "ListDrills"

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Restore drills: show the declared ones, or run one now.")


@app.command("list")
def list_drills(context: typer.Context, as_json: AsJson = False) -> ExitCode:
    """List the declared drills: when each starts next, from which backups, into which instance, measured against what."""
    plane = control.find(context.ensure_object(Account))
    drills = declared(plane)
    states = _states(plane) if drills else {}
    now = datetime.now(UTC)
    listed = [ListedDrill.of(drill, _state(states, drill), now) for drill in drills]
    if as_json:
        for one in listed:
            display.print_json({"type": "drill", **one.to_state()})
        display.print_json({"type": "summary", "drills": len(listed), "exitCode": int(ExitCode.DONE)})
    else:
        view.print_drills(consoles.out(), listed)
    return ExitCode.DONE


@app.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The drill's name; `dbrestore drill list` shows them.")],
    runs: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="At most so many runs, the newest.")] = 10,
    as_json: AsJson = False,
) -> ExitCode:
    """Show one declared drill, its checks, and how it ended the last times, those that were skipped or could not begin included."""
    plane = control.find(context.ensure_object(Account))
    drill = named(declared(plane), name)
    listed = ListedDrill.of(drill, _state(_states(plane), drill), datetime.now(UTC))
    ended = list(itertools.islice(_runs(plane, drill), runs))
    if as_json:
        display.print_json({"type": "drill", **listed.to_state(), "runs": [one.to_state() for one in ended]})
    else:
        view.print_drill(consoles.out(), listed, ended)
    return ExitCode.DONE


def _runs(plane: ControlPlane, drill: Drill) -> Iterator[ListedRestore]:
    """Newest first; what drill it was, the reason says of every run, also of those that could not begin."""
    reason = f"{restore_list.REFUSED_DRILL}{drill.name}"
    for item in plane.ledger.newest(restore_list.RESTORES):
        row = restore_list.read(item)
        if row.mode == "drill" and (row.reason or "").partition(",")[0] == reason:
            yield row


@app.command()
def run(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The drill's name; `dbrestore drill list` shows them.")],
    with_damage: Annotated[
        bool,
        typer.Option(
            "--with-damage",
            help="Read the backups as if one bit had changed: the drill must end red, and the alarm must ring. What is stored stays.",
        ),
    ] = False,
    wait: Annotated[bool, typer.Option(help="Follow the drill to its end.")] = True,
    longest: Longest = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Run a declared drill now, whatever its schedule says. The exit code says whether it passed."""
    plane = control.find(context.ensure_object(Account))
    drill = named(declared(plane), name)
    started = start(plane, DrillOrder(name=drill.name, requested_by=plane.account.caller(), with_damage=with_damage))
    as_json = consoles.for_programs(as_json) if wait else as_json
    restore.announce(started, as_json=as_json)
    return restore.watch(plane, started, longest=longest, as_json=as_json) if wait else ExitCode.DONE


def declared(plane: ControlPlane) -> tuple[Drill, ...]:
    """The drills as they were deployed. Raises ControlPlaneNotFound if the deployed version knows of none."""
    return examination.ask(plane, FUNCTION, DrillListQuestion(), DrillListAnswer).drills


def start(plane: ControlPlane, order: DrillOrder) -> identity.Restore:
    """Start the state machine with the order."""
    text = json.dumps(DrillStart(drill=order).model_dump(mode="json", by_alias=True, exclude_none=True), sort_keys=True)
    moment = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    digest = hashlib.sha256(f"{moment}{text}".encode()).hexdigest()[:8]
    # Of the 80 characters of an execution's name a drill's longest name leaves just these.
    name = f"drill-{order.name}-{moment}-{digest}"
    return identity.started(
        plane.executions.start_execution(stateMachineArn=plane.state_machine_arn, name=name, input=text)["executionArn"]
    )


def _states(plane: ControlPlane) -> dict[str, str] | None:
    """What Scheduler says of each schedule: ENABLED or DISABLED. None if this person may not ask it."""
    pages = plane.account.client("scheduler").get_paginator("list_schedules").paginate(GroupName=schedule_group(plane.account.installation))
    try:
        return {one["Name"]: one["State"] for page in pages for one in page["Schedules"]}
    except ClientError as error:
        code = error_code(error)
        if code == "ResourceNotFoundException":
            return {}
        if code not in ("AccessDeniedException", "AccessDenied"):
            raise
        consoles.say("Whether the schedules are enabled isn't known: that needs scheduler:ListSchedules.")
        return None


def _state(states: dict[str, str] | None, drill: Drill) -> str:
    return "UNKNOWN" if states is None else states.get(drill.name, "MISSING")
