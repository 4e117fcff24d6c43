"""One place with S3 and Secrets Manager, and a target server of each version that a test asks for."""

from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pytest

from localcloud.base import certificates
from localcloud.postgresql import clients as postgresql_clients
from localcloud.postgresql import server as postgresql
from localcloud.postgresql import versions as postgresql_versions
from localcloud.postgresql.distributions import VersionNotAvailable
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

    def of(self, version: str, **parameters: str) -> Cloud:
        """The cloud whose server is of that version (`16`, `16.14`) and has these parameters besides, as from a parameter group; started
        once. Skips where it or its pg_dump can't be had."""
        runs = postgresql_versions.resolve(version)
        name = "-".join((runs, *(f"{key}={value}" for key, value in sorted(parameters.items()))))
        if name not in self._made:
            try:
                postgresql_versions.installation(runs)
                postgresql_clients.tool(runs, "pg_dump")
            except VersionNotAvailable as error:
                pytest.skip(f"PostgreSQL {version} can't be had here: {error}")
            self._made[name] = self._start(runs, f"{runs}-{len(self._made)}", parameters)
        return self._made[name]

    def stop(self) -> None:
        """End every server."""
        for cloud in self._made.values():
            postgresql.stop(cloud.server)

    def _start(self, version: str, name: str, parameters: dict[str, str]) -> Cloud:
        # Every login takes half as long, and a password that isn't a secret is proven as well.
        hashed_once = {"scram_iterations": "1"} if int(version.split(".")[0]) >= 16 else {}
        server = self._server(version, name, self.settings | hashed_once | parameters)
        endpoint = "http://{}:{}".format(*self.address)
        keys = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
        secrets = boto3.client("secretsmanager", endpoint_url=endpoint, **keys)
        arn = secrets.create_secret(Name=f"rds!master-{self.directory.name}-{name}", SecretString=secret("master", "secret"))["ARN"]
        made = Cloud(endpoint, server, self.authority.bundle, arn, self.private)
        for bucket in (REPOSITORY, EVIDENCE):
            made.s3().create_bucket(Bucket=bucket)
        made.s3().upload_file(str(self.authority.bundle), EVIDENCE, "certificates/rds-ca.pem")
        return made

    def _server(self, version: str, name: str, settings: dict[str, str]) -> postgresql.Server:
        certificate, key = certificates.issue(self.authority, "localhost")
        started = postgresql.start(self.directory / name, certificate=certificate, key=key, settings=settings, version=version)
        try:
            postgresql.create_master(started, "master", "secret")
        except Exception:
            postgresql.stop(started)
            raise
        return started
