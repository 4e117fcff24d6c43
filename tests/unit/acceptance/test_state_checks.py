"""What is asked of TestState about each Retry and Catch, and how its answers are held against the definition."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from acceptance import state_checks
from acceptance.state_checks import Answer, Check, Question
from acceptance.trials import definition as trial
from statemachine import definition

DOCS = Path(__file__).parents[3] / "docs" / "acceptance.md"
ONE: dict[str, Any] = {
    "StartAt": "Try",
    "States": {
        "Try": {
            "Type": "Task",
            "Retry": [
                {"ErrorEquals": ["NotYet"], "IntervalSeconds": 10, "BackoffRate": 1.5, "MaxDelaySeconds": 12, "MaxAttempts": 9},
                {"ErrorEquals": ["Never"], "MaxAttempts": 0},
                {"ErrorEquals": ["States.ALL"]},
            ],
            "Catch": [{"ErrorEquals": ["Never"], "Next": "Other"}, {"ErrorEquals": ["States.ALL"], "Next": "End"}],
        },
        "Other": {"Type": "Pass", "Next": "End"},
        "End": {"Type": "Succeed"},
    },
}


def asked(machine: dict[str, Any]) -> dict[tuple[str, str, int], Answer]:
    return {(one.question.state, one.question.error, one.question.retries): one.expected for one in state_checks.checks(machine)}


def test_each_policy_is_asked_about_at_first_once_more_and_after_its_last_try() -> None:
    assert asked(ONE) == {
        ("Try", "NotYet", 0): Answer("RETRIABLE", retry=0, pause=10),
        ("Try", "NotYet", 1): Answer("RETRIABLE", retry=0, pause=12),
        ("Try", "NotYet", 9): Answer("CAUGHT_ERROR", catch=1, next="End"),
        ("Try", "Never", 0): Answer("CAUGHT_ERROR", catch=0, next="Other"),
        ("Try", "SomethingUnheardOf", 0): Answer("RETRIABLE", retry=2, pause=1),
        ("Try", "SomethingUnheardOf", 1): Answer("RETRIABLE", retry=2, pause=2),
        ("Try", "SomethingUnheardOf", 3): Answer("CAUGHT_ERROR", catch=1, next="End"),
    }


def test_every_retry_and_catch_of_the_definition_is_asked_about() -> None:
    checks = state_checks.checks(definition.MACHINE)

    used = {(one.question.state, "Retry", one.expected.retry) for one in checks if one.expected.retry is not None}
    used |= {(one.question.state, "Catch", one.expected.catch) for one in checks if one.expected.catch is not None}
    # A policy without tries is seen by what happens instead.
    silent = {(name, kind, place) for name, kind, place, policy in policies(definition.MACHINE) if policy.get("MaxAttempts") == 0}
    assert used | silent == {(name, kind, place) for name, kind, place, _ in policies(definition.MACHINE)}
    assert {one.question.within for one in checks if one.question.state == "Restore"} == {"IsApprovalNeeded"}


def test_the_page_says_how_many_questions_there_are() -> None:
    assert f" {len(state_checks.checks(definition.MACHINE))} questions to TestState" in DOCS.read_text()


def policies(machine: dict[str, Any]) -> list[tuple[str, str, int, dict[str, Any]]]:
    found = []
    for name, state in machine["States"].items():
        found += [(name, kind, place, policy) for kind in ("Retry", "Catch") for place, policy in enumerate(state.get(kind, []))]
        for inner in (*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])):
            found += policies(inner)
    return found


@pytest.mark.parametrize(
    ("question", "answer", "read"),
    [
        (
            Question("Try", "NotYet", 1, None),
            {
                "status": "RETRIABLE",
                "error": "NotYet",
                "inspectionData": {"errorDetails": {"retryIndex": 0, "retryBackoffIntervalSeconds": 12}},
            },
            Answer("RETRIABLE", retry=0, pause=12),
        ),
        (
            Question("Restore", "Never", 0, "IsArchived"),
            {"status": "CAUGHT_ERROR", "nextState": "Other", "inspectionData": {"errorDetails": {"catchIndex": 0}}},
            Answer("CAUGHT_ERROR", catch=0, next="Other"),
        ),
        (Question("Try", "Never", 0, None), {"status": "FAILED", "error": "Never", "inspectionData": {}}, Answer("FAILED")),
    ],
)
def test_the_call_and_its_answer_are_as_aws_describes_them(question: Question, answer: dict[str, Any], read: Answer) -> None:
    """The stubber validates both by botocore's model of the API."""
    client = boto3.client("stepfunctions", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    caused = {"errorCausedByState": question.within} if question.within else {}
    with Stubber(client) as stub:
        stub.add_response(
            "test_state",
            answer,
            {
                "definition": json.dumps(ONE),
                "stateName": question.state,
                "input": json.dumps(trial.INPUT),
                "context": json.dumps(trial.CONTEXT),
                "mock": {"errorOutput": {"error": question.error, "cause": "acceptance"}},
                "stateConfiguration": {"retrierRetryCount": question.retries, **caused},
                "inspectionLevel": "DEBUG",
            },
        )

        assert trial.asked(client, json.dumps(ONE), question) == read


def test_an_answer_that_differs_says_how() -> None:
    check = Check(Question("Try", "NotYet", 0, None), Answer("RETRIABLE", retry=0, pause=10))

    assert str(check.expected) == "RETRIABLE Retry 0 pause 10"
    assert str(Answer("CAUGHT_ERROR", catch=1, next="End")) == "CAUGHT_ERROR Catch 1 next End"
