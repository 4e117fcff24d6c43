"""Which pauses each state makes between its looks, for the estimates of a plan.

Invariant: these are the pauses that the definition gives the states; a test compares them. Staging is not here: its invocations do the
work themselves and follow each other at once.
"""

from dbrestore.contract import pauses

PAUSES = {
    "DeployWorker": pauses.WORKER_START,
    "PairSecurityGroups": pauses.PAIRING,
    "RestoreNativeBackups": pauses.JOB,
    "ReplayDumps": pauses.JOB,
    "VerifyDatabases": pauses.JOB,
    "SwapDatabases": pauses.JOB,
    "RemoveWorker": pauses.REMOVAL,
    "UnpairSecurityGroups": pauses.REMOVAL,
    "RemoveStagingBucket": pauses.REMOVAL,
    "RemoveCopies": pauses.REMOVAL,
}
