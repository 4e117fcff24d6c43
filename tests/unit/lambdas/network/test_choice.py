"""Where the worker stands: layouts of a VPC, the subnet that is expected, and the words of the reasons."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from moto import mock_aws

from dbrestore.contract import limits
from dbrestore.contract.errors import TargetNotUsable
from lambdas.network.vpc_map import Route, RouteTable
from localcloud.ec2 import sharing, vpc
from tests.unit.lambdas.network.layouts import INTERFACES, PORT, REGION, Layout

EVERYTHING = (("in", "allow", "0.0.0.0/0", 0, 65535), ("out", "allow", "0.0.0.0/0", 0, 65535))
HTTPS_OUT = (("out", "allow", "0.0.0.0/0", 443, 443), ("in", "allow", "0.0.0.0/0", 32768, 65535))


@pytest.fixture
def layout(monkeypatch: pytest.MonkeyPatch) -> Iterator[Layout]:
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    vpc.install()
    sharing.install()
    with mock_aws():
        yield Layout()


@dataclass(frozen=True)
class Case:
    """`best` are the usable subnets in their order. `words` must stand in the reasons of a subnet, `refused` in the refusals."""

    build: Callable[[Layout], Any]
    best: str
    words: dict[str, str] = field(default_factory=dict)
    refused: str = ""
    asked: dict[str, Any] = field(default_factory=dict)


def only_public_subnets(layout: Layout) -> None:
    layout.internet()


def public_subnets_with_endpoints(layout: Layout) -> None:
    layout.internet()
    layout.endpoints()


def zone_before_way(layout: Layout) -> None:
    """Endpoints serve b and c; a has a table of its own, without S3's gateway endpoint, that leads to a NAT gateway."""
    layout.nat("a")
    layout.endpoints()


def a_transit_gateway_in_the_same_zone(layout: Layout) -> None:
    layout.transit_gateway("a")
    layout.endpoints()


def without_a_messages_endpoint(layout: Layout) -> None:
    layout.s3_gateway()
    layout.interfaces([service for service in INTERFACES if service != "ssmmessages"])


def without_the_old_messages_endpoint(layout: Layout) -> None:
    layout.s3_gateway()
    layout.interfaces(INTERFACES)


def s3_gateway_in_another_table(layout: Layout) -> None:
    layout.s3_gateway(layout.table("c"))
    layout.interfaces()


def interface_endpoints_alone(layout: Layout) -> None:
    layout.interfaces(["s3", *INTERFACES])


def without_private_dns(layout: Layout) -> None:
    layout.s3_gateway()
    layout.interfaces(private_dns=False)


def closed_endpoints(layout: Layout) -> None:
    layout.s3_gateway()
    layout.interfaces(group=layout.security_group("closed", "192.168.0.0/16"))


def closed_endpoints_beside_a_nat_gateway(layout: Layout) -> None:
    closed_endpoints(layout)
    layout.nat()


def endpoints_open_to_the_standing_group(layout: Layout) -> None:
    group = layout.security_group("by-group")
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": layout.group}]}
    layout.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    layout.s3_gateway()
    layout.interfaces(group=group)


def workers_let_nothing_out(layout: Layout) -> None:
    layout.endpoints()
    every = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    layout.ec2.revoke_security_group_egress(GroupId=layout.group, IpPermissions=[every])


def workers_let_out_to_the_vpc_alone(layout: Layout) -> None:
    workers_let_nothing_out(layout)
    here = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}
    layout.ec2.authorize_security_group_egress(GroupId=layout.group, IpPermissions=[here])


def acl_denies_the_database_port(layout: Layout) -> None:
    layout.endpoints()
    layout.acl("b", ("in", "deny", "10.0.3.0/24", PORT, PORT), *EVERYTHING)


def acl_of_the_worker_denies_the_database_port(layout: Layout) -> None:
    layout.endpoints()
    layout.acl("c", ("out", "deny", "10.0.1.0/24", 5000, 6000), *EVERYTHING)


def acl_of_the_worker_denies_replies(layout: Layout) -> None:
    layout.endpoints()
    layout.acl("c", ("in", "deny", "10.0.1.128/25", 40000, 40001), *EVERYTHING)


def acl_denies_replies(layout: Layout) -> None:
    """The database's subnet may answer to the ports above 50000 alone."""
    layout.endpoints()
    layout.acl("a", EVERYTHING[0], ("out", "allow", "0.0.0.0/0", 443, 443), ("out", "allow", "0.0.0.0/0", 50000, 65535))


