"""What RDS or SQL Server says becomes a named error: every known text as it was documented or quoted, alone and in a task's log."""

import random
from dataclasses import dataclass

import pytest

from dbrestore.contract import sqlserver_errors as native_errors
from dbrestore.contract.errors import RestoreFailed
from dbrestore.worker.base import limits
from dbrestore.worker.sqlserver import messages as native_messages
from dbrestore.worker.sqlserver.meanings import MEANINGS
from localcloud.sqlserver.texts import TEXTS

STARTED = "[2020-10-22 09:44:32.340] Task execution has started."
GENERIC = "[2020-10-22 09:44:32.550] Aborted the task because of a task failure or a concurrent RESTORE_DB request."

# As RDS or SQL Server writes them, names filled in.
SAID = [
    (
        "Database backup/restore option is not enabled yet or is in the process of being enabled. Please try again later.",
        "NativeBackupOptionMissing",
    ),
    ("The EXECUTE permission was denied on the object 'rds_restore_database', database 'msdb', schema 'dbo'.", "NotMasterUser"),
    ("Msg 18456 Login failed for user 'admin'.", "LoginRefused"),
    ("Access Denied", "StagingAccessDenied"),
    ("User arn:aws:sts::1:assumed-role/r/s is not authorized to perform: s3:ListBucket on resource arn:aws:s3:::b", "StagingAccessDenied"),
    ("User arn:aws:sts::1:assumed-role/r/s is not authorized to perform: kms:Decrypt on resource arn:aws:kms:::key/1", "KmsKeyRefused"),
    ("User arn:aws:sts::1:assumed-role/r/s is not authorized to perform kms:Decrypt on resource arn:aws:kms:::key/1", "KmsKeyRefused"),
    ("Key arn:aws:kms:us-east-1:1:key/1 does not exist", "KmsKeyRefused"),
    ("Native restores aren't supported on instances that have a cross-region read replica", "CrossRegionReplica"),
    (
        "Database Sales cannot be restored on a Multi-AZ instance because its backup was not taken in the FULL recovery model.",
        "RecoveryModelRefused",
    ),
    ("Task was aborted because the DB instance failed over.", "ServerUnreachable"),
    ("SHUTDOWN is in progress.", "ServerUnreachable"),
    ("Please reissue task with correct type and overwrite property", "StagedBackupMissing"),
    ("The specified bucket does not exist", "StagedBackupMissing"),
    ("The specified key does not exist.", "StagedBackupMissing"),
    ("Cannot open backup device 'D:\\RDSDBDATA\\BACKUP\\arn:aws:s3:::b/k'. Operating system error 123.", "StagedBackupMissing"),
    ("Please specify a bucket that is in the same region as RDS instance", "BucketInOtherRegion"),
    (
        "The Restore task is unable to restore from more than 10 backup file(s). Please reduce the number of files matched and try again.",
        "TooManyStripes",
    ),
    ("S3 ARN prefix cannot be empty", "NativeTaskFailed"),
    (
        'Write on "{A01F1CC1}" failed: 995(The I/O operation has been aborted because of either a thread exit or an application request.)',
        "NativeTransferAborted",
    ),
    (
        "Database 'Sales' already exists. Two databases that differ only by case or accent are not allowed. "
        "Choose a different database name.",
        "DatabaseExists",
    ),
    ("The backup set holds a backup of a database other than the existing 'Sales' database.", "DatabaseExists"),
    (
        "Task ID 3 (RESTORE_DB) exception: Database TestDB cannot be restored because there is already an existing database with the same "
        "file_guids on the instance.",
        "FileGuidsExist",
    ),
    ("A task has already been issued for database: Sales with task Id: 3, please try again later.", "DatabaseBusy"),
    ("The media family on device 's-01.bak' is incorrectly formed. SQL Server cannot process this media family.", "NotANativeBackup"),
    ("The file on device 's-01.bak' is not a valid Microsoft Tape Format backup set.", "NotANativeBackup"),
    (
        "The media family on device 's-01.bak' was created using Microsoft Tape Format version 2.0. SQL Server supports version 1.0.",
        "NotANativeBackup",
    ),
    ("The volume on device 's-01.bak' is empty.", "NotANativeBackup"),
    ("The media set has 2 media families but only 1 are provided. All members must be provided.", "StripeMissing"),
    ('The volume on the device "s-02.bak" is not part of the media set that is currently being processed.', "StripesMixed"),
    ('The media loaded on "s-01.bak" is formatted to support 2 media families, but 1 media families are expected.', "StripesMixed"),
    ('The backup media on "s-02.bak" is part of media family 1 which has already been processed on "s-01.bak".', "StripesMixed"),
    ("Cannot find server certificate with thumbprint '0x5A5A'. RESTORE FILELIST is terminating abnormally.", "CertificateMissing"),
    ("Cannot find server certificate. RESTORE FILELIST is terminating abnormally.", "CertificateMissing"),
    ("Access is denied due to a password failure", "MediaPasswordSet"),
    ('RESTORE detected an error on page (1:368) in database "Sales" as read from the backup set.', "BackupDamaged"),
    ("Damage to the backup set was detected.", "BackupDamaged"),
    ('Read on "s-01.bak" failed: 38(Reached the end of the file.)', "BackupDamaged"),
    (
        'The backup data at the end of "s-01.bak" is incorrectly formatted. Backup sets on the media might be damaged and unusable.',
        "BackupDamaged",
    ),
    (
        "An internal consistency error has occurred. This error is similar to an assert. Contact technical support for assistance.",
        "BackupDamaged",
    ),
    (
        "The backup set cannot be restored because the database was damaged when the backup occurred. Salvage attempts may exploit WITH "
        "CONTINUE_AFTER_ERROR.",
        "DatabaseDamaged",
    ),
    (
        "SQL Server detected a logical consistency-based I/O error: incorrect checksum (expected: 0x3852aa35; actual: 0x56965bf8). It "
        "occurred during a read of page (1:12409) in database ID 6 at offset 0x000000060f2000 in file 'D:\\rdsdbdata\\DATA\\Sales.mdf'.",
        "DatabaseDamaged",
    ),
    (
        "Could not redo log record (120600:18965748:1), for transaction ID (0:1527178398), on page (14:1987189), allocation unit "
        "72057761533001728, database 'Sales' (database ID 8). Page: LSN = (120598:23255372:8), allocation "
        "unit = 72057761317781504, type = 1.",
        "DatabaseDamaged",
    ),
    (
        "During redoing of a logged operation in database 'Sales', an error occurred at log record ID "
        "(8278:53574:4). Typically, the specific "
        "failure is previously logged as an error in the Windows Event Log service. Restore the database from a full backup, or repair the "
        "database.",
        "DatabaseDamaged",
    ),
    (
        "During undoing of a logged operation in database 'Sales' (page (1:8) if any), an error occurred at log record ID (8278:53574:4). "
        "Typically, the specific failure is logged previously as an error in the operating system error log. Restore the database or file "
        "from a backup, or repair the database.",
        "DatabaseDamaged",
    ),
    (
        "The log scan number (41:488:1) passed to log scan in database 'Sales' is not valid. This error may "
        "indicate data corruption or that "
        "the log file (.ldf) does not match the data file (.mdf).",
        "DatabaseDamaged",
    ),
    (
        "This differential backup cannot be restored because the database has not been restored to the correct earlier state.",
        "BaseBackupMissing",
    ),
    (
        "The log in this backup set begins at LSN 9, which is too recent to apply to the database. An "
        "earlier log backup that includes LSN 8 "
        "can be restored.",
        "BaseBackupMissing",
    ),
    ("The log in this backup set terminates at LSN 7, which is too early to apply to the database.", "BaseBackupMissing"),
    ("This backup set cannot be applied because it is on a recovery path that is inconsistent with the database.", "BaseBackupMissing"),
    ("The log or differential backup cannot be restored because no files are ready to rollforward.", "BaseBackupMissing"),
    (
        'The database "Sales" does not exist. RESTORE can only create a database when restoring either a '
        "full backup or a file backup of the "
        "primary file.",
        "BaseBackupMissing",
    ),
    ("The STOPAT clause specifies a point too early to allow this backup set to be restored.", "PointInTimeUnreachable"),
    (
        "The specified STOPAT time is too early. All or part of the database is already rolled forward beyond that point.",
        "PointInTimeUnreachable",
    ),
    (
        "The database was backed up on a server running version 16.00.1000. That version is incompatible "
        "with this server, which is running "
        "version 15.00.4000.",
        "TargetVersionTooOld",
    ),
    (
        "The database was backed up on a server running version 8.00.2039. That version is incompatible with this server, which is running "
        "version 15.00.4430. Either restore the database on a server that supports the backup, or use a "
        "backup that is compatible with this "
        "server.",
        "BackupTooOld",
    ),
    (
        "The backup of the system database on the device s-01.bak cannot be restored because it was created by a different version of the "
        "server (15.00.2000) than this server (15.00.4430).",
        "SystemDatabaseRefused",
    ),
    (
        "The database 'Sales' cannot be opened because it is version 957. This server supports version 904 and earlier.",
        "TargetVersionTooOld",
    ),
    (
        "There is insufficient free space on disk volume 'D:\\' to create the database. The database "
        "requires 9 additional free bytes, while "
        "only 1 bytes are available.",
        "NotEnoughStorage",
    ),
    ("Operating system error 112(There is not enough space on the disk.)", "NotEnoughStorage"),
    (
        "CREATE DATABASE or ALTER DATABASE failed because the resulting cumulative database size would "
        "exceed your licensed limit of 10240 MB "
        "per database.",
        "EditionLimit",
    ),
    ("Database 'Sales' cannot be started in this edition of SQL Server because it contains a partition function 'f'.", "EditionLimit"),
    (
        "Database 'Sales' cannot be started because some of the database functionality is not available in "
        "the current edition of SQL Server.",
        "EditionLimit",
    ),
    (
        "Transparent Data Encryption is not available in the edition of this SQL Server instance. See books online for more details on "
        "feature support in different SQL Server editions.",
        "EditionLimit",
    ),
    ("Database Sales cannot be restored because it contains a FILESTREAM filegroup.", "FilestreamRefused"),
    ("FILESTREAM feature is disabled.", "FilestreamRefused"),
    ("Aborting native backup because there is an RDS automated backup in progress.", "AutomatedBackupRunning"),
    (
        "Aborted the task because of a task failure or an overlap with your preferred backup window for RDS automated backup.",
        "AutomatedBackupRunning",
    ),
    ("Aborted the task because of a task failure or a concurrent RESTORE_DB request.", "NativeTaskFailed"),
    ("Task has been aborted", "NativeTaskCancelled"),
    ("Cannot perform a backup or restore operation within a transaction.", "NativeTaskFailed"),
    ("Native backup and restore tasks can't be run inside a transaction.", "NativeTaskFailed"),
    ('Cannot open database "Sales" requested by the login. The login failed.', "VerificationFailed"),
    ("Database 'Sales' cannot be opened. It is in the middle of a restore.", "VerificationFailed"),
    ("Database 'Sales' does not exist. Make sure that the name is entered correctly.", "VerificationFailed"),
]

