"""Damage on purpose: what lies in the temporary bucket is the file as it would be if one bit of it had changed in the repository.

It shows that a drill can fail. The stored files stay as they are. The bit is in the first byte, which every reader of a backup begins with:
what the comparison with the manifest didn't notice, SQL Server would refuse (3241).
"""

from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from dbrestore.points import parts as staging_parts
from dbrestore.points.parts import Part

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Bytes that pass through the function: S3 takes no smaller part than 5 MiB in front of another one.
HEAD: Final = 5 << 20


def parts(length: int, least: int) -> tuple[Part, ...]:
    """The first is written by us, the others are copied; none for a file that is written whole."""
    if length <= HEAD:
        return ()
    rest = staging_parts.parts(length - HEAD, least) or (Part(1, 0, length - HEAD - 1),)
    return (Part(1, 0, HEAD - 1), *(Part(one.number + 1, one.first + HEAD, one.last + HEAD) for one in rest))


def head(s3: "S3Client", etag: str, **place: Any) -> bytes:
    """The file's first bytes, or all of them, with the bit changed. Raises ClientError, as a copy of it would."""
    with closing(s3.get_object(**place, IfMatch=etag, Range=f"bytes=0-{HEAD - 1}")["Body"]) as body:
        content: bytes = body.read()
    return bytes([content[0] ^ 1]) + content[1:]
