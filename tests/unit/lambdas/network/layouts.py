"""VPCs built on moto, call by call as their owners would, for the tests of the network's choice."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from lambdas.network import choice as network_choice
from lambdas.network import facts as network_facts
from lambdas.network.choice import Choice, Database
from lambdas.network.vpc_map import Vpc
from lambdas.network.ways import SERVICES, Caller
from lambdas.runtime.aws import TargetAccount
from localcloud.ec2 import sharing

REGION = "eu-central-1"
ACCOUNT = "123456789012"
PORT = 5432
INTERFACES = tuple(service for service in SERVICES if service != "s3")


class Layout:
    """A VPC (10.0.0.0/16) with one private subnet in each of three zones: `a` (10.0.1.0/24), `b` and `c`. The database is in zone a; its
    subnet group has `a` and `b`. Subnets go by these names in expectations."""

    def __init__(self) -> None:
        self.ec2: Any = _account().ec2
        self.vpc_id: str = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.ids: dict[str, str] = {}
        self.group = self.security_group("standing")
        for number, zone in enumerate("abc", 1):
            self.subnet(zone, zone, f"10.0.{number}.0/24")
        self.database_subnets = ["a", "b"]
        self.standby_zone: str | None = None

    def subnet(self, name: str, zone: str, cidr: str) -> str:
        """One more subnet; `zone` is the letter of an Availability Zone or a whole zone's name."""
        zone = f"{REGION}{zone}" if len(zone) == 1 else zone
        created = self.ec2.create_subnet(VpcId=self.vpc_id, CidrBlock=cidr, AvailabilityZone=zone)
        self.ids[name] = created["Subnet"]["SubnetId"]
        return self.ids[name]

    def security_group(self, name: str, open_to: str | None = None) -> str:
        """A security group that lets everything out, and HTTPS in from a network."""
        group = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc_id)["GroupId"]
        if open_to:
            rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": open_to}]}
            self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
        return str(group)

    def table(self, *names: str) -> str:
        """A route table of these subnets' own; without names the main one."""
        if not names:
            main = [{"Name": "association.main", "Values": ["true"]}, {"Name": "vpc-id", "Values": [self.vpc_id]}]
            return str(self.ec2.describe_route_tables(Filters=main)["RouteTables"][0]["RouteTableId"])
        created = self.ec2.create_route_table(VpcId=self.vpc_id)["RouteTable"]["RouteTableId"]
        for name in names:
            self.ec2.associate_route_table(RouteTableId=created, SubnetId=self.ids[name])
        return str(created)

    def default_route(self, table: str, **target: str) -> None:
        """What is for the internet goes there."""
        self.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **target)

    def s3_gateway(self, *tables: str) -> str:
        """The gateway endpoint of S3 in these route tables, or in the main one."""
        created = self.ec2.create_vpc_endpoint(
            VpcId=self.vpc_id,
            ServiceName=f"com.amazonaws.{REGION}.s3",
            VpcEndpointType="Gateway",
            RouteTableIds=list(tables or [self.table()]),
        )
        return str(created["VpcEndpoint"]["VpcEndpointId"])

    def interfaces(
        self,
        services: Sequence[str] = (*INTERFACES, "ec2messages"),
        *,
        subnets: Sequence[str] = "a",
        group: str | None = None,
        private_dns: bool = True,
        region: str = REGION,
    ) -> None:
        """Interface endpoints; their security group is open to the VPC unless another is given."""
        group = group or self.security_group(f"endpoints-{len(services)}-{region}", "10.0.0.0/16")
        for service in services:
            self.ec2.create_vpc_endpoint(
                VpcId=self.vpc_id,
                ServiceName=f"com.amazonaws.{region}.{service}",
                VpcEndpointType="Interface",
                SubnetIds=[self.ids[name] for name in subnets],
                SecurityGroupIds=[group],
                PrivateDnsEnabled=private_dns,
            )

    def endpoints(self) -> None:
        """All that a worker needs, for every subnet that uses the main route table."""
        self.s3_gateway()
        self.interfaces()

    def internet(self, *names: str) -> str:
        """An internet gateway, and these subnets public; its id."""
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc_id)
        self.default_route(self.table(*names), GatewayId=gateway)
        return str(gateway)

    def nat(self, *names: str, public: bool = True) -> str:
        """A NAT gateway for these subnets, in a public subnet `public` of zone c; its id."""
        self.subnet("public", "c", "10.0.9.0/24")
        if public:
            self.internet("public")
        address = self.ec2.allocate_address(Domain="vpc")["AllocationId"]
        gateway = self.ec2.create_nat_gateway(SubnetId=self.ids["public"], AllocationId=address)["NatGateway"]
        self.default_route(self.table(*names), NatGatewayId=gateway["NatGatewayId"])
        return str(gateway["NatGatewayId"])

    def transit_gateway(self, *names: str) -> str:
        """A transit gateway behind the default route of these subnets; its id."""
        gateway = self.ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
        self.default_route(self.table(*names), TransitGatewayId=gateway)
        return str(gateway)

    def shared_by(self, owner: str) -> None:
        """From now on the VPC is another account's, which shares it."""
        sharing.share(ACCOUNT, REGION, self.vpc_id, owner)

    def acl(self, name: str, *rules: tuple[str, str, str, int, int]) -> str:
        """A network ACL of the subnet's own; its id. Rules are (`in` or `out`, `allow` or `deny`, network, first port, last port) in their
        order, then all is refused."""
        acl = self.ec2.create_network_acl(VpcId=self.vpc_id)["NetworkAcl"]["NetworkAclId"]
        for number, (way, action, network, first, last) in enumerate(rules, 1):
            self.ec2.create_network_acl_entry(
                NetworkAclId=acl,
                RuleNumber=number * 10,
                Protocol="6",
                RuleAction=action,
                Egress=way == "out",
                CidrBlock=network,
                PortRange={"From": first, "To": last},
            )
        of_subnet = [{"Name": "association.subnet-id", "Values": [self.ids[name]]}]
        for old in self.ec2.describe_network_acls(Filters=of_subnet)["NetworkAcls"]:
            for association in old["Associations"]:
                if association["SubnetId"] == self.ids[name]:
                    self.ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=acl)
        return str(acl)

    def read(self) -> Vpc:
        """The VPC as the product reads it."""
        return network_facts.read(_account(), self.vpc_id, [self.group])

    def choose(self, vpc: Vpc | None = None, *, repository: str = REGION, proxy: str | None = None, allowed: Sequence[str] = ()) -> Choice:
        """The choice for this layout, or for what was changed of it after it was read; `allowed` by name."""
        subnets = tuple((self.ids[name], f"{REGION}{name}") for name in self.database_subnets)
        database = Database("orders", f"{REGION}a", self.standby_zone, PORT, subnets)
        caller = Caller(REGION, repository, (self.group,), proxy)
        return network_choice.choose(vpc or self.read(), database, caller, [self.ids[name] for name in allowed])

    def told(self, choice: Choice) -> dict[str, tuple[int | None, str | None, str]]:
        """By name: rank, way, and all reasons in one text, with names in the place of ids."""
        names = {subnet_id: name for name, subnet_id in self.ids.items()}
        return {names[s.subnet_id]: (s.rank, s.way, _renamed("; ".join(s.reasons), names)) for s in choice.network.subnets}


@cache
def _account() -> TargetAccount:
    # A client costs more than all the calls of a test.
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "aws_session_token": "testing"}
    return TargetAccount({"region_name": REGION, **keys})  # type: ignore[typeddict-item]


def _renamed(text: str, names: dict[str, str]) -> str:
    for subnet_id, name in names.items():
        text = text.replace(subnet_id, name)
    return text
