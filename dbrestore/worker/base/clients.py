"""Clients of AWS, straight from botocore: what boto3 adds to it (resources, transfers of files) no job uses, and the import of that costs
0.2 seconds and 10 MB."""

from functools import cache
from typing import TYPE_CHECKING, cast

import botocore.session

from dbrestore.points.ranges import CLIENT_CONFIG
from dbrestore.worker.base import limits

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_rds.client import RDSClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_secretsmanager.client import SecretsManagerClient


def s3(region: str | None) -> "S3Client":
    """In that Region, or the usual one of where this runs: for documents and members, which several threads read at once."""
    return cast("S3Client", _session().create_client("s3", region_name=region, config=CLIENT_CONFIG))


def secretsmanager(region: str) -> "SecretsManagerClient":
    """For the login of the user that restores."""
    return cast("SecretsManagerClient", _session().create_client("secretsmanager", region_name=region, config=limits.AWS))


def rds(region: str) -> "RDSClient":
    """For tokens of IAM."""
    return cast("RDSClient", _session().create_client("rds", region_name=region, config=limits.AWS))


@cache
def _session() -> "Session":
    """One for all clients: it keeps the descriptions of services and endpoints that it has read, and the credentials."""
    return botocore.session.get_session()
