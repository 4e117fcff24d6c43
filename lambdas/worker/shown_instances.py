"""The instances of a restore as EC2 shows them, which is late: not to see one proves nothing for minutes."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dbrestore.contract import names
from dbrestore.contract.record import ResourceRow
from dbrestore.contract.refusals import error_code

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

ALIVE = ("pending", "running")
ENDING = ("shutting-down", "terminated")


def state_of(ec2: "EC2Client", instance_id: str) -> str | None:
    """The instance's state, or None if EC2 doesn't know it (yet, or any more)."""
    found = described(ec2, instance_id)
    return found["State"]["Name"] if found else None


def described(ec2: "EC2Client", instance_id: str) -> "InstanceTypeDef | None":
    """The instance as EC2 describes it, or None if EC2 doesn't know it (yet, or any more)."""
    answer = ec2.describe_instances(Filters=[{"Name": "instance-id", "Values": [instance_id]}])
    return next(_instances([answer]), None)


def find(ec2: "EC2Client", restore_id: str, rows: Iterable[ResourceRow] = ()) -> "tuple[InstanceTypeDef, ...]":
    """All instances of a restore that aren't gone, by tag and by what the ledger knows."""
    found = all_shown(ec2, restore_id, rows)
    return tuple(instance for instance in found.values() if instance["State"]["Name"] != "terminated")


def all_shown(ec2: "EC2Client", restore_id: str, rows: Iterable[ResourceRow] = ()) -> "dict[str, InstanceTypeDef]":
    """All instances of a restore, by id: found by tag, which may show later than they do, by id and, of launches whose answer was lost, by
    token."""
    known = list(rows)
    ids = [row.physical_id for row in known if row.physical_id]
    tokens = [launch_token(restore_id, row) for row in known if not row.physical_id]
    filters: list[Any] = [names.tagged(restore_id)]
    filters += [[{"Name": name, "Values": values}] for name, values in (("instance-id", ids), ("client-token", tokens)) if values]
    pages = (page for f in filters for page in ec2.get_paginator("describe_instances").paginate(Filters=f))
    return {instance["InstanceId"]: instance for instance in _instances(pages)}


def launch_token(restore_id: str, row: ResourceRow) -> str:
    """The client token of the launch that a row stands for."""
    return names.client_token(restore_id, row.role, int(row.name.rpartition("-")[2]))


def _instances(pages: Iterable[Any]) -> "Iterator[InstanceTypeDef]":
    return (i for page in pages for reservation in page["Reservations"] for i in reservation["Instances"])


def end(ec2: "EC2Client", instance_id: str) -> None:
    """Have it terminated. One that EC2 doesn't know (yet, or any more) is no error, and proves nothing."""
    try:
        ec2.terminate_instances(InstanceIds=[instance_id])
    except ClientError as error:
        if error_code(error) != "InvalidInstanceID.NotFound":
            raise
