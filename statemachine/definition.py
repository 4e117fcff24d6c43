"""The flow of a restore, state by state in its order. `make docs` writes restore_databases.asl.json from it, which is what is deployed.

A task calls the function of its own name (`infrastructure.functions`). One that must wait raises NotReady, and is called again after
pauses whose numbers stand in `dbrestore.contract.pauses`. Whatever fails in MAKING leads to the first state of REMOVING.
"""

import json
from pathlib import Path

from dbrestore.contract import errors, pauses
from statemachine.asl import ALL, Json, catch, choice, compare, fail, flow, state, task, when
from statemachine.ending import ENDING
from statemachine.retries import FUNCTION_FAILED, REPORT_FAILED, look_again, never_again
from statemachine.tasks import remover, woken

FILE = Path(__file__).parent / "restore_databases.asl.json"

# The copies of archived files that S3 made would be gone before they are read.
ARCHIVED_AGAIN = catch(errors.BackupArchived, into=None, then="ForEachBatch")
# The worker died in the middle: what it did stays, and each state on the way back is done at once where it was done.
ANOTHER_WORKER = catch(errors.WorkerToReplace, into=None, then="DeployWorker")


ENTERING = (
    choice(
        "IsCleanUpOnly",
        when(
            compare("$.cleanUp", IsPresent=True),
            compare("$.cleanUp.restoreId", IsPresent=True),
            compare("$.cleanUp.restoreId", IsString=True),
            then="AdoptRestore",
        ),
        when(compare("$.cleanUp", IsPresent=True), then="CleanUpRequestInvalid"),
        Comment="A second entrance for the sweeper and for people: only the removers run.",
        Default="PlanRestore",
    ),
    state(
        "AdoptRestore",
        Type="Pass",
        Comment="Removers need the restore's id alone: they find things in the ledger and in AWS.",
        Parameters={"plan.$": "$.cleanUp", "cleanUp": True, "cleanUpExecution.$": "$$.Execution.Id"},
        Next="DiscardUnfinishedDatabases",
    ),
    fail(
        "CleanUpRequestInvalid",
        errors.RestoreRequestInvalid,
        Cause="/cleanUp/restoreId: must be the id of a restore, as text",
    ),
    task(
        "PlanRestore",
        Comment="Looks everything up, fixes all names, refuses early. What fails here has created nothing.",
        Parameters={"request.$": "$", "executionArn.$": "$$.Execution.Id", "startedAt.$": "$$.Execution.StartTime"},
        ResultSelector={"plan.$": "$"},
        Retry=[look_again(pauses.PLANNING), FUNCTION_FAILED],
        Next="IsPlanOnly",
    ),
    choice(
        "IsPlanOnly",
        when(compare("$.plan.sameAs", IsPresent=True), then="DeliveredTwice"),
        when(compare("$.plan.mode", StringEquals="plan"), then="PlanSucceeded"),
        Default="Restore",
    ),
    state("PlanSucceeded", Type="Succeed"),
    state(
        "DeliveredTwice",
        Type="Succeed",
        Comment="A schedule's start is delivered at least once; another execution is this drill, and this one has done nothing.",
    ),
)

# What a batch of archived files goes through.
REQUESTING = task(
    "RequestRetrieval",
    ResultSelector={},
    Retry=[look_again(pauses.RETRIEVAL_REQUESTS), FUNCTION_FAILED],
    End=True,
)

