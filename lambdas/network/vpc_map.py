"""A VPC as the choice of a subnet sees it: its subnets, and what carries, lets through or stops their packets. Plain values, IPv4 and TCP
alone: a worker speaks nothing else.

Invariant: nothing here calls AWS. What EC2 says is read in lambdas.network.facts, what follows from it stands in the other network modules.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

ANY_PORT = (0, 65535)


@dataclass(frozen=True)
class Subnet:
    """`zone` is the Availability Zone's name, `free` counts its free addresses. `network` is None in a subnet of IPv6 alone."""

    subnet_id: str
    zone: str
    network: IPv4Network | None
    free: int
    state: str = "available"
    on_outpost: bool = False

    @property
    def name(self) -> str:
        """For sentences."""
        return f"{self.subnet_id} ({self.zone})"


@dataclass(frozen=True)
class Route:
    """`target` is the id of what it leads to; a blackhole is not alive."""

    destination: str
    target: str
    alive: bool = True


@dataclass(frozen=True)
class RouteTable:
    """The routes of the subnets that use it."""

    table_id: str
    routes: tuple[Route, ...]


@dataclass(frozen=True)
class AclRule:
    """One rule of a network ACL: TCP from or to `network`, with a destination port from `first` to `last`."""

    number: int
    allows: bool
    network: IPv4Network
    first: int
    last: int


@dataclass(frozen=True)
class Acl:
    """A network ACL; its rules in the order in which they are asked."""

    acl_id: str
    inbound: tuple[AclRule, ...]
    outbound: tuple[AclRule, ...]


@dataclass(frozen=True)
class GroupRule:
    """One rule of a security group: TCP from or to networks and groups. `prefix_lists` are not looked into."""

    first: int
    last: int
    networks: tuple[IPv4Network, ...] = ()
    group_ids: frozenset[str] = frozenset()
    prefix_lists: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """A security group."""

    group_id: str
    inbound: tuple[GroupRule, ...]
    outbound: tuple[GroupRule, ...]


@dataclass(frozen=True)
class Endpoint:
    """A VPC endpoint. `service` is AWS's name of what it leads to (`com.amazonaws.eu-central-1.s3`), `kind` `Gateway` or `Interface`,
    `policy` its policy as JSON (empty: everything is allowed)."""

    endpoint_id: str
    service: str
    kind: str
    state: str
    private_dns: bool = False
    subnet_ids: tuple[str, ...] = ()
    table_ids: frozenset[str] = frozenset()
    group_ids: tuple[str, ...] = ()
    policy: str = ""


@dataclass(frozen=True)
class NatGateway:
    """`subnet_id` is None for a regional one, which AWS itself keeps connected to the internet gateway."""

    gateway_id: str
    state: str
    is_public: bool
    subnet_id: str | None


@dataclass(frozen=True)
class Vpc:
    """All of it. `tables` and `acls` are by subnet; a subnet without a table of its own uses `main_table`. `shared_by` is the account that
    owns it, if that is another one: its endpoints and NAT gateways aren't shown here."""

    vpc_id: str
    subnets: Mapping[str, Subnet]
    tables: Mapping[str, RouteTable]
    main_table: RouteTable
    acls: Mapping[str, Acl]
    endpoints: tuple[Endpoint, ...]
    nat_gateways: Mapping[str, NatGateway]
    groups: Mapping[str, Group]
    shared_by: str | None = None

    def table_of(self, subnet_id: str) -> RouteTable:
        """The route table that a subnet uses."""
        return self.tables.get(subnet_id, self.main_table)

    def default_route(self, subnet_id: str) -> Route | None:
        """Where a subnet sends what is for the internet: one route, or two that have half of it each."""
        halves = ("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1")
        found = [route for route in self.table_of(subnet_id).routes if route.destination in halves]
        return min(found, key=lambda route: (route.alive, halves.index(route.destination)), default=None)
