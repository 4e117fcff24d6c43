"""How a worker in a subnet would reach AWS: by endpoints alone, through a NAT gateway, the configured proxy, or something that lies
outside this VPC.

What the worker calls: S3 in its own Region (its program, Amazon Linux's packages), S3 in the repository's (backups, jobs, results), SSM and
Secrets Manager. Invariant: a closed interface endpoint with private DNS is worse than none, because it takes over the service's name also
where a NAT gateway would lead to it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from lambdas.network import endpoint_policies
from lambdas.network import rules as network_rules
from lambdas.network.vpc_map import Endpoint, NatGateway, Route, Subnet, Vpc

WayName = Literal["endpoints", "nat", "proxy", "elsewhere"]
# ec2messages is not among them: since version 3.3.40 SSM Agent takes its commands from ssmmessages (AWS Systems Manager User Guide,
# "ec2messages, ssmmessages, and other API operations"), and Regions opened since 2024 have no such endpoint.
SERVICES = ("s3", "ssm", "ssmmessages", "secretsmanager")
OLD_MESSAGES = "ec2messages"
# The end of the names of the buckets with Amazon Linux 2023's packages (Amazon Linux 2023 User Guide, "Deterministic upgrades": the policy
# for S3 VPC endpoints).
PACKAGES = "de612dc2"
# What a default route may lead to without an internet gateway in this VPC: transit gateway, VPN, Cloud WAN, firewall, a NAT instance.
ELSEWHERE = ("tgw-", "vgw-", "arn:", "vpce-", "eni-", "i-", "lgw-")


@dataclass(frozen=True)
class Caller:
    """The worker as one who calls AWS. It stands in `region`; the repository and the evidence lie in `repository_region`. `buckets`: those
    that it must read there, and `own_buckets` in its own Region."""

    region: str
    repository_region: str
    group_ids: tuple[str, ...]
    proxy: str | None = None
    buckets: tuple[str, ...] = ()
    own_buckets: tuple[str, ...] = ()

    def read_in(self, region: str) -> tuple[str, ...]:
        """The buckets that it must read in this Region."""
        near = self.own_buckets if region == self.region else ()
        return tuple(dict.fromkeys((*near, *(self.buckets if region == self.repository_region else ()))))


@dataclass(frozen=True)
class Way:
    """`name` None: there is none, and the sentences say what is missing."""

    name: WayName | None
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class _Service:
    """One service in one Region as seen from a subnet: the endpoints that lead there, those that are closed with what closes them, and
    those that calls from here don't go to, with the reason."""

    name: str
    region: str
    endpoint_ids: tuple[str, ...] = ()
    closed: tuple[tuple[str, str], ...] = ()
    idle: tuple[str, ...] = ()


def find(vpc: Vpc, subnet: Subnet, caller: Caller) -> Way:
    """The best way to AWS from this subnet."""
    services = [_look(vpc, subnet, caller, *service) for service in _needed(caller)]
    missing = [service for service in services if not service.endpoint_ids and not service.closed]
    closed = _told_closed(services)
    if closed:
        # Also where a NAT gateway leads to the internet: the name, or the route, leads to the endpoint.
        return _by_proxy(caller.proxy, "; ".join(closed)) if caller.proxy else Way(None, closed)
    if not missing:
        remarks = (*_doubts(vpc, services, caller), *_without_gateway(vpc, services[0]), *_without_old_messages(vpc, subnet, caller))
        return Way("endpoints", (_told_endpoints(services), *remarks))
    return _beyond(vpc, subnet, caller, _lack(missing, caller))


def served(vpc: Vpc, subnet: Subnet, caller: Caller) -> frozenset[tuple[str, str]]:
    """Name and Region of the services to which endpoints lead from this subnet: what a worker with a proxy calls without it."""
    services = [_look(vpc, subnet, caller, *service) for service in _needed(caller)]
    return frozenset((service.name, service.region) for service in services if service.endpoint_ids and not service.closed)


def _needed(caller: Caller) -> list[tuple[str, str]]:
    own = [(name, caller.region) for name in SERVICES]
    return own if caller.repository_region == caller.region else [*own, ("s3", caller.repository_region)]


def _look(vpc: Vpc, subnet: Subnet, caller: Caller, name: str, region: str) -> _Service:
    open_: list[str] = []
    closed: list[tuple[str, str]] = []
    idle: list[str] = []
    for endpoint in vpc.endpoints:
        if not endpoint.service.endswith(f".{region}.{name}"):
            continue
        if reason := _idle(vpc, subnet, endpoint):
            idle.append(f"{endpoint.endpoint_id} {reason}")
            continue
        faults = (*_faults(vpc, subnet, caller, endpoint), *_denials(caller, endpoint, name, region))
        closed.extend((endpoint.endpoint_id, fault) for fault in faults)
        open_.extend([] if faults else [endpoint.endpoint_id])
    return _Service(name, region, tuple(open_), tuple(closed), tuple(idle))


