"""Which exit code the process ends with: that of the error's class, and what botocore's errors and the end of a restore mean.

A clean-up that could not finish outranks everything else: something that costs money or lets traffic in is still there.
"""

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

from dbrestore.contract.error_names import by_name
from dbrestore.contract.errors import AwsRefused, NotReady, RestoreError
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.job import ErrorNote

_DENIED_CODES = (
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "InvalidAccessKeyId",
    "403",
)
_BUSY_CODES = (
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "SlowDown",
    "ExecutionAlreadyExists",
    "ExecutionLimitExceeded",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
)
_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, ProfileNotFound, TokenRetrievalError)


def of_execution(status: str, error: ErrorNote | None, leftovers: tuple[str, ...]) -> ExitCode:
    """The code of a restore that ended with Step Functions status `status`, its first error and what clean-up left."""
    if leftovers:
        return ExitCode.LEFTOVERS
    if status == "SUCCEEDED":
        return ExitCode.DONE
    if error and error.name == NotReady.__name__:
        # In this process it means come back later; as a restore's end, that the last of many attempts failed.
        return ExitCode.FAILED
    return of_note(error) if error else ExitCode.FAILED


def of_note(error: ErrorNote) -> ExitCode:
    """The code of an error that came back by name; a name that isn't in the tree means that the restore failed."""
    return _of_kind(by_name(error.name), error.message)


def of_exception(error: BaseException) -> ExitCode:
    """The code of what went wrong in this process."""
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if isinstance(error, RestoreError):
        return _of_kind(type(error), str(error))
    if isinstance(error, ClientError):
        return _of_aws_code(str(error.response.get("Error", {}).get("Code", "")))
    if isinstance(error, _NO_CREDENTIALS):
        return ExitCode.DENIED
    return ExitCode.USAGE if isinstance(error, NoRegionError) else ExitCode.FAILED


def is_explained(error: BaseException) -> bool:
    """Whether the error's own sentence is enough for a person; anything else is a bug of ours and may be reported as one."""
    return isinstance(error, RestoreError | ClientError | BotoCoreError | ConnectionError | HTTPClientError | OSError)


def _of_kind(kind: type[RestoreError], message: str) -> ExitCode:
    if issubclass(kind, AwsRefused) and any(code in message for code in _DENIED_CODES[:-1]):
        return ExitCode.DENIED
    return kind.exit_code


def _of_aws_code(code: str) -> ExitCode:
    if code in _DENIED_CODES:
        return ExitCode.DENIED
    return ExitCode.BUSY if code in _BUSY_CODES else ExitCode.FAILED
