"""What a prefix would make restore points of; every object is in the answer, and nothing is stored."""

from dataclasses import replace
from pathlib import Path

import pytest

from dbrestore.contract.errors import SourceNotFound
from dbrestore.points.in_s3 import discovery
from tests.unit.points.in_s3.conftest import BACKUPS, Buckets
from tests.unit.points.in_s3.dumps_in_s3 import CUSTOM, put_directory
from tests.unit.points.pgdump import archives
from tests.unit.points.sqlserver.backups import backup
from tests.unit.points.sqlserver.test_adding import FULL, LOG

URI = f"s3://{BACKUPS}/"


def test_everything_in_a_bucket_is_told(buckets: Buckets, tmp_path: Path) -> None:
    buckets.put("pg/shop ü.dump", CUSTOM)
    buckets.put("pg/without-a-suffix", CUSTOM)
    put_directory(buckets, archives.directory(archives.shop("gzip"), tmp_path / "x"), "pg/crm.dir/")
    buckets.put("all/map.dat", b"5 shop\n")
    buckets.put("all/toc.glo", b"PGDMP")
    buckets.put("all/databases/5.dmp", CUSTOM)
    buckets.put("mssql/a.bak", backup(replace(FULL, stripe=1, stripes=2, pages=30)))
    buckets.put("mssql/b.bak", backup(replace(FULL, stripe=2, stripes=2)))
    buckets.put("mssql/log.trn", backup(LOG))
    buckets.put("inventory/data/x.parquet", b"PAR1 and more")
    buckets.put("pg/plain.sql", b"--\n-- PostgreSQL database dump\n")
    buckets.put("cold.dump", CUSTOM, StorageClass="DEEP_ARCHIVE")
    buckets.put("notes.txt", b"x")
    buckets.put("photo.jpg", b"x")
    source = buckets.source

    found = discovery.discover(source, "")

    assert sorted((point.engine, point.databases, point.sources) for point in found.points) == [
        ("postgres", ("shop",), (f"{URI}all/",)),
        ("postgres", ("shop",), (f"{URI}pg/crm.dir/",)),
        ("postgres", ("shop",), (f"{URI}pg/shop ü.dump",)),
        ("postgres", ("shop",), (f"{URI}pg/without-a-suffix",)),
        ("sqlserver", ("shop",), (f"{URI}mssql/a.bak", f"{URI}mssql/b.bak", f"{URI}mssql/log.trn")),
    ]
    assert {(one.uri, one.error) for one in found.refused} == {
        (f"{URI}inventory/data/x.parquet", "BackupUnreadable"),
        (f"{URI}pg/plain.sql", "BackupUnreadable"),
        (f"{URI}cold.dump", "BackupArchived"),
    }
    assert "Parquet" in next(one.sentence for one in found.refused if one.uri.endswith("parquet"))
    assert found.not_looked_at == {".txt": 1, ".jpg": 1}
    assert found.objects == len(list(source.listed("")))
    assert buckets.left() == []


def test_a_stripe_that_is_missing_makes_no_point(buckets: Buckets) -> None:
    buckets.put("a.bak", backup(replace(FULL, stripe=1, stripes=2)))

    found = discovery.discover(buckets.source, "")

    assert found.points == []
    assert [(one.uri, one.error) for one in found.refused] == [(f"{URI}a.bak", "StripeMissing")]


def test_of_a_heap_of_files_the_newest_are_looked_at_and_the_rest_is_counted(buckets: Buckets) -> None:
    for number in range(30):
        buckets.put(f"heap/{number}.csv", b"x")
    for number in range(5):
        buckets.put(f"heap/{number}.dump", CUSTOM)
    buckets.requests.clear()

    found = discovery.discover(buckets.source, "heap", most_looks=2)

    assert (len(found.points), found.not_looked_at) == (2, {".csv": 30, ".dump": 3})
    assert buckets.counted("GetObject") == 2
    assert buckets.counted("HeadObject") <= 1 + 2 * 2


def test_one_object_can_be_asked_about(buckets: Buckets) -> None:
    buckets.put("a.dump", CUSTOM)
    buckets.put("a.dump.old", b"x")

    assert [point.sources for point in discovery.discover(buckets.source, "a.dump").points] == [(f"{URI}a.dump",)]
    with pytest.raises(SourceNotFound):
        discovery.discover(buckets.source, "b")


def test_of_many_directories_the_newest_are_looked_at(buckets: Buckets, tmp_path: Path) -> None:
    local = archives.directory(archives.shop("gzip"), tmp_path / "x")
    for night in range(3):
        put_directory(buckets, local, f"{night}/shop/")

    found = discovery.discover(buckets.source, "", most_looks=40)

    assert (len(found.points), found.not_looked_at) == (2, {"directories": 1})
