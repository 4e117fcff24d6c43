"""What network ACLs and security groups let through. Exact: a set of addresses and ports is cut at every rule, first match first.

Network ACLs are stateless: the answers need a rule of their own, to the port that the asking side chose. They don't apply between two
addresses of one subnet. Security groups are stateful: one direction is enough.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from dbrestore.contract import limits
from lambdas.network.vpc_map import Acl, AclRule, Group, GroupRule, Subnet, Vpc

HTTPS = 443
EVERYWHERE = IPv4Network("0.0.0.0/0")
# RFC 1918, 6598, 3927 and this host: AWS's own addresses are none of these.
NOT_PUBLIC = tuple(
    IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8")
)


@dataclass(frozen=True)
class Traffic:
    """TCP from or to these addresses, to these destination ports."""

    network: IPv4Network
    first: int
    last: int

    def common(self, rule: AclRule) -> "Traffic | None":
        """What of it the rule is about."""
        first, last = max(self.first, rule.first), min(self.last, rule.last)
        if first > last or not self.network.overlaps(rule.network):
            return None
        # Two networks that overlap lie one in the other.
        return Traffic(max(self.network, rule.network, key=lambda network: network.prefixlen), first, last)

    def without(self, part: "Traffic") -> "Iterator[Traffic]":
        """The rest, in pieces."""
        if part.network != self.network:
            for network in self.network.address_exclude(part.network):
                yield Traffic(network, self.first, self.last)
        if self.first < part.first:
            yield Traffic(part.network, self.first, part.first - 1)
        if part.last < self.last:
            yield Traffic(part.network, part.last + 1, self.last)


@dataclass
class Judgement:
    """What of some traffic passes, and what is refused with the rule that does it (None: no rule allows it)."""

    allowed: list[Traffic] = field(default_factory=list)
    refused: list[tuple[Traffic, int | None]] = field(default_factory=list)


def judge(rules: Iterable[AclRule], traffic: Traffic) -> Judgement:
    """One direction of a network ACL."""
    judgement, undecided = Judgement(), [traffic]
    for rule in rules:
        rest: list[Traffic] = []
        for piece in undecided:
            part = piece.common(rule)
            if part is None:
                rest.append(piece)
                continue
            if rule.allows:
                judgement.allowed.append(part)
            else:
                judgement.refused.append((part, rule.number))
            rest.extend(piece.without(part))
        undecided = rest
    judgement.refused.extend((piece, None) for piece in undecided)
    return judgement


def closed_between(vpc: Vpc, client: Subnet, server: Subnet, port: int) -> tuple[str, ...]:
    """Why network ACLs stop connections from a worker in `client` to a port in `server`; empty if they don't."""
    if client.subnet_id == server.subnet_id or client.network is None or server.network is None:
        return ()
    ask, answer = (port, port), limits.WORKER_PORTS
    doors = (
        _refusal(vpc, client, "out", Traffic(server.network, *ask)),
        _refusal(vpc, server, "in", Traffic(client.network, *ask)),
        _refusal(vpc, server, "out", Traffic(client.network, *answer)),
        _refusal(vpc, client, "in", Traffic(server.network, *answer)),
    )
    return tuple(sentence for sentence in doors if sentence)


def closed_through(vpc: Vpc, client: Subnet, gateway: Subnet) -> tuple[str, ...]:
    """Why network ACLs stop a worker's HTTPS to public addresses at the subnet of its NAT gateway."""
    if client.network is None or client.subnet_id == gateway.subnet_id:
        return ()
    doors = (
        _refusal(vpc, gateway, "in", Traffic(client.network, HTTPS, HTTPS)),
        _refusal(vpc, gateway, "out", Traffic(client.network, *limits.WORKER_PORTS)),
    )
    # Towards the internet the gateway speaks from ports of its own.
    onward = closed_to_public(vpc, gateway, limits.NAT_PORTS)
    return (*(sentence for sentence in doors if sentence), *onward)


def _refusal(vpc: Vpc, subnet: Subnet, way: str, traffic: Traffic) -> str | None:
    acl = vpc.acls.get(subnet.subnet_id)
    if acl is None:
        return None
    refused = judge(_rules(acl, way), traffic).refused
    if not refused:
        return None
    _, number = refused[0]
    return _sentence(acl, subnet, way, traffic, number)


def _rules(acl: Acl, way: str) -> tuple[AclRule, ...]:
    return acl.inbound if way == "in" else acl.outbound


def _sentence(acl: Acl, subnet: Subnet, way: str, traffic: Traffic, number: int | None) -> str:
    ports = str(traffic.first) if traffic.first == traffic.last else f"{traffic.first}-{traffic.last}"
    side = "from" if way == "in" else "to"
    peer = "the internet" if traffic.network == EVERYWHERE else str(traffic.network)
    by = "" if number is None or number > limits.LAST_ACL_RULE else f" (rule {number})"
    return f"network ACL {acl.acl_id} of {subnet.subnet_id} refuses TCP {ports} {way} {side} {peer}{by}: allow it there"


def closed_to_public(vpc: Vpc, subnet: Subnet, answers: tuple[int, int] = limits.WORKER_PORTS) -> tuple[str, ...]:
    """Why network ACLs stop HTTPS between a subnet and AWS's public addresses. Which these are isn't known here: one public network that
    may is enough, so a list of refused ones harms nothing."""
    doors = (("out", Traffic(EVERYWHERE, HTTPS, HTTPS)), ("in", Traffic(EVERYWHERE, *answers)))
    acl = vpc.acls.get(subnet.subnet_id)
    if acl is None:
        return ()
    judged = [(way, traffic, judge(_rules(acl, way), traffic)) for way, traffic in doors]
    return tuple(
        _sentence(acl, subnet, way, traffic, judgement.refused[0][1])
        for way, traffic, judgement in judged
        if not any(_is_public(piece.network) and _covers(piece, traffic) for piece in judgement.allowed)
    )


def _is_public(network: IPv4Network) -> bool:
    return not any(network.subnet_of(private) for private in NOT_PUBLIC)


def _covers(piece: Traffic, traffic: Traffic) -> bool:
    return piece.first <= traffic.first and traffic.last <= piece.last


def lets_in(groups: Sequence[Group], client: Subnet, worker_groups: Sequence[str]) -> bool:
    """Whether security groups let in HTTPS from a worker in this subnet. What a prefix list holds isn't looked into: it counts as open."""
    rules = [rule for group in groups for rule in group.inbound if _has_https(rule)]
    return any(rule.prefix_lists or rule.group_ids.intersection(worker_groups) or _holds(rule, client.network) for rule in rules)


def lets_out(groups: Sequence[Group], server: IPv4Network | None, server_groups: Sequence[str] = ()) -> bool:
    """Whether the worker's groups let out HTTPS to a network (None: to some public address), or to a thing with these groups."""
    rules = [rule for group in groups for rule in group.outbound if _has_https(rule)]
    if server is None:
        return any(rule.prefix_lists or any(_is_public(network) for network in rule.networks) for rule in rules)
    return any(rule.prefix_lists or rule.group_ids.intersection(server_groups) or _holds(rule, server) for rule in rules)


def _has_https(rule: GroupRule) -> bool:
    return rule.first <= HTTPS <= rule.last


def _holds(rule: GroupRule, network: IPv4Network | None) -> bool:
    return network is not None and any(network.subnet_of(block) for block in rule.networks)
