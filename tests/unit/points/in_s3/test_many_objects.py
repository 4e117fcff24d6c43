"""A prefix with a hundred thousand files that are no backups: looked through in seconds, with a hundred requests."""

import tracemalloc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import pytest

from dbrestore.contract.adoption import patterns
from dbrestore.contract.errors import BackupUnreadable
from dbrestore.points.adoption import arrivals
from dbrestore.points.in_s3 import dumps, sqlserver
from dbrestore.points.in_s3.discovery import discover
from dbrestore.points.in_s3.source import MOST_LISTED, Source
from tests.statemachine import plain_moto
from tests.unit.points.in_s3.conftest import BACKUPS, MIB, Buckets
from tests.unit.points.in_s3.listing import ManyObjects

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

MANY = 100_000
# Names as exports, logs and pictures have them; some are called like what makes a cluster's dump, or an Inventory.
UNRELATED: dict[str, Callable[[int], str]] = {
    "in one folder": lambda n: f"logs/{n:06}.log",
    "in folders of their own": lambda n: f"logs/{n:06}/part-0001.json",
    "deeply": lambda n: f"a/b/c/d/e/{n % 100}/{n % 1_000}/{n}.jpg",
    "called like a list of databases": lambda n: f"maps/{n:06}/map.dat",
    "called like lists of an Inventory": lambda n: f"maps/{n:06}/manifest.json",
}


def listing(keys: Sequence[str]) -> tuple[ManyObjects, Source]:
    many = ManyObjects(keys)
    return many, Source(cast("S3Client", many), BACKUPS)


@pytest.mark.parametrize("kind", UNRELATED)
@pytest.mark.timeout(300)
def test_they_are_counted_with_a_hundred_requests(kind: str) -> None:
    """Compared with each other they would take an hour."""
    many, source = listing(list(map(UNRELATED[kind], range(MANY))))

    found = discover(source, "")

    assert (found.points, found.objects, sum(found.not_looked_at.values())) == ([], MANY, MANY)
    assert many.pages == MANY // 1_000


def test_what_a_rule_looks_through_stays_small() -> None:
    many, source = listing(["nightly/shop.dump", *map(UNRELATED["in folders of their own"], range(MANY))])
    pattern = patterns.parse("**/{database}.dump")
    tracemalloc.start()
    try:
        found = arrivals.units(pattern, source.listed(""), {})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [unit.key for unit in found] == ["nightly/shop.dump"]
    assert many.pages == MANY // 1_000 + 1
    assert peak < 16 * MIB


def test_more_than_can_be_looked_through_is_refused_and_not_listed_to_its_end() -> None:
    many, source = listing([f"logs/{n:07}.log" for n in range(2 * MOST_LISTED)])

    with pytest.raises(BackupUnreadable, match="has more than 200,000 objects: name a prefix that leads to fewer"):
        discover(source, "logs/")

    assert many.pages == MOST_LISTED // 1_000 + 1


def test_the_listing_is_as_another_s3_writes_it(buckets: Buckets) -> None:
    keys = ["ä b/+%/ü.dump", "x/<&>.log", "😀", *(f"logs/{n:05}" for n in range(1_050))]
    for key in keys:
        buckets.put(key, b"hello")

    for prefix in ("", "logs/", "ä", "none"):
        _, source = listing(keys)
        real, found = list(buckets.source.listed(prefix)), list(source.listed(prefix))
        assert [(one.key, one.length, one.etag, one.storage_class) for one in found] == [
            (one.key, one.length, one.etag, one.storage_class) for one in real
        ]


@pytest.mark.parametrize("asked", ["logs", "logs/", ""])
def test_adding_a_prefix_of_other_files_looks_at_a_page_of_them_and_says_where_to_look(buckets: Buckets, asked: str) -> None:
    plain_moto.fill(BACKUPS, (f"logs/{n:05}.json" for n in range(3_500)))

    with pytest.raises(BackupUnreadable, match=r"no dump lies directly there .* `dbrestore points discover s3://team-backups/"):
        dumps.look(buckets.source, asked)

    assert (buckets.counted("ListObjectsV2"), buckets.counted("GetObject")) == (1 if asked.endswith("/") else 2, 0)


def test_of_native_backups_too_and_none_of_them_is_read(buckets: Buckets) -> None:
    plain_moto.fill(BACKUPS, (f"logs/{n:05}.json" for n in range(3_500)))

    with pytest.raises(BackupUnreadable, match=r"nothing there is named as a backup .* `dbrestore points discover` lists"):
        sqlserver.add(buckets.source, buckets.repository, "crm", ["logs/"])

    assert (buckets.counted("ListObjectsV2"), buckets.counted("GetObject")) == (5, 0)
    assert buckets.left() == []
