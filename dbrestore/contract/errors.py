"""Every error a person may meet, named for what happened. The name is the Step Functions error, the CLI's error and the heading in
docs/operations.md.

    RestoreError
    ├── NotReady                     not an error: come back later (the state's Retry does)
    ├── NotSupportedYet              asked for something that a later version will do
    ├── RestoreRequestInvalid        the request; every problem with its JSON pointer
    ├── TargetNotFound               no such DB instance
    ├── TargetNotUsable              the instance can't take part: Aurora, status, no managed secret, full group list, ...
    ├── NoUsableSubnet               no subnet of the target's VPC can hold the worker; what each one lacks
    ├── RestorePointNotFound         no such instance or point in the repository
    ├── DatabaseNotInRestorePoint    the point has other databases
    ├── DatabaseExists               the asked name is taken in the target
    ├── OwnerNotUsable               a role that the request lets own what the dump brings can't, or may not
    ├── DatabaseBusy                 another restore is bringing back the same database
    ├── WorkerConfigurationInvalid   what the file or the request sets for the worker: wrong form, or AWS has no such thing
    ├── ExtensionConfigurationInvalid  the file that says which extensions dumps may create
    ├── SqlServerConfigurationInvalid  the file that says what restores into SQL Server do by default
    ├── ExtensionNotAllowed          the dump creates extensions that the installation doesn't allow
    ├── EngineMismatch               the point is of another engine
    ├── TargetVersionTooOld          the target can't hold what a newer server dumped
    ├── NotEnoughStorage             free storage of the target is smaller than the data
    ├── CertificateBundleMissing     the RDS CA bundle isn't where the worker reads it
    ├── BackupUnreadable             points add: not a dump that can be restored later (plain SQL, unknown version, ...)
    ├── BackupDamaged                a member's length, checksum or framing isn't what the manifest says
    ├── BackupArchived               files are archived, or will be again while they are read: leads back to the retrieval
    ├── ArchiveTierImpossible        the asked retrieval does not exist for the files' storage class
    ├── RetrievalTimedOut            S3 did not retrieve the files in time, or takes them away too early
    ├── WorkerNotStarted             no capacity, never registered with SSM, boot failed
    ├── WorkerLost                   the worker died while it worked
    ├── WorkerFailed                 the worker's program ended without a result
    ├── WorkerTimedOut               longer than the worker's longest run time
    ├── ReplayFailed                 PostgreSQL refused something; the message says what
    ├── VerificationFailed           the database isn't what the manifest says; the list is in the report
    ├── ObjectsLeftOut               all databases are there, without what the request allowed to leave out
    ├── SomeDatabasesFailed          several databases were asked for; the good ones stay
    ├── AwsRefused                   AWS refused a call (denied, quota, bad state): operation, code and message
    ├── RestoreCancelled             somebody asked to stop
    ├── RestoreClosed                the restore is closing or closed: nothing may be created any more
    ├── LeftoversRemain              clean-up could not finish
    ├── RestoreNotFound              no such restore in the ledger
    ├── PlanOfAnotherVersion         the functions were deployed anew or rolled back while the restore ran; it was cleared up
    ├── LedgerRowUnreadable          a row of the ledger was changed by hand, or nothing tells what it lacks
    ├── InternalContradiction        what this application wrote itself doesn't fit together: a bug, never the request's fault
    ├── ControlPlaneNotFound         dbrestore isn't deployed here, or the local cloud isn't up
    ├── RestoreFailed                anything else, with its cause
    └── ...                          what only SQL Server's native backups can meet: dbrestore.contract.sqlserver_errors
"""


class RestoreError(Exception):
    """The base. `str(error)` is a sentence for a person: what is wrong and what to do."""


class NotReady(RestoreError):
    """Come back later: a step that waits raises it and the state's Retry returns."""


class NotSupportedYet(RestoreError):
    """A known wish that this version does not fulfil."""


class RestoreRequestInvalid(RestoreError):
    """The request: one line per problem, `<JSON pointer>: <what is wrong and what to do>`."""


