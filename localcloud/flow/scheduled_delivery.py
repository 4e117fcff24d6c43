"""One start of a schedule on its way to its target: the input, the attempts, and the queue of what could not be delivered.

Context attributes, attempts and the nine attributes of a dead letter are those of the EventBridge Scheduler User Guide ("Adding context
attributes", "Configuring a dead-letter queue": by its example and its list). What it leaves open is assumed here, and unproven:
- the times between attempts: it says "exponential backoff";
- which errors are permanent: a dead letter of one has no EXHAUSTED_RETRY_CONDITION there. Here every error is tried again;
- TARGET_ARN of a target like StartExecution: it gives the form `arn:aws:scheduler:::aws-sdk:<service>:<action>`, of which its example of a
  universal target is one. Here it is the ARN of the state machine or function.
Nothing of the product reads a dead letter; people do.
"""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from localcloud.base.clients import Clients, Place
from localcloud.iam import access_policies, roles
from localcloud.iam.access_policies import Question

SERVICE: Final = "scheduler.amazonaws.com"
_FIRST_PAUSE: Final = timedelta(minutes=1)
_ACTIONS: Final = {"states": "states:StartExecution", "lambda": "lambda:InvokeFunction"}


class Refused(Exception):
    """The role can't be borrowed or isn't allowed it; `code` is the error's name."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Delivery:
    """`scheduled` is the time that the expression means; `begun` the first attempt; `attempt` counts from 1."""

    arn: str
    target: dict[str, Any]
    scheduled: datetime
    attempt: int = 1
    begun: datetime | None = None
    execution_id: str = ""

    @property
    def scheduled_time(self) -> str:
        """As the context attribute tells it."""
        return f"{self.scheduled:%Y-%m-%dT%H:%M:%SZ}"

    def attempted(self, now: datetime) -> "Delivery":
        """With an execution id of its own: each attempt has another one."""
        return replace(self, begun=self.begun or now, execution_id=uuid.uuid4().hex[:16])

    def next_attempt(self, now: datetime) -> tuple[datetime, "Delivery"] | None:
        """When it is tried again; None if the retry policy has had enough."""
        due = now + _FIRST_PAUSE * 2 ** (self.attempt - 1)
        policy = self.target.get("RetryPolicy", {})
        oldest = timedelta(seconds=policy.get("MaximumEventAgeInSeconds", 86_400))
        is_too_old = due - (self.begun or due) > oldest
        return None if self._has_no_attempt_left or is_too_old else (due, replace(self, attempt=self.attempt + 1))

    @property
    def exhausted(self) -> str:
        """Which part of the retry policy ended it."""
        return "MaximumRetryAttempts" if self._has_no_attempt_left else "MaximumEventAgeInSeconds"

    @property
    def _has_no_attempt_left(self) -> bool:
        return bool(self.attempt > self.target.get("RetryPolicy", {}).get("MaximumRetryAttempts", 185))

    @property
    def input(self) -> str:
        """What the target gets."""
        attributes = {
            "schedule-arn": self.arn,
            "scheduled-time": self.scheduled_time,
            "execution-id": self.execution_id,
            "attempt-number": str(self.attempt),
        }
        text = str(self.target.get("Input", "{}"))
        for name, value in attributes.items():
            text = text.replace(f"<aws.scheduler.{name}>", value)
        return text


def invoke(clients: Clients, delivery: Delivery) -> str:
    """The target, under the schedule's role; returns what was started. Raises Refused, ClientError."""
    arn, role = delivery.target["Arn"], delivery.target["RoleArn"]
    _, _, service, region, account, _ = arn.split(":", 5)
    if service not in _ACTIONS:
        raise Refused("TargetNotSupported", f"The local cloud's Scheduler starts state machines and functions, not {arn}")
    _require_role(delivery, role, Question(role, _ACTIONS[service], arn))
    place = Place(account, region)
    if service == "states":
        # Step Functions names it by a UUID: the target has no field for a name.
        steps = clients.client("stepfunctions", role, place)
        return str(steps.start_execution(stateMachineArn=arn, name=str(uuid.uuid4()), input=delivery.input)["executionArn"])
    clients.client("lambda", role, place).invoke(FunctionName=arn, InvocationType="Event", Payload=delivery.input.encode())
    return str(arn)


def _require_role(delivery: Delivery, arn: str, question: Question) -> None:
    role = roles.find(arn)
    _, partition, _, region, account, rest = delivery.arn.split(":", 5)
    group = f"arn:{partition}:scheduler:{region}:{account}:schedule-group/{rest.split('/')[1]}"
    context = {"aws:sourceaccount": account, "aws:sourcearn": group}
    trust = access_policies.statements(role.assume_role_policy_document) if role else []
    if not access_policies.may_assume(trust, SERVICE, context):
        raise Refused("AccessDeniedException", f"{arn} does not let {SERVICE} assume it for {group}")
    if not access_policies.lets(question, roles.permissions(role)):
        raise Refused("AccessDeniedException", f"{arn} is not authorized to perform: {question.action} on resource: {question.resource}")


def error_of(error: Exception) -> tuple[str, str]:
    """Code and message, as they are told."""
    if isinstance(error, Refused):
        return error.code, str(error)
    if isinstance(error, ClientError):
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    return type(error).__name__, str(error)


def bury(clients: Clients, delivery: Delivery, error: Exception) -> str:
    """Put it into the dead-letter queue and return the queue's ARN; empty if the schedule has none, and the start is lost."""
    queue: str = delivery.target.get("DeadLetterConfig", {}).get("Arn", "")
    if not queue:
        return ""
    _, _, _, region, account, name = queue.split(":", 5)
    code, message = error_of(error)
    told = {
        "ERROR_CODE": code,
        "ERROR_MESSAGE": message,
        "EXECUTION_ID": delivery.execution_id,
        "EXHAUSTED_RETRY_CONDITION": delivery.exhausted,
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": str(delivery.attempt - 1),
        "SCHEDULED_TIME": delivery.scheduled_time,
        "SCHEDULE_ARN": delivery.arn,
        "TARGET_ARN": delivery.target["Arn"],
    }
    sqs = clients.client("sqs", delivery.target["RoleArn"], Place(account, region))
    url = sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
    attributes = {key: {"DataType": "String", "StringValue": value} for key, value in told.items()}
    sqs.send_message(QueueUrl=url, MessageBody=delivery.input, MessageAttributes=attributes)
    return queue
