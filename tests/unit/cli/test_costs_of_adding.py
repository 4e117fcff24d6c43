"""What `points discover` says that adding costs: the arithmetic of each item, by the price table."""

import shlex

import pytest

from dbrestore.cli.adding import costs, discover
from dbrestore.points.in_s3.discovery import Cold, WouldBe, copies_of
from dbrestore.prices import GB, prices_in

HOME = "us-east-1"


def point(engine: str, length: int) -> WouldBe:
    return WouldBe(engine, ("shop",), None, length, ("s3://b/k",), copies_of(length))  # type: ignore[arg-type]


def items(found: costs.Costs) -> dict[str, float]:
    return {one.item: one.dollars for one in found.once}


def test_a_dump_costs_its_copy_the_worker_that_reads_it_and_its_storage() -> None:
    found = costs.of_point(point("postgres", 500 * GB), HOME, HOME)

    requests = 500 * GB // (256 << 20) + 2
    assert items(found)["S3 requests: copying"] == pytest.approx(requests * 0.005 / 1000)
    hours = (150 + 500 * GB / 100e6) / 3600
    assert items(found)["Worker, which reads the copies"] == pytest.approx(hours * prices_in(HOME).instance(costs.WORKER), rel=1e-5)
    assert found.monthly.dollars == pytest.approx(500 * 0.023)
    assert found.dollars == pytest.approx(sum(items(found).values()))


def test_of_a_native_backup_nobody_reads_the_pages_and_another_region_costs_the_way() -> None:
    found = items(costs.of_point(point("sqlserver", 10 * GB), "eu-west-1", HOME))

    assert found == {
        "S3 requests: copying": pytest.approx(42 * 0.005 / 1000),
        "Transfer between Regions": pytest.approx(10 * prices_in("eu-west-1").price("between-regions-gb").dollars),
    }


def test_what_is_archived_costs_its_retrieval_too() -> None:
    found = list(costs.of_retrieval({"GLACIER": Cold(1000, 100 * GB)}, HOME))

    assert [(one.item.partition(",")[0], one.dollars) for one in found] == [
        ("Retrieval from S3 Glacier Flexible Retrieval", pytest.approx(100 * 0.01 + 0.05)),
        ("Retrieved copies", pytest.approx(100 * 3 * 24 / 730 * 0.023, abs=1e-6)),
    ]


def test_a_name_with_blanks_and_quotes_can_be_typed_as_it_is_printed() -> None:
    uri = "s3://b/nightly ü/anna's shop.dump"

    told = discover.command(WouldBe("postgres", ("shop",), None, 1, (uri,), 1))

    assert shlex.split(told)[-1] == uri
