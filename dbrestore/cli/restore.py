"""`dbrestore restore` and `dbrestore plan`: start the state machine with a request, follow it if asked to."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from dbrestore.cli import consoles, control, exit_code_choice, identity, request
from dbrestore.cli.choices import with_choices
from dbrestore.cli.control import Account, ControlPlane
from dbrestore.cli.following import Ended, StillRunning, follow
from dbrestore.cli.options import (
    AsJson,
    CheckDatabase,
    FixUsers,
    IamUserName,
    Longest,
    RetrievalTier,
    Secret,
    StopAt,
    Tier,
    ToAccount,
    ToRegion,
    WorkerWishes,
)
from dbrestore.cli.request import Target
from dbrestore.cli.views import display
from dbrestore.cli.views import plan as plan_view
from dbrestore.cli.views import report as report_view
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.plan import Plan
from dbrestore.contract.request import RestoreRequest

Instance = Annotated[str, typer.Argument(help="The RDS instance or cluster that was backed up; also the target unless --to names another.")]
Databases = Annotated[
    list[str],
    typer.Option(
        "--database",
        "-d",
        metavar="NAME[=NEW]",
        help="A database, and the name to restore it under. Repeatable. \\= is an equals sign inside a name.",
    ),
]
Into = Annotated[
    str | None,
    typer.Option("--to", metavar="TARGET", help="The running RDS instance, or cluster (or any of its instances), to restore into."),
]
Point = Annotated[str, typer.Option(metavar="latest|ID", help="The restore point.")]


class Mode(StrEnum):
    """What to do with a request."""

    RESTORE = "restore"
    PLAN = "plan"


class OnConflict(StrEnum):
    """What to do if the requested name is taken."""

    FAIL = "fail"
    REPLACE = "replace"


OnTakenName = Annotated[
    OnConflict,
    typer.Option(
        help="If the requested name is taken: `fail`, or `replace` that database once the restored one is verified; it is kept under "
        "another name for some days."
    ),
]


@with_choices
def restore(
    context: typer.Context,
    instance: Instance,
    database: Databases,
    *,
    choices: dict[str, Any],
    to: Into = None,
    account: ToAccount = None,
    to_region: ToRegion = None,
    secret: Secret = None,
    iam_user: IamUserName = None,
    point: Point = "latest",
    tier: Tier = RetrievalTier.STANDARD,
    mode: Annotated[Mode, typer.Option(help="`plan` only says what a restore would do.")] = Mode.RESTORE,
    on_conflict: OnTakenName = OnConflict.FAIL,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="The reason, for the report.")] = None,
    stop_at: StopAt = None,
    fix_users: FixUsers = False,
    check_database: CheckDatabase = None,
    worker: WorkerWishes = None,
    wait: Annotated[bool, typer.Option(help="Follow the restore to its end.")] = True,
    longest: Longest = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Restore databases into a running RDS instance or cluster."""
    asked = request.build(
        Target(to or instance, account, to_region, _credentials(secret, iam_user)),
        database,
        source=instance,
        point=point,
        mode=mode,
        on_conflict=on_conflict,
        reason=reason,
        tier=tier,
        sqlserver=_wishes(stop_at, fix_users=fix_users, check_database=check_database),
        worker=worker or (),
        choices=choices,
    )
    return _begin(context, asked, follows=wait and mode is Mode.RESTORE, wait=wait, longest=longest, as_json=as_json)


def _begin(context: typer.Context, asked: RestoreRequest, *, follows: bool, wait: bool, longest: float | None, as_json: bool) -> ExitCode:
    plane = control.find(context.ensure_object(Account))
    started = start(plane, asked)
    as_json = consoles.for_programs(as_json) if follows else as_json
    announce(started, as_json=as_json)
    if follows:
        return watch(plane, started, longest=longest, as_json=as_json)
    return show_plan(plane, started, as_json=as_json) if wait else ExitCode.DONE


