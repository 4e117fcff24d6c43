"""The checks for damage in native backups: bytes per second on one core, peak memory, and against `sha256sum` of the same file."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from dbrestore.points.sqlserver import file as native_file
from dbrestore.points.sqlserver.damage.file import DamageCheck, StripeChecks, whole
from dbrestore.points.sqlserver.header import NativeHeader
from localcloud.backups.checksums import record_checksum
from localcloud.backups.files import Written, backup, compressed

MEGABYTE, MIB = 10**6, 1 << 20
PIECE = 8 * MIB
ROUNDS = 8
_T_OF_8 = 2.365  # Student's t of 95 % for 7 degrees of freedom
_PIECES_OF_RECORDS = 65_000


def report(directory: Path, megabytes: int) -> list[str]:
    """The lines of the section."""
    lines = [
        f"Files of {megabytes:,} MB in the page cache, {ROUNDS} alternating pairs with `sha256sum`, both by the processor's time (reading "
        "included), 95 % interval of the ratio; peak resident memory of a process that does nothing else.",
        "",
        "| backup | MB/s | `sha256sum`, MB/s | time against it | under a checksum | peak, MiB |",
        "|---|---|---|---|---|---|",
    ]
    for name, path in _files(directory, megabytes):
        lines.append(_row(name, path))
        if name == "WITH CHECKSUM":
            side_by_side = _side_by_side(path)
    return [*lines, "", side_by_side]


def judge(path: Path) -> StripeChecks:
    """What the command does with one file, but for reading its header: that is taken from a small one beside it."""
    header = _header(path.with_suffix(".small"))
    with path.open("rb") as file:
        check = DamageCheck(path.name, header)
        while piece := file.read(PIECE):
            check.feed(piece)
    return check.finish()


def _files(directory: Path, megabytes: int) -> Iterator[tuple[str, Path]]:
    pages = megabytes * MEGABYTE // 512
    for name, flags in (("plain", 0x200), ("WITH CHECKSUM", 0x210)):
        path = directory / "bench.bak"
        path.write_bytes(backup(Written(pages=pages, flags=flags)))
        path.with_suffix(".small").write_bytes(backup(Written(flags=flags)))
        yield name, path
    path = directory / "compressed.bak"
    _write_compressed(path, megabytes * MEGABYTE)
    yield "compressed", path


def _write_compressed(path: Path, length: int) -> None:
    """A real beginning, then records of noise with right checksums, up to the real end, whose filemarks are moved."""
    data = compressed(Written())
    path.with_suffix(".small").write_bytes(data)
    begin = data.index(b"\x2c" + bytes(23))
    noise = np.random.default_rng(1).bytes(_PIECES_OF_RECORDS)
    head = b"\x21\x80" + len(noise).to_bytes(2, "little") + bytes(20) + record_checksum(noise).to_bytes(4, "little")
    # As many sectors as not to move what is aligned.
    count = length // len(head + noise) // 512 * 512
    added = count * len(head + noise)
    end = bytearray(data[begin:])
    last = end.rindex(b"SFMB")
    said = int.from_bytes(end[last + 72 : last + 80], "little")
    end[last + 72 : last + 80] = (said + added).to_bytes(8, "little")
    with path.open("wb") as file:
        file.write(data[:begin])
        for _ in range(count // 512):
            file.write((head + noise) * 512)
        file.write(end)


def _row(name: str, path: Path) -> str:
    length = path.stat().st_size
    pairs = [(_seconds([sys.executable, "-m", "benchmarks.native_checks", str(path)]), _timed_sum(path)) for _ in range(ROUNDS)]
    own, theirs = [one[0]["seconds"] for one in pairs], [one[1] for one in pairs]
    ratios = [mine / other for mine, other in zip(own, theirs, strict=True)]
    half = _T_OF_8 * stdev(ratios) / len(ratios) ** 0.5
    covered, peak = pairs[0][0]["covered"], max(one[0]["peak"] for one in pairs)
    return (
        f"| {name} | {length / MEGABYTE / mean(own):,.0f} | {length / MEGABYTE / mean(theirs):,.0f} | {mean(ratios):.2f} ± {half:.2f} | "
        f"{covered / length:.1%} | {peak // MIB} |"
    )


def _seconds(command: list[str]) -> dict[str, float]:
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def _timed_sum(path: Path) -> float:
    began = os.times()
    subprocess.run(["sha256sum", str(path)], check=True, capture_output=True)  # noqa: S607 - the one that people call
    ended = os.times()
    return ended.children_user + ended.children_system - began.children_user - began.children_system


def _side_by_side(path: Path) -> str:
    """Two stripes, one after the other and at once; the same file stands for both."""
    found = {}
    for name, pool in (("threads", ThreadPoolExecutor(2)), ("processes", ProcessPoolExecutor(2))):
        with pool:
            list(pool.map(judge, [path] * 2))
            found[name] = min(_elapsed(pool, path) for _ in range(3))
    began = time.monotonic()
    alone = [judge(path) for _ in range(2)]
    one = time.monotonic() - began
    assert whole(alone[:1]).pages
    return (
        f"Two stripes one after the other: {one:.2f} s; in two threads {found['threads']:.2f} s, in two processes "
        f"{found['processes']:.2f} s."
    )


def _elapsed(pool: Executor, path: Path) -> float:
    began = time.monotonic()
    list(pool.map(judge, [path] * 2))
    return time.monotonic() - began


def _header(path: Path) -> NativeHeader:
    def read(offset: int, count: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(count)

    found = native_file.inspect(path.name, path.stat().st_size, read).header
    assert found is not None
    return found


def main() -> None:
    """One file, judged in a process of its own."""
    path = Path(sys.argv[1])
    began = time.process_time()
    checks = whole([judge(path)])
    seconds = time.process_time() - began
    print(json.dumps({"seconds": seconds, "covered": checks.covered, "peak": _peak()}))


def _peak() -> int:
    """Bytes. Not getrusage: it begins with what the process that started this one had."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
