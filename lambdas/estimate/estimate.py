"""The estimate of a plan: how long the restore will take and what it will cost. Pure arithmetic: nothing is asked of AWS."""

from dbrestore.contract.plan import Estimate, Plan
from dbrestore.prices import prices_in
from lambdas.estimate import costs, durations, rates


def of(plan: Plan) -> Estimate:
    """The estimate of this plan; whatever the plan says of an estimate already is not looked at."""
    expected = durations.expected(plan)
    seconds = {item.state: item.seconds for item in expected}
    here, at_source = prices_in(plan.target.region), prices_in(rates.repository_region(plan))
    costing = costs.Costing(plan, seconds, here, at_source)
    items = costs.items(costing)
    return Estimate(
        seconds=round(sum(seconds.values()), 1),
        durations=expected,
        worker_hours=round(costing.worker_hours, 2),
        dollars=round(sum(item.dollars for item in items), 6),
        costs=items,
        prices_of=here.table.of,
        prices_in=here.priced_in,
        notes=tuple(dict.fromkeys(costs.notes(costing))),
    )
