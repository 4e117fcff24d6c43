"""The plan's part on where the worker stands: what the TargetStack offers, the choice of a subnet, and the launches that follow from it.

Invariant: like the engines' parts it raises for nothing that is wrong with the request or the target: it adds the problem and goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.contract.errors import NoUsableSubnet
from dbrestore.contract.plan import Launch, PlannedNetwork
from dbrestore.contract.request_problems import Problems
from lambdas.lookup import target as target_lookup
from lambdas.lookup.target import Offer
from lambdas.network import choice as network_choice
from lambdas.network import facts as network_facts
from lambdas.network.choice import Choice, Database
from lambdas.network.ways import Caller
from lambdas.placement import instance_types
from lambdas.placement.instance_types import Work
from lambdas.runtime.aws import TargetAccount

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef


@dataclass(frozen=True)
class Wishes:
    """What the request or the worker configuration asks for; nothing is any. `group_ids` come besides the standing group. Without
    `other_types` the named ones are all that may be tried. The places are where the wishes stand, for errors."""

    subnet_ids: Sequence[str] = ()
    instance_types: Sequence[str] = ()
    other_types: bool = True
    subnet_place: str = "/worker/subnetId"
    type_place: str = "/worker/instanceType"
    group_ids: Sequence[str] = ()
    proxy: str | None = None


@dataclass(frozen=True)
class Stand:
    """What a worker needs around it. `group_ids` begin with the standing group."""

    offer: Offer
    group_ids: tuple[str, ...]
    launches: tuple[Launch, ...]
    network: PlannedNetwork


def part(
    target: TargetAccount,
    instance: "DBInstanceTypeDef",
    regions: tuple[str, str],
    work: Work,
    wishes: Wishes,
    problems: Problems,
    buckets: tuple[str, ...] = (),
) -> Stand | None:
    """Where the worker stands, or None if a problem was found. `regions` are the target's and the repository's; `buckets` are the
    repository and the evidence."""
    vpc_id = instance["DBSubnetGroup"]["VpcId"]
    offer = problems.collect("/target", lambda: target_lookup.offer(target))
    standing = problems.collect("/target", lambda: target_lookup.standing_group(target, vpc_id))
    group_ids = (*((standing,) if standing else ()), *wishes.group_ids)
    # Without the standing group nothing can be said of security groups; that it is missing is told already.
    programs = (offer.program_uri.removeprefix("s3://").partition("/")[0],) if offer else ()
    caller = Caller(*regions, group_ids, wishes.proxy, buckets, programs)
    choice = _choice(target, instance, caller, wishes, problems) if standing else None
    kinds = problems.collect(
        wishes.type_place,
        lambda: instance_types.candidates(target, work, wishes.instance_types, others=wishes.other_types),
    )
    launches = _launches(target, kinds, choice, wishes, problems) if kinds and choice else None
    return Stand(offer, group_ids, launches, choice.network) if offer and choice and launches else None


def _choice(target: TargetAccount, instance: "DBInstanceTypeDef", caller: Caller, wishes: Wishes, problems: Problems) -> Choice | None:
    choice = problems.collect(wishes.subnet_place, lambda: look(target, instance, caller, wishes.subnet_ids))
    for sentence in choice.refusals if choice else ():
        problems.add(NoUsableSubnet, wishes.subnet_place if wishes.subnet_ids else "/target", sentence)
    return None if choice and choice.refusals else choice


def look(target: TargetAccount, instance: "DBInstanceTypeDef", caller: Caller, subnet_ids: Sequence[str] = ()) -> Choice:
    """Every subnet of the instance's VPC, judged. Raises TargetNotUsable if one of `subnet_ids`, the only candidates,
    is not of that VPC."""
    vpc = network_facts.read(target, instance["DBSubnetGroup"]["VpcId"], caller.group_ids)
    return network_choice.choose(vpc, _database(instance), caller, subnet_ids)


def _database(instance: "DBInstanceTypeDef") -> Database:
    subnets = instance["DBSubnetGroup"].get("Subnets", [])
    return Database(
        name=instance["DBInstanceIdentifier"],
        zone=instance.get("AvailabilityZone", ""),
        standby_zone=instance.get("SecondaryAvailabilityZone"),
        # An instance that is still being created has none yet; the plan is made anew when it has.
        port=instance.get("Endpoint", {}).get("Port", 0),
        subnets=tuple((s["SubnetIdentifier"], s["SubnetAvailabilityZone"]["Name"]) for s in subnets),
    )


def _launches(
    target: TargetAccount, kinds: tuple[str, ...], choice: Choice, wishes: Wishes, problems: Problems
) -> tuple[Launch, ...] | None:
    ranked = [(s.subnet_id, s.availability_zone) for s in choice.network.subnets if s.rank]
    return problems.collect(wishes.type_place, lambda: instance_types.launches(kinds, ranked, instance_types.offered(target, kinds)))
