"""`dbrestore approve` and `dbrestore reject`: the second person's word about a restore that waits for it."""

from typing import Annotated, Literal

import typer

from dbrestore.cli import consoles, control, http_api, identity
from dbrestore.cli.control import Account
from dbrestore.cli.options import AsJson
from dbrestore.cli.views import display
from dbrestore.contract.exit_code import ExitCode

RestoreId = Annotated[str, typer.Argument(metavar="ID", help="The restore's id, r- and twelve hexadecimal digits.")]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for the evidence.")]


def approve(context: typer.Context, restore_id: RestoreId, reason: Reason = None, as_json: AsJson = False) -> ExitCode:
    """Approve a restore that waits for a second person, who is never the one who asked for it: it goes on at once."""
    return _decide(context, restore_id, "approve", reason, as_json=as_json)


def reject(context: typer.Context, restore_id: RestoreId, reason: Reason = None, as_json: AsJson = False) -> ExitCode:
    """Reject a restore that waits for a second person: it ends, and nothing was made."""
    return _decide(context, restore_id, "reject", reason, as_json=as_json)


def _decide(
    context: typer.Context, restore_id: str, decision: Literal["approve", "reject"], reason: str | None, *, as_json: bool
) -> ExitCode:
    plane = control.find(context.ensure_object(Account))
    found = identity.find(plane, restore_id).restore_id
    body = {"decision": decision, **({"reason": reason} if reason else {})}
    shown = http_api.post(plane, f"/v1/restores/{found}/approval", body)
    approval = shown.get("approval") or {}
    if as_json:
        display.print_json({"type": "decision", "restoreId": found, **approval})
    else:
        consoles.out().print(f"{found} is {approval.get('decision', 'decided')} by {approval.get('by', 'you')}.")
    return ExitCode.DONE
