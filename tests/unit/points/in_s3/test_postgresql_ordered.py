"""Digests that are known beforehand, and dumps whose copies are ordered of an execution."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract import keys
from dbrestore.contract.errors import BackupDamaged, RestoreRequestInvalid
from dbrestore.points.in_s3 import ordered, postgresql, unfinished
from dbrestore.points.in_s3.copying import Pace
from dbrestore.points.in_s3.unfinished import Unfinished
from tests.unit.points.in_s3.conftest import BACKUPS, MIB, REPOSITORY, Buckets
from tests.unit.points.in_s3.dumps_in_s3 import CUSTOM, prepare, publish, put_directory, read
from tests.unit.points.pgdump import archives

WRONG = "0" * 64


@pytest.mark.parametrize("digest", [hashlib.sha256(CUSTOM).hexdigest(), hashlib.sha256(CUSTOM).hexdigest().upper(), "-"])
def test_a_digest_that_is_known_is_compared(buckets: Buckets, digest: str) -> None:
    buckets.put("a.dump", CUSTOM)

    note = prepare(buckets, "a.dump", digests=[digest])
    read(buckets, note)

    assert publish(buckets, note).databases[0].files[0].sha256 == hashlib.sha256(CUSTOM).hexdigest()


def test_another_digest_makes_no_point_and_no_worker_is_needed_to_see_it(buckets: Buckets) -> None:
    buckets.put("a.dump", CUSTOM)

    with pytest.raises(BackupDamaged, match=f"s3://{BACKUPS}/a.dump: the SHA-256 of its bytes is .*, --sha256 says {WRONG}"):
        prepare(buckets, "a.dump", digests=[WRONG])

    assert buckets.left() == []


def test_of_what_s3_copies_in_parts_the_worker_s_digest_is_compared(buckets: Buckets) -> None:
    shop = archives.shop("none")
    buckets.put("a.dump", archives.custom(replace(shop, rows={**shop.rows, 20: b"1\tx\n" * (2 * MIB)})))
    note = prepare(buckets, "a.dump", digests=[WRONG], pace=Pace(2, 5 * MIB))
    read(buckets, note)

    with pytest.raises(BackupDamaged, match=f"--sha256 says {WRONG}"):
        publish(buckets, note)


def test_a_directory_has_no_digest_of_its_own(buckets: Buckets, tmp_path: Path) -> None:
    put_directory(buckets, archives.directory(archives.shop("gzip"), tmp_path / "x"), "d/")

    with pytest.raises(RestoreRequestInvalid, match="is a directory, which has no SHA-256 of its own"):
        prepare(buckets, "d/", digests=[WRONG])
    buckets.put("a.dump", CUSTOM)
    with pytest.raises(RestoreRequestInvalid, match="64 hexadecimal digits"):
        prepare(buckets, "a.dump", digests=["x"])


def test_files_lie_directly_below_the_database(buckets: Buckets, tmp_path: Path) -> None:
    put_directory(buckets, archives.directory(archives.shop("gzip"), tmp_path / "x"), "d/")

    note = prepare(buckets, "d/")

    prefix = keys.database_prefix("shop", note.point_ids[0], "shop")
    assert {file.key for file in note.dumps[0].files} == {prefix + file.name for file in (tmp_path / "x").iterdir()}


def test_dumps_are_ordered_only_if_each_of_them_lies_in_a_place_to_copy_from(buckets: Buckets, tmp_path: Path) -> None:
    buckets.put("nightly/a.dump", CUSTOM)
    buckets.put("other/b.dump", CUSTOM)
    places = [f"s3://{BACKUPS}/nightly/"]

    ordered = prepare(buckets, "nightly/a.dump", names=["a"], copied_from=places)
    assert (ordered.ordered, buckets.counted("CopyObject"), buckets.left()) == (True, 0, [ordered.key, ordered.key])
    copied = prepare(buckets, "nightly/a.dump", "other/b.dump", names=["a", "b"], copied_from=places)

    assert (copied.ordered, buckets.counted("CopyObject")) == (False, 2)


def test_what_was_ordered_once_the_command_copies_when_the_place_is_no_longer_declared(buckets: Buckets) -> None:
    buckets.put("nightly/a.dump", CUSTOM)
    first = prepare(buckets, "nightly/a.dump", copied_from=[f"s3://{BACKUPS}/"])

    second = prepare(buckets, "nightly/a.dump")

    assert (first.ordered, second.ordered, first.point_ids) == (True, False, second.point_ids)
    assert read(buckets, second)[0].status == "READ"


def test_ordered_is_with_what_the_requester_agrees_to_pay(buckets: Buckets) -> None:
    buckets.put("nightly/a.dump", CUSTOM)
    places = [f"s3://{BACKUPS}/"]
    agreed = replace(buckets.repository, requester_pays=True)

    def asked(repository: Any) -> Unfinished:
        return postgresql.prepare(buckets.source, repository, "shop", [(None, "nightly/a.dump")], copied_from=places)

    assert [asked(buckets.repository).requester_pays, asked(agreed).requester_pays] == [False, True]
    assert unfinished.read(buckets.s3, REPOSITORY, asked(agreed).key).requester_pays


def test_two_files_under_one_key_are_not_carried_out(buckets: Buckets) -> None:
    for name in ("a.dump", "b.dump"):
        buckets.put(name, CUSTOM)
    note = prepare(buckets, "a.dump", "b.dump", names=["a", "b"], copied_from=(f"s3://{BACKUPS}/",))
    first, second = note.dumps
    twice = note.model_copy(update={"dumps": (first, second.model_copy(update={"files": first.files}))})

    assert len(ordered.of(note, ()).wanted) == 2
    with pytest.raises(RestoreRequestInvalid, match="two of its files have one key"):
        ordered.of(twice, ())
