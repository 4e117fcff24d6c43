"""One place with S3 and Secrets Manager, and a target server of each version that a test asks for."""

from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pytest

from localcloud import certificates, postgresql, postgresql_clients, postgresql_versions
from localcloud.postgresql_distributions import VersionNotAvailable
from tests.databases.restore_case import EVIDENCE, REPOSITORY, Cloud, secret


@dataclass
class Clouds:
    """Servers below `directory`, which the unprivileged user may enter; files of tests below `private`."""

    address: tuple[str, int]
    authority: certificates.Authority
    directory: Path
    private: Path
    settings: dict[str, str]
    _made: dict[str, Cloud] = field(default_factory=dict)

    def of(self, version: str) -> Cloud:
        """The cloud whose server is of that version (`16`, `16.14`), started once. Skips where it or its pg_dump can't be had."""
        runs = postgresql_versions.resolve(version)
        if runs not in self._made:
            try:
                postgresql_versions.installation(runs)
                postgresql_clients.tool(runs, "pg_dump")
            except VersionNotAvailable as error:
                pytest.skip(f"PostgreSQL {version} can't be had here: {error}")
            self._made[runs] = self._start(runs)
        return self._made[runs]

    def stop(self) -> None:
        """End every server."""
        for cloud in self._made.values():
            postgresql.stop(cloud.server)

    def _start(self, version: str) -> Cloud:
        server, endpoint = self._server(version), "http://{}:{}".format(*self.address)
        keys = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
        secrets = boto3.client("secretsmanager", endpoint_url=endpoint, **keys)
        arn = secrets.create_secret(
            Name=f"rds!master-{self.directory.name}-{version}", SecretString=secret("master", "secret")
        )["ARN"]
        made = Cloud(endpoint, server, self.authority.bundle, arn, self.private)
        for bucket in (REPOSITORY, EVIDENCE):
            made.s3().create_bucket(Bucket=bucket)
        made.s3().upload_file(str(self.authority.bundle), EVIDENCE, "certificates/rds-ca.pem")
        return made

    def _server(self, version: str) -> postgresql.Server:
        certificate, key = certificates.issue(self.authority, "localhost")
        started = postgresql.start(
            self.directory / version, certificate=certificate, key=key, settings=self.settings, version=version
        )
        try:
            postgresql.create_master(started, "master", "secret")
        except Exception:
            postgresql.stop(started)
            raise
        return started
