"""A restore into the simulated SQL Server as the control plane has it done: restore point, staged objects, job documents, real worker."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import boto3

from dbrestore.contract import keys
from dbrestore.contract.checks.asked import AskedCheck
from dbrestore.contract.job import DatabaseServer, Job, JobKind, NativeDatabaseJob, NativeOptions, NativeStep, Result
from dbrestore.contract.manifest import Manifest, NativeDatabaseBackup, NativeKind
from dbrestore.points.sqlserver import adding as native_points
from dbrestore.points.sqlserver import needed_sets
from dbrestore.points.sqlserver import staged as native_staging
from dbrestore.worker import run_job
from dbrestore.worker.base.bounds import Bounds
from localcloud.base import certificates
from localcloud.sqlserver.engine import SqlServerEngine
from localcloud.sqlserver.source import NoSuchBucket, NoSuchKey
from localcloud.tds import server as tds_server
from localcloud.tds.server import TdsServer
from tests.unit.points.sqlserver.backups import Written, backup

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

REPOSITORY, EVIDENCE, STAGING = "repository", "evidence", "dbrestore-staging"
SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "bak"
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}

# A chain of one database: full, differential on it, two logs that follow on the full.
FULL = Written()


def another(of: Written = FULL, **fields: Any) -> Written:
    """A backup with other fields, and with ids of its own."""
    return replace(of, media=uuid.uuid4(), set_id=uuid.uuid4(), **fields)


DIFFERENTIAL = another(
    kind="I",
    flags=0xA10,
    base=FULL.checkpoint,
    first=(21, 170, 1),
    last=(21, 180, 1),
    checkpoint=(21, 170, 1),
    begun=datetime(2023, 3, 1, 6),
)
LOG_1 = another(kind="L", first=(21, 150, 1), last=(21, 175, 1), begun=datetime(2023, 3, 1, 1))
LOG_2 = another(kind="L", first=(21, 175, 1), last=(21, 220, 1), begun=datetime(2023, 3, 1, 2))
CRM, HR = (another(database=name, database_id=uuid.uuid4()) for name in ("crm", "hr"))


@dataclass
class StagedObjects:
    """The temporary bucket in memory, as RDS reads it."""

    content: dict[str, bytes] = field(default_factory=dict)

    def keys(self, bucket: str, prefix: str) -> Sequence[str]:
        """All keys under the prefix, in order."""
        if bucket != STAGING:
            raise NoSuchBucket
        return sorted(key for key in self.content if key.startswith(prefix))

    def length(self, bucket: str, key: str) -> int:
        """Bytes of the object."""
        return len(self._object(key))

    def read(self, bucket: str, key: str, offset: int, count: int) -> bytes:
        """`count` bytes from `offset`."""
        return self._object(key)[offset : offset + count]

    def _object(self, key: str) -> bytes:
        if key not in self.content:
            raise NoSuchKey
        return self.content[key]


@dataclass
class NativeCloud:
    """S3 and Secrets Manager at an endpoint; a simulated SQL Server with a certificate for `localhost`; the bounds of the worker."""

    endpoint: str
    authority: certificates.Authority
    directory: Path
    staged: StagedObjects
    engine: SqlServerEngine
    server: TdsServer
    secret_arn: str
    bounds: Bounds

    @classmethod
    def start(cls, endpoint: str, authority: certificates.Authority, directory: Path, bounds: Bounds, **settings: Any) -> "NativeCloud":
        """A new server and a new secret; the buckets are there."""
        staged = StagedObjects()
        engine = SqlServerEngine(master_user="master", master_password="secret", s3=staged, **settings)
        certificate, key = certificates.issue(authority, "localhost")
        server = tds_server.start(engine, certificate=certificate, key=key)
        secrets = boto3.client("secretsmanager", endpoint_url=endpoint, region_name="us-east-1", **KEYS)
        arn = secrets.create_secret(Name=f"rds!{uuid.uuid4().hex}", SecretString=secret("secret"))["ARN"]
        return cls(endpoint, authority, directory, staged, engine, server, arn, bounds)

    def environment(self) -> dict[str, str]:
        """What the worker finds on its instance."""
        return {
            **os.environ,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "DBRESTORE_STATE_DIR": str(self.directory / "state"),
        }

    def s3(self) -> "S3Client":
        """A client of the endpoint."""
        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", **KEYS)

    def put_secret(self, password: str) -> None:
        """Another password in the secret."""
        secrets = boto3.client("secretsmanager", endpoint_url=self.endpoint, region_name="us-east-1", **KEYS)
        secrets.put_secret_value(SecretId=self.secret_arn, SecretString=secret(password))

    def tasks(self) -> list[tuple[str, str, str]]:
        """Type, database and life cycle of all tasks, oldest first."""
        return [(task.type, task.database, task.lifecycle) for task in self.engine.tasks]

    def submit(self, database: str, s3_arn: str, *, kind: NativeKind = "FULL", recover: bool = True) -> None:
        """A restore task as a worker before this one left it."""
        text = "exec msdb.dbo.rds_restore_database @P1, @P2, @with_norecovery=@P3, @type=@P4"
        self._execute(text, {"@P1": database, "@P2": s3_arn, "@P3": 0 if recover else 1, "@P4": kind})

    def polled(self) -> list[tuple[str, str, str]]:
        """The tasks after two minutes of the server's."""
        self._execute("exec msdb.dbo.rds_task_status", {})
        return self.tasks()

    def _execute(self, text: str, parameters: Mapping[str, str | int]) -> None:
        self.engine.execute(self.engine.login("master", "secret", "master"), text, parameters)

    def state_of(self, database: str) -> str | None:
        """ONLINE, RESTORING, or None if there is none."""
        found = self.engine.database(database)
        return found.state if found else None

    def stop(self) -> None:
        """End the server."""
        self.server.stop()


