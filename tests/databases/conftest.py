"""A real PostgreSQL server for the tests of this folder, started once."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from localcloud import certificates, postgresql
from tests.databases.restore_case import EVIDENCE, REPOSITORY, Cloud, secret


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> certificates.Authority:
    """Who signed the server's certificate."""
    return certificates.create(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, authority: certificates.Authority) -> Iterator[postgresql.Server]:
    """A running server with the RDS-like master user `master`, password `secret`."""
    directory = tmp_path_factory.mktemp("rds")
    for parent in (directory, *directory.parents):
        if parent.is_relative_to("/tmp") and parent != Path("/tmp"):
            parent.chmod(0o755)  # the server runs as another user when the tests run as root
    certificate, key = certificates.issue(authority, "localhost")
    started = postgresql.start(directory / "pg", certificate=certificate, key=key, settings={"fsync": "off"})
    postgresql.create_master(started, "master", "secret")
    yield started
    postgresql.stop(started)


@pytest.fixture(scope="session")
def cloud(
    server: postgresql.Server, authority: certificates.Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """S3 with the repository and the evidence bucket, Secrets Manager with the master's secret."""
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    keys = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    secrets = boto3.client("secretsmanager", endpoint_url=endpoint, **keys)
    arn = secrets.create_secret(Name="rds!master", SecretString=secret("master", "secret"))["ARN"]
    made = Cloud(endpoint, server, authority.bundle, arn, tmp_path_factory.mktemp("cloud"))
    for bucket in (REPOSITORY, EVIDENCE):
        made.s3().create_bucket(Bucket=bucket)
    made.s3().upload_file(str(authority.bundle), EVIDENCE, "certificates/rds-ca.pem")
    yield made
    moto.stop()
