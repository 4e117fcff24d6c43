"""Every error a person may meet, named for what happened. The name is the Step Functions error, the CLI's error and the heading in
docs/operations.md. The classes between RestoreError and the names are groups by what a caller would do about it: they are there to be
caught, carry the exit code of all that is below them, and are never raised themselves.

    RestoreError                         1
    ├── RequestRefused                   2
    │   RestoreRequestInvalid, NotSupportedYet, CheckRefused, NotPermitted
    ├── NotFound                        10
    │   TargetNotFound, RestorePointNotFound, RestorePointRemoved, DatabaseNotInRestorePoint, RestoreNotFound,
    │   DrillNotFound, ControlPlaneNotFound, SourceNotFound, PointInTimeUnreachable
    ├── Busy                            11
    │   NotReady, WorkerToReplace, DatabaseBusy, RestoreClosed, SourceChanged, RestorePointInUse, DrillSkipped
    ├── InstallationUnfit                1
    │   └── ConfigurationInvalid         1
    │       WorkerConfigurationInvalid, ExtensionConfigurationInvalid, SqlServerConfigurationInvalid,
    │       CredentialConfigurationInvalid, DrillConfigurationInvalid, AccessConfigurationInvalid,
    │       AnswerConfigurationInvalid, AdoptionConfigurationInvalid, InPlaceConfigurationInvalid
    │   ExtensionNotAllowed, CertificateBundleMissing, CrossRegionCopyRefused
    ├── AccountUnfit                     1
    │   AwsRefused, SourceAccessDenied, WorkerVolumeRefused, StagingAccessDenied, KmsKeyRefused
    ├── TargetUnfit                      1
    │   └── ServerOutOfReach             1
    │       ServerUnreachable, CertificateRefused, LoginRefused
    │   TargetNotUsable, CredentialsNotUsable, NoUsableSubnet, DatabaseExists, SwapRefused, DatabaseInUse,
    │   OwnerNotUsable, EngineMismatch, TargetVersionTooOld, TargetVersionTooNew, NotEnoughStorage,
    │   NativeBackupOptionMissing, CrossRegionReplica, EditionLimit, NotMasterUser, CertificateMissing,
    │   FileGuidsExist, RecoveryModelRefused
    ├── BackupUnfit                      1
    │   BackupUnreadable, BackupDamaged, NotANativeBackup, BackupEncrypted, CompressionUnreadable, BackupTooOld,
    │   SystemDatabaseRefused, MediaPasswordSet, BackupTooLarge, TooManyStripes, StripeMissing, StripesMixed,
    │   BaseBackupMissing, DatabaseDamaged, FilestreamRefused
    ├── BackupOutOfReach                 1
    │   BackupArchived, ArchiveTierImpossible, RetrievalTimedOut
    ├── RemovalRefused                   1
    │   RestorePointNeeded, RestorePointRetained
    ├── WorkFailed                       1
    │   WorkerNotStarted, WorkerLost, WorkerFailed, WorkerTimedOut, CountingBrokeOff, ReplayFailed,
    │   StagedCopyDiffers, NativeSlotsTaken, NativeTaskStuck, NativeTaskCancelled, NativeTaskFailed,
    │   NativeTransferAborted, StagedBackupMissing, AutomatedBackupRunning
    ├── SomeDatabasesFailed              3
    ├── NotAsBackedUp                    4
    │   VerificationFailed, ObjectsLeftOut, ChecksFailed, DrillFailed
    ├── NotApproved                      1
    │   ApprovalRefused, ApprovalExpired
    ├── RestoreCancelled                 1
    ├── LeftoversRemain                  5
    ├── RecordUnreadable                 1
    │   PlanOfAnotherVersion, LedgerRowUnreadable, EvidenceUnreadable
    └── OwnFault                         1
        InternalContradiction, RestoreFailed, BucketInOtherRegion
"""

from typing import ClassVar

from dbrestore.contract.exit_code import ExitCode


class RestoreError(Exception):
    """The base. `str(error)` is a sentence for a person: what is wrong and what to do."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED


class RequestRefused(RestoreError):
    """The command or the request is wrong: change it and ask again. Nothing was begun."""

    exit_code = ExitCode.USAGE


class RestoreRequestInvalid(RequestRefused):
    """The request: one line per problem, `<JSON pointer>: <what is wrong and what to do>`."""


class NotSupportedYet(RequestRefused):
    """A known feature request that this version does not support."""


class CheckRefused(RequestRefused):
    """A check of the request is not one statement that reads."""


class NotPermitted(RequestRefused):
    """The access configuration doesn't let this caller of the HTTP API do this."""


class NotFound(RestoreError):
    """Something that was named does not exist: compare the name, account and Region with what exists."""

    exit_code = ExitCode.NOT_FOUND


class TargetNotFound(NotFound):
    """No such DB instance in the target's account and Region."""


class RestorePointNotFound(NotFound):
    """No such instance or restore point in the repository."""


