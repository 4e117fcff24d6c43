"""EventBridge Scheduler: what starts when, what it is told, and what becomes of what can't be started."""

import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.base import clock, consistency
from localcloud.base.consistency import Inconsistency
from localcloud.cloud import Cloud
from localcloud.flow.scheduler import Scheduler

GROUP = "drills"
ACCOUNT, REGION = "123456789012", "eu-central-1"
INPUT = {
    "drill": {
        "scheduleArn": "<aws.scheduler.schedule-arn>",
        "scheduledTime": "<aws.scheduler.scheduled-time>",
        "execution": "<aws.scheduler.execution-id>",
        "attempt": "<aws.scheduler.attempt-number>",
    }
}
# By the EventBridge Scheduler User Guide, "Retrieve the dead-letter event".
DEAD_LETTER = {
    *("ERROR_CODE", "ERROR_MESSAGE", "EXECUTION_ID", "EXHAUSTED_RETRY_CONDITION", "IS_PAYLOAD_TRUNCATED"),
    *("RETRY_ATTEMPTS", "SCHEDULED_TIME", "SCHEDULE_ARN", "TARGET_ARN"),
}


@dataclass
class World:
    """A Scheduler that looks when it is told to, on a clock that is put where it is wanted."""

    cloud: Cloud
    folder: Path
    now: datetime = datetime(2026, 11, 29, 17, tzinfo=UTC)
    scheduler: Scheduler = field(init=False)
    machine: str = ""
    role: str = ""
    queue: str = ""

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self.cloud._clients, self.folder / "scheduler.jsonl", lambda: self.now)
        name = uuid.uuid4().hex[:8]
        self.queue = self.cloud.client("sqs").create_queue(QueueName=f"dead-{name}")["QueueUrl"]
        definition = json.dumps({"StartAt": "Only", "States": {"Only": {"Type": "Succeed"}}})
        steps = self.cloud.client("stepfunctions")
        self.role = self.made_role()
        self.machine = steps.create_state_machine(name=f"m-{name}", definition=definition, roleArn=self.role)["stateMachineArn"]

    def made_role(self, service: str = "scheduler.amazonaws.com", allowed: str = "states:StartExecution", group: str = GROUP) -> str:
        iam, name = self.cloud.client("iam"), f"role-{uuid.uuid4().hex[:8]}"
        source = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/{group}"
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnEquals": {"aws:SourceArn": source}},
        }
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))["Role"][
            "Arn"
        ]
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]}
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document))
        return str(arn)

    def schedule(self, expression: str, time_zone: str = "UTC", window: int = 0, **more: Any) -> str:
        name = f"s-{uuid.uuid4().hex[:8]}"
        queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.queue.rpartition('/')[2]}"
        target = {
            "Arn": self.machine,
            "RoleArn": self.role,
            "Input": json.dumps(INPUT),
            "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600},
            "DeadLetterConfig": {"Arn": queue},
        }
        flexible = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": window} if window else {"Mode": "OFF"}
        self.cloud.client("scheduler").create_schedule(
            Name=name,
            GroupName=GROUP,
            ScheduleExpression=expression,
            ScheduleExpressionTimezone=time_zone,
            FlexibleTimeWindow=flexible,
            Target={**target, **more.pop("target", {})},
            **more,
        )
        self.scheduler.look()
        return name

    def put_on(self, **by: float) -> None:
        self.now += timedelta(**by)
        self.scheduler.look()

    def go_to(self, moment: datetime, step: timedelta = timedelta(minutes=1)) -> None:
        while self.now < moment:
            self.now = min(moment, self.now + step)
            self.scheduler.look()

    def started(self) -> list[dict[str, Any]]:
        """The inputs of all executions, oldest first."""
        steps = self.cloud.client("stepfunctions")
        listed = steps.list_executions(stateMachineArn=self.machine)["executions"]
        told = [steps.describe_execution(executionArn=one["executionArn"]) for one in reversed(listed)]
        return [json.loads(one["input"])["drill"] for one in told]

    def times(self) -> list[str]:
        return sorted(one["scheduledTime"] for one in self.started())

    def record(self) -> list[dict[str, Any]]:
        path = self.folder / "scheduler.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def dead(self) -> list[dict[str, Any]]:
        answer = self.cloud.client("sqs").receive_message(QueueUrl=self.queue, MessageAttributeNames=["All"], MaxNumberOfMessages=10)
        return list(answer.get("Messages", []))


@pytest.fixture
def world(cloud: Cloud, tmp_path: Path) -> Iterator[World]:
    api = cloud.client("scheduler")
    if GROUP not in {one["Name"] for one in api.list_schedule_groups()["ScheduleGroups"]}:
        api.create_schedule_group(Name=GROUP)
    made = World(cloud, tmp_path)
    yield made
    consistency.end()
    for one in api.list_schedules(GroupName=GROUP)["Schedules"]:
        api.delete_schedule(Name=one["Name"], GroupName=GROUP)


