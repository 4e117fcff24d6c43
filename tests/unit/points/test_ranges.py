"""Ranges arrive whole over connections that drop, and what isn't the manifest's bytes is refused."""

import hashlib
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import boto3
import botocore.exceptions
import pytest

from dbrestore.contract.errors import BackupDamaged
from dbrestore.contract.keys import StoredPlace
from dbrestore.points import ranges
from tests.unit.points.conftest import BUCKET

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

CONTENT = bytes(range(256)) * 20_000


class FlakyS3(ThreadingHTTPServer):
    """Answers ranged GETs of CONTENT; the first answers are cut after as many bytes as `cuts` lists."""

    daemon_threads = True

    def __init__(self, cuts: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.cuts = cuts
        self.asked: list[str] = []

    def client(self) -> "S3Client":
        endpoint = f"http://127.0.0.1:{self.server_address[1]}"
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "eu-central-1"}
        return boto3.client("s3", endpoint_url=endpoint, config=ranges.CLIENT_CONFIG, **keys)


class _Answer(BaseHTTPRequestHandler):
    server: FlakyS3

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.asked.append(asked)
        first, last = map(int, re.findall(r"\d+", asked))
        body = CONTENT[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = self.server.cuts.pop(0) if self.server.cuts else len(body)
        self.wfile.write(body[:cut])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Silence: the test asserts on what was asked."""


@pytest.fixture
def flaky(request: pytest.FixtureRequest) -> Iterator[FlakyS3]:
    with FlakyS3(list(request.param)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("flaky", [[]], indirect=True)
def test_a_range_is_one_request_and_comes_in_large_pieces(flaky: FlakyS3) -> None:
    pieces = list(ranges.read_range(flaky.client(), StoredPlace("b", "k"), offset=100, length=3 << 20))

    assert b"".join(pieces) == CONTENT[100 : 100 + (3 << 20)]
    assert [len(p) for p in pieces] == [1 << 20] * 3
    assert flaky.asked == [f"bytes=100-{99 + (3 << 20)}"]


@pytest.mark.parametrize("flaky", [[0, 1, 5000, 1_500_000, 0]], indirect=True)
def test_a_dropped_connection_is_taken_up_at_the_byte_reached(flaky: FlakyS3) -> None:
    pieces = ranges.read_range(flaky.client(), StoredPlace("b", "k"), offset=7, length=4_000_000)

    assert b"".join(pieces) == CONTENT[7:4_000_007]
    assert len(flaky.asked) == 6
    assert flaky.asked[2] == "bytes=8-4000006"


@pytest.mark.parametrize("flaky", [[0] * 100], indirect=True)
def test_a_connection_that_always_drops_is_given_up(flaky: FlakyS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)

    with pytest.raises(botocore.exceptions.IncompleteReadError):
        list(ranges.read_range(flaky.client(), StoredPlace("b", "k"), offset=0, length=1000))

    assert len(flaky.asked) == ranges.FRUITLESS_ATTEMPTS


@pytest.mark.parametrize("flaky", [[100] * 20], indirect=True)
def test_one_client_serves_many_threads(flaky: FlakyS3) -> None:
    client = flaky.client()

    def read(offset: int) -> bytes:
        return b"".join(ranges.read_range(client, StoredPlace("b", "k"), offset=offset, length=50_000))

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(read, range(0, 400_000, 50_000)))

    assert b"".join(found) == CONTENT[:400_000]


def test_an_empty_range_asks_nothing_of_s3(s3: "S3Client") -> None:
    assert list(ranges.read_range(s3, StoredPlace(BUCKET, "missing"), offset=5, length=0)) == []


@pytest.mark.parametrize(
    ("key", "offset", "length", "sentence"),
    [
        ("missing", 0, 5, "is no longer in the repository"),
        ("key", 5, 6, "ends before byte 11"),
        ("key", 10, 1, "has no bytes 10 to 10"),
    ],
)
def test_an_object_that_is_gone_or_shorter_is_damage(s3: "S3Client", key: str, offset: int, length: int, sentence: str) -> None:
    s3.put_object(Bucket=BUCKET, Key="key", Body=b"0123456789")

    with pytest.raises(BackupDamaged, match=sentence):
        list(ranges.read_range(s3, StoredPlace(BUCKET, key), offset=offset, length=length))


def test_other_errors_of_s3_are_passed_on(s3: "S3Client") -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="NoSuchBucket"):
        list(ranges.read_range(s3, StoredPlace("another-bucket", "key"), offset=0, length=1))


@pytest.mark.parametrize(
    ("stored", "sentence"),
    [
        (b"rowz", "the SHA-256 of the stored bytes is"),
        (b"row", "3 bytes were read where the manifest says 4"),
        (b"rows!", "5 bytes"),
    ],
)
def test_bytes_that_are_not_the_manifests_are_refused_by_name_at_their_end(stored: bytes, sentence: str) -> None:
    stream = ranges.verified([stored], length=4, sha256=hashlib.sha256(b"rows").hexdigest(), what="orders")

    assert next(stream) == stored
    with pytest.raises(BackupDamaged, match=f"orders: .*{sentence}"):
        next(stream)


def test_the_manifests_bytes_pass(s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="key", Body=b"..rows..")
    digest = hashlib.sha256(b"rows").hexdigest()

    assert list(ranges.verified_range(s3, StoredPlace(BUCKET, "key"), offset=2, length=4, sha256=digest, what="orders")) == [b"rows"]
