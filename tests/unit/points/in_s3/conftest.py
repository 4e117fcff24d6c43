"""Two buckets: one with backups, versioned as the repository is, and the repository; S3 as strict as the local cloud's."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto import mock_aws

from dbrestore.points.in_s3.copying import Repository
from dbrestore.points.in_s3.source import Source
from tests.statemachine import plain_moto

REGION = "eu-central-1"
BACKUPS, REPOSITORY = "team-backups", "backup-repository"
MIB = 1 << 20


@dataclass
class Buckets:
    """`requests` are the operations so far, with their bucket."""

    s3: Any
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    # What happens before the named operation is sent, once.
    meanwhile: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.s3.meta.events.register("before-parameter-build.s3", self._seen)

    @property
    def source(self) -> Source:
        return Source(self.s3, BACKUPS)

    @property
    def repository(self) -> Repository:
        return Repository(self.s3, REPOSITORY)

    def put(self, key: str, body: bytes, **more: Any) -> None:
        self.s3.put_object(Bucket=BACKUPS, Key=key, Body=body, **more)

    def left(self) -> list[str]:
        """Everything in the repository that somebody would pay for: objects, all their versions, unfinished uploads."""
        versions = self.s3.list_object_versions(Bucket=REPOSITORY)
        found = [v["Key"] for v in (*versions.get("Versions", []), *versions.get("DeleteMarkers", []))]
        return found + [u["Key"] for u in self.s3.list_multipart_uploads(Bucket=REPOSITORY).get("Uploads", [])]

    def counted(self, operation: str) -> int:
        return sum(name == operation for name, _ in self.requests)

    def _seen(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.requests.append((model.name, dict(params)))
        if act := self.meanwhile.pop(model.name, None):
            act()


@pytest.fixture
def buckets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Buckets]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("moto.s3.models.get_s3_default_key_buffer_size", lambda: 1 << 30)
    with mock_aws(config={"core": {"reset_boto3_session": False}}):
        plain_moto.install(monkeypatch)
        s3 = boto3.client("s3")
        for bucket in (BACKUPS, REPOSITORY):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        yield Buckets(s3)
