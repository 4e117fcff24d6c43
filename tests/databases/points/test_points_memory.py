"""Memory of `points add` doesn't grow with the dump, whatever the compression does with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dbrestore.contract.manifest import Compression
from tests.databases.restore_case import REPOSITORY, Cloud
from tests.unit.points.pgdump import archives

ADD = """
import sys
from pathlib import Path
import boto3
from dbrestore.points.pgdump import adding as points
manifest = points.add(boto3.client("s3"), sys.argv[1], "memory", [(None, Path(sys.argv[2]))])
# Not getrusage: its maximum begins with that of the process that started this one.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) >> 10, manifest.databases[0].uncompressed_length >> 20)
"""


def dump(path: Path, mebibytes: int, compression: Compression) -> Path:
    noise = os.urandom(256).hex().encode()
    lines = b"".join(b"%d\t%s\n" % (i, noise[i % 300 :][:180]) for i in range(10_000))
    shop = archives.shop(compression)
    rows = {20: lines * (mebibytes * (1 << 20) // len(lines)), 21: b""}
    path.write_bytes(archives.custom(archives.Archive(shop.entries, rows, shop.objects, compression)))
    return path


def peak_and_length(cloud: Cloud, path: Path) -> tuple[int, int]:
    """MiB of memory at most, MiB of rows read."""
    done = subprocess.run(
        [sys.executable, "-c", ADD, REPOSITORY, str(path)], env=cloud.environment(), check=True, capture_output=True, text=True
    )
    peak, length = map(int, done.stdout.split())
    return peak, length


@pytest.mark.parametrize("compression", ["none", "zstd", "lz4", "gzip"])
def test_a_long_dump_needs_no_more_memory_than_a_shorter_one(cloud: Cloud, tmp_path: Path, compression: Compression) -> None:
    shorter = peak_and_length(cloud, dump(tmp_path / "shorter", 50, compression))
    longer = peak_and_length(cloud, dump(tmp_path / "longer", 200, compression))

    assert longer[1] > 3.9 * shorter[1]
    assert longer[0] < shorter[0] + 30
    assert longer[0] < 200
