"""The contract of the fixed VPCs: routes and endpoints tell what they lead to."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from localcloud.ec2 import vpc


@pytest.fixture
def ec2() -> Iterator[Any]:
    vpc.install()
    with mock_aws():
        yield boto3.client("ec2", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")


@pytest.fixture
def vpc_id(ec2: Any) -> str:
    return str(ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"])


def endpoint(ec2: Any, vpc_id: str, **more: Any) -> dict[str, Any]:
    service = "com.amazonaws.eu-central-1.ssm"
    created = ec2.create_vpc_endpoint(VpcId=vpc_id, ServiceName=service, VpcEndpointType="Interface", **more)
    return dict(created["VpcEndpoint"])


def test_a_route_to_a_deleted_nat_gateway_is_a_blackhole(ec2: Any, vpc_id: str) -> None:
    subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
    table = ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)

    def states() -> list[str]:
        [told] = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
        return [route["State"] for route in told["Routes"]]

    assert states() == ["active", "active"]
    ec2.delete_nat_gateway(NatGatewayId=nat)
    assert states() == ["active", "blackhole"]


def test_an_interface_endpoint_without_groups_has_the_default_one(ec2: Any, vpc_id: str) -> None:
    of_vpc = [{"Name": "vpc-id", "Values": [vpc_id]}]
    [default] = ec2.describe_security_groups(Filters=of_vpc)["SecurityGroups"]
    own = ec2.create_security_group(GroupName="own", Description="own", VpcId=vpc_id)["GroupId"]

    assert [group["GroupId"] for group in endpoint(ec2, vpc_id)["Groups"]] == [default["GroupId"]]
    assert [group["GroupId"] for group in endpoint(ec2, vpc_id, SecurityGroupIds=[own])["Groups"]] == [own]


def test_a_deleted_endpoint_is_gone(ec2: Any, vpc_id: str) -> None:
    created = endpoint(ec2, vpc_id)

    ec2.delete_vpc_endpoints(VpcEndpointIds=[created["VpcEndpointId"]])

    assert ec2.describe_vpc_endpoints()["VpcEndpoints"] == []
