"""The record of a run: written before a thing is made, readable at any moment."""

import json
from pathlib import Path

import pytest

from acceptance.diary import FILE, Diary


def begun(folder: Path) -> Diary:
    return Diary.begin(folder, run="a000001", account="123456789012", region="eu-central-1", prefix="trial")


def test_a_thing_is_in_the_file_before_it_is_made(tmp_path: Path) -> None:
    diary = begun(tmp_path)

    assert diary.note("bucket", "one") == "one"

    [thing] = json.loads((tmp_path / "a000001" / FILE).read_text())["things"]
    assert (thing["kind"], thing["name"], thing["removedAt"]) == ("bucket", "one", None)


def test_another_process_goes_on_with_it(tmp_path: Path) -> None:
    begun(tmp_path).note("bucket", "one")

    diary = Diary.open(tmp_path, "a000001")
    diary.note("role", "two")
    diary.removed(diary.things[0])

    again = Diary.open(tmp_path, "a000001")
    assert [(thing.kind, thing.removed_at is None) for thing in again.things] == [("bucket", False), ("role", True)]
    assert (again.run, again.account, again.region, again.prefix) == ("a000001", "123456789012", "eu-central-1", "trial")
    assert again.external_id == diary.external_id


def test_each_run_has_an_external_id_of_its_own(tmp_path: Path) -> None:
    ids = {begun(tmp_path / number).external_id for number in ("1", "2", "3")}

    assert [len(one) for one in ids] == [32, 32, 32]


def test_a_run_never_takes_the_record_of_another(tmp_path: Path) -> None:
    begun(tmp_path)

    with pytest.raises(FileExistsError):
        begun(tmp_path)


def test_a_run_that_nobody_knows_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Diary.open(tmp_path, "a000002")
