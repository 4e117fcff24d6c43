"""`dbrestore doctor`: the way to the function is examined too, and what is found decides the exit code."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from moto import mock_aws
from moto.core.exceptions import AccessDeniedError
from moto.ssm.responses import SimpleSystemManagerResponse

from dbrestore.cli import doctor, main
from dbrestore.contract.deployed import job_document
from dbrestore.contract.deployed import versions as doctor_versions
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.questions.examination import ExaminationQuestion, Finding
from lambdas.doctor import examine_installation as examiner
from lambdas.doctor import findings as doctor_findings
from lambdas.doctor import instance as doctor_instance
from lambdas.doctor import target as doctor_target
from tests.statemachine.plain_moto import serve
from tests.statemachine.world import DEFINITION, ENVIRONMENT, MACHINE_ARN

Harm = Callable[[pytest.MonkeyPatch], None]
FUNCTION = MACHINE_ARN.replace(":states:", ":lambda:").replace(":stateMachine:dbrestore", ":function:Examine")
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-1"
FINE = Finding(check="credentials", looked_at=SECRET, state="ok", sentence="is active")
DOUBT = Finding(check="free-storage", looked_at="shop", state="warning", sentence="1 GiB", fix="grow it")
UNSEEN = Finding(check="quotas", looked_at="vCPUs", state="not checked", sentence="denied", fix="allow it")
BAD = Finding(check="ledger", looked_at="table", state="problem", sentence="is gone", fix="deploy the ControlStack")


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """An empty account of moto's; what is patched lasts as long as the test."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with mock_aws(config={"lambda": {"use_docker": False}}):
        yield monkeypatch


def signpost(functions: dict[str, str]) -> None:
    parts = {
        "stateMachineArn": MACHINE_ARN,
        "ledgerTable": "ledger",
        "repositoryBucket": "repository",
        "evidenceBucket": "evidence",
        "functions": functions,
    }
    boto3.client("ssm").put_parameter(Name="/dbrestore/control", Value=json.dumps(parts), Type="String")


def answering(patch: pytest.MonkeyPatch, *findings: Finding, asked: list[Any] | None = None) -> None:
    """A control plane whose function has found these."""
    signpost({doctor.FUNCTION: FUNCTION})

    def answer(_name: str, event: Any) -> dict[str, Any]:
        if asked is not None:
            asked.append(event)
        return {"findings": [finding.to_state() for finding in findings]}

    serve(patch, answer)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main.run(["doctor", *arguments])
    return code, capsys.readouterr().out


@pytest.mark.parametrize(
    ("findings", "code"),
    [((FINE,), ExitCode.DONE), ((FINE, DOUBT, UNSEEN), ExitCode.DONE), ((FINE, BAD), ExitCode.FAILED)],
    ids=["all is well", "doubts and what nobody saw", "a problem"],
)
def test_only_a_problem_makes_the_exit_code(
    patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], findings: tuple[Finding, ...], code: int
) -> None:
    answering(patch, *findings)

    assert run(capsys)[0] == code


