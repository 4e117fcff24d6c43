"""The stored files of a restore point are compared with its manifest: by what S3 says of them, or byte by byte."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from botocore.exceptions import ClientError

from dbrestore.contract.manifest import Manifest
from dbrestore.points import point_verification, stored_points
from dbrestore.points.pgdump import adding as points
from dbrestore.points.point_verification import Verdict
from dbrestore.points.sqlserver import adding as native_points
from tests.unit.points.conftest import BUCKET
from tests.unit.points.pgdump.test_adding import dump
from tests.unit.points.sqlserver.backups import Written, backup, compressed
from tests.unit.points.sqlserver.damages import flipped, pages, resealed, without_checksum

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

FULL = Written(pages=300)
LOG = replace(FULL, kind="L", set_id=UUID(int=3), last=(21, 180, 1))
BOTH = pytest.mark.parametrize("deep", [False, True])


@pytest.fixture
def native(s3: "S3Client", tmp_path: Path) -> Manifest:
    """A full backup of two stripes and a log."""
    for name, what in (("a", replace(FULL, stripes=2)), ("b", replace(FULL, stripes=2, stripe=2)), ("c", LOG)):
        (tmp_path / name).write_bytes(backup(what))
    return native_points.add(s3, BUCKET, "i", [tmp_path / name for name in "abc"]).points[0]


def judged(s3: "S3Client", manifest: Manifest, *, deep: bool) -> list[Verdict]:
    if deep:
        return list(point_verification.deep(s3, BUCKET, manifest, lambda done, total, key: None))
    return list(point_verification.shallow(s3, BUCKET, manifest))


def states(s3: "S3Client", manifest: Manifest, *, deep: bool) -> list[str]:
    return [verdict.state for verdict in judged(s3, manifest, deep=deep)]


def key_of(manifest: Manifest, number: int = 0) -> str:
    return manifest.native_databases[0].files[number].key


def stored(s3: "S3Client", key: str) -> bytes:
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def damage(s3: "S3Client", key: str, byte: int | None = None) -> None:
    """Flip a bit, with the checksum that S3 keeps of the new bytes."""
    data = stored(s3, key)
    changed = flipped(data, 8 * (len(data) // 2 if byte is None else byte))
    s3.put_object(Bucket=BUCKET, Key=key, Body=changed, ChecksumAlgorithm="CRC32")


@BOTH
def test_what_was_added_is_in_order(s3: "S3Client", native: Manifest, deep: bool) -> None:
    verdicts = judged(s3, native, deep=deep)

    assert [(verdict.key, verdict.state) for verdict in verdicts] == [(file.key, "ok") for file in native.native_databases[0].files]
    if deep:
        assert {verdict.sentence for verdict in verdicts} == {"is what was added, byte by byte"}


@BOTH
def test_dumps_are_compared_too(s3: "S3Client", tmp_path: Path, deep: bool) -> None:
    made = points.add(s3, BUCKET, "i", [(None, dump(tmp_path / "a"))])
    assert states(s3, made, deep=deep) == ["ok"]

    damage(s3, made.databases[0].files[0].key)

    assert states(s3, made, deep=deep) == ["damaged"]


@BOTH
def test_a_file_of_another_length_is_damaged_and_both_lengths_are_told(s3: "S3Client", native: Manifest, deep: bool) -> None:
    key = key_of(native, 2)
    data = stored(s3, key)
    s3.put_object(Bucket=BUCKET, Key=key, Body=data[:-512])

    assert judged(s3, native, deep=deep)[2:] == [
        Verdict(key, "damaged", f"has {len(data) - 512:,} bytes, and the manifest says {len(data):,}")
    ]


@BOTH
@pytest.mark.parametrize("versioned", [False, True])
def test_a_file_that_is_gone_is_missing_and_the_others_are_judged(s3: "S3Client", native: Manifest, deep: bool, versioned: bool) -> None:
    if versioned:
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.delete_object(Bucket=BUCKET, Key=key_of(native, 1))

    assert states(s3, native, deep=deep) == ["ok", "missing", "ok"]


def test_other_bytes_show_in_the_checksum_that_s3_keeps(s3: "S3Client", native: Manifest) -> None:
    damage(s3, key_of(native))

    [first, *others] = judged(s3, native, deep=False)

    assert (first.state, first.sentence) == ("damaged", "has a different checksum than the manifest says")
    assert [verdict.state for verdict in others] == ["ok", "ok"]


def test_without_a_checksum_in_s3_other_bytes_show_only_when_they_are_read(s3: "S3Client", native: Manifest) -> None:
    key = key_of(native)
    changed = flipped(stored(s3, key), 8 * 200_000)
    # As an old client, or a copy without one, leaves it.
    s3.put_object(Bucket=BUCKET, Key=key, Body=changed, ChecksumAlgorithm="SHA1")

    shallow, deep = (judged(s3, native, deep=how)[0] for how in (False, True))

    assert (shallow.state, "read it with --deep" in shallow.sentence) == ("ok", True)
    assert deep.state == "damaged"


@pytest.mark.parametrize("told", [{"ChecksumType": "COMPOSITE", "ChecksumCRC32": "AAAAAA=="}, {"ChecksumCRC32": "AAAAAA==-2"}])
def test_a_checksum_over_those_of_parts_is_not_taken_for_the_files(s3: "S3Client", native: Manifest, told: dict[str, str]) -> None:
    """As S3 tells it of points that were made before 0.3; moto doesn't."""
    s3.meta.events.register("after-call.s3.HeadObject", lambda parsed, **_: parsed.update(told))

    verdicts = judged(s3, native, deep=False)

    assert {(verdict.state, "read it with --deep" in verdict.sentence) for verdict in verdicts} == {("ok", True)}


