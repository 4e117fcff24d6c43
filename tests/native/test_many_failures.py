"""All that RDS says when a task fails, in one restore of as many databases: each database gets its own cause's name, in the report too."""

from collections import defaultdict
from uuid import UUID

from localcloud.backups.files import Written
from localcloud.sqlserver.switches import Failure
from localcloud.sqlserver.texts import text
from tests.native.installation import Installation

# What the simulated server says, by its key in `localcloud.sqlserver.texts`, and what it means.
CAUSES = {
    "access-denied": "StagingAccessDenied",
    "kms-refused": "KmsKeyRefused",
    "kms-key-missing": "KmsKeyRefused",
    "recovery-model": "RecoveryModelRefused",
    "newer-version": "TargetVersionTooOld",
    "licensed-size": "EditionLimit",
    "filestream": "FilestreamRefused",
    "no-certificate": "CertificateMissing",
    "damaged": "BackupDamaged",
    "not-a-backup": "NotANativeBackup",
    "empty-file": "NotANativeBackup",
    "password": "MediaPasswordSet",
    "stripes-missing": "StripeMissing",
    "foreign-stripe": "StripesMixed",
    "stripe-twice": "StripesMixed",
    "too-many-files": "TooManyStripes",
    "wrong-base": "BaseBackupMissing",
    "no-space": "NotEnoughStorage",
    "name-taken": "DatabaseExists",
    "wrong-region": "BucketInOtherRegion",
    "no-bucket": "StagedBackupMissing",
    "wrong-object": "StagedBackupMissing",
    "transfer-aborted": "NativeTransferAborted",
    "automated-backup": "AutomatedBackupRunning",
    "backup-window": "AutomatedBackupRunning",
    "file-guids": "FileGuidsExist",
    "failover": "ServerUnreachable",
    "in-transaction": "NativeTaskFailed",
    "option-missing": "NativeBackupOptionMissing",
}
VALUES = {"action": "kms:Decrypt", "arn": "arn:aws:kms:eu-central-1:1:key/k"}


def test_each_database_of_a_restore_gets_the_name_of_its_own_cause(native: Installation) -> None:
    names = [f"db-{number:02}" for number in range(len(CAUSES))]
    native.point(*(of_its_own(name, number) for number, name in enumerate(names)))
    native.request["databases"] = names
    native.switches.failures.extend(Failure(said(key), leaves_database=key == "no-space") for key in CAUSES)
    before = native.inventory()

    ended = native.run()

    assert (ended["status"], ended["error"]) == ("FAILED", CAUSES["access-denied"])
    told = {one["name"]: one["error"]["name"] for one in native.world.report()["databases"]}
    assert told == dict(zip(names, CAUSES.values(), strict=True))
    assert [task.lifecycle for task in native.engine.tasks] == ["ERROR"] * len(CAUSES)
    assert native.inventory() == before
    assert native.world.meta().status == "CLOSED"


def of_its_own(name: str, number: int) -> Written:
    """A full backup of a small database."""
    ids = {"media": UUID(int=number + 1), "set_id": UUID(int=number + 1), "database_id": UUID(int=number + 1)}
    return Written(database=name, files=(("data", "D:\\a.mdf", 1 << 20),), **ids)


def said(key: str) -> str:
    return text(key).text.format_map(defaultdict(lambda: "1", VALUES))
