"""RDS that doesn't know a new security group yet, or is changing the instance, while `localcloud.base.consistency` says so.

| moto 5.2.5 | fixed to |
|---|---|
| ModifyDBInstance, ModifyDBCluster take a group that EC2 made just now | `InvalidVPCNetworkStateFault` for a while |
| ModifyDBInstance always finds the instance at rest | now and then `InvalidDBInstanceState`, whatever DescribeDBInstances said before |
| ModifyDBCluster always finds the cluster at rest | now and then `InvalidDBClusterStateFault` likewise |
"""

from collections.abc import Callable
from typing import Any

from moto.rds.exceptions import RDSClientError
from moto.rds.responses import RDSResponse

from localcloud.base import consistency
from localcloud.base.corrections import fix


def install() -> None:
    """Fix moto's RDS."""
    fix(RDSResponse, "modify_db_instance", _modify_instance)
    fix(RDSResponse, "modify_db_cluster", _modify_cluster)


def _modify_instance(original: Callable[..., Any], response: Any) -> Any:
    _meet(response, "InvalidDBInstanceState", "The DB instance is not in a valid state.")
    return original(response)


def _modify_cluster(original: Callable[..., Any], response: Any) -> Any:
    _meet(response, "InvalidDBClusterStateFault", "The DB cluster is not in a valid state.")
    return original(response)


def _meet(response: Any, code: str, message: str) -> None:
    late = consistency.current()
    if not late:
        return
    late.call()
    for group in response.params.get("VpcSecurityGroupIds") or []:
        if not late.knows(group, "at RDS"):
            raise RDSClientError("InvalidVPCNetworkStateFault", f"The security group {group} is not available to the database yet.")
    if late.meets(code):
        raise RDSClientError(code, message)