MAKING = (
    choice(
        "IsApprovalNeeded",
        when(compare("$.plan.awaitsApproval", BooleanEquals=True), then="AwaitApproval"),
        Default="IsArchived",
    ),
    woken(
        "AwaitApproval",
        "Nothing is made before somebody else has approved it. A decision wakes it; the time-out is the slow look that comes anyway.",
        seconds=pauses.APPROVAL_LOOK_SECONDS,
        looks=pauses.APPROVAL,
        ResultPath="$.approval",
        Next="IsArchived",
    ),
    # Step 1
    choice(
        "IsArchived",
        when(compare("$.plan.archived", BooleanEquals=True), then="ForEachBatch"),
        when(compare("$.plan.copies", BooleanEquals=True), then="CopyDumps"),
        Comment="Or are dumps to be copied? Neither worker nor groups are needed until the data is there.",
        Default="DeployWorker",
    ),
    state(
        "ForEachBatch",
        Type="Map",
        Comment="Step 1: asks S3 for the archived files, two thousand per function and some functions at once."
        " Also entered again when what is read would soon be archived again.",
        ItemsPath="$.plan.archive.batches",
        ItemSelector={"plan": {"restoreId.$": "$.plan.restoreId"}, "batch.$": "$$.Map.Item.Value"},
        MaxConcurrency=4,
        ItemProcessor={"ProcessorConfig": {"Mode": "INLINE"}, **flow(REQUESTING)},
        ResultPath=None,
        Next="RetrieveArchive",
    ),
    woken(
        "RetrieveArchive",
        "Step 1: waits until all of it can be read. S3's event wakes it; the time-out is the slow look that comes anyway.",
        seconds=pauses.ARCHIVE_LOOK_SECONDS,
        looks=pauses.ARCHIVE,
        ResultPath="$.archive",
        Catch=[ARCHIVED_AGAIN],
        Next="DeployWorker",
    ),
    task(
        "CopyDumps",
        Comment="Instead of a restore: S3 copies dumps from somebody's bucket into the repository."
        " Each call copies for about a minute and a half, so the next one comes at once.",
        ResultPath="$.copied",
        Retry=[look_again(pauses.COPYING), FUNCTION_FAILED],
        Next="DeployWorker",
    ),
    # Steps 2 and 3
    task(
        "DeployWorker",
        Comment="Step 2: a worker in the target's Region and account.",
        ResultPath="$.worker",
        Retry=[look_again(pauses.WORKER_START), FUNCTION_FAILED],
        Next="IsAddition",
    ),
    choice(
        "IsAddition",
        when(compare("$.plan.mode", StringEquals="add"), then="ReadDumps"),
        Default="PairSecurityGroups",
    ),
    task(
        "ReadDumps",
        Comment="Instead of a restore: the worker reads dumps that S3 copied into the repository, and they become a restore point.",
        ResultPath="$.added",
        Retry=[look_again(pauses.JOB), FUNCTION_FAILED],
        End=True,
    ),
    task(
        "PairSecurityGroups",
        Comment="Step 3: two groups that let the worker reach the instance's port and nothing else.",
        ResultPath="$.securityGroups",
        Retry=[look_again(pauses.PAIRING), FUNCTION_FAILED],
        Next="ChooseEngine",
    ),
    choice(
        "ChooseEngine",
        when(compare("$.plan.swaps", StringEquals="only"), then="SwapDatabases"),
        when(compare("$.plan.engine", StringEquals="postgres"), then="ReplayDumps"),
        when(compare("$.plan.engine", StringEquals="sqlserver"), then="StageNativeBackups"),
        Default="EngineUnknown",
    ),
    fail(
        "EngineUnknown",
        errors.InternalContradiction,
        Comment="Without a Default a new engine would end the run where no Catch sees it.",
        Cause="/plan/engine: the definition knows no way for this engine, which the plan accepted: report this as a bug",
    ),
    # Step 4: SQL Server
    task(
        "StageNativeBackups",
        Comment="Step 4: native backups into the temporary bucket."
        " Each call copies for about a minute and a half, so the next one comes at once.",
        ResultPath="$.staging",
        Retry=[look_again(pauses.STAGING), FUNCTION_FAILED],
        Catch=[ARCHIVED_AGAIN],
        Next="RestoreNativeBackups",
    ),
    task(
        "RestoreNativeBackups",
        Comment="Step 4: the worker has RDS restore from the temporary bucket, two databases at a time.",
        ResultPath="$.restored",
        Retry=[look_again(pauses.JOB), FUNCTION_FAILED],
        Next="VerifyDatabases",
    ),
    # Step 5: PostgreSQL
    task(
        "ReplayDumps",
        Comment="Step 5: the worker replays schema, data, triggers and stored procedures under a temporary name."
        " What a lost worker did is carried on by another one.",
        ResultPath="$.restored",
        Retry=[look_again(pauses.JOB), FUNCTION_FAILED],
        Catch=[ARCHIVED_AGAIN, ANOTHER_WORKER],
        Next="VerifyDatabases",
    ),
    # Both engines
    task(
        "VerifyDatabases",
        Comment="Compares with the manifest; only then is a database kept, and of PostgreSQL gets the name that was asked for.",
        ResultPath="$.verified",
        Retry=[look_again(pauses.JOB), FUNCTION_FAILED],
        Catch=[ARCHIVED_AGAIN, ANOTHER_WORKER],
        Next="IsSwapNeeded",
    ),
    choice(
        "IsSwapNeeded",
        when(compare("$.plan.swaps", StringEquals="last"), then="SwapDatabases"),
        Default="NothingToSwap",
    ),
    state("NothingToSwap", Type="Pass", End=True),
    task(
        "SwapDatabases",
        Comment="The restored database takes the name of the one that it replaces, which is kept under another."
        " Also turns that back, and drops what was kept.",
        ResultPath="$.swapped",
        Retry=[look_again(pauses.JOB), FUNCTION_FAILED],
        End=True,
    ),
)

