"""Who is told when: the alarms, what they are set on, and where events go that nobody took."""

import re
from pathlib import Path
from typing import Any

import pytest

from infrastructure.functions import FUNCTIONS

from .conftest import ACCOUNT, REGION, ROOT, Template, synthesise, template_of

# One process synthesises each template once.
pytestmark = pytest.mark.xdist_group("templates")

ALARMS = {
    *("RestoreFailed", "DrillFailed", "DrillsSkipped", "Leftovers", "FunctionFailed", "RestoreTimedOut", "SweeperFailed", "NobodySweeps"),
    *("Undelivered", "Strays", "EvidenceFailed"),
}
OWN = re.compile(r"telemetry\.count\(\"(\w+)\"(?:, [^*=]+)?\)")


def _topic(control: Template, name: str) -> str:
    """The id of a topic by its name."""
    return next(id_ for id_, topic in control.of_type("AWS::SNS::Topic").items() if topic["TopicName"] == name)


def test_every_alarm_rings_at_the_one_topic(control: Template) -> None:
    alarms = control.of_type("AWS::CloudWatch::Alarm").values()
    topic = _topic(control, "dbrestore-alarms")

    assert {alarm["AlarmName"] for alarm in alarms} == {f"dbrestore-{name}" for name in ALARMS}
    assert all(alarm["AlarmActions"] == [topic] for alarm in alarms)
    assert all(alarm["AlarmDescription"].startswith("dbrestore: ") for alarm in alarms)


def test_the_first_event_rings_and_silence_does_not_but_where_silence_is_the_trouble(control: Template) -> None:
    for alarm in control.of_type("AWS::CloudWatch::Alarm").values():
        silence_rings = alarm["AlarmName"] == "dbrestore-NobodySweeps"
        rings_at = ("LessThanThreshold", 1, "breaching") if silence_rings else ("GreaterThanThreshold", 0, "notBreaching")
        assert (alarm["ComparisonOperator"], alarm["Threshold"], alarm["TreatMissingData"]) == rings_at


def test_metrics_of_our_own_are_written_by_the_code_under_just_those_names_and_without_dimensions(control: Template) -> None:
    alarms = control.of_type("AWS::CloudWatch::Alarm").values()
    asked = {alarm["MetricName"] for alarm in alarms if alarm["Namespace"] == "dbrestore"}
    written = {name for path in (ROOT / "lambdas").rglob("*.py") for name in OWN.findall(path.read_text())}

    assert asked == {
        *("FailedRestores", "FailedDrills", "DrillsSkippedInARow", "Leftovers", "UnexpectedErrors", "Strays", "EvidenceFailures"),
    }
    assert asked <= written
    assert not any("Dimensions" in alarm for alarm in alarms if alarm["Namespace"] == "dbrestore")


def test_lambdas_own_count_of_errors_rings_for_the_sweeper_alone(control: Template) -> None:
    """A state that waits is an error to Lambda."""
    alarms = [alarm for alarm in control.of_type("AWS::CloudWatch::Alarm").values() if alarm["Namespace"] == "AWS/Lambda"]

    functions = {dimension["Value"] for alarm in alarms for dimension in alarm["Dimensions"]}

    assert {control.of_type("AWS::Lambda::Function")[id_]["FunctionName"] for id_ in functions} == {"dbrestore-SweepLedger"}


def test_alarms_of_this_account_may_publish_and_nobody_without_tls(control: Template) -> None:
    """A topic's own policy replaces the one by which alarms may publish."""
    topic = _topic(control, "dbrestore-alarms")
    (policy,) = [one for one in control.of_type("AWS::SNS::TopicPolicy").values() if one["Topics"] == [topic]]

    allowed = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    denied = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]

    assert [(s["Principal"], s["Action"], s["Condition"]) for s in allowed] == [
        ({"Service": "cloudwatch.amazonaws.com"}, "sns:Publish", {"StringEquals": {"aws:SourceAccount": ACCOUNT}})
    ]
    assert [s["Condition"] for s in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_what_the_bus_cannot_deliver_and_what_lambda_gives_up_is_kept(control: Template) -> None:
    ((queue, properties),) = control.of_type("AWS::SQS::Queue").items()
    functions = control.of_type("AWS::Lambda::Function")
    configs = control.of_type("AWS::Lambda::EventInvokeConfig").values()

    targets = [target for rule in control.of_type("AWS::Events::Rule").values() for target in rule["Targets"]]

    assert [target["DeadLetterConfig"]["Arn"] for target in targets] == [f"{queue}.Arn"] * len(targets)
    assert {functions[config["FunctionName"]]["FunctionName"] for config in configs} == {
        f"dbrestore-{row.state}" for row in FUNCTIONS if row.hears_events and not row.adopts
    }
    called = [target["Arn"].removesuffix(".Arn") for target in targets if target["Arn"].endswith(".Arn")]
    assert {functions[id_]["FunctionName"] for id_ in called} == {functions[config["FunctionName"]]["FunctionName"] for config in configs}
    assert {config["DestinationConfig"]["OnFailure"]["Destination"] for config in configs} == {f"{queue}.Arn"}
    assert properties["SqsManagedSseEnabled"] is True
    assert properties["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_the_queue_takes_messages_of_the_rules_and_of_those_functions(control: Template) -> None:
    ((queue, _),) = control.of_type("AWS::SQS::Queue").items()
    roles = control.of_type("AWS::IAM::Role").values()

    allowed = [s for s in control.only("AWS::SQS::QueuePolicy")["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    senders = {role["RoleName"] for role in roles if f"{queue}.Arn" in _resources(role, "sqs:SendMessage")}

    assert {s["Condition"]["ArnEquals"]["aws:SourceArn"] for s in allowed} == {f"{id_}.Arn" for id_ in control.of_type("AWS::Events::Rule")}
    hearing = ("SweepLedger", "CleanUpStrays", "HearRetrieval", "RemoveAbandonedPoints", "RemovePoints")
    assert senders == {f"dbrestore-control-{state}-{REGION}" for state in hearing}


def _resources(role: dict[str, Any], action: str) -> list[str]:
    statements = [s for policy in role.get("Policies", []) for s in policy["PolicyDocument"]["Statement"]]
    return [resource for s in statements if action in _each(s["Action"]) for resource in _each(s["Resource"])]


def _each(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_mail_goes_to_the_addresses_of_the_context(tmp_path: Path) -> None:
    folder = synthesise(tmp_path / "out", alarmAddresses="dba@example.com, oncall@example.com")

    subscriptions = template_of(folder, "DbrestoreControl").of_type("AWS::SNS::Subscription").values()

    assert {(one["Protocol"], one["Endpoint"]) for one in subscriptions} == {("email", "dba@example.com"), ("email", "oncall@example.com")}
