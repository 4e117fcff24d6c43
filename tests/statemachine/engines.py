"""The two ways through the flow."""

from dataclasses import dataclass
from typing import Any

from worker.job import DatabaseStatus, JobKind

INSTANCE = "orders-prod"
SQL_SERVER = "orders-mssql"


@dataclass(frozen=True)
class Engine:
    """What differs between the two ways through the flow. `job` makes the databases, and the state `creators[-2]` sends it."""

    name: str
    instance: str
    creators: tuple[str, ...]
    job: JobKind
    made: DatabaseStatus

    @property
    def restoring(self) -> str:
        return self.creators[-2]

    def request(self, *databases: str) -> dict[str, Any]:
        """A restore of these databases; of `orders` if none is named."""
        return {"target": {"dbInstance": self.instance}, "databases": list(databases or ("orders",))}


POSTGRES = Engine(
    "postgres", INSTANCE, ("DeployWorker", "PairSecurityGroups", "ReplayDumps", "VerifyDatabases"), "replay", "REPLAYED"
)
SQLSERVER = Engine(
    "sqlserver", SQL_SERVER,
    ("DeployWorker", "PairSecurityGroups", "StageNativeBackups", "RestoreNativeBackups", "VerifyDatabases"),
    "restore", "RESTORED",
)  # fmt: skip
