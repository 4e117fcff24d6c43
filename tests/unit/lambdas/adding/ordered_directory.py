"""A program: a function's work on the order of a directory dump with very many files, and the memory that its process had at most.

    python -m tests.unit.lambdas.adding.ordered_directory PlanRestore|CopyDumps|RemoveAbandonedPoints <the function's module> <note>

S3 is a client in the process, which knows no more than what is asked here: what counts is what the function keeps of its answers. It
writes JSON: `mebibytes`, and how many `calls` the work took.
"""

import hashlib
import importlib
import io
import json
import re
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from dbrestore.contract.errors import NotReady
from dbrestore.contract.manifest import StoredFile
from dbrestore.points.in_s3 import copying, ordered, unfinished
from dbrestore.points.in_s3.copying import Pace, Repository
from dbrestore.points.in_s3.source import PinnedObject
from dbrestore.points.in_s3.unfinished import DumpFiles, Unfinished

INSTANCE: Final = "orders-prod"
POINT_ID: Final = "20261130T021500Z-3fa9c1d2"
BUCKET: Final = "some-team-s-nightly-backups"
FOLDER: Final = "nightly/2026-11-30/orders_production/"
BODY: Final = b"x" * 1_000
# More than a function has time for in one call, and with so many one call holds the most that a call can.
REQUESTS_IN_A_CALL: Final = 60_000


def order(files: int) -> Unfinished:
    """As the command leaves it."""
    names = ("toc.dat", *(f"{number}.dat.gz" for number in range(4_000, 3_999 + files)))
    prefix = f"{INSTANCE}/{POINT_ID}/orders_production/"
    return Unfinished(
        instance=INSTANCE,
        begun_at=datetime(2026, 11, 30, 2, 15, tzinfo=UTC),
        point_ids=(POINT_ID,),
        objects=tuple(_pinned(name) for name in names),
        dumps=(DumpFiles(name="orders_production", format="directory", files=tuple(_stored(prefix, n) for n in names), names=names),),
        ordered=True,
    )


def _pinned(name: str) -> PinnedObject:
    etag = f'"{hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()}"'
    version = b64encode(hashlib.sha256(name.encode()).digest()[:24]).decode()
    return PinnedObject(bucket=BUCKET, key=FOLDER + name, version_id=version, etag=etag, length=len(BODY))


def _stored(prefix: str, name: str) -> StoredFile:
    return StoredFile(key=prefix + name, length=len(BODY), sha256=None, origin=f"s3://{BUCKET}/{FOLDER}{name}")


class Objects:
    """The repository as its client sees it."""

    def __init__(self, key: str, note: bytes) -> None:
        self.texts = {key: note}
        self.copies: dict[str, None] = {}
        self.requests = 0

    def get_object(self, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - as boto3 calls them
        return {"Body": io.BytesIO(self.texts[Key])}

    def put_object(self, Key: str, Body: bytes, **_: Any) -> None:  # noqa: N803
        self.texts[Key] = Body

    def copy_object(self, Key: str, **_: Any) -> None:  # noqa: N803
        self.requests += 1
        self.copies[Key] = None

    def head_object(self, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        self.requests += 1
        digest = b64encode(hashlib.sha256(Key.encode()).digest()).decode()
        return {"ContentLength": len(BODY), "ChecksumSHA256": digest, "ChecksumType": "FULL_OBJECT", "VersionId": digest}

    def get_paginator(self, operation: str) -> Any:
        listed = self._listed if operation == "list_objects_v2" else lambda Prefix: iter([{}])  # noqa: N803
        return SimpleNamespace(paginate=lambda Prefix, **_: listed(Prefix))  # noqa: N803

    def _listed(self, prefix: str) -> Iterator[dict[str, Any]]:
        found = sorted(key for key in (*self.texts, *self.copies) if key.startswith(prefix))
        for begin in range(0, len(found), 1_000):
            yield {"Contents": [{"Key": key, "Size": len(BODY)} for key in found[begin : begin + 1_000]]}


def plan(s3: Any, note: str) -> int:
    """What the plan does with the order."""
    ordered.of(unfinished.read(s3, "repository", note), ())
    return 1


def copy(s3: Any, note: str) -> int:
    """Call after call in one process, as Lambda keeps it, to the last."""
    calls = 0
    while True:
        calls += 1
        until = s3.requests + REQUESTS_IN_A_CALL
        pace = Pace(is_over=lambda until=until: s3.requests >= until)  # type: ignore[misc]
        try:
            copies = ordered.of(unfinished.read(s3, "repository", note), ())
            ordered.copied(copies, Repository(s3, "repository"), pace, lambda one: unfinished.write(s3, "repository", one))
        except NotReady:
            continue
        return calls


def look_for_abandoned(s3: Any, note: str) -> int:
    """Whose the notes are; and what lies below one of them."""
    for one in unfinished.headings(s3, "repository"):
        copying.is_there(Repository(s3, "repository"), one.prefixes[0])
    return 1


WORK: Final[dict[str, Callable[[Any, str], int]]] = {
    "PlanRestore": plan,
    "CopyDumps": copy,
    "RemoveAbandonedPoints": look_for_abandoned,
}


def main(state: str, module: str, note: Path) -> None:
    """`note` is the file of the note."""
    importlib.import_module(module)
    key = unfinished.key(INSTANCE, POINT_ID)
    calls = WORK[state](Objects(key, note.read_bytes()), key)
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak
    print(json.dumps({"mebibytes": int(peak[1]) // 1024, "calls": calls}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
