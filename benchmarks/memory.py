"""Peak memory of the worker for a dump and for one five times as large."""

from pathlib import Path

from benchmarks.bench_cloud import prepare, submit_job
from benchmarks.replay import run_worker

MEBIBYTE = 1024 * 1024


def peak(directory: Path, megabytes: int) -> tuple[int, int]:
    """(bytes of the dump file, peak resident bytes of the worker) for one replay of `megabytes` MB of text."""
    with prepare(directory, megabytes) as bench:
        result = run_worker(bench, submit_job(bench, "memory"))
        return bench.dump.stat().st_size, int(str(result["peakMemory"]))


def table(rows: dict[int, tuple[int, int]]) -> list[str]:
    """Markdown rows: text size, dump size, peak memory."""
    lines = ["| COPY text, MB | dump, MiB | peak memory of the worker, MiB |", "|---|---|---|"]
    return lines + [f"| {size} | {dump // MEBIBYTE} | {used // MEBIBYTE} |" for size, (dump, used) in rows.items()]
