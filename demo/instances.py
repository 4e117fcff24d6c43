"""The demonstration's DB instances, made as in an account: RDS makes them, Secrets Manager has their passwords."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dbrestore.cli.control import Account, ControlPlane
from dbrestore.contract.names import CA_BUNDLE_KEY


@dataclass(frozen=True)
class Instance:
    """A running instance: where it is and how to log in as its master user."""

    account: Account
    name: str
    host: str
    port: int
    user: str
    password: str
    ca_bundle: Path

    def groups(self) -> frozenset[str]:
        """The instance's security groups."""
        described = self.account.client("rds").describe_db_instances(DBInstanceIdentifier=self.name)["DBInstances"][0]
        return frozenset(group["VpcSecurityGroupId"] for group in described["VpcSecurityGroups"])


Kind = TypeVar("Kind", bound=Instance)


def create(kind: type[Kind], account: Account, plane: ControlPlane, directory: Path, name: str, **wishes: Any) -> Kind:
    """`aws rds create-db-instance --manage-master-user-password`, waited for. `wishes` are its other parameters."""
    rds = account.client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier=name, AllocatedStorage=20, MasterUsername=f"{name}master", ManageMasterUserPassword=True, **wishes
    )
    described = _available(rds, name)
    secret = account.client("secretsmanager").get_secret_value(SecretId=described["MasterUserSecret"]["SecretArn"])
    login = json.loads(secret["SecretString"])
    bundle = directory / "rds-ca.pem"
    bundle.write_bytes(plane.storage.get_object(Bucket=plane.evidence_bucket, Key=CA_BUNDLE_KEY)["Body"].read())
    endpoint = described["Endpoint"]
    return kind(account, name, endpoint["Address"], endpoint["Port"], login["username"], login["password"], bundle)


def _available(rds: Any, name: str) -> Any:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        described = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        if described["DBInstanceStatus"] == "available":
            return described
        if described["DBInstanceStatus"] == "failed":
            raise RuntimeError(f"The instance {name} failed to start")
        time.sleep(0.1)
    raise TimeoutError(f"The instance {name} is not available after a minute")
