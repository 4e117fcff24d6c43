"""A followed restore tells every state once, progress as it comes, and the truth about the end."""

import json
from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from dbrestore.cli import identity, main
from dbrestore.cli.control import ControlPlane
from dbrestore.cli.following import Ended, Progressed, StateChanged, StillRunning, follow, seconds_of
from dbrestore.cli.views.display import Lines, as_json_lines
from dbrestore.contract import keys
from dbrestore.contract.errors import RestoreNotFound
from dbrestore.contract.job import ErrorNote, JobKind, Progress, Result
from dbrestore.contract.record import PhaseRow
from dbrestore.ledger import reading
from dbrestore.ledger.reading import JOB, numbered
from lambdas.databases.job_rows import JobRow
from lambdas.runtime import phases
from lambdas.runtime.ledger import Ledger
from tests.unit.cli.conftest import start
from tests.unit.cli.views.test_report import report


def put_progress(plane: ControlPlane, restore_id: str, progress: Progress, job: str | None = None) -> None:
    """Of a job that was begun."""
    name = job or progress.kind
    row = JobRow(name=name, instance_id="i-1", sent_at=datetime.now(UTC))
    plane.ledger.write(plane.ledger.put({"pk": restore_id, "sk": JOB + name} | row.to_state()))
    key = keys.job_prefix(restore_id, name) + "progress.json"
    plane.storage.put_object(Bucket=plane.evidence_bucket, Key=key, Body=progress.to_json())


def running(plane: ControlPlane, state: str) -> identity.Restore:
    """A restore in this state."""
    restore = identity.started(start(plane, "one", wait=30))
    phases.began(Ledger(plane.ledger, restore.restore_id), state)
    return restore


def test_states_that_were_passed_are_told_in_order_with_the_end_last(plane: ControlPlane) -> None:
    arn = start(plane, "one", wait=0)
    restore = identity.started(arn)
    ledger = Ledger(plane.ledger, restore.restore_id)
    for state in ("PlanRestore", "DeployWorker"):
        phases.began(ledger, state)
        phases.succeeded(ledger, state)

    events = list(follow(plane, restore.restore_id, arn))

    told = [event for event in events if isinstance(event, StateChanged)]
    assert [(event.phase.state, event.phase.status) for event in told] == [
        ("PlanRestore", "SUCCEEDED"),
        ("DeployWorker", "SUCCEEDED"),
    ]
    assert isinstance(events[-1], Ended)
    assert (events[-1].status, events[-1].error) == ("SUCCEEDED", None)


@pytest.mark.parametrize(("state", "job"), [("ReplayDumps", "replay"), ("RestoreNativeBackups", "restore")])
def test_progress_of_the_running_state_carries_rate_and_remaining_time(plane: ControlPlane, state: str, job: JobKind) -> None:
    arn = start(plane, "one", wait=30)
    restore = identity.started(arn)
    phases.began(Ledger(plane.ledger, restore.restore_id), state)
    progress = Progress(kind=job, phase="working", bytes_done=30, bytes_total=90, seconds=3)
    put_progress(plane, restore.restore_id, progress)

    events = list(follow(plane, restore.restore_id, arn, longest=0))

    [progressed] = [event for event in events if isinstance(event, Progressed)]
    assert (progressed.state, progressed.rate, progressed.remaining) == (state, 10, 6)
    assert isinstance(events[-1], StillRunning)


def test_the_remaining_time_is_that_of_indexes_too(plane: ControlPlane) -> None:
    arn = start(plane, "one", wait=30)
    restore = identity.started(arn)
    phases.began(Ledger(plane.ledger, restore.restore_id), "ReplayDumps")
    told = Progress(kind="replay", phase="data", bytes_done=90, bytes_total=90, objects_total=1, work_done=90, work_total=270, seconds=3)
    put_progress(plane, restore.restore_id, told)

    [progressed] = [event for event in follow(plane, restore.restore_id, arn, longest=0) if isinstance(event, Progressed)]

    assert (progressed.rate, progressed.remaining) == (30, 6)


