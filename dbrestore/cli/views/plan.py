"""A plan as people read it: what would be made, where, for how long and for how much. Nothing of it exists yet."""

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from dbrestore.cli.consoles import visible
from dbrestore.cli.views import creations
from dbrestore.cli.views.engines import ENGINES
from dbrestore.cli.views.tables import explained, table
from dbrestore.cli.views.units import dollars, duration, number, size
from dbrestore.contract.plan import ConsideredSubnet, Estimate, Plan, PlannedArchive, PlannedNetwork

_WAYS = {"endpoints": "endpoints", "nat": "NAT gateway", "proxy": "proxy", "elsewhere": "not visible"}


def print_plan(console: Console, plan: Plan) -> None:
    """Everything, the data first and the money last."""
    for part in _parts(plan, console.width):
        console.print(part)


def _parts(plan: Plan, width: int) -> Iterator[RenderableType]:
    yield _headlines(plan)
    yield ""
    yield ENGINES[plan.engine].planned(plan)
    if plan.archive and plan.archive.classes:
        yield from archive(plan.archive)
    if plan.network:
        yield from network(plan.network, "would run", width)
    yield _heading("Would be created, and removed again unless noted otherwise")
    yield from explained(("what", "name", ""), [(c.kind, c.name, c.what) for c in creations.of(plan)], width)
    if plan.estimate:
        yield from _duration(plan.estimate)
        yield from _cost(plan.estimate)
    yield Text()
    yield from (f"Note: {note}" for note in _notes(plan))


def _headlines(plan: Plan) -> Table:
    shown = Table.grid(padding=(0, 2, 0, 0))
    for label, told in _told(plan):
        shown.add_row(label, told)
    return shown


def _told(plan: Plan) -> Iterator[tuple[str, str]]:
    target, source, worker = plan.target, plan.source, plan.worker
    archived = " (archived)" if plan.archived else ""
    yield "From", f"{source.db_instance}, restore point {source.restore_point}{archived}"
    place = f"{target.availability_zone}, {target.vpc_id}, account {target.account}"
    cluster = "cluster " if target.db_cluster else ""
    yield "Into", f"{cluster}{target.db_instance}: {target.engine} {target.engine_version} in {place}"
    writer = f", where {target.writer} writes now" if target.writer else ""
    yield "", f"at {target.host}:{target.port}{writer}"
    if target.credentials_by:
        login = f"{target.iam_user} with tokens of IAM" if target.iam_user else target.secret_arn
        yield "Login", f"{login}, by {target.credentials_by}"
    engine = ENGINES[plan.engine]
    of_engine = "".join(f", {word}" for word in engine.of_worker(worker))
    longest = f"at most {duration(worker.max_run_minutes * 60)}"
    yield (
        "Worker",
        f"{worker.first.instance_type} in {worker.first.subnet_id}{of_engine}, {longest}, by {worker.configured_by}",
    )
    yield from engine.headlines(plan)
    for n, check in enumerate(plan.checks):
        yield "" if n else "Checks", visible(f"{check.name} ({check.database}): {check.told}")
    if plan.estimate:
        yield "Takes", _in_short(plan.estimate)


def _in_short(estimate: Estimate) -> str:
    hours = f"{estimate.worker_hours:,.2f} worker hours"
    return f"about {duration(estimate.seconds)}, {hours}, about {dollars(estimate.dollars)}"


def archive(planned: PlannedArchive) -> Iterator[RenderableType]:
    """What must be retrieved, by storage class, and how long S3 says that takes."""
    yield _heading(f"To be retrieved from the archive, tier {planned.tier}, kept for {planned.days} days")
    shown = table("class", "files", "size", "at most")
    for files in planned.classes:
        wait = duration(files.wait_hours * 3600)
        shown.add_row(files.storage_class, number(files.objects), size(files.bytes), wait)
    yield shown


def network(planned: PlannedNetwork, stands: str, width: int) -> Iterator[RenderableType]:
    """Every subnet that was considered, with its reasons."""
    yield _heading(f"Where the worker {stands} in {planned.vpc_id}")
    yield from explained(("", "subnet", "zone", "to AWS by", "why"), [_considered(s) for s in planned.subnets], width)
    if planned.unlisted:
        yield f"and {number(planned.unlisted)} more subnets that are not listed"


def _considered(subnet: ConsideredSubnet) -> tuple[str, ...]:
    place = f"{subnet.rank}." if subnet.rank else "no"
    way = _WAYS[subnet.way] if subnet.way else "-"
    return place, subnet.subnet_id, subnet.availability_zone, way, "; ".join(subnet.reasons)


def _duration(estimate: Estimate) -> Iterator[RenderableType]:
    yield _heading(f"Expected duration: {duration(estimate.seconds)}, including {estimate.worker_hours:,.2f} worker hours")
    shown = table("state", "took", "by")
    shown.columns[1].header = "takes"
    for item in estimate.durations:
        shown.add_row(item.state, duration(item.seconds), item.basis)
    yield shown


def _cost(estimate: Estimate) -> Iterator[RenderableType]:
    prices = f"prices of {estimate.prices_in} as of {estimate.prices_of}"
    yield _heading(f"Expected cost: {dollars(estimate.dollars)}, {prices}")
    shown = table("item", "dollars", "by")
    for item in estimate.costs:
        shown.add_row(item.item, dollars(item.dollars), item.basis)
    yield shown


def _notes(plan: Plan) -> Iterator[str]:
    yield from plan.notes
    yield from plan.estimate.notes if plan.estimate else ()
    yield "a restore gets an id of its own, and so do the names of what it creates"
    state = ENGINES[plan.engine].making_state
    yield f"not checked yet: whether a name is free in the target. Only the worker can check that, first thing in {state}."


def _heading(words: str) -> Text:
    return Text(f"\n{words}", style="bold")
