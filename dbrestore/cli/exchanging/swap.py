"""`dbrestore swap` and `dbrestore drop-old`: a restored database takes the name of another, gives it back, and what was kept is dropped."""

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from dbrestore.cli import consoles, control, identity, restore
from dbrestore.cli.control import Account, ControlPlane
from dbrestore.cli.options import AsJson, EndSessions, KeepDays, Longest, RestoreName, SwapMinutes
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.swaps.orders import SwapAction, SwapOrder, SwapStart

Database = Annotated[
    str | None,
    typer.Option(
        "--database", "-d", metavar="NAME", help="Of several databases, this one, by the name that is exchanged; default: all of them."
    ),
]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="The reason, for the report.")]
Wait = Annotated[bool, typer.Option(help="Follow it to its end.")]


def swap(
    context: typer.Context,
    restore_id: RestoreName,
    undo: Annotated[bool, typer.Option("--undo", help="Give the name back to the database that had it before.")] = False,
    database: Database = None,
    end_sessions: EndSessions = False,
    minutes: SwapMinutes = None,
    keep_days: KeepDays = None,
    reason: Reason = None,
    wait: Wait = True,
    longest: Longest = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Exchange names: what the restore ID restored and verified takes the name of the database that has it now, which is kept
    under another name for some days. --undo reverses it. A restore with --on-conflict replace does this by itself."""
    how = {"database": database, "end_sessions": end_sessions, "minutes": minutes, "keep_days": keep_days, "reason": reason}
    return _ordered(context, restore_id, "undo" if undo else "swap", how, wait=wait, longest=longest, as_json=as_json)


def drop_old(
    context: typer.Context,
    restore_id: RestoreName,
    database: Database = None,
    end_sessions: EndSessions = False,
    minutes: SwapMinutes = None,
    reason: Reason = None,
    wait: Wait = True,
    longest: Longest = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Drop the databases that the restore ID replaced, before their retention ends. After that the exchange can't be undone."""
    how = {"database": database, "end_sessions": end_sessions, "minutes": minutes, "reason": reason}
    return _ordered(context, restore_id, "drop", how, wait=wait, longest=longest, as_json=as_json)


def order(restore_id: str, action: SwapAction, how: dict[str, Any], caller: str | None) -> SwapStart:
    """The input of the state machine. What isn't given has the contract's default."""
    given = {
        "name": how["database"],
        "sessions": "end" if how["end_sessions"] else None,
        "minutes": how["minutes"],
        "keep_days": how.get("keep_days"),
        "reason": how["reason"],
    }
    wishes = {key: value for key, value in given.items() if value is not None}
    return SwapStart(swap=SwapOrder(action=action, restore_id=restore_id, requested_by=caller, **wishes))


def execution_name(asked: SwapStart, now: datetime | None = None) -> str:
    """`undo-<restore id>-<utc>-<hash8>`."""
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(f"{moment}{asked.input_text()}".encode()).hexdigest()[:8]
    return f"{asked.swap.action}-{asked.swap.restore_id}-{moment}-{digest}"


def _ordered(
    context: typer.Context, named: str, action: SwapAction, how: dict[str, Any], *, wait: bool, longest: float | None, as_json: bool
) -> ExitCode:
    plane = control.find(context.ensure_object(Account))
    asked = order(identity.find(plane, named).restore_id, action, how, plane.account.caller())
    started = start(plane, asked)
    as_json = consoles.for_programs(as_json) if wait else as_json
    restore.announce(started, as_json=as_json)
    return restore.watch(plane, started, longest=longest, as_json=as_json) if wait else ExitCode.DONE


def start(plane: ControlPlane, asked: SwapStart) -> identity.Restore:
    """Begin it, whoever waits for its end."""
    answer: dict[str, Any] = plane.executions.start_execution(
        stateMachineArn=plane.state_machine_arn, name=execution_name(asked), input=asked.input_text()
    )
    return identity.started(answer["executionArn"])
