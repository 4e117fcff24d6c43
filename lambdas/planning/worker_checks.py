"""What is set for a worker, held against what AWS has in the target's account and Region: security groups, image, volume, the door to the
proxy.

Invariant: nothing raises for what is set wrongly; each problem is added under the place where the value stands, and the rest is looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dbrestore.contract.allowed.worker_settings import MOST_TAGS, proxy_port
from dbrestore.contract.errors import WorkerConfigurationInvalid
from dbrestore.contract.refusals import error_code
from dbrestore.contract.request_problems import Problems
from lambdas.placement.effective_worker import EffectiveWorker
from lambdas.runtime.aws import TargetAccount

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import ImageTypeDef, SecurityGroupTypeDef

# The name that Amazon Linux 2023 gives its volume.
ROOT_DEVICE = "/dev/xvda"
AMAZON = "amazon"


@dataclass(frozen=True)
class Checks:
    """One worker to be checked. `standing` is the security group that every worker has."""

    target: TargetAccount
    account: str
    vpc_id: str
    standing: str | None
    worker: EffectiveWorker
    problems: Problems

    def problem(self, key: str, sentence: str) -> None:
        """One more problem of what stands under this key."""
        self.problems.add(WorkerConfigurationInvalid, self.worker.pointer(key), sentence)


def check(checks: Checks) -> str:
    """Look at everything that is set; the name of the volume that the image boots from."""
    _check_groups(checks)
    if (count := len(checks.worker.tags)) > MOST_TAGS:
        checks.problem("tags", f"of the request and of all places together are {count}: {MOST_TAGS} at most")
    if checks.worker.image_id is None:
        return ROOT_DEVICE
    image = _image(checks, checks.worker.image_id)
    return _checked(checks, image) if image else ROOT_DEVICE


def _check_groups(checks: Checks) -> None:
    asked = checks.worker.security_group_ids
    found = _groups(checks.target, [*asked, *filter(None, [checks.standing])])
    for group_id in asked:
        if group_id not in found:
            checks.problem("securityGroupIds", f"{group_id} isn't a security group of this account and Region: name another")
        elif (vpc_id := found[group_id].get("VpcId")) != checks.vpc_id:
            sentence = f"{group_id} belongs to {vpc_id}, but the worker is in {checks.vpc_id}: name one of that VPC"
            checks.problem("securityGroupIds", sentence)
        elif group_id == checks.standing:
            checks.problem("securityGroupIds", f"{group_id} is the standing group, which every worker has: leave it out")
    if checks.worker.proxy and checks.standing:
        _check_proxy_door(checks, checks.worker.proxy, list(found.values()))


def _groups(target: TargetAccount, group_ids: Sequence[str]) -> "dict[str, SecurityGroupTypeDef]":
    if not group_ids:
        return {}
    # A filter: asked for by GroupIds, EC2 names only the first that it doesn't know.
    filters: Any = [{"Name": "group-id", "Values": list(group_ids)}]
    found = target.ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    return {group["GroupId"]: group for group in found}


def _check_proxy_door(checks: Checks, proxy: str, groups: "Sequence[SecurityGroupTypeDef]") -> None:
    port = proxy_port(proxy)
    if not any(_covers(rule, port) for group in groups for rule in group.get("IpPermissionsEgress", [])):
        named = ", ".join(group["GroupId"] for group in groups)
        sentence = f"goes to port {port}, and none of {named} lets that out: add a security group that does to securityGroupIds"
        checks.problem("proxy", sentence)


def _covers(rule: Mapping[str, Any], port: int) -> bool:
    if rule.get("IpProtocol") == "-1":
        return True
    return rule.get("IpProtocol") == "tcp" and rule.get("FromPort", 0) <= port <= rule.get("ToPort", 65535)


def _image(checks: Checks, image_id: str) -> "ImageTypeDef | None":
    try:
        found = checks.target.ec2.describe_images(ImageIds=[image_id])["Images"]
    except ClientError as error:
        if not error_code(error).startswith("InvalidAMIID"):
            raise
        found = []
    if not found:
        checks.problem("imageId", f"{image_id} does not exist in this Region for account {checks.account}: name another")
        return None
    return found[0]


def _checked(checks: Checks, image: "ImageTypeDef") -> str:
    for sentence in _flaws(image, checks.account):
        checks.problem("imageId", f"{image['ImageId']} {sentence}")
    root = image.get("RootDeviceName", ROOT_DEVICE)
    disks = {mapping.get("DeviceName"): mapping["Ebs"] for mapping in image["BlockDeviceMappings"] if "Ebs" in mapping}
    needed = disks.get(root, {}).get("VolumeSize", 0)
    if needed > checks.worker.volume_gib:
        sentence = f"{checks.worker.volume_gib} GiB are less than the {needed} GiB of the image {image['ImageId']}: "
        checks.problem("volumeGib", f"{sentence}ask for {needed} or more")
    if others := sorted(str(name) for name in disks if name != root):
        sentence = f"{image['ImageId']} brings more volumes than its root ({', '.join(others)}): make one without them"
        checks.problem("imageId", sentence)
    return root


def _flaws(image: "ImageTypeDef", account: str) -> list[str]:
    owner, state, kind = image.get("OwnerId"), image.get("State"), image.get("Architecture")
    flaws = []
    if image.get("ImageOwnerAlias") != AMAZON and owner != account:
        # IAM lets the functions launch no other, because whoever owns an image decides what runs in it.
        flaws.append(f"belongs to {owner}: use one of Amazon's, or copy it into account {account}")
    if state != "available":
        flaws.append(f"is {state}: name one that is available")
    if kind != "x86_64":
        flaws.append(f"is for {kind}, and the worker's program for x86_64: name another")
    if image.get("Platform") == "windows" or image.get("RootDeviceType") != "ebs":
        flaws.append("isn't a Linux image on an EBS volume: make one from Amazon Linux 2023")
    return flaws