def test_people_see_every_finding_with_its_fix_below(patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answering(patch, FINE, BAD)
    patch.setenv("COLUMNS", "200")

    lines = [line.rstrip() for line in run(capsys)[1].splitlines()]

    # The whole ARN: a console that knows emoji makes a sign of its `:secret:`.
    assert [line for line in lines if "credentials" in line and f"{SECRET}: is active" in line and "ok" in line]
    place = next(n for n, line in enumerate(lines) if "PROBLEM" in line)
    assert lines[place].endswith("table: is gone")
    assert lines[place + 1].strip() == "-> deploy the ControlStack"
    assert lines[-1] == "1 problem, 0 warnings, 0 not checked, 3 ok"


def test_programs_get_a_line_per_finding_and_a_summary(patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answering(patch, DOUBT, BAD)

    lines = [json.loads(line) for line in run(capsys, "--json")[1].splitlines()]

    assert [(line["check"], line["state"]) for line in lines[:-1]] == [
        ("signpost", "ok"),
        ("examiner", "ok"),
        ("free-storage", "warning"),
        ("ledger", "problem"),
    ]
    assert lines[3]["fix"] == "deploy the ControlStack"
    counts = {"ok": 2, "warning": 1, "problem": 1, "not checked": 0}
    assert lines[-1] == {"type": "summary", "findings": counts, "exitCode": 1}


def test_the_function_is_told_what_to_look_at_and_what_this_version_consists_of(
    patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []
    answering(patch, asked=asked)

    run(capsys, "shop", "--account", "210987654321", "--to-region", "eu-west-1")

    [event] = asked
    question = ExaminationQuestion.model_validate(event)
    assert (question.db_instance, question.account, question.region) == ("shop", "210987654321", "eu-west-1")
    assert question.expected.code == doctor_versions.of_code()
    assert question.expected.definition == doctor_versions.of_definition(DEFINITION.read_text(), "")
    assert question.expected.document == doctor_versions.of_json(json.dumps(job_document.content()))


def fails(error: Exception) -> Callable[..., Any]:
    def answer(*_: Any) -> Any:
        raise error

    return answer


def no_signpost(_: pytest.MonkeyPatch) -> None:
    pass


def older_deployment(_: pytest.MonkeyPatch) -> None:
    signpost({})


def broken_function(patch: pytest.MonkeyPatch) -> None:
    answering(patch)
    serve(patch, fails(KeyError("EVIDENCE_BUCKET")))


def silent_function(patch: pytest.MonkeyPatch) -> None:
    answering(patch)
    late = fails(ReadTimeoutError(endpoint_url="https://lambda"))
    patch.setattr("moto.awslambda_simple.models.LambdaSimpleBackend.invoke", late)


@pytest.mark.parametrize(
    ("harm", "check", "words", "fix"),
    [
        (no_signpost, "signpost", "There is no SSM parameter /dbrestore/control", "deploy the ControlStack"),
        (older_deployment, "examiner", "has no function ExamineInstallation", "deploy the ControlStack"),
        (broken_function, "examiner", "ended with KeyError: 'EVIDENCE_BUCKET'", "the function's log is in CloudWatch"),
        (silent_function, "examiner", "did not answer", "the function's log is in CloudWatch"),
    ],
    ids=["no signpost", "an older deployment", "a function that breaks", "a function that is silent"],
)
def test_what_stops_the_question_is_a_finding_too(
    patch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    harm: Harm,
    check: str,
    words: str,
    fix: str,
) -> None:
    harm(patch)

    code, out = run(capsys, "--json")

    *_, found, _summary = [json.loads(line) for line in out.splitlines()]
    assert (found["check"], found["state"], code) == (check, "problem", ExitCode.FAILED)
    assert words in found["sentence"]
    assert fix in found["fix"]


def test_who_may_not_ask_is_told_which_permission_it_takes(patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    denied = AccessDeniedError("arn:aws:iam::123456789012:user/ann", "ssm:GetParameter")
    patch.setattr(SimpleSystemManagerResponse, "get_parameter", fails(denied))

    code, out = run(capsys, "--json")

    assert code == ExitCode.FAILED
    assert "You need ssm:GetParameter on /dbrestore/control" in json.loads(out.splitlines()[0])["sentence"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--account", "12"], "--account: "),
        (["--to-region", "Mars"], "--to-region: "),
        (["no_instance!"], "INSTANCE: "),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_what_is_no_account_region_or_instance_is_refused_before_anybody_is_asked(
    patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    code = main.run(["doctor", *arguments])

    assert code == ExitCode.USAGE
    assert f"RestoreRequestInvalid: {told}" in capsys.readouterr().err


PAGE = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text()


def test_every_check_has_an_entry_with_its_fix_in_the_order_of_the_findings() -> None:
    entries = re.findall(r"^### (.+)\n((?:.+\n)+)", PAGE, flags=re.M)
    checks = [
        *doctor.MENDS,
        *(check.name for check in examiner.OF_CONTROL),
        doctor_target.ROLE.name,
        *(check.name for check in examiner.OF_TARGET),
        doctor_instance.INSTANCE.name,
        *(check.name for check in examiner.OF_INSTANCE),
    ]

    assert [name for name, _ in entries] == checks
    assert [name for name, text in entries if "Fix: " not in text and "Fix:\n" not in text] == []


def test_every_section_that_a_fix_names_is_on_the_page() -> None:
    named = re.findall(r"docs/doctor\.md, ([A-Z][\w ]+)", doctor_findings.BACK_TO_TEMPLATE)

    assert named
    assert all(f"\n## {section}\n" in PAGE for section in named)
