"""What carries this product's tags in an account and Region, and how each kind of it is removed.

The removers of a restore go by its id; these go by the tag alone, for what no restore knows of any more.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dbrestore.contract import names
from dbrestore.contract.errors import NotReady
from dbrestore.contract.refusals import error_code
from dbrestore.contract.things import BUCKET, INSTANCE, SECURITY_GROUP
from lambdas.pairing import security_groups
from lambdas.runtime.aws import TargetAccount
from lambdas.staging import objects as staged_objects
from lambdas.worker import shown_instances

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef

VOLUME = "volume"
INTERFACE = "interface"
MANAGED: "list[FilterTypeDef]" = [{"Name": f"tag:{names.MANAGED}", "Values": ["true"]}]


@dataclass(frozen=True)
class Thing:
    """`remove` asks AWS once, and raises NotReady or ClientError if the thing can't go at this moment."""

    kind: str
    id: str
    tags: Mapping[str, str]
    remove: Callable[[], object] = field(repr=False, compare=False)

    @property
    def restore_id(self) -> str | None:
        """The restore that it was made for; a temporary bucket is made for several."""
        return self.tags.get(names.RESTORE_ID)

    @property
    def installation(self) -> str | None:
        """Whose it is; None if a version made it that did not say so."""
        return self.tags.get(names.INSTALLATION)


def everything(target: TargetAccount, prefix: str, account: str, region: str) -> Iterator[Thing]:
    """All of it that isn't ending by itself; buckets of the installation with this `prefix` alone."""
    yield from _instances(target)
    yield from _volumes(target)
    yield from _interfaces(target)
    yield from _groups(target)
    yield from _buckets(target, prefix, account, region)


def _instances(target: TargetAccount) -> Iterator[Thing]:
    for page in target.ec2.get_paginator("describe_instances").paginate(Filters=MANAGED):
        for instance in (i for reservation in page["Reservations"] for i in reservation["Instances"]):
            if instance["State"]["Name"] not in shown_instances.ENDING:
                yield _thing(INSTANCE, instance["InstanceId"], instance, lambda i: shown_instances.end(target.ec2, i))


def _volumes(target: TargetAccount) -> Iterator[Thing]:
    for page in target.ec2.get_paginator("describe_volumes").paginate(Filters=MANAGED):
        for volume in page["Volumes"]:
            # What an instance has goes with the instance.
            if volume["State"] == "available":
                yield _thing(VOLUME, volume["VolumeId"], volume, lambda i: target.ec2.delete_volume(VolumeId=i))


def _interfaces(target: TargetAccount) -> Iterator[Thing]:
    for page in target.ec2.get_paginator("describe_network_interfaces").paginate(Filters=MANAGED):
        for interface in page["NetworkInterfaces"]:
            if interface["Status"] == "available":
                tagged = {"Tags": interface.get("TagSet", [])}
                remove = partial(_delete_interface, target)
                yield _thing(INTERFACE, interface["NetworkInterfaceId"], tagged, remove)


def _delete_interface(target: TargetAccount, interface: str) -> None:
    target.ec2.delete_network_interface(NetworkInterfaceId=interface)


def _groups(target: TargetAccount) -> Iterator[Thing]:
    for page in target.ec2.get_paginator("describe_security_groups").paginate(Filters=MANAGED):
        for group in page["SecurityGroups"]:
            yield _thing(SECURITY_GROUP, group["GroupId"], group, lambda i: security_groups.delete_with_rules(target.ec2, i))


def _buckets(target: TargetAccount, prefix: str, account: str, region: str) -> Iterator[Thing]:
    for bucket in target.s3.list_buckets()["Buckets"]:
        name = bucket["Name"]
        if names.generation_of(prefix, name, account, region):
            yield _thing(BUCKET, name, {"Tags": _bucket_tags(target, name, account)}, lambda i: _delete_bucket(target, i, account))


def _bucket_tags(target: TargetAccount, name: str, account: str) -> list[Any]:
    try:
        return list(target.s3.get_bucket_tagging(Bucket=name, ExpectedBucketOwner=account)["TagSet"])
    except ClientError as error:
        if error_code(error) not in ("NoSuchTagSet", "NoSuchBucket"):
            raise
        return []


def _delete_bucket(target: TargetAccount, name: str, account: str) -> None:
    staged_objects.remove(target.s3, name, "", account)
    try:
        target.s3.delete_bucket(Bucket=name, ExpectedBucketOwner=account)
    except ClientError as error:
        if error_code(error) in ("BucketNotEmpty", "OperationAborted"):
            raise NotReady(f"waiting for S3 to let the bucket {name} be deleted") from error
        if error_code(error) != "NoSuchBucket":
            raise


def _thing(kind: str, id_: str, described: Mapping[str, Any], remove: Callable[[str], object]) -> Thing:
    tags = {tag["Key"]: tag["Value"] for tag in described.get("Tags") or []}
    return Thing(kind, id_, tags, lambda: remove(id_))