def acl_allows_what_linux_needs(layout: Layout) -> None:
    layout.endpoints()
    layout.acl("c", *HTTPS_OUT, ("out", "allow", "10.0.1.0/24", PORT, PORT))


def acl_refuses_the_internet(layout: Layout) -> None:
    layout.endpoints()
    layout.acl("c", ("in", "allow", "10.0.0.0/8", 0, 65535), ("out", "allow", "10.0.0.0/8", 0, 65535))


def acl_with_a_list_of_refused_networks(layout: Layout) -> None:
    layout.nat()
    layout.acl("a", ("in", "deny", "203.0.113.0/24", 0, 65535), ("out", "deny", "203.0.113.0/24", 0, 65535), *EVERYTHING)


def acl_of_the_nat_gateway(layout: Layout) -> None:
    layout.nat()
    layout.acl("public", EVERYTHING[0], ("out", "allow", "0.0.0.0/0", 443, 443))


def standby_behind_an_acl(layout: Layout) -> None:
    layout.endpoints()
    layout.standby_zone = f"{REGION}b"
    layout.acl("b", ("in", "deny", "10.0.3.0/24", PORT, PORT), *EVERYTHING)


def few_addresses(layout: Layout) -> None:
    layout.endpoints()
    layout.subnet("tiny", "a", "10.0.8.0/28")
    # EC2 keeps five of sixteen for itself.
    for _ in range(11 - limits.FREE_ADDRESSES + 1):
        layout.ec2.create_network_interface(SubnetId=layout.ids["tiny"])


def nat_gateway_deleted(layout: Layout) -> None:
    layout.ec2.delete_nat_gateway(NatGatewayId=layout.nat())


def nat_gateway_without_internet(layout: Layout) -> None:
    layout.nat(public=False)


def endpoint_across_regions(layout: Layout) -> None:
    layout.endpoints()
    layout.interfaces(["s3"], region="us-east-1")


def nothing(layout: Layout) -> None:
    pass


OWNER = "999988887777"
ABROAD: dict[str, Any] = {"repository": "us-east-1"}
PROXY: dict[str, Any] = {"proxy": "http://proxy.example.com:3128"}

