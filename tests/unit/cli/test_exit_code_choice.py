"""The exit codes are an interface: every one of them can be reached, and each error keeps its own."""

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError

from dbrestore.cli.exit_code_choice import of_exception, of_execution
from dbrestore.contract import errors
from dbrestore.contract.errors import RestoreError
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.job import ErrorNote


def note(name: str, message: str = "because") -> ErrorNote:
    return ErrorNote(name=name, message=message)


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetParameter")


@pytest.mark.parametrize(
    ("status", "error", "leftovers", "code"),
    [
        ("SUCCEEDED", None, (), 0),
        ("FAILED", note("ReplayFailed"), (), 1),
        ("FAILED", note("WorkerLost"), (), 1),
        ("FAILED", note("NotReady"), (), 1),
        ("ABORTED", note("ExecutionAborted"), (), 1),
        ("TIMED_OUT", None, (), 1),
        ("FAILED", note("RestoreRequestInvalid"), (), 2),
        ("FAILED", note("PlanOfAnotherVersion"), (), 1),
        ("FAILED", note("InternalContradiction"), (), 1),
        ("FAILED", note("LedgerRowUnreadable"), (), 1),
        ("FAILED", note("SomeDatabasesFailed"), (), 3),
        ("FAILED", note("VerificationFailed"), (), 4),
        ("FAILED", note("LeftoversRemain"), (), 5),
        ("FAILED", note("TargetNotFound"), (), 10),
        ("FAILED", note("RestorePointNotFound"), (), 10),
        ("FAILED", note("DatabaseNotInRestorePoint"), (), 10),
        ("FAILED", note("PointInTimeUnreachable"), (), 10),
        ("FAILED", note("DatabaseBusy"), (), 11),
        ("FAILED", note("AwsRefused", "AWS refused RunInstances: UnauthorizedOperation: no"), (), 12),
        ("FAILED", note("AwsRefused", "AWS refused RunInstances: VcpuLimitExceeded: no"), (), 1),
    ],
)
def test_the_end_of_a_restore_has_its_code(status: str, error: ErrorNote | None, leftovers: tuple[str, ...], code: int) -> None:
    assert of_execution(status, error, leftovers) == code


def test_leftovers_outrank_every_error_and_even_success() -> None:
    assert of_execution("FAILED", note("VerificationFailed"), ("worker",)) == ExitCode.LEFTOVERS
    assert of_execution("SUCCEEDED", None, ("worker",)) == ExitCode.LEFTOVERS


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ControlPlaneNotFound("x"), 10),
        (errors.RestoreNotFound("x"), 10),
        (errors.RestoreClosed("x"), 11),
        (errors.BackupDamaged("x"), 1),
        (refused("AccessDeniedException"), 12),
        (refused("ExpiredToken"), 12),
        (refused("ThrottlingException"), 11),
        (refused("ExecutionAlreadyExists"), 11),
        (refused("InternalFailure"), 1),
        (NoCredentialsError(), 12),
        (NoRegionError(), 2),
        (OSError("disk"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_what_goes_wrong_in_the_command_itself_has_its_code(error: BaseException, code: int) -> None:
    assert of_exception(error) == code


def test_every_named_error_has_a_code_that_is_not_success() -> None:
    for kind in RestoreError.__subclasses__():
        assert of_exception(kind("x")) != ExitCode.DONE, kind.__name__
