"""What is stored of native backups: checked, cut, of several points all or nothing; damage is told of all files, and nothing of it kept."""

import hashlib
import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import botocore.exceptions
import pytest

from dbrestore.contract import keys
from dbrestore.contract.errors import BackupDamaged, BackupUnreadable
from dbrestore.points import stored_points
from dbrestore.points.sqlserver import adding as native_points
from tests.judge import judged as heard
from tests.unit.points.conftest import BUCKET, leftovers
from tests.unit.points.sqlserver.backups import Written, backup, backup_of_sets, compressed
from tests.unit.points.sqlserver.damages import flipped, pages

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

FULL = Written(pages=300)
BOTH = pytest.mark.parametrize("versioned", [False, True])


def day(number: int) -> Written:
    """A full backup of each day."""
    at, ids = 30 + number, {"set_id": UUID(int=number + 1), "media": UUID(int=number + 1)}
    return replace(
        FULL, begun=datetime(2026, 11, 1) + timedelta(days=number), first=(at, 1, 1), checkpoint=(at, 1, 1), last=(at, 9, 1), **ids
    )  # type: ignore[arg-type]


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def stored(s3: "S3Client", key: str) -> bytes:
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def set_versioning(s3: "S3Client") -> None:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


def in_a_page(data: bytes, page: tuple[int, int] = (1, 9)) -> tuple[bytes, int]:
    """A bit of a page flipped, and where the page begins."""
    at = pages(data)[page]
    return flipped(data, 8 * (at + 4000)), at


