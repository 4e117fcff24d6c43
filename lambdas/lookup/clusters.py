"""A DB cluster as a target: Aurora PostgreSQL, or a Multi-AZ DB cluster of RDS for PostgreSQL.

A request names the cluster or any of its members, and the cluster is what is restored into: the group list, the endpoint that follows the
writer, login and storage are the cluster's. So it is looked at as one instance: the writer, with everything of the cluster's in its place.
Invariant: nothing after the look-up asks for the writer by its name; it may be another one by then.

RDS Custom, DocumentDB and Neptune answer DescribeDBClusters too; Aurora DSQL does not, and nothing of it is ever found.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import ClientError

from dbrestore.contract.allowed import engines
from dbrestore.contract.errors import TargetNotUsable
from dbrestore.contract.refusals import error_code
from lambdas.lookup.instance_status import USABLE

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import DBClusterTypeDef, DBInstanceTypeDef

# What a DB instance is called in a request's, a plan's and an anchor's ARN, and what a cluster is.
_RESOURCE: Final = 5
# Where the joined description keeps the name of the instance that writes: no key of RDS's.
_WRITER: Final = "dbrestore:writer"
# While the cluster elects one (Amazon Aurora User Guide, "Viewing DB cluster status").
_WITHOUT_WRITER: Final = "failing-over"
NOT_FOUND: Final = ("DBClusterNotFound", "DBClusterNotFoundFault")
# Whether a member replicates is its cluster's business.
_OF_THE_MEMBER_ALONE: Final = ("ReadReplicaSourceDBInstanceIdentifier", "ReadReplicaSourceDBClusterIdentifier")
# The cluster's word for what a DB instance has under another name, or has not at all.
_OF_THE_CLUSTER: Final = {
    "AllocatedStorage": "AllocatedStorage",
    "DBInstanceArn": "DBClusterArn",
    "DBInstanceIdentifier": "DBClusterIdentifier",
    "DbiResourceId": "DbClusterResourceId",
    "EngineVersion": "EngineVersion",
    "IAMDatabaseAuthenticationEnabled": "IAMDatabaseAuthenticationEnabled",
    "MasterUserSecret": "MasterUserSecret",
    "MasterUsername": "MasterUsername",
    "VpcSecurityGroups": "VpcSecurityGroups",
}


def is_cluster(arn: str) -> bool:
    """Whether the ARN of a target is a cluster's."""
    parts = arn.split(":")
    return len(parts) > _RESOURCE and parts[_RESOURCE] == "cluster"


def find(rds: "RDSClient", name: str) -> "DBClusterTypeDef | None":
    """The cluster as RDS describes it, None if there is none."""
    try:
        return rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]
    except ClientError as error:
        if error_code(error) in NOT_FOUND:
            return None
        raise


def as_target(rds: "RDSClient", cluster: "DBClusterTypeDef") -> "DBInstanceTypeDef":
    """The cluster, described as if it were a DB instance. Raises TargetNotUsable if no cluster of this kind can be restored into, or none
    of its instances writes."""
    if refusal := next(filter(None, (look(cluster) for look in LOOKS)), None):
        raise TargetNotUsable(f"{cluster['DBClusterIdentifier']} {refusal}")
    members = cluster["DBClusterMembers"]
    writers = [one["DBInstanceIdentifier"] for one in members if one.get("IsClusterWriter")]
    name = (writers or [members[0]["DBInstanceIdentifier"]])[0]
    instance = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    return joined(cluster, instance, writers[0] if writers else None)


def joined(cluster: "DBClusterTypeDef", instance: "DBInstanceTypeDef", writer: str | None) -> "DBInstanceTypeDef":
    """What RDS says of the instance, and in its place whatever is the cluster's own. Tags are of both, the cluster's win: IAM judges a
    change of the cluster by those."""
    told: Mapping[str, Any] = cast("Mapping[str, Any]", cluster)
    of_cluster = {key: told[name] for key, name in _OF_THE_CLUSTER.items() if name in told}
    of_member = {key: value for key, value in instance.items() if key not in (*_OF_THE_CLUSTER, *_OF_THE_MEMBER_ALONE)}
    address = {"Address": told["Endpoint"], "Port": told["Port"]} if told.get("Endpoint") else {}
    status = cluster["Status"] if cluster["Status"] not in USABLE else instance["DBInstanceStatus"]
    both = {
        **of_member,
        **of_cluster,
        "DBClusterIdentifier": cluster["DBClusterIdentifier"],
        "DBInstanceStatus": status if writer or status not in USABLE else _WITHOUT_WRITER,
        "Endpoint": address,
        "TagList": [*instance.get("TagList", []), *cluster.get("TagList", [])],
        _WRITER: writer or "",
    }
    return cast("DBInstanceTypeDef", both)


def writer_of(target: "DBInstanceTypeDef") -> str:
    """The instance that wrote when the cluster was looked up; empty for a target that is no cluster."""
    return str(cast("Mapping[str, Any]", target).get(_WRITER, ""))


def _foreign(cluster: "DBClusterTypeDef") -> str | None:
    if engines.of_instance(cluster["Engine"]):
        return None
    return f"is a cluster of {cluster['Engine']}: only PostgreSQL and SQL Server can be restored into"


def _serverless(cluster: "DBClusterTypeDef") -> str | None:
    if cluster.get("EngineMode", "provisioned") == "provisioned":
        return None
    return (
        f"is an Aurora Serverless v1 cluster (engine mode {cluster.get('EngineMode')}), which has no instance and pauses: restore into a "
        "provisioned cluster, or one of Serverless v2"
    )


def _limitless(cluster: "DBClusterTypeDef") -> str | None:
    if cluster.get("ClusterScalabilityType", "standard") == "standard":
        return None
    return "is an Aurora Limitless Database, whose shards a dump doesn't fit: restore into a cluster without shards"


def _replica(cluster: "DBClusterTypeDef") -> str | None:
    if source := cluster.get("ReplicationSourceIdentifier"):
        return f"is a read replica of {source} and can't have databases of its own: restore into that, or promote it"
    return None


def _secondary(cluster: "DBClusterTypeDef") -> str | None:
    world = cluster.get("GlobalClusterIdentifier")
    if not world or any(one.get("IsClusterWriter") for one in cluster["DBClusterMembers"]):
        return None
    return f"is a secondary cluster of the Aurora global database {world} and can't be written to: restore into the primary cluster"


def _empty(cluster: "DBClusterTypeDef") -> str | None:
    return None if cluster.get("DBClusterMembers") else "has no instance that a worker could connect to: add one to the cluster"


# The most telling first.
LOOKS: tuple[Callable[["DBClusterTypeDef"], str | None], ...] = (_foreign, _serverless, _limitless, _replica, _secondary, _empty)
