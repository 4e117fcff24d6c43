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


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "InvalidParameterValue", "DependencyViolation"])
def test_what_does_not_pass_by_itself_is_no_matter_of_age(code: str) -> None:
    error = ClientError({"Error": {"Code": code, "Message": "never"}}, "RunInstances")

    assert type(translated(error, 0.0)) is AwsRefused
