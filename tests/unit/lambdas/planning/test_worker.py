"""A plan with worker configurations: the worker that comes of file and request; what AWS doesn't have is refused where it is set."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.ec2.models import ec2_backends

from dbrestore.contract import names
from dbrestore.contract.errors import RestoreError, RestoreRequestInvalid, TargetNotUsable, WorkerConfigurationInvalid
from lambdas.planning.plan_restore import plan_restore
from tests.statemachine.world import ACCOUNT, REGION, REQUEST, World, execution_arn

HERE = {"account": ACCOUNT, "region": REGION}


@pytest.fixture
def configure(world: World, tmp_path: Path) -> Any:
    """Deploy a file with these defaults and what holds in the target's account and Region."""

    def write(here: dict[str, Any] | None = None, **defaults: Any) -> None:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}" / "workers.json"
        path.parent.mkdir()
        path.write_text(json.dumps({"defaults": defaults, "places": [{**HERE, **(here or {})}]}))
        world.patch.setenv("WORKER_CONFIGURATION", str(path))

    return write


def planned(worker: dict[str, Any] | None = None) -> dict[str, Any]:
    request = {**REQUEST, "worker": worker or {}}
    told: dict[str, Any] = plan_restore({"request": request, "executionArn": execution_arn("restore-1")}, None)["worker"]
    return told


def refused(worker: dict[str, Any] | None = None, kind: type[RestoreError] = WorkerConfigurationInvalid) -> list[str]:
    with pytest.raises(RestoreError) as told:
        planned(worker)
    assert type(told.value) is kind, repr(told.value)
    return str(told.value).splitlines()


def image(**changes: Any) -> str:
    """An image of the account's own; `changes` are what moto keeps of it."""
    ec2: Any = boto3.client("ec2")
    made = ec2.register_image(Name="hardened", RootDeviceName="/dev/sda1", VirtualizationType="hvm")["ImageId"]
    backend = ec2_backends[ACCOUNT][REGION]
    # moto keeps neither of the two from the request.
    for key, value in {"architecture": "x86_64", "root_device_type": "ebs", **changes}.items():
        setattr(backend.amis[made], key, value)
    return str(made)


def group(world: World, port: int, vpc_id: str | None = None) -> str:
    """A security group that lets out to one port."""
    ec2 = boto3.client("ec2")
    made = ec2.create_security_group(GroupName=f"out-{port}", Description="out", VpcId=vpc_id or world.vpc_id)["GroupId"]
    everything = ec2.describe_security_groups(GroupIds=[made])["SecurityGroups"][0]["IpPermissionsEgress"]
    ec2.revoke_security_group_egress(GroupId=made, IpPermissions=everything)
    rule: Any = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    ec2.authorize_security_group_egress(GroupId=made, IpPermissions=[rule])
    return str(made)


def only_https(world: World) -> str:
    """The standing group as the TargetStack makes it."""
    ec2 = boto3.client("ec2")
    filters: Any = [{"Name": f"tag:{names.STANDING}", "Values": ["worker"]}]
    standing = ec2.describe_security_groups(Filters=filters)["SecurityGroups"][0]
    ec2.revoke_security_group_egress(GroupId=standing["GroupId"], IpPermissions=standing["IpPermissionsEgress"])
    rule: Any = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_egress(GroupId=standing["GroupId"], IpPermissions=[rule])
    return str(standing["GroupId"])


def test_the_worker_is_what_the_file_sets_for_the_place(world: World, configure: Any) -> None:
    extra, own_image = group(world, 3128), image()
    configure(
        {
            "subnetIds": [world.subnets[2]],
            "securityGroupIds": [extra],
            "instanceTypes": ["m6i.large", "m5.large"],
            "imageId": own_image,
            "volumeGib": 40,
            "tags": {"team": "dba"},
            "proxy": "http://proxy.example.com:3128",
        },
        maxRunHours=24,
        tags={"cost": "7"},
    )

    told = planned()

    assert told["launches"] == [{"instanceType": kind, "subnetId": world.subnets[2]} for kind in ("m6i.large", "m5.large")]
    assert told["securityGroupIds"][1:] == [extra]
    assert (told["imageId"], told["rootDevice"], told["volumeGib"]) == (own_image, "/dev/sda1", 40)
    assert told["tags"] == {"team": "dba", "cost": "7"}
    assert told["proxy"] == "http://proxy.example.com:3128"
    assert told["maxRunMinutes"] == 24 * 60
    assert told["configuredBy"] == f"workers.json, {REGION}, account {ACCOUNT}; the defaults of workers.json"


