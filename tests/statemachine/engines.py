"""The two ways through the flow, for tests that hold for both; and the clusters, whose way is PostgreSQL's."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from dbrestore.contract.job import DatabaseStatus, JobKind

INSTANCE = "orders-prod"
SQL_SERVER = "orders-mssql"
REMOVERS = (
    "DiscardUnfinishedDatabases",
    "RemoveWorker",
    "UnpairSecurityGroups",
    "RemoveStagingBucket",
    "CloseRestore",
)


@dataclass(frozen=True)
class Engine:
    """What differs between them. The job `job` makes the databases, the state before the last creator sends it, and `made` is what a
    database is after it. `instance` is a cluster's name if `cluster` has what CreateDBCluster is told of it."""

    name: str
    instance: str
    creators: tuple[str, ...]
    job: JobKind
    made: DatabaseStatus
    cluster: dict[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return self.name

    @property
    def restoring(self) -> str:
        """The state that sends the job."""
        return self.creators[-2]

    def request(self, *databases: str) -> dict[str, Any]:
        """A restore of these databases; of `orders` if none is named."""
        return {"target": {"dbInstance": self.instance}, "databases": list(databases or ("orders",))}


POSTGRES = Engine("postgres", INSTANCE, ("DeployWorker", "PairSecurityGroups", "ReplayDumps", "VerifyDatabases"), "replay", "REPLAYED")
SQLSERVER = Engine(
    "sqlserver",
    SQL_SERVER,
    ("DeployWorker", "PairSecurityGroups", "StageNativeBackups", "RestoreNativeBackups", "VerifyDatabases"),
    "restore",
    "RESTORED",
)
ENGINES = (POSTGRES, SQLSERVER)
AURORA = replace(POSTGRES, name="aurora", instance="orders-aurora", cluster={"Engine": "aurora-postgresql"})
MULTI_AZ = replace(
    POSTGRES,
    name="multi-az-cluster",
    instance="orders-cluster",
    cluster={"Engine": "postgres", "DBClusterInstanceClass": "db.m6gd.large", "AllocatedStorage": 100},
)

# Nothing in these depends on the engine: a campaign goes through them for the second one too.
ALIKE = ("DeployWorker", "PairSecurityGroups", "RemoveWorker", "UnpairSecurityGroups", "CloseRestore")


def of(engine: Engine, state: str) -> Any:
    """The case of this engine and state."""
    slow = engine is SQLSERVER and state in ALIKE
    return pytest.param(engine, state, marks=pytest.mark.slow if slow else ())


of_both_clusters = pytest.mark.parametrize("engine", [AURORA, MULTI_AZ], ids=str)
# What differs for SQL Server is met by tests/native; here its turn comes in the campaign.
of_both_engines = pytest.mark.parametrize("engine", [POSTGRES, pytest.param(SQLSERVER, marks=pytest.mark.slow)], ids=str)
in_each_creator = pytest.mark.parametrize(("engine", "state"), [of(e, s) for e in ENGINES for s in e.creators], ids=str)
in_each_state = pytest.mark.parametrize(("engine", "state"), [of(e, s) for e in ENGINES for s in (*e.creators, *REMOVERS)], ids=str)