CASES = {
    "private with endpoints": Case(
        Layout.endpoints,
        "a b c",
        {"a": "in the Availability Zone of orders; reaches AWS through endpoints alone: s3 vpce-", "b": "in a different Availability Zone"},
    ),
    "NAT gateway": Case(Layout.nat, "a b c", {"a": "through the NAT gateway nat-", "public": "no public address"}),
    "the zone beats the way": Case(zone_before_way, "a b c", {"a": "through the NAT gateway", "b": "through endpoints alone"}),
    "what can't be seen comes last": Case(a_transit_gateway_in_the_same_zone, "b c a", {"a": "to tgw-", "b": "through endpoints alone"}),
    "only public subnets": Case(
        only_public_subnets, "", {"a": "internet gateway igw-"}, "no endpoint for s3, ssm, ssmmessages, secretsmanager, and the default"
    ),
    "public subnets with endpoints": Case(public_subnets_with_endpoints, "a b c", {"a": "through endpoints alone"}),
    "one endpoint is missing": Case(without_a_messages_endpoint, "", {}, "has no way to AWS: no endpoint for ssmmessages, and"),
    "no ec2messages endpoint": Case(
        without_the_old_messages_endpoint, "a b c", {"a": "no endpoint for ec2messages: its image needs SSM Agent 3.3.40"}
    ),
    "S3's gateway in another table": Case(s3_gateway_in_another_table, "c", {"a": "is not in the route table rtb-"}),
    "interface endpoints alone": Case(
        interface_endpoints_alone, "a b c", {"a": "needs dual-stack DNS records for Amazon Linux's packages"}
    ),
    "endpoints without private DNS": Case(without_private_dns, "", {}, "has no private DNS name"),
    "closed endpoints": Case(closed_endpoints, "", {}, "lets in no HTTPS from sg-"),
    "closed endpoints beside a NAT gateway": Case(closed_endpoints_beside_a_nat_gateway, "", {}, "lets in no HTTPS from sg-"),
    "closed endpoints and a proxy": Case(
        closed_endpoints, "a b c", {"a": "through the proxy proxy.example.com, which can't be seen"}, asked=PROXY
    ),
    "endpoints open to the standing group": Case(endpoints_open_to_the_standing_group, "a b c", {"c": "through endpoints alone"}),
    "the workers' group lets nothing out": Case(workers_let_nothing_out, "", {}, "lets no HTTPS out to"),
    "the workers' group lets out to the VPC alone": Case(
        workers_let_out_to_the_vpc_alone, "", {}, "lets no HTTPS out to public addresses, which S3 keeps behind it"
    ),
    "an ACL of another zone's database subnet": Case(acl_denies_the_database_port, "a b c", {}),
    "an ACL denies the port at the standby": Case(
        standby_behind_an_acl, "a b c", {"c": "after a fail-over to eu-central-1b: network ACL acl-"}
    ),
    "the worker's ACL denies the port": Case(
        acl_of_the_worker_denies_the_database_port, "a b", {"c": "of c refuses TCP 5432 out to 10.0.1.0/24 (rule 10): allow it"}
    ),
    "the worker's ACL denies the replies": Case(
        acl_of_the_worker_denies_replies, "a b", {"c": "of c refuses TCP 32768-60999 in from 10.0.1.0/24 (rule 10): allow it"}
    ),
    "an ACL denies the replies": Case(
        acl_denies_replies, "a", {"b": "of a refuses TCP 32768-60999 out to 10.0.2.0/24: allow it", "c": "out to 10.0.3.0/24"}
    ),
    "an ACL with what Linux needs": Case(acl_allows_what_linux_needs, "a b c", {"c": "through endpoints alone"}),
    "an ACL for private networks": Case(acl_refuses_the_internet, "a b", {"c": "needs the endpoint of s3 (vpce-"}),
    "an ACL with refused networks": Case(acl_with_a_list_of_refused_networks, "a b c", {"a": "through the NAT gateway"}),
    "the NAT gateway's ACL": Case(acl_of_the_nat_gateway, "", {}, "refuses TCP 32768-60999 out to 10.0.1.0/24"),
    "no free addresses": Case(few_addresses, "a b c", {"tiny": "has 2 free addresses, but 3 are needed"}),
    "NAT gateway deleted": Case(nat_gateway_deleted, "", {}, "leads to nat-"),
    "NAT gateway without internet": Case(nat_gateway_without_internet, "", {}, "has no route to an internet gateway"),
    "transit gateway only": Case(
        Layout.transit_gateway, "a b c", {"a": "; what is beyond it can't be seen from here: it has no endpoint for s3"}
    ),
    "repository abroad, endpoints": Case(
        Layout.endpoints, "", {}, "no endpoint that reaches the repository in us-east-1 (a gateway endpoint serves", asked=ABROAD
    ),
    "repository abroad, NAT gateway": Case(Layout.nat, "a b c", {"a": "repository in us-east-1"}, asked=ABROAD),
    "repository abroad, endpoint across Regions": Case(endpoint_across_regions, "a b c", {"a": "through endpoints alone"}, asked=ABROAD),
    "proxy": Case(nothing, "a b c", {"a": "the proxy proxy.example.com"}, asked=PROXY),
    "a wish": Case(Layout.endpoints, "c", {"a": "left out: c was asked for"}, asked={"allowed": ["c"]}),
    "a wish for two": Case(Layout.endpoints, "b c", {"a": "left out: 2 others were asked for"}, asked={"allowed": ["c", "b"]}),
    "a wish that can't be": Case(few_addresses, "", {}, "has 2 free addresses", asked={"allowed": ["tiny"]}),
    "none fits": Case(nothing, "", {"a": "its route table rtb-"}, "add the endpoints, or a route to a NAT gateway"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_layout_has_its_choice_and_its_reasons(layout: Layout, case: Case) -> None:
    case.build(layout)

    choice = layout.choose(**case.asked)

    told = layout.told(choice)
    assert [name for name, (rank, _, _) in told.items() if rank] == case.best.split()
    assert [rank for rank, _, _ in told.values() if rank] == list(range(1, len(case.best.split()) + 1))
    for name, words in case.words.items():
        assert words in told[name][2]
    assert all(reasons for _, _, reasons in told.values())
    assert bool(choice.refusals) == (not case.best)
    assert case.refused in "\n".join(choice.refusals)


@pytest.mark.parametrize(
    ("build", "asked", "way"),
    [(Layout.endpoints, {}, "endpoints"), (Layout.nat, {}, "nat"), (nothing, PROXY, "proxy"), (Layout.transit_gateway, {}, "elsewhere")],
)
def test_each_way_has_its_name(layout: Layout, build: Callable[[Layout], Any], asked: dict[str, Any], way: str) -> None:
    build(layout)

    assert layout.choose(**asked).network.subnets[0].way == way


def test_the_own_subnets_of_the_database_come_before_others_of_the_same_worth(layout: Layout) -> None:
    layout.endpoints()
    layout.subnet("larger", "a", "10.0.16.0/20")

    assert list(layout.told(layout.choose())) == ["a", "larger", "b", "c"]


def test_more_free_addresses_come_first_among_equals(layout: Layout) -> None:
    layout.endpoints()
    layout.subnet("c2", "c", "10.0.8.0/24")
    layout.subnet("c3", "c", "10.0.16.0/24")
    vpc_ = layout.read()
    names = sorted(("c", "c2", "c3"), key=lambda name: layout.ids[name])
    changed = {layout.ids[name]: replace(vpc_.subnets[layout.ids[name]], free=100 + n) for n, name in enumerate(names)}

    choice = layout.choose(replace(vpc_, subnets={**vpc_.subnets, **changed}))

    assert list(layout.told(choice))[2:] == names[::-1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"state": "pending"}, "is pending, not available"),
        ({"network": None}, "has only IPv6 addresses"),
        ({"on_outpost": True}, "is on an Outpost"),
        ({"zone": f"{REGION}-ham-1a"}, "is in eu-central-1-ham-1a, a Local or Wavelength Zone"),
    ],
)
def test_what_is_no_ordinary_subnet_is_rejected(layout: Layout, change: dict[str, Any], words: str) -> None:
    layout.endpoints()
    vpc_ = layout.read()
    changed = replace(vpc_.subnets[layout.ids["a"]], **change)

    choice = layout.choose(replace(vpc_, subnets={**vpc_.subnets, changed.subnet_id: changed}))

    rank, _, reasons = layout.told(choice)["a"]
    assert rank is None
    assert words in reasons


