"""A replay whose worker is killed half-way, and the one that carries on: what the second costs, to what an undisturbed one costs.

Half-way is when server and worker have used half of the CPU seconds that the undisturbed replay before took. What the first attempt's
sessions go on doing until the second one ends them counts for the second.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.bench_cloud import Bench, forget, new_restore, submit_job
from benchmarks.replay import children, interval, run_worker
from benchmarks.server_cpu import process_cpu, server_cpu_so_far

_LOOK_SECONDS = 0.02
SHARE = 0.5
AT_MOST = 0.6


@dataclass(frozen=True)
class Carried:
    """CPU seconds of server and workers: of an undisturbed replay, of one until it was killed, and of the one that carried on."""

    undisturbed: float
    killed: float
    second: float

    @property
    def ratio(self) -> float:
        """What carrying on costs."""
        return self.second / self.undisturbed


def measure(bench: Bench, rounds: int) -> list[Carried]:
    """So many times. Every database that was carried on with is verified, too."""
    found: list[Carried] = []
    for _ in range(rounds):
        found.append(_one(bench))
        print(f"{found[-1]}, {found[-1].ratio:.2f}", file=sys.stderr, flush=True)
    return found


def table(measured: dict[str, list[Carried]]) -> list[str]:
    """Markdown rows: medians by title."""
    lines = [
        "| data | undisturbed, CPU seconds | until the kill | carried on | carried on / undisturbed | at most |",
        "|---|---|---|---|---|---|",
    ]
    for title, found in measured.items():
        low, high = interval([each.ratio for each in found])
        seconds = " | ".join(f"{median(getattr(each, name) for each in found):.1f}" for name in ("undisturbed", "killed", "second"))
        lines.append(f"| {title} | {seconds} | **{median(each.ratio for each in found):.2f}** ({low:.2f} - {high:.2f}) | {AT_MOST} |")
    return lines


def _one(bench: Bench) -> Carried:
    began = _used(bench)
    run_worker(bench, submit_job(bench, "timed"))
    undisturbed = _used(bench) - began
    forget(bench, "timed")
    restore_id, began = new_restore("timed"), _used(bench)
    uri = submit_job(bench, "timed", "replay", restore_id)
    _kill_at(bench, uri, began + undisturbed * SHARE)
    killed = _used(bench)
    run_worker(bench, uri)
    second = _used(bench) - killed
    run_worker(bench, submit_job(bench, "timed", "verify", restore_id))
    forget(bench, "timed")
    return Carried(undisturbed, killed - began, second)


def _kill_at(bench: Bench, uri: str, used: float) -> None:
    """Start the job and kill it when so much CPU was used in all."""
    environment = {"PATH": os.environ["PATH"], "DBRESTORE_STATE_DIR": str(bench.directory / "state"), **bench.environment}
    command = [sys.executable, "-m", "dbrestore.worker", uri]
    process = subprocess.Popen(command, env=environment, cwd=Path(__file__).parent.parent)
    while process.poll() is None and _used(bench) + process_cpu(process.pid) < used:
        time.sleep(_LOOK_SECONDS)
    process.kill()
    if process.wait() != -signal.SIGKILL:
        raise SystemExit("the replay ended before it could be killed")


def _used(bench: Bench) -> float:
    """By the server, and by workers that have ended."""
    return server_cpu_so_far(bench) + children()
