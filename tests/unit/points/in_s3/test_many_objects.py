"""A prefix with a hundred thousand files that are no backups: looked through in seconds, with a hundred requests."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from dbrestore.contract.adoption import patterns
from dbrestore.contract.errors import BackupUnreadable
from dbrestore.points.adoption import arrivals
from dbrestore.points.in_s3.discovery import discover
from dbrestore.points.in_s3.source import MOST_LISTED, Source
from tests.unit.points.in_s3.conftest import BACKUPS, Buckets
from tests.unit.points.in_s3.listing import Listing
from tests.unit.points.pgdump import archives

MANY = 100_000
MIB = 1 << 20
# Names as exports, logs and pictures have them; some are called like what makes a directory dump, a cluster or an Inventory.
UNRELATED: dict[str, Callable[[int], str]] = {
    "in one folder": lambda n: f"logs/{n:06}.log",
    "in folders of their own": lambda n: f"logs/{n:06}/part-0001.json",
    "deeply": lambda n: f"a/b/c/d/e/{n % 100}/{n % 1_000}/{n}.jpg",
    "called like a list of databases": lambda n: f"maps/{n:06}/map.dat",
    "called like lists of an Inventory": lambda n: f"maps/{n:06}/manifest.json",
}


@pytest.mark.parametrize("kind", UNRELATED)
def test_they_are_counted_and_a_dump_among_them_is_found(buckets: Buckets, kind: str) -> None:
    buckets.put("nightly/shop.dump", archives.custom(archives.shop("zstd")))
    listing = Listing(buckets.s3, ["nightly/shop.dump", *map(UNRELATED[kind], range(MANY))])

    found = discover(buckets.source, "")

    assert [point.sources for point in found.points] == [(f"s3://{BACKUPS}/nightly/shop.dump",)]
    assert (found.objects, sum(found.not_looked_at.values())) == (MANY + 1, MANY)
    assert listing.pages == MANY // 1_000 + 1


def test_what_a_rule_looks_through_stays_small(buckets: Buckets) -> None:
    listing = Listing(buckets.s3, ["nightly/shop.dump", *map(UNRELATED["in folders of their own"], range(MANY))])
    pattern = patterns.parse("**/{database}.dump")
    tracemalloc.start()
    try:
        found = arrivals.units(pattern, buckets.source.listed(""), {})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [unit.key for unit in found] == ["nightly/shop.dump"]
    assert listing.pages == MANY // 1_000 + 1
    assert peak < 32 * MIB


def test_more_than_can_be_looked_through_is_refused_and_not_listed_to_its_end(buckets: Buckets) -> None:
    listing = Listing(buckets.s3, [f"logs/{n:07}.log" for n in range(3 * MOST_LISTED)])

    with pytest.raises(BackupUnreadable, match="has more than 200,000 objects: name a prefix that leads to fewer"):
        discover(buckets.source, "logs/")

    assert listing.pages == MOST_LISTED // 1_000 + 1


def test_the_listing_is_as_another_s3_writes_it(buckets: Buckets) -> None:
    keys = ["ä b/+%/ü.dump", "x/<&>.log", "😀", *(f"logs/{n:05}" for n in range(1_050))]
    for key in keys:
        buckets.put(key, b"hello")
    real = {prefix: list(buckets.source.listed(prefix)) for prefix in ("", "logs/", "ä", "none")}

    Listing(other := boto3.client("s3"), keys)

    for prefix, expected in real.items():
        found = list(Source(other, BACKUPS).listed(prefix))
        assert [(one.key, one.length, one.etag, one.storage_class) for one in found] == [
            (one.key, one.length, one.etag, one.storage_class) for one in expected
        ]
