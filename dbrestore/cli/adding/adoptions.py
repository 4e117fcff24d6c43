"""`dbrestore points adoptions`: the rules by which what arrives in S3 becomes restore points, and what has come of them."""

from collections.abc import Iterator
from typing import Annotated, Final

import typer

from dbrestore.cli import consoles, control, examination
from dbrestore.cli.control import Account
from dbrestore.cli.options import AsJson
from dbrestore.cli.views import display
from dbrestore.cli.views.tables import table
from dbrestore.contract.adoption.answers import AdoptionAnswer, AdoptionQuestion, RuleState
from dbrestore.contract.exit_code import ExitCode

FUNCTION: Final = "ListAdoptions"
_DOING: Final = {"COPYING": "is being copied", "READING": "is being read", "MADE": "made"}


def adoptions(
    context: typer.Context,
    rule: Annotated[str | None, typer.Argument(metavar="[RULE]", help="Only this rule.")] = None,
    most: Annotated[int, typer.Option("--most", min=1, max=100, metavar="N", help="Of each rule so many of each kind, the newest.")] = 10,
    as_json: AsJson = False,
) -> ExitCode:
    """Show the rules of adoption: which restore points they have made of what arrived in S3, what waits and for what, and what did not
    become one and why."""
    plane = control.find(context.ensure_object(Account))
    question = AdoptionQuestion(rule=rule, most=most)
    answer = examination.ask(plane, FUNCTION, question, AdoptionAnswer)
    if as_json:
        for line in _lines(answer):
            display.print_json(line)
    else:
        _print(answer)
    return ExitCode.DONE


def _lines(answer: AdoptionAnswer) -> Iterator[dict[str, object]]:
    for state in answer.rules:
        told, name = state.to_state(), state.rule.name
        yield {"type": "rule", "lookedAt": told["lookedAt"], **state.rule.to_state()}
        for kind, key in (("adopted", "adopted"), ("waiting", "waiting"), ("notAdopted", "notAdopted")):
            yield from ({"type": kind, "rule": name, **one} for one in told[key])  # type: ignore[attr-defined]
    yield {"type": "summary", "rules": len(answer.rules), "exitCode": int(ExitCode.DONE)}


def _print(answer: AdoptionAnswer) -> None:
    if not answer.rules:
        consoles.out().print("No rule of adoption is deployed: docs/adoption.md says how to declare one.")
    for state in answer.rules:
        _print_rule(state)


def _print_rule(state: RuleState) -> None:
    rule, console = state.rule, consoles.out()
    looked = f"looked at {state.looked_at:%Y-%m-%d %H:%M:%S}" if state.looked_at else "not looked at yet"
    console.print(f"{rule.name}: s3://{rule.bucket}/{rule.pattern} becomes restore points of {rule.instance}; {looked}", soft_wrap=True)
    if state.adopted:
        shown = table("restore point", "state", "files", "from")
        for one in state.adopted:
            shown.add_row(one.point_id, _DOING[one.state], str(one.files), consoles.one_line(one.uri))
        console.print(shown)
    for waiting in state.waiting:
        until = f" (until {waiting.until:%Y-%m-%d %H:%M})" if waiting.until else ""
        console.print(consoles.one_line(f"Waits: {waiting.uri}: {waiting.reason}{until}"), soft_wrap=True)
    for refused in state.not_adopted:
        again = "; it is tried again" if refused.again else ""
        told = f"Not adopted: {refused.uri}: {refused.error.name}: {refused.error.message}{again}"
        console.print(consoles.one_line(told), soft_wrap=True)
