"""The product as a whole beside an RDS for SQL Server that restores: the real definition, functions and worker's jobs in this process.

Behind the DB instance stands the simulated SQL Server, over TLS and the wire, and reads from moto's S3 with the option's role. Not real
here: Lambda, EC2 and SSM as machines (`tests.native.test_whole_cloud` has those), and no SQL Server engine is in it.
"""

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from moto.iam.models import iam_backends
from moto.rds.models import DBInstance, rds_backends

from dbrestore.contract.job import Job
from dbrestore.contract.manifest import Manifest
from dbrestore.contract.names import CA_BUNDLE_KEY
from dbrestore.points.sqlserver import adding as native_points
from dbrestore.worker import run_job
from dbrestore.worker.base.bounds import Bounds
from localcloud.backups.files import Written, backup
from localcloud.base.certificates import Authority
from localcloud.sqlserver.engine import SqlServerEngine
from localcloud.sqlserver.instances import SqlServer
from localcloud.sqlserver.switches import Failure, Switches
from tests.statemachine.engines import SQL_SERVER, SQLSERVER
from tests.statemachine.fake_worker import FakeWorker
from tests.statemachine.world import ACCOUNT, OPTION_ROLE, REGION, World

DATABASE = "shop"
BYSTANDER = "somebody-elses"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "rds.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
# The server's clock moves by polling, so nothing is gained by waiting.
SHORT_WAITS = Bounds(
    native_poll_seconds=0.001,
    native_longest_poll_seconds=0.005,
    native_look_again_seconds=0.3,
    native_reconnect_pause_seconds=0.02,
    native_reconnect_seconds=0.5,
    native_late_submission_seconds=0.0,
    native_online_within_seconds=0.1,
    rotation_seconds=0.0,
)


@dataclass
class Installation:
    """`request` is what is asked for, `server` stands behind the instance. `fixes` undo harm, `strangers` are databases that others make
    meanwhile. Databases and tasks in the inventory are the server's own."""

    world: World
    authority: Authority
    folder: Path
    request: dict[str, Any] = field(default_factory=lambda: {"target": {"dbInstance": SQL_SERVER}, "databases": [DATABASE]})
    fixes: list[Callable[[], object]] = field(default_factory=list)
    strangers: set[str] = field(default_factory=set)
    bounds: Bounds = SHORT_WAITS
    server: SqlServer = field(init=False)

    def build(self) -> "Installation":
        """Start the server and store a restore point of one full backup."""
        self.world.use(SQLSERVER)
        boto3.client("iam").create_role(RoleName=OPTION_ROLE.rpartition("/")[2], AssumeRolePolicyDocument=json.dumps(TRUST))
        boto3.client("s3").put_object(Bucket="evidence", Key=CA_BUNDLE_KEY, Body=self.authority.bundle.read_bytes())
        secret = json.loads(self.instance.master_user_secret.secret.secret_string)
        self.instance.master_username = secret["username"]
        self.server = SqlServer(self.instance, secret["password"], self.authority, "localhost")
        self.server.engine.create_database(BYSTANDER)
        self.instance.port = self.server.port
        self.world.patch.setattr(DBInstance, "address", property(lambda _instance: "localhost"))
        self.world.patch.setenv("DBRESTORE_STATE_DIR", str(self.folder / "state"))
        self.world.worker.behaviour.update(dict.fromkeys(("restore", "verify", "discard"), self.do_job))
        self.point(Written())
        return self

    @property
    def instance(self) -> Any:
        """moto's DB instance."""
        return rds_backends[ACCOUNT][REGION].databases[SQL_SERVER]

    @property
    def engine(self) -> SqlServerEngine:
        """The simulated SQL Server."""
        return self.server.engine

    @property
    def switches(self) -> Switches:
        """What can be made to go wrong on it."""
        return self.engine.switches

    def point(self, *backups: Written) -> Manifest:
        """The newest restore point: files of these backups."""
        return self.point_of([backup(one) for one in backups])

    def point_of(self, files: Sequence[bytes | Path]) -> Manifest:
        """The same of these files, or of files with these bytes. Raises what the files are refused for."""
        paths = [self._file(file) if isinstance(file, bytes) else file for file in files]
        return native_points.add(boto3.client("s3"), "repository", SQL_SERVER, paths).points[0]

    def do_job(self, _worker: FakeWorker, _job: Job, command: Any) -> None:
        """What the worker's program does on its instance."""
        run_job.run(command.parameters["JobUri"][0], self.bounds)
        command.status = "Success"

    def run(self, name: str = "restore-1") -> dict[str, Any]:
        """One restore from its start to its end: DescribeExecution's answer."""
        return self.world.run(self.request, name)

    def fix(self) -> None:
        """Undo the harm, as a person would, and let the sweeper do the rest."""
        while self.fixes:
            self.fixes.pop()()
        while self.world.sweep():
            pass

    def certify_for(self, host: str) -> None:
        """Start the server again, with a certificate for this name."""
        self.server.stop()
        self.server._host = host
        self.server.start()

    def fail_task(self, number: int, failure: Failure) -> None:
        """Have the n-th task that starts from now on end so; those before it run as they would."""
        self.switches.failures.extend([*[None] * (number - 1), failure])  # type: ignore[list-item] # no failure: it runs

    def inventory(self) -> dict[str, Any]:
        """Everything that a restore could leave behind, and everybody's databases with their state."""
        databases = {
            one.name: (one.state, one.create_date)
            for one in self.engine.instance.databases
            if not one.is_system and one.name not in self.strangers
        }
        unfinished = [task.id for task in self.engine.tasks if not task.has_ended]
        return self.world.inventory() | {"databases": databases, "native tasks": unfinished}

    def tasks(self) -> list[tuple[str, str, str]]:
        """Type, database and life cycle of all tasks, oldest first."""
        return [(task.type, task.database, task.lifecycle) for task in self.engine.tasks]

    def stop(self) -> None:
        """End the server."""
        self.server.stop()

    def _file(self, content: bytes) -> Path:
        path = self.folder / f"{uuid.uuid4().hex}.bak"
        path.write_bytes(content)
        return path


def option_role() -> Any:
    """moto's role with which RDS reads backups."""
    return iam_backends[ACCOUNT]["aws"].get_role_by_arn(OPTION_ROLE)