def test_a_cron_schedule_starts_its_machine_at_its_time_in_its_zone_and_says_which(world: World) -> None:
    name = world.schedule("cron(30 18 ? * SUN *)", "Europe/Berlin")

    world.go_to(world.now + timedelta(minutes=29))
    before = world.started()
    world.put_on(minutes=1)
    world.put_on(minutes=1)

    assert before == []
    (order,) = world.started()
    assert order["scheduleArn"] == f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/{GROUP}/{name}"
    assert order["scheduledTime"] == "2026-11-29T17:30:00Z"
    assert (len(order["execution"]), order["attempt"]) == (16, "1")
    assert [line["kind"] for line in world.record()] == ["started"]
    assert ("states:StartExecution", world.role) in [(call.action, call.principal) for call in world.cloud.calls]


def test_an_hour_that_the_clock_leaves_out_and_one_that_it_shows_twice(world: World) -> None:
    world.now = datetime(2027, 3, 27, 0, tzinfo=UTC)
    name = world.schedule("cron(30 2 * * ? *)", "Europe/Berlin")
    world.go_to(datetime(2027, 3, 30, tzinfo=UTC), timedelta(minutes=20))
    spring = world.times()
    world.cloud.client("scheduler").delete_schedule(Name=name, GroupName=GROUP)
    world.now = datetime(2027, 10, 30, 12, tzinfo=UTC)
    world.schedule("cron(30 2 * * ? *)", "Europe/Berlin")
    world.go_to(datetime(2027, 11, 1, 12, tzinfo=UTC), timedelta(minutes=20))

    assert spring == ["2027-03-27T01:30:00Z", "2027-03-29T00:30:00Z"]
    assert [time for time in world.times() if time > "2027-10"] == ["2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"]


def test_a_clock_that_is_put_on_far_starts_everything_that_became_due(world: World) -> None:
    world.schedule("cron(0 2 * * ? *)")

    world.put_on(days=3)

    assert world.times() == ["2026-11-30T02:00:00Z", "2026-12-01T02:00:00Z", "2026-12-02T02:00:00Z"]


def test_a_rate_starts_at_once_and_then_again_and_again(world: World) -> None:
    world.schedule("rate(2 hours)")
    world.go_to(world.now + timedelta(hours=5), timedelta(minutes=10))

    assert world.times() == ["2026-11-29T17:00:00Z", "2026-11-29T19:00:00Z", "2026-11-29T21:00:00Z"]


def test_a_time_of_its_own_starts_once_and_never_when_it_is_over(world: World) -> None:
    world.schedule("at(2026-11-29T18:30:00)", "Europe/Berlin")
    world.schedule("at(2026-11-29T17:59:00)", "Europe/Berlin")
    world.put_on(days=2)

    assert world.times() == ["2026-11-29T17:30:00Z"]


def test_between_start_and_end_date_only(world: World) -> None:
    world.schedule("cron(0 2 * * ? *)", StartDate=datetime(2026, 12, 1, tzinfo=UTC), EndDate=datetime(2026, 12, 3, tzinfo=UTC))
    world.put_on(days=7)

    assert world.times() == ["2026-12-01T02:00:00Z", "2026-12-02T02:00:00Z"]


def test_a_disabled_or_deleted_schedule_starts_nothing_and_nothing_is_made_up_for(world: World) -> None:
    world.schedule("cron(0 2 * * ? *)", State="DISABLED")
    gone = world.schedule("cron(0 2 * * ? *)")
    world.cloud.client("scheduler").delete_schedule(Name=gone, GroupName=GROUP)

    world.put_on(days=2)

    assert world.started() == []


def test_in_a_flexible_window_the_start_lies_somewhere_in_it_and_the_time_told_is_the_one_that_was_meant(world: World) -> None:
    for _ in range(12):
        world.schedule("cron(0 18 * * ? *)", window=60)
    world.now = datetime(2026, 11, 29, 17, 59, tzinfo=UTC)
    world.go_to(datetime(2026, 11, 29, 18, 10, tzinfo=UTC))
    early = len(world.started())
    world.go_to(datetime(2026, 11, 29, 19, tzinfo=UTC))

    assert early < 12
    assert world.times() == ["2026-11-29T18:00:00Z"] * 12
    assert len({line["at"] for line in world.record()}) > 4


def test_what_fails_is_tried_again_with_another_id_and_succeeds_when_the_cause_is_gone(world: World) -> None:
    steps = world.cloud.client("stepfunctions")
    gone = world.machine
    world.machine = f"{gone}-later"
    world.schedule("at(2026-11-29T17:01:00)")
    world.put_on(minutes=1)
    definition = json.dumps({"StartAt": "Only", "States": {"Only": {"Type": "Succeed"}}})
    steps.create_state_machine(name=world.machine.rpartition(":")[2], definition=definition, roleArn=world.role)
    world.put_on(seconds=30)
    too_early = world.started()
    world.put_on(seconds=31)

    (order,) = world.started()
    failed, started = world.record()
    assert too_early == []
    assert (failed["kind"], failed["error"], failed["attempt"]) == ("failed", "StateMachineDoesNotExist", 1)
    assert (started["kind"], order["attempt"], order["scheduledTime"]) == ("started", "2", "2026-11-29T17:01:00Z")
    assert failed["executionId"] != order["execution"]
    assert world.dead() == []