TRYING = state(
    "Restore",
    Type="Parallel",
    Comment="One branch: a try block. Whatever fails in it, the removers run next, and the first error is kept.",
    OutputPath="$[0]",
    Branches=[flow(*MAKING)],
    Catch=[catch(ALL, into="$.failure", then="DiscardUnfinishedDatabases")],
    Next="DiscardUnfinishedDatabases",
)

REMOVING = (
    remover(
        "DiscardUnfinishedDatabases",
        "Finally: cancels what RDS still restores and drops what was not verified, with a fresh worker if the first one died.",
        leftovers="databases",
        then="RemoveWorker",
        first=(catch(errors.RestoreNotFound, into="$.failure", then="HowDidItEnd"),),
    ),
    # Steps 6 and 7
    remover(
        "RemoveWorker",
        "Step 6: from here on nothing may be created for this restore.",
        leftovers="worker",
        then="UnpairSecurityGroups",
    ),
    remover(
        "UnpairSecurityGroups",
        "Step 6: off the instance's list, rules revoked, both groups deleted.",
        leftovers="securityGroups",
        then="RemoveStagingBucket",
    ),
    remover(
        "RemoveStagingBucket",
        "Step 7: the temporary bucket, unless another recovery uses it.",
        leftovers="stagingBucket",
        then="MayCopiesRemain",
    ),
    choice(
        "MayCopiesRemain",
        when(
            compare("$.plan.copies", IsPresent=True),
            compare("$.plan.copies", BooleanEquals=False),
            then="CloseRestore",
        ),
        Comment="Nobody knows that of a restore that is only cleaned up.",
        Default="RemoveCopies",
    ),
    remover(
        "RemoveCopies",
        "Copied dumps: the point's files, or what another try needs, or gone. Half copied ones go in any case.",
        leftovers="copies",
        then="CloseRestore",
    ),
    task(
        "CloseRestore",
        Comment="Report, event, ledger closed last. Fails if the ledger still holds something that was not seen absent.",
        ResultPath="$.report",
        Retry=[look_again(pauses.CLOSING), never_again(errors.LeftoversRemain), REPORT_FAILED],
        Catch=[catch(ALL, into="$.leftovers.report", then="HowDidItEnd")],
        Next="HowDidItEnd",
    ),
)

MACHINE: Json = {
    "Comment": "Restores single databases into a running RDS instance and removes everything made on the way."
    ' Start it with a request, or with {"cleanUp": {"restoreId": "..."}} to clean up after a restore that was stopped.',
    **flow(*ENTERING, TRYING, *REMOVING, *ENDING),
}


def text() -> str:
    """The file's."""
    return json.dumps(MACHINE, indent=2, ensure_ascii=False) + "\n"
