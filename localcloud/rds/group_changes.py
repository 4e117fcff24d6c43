"""Lists of security groups, of DB instances and of clusters: which groups they may have, and how a change of one takes force.

| moto 5.2.5 | fixed to |
|---|---|
| groups of an instance or a cluster always `active` | `adding` and `removing` for a (scaled) while after `note` |
| a member of a cluster has a list of its own | its cluster's, with the same status |

Who changes a list calls `check` before and `note` after.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

from moto.ec2.models import ec2_backends
from moto.rds.exceptions import RDSClientError
from moto.rds.models import DBCluster, DBInstance

from localcloud.base import clock
from localcloud.base.corrections import fix
from localcloud.rds import database_servers

# "VPC security groups per DB instance", a quota that AWS does not raise. A cluster's groups are on the interfaces of all its members.
GROUPS_PER_INSTANCE = 5
# Seconds on AWS until a changed group list is active (assumed).
GROUP_CHANGE = 30.0


def install() -> None:
    """Fix moto's memberships."""
    fix(DBInstance, "vpc_security_group_membership_list", _memberships)
    fix(DBCluster, "vpc_security_groups", _memberships)


def check(backend: Any, group_ids: Iterable[str]) -> None:
    """Raises RDSClientError for groups that don't exist, or too many of them."""
    ec2 = ec2_backends[backend.account_id][backend.region_name]
    for group_id in group_ids:
        if ec2.get_security_group_from_id(group_id) is None:
            # The code and the odd wording are AWS's (seen in github.com/aws/aws-cli/issues/574).
            raise RDSClientError("InvalidParameterValue", f"Invalid security group , groupId= {group_id}, groupName=.")
    if len(set(group_ids)) > GROUPS_PER_INSTANCE:
        # The wording is AWS's (seen in github.com/awslabs/kubeflow-manifests/issues/137), the code is assumed.
        raise RDSClientError(
            "InvalidParameterValue",
            "The request violates your limit on number of Ec2 VPC SecurityGroups associated with an instance",
        )


def note(owner: Any, before: list[str], after: list[str]) -> None:
    """The list of an instance or a cluster was changed just now."""
    done = time.monotonic() + clock.shortened(GROUP_CHANGE)
    changes = vars(owner).setdefault("dbrestore_group_changes", {})
    changes.update({group_id: ("adding", done) for group_id in after if group_id not in before})
    changes.update({group_id: ("removing", done) for group_id in before if group_id not in after})
    if set(after) - set(before):
        database_servers.open_late(owner)


def _memberships(_original: Callable[..., Any], shown: Any) -> list[dict[str, str]]:
    owner = vars(shown).get("cluster", shown)
    changes = vars(owner).get("dbrestore_group_changes", {})
    under_way = {group_id: status for group_id, (status, done) in list(changes.items()) if time.monotonic() < done}
    listed = {group_id: under_way.get(group_id, "active") for group_id in owner.vpc_security_group_ids}
    leaving = {group_id: status for group_id, status in under_way.items() if status == "removing"}
    return [{"VpcSecurityGroupId": group_id, "Status": status} for group_id, status in {**leaving, **listed}.items()]