def test_an_endpoint_that_is_not_there_yet_counts_as_none(layout: Layout) -> None:
    layout.endpoints()
    vpc_ = layout.read()
    pending = [replace(e, state="pending") if e.service.endswith(".ssm") else e for e in vpc_.endpoints]

    [line] = layout.choose(replace(vpc_, endpoints=tuple(pending))).refusals

    assert "no endpoint for ssm (vpce-" in line
    assert " is pending), and" in line


def test_a_nat_gateway_that_failed_is_no_way(layout: Layout) -> None:
    gateway, vpc_ = layout.nat(), layout.read()
    failed = replace(vpc_.nat_gateways[gateway], state="failed")

    refusals = layout.choose(replace(vpc_, nat_gateways={gateway: failed})).refusals

    assert f"the NAT gateway {gateway} of its default route is failed" in "\n".join(refusals)


def test_a_nat_gateway_of_a_shared_vpc_s_owner_is_a_way_that_can_not_be_seen(layout: Layout) -> None:
    gateway, vpc_ = layout.nat(), layout.read()

    told = layout.told(layout.choose(replace(vpc_, nat_gateways={})))

    assert told["a"][:2] == (1, "nat")
    assert f"{gateway} (of another account, not visible here)" in told["a"][2]


def test_the_endpoints_of_a_shared_vpc_s_owner_can_not_be_seen(layout: Layout) -> None:
    layout.endpoints()
    layout.shared_by(OWNER)

    vpc_ = layout.read()
    told = layout.told(layout.choose(vpc_))

    assert (vpc_.shared_by, vpc_.endpoints) == (OWNER, ())
    assert told["a"][:2] == (1, "elsewhere")
    assert f"the VPC belongs to account {OWNER}, and whether that has endpoints can't be seen from here" in told["a"][2]


def test_what_certainly_stops_a_worker_stops_it_in_a_shared_vpc_too(layout: Layout) -> None:
    few_addresses(layout)
    layout.shared_by(OWNER)

    assert layout.told(layout.choose())["tiny"][0] is None


