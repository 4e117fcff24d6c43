"""Whose the list of security groups is: a DB instance's, or a cluster's with all its members.

A change takes force by itself and is never pending, whatever RDS is told of immediacy: "applied asynchronously, as soon as possible; this
setting ignores the apply immediately setting" (Amazon RDS User Guide, "Settings for modifying Multi-AZ DB clusters"; the same is said of
instances), and neither PendingModifiedValues has a place for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbrestore.contract.anchor import Whereabouts
from lambdas.lookup import clusters, present_instance

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient

# RDS's word that it is at work on the instance or the cluster, or on one of its members.
BUSY = ("InvalidDBInstanceState", "InvalidDBInstanceStateFault", "InvalidDBClusterState", "InvalidDBClusterStateFault")


@dataclass(frozen=True)
class ListOwner:
    """An instance or a cluster when it was looked at, as it is called now. `memberships` are its groups with their status; both are
    RDS's words. `address` is empty while it has none."""

    name: str
    status: str
    memberships: Mapping[str, str]
    address: str
    _modify: Callable[..., Any]

    def write(self, groups: list[str]) -> None:
        """Have RDS replace the list, without anything else that may be pending: never ApplyImmediately, which would apply that too, perhaps
        with an outage. Raises ClientError, with a code of `BUSY` while RDS is at work."""
        self._modify(VpcSecurityGroupIds=groups)


def find(rds: "RDSClient", where: Whereabouts) -> ListOwner | None:
    """The owner of the target's list, None if it is gone. An anchor of a version that knew no clusters is an instance's."""
    return _cluster(rds, where) if clusters.is_cluster(where.target.arn) else _instance(rds, where)


def _cluster(rds: "RDSClient", where: Whereabouts) -> ListOwner | None:
    found = clusters.find(rds, where.target.db_instance)
    if found is None:
        return None
    name = found["DBClusterIdentifier"]
    return ListOwner(
        name,
        found["Status"],
        _memberships(found.get("VpcSecurityGroups", [])),
        found.get("Endpoint", ""),
        lambda **change: rds.modify_db_cluster(DBClusterIdentifier=name, **change),
    )


def _instance(rds: "RDSClient", where: Whereabouts) -> ListOwner | None:
    found = present_instance.find(rds, where)
    if found is None:
        return None
    name = found["DBInstanceIdentifier"]
    return ListOwner(
        name,
        found["DBInstanceStatus"],
        _memberships(found.get("VpcSecurityGroups", [])),
        found.get("Endpoint", {}).get("Address", ""),
        lambda **change: rds.modify_db_instance(DBInstanceIdentifier=name, **change),
    )


def _memberships(told: Any) -> dict[str, str]:
    return {group["VpcSecurityGroupId"]: group.get("Status", "") for group in told}
