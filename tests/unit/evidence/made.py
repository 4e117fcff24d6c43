"""Restores as their documents tell them, for the tests of evidence and its pages: names as hostile as backups may hold them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from dbrestore.contract.checks.asked import CheckAnswer
from dbrestore.contract.drills import Drill, DrillOrder, DrillVerdict, MeasuredObjective
from dbrestore.contract.evidence import Digest, Evidence, Question
from dbrestore.contract.job import Check, DatabaseResult, ErrorNote, FixUp, LeftOut, Result, SwapResult
from dbrestore.contract.plan import PlannedSource, PlannedTarget
from dbrestore.contract.record import PhaseRow, Report, ResourceRow
from dbrestore.contract.request import TicketRequest
from dbrestore.contract.sections import DatabaseOutcome
from dbrestore.evidence import gathering, point
from dbrestore.evidence import refused as refusals
from dbrestore.evidence.refused import Refused

BEGAN = datetime(2026, 11, 29, 2, 0, tzinfo=UTC)
SHA = "ab" * 32
HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "\u202ereversed\u202c\u2066",
    "שלום مرحبا",
    "x" * 10_000,
    "two\nlines\tand a tab",
    "{{ 7 * 7 }} {% raw %}",
    "</style></title><!--",
    "lone \x00\x1b[31m control",
    "javascript:alert(1)",
)
SECONDS = (
    ("PlanRestore", 3.0),
    ("RequestRetrieval", 20),
    ("RetrieveArchive", 43_000),
    ("DeployWorker", 95),
    ("PairSecurityGroups", 140),
    ("StageNativeBackups", 800),
    ("RestoreNativeBackups", 5_400),
    ("VerifyDatabases", 1_300),
    ("DiscardUnfinishedDatabases", 4),
    ("RemoveWorker", 70),
    ("UnpairSecurityGroups", 150),
    ("RemoveStagingBucket", 9),
    ("CloseRestore", 0.4),
)
SKIPPED = "the drill orders-weekly still runs as r-aaaaaaaaaaaa: it is not started again beside itself"
DRILL = DrillVerdict(
    name="orders-weekly",
    verdict="FAILED",
    why="recoveryMinutes: 846 measured, 240 asked",
    recovery_seconds=50_760,
    point_age_seconds=93_000,
    objectives=(
        MeasuredObjective(name="recoveryMinutes", asked=240, measured=846, met=False),
        MeasuredObjective(name="pointHours", asked=26, measured=25.8, met=True),
    ),
    copies="FAILED",
    copies_until=BEGAN,
)


def phases(seconds: Sequence[tuple[str, float]] = SECONDS) -> tuple[PhaseRow, ...]:
    """One state after the other, two seconds apart."""
    rows, at = [], BEGAN
    for state, lasted in seconds:
        end = at + timedelta(seconds=lasted)
        rows.append(PhaseRow(state=state, started_at=at, ended_at=end, status="SUCCEEDED"))
        at = end + timedelta(seconds=2)
    return tuple(rows)


TARGET = PlannedTarget(
    account="123456789012",
    region="eu-central-1",
    db_instance="drills",
    arn="arn:aws:rds:eu-central-1:123456789012:db:drills",
    engine="postgres",
    engine_version="16.4",
    host="drills.example.com",
    port=5432,
    vpc_id="vpc-1",
    availability_zone="eu-central-1a",
)


def gone(kind: str, role: str, physical_id: str) -> ResourceRow:
    moments = {"intended_at": BEGAN, "created_at": BEGAN, "deleted_at": BEGAN, "seen_absent_at": BEGAN}
    return ResourceRow(kind=kind, role=role, name="w", physical_id=physical_id, state="DELETED", **moments)


def report(names: Sequence[str] = ("orders",), **changes: Any) -> Report:
    """A restore of these databases that went well."""
    rows = phases()
    values: dict[str, Any] = {
        "restore_id": "r-0123456789ab",
        "execution_arn": "arn:aws:states:eu-central-1:123456789012:execution:dbrestore:weekly",
        "status": "SUCCEEDED",
        "started_at": BEGAN,
        "ended_at": rows[-1].ended_at,
        "target": TARGET,
        "source": PlannedSource(
            db_instance="orders-prod",
            restore_point="20261128T000000Z-00001111",
            manifest="s3://dbrestore-repository-210987654321-eu-west-1-an/orders-prod/20261128T000000Z-00001111/manifest.json",
            manifest_sha256=SHA,
        ),
        "databases": tuple(
            DatabaseOutcome(name=n, asked_name=f"{n}_drill", status="PROMOTED", rows=1_000, bytes=10**9, seconds=300) for n in names
        ),
        "phases": rows,
        "resources": (
            gone("instance", "worker", "i-1"),
            ResourceRow(kind="database", role="orders", name="orders_drill", state="KEPT", intended_at=BEGAN, created_at=BEGAN),
        ),
        "requested_by": "jane@example.com",
    }
    return Report(**(values | changes))


def verified(name: str, **changes: Any) -> DatabaseResult:
    """What verification found of one database."""
    values: dict[str, Any] = {
        "backup_name": name,
        "asked_name": f"{name}_drill",
        "temporary_name": "t",
        "status": "PROMOTED",
        "checks": (
            Check(check=f"rows of {name}", expected="3", actual="3", result="ok"),
            Check(check="content of public.orders", expected="as in the dump", actual="as in the dump", result="ok"),
            Check(check="TABLE present", expected="3", actual="3", result="ok"),
        ),
    }
    return DatabaseResult(**(values | changes))


def result(*databases: DatabaseResult) -> Result:
    """The result of a job that verified."""
    return Result(kind="verify", restore_id="r-0123456789ab", databases=databases)


def evidence(of: Report, *results: Result, documents: tuple[Digest, ...] = ()) -> Evidence:
    """The evidence of a report and the results of its jobs."""
    return gathering.gathered(
        gathering.Material(
            report=of,
            results={f"verify-{place}": one for place, one in enumerate(results)},
            plan=None,
            point=point.unread(of, "it was not there"),
            documents=documents,
            written_at=BEGAN,
            tool="0.1.0",
            code=SHA,
        )
    )


def exchanged(names: Sequence[str] = HOSTILE) -> Evidence:
    """Of an exchange by itself, of databases with names as hostile as they get, not all of which was done."""
    swaps = tuple(
        SwapResult(
            action=("swap", "undo", "drop")[place % 3],
            name=name,
            restored_as=f"{name}_new",
            kept_as=f"{name}_old",
            is_done=place % 2 == 0,
            restored_id="1",
            restored_is=name,
            old_id="2",
            old_is=f"{name}_old",
            fix_ups=(FixUp(entry=f"SETTING {name}", what=f"not given; run it yourself: {name}"),),
            error=None if place % 2 == 0 else ErrorNote(name="DatabaseInUse", message=name),
        )
        for place, name in enumerate(names)
    )
    error = ErrorNote(name="DatabaseInUse", message=names[0])
    return evidence(report((), mode="swap", swaps=swaps, status="FAILED", error=error, kept_until=BEGAN))


def hostile(names: Sequence[str] = HOSTILE) -> Evidence:
    """Everything that others may have written, at its worst."""
    told = report(
        names,
        status="FAILED",
        error=ErrorNote(name="DrillFailed", message=" ".join(HOSTILE)),
        leftovers=HOSTILE,
        drill=DRILL,
        requested_by=HOSTILE[0],
        reason=" ".join(HOSTILE),
        ticket=TicketRequest(system=HOSTILE[1], id=HOSTILE[0], url="javascript:alert(1)", approved_by=HOSTILE[2]),
        proofs=HOSTILE,
    )
    found = [
        verified(
            name,
            checks=(
                Check(check=f"rows of {name}", expected=name, actual=name, result="failed"),
                Check(check=f"content of {name}", expected=name, actual=name, result="not checked"),
                Check(check=f"{name} present", expected=name, actual=name, result="ok"),
            ),
            answers=(
                CheckAnswer(name=name[:100], expected=name, status="failed", sha256=SHA, value=name, why=name),
                CheckAnswer(name="hidden", expected="1", status="ok", sha256=SHA),
            ),
            fix_ups=(FixUp(entry=f"ROLE {name}", what=name),),
            left_out=(LeftOut(entry=f"VIEW {name}", why=name, sql=f"CREATE VIEW {name}", rows=3),),
        )
        for name in names
    ]
    shown = evidence(told, result(*found), documents=tuple(Digest(name=name, sha256=SHA, bytes=1) for name in HOSTILE))
    asked = tuple(Question(name=name[:100], sql=name, expected=name) for name in (*HOSTILE, "never put"))
    return shown.model_copy(update={"databases": tuple(one.model_copy(update={"questions": asked}) for one in shown.databases)})


def refused(error: ErrorNote, **declared: Any) -> Evidence:
    """The evidence of a drill that could not begin; `declared` of its declaration."""
    values: dict[str, Any] = {
        "name": "orders-weekly",
        "schedule": {"expression": "cron(0 2 ? * SUN *)", "timeZone": "Europe/Berlin"},
        "source": {"dbInstance": "orders-prod"},
        "target": {"dbInstance": "drills"},
        "objectives": {"recoveryMinutes": 90, "pointHours": 26},
        **declared,
    }
    return refusals.gathered(
        Refused(
            restore_id="r-0123456789ab",
            execution_arn="arn:aws:states:eu-central-1:123456789012:execution:dbrestore:weekly",
            drill=Drill.model_validate(values),
            order=DrillOrder(name="orders-weekly", schedule_arn="arn:aws:scheduler:x:1:schedule/g/orders-weekly", scheduled_time=BEGAN),
            error=error,
            started_at=BEGAN,
            ended_at=BEGAN + timedelta(seconds=1.5),
        ),
        "0.1.0",
        SHA,
    )


def hostile_refusal() -> Evidence:
    """The same with everything that others may have written at its worst."""
    checks = [
        {"name": name[:100], "database": name, "sql": f"SELECT 1 -- {name[:3000]}".replace("\x00", ""), "expect": name} for name in HOSTILE
    ]
    return refused(ErrorNote(name="DatabaseNotInRestorePoint", message=" ".join(HOSTILE)), databases=list(HOSTILE), checks=checks)
