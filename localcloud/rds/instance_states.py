"""In which of its states RDS lets a DB instance be modified, and how one comes to be optimised.

| moto 5.2.5 | fixed to |
|---|---|
| ModifyDBInstance in every status | `InvalidDBInstanceState` unless the status is one of `MODIFIABLE` |
| ModifyDBInstance changes the groups of a cluster's member, or anything of a Multi-AZ DB cluster's | `InvalidParameterCombination` |
| more storage, `available` | `storage-optimization` for (scaled) hours, and no other change of the storage |

In `storage-optimization` every modification but the storage's is taken (AWS re:Post, "Why is my RDS instance stuck in the
storage-optimization state"). What RDS says in `backing-up` and the like is not documented: here it refuses, which is the harder answer.
"""

from collections.abc import Callable
from typing import Any

from moto.rds.exceptions import RDSClientError
from moto.rds.models import RDSBackend

from localcloud.base import clock
from localcloud.base.corrections import fix

OPTIMIZING = "storage-optimization"
MODIFIABLE = {"available", OPTIMIZING}
# Seconds on AWS: no other change of the storage is possible for so long (Amazon RDS User Guide, "Working with storage").
OPTIMIZED_FOR = 6 * 3600.0


def install() -> None:
    """Fix moto's ModifyDBInstance."""
    fix(RDSBackend, "modify_db_instance", _modify)


def _modify(original: Callable[..., Any], backend: Any, db_instance_identifier: str, db_kwargs: Any) -> Any:
    instance = backend.describe_db_instances(db_instance_identifier)[0]
    if instance.status not in MODIFIABLE:
        raise RDSClientError(
            "InvalidDBInstanceState",
            f"Database instance {db_instance_identifier} is not in available state: {instance.status}.",
        )
    _require_no_member(instance, db_kwargs.get("vpc_security_group_ids"))
    if instance.db_cluster_identifier and not instance.engine.startswith("aurora"):
        # "You can't modify the DB instances within a Multi-AZ DB cluster" (Amazon RDS User Guide); code and wording are assumed.
        raise RDSClientError("InvalidParameterCombination", "The DB instance is a member of a Multi-AZ DB cluster: modify the DB cluster.")
    before, asked = instance.allocated_storage, db_kwargs.get("allocated_storage")
    grows = asked is not None and before is not None and int(asked) > int(before)
    if grows and instance.status == OPTIMIZING:
        # Code and wording are RDS's (seen in github.com/hashicorp/terraform-provider-aws/issues/12493).
        raise RDSClientError(
            "InvalidParameterCombination",
            "You can't currently modify the storage of this DB instance because the previous storage change is being optimized.",
        )
    changed = original(backend, db_instance_identifier, db_kwargs)
    if grows:
        optimize(changed)
    return changed


def optimize(instance: Any) -> None:
    """Show the instance as one whose storage is being optimised, until that is over."""
    instance.status = OPTIMIZING
    clock.later(OPTIMIZED_FOR, lambda: _optimized(instance))


def _optimized(instance: Any) -> None:
    if instance.status == OPTIMIZING:
        instance.status = "available"


def _require_no_member(instance: Any, asked: list[str] | None) -> None:
    if asked is not None and instance.db_cluster_identifier:
        # The code is in RDS's handlers for CloudFormation (github.com/aws-cloudformation/aws-cloudformation-resource-providers-rds,
        # pull 262), the wording is assumed.
        raise RDSClientError(
            "InvalidParameterCombination",
            "The specified DB Instance is a member of a cluster. Modify the vpc security group membership for the DB Cluster.",
        )