class RestorePointRemoved(NotFound):
    """The restore point was removed while the restore was planned, or is being removed. Nothing was made."""


class DatabaseNotInRestorePoint(NotFound):
    """The restore point holds other databases."""


class RestoreNotFound(NotFound):
    """No such restore in the ledger."""


class DrillNotFound(NotFound):
    """No drill of this name is declared."""


class ControlPlaneNotFound(NotFound):
    """dbrestore isn't deployed in this account and Region, or nothing answers at the endpoint."""


class SourceNotFound(NotFound):
    """No such bucket, object or prefix where a backup was said to lie."""


class Busy(RestoreError):
    """Another run is at work on it, or has ended it: look at that one, or try again later."""

    exit_code = ExitCode.BUSY


class NotReady(Busy):
    """Not an error but "try again later": a step that waits raises it, and the state's Retry runs the step again."""


class WorkerToReplace(Busy):
    """Not an error but "by another worker": one died in the middle of a job that can be carried on."""


class DatabaseBusy(Busy):
    """Another restore of the same database is still running."""


class RestoreClosed(Busy):
    """The restore is closing or closed: nothing may be created any more."""


class SourceChanged(Busy):
    """An object of a backup was replaced or deleted between the look at it and its copy."""


class RestorePointInUse(Busy):
    """A restore that isn't over reads the restore point: it isn't removed. Nothing of it was touched."""


class InstallationUnfit(RestoreError):
    """This installation of dbrestore doesn't allow it or lacks something: its operator changes the configuration."""


class ConfigurationInvalid(InstallationUnfit):
    """What is set for all restores is wrong: correct the file, or what the request sets instead, and deploy again."""


class WorkerConfigurationInvalid(ConfigurationInvalid):
    """What is set for the worker, in the configuration's file or in the request: one line per problem, with its place."""


class ExtensionConfigurationInvalid(ConfigurationInvalid):
    """The file that says which extensions dumps may create: one line per problem, with its place."""


class SqlServerConfigurationInvalid(ConfigurationInvalid):
    """The file that says what restores into SQL Server do by default: one line per problem, with its place."""


class CredentialConfigurationInvalid(ConfigurationInvalid):
    """The file that says with which credentials restores log in to which instances: one line per problem, with its place."""


class DrillConfigurationInvalid(ConfigurationInvalid):
    """The file that declares drills: one line per problem, with its place."""


class AccessConfigurationInvalid(ConfigurationInvalid):
    """The file that says who may ask for what over HTTP: one line per problem, with its place."""


class AnswerConfigurationInvalid(ConfigurationInvalid):
    """The file that says which systems are told of restores: one line per problem, with its place."""


class AdoptionConfigurationInvalid(ConfigurationInvalid):
    """The file that says which backups become restore points as they arrive: one line per problem, with its place."""


class InPlaceConfigurationInvalid(ConfigurationInvalid):
    """The file that says where restores may read backups that nobody copied: one line per problem, with its place."""


class ExtensionNotAllowed(InstallationUnfit):
    """The dump creates extensions that this installation doesn't allow."""


class CertificateBundleMissing(InstallationUnfit):
    """The RDS CA bundle is not where the worker reads it."""


class AccountUnfit(RestoreError):
    """AWS doesn't let this account or one of its roles do what is needed: change permissions, quotas or keys."""


class AwsRefused(AccountUnfit):
    """AWS refused a call for a reason that waiting doesn't fix (denied, quota, bad state): operation, code and message. If the call
    was denied, which only the message shows, the command ends with DENIED."""


class SourceAccessDenied(AccountUnfit):
    """S3 doesn't let the caller list or read where a backup was said to lie: policies, a KMS key, requester pays."""


class WorkerVolumeRefused(AccountUnfit):
    """EC2 ended the worker while it was launched, because its volume couldn't be made: its KMS key, a quota, the image's snapshot."""


class TargetUnfit(RestoreError):
    """The target instance, its network or what is in it can't take the databases as it is: change that, or choose another target."""


class TargetNotUsable(TargetUnfit):
    """The instance exists but can't take part in a restore: Aurora, its status, a full group list and the like."""


class CredentialsNotUsable(TargetUnfit):
    """There is nothing to log in with: no secret is known for the instance, or the secret is missing, unreadable or malformed, or IAM
    database authentication is off."""


class NoUsableSubnet(TargetUnfit):
    """No subnet of the target's VPC, or none of those that were asked for, can hold the worker: a line per kind of fault."""


class DatabaseExists(TargetUnfit):
    """The requested name is taken in the target instance."""


class SwapRefused(TargetUnfit):
    """The two databases of an exchange of names are not what they were, or the user may not rename them: the message says which name
    holds what."""


class DatabaseInUse(TargetUnfit):
    """Sessions of others stayed in a database that was to be renamed or dropped: nothing was changed."""


