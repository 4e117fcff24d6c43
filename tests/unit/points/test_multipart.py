"""An upload is whole or nothing, and its parts never outgrow S3's limits."""

import base64
import hashlib
import struct
import zlib
from typing import TYPE_CHECKING

import botocore.exceptions
import pytest

from dbrestore.points import multipart
from dbrestore.points.multipart import MultipartUpload
from tests.unit.points.conftest import BUCKET, leftovers

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

GIB = 1 << 30


@pytest.mark.parametrize("length", [0, 1, 8 << 20, 72 * GIB, 500 * GIB, 5 << 40])
def test_ten_thousand_parts_suffice_for_any_object(length: int) -> None:
    size = multipart.part_size(length)

    assert size >= 5 << 20
    assert size <= 5 * GIB
    assert -(-length // size) <= 10_000


def test_the_object_is_what_was_written_in_order(s3: "S3Client") -> None:
    pieces = [bytes([n]) * (3 << 20) for n in range(12)]

    with MultipartUpload(s3, BUCKET, "key", 36 << 20) as upload:
        for piece in pieces:
            upload.write(piece)
        upload.complete()

    whole = b"".join(pieces)
    assert s3.get_object(Bucket=BUCKET, Key="key")["Body"].read() == whole
    assert (upload.length, upload.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert upload.crc32 == crc32(whole)
    assert s3.head_object(Bucket=BUCKET, Key="key")["ETag"].endswith('-4"')


def test_the_checksum_is_the_one_that_s3_computes_of_a_copy(s3: "S3Client") -> None:
    with MultipartUpload(s3, BUCKET, "key", 12 << 20) as upload:
        for n in range(12):
            upload.write(bytes([n]) * (1 << 20))
        upload.complete()

    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "key"}, ChecksumAlgorithm="CRC32")

    assert s3.head_object(Bucket=BUCKET, Key="copy", ChecksumMode="ENABLED")["ChecksumCRC32"] == upload.crc32


def test_s3_keeps_the_checksum_of_the_whole_object_and_refuses_another(s3: "S3Client") -> None:
    asked: list[dict[str, str]] = []
    s3.meta.events.register("provide-client-params.s3.CompleteMultipartUpload", lambda params, **_: asked.append(params))
    with MultipartUpload(s3, BUCKET, "key", 1 << 20) as upload:
        upload.write(b"x" * (1 << 20))
        upload.complete()

    told = s3.head_object(Bucket=BUCKET, Key="key", ChecksumMode="ENABLED")
    assert (told["ChecksumType"], told["ChecksumCRC32"]) == ("FULL_OBJECT", crc32(b"x" * (1 << 20)))
    assert [params["ChecksumCRC32"] for params in asked] == [upload.crc32]


def crc32(data: bytes) -> str:
    return base64.b64encode(struct.pack(">I", zlib.crc32(data))).decode()


def upload_mebibytes(s3: "S3Client", count: int, error: BaseException | None = None) -> None:
    with MultipartUpload(s3, BUCKET, "key", count << 20) as upload:
        for _ in range(count):
            upload.write(bytes(1 << 20))
        if error:
            raise error
        upload.complete()


@pytest.mark.parametrize("written", [0, 1, 40])
def test_an_error_leaves_neither_object_nor_parts(s3: "S3Client", written: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        upload_mebibytes(s3, written, KeyboardInterrupt())

    assert leftovers(s3) == []


def test_a_part_that_fails_ends_the_upload_with_its_error(s3: "S3Client") -> None:
    asked = []

    def refuse(**_: object) -> None:
        asked.append(True)
        raise botocore.exceptions.ConnectionClosedError(endpoint_url="https://s3")

    s3.meta.events.register("before-send.s3.UploadPart", refuse)

    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        upload_mebibytes(s3, 100)

    assert 0 < len(asked) <= 6 * multipart.THREADS  # the SDK tries a part again; later parts aren't tried at all
    assert leftovers(s3) == []


def test_an_upload_that_cannot_be_aborted_is_named_beside_the_first_error(s3: "S3Client") -> None:
    def refuse(**_: object) -> None:
        raise botocore.exceptions.ConnectionClosedError(endpoint_url="https://s3")

    s3.meta.events.register("before-send.s3.AbortMultipartUpload", refuse)

    with pytest.raises(ValueError, match="first") as caught:
        upload_mebibytes(s3, 1, ValueError("first"))

    assert "could not be aborted" in caught.value.__notes__[0]
