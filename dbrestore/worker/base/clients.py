"""Clients of AWS, straight from botocore: what boto3 adds to it (resources, transfers of files) no job uses, and the import of that costs
0.2 seconds and 10 MB."""

from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, cast

import botocore.session
from botocore.loaders import JSONFileLoader

from dbrestore.points.ranges import CLIENT_CONFIG
from dbrestore.worker.base import limits

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_rds.client import RDSClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

_SERVICES: Final = ("s3", "secretsmanager", "rds", "sts")


class OfOurServices(JSONFileLoader):
    """Reads botocore's descriptions without what no client is made of: the texts for people, and the endpoints of 400 other services. They
    would stay in memory, 9 MB."""

    def load_file(self, file_path: str) -> Any:
        """Of a path without its suffix; None if there is no such file."""
        found = super().load_file(file_path)
        if found and PurePath(file_path).name == "endpoints":
            for partition in found["partitions"]:
                partition["services"] = {name: of for name, of in partition["services"].items() if name in _SERVICES}
        if found and PurePath(file_path).name.startswith("service-"):
            for shape in (*found.get("shapes", {}).values(), *found.get("operations", {}).values()):
                for described in (shape, *shape.get("members", {}).values()):
                    described.pop("documentation", None)
        return found


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
    session = botocore.session.get_session()
    session.get_component("data_loader").file_loader = OfOurServices()
    return session