def test_the_request_counts_above_the_file(world: World, configure: Any) -> None:
    configure({"subnetIds": [world.subnets[0]], "volumeGib": 40, "instanceTypes": ["m5.large"], "maxRunHours": 10})

    told = planned({"subnetId": world.subnets[1], "volumeGib": 50, "instanceTypes": ["r5.large"], "maxRunHours": 3})

    assert told["launches"] == [{"instanceType": "r5.large", "subnetId": world.subnets[1]}]
    assert (told["volumeGib"], told["maxRunMinutes"]) == (50, 180)
    assert told["configuredBy"] == "the request"


def test_without_any_setting_the_worker_is_as_ever(world: World) -> None:
    told = planned()

    assert (told["imageId"], told["rootDevice"], told["volumeGib"], told["tags"]) == (None, "/dev/xvda", 20, {})
    assert (told["proxy"], told["noProxy"], told["configuredBy"]) == (None, [], "the defaults")
    assert len(told["securityGroupIds"]) == 1


def test_another_vpcs_configuration_is_not_this_ones(world: World, configure: Any) -> None:
    configure({"vpcId": "vpc-0123456789abcdef9", "volumeGib": 99})

    assert planned()["volumeGib"] == 20


def test_two_forms_of_one_wish_are_refused(world: World) -> None:
    lines = refused(
        {"subnetId": world.subnets[0], "subnetIds": [world.subnets[1]], "instanceType": "a1.b", "instanceTypes": ["m5.large"]},
        RestoreRequestInvalid,
    )

    assert "/worker/subnetId: can't be combined with subnetIds: give one of the two" in lines
    assert "/worker/instanceType: can't be combined with instanceTypes: give one of the two" in lines


