"""Declared drills become schedules that may start this state machine and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract.drills import DrillStart

from .conftest import ACCOUNT, REGION, ROOT, Template, synthesise, template_of

# One process synthesises each template once.
pytestmark = pytest.mark.xdist_group("templates")

EXAMPLE = ROOT / "examples" / "configuration" / "drills.json"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/bounds"


@pytest.fixture(scope="session")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder = synthesise(tmp_path_factory.mktemp("drills") / "out", drillConfiguration=str(EXAMPLE), permissionsBoundary=BOUNDARY)
    return template_of(folder, "DbrestoreControl")


def schedules(template: Template) -> dict[str, dict[str, Any]]:
    return {one["Name"]: one for one in template.of_type("AWS::Scheduler::Schedule").values()}


def test_without_a_declared_drill_nothing_of_scheduler_is_made(control: Template) -> None:
    kinds = {resource["Type"] for resource in control.content["Resources"].values()}

    assert not [kind for kind in kinds if kind.startswith("AWS::Scheduler::")]
    assert len(control.of_type("AWS::SQS::Queue")) == 1
    assert f"dbrestore-scheduler-{REGION}" not in {role["RoleName"] for role in control.of_type("AWS::IAM::Role").values()}


def test_each_drill_is_a_schedule_of_the_group_with_its_time_zone_and_window(drilled: Template) -> None:
    made = schedules(drilled)

    assert drilled.only("AWS::Scheduler::ScheduleGroup") == {"Name": "dbrestore-drills"}
    assert set(made) == {"orders-weekly", "crm-monthly"}
    assert {one["GroupName"] for one in made.values()} == {"dbrestore-drills"}
    assert {one["State"] for one in made.values()} == {"ENABLED"}
    assert [
        (one["ScheduleExpression"], one["ScheduleExpressionTimezone"], one["FlexibleTimeWindow"])
        for one in (made["orders-weekly"], made["crm-monthly"])
    ] == [
        ("cron(0 2 ? * SUN *)", "Europe/Berlin", {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 45}),
        ("cron(30 22 15W * ? *)", "UTC", {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 30}),
    ]


def test_a_window_of_no_minutes_is_off(tmp_path: Path) -> None:
    values = json.loads(EXAMPLE.read_text())
    values["drills"] = [{**values["drills"][0], "schedule": {**values["drills"][0]["schedule"], "flexibleMinutes": 0}}]
    path = tmp_path / "drills.json"
    path.write_text(json.dumps(values))

    template = template_of(synthesise(tmp_path / "out", drillConfiguration=str(path)), "DbrestoreControl")

    assert schedules(template)["orders-weekly"]["FlexibleTimeWindow"] == {"Mode": "OFF"}


def test_what_a_schedule_says_is_what_the_state_machine_reads(drilled: Template) -> None:
    ((machine, _),) = drilled.of_type("AWS::StepFunctions::StateMachine").items()
    target = schedules(drilled)["orders-weekly"]["Target"]
    delivered = (
        target["Input"]
        .replace("<aws.scheduler.schedule-arn>", "arn:aws:scheduler:eu-central-1:1:schedule/dbrestore-drills/orders-weekly")
        .replace("<aws.scheduler.scheduled-time>", "2027-01-31T01:00:00Z")
    )

    order = DrillStart.from_json(delivered).drill

    assert target["Arn"] == machine
    assert "<" not in delivered
    assert (order.name, order.requested_by, order.with_damage) == ("orders-weekly", None, False)
    assert order.schedule_arn is not None
    assert order.scheduled_time is not None


def test_what_can_not_be_delivered_is_tried_twice_more_within_the_hour_and_then_kept_and_rings(drilled: Template) -> None:
    queues = drilled.of_type("AWS::SQS::Queue")
    (queue,) = [id_ for id_, one in queues.items() if one["QueueName"] == "dbrestore-undelivered-drills"]
    alarm = drilled.only("AWS::CloudWatch::Alarm", AlarmName="dbrestore-UndeliveredDrills")
    (policy,) = [one for one in drilled.of_type("AWS::SQS::QueuePolicy").values() if one["Queues"] == [queue]]

    for one in schedules(drilled).values():
        assert one["Target"]["RetryPolicy"] == {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600}
        assert one["Target"]["DeadLetterConfig"] == {"Arn": f"{queue}.Arn"}
    assert queues[queue]["SqsManagedSseEnabled"] is True
    assert [(s["Effect"], s["Condition"]) for s in policy["PolicyDocument"]["Statement"]] == [
        ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    ]
    assert (alarm["MetricName"], alarm["Threshold"], alarm["ComparisonOperator"]) == (
        "ApproximateNumberOfMessagesVisible",
        0,
        "GreaterThanThreshold",
    )
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": f"{queue}.QueueName"}]


def test_the_schedules_role_may_start_this_machine_and_write_that_queue_and_nothing_else(drilled: Template) -> None:
    roles = drilled.of_type("AWS::IAM::Role")
    (id_,) = [id_ for id_, one in roles.items() if one["RoleName"] == f"dbrestore-scheduler-{REGION}"]
    ((machine, _),) = drilled.of_type("AWS::StepFunctions::StateMachine").items()
    (queue,) = [id_ for id_, one in drilled.of_type("AWS::SQS::Queue").items() if one["QueueName"].endswith("-drills")]
    (policy,) = [one for one in drilled.of_type("AWS::IAM::Policy").values() if roles[id_]["RoleName"] in one["Roles"]]

    assert "Policies" not in roles[id_]
    assert [(s["Effect"], s["Action"], s["Resource"]) for s in policy["PolicyDocument"]["Statement"]] == [
        ("Allow", "states:StartExecution", machine),
        ("Allow", "sqs:SendMessage", f"{queue}.Arn"),
    ]
    assert {one["Target"]["RoleArn"] for one in schedules(drilled).values()} == {f"{id_}.Arn"}


def test_only_schedules_of_this_group_and_account_may_borrow_the_role(drilled: Template) -> None:
    ((group, _),) = drilled.of_type("AWS::Scheduler::ScheduleGroup").items()
    role = drilled.only("AWS::IAM::Role", RoleName=f"dbrestore-scheduler-{REGION}")

    assert role["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "scheduler.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnEquals": {"aws:SourceArn": f"{group}.Arn"}},
        }
    ]
    assert role["PermissionsBoundary"] == BOUNDARY


def test_a_schedule_comes_after_what_its_role_may_do_and_all_of_it_goes_with_the_stack(drilled: Template) -> None:
    resources = drilled.content["Resources"]
    (policy,) = [id_ for id_, one in resources.items() if one["Type"] == "AWS::IAM::Policy" and id_.startswith("SchedulerRole")]

    made = [one for one in resources.values() if one["Type"] == "AWS::Scheduler::Schedule"]

    assert made
    assert all(policy in one["DependsOn"] for one in made)
    # A group that stayed would be in the way of the next deployment.
    assert [one["DeletionPolicy"] for one in resources.values() if one["Type"] == "AWS::Scheduler::ScheduleGroup"] == ["Delete"]
