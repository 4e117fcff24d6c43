"""The contract of the fixed EC2 instances."""

import time
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError


def launch(ec2: Any, image: str, **more: Any) -> dict[str, Any]:
    request = {"ImageId": image, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, **more}
    instance: dict[str, Any] = ec2.run_instances(**request)["Instances"][0]
    return instance


def state(ec2: Any, instance_id: str) -> str:
    found = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
    return str(found["State"]["Name"])


def wait_for(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def test_a_repeated_client_token_launches_nothing_new(ec2: Any, image: str) -> None:
    token = uuid.uuid4().hex

    first = launch(ec2, image, ClientToken=token)
    again = launch(ec2, image, ClientToken=token)

    assert again["InstanceId"] == first["InstanceId"]
    found = ec2.describe_instances(Filters=[{"Name": "client-token", "Values": [token]}])["Reservations"]
    assert [each["InstanceId"] for one in found for each in one["Instances"]] == [first["InstanceId"]]


def test_other_tokens_and_no_tokens_launch_separate_instances(ec2: Any, image: str) -> None:
    ids = {launch(ec2, image, ClientToken=uuid.uuid4().hex)["InstanceId"] for _ in range(3)}

    assert len(ids) == 3


def test_a_client_token_with_other_parameters_is_refused(ec2: Any, image: str) -> None:
    token = uuid.uuid4().hex
    launch(ec2, image, ClientToken=token)

    with pytest.raises(ClientError) as refusal:
        launch(ec2, image, ClientToken=token, InstanceType="t3.large")

    assert refusal.value.response["Error"]["Code"] == "IdempotentParameterMismatch"


def test_the_client_token_of_a_terminated_instance_gives_that_instance(ec2: Any, image: str) -> None:
    token = uuid.uuid4().hex
    instance_id = launch(ec2, image, ClientToken=token)["InstanceId"]
    ec2.terminate_instances(InstanceIds=[instance_id])
    wait_for(lambda: state(ec2, instance_id) == "terminated")

    again = launch(ec2, image, ClientToken=token)

    assert (again["InstanceId"], again["State"]["Name"]) == (instance_id, "terminated")


def test_an_instance_lives_and_dies_in_steps_and_stays_visible(ec2: Any, image: str) -> None:
    instance_id = launch(ec2, image)["InstanceId"]

    assert state(ec2, instance_id) == "pending"
    wait_for(lambda: state(ec2, instance_id) == "running")
    answer = ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"][0]
    assert (answer["PreviousState"]["Name"], answer["CurrentState"]["Name"]) == ("running", "shutting-down")
    assert state(ec2, instance_id) == "shutting-down"
    wait_for(lambda: state(ec2, instance_id) == "terminated")
    ec2.terminate_instances(InstanceIds=[instance_id])
    assert state(ec2, instance_id) == "terminated"


def test_the_interface_outlives_the_instance_for_a_while_and_volumes_go_at_once(ec2: Any, image: str) -> None:
    disk = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8, "DeleteOnTermination": True, "Encrypted": True}}
    instance_id = launch(ec2, image, BlockDeviceMappings=[disk])["InstanceId"]
    of_instance = [{"Name": "attachment.instance-id", "Values": [instance_id]}]
    assert len(ec2.describe_network_interfaces(Filters=of_instance)["NetworkInterfaces"]) == 1
    assert len(ec2.describe_volumes(Filters=of_instance)["Volumes"]) == 1

    ec2.terminate_instances(InstanceIds=[instance_id])

    wait_for(lambda: state(ec2, instance_id) == "terminated")
    assert ec2.describe_volumes(Filters=of_instance)["Volumes"] == []
    assert len(ec2.describe_network_interfaces(Filters=of_instance)["NetworkInterfaces"]) == 1
    wait_for(lambda: not ec2.describe_network_interfaces(Filters=of_instance)["NetworkInterfaces"])


def test_tags_reach_instance_volume_and_interface(ec2: Any, image: str) -> None:
    tag = {"Key": "dbrestore:restore-id", "Value": uuid.uuid4().hex}
    kinds = ("instance", "volume", "network-interface")

    instance_id = launch(ec2, image, TagSpecifications=[{"ResourceType": kind, "Tags": [tag]} for kind in kinds])["InstanceId"]

    tagged = [{"Name": f"tag:{tag['Key']}", "Values": [tag["Value"]]}]
    found = ec2.describe_instances(Filters=tagged)["Reservations"][0]["Instances"]
    assert [each["InstanceId"] for each in found] == [instance_id]
    assert len(ec2.describe_volumes(Filters=tagged)["Volumes"]) == 1
    assert len(ec2.describe_network_interfaces(Filters=tagged)["NetworkInterfaces"]) == 1


def test_an_unlisted_image_is_refused(ec2: Any) -> None:
    with pytest.raises(ClientError) as refusal:
        launch(ec2, "ami-00000000000000000")

    assert refusal.value.response["Error"]["Code"] == "InvalidAMIID.NotFound"


def test_an_instance_profile_that_does_not_exist_is_refused(ec2: Any, image: str) -> None:
    with pytest.raises(ClientError) as refusal:
        launch(ec2, image, IamInstanceProfile={"Name": "nobody"})

    assert refusal.value.response["Error"]["Code"] == "InvalidParameterValue"
    assert "iamInstanceProfile.name" in refusal.value.response["Error"]["Message"]


def test_a_launch_with_a_profile_and_a_token_can_be_repeated(ec2: Any, image: str) -> None:
    iam, name, token = boto3.client("iam"), uuid.uuid4().hex, uuid.uuid4().hex
    iam.create_instance_profile(InstanceProfileName=name)

    ids = {launch(ec2, image, IamInstanceProfile={"Name": name}, ClientToken=token)["InstanceId"] for _ in range(2)}

    assert len(ids) == 1
