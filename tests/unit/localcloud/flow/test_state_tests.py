"""TestState with a mocked error, as AWS's guide shows its answers."""

import json
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud.cloud import Cloud

RETRY = [{"ErrorEquals": ["Lambda.ServiceException"], "IntervalSeconds": 2, "MaxAttempts": 3, "BackoffRate": 2.0}]
CATCH = [{"ErrorEquals": ["Lambda.TooManyRequestsException"], "ResultPath": "$.error", "Next": "HandleThrottling"}]
MACHINE = {
    "StartAt": "Outer",
    "States": {
        "Outer": {
            "Type": "Parallel",
            "Branches": [{"StartAt": "Try", "States": {"Try": {"Type": "Task", "Retry": RETRY, "Catch": CATCH, "End": True}}}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "HandleThrottling"}],
            "End": True,
        },
        "HandleThrottling": {"Type": "Pass", "End": True},
    },
}


@pytest.fixture(scope="module")
def steps(cloud: Cloud) -> Any:
    return boto3.client(
        "stepfunctions",
        region_name=cloud.region,
        endpoint_url=cloud.endpoint,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        # AWS answers it at `sync-states...`.
        config=Config(inject_host_prefix=False),
    )


def asked(steps: Any, state: str, error: str, **configuration: Any) -> tuple[str, str | None, dict[str, int]]:
    answer = steps.test_state(
        definition=json.dumps(MACHINE),
        stateName=state,
        mock={"errorOutput": {"error": error, "cause": "why"}},
        stateConfiguration=configuration,
        inspectionLevel="DEBUG",
    )
    return answer["status"], answer.get("nextState"), answer["inspectionData"].get("errorDetails", {})


def test_the_guides_own_examples(steps: Any) -> None:
    assert asked(steps, "Try", "Lambda.ServiceException", retrierRetryCount=1) == (
        "RETRIABLE",
        None,
        {"retryIndex": 0, "retryBackoffIntervalSeconds": 4},
    )
    assert asked(steps, "Try", "Lambda.TooManyRequestsException") == ("CAUGHT_ERROR", "HandleThrottling", {"catchIndex": 0})


def test_an_error_that_nobody_takes_fails_the_state(steps: Any) -> None:
    assert asked(steps, "Try", "Lambda.ServiceException", retrierRetryCount=3) == ("FAILED", None, {})


def test_of_a_parallel_it_must_be_said_where_the_error_comes_from(steps: Any) -> None:
    assert asked(steps, "Outer", "Any", errorCausedByState="Try")[:2] == ("CAUGHT_ERROR", "HandleThrottling")
    with pytest.raises(ClientError, match="errorCausedByState"):
        asked(steps, "Outer", "Any")


def test_a_state_that_would_have_to_run_is_refused(steps: Any) -> None:
    with pytest.raises(ClientError, match="mocked error"):
        steps.test_state(definition=json.dumps(MACHINE), stateName="Try", mock={"result": "{}"})
