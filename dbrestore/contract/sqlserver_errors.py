"""The errors that only SQL Server's native backups can meet: in `points add`, in the plan, while staging, and in RDS's tasks.

RestoreError
├── NotANativeBackup             not a native SQL Server backup (empty, Git LFS pointer, something else)
├── BackupEncrypted              made WITH ENCRYPTION, or its compressed header can't be read
├── CompressionUnreadable        compressed in a way that can't be read here: ZSTD (SQL Server 2025), QAT (2022), the layout before 2014
├── BackupTooOld                 points add, plan, task: of SQL Server 2000, which no SQL Server of RDS restores
├── SystemDatabaseRefused        points add, plan, task: master, model, msdb, tempdb or RDS's own rdsadmin (3168)
├── MediaPasswordSet             a backup under a password
├── BackupTooLarge               a file of more than 5 TB
├── TooManyStripes               a backup of more than 10 files
├── StripeMissing                not all files of a backup are there
├── StripesMixed                 files of different backups, or one file twice
├── BaseBackupMissing            a differential or log backup without what it builds on
├── NativeBackupOptionMissing    plan, task: the option SQLSERVER_BACKUP_RESTORE is missing, still being applied or has no role
├── CrossRegionReplica           plan: RDS restores no native backup into an instance with a read replica in another Region
├── EditionLimit                 plan, task: more than the target's edition holds (Express: 10 or 50 GB) or a feature it hasn't got
├── PointInTimeUnreachable       plan: the backups do not reach the point in time that was asked for
├── StagedCopyDiffers            what S3 copied is not what the manifest says
├── CrossRegionCopyRefused       S3 refused a copy between Regions (a VPC endpoint in the way)
├── ServerUnreachable            the instance's port does not answer, or the driver's time is up
├── CertificateRefused           the server's certificate is not signed by the RDS CA bundle or is another host's
├── LoginRefused                 the master secret is not what the server takes (18456)
├── NotMasterUser                the login may not execute the rds_ procedures (229)
├── NativeSlotsTaken             two tasks of others ran until the worker's time was up
├── NativeTaskStuck              the task stayed CREATED although a slot was free
├── NativeTaskCancelled          somebody else cancelled the task
├── NativeTaskFailed             the task ended in ERROR for a reason without a better name
├── NativeTransferAborted        RDS could not read the backup to its end (995)
├── StagingAccessDenied          the option's role may not read the temporary bucket
├── StagedBackupMissing          the temporary bucket or an object in it is gone
├── BucketInOtherRegion          the temporary bucket is not in the instance's Region
├── KmsKeyRefused                a KMS key does not exist or may not be used
├── DatabaseDamaged              task: the backup holds damaged pages or a log that doesn't fit them (824, 3313, 3456, 9003)
├── CertificateMissing           the backup is of a TDE database, or encrypted, and the server lacks the certificate (33111)
├── FilestreamRefused            the backup holds a FILESTREAM filegroup
├── FileGuidsExist               a copy of the same database is there already, and the instance takes no second one
├── RecoveryModelRefused         Multi-AZ takes only backups of databases in the FULL recovery model
└── AutomatedBackupRunning       the instance's own backup ran at the same time
"""

from dbrestore.contract.errors import RestoreError


class NotANativeBackup(RestoreError):
    """The file is no native SQL Server backup."""


class BackupEncrypted(RestoreError):
    """A native backup made WITH ENCRYPTION, or one whose compressed header can't be read."""


class CompressionUnreadable(RestoreError):
    """A native backup compressed in a way that nothing here reads: ZSTD (SQL Server 2025), QAT (2022), or the layout before SQL Server
    2014. It is neither damaged nor encrypted; one WITH COMPRESSION (ALGORITHM = MS_XPRESS) or WITH NO_COMPRESSION can be read."""


class BackupTooOld(RestoreError):
    """A native backup of SQL Server 2000 or before: SQL Server 2008 R2 was the last to restore one."""


class SystemDatabaseRefused(RestoreError):
    """A backup of a system database: SQL Server restores one in its own place and onto the same build alone, and RDS not at all."""


class MediaPasswordSet(RestoreError):
    """A native backup under a password: no procedure of RDS takes one."""


class BackupTooLarge(RestoreError):
    """A native backup file beyond the 5 TB that RDS restores."""


class TooManyStripes(RestoreError):
    """A native backup of more files than the 10 that RDS restores."""


class StripeMissing(RestoreError):
    """Not all files of a native backup were given."""


class StripesMixed(RestoreError):
    """Files of different native backups, or one file twice."""


class BaseBackupMissing(RestoreError):
    """A differential or log backup without what it builds on."""


class NativeBackupOptionMissing(RestoreError):
    """The instance's option group has no SQLSERVER_BACKUP_RESTORE in effect, or the option has no role."""


class CrossRegionReplica(RestoreError):
    """The instance has a read replica in another Region."""


class EditionLimit(RestoreError):
    """The target's edition can't hold the database."""


class PointInTimeUnreachable(RestoreError):
    """The backups of the restore point do not reach the point in time that was asked for."""


class StagedCopyDiffers(RestoreError):
    """What lies in the temporary bucket is not what the manifest says."""


class CrossRegionCopyRefused(RestoreError):
    """S3 refused to copy between Regions."""


class ServerUnreachable(RestoreError):
    """SQL Server could not be reached, or stopped answering."""


class CertificateRefused(RestoreError):
    """The server's certificate is not one that the RDS CA bundle vouches for."""


class LoginRefused(RestoreError):
    """The server refused the login of the master secret."""


class NotMasterUser(RestoreError):
    """The login may not execute the procedures of RDS."""


class NativeSlotsTaken(RestoreError):
    """Other backup and restore tasks took both slots for too long."""


class NativeTaskStuck(RestoreError):
    """The task never began."""


class NativeTaskCancelled(RestoreError):
    """The task was cancelled, and not by this restore."""


class NativeTaskFailed(RestoreError):
    """The task ended in ERROR."""


class NativeTransferAborted(RestoreError):
    """RDS stopped reading the backup."""


class StagingAccessDenied(RestoreError):
    """The option's role may not read the temporary bucket."""


class StagedBackupMissing(RestoreError):
    """The temporary bucket or an object in it is not there."""


class BucketInOtherRegion(RestoreError):
    """The temporary bucket is not in the instance's Region."""


class KmsKeyRefused(RestoreError):
    """A KMS key does not exist or may not be used."""


class DatabaseDamaged(RestoreError):
    """SQL Server read the backup to its end and met damage in the database that it holds: the pages or the log were so when they were
    backed up, or the file was damaged before it was added."""


class CertificateMissing(RestoreError):
    """The server lacks the certificate of the database's encryption key."""


class FilestreamRefused(RestoreError):
    """The backup holds a FILESTREAM filegroup."""


class FileGuidsExist(RestoreError):
    """The instance holds a copy of the same database and takes no second one."""


class RecoveryModelRefused(RestoreError):
    """Multi-AZ takes only backups of databases in the FULL recovery model."""


class AutomatedBackupRunning(RestoreError):
    """The instance's own automated backup stood in the way."""