NUMBERS = {
    229: "NotMasterUser",
    824: "DatabaseDamaged",
    905: "EditionLimit",
    909: "EditionLimit",
    911: "VerificationFailed",
    927: "VerificationFailed",
    933: "EditionLimit",
    948: "TargetVersionTooOld",
    1801: "DatabaseExists",
    1827: "EditionLimit",
    3021: "NativeTaskFailed",
    3117: "BaseBackupMissing",
    3118: "BaseBackupMissing",
    3132: "StripeMissing",
    3136: "BaseBackupMissing",
    3154: "DatabaseExists",
    3168: "SystemDatabaseRefused",
    3169: "TargetVersionTooOld",
    3182: "DatabaseDamaged",
    3183: "BackupDamaged",
    3189: "BackupDamaged",
    3201: "StagedBackupMissing",
    3227: "StripesMixed",
    3231: "StripesMixed",
    3241: "NotANativeBackup",
    3242: "NotANativeBackup",
    3243: "NotANativeBackup",
    3254: "NotANativeBackup",
    3257: "NotEnoughStorage",
    3258: "StripesMixed",
    3266: "BackupDamaged",
    3270: "BackupDamaged",
    3279: "MediaPasswordSet",
    3313: "DatabaseDamaged",
    3314: "DatabaseDamaged",
    3456: "DatabaseDamaged",
    4060: "VerificationFailed",
    4305: "BaseBackupMissing",
    4326: "BaseBackupMissing",
    4330: "BaseBackupMissing",
    4335: "PointInTimeUnreachable",
    4338: "PointInTimeUnreachable",
    5591: "FilestreamRefused",
    6005: "ServerUnreachable",
    9003: "DatabaseDamaged",
    18456: "LoginRefused",
    33111: "CertificateMissing",
    33117: "EditionLimit",
}


