"""Keys as strangers name their objects: found, read and copied as they are, whatever a URL or a shell would make of them."""

import shlex

import pytest

from dbrestore.cli.adding.discover import command
from dbrestore.points.in_s3 import location
from dbrestore.points.in_s3.copying import Pace, Wanted, copy
from dbrestore.points.in_s3.discovery import discover
from tests.unit.points.in_s3.conftest import MIB, REPOSITORY, Buckets
from tests.unit.points.in_s3.dumps_in_s3 import CUSTOM, prepare

KEYS = (
    "nightly/shop of monday.dump",
    " nightly/ shop .dump",
    "nightly/shöp 😀 Größe.dump",
    "nightly/sho\u0308p.dump",
    "nightly/shop.dump?versionId=null.dump",
    "nightly/shop%2F.dump",
    "nightly/a+b&c=d#e.dump",
    "nightly//shop.dump",
    "nightly/../shop.dump",
    "/shop.dump",
    "nightly/$(reboot)'\"`;\\.dump",
    "nightly/shop\n.dump",
)


@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_a_dump_is_discovered_and_copied_whatever_its_key(buckets: Buckets, key: str) -> None:
    buckets.put(key, CUSTOM)
    buckets.put("nightly/shop.dump2", b"somebody else's")

    [point] = discover(buckets.source, "").points
    [source] = point.sources

    assert shlex.split(command(point))[-1] == source
    assert location.parse(source).key == key
    note = prepare(buckets, key)
    [copy] = note.dumps[0].files
    assert buckets.s3.get_object(Bucket=REPOSITORY, Key=copy.key)["Body"].read() == CUSTOM
    assert copy.origin == source


@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_a_large_one_is_copied_in_parts_whatever_its_key(buckets: Buckets, key: str) -> None:
    body = CUSTOM + b"x" * (6 * MIB)
    buckets.put(key, body)
    pinned = buckets.source.pinned(key)

    [copied] = copy([Wanted(pinned, "shop/point/db/dump.pgdump")], buckets.repository, "shop/point/", Pace(part_bytes=5 * MIB))

    assert copied.file.length == len(body)
    assert buckets.s3.get_object(Bucket=REPOSITORY, Key=copied.file.key)["Body"].read() == body
