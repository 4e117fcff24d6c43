"""A VPC that another account owns and shares (AWS RAM): its subnets are used here, and belong there.

| moto 5.2.5 | fixed to |
|---|---|
| every VPC and subnet is the account's own | the owner's account in `OwnerId` and in their ARNs, by `share` |
| NAT gateways and endpoints of a shared VPC are shown | only its owner sees them |

Security groups belong to whoever makes them, also in a shared VPC (Amazon VPC User Guide, "Share your VPC subnets with other accounts").
"""

from collections.abc import Callable
from typing import Any

from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.nat_gateways import NatGatewayBackend
from moto.ec2.models.subnets import Subnet
from moto.ec2.models.vpcs import VPC, VPCBackend

from localcloud.base.corrections import fix


def install() -> None:
    """Fix moto's VPCs and subnets."""
    fix(VPC, "owner_id", _owner_of_vpc)
    fix(Subnet, "owner_id", _owner_of_subnet)
    fix(VPCBackend, "describe_vpc_endpoints", _own)
    fix(NatGatewayBackend, "describe_nat_gateways", _own)


def share(account: str, region: str, vpc_id: str, owner: str) -> None:
    """From now on the VPC that `account` uses in this Region is the owner's."""
    _owners(ec2_backends[account][region])[vpc_id] = owner


def _owners(backend: EC2Backend) -> dict[str, str]:
    # On the backend, so that a reset of moto forgets them too.
    owners: dict[str, str] = backend.__dict__.setdefault("dbrestore_owners", {})
    return owners


def _owner_of_vpc(original: Callable[[VPC], str], vpc: VPC) -> str:
    return _owners(vpc.ec2_backend).get(vpc.id) or original(vpc)


def _owner_of_subnet(original: Callable[[Subnet], str], subnet: Subnet) -> str:
    return _owners(subnet.ec2_backend).get(subnet.vpc_id) or original(subnet)


def _own(original: Callable[..., Any], backend: Any, *arguments: Any, **keywords: Any) -> Any:
    return [one for one in original(backend, *arguments, **keywords) if one.vpc_id not in _owners(backend)]
