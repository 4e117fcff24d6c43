"""The instance that a restore was planned for, as it is now, whatever it is called: by its resource id, which stays when people rename it,
and which another one that got its name doesn't have."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from dbrestore.contract.anchor import Whereabouts
from dbrestore.contract.refusals import error_code

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef


def find(rds: "RDSClient", where: Whereabouts) -> "DBInstanceTypeDef | None":
    """None if it is gone. A plan that names no resource id (of an earlier version) goes by the name."""
    name, resource_id = where.target.db_instance, where.target.resource_id
    named = _named(rds, name)
    if not resource_id or (named and named["DbiResourceId"] == resource_id):
        return named
    found = rds.describe_db_instances(Filters=[{"Name": "dbi-resource-id", "Values": [resource_id]}])["DBInstances"]
    return found[0] if found else None


def _named(rds: "RDSClient", name: str) -> "DBInstanceTypeDef | None":
    try:
        return rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    except ClientError as error:
        if error_code(error) in ("DBInstanceNotFound", "DBInstanceNotFoundFault"):
            return None
        raise
