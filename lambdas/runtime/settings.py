"""Where a function finds its surroundings: every environment variable, named once and read once."""

import os
from dataclasses import dataclass

from dbrestore.contract import names

LEDGER_TABLE = "LEDGER_TABLE"
REPOSITORY_BUCKET = "REPOSITORY_BUCKET"
EVIDENCE_BUCKET = "EVIDENCE_BUCKET"
TARGET_ROLE_NAME = "TARGET_ROLE_NAME"
EXTERNAL_ID = "EXTERNAL_ID"
STATE_MACHINE_ARN = "STATE_MACHINE_ARN"
TARGET_POLICY = "TARGET_POLICY"
WORKER_CONFIGURATION = "WORKER_CONFIGURATION"
EXTENSION_CONFIGURATION = "EXTENSION_CONFIGURATION"
SQLSERVER_CONFIGURATION = "SQLSERVER_CONFIGURATION"
CREDENTIAL_CONFIGURATION = "CREDENTIAL_CONFIGURATION"
DRILL_CONFIGURATION = "DRILL_CONFIGURATION"
ACCESS_CONFIGURATION = "ACCESS_CONFIGURATION"
ADOPTION_CONFIGURATION = "ADOPTION_CONFIGURATION"
# How long a database that was replaced is kept.
SWAP_KEEP_DAYS = "SWAP_KEEP_DAYS"
TARGET_ACCOUNTS = "TARGET_ACCOUNTS"
# By what API Gateway knows the callers of the API: read by lambdas.entrances.api.callers.
API_CALLERS = "API_CALLERS"
TRACING = "TRACING"
# The namespace of the metrics: the installation's prefix.
METRICS = "METRICS"

# Which installation's, where there is no machine to say so.
PRODUCT = "dbrestore"


@dataclass(frozen=True)
class Settings:
    """`target_role_name` may hold `{region}`: role names are one space per account, and each Region's TargetStack has its own.
    `target_policy` is the JSON session policy that narrows the target's role to what this function needs, if there is one.
    What ends in `_configuration` is the path of another file than the one that came with the code. `target_accounts` are the other accounts
    whose workers the buckets let in; None: not known. `swap_keep_days`: for so long a database that was replaced is kept."""

    ledger_table: str
    repository_bucket: str
    evidence_bucket: str
    target_role_name: str
    external_id: str
    state_machine_arn: str
    target_policy: str | None = None
    worker_configuration: str | None = None
    extension_configuration: str | None = None
    sqlserver_configuration: str | None = None
    credential_configuration: str | None = None
    drill_configuration: str | None = None
    access_configuration: str | None = None
    adoption_configuration: str | None = None
    target_accounts: tuple[str, ...] | None = None
    swap_keep_days: int = 7

    @classmethod
    def from_environment(cls) -> "Settings":
        """Raises KeyError with the variable's name if one is missing."""
        return cls(
            ledger_table=os.environ[LEDGER_TABLE],
            repository_bucket=os.environ[REPOSITORY_BUCKET],
            evidence_bucket=os.environ[EVIDENCE_BUCKET],
            target_role_name=os.environ[TARGET_ROLE_NAME],
            external_id=os.environ[EXTERNAL_ID],
            state_machine_arn=os.environ.get(STATE_MACHINE_ARN, ""),
            target_policy=os.environ.get(TARGET_POLICY),
            worker_configuration=os.environ.get(WORKER_CONFIGURATION),
            extension_configuration=os.environ.get(EXTENSION_CONFIGURATION),
            sqlserver_configuration=os.environ.get(SQLSERVER_CONFIGURATION),
            credential_configuration=os.environ.get(CREDENTIAL_CONFIGURATION),
            drill_configuration=os.environ.get(DRILL_CONFIGURATION),
            access_configuration=os.environ.get(ACCESS_CONFIGURATION),
            adoption_configuration=os.environ.get(ADOPTION_CONFIGURATION),
            target_accounts=_listed(os.environ.get(TARGET_ACCOUNTS)),
            swap_keep_days=int(os.environ.get(SWAP_KEEP_DAYS, "7")),
        )

    @property
    def prefix(self) -> str:
        """How the names of the installation's parts begin."""
        return names.prefix(self.state_machine_arn) if self.state_machine_arn else PRODUCT

    @property
    def own_buckets(self) -> tuple[str, str]:
        """Where restore points and reports lie: no backups come from there."""
        return self.repository_bucket, self.evidence_bucket

    @property
    def ca_bundle(self) -> str:
        """The RDS CA bundle as an s3:// URI."""
        return f"s3://{self.evidence_bucket}/{names.CA_BUNDLE_KEY}"


def _listed(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(filter(None, text.split(",")))
