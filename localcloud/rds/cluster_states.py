"""DB clusters as RDS keeps them, without the servers behind: Aurora's, and Multi-AZ DB clusters with their three instances.

| moto 5.2.5 | fixed to |
|---|---|
| CreateDBCluster without groups has none | the default VPC's |
| a Multi-AZ DB cluster has no instances | three, in three zones, made and deleted with it |
| a member's subnet group is anybody's | its cluster's |
| a member of a Multi-AZ DB cluster is stored on `aurora` | as its cluster is |
| ModifyDBCluster of no cluster: a KeyError | `DBClusterNotFoundFault` |
| ModifyDBCluster in every status | `InvalidDBClusterStateFault` unless the status is one of `MODIFIABLE` |
| any VpcSecurityGroupIds accepted, in force at once | as of instances: `localcloud.rds.group_changes` |

The groups change with and without ApplyImmediately (Amazon RDS User Guide, "Settings for modifying Multi-AZ DB clusters").
"""

from collections.abc import Callable
from typing import Any

from moto.ec2.models import ec2_backends
from moto.rds.exceptions import RDSClientError
from moto.rds.models import DBInstanceClustered, RDSBackend

from localcloud.base.corrections import fix
from localcloud.rds import group_changes
from localcloud.rds.instance_states import MODIFIABLE

# Engines whose clusters are Multi-AZ DB clusters; Aurora's have their own, and their instances are made one by one.
MULTI_AZ = ("postgres", "mysql")
_ZONES = "abc"


def install() -> None:
    """Fix moto's clusters."""
    fix(RDSBackend, "create_db_cluster", _create)
    fix(RDSBackend, "modify_db_cluster", _modify)
    fix(RDSBackend, "delete_db_cluster", _delete)
    fix(RDSBackend, "create_db_instance", _create_member)
    fix(DBInstanceClustered, "storage_type", _storage_type)


def _create(original: Callable[..., Any], backend: Any, asked: Any) -> Any:
    group_changes.check(backend, asked.get("vpc_security_group_ids") or [])
    cluster = original(backend, asked)
    if not cluster.vpc_security_group_ids:
        ec2 = ec2_backends[backend.account_id][backend.region_name]
        cluster.vpc_security_group_ids = [ec2.get_default_security_group(ec2.default_vpc.id).id]
    if cluster.engine in MULTI_AZ:
        for number, zone in enumerate(_ZONES, 1):
            backend.create_db_instance(_member(cluster, number, zone))
    return cluster


def _member(cluster: Any, number: int, zone: str) -> dict[str, Any]:
    return {
        "db_instance_identifier": f"{cluster.db_cluster_identifier}-instance-{number}",
        "db_cluster_identifier": cluster.db_cluster_identifier,
        "db_instance_class": cluster.db_cluster_instance_class,
        "engine": cluster.engine,
        "availability_zone": f"{cluster.region}{zone}",
    }


def _create_member(original: Callable[..., Any], backend: Any, asked: Any) -> Any:
    cluster = backend.clusters.get(str(asked.get("db_cluster_identifier")))
    if cluster and cluster.db_subnet_group_name in backend.subnet_groups:
        asked = {**asked, "db_subnet_group_name": cluster.db_subnet_group_name}
    return original(backend, asked)


def _modify(original: Callable[..., Any], backend: Any, asked: Any) -> Any:
    [cluster] = backend.describe_db_clusters(asked["db_cluster_identifier"])
    if cluster.status not in MODIFIABLE:
        raise RDSClientError("InvalidDBClusterStateFault", f"DB cluster is not in available state: {cluster.status}.")
    groups = asked.get("vpc_security_group_ids")
    group_changes.check(backend, groups or [])
    before = list(cluster.vpc_security_group_ids)
    changed = original(backend, asked)
    if groups is not None:
        group_changes.note(cluster, before, groups)
    return changed


def _delete(original: Callable[..., Any], backend: Any, cluster_identifier: str, *arguments: Any, **keywords: Any) -> Any:
    cluster = backend.clusters.get(cluster_identifier)
    if cluster and cluster.engine in MULTI_AZ and not cluster.deletion_protection:
        for member in list(cluster.members):
            backend.delete_db_instance(member.db_instance_identifier, skip_final_snapshot=True)
    return original(backend, cluster_identifier, *arguments, **keywords)


def _storage_type(original: Callable[..., Any], member: Any) -> Any:
    return member.cluster.storage_type if member.cluster.engine in MULTI_AZ else original(member)