def test_points_stored_at_once_sort_as_their_full_backups_do(s3: "S3Client", tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{number}.bak", backup(day(number))) for number in (3, 0, 4, 1, 2)]

    made = native_points.add(s3, BUCKET, "i", paths).points

    listed = stored_points.list_points(s3, BUCKET, "i")
    assert [point.point_id for point in listed] == [point.point_id for point in made]
    assert [point.native_databases[0].backup_sets[0].begun_at.day for point in made] == [1, 2, 3, 4, 5]
    assert stored_points.load(s3, BUCKET, "i") == made[-1]


@BOTH
@pytest.mark.parametrize("which", [1, 2])
def test_a_manifest_that_cannot_be_written_takes_all_points_with_it(s3: "S3Client", tmp_path: Path, versioned: bool, which: int) -> None:
    if versioned:
        set_versioning(s3)
    paths = [write(tmp_path / f"{number}.bak", backup(day(number))) for number in range(3)]
    sent: list[str] = []

    def refuse(request: Any, **_: object) -> None:
        sent.append(request.url)
        if len(sent) > which:
            raise botocore.exceptions.ConnectionClosedError(endpoint_url="https://s3")

    s3.meta.events.register("before-send.s3.PutObject", refuse)

    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        native_points.add(s3, BUCKET, "i", paths)

    assert [url.rpartition("/")[2] for url in sent[:which]] == [keys.MANIFEST] * which
    assert leftovers(s3) == []


@BOTH
def test_a_flipped_bit_in_a_page_is_refused_with_file_page_and_byte(s3: "S3Client", tmp_path: Path, versioned: bool) -> None:
    if versioned:
        set_versioning(s3)
    damaged, at = in_a_page(backup(day(1)))
    paths = [write(tmp_path / "good.bak", backup(day(0))), write(tmp_path / "bad.bak", damaged)]

    with pytest.raises(BackupDamaged) as caught:
        native_points.add(s3, BUCKET, "i", paths)

    [line] = str(caught.value).splitlines()
    assert line.startswith(f"{tmp_path / 'bad.bak'}: is damaged: the checksum of page 1:9 at byte {at:,} is wrong")
    assert leftovers(s3) == []


def test_damage_in_one_stripe_names_that_stripe(s3: "S3Client", tmp_path: Path) -> None:
    stripes = [backup(replace(FULL, stripe=number, stripes=3)) for number in (1, 2, 3)]
    page = min(page for page in pages(stripes[1]) if page[1] % 8 == 3)
    stripes[1], at = in_a_page(stripes[1], page)
    paths = [write(tmp_path / f"s{number}.bak", data) for number, data in enumerate(stripes, 1)]

    with pytest.raises(BackupDamaged) as caught:
        native_points.add(s3, BUCKET, "i", paths)

    assert "s2.bak" in str(caught.value)
    assert "s1.bak" not in str(caught.value)
    assert f"page 1:{page[1]} at byte {at:,}" in str(caught.value)
    assert leftovers(s3) == []


def test_damage_in_two_files_is_told_of_both(s3: "S3Client", tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{number}.bak", in_a_page(backup(day(number)))[0]) for number in (0, 2)]
    whole = write(tmp_path / "1.bak", backup(day(1)))

    with pytest.raises(BackupDamaged) as caught:
        native_points.add(s3, BUCKET, "i", [*paths, whole])

    assert [line.partition(": ")[0] for line in str(caught.value).splitlines()] == [str(path) for path in paths]
    assert leftovers(s3) == []


def test_a_set_behind_the_damaged_one_of_the_same_file_is_stored(s3: "S3Client", tmp_path: Path) -> None:
    damaged, _ = in_a_page(backup_of_sets([day(0), day(1)]))
    path = write(tmp_path / "a.bak", damaged)

    [point] = native_points.add(s3, BUCKET, "i", [path]).points

    assert point.native_databases[0].backup_sets[0].position == 2
    with pytest.raises(BackupDamaged, match=re.escape(f"{path} (set 1 of 2): is damaged: the checksum of page 1:9")):
        native_points.add(s3, BUCKET, "i", [path], positions=[1])


def test_the_manifest_says_what_was_checked(s3: "S3Client", tmp_path: Path) -> None:
    data, log = backup(FULL), replace(FULL, kind="L", flags=0x200, set_id=UUID(int=3), last=(21, 180, 1))
    paths = [write(tmp_path / "full.bak", data), write(tmp_path / "log.trn", backup(log))]

    [point] = native_points.add(s3, BUCKET, "i", paths).points

    full, log_set = (one.checks for one in point.native_databases[0].backup_sets)
    assert full is not None
    assert log_set is not None
    assert (full.length, full.pages, full.allocated_pages) == (len(data), len(pages(data)), len(pages(data)))
    assert full.covered > 0.9 * full.length
    assert full.not_judged == ()
    assert (log_set.pages, log_set.allocated_pages) == (0, None)
    assert log_set.covered < 0.1 * log_set.length


def test_the_checks_of_stripes_add_up_and_each_is_stored_as_it_was(s3: "S3Client", tmp_path: Path) -> None:
    stripes = [backup(replace(FULL, stripe=number, stripes=6)) for number in range(1, 7)]
    paths = [write(tmp_path / f"s{number}.bak", data) for number, data in enumerate(stripes)]

    [point] = native_points.add(s3, BUCKET, "i", paths[::-1]).points

    [one] = point.native_databases[0].backup_sets
    assert one.checks
    assert one.checks.length == sum(map(len, stripes))
    assert one.checks.pages == sum(len(pages(data)) for data in stripes)
    assert [stored(s3, file.key) for file in one.files] == stripes


def test_a_compressed_backup_is_checked_by_its_records(s3: "S3Client", tmp_path: Path) -> None:
    [point] = native_points.add(s3, BUCKET, "i", [write(tmp_path / "c.bak", compressed(FULL))]).points

    [one] = point.native_databases[0].backup_sets
    assert one.checks
    assert (one.checks.pages, one.checks.allocated_pages) == (0, None)
    assert one.checks.records > 3


@pytest.mark.parametrize("position", [1, 2, 3])
def test_a_set_of_several_is_stored_alone_with_its_own_length_and_digests(s3: "S3Client", tmp_path: Path, position: int) -> None:
    sets = [day(0), day(1), day(2)]
    path = write(tmp_path / "a.bak", backup_of_sets(sets))

    [point] = native_points.add(s3, BUCKET, "i", [path], positions=[position]).points

    [one] = point.native_databases[0].backup_sets
    [file] = one.files
    expected = backup(sets[0] if position == 1 else replace(sets[position - 1], media=sets[0].media, overwritten=sets[0].begun))
    assert stored(s3, file.key) == expected
    assert (file.length, file.sha256) == (len(expected), hashlib.sha256(expected).hexdigest())
    assert (one.position, one.sets_in_file) == (position, 3)
    assert heard(expected).in_order


def test_a_digest_that_is_known_is_of_the_whole_file_also_where_a_set_is_cut_out(s3: "S3Client", tmp_path: Path) -> None:
    path = write(tmp_path / "a.bak", backup_of_sets([day(0), day(1)]))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    of_the_cut = hashlib.sha256(backup(day(0))).hexdigest()

    assert len(native_points.add(s3, BUCKET, "i", [path], sha256=[digest]).points) == 1
    with pytest.raises(BackupDamaged, match=f"the SHA-256 of its bytes is {digest}, --sha256 says {of_the_cut}"):
        native_points.add(s3, BUCKET, "j", [path], sha256=[of_the_cut], positions=[1])
    assert stored_points.list_points(s3, BUCKET, "j") == ()


def test_a_compressed_files_further_set_is_refused_and_its_first_is_stored(s3: "S3Client", tmp_path: Path) -> None:
    path = write(tmp_path / "a.bak", compressed(replace(FULL, sets=2)))

    with pytest.raises(BackupUnreadable, match=r"WITH FILE = 2\) and back up WITH INIT"):
        native_points.add(s3, BUCKET, "i", [path])
    assert leftovers(s3) == []
    assert len(native_points.add(s3, BUCKET, "i", [path], positions=[1]).points) == 1


def test_progress_of_a_set_that_is_cut_out_ends_where_it_says(s3: "S3Client", tmp_path: Path) -> None:
    path = write(tmp_path / "a.bak", backup_of_sets([day(0), day(1)]))
    seen: list[tuple[int, int]] = []

    native_points.add(s3, BUCKET, "i", [path], progress=lambda done, total, label: seen.append((done, total)))

    assert seen[-1] == (len(backup(day(1))), len(backup(day(1))))


def test_a_log_that_two_points_need_is_stored_in_both(s3: "S3Client", tmp_path: Path) -> None:
    log = replace(FULL, kind="L", set_id=UUID(int=30), media=UUID(int=30), first=(30, 5, 1), last=(31, 20, 1))
    paths = [
        write(tmp_path / "0", backup(day(0))),
        write(tmp_path / "1", backup(day(1))),
        write(tmp_path / "l", backup(log)),
    ]

    first, second = native_points.add(s3, BUCKET, "i", paths).points

    logs = [point.native_databases[0].files[1] for point in (first, second)]
    assert [stored(s3, file.key) for file in logs] == [backup(log)] * 2
    assert logs[0].key != logs[1].key
