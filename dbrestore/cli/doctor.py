"""`dbrestore doctor`: what is wrong with the installation, before a restore meets it.

Most of it is looked at by the function ExamineInstallation, because the target's role trusts functions only. What stops the question
itself (no signpost, no such function, no permission to ask) is a finding like any other.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

import typer
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dbrestore.cli import consoles, control, examination, own_version
from dbrestore.cli.consoles import visible
from dbrestore.cli.control import Account, ControlPlane
from dbrestore.cli.options import AsJson
from dbrestore.cli.views import display
from dbrestore.contract.errors import ControlPlaneNotFound, RestoreError, RestoreRequestInvalid
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.questions.examination import Examination, ExaminationQuestion, Finding, State

FUNCTION = "ExamineInstallation"
MENDS = {
    "signpost": "deploy the ControlStack in this account and Region, name another with --region or --profile, or allow the call",
    "examiner": "deploy the ControlStack of this version, or allow the call; the function's log is in CloudWatch",
}
_OPTIONS = {"dbInstance": "INSTANCE", "account": "--account", "region": "--to-region"}
MARKS: dict[State, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "warning": ("warning", "yellow"),
    "problem": ("PROBLEM", "bold red"),
    "not checked": ("not checked", "cyan"),
}


def doctor(
    context: typer.Context,
    instance: Annotated[str | None, typer.Argument(help="The RDS instance to check as a restore's target.")] = None,
    account: Annotated[str | None, typer.Option(metavar="ID", help="The target's account; default: the control account.")] = None,
    to_region: Annotated[str | None, typer.Option(metavar="REGION", help="The target's Region; default: the control account's.")] = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Examine the installation, and an instance as a target: each finding with its fix. Nothing is changed."""
    question = build(instance, account, to_region)
    findings = list(ask(context.ensure_object(Account), question))
    if as_json:
        print_json(findings)
    else:
        print_table(consoles.out(), findings)
    return exit_code(findings)


def build(instance: str | None, account: str | None, region: str | None) -> ExaminationQuestion:
    """The question of one command. Raises RestoreRequestInvalid, one line per problem."""
    values = {"dbInstance": instance, "account": account, "region": region, "expected": own_version.expected()}
    try:
        return ExaminationQuestion.model_validate(values)
    except ValidationError as error:
        lines = [f"{_OPTIONS[str(one['loc'][0])]}: {one['msg']}, not {one['input']!r}" for one in error.errors()]
        raise RestoreRequestInvalid("\n".join(lines)) from None


def ask(account: Account, question: ExaminationQuestion) -> Iterator[Finding]:
    """All findings: first those of the way to the function, then the function's own."""
    try:
        plane = control.find(account)
    except ControlPlaneNotFound as error:
        yield _finding("signpost", account.signpost, "problem", str(error))
        return
    except ClientError as error:
        yield _finding("signpost", account.signpost, "problem", _refused(error, f"ssm:GetParameter on {account.signpost}"))
        return
    yield _finding("signpost", account.signpost, "ok", f"leads to {plane.state_machine_arn}")
    functions = tuple(sorted(plane.functions.values()))
    yield from _examined(plane, question.model_copy(update={"functions": functions}))


def _examined(plane: ControlPlane, question: ExaminationQuestion) -> Iterator[Finding]:
    name = plane.functions.get(FUNCTION, FUNCTION)
    try:
        answer = examination.ask(plane, FUNCTION, question, Examination)
    except RestoreError as error:
        yield _finding("examiner", name, "problem", f"{type(error).__name__}: {error}")
    except ClientError as error:
        yield _finding("examiner", name, "problem", _refused(error, f"lambda:InvokeFunction on {name}"))
    except (ConnectionError, HTTPClientError) as error:
        yield _finding("examiner", name, "problem", f"did not answer: {error}")
    else:
        yield _finding("examiner", name, "ok", "answers")
        yield from answer.findings


def _refused(error: ClientError, action: str) -> str:
    told = error.response.get("Error", {})
    return f"denied: {told.get('Code')}: {told.get('Message')}. You need {action}"


def _finding(check: str, looked_at: str, state: State, sentence: str) -> Finding:
    return Finding(check=check, looked_at=looked_at, state=state, sentence=sentence, fix="" if state == "ok" else MENDS[check])


def print_table(console: Console, findings: Sequence[Finding]) -> None:
    """One row per finding, its fix below its sentence, and how many there are of each state."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("", "check", "what was found"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        mark, style = MARKS[finding.state]
        words = f"{finding.looked_at}: {finding.sentence}"
        table.add_row(Text(mark, style=style), finding.check, visible(f"{words}\n-> {finding.fix}" if finding.fix else words))
    console.print(table)
    console.print(summary(findings))


def summary(findings: Iterable[Finding]) -> str:
    """`1 problem, 2 warnings, 3 not checked, 30 ok`."""
    count = Counter(finding.state for finding in findings)
    parts = [f"{count['problem']} problem{'' if count['problem'] == 1 else 's'}"]
    parts += [f"{count['warning']} warning{'' if count['warning'] == 1 else 's'}"]
    return ", ".join([*parts, f"{count['not checked']} not checked", f"{count['ok']} ok"])


def print_json(findings: Sequence[Finding]) -> None:
    """One line per finding, then a summary."""
    for finding in findings:
        display.print_json({"type": "finding", **finding.to_state()})
    count = Counter(finding.state for finding in findings)
    counts = {state: count[state] for state in MARKS}
    display.print_json({"type": "summary", "findings": counts, "exitCode": int(exit_code(findings))})


def exit_code(findings: Iterable[Finding]) -> ExitCode:
    """Warnings, and what nobody looked at, stop no restore."""
    has_problem = any(finding.state == "problem" for finding in findings)
    return ExitCode.FAILED if has_problem else ExitCode.DONE
