"""Prefixes of many files that hold something else, an S3 Inventory or an export of a snapshot by RDS, are told as one thing each."""

import gzip

import pytest

from dbrestore.contract.errors import BackupUnreadable
from dbrestore.points.in_s3 import discovery, dumps, sqlserver
from tests.unit.points.in_s3.conftest import BACKUPS, Buckets
from tests.unit.points.pgdump import archives

LISTS = gzip.compress(b'"team-backups","nightly/a.dump","100"\n' * 10)
PARQUET = b"PAR1" + b"\0" * 100
INVENTORY, EXPORT = "inventory/all/", "exports/shop-1/"


@pytest.fixture
def full(buckets: Buckets) -> Buckets:
    """With a dump, an Inventory and an export of many files."""
    buckets.put("nightly/a.dump", archives.custom(archives.shop("zstd")))
    for name, body in {"manifest.json": b"{}", "manifest.checksum": b"0" * 32}.items():
        buckets.put(f"{INVENTORY}2026-11-01T01-00Z/{name}", body)
    buckets.put(f"{INVENTORY}data/1234.csv.gz", LISTS)
    buckets.put(f"{EXPORT}export_info_shop-1.json", b"{}")
    for number in range(30):
        buckets.put(f"{EXPORT}shop/public.orders/1/part-{number}.gz.parquet", PARQUET)
    return buckets


def test_each_is_told_once_and_no_file_of_it_is_looked_at(full: Buckets) -> None:
    found = discovery.discover(full.source, "")

    assert [point.databases for point in found.points] == [("shop",)]
    assert {one.uri: one.sentence.partition(",")[0] for one in found.refused} == {
        f"s3://{BACKUPS}/{EXPORT}": "31 objects: an export of a snapshot by RDS (Parquet)",
        f"s3://{BACKUPS}/{INVENTORY}": "3 objects: lists that S3 Inventory wrote",
    }
    assert full.counted("GetObject") == 1


@pytest.mark.parametrize(("prefix", "told"), [(INVENTORY, "S3 Inventory wrote"), (EXPORT, "an export of a snapshot by RDS")])
def test_offered_as_a_backup_each_is_refused_by_what_it_is(full: Buckets, prefix: str, told: str) -> None:
    with pytest.raises(BackupUnreadable, match=told):
        dumps.look(full.source, prefix)
    with pytest.raises(BackupUnreadable, match=told):
        sqlserver.add(full.source, full.repository, "crm", [prefix])
    assert full.left() == []


def test_a_prefix_without_native_backups_is_named(full: Buckets) -> None:
    with pytest.raises(BackupUnreadable, match=f"s3://{BACKUPS}/nightly/: nothing there is named as a backup .*bak"):
        sqlserver.add(full.source, full.repository, "crm", ["nightly/"])
