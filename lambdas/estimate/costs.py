"""What a restore will cost, item by item, each with its arithmetic.

Invariant: the sum of the items is the total, and what could not be priced is told and not guessed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dbrestore.contract.plan import ArchivedFiles, CostItem, Plan, PlannedArchive
from dbrestore.prices import GB, MONTH_HOURS, Prices
from lambdas.estimate import orchestration
from lambdas.estimate.durations import to_retrieve
from lambdas.estimate.engines import ENGINES
from lambdas.estimate.rates import is_abroad

# The worker is paid for from its launch to its end.
STATES_WITH_WORKER = (
    "DeployWorker",
    "PairSecurityGroups",
    "StageNativeBackups",
    "RestoreNativeBackups",
    "ReplayDumps",
    "VerifyDatabases",
    "RemoveWorker",
)
STATES_WITH_STAGED_FILES = (
    "StageNativeBackups",
    "RestoreNativeBackups",
    "VerifyDatabases",
    "RemoveWorker",
    "UnpairSecurityGroups",
)
# Of these S3 makes a second copy for the time that was asked for; in Intelligent-Tiering the object itself comes back.
COPIED_WHEN_RETRIEVED = ("GLACIER", "DEEP_ARCHIVE")
WAYS_WITH_A_PRICE = {"nat": ("NAT gateway", "nat-gb"), "endpoints": ("Interface endpoints", "endpoint-gb")}
LEFT_OUT = (
    "Not in the sum: the database instance itself, KMS, logs and metrics, taxes, what a failed restore costs in addition; free tiers "
    "and discounts are not subtracted"
)


@dataclass(frozen=True)
class Costing:
    """A plan with the expected seconds by state and the prices. `at_source` are those of the repository's Region."""

    plan: Plan
    seconds: Mapping[str, float]
    here: Prices
    at_source: Prices

    def hours(self, states: tuple[str, ...]) -> float:
        """How long these states take together."""
        return sum(self.seconds.get(state, 0.0) for state in states) / 3600

    @property
    def worker_hours(self) -> float:
        return self.hours(STATES_WITH_WORKER)


def items(costing: Costing) -> tuple[CostItem, ...]:
    """The largest first."""
    plan = costing.plan
    archive = to_retrieve(plan)
    retrieval = _archive(archive, costing.at_source) if archive else ()
    parts = (retrieval, _worker(costing), _staged(costing), _way(costing), _requests(costing), _control_plane(costing))
    return tuple(sorted((item for part in parts for item in part), key=lambda item: -item.dollars))


def notes(costing: Costing) -> Iterator[str]:
    """What is to be said of the sum."""
    kind = costing.plan.worker.first.instance_type
    if costing.here.instance(kind) is None:
        yield f"{kind} is not in the price table: the hours of the worker's instance are not in the sum"
    yield from (note for note in (costing.here.note, costing.at_source.note) if note)
    yield LEFT_OUT


def _archive(archive: PlannedArchive, prices: Prices) -> Iterator[CostItem]:
    for files in archive.classes:
        price = prices.retrieval(files.storage_class, archive.tier)
        if price is None:
            continue
        dollars = price.gb * files.bytes / GB + price.thousand_requests * files.objects / 1000
        told = f"{_gb(files.bytes)} x ${price.gb:g} + {files.objects:,} requests x ${price.thousand_requests:g} per 1,000"
        yield _item(f"Retrieval of {files.storage_class}, {archive.tier}", dollars, told)
    copied = [files for files in archive.classes if files.storage_class in COPIED_WHEN_RETRIEVED]
    if copied:
        yield _copies(copied, archive.days, prices)


def _copies(copied: list[ArchivedFiles], days: int, prices: Prices) -> CostItem:
    size, price = sum(files.bytes for files in copied), prices.price("s3-gb-month")
    dollars = price.of(size / GB * days * 24 / MONTH_HOURS)
    return _item("Retrieved copies", dollars, f"{_gb(size)} for {days} days x ${price.dollars:g} per GiB and month")


