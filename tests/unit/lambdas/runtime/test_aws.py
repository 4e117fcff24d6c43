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

from dbrestore.contract.errors import AwsRefused, NotReady, RestoreError
from lambdas.runtime.aws import translated


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
