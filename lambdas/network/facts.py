"""Reads the target's VPC from EC2: six Describe calls, whatever its size (more only where EC2 answers in pages).

Invariant: everything is asked for by the VPC's id, so no id that has just gone makes a call fail; a VPC that another account shares shows
its subnets, route tables and network ACLs, but neither its NAT gateways nor its endpoints.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, cast

from lambdas.network.vpc_map import (
    ANY_PORT,
    Acl,
    AclRule,
    Endpoint,
    Group,
    GroupRule,
    NatGateway,
    Route,
    RouteTable,
    Subnet,
    Vpc,
)
from lambdas.runtime.aws import TargetAccount

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client
    from mypy_boto3_ec2.type_defs import (
        IpPermissionOutputTypeDef,
        NatGatewayTypeDef,
        NetworkAclEntryTypeDef,
        NetworkAclTypeDef,
        RouteTableTypeDef,
        RouteTypeDef,
        SecurityGroupTypeDef,
        SubnetTypeDef,
        VpcEndpointTypeDef,
    )

# How EC2 writes TCP and "all protocols"; groups are answered by name, network ACLs by number.
TCP = {"tcp", "6", "-1", "all"}
TARGETS = (
    "GatewayId",
    "NatGatewayId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "CarrierGatewayId",
    "LocalGatewayId",
    "CoreNetworkArn",
    "EgressOnlyInternetGatewayId",
    "NetworkInterfaceId",
    "InstanceId",
)
NO_ROUTES = RouteTable("of nobody", ())


def read(target: TargetAccount, vpc_id: str, group_ids: Iterable[str]) -> Vpc:
    """The VPC with everything in it that bears on where a worker can stand. Of its security groups those of endpoints, and `group_ids`.
    Read once per invocation."""
    wanted = tuple(sorted(group_ids))
    with target.seeing:
        seen: Vpc | None = target.seen.get((vpc_id, *wanted))
        if seen is None:
            seen = target.seen[(vpc_id, *wanted)] = _read(target, vpc_id, wanted)
        return seen


def _read(target: TargetAccount, vpc_id: str, group_ids: Iterable[str]) -> Vpc:
    ec2, by_vpc = target.ec2, {"Filters": [{"Name": "vpc-id", "Values": [vpc_id]}]}
    tables = _all(ec2.get_paginator("describe_route_tables"), "RouteTables", by_vpc)
    endpoints = [_endpoint(e) for e in _all(ec2.get_paginator("describe_vpc_endpoints"), "VpcEndpoints", by_vpc)]
    groups = _groups(ec2, {*group_ids, *(group_id for endpoint in endpoints for group_id in endpoint.group_ids)})
    subnets = _all(ec2.get_paginator("describe_subnets"), "Subnets", by_vpc)
    # This operation alone calls its filters by the singular.
    gateways = _all(ec2.get_paginator("describe_nat_gateways"), "NatGateways", {"Filter": by_vpc["Filters"]})
    return Vpc(
        vpc_id=vpc_id,
        subnets={subnet["SubnetId"]: _subnet(subnet) for subnet in subnets},
        tables={subnet_id: _table(table) for table in tables for subnet_id in _subnets_of(table)},
        main_table=next((_table(table) for table in tables if _is_main(table)), NO_ROUTES),
        acls=_acls(_all(ec2.get_paginator("describe_network_acls"), "NetworkAcls", by_vpc)),
        endpoints=tuple(endpoints),
        nat_gateways={gateway["NatGatewayId"]: _nat_gateway(gateway) for gateway in gateways},
        groups={group["GroupId"]: _group(group) for group in groups},
        shared_by=_sharer(subnets, groups),
    )


def _all(paginator: Any, key: str, request: Mapping[str, Any]) -> list[Any]:
    return [item for page in paginator.paginate(**request) for item in page[key]]


def _subnet(told: "SubnetTypeDef") -> Subnet:
    return Subnet(
        subnet_id=told["SubnetId"],
        zone=told["AvailabilityZone"],
        network=None if told.get("Ipv6Native") or not told.get("CidrBlock") else IPv4Network(told["CidrBlock"]),
        free=told["AvailableIpAddressCount"],
        state=told["State"],
        on_outpost=bool(told.get("OutpostArn")),
    )


def _is_main(table: "RouteTableTypeDef") -> bool:
    return any(association.get("Main") for association in table["Associations"])


def _subnets_of(table: "RouteTableTypeDef") -> list[str]:
    return [a["SubnetId"] for a in table["Associations"] if a.get("SubnetId")]


def _table(told: "RouteTableTypeDef") -> RouteTable:
    routes = [_route(route) for route in told["Routes"] if route.get("DestinationCidrBlock")]
    return RouteTable(told["RouteTableId"], tuple(routes))


def _route(told: "RouteTypeDef") -> Route:
    found: Mapping[str, Any] = cast("Mapping[str, Any]", told)
    target = next((str(found[key]) for key in TARGETS if found.get(key)), "something unknown")
    return Route(told["DestinationCidrBlock"], target, told.get("State", "active") == "active")


def _acls(told: "list[NetworkAclTypeDef]") -> dict[str, Acl]:
    return {a["SubnetId"]: _acl(acl) for acl in told for a in acl["Associations"]}


def _acl(told: "NetworkAclTypeDef") -> Acl:
    # Rules of IPv6 and of other protocols can't match a worker's packets.
    entries = [e for e in told["Entries"] if e.get("CidrBlock") and e["Protocol"] in TCP]
    entries.sort(key=lambda entry: entry["RuleNumber"])
    return Acl(
        told["NetworkAclId"],
        inbound=tuple(_acl_rule(entry) for entry in entries if not entry["Egress"]),
        outbound=tuple(_acl_rule(entry) for entry in entries if entry["Egress"]),
    )


def _acl_rule(told: "NetworkAclEntryTypeDef") -> AclRule:
    ports = told.get("PortRange", {})
    return AclRule(
        number=told["RuleNumber"],
        allows=told["RuleAction"] == "allow",
        network=IPv4Network(told["CidrBlock"]),
        first=ports.get("From", ANY_PORT[0]),
        last=ports.get("To", ANY_PORT[1]),
    )


def _endpoint(told: "VpcEndpointTypeDef") -> Endpoint:
    return Endpoint(
        endpoint_id=told["VpcEndpointId"],
        service=told.get("ServiceName", ""),
        kind=told["VpcEndpointType"],
        # The model writes `Available`, the service `available`.
        state=told["State"].lower(),
        # An S3 endpoint may keep its name for callers from outside the VPC.
        private_dns=told.get("PrivateDnsEnabled", False)
        and not told.get("DnsOptions", {}).get("PrivateDnsOnlyForInboundResolverEndpoint", False),
        subnet_ids=tuple(told.get("SubnetIds", [])),
        table_ids=frozenset(told.get("RouteTableIds", [])),
        group_ids=tuple(group["GroupId"] for group in told.get("Groups", [])),
        policy=told.get("PolicyDocument") or "",
    )


def _nat_gateway(told: "NatGatewayTypeDef") -> NatGateway:
    is_public = told.get("ConnectivityType", "public") == "public"
    return NatGateway(told["NatGatewayId"], told["State"], is_public, told.get("SubnetId"))


def _groups(ec2: "EC2Client", group_ids: Iterable[str]) -> "list[SecurityGroupTypeDef]":
    # By a filter: a group that has gone meanwhile would make a call by ids fail.
    named = {"Filters": [{"Name": "group-id", "Values": sorted(group_ids)}]}
    return _all(ec2.get_paginator("describe_security_groups"), "SecurityGroups", named)


def _group(told: "SecurityGroupTypeDef") -> Group:
    return Group(
        told["GroupId"],
        inbound=tuple(_group_rule(rule) for rule in told["IpPermissions"] if rule["IpProtocol"] in TCP),
        outbound=tuple(_group_rule(rule) for rule in told["IpPermissionsEgress"] if rule["IpProtocol"] in TCP),
    )


def _sharer(subnets: "list[SubnetTypeDef]", groups: "list[SecurityGroupTypeDef]") -> str | None:
    """The owner of all subnets, unless one of the groups is theirs: the workers' standing group is the target account's own."""
    owners = {subnet["OwnerId"] for subnet in subnets} - {group["OwnerId"] for group in groups}
    return owners.pop() if groups and owners else None


def _group_rule(told: "IpPermissionOutputTypeDef") -> GroupRule:
    return GroupRule(
        first=told.get("FromPort", ANY_PORT[0]),
        last=told.get("ToPort", ANY_PORT[1]),
        networks=tuple(IPv4Network(block["CidrIp"]) for block in told.get("IpRanges", [])),
        group_ids=frozenset(pair["GroupId"] for pair in told.get("UserIdGroupPairs", []) if pair.get("GroupId")),
        prefix_lists=tuple(entry["PrefixListId"] for entry in told.get("PrefixListIds", [])),
    )
