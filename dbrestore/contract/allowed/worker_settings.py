"""What can be set of a worker, in a request and in the configuration file alike.

Invariant: None means "not set here", so that a less specific place decides; whatever is set has been checked for its form, above all the
proxy's URL, which becomes part of the boot script.
"""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from dbrestore.contract.document import Document

# EC2's ids have 17 hexadecimal digits; those from before 2018 have 8.
_DIGITS = "[0-9a-f]{8}([0-9a-f]{9})?$"
# Letters, digits, dots and dashes: nothing that a shell, a unit file or a URL parser could read as more than a host and a port.
_PROXY = r"^https?://[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[1-9][0-9]{0,4})?$"
_RESERVED = ("aws:", "dbrestore:")


def _unreserved(key: str) -> str:
    if key.lower().startswith(_RESERVED):
        raise ValueError(f"is a key of {'AWS' if key.lower().startswith('aws:') else 'dbrestore'} itself: use another")
    return key


def _within_ports(url: str) -> str:
    if proxy_port(url) > 65535:
        raise ValueError("has a port above 65535: give the proxy's port")
    return url


# EC2 takes 50 of a resource, but these travel in the plan, which every state of a restore carries.
MOST_TAGS = 20

SubnetId = Annotated[str, StringConstraints(pattern=f"^subnet-{_DIGITS}")]
GroupId = Annotated[str, StringConstraints(pattern=f"^sg-{_DIGITS}")]
VpcId = Annotated[str, StringConstraints(pattern=f"^vpc-{_DIGITS}")]
ImageId = Annotated[str, StringConstraints(pattern=f"^ami-{_DIGITS}")]
InstanceType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$")]
ProxyUrl = Annotated[str, StringConstraints(pattern=_PROXY), AfterValidator(_within_ports)]
KeyArn = Annotated[str, StringConstraints(pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[A-Za-z0-9/_-]{1,256}$")]
TagKey = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128),
    AfterValidator(_unreserved),
]
TagValue = Annotated[str, StringConstraints(max_length=256)]


class WorkerSettings(Document):
    """Each key with what it means; editors show these texts."""

    subnet_ids: tuple[SubnetId, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=20,
        description="The worker runs in one of these subnets and nowhere else; without them, the best one of the VPC is chosen.",
    )
    # A network interface takes five groups: the standing one and the pair's need two.
    security_group_ids: tuple[GroupId, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=3,
        description="Security groups of the worker, in addition to those that it always has.",
    )
    instance_types: tuple[InstanceType, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=10,
        description="Types of the worker, tried in this order when EC2 has no capacity; without them, they depend on the work.",
    )
    image_id: ImageId | None = Field(
        default=None,
        description="An image made from Amazon Linux 2023 for x86_64, Amazon's or the target account's own; without it, Amazon's newest.",
    )
    volume_gib: int | None = Field(default=None, ge=8, le=16384, description="The size of the worker's volume; default: 20.")
    kms_key_id: KeyArn | None = Field(
        default=None,
        description="The ARN of the KMS key that encrypts the worker's volume; without it, the image's, or the account's default for EBS.",
    )
    tags: dict[TagKey, TagValue] | None = Field(
        default=None,
        max_length=MOST_TAGS,
        json_schema_extra={"propertyNames": {"pattern": "^(?!aws:|dbrestore:)"}},
        description="Tags of the worker and its security groups, in addition to the application's own.",
    )
    proxy: ProxyUrl | None = Field(
        default=None,
        description="The HTTP proxy through which the worker reaches AWS. The way to the database never goes through it.",
    )
    max_run_hours: int | None = Field(default=None, ge=1, le=240, description="The longest that a worker lives; default: 168.")


# What a wrong value should have been, by the field's name in JSON: pydantic would show the pattern.
EXPECTED = {
    "account": "must be the twelve digits of an account, as text",
    "region": "must be the name of a Region, like eu-central-1",
    "vpcId": "must be the id of a VPC, like vpc-0123456789abcdef0",
    "subnetIds": "must be the id of a subnet, like subnet-0123456789abcdef0",
    "securityGroupIds": "must be the id of a security group, like sg-0123456789abcdef0",
    "instanceTypes": "must be the name of an instance type, like c6i.large",
    "imageId": "must be the id of an image, like ami-0123456789abcdef0",
    "kmsKeyId": "must be the ARN of a key or an alias, like arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "proxy": "must be the URL of a proxy by name, without user, password and path, like http://proxy.example.com:3128",
}


def proxy_port(url: str) -> int:
    """The port of a checked proxy URL; without one, that of its scheme."""
    scheme, _, host = url.partition("://")
    _, _, port = host.partition(":")
    return int(port) if port else {"http": 80, "https": 443}[scheme]
