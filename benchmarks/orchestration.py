"""What the control plane itself needs for the longest restore: 50,000 files of 20 databases, 48 hours of Deep Archive, a week of RDS.

The real definition and functions on moto, in virtual time. S3 brings the files in over the last eight of the 48 hours; the worker's job
is cut off by SSM every 48 hours and done after seven days.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import boto3
import moto.s3.models as models
import pytest

from benchmarks import archived_chains, quick_s3
from benchmarks.archived_chains import Chains
from benchmarks.metering import Meter, largest_state, transitions
from benchmarks.virtual_time import Happening, VirtualTime
from dbrestore.contract import limits
from dbrestore.prices import prices_in
from infrastructure.functions import FUNCTIONS, Function
from lambdas.archive import arrivals
from lambdas.estimate import orchestration
from localcloud.base.clients import ACCOUNT, REGION
from localcloud.s3 import events as s3_events
from tests.statemachine import plain_moto, world
from tests.statemachine.conftest import installed
from tests.statemachine.engines import SQL_SERVER, SQLSERVER
from tests.statemachine.fake_worker import FakeWorker
from tests.statemachine.world import World

Call = Callable[[str, dict[str, Any]], Any]

HOUR, DAY = 3600.0, 86_400.0
CHAINS = Chains(databases=20, sets=250, stripes=10)
FIRST_FILE, LAST_FILE = 40 * HOUR, 48 * HOUR
JOB = 7 * DAY
COMMAND = limits.COMMAND_HOURS * HOUR
# Of one call on AWS, where it does more than look.
SECONDS = {"RequestRetrieval": orchestration.BATCH_SECONDS, "StageNativeBackups": float(limits.STAGING_SECONDS)}
# The longest that the whole takes in this process.
PATIENCE = 3 * HOUR


@dataclass(frozen=True)
class Measured:
    """One restore. `arrivals` are the files of which S3 told; `phases` are the report's: state, seconds and looks."""

    files: int
    history: list[dict[str, Any]]
    meter: Meter
    arrivals: int
    phases: list[tuple[str, float, int]]
    real_seconds: float


def measure(chains: Chains, job_seconds: float) -> Measured:
    """Run it. Raises AssertionError if the restore did not succeed."""
    with pytest.MonkeyPatch.context() as patch, installed(patch) as account:
        return _measured(patch, account.use(SQLSERVER), chains, job_seconds)


def _measured(patch: pytest.MonkeyPatch, account: World, chains: Chains, job_seconds: float) -> Measured:
    started = time.monotonic()
    meter, virtual = Meter(), VirtualTime()
    files = archived_chains.store(SQL_SERVER, chains, "DEEP_ARCHIVE")
    quick_s3.install(patch)
    virtual.install(patch, account)
    account.try_as_often_as_the_definition_says()
    meter.install(patch)
    call = meter.counted(account.call)
    plain_moto.serve(patch, call)
    _let_files_arrive(account, virtual, files, call)
    account.worker.behaviour["restore"] = _long_job(virtual, job_seconds)
    request = {**SQLSERVER.request(*chains.names), "archive": {"tier": "Bulk"}, "worker": {"maxRunHours": 240}}
    ended = account.wait(world.start(request, "restore-1"), PATIENCE)
    assert ended["status"] == "SUCCEEDED", ended
    steps = boto3.client("stepfunctions")
    pages = steps.get_paginator("get_execution_history").paginate(executionArn=ended["executionArn"])
    history = [dict(event) for page in pages for event in page["events"]]
    return Measured(chains.files, history, meter, len(files), _phases(account.report()), time.monotonic() - started)


def _let_files_arrive(account: World, virtual: VirtualTime, files: list[Any], call: Call) -> None:
    by_key = {file.name: (number, file) for number, file in enumerate(files)}
    told: set[str] = set()
    spread = (LAST_FILE - FIRST_FILE) / len(files)

    def accept() -> None:
        for number, file in by_key.values():
            retrieval = getattr(file, "retrieval", None)
            if retrieval and retrieval.ready == float("inf"):
                retrieval.end_at(virtual.now() + FIRST_FILE + (number + 1) * spread)

    def arrival() -> Happening | None:
        key = arrivals.awaited(account.ledger())
        if key is None or key in told:
            return None
        return by_key[key][1].retrieval.ready, partial(hear, key)

    def hear(key: str) -> None:
        told.add(key)
        _hear(call, by_key[key][1])

    account.after["RequestRetrieval"] = accept
    virtual.next_arrival = arrival


