"""The two accounts as typed clients, and what AWS's refusals mean.

The target's account is always reached through the role that its TargetStack made, also when it is the control account: one code path.
Sessions live 15 minutes: roles are chained, so they could not live longer than an hour anyway."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, TypedDict

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotocoreConnectionError

from dbrestore.contract import limits
from dbrestore.contract.errors import AwsRefused, NotReady, RestoreError
from dbrestore.contract.refusals import error_code
from lambdas.runtime import refusal_meanings
from lambdas.runtime.settings import PRODUCT, Settings
from lambdas.runtime.telemetry import log

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_sts import STSClient

CONFIG = Config(
    connect_timeout=limits.CONNECT_TIMEOUT,
    read_timeout=limits.READ_TIMEOUT,
    retries={"mode": "standard", "total_max_attempts": limits.AWS_ATTEMPTS},
)
# For what is worth one short call and no more.
HASTY = Config(
    connect_timeout=limits.HASTY_TIMEOUT, read_timeout=limits.HASTY_TIMEOUT, retries={"mode": "standard", "total_max_attempts": 1}
)
# The repository is looked at, and asked for archived files, by many threads: each keeps its connection.
ASKING = CONFIG.merge(Config(max_pool_connections=limits.ARCHIVE_THREADS))
# S3 answers a request to copy when it has copied: many at a time, and each may take longer than other calls do.
COPYING = CONFIG.merge(Config(max_pool_connections=limits.STAGING_THREADS, read_timeout=limits.STAGING_READ_TIMEOUT))
THROTTLED = {
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionCanceledException",  # a failed condition was taken out before: what is left is a conflict or a throttled item
    "TransactionConflictException",
    "TransactionInProgressException",
}
# What AWS says of a thing that not all of its copies know yet, or that it is changing at this moment.
UNSETTLED = {
    "IncorrectInstanceState",
    "IncorrectState",
    "InvalidDBClusterStateFault",
    "InvalidDBInstanceState",
    "InvalidDBInstanceStateFault",
    "InvalidGroup.NotFound",
    "InvalidInstanceID.NotFound",
    "InvalidNetworkInterfaceID.NotFound",
    "InvalidVPCNetworkStateFault",
    "InvalidVolume.NotFound",
    "NoSuchBucket",
    "OperationAborted",
}


@cache
def _session() -> boto3.Session:
    # One session per process: it keeps the service models, which take longer to read than most calls take.
    return boto3.Session()


@dataclass(frozen=True)
class ControlAccount:
    """The account that the functions run in."""

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        return _session().client("dynamodb", config=CONFIG)

    @cached_property
    def s3(self) -> "S3Client":
        return _session().client("s3", config=ASKING)

    def copying_s3(self, region: str | None) -> "S3Client":
        """For a bucket in this Region, the functions' own if None: S3 copies there, many objects at a time."""
        return _session().client("s3", region_name=region, config=COPYING)

    @cached_property
    def sts(self) -> "STSClient":
        return _session().client("sts", config=CONFIG)

    @cached_property
    def stepfunctions(self) -> "SFNClient":
        return _session().client("stepfunctions", config=CONFIG)

    @cached_property
    def events(self) -> "EventBridgeClient":
        return _session().client("events", config=CONFIG)

    @cached_property
    def hasty_events(self) -> "EventBridgeClient":
        """For events that nothing waits for."""
        return _session().client("events", config=HASTY)

    @cached_property
    def secretsmanager(self) -> "SecretsManagerClient":
        """To read the secrets of hooks: one function may."""
        return _session().client("secretsmanager", config=CONFIG)


class Access(TypedDict):
    """What boto3's `client` takes to work elsewhere as somebody else."""

    region_name: str
    aws_access_key_id: str
    aws_secret_access_key: str
    aws_session_token: str


