"""Following a restore: a stream of events made from the ledger (states), the evidence bucket (progress, report) and Step Functions (end).

Nothing here changes anything: leaving the stream leaves the restore running.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from pydantic import ValidationError

from dbrestore.cli.control import ControlPlane
from dbrestore.contract import keys
from dbrestore.contract import left_out_lists as left_out
from dbrestore.contract.checks import answer_lists
from dbrestore.contract.checks.answer_lists import Answers
from dbrestore.contract.errors import EvidenceUnreadable, RestoreNotFound
from dbrestore.contract.job import ErrorNote, JobKind, Progress, Result
from dbrestore.contract.left_out_lists import Lists
from dbrestore.contract.record import PhaseRow, Report
from dbrestore.contract.refusals import error_code
from dbrestore.ledger import reading

# The kinds of jobs that take long enough to be watched. A state may have begun several of its kind, one after the other.
JOB_OF_STATE: dict[str, JobKind] = {
    "ReplayDumps": "replay",
    "ReadDumps": "read",
    "RestoreNativeBackups": "restore",
    "VerifyDatabases": "verify",
    "SwapDatabases": "swap",
}

# Seconds. A tenth of the time since the last news: a short restore is seen state by state, one that runs for days is asked rarely.
_SHORTEST_PAUSE, _LONGEST_PAUSE, _SHARE = 0.3, 10.0, 0.1


@dataclass(frozen=True)
class StateChanged:
    """A state of the flow began or ended."""

    restore_id: str
    phase: PhaseRow


@dataclass(frozen=True)
class Progressed:
    """The worker's progress in a state. `job` is the name of the job that runs: `replay`, or `replay-2` when some databases are replayed
    again. `rate` is in bytes per second, `remaining` in seconds; None while unknown."""

    restore_id: str
    state: str
    job: str
    progress: Progress
    rate: float | None
    remaining: float | None


@dataclass(frozen=True)
class Ended:
    """The execution ended. `report` and `report_uri` are None if it ended before anything was planned; `output` is the execution's own,
    `adapted` how many things could not be restored to the letter, `left_out` what is missing, by the database's asked name, `answers`
    what the request's checks found, by the database's name in the restore point."""

    restore_id: str
    status: str
    error: ErrorNote | None
    leftovers: tuple[str, ...]
    report: Report | None
    report_uri: str | None
    output: dict[str, Any]
    adapted: int = 0
    left_out: Lists = field(default_factory=dict)
    answers: Answers = field(default_factory=dict)


@dataclass(frozen=True)
class StillRunning:
    """The wait ended before the restore did."""

    restore_id: str
    waited: float


Written = TypeVar("Written", Report, Result)
Event = StateChanged | Progressed | Ended | StillRunning


def follow(control: ControlPlane, restore_id: str, arn: str, *, longest: float | None = None) -> Iterator[Event]:
    """Everything that happens from now on, what happened already first. Ends with Ended, or with StillRunning after `longest` seconds."""
    watch = _Watch(control, restore_id)
    began = last_news = time.monotonic()
    while True:
        execution = _described(control, restore_id, arn)
        news = watch.news()
        yield from news
        if execution["status"] != "RUNNING":
            yield end_of(control, restore_id, execution)
            return
        now = time.monotonic()
        if longest is not None and now - began + _SHORTEST_PAUSE > longest:
            yield StillRunning(restore_id, now - began)
            return
        last_news = now if news else last_news
        time.sleep(min(max(_SHORTEST_PAUSE, _SHARE * (now - last_news)), _LONGEST_PAUSE))


def _described(control: ControlPlane, restore_id: str, arn: str) -> dict[str, Any]:
    try:
        execution: dict[str, Any] = control.executions.describe_execution(executionArn=arn)
    except ClientError as error:
        if error_code(error) != "ExecutionDoesNotExist":
            raise
        raise RestoreNotFound(
            f"Step Functions no longer knows the execution of {restore_id}: it forgets them after 90 days. The report is still "
            f"there: dbrestore report {restore_id}"
        ) from None
    return execution


def end_of(control: ControlPlane, restore_id: str, execution: dict[str, Any]) -> Ended:
    """How a finished execution (a DescribeExecution answer) ended, in the words of its report where there is one."""
    report = read_report(control, restore_id)
    error = _first_error(execution, report) if execution["status"] != "SUCCEEDED" else None
    output = json.loads(execution.get("output") or "{}")
    uri = f"s3://{control.evidence_bucket}/{keys.report_key(restore_id)}" if report else None
    results = read_results(control, report) if report else []
    adapted = sum(len(database.fix_ups) for result in results for database in result.databases)
    missing = left_out.by_database(results)
    return Ended(
        restore_id,
        execution["status"],
        error,
        report.leftovers if report else (),
        report,
        uri,
        output,
        adapted,
        missing,
        answer_lists.by_database(results),
    )


def read_report(control: ControlPlane, restore_id: str) -> Report | None:
    """The restore's report; None as long as there is none."""
    key = keys.report_key(restore_id)
    text = _read(control, key)
    return _understood(Report, text, f"s3://{control.evidence_bucket}/{key}") if text else None


