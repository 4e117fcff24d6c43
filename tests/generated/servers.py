"""The servers of generated databases: a source, and a target behind the local stand-ins of S3 and Secrets Manager."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

from localcloud import certificates, postgresql
from localcloud.postgresql import Server
from tests.databases.conftest import SETTINGS
from tests.databases.restore_case import EVIDENCE, REPOSITORY, Cloud, secret
from tests.generated.script import FIRST, FOREIGN, OWNER, READER, ROLES, SECOND, create_roles

_KEYS = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}


@dataclass(frozen=True)
class Servers:
    """Where the databases are made and where they are restored. `pg_dump` compares: no older than either; `dumping` dumps."""

    source: Server
    cloud: Cloud
    source_version: int
    dumping: Path
    comparing: Path


@contextmanager
def started() -> Iterator[Servers]:
    """Both servers. The target's roles were made by its master user, all but FOREIGN; GONE is missing."""
    # Not below /tmp: the servers run as another user when the tests run as root, and pytest locks others out of there.
    with tempfile.TemporaryDirectory(prefix="dbrestore-generated-", dir="/var/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)
        authority = certificates.create(directory)
        with (
            _server(directory / "source", authority) as source,
            _server(directory / "target", authority) as target,
            _cloud(directory, target, authority) as cloud,
        ):
            create_roles(source.superuser_dsn(), ROLES)
            create_roles(cloud.dsn(), (OWNER, FIRST, SECOND, READER))
            create_roles(target.superuser_dsn(), (FOREIGN,))
            yield Servers(source, cloud, 17, source.binaries / "pg_dump", source.binaries / "pg_dump")


@contextmanager
def _server(directory: Path, authority: certificates.Authority) -> Iterator[Server]:
    directory.mkdir(mode=0o755)
    certificate, key = certificates.issue(authority, "localhost")
    server = postgresql.start(directory / "pg", certificate=certificate, key=key, settings=SETTINGS)
    try:
        yield server
    finally:
        postgresql.stop(server)


@contextmanager
def _cloud(directory: Path, target: Server, authority: certificates.Authority) -> Iterator[Cloud]:
    postgresql.create_master(target, "master", "secret")
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    secrets = boto3.client("secretsmanager", endpoint_url=f"http://{host}:{port}", **_KEYS)
    arn = secrets.create_secret(Name="rds!master", SecretString=secret("master", "secret"))["ARN"]
    cloud = Cloud(f"http://{host}:{port}", target, authority.bundle, arn, directory)
    for bucket in (REPOSITORY, EVIDENCE):
        cloud.s3().create_bucket(Bucket=bucket)
    cloud.s3().upload_file(str(authority.bundle), EVIDENCE, "certificates/rds-ca.pem")
    try:
        yield cloud
    finally:
        moto.stop()
