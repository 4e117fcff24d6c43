"""What S3 tells of an object's bytes, as far as it is of the whole of them and not of its parts' checksums."""

import base64
from collections.abc import Mapping
from typing import Any


def whole(told: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """(SHA-256 in hexadecimal digits, CRC-32 as S3 writes it) of an answer that was asked with ChecksumMode; None for what isn't there, or
    is of parts: that is told by the type, and ends in `-<number of parts>`."""
    is_of_parts = told.get("ChecksumType") == "COMPOSITE"
    sha256, crc32 = ("" if is_of_parts or "-" in (found := told.get(name, "")) else found for name in ("ChecksumSHA256", "ChecksumCRC32"))
    return base64.b64decode(sha256).hex() if sha256 else None, crc32 or None
