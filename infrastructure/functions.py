"""One row per Lambda function: the state it stands behind, its handler, its limits and its permissions.

The state's name is also the construct's id and the key under which the definition names the function. `control` is allowed to the
function's own role. `target` is used twice: the union of all rows is the target role, and a row's own actions bound the session in which
the function assumes it.
"""

from dataclasses import dataclass

from infrastructure import permissions as may
from infrastructure.statements import Statement


@dataclass(frozen=True)
class Function:
    """`handler` is `module.function`; `timeout` is in seconds, `memory` in MB. `answers_commands`: no state of the flow, the `dbrestore`
    command invokes it and finds its name in the control account's signpost. `hears_events`: the event bus calls it, and what it fails to
    take is kept. `answers_api`: API Gateway calls it; there is one only where there is an API. `adopts`: there is one only where there is a
    rule of adoption."""

    state: str
    handler: str
    control: tuple[Statement, ...] = ()
    target: tuple[Statement, ...] = ()
    timeout: int = 120
    memory: int = 512
    answers_commands: bool = False
    hears_events: bool = False
    answers_api: bool = False
    adopts: bool = False

    @property
    def own_statements(self) -> tuple[Statement, ...]:
        """For the function's role: every function keeps the ledger, and assumes the target role if it has anything to do there; those of
        the flow tell the bus how it goes on."""
        return (may.LEDGER, *((may.ASSUME_TARGET_ROLE,) if self.target else ()), *self._kept, *self._told, *self.control)

    @property
    def is_state(self) -> bool:
        """Whether the state machine calls it."""
        return not (self.answers_commands or self.hears_events)

    @property
    def _told(self) -> tuple[Statement, ...]:
        return (may.TELL_THE_BUS,) if self.is_state else ()

    @property
    def _kept(self) -> tuple[Statement, ...]:
        return (may.KEEP_UNDELIVERED,) if self.hears_events else ()


