"""One database that is being built: what it comes from, who builds it, and on how many connections."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbrestore.contract.job import DatabaseJob, Job
from dbrestore.contract.manifest import DatabaseBackup, Manifest
from dbrestore.worker.base.job_folder import JobFolder
from dbrestore.worker.base.progress import ProgressWriter
from dbrestore.worker.base.secrets import Login
from dbrestore.worker.postgresql import scheduling
from dbrestore.worker.postgresql.archive import Archive, Division
from dbrestore.worker.postgresql.growth import Watch
from dbrestore.worker.postgresql.left_out import Omissions
from dbrestore.worker.postgresql.rows.partition_roots import Rerouted
from dbrestore.worker.postgresql.scheduling import Task
from dbrestore.worker.postgresql.session import Connection, Server
from dbrestore.worker.postgresql.statements import Executor

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# Since PostgreSQL 14, and only where the server was built with it, as RDS's are.
_PREFER_LZ4 = """SELECT set_config(name, 'lz4', false) FROM pg_settings
    WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)"""


@dataclass(frozen=True)
class Replay:
    """What replaying any database of the job needs. `keep` is given what a database was replayed from: the next job reads the same."""

    s3: "S3Client"
    bucket: str
    manifest: Manifest
    server: Server
    job: Job
    progress: ProgressWriter
    folder: JobFolder
    keep: Callable[[Archive], None]


@dataclass(frozen=True)
class Building:
    """One database that is being built: its sources, its login and what executes its statements. `server_version` as libpq says it."""

    replay: Replay
    database: DatabaseJob
    backup: DatabaseBackup
    archive: Archive
    division: Division
    omissions: Omissions
    login: Login
    executor: Executor
    watch: Watch
    costs: dict[int, int]
    streams: int
    server_version: int
    rerouted: Rerouted = field(default_factory=Rerouted)

    def connect_master(self) -> Connection:
        """A session of the master user in the temporary database."""
        return self.replay.server.connect_master(self.database.temporary_name)

    def connect(self) -> Connection:
        """A session of the temporary login, for definitions and rows."""
        connection = self.executor.connect(self.replay.server, self.login, self.database.temporary_name)
        if not self.replay.job.keep_toast_compression:
            connection.execute(_PREFER_LZ4)
        return connection

    def run(self, tasks: list[Task]) -> None:
        """Side by side, on as many connections as this server may give."""
        if tasks:
            bounds = self.replay.server.bounds
            scheduling.run(tasks, self.connect, self.streams, self.watch.end_sessions, bounds.cancel_seconds)
