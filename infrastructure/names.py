"""Every fixed name of what the stacks create. They are fixed because the two stacks may stand in different accounts: each side then knows
the other's names without an export. Names of IAM roles are unique per account, not per Region, so they end in the Region."""

PRODUCT = "dbrestore"
# What stands in the names is the installation's own prefix: `of` puts it there, and so do the places of statements.
PREFIX = "{prefix}"

STATE_MACHINE = PREFIX
LEDGER_TABLE = f"{PREFIX}-ledger"
ALARMS = f"{PREFIX}-alarms"
RESTORES = f"{PREFIX}-restores"
UNDELIVERED = f"{PREFIX}-undelivered"
UNDELIVERED_ANSWERS = f"{PREFIX}-undelivered-answers"
UNDELIVERED_DRILLS = f"{PREFIX}-undelivered-drills"
SCHEDULER_ROLE = f"{PREFIX}-scheduler"
# Followed by -<account>-<Region>-an: names of that form can only be taken by that account.
REPOSITORY_BUCKET = f"{PREFIX}-repository"
EVIDENCE_BUCKET = f"{PREFIX}-evidence"
ACCESS_LOG_BUCKET = f"{PREFIX}-access-log"
# Worker programs lie in the evidence bucket under this and their digest, for accounts that have no bucket of the CDK.
PROGRAMS = "programs/"
CONTROL_PARAMETER = f"/{PREFIX}/control"
FUNCTION_ROLE = f"{PREFIX}-control"
# The user of PostgreSQL databases as whom workers may log in with tokens of IAM, where there is one.
DEFAULT_IAM_USER = PRODUCT
# How the names of all secrets begin that RDS manages.
MANAGED_SECRETS = "rds!"

TARGET_ROLE = f"{PREFIX}-target"
TARGET_PARAMETER = f"/{PREFIX}/target"
WORKER_ROLE = f"{PREFIX}-worker"
JOB_DOCUMENT = f"{PREFIX}-run-job"


def of(prefix: str, name: str) -> str:
    """A name of the installation with that prefix."""
    return name.replace(PREFIX, prefix)


def function(state: str) -> str:
    """The Lambda function behind a state."""
    return f"{PREFIX}-{state}"


def stack(prefix: str, side: str) -> str:
    """How CloudFormation calls the installation's ControlStack or TargetStack. `side`: Control or Target."""
    return f"{prefix.capitalize()}{side}"


def bucket(prefix: str, account: str, region: str) -> str:
    """A bucket of the account-regional namespace."""
    return f"{prefix}-{account}-{region}-an"


def role_anywhere(partition: str, role: str) -> str:
    """An ARN pattern: the role of every Region's TargetStack, of whatever account."""
    return f"arn:{partition}:iam::*:role/{role}-*"
