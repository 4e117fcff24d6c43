"""Every way in which a restore of native backups is known to fail, a line each: where it is met, and by which name a person hears of it.

All but those of `points add` go through the real definition, functions and worker's jobs (`tests.native.installation`): the execution ends
FAILED with that error, which is its first one, and nothing is left that was not there before.
"""

from dataclasses import dataclass

import pytest

from localcloud.backups.files import Written, backup
from tests.native import harms as h
from tests.native.harms import Harm
from tests.native.installation import Installation
from tests.unit.points.sqlserver.backups import compressed

PLAN, STAGE, RESTORE, VERIFY = "PlanRestore", "StageNativeBackups", "RestoreNativeBackups", "VerifyDatabases"
MANUAL = "SQLSERVER_BACKUP_RESTORE"


@dataclass(frozen=True)
class Mode:
    """What goes wrong, the state that meets it, the error's name. The `rest` go the way of others here and
    are slow: their names are seen by `test_many_failures` and `tests.databases.native.test_native_restore` too."""

    what: str
    state: str
    error: str
    harm: Harm
    rest: bool = False

    def __str__(self) -> str:
        return f"{self.what} ({self.error})"


MODES = (
    # The instance
    Mode("option missing", PLAN, "NativeBackupOptionMissing", h.change_options()),
    Mode("option never in effect", PLAN, "NativeBackupOptionMissing", h.belongs_to("native", "applying")),
    Mode("option goes away after the plan", RESTORE, "NativeBackupOptionMissing", h.option_goes_away, rest=True),
    Mode("default option group", PLAN, "NativeBackupOptionMissing", h.belongs_to("default:sqlserver-se-15-00", "in-sync")),
    Mode("option without role", PLAN, "NativeBackupOptionMissing", h.change_options({"OptionName": MANUAL})),
    Mode("role is gone", RESTORE, "StagingAccessDenied", h.delete_role),
    Mode("role does not trust RDS", RESTORE, "StagingAccessDenied", h.distrust_rds, rest=True),
    Mode("role may not read the bucket", RESTORE, "StagingAccessDenied", h.deny_bucket, rest=True),
    Mode("role may not use the KMS key", RESTORE, "KmsKeyRefused", h.switch(kms="kms-refused"), rest=True),
    Mode("KMS key does not exist", RESTORE, "KmsKeyRefused", h.switch(kms="kms-key-missing"), rest=True),
    Mode("not the master user's rights", RESTORE, "NotMasterUser", h.misaligned, rest=True),
    Mode("secret has another form", RESTORE, "CredentialsNotUsable", h.secret_says("hunter2")),
    Mode("secret goes after the plan", RESTORE, "CredentialsNotUsable", h.secret_goes, rest=True),
    Mode("secret is stale", RESTORE, "LoginRefused", h.stale_secret, rest=True),
    Mode("read replica in another Region", PLAN, "CrossRegionReplica", h.far_replica),
    Mode("SIMPLE recovery to Multi-AZ", RESTORE, "RecoveryModelRefused", h.simple_recovery_to_multi_az, rest=True),
    Mode("Multi-AZ fails over", RESTORE, "ServerUnreachable", h.fails_over),
    # The source
    Mode("file over 5 TB", PLAN, "BackupTooLarge", h.points_says(h.larger_than_5_tb)),
    Mode("eleven stripes", PLAN, "TooManyStripes", h.points_says(h.eleven_files)),
    Mode("log in the place of the full backup", PLAN, "BaseBackupMissing", h.points_says(h.of_a_log)),
    Mode("newer than the instance", PLAN, "TargetVersionTooOld", h.points_says(h.of_2022)),
    Mode("newer than the server", RESTORE, "TargetVersionTooOld", h.setting(product_version="14.0.1000.1"), rest=True),
    Mode("Express size", PLAN, "EditionLimit", h.express),
    Mode("Express size as RDS sees it", RESTORE, "EditionLimit", h.express_as_rds_sees_it, rest=True),
    Mode(
        "feature of another edition",
        RESTORE,
        "EditionLimit",
        h.ends_saying("Database 'shop' cannot be started in this edition of SQL Server because it contains a partition function."),
        rest=True,
    ),
    Mode("replaced after the plan", STAGE, "BackupDamaged", h.after_planning(h.replace_in_repository), rest=True),
    Mode("copy differs", STAGE, "StagedCopyDiffers", h.points_says(h.other_checksums)),
    Mode("FILESTREAM", RESTORE, "FilestreamRefused", h.switch(source_has_filestream=True), rest=True),
    Mode("TDE certificate missing", RESTORE, "CertificateMissing", h.switch(certificate_missing=True), rest=True),
    Mode("staged file truncated", RESTORE, "BackupDamaged", h.cut_short, rest=True),
    Mode("staged file isn't a backup", RESTORE, "NotANativeBackup", h.replace_staged(b"version https://git-lfs"), rest=True),
    Mode("staged file is empty", RESTORE, "NotANativeBackup", h.replace_staged(b""), rest=True),
    Mode("staged file has a password", RESTORE, "MediaPasswordSet", h.replace_staged(backup(Written(password=b"x" * 16))), rest=True),
    Mode("staged file is encrypted", RESTORE, "CertificateMissing", h.replace_staged(compressed()[:477] + bytes(4096)), rest=True),
    Mode("staged stripe is gone", RESTORE, "StripeMissing", h.of_two_stripes(h.delete_object)),
    Mode("staged stripe of another backup", RESTORE, "StripesMixed", h.strangers_stripe, rest=True),
    Mode("staged stripe twice", RESTORE, "StripesMixed", h.same_stripe_twice, rest=True),
    Mode("more than ten staged files", RESTORE, "TooManyStripes", h.too_many_objects, rest=True),
    Mode("differential on another base", RESTORE, "BaseBackupMissing", h.other_base, rest=True),
    # The target
    Mode("storage too small", PLAN, "NotEnoughStorage", h.small_volume),
    Mode("storage too small as RDS sees it", RESTORE, "NotEnoughStorage", h.setting(free_storage=1), rest=True),
    Mode("name exists", RESTORE, "DatabaseExists", h.taken("shop")),
    Mode("name differs by case", RESTORE, "DatabaseExists", h.taken("SHOP"), rest=True),
    Mode("name differs by accent", RESTORE, "DatabaseExists", h.taken("shóp"), rest=True),
    Mode("name taken just before the task", RESTORE, "DatabaseExists", h.intruder("submit"), rest=True),
    Mode("name taken just before it starts", RESTORE, "DatabaseExists", h.intruder("start")),
    *(
        Mode(f"reserved name {name}", PLAN, "RestoreRequestInvalid", h.asks_for(name), rest=name != "master")
        for name in ("master", "msdb", "model", "tempdb", "rdsadmin")
    ),
    Mode("left RESTORING", VERIFY, "VerificationFailed", h.left_restoring),
    Mode("chain fails half-way", RESTORE, "NativeTransferAborted", h.log_fails_half_way),
    # The bucket
    Mode("bucket in another Region", RESTORE, "BucketInOtherRegion", h.move_bucket, rest=True),
    Mode("bucket is gone", RESTORE, "StagedBackupMissing", h.delete_bucket),
    Mode("object is gone", RESTORE, "StagedBackupMissing", h.delete_object, rest=True),
    Mode("policy is gone", RESTORE, "StagingAccessDenied", h.take_policy_away),
    Mode("VPC endpoint refuses to copy", STAGE, "CrossRegionCopyRefused", h.endpoint_refuses),
    # RDS's tasks
    Mode("both slots stay taken", RESTORE, "NativeSlotsTaken", h.slots_stay_taken),
    Mode("task never begins", RESTORE, "NativeTaskStuck", h.stuck),
    Mode("task fails for an unknown reason", RESTORE, "NativeTaskFailed", h.ends_saying("The moon is full."), rest=True),
    Mode("transfer aborted", RESTORE, "NativeTransferAborted", h.ends_with("transfer-aborted", file="s-01.bak"), rest=True),
    Mode("automated backup runs", RESTORE, "AutomatedBackupRunning", h.ends_with("automated-backup"), rest=True),
    Mode("same file_guids", RESTORE, "FileGuidsExist", h.switch(same_file_guids=True), rest=True),
    Mode("cancelled by another", RESTORE, "NativeTaskCancelled", h.cancelled_by_another),
    Mode("inside a transaction", RESTORE, "NativeTaskFailed", h.in_a_transaction, rest=True),
    # The network
    Mode("certificate of another authority", RESTORE, "CertificateRefused", h.bundle_of(h.of_another_authority), rest=True),
    Mode("certificate of another host", RESTORE, "CertificateRefused", h.other_host, rest=True),
    Mode("CA bundle is empty", RESTORE, "CertificateBundleMissing", h.bundle_of(lambda _native: b""), rest=True),
    Mode("port closed", RESTORE, "ServerUnreachable", h.closed_port),
    Mode("driver's time is up", RESTORE, "ServerUnreachable", h.silent_port, rest=True),
)