@dataclass(frozen=True)
class Task:
    """A task as rds_task_status shows it."""

    task_info: str
    lifecycle: str = "ERROR"
    task_id: int = 7
    task_type: str = "RESTORE_DB"
    database_name: str = "Sales"


def name_of(task_info: str, lifecycle: str = "ERROR") -> str:
    return type(native_messages.error_of_task(Task(task_info, lifecycle))).__name__


@pytest.mark.parametrize(("said", "name"), SAID)
def test_each_known_text_has_its_error_and_keeps_its_words(said: str, name: str) -> None:
    error = native_messages.error_of_task(Task(f"{STARTED} {GENERIC} [2020-10-22 09:44:32.560] {said}"))

    assert type(error).__name__ == name
    assert said.strip(" .") in str(error) or name in (
        "NativeTaskFailed",
        "NativeTaskCancelled",
        "AutomatedBackupRunning",
    )


@pytest.mark.parametrize(("said", "name"), SAID)
def test_a_text_without_times_around_it_is_understood_too(said: str, name: str) -> None:
    assert name_of(said) == name


@pytest.mark.parametrize(("number", "name"), NUMBERS.items())
def test_each_known_number_has_its_error_whatever_the_words(number: int, name: str) -> None:
    assert type(native_messages.error_of_engine(number, "Worte in einer anderen Sprache")).__name__ == name
    assert name_of(f"[2020-10-22 09:44:32.560] Msg {number}, Level 16: andere Worte") == name


