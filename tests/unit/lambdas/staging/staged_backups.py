"""A repository with native backups of some sizes, and what the staging leaves of them."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from moto.core.botocore_stubber import BotocoreStubber
from moto.s3.models import FakeMultipart, S3Backend

from dbrestore.contract import keys
from dbrestore.contract.errors import NotReady
from dbrestore.contract.manifest import Manifest
from dbrestore.contract.record import ResourceRow
from tests.statemachine.plain_moto import Died
from tests.unit.lambdas.staging.staged_restores import (
    INSTANCE,
    Account,
    Staged,
    account,
    bucket_name,
)
from tests.unit.points.sqlserver.backups import Written

LOG = replace(Written(), kind="L", set_id=UUID(int=3), last=(21, 180, 1), begun=datetime(2023, 3, 1))
BUCKET = bucket_name()


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Account]:
    with account(monkeypatch, tmp_path) as found:
        yield found


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the parts that were copied, in the order of their copying."""
    copied: list[int] = []
    copy = S3Backend.upload_part_copy

    def counted(backend: Any, bucket: str, upload: str, number: int, **source: Any) -> Any:
        key = copy(backend, bucket, upload, number, **source)
        copied.append(number)
        return key

    monkeypatch.setattr(S3Backend, "upload_part_copy", counted)
    return copied


# Stripes of one backup have equal sizes, but for pages that nobody uses: here all but the first eight.
UNEQUAL = 1 << 30


def files(point: Manifest) -> list[str]:
    return [file.key for file in point.native_databases[0].files]


def stored(there: Account, bucket: str, key: str) -> bytes:
    return bytes(there.s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def stage_until(there: Account, restore: Staged, is_over: Callable[[], bool], told: str = "parts are copied") -> None:
    """One invocation, whose time ends when that is so."""
    there.stopwatch = lambda: 1e9 if is_over() else 0.0
    with pytest.raises(NotReady, match=told):
        restore.stage()
    there.stopwatch = time.monotonic


def requests(patch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Service and operation of every request from now on."""
    asked: list[tuple[str, str]] = []
    through = BotocoreStubber.__call__

    def listen(stub: Any, event_name: str, request: Any, **more: Any) -> Any:
        _, service, operation = event_name.split(".")
        asked.append((service, operation))
        return through(stub, event_name, request, **more)

    patch.setattr(BotocoreStubber, "__call__", listen)
    return asked


def _died(*_: Any) -> None:
    raise Died("before the answer")


def again(restore: Staged, row: ResourceRow) -> None:
    """As if an invocation had not come to its end."""
    table, key = restore.ledger.table, f"RESOURCE#{row.kind}#{row.role}#{row.name}"
    table.write(table.update(restore.plan.restore_id, key, "SET #state = :state", state="INTENT"))


def flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[bytes], bytes]], None]:
    """S3 stores something else than it was asked to copy."""

    def install(change: Callable[[bytes], bytes]) -> None:
        put = S3Backend.put_object

        def spoilt(backend: Any, bucket_name: str, key_name: str, value: bytes, *more: Any, **named: Any) -> Any:
            changed = change(bytes(value)) if bucket_name == BUCKET else value
            return put(backend, bucket_name, key_name, changed, *more, **named)

        monkeypatch.setattr(S3Backend, "put_object", spoilt)

    return install


def spoil_part(patch: pytest.MonkeyPatch, number: int, change: Callable[[bytes], bytes]) -> None:
    set_part = FakeMultipart.set_part
    patch.setattr(FakeMultipart, "set_part", lambda u, n, value: set_part(u, n, change(value) if n == number else value))


def without_crc32(there: Account, point: Manifest) -> Manifest:
    """As version 0.1 made points."""
    key = keys.manifest_key(INSTANCE, point.point_id)
    document = json.loads(stored(there, "repository", key))
    for one in document["nativeDatabases"][0]["backupSets"]:
        for file in one["files"]:
            del file["crc32"]
    there.s3.put_object(Bucket="repository", Key=key, Body=json.dumps(document).encode())
    return point
