"""Every fixed name of what the stacks create. They are fixed because the two stacks may stand in different accounts: each side then knows
the other's names without an export. Names of IAM roles are unique per account, not per Region, so they end in the Region."""

PRODUCT = "dbrestore"

STATE_MACHINE = PRODUCT
LEDGER_TABLE = f"{PRODUCT}-ledger"
ALARMS = f"{PRODUCT}-alarms"
UNDELIVERED = f"{PRODUCT}-undelivered"
UNDELIVERED_DRILLS = f"{PRODUCT}-undelivered-drills"
SCHEDULER_ROLE = f"{PRODUCT}-scheduler"
# Followed by -<account>-<Region>-an: names of that form can only be taken by that account.
REPOSITORY_BUCKET = f"{PRODUCT}-repository"
EVIDENCE_BUCKET = f"{PRODUCT}-evidence"
ACCESS_LOG_BUCKET = f"{PRODUCT}-access-log"
# Worker programs lie in the evidence bucket under this and their digest, for accounts that have no bucket of the CDK.
PROGRAMS = "programs/"
CONTROL_PARAMETER = f"/{PRODUCT}/control"
FUNCTION_ROLE = f"{PRODUCT}-control"
DEFAULT_EXTERNAL_ID = PRODUCT
# The user of PostgreSQL databases as whom workers may log in with tokens of IAM, where there is one.
DEFAULT_IAM_USER = PRODUCT
# How the names of all secrets begin that RDS manages.
MANAGED_SECRETS = "rds!"

TARGET_ROLE = f"{PRODUCT}-target"
TARGET_PARAMETER = f"/{PRODUCT}/target"
WORKER_ROLE = f"{PRODUCT}-worker"
JOB_DOCUMENT = f"{PRODUCT}-run-job"


def function(state: str) -> str:
    """The Lambda function behind a state."""
    return f"{PRODUCT}-{state}"


def bucket(prefix: str, account: str, region: str) -> str:
    """A bucket of the account-regional namespace."""
    return f"{prefix}-{account}-{region}-an"


def role_anywhere(partition: str, role: str) -> str:
    """An ARN pattern: the role of every Region's TargetStack, of whatever account."""
    return f"arn:{partition}:iam::*:role/{role}-*"