def test_every_row_is_met_by_a_text_of_these_tests() -> None:
    met = [row for said, _ in SAID if (row := native_messages.meaning_of(said))]

    assert [row.text for row in MEANINGS if row not in met] == []
    assert {number for row in MEANINGS for number in row.numbers} == set(NUMBERS)


def test_the_order_of_the_rows_changes_nothing() -> None:
    for seed in range(20):
        shuffled = random.Random(seed).sample(MEANINGS, len(MEANINGS))
        for said, name in SAID:
            row = native_messages.meaning_of(said, shuffled)
            assert row
            assert row.error.__name__ == name


def test_no_number_stands_in_two_rows() -> None:
    numbers = [number for row in MEANINGS for number in row.numbers]

    assert len(numbers) == len(set(numbers))


def test_what_stopped_the_redo_is_the_cause_whatever_is_said_of_the_redo_itself() -> None:
    redo = "During redoing of a logged operation in database 'Sales', an error occurred at log record ID (8:5:4). Restore the database from a full backup, or repair the database."  # noqa: E501
    full = "Operating system error 112(There is not enough space on the disk.)"

    assert name_of(f"[2020-10-22 09:44:33.000] {full} [2020-10-22 09:44:33.100] {redo}") == "NotEnoughStorage"
    assert name_of(f"[2020-10-22 09:44:33.000] {redo} [2020-10-22 09:44:33.100] {full}") == "NotEnoughStorage"
    assert name_of(f"[2020-10-22 09:44:33.000] {redo} {GENERIC}") == "DatabaseDamaged"


def test_a_backup_of_sql_server_2000_is_not_sent_to_a_newer_instance() -> None:
    said = "The database was backed up on a server running version {}. That version is incompatible with this server, which is running version {}."  # noqa: E501

    [old, new] = [native_messages.error_of_task(Task(said.format(theirs, "15.00.4430"))) for theirs in ("8.00.0760", "16.00.1000")]

    assert (type(old).__name__, type(new).__name__) == ("BackupTooOld", "TargetVersionTooOld")
    assert "2008 R2" in str(old)
    assert "newer" not in str(old)


def test_an_unknown_text_keeps_its_words() -> None:
    error = native_messages.error_of_task(Task(f"{STARTED} {GENERIC} [2020-10-22 09:44:32.560] The moon is in the wrong house."))

    assert type(error).__name__ == "NativeTaskFailed"
    assert str(error).startswith("Sales: RDS's task 7 (RESTORE_DB): The moon is in the wrong house;")


