"""Which EC2 instance the worker is, by its work, and in which order types and zones are tried while EC2 has no capacity.

Size, for PostgreSQL: a vCPU per stream. A worker with two streams on two cores replays at the pace of `pg_restore -j2` and needs 104 MiB
of memory for 600 MB, 106 MiB for 3,000 MB (docs/benchmarks.md): streams take processors, and bytes take neither processors nor memory, only
time. Above 1 TiB it is one size more: such a run outlasts EC2's network bursts, and `large` then has 0.78 Gbit/s (98 MB/s) in each
direction, `xlarge` twice that. The vendor's product takes 2, 8 and 16 vCPUs up to 1, up to 16 and above 16 TB whatever is asked; who wants
that asks for more streams.
For SQL Server the worker only tells RDS what to do (78 MB of memory after 600 looks): the smallest type in which the installation of
packages has room enough.
Invariant: only types of x86_64, which the program is built for, and only launches that EC2 offers in that zone."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from dbrestore.contract import limits
from dbrestore.contract.errors import TargetNotUsable
from dbrestore.contract.manifest import Engine
from dbrestore.contract.plan import Launch
from dbrestore.contract.refusals import error_code
from lambdas.runtime.aws import TargetAccount

# By the vCPUs that they have.
SIZES = {2: "large", 4: "xlarge", 8: "2xlarge", 16: "4xlarge"}
# Newest first, the cheaper family of a generation first; each is a pool of capacity of its own.
FAMILIES = ("c6i", "m6i", "c5", "m5")
# What the installation of Python's packages takes is not measured; 1 GiB is known to be tight for dnf, 2 GiB are not.
STEERING = ("t3.small", "t3a.small", "t3.medium", "c6i.large")
BURSTABLE = ("t3", "t3a")
BURSTABLE_SIZES = ("nano", "micro", "small", "medium")
ONE_SIZE_MORE = 1 << 40


# What the names of instance classes say, RDS's too: the vCPUs of a large; a multiple of xlarge says how many times four. Smaller ones have
# two since t3 (User Guide, "Hardware specifications for DB instance classes").
PROCESSORS_OF_XLARGE = 4
FEWEST_STREAMS = 2
_MULTIPLE = re.compile(r"(\d*)xlarge")


@dataclass(frozen=True)
class Work:
    """What the worker has to do. `size` in bytes of COPY text; `engine` None is one that the plan refuses."""

    engine: Engine | None
    size: int
    streams: int


def streams(target_class: str, most: int) -> int:
    """Parallel connections for a target of this class (`db.m6g.2xlarge`): one for each of its vCPUs, which do nearly all of the work, but
    at least two, so that it needn't wait for the worker. `most` is the request's bound."""
    found = _MULTIPLE.fullmatch(target_class.rpartition(".")[2])
    processors = PROCESSORS_OF_XLARGE * int(found[1] or 1) if found else FEWEST_STREAMS
    return min(most, max(FEWEST_STREAMS, processors))


def candidates(target: TargetAccount, work: Work, asked: Sequence[str] = (), *, others: bool = True) -> tuple[str, ...]:
    """Types in the order in which they are tried: those that were asked for, checked against EC2, and unless these are meant to be all,
    `others` of the first one's size. Raises TargetNotUsable."""
    if not asked:
        return by_work(work)
    _require_x86(target, asked)
    if not others:
        return tuple(asked)
    size = asked[0].rpartition(".")[2]
    families = BURSTABLE if size in BURSTABLE_SIZES else FAMILIES
    return tuple(dict.fromkeys((*asked, *(f"{family}.{size}" for family in families))))


def by_work(work: Work) -> tuple[str, ...]:
    """The types for this work."""
    return ENGINES[work.engine or "postgres"](work)


def _by_streams(work: Work) -> tuple[str, ...]:
    wanted = max(work.streams, 4 if work.size > ONE_SIZE_MORE else 2)
    size = SIZES[next(processors for processors in SIZES if processors >= wanted)]
    return tuple(f"{family}.{size}" for family in FAMILIES)


def _steering(work: Work) -> tuple[str, ...]:
    return STEERING


ENGINES: Final[dict[Engine, Callable[[Work], tuple[str, ...]]]] = {"postgres": _by_streams, "sqlserver": _steering}


def _require_x86(target: TargetAccount, asked: Sequence[str]) -> None:
    for kind in asked:
        if "x86_64" not in _architectures(target, kind):
            raise TargetNotUsable(f"{kind!r} isn't an x86_64 instance type of this Region: leave it out or name another")


def _architectures(target: TargetAccount, kind: str) -> list[str]:
    try:
        found = target.ec2.describe_instance_types(InstanceTypes=[kind])["InstanceTypes"]  # type: ignore[list-item]
    except ClientError as error:
        if error_code(error) not in ("InvalidInstanceType", "InvalidParameterValue"):
            raise
        return []
    return [name for entry in found for name in entry.get("ProcessorInfo", {}).get("SupportedArchitectures", [])]


def offered(target: TargetAccount, kinds: Sequence[str]) -> frozenset[tuple[str, str]]:
    """Pairs of type and Availability Zone that EC2 has."""
    request: Any = {"LocationType": "availability-zone", "Filters": [{"Name": "instance-type", "Values": list(kinds)}]}
    pages = target.ec2.get_paginator("describe_instance_type_offerings").paginate(**request)
    return frozenset((o["InstanceType"], o["Location"]) for page in pages for o in page["InstanceTypeOfferings"])


def launches(kinds: Sequence[str], subnets: Sequence[tuple[str, str]], offers: frozenset[tuple[str, str]]) -> tuple[Launch, ...]:
    """Every try, in its order; `subnets` are pairs of id and zone, best first. Raises TargetNotUsable if EC2 has none of the types there.

    All types in the best zone come first: another type of the same size costs a tenth more by the hour, another zone a cent for every GiB
    in and out. Then the zones take turns, because what keeps a worker from registering in one of them does so with every type. A second
    subnet of a zone has no other capacity: it comes when each zone had its turn."""
    tries = sorted(
        (_turn(subnets, place, number), kind, subnet_id)
        for place, (subnet_id, zone) in enumerate(subnets)
        for number, kind in enumerate(kinds)
        if (kind, zone) in offers
    )
    if not tries:
        zones = ", ".join(sorted({zone for _, zone in subnets}))
        raise TargetNotUsable(f"EC2 has none of {', '.join(kinds)} in {zones}: name another worker.instanceType")
    chosen = tries[: limits.WORKER_ATTEMPTS]
    return tuple(Launch(instance_type=kind, subnet_id=subnet_id) for _, kind, subnet_id in chosen)


def _turn(subnets: Sequence[tuple[str, str]], place: int, number: int) -> tuple[int, int, int]:
    zone = subnets[place][1]
    earlier = sum(other == zone for _, other in subnets[:place])
    if earlier == 0 and zone == subnets[0][1]:
        return 0, number, place
    return 1 + earlier, number, place