def test_groups_that_are_not_there_elsewhere_or_standing_are_refused_each_with_its_place(world: World, configure: Any) -> None:
    elsewhere = boto3.client("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    foreign, standing = group(world, 3128, elsewhere), only_https(world)
    configure({"securityGroupIds": ["sg-0123456789abcdef0", foreign, standing]})

    lines = refused()

    place = "workers.json#/places/0/securityGroupIds"
    assert lines == [
        f"{place}: sg-0123456789abcdef0 isn't a security group of this account and Region: name another",
        f"{place}: {foreign} belongs to {elsewhere}, but the worker is in {world.vpc_id}: name one of that VPC",
        f"{place}: {standing} is the standing group, which every worker has: leave it out",
    ]


def test_a_proxy_that_no_group_lets_the_worker_reach_is_refused(world: World, configure: Any) -> None:
    standing = only_https(world)
    configure({"proxy": "http://proxy.example.com:3128"})

    [line] = refused()

    assert line.startswith("workers.json#/places/0/proxy: goes to port 3128, and none of ")
    assert standing in line
    assert line.endswith("add a security group that does to securityGroupIds")


@pytest.mark.parametrize(("url", "port"), [("http://proxy.example.com:3128", 3128), ("https://proxy.example.com", 443)])
def test_a_proxy_that_a_group_opens_the_door_to_is_taken(world: World, configure: Any, url: str, port: int) -> None:
    only_https(world)
    configure({"proxy": url, **({"securityGroupIds": [group(world, port)]} if port != 443 else {})})

    assert planned()["proxy"] == url


def test_what_the_vpc_has_endpoints_for_is_called_without_the_proxy(world: World, configure: Any) -> None:
    ec2 = boto3.client("ec2")
    service: Any = [{"Name": "service-name", "Values": [f"com.amazonaws.{REGION}.secretsmanager"]}]
    [gone] = ec2.describe_vpc_endpoints(Filters=service)["VpcEndpoints"]
    ec2.delete_vpc_endpoints(VpcEndpointIds=[gone["VpcEndpointId"]])
    configure({"proxy": "http://proxy.example.com:443"})

    told = planned()

    assert told["noProxy"] == [
        "localhost",
        "127.0.0.1",
        "169.254.169.254",
        *(f"{name}.{REGION}.amazonaws.com" for name in ("s3", "ssm", "ssmmessages")),
    ]


def test_an_image_that_is_not_there_is_refused(world: World, configure: Any) -> None:
    configure({"imageId": "ami-0123456789abcdef0"})

    assert refused() == [
        f"workers.json#/places/0/imageId: ami-0123456789abcdef0 does not exist in this Region for account {ACCOUNT}: name another"
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"owner_id": "999999999999"},
            f"belongs to 999999999999: use one of Amazon's, or copy it into account {ACCOUNT}",
        ),
        ({"state": "pending"}, "is pending: name one that is available"),
        ({"architecture": "arm64"}, "is for arm64, and the worker's program for x86_64: name another"),
        (
            {"root_device_type": "instance-store"},
            "isn't a Linux image on an EBS volume: make one from Amazon Linux 2023",
        ),
        ({"platform": "windows"}, "isn't a Linux image on an EBS volume: make one from Amazon Linux 2023"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_image_that_no_worker_can_be_is_refused(world: World, changes: dict[str, str], sentence: str) -> None:
    wish = image(**changes)

    assert refused({"imageId": wish}) == [f"/worker/imageId: {wish} {sentence}"]


def test_a_volume_that_is_smaller_than_the_image_is_refused_where_it_is_set(world: World, configure: Any) -> None:
    wish = image()
    disks = boto3.client("ec2").describe_images(ImageIds=[wish])["Images"][0]["BlockDeviceMappings"]
    size = disks[0]["Ebs"]["VolumeSize"]
    configure(volumeGib=size - 1)

    [line] = refused({"imageId": wish})

    sentence = f"{size - 1} GiB are less than the {size} GiB of the image {wish}: ask for {size} or more"
    assert line == f"workers.json#/defaults/volumeGib: {sentence}"


def test_subnets_and_types_are_refused_where_they_are_set(world: World, configure: Any) -> None:
    configure({"subnetIds": ["subnet-0123456789abcdef0"], "instanceTypes": ["m6g.large"]})

    lines = refused(kind=TargetNotUsable)

    assert lines[0].startswith("workers.json#/places/0/subnetIds: ")
    assert "subnet-0123456789abcdef0" in lines[0]
    assert lines[1].startswith("workers.json#/places/0/instanceTypes: 'm6g.large' isn't an x86_64")


def test_tags_that_add_up_to_too_many_are_refused(world: World, configure: Any) -> None:
    configure({"tags": {f"here-{n}": "" for n in range(11)}}, tags={f"all-{n}": "" for n in range(10)})

    assert refused() == ["/worker/tags: of the request and of all places together are 21: 20 at most"]


def test_a_file_that_cannot_be_read_refuses_the_plan(world: World, tmp_path: Path) -> None:
    world.patch.setenv("WORKER_CONFIGURATION", str(tmp_path / "gone.json"))

    [line] = refused()

    assert line.startswith(f"{tmp_path / 'gone.json'}: can't be read")


def test_everything_that_aws_does_not_have_is_told_at_once(world: World, configure: Any) -> None:
    configure(
        {
            "securityGroupIds": ["sg-0123456789abcdef0"],
            "imageId": "ami-0123456789abcdef0",
            "instanceTypes": ["m6g.large"],
        }
    )

    lines = refused({"subnetIds": ["subnet-0123456789abcdef0"]}, RestoreRequestInvalid)

    assert [line.split(":")[0] for line in lines] == [
        "/worker/subnetIds",
        "workers.json#/places/0/instanceTypes",
        "workers.json#/places/0/securityGroupIds",
        "workers.json#/places/0/imageId",
    ]


def test_a_whole_restore_runs_with_a_configuration(world: World, configure: Any) -> None:
    extra = group(world, 3128)
    configure({"subnetIds": [world.subnets[1]], "securityGroupIds": [extra], "tags": {"team": "dba", "Name": "mine"}})

    ended = world.run()

    assert ended["status"] == "SUCCEEDED"
    [worker] = [i for r in boto3.client("ec2").describe_instances()["Reservations"] for i in r["Instances"]]
    tags = {tag["Key"]: tag["Value"] for tag in worker["Tags"]}
    assert worker["SubnetId"] == world.subnets[1]
    assert tags["team"] == "dba"
    assert tags["Name"].startswith("dbrestore-r-")
    assert extra in {g["GroupId"] for g in boto3.client("ec2").describe_security_groups()["SecurityGroups"]}