@pytest.mark.parametrize(("state", "kind"), [("ReplayDumps", "replay"), ("VerifyDatabases", "verify")])
@pytest.mark.parametrize("many", [2, 3, 11])
def test_progress_is_that_of_the_job_that_runs_when_databases_are_done_again(
    plane: ControlPlane, capsys: pytest.CaptureFixture[str], state: str, kind: JobKind, many: int
) -> None:
    restore = running(plane, state)
    for number in range(1, many + 1):
        told = Progress(kind=kind, phase=f"round {number}", bytes_done=number, bytes_total=100, seconds=1)
        put_progress(plane, restore.restore_id, told, numbered(kind, number))

    assert main.run(["status", "one", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert main.run(["status", "one"]) == 0

    [line] = [line for line in lines if line["type"] == "progress"]
    assert (line["job"], line["kind"], line["phase"]) == (f"{kind}-{many}", kind, f"round {many}")
    assert f"round {many} · {many} B of 100 B" in capsys.readouterr().out


def test_a_watch_goes_over_to_the_next_job_and_says_nothing_of_it_before_it_tells_something(
    plane: ControlPlane,
) -> None:
    restore = running(plane, "ReplayDumps")
    stream = follow(plane, restore.restore_id, restore.arn)
    same = Progress(kind="replay", phase="beginning")
    put_progress(plane, restore.restore_id, same)
    first = [next(stream), next(stream)][-1]
    begun = JobRow(name="replay-2", instance_id="i-1", sent_at=datetime.now(UTC))
    plane.ledger.write(plane.ledger.put({"pk": restore.restore_id, "sk": f"{JOB}replay-2"} | begun.to_state()))
    put_progress(plane, restore.restore_id, Progress(kind="replay", phase="the first's last words"), "replay")

    silent = list(follow(plane, restore.restore_id, restore.arn, longest=0))
    put_progress(plane, restore.restore_id, same, "replay-2")
    second = next(stream)

    assert [type(event) for event in silent] == [StateChanged, StillRunning]
    assert isinstance(first, Progressed)
    assert isinstance(second, Progressed)
    assert (first.job, second.job) == ("replay", "replay-2")


def test_a_job_of_a_newer_version_is_followed_by_its_key(plane: ControlPlane) -> None:
    restore = running(plane, "ReplayDumps")
    put_progress(plane, restore.restore_id, Progress(kind="replay", phase="data"), "replay-2")
    plane.ledger.write(plane.ledger.put({"pk": restore.restore_id, "sk": f"{JOB}replay-2", "title": "of 3.0"}))

    events = list(follow(plane, restore.restore_id, restore.arn, longest=0))

    assert [event.job for event in events if isinstance(event, Progressed)] == ["replay-2"]


def test_progress_of_a_state_that_has_ended_is_not_told_again(plane: ControlPlane) -> None:
    arn = start(plane, "one", wait=30)
    restore = identity.started(arn)
    ledger = Ledger(plane.ledger, restore.restore_id)
    phases.began(ledger, "ReplayDumps")
    phases.succeeded(ledger, "ReplayDumps")
    put_progress(plane, restore.restore_id, Progress(kind="replay", phase="loading rows"))

    events = list(follow(plane, restore.restore_id, arn, longest=0))

    assert not [event for event in events if isinstance(event, Progressed)]


def test_another_attempt_at_the_same_wait_is_no_news(plane: ControlPlane) -> None:
    arn = start(plane, "one", wait=1)
    restore = identity.started(arn)
    ledger = Ledger(plane.ledger, restore.restore_id)
    phases.began(ledger, "DeployWorker")
    phases.waits(ledger, "DeployWorker", "the worker boots")

    stream = follow(plane, restore.restore_id, arn)
    first = next(stream)
    phases.began(ledger, "DeployWorker")
    rest = list(stream)

    assert isinstance(first, StateChanged)
    assert first.phase.waiting_for == "the worker boots"
    assert [type(event) for event in rest] == [Ended]


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (json.dumps({"errorMessage": "The worker died", "errorType": "WorkerLost", "stackTrace": ["..."]}), "The worker died"),
        ("just text", "just text"),
        ('{"worker": {"Error": "x"}}', '{"worker": {"Error": "x"}}'),
    ],
)
def test_the_error_of_a_failed_execution_is_a_sentence_and_no_stack_trace(plane: ControlPlane, cause: str, message: str) -> None:
    arn = start(plane, "one", fail={"error": "WorkerLost", "cause": cause})

    end = list(follow(plane, identity.started(arn).restore_id, arn))[-1]

    assert isinstance(end, Ended)
    assert (end.status, end.error) == ("FAILED", ErrorNote(name="WorkerLost", message=message))


