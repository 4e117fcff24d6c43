"""Trial: Step Functions itself is asked about every Retry and Catch of the definition that is deployed."""

import json
from typing import Any

from acceptance import state_checks
from acceptance.state_checks import Answer, Question
from acceptance.trials.trial import Finding, Scene, Trial, require

# What paths in the definition ask for; no value decides anything.
INPUT = {"plan": {"restoreId": "r-000000000000", "archived": False, "archive": {"batches": [0]}}}
CONTEXT = {
    "Execution": {"Id": "arn:aws:states:us-east-1:123456789012:execution:dbrestore:test", "StartTime": "2026-01-01T00:00:00.000Z"},
    "Task": {"Token": "token"},  # nosec B105 - TestState runs nothing that would use it
    "Map": {"Item": {"Index": 0, "Value": 0}},
}
SHOWN = 5


def _every_policy(scene: Scene) -> Finding:
    executions = scene.plane.executions
    text = executions.describe_state_machine(stateMachineArn=scene.plane.state_machine_arn)["definition"]
    checks = state_checks.checks(json.loads(text))
    differing = []
    for check in checks:
        answer = asked(executions, text, check.question)
        if answer != check.expected:
            question = check.question
            differing.append(f"{question.state} after {question.error} ({question.retries} retries): {answer}, not {check.expected}")
    require(not differing, f"{len(differing)} of {len(checks)} differ: {'; '.join(differing[:SHOWN])}")
    states = {check.question.state for check in checks}
    return Finding(f"{len(checks)} answers about {len(states)} states are as the definition says")


def asked(executions: Any, definition: str, question: Question) -> Answer:
    """TestState's answer to one question; no state is run, because its error is given."""
    configuration = {"retrierRetryCount": question.retries, **({"errorCausedByState": question.within} if question.within else {})}
    answer = executions.test_state(
        definition=definition,
        stateName=question.state,
        input=json.dumps(INPUT),
        context=json.dumps(CONTEXT),
        mock={"errorOutput": {"error": question.error, "cause": "acceptance"}},
        stateConfiguration=configuration,
        inspectionLevel="DEBUG",
    )
    details = answer.get("inspectionData", {}).get("errorDetails", {})
    return Answer(
        answer["status"],
        retry=details.get("retryIndex"),
        pause=details.get("retryBackoffIntervalSeconds"),
        catch=details.get("catchIndex"),
        next=answer.get("nextState") if answer["status"] == "CAUGHT_ERROR" else None,
    )


DEFINITION = Trial(
    "definition",
    "Step Functions reads every Retry and Catch of the deployed definition as it is meant (TestState).",
    _every_policy,
)
