"""The errors that only SQL Server's native backups can meet: in `points add`, in the plan, while staging, and in RDS's tasks. Numbers are
those of SQL Server's messages. `dbrestore.contract.errors` draws the whole tree.
"""

from dbrestore.contract.errors import (
    AccountUnfit,
    BackupUnfit,
    InstallationUnfit,
    NotFound,
    OwnFault,
    TargetUnfit,
    WorkFailed,
)


class NotANativeBackup(BackupUnfit):
    """The file isn't a native SQL Server backup: empty, a Git LFS pointer, something else."""


class BackupEncrypted(BackupUnfit):
    """A native backup made WITH ENCRYPTION, or one whose compressed header can't be read."""


class CompressionUnreadable(BackupUnfit):
    """A native backup compressed in a way that dbrestore can't read: ZSTD (SQL Server 2025), QAT (2022), or the layout before SQL Server
    2014. It is neither damaged nor encrypted; one WITH COMPRESSION (ALGORITHM = MS_XPRESS) or WITH NO_COMPRESSION can be read."""


class BackupTooOld(BackupUnfit):
    """A native backup of SQL Server 2000 or before: SQL Server 2008 R2 was the last to restore one."""


class SystemDatabaseRefused(BackupUnfit):
    """A backup of a system database (master, model, msdb, tempdb, RDS's own rdsadmin; 3168): SQL Server restores one in its own place and
    onto the same build alone, and RDS not at all."""


class MediaPasswordSet(BackupUnfit):
    """A native backup with a password: no procedure of RDS accepts one."""


class BackupTooLarge(BackupUnfit):
    """A native backup file beyond the 5 TB that RDS restores."""


class TooManyStripes(BackupUnfit):
    """A native backup of more files than the 10 that RDS restores."""


class StripeMissing(BackupUnfit):
    """Not all files of a native backup were given."""


class StripesMixed(BackupUnfit):
    """Files of different native backups, or one file twice."""


class BaseBackupMissing(BackupUnfit):
    """A differential or log backup without what it builds on."""


class NativeBackupOptionMissing(TargetUnfit):
    """The instance's option group has no SQLSERVER_BACKUP_RESTORE in effect, or the option has no role."""


class CrossRegionReplica(TargetUnfit):
    """The instance has a read replica in another Region, and RDS then restores no native backup into it."""


class EditionLimit(TargetUnfit):
    """The target's edition can't hold the database (Express: 10 or 50 GB), or lacks a feature that it uses."""


class PointInTimeUnreachable(NotFound):
    """The backups of the restore point do not reach the requested point in time."""


class StagedCopyDiffers(WorkFailed):
    """What is in the temporary bucket is not what the manifest says."""


class CrossRegionCopyRefused(InstallationUnfit):
    """S3 refused to copy between Regions: a VPC endpoint doesn't allow it."""


class ServerOutOfReach(TargetUnfit):
    """There is no session with the server: no database there can be queried or dropped."""


class ServerUnreachable(ServerOutOfReach):
    """The database server could not be reached, or took no login, for as long as it is waited for: the message says what was met."""


class CertificateRefused(ServerOutOfReach):
    """The server's certificate is not one that the RDS CA bundle vouches for, or is another host's."""


class LoginRefused(ServerOutOfReach):
    """The server refused the user or its password (SQL Server: 18456), even after they were read again."""


class NotMasterUser(TargetUnfit):
    """The login may not execute the procedures of RDS (229)."""


class NativeSlotsTaken(WorkFailed):
    """Other backup and restore tasks took both slots for too long."""


class NativeTaskStuck(WorkFailed):
    """The task never began, although a slot was free."""


class NativeTaskCancelled(WorkFailed):
    """The task was cancelled, and not by this restore."""


class NativeTaskFailed(WorkFailed):
    """The task ended in ERROR for a reason that has no name of its own."""


class NativeTransferAborted(WorkFailed):
    """RDS stopped reading the backup before its end (995)."""


class StagingAccessDenied(AccountUnfit):
    """The option's role may not read the temporary bucket."""


class StagedBackupMissing(WorkFailed):
    """The temporary bucket or an object in it is not there."""


class BucketInOtherRegion(OwnFault):
    """The temporary bucket is not in the instance's Region."""


class KmsKeyRefused(AccountUnfit):
    """A KMS key does not exist or may not be used."""


class DatabaseDamaged(BackupUnfit):
    """SQL Server read the backup to its end and met damage in the database that it holds (824, 3313, 3456, 9003): the pages or the log were
    so when they were backed up, or the file was damaged before it was added."""


class CertificateMissing(TargetUnfit):
    """The backup is of a TDE database or was made WITH ENCRYPTION, and the server lacks the certificate (33111)."""


class FilestreamRefused(BackupUnfit):
    """The backup holds a FILESTREAM filegroup, which RDS does not restore."""


class FileGuidsExist(TargetUnfit):
    """The instance holds a copy of the same database and doesn't accept a second one."""


class RecoveryModelRefused(TargetUnfit):
    """Multi-AZ takes only backups of databases in the FULL recovery model."""


class AutomatedBackupRunning(WorkFailed):
    """The instance's own automated backup was running."""
