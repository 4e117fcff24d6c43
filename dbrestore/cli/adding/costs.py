"""What adding a restore point from S3 costs, and keeping it: before anybody has deployed anything, so without a plan.

Prices are those of the plan's estimate (dbrestore.prices). A copy within a Region costs its requests alone (Amazon S3 pricing, "Data
transfer").
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from dbrestore.cli.adding.engines import ENGINES
from dbrestore.contract.plan import CostItem
from dbrestore.contract.request import ArchiveTier
from dbrestore.points.archive_classes import NAMES, OF_COPIES
from dbrestore.points.in_s3.discovery import Cold, WouldBe
from dbrestore.prices import GB, MONTH_HOURS, Prices, prices_in

# What the plan takes for a worker with two streams; more bytes take more time and no larger one (lambdas.placement.instance_types).
WORKER: Final = "c6i.large"
# As assumed of a restore's worker (lambdas.estimate.durations, .rates): its start and end, and one stream that is decompressed and hashed.
_STARTING_SECONDS: Final = 150
_READING_BYTES_PER_SECOND: Final = 100_000_000
_TIER: Final[ArchiveTier] = "Standard"
_DAYS: Final = 3


@dataclass(frozen=True)
class Costs:
    """Dollars once, item by item, and each month that the point is kept. `notes` are about the prices."""

    once: tuple[CostItem, ...]
    monthly: CostItem
    notes: tuple[str, ...]

    @property
    def dollars(self) -> float:
        """To add it."""
        return sum(one.dollars for one in self.once)


def of_point(point: WouldBe, bucket_region: str, home: str) -> Costs:
    """A point made of what lies in one Region, in a repository in the Region `home`."""
    source, here = prices_in(bucket_region), prices_in(home)
    size = point.length
    put, month = here.price("s3-put"), here.price("s3-gb-month")
    items = [_item("S3 requests: copying", put.of(point.copies), f"{point.copies:,} x ${put.dollars:g} per {put.per:,}")]
    if bucket_region != home:
        between = source.price("between-regions-gb")
        items.append(_item("Transfer between Regions", between.of(size / GB), f"{_gb(size)} x ${between.dollars:g}"))
    if ENGINES[point.engine].read_by_worker:
        items += _worker(size, here)
    monthly = _item("Storage, per month", month.of(size / GB), f"{_gb(size)} x ${month.dollars:g} in S3 Standard")
    return Costs(tuple(items), monthly, tuple(note for note in {source.note, here.note} if note))


def of_retrieval(cold: Mapping[str, Cold], bucket_region: str) -> Iterator[CostItem]:
    """What is archived, if it is retrieved by the tier that has no hurry and keeps nobody waiting for two days."""
    prices = prices_in(bucket_region)
    month = prices.price("s3-gb-month")
    for archive, one in sorted(cold.items()):
        price = prices.retrieval(archive, _TIER)
        if price is None:
            continue
        dollars = price.gb * one.length / GB + price.thousand_requests * one.objects / 1000
        told = f"{_gb(one.length)} x ${price.gb:g} + {one.objects:,} requests x ${price.thousand_requests:g} per 1,000"
        yield _item(f"Retrieval from {NAMES[archive]}, {_TIER}", dollars, told)
        if archive in OF_COPIES:
            kept = month.of(one.length / GB * _DAYS * 24 / MONTH_HOURS)
            yield _item("Retrieved copies", kept, f"{_gb(one.length)} for {_DAYS} days x ${month.dollars:g} per GiB and month")


def _worker(size: int, here: Prices) -> Iterator[CostItem]:
    hours = (_STARTING_SECONDS + size / _READING_BYTES_PER_SECOND) / 3600
    per_hour = here.instance(WORKER) or 0.0
    basis = f"{WORKER}: {hours:.2f} h x ${per_hour:g}, assumed {_READING_BYTES_PER_SECOND // 1_000_000} MB/s"
    yield _item("Worker, which reads the copies", hours * per_hour, basis)


def _item(item: str, dollars: float, basis: str) -> CostItem:
    return CostItem(item=item, dollars=round(dollars, 6), basis=basis)


def _gb(size: int) -> str:
    return f"{size / GB:,.1f} GiB"
