"""What RDS reads from S3 for a native restore: with the role of the instance's option, and only as far as policies let it.

Invariant: neither the person's own keys nor moto's bare storage opens anything. A role that RDS may not assume reads nothing.
"""

from collections.abc import Sequence
from typing import Any

from moto.s3.models import FakeKey, s3_backends

from localcloud.iam import access_policies, roles
from localcloud.iam.access_policies import Question, Statement, statements
from localcloud.rds import option_groups
from localcloud.sqlserver.source import AccessDenied, NoSuchBucket, NoSuchKey, OtherRegion

_RDS = "rds.amazonaws.com"


class BackupReader:
    """The `S3Reader` of one of moto's DB instances; role, policies and bucket are looked up each time, so changes count at once."""

    def __init__(self, instance: Any) -> None:
        self._instance = instance

    def keys(self, bucket: str, prefix: str) -> Sequence[str]:
        """All keys under the prefix, in order. Raises NoSuchBucket, OtherRegion, AccessDenied."""
        found = self._bucket(bucket)
        self._require(found, "s3:ListBucket", found.arn, {"s3:prefix": prefix})
        return sorted(name for name, key in found.keys.items() if name.startswith(prefix) and isinstance(key, FakeKey))

    def length(self, bucket: str, key: str) -> int:
        """Bytes of the object. Raises what `read` raises."""
        return int(self._object(bucket, key).contentsize)

    def read(self, bucket: str, key: str, offset: int, count: int) -> bytes:
        """`count` bytes from `offset`, fewer at the end. Raises NoSuchBucket, OtherRegion, NoSuchKey, AccessDenied."""
        return bytes(self._object(bucket, key).value[offset : offset + count])

    def _object(self, bucket: str, key: str) -> Any:
        found = self._bucket(bucket)
        self._require(found, "s3:GetObject", f"{found.arn}/{key}")
        stored = found.keys.get(key)
        if not isinstance(stored, FakeKey):
            raise NoSuchKey(key)
        return stored

    def _bucket(self, name: str) -> Any:
        if name not in s3_backends.bucket_accounts:
            raise NoSuchBucket(name)
        partition, account = s3_backends.bucket_accounts[name]
        found = s3_backends[account][partition].buckets[name]
        self._require(found, "s3:GetBucketLocation", found.arn)
        if found.region_name != self._instance.region:
            raise OtherRegion(name)
        return found

    def _require(self, bucket: Any, action: str, resource: str, context: dict[str, str] | None = None) -> None:
        arn = option_groups.backup_role(self._instance)
        question = Question(arn, action, resource, {"aws:securetransport": "true", **(context or {})})
        if not access_policies.may(question, self._policies(arn), statements(bucket.policy), bucket.account_id):
            raise AccessDenied(f"{arn} may not {action} {resource}")

    def _policies(self, arn: str) -> list[Statement]:
        role = roles.find(arn)
        if role is None:
            raise AccessDenied(f"there is no role {arn!r}")
        asker = {"aws:sourcearn": self._instance.db_instance_arn, "aws:sourceaccount": self._instance.account_id}
        if not access_policies.may_assume(statements(role.assume_role_policy_document), _RDS, asker):
            raise AccessDenied(f"{arn} does not let {_RDS} assume it")
        return roles.permissions(role)
