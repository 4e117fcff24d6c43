"""Native backups into the temporary bucket: what S3 copies by itself, against downloading and uploading with boto3's transfer manager.

Every request of the product's own copying is counted, and the bytes of the bodies that pass the caller.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from dbrestore.contract import limits
from dbrestore.contract.manifest import Manifest
from dbrestore.points import parts as staging_parts
from dbrestore.points.sqlserver import adding as native_points
from dbrestore.points.sqlserver.file import inspect
from lambdas.staging import check as staging_check
from lambdas.staging import copy as staging_copy
from lambdas.staging.copy import Pace, Place
from lambdas.staging.files import StagedFile
from localcloud import cloud
from localcloud.backups.files import Written, backup
from localcloud.base.clients import ACCOUNT

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40
REPOSITORY, STAGING = "bench-repository", "bench-staging"
SAMPLES = Path(__file__).parents[2] / "shared" / "data" / "bak"
PLANNED = (("1 MiB", 1, MIB), ("5 GiB", 1, 5 * GIB), ("5 TiB", 1, 5 * TIB), ("10 x 5 TiB", 10, 5 * TIB))
# Per restore: the objects, the uploads, and the objects again when all is there. Per file: the source looked at, then begun and completed
# or copied whole, then the copy looked at and its header read again by two ranges.
LISTS, PER_LARGE_FILE, PER_SMALL_FILE = 3, 1 + 2 + 3, 1 + 1 + 3


@dataclass
class Traffic:
    """What one client asked for: requests by operation, and bytes of bodies that it sent or received."""

    requests: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    received: int = 0

    def follow(self, s3: "S3Client") -> "S3Client":
        """The client, which reports from now on."""
        s3.meta.events.register("before-call.s3", self._before)
        s3.meta.events.register("after-call.s3", self._after)
        return s3

    def _before(self, model: Any, params: Any, **_: Any) -> None:
        self.requests[model.name] += 1
        if model.name in ("PutObject", "UploadPart"):
            self.sent += len(params["body"])

    def _after(self, model: Any, parsed: Any, **_: Any) -> None:
        if model.name == "GetObject":
            self.received += parsed["ContentLength"]


@dataclass(frozen=True)
class Contest:
    """A local cloud with one backup file in its repository."""

    directory: Path
    manifest: Manifest

    @property
    def file(self) -> StagedFile:
        one = self.manifest.native_databases[0].backup_sets[0]
        return StagedFile(one.files[0], one, 1, "r-bench/1/01-full/s-01.bak")


def report(directory: Path, megabytes: int, rounds: int) -> list[str]:
    """The lines of the section."""
    with _prepared(directory, megabytes) as contest:
        whole, traffic = _timed(rounds, contest, limits.STAGING_PART_BYTES)
        in_parts, traffic_of_parts = _timed(rounds, contest, 16 * MIB)
        by_hand = median(_by_hand(contest) for _ in range(rounds))
    return [
        *_plans(),
        "",
        f"Staged on the local cloud: {megabytes} MB, median of {rounds}; compared with the manifest where S3 copied.",
        "",
        "| how | seconds | ratio | requests | bytes through the caller |",
        "|---|---|---|---|---|",
        _row("CopyObject", whole, by_hand, traffic),
        _row("UploadPartCopy, 16 MiB each", in_parts, by_hand, traffic_of_parts),
        f"| download_file, upload_file | {by_hand:.2f} | 1.00 | | {2 * contest.file.length:,} |",
        "",
        *_headers(),
    ]


@contextmanager
def _prepared(directory: Path, megabytes: int) -> Iterator[Contest]:
    running = cloud.start(directory / "cloud", schedules=False)
    try:
        os.environ.update(running.environment())
        s3 = boto3.client("s3")
        for bucket in (REPOSITORY, STAGING):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": running.region})  # type: ignore[typeddict-item]
        path = directory / "bench.bak"
        path.write_bytes(_backup(megabytes))
        yield Contest(directory, native_points.add(s3, REPOSITORY, "bench", [path]).points[0])
    finally:
        running.stop()


def _backup(megabytes: int) -> bytes:
    """The pages between head and end are random: nothing on the way can make them smaller."""
    pages = megabytes * 10**6 // 512
    data = bytearray(backup(Written(pages=pages)))
    data[128 * 1024 : 128 * 1024 + (pages - 512) * 512] = random.Random(1).randbytes((pages - 512) * 512)
    return bytes(data)


def _timed(rounds: int, contest: Contest, part: int) -> tuple[float, Traffic]:
    found = [_staged(contest, part) for _ in range(rounds)]
    return median(seconds for seconds, _ in found), found[0][1]


def _staged(contest: Contest, part: int) -> tuple[float, Traffic]:
    """Seconds and traffic of the product's own copying and comparing."""
    traffic = Traffic()
    s3 = traffic.follow(boto3.client("s3", config=Config(max_pool_connections=limits.STAGING_THREADS)))
    source, target = Place(s3, REPOSITORY, ACCOUNT), Place(s3, STAGING, ACCOUNT)
    began = time.monotonic()
    pace = Pace(lambda: time.monotonic() >= began + 600, limits.STAGING_THREADS, part)
    staging_copy.copy([contest.file], source, target, "r-bench/", pace)
    if staging_check.compare([contest.file], target, pace):
        raise SystemExit("the copy had no checksum to compare")
    seconds = time.monotonic() - began
    if sum(traffic.requests.values()) != _requests(1, contest.file.length):
        raise SystemExit(f"the plan says {_requests(1, contest.file.length)} requests, and there were {traffic.requests}")
    boto3.client("s3").delete_object(Bucket=STAGING, Key=contest.file.key)
    return seconds, traffic


