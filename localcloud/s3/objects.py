"""S3 objects of hundreds of megabytes, read and written without a copy of the whole in memory.

| moto 5.2.5 | fixed to |
|---|---|
| a ranged GET copies the whole object, then cuts | reads the range from the object's file while it is sent, many at a time |
| CompleteMultipartUpload joins all parts in memory, twice, and keeps them | file to file, each part let go when it is copied |
| a copy reads the source into memory | file to file |
| the copy of an object with a checksum of checksums claims that it is one of the bytes, so clients refuse it | says what it is |
| a checksum of a whole upload joins all parts in memory | part by part |
| objects spill into the system's folder for temporary files | into the cloud's own folder |

What S3 refuses and moto doesn't: `localcloud.s3.rules`.

Invariant: whoever reads an object holds its file open, so that overwriting or deleting it meanwhile harms nobody.
"""

import base64
import os
import resource
import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import md5
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import moto.s3.models as models
import moto.s3.responses as responses
from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML
from moto.settings import S3_UPLOAD_PART_MIN_SIZE

from localcloud.base.corrections import fix, replace
from localcloud.s3 import rules as s3_rules

CHUNK = 1 << 20


def install(directory: Path) -> None:
    """Fix moto's S3. Objects over 1 MiB lie under `directory`/objects, in files without a name: they vanish with the process."""
    spool = directory / "objects"
    spool.mkdir(parents=True, exist_ok=True)
    # Every object and every part of an upload is an open file.
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    replace(models, "tempfile", lambda _: SimpleNamespace(SpooledTemporaryFile=partial(_spooled, spool)))
    replace(models, "get_s3_default_key_buffer_size", lambda _: lambda: CHUNK)
    # Fixing a property would keep its getter only.
    replace(models.FakeKey, "value", _Value)
    fix(models.FakeMultipart, "complete", _complete)
    fix(models.S3Backend, "copy_object", _copy)
    fix(responses, "compute_checksum", _checksum)
    s3_rules.install()


def _spooled(spool: Path, max_size: int) -> Any:
    # Who uses moto alone in this process after a cloud has gone finds no folder of it.
    return tempfile.SpooledTemporaryFile(max_size, dir=str(spool) if spool.is_dir() else None)


class StoredBytes:
    """The bytes from `begin` to `end` of an open file: has a length, can be cut like bytes, and is read in chunks when iterated."""

    def __init__(self, descriptor: int, begin: int, end: int) -> None:
        self._descriptor, self._begin, self._end = os.dup(descriptor), begin, end

    def __len__(self) -> int:
        return self._end - self._begin

    def __getitem__(self, cut: slice) -> "StoredBytes":
        begin, end, _ = cut.indices(len(self))
        return StoredBytes(self._descriptor, self._begin + begin, self._begin + max(begin, end))

    def __iter__(self) -> Iterator[bytes]:
        for offset in range(self._begin, self._end, CHUNK):
            yield os.pread(self._descriptor, min(CHUNK, self._end - offset), offset)

    def __bytes__(self) -> bytes:
        return b"".join(self)

    def __deepcopy__(self, _memo: Any) -> "StoredBytes":
        # moto copies objects to list their versions; two that hold one descriptor would close it twice, and so a stranger's.
        return self[:]

    def close(self) -> None:
        """Let go of the file; the HTTP server calls it when the answer is sent or the reader has gone."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    __del__ = close


class JoinedParts:
    """The parts of a multipart upload in their order; each file is let go when it has been read, so the parts can be read once."""

    def __init__(self, parts: list[Any]) -> None:
        self._parts, self._length = parts, sum(len(part) for part in parts)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        while self._parts:
            part = self._parts.pop(0)
            yield from part if isinstance(part, StoredBytes) else [part]


class _Value:
    """The attribute `value` of moto's objects: bytes while they fit in memory, otherwise StoredBytes; takes either, and JoinedParts."""

    def __init__(self, original: property) -> None:
        self._original = original

    def __get__(self, key: Any, owner: type | None = None) -> Any:
        if key is None:
            return self
        with key.lock:
            if not key._value_buffer._rolled:
                key._value_buffer.seek(0)
                return key._value_buffer.read()
            key._value_buffer.flush()
            return StoredBytes(key._value_buffer.fileno(), 0, key.contentsize)

    def __set__(self, key: Any, value: Any) -> None:
        if not isinstance(value, (StoredBytes, JoinedParts)):
            self._original.__set__(key, value)
            return
        key.contentsize = len(value)
        for chunk in value:
            key._value_buffer.write(chunk)


def _complete(_original: Callable[..., Any], upload: Any, asked: Iterator[tuple[int, str]]) -> tuple[Any, str, Any]:
    parts = [_asked_part(upload, number, etag) for number, etag in asked]
    if not parts:
        raise MalformedXML
    if any(part.contentsize < S3_UPLOAD_PART_MIN_SIZE for part in parts[:-1]):
        raise EntityTooSmall
    digests = b"".join(bytes.fromhex(part.etag.strip('"')) for part in parts)
    etag = f"{md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
    # moto lets go of the parts before it stores the object; their values hold the files open.
    return JoinedParts([part.value for part in parts]), etag, _checksum_of_parts(upload, parts)


def _asked_part(upload: Any, number: int, etag: str) -> Any:
    part = upload.parts.get(number)
    if part is None or part.etag.strip('"') != etag.strip('"'):
        raise InvalidPart
    return part


def _checksum_of_parts(upload: Any, parts: list[Any]) -> Any:
    """(type, value, number of parts), or None where nobody asked for one: moto shows none then either."""
    algorithm = upload.metadata.get("x-amz-checksum-algorithm")
    if algorithm is None:
        return None
    kind = upload.metadata.get("x-amz-checksum-type")
    if (algorithm, kind) == ("CRC32", "FULL_OBJECT"):
        return kind, base64.b64encode(_crc32(parts).to_bytes(4, "big")).decode(), None
    builder = models.MultipartChecksumBuilder(algorithm, kind)
    for part in parts:
        builder.addPart(bytes(part.value))
    return builder.build()


def _crc32(parts: list[Any]) -> int:
    """Of all parts joined."""
    sum_ = 0
    for part in parts:
        value = part.value
        for chunk in value if isinstance(value, StoredBytes) else [value]:
            sum_ = zlib.crc32(chunk, sum_)
    return sum_


def _copy(original: Callable[..., Any], backend: Any, source: Any, bucket: str, key: str, **keywords: Any) -> None:
    original(backend, source, bucket, key, **keywords)
    copied = backend.get_object(bucket, key)
    copied.checksum_type, copied.checksum_parts = source.checksum_type, source.checksum_parts


def _checksum(original: Callable[..., Any], body: Any, *arguments: Any, **keywords: Any) -> Any:
    return original(bytes(body) if isinstance(body, StoredBytes) else body, *arguments, **keywords)
