"""What a restore will cost: the arithmetic against worked examples, and what is told where a price is missing."""

import pytest

from dbrestore.contract.plan import Estimate
from dbrestore.contract.request import ArchiveTier
from dbrestore.prices import GB, prices_in
from dbrestore.worker.base import limits
from lambdas.estimate import estimate, orchestration, postgresql
from lambdas.estimate.orchestration import Effort
from tests.unit.lambdas.estimated_plans import archived, database, network, planned, planned_native, target, worker

MIB = 1 << 20


def dollars(found: Estimate, item: str) -> float:
    [cost] = [cost.dollars for cost in found.costs if cost.item.startswith(item)]
    return cost


@pytest.mark.parametrize(
    ("storage_class", "tier", "objects", "expected"),
    [
        ("GLACIER", "Expedited", 200, 5.00),
        ("GLACIER", "Standard", 200, 1.01),
        ("GLACIER", "Bulk", 200, 0.0),
        ("DEEP_ARCHIVE", "Standard", 200, 2.02),
        ("DEEP_ARCHIVE", "Bulk", 200, 0.255),
        ("GLACIER", "Expedited", 102_400, 3 + 1024),
        ("ARCHIVE_ACCESS", "Standard", 200, 0.0),
    ],
)
def test_retrieving_100_gb_costs_what_its_bytes_and_its_requests_do(
    storage_class: str, tier: ArchiveTier, objects: int, expected: float
) -> None:
    found = estimate.of(planned(archive=archived(storage_class, tier, objects, 100 * GB)))

    assert dollars(found, f"Retrieval of {storage_class}, {tier}") == pytest.approx(expected)


def test_retrieved_copies_are_paid_for_as_long_as_they_are_kept() -> None:
    kept = estimate.of(planned(archive=archived("GLACIER", "Bulk", 200, 100 * GB, days=73)))

    assert dollars(kept, "Retrieved copies") == pytest.approx(100 * 0.023 * 73 * 24 / 730, abs=1e-6)


def test_intelligent_tiering_makes_no_copy() -> None:
    found = estimate.of(planned(archive=archived("DEEP_ARCHIVE_ACCESS", "Bulk", 200, 100 * GB)))

    assert "Retrieved copies" not in {cost.item for cost in found.costs}


def test_a_pair_that_s3_does_not_offer_is_priced_at_nothing_because_the_plan_refuses_it() -> None:
    found = estimate.of(planned(archive=archived("DEEP_ARCHIVE", "Expedited", 200, 100 * GB)))

    assert not [cost for cost in found.costs if cost.item.startswith("Retrieval")]


def test_the_sum_is_the_sum_of_its_items_and_the_largest_comes_first() -> None:
    for plan in (planned(archive=archived("GLACIER", "Expedited", 200, 100 * GB)), planned_native()):
        found = estimate.of(plan)

        assert found.dollars == pytest.approx(sum(cost.dollars for cost in found.costs))
        assert [cost.dollars for cost in found.costs] == sorted((c.dollars for c in found.costs), reverse=True)
        assert found.seconds == pytest.approx(sum(item.seconds for item in found.durations))


def test_the_worker_is_paid_for_from_its_launch_to_its_end_and_not_while_the_archive_is_waited_for() -> None:
    waiting = estimate.of(planned(archive=archived("DEEP_ARCHIVE", "Bulk", 1, GB)))
    at_once = estimate.of(planned())

    assert waiting.worker_hours == at_once.worker_hours
    assert waiting.seconds == pytest.approx(at_once.seconds + 48 * 3600)
    assert dollars(at_once, "Worker: instance") == pytest.approx(at_once.worker_hours * 0.085, abs=0.001)


def test_orchestration_of_700_transitions_costs_two_cents() -> None:
    prices = prices_in("us-east-1")
    done = Effort(transitions=700, invocations=200, gb_seconds=70)

    lambdas = prices.price("invocation").of(done.invocations) + prices.price("function-gb-second").of(done.gb_seconds)
    assert prices.price("transition").of(done.transitions) == pytest.approx(0.0175)
    assert lambdas == pytest.approx(0.0013, abs=0.0002)