@with_choices
def plan(
    context: typer.Context,
    instance: Instance,
    database: Databases,
    *,
    choices: dict[str, Any],
    to: Into = None,
    account: ToAccount = None,
    to_region: ToRegion = None,
    secret: Secret = None,
    iam_user: IamUserName = None,
    point: Point = "latest",
    tier: Tier = RetrievalTier.STANDARD,
    on_conflict: OnTakenName = OnConflict.FAIL,
    stop_at: StopAt = None,
    worker: WorkerWishes = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Say what a restore would do, and refuse what it would refuse. Nothing is created."""
    asked = request.build(
        Target(to or instance, account, to_region, _credentials(secret, iam_user)),
        database,
        source=instance,
        point=point,
        mode="plan",
        on_conflict=on_conflict,
        reason=None,
        tier=tier,
        sqlserver=_wishes(stop_at),
        worker=worker or (),
        choices=choices,
    )
    plane = control.find(context.ensure_object(Account))
    return show_plan(plane, start(plane, asked), as_json=as_json)


def start(plane: ControlPlane, asked: RestoreRequest) -> identity.Restore:
    """Start the state machine with the request, in the caller's name if it begins a restore."""
    if asked.mode != "plan" and asked.requested_by is None:
        asked = asked.model_copy(update={"requested_by": plane.account.caller()})
    answer: dict[str, Any] = plane.executions.start_execution(
        stateMachineArn=plane.state_machine_arn, name=request.execution_name(asked), input=asked.input_text()
    )
    return identity.started(answer["executionArn"])


def announce(restore: identity.Restore, *, as_json: bool) -> None:
    """Say which restore it is: the id for people, the ARN for the console."""
    if as_json:
        display.print_json({"type": "started", "restoreId": restore.restore_id, "executionArn": restore.arn})
    else:
        print(f"{restore.restore_id}  {restore.arn}")


def watch(plane: ControlPlane, restore: identity.Restore, *, longest: float | None, as_json: bool) -> ExitCode:
    """Follow a restore to its end, show it, and say with the exit code how it ended. Ctrl-C leaves; the restore goes on."""
    try:
        end = _shown(plane, restore, longest=longest, as_json=as_json)
    except KeyboardInterrupt:
        consoles.say(f"\nThe restore goes on. To see it again: dbrestore watch {restore.restore_id}")
        return ExitCode.INTERRUPTED
    if isinstance(end, StillRunning):
        consoles.say(f"Still running. To see it again: dbrestore watch {restore.restore_id}")
        return ExitCode.STILL_RUNNING
    if not as_json:
        report_view.print_end(consoles.out(), end)
    _print_problems(end)
    return exit_code_choice.of_execution(end.status, end.error, end.leftovers)


def show_plan(plane: ControlPlane, restore: identity.Restore, *, as_json: bool) -> ExitCode:
    """Wait for a planning execution and print its plan."""
    end = [event for event in follow(plane, restore.restore_id, restore.arn) if isinstance(event, Ended)][-1]
    if end.status != "SUCCEEDED":
        _print_problems(end)
        return exit_code_choice.of_execution(end.status, end.error, end.leftovers)
    planned = Plan.model_validate(end.output["plan"])
    if as_json:
        display.print_json({"type": "plan", **planned.to_state()})
    else:
        plan_view.print_plan(consoles.out(), planned)
    return ExitCode.DONE


def _wishes(stop_at: str | None, *, fix_users: bool = False, check_database: bool | None = None) -> dict[str, Any]:
    return {"stopAt": stop_at, "fixUsers": fix_users, "checkDatabase": check_database}


def _credentials(secret: str | None, iam_user: str | None) -> dict[str, Any] | None:
    return {"secretArn": secret, "iamUser": iam_user} if secret or iam_user else None


def _shown(plane: ControlPlane, restore: identity.Restore, *, longest: float | None, as_json: bool) -> Ended | StillRunning:
    end: Ended | StillRunning | None = None
    with display.display(as_json=as_json) as shown:
        for event in follow(plane, restore.restore_id, restore.arn, longest=longest):
            shown.show(event)
            end = event if isinstance(event, Ended | StillRunning) else end
    if end is None:
        raise RuntimeError("The stream of events ended before the restore did: report this as a bug")
    return end


def _print_problems(end: Ended) -> None:
    if end.error:
        for line in end.error.message.splitlines() or [""]:
            consoles.say(f"{end.error.name}: {line}", style="red")