def _idle(vpc: Vpc, subnet: Subnet, endpoint: Endpoint) -> str | None:
    """Why calls of the service don't go to this endpoint; None if a route or the service's name leads them there."""
    table = vpc.table_of(subnet.subnet_id).table_id
    if endpoint.state != "available":
        return f"is {endpoint.state}"
    if endpoint.kind == "Gateway":
        return None if table in endpoint.table_ids else f"is not in the route table {table}"
    return None if endpoint.private_dns else "has no private DNS name"


def _faults(vpc: Vpc, subnet: Subnet, caller: Caller, endpoint: Endpoint) -> Iterator[str]:
    workers = [vpc.groups[group_id] for group_id in caller.group_ids if group_id in vpc.groups]
    if endpoint.kind == "Gateway":
        # It changes the route, not the addresses: S3 keeps its public ones.
        yield from network_rules.closed_to_public(vpc, subnet)
        if not network_rules.lets_out(workers, None):
            yield f"{_named(caller.group_ids)} lets no HTTPS out to public addresses, which S3 keeps behind it: allow it"
        return
    groups = [vpc.groups[group_id] for group_id in endpoint.group_ids if group_id in vpc.groups]
    if not network_rules.lets_in(groups, subnet, caller.group_ids):
        yield f"its security group {_named(endpoint.group_ids)} lets in no HTTPS from {_named(caller.group_ids)} or here: allow it"
    yield from _endpoint_doors(vpc, subnet, caller, endpoint)


def _denials(caller: Caller, endpoint: Endpoint, name: str, region: str) -> Iterator[str]:
    """Of buckets that a worker can't do without; Amazon Linux's packages it may do without."""
    if name == "s3":
        denied = [bucket for bucket in caller.read_in(region) if _verdict(endpoint, bucket) == "denies"]
        if denied:
            yield f"its policy lets nobody read {', '.join(denied)}: allow s3:GetObject there for the worker's role"


def _doubts(vpc: Vpc, services: list[_Service], caller: Caller) -> Iterator[str]:
    """What policies of endpoints may deny, by conditions and principals that only AWS judges."""
    endpoints = {endpoint.endpoint_id: endpoint for endpoint in vpc.endpoints}
    for service in (one for one in services if one.name == "s3"):
        packages = f"al2023-repos-{service.region}-{PACKAGES}"
        for endpoint in (endpoints[i] for i in service.endpoint_ids):
            uncertain = [bucket for bucket in caller.read_in(service.region) if _verdict(endpoint, bucket) == "perhaps"]
            if uncertain:
                yield f"has an endpoint {endpoint.endpoint_id} whose policy may keep the worker from {', '.join(uncertain)}: look at it"
            if service.region == caller.region and _verdict(endpoint, packages) != "allows":
                yield (
                    f"has an endpoint {endpoint.endpoint_id} whose policy may keep the worker from Amazon Linux's packages in "
                    f"{packages}: allow s3:GetObject there, or let worker.imageId name an image that has Python 3.11 and unzip"
                )


def _verdict(endpoint: Endpoint, bucket: str) -> endpoint_policies.Verdict:
    partition = "aws-cn" if endpoint.service.startswith("cn.") else "aws"
    return endpoint_policies.reading(endpoint.policy, partition, bucket)


def _endpoint_doors(vpc: Vpc, subnet: Subnet, caller: Caller, endpoint: Endpoint) -> Iterator[str]:
    """What stops packets to the endpoint's own subnets. One that can be reached is enough: callers try one address after the other."""
    workers = [vpc.groups[group_id] for group_id in caller.group_ids if group_id in vpc.groups]
    faults: list[str] = []
    for place in (vpc.subnets[i] for i in endpoint.subnet_ids if i in vpc.subnets):
        closed = list(network_rules.closed_between(vpc, subnet, place, network_rules.HTTPS))
        if place.network and not network_rules.lets_out(workers, place.network, endpoint.group_ids):
            closed.append(f"{_named(caller.group_ids)} lets no HTTPS out to {place.network}: allow it")
        if not closed:
            return
        faults += closed
    yield from dict.fromkeys(faults)


def _named(ids: tuple[str, ...]) -> str:
    return " or ".join(ids) or "of its own"


def _told_endpoints(services: list[_Service]) -> str:
    told = ", ".join(f"{service.name} {' '.join(service.endpoint_ids)}" for service in services)
    return f"reaches AWS through endpoints alone: {told}"


def _told_closed(services: list[_Service]) -> tuple[str, ...]:
    """A sentence per fault: endpoints mostly share their security group and their subnets."""
    by_fault: dict[str, list[str]] = {}
    for service in services:
        for endpoint_id, fault in service.closed:
            by_fault.setdefault(fault, []).append(f"{service.name} ({endpoint_id})")
    return tuple(f"needs the endpoint of {', '.join(ends)}, but {fault}" for fault, ends in by_fault.items())


