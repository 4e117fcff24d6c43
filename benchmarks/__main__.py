"""`make bench`: measures, prints the tables, and with --write puts them into docs/benchmarks.md with the machine and the date."""

import argparse
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from benchmarks import adding, api, content, imports, memory, native_checks, orchestration, planning, replay, resume, staging
from benchmarks.bench_cloud import AS_ON_RDS, prepare
from benchmarks.replay import Comparison, Pairs
from benchmarks.shapes import SHAPES

SECTIONS = ("replay", "resume", "content", "adding", "memory", "staging", "native-checks", "planning", "api", "orchestration", "imports")
STAGED_MEGABYTES = 200
CHECKED_MEGABYTES = 1_000
CONTENT_ROUNDS = PAIRS = 8
RESUME_ROUNDS = 5
TABLES = 20_000
RESUMED_SHAPES = ("mixed", "dominant")
IMPORT_ROUNDS = 5
DOCUMENT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
RUNS = DOCUMENT.with_name("benchmarks-replay.json")


def main() -> None:
    """Entry point; see --help for sizes and rounds."""
    arguments = _arguments()
    lines = [_machine()]
    if "replay" in arguments.only:
        pairs = max(arguments.rounds, PAIRS)
        lines += ["", f"## Restores of PostgreSQL, {pairs} pairs", "", *_replay(arguments, pairs)]
    if "resume" in arguments.only:
        rounds = max(arguments.rounds, RESUME_ROUNDS)
        lines += ["", f"## A worker that is killed half-way, {rounds} times", "", *_resume(arguments, rounds)]
    if "content" in arguments.only:
        rounds = max(arguments.rounds, CONTENT_ROUNDS)
        title = f"## Every value read back, {arguments.megabytes} MB, {rounds} rounds"
        lines += ["", title, "", *_content(arguments.megabytes, rounds)]
    if "adding" in arguments.only:
        lines += ["", f"## A dump in S3, read for a restore point, {PAIRS} pairs", "", *_adding(arguments.megabytes)]
    if "memory" in arguments.only and not arguments.quick:
        lines += ["", "## Memory", "", *_memory((arguments.megabytes, arguments.megabytes * 5))]
    if "staging" in arguments.only:
        lines += ["", "## Staging of native backups", "", *_staging(arguments.rounds)]
    if "native-checks" in arguments.only:
        lines += ["", "## Native backups checked for damage", "", *_native_checks()]
    lines += _of_the_control_plane(arguments)
    print("\n".join(lines))
    if arguments.write:
        DOCUMENT.write_text(_INTRODUCTION + "\n".join(lines) + "\n")


def _of_the_control_plane(arguments: argparse.Namespace) -> list[str]:
    lines = []
    if "planning" in arguments.only:
        lines += ["", "## Planning", "", *_planning(arguments.rounds)]
    if "api" in arguments.only:
        lines += ["", "## POST /v1/restores", "", *_api()]
    if "orchestration" in arguments.only and not arguments.quick:
        lines += ["", "## Orchestration of the longest restore", "", *orchestration.report()]
    if "imports" in arguments.only:
        lines += ["", "## Cold starts", "", *imports.report(max(arguments.rounds, IMPORT_ROUNDS))]
    return lines


_INTRODUCTION = """# Benchmarks

Written by `make bench` (`python -m benchmarks --write`). Every figure was measured in one run on one machine; only the ratios travel.
Client, server and the local cloud's S3 share the machine's cores; there is no network in between, and no RDS: on AWS the download that the
worker saves is longer than here, and the server has cores of its own.

"""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=600, help="COPY text of the generated database")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, help="these sections alone")
    parser.add_argument("--shapes", nargs="+", choices=tuple(SHAPES), default=tuple(SHAPES), help="replays of these databases alone")
    parser.add_argument("--quick", action="store_true", help="leave out the memory runs and the longest restore")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    return parser.parse_args()


def _machine() -> str:
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    return f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({model}), Python {platform.python_version()}, PostgreSQL 17.10"


def _replay(arguments: argparse.Namespace, pairs: int) -> list[str]:
    measured: dict[Comparison, Pairs] = {}
    chosen = [row for row in replay.comparisons(arguments.megabytes) if row.shape in arguments.shapes]
    for (shape, size), rows in groupby(chosen, key=lambda row: (row.shape, row.size)):
        with _directory() as directory, prepare(Path(directory), size, SHAPES[shape], AS_ON_RDS) as bench:
            for row in rows:
                measured[row] = replay.compare(bench, row, pairs)
                print("\n".join(replay.table({row: measured[row]})[-1:]), file=sys.stderr, flush=True)
    if arguments.write:
        RUNS.write_text(replay.as_json(measured))
    return [_REPLAYS, "", *replay.table(measured)]


_REPLAYS = """How many times as fast as by hand: the median of the pairs and its interval (at least 90 %). By hand is `pg_restore -j2` of
the dump on local disk, and for the whole then `vacuumdb --analyze-only -j2` and a count of every table. Ours are the two jobs of the
worker, one process, which reads from S3. The server is set as RDS sets a PostgreSQL of 2 vCPUs and 8 GiB. A distant
S3 has 20 ms of latency and 80 MB/s per connection. Every run stands in `docs/benchmarks-replay.json`."""


def _resume(arguments: argparse.Namespace, rounds: int) -> list[str]:
    measured = {}
    for shape in (shape for shape in RESUMED_SHAPES if shape in arguments.shapes):
        with _directory() as directory, prepare(Path(directory), arguments.megabytes, SHAPES[shape], AS_ON_RDS) as bench:
            measured[f"{shape}, {arguments.megabytes:,} MB"] = resume.measure(bench, rounds)
    return [_RESUMED, "", *resume.table(measured)]


_RESUMED = """CPU seconds of server and worker: of an undisturbed replay, of one that was killed when it had used half of them, and of
another worker's, which carried on. Medians, and of the ratio the interval (at least 90 %). What was restored so was then verified."""


def _content(megabytes: int, rounds: int) -> list[str]:
    with _directory() as directory, prepare(Path(directory), megabytes) as bench:
        return content.table(content.measure(bench, rounds))


def _adding(megabytes: int) -> list[str]:
    with _directory() as directory, prepare(Path(directory), megabytes, SHAPES["mixed"]) as bench:
        return adding.table(adding.measure(bench, PAIRS))


def _memory(sizes: tuple[int, ...]) -> list[str]:
    measured = {}
    for size in sizes:
        with _directory() as directory:
            measured[f"{size:,} MB of COPY text"] = memory.peaks(Path(directory), size)
    with _directory() as directory:
        measured[f"{TABLES:,} tables, a key and an index each"] = memory.peaks(Path(directory), TABLES, small_tables=True)
    return memory.table(measured)


def _staging(rounds: int) -> list[str]:
    with _directory() as directory:
        return staging.report(Path(directory), STAGED_MEGABYTES, rounds)


def _native_checks() -> list[str]:
    with _directory() as directory:
        return native_checks.report(Path(directory), CHECKED_MEGABYTES)


def _planning(rounds: int) -> list[str]:
    with _directory() as directory:
        return planning.report(Path(directory), rounds)


def _api() -> list[str]:
    with _directory() as directory:
        return api.report(Path(directory))


def _directory() -> tempfile.TemporaryDirectory[str]:
    # Below /var/tmp because the PostgreSQL server may run as another user, who must be able to reach its directory.
    directory = tempfile.TemporaryDirectory(dir="/var/tmp", prefix="dbrestore-bench-")
    Path(directory.name).chmod(0o755)
    return directory


if __name__ == "__main__":
    main()
