"""The price table as it is, and what is told where it has gaps."""

import json

import pytest

from dbrestore.prices import TABLE, prices_in
from lambdas.placement.instance_types import FAMILIES, SIZES, STEERING

FLEXIBLE, DEEP = "GLACIER", "DEEP_ARCHIVE"


def test_a_price_is_for_so_many_of_its_unit() -> None:
    assert prices_in("us-east-1").price("transition").of(4000) == pytest.approx(0.10)


def test_every_price_names_a_source_that_the_table_explains() -> None:
    table = prices_in("us-east-1").table

    retrieval = [price for tiers in table.retrieval.values() for price in tiers.values()]
    elsewhere = [price for region in table.regions.values() for price in region.prices.values()]
    assert {price.source for price in [*table.prices.values(), *retrieval, *elsewhere]} <= table.sources.keys()
    assert table.of == "2026-06-18"


def test_every_type_that_is_chosen_by_the_work_has_a_price() -> None:
    of_postgresql = {f"{family}.{size}" for family in FAMILIES for size in SIZES.values()}

    for kind in {*of_postgresql, *STEERING}:
        assert prices_in("us-east-1").instance(kind), kind


def test_an_unknown_type_has_no_price() -> None:
    assert prices_in("us-east-1").instance("u-24tb1.metal") is None


def test_a_region_has_its_own_prices_where_they_are_known_and_says_what_is_not_its_own() -> None:
    frankfurt = prices_in("eu-central-1")

    assert (frankfurt.instance("c6i.large"), frankfurt.price("volume-gb-month").dollars) == (0.097, 0.0952)
    assert frankfurt.price("s3-put") == prices_in("us-east-1").price("s3-put")
    assert frankfurt.priced_in == "eu-central-1"
    assert frankfurt.note == "Prices of eu-central-1 where the table has them, otherwise of us-east-1"


def test_an_unknown_region_is_priced_like_the_base_and_says_so() -> None:
    cape_town = prices_in("af-south-1")

    assert cape_town.priced_in == "us-east-1"
    assert cape_town.note
    assert "those of af-south-1 are not in the table" in cape_town.note


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_nothing_needs_to_be_said_where_the_prices_are_the_same(region: str) -> None:
    assert prices_in(region).note is None


def test_deep_archive_has_no_expedited_retrieval() -> None:
    prices = prices_in("us-east-1")

    assert prices.retrieval(DEEP, "Expedited") is None
    assert prices.retrieval("DEEP_ARCHIVE_ACCESS", "Expedited") is None
    assert prices.retrieval(FLEXIBLE, "Expedited")


def test_no_region_repeats_what_the_base_says() -> None:
    table = json.loads(TABLE.read_text())

    for name, region in table["regions"].items():
        for price, value in region.get("prices", {}).items():
            assert value["dollars"] != table["prices"][price]["dollars"], (name, price)