def read_results(control: ControlPlane, report: Report) -> list[Result]:
    """The worker's own results, which hold the lists that never travel through the state machine."""
    places = [uri.removeprefix("s3://").split("/", 1) for uri in report.results]
    bodies = [control.storage.get_object(Bucket=bucket, Key=key)["Body"] for bucket, key in places]
    return [_understood(Result, body.read(), uri) for body, uri in zip(bodies, report.results, strict=True)]


def _understood(model: type[Written], text: bytes, uri: str) -> Written:
    """Raises EvidenceUnreadable."""
    try:
        return model.from_json_of_any_version(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = "/".join(map(str, first["loc"]))
        raise EvidenceUnreadable(
            f"{uri} isn't what dbrestore writes (/{place}: {first['msg']}): somebody changed it, or a version that this command doesn't "
            "know wrote it. Restore its earlier version in S3, or use that version's command"
        ) from error


def _progress_of(text: bytes | None) -> Progress | None:
    """None if there is none, or none that can be read: it is shown, and decides nothing."""
    try:
        return Progress.from_json_of_any_version(text) if text else None
    except ValidationError:
        return None


class _Watch:
    """What was told already, so that only news is told."""

    def __init__(self, control: ControlPlane, restore_id: str) -> None:
        self._control, self._restore_id = control, restore_id
        self._told: dict[str, PhaseRow] = {}
        self._progress: tuple[str, Progress] | None = None

    def news(self) -> list[Event]:
        rows = reading.phases(self._control.ledger, self._restore_id)
        changed: list[Event] = [StateChanged(self._restore_id, row) for row in rows if self._is_news(row)]
        self._told = {row.state: row for row in rows}
        running = [row.state for row in rows if row.status == "RUNNING" and row.state in JOB_OF_STATE]
        return changed + [event for state in running[-1:] for event in self._progressed(state)]

    def _is_news(self, row: PhaseRow) -> bool:
        """Another attempt at the same wait is no news; what it waits for is."""
        told = self._told.get(row.state)
        if told is None or (told.status, told.error) != (row.status, row.error):
            return True
        return row.waiting_for is not None and told.waiting_for != row.waiting_for

    def _progressed(self, state: str) -> Iterator[Event]:
        """Of the job that was begun last: those before it have ended."""
        for job in reading.jobs_of(self._control.ledger, self._restore_id, JOB_OF_STATE[state])[-1:]:
            text = _read(self._control, keys.job_prefix(self._restore_id, job) + "progress.json")
            progress = _progress_of(text)
            if progress and (job, progress) != self._progress:
                self._progress = (job, progress)
                yield Progressed(self._restore_id, state, job, progress, *_pace(progress))


def _pace(progress: Progress) -> tuple[float | None, float | None]:
    if progress.bytes_done <= 0 or progress.seconds <= 0:
        return None, None
    rate = progress.bytes_done / progress.seconds
    done, total = (progress.work_done, progress.work_total) if progress.work_total else (progress.bytes_done, progress.bytes_total)
    return rate, max(0, total - done) * progress.seconds / max(done, 1)


def _read(control: ControlPlane, key: str) -> bytes | None:
    try:
        body: bytes = control.storage.get_object(Bucket=control.evidence_bucket, Key=key)["Body"].read()
    except ClientError as error:
        # Without ListBucket, S3 answers 403 for a key that isn't there yet.
        if error.response["Error"]["Code"] in ("NoSuchKey", "404", "AccessDenied", "403"):
            return None
        raise
    return body


def _first_error(execution: dict[str, Any], report: Report | None) -> ErrorNote:
    if report and report.error:
        return report.error
    name, cause = execution.get("error") or f"Execution{execution['status'].title()}", execution.get("cause") or ""
    return ErrorNote(name=name, message=_sentence(cause))


def _sentence(cause: str) -> str:
    """A Lambda's cause is JSON with the sentence in `errorMessage`; other causes are text or JSON of their own."""
    try:
        value = json.loads(cause)
    except ValueError:
        return cause
    return str(value["errorMessage"]) if isinstance(value, dict) and "errorMessage" in value else cause


def seconds_of(phase: PhaseRow) -> float:
    """How long a state took, or has been running: from its first beginning to its last end."""
    return ((phase.ended_at or datetime.now(UTC)) - phase.started_at).total_seconds()


def seconds_this_time(phase: PhaseRow) -> float:
    """The same since it was entered last."""
    return ((phase.ended_at or datetime.now(UTC)) - (phase.again_at or phase.started_at)).total_seconds()