def _worker(costing: Costing) -> Iterator[CostItem]:
    worker, hours = costing.plan.worker, costing.worker_hours
    per_hour = costing.here.instance(worker.first.instance_type)
    if per_hour is not None:
        told = f"{worker.first.instance_type}: {hours:.2f} h x ${per_hour:g}"
        yield _item("Worker: instance", hours * per_hour, told)
    volume = costing.here.price("volume-gb-month")
    told = f"{worker.volume_gib} GiB for {hours:.2f} h x ${volume.dollars:g} per GiB and month"
    yield _item("Worker: volume", volume.of(worker.volume_gib * hours / MONTH_HOURS), told)


def _staged(costing: Costing) -> Iterator[CostItem]:
    engine = ENGINES[costing.plan.engine]
    if not engine.staged:
        return
    stored = engine.stored_bytes(costing.plan)
    price, hours = costing.here.price("s3-gb-month"), costing.hours(STATES_WITH_STAGED_FILES)
    told = f"{_gb(stored)} for {hours:.2f} h x ${price.dollars:g} per GiB and month"
    yield _item("Temporary bucket", price.of(stored / GB * hours / MONTH_HOURS), told)


def _way(costing: Costing) -> Iterator[CostItem]:
    """What the data's way costs: from Region to Region, through what the worker reaches S3 by, from zone to zone."""
    plan = costing.plan
    engine = ENGINES[plan.engine]
    stored = engine.stored_bytes(plan)
    if is_abroad(plan):
        yield _transfer("Transfer between Regions", "between-regions-gb", stored, costing.at_source)
    if not engine.through_worker:
        return
    place = _place(plan)
    if place is None:
        return
    way, zone = place
    if way in WAYS_WITH_A_PRICE:
        item = _transfer(*WAYS_WITH_A_PRICE[way], stored, costing.here)
        # A gateway endpoint serves its own Region alone.
        told = item.basis if is_abroad(plan) else f"at most {item.basis}; nothing where S3 has a gateway endpoint"
        yield item.model_copy(update={"basis": told})
    if zone != plan.target.availability_zone:
        text = sum(database.bytes for database in plan.databases)
        yield _transfer("Transfer between zones", "between-zones-gb", text, costing.here)


def _place(plan: Plan) -> tuple[str | None, str] | None:
    """The way to AWS and the zone of the subnet in which the worker will stand."""
    for subnet in plan.network.subnets if plan.network else ():
        if subnet.subnet_id == plan.worker.first.subnet_id:
            return subnet.way, subnet.availability_zone
    return None


def _transfer(item: str, price: str, size: int, prices: Prices) -> CostItem:
    found = prices.price(price)
    return _item(item, found.of(size / GB), f"{_gb(size)} x ${found.dollars:g}")


def _requests(costing: Costing) -> Iterator[CostItem]:
    asked = orchestration.s3_requests(costing.plan, costing.seconds)
    puts, gets = costing.here.price("s3-put"), costing.here.price("s3-get")
    told = f"{asked.puts:,} x ${puts.dollars:g} and {asked.gets:,} x ${gets.dollars:g} per 1,000"
    yield _item("S3 requests", puts.of(asked.puts) + gets.of(asked.gets), told)


def _control_plane(costing: Costing) -> Iterator[CostItem]:
    done, prices = orchestration.effort(costing.plan, costing.seconds), costing.at_source
    price = prices.price("transition")
    told = f"{done.transitions:,} transitions x ${price.dollars:g} per 1,000"
    yield _item("Orchestration: Step Functions", price.of(done.transitions), told)
    calls, work = prices.price("invocation"), prices.price("function-gb-second")
    told = f"{done.invocations:,} requests x ${calls.dollars:g} per million + {done.gb_seconds:,.0f} GB-s x ${work.dollars:g} per million"
    yield _item("Orchestration: Lambda", calls.of(done.invocations) + work.of(done.gb_seconds), told)
    writes, reads = prices.price("table-write"), prices.price("table-read")
    told = f"{done.writes:,} writes x ${writes.dollars:g} and {done.reads:,} reads x ${reads.dollars:g} per million"
    yield _item("Orchestration: ledger", writes.of(done.writes) + reads.of(done.reads), told)


def _item(item: str, dollars: float, basis: str) -> CostItem:
    return CostItem(item=item, dollars=round(dollars, 6), basis=basis)


def _gb(size: int) -> str:
    return f"{size / GB:,.1f} GiB"
