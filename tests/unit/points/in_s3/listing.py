"""S3's listing of very many objects, which no moto holds in reasonable time: pages of a thousand as ListObjectsV2 writes them, made when
they are asked for. `test_many_objects` compares them with another S3's.
"""

import io
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSResponse

PAGE = 1_000


class _Body(io.BytesIO):
    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


class Listing:
    """The answers for these keys; `pages` counts them. Everything but ListObjectsV2 goes where it always goes."""

    def __init__(self, s3: Any, keys: Sequence[str]) -> None:
        self._keys = sorted(keys, key=str.encode)
        self.pages = 0
        s3.meta.events.register_first("before-send.s3.ListObjectsV2", self._answer)

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query, keep_blank_values=True).items()}
        self.pages += 1
        prefix, after = asked.get("prefix", ""), asked.get("continuation-token", "")
        begin = bisect_right(self._keys, after) if after else bisect_left(self._keys, prefix)
        found = [key for key in self._keys[begin : begin + PAGE] if key.startswith(prefix)]
        more = begin + PAGE < len(self._keys) and self._keys[begin + PAGE].startswith(prefix)
        token = f"<NextContinuationToken>{escape(found[-1])}</NextContinuationToken>" if more else ""
        items = "".join(map(_item, found))
        text = (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<KeyCount>{len(found)}</KeyCount><MaxKeys>{PAGE}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>{token}"
            f"<EncodingType>url</EncodingType>{items}</ListBucketResult>"
        )
        return AWSResponse(request.url, 200, {"Content-Type": "application/xml"}, _Body(text.encode()))


def _item(key: str) -> str:
    return (
        f"<Contents><Key>{quote(key)}</Key><LastModified>2026-11-30T02:00:00.000Z</LastModified>"
        "<ETag>&quot;5d41402abc4b2a76b9719d911017c592&quot;</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )
