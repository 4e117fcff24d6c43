"""Where an object lies that belongs to a restore point: in the repository, or in somebody's bucket, as one version."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StoredPlace:
    """`version_id` is None for what lies in the repository, whose keys are written once."""

    bucket: str
    key: str
    version_id: str | None = None

    def __str__(self) -> str:
        """What messages call it."""
        return f"s3://{self.bucket}/{self.key} (version {self.version_id})" if self.version_id else self.key

    @property
    def arguments(self) -> dict[str, Any]:
        """What every request about it has."""
        return {"Bucket": self.bucket, "Key": self.key, **({"VersionId": self.version_id} if self.version_id else {})}
