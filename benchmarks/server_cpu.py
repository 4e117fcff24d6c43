"""What a PostgreSQL server of a benchmark, and a worker, have used of the CPU."""

import os
from pathlib import Path

from benchmarks.bench_cloud import Bench

TICKS = os.sysconf("SC_CLK_TCK")


def server_cpu(bench: Bench) -> float:
    """Seconds, its own and its ended children's, user and system (proc(5))."""
    return sum(_times(_postmaster(bench))) / TICKS


def server_cpu_so_far(bench: Bench) -> float:
    """The same with what its children that are at work have used."""
    postmaster = _postmaster(bench)
    at_work = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return server_cpu(bench) + sum(process_cpu(child) for child in at_work)


def process_cpu(process: int | str) -> float:
    """Seconds of one process that runs, without its children."""
    return sum(_times(process)[:2]) / TICKS


def _postmaster(bench: Bench) -> str:
    return (bench.server.directory / "data" / "postmaster.pid").read_text().split()[0]


def _times(process: int | str) -> tuple[int, int, int, int]:
    """Ticks: user, system, and both of its ended children. None for a process that is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, 0, 0, 0
    user, system, of_children, system_of_children = (int(fields[n]) for n in (11, 12, 13, 14))
    return user, system, of_children, system_of_children
