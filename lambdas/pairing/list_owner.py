"""Whose the list of security groups is: a DB instance's, or a cluster's with all its members.

A change takes force by itself and is never pending, whatever RDS is told of immediacy: "applied asynchronously, as soon as possible; this
setting ignores the apply immediately setting" (Amazon RDS User Guide, "Settings for modifying Multi-AZ DB clusters"; the same is said of
instances), and neither PendingModifiedValues has a place for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dbrestore.contract.anchor import Whereabouts
from dbrestore.contract.refusals import error_code
from lambdas.lookup import clusters
from lambdas.lookup import target as target_lookup

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient

# RDS's word that it is at work on the instance or the cluster, or on one of its members.
BUSY = ("InvalidDBInstanceState", "InvalidDBInstanceStateFault", "InvalidDBClusterState", "InvalidDBClusterStateFault")


@dataclass(frozen=True)
class ListOwner:
    """An instance or a cluster at the moment when it was looked at. `memberships` are its groups with their status; the status of both is
    RDS's word."""

    name: str
    status: str
    memberships: Mapping[str, str]
    _modify: Callable[..., Any]

    def write(self, groups: list[str]) -> None:
        """Have RDS replace the list, without anything else that may be pending: never ApplyImmediately, which would apply that too, perhaps
        with an outage. Raises ClientError, with a code of `BUSY` while RDS is at work."""
        self._modify(VpcSecurityGroupIds=groups)


def find(rds: "RDSClient", where: Whereabouts) -> ListOwner | None:
    """The owner of the target's list, None if it is gone. An anchor of a version that knew no clusters is an instance's."""
    return _cluster(rds, where.target.db_instance) if clusters.is_cluster(where.target.arn) else _instance(rds, where.target.db_instance)


def _cluster(rds: "RDSClient", name: str) -> ListOwner | None:
    found = clusters.find(rds, name)
    if found is None:
        return None
    return ListOwner(
        found["DBClusterIdentifier"],
        found["Status"],
        _memberships(found.get("VpcSecurityGroups", [])),
        lambda **change: rds.modify_db_cluster(DBClusterIdentifier=name, **change),
    )


def _instance(rds: "RDSClient", name: str) -> ListOwner | None:
    try:
        found = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    except ClientError as error:
        if error_code(error) in target_lookup.NOT_FOUND:
            return None
        raise
    return ListOwner(
        found["DBInstanceIdentifier"],
        found["DBInstanceStatus"],
        _memberships(found.get("VpcSecurityGroups", [])),
        lambda **change: rds.modify_db_instance(DBInstanceIdentifier=name, **change),
    )


def _memberships(told: Any) -> dict[str, str]:
    return {group["VpcSecurityGroupId"]: group.get("Status", "") for group in told}