def test_a_checksum_by_sha256_is_compared_as_well(s3: "S3Client", native: Manifest) -> None:
    key = key_of(native, 2)
    s3.put_object(Bucket=BUCKET, Key=key, Body=stored(s3, key), ChecksumAlgorithm="SHA256")
    assert states(s3, native, deep=False) == ["ok", "ok", "ok"]

    s3.put_object(Bucket=BUCKET, Key=key, Body=flipped(stored(s3, key), 80_000), ChecksumAlgorithm="SHA256")

    assert states(s3, native, deep=False) == ["ok", "ok", "damaged"]


def test_damage_is_told_by_page_and_byte(s3: "S3Client", tmp_path: Path) -> None:
    data = backup(without_checksum(FULL))
    (tmp_path / "a").write_bytes(data)
    [made] = native_points.add(s3, BUCKET, "i", [tmp_path / "a"]).points
    at = pages(data)[(1, 9)]
    damage(s3, key_of(made), at + 100)

    [verdict] = judged(s3, made, deep=True)

    assert verdict.state == "damaged"
    assert verdict.sentence.startswith(f"is damaged: the checksum of page 1:9 at byte {at:,} is wrong")


def test_a_byte_under_no_checksum_of_sql_server_shows_in_the_digest(s3: "S3Client", tmp_path: Path) -> None:
    data = backup(without_checksum(LOG))
    (tmp_path / "l").write_bytes(data)
    (tmp_path / "f").write_bytes(backup(FULL))
    [made] = native_points.add(s3, BUCKET, "i", [tmp_path / "f", tmp_path / "l"]).points
    key = key_of(made, 1)
    damage(s3, key, len(data) // 2)

    [_, verdict] = judged(s3, made, deep=True)

    found = hashlib.sha256(stored(s3, key)).hexdigest()
    assert verdict.sentence.startswith(f"has the SHA-256 {found}, and the manifest says ")


@pytest.mark.parametrize("byte", [0, 600, -300])
def test_damage_at_the_ends_is_told_without_reading_the_rest(s3: "S3Client", native: Manifest, byte: int) -> None:
    damage(s3, key_of(native, 2), len(stored(s3, key_of(native, 2))) + byte if byte < 0 else byte)

    assert states(s3, native, deep=True) == ["ok", "ok", "damaged"]


def test_stripes_are_judged_together(s3: "S3Client", tmp_path: Path) -> None:
    """A point whose manifest was written anew for other bytes: only the pages say that one is missing."""
    stripes = [backup(replace(without_checksum(FULL), stripes=2, stripe=number)) for number in (1, 2)]
    for name, data in zip("ab", stripes, strict=True):
        (tmp_path / name).write_bytes(data)
    [made] = native_points.add(s3, BUCKET, "i", [tmp_path / "a", tmp_path / "b"]).points
    page = max(pages(stripes[1]))
    other = resealed(stripes[1], pages(stripes[1])[page], number=(32, (page[1] + 8000).to_bytes(4, "little")))
    [one] = made.native_databases[0].backup_sets
    file = one.files[1].model_copy(update={"sha256": hashlib.sha256(other).hexdigest(), "crc32": ""})
    s3.put_object(Bucket=BUCKET, Key=file.key, Body=other, ChecksumAlgorithm="SHA1")
    changed = one.model_copy(update={"files": (one.files[0], file)})
    database = made.native_databases[0].model_copy(update={"backup_sets": (changed,)})

    verdicts = judged(s3, made.model_copy(update={"native_databases": (database,)}), deep=True)

    assert [(verdict.key, verdict.state) for verdict in verdicts][2:] == [(one.files[0].key, "damaged")]
    assert f"page 1:{page[1]} is in use" in verdicts[2].sentence


def test_what_is_archived_is_not_read_and_the_rest_is(s3: "S3Client", native: Manifest) -> None:
    key = key_of(native, 1)
    s3.put_object(Bucket=BUCKET, Key=key, Body=stored(s3, key), StorageClass="DEEP_ARCHIVE", ChecksumAlgorithm="CRC32")

    assert states(s3, native, deep=True) == ["ok", "archived", "ok"]
    assert states(s3, native, deep=False) == ["ok", "ok", "ok"]


def test_what_nobody_may_read_is_no_verdict(s3: "S3Client", native: Manifest) -> None:
    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "HeadObject")

    s3.meta.events.register("before-call.s3.HeadObject", refuse)

    for deep in (False, True):
        with pytest.raises(ClientError):
            judged(s3, native, deep=deep)


def test_a_compressed_backup_and_a_set_that_was_cut_out_are_in_order(s3: "S3Client", tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(compressed(FULL))
    crm = replace(FULL, database="crm", database_id=UUID(int=7), media=UUID(int=7), set_id=UUID(int=7), sets=3)
    (tmp_path / "s").write_bytes(backup(crm))
    [made] = native_points.add(s3, BUCKET, "i", [tmp_path / "c", tmp_path / "s"]).points

    assert states(s3, stored_points.load(s3, BUCKET, "i", made.point_id), deep=True) == ["ok", "ok"]


def test_progress_counts_every_byte_once(s3: "S3Client", native: Manifest) -> None:
    seen: list[tuple[int, int, str]] = []

    list(point_verification.deep(s3, BUCKET, native, lambda *call: seen.append(call)))

    total = sum(file.length for file in native.native_databases[0].files)
    assert seen[-1] == (total, total, key_of(native, 2))
