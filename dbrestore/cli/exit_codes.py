"""The exit codes of `dbrestore`. They are an interface: a script may rely on them, so one table says which error means which code.

A clean-up that could not finish outranks everything else: something that costs money or lets traffic in is still there.
"""

from enum import IntEnum

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
)

from dbrestore.contract.errors import RestoreError
from dbrestore.contract.job import ErrorNote


class ExitCode(IntEnum):
    """What the process returns; any other code is a failure of dbrestore itself."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    SOME_FAILED = 3
    NOT_VERIFIED = 4
    LEFTOVERS = 5
    NOT_FOUND = 10
    BUSY = 11
    DENIED = 12
    STILL_RUNNING = 13
    INTERRUPTED = 130


# Whatever is not named here is FAILED: what our own parts contradict each other about among it, which no request can mend.
_BY_ERROR_NAME = {
    "RestoreRequestInvalid": ExitCode.USAGE,
    "NotSupportedYet": ExitCode.USAGE,
    "SomeDatabasesFailed": ExitCode.SOME_FAILED,
    "VerificationFailed": ExitCode.NOT_VERIFIED,
    "ObjectsLeftOut": ExitCode.NOT_VERIFIED,
    "LeftoversRemain": ExitCode.LEFTOVERS,
    "ControlPlaneNotFound": ExitCode.NOT_FOUND,
    "TargetNotFound": ExitCode.NOT_FOUND,
    "RestorePointNotFound": ExitCode.NOT_FOUND,
    "DatabaseNotInRestorePoint": ExitCode.NOT_FOUND,
    "PointInTimeUnreachable": ExitCode.NOT_FOUND,
    "RestoreNotFound": ExitCode.NOT_FOUND,
    "DatabaseBusy": ExitCode.BUSY,
    "RestoreClosed": ExitCode.BUSY,
    "NotReady": ExitCode.BUSY,
}

_DENIED_CODES = (
    "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthFailure", "ExpiredToken", "ExpiredTokenException",
    "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidAccessKeyId", "403",
)  # fmt: skip
_BUSY_CODES = (
    "Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDown", "ExecutionAlreadyExists", "ExecutionLimitExceeded",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded",
)  # fmt: skip
_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, ProfileNotFound, TokenRetrievalError)


def of_execution(status: str, error: ErrorNote | None, leftovers: tuple[str, ...]) -> ExitCode:
    """The code of a restore that ended with Step Functions status `status`, its first error and what clean-up left."""
    if leftovers:
        return ExitCode.LEFTOVERS
    if status == "SUCCEEDED":
        return ExitCode.DONE
    if error and error.name == "NotReady":
        # In this process it means come back later; as a restore's end, that the last of many attempts was in vain.
        return ExitCode.FAILED
    return of_note(error) if error else ExitCode.FAILED


def of_note(error: ErrorNote) -> ExitCode:
    """The code of an error that came back by name."""
    if error.name == "AwsRefused" and any(code in error.message for code in _DENIED_CODES[:-1]):
        return ExitCode.DENIED
    return _BY_ERROR_NAME.get(error.name, ExitCode.FAILED)


def of_exception(error: BaseException) -> ExitCode:
    """The code of what went wrong in this process."""
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if isinstance(error, RestoreError):
        return of_note(ErrorNote(name=type(error).__name__, message=str(error)))
    if isinstance(error, ClientError):
        return _of_aws_code(str(error.response.get("Error", {}).get("Code", "")))
    if isinstance(error, _NO_CREDENTIALS):
        return ExitCode.DENIED
    return ExitCode.USAGE if isinstance(error, NoRegionError) else ExitCode.FAILED


def is_explained(error: BaseException) -> bool:
    """Whether the error's own sentence is enough for a person; anything else is a bug of ours and may be reported as one."""
    return isinstance(error, RestoreError | ClientError | BotoCoreError | ConnectionError | HTTPClientError | OSError)


def _of_aws_code(code: str) -> ExitCode:
    if code in _DENIED_CODES:
        return ExitCode.DENIED
    return ExitCode.BUSY if code in _BUSY_CODES else ExitCode.FAILED
