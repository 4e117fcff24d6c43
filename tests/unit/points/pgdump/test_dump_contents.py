"""What a dump lacks is said, and nothing is said of one that is whole."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dbrestore.contract.manifest import DatabaseBackup
from dbrestore.points.pgdump import adding as points
from dbrestore.points.pgdump import dump_contents
from dbrestore.worker.postgresql import archive
from tests.unit.points.conftest import BUCKET
from tests.unit.points.pgdump import archives

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def backup(s3: "S3Client", folder: Path, *left_out: int) -> DatabaseBackup:
    """The shop's dump without the entries of these ids."""
    whole = archives.shop("gzip")
    path = folder / "dump"
    entries = tuple(entry for entry in whole.entries if entry.dump_id not in left_out)
    path.write_bytes(archives.custom(replace(whole, entries=entries)))
    [database] = points.add(s3, BUCKET, "shop", [(None, path)]).databases
    return database


def test_a_whole_dump_gets_no_note(s3: "S3Client", tmp_path: Path) -> None:
    assert dump_contents.notes(backup(s3, tmp_path)) == []


def test_a_dump_of_definitions_alone_says_how_many_tables_come_back_empty(s3: "S3Client", tmp_path: Path) -> None:
    [note] = dump_contents.notes(backup(s3, tmp_path, 20, 21))

    assert note.startswith("tables 2, without data 2: ")


def test_one_table_whose_data_was_left_out_is_counted(s3: "S3Client", tmp_path: Path) -> None:
    [note] = dump_contents.notes(backup(s3, tmp_path, 21))

    assert note.startswith("tables 2, without data 1: ")


def test_a_dump_without_what_follows_the_data_says_so(s3: "S3Client", tmp_path: Path) -> None:
    assert dump_contents.notes(backup(s3, tmp_path, 30)) == ["no indexes, constraints or triggers in this dump"]


def test_a_dump_without_tables_lacks_nothing(s3: "S3Client", tmp_path: Path) -> None:
    assert dump_contents.notes(backup(s3, tmp_path, 10, 11, 20, 21, 30)) == []


def test_what_is_left_to_a_person_is_counted(s3: "S3Client", tmp_path: Path) -> None:
    kinds = {"PUBLICATION": 2, "SERVER": 1, "PUBLICATION TABLE": 5}
    found = backup(s3, tmp_path)

    notes = dump_contents.notes(found.model_copy(update={"object_counts": found.object_counts | kinds}))

    assert notes == ["not restored, because they reach beyond the database or need a superuser: 2 publications, 1 foreign servers"]


def test_nothing_is_called_left_out_that_the_worker_restores() -> None:
    assert dump_contents.LEFT_TO_A_PERSON.keys() <= archive.LEFT_OUT.keys()


def test_the_manifests_own_notes_are_told_too(s3: "S3Client", tmp_path: Path) -> None:
    found = backup(s3, tmp_path)

    assert dump_contents.notes(found.model_copy(update={"notes": ("own",)})) == ["own"]
