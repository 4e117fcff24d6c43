"""Where a backup lies in S3, as people write it: `s3://bucket/key`, or a prefix of keys."""

import re
from dataclasses import dataclass
from typing import Final

from dbrestore.contract.errors import RestoreRequestInvalid

SCHEME: Final = "s3://"
# Amazon S3 User Guide, "General purpose bucket naming rules".
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True)
class S3Location:
    """`key` may be empty, and end in `/`: everything below."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"


def is_one(text: str) -> bool:
    """Whether a text is meant to be a place in S3."""
    return text.lower().startswith(SCHEME)


def parse(text: str) -> S3Location:
    """The place; the key is taken as it is, blanks and `%` included. Raises RestoreRequestInvalid."""
    bucket, _, key = text[len(SCHEME) :].partition("/")
    if not is_one(text) or not _BUCKET.fullmatch(bucket):
        raise RestoreRequestInvalid(f"{text}: isn't a place in S3: write s3://bucket/key, or s3://bucket/prefix/")
    if len(key.encode("utf-8", "surrogateescape")) > 1024:
        raise RestoreRequestInvalid(f"{text[:80]}...: S3's keys have 1,024 bytes at most")
    return S3Location(bucket, key)