class OwnerNotUsable(TargetUnfit):
    """A role that was asked for as an owner does not exist, can't be acted for, or belongs to the system."""


class EngineMismatch(TargetUnfit):
    """The restore point is of another engine than the target."""


class TargetVersionTooOld(TargetUnfit):
    """The target is older than the server that was backed up, or than every version that can be restored into."""


class TargetVersionTooNew(TargetUnfit):
    """The target is of a version that this version of dbrestore doesn't know."""


class NotEnoughStorage(TargetUnfit):
    """The target's free storage is smaller than what the data needs."""


class BackupUnfit(RestoreError):
    """The backup can't be restored into any target: choose another one, or back up again."""


class BackupUnreadable(BackupUnfit):
    """Not a backup that could be restored later: plain SQL, a version that isn't known, and the like."""


class BackupDamaged(BackupUnfit):
    """Stored bytes are not what the manifest says: a length, a checksum or the framing differs."""


class BackupOutOfReach(RestoreError):
    """The backup is in an S3 archive: retrieve it in another way, or wait longer."""


class BackupArchived(BackupOutOfReach):
    """A file is in an archive and has no retrieved copy that can be read (for long enough)."""


class ArchiveTierImpossible(BackupOutOfReach):
    """The requested retrieval tier does not exist for the storage class of the files."""


class RetrievalTimedOut(BackupOutOfReach):
    """S3 did not retrieve all files within its own times and a generous margin, or the copies keep expiring."""


class RemovalRefused(RestoreError):
    """The restore point stays as it is: something other than a restore needs it, or S3 keeps it."""


class RestorePointNeeded(RemovalRefused):
    """A declared drill would lose a database with it, or another restore point has files in it."""


class RestorePointRetained(RemovalRefused):
    """S3's Object Lock retains files of it, or somebody holds them (legal hold): the message says until when."""


class WorkFailed(RestoreError):
    """The restore was running and could not finish; what it had made is cleaned up: see what the message says, then start it again."""


class WorkerNotStarted(WorkFailed):
    """The worker could not be launched, never came under SSM's control, or could not boot."""


class WorkerLost(WorkFailed):
    """The worker died while it worked."""


class WorkerFailed(WorkFailed):
    """The worker's program ended without writing its result."""


class WorkerTimedOut(WorkFailed):
    """The work took longer than the worker's longest run time."""


class CountingBrokeOff(WorkFailed):
    """A process that counted the rows of a dump for the worker ended too early, so nothing is said of that dump."""


class ReplayFailed(WorkFailed):
    """PostgreSQL refused a part of the dump."""


class SomeDatabasesFailed(RestoreError):
    """Some of several databases failed; the good ones stay."""

    exit_code = ExitCode.SOME_FAILED


class NotAsBackedUp(RestoreError):
    """Not everything that was backed up was restored: the report lists what differs."""

    exit_code = ExitCode.NOT_VERIFIED


class VerificationFailed(NotAsBackedUp):
    """The restored database is not what the manifest says."""


class ObjectsLeftOut(NotAsBackedUp):
    """Every database was restored and stays, but without some objects: the request allowed to leave out what the target refuses."""


class ChecksFailed(NotAsBackedUp):
    """Every database was restored and stays, but a check of the request found another answer, or could not be asked."""


class DrillFailed(NotAsBackedUp):
    """A drill did not pass: the report says what was missed. What it restored is dropped."""


class DrillSkipped(Busy):
    """The drill before this one still runs. This one restored nothing, and proves nothing."""


class NotApproved(RestoreError):
    """A second person had to approve it, and did not. Nothing was made."""


class ApprovalRefused(NotApproved):
    """The second person rejected it."""


class ApprovalExpired(NotApproved):
    """Nobody approved it in time."""


class RestoreCancelled(RestoreError):
    """Somebody asked for the restore to stop."""


class LeftoversRemain(RestoreError):
    """Clean-up could not finish: the list names what is left."""

    exit_code = ExitCode.LEFTOVERS


class RecordUnreadable(RestoreError):
    """A record of the restore, in the ledger or the evidence, can't be read: another version wrote it, or it was changed by hand."""


class PlanOfAnotherVersion(RecordUnreadable):
    """The plan of a restore that runs was written by another version: it is cleaned up and has to be started again."""


class LedgerRowUnreadable(RecordUnreadable):
    """A row of the ledger was changed by hand, or lacks what is recorded nowhere else: the message names the row and the key."""


class EvidenceUnreadable(RecordUnreadable):
    """A report or a result in the evidence bucket isn't what dbrestore writes: the message names the object."""


class OwnFault(RestoreError):
    """A bug in dbrestore, or a broken state of AWS: nothing has to be changed in the request; report it."""


class InternalContradiction(OwnFault):
    """One part of this application can't read what another wrote, or a look-up gave neither an answer nor a reason."""


class RestoreFailed(OwnFault):
    """Anything that has no name of its own, with its cause."""
