"""A multipart upload of a stream to S3. Invariant: the object appears whole or not at all, and a failed upload leaves no part
behind that would be paid for.

Memory is bounded by a part per thread and one being filled.
"""

import base64
import hashlib
import math
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

SMALLEST_PART: Final = 8 << 20
# S3 takes 10,000; the rest is room for parts that grow past their size by a piece of the stream and for a wrong expectation.
PARTS: Final = 9_000
THREADS: Final = 3


def part_size(expected_length: int) -> int:
    """Bytes per part, so that S3's limit of 10,000 parts suffices: 8 MiB up to 72 GiB, 583 MiB for 5 TiB."""
    return max(SMALLEST_PART, math.ceil(expected_length / PARTS))


class MultipartUpload:
    """`with MultipartUpload(...) as upload: upload.write(...); upload.complete()`. Left without `complete`, it is aborted.

    `length`, `sha256` (hex) and `crc32` are of what was written; S3 checks each
    part and the whole by their CRC-32, and keeps the latter; `version_id` is set in a versioned
    bucket."""

    def __init__(self, s3: "S3Client", bucket: str, key: str, expected_length: int) -> None:
        self._s3, self._bucket, self._key = s3, bucket, key
        self._part_size = part_size(expected_length)
        self._digest = hashlib.sha256()
        self._crc32 = 0
        self._pieces: list[bytes] = []
        self._filled = 0
        self._parts: list[Future[CompletedPartTypeDef]] = []
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="upload")
        self._upload_id = ""
        self.length = 0
        self.version_id: str | None = None

    @property
    def sha256(self) -> str:
        """The SHA-256 (hex) of everything written so far."""
        return self._digest.hexdigest()

    @property
    def crc32(self) -> str:
        """The CRC-32 of everything written so far, as S3 writes one of a whole object: 4 bytes, big endian, base64."""
        return base64.b64encode(self._crc32.to_bytes(4, "big")).decode()

    def __enter__(self) -> Self:
        response = self._s3.create_multipart_upload(
            Bucket=self._bucket,
            Key=self._key,
            ContentType="application/octet-stream",
            ChecksumAlgorithm="CRC32",
            ChecksumType="FULL_OBJECT",
        )
        self._upload_id = response["UploadId"]
        return self

    def write(self, data: bytes) -> None:
        """Append. Raises what an earlier part's upload raised."""
        self._digest.update(data)
        self._crc32 = zlib.crc32(data, self._crc32)
        self.length += len(data)
        self._pieces.append(data)
        self._filled += len(data)
        if self._filled >= self._part_size:
            self._send()

    def complete(self) -> None:
        """Send the rest and make the object visible."""
        if self._filled:
            self._send()
        response = self._s3.complete_multipart_upload(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._upload_id,
            MultipartUpload={"Parts": [part.result() for part in self._parts]},
            ChecksumType="FULL_OBJECT",
            ChecksumCRC32=self.crc32,
        )
        self._upload_id = ""
        self.version_id = response.get("VersionId")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        # A part that arrives after the abort would stay: wait for those under way.
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._upload_id:
            self._abort(error)

    def _send(self) -> None:
        if len(self._parts) >= THREADS:
            self._parts[-THREADS].result()
        body = b"".join(self._pieces)
        self._pieces, self._filled = [], 0
        self._parts.append(self._threads.submit(self._upload_part, len(self._parts) + 1, body))

    def _upload_part(self, number: int, body: bytes) -> "CompletedPartTypeDef":
        response = self._s3.upload_part(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._upload_id,
            PartNumber=number,
            Body=body,
            ChecksumAlgorithm="CRC32",
        )
        part: CompletedPartTypeDef = {"PartNumber": number, "ETag": response["ETag"]}
        if checksum := response.get("ChecksumCRC32"):
            part["ChecksumCRC32"] = checksum
        return part

    def _abort(self, error: BaseException | None) -> None:
        try:
            self._s3.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=self._upload_id)
        except Exception as second:
            if error is None:
                raise
            error.add_note(f"the unfinished upload {self._upload_id} of {self._key} could not be aborted: {second}")