PLANNING = (*may.READ_REPOSITORY, *may.READ_IN_PLACE, *may.READ_CERTIFICATES, may.SEE_EXECUTIONS)
PLAN = Function(
    "PlanRestore",
    "lambdas.planning.plan_restore.plan_restore",
    control=(*PLANNING, may.KEEP_EVIDENCE_OF_REFUSALS, *may.READ_RESULTS),
    target=(
        *may.SEE_TARGET,
        may.SEE_OPTION_GROUP,
        may.SEE_SECRETS,
        may.SEE_FREE_STORAGE,
        may.SEE_NETWORK,
        may.SEE_IMAGE,
        may.SEE_SETTINGS,
    ),
    # An order of a hundred thousand files, besides what all plans have.
    memory=1024,
)
FUNCTIONS = (
    PLAN,
    Function("AwaitApproval", "lambdas.approval.await_approval.await_approval", control=(may.END_TASKS,)),
    Function(
        "RequestRetrieval",
        "lambdas.archive.request_retrieval.request_retrieval",
        control=(*may.READ_REPOSITORY, may.RETRIEVE_FILES, *may.SEE_IN_PLACE, may.RETRIEVE_IN_PLACE),
    ),
    Function(
        "RetrieveArchive",
        "lambdas.archive.retrieve_archive.retrieve_archive",
        control=(*may.READ_REPOSITORY, *may.SEE_IN_PLACE, may.END_TASKS),
    ),
    Function(
        "HearRetrieval",
        "lambdas.archive.hear_retrieval.hear_retrieval",
        control=(may.END_TASKS,),
        timeout=30,
        memory=128,
        hears_events=True,
    ),
    Function(
        "CopyDumps",
        "lambdas.adding.copy_dumps.copy_dumps",
        control=may.COPY_DUMPS,
        # A note of a hundred thousand objects.
        memory=1024,
    ),
    Function("DeployWorker", "lambdas.worker.instance.deploy_worker", control=(may.KEEP_BOOT_LOGS,), target=may.DEPLOY_WORKER),
    Function("PairSecurityGroups", "lambdas.pairing.security_groups.pair_security_groups", target=may.PAIR_GROUPS),
    Function(
        "StageNativeBackups",
        "lambdas.staging.stage_native_backups.stage_native_backups",
        # With damage on purpose it reads the first bytes itself.
        control=(*may.READ_REPOSITORY, *may.READ_IN_PLACE),
        target=may.STAGE_BACKUPS,
    ),
    Function(
        "RestoreNativeBackups",
        "lambdas.databases.restore_native_backups.restore_native_backups",
        control=(*may.KEEP_EVIDENCE, *may.READ_REPOSITORY),
        target=(*may.RUN_JOBS, *may.KEEP_GROUP),
    ),
    Function(
        "ReplayDumps",
        "lambdas.databases.replay_dumps.replay_dumps",
        # What is archived again is looked for there.
        control=(*may.KEEP_EVIDENCE, *may.READ_REPOSITORY, *may.SEE_IN_PLACE),
        target=(*may.RUN_JOBS, *may.KEEP_GROUP),
    ),
    Function(
        "ReadDumps",
        "lambdas.adding.read_dumps.read_dumps",
        control=(*may.KEEP_EVIDENCE, *may.READ_REPOSITORY, may.PUBLISH_POINTS),
        # When a worker dies, it launches another one.
        target=(*may.RUN_JOBS, *may.DEPLOY_WORKER),
        # What was found of every table is in memory once, and again as a manifest.
        memory=1024,
    ),
    Function(
        "VerifyDatabases",
        "lambdas.databases.verify_databases.verify_databases",
        control=(*may.KEEP_EVIDENCE, *may.READ_REPOSITORY, *may.SEE_IN_PLACE),
        target=(*may.RUN_JOBS, *may.KEEP_GROUP),
    ),
    Function(
        "SwapDatabases",
        "lambdas.databases.swap_databases.swap_databases",
        control=may.KEEP_EVIDENCE,
        target=(*may.RUN_JOBS, *may.KEEP_GROUP),
    ),
    Function(
        "DiscardUnfinishedDatabases",
        "lambdas.databases.discard_unfinished_databases.discard_unfinished_databases",
        control=may.KEEP_EVIDENCE,
        # It stops what still runs; when the worker died before it could drop its databases, it launches and pairs another one.
        target=(*may.RUN_JOBS, may.CANCEL_JOBS, *may.DEPLOY_WORKER, *may.PAIR_GROUPS),
    ),
    Function("RemoveWorker", "lambdas.worker.instance.remove_worker", target=may.REMOVE_WORKER),
    Function("UnpairSecurityGroups", "lambdas.pairing.security_groups.unpair_security_groups", target=may.UNPAIR_GROUPS),
    Function("RemoveStagingBucket", "lambdas.staging.bucket.remove_staging_bucket", target=may.REMOVE_STAGED),
    Function("RemoveCopies", "lambdas.adding.copy_dumps.remove_copies", control=may.REMOVE_COPIES),
    Function(
        "CloseRestore",
        "lambdas.closing.close_restore.close_restore",
        control=(*may.KEEP_EVIDENCE, *may.READ_REPOSITORY),
        # Every check of every database is in memory once: 220 MB for a hundred thousand tables, the most that a manifest holds.
        memory=1024,
    ),
    Function("SweepLedger", "lambdas.closing.sweep_ledger.sweep_ledger", control=may.START_CLEAN_UP, hears_events=True),
    Function(
        "RemoveAbandonedPoints",
        "lambdas.closing.abandoned_points.remove_abandoned_points",
        control=may.REMOVE_ABANDONED,
        hears_events=True,
    ),
    Function(
        "CleanUpStrays",
        "lambdas.closing.clean_up_strays.clean_up_strays",
        control=(may.KEEP_STRAY_REPORTS,),
        target=may.CLEAN_UP_STRAYS,
        answers_commands=True,
        hears_events=True,
    ),
    Function(
        "CancelRestore",
        "lambdas.entrances.cancel_restore.cancel_restore",
        control=(may.SEE_EXECUTIONS, may.END_TASKS),
        answers_commands=True,
    ),
    Function(
        "AnswerApi",
        "lambdas.entrances.api.answer_api.answer_api",
        control=(*may.LIST_REPOSITORY, may.START_RESTORES, may.SEE_EXECUTIONS, may.END_TASKS, *may.SHOW_REPORTS, may.READ_HOOK_SECRETS),
        timeout=29,
        memory=1024,
        answers_api=True,
    ),
    Function(
        "RemovePoints",
        "lambdas.entrances.removal.remove_points.remove_points",
        control=(*may.READ_REPOSITORY, *may.REMOVE_POINTS),
        # Manifests of 32 MB, eight at a time.
        memory=1024,
        answers_commands=True,
        hears_events=True,
    ),
    Function(
        "HearArrival",
        "lambdas.adding.adopting.hear_arrival.hear_arrival",
        timeout=30,
        memory=256,
        hears_events=True,
        adopts=True,
    ),
    Function(
        "AdoptArrivals",
        "lambdas.adding.adopting.adopt_arrivals.adopt_arrivals",
        control=(*may.ADOPT, may.START_RESTORES, may.SEE_EXECUTIONS),
        # S3 copies as long as it lets it: what isn't done by then, the next one goes on with.
        timeout=900,
        # A listing of two hundred thousand objects.
        memory=1024,
        hears_events=True,
        adopts=True,
    ),
    Function("ListAdoptions", "lambdas.entrances.list_adoptions.list_adoptions", timeout=30, answers_commands=True),
    Function("ListDrills", "lambdas.entrances.list_drills.list_drills", timeout=30, answers_commands=True),
    Function(
        "ExamineInstallation",
        "lambdas.doctor.examine_installation.examine_installation",
        # It makes a plan too: whatever that is refused for is a finding.
        control=(*PLANNING, *may.EXAMINE_CONTROL_ACCOUNT),
        target=(*PLAN.target, *may.EXAMINE_TARGET_ACCOUNT),
        memory=1024,
        answers_commands=True,
    ),
    Function(
        "CheckWorkerConfiguration",
        "lambdas.doctor.check_worker_configuration.check_worker_configuration",
        target=(*may.SEE_TARGET, may.SEE_NETWORK, may.SEE_IMAGE, may.SEE_SETTINGS),
        answers_commands=True,
    ),
)
