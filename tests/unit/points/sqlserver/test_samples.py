"""Real backups, where they are at hand: each is accepted or refused as its header says. They are not ours to pass on, so they lie beside
the project or where DBRESTORE_SAMPLES says."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dbrestore.contract.errors import BackupDamaged, RestoreError
from dbrestore.contract.sqlserver_errors import (
    BaseBackupMissing,
    MediaPasswordSet,
    NotANativeBackup,
    StripeMissing,
    StripesMixed,
)
from dbrestore.points import stored_points
from dbrestore.points.sqlserver import adding as native_points
from dbrestore.points.sqlserver.file import inspect
from tests.unit.points.conftest import BUCKET, leftovers

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

ROOT = Path(__file__).parents[4]
SAMPLES = Path(os.environ.get("DBRESTORE_SAMPLES", ROOT.parent / "shared" / "data" / "bak"))
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no sample backups here (DBRESTORE_SAMPLES)")

# files, database, server version, kinds in the order of restoring, size of the database files
ACCEPTED = [
    ("full-2008r2.bak", "OlaMsFilterTest", "10.50.4042", "FULL", 2_949_120),
    ("full-2019.bak", "Northwind", "15.0.2080", "FULL", 8_716_288),
    ("compressed-2016.bak", "TutorialDB", "13.0.1500", "FULL", 16_777_216),
    ("stripe-2-of-2.bak stripe-1-of-2.bak", "RestoreTimeStripe", "10.50.4042", "FULL", 2_949_120),
    ("chain-a-full.bak", "doublediff", "10.50.1600", "FULL", 2_949_120),
    ("chain-a-differential.bak chain-a-full.bak", "doublediff", "10.50.1600", "FULL DIFFERENTIAL", 2_949_120),
    ("chain-b-full.bak", "StopAt", "10.50.4000", "FULL", 2_949_120),
    ("chain-b-log-2.trn chain-b-full.bak chain-b-log-1.trn", "StopAt", "10.50.4000", "FULL LOG LOG", 2_949_120),
]
REFUSED: list[tuple[str, type[RestoreError], str]] = [
    ("differential-2008r2.bak", BaseBackupMissing, "no full backup"),
    ("full-2008r2.bak differential-2008r2.bak", BaseBackupMissing, "checkpoint LSN 21:159:37, and .* has 21:153:37"),
    ("log-2008r2.trn", BaseBackupMissing, "no full backup"),
    ("full-2008r2.bak log-2008r2.trn", BaseBackupMissing, "another database of that name"),
    ("media-password.bak", MediaPasswordSet, "media password"),
    ("git-lfs-pointer.bak", NotANativeBackup, "Git LFS pointer"),
    ("stripe-1-of-2.bak", StripeMissing, "stripe 2 is not given"),
    ("stripe-2-of-2.bak", StripeMissing, "stripe 1 is not given"),
    ("stripe-2-of-another-set.bak", StripeMissing, "stripe 1 is not given"),
    ("stripe-1-of-2.bak stripe-1-of-2.bak stripe-2-of-2.bak", StripesMixed, "stripe 1 of .* given twice"),
    ("stripe-1-of-2.bak stripe-2-of-another-set.bak", StripesMixed, "12:46:53.*12:49:24"),
    ("stripe-1-of-2.bak stripe-2-of-2.bak stripe-2-of-another-set.bak", StripesMixed, "stripe 1 is not given, but .*stripe-2-of-2"),
    ("chain-a-differential.bak", BaseBackupMissing, "no full backup"),
    ("chain-b-log-1.trn chain-b-log-2.trn", BaseBackupMissing, "no full backup"),
    ("chain-b-full.bak chain-b-log-2.trn", BaseBackupMissing, "begins at LSN 19:183:1, but .*ends at 19:161:1"),
]


def paths(names: str) -> list[Path]:
    return [SAMPLES / name for name in names.split()]


@pytest.mark.parametrize(("names", "database", "version", "kinds", "size"), ACCEPTED)
def test_a_sample_becomes_a_restore_point(s3: "S3Client", names: str, database: str, version: str, kinds: str, size: int) -> None:
    made = native_points.add(s3, BUCKET, "mssql", paths(names)).points[0]

    [backup] = stored_points.load(s3, BUCKET, "mssql").native_databases
    assert (made.engine, made.engine_version, backup.name) == ("sqlserver", version, database)
    assert [one.kind for one in backup.backup_sets] == kinds.split()
    assert backup.restored_size == size
    stored = [s3.get_object(Bucket=BUCKET, Key=file.key)["Body"].read() for file in backup.files]
    assert sorted(stored) == sorted(path.read_bytes() for path in paths(names))


@pytest.mark.parametrize(("names", "kind", "part"), REFUSED)
def test_a_sample_is_refused_and_leaves_nothing(s3: "S3Client", names: str, kind: type[RestoreError], part: str) -> None:
    with pytest.raises(kind, match=part) as caught:
        native_points.add(s3, BUCKET, "mssql", paths(names))

    assert type(caught.value) is kind
    assert leftovers(s3) == []


def test_every_sample_is_accepted_or_refused_by_one_of_the_cases() -> None:
    tried = {name for names, *_ in (*ACCEPTED, *REFUSED) for name in names.split()}

    assert tried == {path.name for path in SAMPLES.iterdir()}


@pytest.mark.parametrize("name", ["full-2008r2.bak", "full-2019.bak", "compressed-2016.bak", "chain-b-log-1.trn", "stripe-2-of-2.bak"])
def test_a_real_backup_that_lost_its_end_is_truncated_however_little_it_lost(name: str) -> None:
    data = (SAMPLES / name).read_bytes()

    for lost in [1, 100, *range(512, 65536, 512), len(data) // 2 // 512 * 512]:
        cut = data[:-lost]
        found = inspect(name, len(cut), lambda offset, count, cut=cut: cut[offset : offset + count])  # type: ignore[misc]
        assert [kind for kind, _ in found.problems] == [BackupDamaged], lost


def test_the_headers_of_all_samples_are_read_in_less_than_half_a_second() -> None:
    begun = time.perf_counter()

    for path in sorted(SAMPLES.iterdir()):
        with path.open("rb") as file:
            inspect(path.name, path.stat().st_size, lambda offset, count, file=file: os.pread(file.fileno(), count, offset))  # type: ignore[misc]

    took = time.perf_counter() - begun
    print(f"headers of {len(list(SAMPLES.iterdir()))} samples: {took * 1000:.1f} ms")
    assert took < 0.5
