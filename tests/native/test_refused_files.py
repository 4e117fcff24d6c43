"""What the headers of the files show is refused before anything is stored, each under its own name: the part of the failure modes
(`tests.native.test_failure_modes`) that ends in `points add`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable, RestoreError
from dbrestore.contract.sqlserver_errors import (
    BackupEncrypted,
    BackupTooLarge,
    BaseBackupMissing,
    MediaPasswordSet,
    NotANativeBackup,
    StripeMissing,
    StripesMixed,
    TooManyStripes,
)
from dbrestore.points.sqlserver import adding as native_points
from localcloud.backups.files import Written, backup
from tests.native.chains import DIFFERENTIAL, FULL, LOG, another
from tests.unit.points.conftest import BUCKET, leftovers, s3
from tests.unit.points.sqlserver.backups import compressed

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

__all__ = ["s3"]

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 101834752\n"


def stripe(number: int, of: int, what: Written = FULL) -> bytes:
    return backup(another(what, stripe=number, stripes=of, keeps_ids=True))


@dataclass(frozen=True)
class Refusal:
    """`files` are the bytes of the files that are given."""

    what: str
    error: type[RestoreError]
    files: tuple[bytes, ...]

    def __str__(self) -> str:
        return f"{self.what} ({self.error.__name__})"


REFUSALS = (
    Refusal("not a native backup", NotANativeBackup, (b"CREATE TABLE t (i int);",)),
    Refusal("Git LFS pointer", NotANativeBackup, (LFS,)),
    Refusal("zero bytes", NotANativeBackup, (b"",)),
    Refusal("truncated", BackupDamaged, (backup()[:-512],)),
    Refusal("stripe missing", StripeMissing, (stripe(1, 2),)),
    Refusal("stripes mixed", StripesMixed, (stripe(1, 2), stripe(2, 2, another(FULL)))),
    Refusal("stripe twice", StripesMixed, (stripe(1, 2), stripe(2, 2), stripe(2, 2))),
    Refusal("eleven stripes", TooManyStripes, tuple(stripe(number, 11) for number in range(1, 12))),
    Refusal("log as full backup", BaseBackupMissing, (backup(LOG),)),
    Refusal("file backup as full backup", BackupUnreadable, (backup(another(FULL, kind="F")),)),
    Refusal("differential without base", BaseBackupMissing, (backup(DIFFERENTIAL),)),
    Refusal("differential of another base", BaseBackupMissing, (backup(), backup(another(DIFFERENTIAL, base=(20, 1, 1))))),
    Refusal("media password", MediaPasswordSet, (backup(another(FULL, password=b"x" * 16)),)),
    Refusal("encrypted", BackupEncrypted, (compressed()[:477] + bytes(4096 - 477),)),
)


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_a_file_that_rds_could_not_restore_is_refused_and_nothing_is_stored(s3: "S3Client", tmp_path: Path, refusal: Refusal) -> None:
    with pytest.raises(RestoreError) as refused:
        native_points.add(s3, BUCKET, "mssql", write(tmp_path, refusal.files))

    assert type(refused.value) is refusal.error, refused.value
    assert leftovers(s3) == []


def test_a_file_of_more_than_5_tb_is_refused_before_it_is_read(s3: "S3Client", tmp_path: Path) -> None:
    whole = backup(another(FULL, pages=400))
    [path] = write(tmp_path, (whole[:65536],))
    with path.open("r+b") as file:
        try:
            file.truncate((5 << 40) + len(whole))
        except OSError as error:
            pytest.skip(f"no file may be so large here: {error}")
        # A hole, and the end of a whole backup.
        file.seek(-len(whole), 2)
        file.write(whole)

    with pytest.raises(BackupTooLarge, match="restores files up to 5 TB"):
        native_points.add(s3, BUCKET, "mssql", [path])

    assert leftovers(s3) == []


def write(folder: Path, files: tuple[bytes, ...]) -> list[Path]:
    paths = [folder / f"{number}.bak" for number in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(content)
    return paths