def test_a_shared_vpc_with_a_way_that_can_be_seen_is_like_any_other(layout: Layout) -> None:
    layout.transit_gateway()
    layout.shared_by(OWNER)

    told = layout.told(layout.choose())

    assert told["a"][:2] == (1, "elsewhere")
    assert "routes AWS traffic to tgw-" in told["a"][2]


def test_a_vpc_of_the_own_account_is_shared_by_nobody(layout: Layout) -> None:
    assert layout.read().shared_by is None


def test_a_private_nat_gateway_before_a_transit_gateway_leads_elsewhere(layout: Layout) -> None:
    gateway = layout.nat(public=False)
    layout.transit_gateway("public")
    vpc_ = layout.read()
    private = replace(vpc_.nat_gateways[gateway], is_public=False)

    told = layout.told(layout.choose(replace(vpc_, nat_gateways={gateway: private})))

    assert told["a"][:2] == (1, "elsewhere")


def test_a_regional_nat_gateway_needs_no_subnet(layout: Layout) -> None:
    gateway, vpc_ = layout.nat(public=False), layout.read()
    regional = replace(vpc_.nat_gateways[gateway], subnet_id=None)

    assert layout.told(layout.choose(replace(vpc_, nat_gateways={gateway: regional})))["a"][:2] == (1, "nat")


@pytest.mark.parametrize(("target", "usable"), [("vgw-1", True), ("vpce-1", True), ("eni-1", True), ("pcx-1", False), ("cagw-1", False)])
def test_what_a_default_route_may_lead_to(layout: Layout, target: str, usable: bool) -> None:
    vpc_ = layout.read()
    table = RouteTable("rtb-1", (Route("0.0.0.0/0", target),))

    choice = layout.choose(replace(vpc_, main_table=table))

    assert bool(choice.refusals) != usable
    assert all(way == ("elsewhere" if usable else None) for _, way, _ in layout.told(choice).values())


def test_two_halves_are_a_default_route(layout: Layout) -> None:
    vpc_ = layout.read()
    halves = (Route("0.0.0.0/1", "tgw-1"), Route("128.0.0.0/1", "tgw-1"))

    assert not layout.choose(replace(vpc_, main_table=RouteTable("rtb-1", halves))).refusals
    dead = (halves[0], replace(halves[1], alive=False))
    assert layout.choose(replace(vpc_, main_table=RouteTable("rtb-1", dead))).refusals


def test_a_subnet_of_ipv6_alone_is_read_as_such(layout: Layout) -> None:
    created = layout.ec2.create_subnet(VpcId=layout.vpc_id, Ipv6Native=True, Ipv6CidrBlock="2001:db8::/64")

    assert layout.read().subnets[created["Subnet"]["SubnetId"]].network is None


def test_a_subnet_of_another_vpc_is_refused(layout: Layout) -> None:
    layout.endpoints()
    layout.ids["elsewhere"] = "subnet-0123456789abcdef0"

    with pytest.raises(TargetNotUsable, match="'subnet-0123456789abcdef0' isn't a subnet of the instance's VPC vpc-"):
        layout.choose(allowed=["elsewhere"])


def test_subnets_with_the_same_fault_share_a_line(layout: Layout) -> None:
    layout.s3_gateway()
    layout.interfaces(group=layout.security_group("closed"))

    [line] = layout.choose().refusals

    assert all(f"{layout.ids[name]} ({REGION}{name})" in line for name in "abc")


def test_a_long_list_is_cut_with_a_count_and_keeps_the_best(layout: Layout) -> None:
    layout.endpoints()
    for number in range(64):
        layout.subnet(f"n{number}", "b", f"10.0.{128 + number}.0/24")

    network = layout.choose().network

    assert network.subnets[0].subnet_id == layout.ids["a"]
    assert len(network.subnets) <= limits.LISTED_SUBNETS
    assert len(network.subnets) + network.unlisted == 67
    assert len(network.model_dump_json()) < limits.LISTED_SUBNETS_CHARACTERS + 500


def test_many_faults_are_named_up_to_a_number(layout: Layout) -> None:
    names: Sequence[str] = [f"n{number}" for number in range(limits.NAMED_REFUSALS)]
    for number, name in enumerate(names):
        layout.subnet(name, "b", f"10.0.{128 + number}.0/24")
        layout.table(name)

    refusals = layout.choose().refusals

    assert len(refusals) == limits.NAMED_REFUSALS + 1
    assert refusals[-1].startswith("1 more subnet")
