"""The tree of errors: what each is in, and the exit code that it had when scripts began to rely on it."""

import re
from pathlib import Path

import pytest

from dbrestore.cli.error_reference import drawing, page
from dbrestore.cli.exit_code_choice import of_exception, of_note
from dbrestore.contract import errors
from dbrestore.contract.error_names import ERRORS, GROUPS, by_name
from dbrestore.contract.errors import RestoreError, RestoreFailed
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.job import ErrorNote
from localcloud.server import LocalCloudError

ROOT = Path(__file__).parent.parent.parent.parent
ROOMS = ("dbrestore", "lambdas", "infrastructure", "localcloud", "demo", "benchmarks", "statemachine")

# An interface: a row is added with an error, none is changed.
EXIT_CODES = {
    1: """
        AccessConfigurationInvalid AdoptionConfigurationInvalid
        AnswerConfigurationInvalid InPlaceConfigurationInvalid RestorePointNeeded RestorePointRetained SourceAccessDenied
        ApprovalExpired ApprovalRefused
        ArchiveTierImpossible AutomatedBackupRunning AwsRefused BackupArchived BackupDamaged BackupEncrypted
        BackupTooLarge BackupTooOld BackupUnreadable BaseBackupMissing BucketInOtherRegion CertificateBundleMissing
        CertificateMissing CertificateRefused CompressionUnreadable CountingBrokeOff CredentialConfigurationInvalid CredentialsNotUsable
        CrossRegionCopyRefused CrossRegionReplica
        DatabaseDamaged DatabaseExists DatabaseInUse SwapRefused DrillConfigurationInvalid EditionLimit EngineMismatch EvidenceUnreadable
        ExtensionConfigurationInvalid ExtensionNotAllowed FileGuidsExist FilestreamRefused InternalContradiction KmsKeyRefused
        LedgerRowUnreadable LoginRefused
        MediaPasswordSet NativeBackupOptionMissing NativeSlotsTaken NativeTaskCancelled NativeTaskFailed
        NativeTaskStuck NativeTransferAborted NoUsableSubnet NotANativeBackup NotEnoughStorage NotMasterUser
        OwnerNotUsable PlanOfAnotherVersion RecoveryModelRefused ReplayFailed RestoreCancelled RestoreFailed
        RetrievalTimedOut ServerUnreachable SqlServerConfigurationInvalid StagedBackupMissing StagedCopyDiffers
        StagingAccessDenied StripeMissing StripesMixed SystemDatabaseRefused TargetNotUsable TargetVersionTooNew TargetVersionTooOld
        TooManyStripes WorkerConfigurationInvalid WorkerFailed WorkerLost WorkerNotStarted WorkerTimedOut WorkerVolumeRefused
    """,
    2: "CheckRefused NotPermitted NotSupportedYet RestoreRequestInvalid",
    3: "SomeDatabasesFailed",
    4: "ChecksFailed DrillFailed ObjectsLeftOut VerificationFailed",
    5: "LeftoversRemain",
    10: """
        ControlPlaneNotFound DatabaseNotInRestorePoint DrillNotFound PointInTimeUnreachable RestoreNotFound RestorePointNotFound
        RestorePointRemoved SourceNotFound TargetNotFound
    """,
    11: "DatabaseBusy DrillSkipped NotReady RestoreClosed RestorePointInUse SourceChanged WorkerToReplace",
}


@pytest.mark.parametrize(("name", "code"), [(name, code) for code, names in EXIT_CODES.items() for name in names.split()])
def test_an_error_keeps_its_exit_code_raised_here_or_come_back_by_name(name: str, code: int) -> None:
    assert ERRORS[name].exit_code == code
    assert of_exception(ERRORS[name]("because")) == code
    assert of_note(ErrorNote(name=name, message="because")) == code


def test_every_error_has_a_row_in_the_table_and_no_row_is_of_an_error_that_is_gone() -> None:
    assert sorted(ERRORS) == sorted(name for names in EXIT_CODES.values() for name in names.split())


def test_a_group_has_one_exit_code() -> None:
    # So that who catches the group knows it.
    own = {kind.__name__ for kind in ERRORS.values() if kind.__bases__ != (RestoreError,) and "exit_code" in vars(kind)}

    assert own == set()
    assert [group for group in GROUPS if group.__bases__ != (RestoreError,) and "exit_code" in vars(group)] == []


def test_a_group_is_caught_and_never_raised() -> None:
    names = "|".join(group.__name__ for group in GROUPS)
    sources = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]

    raised = [
        f"{path}: {line.strip()}"
        for path in sources
        for line in path.read_text().splitlines()
        if re.search(rf"(?<!class )\b({names})\(|raise ({names})\b", line)
    ]

    assert len(sources) > 300
    assert raised == []


@pytest.mark.parametrize(
    "name",
    [
        "States.Timeout",
        "Lambda.Unknown",
        "ExecutionAborted",
        "NoSuchError",
        "RestoreError",
        "NotFound",
        "LocalCloudError",
    ],
)
def test_a_name_that_is_no_error_of_the_tree_counts_as_a_failed_restore(name: str) -> None:
    assert by_name(name) is RestoreFailed
    assert of_note(ErrorNote(name=name, message="because")) == ExitCode.FAILED


def test_an_error_of_another_program_has_the_exit_code_of_the_base() -> None:
    assert of_exception(LocalCloudError("the port is in use")) == ExitCode.FAILED


def test_the_docstring_draws_the_tree() -> None:
    assert [line.strip() for line in drawing().splitlines()] == drawn(errors.__doc__ or "")


def drawn(docstring: str) -> list[str]:
    lines = docstring[docstring.index("    RestoreError ") :].rstrip().splitlines()
    assert all(line.startswith("    ") for line in lines)
    return [line.strip() for line in lines]


def test_the_page_has_a_row_with_a_sentence_for_every_class() -> None:
    rows = dict(re.findall(r"^\| [\[`](\w+).*\| (.+) \|$", page(), flags=re.M))

    assert set(rows) == {*ERRORS, *(group.__name__ for group in GROUPS)}
    assert all(sentence.endswith(".") and len(sentence) > 20 for sentence in rows.values())


def test_an_error_as_a_document_keeps_it_is_its_name_and_sentence() -> None:
    assert ErrorNote.of(errors.WorkerLost("i-1 is gone")) == ErrorNote(name="WorkerLost", message="i-1 is gone")
