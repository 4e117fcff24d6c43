"""Where in the target's VPC the worker stands: every subnet is looked at, and each one's place in the list has its reasons.

Invariant: a subnet is rejected only for what certainly stops the worker; what can't be seen from EC2 (behind a transit gateway, a proxy, in
another account) is said in a reason and puts it further back. No AWS call is made here.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dbrestore.contract import limits
from dbrestore.contract.errors import TargetNotUsable
from dbrestore.contract.plan import ConsideredSubnet, PlannedNetwork
from lambdas.network import rules as network_rules
from lambdas.network import ways as network_ways
from lambdas.network.vpc_map import Subnet, Vpc
from lambdas.network.ways import Caller, WayName

WAYS: tuple[WayName, ...] = ("endpoints", "nat", "proxy", "elsewhere")


@dataclass(frozen=True)
class Database:
    """The instance that the worker must reach: its zone (the standby's too if it has one), its port, and the subnets of its subnet group
    with their zones."""

    name: str
    zone: str
    standby_zone: str | None
    port: int
    subnets: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Choice:
    """The ranked and the rejected subnets, and, if none can be used, why: a sentence per kind of fault."""

    network: PlannedNetwork
    refusals: tuple[str, ...]


@dataclass(frozen=True)
class _Candidate:
    subnet: Subnet
    way: WayName | None
    reasons: tuple[str, ...]
    faults: tuple[str, ...]
    asked_for: bool = True


def choose(vpc: Vpc, database: Database, caller: Caller, allowed: Sequence[str] = ()) -> Choice:
    """All subnets of the VPC, best first; only those of `allowed` are candidates, if it names any. Raises TargetNotUsable for an unknown
    one."""
    if unknown := [subnet_id for subnet_id in allowed if subnet_id not in vpc.subnets]:
        told = f"{unknown[0]!r} isn't a subnet of the instance's VPC {vpc.vpc_id}"
        raise TargetNotUsable(f"{told}: leave it out or name one of that VPC")
    candidates = [_candidate(vpc, subnet, database, caller, allowed) for subnet in vpc.subnets.values()]
    usable = sorted((c for c in candidates if not c.faults), key=_order(database))
    rejected = sorted((c for c in candidates if c.faults), key=lambda c: (not c.asked_for, c.subnet.zone, c.subnet.subnet_id))
    listed = [_listed(candidate, rank) for rank, candidate in enumerate(usable, 1)]
    listed += [_listed(candidate, None) for candidate in rejected]
    return Choice(_cut(vpc.vpc_id, listed), () if usable else tuple(_refusals(vpc, rejected)))


def _candidate(vpc: Vpc, subnet: Subnet, database: Database, caller: Caller, allowed: Sequence[str]) -> _Candidate:
    if allowed and subnet.subnet_id not in allowed:
        asked = f"{allowed[0]} was" if len(allowed) == 1 else f"{len(allowed)} others were"
        return _Candidate(subnet, None, (), (f"left out: {asked} asked for",), asked_for=False)
    if faults := tuple(_place_faults(subnet, caller)):
        return _Candidate(subnet, None, (), faults)
    way = network_ways.find(vpc, subnet, caller)
    closed, remarks = _doors(vpc, subnet, database)
    if way.name is None or closed:
        return _Candidate(subnet, way.name, (), (*(() if way.name else way.sentences), *closed))
    reasons = (_zone_told(subnet, database), *way.sentences, f"{subnet.free} free addresses", *remarks)
    return _Candidate(subnet, way.name, reasons, ())


def _place_faults(subnet: Subnet, caller: Caller) -> Iterator[str]:
    if subnet.state != "available":
        yield f"is {subnet.state}, not available"
    if subnet.network is None:
        yield "has only IPv6 addresses: the worker needs an IPv4 one"
    if subnet.on_outpost:
        yield "is on an Outpost: name one of the Region"
    elif not re.fullmatch(re.escape(caller.region) + "[a-z]", subnet.zone):
        yield f"is in {subnet.zone}, a Local or Wavelength Zone: name one of an Availability Zone"
    if subnet.free < limits.FREE_ADDRESSES:
        yield f"has {subnet.free} free addresses, but {limits.FREE_ADDRESSES} are needed: release some"


def _doors(vpc: Vpc, subnet: Subnet, database: Database) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What network ACLs stop between here and the instance, and remarks on what they would after a fail-over."""
    zones = {zone for _, zone in database.subnets}
    here = {database.zone} if database.zone in zones else zones
    places = [(vpc.subnets[i], zone) for i, zone in database.subnets if i in vpc.subnets]
    closed: list[str] = []
    remarks: list[str] = []
    for place, zone in places:
        doors = network_rules.closed_between(vpc, subnet, place, database.port)
        if zone in here:
            closed += doors
        elif zone == database.standby_zone:
            remarks += [f"after a fail-over to {zone}: {door}" for door in doors]
    return tuple(dict.fromkeys(closed)), tuple(dict.fromkeys(remarks))


def _zone_told(subnet: Subnet, database: Database) -> str:
    if subnet.zone == database.zone:
        return f"in the Availability Zone of {database.name}"
    return f"in a different Availability Zone from {database.name}, so every byte crosses zones and is charged"


def _order(database: Database) -> Callable[[_Candidate], tuple[bool, bool, int, bool, int, str]]:
    """A way that can't be seen comes after all that can: a worker that doesn't reach SSM costs ten minutes per try, traffic between zones
    cents per GiB. Then the zone, then the way. The instance's own subnets come before others of the same worth because no network ACL
    stands between two addresses of one subnet, today's or one that somebody changes during the restore."""
    own = {subnet_id for subnet_id, _ in database.subnets}

    def order(candidate: _Candidate) -> tuple[bool, bool, int, bool, int, str]:
        subnet, way = candidate.subnet, WAYS.index(candidate.way or "elsewhere")
        unseen, foreign = candidate.way == "elsewhere", subnet.subnet_id not in own
        return unseen, subnet.zone != database.zone, way, foreign, -subnet.free, subnet.subnet_id

    return order


def _listed(candidate: _Candidate, rank: int | None) -> ConsideredSubnet:
    return ConsideredSubnet(
        subnet_id=candidate.subnet.subnet_id,
        availability_zone=candidate.subnet.zone,
        rank=rank,
        way=candidate.way,
        reasons=candidate.reasons or candidate.faults,
    )


def _cut(vpc_id: str, listed: list[ConsideredSubnet]) -> PlannedNetwork:
    """So many as the state has room for; the first stays whatever its length."""
    kept: list[ConsideredSubnet] = []
    room = limits.LISTED_SUBNETS_CHARACTERS
    for subnet in listed[: limits.LISTED_SUBNETS]:
        room -= len(subnet.model_dump_json(by_alias=True))
        if kept and room < 0:
            break
        kept.append(subnet)
    return PlannedNetwork(vpc_id=vpc_id, subnets=tuple(kept), unlisted=len(listed) - len(kept))


def _refusals(vpc: Vpc, rejected: list[_Candidate]) -> Iterator[str]:
    asked = [candidate for candidate in rejected if candidate.asked_for]
    if not asked:
        yield f"{vpc.vpc_id} has no subnet for the worker: add one"
        return
    by_faults: dict[tuple[str, ...], list[str]] = {}
    for candidate in asked:
        by_faults.setdefault(candidate.faults, []).append(candidate.subnet.name)
    groups = list(by_faults.items())
    for faults, names in groups[: limits.NAMED_REFUSALS]:
        yield f"{', '.join(names)} can't hold the worker: {'; '.join(faults)}"
    if left := sum(len(names) for _, names in groups[limits.NAMED_REFUSALS :]):
        yield f"{left} more subnets can't hold the worker either: start with those named"