def test_orchestration_of_a_usual_restore_stays_below_two_cents() -> None:
    for plan in (planned(), planned_native()):
        found = estimate.of(plan)

        assert 0.001 < sum(cost.dollars for cost in found.costs if cost.item.startswith("Orchestration")) < 0.02


@pytest.mark.parametrize("objects", [1_000, 50_000])
def test_orchestration_of_two_days_of_archive_and_a_week_of_work_stays_below_five_cents(objects: int) -> None:
    week = database("huge", int(7 * 24 * 3600 / (1 / 9.2e6 + 1 / 100e6)))
    found = estimate.of(planned(databases=(week,), archive=archived("DEEP_ARCHIVE", "Bulk", objects, 100 * GB)))

    assert found.seconds > 9 * 24 * 3600
    assert 0.02 < sum(cost.dollars for cost in found.costs if cost.item.startswith("Orchestration")) < 0.05


def test_every_file_that_arrives_costs_an_invocation_and_half_a_read() -> None:
    few, many = (
        orchestration.effort(planned(archive=archived("DEEP_ARCHIVE", "Bulk", objects, GB)), {"RetrieveArchive": 0.0})
        for objects in (1_000, 50_000)
    )

    assert 49_000 <= many.invocations - few.invocations < 50_000
    assert 24_500 <= many.reads - few.reads < 25_500


def test_data_that_leaves_its_region_is_paid_for_by_what_lies_in_the_repository() -> None:
    native = estimate.of(planned_native(target=target(engine="sqlserver-se", region="eu-west-1")))
    dumps = estimate.of(planned(target=target(region="eu-west-1")))

    assert dollars(native, "Transfer between Regions") == pytest.approx(4 * 0.02)
    assert dollars(dumps, "Transfer between Regions") == pytest.approx(4 * 0.02)


@pytest.mark.parametrize(("way", "item", "expected"), [("nat", "NAT gateway", 4 * 0.045), ("endpoints", "Interface endpoints", 4 * 0.01)])
def test_the_dumps_way_to_the_worker_is_paid_for(way: str, item: str, expected: float) -> None:
    assert dollars(estimate.of(planned(network=network(way))), item) == pytest.approx(expected)


def test_a_worker_in_another_zone_pays_for_the_text_that_it_sends() -> None:
    found = estimate.of(planned(network=network("nat", zone="us-east-1b")))

    assert dollars(found, "Transfer between zones") == pytest.approx(10 * 0.01)
    assert not [c for c in estimate.of(planned(network=network("nat"))).costs if c.item == "Transfer between zones"]


def test_native_backups_pass_no_worker_and_lie_in_a_bucket_meanwhile() -> None:
    found = estimate.of(planned_native(network=network("nat", zone="us-east-1b")))

    assert not {"NAT gateway", "Transfer between zones"} & {cost.item for cost in found.costs}
    assert 0 < dollars(found, "Temporary bucket") < 4 * 0.023


def test_an_unknown_type_is_told_and_not_priced() -> None:
    found = estimate.of(planned(worker=worker("x9z.large")))

    assert "x9z.large is not in the price table: the hours of the worker's instance are not in the sum" in found.notes
    assert not [cost for cost in found.costs if cost.item == "Worker: instance"]


def test_the_estimate_says_of_when_and_where_its_prices_are() -> None:
    at_home, abroad = estimate.of(planned()), estimate.of(planned(target=target(region="ap-south-1")))

    assert (at_home.prices_of, at_home.prices_in) == ("2026-06-18", "us-east-1")
    assert len(at_home.notes) == 1
    assert any("those of ap-south-1 are not in the table" in note for note in abroad.notes)


def test_the_workers_notes_are_counted_with_the_workers_own_numbers() -> None:
    told = (
        postgresql.SHORTEST_PROGRESS_SECONDS,
        postgresql.PROGRESS_SHARE,
        postgresql.LONGEST_PROGRESS_SECONDS,
    )

    assert told == (limits.PROGRESS_SECONDS, limits.PROGRESS_SHARE, limits.LONGEST_PROGRESS_SECONDS)
    assert postgresql.progress_notes(50) == 50
    # Simulated second by second.
    count, last = 0, -1.0
    for second in range(100_000):
        if second - last >= min(max(1.0, 0.01 * second), 60.0):
            count, last = count + 1, second
    assert abs(postgresql.progress_notes(100_000) - count) < 0.05 * count
