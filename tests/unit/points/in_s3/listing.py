"""S3's listing of very many objects, which no moto holds in reasonable time: a client whose pages of a thousand are made when they are
asked for. `test_many_objects` compares them with another S3's.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

PAGE = 1_000


class ManyObjects:
    """A client of a bucket with these keys that knows how to list them and nothing else; `pages` counts the requests."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = sorted(keys, key=str.encode)
        self.pages = 0

    def get_paginator(self, operation: str) -> "ManyObjects":
        """Of ListObjectsV2 alone."""
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803 - as boto3 calls them
        """One page after the other."""
        found = [key for key in self._keys if key.startswith(Prefix)]
        for begin in range(0, max(len(found), 1), PAGE):
            self.pages += 1
            items = [_item(key) for key in found[begin : begin + PAGE]]
            yield {"Name": Bucket, "KeyCount": len(items), **({"Contents": items} if items else {})}


def _item(key: str) -> dict[str, Any]:
    return {
        "Key": key,
        "LastModified": datetime(2026, 11, 30, 2, tzinfo=UTC),
        "ETag": '"5d41402abc4b2a76b9719d911017c592"',  # pragma: allowlist secret - the MD5 of five bytes
        "Size": 5,
        "StorageClass": "STANDARD",
    }