def _hear(call: Call, file: Any) -> None:
    """S3 tells of each file; who waits for it is woken. The others' events are only counted, they read one row each."""
    bucket = models.s3_backends[ACCOUNT]["aws"].buckets[file.bucket_name]
    call("HearRetrieval", s3_events.restore_event(bucket, file, "Completed", file.retrieval.expiry))


def _long_job(virtual: VirtualTime, job_seconds: float) -> Any:
    done_at: list[float] = []

    def work(worker: FakeWorker, job: Any, command: Any) -> None:
        done_at[:] = done_at or [virtual.now() + job_seconds]
        cut_off_at = virtual.now() + COMMAND
        if done_at[0] <= cut_off_at:
            virtual.at(done_at[0], lambda: worker.do(job, command))
        else:
            virtual.at(cut_off_at, lambda: _cut_off(command))

    return work


def _cut_off(command: Any) -> None:
    command.status, command.status_details = "TimedOut", "Execution Timed Out"
    command.invocations[0].update(Status="TimedOut", StatusDetails="Execution Timed Out", ResponseCode=-1)


def _phases(report: dict[str, Any]) -> list[tuple[str, float, int]]:
    return [(row["state"], _seconds(row), row["attempts"]) for row in report["phases"]]


def _seconds(row: dict[str, Any]) -> float:
    begun, ended = (datetime.fromisoformat(row[name]) for name in ("startedAt", "endedAt"))
    return (ended - begun).total_seconds()


def report(chains: Chains = CHAINS) -> list[str]:
    """The lines of the section. Raises AssertionError if the restore failed."""
    return table(measure(chains, JOB), JOB)


def table(measured: Measured, job_seconds: float) -> list[str]:
    """What was measured beside what was promised, and where the time went."""
    size, state = largest_state(measured.history)
    costs = dollars(measured)
    rows = [
        f"| events of the execution's history | {len(measured.history):,} | 5,000 |",
        f"| state transitions | {transitions(measured.history):,} | |",
        f"| orchestration, dollars | {sum(costs.values()):.4f} | 0.05 |",
        *(f"| &nbsp; {what} | {cost:.4f} | |" for what, cost in costs.items()),
        f"| largest state, KiB ({state}) | {size / 1024:.1f} | 32 |",
    ]
    introduction = (
        f"{measured.files:,} files of Deep Archive, {LAST_FILE / HOUR:.0f} hours until S3 had the last of them, "
        f"{job_seconds / DAY:.0f} days of RDS; in virtual time, {measured.real_seconds / 60:.0f} minutes of this machine."
    )
    return [
        introduction,
        "",
        "| what | measured | at most |",
        "|---|---|---|",
        *rows,
        "",
        *_times(measured, job_seconds),
    ]


def dollars(measured: Measured) -> dict[str, float]:
    """By the price table. Units and calls were counted, the seconds of a call on AWS are those that the plan's estimate assumes."""
    meter, prices = measured.meter, prices_in(REGION)
    silent = measured.arrivals - meter.calls["HearRetrieval"]
    work = sum(_gb_seconds(function, meter.calls) for function in FUNCTIONS) + silent * orchestration.ARRIVAL_GB_SECONDS
    calls = sum(meter.calls.values()) + silent
    reads = meter.reads + silent * orchestration.ARRIVAL_READS
    return {
        "Step Functions": prices.price("transition").of(transitions(measured.history)),
        f"Lambda, {calls:,} calls": prices.price("invocation").of(calls),
        f"Lambda, {work:,.0f} GB-seconds": prices.price("function-gb-second").of(work),
        f"ledger, {meter.writes:,} units written": prices.price("table-write").of(meter.writes),
        f"ledger, {reads:,.0f} units read": prices.price("table-read").of(reads),
    }


def _gb_seconds(function: Function, calls: Counter[str]) -> float:
    if function.state == "HearRetrieval":
        return calls[function.state] * orchestration.ARRIVAL_GB_SECONDS
    seconds = SECONDS.get(function.state, orchestration.LOOK_SECONDS)
    return calls[function.state] * seconds * function.memory / 1024


def _times(measured: Measured, job_seconds: float) -> list[str]:
    """Per state, and what of it is left without the time of S3, EC2 and RDS."""
    others = {"RetrieveArchive": LAST_FILE, "RestoreNativeBackups": job_seconds}
    rows = [
        f"| {state} | {seconds / HOUR:.2f} | {attempts:,} | {max(0.0, seconds - others.get(state, 0.0)):,.0f} |"
        for state, seconds, attempts in measured.phases
    ]
    return [
        "| state | hours | looks | seconds of its own, without retrieval and RDS's work |",
        "|---|---|---|---|",
        *rows,
    ]