class TargetNotFound(RestoreError):
    """No such DB instance in the target's account and Region."""


class TargetNotUsable(RestoreError):
    """The instance exists but can't take part in a restore."""


class NoUsableSubnet(RestoreError):
    """No subnet of the target's VPC, or none of those that were asked for, can hold the worker: a line per kind of fault."""


class RestorePointNotFound(RestoreError):
    """No such instance or restore point in the repository."""


class DatabaseNotInRestorePoint(RestoreError):
    """The restore point holds other databases."""


class DatabaseExists(RestoreError):
    """The asked name is taken in the target instance."""


class OwnerNotUsable(RestoreError):
    """A role that was asked for as an owner does not exist, can't be acted for, or belongs to the system."""


class DatabaseBusy(RestoreError):
    """Another restore that still runs is bringing back the same database."""


class WorkerConfigurationInvalid(RestoreError):
    """What is set for the worker, in the configuration's file or in the request: one line per problem, with its place."""


class ExtensionConfigurationInvalid(RestoreError):
    """The file that says which extensions dumps may create: one line per problem, with its place."""


class SqlServerConfigurationInvalid(RestoreError):
    """The file that says what restores into SQL Server do by default has a wrong form: every problem with its place."""


class ExtensionNotAllowed(RestoreError):
    """The dump creates extensions that this installation doesn't allow."""


class EngineMismatch(RestoreError):
    """The restore point is of another engine than the target."""


class TargetVersionTooOld(RestoreError):
    """The target is older than the server that was dumped."""


class NotEnoughStorage(RestoreError):
    """The target's free storage is smaller than what the data needs."""


class CertificateBundleMissing(RestoreError):
    """The RDS CA bundle is not where the worker reads it."""


class BackupUnreadable(RestoreError):
    """Not a backup that could be restored later."""


class BackupDamaged(RestoreError):
    """Stored bytes are not what the manifest says."""


class BackupArchived(RestoreError):
    """A file lies in an archive and has no retrieved copy that could be read (long enough)."""


class ArchiveTierImpossible(RestoreError):
    """The asked tier of retrieval does not exist for the storage class of the files."""


class RetrievalTimedOut(RestoreError):
    """S3 did not retrieve all files within its own times and much patience, or the copies go again and again."""


class WorkerNotStarted(RestoreError):
    """The worker could not be launched or never came under SSM's control."""


class WorkerLost(RestoreError):
    """The worker died while it worked."""


class WorkerFailed(RestoreError):
    """The worker's program ended without writing its result."""


class WorkerTimedOut(RestoreError):
    """The work took longer than the worker's longest run time."""


class ReplayFailed(RestoreError):
    """PostgreSQL refused a part of the dump."""


class VerificationFailed(RestoreError):
    """The restored database is not what the manifest says."""


class ObjectsLeftOut(RestoreError):
    """Every database came back and stays, but without some objects: the request allowed to leave out what the target refuses."""


class SomeDatabasesFailed(RestoreError):
    """Some of several databases failed; the good ones stay."""


class AwsRefused(RestoreError):
    """AWS refused a call for a reason that waiting does not mend."""


class RestoreCancelled(RestoreError):
    """Somebody asked for the restore to stop."""


class RestoreClosed(RestoreError):
    """The restore is closing or closed: nothing may be created any more."""


class LeftoversRemain(RestoreError):
    """Clean-up could not finish: the list names what is left."""


class RestoreNotFound(RestoreError):
    """No such restore in the ledger."""


class PlanOfAnotherVersion(RestoreError):
    """The plan of a restore that runs was written by another version: it is cleared up and has to be started again."""


class LedgerRowUnreadable(RestoreError):
    """A row of the ledger was changed by hand, or lacks what nothing else tells: the message names row and key."""


class InternalContradiction(RestoreError):
    """What one part of this application wrote, another can't read, or a look-up gave neither answer nor reason: to be reported."""


class ControlPlaneNotFound(RestoreError):
    """dbrestore isn't deployed in this account and Region, or nothing answers at the endpoint."""


class RestoreFailed(RestoreError):
    """Anything that has no better name."""