def test_what_no_attempt_could_start_lies_in_the_queue_with_the_reason(world: World) -> None:
    world.machine = f"{world.machine}-nowhere"
    name = world.schedule("at(2026-11-29T17:01:00)")
    world.go_to(world.now + timedelta(hours=2))

    (letter,) = world.dead()
    told = {key: value["StringValue"] for key, value in letter["MessageAttributes"].items()}
    assert set(told) == DEAD_LETTER
    assert [line["kind"] for line in world.record()] == ["failed", "failed", "failed", "given up"]
    assert (told["ERROR_CODE"], told["EXHAUSTED_RETRY_CONDITION"], told["RETRY_ATTEMPTS"]) == (
        "StateMachineDoesNotExist",
        "MaximumRetryAttempts",
        "2",
    )
    assert told["SCHEDULE_ARN"].endswith(f"/{GROUP}/{name}")
    assert (told["TARGET_ARN"], told["SCHEDULED_TIME"]) == (world.machine, "2026-11-29T17:01:00Z")
    assert json.loads(letter["Body"])["drill"]["attempt"] == "3"


def test_an_attempt_that_would_come_too_late_is_not_made(world: World) -> None:
    world.machine = f"{world.machine}-nowhere"
    world.schedule("at(2026-11-29T17:01:00)", target={"RetryPolicy": {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 600}})
    world.go_to(world.now + timedelta(hours=2))

    (letter,) = world.dead()
    assert letter["MessageAttributes"]["EXHAUSTED_RETRY_CONDITION"]["StringValue"] == "MaximumEventAgeInSeconds"
    # After 1, 2 and 4 minutes; another 8 would be more than ten after the first.
    assert len(world.record()) == 4 + 1


@pytest.mark.parametrize(
    ("role", "told"),
    [
        ({"service": "events.amazonaws.com"}, "does not let scheduler.amazonaws.com assume it"),
        ({"group": "others"}, "does not let scheduler.amazonaws.com assume it"),
        ({"allowed": "states:StopExecution"}, "is not authorized to perform: states:StartExecution"),
    ],
)
def test_a_role_that_is_not_for_it_starts_nothing(world: World, role: dict[str, str], told: str) -> None:
    world.role = world.made_role(**role)
    world.schedule("at(2026-11-29T17:01:00)")
    world.go_to(world.now + timedelta(hours=1))

    (letter,) = world.dead()
    assert world.started() == []
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "AccessDeniedException"
    assert told in letter["MessageAttributes"]["ERROR_MESSAGE"]["StringValue"]


def test_while_the_cloud_is_inconsistent_some_starts_come_twice_or_late_and_each_comes(world: World) -> None:
    consistency.begin(Inconsistency(7))
    world.schedule("cron(1 * * * ? *)")
    world.go_to(world.now + timedelta(days=2, minutes=30), timedelta(minutes=5))

    orders = world.started()
    times = Counter(one["scheduledTime"] for one in orders)
    late = [line for line in world.record() if line["at"][14:16] > "05"]
    assert len(times) == 49
    assert 1 <= sum(count == 2 for count in times.values()) < 20
    assert max(times.values()) == 2
    assert 1 <= len(late) < 30
    assert len({one["execution"] for one in orders}) == sum(times.values())


@pytest.mark.parametrize(
    ("expression", "time_zone", "told"),
    [
        ("cron(0 2 * * *)", "UTC", r"Invalid Schedule Expression cron\(0 2 \* \* \*\)\."),
        ("rate(7 day)", "UTC", "Invalid Schedule Expression"),
        ("rate(1 days)", "UTC", "Invalid Schedule Expression"),
        ("rate(7 days)", "Europe/Bonn", r"Invalid Schedule Expression Timezone Europe/Bonn\."),
    ],
)
def test_what_scheduler_can_not_read_is_refused_when_it_is_made(world: World, expression: str, time_zone: str, told: str) -> None:
    with pytest.raises(ClientError, match=told) as refused:
        world.schedule(expression, time_zone)

    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_the_clouds_time_of_day_runs_ahead_by_the_scale() -> None:
    clock.set_scale(3600)
    clock.set_now(datetime(2027, 3, 28, tzinfo=UTC))
    begun = clock.now()
    clock.wait(1800, lambda: False, time.sleep)

    assert timedelta(minutes=25) < clock.now() - begun < timedelta(hours=6)
    assert begun - datetime(2027, 3, 28, tzinfo=UTC) < timedelta(hours=1)