def test_a_restore_is_found_by_its_id_its_name_and_its_arn(plane: ControlPlane) -> None:
    arns = [start(plane, name, wait=0) for name in ("one", "two", "three")]
    restore = identity.started(arns[1])

    for text in (restore.restore_id, "two", arns[1]):
        assert identity.find(plane, text) == restore
    assert restore.name == "two"


@pytest.mark.parametrize("text", ["r-000000000000", "unknown", "in valid;"])
def test_a_restore_that_does_not_exist_is_said_to_be_missing(plane: ControlPlane, text: str) -> None:
    start(plane, "one", wait=0)

    with pytest.raises(RestoreNotFound, match="restore id"):
        identity.find(plane, text)


@pytest.mark.parametrize(
    ("part", "other"),
    [("dbrestore:one", "another:one"), ("eu-west-1", "eu-west-3"), (":execution:", ":stateMachine:"), (":one", ":one:2")],
)
def test_what_is_no_execution_of_this_state_machine_is_refused_with_its_name(plane: ControlPlane, part: str, other: str) -> None:
    arn = start(plane, "one", wait=0).replace(part, other)

    with pytest.raises(RestoreNotFound, match=f"^{arn} is no execution of {plane.state_machine_arn}, which is asked here: name the Region"):
        identity.find(plane, arn)


def test_the_end_counts_what_every_result_of_the_worker_adapted(plane: ControlPlane) -> None:
    arn = start(plane, "one", wait=0)
    restore_id = identity.started(arn).restore_id
    uris = []
    for kind, many in (("replay", 1), ("verify", 2)):
        notes = [{"entry": "TABLE orders", "what": "not to the letter"}] * many
        names = {"backupName": "shop", "askedName": "shop", "temporaryName": "t", "status": "PROMOTED"}
        result = {"kind": kind, "restoreId": restore_id, "databases": [{**names, "fixUps": notes}]}
        plane.storage.put_object(Bucket="evidence", Key=kind, Body=Result.model_validate(result).to_json())
        uris.append(f"s3://evidence/{kind}")
    written = report(restoreId=restore_id, executionArn=arn, results=uris)
    plane.storage.put_object(Bucket="evidence", Key=keys.report_key(restore_id), Body=written.to_json())

    end = list(follow(plane, restore_id, arn))[-1]

    assert isinstance(end, Ended)
    assert end.adapted == 3
    summary = list(as_json_lines(end))[-1]
    assert (summary["type"], summary["adapted"]) == ("summary", 3)


def test_a_state_that_is_entered_again_is_told_from_then_on(plane: ControlPlane) -> None:
    restore = identity.started(start(plane, "one", wait=30))
    moments = iter(datetime(2026, 11, 23, 5, minute, tzinfo=UTC) for minute in (0, 1, 40, 43))
    ledger = Ledger(plane.ledger, restore.restore_id, lambda: next(moments))
    phases.began(ledger, "DeployWorker")
    phases.succeeded(ledger, "DeployWorker")
    phases.began(ledger, "DeployWorker")

    [again] = reading.phases(plane.ledger, restore.restore_id)
    phases.succeeded(ledger, "DeployWorker")
    [ended] = reading.phases(plane.ledger, restore.restore_id)

    assert lines_of(again) == ["05:40:00  DeployWorker ..."]
    assert lines_of(ended) == ["05:43:00  DeployWorker succeeded after 3 min 00 s"]
    assert (again.started_at.minute, seconds_of(ended)) == (0, 43 * 60)


def lines_of(phase: PhaseRow) -> list[str]:
    written = StringIO()
    Lines(Console(file=written, width=110)).show(StateChanged("r-1", phase))
    return written.getvalue().splitlines()
