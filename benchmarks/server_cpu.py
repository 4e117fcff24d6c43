"""What a PostgreSQL server of a benchmark has used of the CPU."""

import os
from pathlib import Path

from benchmarks.bench_cloud import Bench

TICKS = os.sysconf("SC_CLK_TCK")


def server_cpu(bench: Bench) -> float:
    """Seconds, its own and its ended children's, user and system (proc(5))."""
    postmaster = (bench.server.directory / "data" / "postmaster.pid").read_text().split()[0]
    fields = Path(f"/proc/{postmaster}/stat").read_text().rpartition(")")[2].split()
    return sum(int(fields[n]) for n in (11, 12, 13, 14)) / TICKS
