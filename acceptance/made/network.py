"""A VPC without a way to the internet: two private subnets and endpoints for what a worker calls, which stand in the first.

Its parts are found by the run's tag and by the VPC, so that a part whose creation was broken off is found too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from acceptance import tags, waiting
from acceptance.account import TriedAccount
from acceptance.diary import Diary
from acceptance.made.kinds import Kind
from dbrestore.contract.refusals import error_code

VPC = "vpc"
RANGE = "10.83.0.0/24"
SUBNETS = ("10.83.0.0/26", "10.83.0.64/26")
# What a worker calls (docs/operations.md): S3 has a gateway endpoint, which costs nothing.
INTERFACES = ("ssm", "ssmmessages", "secretsmanager")


@dataclass(frozen=True)
class Network:
    """`owner` is the account whose VPC it is; `group` is the instances' own, which lets nobody in."""

    vpc: str
    subnets: tuple[str, ...]
    owner: str
    group: str


def create(account: TriedAccount, diary: Diary) -> Network:
    """A VPC of the run's own."""
    ec2, run = account.client("ec2"), diary.run
    diary.note(VPC, run)
    vpc = ec2.create_vpc(CidrBlock=RANGE, TagSpecifications=tags.of("vpc", run, f"acceptance-{run}"))["Vpc"]
    for name in ("EnableDnsSupport", "EnableDnsHostnames"):
        waiting.known(ec2.modify_vpc_attribute, VpcId=vpc["VpcId"], **{name: {"Value": True}})
    subnets = tuple(_subnets(account, run, vpc["VpcId"]))
    _endpoints(account, run, vpc["VpcId"], subnets[0])
    return Network(vpc["VpcId"], subnets, vpc.get("OwnerId", account.number), create_group(ec2, run, vpc["VpcId"], "instances"))


def existing(account: TriedAccount, diary: Diary, subnets: tuple[str, ...]) -> Network:
    """Subnets that are there already, of one VPC, whoever owns it. Only the instances' group is made there."""
    ec2 = account.client("ec2")
    diary.note(VPC, diary.run)
    found = ec2.describe_subnets(SubnetIds=list(subnets))["Subnets"]
    [vpc] = {one["VpcId"] for one in found}
    return Network(vpc, subnets, str(found[0]["OwnerId"]), create_group(ec2, diary.run, vpc, "instances"))


def _subnets(account: TriedAccount, run: str, vpc: str) -> Iterator[str]:
    ec2 = account.client("ec2")
    for block, zone in zip(SUBNETS, _zones(account), strict=False):
        tagged = tags.of("subnet", run, f"acceptance-{run}-{zone}")
        made = waiting.known(ec2.create_subnet, VpcId=vpc, CidrBlock=block, AvailabilityZone=zone, TagSpecifications=tagged)
        yield made["Subnet"]["SubnetId"]


def _zones(account: TriedAccount) -> list[str]:
    """Those in which every endpoint can stand."""
    ec2, names = account.client("ec2"), [_service(account, service) for service in INTERFACES]
    offered = [set(one["AvailabilityZones"]) for one in ec2.describe_vpc_endpoint_services(ServiceNames=names)["ServiceDetails"]]
    zones = ec2.describe_availability_zones(Filters=[{"Name": "state", "Values": ["available"]}])["AvailabilityZones"]
    return [zone["ZoneName"] for zone in zones if all(zone["ZoneName"] in some for some in offered)]


def _service(account: TriedAccount, service: str) -> str:
    suffix = "cn.com.amazonaws" if account.partition == "aws-cn" else "com.amazonaws"
    return f"{suffix}.{account.here}.{service}"


def _endpoints(account: TriedAccount, run: str, vpc: str, subnet: str) -> None:
    ec2 = account.client("ec2")
    [table] = waiting.known(ec2.describe_route_tables, Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    group = create_group(ec2, run, vpc, "endpoints")
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": RANGE}]}
    waiting.known(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[https])
    inside = {"VpcEndpointType": "Interface", "SubnetIds": [subnet], "SecurityGroupIds": [group], "PrivateDnsEnabled": True}
    wanted: dict[str, dict[str, Any]] = {service: inside for service in INTERFACES}
    wanted["s3"] = {"VpcEndpointType": "Gateway", "RouteTableIds": [table["RouteTableId"]]}
    for service, asked in wanted.items():
        tagged = tags.of("vpc-endpoint", run, f"acceptance-{run}-{service}")
        waiting.known(ec2.create_vpc_endpoint, VpcId=vpc, ServiceName=_service(account, service), TagSpecifications=tagged, **asked)
    waiting.until(lambda: _are_available(ec2, run, len(wanted)), 15, "the VPC's endpoints are available")


def _are_available(ec2: Any, run: str, count: int) -> bool:
    found = ec2.describe_vpc_endpoints(Filters=tags.filters(run))["VpcEndpoints"]
    return [one["State"].lower() for one in found] == ["available"] * count


def create_group(ec2: Any, run: str, vpc: str, of: str) -> str:
    """A security group of the run's own, which lets nobody in; its id."""
    name = f"acceptance-{run}-{of}"
    tagged = tags.of("security-group", run, name)
    made = waiting.known(
        ec2.create_security_group, GroupName=name, Description=f"dbrestore acceptance: {of}", VpcId=vpc, TagSpecifications=tagged
    )
    return str(made["GroupId"])


def _remove(account: TriedAccount, run: str) -> None:
    """Endpoints first: their interfaces hold groups and subnets. What is still held is removed by a later call."""
    ec2 = account.client("ec2")
    found = _found(ec2, run)
    if found["endpoints"]:
        ec2.delete_vpc_endpoints(VpcEndpointIds=found["endpoints"])
    for group in found["groups"]:
        _delete(ec2.delete_security_group, GroupId=group)
    for subnet in found["subnets"]:
        _delete(ec2.delete_subnet, SubnetId=subnet)
    for vpc in found["vpcs"]:
        _delete(ec2.delete_vpc, VpcId=vpc)


def _delete(call: Callable[..., Any], **asked: str) -> None:
    try:
        call(**asked)
    except ClientError as error:
        if error_code(error) != "DependencyViolation" and not error_code(error).endswith("NotFound"):
            raise


def _found(ec2: Any, run: str) -> dict[str, list[str]]:
    """Ids of what bears the run's tag. An endpoint that is being deleted is still in the way."""
    of_run = tags.filters(run)
    endpoints = ec2.describe_vpc_endpoints(Filters=of_run)["VpcEndpoints"]
    return {
        "endpoints": [one["VpcEndpointId"] for one in endpoints if one["State"].lower() != "deleted"],
        "groups": [one["GroupId"] for one in ec2.describe_security_groups(Filters=of_run)["SecurityGroups"]],
        "subnets": [one["SubnetId"] for one in ec2.describe_subnets(Filters=of_run)["Subnets"]],
        "vpcs": [one["VpcId"] for one in ec2.describe_vpcs(Filters=of_run)["Vpcs"]],
    }


def _exists(account: TriedAccount, run: str) -> bool:
    return any(_found(account.client("ec2"), run).values())


KINDS = {VPC: Kind(_remove, _exists, minutes=20.0)}
