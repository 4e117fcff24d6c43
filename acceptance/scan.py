"""The proof that nothing is left: AWS asked by tag, whatever the run's own records say.

The tagging service shows some things for a while after they are gone; so what it shows is looked at again, and EC2 is asked about its own.
"""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from acceptance import tags, waiting
from acceptance.account import TriedAccount
from acceptance.made.kinds import absent
from dbrestore.contract.names import INSTALLATION

SHOWN_AFTERWARDS = 20.0
# How the names of the run's own roles begin; those of its stacks begin with the installation's prefix.
OWN = "acceptance-"


def left(account: TriedAccount, run: str, minutes: float = SHOWN_AFTERWARDS) -> tuple[str, ...]:
    """ARNs of what still bears the run's tag, or the product's, when it was waited long enough."""
    try:
        waiting.until(lambda: not _found(account, run), minutes, "nothing bears the run's tags")
    except waiting.TookTooLong:
        return tuple(sorted(_found(account, run)))
    return ()


def _found(account: TriedAccount, run: str) -> set[str]:
    return {*_tagged(account, run), *_roles(account, run)}


def _roles(account: TriedAccount, run: str) -> Iterator[str]:
    """The tagging service knows no roles."""
    iam, prefixes = account.client("iam"), (OWN, f"{account.installation}-")
    for page in iam.get_paginator("list_roles").paginate():
        for role in page["Roles"]:
            if role["RoleName"].startswith(prefixes) and _bears(iam, role["RoleName"], run):
                yield str(role["Arn"])


def _bears(iam: Any, role: str, run: str) -> bool:
    try:
        tagged = iam.list_role_tags(RoleName=role)["Tags"]
    except ClientError as error:
        return not absent(error, "NoSuchEntity")
    return {"Key": tags.RUN, "Value": run} in tagged


def _tagged(account: TriedAccount, run: str) -> Iterator[str]:
    tagging = account.client("resourcegroupstaggingapi")
    for wanted in ({"Key": tags.RUN, "Values": [run]}, {"Key": INSTALLATION, "Values": [account.owner]}):
        for page in tagging.get_paginator("get_resources").paginate(TagFilters=[wanted]):
            yield from (one["ResourceARN"] for one in page["ResourceTagMappingList"] if _is_alive(account, one["ResourceARN"]))


# Kinds of things that EC2 can be asked about by themselves: the call, the filter for an id, where the answer has them.
_ASKED: dict[str, tuple[str, str, str]] = {
    "volume": ("describe_volumes", "volume-id", "Volumes"),
    "network-interface": ("describe_network_interfaces", "network-interface-id", "NetworkInterfaces"),
    "security-group": ("describe_security_groups", "group-id", "SecurityGroups"),
    "subnet": ("describe_subnets", "subnet-id", "Subnets"),
    "vpc": ("describe_vpcs", "vpc-id", "Vpcs"),
    "vpc-endpoint": ("describe_vpc_endpoints", "vpc-endpoint-id", "VpcEndpoints"),
}


def _is_alive(account: TriedAccount, arn: str) -> bool:
    """What EC2 itself doesn't show, or shows as terminated, is gone, whatever the tagging service still has."""
    _, _, service, _, _, resource = arn.split(":", 5)
    kind, _, identifier = resource.partition("/")
    ec2 = account.client("ec2")
    if service == "ec2" and kind == "instance":
        shown = ec2.describe_instances(Filters=[{"Name": "instance-id", "Values": [identifier]}])
        states = [one["State"]["Name"] for reservation in shown["Reservations"] for one in reservation["Instances"]]
        return any(state != "terminated" for state in states)
    if service == "ec2" and kind in _ASKED:
        call, name, key = _ASKED[kind]
        return bool(getattr(ec2, call)(Filters=[{"Name": name, "Values": [identifier]}])[key])
    return True
