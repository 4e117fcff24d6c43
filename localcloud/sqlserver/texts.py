"""Everything the simulated RDS for SQL Server says: error numbers, severities, texts, column types, and how sure each of them is.

Invariant: the engine has no message of its own, so nobody mistakes a guess for what RDS says. `documented` stands in AWS's or
Microsoft's documentation, `observed` was quoted in public by people who met it, `assumed` is ours: where a real server may differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from localcloud.tds.engine import Column, ColumnType, SqlError

Mark = Literal["documented", "observed", "assumed"]

_NATIVE: Final = "RDS User Guide, native backup and restore"
_TROUBLE: Final = "RDS User Guide, native backup and restore, troubleshooting"
_ERRORS: Final = "Microsoft Learn, Database Engine events and errors"
_POSTS: Final = "public posts by people who met it"
_NOTHING: Final = "nothing: no instance was at hand"


@dataclass(frozen=True)
class Text:
    """One message. `number` 0 stands for a line of `task_info` or an INFO message. Names in braces are filled in."""

    key: str
    number: int
    text: str
    mark: Mark
    source: str
    severity: int = 16

    def line(self, **values: object) -> str:
        """The text as `task_info` holds it."""
        return self.text.format(**values)

    def error(self, **values: object) -> SqlError:
        """The text as the server sends it when a statement fails."""
        return SqlError(self.number, self.line(**values), severity=self.severity, ends_batch=self.number in ENDS_BATCH)


# Errors after which nothing more of the batch runs; after the others the next statement does (Microsoft Learn, SET XACT_ABORT; which
# number is of which kind: assumed).
ENDS_BATCH: Final = frozenset({102, 137, 208, 241, 245, 8114, 8115, 10704, 35100})
# What procedures of RDS raise carries 50000, as RAISERROR with a text does; that RDS's own do so is assumed.
_RAISED: Final = 50000

TEXTS: Final[dict[str, Text]] = {
    text.key: text
    for text in (
        # Logging in and asking
        Text("login-failed", 18456, "Login failed for user '{user}'.", "documented", _ERRORS, 14),
        Text("cannot-open", 4060, 'Cannot open database "{database}" requested by the login. The login failed.', "documented", _ERRORS, 11),
        Text(
            "unknown-database",
            911,
            "Database '{database}' does not exist. Make sure that the name is entered correctly.",
            "documented",
            _ERRORS,
        ),
        Text("restoring", 927, "Database '{database}' cannot be opened. It is in the middle of a restore.", "documented", _ERRORS, 14),
        Text("alter-restoring", 5052, "ALTER DATABASE is not permitted while a database is in the Restoring state.", "observed", _POSTS),
        Text(
            "unknown-statement",
            102,
            "Incorrect syntax: the simulated SQL Server does not know the statement: {statement}",
            "assumed",
            "102 is SQL Server's syntax error; the sentence is ours, for new SQL of the product to fail loudly",
        ),
        Text("unknown-procedure", 2812, "Could not find stored procedure '{name}'.", "documented", _ERRORS),
        Text("unknown-parameter", 8145, "{parameter} is not a parameter for procedure {procedure}.", "documented", _ERRORS),
        Text("too-many-arguments", 8144, "Procedure or function {procedure} has too many arguments specified.", "documented", _ERRORS),
        Text(
            "parameter-missing",
            201,
            "Procedure or function '{procedure}' expects parameter '{parameter}', which was not supplied.",
            "documented",
            _ERRORS,
        ),
        Text("undeclared", 137, 'Must declare the scalar variable "{name}".', "documented", _ERRORS, 15),
        Text("not-convertible", 8114, "Error converting data type nvarchar to {type}.", "documented", _ERRORS),
        Text(
            "no-such-user",
            15151,
            "Cannot alter the user '{user}', because it does not exist or you do not have permission.",
            "documented",
            _ERRORS,
        ),
        Text(
            "no-such-owner",
            15151,
            "Cannot find the principal '{login}', because it does not exist or you do not have permission.",
            "documented",
            _ERRORS,
        ),
        Text(
            "owner-is-user", 15110, "The proposed new database owner is already a user or aliased in the database.", "documented", _ERRORS
        ),
        Text("user-exists", 15023, "User, group, or role '{user}' already exists in the current database.", "documented", _ERRORS),
        Text(
            "no-such-principal",
            15151,
            "Cannot {verb} the user '{user}', because it does not exist or you do not have permission.",
            "documented",
            _ERRORS,
        ),
        Text(
            "cannot-impersonate",
            15517,
            'Cannot execute as the database principal because the principal "{user}" does not exist, this type of principal cannot be '
            "impersonated, or you do not have permission.",
            "documented",
            _ERRORS,
        ),
        # What a user may not
        Text(
            "denied",
            229,
            "The {permission} permission was denied on the object '{object}', database '{database}', schema '{schema}'.",
            "documented",
            _ERRORS,
            14,
        ),
        Text("denied-in-database", 262, "{permission} permission denied in database '{database}'.", "documented", _ERRORS, 14),
        Text("no-right", 15247, "User does not have permission to perform this action.", "documented", _ERRORS),
        Text(
            "not-accessible",
            916,
            'The server principal "{principal}" is not able to access the database "{database}" under the current security context.',
            "documented",
            f"{_ERRORS}; that an impersonated user without a login is called by its SID is observed",
            14,
        ),
        Text("lock-timeout", 1222, "Lock request time out period exceeded.", "documented", _ERRORS),
        # Derived tables
        Text("more-columns", 8158, "'{table}' has more columns than were specified in the column list.", "documented", _ERRORS),
        Text("fewer-columns", 8159, "'{table}' has fewer columns than were specified in the column list.", "documented", _ERRORS),
        Text(
            "order-in-derived",
            1033,
            "The ORDER BY clause is invalid in views, inline functions, derived tables, subqueries, and common table expressions, unless "
            "TOP, OFFSET or FOR XML is also specified.",
            "documented",
            _ERRORS,
            15,
        ),
        Text("login-has-user", 15063, "The login already has an account under a different user name.", "documented", _ERRORS),
        Text("no-such-login", 15007, "'{login}' is not a valid login or you do not have permission.", "documented", _ERRORS),
        Text(
            "check-page",
            8909,
            "Table error: Object ID 245575913, index ID 1, partition ID 72057594043105280, alloc unit ID "
            "72057594049986560 (type In-row data), page ID (1:368) contains an incorrect page ID in its page header. The PageId in the "
            "page header = (0:0).",
            "documented",
            f"{_ERRORS}; the numbers in it are made up",
        ),
        # Scripts
        Text(
            "conversion-failed",
            245,
            "Conversion failed when converting the nvarchar value '{value}' to data type {type}.",
            "documented",
            _ERRORS,
        ),
        Text("no-moment", 241, "Conversion failed when converting date and/or time from character string.", "documented", _ERRORS),
        Text("overflow", 8115, "Arithmetic overflow error converting expression to data type {type}.", "documented", _ERRORS),
        Text("columns-differ", 213, "Column name or number of supplied values does not match table definition.", "documented", _ERRORS),
        Text("no-column", 207, "Invalid column name '{column}'.", "documented", _ERRORS),
        Text("no-table", 208, "Invalid object name '{table}'.", "documented", _ERRORS),
        Text("table-exists", 2714, "There is already an object named '{table}' in the database.", "documented", _ERRORS),
        Text(
            "no-table-to-drop",
            3701,
            "Cannot drop the table '{table}', because it does not exist or you do not have permission.",
            "documented",
            _ERRORS,
            11,
        ),
        Text(
            "no-database-to-drop",
            3701,
            "Cannot drop the database '{database}', because it does not exist or you do not have permission.",
            "documented",
            _ERRORS,
            11,
        ),
        Text("database-in-use", 3702, 'Cannot drop database "{database}" because it is currently in use.', "documented", _ERRORS),
        Text("system-database", 3708, "Cannot drop the database '{database}' because it is a system database.", "documented", _ERRORS),
        Text(
            "in-availability-group",
            3752,
            "The database '{database}' is currently joined to an availability group. Before you can drop "
            "the database, you need to remove it from the availability group.",
            "documented",
            f"{_ERRORS}; that a Multi-AZ instance says so is assumed",
        ),
        Text("wait-invalid", 148, "Incorrect time syntax in time string '{delay}' used with WAITFOR.", "documented", _ERRORS, 15),
        Text(
            "throw-number",
            35100,
            "Error number {number} in the THROW statement is outside the valid range. Specify an error number in "
            "the valid range of 50000 to 2147483647.",
            "documented",
            _ERRORS,
        ),
        Text(
            "nothing-caught",
            10704,
            "To rethrow an error, a THROW statement must be used inside a CATCH block. Insert the THROW "
            "statement inside a CATCH block, or add error parameters to the THROW statement.",
            "documented",
            _ERRORS,
            15,
        ),
        Text(
            "severity-forbidden",
            2754,
            "Error severity levels greater than 18 can only be specified by members of the sysadmin role, using the WITH LOG option.",
            "documented",
            _ERRORS,
        ),
        Text(
            "endless",
            _RAISED,
            "The simulated SQL Server ended the batch after {count} statements: the loop does not end.",
            "assumed",
            "a real server runs on until somebody ends the connection",
        ),
        # The procedures refuse
        Text(
            "no-permission",
            229,
            "The EXECUTE permission was denied on the object '{procedure}', database 'msdb', schema 'dbo'.",
            "documented",
            _TROUBLE,
            14,
        ),
        Text(
            "option-missing",
            _RAISED,
            "Database backup/restore option is not enabled yet or is in the process of being enabled. Please try again later.",
            "documented",
            _TROUBLE,
        ),
        Text("arn-empty", _RAISED, "S3 ARN prefix cannot be empty", "documented", _TROUBLE),
        Text("arn-invalid", _RAISED, "Invalid S3 ARN: {arn}", "assumed", _NOTHING),
        Text(
            "name-taken",
            _RAISED,
            "Database '{database}' already exists. Two databases that differ only by case or accent are not "
            "allowed. Choose a different database name.",
            "documented",
            _TROUBLE,
        ),
        Text(
            "name-reserved",
            _RAISED,
            "Database name '{database}' is reserved. Choose a different database name.",
            "assumed",
            f"{_NATIVE} forbids the names; the sentence is ours",
        ),
        Text("type-invalid", _RAISED, "Invalid backup type '{type}'. Valid values are FULL and DIFFERENTIAL.", "assumed", _NOTHING),
        Text(
            "differential-recovery",
            _RAISED,
            "The parameter @with_norecovery is required for a differential restore.",
            "assumed",
            f"{_NATIVE} says that it is required; the sentence is ours",
        ),
        Text(
            "cdc-norecovery",
            _RAISED,
            "FULL restore WITH NORECOVERY doesn't support KEEP_CDC.",
            "assumed",
            f"{_NATIVE} says that it is not supported; the sentence is ours",
        ),
        Text(
            "in-transaction",
            _RAISED,
            "Native backup and restore tasks can't be run inside a transaction.",
            "assumed",
            f"{_NATIVE} forbids it; the sentence is ours",
        ),
        Text(
            "restore-pending",
            _RAISED,
            "A restore task with recovery is already pending for database '{database}'. Wait until it has ended.",
            "assumed",
            f"{_NATIVE} has the rule; the sentence is ours",
        ),
        Text(
            "drop-pending",
            _RAISED,
            "Database '{database}' can't be dropped while a restore task is pending for it.",
            "assumed",
            f"{_NATIVE} has the rule; the sentence is ours",
        ),
        Text(
            "finish-pending",
            _RAISED,
            "Database '{database}' can't be finished while a restore task is pending for it.",
            "assumed",
            f"{_NATIVE} has the rule; the sentence is ours",
        ),
        Text(
            "not-restoring",
            _RAISED,
            "Database '{database}' is not in the RESTORING state.",
            "assumed",
            f"{_NATIVE} has the rule; the sentence is ours",
        ),
        Text("no-database", _RAISED, "Database '{database}' does not exist.", "assumed", _NOTHING),
        Text("no-task", _RAISED, "Task ID {task} does not exist.", "assumed", _NOTHING),
        Text("task-ended", _RAISED, "Task ID {task} has ended and can't be cancelled.", "assumed", _NOTHING),
        Text(
            "finish-not-cancellable",
            _RAISED,
            "Task ID {task} (FINISH_RESTORE) can't be cancelled.",
            "assumed",
            f"{_NATIVE} has the rule; the sentence is ours",
        ),
        Text(
            "rename-multi-az",
            _RAISED,
            "Database '{database}' can't be renamed on a Multi-AZ instance.",
            "assumed",
            "RDS User Guide has the rule (turn Multi-AZ off first); the sentence is ours",
        ),
        Text(
            "rename-replica-source",
            _RAISED,
            "Database '{database}' can't be renamed on a read replica source instance.",
            "assumed",
            "RDS User Guide has the rule (Renaming a database); the sentence is ours",
        ),
        Text(
            "not-exclusive",
            5030,
            "The database could not be exclusively locked to perform the operation.",
            "documented",
            f"{_ERRORS}; that rds_modify_db_name says so is assumed, people end the sessions before it",
        ),
        # Lines of task_info
        Text("task-created", 0, "Task has been created.", "assumed", _NOTHING),
        Text("task-started", 0, "Task execution has started.", "observed", _POSTS),
        Text("percent", 0, "{percent} percent processed.", "observed", _POSTS),
        Text("chunks", 0, "{file}: Completed processing {percent}% of S3 chunks.", "observed", _POSTS),
        Text(
            "multi-file",
            0,
            "This task will initiate a multi-file task with {count} file(s). The files are: {files}.",
            "observed",
            "AWS Database Blog and posts; the words before `task` were not quoted",
        ),
        Text("task-done", 0, "Command execution completed successfully.", "observed", _POSTS),
        Text("task-failed", 0, "Aborted the task because of a task failure or a concurrent RESTORE_DB request.", "observed", _POSTS),
        Text("task-aborted", 0, "Task has been aborted", "observed", _POSTS),
        Text("cancel-requested", 0, "Task has been requested to cancel.", "assumed", _NOTHING),
        # Why a task ends in ERROR: what RDS says
        Text("access-denied", 0, "Access Denied", "documented", _TROUBLE),
        Text("kms-key-missing", 0, "Key {arn} does not exist", "documented", _TROUBLE),
        Text("kms-refused", 0, "User {user} is not authorized to perform {action} on resource {arn}", "documented", _TROUBLE),
        Text("wrong-object", 0, "Please reissue task with correct type and overwrite property", "documented", _TROUBLE),
        Text("wrong-region", 0, "Please specify a bucket that is in the same region as RDS instance", "documented", _TROUBLE),
        Text("no-bucket", 0, "The specified bucket does not exist", "documented", _TROUBLE),
        Text(
            "too-many-files",
            0,
            "The Restore task is unable to restore from more than 10 backup file(s). Please reduce the number of "
            "files matched and try again.",
            "documented",
            _TROUBLE,
        ),
        Text(
            "file-guids",
            0,
            "Task ID {task} ({type}) exception: Database {database} cannot be restored because there is already an "
            "existing database with the same file_guids on the instance.",
            "observed",
            "public post of 2020",
        ),
        Text(
            "filestream",
            0,
            "Database {database} cannot be restored because it contains a FILESTREAM filegroup.",
            "assumed",
            f"{_NATIVE} has the rule; the sentence is ours",
        ),
        Text(
            "recovery-model",
            0,
            "Database {database} cannot be restored on a Multi-AZ instance because its backup was not taken in the FULL recovery model.",
            "assumed",
            f"{_NATIVE} has the rule; the sentence is ours",
        ),
        Text(
            "transfer-aborted",
            0,
            'Write on "{file}" failed: 995(The I/O operation has been aborted because of either a thread exit or an application request.)',
            "observed",
            _POSTS,
        ),
        Text(
            "automated-backup",
            0,
            "Aborting native backup because there is an RDS automated backup in progress.",
            "observed",
            "public post of October 2025, about a backup",
        ),
        Text(
            "backup-window",
            0,
            "Aborted the task because of a task failure or an overlap with your preferred backup window for RDS automated backup.",
            "observed",
            "public posts, about backups",
        ),
        Text("failover", 0, "Task was aborted because the DB instance failed over.", "assumed", _NOTHING),
        # Why a task ends in ERROR: what the engine says
        Text(
            "not-a-backup",
            3241,
            "The media family on device '{file}' is incorrectly formed. SQL Server cannot process this media family.",
            "documented",
            _ERRORS,
        ),
        Text("empty-file", 3254, "The volume on device '{file}' is empty.", "documented", _ERRORS),
        Text("damaged", 3203, 'Read on "{file}" failed: 38(Reached the end of the file.)', "documented", _ERRORS),
        Text(
            "stripes-missing",
            3132,
            "The media set has {announced} media families but only {given} are provided. All members must be provided.",
            "documented",
            _ERRORS,
        ),
        Text(
            "foreign-stripe",
            3258,
            'The volume on the device "{file}" is not part of the media set that is currently being processed. '
            "Ensure that the backup devices are loaded with the correct media.",
            "documented",
            _ERRORS,
        ),
        Text(
            "stripe-twice",
            3227,
            'The backup media on "{file}" is part of media family {stripe} which has already been processed on '
            '"{other}". Ensure that backup devices are correctly specified. For tape devices, ensure that the correct volumes are loaded.',
            "documented",
            _ERRORS,
        ),
        Text("password", 3279, "Access is denied due to a password failure", "documented", _ERRORS),
        Text("no-certificate", 33111, "Cannot find server certificate with thumbprint '{thumbprint}'.", "documented", _ERRORS),
        Text(
            "newer-version",
            3169,
            "The database was backed up on a server running version {theirs}. That version is incompatible with "
            "this server, which is running version {ours}. Either restore the database on a server that supports the backup, or use a "
            "backup that is compatible with this server.",
            "documented",
            _ERRORS,
        ),
        Text(
            "system-backup",
            3168,
            "The backup of the system database on the device {file} cannot be restored because it was created by "
            "a different version of the server than this server.",
            "documented",
            _ERRORS,
        ),
        Text(
            "no-space",
            3257,
            "There is insufficient free space on disk volume 'D:\\' to create the database. The database requires "
            "{needed} additional free bytes, while only {free} bytes are available.",
            "documented",
            _ERRORS,
        ),
        Text(
            "licensed-size",
            1827,
            "CREATE DATABASE or ALTER DATABASE failed because the resulting cumulative database size would exceed "
            "your licensed limit of {limit} MB per database.",
            "documented",
            _ERRORS,
        ),
        Text(
            "wrong-base",
            3136,
            "This differential backup cannot be restored because the database has not been restored to the correct earlier state.",
            "documented",
            _ERRORS,
        ),
        Text(
            "not-ready",
            3117,
            "The log or differential backup cannot be restored because no files are ready to rollforward.",
            "documented",
            _ERRORS,
        ),
        Text(
            "needs-full",
            3118,
            'The database "{database}" does not exist. RESTORE can only create a database when restoring either a '
            "full backup or a file backup of the primary file.",
            "documented",
            _ERRORS,
        ),
        Text(
            "log-gap",
            4305,
            "The log in this backup set begins at LSN {first}, which is too recent to apply to the database. An earlier "
            "log backup that includes LSN {reached} can be restored.",
            "documented",
            _ERRORS,
        ),
        Text(
            "log-too-early",
            4326,
            "The log in this backup set terminates at LSN {last}, which is too early to apply to the database. A "
            "more recent log backup that includes LSN {reached} can be restored.",
            "documented",
            _ERRORS,
        ),
        Text(
            "stop-too-early",
            4335,
            "The specified STOPAT time is too early. All or part of the database is already rolled forward beyond that point.",
            "documented",
            _ERRORS,
        ),
        Text(
            "other-database",
            3154,
            "The backup set holds a backup of a database other than the existing '{database}' database.",
            "documented",
            _ERRORS,
        ),
        Text(
            "log-ends-early",
            4322,
            "This backup set contains records that were logged before the designated point in time. The database "
            "is being left in the restoring state so that more roll forward can be performed.",
            "documented",
            _ERRORS,
            10,
        ),
        Text("terminated", 3013, "{command} is terminating abnormally.", "documented", _ERRORS),
    )
}


@dataclass(frozen=True)
class Said:
    """One column of a result set, or one value in it, that isn't a sentence."""

    name: str
    mark: Mark
    source: str
    type: ColumnType = "nvarchar"