def _without_gateway(vpc: Vpc, s3: _Service) -> Iterator[str]:
    """Amazon Linux 2023 names its package repositories by S3's dual-stack host. Whether an interface endpoint answers to that depends on
    its DNS records, and was not tried; a gateway endpoint carries it in any case."""
    if not any(endpoint.kind == "Gateway" for endpoint in vpc.endpoints if endpoint.endpoint_id in s3.endpoint_ids):
        yield "has no gateway endpoint of S3: its interface endpoint needs dual-stack DNS records for Amazon Linux's packages"


def _without_old_messages(vpc: Vpc, subnet: Subnet, caller: Caller) -> Iterator[str]:
    if not _look(vpc, subnet, caller, OLD_MESSAGES, caller.region).endpoint_ids:
        yield f"has no endpoint for {OLD_MESSAGES}: its image needs SSM Agent 3.3.40 or newer, which Amazon Linux 2023 has"


def _lack(missing: list[_Service], caller: Caller) -> str:
    """Which endpoints it has not, for a sentence."""
    here = [_told_missing(service) for service in missing if service.region == caller.region]
    parts = [f"no endpoint for {', '.join(here)}"] if here else []
    if any(service.region != caller.region for service in missing):
        there = caller.repository_region
        parts.append(f"no endpoint that reaches the repository in {there} (a gateway endpoint serves {caller.region} alone)")
    return " and ".join(parts)


def _told_missing(service: _Service) -> str:
    return f"{service.name} ({'; '.join(service.idle)})" if service.idle else service.name


def _beyond(vpc: Vpc, subnet: Subnet, caller: Caller, lack: str) -> Way:
    """Without endpoints for everything: what the default route leads to, or the proxy."""
    route = vpc.default_route(subnet.subnet_id)
    fault = _route_fault(vpc, subnet, caller, route)
    if route and fault is None and _is_nat(vpc, route):
        return Way("nat", (f"reaches AWS through the NAT gateway {_gateway_told(vpc, route)}: it has {lack}",))
    if caller.proxy:
        return _by_proxy(caller.proxy, f"it has {lack}")
    if route and fault is None:
        sentence = f"routes AWS traffic to {route.target}; what is beyond it can't be seen from here: it has {lack}"
        return Way("elsewhere", (sentence,))
    if vpc.shared_by:
        owner = f"the VPC belongs to account {vpc.shared_by}, and whether that has endpoints can't be seen from here"
        return Way("elsewhere", (f"{owner}: without them it has no way to AWS, because {fault}",))
    return Way(None, (f"has no way to AWS: {lack}, and {fault}: add the endpoints, or a route to a NAT gateway",))


def _by_proxy(proxy: str, because: str) -> Way:
    # The host alone: the URL may hold a password.
    host = urlsplit(proxy).hostname
    return Way("proxy", (f"reaches AWS through the proxy {host}, which can't be seen from here: {because}",))


def _is_nat(vpc: Vpc, route: Route) -> bool:
    gateway = vpc.nat_gateways.get(route.target)
    return route.target.startswith("nat-") and (gateway is None or gateway.is_public)


def _gateway_told(vpc: Vpc, route: Route) -> str:
    return route.target if route.target in vpc.nat_gateways else f"{route.target} (of another account, not visible here)"


def _route_fault(vpc: Vpc, subnet: Subnet, caller: Caller, route: Route | None) -> str | None:
    """Why the default route leads to no AWS; None if it does, or may."""
    table = vpc.table_of(subnet.subnet_id).table_id
    if route is None:
        return f"its route table {table} has no default route"
    if not route.alive:
        return f"the default route of {table} leads to {route.target}, which is gone"
    if route.target.startswith("igw-"):
        return f"the default route of {table} leads to the internet gateway {route.target}, and a worker has no public address"
    if not route.target.startswith(("nat-", *ELSEWHERE)):
        return f"the default route of {table} leads to {route.target}, which passes no traffic on to AWS"
    workers = [vpc.groups[group_id] for group_id in caller.group_ids if group_id in vpc.groups]
    if not network_rules.lets_out(workers, None):
        return f"{_named(caller.group_ids)} lets no HTTPS out to public addresses"
    doors = network_rules.closed_to_public(vpc, subnet)
    if doors:
        return "; ".join(doors)
    # A gateway that isn't listed belongs to the owner of a shared VPC; one that was deleted leaves a blackhole.
    gateway = vpc.nat_gateways.get(route.target)
    return _gateway_fault(vpc, subnet, gateway) if gateway else None


def _gateway_fault(vpc: Vpc, subnet: Subnet, gateway: NatGateway) -> str | None:
    if gateway.state != "available":
        return f"the NAT gateway {gateway.gateway_id} of its default route is {gateway.state}"
    place = vpc.subnets.get(gateway.subnet_id or "")
    if place is None:
        return None
    onward, wanted = vpc.default_route(place.subnet_id), "igw-" if gateway.is_public else ELSEWHERE
    if not onward or not onward.alive or not onward.target.startswith(wanted):
        out = "to an internet gateway" if gateway.is_public else "out of this VPC, and is a private one"
        return f"the NAT gateway {gateway.gateway_id} is in {place.subnet_id}, which has no route {out}"
    return "; ".join(network_rules.closed_through(vpc, subnet, place)) or None
