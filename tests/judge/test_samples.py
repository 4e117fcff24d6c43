"""What the judge says of real backups, where they are at hand (DBRESTORE_SAMPLES or beside the project). They are not ours to pass on."""

import os
from functools import cache
from pathlib import Path
from uuid import UUID

import pytest

from tests.judge import DataFile, Verdict, judged

ROOT = Path(__file__).parents[2]
SAMPLES = Path(os.environ.get("DBRESTORE_SAMPLES", ROOT.parent / "shared" / "data" / "bak"))
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no sample backups here (DBRESTORE_SAMPLES)")

# file, kind, database, its number on the server, version, recovery model, begun, share of the bytes under a checksum
SOUND = [
    ("full-2008r2.bak", "D", "OlaMsFilterTest", 6, "10.50.4042", "FULL", "2018-06-29 14:18:32", 0.87),
    ("differential-2008r2.bak", "I", "OlaMsFilterTest", 5, "10.50.4042", "FULL", "2018-07-02 08:17:42", 0.66),
    ("log-2008r2.trn", "L", "OlaMsFilterTest", 5, "10.50.4042", "FULL", "2018-07-02 08:17:41", 0.01),
    ("full-2019.bak", "D", "Northwind", 12, "15.0.2080", "SIMPLE", "2021-06-16 10:03:26", 0.0),
    ("compressed-2016.bak", "D", "TutorialDB", 9, "13.0.1500", "FULL", "2016-11-15 17:34:25", 0.99),
    ("media-password.bak", "D", "stripetest", 5, "10.50.4000", "FULL", "2020-10-03 15:34:48", 0.87),
    ("stripe-1-of-2.bak", "D", "RestoreTimeStripe", 6, "10.50.4042", "FULL", "2017-12-15 12:46:53", 0.71),
    ("stripe-2-of-2.bak", "D", "RestoreTimeStripe", 6, "10.50.4042", "FULL", "2017-12-15 12:46:53", 0.97),
    ("stripe-2-of-another-set.bak", "D", "RestoreTimeStripe", 6, "10.50.4042", "FULL", "2017-12-15 12:49:24", 0.83),
    ("chain-a-full.bak", "D", "doublediff", 6, "10.50.1600", "FULL", "2018-12-21 11:26:31", 0.87),
    ("chain-a-differential.bak", "I", "doublediff", 6, "10.50.1600", "FULL", "2018-12-21 11:26:31", 0.76),
    ("chain-b-full.bak", "D", "StopAt", 6, "10.50.4000", "FULL", "2020-05-12 13:28:44", 0.89),
    ("chain-b-log-1.trn", "L", "StopAt", 6, "10.50.4000", "FULL", "2020-05-12 13:29:34", 0.01),
    ("chain-b-log-2.trn", "L", "StopAt", 6, "10.50.4000", "FULL", "2020-05-12 13:30:24", 0.01),
]


@cache
def of(name: str) -> Verdict:
    return judged(SAMPLES / name)


@pytest.mark.parametrize(("name", "kind", "database", "number", "version", "recovery", "begun", "covered"), SOUND)
def test_a_real_backup_is_in_order_and_is_what_its_header_says(
    name: str, kind: str, database: str, number: int, version: str, recovery: str, begun: str, covered: float
) -> None:
    verdict = of(name)
    assert verdict.in_order, str(verdict)
    (only,) = verdict.sets
    assert (only.position, only.kind, only.database, only.database_id) == (1, kind, database, number)
    assert (only.version, only.recovery_model, str(only.begun), only.with_checksum) == (version, recovery, begun, False)
    assert only.finished is not None
    assert only.begun is not None
    assert only.finished >= only.begun
    assert (only.start, only.end, verdict.unit) == (1536, verdict.length, 512)
    assert verdict.covered == pytest.approx(covered, abs=0.006)


def test_the_files_of_the_database_stand_in_the_header() -> None:
    (only,) = of("chain-a-full.bak").sets
    folder = "C:\\Program Files\\Microsoft SQL Server\\MSSQL10_50.SQL2008R2SP2\\MSSQL\\DATA\\"
    assert only.files == (
        DataFile("doublediff", folder + "doublediff.mdf", 2_359_296),
        DataFile("doublediff_log", folder + "doublediff_log.LDF", 589_824),
    )
    assert sum(file.size for file in of("compressed-2016.bak").sets[0].files) == 16_777_216


def test_stripes_know_their_media_set_and_their_place_in_it() -> None:
    names = ("stripe-1-of-2.bak", "stripe-2-of-2.bak", "stripe-2-of-another-set.bak")
    first, second, stranger = ((verdict.media_set, verdict.stripe, verdict.stripes) for verdict in map(of, names))
    ours = UUID("dba99816-9a6c-4ab6-b68c-76b2a726823d")
    assert (first, second) == ((ours, 1, 2), (ours, 2, 2))
    assert stranger == (UUID("632bb20e-a769-42a6-9d90-50fa3fcdc52e"), 2, 2)


def test_a_differential_names_its_base_and_logs_follow_each_other() -> None:
    full, differential = (of(f"chain-a-{name}.bak").sets[0] for name in ("full", "differential"))
    assert differential.base_lsn == full.checkpoint_lsn == (24, 68, 99)
    one, other = (of(f"chain-b-log-{number}.trn").sets[0] for number in (1, 2))
    assert one.base_lsn == other.base_lsn == of("chain-b-full.bak").sets[0].checkpoint_lsn
    assert one.last_lsn == other.first_lsn


def test_a_full_backup_of_2019_has_the_second_headers_checkpoint() -> None:
    (only,) = of("full-2019.bak").sets
    assert (only.first_lsn, only.last_lsn, only.checkpoint_lsn) == ((94, 432, 1), (94, 456, 1), (94, 432, 1))


def test_a_compressed_backup_holds_what_an_uncompressed_one_does() -> None:
    verdict = of("compressed-2016.bak")
    assert (verdict.compressed, verdict.records, verdict.marks) == (True, 54, [1024, 454_144, 455_680])
    assert (verdict.pages, verdict.summed_pages, verdict.stale_pages) == (384, 286, 1)


def test_a_media_password_is_seen_and_no_other_file_has_one() -> None:
    assert [name for name, *_ in SOUND if of(name).media_password] == ["media-password.bak"]


def test_a_pointer_of_git_lfs_is_no_backup() -> None:
    assert of("git-lfs-pointer.bak").problems == ["not a native backup: it begins with neither TAPE nor MSSQLBAK"]
