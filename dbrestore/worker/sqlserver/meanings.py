"""What RDS's tasks and SQL Server say when a restore fails, what it means, and what to do about it.

Invariant: the order of the rows means nothing (`native_messages` says which row meets a text). `…` stands for any words. Marks: a
`documented` text stands in AWS's documentation, an `observed` one was quoted in public by people who met it, an `assumed` one nobody here
has seen in a task: the engine's own texts are Microsoft's, that RDS passes them on is our guess.
"""

from dataclasses import dataclass
from typing import Final, Literal

from dbrestore.contract.errors import (
    BackupDamaged,
    DatabaseBusy,
    DatabaseExists,
    NotEnoughStorage,
    RestoreError,
    TargetVersionTooOld,
    VerificationFailed,
)
from dbrestore.contract.sqlserver_errors import (
    AutomatedBackupRunning,
    BackupTooOld,
    BaseBackupMissing,
    BucketInOtherRegion,
    CertificateMissing,
    CrossRegionReplica,
    DatabaseDamaged,
    EditionLimit,
    FileGuidsExist,
    FilestreamRefused,
    KmsKeyRefused,
    LoginRefused,
    MediaPasswordSet,
    NativeBackupOptionMissing,
    NativeTaskCancelled,
    NativeTaskFailed,
    NativeTransferAborted,
    NotANativeBackup,
    NotMasterUser,
    PointInTimeUnreachable,
    RecoveryModelRefused,
    ServerUnreachable,
    StagedBackupMissing,
    StagingAccessDenied,
    StripeMissing,
    StripesMixed,
    SystemDatabaseRefused,
    TooManyStripes,
)

Mark = Literal["documented", "observed", "assumed"]

_AWS: Final = "RDS User Guide, native backup and restore"
_POSTS: Final = "public posts"
_SQL: Final = "Microsoft's list of engine errors"
_RULE: Final = "the RDS User Guide has the rule, the wording is a guess"

_BUG: Final = "this restore should never have caused it: keep the restore's id for a report"
_AGAIN: Final = "restore again"
_CHAIN: Final = "add the backups in between to a restore point and restore that one"
_COPY: Final = "make the backup again, or choose another restore point"
# What a restore can't tell apart: the database was damaged, or its backup.
_SOURCE: Final = "run DBCC CHECKDB at the source: if the database is whole, back it up again WITH CHECKSUM, else take an older point"


@dataclass(frozen=True)
class Meaning:
    """One row. `numbers` are the engine's, as in sys.messages. A `weak` text stands beside causes: it gives way to any that is less so."""

    text: str
    error: type[RestoreError]
    mark: Mark
    source: str
    advice: str
    numbers: tuple[int, ...] = ()
    weak: int = 0


