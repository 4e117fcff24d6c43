"""What a plan says of its target: the same whatever the run is for, a restore, an exchange of names, or a worker that only reads."""

from typing import TYPE_CHECKING

from dbrestore.contract.plan import PlannedTarget
from lambdas.lookup import clusters
from lambdas.planning.credentials import Credentials
from lambdas.planning.findings import Place

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef


def planned(place: Place, instance: "DBInstanceTypeDef", credentials: Credentials | None) -> PlannedTarget:
    """The instance, or the cluster, as RDS describes it now. Without credentials nobody logs in: the worker only stands beside it."""
    target = PlannedTarget(
        account=place.account,
        region=place.region,
        db_instance=instance["DBInstanceIdentifier"],
        resource_id=instance["DbiResourceId"],
        arn=instance["DBInstanceArn"],
        engine=instance["Engine"],
        engine_version=instance["EngineVersion"],
        host="",
        port=0,
        vpc_id=instance["DBSubnetGroup"]["VpcId"],
        availability_zone=instance.get("AvailabilityZone", ""),
        db_cluster=instance["DBInstanceIdentifier"] if clusters.is_cluster(instance["DBInstanceArn"]) else "",
        writer=clusters.writer_of(instance),
    )
    return _logged_into(target, instance, credentials) if credentials else target


def _logged_into(target: PlannedTarget, instance: "DBInstanceTypeDef", credentials: Credentials) -> PlannedTarget:
    way_in = {
        "host": instance["Endpoint"]["Address"],
        "port": instance["Endpoint"]["Port"],
        "secret_arn": credentials.secret_arn,
        "iam_user": credentials.iam_user,
        "kms_key_id": credentials.kms_key_id,
        "credentials_by": credentials.by,
    }
    return target.model_copy(update=way_in)
