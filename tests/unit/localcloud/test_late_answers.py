"""EC2, RDS and S3 of a local cloud that shows late what was made, and of one that doesn't."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.base import consistency
from localcloud.base.consistency import COPIES, Inconsistency
from localcloud.cloud import Cloud
from localcloud.ec2.late_answers import STATE
from tests.unit.localcloud.ec2.test_instances import launch, wait_for

IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
LONGEST = max(COPIES)
# So many calls meet every answer that there is.
CALLS = 60
TAG = [{"Key": "of", "Value": "a test"}]
BY_TAG = [{"Name": "tag:of", "Values": ["a test"]}]
POLICY = {"Version": "2012-10-17", "Statement": []}


class Time:
    """AWS's seconds, which pass when the test says so."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def late(time: Time) -> Iterator[Inconsistency]:
    made = Inconsistency(1, now=time)
    consistency.begin(made)
    yield made
    consistency.end()


@pytest.fixture(scope="module")
def ec2(cloud: Cloud) -> Any:
    return cloud.client("ec2")


def new_group(ec2: Any) -> str:
    tagged = [{"ResourceType": "security-group", "Tags": TAG}]
    return str(ec2.create_security_group(GroupName=f"late-{uuid.uuid4().hex}", Description="test", TagSpecifications=tagged)["GroupId"])


def new_instance(cloud: Cloud) -> str:
    image = cloud.client("ssm").get_parameter(Name=IMAGE)["Parameter"]["Value"]
    return str(launch(cloud.client("ec2"), image, TagSpecifications=[{"ResourceType": "instance", "Tags": TAG}])["InstanceId"])


def new_bucket(cloud: Cloud) -> str:
    name = f"late-{uuid.uuid4().hex}"
    create = {"Bucket": name, "CreateBucketConfiguration": {"LocationConstraint": cloud.region}}
    until_taken(lambda: cloud.client("s3").create_bucket(**create))
    return name


def until_taken(call: Callable[[], Any]) -> None:
    """As anybody must who meets `OperationAborted`."""
    assert any(outcome(call) == "" for _ in range(CALLS))