MEANINGS: Final[tuple[Meaning, ...]] = (
    # The instance and its rights
    Meaning(
        "Database backup/restore option is not enabled yet or is in the process of being enabled",
        NativeBackupOptionMissing,
        "documented",
        _AWS,
        "attach an option group with SQLSERVER_BACKUP_RESTORE to the instance and wait until it is in-sync",
    ),
    Meaning(
        "The EXECUTE permission was denied on the object 'rds_…'",
        NotMasterUser,
        "documented",
        _AWS,
        "set the master user's password anew (ModifyDBInstance), which restores its rights and changes it for everybody who uses it",
        (229,),
    ),
    Meaning(
        "Login failed for user",
        LoginRefused,
        "documented",
        _AWS,
        "put the user's present password into the secret, or have a managed one rotated, which gives the master user a new password",
        (18456,),
    ),
    Meaning(
        "Access Denied",
        StagingAccessDenied,
        "documented",
        _AWS,
        "check that the option's role trusts rds.amazonaws.com, and that no permissions boundary or service control policy keeps it "
        "from the temporary bucket",
    ),
    Meaning(
        "User … is not authorized to perform…s3:",
        StagingAccessDenied,
        "assumed",
        "S3's wording, not seen in a task",
        "let the option's role do that on the temporary bucket",
    ),
    Meaning("User … is not authorized to perform…kms:", KmsKeyRefused, "documented", _AWS, "give the option's role that right on the key"),
    Meaning(
        "Key arn:… does not exist",
        KmsKeyRefused,
        "documented",
        _AWS,
        "the backup was encrypted under a key that is not there: make one without client-side encryption",
    ),
    Meaning(
        "cross-region read replica",
        CrossRegionReplica,
        "assumed",
        _RULE,
        "remove the read replica in the other Region for the restore, or restore into another instance",
    ),
    Meaning(
        "FULL recovery model",
        RecoveryModelRefused,
        "assumed",
        _RULE,
        "back up in the FULL recovery model, or turn Multi-AZ off for the restore",
    ),
    Meaning("DB instance failed over", ServerUnreachable, "assumed", "a guess", f"{_AGAIN} when the instance is available"),
    Meaning("SHUTDOWN is in progress", ServerUnreachable, "assumed", _SQL, f"{_AGAIN} when the instance is available", (6005,)),
    # The temporary bucket
    Meaning(
        "Please reissue task with correct type and overwrite property",
        StagedBackupMissing,
        "documented",
        _AWS,
        "RDS did not find the staged file: look in CloudTrail for who deleted it, and restore again",
    ),
    Meaning(
        "The specified bucket does not exist",
        StagedBackupMissing,
        "documented",
        _AWS,
        "look in CloudTrail for who deleted the temporary bucket, and restore again",
    ),
    Meaning(
        "The specified key does not exist",
        StagedBackupMissing,
        "assumed",
        "S3's wording, not seen in a task",
        "look in CloudTrail for who deleted the staged file, and restore again",
    ),
    Meaning(
        "Cannot open backup device",
        StagedBackupMissing,
        "observed",
        _POSTS,
        "RDS could not open the staged file: restore again (by hand only rds_restore_database reads from S3)",
        (3201,),
    ),
    Meaning("Please specify a bucket that is in the same region as RDS instance", BucketInOtherRegion, "documented", _AWS, _BUG),
    Meaning(
        "The Restore task is unable to restore from more than 10 backup file(s)",
        TooManyStripes,
        "documented",
        _AWS,
        "check that nothing else writes to the temporary bucket; a backup may have 10 files at most",
    ),
    Meaning("S3 ARN prefix cannot be empty", NativeTaskFailed, "documented", _AWS, _BUG),
    Meaning(
        "failed: 995(",
        NativeTransferAborted,
        "observed",
        _POSTS,
        "restore again; if it happens again, look at the option's role and the bucket's policy in CloudTrail",
    ),
    # The name
    Meaning(
        "Database '…' already exists",
        DatabaseExists,
        "documented",
        _AWS,
        "choose another name (`as`), one that differs by more than case and accents, or rename the other database",
        (1801,),
    ),
    Meaning(
        "a database other than the existing '…' database",
        DatabaseExists,
        "assumed",
        _SQL,
        "somebody made a database of this name meanwhile: choose another name (`as`)",
        (3154,),
    ),
    Meaning(
        "there is already an existing database with the same file_guids",
        FileGuidsExist,
        "observed",
        _POSTS,
        "drop the other copy of the database, or restore into another instance",
    ),
    Meaning(
        "A task has already been issued for database",
        DatabaseBusy,
        "assumed",
        "a guess",
        "wait for the other task of this database or cancel it, and restore again",
    ),
    # The backup
    Meaning(
        "The media family on device … is incorrectly formed",
        NotANativeBackup,
        "observed",
        _POSTS,
        "it isn't a backup, or it was encrypted before it was stored, or it is of a newer SQL Server",
        (3241,),
    ),
    Meaning("is not a valid Microsoft Tape Format backup set", NotANativeBackup, "assumed", _SQL, _COPY, (3242,)),
    Meaning("was created using Microsoft Tape Format version", NotANativeBackup, "assumed", _SQL, _COPY, (3243,)),
    Meaning("The volume on device … is empty", NotANativeBackup, "assumed", _SQL, _COPY, (3254,)),
    Meaning(
        "The media set has … media families but only … are provided",
        StripeMissing,
        "assumed",
        _SQL,
        "add all files of the backup to the restore point",
        (3132,),
    ),
    Meaning(
        "is not part of the media set that is currently being processed",
        StripesMixed,
        "assumed",
        _SQL,
        "add the files of one backup only",
        (3258,),
    ),
    Meaning("media families are expected", StripesMixed, "assumed", _SQL, "add the files of one backup only", (3231,)),
    Meaning("which has already been processed on", StripesMixed, "assumed", _SQL, "add each file of the backup once", (3227,)),
    Meaning(
        "Cannot find server certificate",
        CertificateMissing,
        "observed",
        _POSTS,
        "import the certificate first (rds_restore_tde_certificate; option TDE)",
        (33111,),
    ),
    Meaning(
        "Access is denied due to a password failure",
        MediaPasswordSet,
        "assumed",
        _SQL,
        "make a backup without a media password: RDS doesn't accept one",
        (3279,),
    ),
    Meaning("RESTORE detected an error on page", BackupDamaged, "assumed", _SQL, _COPY, (3183,)),
    Meaning("Damage to the backup set was detected", BackupDamaged, "assumed", _SQL, _COPY, (3189,)),
    Meaning("failed: 38(Reached the end of the file", BackupDamaged, "assumed", _SQL, f"the file was cut short: {_COPY}"),
    Meaning(
        "The backup data at the end of … is incorrectly formatted",
        BackupDamaged,
        "assumed",
        _SQL,
        f"the file's end is damaged or cut short: {_COPY}",
        (3266,),
    ),
    Meaning(
        "An internal consistency error has occurred",
        BackupDamaged,
        "assumed",
        _SQL,
        f"SQL Server lost its way in the file: try RESTORE VERIFYONLY on the server that made it; {_COPY}",
        (3270,),
    ),
    Meaning(
        "The backup set cannot be restored because the database was damaged",
        DatabaseDamaged,
        "assumed",
        _SQL,
        "it was made WITH CONTINUE_AFTER_ERROR of a damaged database: take an older point",
        (3182,),
    ),
    Meaning("SQL Server detected a logical consistency-based I/O error", DatabaseDamaged, "assumed", _SQL, _SOURCE, (824,)),
    Meaning(
        "Could not redo log record",
        DatabaseDamaged,
        "assumed",
        _SQL,
        "the log does not fit the pages: back the database up again (striped by a backup program from SQL Server 2019 or later: update "
        "that server first, it may write such backups)",
        (3456,),
    ),
    Meaning(
        "During redoing of a logged operation in database…repair the database", DatabaseDamaged, "assumed", _SQL, _SOURCE, (3313,), weak=1
    ),
    Meaning(
        "During undoing of a logged operation in database…repair the database", DatabaseDamaged, "assumed", _SQL, _SOURCE, (3314,), weak=1
    ),
    Meaning(
        "The log scan number … passed to log scan in database",
        DatabaseDamaged,
        "assumed",
        _SQL,
        "the log in the backup is damaged or not of these data files: back up again; with a point in time, try a later one",
        (9003,),
    ),
    Meaning(
        "has not been restored to the correct earlier state",
        BaseBackupMissing,
        "assumed",
        _SQL,
        "the differential is based on another full backup: add that one to a restore point with it",
        (3136,),
    ),
    Meaning("which is too recent to apply to the database", BaseBackupMissing, "assumed", _SQL, f"a log is missing: {_CHAIN}", (4305,)),
    Meaning("which is too early to apply to the database", BaseBackupMissing, "assumed", _SQL, _CHAIN, (4326,)),
    Meaning(
        "on a recovery path that is inconsistent with the database",
        BaseBackupMissing,
        "assumed",
        _SQL,
        "the backups do not share one history: add a full backup and what was made after it",
        (4330,),
    ),
    Meaning("because no files are ready to rollforward", BaseBackupMissing, "assumed", _SQL, _CHAIN, (3117,)),
    Meaning(
        "RESTORE can only create a database when restoring either a full backup or a file backup",
        BaseBackupMissing,
        "assumed",
        _SQL,
        "begin with a full backup",
        (3118,),
    ),
    Meaning(
        "point too early to allow this backup set to be restored",
        PointInTimeUnreachable,
        "assumed",
        _SQL,
        "choose a later point in time (sqlserver.stopAt)",
        (4338,),
    ),
    Meaning(
        "The specified STOPAT time is too early",
        PointInTimeUnreachable,
        "assumed",
        _SQL,
        "choose a later point in time (sqlserver.stopAt)",
        (4335,),
    ),
    # What the server can hold
    Meaning(
        "That version is incompatible with this server",
        TargetVersionTooOld,
        "assumed",
        _SQL,
        "restore into an instance of the backup's version or a newer one",
        (3169,),
    ),
    # The same number and words for what is too old.
    Meaning(
        "was backed up on a server running version 8.…That version is incompatible with this server",
        BackupTooOld,
        "assumed",
        _SQL,
        "restore it on SQL Server 2005, 2008 or 2008 R2, which still take backups of SQL Server 2000, and back up there",
    ),
    Meaning(
        "The backup of the system database",
        SystemDatabaseRefused,
        "assumed",
        _SQL,
        "restore user databases alone: logins, jobs and settings of a server are scripted and run on the instance",
        (3168,),
    ),
    Meaning(
        "cannot be opened because it is version … This server supports version",
        TargetVersionTooOld,
        "assumed",
        _SQL,
        "restore into an instance of the backup's version or a newer one",
        (948,),
    ),
    Meaning(
        "There is insufficient free space on disk volume",
        NotEnoughStorage,
        "assumed",
        _SQL,
        "give the instance more storage and wait until it is there, then restore again",
        (3257,),
    ),
    Meaning(
        "There is not enough space on the disk",
        NotEnoughStorage,
        "assumed",
        "Windows error 112",
        "give the instance more storage and wait until it is there, then restore again",
    ),
    Meaning(
        "would exceed your licensed limit of",
        EditionLimit,
        "assumed",
        _SQL,
        "restore into an instance of another edition (Express takes 10 GB per database, 50 GB since 2025)",
        (1827,),
    ),
    Meaning(
        "cannot be started in this edition of SQL Server",
        EditionLimit,
        "assumed",
        _SQL,
        "the database uses what only another edition has: restore into such an instance",
        (909, 905),
    ),
    Meaning(
        "functionality is not available in the current edition",
        EditionLimit,
        "assumed",
        _SQL,
        "the database uses what only another edition has: restore into such an instance",
        (933,),
    ),
    Meaning(
        "Transparent Data Encryption is not available in the edition",
        EditionLimit,
        "assumed",
        _SQL,
        "restore into Enterprise (or Standard of SQL Server 2019 and later), or back up after ALTER DATABASE … SET ENCRYPTION OFF has "
        "decrypted the database",
        (33117,),
    ),
    Meaning("FILESTREAM filegroup", FilestreamRefused, "assumed", _RULE, "back up a copy of the database without FILESTREAM"),
    Meaning(
        "FILESTREAM feature is disabled", FilestreamRefused, "assumed", _SQL, "back up a copy of the database without FILESTREAM", (5591,)
    ),
    # The task and the session
    Meaning("RDS automated backup in progress", AutomatedBackupRunning, "observed", _POSTS, f"{_AGAIN} outside the backup window"),
    Meaning(
        "Aborted the task because of a task failure or an overlap with your preferred backup window for RDS automated backup",
        AutomatedBackupRunning,
        "observed",
        _POSTS,
        f"{_AGAIN} outside the backup window",
        weak=1,
    ),
    Meaning(
        "Aborted the task because of a task failure or a concurrent RESTORE_DB request",
        NativeTaskFailed,
        "observed",
        _POSTS,
        "see exec msdb.dbo.rds_task_status for another restore of this database, and restore again",
        weak=3,
    ),
    Meaning("Task has been aborted", NativeTaskCancelled, "observed", _POSTS, "restore again when whoever cancelled it agrees", weak=2),
    Meaning("Cannot perform a backup or restore operation within a transaction", NativeTaskFailed, "assumed", _SQL, _BUG, (3021,)),
    Meaning("be run inside a transaction", NativeTaskFailed, "assumed", _RULE, _BUG),
    Meaning(
        "Cannot open database",
        VerificationFailed,
        "documented",
        _AWS,
        "the database is still RESTORING or gone: look for who dropped it, and restore again",
        (4060,),
    ),
    Meaning(
        "It is in the middle of a restore", VerificationFailed, "assumed", _SQL, "the database was left RESTORING: restore again", (927,)
    ),
    Meaning(
        "Make sure that the name is entered correctly",
        VerificationFailed,
        "assumed",
        _SQL,
        "the database is gone: look for who dropped it, and restore again",
        (911,),
    ),
)
