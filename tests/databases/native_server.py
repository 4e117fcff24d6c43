"""A simulated SQL Server behind real TLS, the worker's own session to it, and backups that a restore staged: no control plane, no S3."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from dbrestore.contract.job import DatabaseServer, NativeDatabaseJob
from dbrestore.contract.manifest import NativeKind
from dbrestore.points.sqlserver import staged as native_staging
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.base.secrets import Credentials, Login
from dbrestore.worker.sqlserver.session import SqlServer
from localcloud.base import certificates
from localcloud.tds import server as tds_server
from tests.unit.localcloud.sqlserver.objects import MASTER, PASSWORD, Server
from tests.unit.points.sqlserver.backups import Written, backup

RESTORE = "r-20261123-shop"
PREFIX = native_staging.database_prefix(RESTORE, 1)
FULL = Written()


class NativeServer:
    """`simulated` is the server's own side, `server` the worker's."""

    def __init__(self, simulated: Server, server: SqlServer) -> None:
        self.simulated, self.server = simulated, server
        self.engine = simulated.engine
        self.switches = simulated.engine.switches

    def bound(self, **bounds: float) -> None:
        """The worker waits so long, and no longer as it did."""
        self.server.credentials.bounds = replace(self.server.credentials.bounds, **bounds)

    def stage(self, number: int = 1, kind: NativeKind = "FULL", what: Written = FULL) -> str:
        """Put a backup set of one file where this restore stages it; the key."""
        key = native_staging.stripe_key(RESTORE, 1, number, kind, 1)
        self.simulated.s3.content[key] = backup(what)
        return key

    def submit(self, name: str = "shop", *, norecovery: bool = False) -> int:
        """This restore's own full backup; the task's id."""
        return self.simulated.restore(name, self.stage(), with_norecovery=int(norecovery))

    def finish(self, name: str = "shop") -> None:
        """Submit the recovery of a chain."""
        self.simulated.rows("exec msdb.dbo.rds_finish_restore @db_name=@P1", P1=name)

    def poll(self, times: int = 1) -> None:
        """So many times two minutes pass."""
        for _ in range(times):
            self.simulated.rows("exec msdb.dbo.rds_task_status")

    def restored(self, name: str = "shop", what: Written = FULL) -> None:
        """This restore's own full backup, restored to the end."""
        key = self.stage(what=what)
        assert self.simulated.polled(self.simulated.restore(name, key))["lifecycle"] == "SUCCESS"

    def lifecycles(self) -> list[str]:
        """Of all tasks, oldest first."""
        return [task.lifecycle for task in self.engine.tasks]


def job(name: str = "shop", prefix: str = PREFIX, last_set: str = "") -> NativeDatabaseJob:
    """One database of a job."""
    return NativeDatabaseJob(backup_name="shop", asked_name=name, key_prefix=prefix, last_set=last_set)


@contextmanager
def native_server(authority: certificates.Authority, bounds: Bounds) -> Iterator[NativeServer]:
    """A server on a port of its own."""
    simulated = Server()
    certificate, key = certificates.issue(authority, "localhost")
    wire = tds_server.start(simulated.engine, certificate=certificate, key=key)
    try:
        address = DatabaseServer(
            host="localhost",
            port=wire.port,
            region="us-east-1",
            secret_arn="arn:secret",
            ca_bundle="s3://evidence/ca.pem",
        )
        credentials = Credentials(lambda: Login(MASTER, PASSWORD), "the secret", "put it right", bounds=bounds)
        yield NativeServer(simulated, SqlServer(address, authority.bundle, credentials))
    finally:
        wire.stop()