def _columns(mark: Mark, source: str, *columns: tuple[str, ColumnType]) -> tuple[Said, ...]:
    return tuple(Said(name, mark, source, type_) for name, type_ in columns)


_NAMES_ONLY: Final = f"{_NATIVE}: the names; the types are assumed"
# Real outputs were seen with `duration(mins)` where the documentation has `duration (mins)`: clients must not depend on it.
TASK_STATUS: Final = _columns(
    "documented",
    _NAMES_ONLY,
    ("task_id", "int"),
    ("task_type", "nvarchar"),
    ("database_name", "nvarchar"),
    ("% complete", "int"),
    ("duration(mins)", "int"),
    ("lifecycle", "nvarchar"),
    ("task_info", "nvarchar(max)"),
    ("last_updated", "datetime"),
    ("created_at", "datetime"),
    ("S3_object_arn", "nvarchar"),
    ("overwrite_s3_backup_file", "bit"),
    ("KMS_master_key_arn", "nvarchar"),
    ("filepath", "nvarchar"),
    ("overwrite_file", "bit"),
)
SUBMITTED: Final = _columns(
    "assumed",
    "order and names of what a submitting procedure returns; only that task_id is there is documented",
    ("task_id", "int"),
    ("task_type", "nvarchar"),
    ("lifecycle", "nvarchar"),
    ("created_at", "datetime"),
    ("last_updated", "datetime"),
    ("database_name", "nvarchar"),
    ("S3_object_arn", "nvarchar"),
    ("overwrite_s3_backup_file", "bit"),
    ("KMS_master_key_arn", "nvarchar"),
    ("task_progress", "int"),
    ("task_info", "nvarchar(max)"),
)
VALUES: Final = (
    *_columns(
        "documented",
        f"{_NATIVE}: task_type",
        *(
            (name, "nvarchar")
            for name in (
                "RESTORE_DB",
                "RESTORE_DB_NORECOVERY",
                "RESTORE_DB_DIFFERENTIAL",
                "RESTORE_DB_DIFFERENTIAL_NORECOVERY",
                "RESTORE_DB_LOG",
                "RESTORE_DB_LOG_NORECOVERY",
                "FINISH_RESTORE",
                "BACKUP_DB",
            )
        ),
    ),
    *_columns(
        "documented",
        f"{_NATIVE}: lifecycle",
        *((name, "nvarchar") for name in ("CREATED", "IN_PROGRESS", "SUCCESS", "ERROR", "CANCEL_REQUESTED", "CANCELLED")),
    ),
)


def text(key: str) -> Text:
    """One message by its key."""
    return TEXTS[key]


def columns(said: Sequence[Said]) -> tuple[Column, ...]:
    """As the border takes them."""
    return tuple(Column(one.name, one.type) for one in said)
