"""What the policies of a VPC's endpoints for S3 let through, for an instance that fetches its program when it boots.

What a worker asks for later doesn't meet them: its requests come to the local cloud from outside every VPC.
"""

from collections.abc import Iterator
from typing import Any

from localcloud.iam import access_policies
from localcloud.iam.access_policies import Question


def refusal(instance: Any, role_arn: str, bucket: str, key: str, region: str) -> str | None:
    """What S3 says if the endpoint on the instance's way to it (moto's instance) doesn't let the role read the object; else None."""
    if region != instance.region_name:
        # A gateway endpoint is on the way to its own Region alone.
        return None
    question = Question(role_arn, "s3:GetObject", f"arn:aws:s3:::{bucket}/{key}", {"aws:principalarn": role_arn})
    for endpoint in _on_the_way(instance):
        statements = access_policies.statements(endpoint.policy_document)
        concerned = [one for one in statements if access_policies.concerns(one, question) and access_policies.names(one, role_arn)]
        if any(one["Effect"] == "Deny" for one in concerned):
            return "An error occurred (AccessDenied): s3:GetObject with an explicit deny in a VPC endpoint policy"
        if not concerned:
            return "An error occurred (AccessDenied): because no VPC endpoint policy allows the s3:GetObject action"
    return None


def _on_the_way(instance: Any) -> Iterator[Any]:
    ec2 = instance.ec2_backend
    tables = _tables(ec2, instance)
    for endpoint in ec2.vpc_end_points.values():
        is_gateway = endpoint.vpc_endpoint_type != "Interface"
        serves = tables & set(endpoint.route_table_ids or ()) if is_gateway else endpoint.private_dns_enabled
        is_there = endpoint.vpc_id == instance.vpc_id and endpoint.state == "available"
        if is_there and endpoint.service_name.endswith(".s3") and serves:
            yield endpoint


def _tables(ec2: Any, instance: Any) -> set[str]:
    """The route table of the instance's subnet: its own, else the VPC's."""
    own = ec2.describe_route_tables(filters={"association.subnet-id": [instance.subnet_id]})
    of_vpc = {"vpc-id": [instance.vpc_id], "association.main": ["true"]}
    return {table.id for table in own or ec2.describe_route_tables(filters=of_vpc)}
