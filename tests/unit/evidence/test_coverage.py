"""Which databases were proven in a stretch of time, and which not."""

from datetime import timedelta
from typing import Any

from dbrestore.contract.drills import Drill
from dbrestore.contract.evidence import ListedProof, ProvenDatabase
from dbrestore.evidence import charts, coverage
from dbrestore.evidence.coverage import Ended
from tests.unit.evidence import made

SINCE, UNTIL = made.BEGAN, made.BEGAN + timedelta(days=90)


def ended(day: float, *, drill: str | None = "weekly", source: str = "prod", outcome: Any = "PASS", **databases: bool) -> Ended:
    return Ended(
        restore_id=f"r-{day}",
        ended_at=SINCE + timedelta(days=day),
        proof=ListedProof(
            outcome=outcome,
            drill=drill,
            source=source,
            age_seconds=3600,
            recovery_seconds=60 * day,
            databases=tuple(ProvenDatabase(name=name, proven=proven) for name, proven in databases.items()),
        ),
    )


def drill(name: str, databases: Any = "all", source: str = "prod") -> Drill:
    return Drill.model_validate(
        {
            "name": name,
            "schedule": {"expression": "rate(7 days)", "timeZone": "UTC"},
            "source": {"dbInstance": source},
            "databases": databases,
            "target": {"dbInstance": "drills"},
        }
    )


def gathered(*over: Ended, points: Any = (), drills: Any = ()) -> coverage.Coverage:
    return coverage.gathered(over, points, drills, SINCE, UNTIL)


def test_the_newest_proof_counts_and_failures_stay() -> None:
    found = gathered(ended(3, outcome="FAIL", orders=False), ended(1, orders=True), ended(2, drill=None, orders=True))

    (orders,) = found.databases
    assert orders.last_proven is not None
    assert (orders.last_proven.restore_id, orders.last_proven.by) == ("r-2", None)
    assert [trial.restore_id for trial in orders.failures] == ["r-3"]
    assert [one.restore_id for one in found.failures] == ["r-3"]


def test_a_database_that_nobody_tried_is_there() -> None:
    found = gathered(ended(1, orders=True), points=[("prod", "orders"), ("prod", "crm")], drills=[drill("named", ["gone"])])

    assert [(one.name, one.in_point) for one in found.never] == [("crm", True), ("gone", False)]
    assert found.sentence == "1 of 3 databases was proven to restore; 2 were not."


def test_a_database_that_only_failed_is_not_proven() -> None:
    found = gathered(ended(1, outcome="FAIL", orders=False, crm=True))

    assert [one.name for one in found.never] == ["orders"]
    assert [one.name for one in found.proven] == ["crm"]


def test_a_drill_that_failed_before_it_knew_a_database_stays_in_the_picture() -> None:
    found = gathered(ended(1, outcome="FAIL", source="ghost"))

    assert found.databases == ()
    assert [one.proof.source for one in found.failures] == ["ghost"]


def test_databases_of_one_name_on_two_instances_are_two() -> None:
    found = gathered(ended(1, orders=True), ended(2, source="other", orders=False, outcome="FAIL"))

    assert [(one.instance, bool(one.last_proven)) for one in found.databases] == [("other", False), ("prod", True)]


def test_declared_drills_are_told_by_what_they_take() -> None:
    drills = [drill("all"), drill("rotating", {"rotate": 2}), drill("named", ["crm"]), drill("elsewhere", source="other")]

    found = gathered(points=[("prod", "orders")], drills=drills)

    assert {one.name: one.drills for one in found.databases} == {"orders": ("all", "rotating"), "crm": ("all", "rotating", "named")}


def test_a_chart_shows_time_as_height_and_what_failed_on_the_ground() -> None:
    found = gathered(ended(0, orders=True), ended(45, orders=True), ended(90, outcome="FAIL", orders=False))

    chart = charts.drawn(found.databases[0].trials, SINCE, UNTIL)

    assert [dot.left for dot in chart.dots] == [3.0, 50.0, 97.0]
    assert [dot.top for dot in chart.dots] == [86.0, 14.0, 86.0]
    assert [dot.proven for dot in chart.dots] == [True, True, False]
    assert len(chart.lines) == 1
    assert all(0 < dot.left < 100 and 0 < dot.top < 100 for dot in chart.dots)


def test_nothing_known_says_so() -> None:
    assert gathered().sentence.startswith("No database is known")
