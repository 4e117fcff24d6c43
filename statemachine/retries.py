"""Which errors a state is tried again after, and how often: each policy stands here once. The first that names an error counts."""

from typing import TypedDict, Unpack

from dbrestore.contract.errors import NotReady
from dbrestore.contract.pauses import Pauses
from statemachine.asl import ALL, TIMEOUT, Error, Json, error_name


class Trying(TypedDict, total=False):
    """The language's fields; without them it tries three times, after 1, 2 and 4 seconds."""

    IntervalSeconds: int
    BackoffRate: float
    MaxDelaySeconds: int
    MaxAttempts: int


def retry(*errors: Error, **trying: Unpack[Trying]) -> Json:
    """A policy."""
    return {"ErrorEquals": [error_name(error) for error in errors], **trying}


def look_again(pauses: Pauses, error: Error = NotReady) -> Json:
    """Not a failure: what the state waits for isn't there yet."""
    return retry(
        error,
        IntervalSeconds=pauses.first,
        BackoffRate=pauses.growth,
        MaxDelaySeconds=pauses.longest,
        MaxAttempts=pauses.looks_at_most,
    )


def never_again(error: Error) -> Json:
    """Keeps this error from the policies that follow."""
    return retry(error, MaxAttempts=0)


def _function_failed(*more: Error) -> Json:
    return retry(
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.TooManyRequestsException",
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.Unknown",
        "Sandbox.Timedout",
        "Runtime.ExitError",
        *more,
        IntervalSeconds=2,
        BackoffRate=2.0,
        MaxAttempts=6,
        MaxDelaySeconds=60,
    )


# Lambda's own troubles. Errors of ours are not among them: what a function refuses, it would refuse again.
FUNCTION_FAILED = _function_failed(TIMEOUT)
# Where States.Timeout isn't a trouble but the end of a wait.
TOKEN_FUNCTION_FAILED = _function_failed()
# Whatever it is, ten minutes long: what stays behind costs money, and may stand open.
REMOVER_FAILED = retry(ALL, IntervalSeconds=15, BackoffRate=1.0, MaxAttempts=40)
REPORT_FAILED = retry(ALL, IntervalSeconds=5, BackoffRate=2.0, MaxAttempts=6, MaxDelaySeconds=60)
