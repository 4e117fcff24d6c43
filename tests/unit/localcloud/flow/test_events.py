"""EventBridge reaches functions and state machines, and schedules fire on the local cloud's clock."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.cloud import Cloud
from localcloud.flow.events import Schedules
from tests.unit.localcloud.flow import lambda_functions


@pytest.fixture(scope="module")
def function_arn(cloud: Cloud) -> str:
    """A warm function: what must not arrive would arrive at once."""
    name = lambda_functions.create(cloud)
    lambda_functions.invoke(cloud, name)
    return str(cloud.client("lambda").get_function(FunctionName=name)["Configuration"]["FunctionArn"])


@pytest.fixture
def bucket(cloud: Cloud) -> str:
    name = f"events-{uuid.uuid4().hex[:8]}"
    cloud.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": cloud.region})
    return name


@pytest.fixture
def rule(cloud: Cloud) -> Iterator[str]:
    name = f"rule-{uuid.uuid4().hex[:8]}"
    yield name
    events = cloud.client("events")
    events.remove_targets(Rule=name, Ids=["t"])
    events.delete_rule(Name=name)


def _put_rule(cloud: Cloud, rule: str, target: dict[str, Any], **when: str) -> None:
    cloud.client("events").put_rule(Name=rule, **when)
    cloud.client("events").put_targets(Rule=rule, Targets=[{"Id": "t", **target}])


def _writes_to(bucket: str) -> str:
    """What a rule tells the function of the tests: to write into the bucket."""
    return json.dumps({"put": bucket})


def _written(cloud: Cloud, bucket: str) -> int:
    return int(cloud.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"])


def _eventually(look: Any) -> Any:
    deadline = time.monotonic() + 20
    while not (seen := look()):
        assert time.monotonic() < deadline, "It never came."
        time.sleep(0.05)
    return seen


def _machine(cloud: Cloud, state: dict[str, Any]) -> str:
    answer = cloud.client("stepfunctions").create_state_machine(
        name=f"machine-{uuid.uuid4().hex[:8]}",
        definition=json.dumps({"StartAt": "Only", "States": {"Only": state}}),
        roleArn=lambda_functions.role(cloud),
    )
    return str(answer["stateMachineArn"])


def _ended_pattern(machine: str, status: str) -> str:
    detail = {"status": [status], "stateMachineArn": [machine]}
    kind = "Step Functions Execution Status Change"
    return json.dumps({"source": ["aws.states"], "detail-type": [kind], "detail": detail})


def _executions(cloud: Cloud, machine: str) -> list[dict[str, Any]]:
    steps = cloud.client("stepfunctions")
    listed = steps.list_executions(stateMachineArn=machine)["executions"]
    return [dict(steps.describe_execution(executionArn=one["executionArn"])) for one in listed]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ({"Type": "Succeed"}, "SUCCEEDED"),
        ({"Type": "Fail", "Error": "Oops", "Cause": "because"}, "FAILED"),
        ({"Type": "Wait", "Seconds": 60, "End": True}, "ABORTED"),
    ],
)
def test_the_end_of_an_execution_starts_another_machine_with_the_event(cloud: Cloud, rule: str, state: dict[str, Any], status: str) -> None:
    watched, sweeper = _machine(cloud, state), _machine(cloud, {"Type": "Succeed"})
    role = lambda_functions.role(cloud)
    _put_rule(cloud, rule, {"Arn": sweeper, "RoleArn": role}, EventPattern=_ended_pattern(watched, status))
    steps = cloud.client("stepfunctions")

    started = steps.start_execution(stateMachineArn=watched, name=f"one-{status}")["executionArn"]
    if status == "ABORTED":
        steps.stop_execution(executionArn=started)

    event = json.loads(_eventually(lambda: _executions(cloud, sweeper))[0]["input"])
    assert (event["source"], event["detail-type"]) == ("aws.states", "Step Functions Execution Status Change")
    detail = event["detail"]
    assert (detail["executionArn"], detail["stateMachineArn"], detail["name"]) == (started, watched, f"one-{status}")
    assert detail["status"] == status
    assert detail["startDate"] <= detail["stopDate"]
    assert ("states:StartExecution", role) in [(call.action, call.principal) for call in cloud.calls]
    time.sleep(0.3)
    assert len(_executions(cloud, sweeper)) == 1


def test_an_event_reaches_a_function_with_the_input_of_the_rule(cloud: Cloud, rule: str, bucket: str, function_arn: str) -> None:
    target = {"Arn": function_arn, "Input": _writes_to(bucket)}
    _put_rule(cloud, rule, target, EventPattern=json.dumps({"source": ["shop"]}))

    cloud.client("events").put_events(Entries=[{"Source": "shop", "DetailType": "sold", "Detail": "{}"}])
    cloud.client("events").put_events(Entries=[{"Source": "bank", "DetailType": "paid", "Detail": "{}"}])

    _eventually(lambda: _written(cloud, bucket))
    time.sleep(0.5)
    assert _written(cloud, bucket) == 1


def test_a_disabled_rule_delivers_nothing(cloud: Cloud, rule: str, bucket: str, function_arn: str) -> None:
    target = {"Arn": function_arn, "Input": _writes_to(bucket)}
    _put_rule(cloud, rule, target, EventPattern=json.dumps({"source": ["disabled"]}))
    entry = {"Source": "disabled", "DetailType": "sold", "Detail": "{}"}

    cloud.client("events").disable_rule(Name=rule)
    cloud.client("events").put_events(Entries=[entry])
    time.sleep(0.5)
    before = _written(cloud, bucket)
    cloud.client("events").enable_rule(Name=rule)
    cloud.client("events").put_events(Entries=[entry])

    assert before == 0
    _eventually(lambda: _written(cloud, bucket))


def test_a_rule_with_a_schedule_alone_hears_no_event(cloud: Cloud, rule: str) -> None:
    queues, events = cloud.client("sqs"), cloud.client("events")
    url = queues.create_queue(QueueName="yearly")["QueueUrl"]
    yearly = {"ScheduleExpression": "rate(365 days)"}
    # A queue has the message when `put_events` returns.
    _put_rule(cloud, rule, {"Arn": "arn:aws:sqs:eu-central-1:123456789012:yearly"}, **yearly)
    entry = {"Source": "scheduled", "DetailType": "sold", "Detail": "{}"}

    events.put_events(Entries=[entry])
    before = queues.receive_message(QueueUrl=url).get("Messages", [])
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": ["scheduled"]}), **yearly)
    events.put_events(Entries=[entry])

    assert before == []
    assert "scheduled" in queues.receive_message(QueueUrl=url)["Messages"][0]["Body"]


def test_other_targets_of_a_rule_still_get_the_event(cloud: Cloud, rule: str, bucket: str, function_arn: str) -> None:
    queues, events = cloud.client("sqs"), cloud.client("events")
    url = queues.create_queue(QueueName="beside")["QueueUrl"]
    _put_rule(cloud, rule, {"Arn": function_arn, "Input": _writes_to(bucket)}, EventPattern=json.dumps({"source": ["both"]}))
    events.put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": "arn:aws:sqs:eu-central-1:123456789012:beside"}])

    events.put_events(Entries=[{"Source": "both", "DetailType": "sold", "Detail": "{}"}])

    assert "both" in queues.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"][0]["Body"]
    _eventually(lambda: _written(cloud, bucket))
    events.remove_targets(Rule=rule, Ids=["queue"])


def test_a_rate_fires_again_and_again_on_the_scaled_clock_until_it_is_stopped(
    cloud: Cloud, rule: str, bucket: str, function_arn: str
) -> None:
    # One minute at a scale of 100 is 0.6 s.
    _put_rule(cloud, rule, {"Arn": function_arn, "Input": _writes_to(bucket)}, ScheduleExpression="rate(1 minute)")
    schedules, started = Schedules(), time.monotonic()

    _eventually(lambda: _written(cloud, bucket) >= 4)

    seconds = time.monotonic() - started
    schedules.stop()
    assert seconds >= 2.4
    time.sleep(1)
    after = _written(cloud, bucket)
    time.sleep(1.5)
    assert _written(cloud, bucket) == after


@pytest.mark.parametrize("expression", ["rate(1 hours)", "rate(5 hour)", "rate(0 days)", "rate(01 days)"])
def test_a_rate_whose_number_and_unit_disagree_is_refused(cloud: Cloud, expression: str) -> None:
    with pytest.raises(ClientError, match="Parameter ScheduleExpression is not valid"):
        cloud.client("events").put_rule(Name="refused", ScheduleExpression=expression)


def test_a_rate_waits_for_what_it_started(cloud: Cloud, rule: str, bucket: str) -> None:
    """Else calls whose seconds are real, by a rate whose seconds are not, would pile up on a busy machine."""
    program = (
        "import json, time, boto3\n"
        "def handle(event, context):\n"
        "    mark = lambda what: boto3.client('s3').put_object(Bucket=event['put'], Key=f'{time.time():.3f} {what}')\n"
        "    mark('begins'); time.sleep(1.5); mark('ends')\n"
    )
    arn = lambda_functions.create(cloud, program=program)
    arn = cloud.client("lambda").get_function(FunctionName=arn)["Configuration"]["FunctionArn"]
    _put_rule(cloud, rule, {"Arn": arn, "Input": _writes_to(bucket)}, ScheduleExpression="rate(1 minute)")
    schedules = Schedules()

    _eventually(lambda: _written(cloud, bucket) >= 5)

    schedules.stop()
    marks = [item["Key"].split()[1] for item in cloud.client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    assert marks[:5] == ["begins", "ends", "begins", "ends", "begins"]
