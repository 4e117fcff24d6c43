"""A restore as the state machine runs it: dump, restore point, job documents, the real worker program in its own process."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

import boto3
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from dbrestore.contract import keys
from dbrestore.contract.checks.asked import AskedCheck
from dbrestore.contract.job import DatabaseJob, DatabaseServer, Job, JobKind, PostgresOptions, Result
from dbrestore.contract.manifest import ByteRange, DatabaseBackup, Manifest
from dbrestore.points.pgdump import adding as points
from dbrestore.worker import run_job
from dbrestore.worker.base.bounds import Bounds
from localcloud.postgresql.clients import tool
from localcloud.postgresql.server import Server

Damage = Callable[[bytearray, ByteRange], bytearray]
REPOSITORY, EVIDENCE = "repository", "evidence"


@dataclass
class Cloud:
    """The endpoint of S3 and Secrets Manager, the target server and its secret."""

    endpoint: str
    server: Server
    ca_file: Path
    secret_arn: str
    directory: Path
    # Another way in: as this user of IAM, at this port.
    iam_user: str = ""
    iam_port: int = 0

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

    def s3(self):
        """The client of the endpoint."""
        return self._s3

    @cached_property
    def _s3(self):
        keys_ = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", **keys_)

    def dsn(self, database: str = "postgres", *, sslmode: str = "verify-full") -> str:
        """The master user's login."""
        return make_conninfo(
            host="localhost",
            port=self.server.port,
            user="master",
            password="secret",
            dbname=database,
            sslmode=sslmode,
            sslrootcert=str(self.ca_file),
        )

    def socket_dsn(self, database: str = "postgres", *, superuser: bool = False) -> str:
        """The master user's way in through the server's socket, or rdsadmin's: TLS and a password take longer than most statements."""
        return make_conninfo(self.server.superuser_dsn(database), **({} if superuser else {"user": "master"}))

    def execute(self, statement: str, database: str = "postgres", *, superuser: bool = False) -> list[tuple]:
        """Run statements in a database; returns the rows of the last one."""
        dsn = self.socket_dsn(database, superuser=superuser)
        with psycopg.connect(dsn, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def create_database(self, name: str) -> None:
        """An empty database of the master user."""
        with psycopg.connect(self.socket_dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def drop_database(self, name: str) -> None:
        """Drop it if it is there."""
        with psycopg.connect(self.server.superuser_dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def drop_role(self, name: str) -> None:
        """Drop a role that owns nothing any more."""
        with psycopg.connect(self.server.superuser_dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))

    def names(self) -> tuple[set[str], set[str]]:
        """Databases and roles of the server."""
        return (
            {row[0] for row in self.execute("SELECT datname FROM pg_database")},
            {row[0] for row in self.execute("SELECT rolname FROM pg_roles")},
        )

    def memberships(self) -> set[tuple]:
        """Every row of pg_auth_members, by name."""
        return set(self.execute("SELECT roleid::regrole::text, member::regrole::text, grantor::regrole::text FROM pg_auth_members"))

    def dump(self, database: str, *options: str, superuser: bool = False) -> Path:
        """Run the pg_dump of the server's version; `-Fd` among the options makes a directory."""
        path = self.directory / f"{uuid.uuid4().hex}.dump"
        dsn = self.socket_dsn(database, superuser=superuser)
        subprocess.run([tool(self.server.version, "pg_dump"), *(options or ("-Fc",)), "-f", path, "-d", dsn], check=True)
        return path

    def schema(self, database: str) -> str:
        """The text of pg_dump --schema-only, of one pg_dump for all servers that it reads."""
        program = tool("18" if self.server.version.startswith("18") else "17", "pg_dump")
        command = [program, "--schema-only", "--restrict-key=x", "-d", self.server.superuser_dsn(database)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@dataclass
class Restore:
    """One restore: its point, its names and the jobs that ran."""

    cloud: Cloud
    dumps: dict[str, Path]
    asked: dict[str, str]
    restore_id: str = field(default_factory=lambda: f"r-{uuid.uuid4().hex[:12]}")
    manifest_uri: str = ""
    postgres: PostgresOptions = field(default_factory=PostgresOptions)
    # Tables of tests are small, and some of them are loaded as large ones are.
    bounds: Bounds = field(default_factory=lambda: Bounds(shared_member=100, defined_together=1))
    asked_checks: tuple[AskedCheck, ...] = ()
    with_damage: bool = False
    is_planned: bool = True

    def keeping_owners(self) -> "Restore":
        """The same, of a point of the target itself: there the dump's own roles may own."""
        return replace(self, postgres=PostgresOptions(keep_owners=True))

    @property
    def holder(self) -> str:
        """The powerless role of the first database."""
        return self.databases()[0].holder_role

    def add_point(self) -> None:
        """Store the dumps as one restore point."""
        manifest = points.add(self.cloud.s3(), REPOSITORY, "source", list(self.dumps.items()))
        self.manifest_uri = f"s3://{REPOSITORY}/{keys.manifest_key('source', manifest.point_id)}"

    def damage(self, database: str, damage: Damage, of: Callable[[DatabaseBackup], ByteRange] | None = None) -> None:
        """Change the stored bytes of one member (of the table `lines`, unless `of` says another) after the point was made."""
        s3 = self.cloud.s3()
        backup = next(b for b in self.manifest().databases if b.name == database)
        member = of(backup) if of else next(m.stored for m in backup.tables if m.table == "lines")
        stored = backup.files[0].key
        data = bytearray(s3.get_object(Bucket=REPOSITORY, Key=stored)["Body"].read())
        s3.put_object(Bucket=REPOSITORY, Key=stored, Body=bytes(damage(data, member)))

    def manifest(self) -> Manifest:
        """Of the point."""
        key = self.manifest_uri.removeprefix(f"s3://{REPOSITORY}/")
        return Manifest.from_json(self.cloud.s3().get_object(Bucket=REPOSITORY, Key=key)["Body"].read())

    def change_manifest(self, change: Callable[[str], str]) -> None:
        """Rewrite the manifest's text, which must really change."""
        s3, key = self.cloud.s3(), self.manifest_uri.removeprefix(f"s3://{REPOSITORY}/")
        text = s3.get_object(Bucket=REPOSITORY, Key=key)["Body"].read().decode()
        assert change(text) != text
        s3.put_object(Bucket=REPOSITORY, Key=key, Body=change(text).encode())

    def databases(self) -> tuple[DatabaseJob, ...]:
        """The databases with the names that the plan gives them."""
        return tuple(
            DatabaseJob(
                backup_name=name,
                asked_name=self.asked[name],
                temporary_name=f"dbrestore-{self.restore_id}-{number}",
                login_role=f"dbrestore-{self.restore_id}-{number}",
                holder_role=f"dbrestore-{self.restore_id}-{number}-holder",
                asked_checks=self.asked_checks,
            )
            for number, name in enumerate(self.dumps)
        )

    def job_uri(self, kind: JobKind, name: str) -> str:
        """Write the job's document."""
        server = DatabaseServer(
            host="localhost",
            port=self.cloud.iam_port or self.cloud.server.port,
            region="us-east-1",
            secret_arn="" if self.cloud.iam_user else self.cloud.secret_arn,
            iam_user=self.cloud.iam_user,
            ca_bundle=f"s3://{EVIDENCE}/certificates/rds-ca.pem",
        )
        manifest = None if kind == "discard" else self.manifest_uri
        job = Job(
            kind=kind,
            restore_id=self.restore_id,
            server=server,
            databases=self.databases(),
            manifest=manifest,
            manifest_sha256=self._planned_sha256(manifest),
            postgres=self.postgres,
            with_damage=self.with_damage,
        )
        key = keys.job_prefix(self.restore_id, name) + "job.json"
        self.cloud.s3().put_object(Bucket=EVIDENCE, Key=key, Body=job.to_json().encode())
        return f"s3://{EVIDENCE}/{key}"

    def _planned_sha256(self, manifest: str | None) -> str | None:
        """As a plan finds it."""
        if not (manifest and self.is_planned):
            return None
        text = self.cloud.s3().get_object(Bucket=REPOSITORY, Key=manifest.removeprefix(f"s3://{REPOSITORY}/"))["Body"].read()
        return sha256(text).hexdigest()

    def start(self, uri: str) -> subprocess.Popen[bytes]:
        """The worker program in its own process."""
        return subprocess.Popen(
            [sys.executable, "-W", "error::ResourceWarning", "-m", "dbrestore.worker", uri],
            env=self.cloud.environment(),
        )

    def result(self, uri: str) -> Result:
        """The result document of a job."""
        key = uri.removeprefix(f"s3://{EVIDENCE}/").replace("job.json", "result.json")
        return Result.from_json(self.cloud.s3().get_object(Bucket=EVIDENCE, Key=key)["Body"].read())

    def run(self, kind: JobKind, name: str = "") -> Result:
        """Run one job to its end, in this process."""
        uri = self.job_uri(kind, name or kind)
        with patch.dict(os.environ, self.cloud.environment(), clear=True):
            run_job.run(uri, self.bounds)
        return self.result(uri)

    def run_program(self, kind: JobKind, name: str = "") -> Result:
        """Run one job to its end, in a process of its own."""
        uri = self.job_uri(kind, name or kind)
        assert self.start(uri).wait(120) == 0
        return self.result(uri)

    def again(self) -> "Restore":
        """A restore of its own: the same point under another restore id."""
        return replace(self, restore_id=f"r-{uuid.uuid4().hex[:12]}")

    def run_all_again(self) -> Result:
        """Replay and verify as a restore of its own."""
        return self.again().run_all()

    def run_all(self) -> Result:
        """Replay and verify; returns the last result."""
        replayed = self.run("replay")
        assert replayed.error is None, replayed.error
        for database in replayed.databases:
            assert database.status == "REPLAYED", database.error
        return self.run("verify")


def edited(dump: Path, old: bytes, new: bytes) -> Path:
    """A copy of a custom-format dump whose texts say another thing of the same length, as if it had been made so."""
    content = dump.read_bytes()
    assert old in content
    assert len(old) == len(new)
    copy = dump.with_name(f"{uuid.uuid4().hex}.dump")
    copy.write_bytes(content.replace(old, new))
    return copy


def dump_that_needs_a_missing_extension(cloud: Cloud) -> Path:
    """A dump that creates the extension `no_ext`, which no server has."""
    cloud.create_database("extended")
    cloud.execute("CREATE EXTENSION citext; CREATE TABLE items (label citext)", "extended")
    return edited(cloud.dump("extended"), b"citext", b"no_ext")


def secret(user: str, password: str) -> str:
    """As RDS writes the managed secret."""
    return json.dumps({"username": user, "password": password})
