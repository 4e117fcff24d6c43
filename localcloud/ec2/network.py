"""The default VPC of the local cloud's accounts, as an owner makes it for workers without public addresses: a way to AWS from every subnet.

Near the repository endpoints alone are enough. A gateway endpoint serves its own Region, so from another Region the way leads through a
NAT gateway.
"""

from typing import Any

from localcloud.base.clients import HOME, Place
from localcloud.cloud import Cloud

INTERFACES = ("ssm", "ssmmessages", "ec2messages", "secretsmanager")
# In the default VPC (172.31.0.0/16), behind the default subnets, which begin at 172.31.0.0 and have 4,096 addresses each.
PUBLIC_SUBNET = "172.31.255.0/24"


def default_vpc(cloud: Cloud, place: Place) -> str:
    """Its id."""
    ec2 = cloud.client("ec2", place=place)
    return str(ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"])


def prepare(cloud: Cloud, place: Place) -> str:
    """Give the default VPC its way to AWS, if it has none yet; its id."""
    ec2, vpc = cloud.client("ec2", place=place), default_vpc(cloud, place)
    if place.region == HOME.region:
        if not ec2.describe_vpc_endpoints(Filters=_of(vpc))["VpcEndpoints"]:
            _endpoints(ec2, vpc, place.region)
    elif not ec2.describe_nat_gateways(Filters=_of(vpc))["NatGateways"]:
        _nat_gateway(ec2, vpc)
    return vpc


def _endpoints(ec2: Any, vpc: str, region: str) -> None:
    subnets = [one["SubnetId"] for one in ec2.describe_subnets(Filters=_of(vpc))["Subnets"]]
    group = ec2.create_security_group(GroupName="aws-endpoints", Description="HTTPS from the VPC", VpcId=vpc)["GroupId"]
    everywhere = [{"CidrIp": one["CidrBlock"]} for one in ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]]
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": everywhere}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[https])
    ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName=f"com.amazonaws.{region}.s3", VpcEndpointType="Gateway", RouteTableIds=[_main_table(ec2, vpc)]
    )
    for service in INTERFACES:
        ec2.create_vpc_endpoint(
            VpcId=vpc,
            ServiceName=f"com.amazonaws.{region}.{service}",
            VpcEndpointType="Interface",
            SubnetIds=subnets,
            SecurityGroupIds=[group],
            PrivateDnsEnabled=True,
        )


def _nat_gateway(ec2: Any, vpc: str) -> None:
    public = ec2.create_subnet(VpcId=vpc, CidrBlock=PUBLIC_SUBNET)["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=public)
    gateways = ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}])["InternetGateways"]
    internet = gateways[0]["InternetGatewayId"] if gateways else _internet_gateway(ec2, vpc)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=internet)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=public, AllocationId=address)["NatGateway"]["NatGatewayId"]
    ec2.create_route(RouteTableId=_main_table(ec2, vpc), DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)


def _internet_gateway(ec2: Any, vpc: str) -> str:
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    return str(gateway)


def _main_table(ec2: Any, vpc: str) -> str:
    main = [*_of(vpc), {"Name": "association.main", "Values": ["true"]}]
    return str(ec2.describe_route_tables(Filters=main)["RouteTables"][0]["RouteTableId"])


def _of(vpc: str) -> list[dict[str, Any]]:
    return [{"Name": "vpc-id", "Values": [vpc]}]
