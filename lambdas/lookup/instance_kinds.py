"""What a target may be: RDS lists replicas, custom and foreign engines beside the DB instances, and what keeps a restore out of each is
told by name. A member of a cluster stands for the cluster: `lambdas.lookup.clusters` says which of those can't be restored into.

RDS doesn't change a custom instance's group list (Amazon RDS API Reference, ModifyDBInstance, VpcSecurityGroupIds).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from dbrestore.contract.allowed import engines

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef


def refusal(instance: "DBInstanceTypeDef") -> str | None:
    """Why no instance of this kind can be restored into, and the way out; None if it can. A sentence without its subject."""
    return next(filter(None, (look(instance) for look in LOOKS)), None)


def _custom(instance: "DBInstanceTypeDef") -> str | None:
    if not instance["Engine"].startswith("custom-"):
        return None
    return (
        f"is an RDS Custom instance ({instance['Engine']}), whose security groups RDS doesn't change: restore into an RDS instance "
        "that isn't custom"
    )


def _foreign(instance: "DBInstanceTypeDef") -> str | None:
    if engines.of_instance(instance["Engine"]):
        return None
    article = "an" if instance["Engine"].startswith(tuple("aeio")) else "a"
    return f"is {article} {instance['Engine']} instance: only PostgreSQL and SQL Server can be restored into"


def _replica(instance: "DBInstanceTypeDef") -> str | None:
    if source := instance.get("ReadReplicaSourceDBInstanceIdentifier"):
        return f"is a read replica of {source} and can't have databases of its own: restore into {source}"
    if cluster := instance.get("ReadReplicaSourceDBClusterIdentifier"):
        return f"is a read replica of the DB cluster {cluster} and can't have databases of its own: promote it, or restore into another"
    return None


# The most telling first: an RDS Custom instance is of a foreign engine, too.
LOOKS: tuple[Callable[["DBInstanceTypeDef"], str | None], ...] = (_custom, _foreign, _replica)
