"""What a restore would find: held against what the planner itself would choose."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dbrestore.contract.manifest import Manifest, NativeBackupSet, NativeDatabaseBackup, StoredFile
from dbrestore.points import point_verification, restorable
from dbrestore.points.pgdump import adding as points
from dbrestore.points.point_verification import State, Verdict
from dbrestore.points.sqlserver import needed_sets
from tests.unit.points.conftest import BUCKET
from tests.unit.points.pgdump.test_adding import dump
from tests.unit.points.sqlserver.test_needed_sets import DIFFERENTIAL, FULL, LOG_1, LOG_2, LOG_3

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

ALL = (FULL, LOG_1, DIFFERENTIAL, LOG_2, LOG_3)


def with_file(one: NativeBackupSet) -> NativeBackupSet:
    """Its file bears its name."""
    return one.model_copy(update={"files": (StoredFile(key=one.set_id, length=1, sha256="0" * 64),)})


def point(*sets: NativeBackupSet) -> Manifest:
    backup = NativeDatabaseBackup(name="crm", source_name="crm", database_id="i", backup_sets=tuple(map(with_file, sets)))
    return Manifest(
        point_id="p",
        instance="i",
        engine="sqlserver",
        engine_version="15.0.2080",
        created_at=datetime(2026, 5, 12, tzinfo=UTC),
        native_databases=(backup,),
    )


def outlook(manifest: Manifest, deep: bool = True, **states: State) -> restorable.Outlook:
    verdicts = [
        Verdict(file.key, states.get(file.key.replace(" ", "_"), "ok"), "differs", is_archived=states.get(file.key) == "archived")
        for backup in manifest.backups
        for file in backup.files
    ]
    (found,) = restorable.outlooks(manifest, verdicts, deep=deep)
    return found


@pytest.mark.parametrize(
    ("sets", "bad", "chance", "told"),
    [
        (ALL, {}, "restorable", "every byte a restore uses is what was added"),
        # The differential leads over the first log.
        (ALL, {"log_1": "damaged"}, "restorable", "1 files are damaged or missing that a restore of the latest state doesn't use"),
        (ALL, {"full": "damaged"}, "damaged", "a restore ends with BackupDamaged: full differs"),
        (
            ALL,
            {"diff": "missing"},
            "earlier",
            "the latest state can't be restored (diff differs); --stop-at 2026-05-12T02:59:59 can",
        ),
        (ALL, {"log_3": "damaged"}, "earlier", "--stop-at 2026-05-12T02:59:59 can"),
        ((FULL, LOG_1), {"log_1": "damaged"}, "damaged", "a restore ends with BackupDamaged: log 1 differs"),
        ((FULL,), {"full": "archived"}, "unread", "1 of its files are archived: a restore retrieves them first"),
    ],
)
def test_of_native_backups_the_sets_count_that_a_restore_uses(
    sets: tuple[NativeBackupSet, ...], bad: dict[str, State], chance: str, told: str
) -> None:
    found = outlook(point(*sets), **bad)

    assert (found.database, found.chance) == ("crm", chance)
    assert told in found.sentence


@pytest.mark.parametrize("bad", ["log 1", "diff", "log 2", "log 3"])
def test_the_moment_that_is_told_is_one_that_the_planner_reaches_without_what_is_damaged(bad: str) -> None:
    found = outlook(point(*ALL), **{bad.replace(" ", "_"): "damaged"})

    if found.chance == "earlier":
        moment = datetime.fromisoformat(found.sentence.partition("--stop-at ")[2].split()[0])
        (backup,) = point(*ALL).native_databases
        assert bad not in [one.set_id for one in needed_sets.needed(backup, moment)]


def test_of_a_damaged_dump_the_tables_are_named_whose_rows_differ(s3: "S3Client", tmp_path: Path) -> None:
    made = points.add(s3, BUCKET, "i", [(None, dump(tmp_path / "a"))])
    (backup,) = made.databases
    member = next(member for member in backup.tables if member.rows)
    key = backup.files[0].key
    data = bytearray(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    data[member.stored.offset + member.stored.length // 2] ^= 1
    s3.put_object(Bucket=BUCKET, Key=key, Body=bytes(data))

    verdicts = list(point_verification.deep(s3, BUCKET, made, lambda done, total, label: None))
    (found,) = restorable.outlooks(made, verdicts, deep=True)

    name = f"{member.schema_name}.{member.table}"
    assert [verdict.lost for verdict in verdicts] == [(name,)]
    assert found.chance == "damaged"
    assert found.sentence.endswith(f"; the rows of {name} are damaged")


def test_of_a_dump_that_is_cut_off_the_tables_behind_the_cut_are_lost(s3: "S3Client", tmp_path: Path) -> None:
    made = points.add(s3, BUCKET, "i", [(None, dump(tmp_path / "a"))])
    (backup,) = made.databases
    key, last = backup.files[0].key, max(backup.tables, key=lambda member: member.stored.offset)
    data = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    s3.put_object(Bucket=BUCKET, Key=key, Body=data[: last.stored.offset])

    (verdict,) = point_verification.deep(s3, BUCKET, made, lambda done, total, label: None)

    assert verdict.state == "damaged"
    assert f"{last.schema_name}.{last.table}" in verdict.lost


def test_what_a_delete_marker_hides_is_told_so(s3: "S3Client", tmp_path: Path) -> None:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    made = points.add(s3, BUCKET, "i", [(None, dump(tmp_path / "a"))])
    s3.delete_object(Bucket=BUCKET, Key=made.databases[0].files[0].key)

    (verdict,) = point_verification.shallow(s3, BUCKET, made)

    assert (verdict.state, "is hidden by a delete marker" in verdict.sentence) == ("missing", True)


def test_an_archived_file_says_what_a_restore_does_first(s3: "S3Client", tmp_path: Path) -> None:
    made = points.add(s3, BUCKET, "i", [(None, dump(tmp_path / "a"))])
    key = made.databases[0].files[0].key
    data = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    s3.put_object(Bucket=BUCKET, Key=key, Body=data, StorageClass="GLACIER", ChecksumAlgorithm="CRC32")

    (verdict,) = point_verification.shallow(s3, BUCKET, made)
    (found,) = restorable.outlooks(made, [verdict], deep=False)

    assert (verdict.state, verdict.is_archived) == ("ok", True)
    assert found.chance == "restorable"
    assert found.sentence.endswith("1 of its files are archived: a restore retrieves them first")