@pytest.mark.parametrize("mode", [pytest.param(mode, id=str(mode), marks=pytest.mark.slow if mode.rest else ()) for mode in MODES])
def test_a_restore_that_fails_says_why_and_leaves_nothing(native: Installation, mode: Mode) -> None:
    mode.harm(native)
    before = native.inventory()

    ended = native.run()

    assert (ended["status"], ended.get("error")) == ("FAILED", mode.error), ended.get("cause")
    assert native.world.calls[-1] == ("PlanRestore" if mode.state == PLAN else "CloseRestore")
    native.fix()
    assert native.inventory() == before
    if mode.state != PLAN:
        assert_proven(native, mode)


def assert_proven(native: Installation, mode: Mode) -> None:
    """The ledger is closed; the report names the error, where it happened, and when each thing was seen gone."""
    report = native.world.report()
    assert native.world.meta().status == "CLOSED"
    assert (report["status"], report["error"]["name"], report["leftovers"]) == ("FAILED", mode.error, [])
    failed = {phase["state"]: phase["error"]["name"] for phase in report["phases"] if phase["status"] == "FAILED"}
    assert next(iter(failed.items())) == (mode.state, mode.error)
    for row in report["resources"]:
        assert row["state"] == "DELETED", row
        assert row["seenAbsentAt"] or row["note"], row
