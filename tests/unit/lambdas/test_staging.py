"""Native backups on their way into the temporary bucket: what is copied, what is compared, and what is left when it ends."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest

from tests.unit.lambdas.staged_restores import Account, account, big, bucket_name, until_done
from tests.unit.repository.native_backups import Written

LOG = replace(Written(), kind="L", set_id=UUID(int=3), last=(21, 180, 1), begun=datetime(2023, 3, 1))


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Account]:
    with account(monkeypatch, tmp_path) as found:
        yield found


def test_small_and_large_files_lie_where_rds_will_read_them(there: Account) -> None:
    point = there.point(big(12, stripe=1, stripes=2), Written(stripe=2, stripes=2), LOG)
    restore = there.restore(point)

    told = until_done(restore.stage)

    files = [file for one in point.native_databases[0].backup_sets for file in one.files]
    found = there.objects(bucket_name())
    assert list(found) == [
        f"{restore.prefix}1/01-full/s-01.bak",
        f"{restore.prefix}1/01-full/s-02.bak",
        f"{restore.prefix}1/02-log/s-01.bak",
    ]
    for file, key in zip(files, found, strict=True):
        bodies = [
            there.s3.get_object(Bucket=b, Key=k)["Body"].read()
            for b, k in (("repository", file.key), (bucket_name(), key))
        ]
        assert bodies[0] == bodies[1]
    assert told == {
        "bucket": bucket_name(), "prefix": restore.prefix, "objects": 3, "bytes": sum(file.length for file in files),
    }  # fmt: skip
    assert there.uploads(bucket_name()) == []
    assert restore.row("staged-objects").note is None