def _by_hand(contest: Contest) -> float:
    s3, path = boto3.client("s3"), contest.directory / "downloaded"
    began = time.monotonic()
    s3.download_file(REPOSITORY, contest.file.source_key, str(path))
    s3.upload_file(str(path), STAGING, "by-hand")
    return time.monotonic() - began


def _row(how: str, seconds: float, by_hand: float, traffic: Traffic) -> str:
    requests = sum(traffic.requests.values())
    return f"| {how} | {seconds:.2f} | {seconds / by_hand:.2f} | {requests} | {traffic.sent + traffic.received:,} |"


def _plans() -> list[str]:
    lines = ["| files | bytes of a part | parts of a file | requests | requests per GiB |", "|---|---|---|---|---|"]
    for name, count, length in PLANNED:
        parts, requests = len(staging_parts.parts(length)), _requests(count, length)
        size = f"{staging_parts.part_size(length) // MIB} MiB" if parts else "whole"
        lines.append(f"| {name} | {size} | {parts or 1:,} | {requests:,} | {requests / (count * length / GIB):,.1f} |")
    return lines


def _requests(count: int, length: int) -> int:
    """For a restore that one invocation stages; each further one lists what is there."""
    parts = len(staging_parts.parts(length))
    return LISTS + count * (parts + PER_LARGE_FILE if parts else PER_SMALL_FILE)


def _headers() -> list[str]:
    """How long the headers take of all real samples, or of as many synthetic backups where there are none."""
    found = {path.name: path.read_bytes() for path in sorted(SAMPLES.glob("*"))} if SAMPLES.is_dir() else {}
    files = found or {f"{number}.bak": backup(Written(pages=2_000)) for number in range(15)}
    reads: Counter[str] = Counter()
    began = time.monotonic()
    for name, data in files.items():
        inspect(name, len(data), _counted(name, data, reads))
    seconds, kind = time.monotonic() - began, "real" if found else "synthetic"
    return [f"Headers of {len(files)} {kind} backup files: {seconds:.3f} s, {max(reads.values())} ranged reads of a file at most."]


def _counted(name: str, data: bytes, reads: Counter[str]) -> Callable[[int, int], bytes]:
    def read(offset: int, count: int) -> bytes:
        reads[name] += 1
        return data[offset : offset + count]

    return read