def outcome(call: Callable[[], Any]) -> str:
    """The code of its error; empty if it has none."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def outcomes(call: Callable[[], Any]) -> set[str]:
    return {outcome(call) for _ in range(CALLS)}


def groups(ec2: Any, **asked: Any) -> dict[str, list[Any]]:
    """Id -> tags."""
    return {one["GroupId"]: one.get("Tags", []) for one in ec2.describe_security_groups(**asked)["SecurityGroups"]}


def states(ec2: Any, **asked: Any) -> dict[str, str]:
    reservations = ec2.describe_instances(**asked)["Reservations"]
    return {one["InstanceId"]: one["State"]["Name"] for found in reservations for one in found["Instances"]}


def modify(cloud: Cloud, group: str) -> Callable[[], Any]:
    """Of an instance that there is none of: whatever RDS says before it looks is the lateness."""
    return lambda: cloud.client("rds").modify_db_instance(DBInstanceIdentifier="nobody", VpcSecurityGroupIds=[group])


def modify_cluster(cloud: Cloud, group: str) -> Callable[[], Any]:
    return lambda: cloud.client("rds").modify_db_cluster(DBClusterIdentifier="nobody", VpcSecurityGroupIds=[group])


def test_a_new_group_is_listed_now_and_then_and_after_minutes_always(ec2: Any, late: Inconsistency, time: Time) -> None:
    group = new_group(ec2)

    assert {group in groups(ec2) for _ in range(CALLS)} == {False}
    time.seconds = COPIES[0]
    assert {group in groups(ec2) for _ in range(CALLS)} == {True, False}
    time.seconds = LONGEST
    assert {group in groups(ec2) for _ in range(CALLS)} == {True}
    assert late.met["unknown"]


@pytest.mark.usefixtures("late")
def test_a_new_group_by_its_id_is_refused_by_whoever_does_not_know_it(ec2: Any, time: Time) -> None:
    group, other = new_group(ec2), new_group(ec2)
    permission = [{"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": other}]}]

    for call in (
        lambda: ec2.describe_security_groups(GroupIds=[group]),
        lambda: ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permission),
        lambda: ec2.delete_security_group(GroupId=group),
    ):
        assert outcomes(call) == {"InvalidGroup.NotFound"}
    time.seconds = LONGEST
    assert group in groups(ec2, GroupIds=[group])
    assert outcome(lambda: ec2.delete_security_group(GroupId=group)) == ""


@pytest.mark.usefixtures("late")
def test_a_rule_about_a_new_group_is_refused_by_whoever_does_not_know_that_one(ec2: Any, time: Time) -> None:
    known = new_group(ec2)
    time.seconds = LONGEST
    new = new_group(ec2)
    permission = [{"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": new}]}]

    assert outcome(lambda: ec2.authorize_security_group_ingress(GroupId=known, IpPermissions=permission)) == "InvalidGroup.NotFound"
    assert ec2.describe_security_groups(GroupIds=[known])["SecurityGroups"][0]["IpPermissions"] == []


@pytest.mark.usefixtures("late")
def test_tags_show_later_than_the_thing_and_its_filter_misses_it_meanwhile(ec2: Any, time: Time) -> None:
    group, seen = new_group(ec2), set()

    for _ in range(int(LONGEST / 2)):
        time.seconds += 2
        by_tag, all_of_them = groups(ec2, Filters=BY_TAG), groups(ec2)
        seen.add((group in by_tag, bool(all_of_them.get(group))))
        if group in by_tag:
            assert by_tag[group] == TAG

    assert seen >= {(False, False), (True, True)}
    assert groups(ec2, Filters=BY_TAG)[group] == TAG


@pytest.mark.usefixtures("late")
def test_a_new_instance_can_neither_be_seen_nor_ended_by_whoever_does_not_know_it(cloud: Cloud, ec2: Any, time: Time) -> None:
    instance = new_instance(cloud)

    assert instance not in states(ec2)
    assert outcome(lambda: ec2.describe_instances(InstanceIds=[instance])) == "InvalidInstanceID.NotFound"
    assert outcome(lambda: ec2.terminate_instances(InstanceIds=[instance])) == "InvalidInstanceID.NotFound"
    time.seconds = LONGEST
    # The refused call had no effect: it runs on.
    assert states(ec2, InstanceIds=[instance])[instance] in ("pending", "running")
    assert outcome(lambda: ec2.terminate_instances(InstanceIds=[instance])) == ""


@pytest.mark.usefixtures("late")
def test_volumes_and_interfaces_get_known_with_their_instance(cloud: Cloud, ec2: Any, time: Time) -> None:
    instance = new_instance(cloud)
    of_it = [{"Name": "attachment.instance-id", "Values": [instance]}]

    assert ec2.describe_volumes(Filters=of_it)["Volumes"] == []
    assert ec2.describe_network_interfaces(Filters=of_it)["NetworkInterfaces"] == []
    time.seconds = LONGEST
    assert len(ec2.describe_volumes(Filters=of_it)["Volumes"]) == 1
    assert len(ec2.describe_network_interfaces(Filters=of_it)["NetworkInterfaces"]) == 1
    ec2.terminate_instances(InstanceIds=[instance])


def test_the_state_before_shows_for_a_while_after_a_change(cloud: Cloud, ec2: Any, late: Inconsistency, time: Time) -> None:
    instance = new_instance(cloud)
    time.seconds = LONGEST
    ec2.terminate_instances(InstanceIds=[instance])
    late.applies = lambda: False
    wait_for(lambda: states(ec2, InstanceIds=[instance])[instance] == "terminated")
    late.applies = lambda: True

    assert {states(ec2, InstanceIds=[instance])[instance] for _ in range(CALLS)} == {"shutting-down"}
    time.seconds += STATE * LONGEST
    assert {states(ec2, InstanceIds=[instance])[instance] for _ in range(CALLS)} == {"terminated"}


@pytest.mark.usefixtures("late")
def test_a_young_instance_now_and_then_cannot_be_changed_and_an_old_one_always(cloud: Cloud, ec2: Any, time: Time) -> None:
    instance = new_instance(cloud)
    time.seconds = LONGEST - 1
    change = {"InstanceId": instance, "DisableApiTermination": {"Value": False}}

    young = outcomes(lambda: ec2.modify_instance_attribute(**change))
    time.seconds = LONGEST
    old = outcomes(lambda: ec2.modify_instance_attribute(**change))

    assert young >= {"", "IncorrectInstanceState"}
    assert young <= {"", "IncorrectInstanceState", "InvalidInstanceID.NotFound"}
    assert old == {""}
    ec2.terminate_instances(InstanceIds=[instance])


@pytest.mark.usefixtures("late")
def test_rds_does_not_know_a_new_group_and_now_and_then_is_changing_something(cloud: Cloud, ec2: Any, time: Time) -> None:
    group = new_group(ec2)

    assert outcomes(modify(cloud, group)) == {"InvalidVPCNetworkStateFault"}
    time.seconds = LONGEST
    assert outcomes(modify(cloud, group)) == {"DBInstanceNotFound", "InvalidDBInstanceState"}
    assert outcomes(modify_cluster(cloud, group)) == {"DBClusterNotFoundFault", "InvalidDBClusterStateFault"}


@pytest.mark.usefixtures("late")
def test_a_new_bucket_takes_no_settings_and_now_and_then_is_changing(cloud: Cloud, time: Time) -> None:
    s3, bucket = cloud.client("s3"), new_bucket(cloud)

    def set_policy() -> None:
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(POLICY))

    assert outcomes(set_policy) == {"NoSuchBucket"}
    time.seconds = LONGEST
    assert outcomes(set_policy) == {"", "OperationAborted"}
    assert outcome(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"v")) == ""
    s3.delete_object(Bucket=bucket, Key="k")
    until_taken(lambda: s3.delete_bucket(Bucket=bucket))


def test_nothing_is_late_when_it_is_off(cloud: Cloud, ec2: Any) -> None:
    assert consistency.current() is None
    group, instance, bucket = new_group(ec2), new_instance(cloud), new_bucket(cloud)
    s3 = cloud.client("s3")

    for _ in range(CALLS):
        assert groups(ec2, Filters=BY_TAG)[group] == TAG
        assert instance in states(ec2, InstanceIds=[instance])
    assert outcomes(modify(cloud, group)) == {"DBInstanceNotFound"}
    assert outcomes(modify_cluster(cloud, group)) == {"DBClusterNotFoundFault"}
    assert outcomes(lambda: s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(POLICY))) == {""}
    assert outcome(lambda: ec2.delete_security_group(GroupId=group)) == ""
    assert outcome(lambda: ec2.terminate_instances(InstanceIds=[instance])) == ""
    assert outcome(lambda: s3.delete_bucket(Bucket=bucket)) == ""


@pytest.mark.usefixtures("late")
def test_who_looks_at_the_truth_sees_it_at_once(ec2: Any, late: Inconsistency) -> None:
    group = new_group(ec2)
    late.applies = lambda: False

    assert group in groups(ec2, GroupIds=[group])
