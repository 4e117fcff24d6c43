"""One check becomes findings: what it meets never stops another, and the fingerprints tell versions apart."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from botocore.parsers import ResponseParserError

from dbrestore.contract.deployed import versions as doctor_versions
from dbrestore.contract.errors import NotReady, TargetNotUsable
from lambdas.doctor import findings as doctor_findings
from lambdas.doctor.findings import Check, Outcome, doubtful, examine, fine, judge, wrong
from tests.statemachine.world import DEFINITION

DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetRole")
THROTTLED = ClientError({"Error": {"Code": "Throttling", "Message": "slowly"}}, "GetRole")


def check(error: Exception | None = None, *before: Outcome, is_vital: bool = False) -> Check[None]:
    def look(_: None) -> Iterator[Outcome]:
        yield from before
        if error:
            raise error

    return Check("some-check", "some thing", "some fix", look, is_vital)


@pytest.mark.parametrize(
    ("error", "is_vital", "state", "words", "fix"),
    [
        (TargetNotUsable("is full: take one off"), False, "problem", "is full: take one off", "some fix"),
        (NotReady("waiting for it"), False, "warning", "waiting for it", "run dbrestore doctor again"),
        (DENIED, False, "not checked", "AWS refused GetRole: AccessDenied: no", "deploy both stacks"),
        (DENIED, True, "problem", "AWS refused GetRole: AccessDenied: no", "deploy both stacks"),
        (THROTTLED, True, "not checked", "again later", "run dbrestore doctor again"),
        (ConnectTimeoutError(endpoint_url="https://x"), True, "not checked", "https://x", "run dbrestore doctor again"),
        (ResponseParserError("<html>"), False, "not checked", "can't be read", "run dbrestore doctor again"),
        (KeyError("Tables"), False, "not checked", "the check itself broke: KeyError: 'Tables'", "report this as a bug"),
    ],
    ids=str,
)
def test_what_a_check_meets_becomes_a_finding(error: Exception, is_vital: bool, state: str, words: str, fix: str) -> None:
    [first, met] = judge(check(error, fine("is there"), is_vital=is_vital), None)

    assert (first.state, first.sentence, first.fix) == ("ok", "is there", "")
    assert (met.state, met.looked_at) == (state, "some thing")
    assert words in met.sentence
    assert fix in met.fix


def test_an_outcome_has_the_checks_fix_unless_it_has_its_own_and_none_if_all_is_well() -> None:
    outcomes = (fine("well"), doubtful("hm"), wrong("bad", "this one", "do that"))

    findings = judge(check(None, *outcomes), None)

    assert [(f.looked_at, f.fix) for f in findings] == [
        ("some thing", ""),
        ("some thing", "some fix"),
        ("this one", "do that"),
    ]


def test_a_check_that_hangs_is_told_and_the_others_are_answered() -> None:
    def hang(_: None) -> Iterator[Outcome]:
        time.sleep(1.0)
        yield fine("at last")

    began = time.monotonic()
    findings = examine([Check("slow", "it", "wait", hang), check(None, fine("is there"))], None, within=0.2)

    assert time.monotonic() - began < 0.9
    assert [(f.check, f.state) for f in findings] == [("slow", "not checked"), ("some-check", "ok")]
    assert findings[0].sentence == "no answer within 0.2 seconds"
    assert findings[0].fix == doctor_findings.ASK_AGAIN


def test_a_byte_of_the_code_makes_another_version_and_compiled_files_do_not(tmp_path: Path) -> None:
    copies = [tmp_path / name for name in ("same", "other")]
    for copy in copies:
        for package in ("lambdas", "dbrestore"):
            shutil.copytree(doctor_versions.ROOT / package, copy / package, ignore=shutil.ignore_patterns("*.pyc"))
    room = copies[0] / "lambdas" / "planning"
    compiled = room / "__pycache__" / "plan_restore.pyc"
    changed = copies[1] / "lambdas" / "planning" / "plan_restore.py"
    compiled.parent.mkdir(exist_ok=True)
    before = doctor_versions.of_code.__wrapped__(copies[0]), doctor_versions.of_code.__wrapped__(copies[1])
    compiled.write_bytes(b"compiled")
    changed.write_text(changed.read_text() + "\n")

    assert before[0] == before[1] == doctor_versions.of_code(copies[0])
    assert doctor_versions.of_code(copies[1]) != before[1]


@pytest.mark.parametrize("version", ["", ":1", ":27"])
def test_a_deployed_definition_is_that_of_the_file_whatever_its_layout_account_and_versions(version: str) -> None:
    text = DEFINITION.read_text()
    states = json.loads(text)
    arn = "arn:aws-cn:lambda:cn-north-1:123456789012:function:dbrestore-"
    deployed = json.dumps(states, indent=None).replace("${", arn).replace("}" + '"', version + '"')
    edited = deployed.replace('"MaxAttempts": 40', '"MaxAttempts": 41', 1)

    expected = doctor_versions.of_definition(text, "")

    assert f'{arn}PlanRestore{version}"' in deployed
    assert edited != deployed
    assert doctor_versions.of_definition(deployed, "dbrestore-") == expected
    assert doctor_versions.of_definition(edited, "dbrestore-") != expected
