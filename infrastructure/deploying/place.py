"""Where it is deployed: the account and Region of the caller's credentials, and the VPC of a DB instance."""

import json
import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.exceptions import ClientError

from dbrestore.contract.refusals import error_code


class PlaceNotFound(Exception):
    """The message says what is missing, and what to do about it."""


@dataclass(frozen=True)
class Place:
    """`session`: of the AWS CLI's own credentials."""

    session: boto3.Session

    @cached_property
    def account(self) -> str:
        return str(self.client("sts").get_caller_identity()["Account"])

    @property
    def region(self) -> str:
        return str(self.session.region_name)

    def client(self, service: str) -> Any:
        return self.session.client(service)  # type: ignore[call-overload]

    def parameter(self, name: str) -> str | None:
        """The value of an SSM parameter; None if there is none."""
        try:
            return str(self.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
        except ClientError as error:
            if error_code(error) != "ParameterNotFound":
                raise
            return None

    def evidence_bucket(self, signpost: str) -> str:
        """What the deployed ControlStack calls it, as it says under that SSM parameter."""
        if (text := self.parameter(signpost)) is None:
            raise PlaceNotFound(f"There is no SSM parameter {signpost}: the ControlStack isn't deployed in {self.region}")
        return str(json.loads(text)["evidenceBucket"])


def here() -> Place:
    """Raises PlaceNotFound where no Region is chosen."""
    # AWS_REGION, which the AWS CLI and the CDK know, boto3 doesn't.
    session = boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
    if session.region_name is None:
        raise PlaceNotFound("No Region is chosen: export AWS_REGION=..., or AWS_PROFILE=... of a profile that has one")
    return Place(session)


def vpc_of(place: Place, instance: str) -> str:
    """The VPC of a DB instance or of a cluster's. Raises PlaceNotFound."""
    rds = place.client("rds")
    try:
        member = _member(rds, instance) or instance
        [found] = rds.describe_db_instances(DBInstanceIdentifier=member)["DBInstances"]
    except ClientError as error:
        if error_code(error) not in ("DBInstanceNotFound", "DBInstanceNotFoundFault"):
            raise
        raise PlaceNotFound(
            f"RDS knows no DB instance or cluster {instance} in {place.region} of account {place.account}: name another with INSTANCE=..., "
            "another Region with AWS_REGION, or the VPC itself with VPC=vpc-..."
        ) from error
    return str(found["DBSubnetGroup"]["VpcId"])


def _member(rds: Any, cluster: str) -> str | None:
    """An instance of the cluster, if it is one and has any."""
    try:
        [found] = rds.describe_db_clusters(DBClusterIdentifier=cluster)["DBClusters"]
    except ClientError as error:
        if error_code(error) != "DBClusterNotFoundFault":
            raise
        return None
    return next((str(one["DBInstanceIdentifier"]) for one in found["DBClusterMembers"]), None)
