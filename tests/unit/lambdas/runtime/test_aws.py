"""What a failed call means: come back later, or refused."""

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from dbrestore.contract import limits
from dbrestore.contract.errors import AwsRefused, NotReady, RestoreError
from lambdas.runtime.aws import UNSETTLED, translated


def refused(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "told"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "PutThing",
    )


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (ConnectTimeoutError(endpoint_url="https://s3"), NotReady),
        (EndpointConnectionError(endpoint_url="https://s3"), NotReady),
        (ReadTimeoutError(endpoint_url="https://s3"), NotReady),
        (refused("SlowDown", 503), NotReady),
        (refused("Throttling", 400), NotReady),
        (refused("AccessDenied", 403), AwsRefused),
        (NoCredentialsError(), AwsRefused),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
def test_what_passes_is_waited_for_and_what_stays_is_told(error: BotoCoreError | ClientError, meaning: type[RestoreError]) -> None:
    assert type(translated(error)) is meaning


@pytest.mark.parametrize(
    ("code", "message"),
    [
        *((code, "not now") for code in sorted(UNSETTLED)),
        ("InvalidParameterValue", "Invalid security group , groupId= sg-1, groupName=."),
    ],
)
def test_what_is_not_known_everywhere_is_waited_for_while_the_thing_is_young(code: str, message: str) -> None:
    error = ClientError({"Error": {"Code": code, "Message": message}}, "AuthorizeSecurityGroupIngress")

    told = [type(translated(error, age)) for age in (0.0, limits.SHOWN_WITHIN, limits.SHOWN_WITHIN + 1, None)]

    assert told == [NotReady, NotReady, AwsRefused, AwsRefused]


WHO = "User: arn:aws:sts::1:assumed-role/x/r-1 is not authorized to perform: ec2:RunInstances on resource: arn:aws:ec2:::instance/*"


@pytest.mark.parametrize(
    ("code", "message", "told"),
    [
        ("AccessDenied", f"{WHO} with an explicit deny in a service control policy", "whoever administers the organization"),
        ("AccessDenied", f"{WHO} because no service control policy allows the ec2:RunInstances action", "AWS Organizations"),
        ("AccessDenied", f"{WHO} with an explicit deny in a resource control policy", "a resource control policy of the organization"),
        ("AccessDenied", f"{WHO} because no permissions boundary allows the action", "deploy with another one (PermissionsBoundary)"),
        ("AccessDenied", f"{WHO} with an explicit deny in a VPC endpoint policy", "whoever keeps the endpoint"),
        ("VcpuLimitExceeded", "You have requested more vCPU capacity", "Service Quotas: Running On-Demand instances, in vCPUs"),
        ("SecurityGroupLimitExceeded", "The maximum number of security groups", "VPC security groups per Region"),
        ("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules", "rules per security group"),
        ("TooManyBuckets", "You have attempted to create more buckets", "General purpose buckets"),
    ],
)
def test_a_refusal_says_who_can_change_it(code: str, message: str, told: str) -> None:
    error = translated(ClientError({"Error": {"Code": code, "Message": message}}, "RunInstances"))

    assert isinstance(error, AwsRefused)
    assert str(error).startswith(f"AWS refused RunInstances: {code}: {message}: ")
    assert told in str(error)


def test_what_ec2_encodes_is_shortened_and_whole_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    encoded = "aB3-_" * 200
    message = f"You are not authorized to perform this operation. Encoded authorization failure message: {encoded}"

    error = translated(ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": message}}, "RunInstances"))

    assert encoded[:24] in str(error)
    assert len(str(error)) < 400
    assert "aws sts decode-authorization-message" in str(error)
    assert encoded in caplog.text


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "InvalidParameterValue", "DependencyViolation"])
def test_what_does_not_pass_by_itself_is_no_matter_of_age(code: str) -> None:
    error = ClientError({"Error": {"Code": code, "Message": "never"}}, "RunInstances")

    assert type(translated(error, 0.0)) is AwsRefused