@dataclass
class NativeRestore:
    """One restore: `asked` maps the databases' names in the backups to those in the target."""

    cloud: NativeCloud
    paths: Sequence[Path]
    asked: Mapping[str, str]
    stop_at: datetime | None = None
    options: NativeOptions = field(default_factory=NativeOptions)
    restore_id: str = field(default_factory=lambda: f"r-{uuid.uuid4().hex[:12]}")
    manifest: Manifest = field(init=False)
    host: str = "localhost"
    port: int = 0
    ca_bundle: str = f"s3://{EVIDENCE}/certificates/rds-ca.pem"
    asked_checks: tuple[AskedCheck, ...] = ()

    def __post_init__(self) -> None:
        """Store the backups as a restore point and copy what is needed into the temporary bucket."""
        self.manifest = native_points.add(self.cloud.s3(), REPOSITORY, "mssql", self.paths).points[0]
        self.port = self.cloud.server.port
        for number, name in enumerate(self.asked, start=1):
            for n, backup_set in enumerate(self.sets(name), start=1):
                for stripe, file in enumerate(backup_set.files, start=1):
                    key = native_staging.stripe_key(self.restore_id, number, n, backup_set.kind, stripe)
                    self.cloud.staged.content[key] = self.cloud.s3().get_object(Bucket=REPOSITORY, Key=file.key)["Body"].read()

    def sets(self, name: str):
        """What is restored of a database."""
        return needed_sets.needed(self.manifest.backup(name, NativeDatabaseBackup), self.stop_at)

    def databases(self) -> tuple[NativeDatabaseJob, ...]:
        """As the control plane writes them."""
        return tuple(self._database(number, name) for number, name in enumerate(self.asked, start=1))

    def _database(self, number: int, name: str) -> NativeDatabaseJob:
        sets = self.sets(name)
        steps = tuple(
            NativeStep(
                kind=one.kind,
                set_id=one.set_id,
                stop_at=self.stop_at if one.kind == "LOG" else None,
                s3_arn=native_staging.set_arn("aws", STAGING, self.restore_id, number, n, one.kind, len(one.files)),
            )
            for n, one in enumerate(sets, start=1)
        )
        return NativeDatabaseJob(
            backup_name=name,
            asked_name=self.asked[name],
            steps=steps,
            last_set=sets[-1].set_id,
            key_prefix=native_staging.database_prefix(self.restore_id, number),
            asked_checks=tuple(check for check in self.asked_checks if check.database == name),
        )

    def job(self, kind: JobKind) -> Job:
        """As the control plane writes it."""
        server = DatabaseServer(
            host=self.host,
            port=self.port,
            region="us-east-1",
            secret_arn=self.cloud.secret_arn,
            ca_bundle=self.ca_bundle,
        )
        return Job(
            kind=kind,
            restore_id=self.restore_id,
            engine="sqlserver",
            server=server,
            native_databases=self.databases(),
            native_options=self.options,
            manifest=f"s3://{REPOSITORY}/{keys.manifest_key('mssql', self.manifest.point_id)}",
        )

    def job_uri(self, kind: JobKind, name: str = "") -> str:
        """Write the job's document."""
        key = keys.job_prefix(self.restore_id, name or kind) + "job.json"
        self.cloud.s3().put_object(Bucket=EVIDENCE, Key=key, Body=self.job(kind).to_json().encode())
        return f"s3://{EVIDENCE}/{key}"

    def result(self, uri: str) -> Result:
        """The result document of a job."""
        key = uri.removeprefix(f"s3://{EVIDENCE}/").replace("job.json", "result.json")
        return Result.from_json(self.cloud.s3().get_object(Bucket=EVIDENCE, Key=key)["Body"].read())

    def run(self, kind: JobKind = "restore", name: str = "") -> Result:
        """Run one job to its end, in this process."""
        uri = self.job_uri(kind, name)
        with patch.dict(os.environ, self.cloud.environment(), clear=True):
            run_job.run(uri, self.cloud.bounds)
        return self.result(uri)

    def start(self, uri: str, **bounds: float) -> subprocess.Popen[bytes]:
        """The worker program in its own process, within other bounds if given."""
        program = (
            "from dbrestore.worker import run_job; from dbrestore.worker.base.bounds import Bounds; "
            f"run_job.run({uri!r}, Bounds(**{bounds!r}))"
        )
        command = [sys.executable, "-W", "error::ResourceWarning", "-c", program]
        return subprocess.Popen(command, env=self.cloud.environment())


def write(directory: Path, *backups: Written) -> list[Path]:
    """Backup files in a folder."""
    paths = [directory / f"{uuid.uuid4().hex}.bak" for _ in backups]
    for path, what in zip(paths, backups, strict=True):
        path.write_bytes(backup(what))
    return paths


def secret(password: str) -> str:
    """As RDS writes the managed secret."""
    return json.dumps({"username": "master", "password": password})


def wait_until(happens: Callable[[], bool]) -> None:
    """Look 20 times a second; fails after half a minute."""
    deadline = time.monotonic() + 30
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