@dataclass(frozen=True)
class TargetAccount:
    """The target's account and Region with the credentials of its role."""

    access: Access = field(repr=False)
    # Of the installation whose TargetStack made the role.
    prefix: str = PRODUCT
    # What was read there in this invocation and needn't be read twice.
    seen: dict[tuple[str, ...], Any] = field(default_factory=dict, repr=False, compare=False)
    seeing: Lock = field(default_factory=Lock, repr=False, compare=False)

    @property
    def offer_parameter(self) -> str:
        """Where the TargetStack says what it offers."""
        return f"/{self.prefix}/target"

    @cached_property
    def ec2(self) -> "EC2Client":
        return _session().client("ec2", config=CONFIG, **self.access)

    @cached_property
    def rds(self) -> "RDSClient":
        return _session().client("rds", config=CONFIG, **self.access)

    @cached_property
    def ssm(self) -> "SSMClient":
        return _session().client("ssm", config=CONFIG, **self.access)

    @cached_property
    def secretsmanager(self) -> "SecretsManagerClient":
        """To look at secrets: no function may read one here."""
        return _session().client("secretsmanager", config=CONFIG, **self.access)

    @cached_property
    def cloudwatch(self) -> "CloudWatchClient":
        return _session().client("cloudwatch", config=CONFIG, **self.access)

    @cached_property
    def s3(self) -> "S3Client":
        return _session().client("s3", config=COPYING, **self.access)


def target_account(
    control: ControlAccount, settings: Settings, *, partition: str, account: str, region: str, restore_id: str
) -> TargetAccount:
    """Assume the target's role. The session carries the restore's id, so CloudTrail of the target's account names the restore."""
    role = settings.target_role_name.replace("{region}", region)
    request: dict[str, Any] = {
        "RoleArn": f"arn:{partition}:iam::{account}:role/{role}",
        "RoleSessionName": restore_id,
        "ExternalId": settings.external_id,
        "DurationSeconds": limits.SESSION_SECONDS,
    }
    if settings.target_policy:
        request["Policy"] = settings.target_policy
    credentials = control.sts.assume_role(**request)["Credentials"]
    return TargetAccount(
        {
            "region_name": region,
            "aws_access_key_id": credentials["AccessKeyId"],
            "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials["SessionToken"],
        },
        settings.prefix,
    )


def translated(error: BotoCoreError | ClientError, age: float | None = None, shown_within: float = limits.SHOWN_WITHIN) -> RestoreError:
    """What a failed call means for the restore: later (throttled, 5xx, no connection), or refused. `age`: of the youngest thing that it
    may be about, in seconds; None: of things that have been there for long. As long as AWS may not know a thing everywhere, that it knows
    no such thing, or is changing it, means later too."""
    # A connection that does not come about isn't an HTTPClientError.
    if isinstance(error, HTTPClientError | BotocoreConnectionError):
        return NotReady(f"AWS did not answer: {error}")
    if not isinstance(error, ClientError):
        return AwsRefused(f"AWS could not be called: {error}")
    code, operation = error_code(error), error.operation_name
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in THROTTLED or status >= 500:
        return NotReady(f"AWS asks to try {operation} again later ({code})")
    message = error.response.get("Error", {}).get("Message", "")
    if age is not None and age <= shown_within and _is_unsettled(code, message):
        return NotReady(f"waiting until {operation} is possible everywhere ({code}: {message})")
    return _refused(operation, code, message)


def _refused(operation: str, code: str, message: str) -> AwsRefused:
    if refusal_meanings.is_encoded(message):
        log.warning("%s: %s", operation, message)
    told = f"AWS refused {operation}: {code}: {refusal_meanings.shortened(message)}"
    behind = refusal_meanings.meaning(code, message)
    return AwsRefused(f"{told}: {behind}" if behind else told)


@contextmanager
def about(since: datetime, now: datetime) -> Iterator[None]:
    """Calls about a thing that was made at `since`: what AWS refuses only because it doesn't know it everywhere yet is waited for. Raises
    NotReady, AwsRefused."""
    try:
        yield
    except ClientError as error:
        raise translated(error, (now - since).total_seconds()) from error


def _is_unsettled(code: str, message: str) -> bool:
    # RDS knows no code of its own for a security group that it doesn't know.
    return code in UNSETTLED or (code == "InvalidParameterValue" and "security group" in message.lower())
