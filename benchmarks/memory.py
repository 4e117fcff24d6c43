"""Peak memory of the worker for a dump, for one five times as large, and for one of very many tables."""

from pathlib import Path

from benchmarks import workload
from benchmarks.bench_cloud import AS_ON_RDS, new_restore, prepare, submit_job
from benchmarks.replay import result_of, run_worker
from benchmarks.shapes import SHAPES

MEBIBYTE = 1024 * 1024
AT_MOST = 128


def peaks(directory: Path, size: int, *, small_tables: bool = False) -> tuple[int, int, int]:
    """Bytes: of the dump file, and the peak resident ones of the worker: when it has replayed, and when it has verified, too. `size` in
    megabytes of text, or in small tables."""
    build = SHAPES["small"] if small_tables else workload.thirds
    with prepare(directory, size, build, AS_ON_RDS) as bench:
        restore_id = new_restore("memory")
        rest, first = (submit_job(bench, "memory", kind, restore_id) for kind in ("verify", "replay"))
        results = (run_worker(bench, first), result_of(rest))
        replayed, verified = (int(str(result["peakMemory"])) for result in results)
        return bench.dump.stat().st_size, replayed, verified


def table(measured: dict[str, tuple[int, int, int]]) -> list[str]:
    """Markdown rows by what was restored."""
    lines = ["| what is restored | dump, MiB | replay, MiB | verification, MiB | at most |", "|---|---|---|---|---|"]
    for what, found in measured.items():
        lines.append(f"| {what} | {' | '.join(str(each // MEBIBYTE) for each in found)} | {AT_MOST} |")
    return lines
