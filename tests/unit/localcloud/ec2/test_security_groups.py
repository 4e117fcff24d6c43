"""The contract of the fixed security groups: what uses a group keeps it."""

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.localcloud.ec2.test_instances import launch, wait_for


def group(ec2: Any) -> str:
    answer = ec2.create_security_group(GroupName=f"dbrestore-{uuid.uuid4().hex}", Description="test")
    return str(answer["GroupId"])


def refusal(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return str(error.value.response["Error"]["Code"])


def is_deleted(ec2: Any, group_id: str) -> bool:
    try:
        ec2.delete_security_group(GroupId=group_id)
    except ec2.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "DependencyViolation":
            raise
        return False
    return True


def test_a_group_stays_until_the_interface_of_its_instance_is_released(ec2: Any, image: str) -> None:
    group_id = group(ec2)
    instance_id = launch(ec2, image, SecurityGroupIds=[group_id])["InstanceId"]

    assert refusal(ec2.delete_security_group, GroupId=group_id) == "DependencyViolation"
    ec2.terminate_instances(InstanceIds=[instance_id])
    assert refusal(ec2.delete_security_group, GroupId=group_id) == "DependencyViolation"

    wait_for(lambda: is_deleted(ec2, group_id))
    assert refusal(ec2.describe_security_groups, GroupIds=[group_id]) == "InvalidGroup.NotFound"
    assert refusal(ec2.delete_security_group, GroupId=group_id) == "InvalidGroup.NotFound"


@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_a_rule_of_another_group_keeps_a_group(ec2: Any, direction: str) -> None:
    group_id, other = group(ec2), group(ec2)
    permission = [{"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": group_id}]}]
    getattr(ec2, f"authorize_security_group_{direction}")(GroupId=other, IpPermissions=permission)

    assert refusal(ec2.delete_security_group, GroupId=group_id) == "DependencyViolation"
    getattr(ec2, f"revoke_security_group_{direction}")(GroupId=other, IpPermissions=permission)
    ec2.delete_security_group(GroupId=group_id)

    assert refusal(ec2.describe_security_groups, GroupIds=[group_id]) == "InvalidGroup.NotFound"


def test_a_rule_about_itself_keeps_no_group(ec2: Any) -> None:
    group_id = group(ec2)
    pair = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupId": group_id}]}]
    ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=pair)

    assert is_deleted(ec2, group_id)


def test_a_name_can_be_used_once(ec2: Any) -> None:
    name = f"dbrestore-{uuid.uuid4().hex}"
    ec2.create_security_group(GroupName=name, Description="test")

    assert refusal(ec2.create_security_group, GroupName=name, Description="test") == "InvalidGroup.Duplicate"


def test_groups_of_a_running_instance_can_be_changed(ec2: Any, image: str) -> None:
    standing, paired = group(ec2), group(ec2)
    instance_id = launch(ec2, image, SecurityGroupIds=[standing])["InstanceId"]

    ec2.modify_instance_attribute(InstanceId=instance_id, Groups=[standing, paired])
    assert refusal(ec2.delete_security_group, GroupId=paired) == "DependencyViolation"
    ec2.modify_instance_attribute(InstanceId=instance_id, Groups=[standing])

    assert is_deleted(ec2, paired)
    assert not is_deleted(ec2, standing)


def test_unknown_and_too_many_groups_are_refused(ec2: Any, image: str) -> None:
    instance_id = launch(ec2, image)["InstanceId"]
    unknown = {"InstanceId": instance_id, "Groups": ["sg-00000000000000000"]}
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    interface = {"DeviceIndex": 0, "SubnetId": subnet, "Groups": ["sg-00000000000000000"]}
    six = [group(ec2) for _ in range(6)]

    assert refusal(ec2.modify_instance_attribute, **unknown) == "InvalidGroup.NotFound"
    assert refusal(launch, ec2=ec2, image=image, NetworkInterfaces=[interface]) == "InvalidGroup.NotFound"
    code = refusal(ec2.modify_instance_attribute, InstanceId=instance_id, Groups=six)
    assert code == "SecurityGroupsPerInterfaceLimitExceeded"
