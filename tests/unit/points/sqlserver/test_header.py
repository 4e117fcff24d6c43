"""What the first 64 KiB of a native backup say, in both containers; a header that was changed is refused, never misread as a crash."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbrestore.contract.errors import BackupDamaged, RestoreError
from dbrestore.contract.manifest import RecoveryModel
from dbrestore.contract.sqlserver_errors import BackupEncrypted, CompressionUnreadable, NotANativeBackup
from dbrestore.points.sqlserver.header import DatabaseFile
from tests.unit.points.sqlserver.backups import (
    DATABASE,
    MEDIA,
    SECTOR,
    SET,
    Written,
    backup,
    compressed,
    header_of,
    judged,
)

Write = Callable[[Written], bytes]
BOTH = pytest.mark.parametrize("write", [backup, compressed])


@BOTH
def test_every_field_is_read_as_it_was_written(write: Write) -> None:
    header = header_of(write(Written(stripe=2, stripes=3, last=(21, 169, 1), checkpoint=(21, 160, 5), base=(20, 74, 170))))

    said = header.backup_set
    assert header.compressed == (write is compressed)
    assert (header.media_set_id, header.stripe, header.stripes, header.has_password) == (MEDIA, 2, 3, False)
    assert (said.id, said.number, said.kind, said.database, said.server) == (SET, 1, "D", "shop", "HOST\\SQL")
    assert (said.version, said.database_version, said.compatibility_level, said.checksums) == (
        "15.0.2080",
        904,
        150,
        True,
    )
    assert said.begun_at == datetime(2023, 2, 28, 23, 59, 58)
    assert [str(lsn) for lsn in (said.first_lsn, said.last_lsn, said.checkpoint_lsn, said.base_lsn)] == [
        "21:153:37",
        "21:169:1",
        "21:160:5",
        "20:74:170",
    ]
    # The size is known behind the data alone, and of all stripes.
    assert (said.database_id, said.base_id, said.data_size) == (DATABASE, UUID(int=0), 227_328)
    assert said.database_files == (
        DatabaseFile("shop", "D:\\shop.mdf", 8 << 20),
        DatabaseFile("shop_log", "D:\\shop.ldf", 1 << 20),
    )


@BOTH
@pytest.mark.parametrize("name", ["Straße", "商店", "a'b]c", "x" * 128, "😀"])
def test_a_database_may_have_any_name(write: Write, name: str) -> None:
    assert header_of(write(Written(database=name))).backup_set.database == name


def test_a_backup_without_checksum_says_so() -> None:
    assert not header_of(backup(Written(flags=0x200))).backup_set.checksums


@BOTH
@pytest.mark.parametrize("password", [{"password": b"x" * 16}, {"set_password": b"x" * 16}])
def test_a_password_is_seen_and_the_rest_still_read(write: Write, password: dict[str, bytes]) -> None:
    header = header_of(write(Written(**password)))  # type: ignore[arg-type]

    assert header.has_password
    assert header.backup_set.database == "shop"


def test_a_tape_of_another_program_is_not_native() -> None:
    with pytest.raises(NotANativeBackup, match="another program"):
        header_of(backup(Written(vendor=1)))


@BOTH
@pytest.mark.parametrize("count", [60, 300])
def test_a_database_may_have_hundreds_of_files(write: Write, count: int) -> None:
    files = tuple((f"file{n}", f"D:\\file{n}.ndf", 1 << 20) for n in range(count))

    assert len(header_of(write(Written(files=files))).backup_set.database_files) == count


@BOTH
@pytest.mark.parametrize("unit", [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536])
def test_blocks_may_be_of_any_size(write: Write, unit: int) -> None:
    found = judged(write(Written(unit=unit)))

    assert (found.problems, found.layout and found.layout.unit) == ((), unit)
    assert found.header
    assert found.header.backup_set.database == "shop"


@BOTH
@pytest.mark.parametrize("recovery", ["FULL", "BULK_LOGGED", "SIMPLE"])
def test_the_recovery_model_is_read(write: Write, recovery: RecoveryModel) -> None:
    assert header_of(write(Written(recovery=recovery))).backup_set.recovery_model == recovery


@BOTH
def test_when_it_finished_stands_behind_the_data(write: Write) -> None:
    what = Written(finished=datetime(2023, 3, 1, 2, 30, 1))

    assert header_of(write(what)).backup_set.finished_at == what.finished


def test_an_older_compressed_layout_is_refused_with_the_way_round() -> None:
    with pytest.raises(CompressionUnreadable, match=r"layout 1 .* WITH NO_COMPRESSION"):
        header_of(compressed(Written(), version=1))


def test_zstd_is_called_by_its_name() -> None:
    with pytest.raises(CompressionUnreadable, match=r"ZSTD .*ALGORITHM = MS_XPRESS"):
        header_of(b"MSSQLBAK\2\0\0\0" + bytes(500) + b"\x28\xb5\x2f\xfd" + bytes(8192))


def test_a_container_without_a_readable_record_is_taken_for_encrypted() -> None:
    whole = compressed()

    with pytest.raises(BackupEncrypted, match="WITH ENCRYPTION, or compressed by QAT_DEFLATE"):
        header_of(whole[:477] + bytes(byte ^ 0x5A for byte in whole[477:]))


@pytest.mark.parametrize(("position", "block"), [(0, "TAPE"), (3 * SECTOR, "SSET"), (7 * SECTOR, "MSCI")])
def test_a_block_whose_checksum_is_wrong_is_damage(position: int, block: str) -> None:
    changed = bytearray(backup())
    changed[position + 20] ^= 1

    with pytest.raises(BackupDamaged, match=block):
        header_of(bytes(changed))


@pytest.mark.parametrize("numbers", [{"stripe": 0}, {"stripe": 2}, {"stripes": 0}])
def test_a_stripe_that_cannot_be_is_damage(numbers: dict[str, int]) -> None:
    with pytest.raises(BackupDamaged, match="stripe"):
        header_of(backup(Written(**numbers)))  # type: ignore[arg-type]


def test_a_name_that_points_out_of_its_item_is_damage() -> None:
    changed = bytearray(backup())
    item = changed.index(b"SCIN")
    changed[item + 106 : item + 108] = b"\xff\xff"

    with pytest.raises(BackupDamaged, match="damaged header"):
        header_of(bytes(changed))


def test_a_date_that_does_not_exist_is_damage() -> None:
    changed = bytearray(backup())
    item = changed.index(b"SCIN")
    changed[item + 77 : item + 82] = b"\xff" * 5

    with pytest.raises(BackupDamaged, match="damaged header"):
        header_of(bytes(changed))


WHOLE = {True: compressed(), False: backup()}


@given(st.booleans(), st.data())
def test_whatever_the_bytes_are_the_answer_is_a_header_or_an_error_of_ours(in_container: bool, data: st.DataObject) -> None:
    changed = bytearray(WHOLE[in_container][:8192])
    for _ in range(data.draw(st.integers(1, 8))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(changed[: data.draw(st.integers(0, len(changed)))])

    try:
        header = header_of(cut)
    except RestoreError:
        return

    assert isinstance(header.backup_set.database, str)