def test_an_unknown_number_is_told_with_its_words() -> None:
    error = native_messages.error_of_engine(50000, "The moon is\nin the wrong house.")

    assert type(error) is RestoreFailed
    assert str(error).startswith("SQL Server error 50000: The moon is in the wrong house;")


def test_a_raised_text_is_understood_by_its_words() -> None:
    assert isinstance(native_messages.error_of_engine(50000, SAID[0][0]), native_errors.NativeBackupOptionMissing)


def test_the_last_words_with_a_meaning_are_the_cause() -> None:
    log = (
        f" {STARTED} [2020-10-22 09:44:33.000] 5 percent processed. [2020-10-22 09:44:33.100] s-01.bak: Completed processing 5% of S3 "
        "chunks. [2020-10-22 09:44:34.000] Damage to the backup set was detected. [2020-10-22 09:44:34.100] RESTORE DATABASE is "
        "terminating abnormally. [2020-10-22 09:44:34.200] Something was tidied up. [2020-10-22 09:44:34.300] Task has been aborted"
    )

    assert native_messages.cause(log) == "Damage to the backup set was detected"


def test_words_without_a_meaning_are_the_cause_if_there_are_no_others() -> None:
    log = f"{STARTED} [2020-10-22 09:44:33] First this. [2020-10-22 09:44:34] Then that. [2020-10-22 09:44:35] 10 percent processed."

    assert native_messages.cause(log) == "Then that"


def test_the_generic_words_give_way_within_their_own_entry_too() -> None:
    assert native_messages.cause(f"{STARTED} {GENERIC} Access Denied") == "Access Denied"


def test_the_generic_words_give_way_to_a_cause_before_them() -> None:
    assert name_of(f"{STARTED} [2020-10-22 09:44:32.400] Access Denied {GENERIC}") == "StagingAccessDenied"


def test_an_interrupted_multi_file_task_is_no_cause_in_itself() -> None:
    log = f"{STARTED} [2020-10-22 09:44:33] This task will initiate a multi-file task with 2 file(s). The files are: s-01.bak, s-02.bak."

    assert native_messages.cause(log) == ""
    assert "without a reason" in str(native_messages.error_of_task(Task(log)))


@pytest.mark.parametrize("info", ["", STARTED, f"{STARTED} [2020-10-22 09:44:33] Task has been aborted", SAID[3][0]])
def test_a_cancelled_task_is_called_so(info: str) -> None:
    assert name_of(info, "CANCELLED") == "NativeTaskCancelled"


def test_a_task_that_gave_way_to_an_automated_backup_is_called_so() -> None:
    assert name_of("Aborting native backup because there is an RDS automated backup in progress.", "CANCELLED") == "AutomatedBackupRunning"


def test_entries_are_split_at_their_times() -> None:
    log = " [2017-08-04 23:46:23.690] Task execution has started.  [2017-08-04 23:46:31.007] 5 percent\nprocessed.  "

    assert native_messages.split_entries(log) == ["Task execution has started.", "5 percent processed."]


def test_a_very_long_text_is_cut_and_the_advice_stays() -> None:
    error = native_messages.error_of_task(Task("Access Denied " + "x" * 10_000))

    assert len(str(error)) <= limits.MESSAGE_LENGTH
    assert "permissions boundary" in str(error)


def test_every_error_that_a_simulated_task_ends_with_has_a_name() -> None:
    texts = list(TEXTS.values())
    first = next(n for n, text in enumerate(texts) if text.key == "access-denied")
    causes = [text for text in texts[first:] if text.key not in ("terminated", "log-ends-early")]

    filled = {text.key: text.text.replace("{arn}", "arn:aws:kms:::key/1").replace("{action}", "kms:Decrypt") for text in causes}
    unnamed = [key for key, said in filled.items() if native_messages.meaning_of(said) is None]

    assert len(causes) > 20
    assert unnamed == []


def test_the_page_has_every_row() -> None:
    page = native_messages.page()

    assert all(f"| `{row.text}` |" in page for row in MEANINGS)
    assert page.count("\n| `") == len(MEANINGS)
