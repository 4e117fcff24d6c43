"""The report of a restore as people read it: states with their times, databases, the verification table, and the proof of clean-up."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.consoles import visible
from cli.following import Ended, seconds_of
from cli.units import duration, number, size
from lambdas.contract import Plan
from lambdas.record import PhaseRow, Report, ResourceRow
from worker.job import Check, DatabaseResult, FixUp, Result

_COLOURS = {"ok": "green", "failed": "red", "not checked": "yellow", "FAILED": "red"}


def print_report(console: Console, report: Report, worker_results: list[Result]) -> None:
    """Everything, in the order in which it happened."""
    console.print(headline(report))
    console.print(states(report.phases))
    if report.databases:
        console.print(databases(report))
    for database in verified(worker_results):
        console.print(verification(database))
    for name, entries in adapted(worker_results).items():
        console.print(fix_ups(name, entries))
    console.print(proof(report.resources))
    if report.leftovers:
        console.print(Text("LEFT BEHIND: " + ", ".join(report.leftovers), style="bold red"))


def print_end(console: Console, end: Ended) -> None:
    """A few lines at the end of a followed restore."""
    if end.report and end.report.databases:
        console.print(databases(end.report))
    if end.report:
        console.print(left_behind(end.report))
    if end.adapted:
        console.print(f"Adapted: {number(end.adapted)}. To see what and why: dbrestore report {end.restore_id}")
    style = "green" if end.status == "SUCCEEDED" else "red"
    error = f": {end.error.name}" if end.error else ""
    console.print(Text(f"{end.restore_id} {end.status}{error}", style=f"bold {style}"))


def print_plan(console: Console, plan: Plan) -> None:
    """What a restore would do, before anything exists."""
    target, source, worker = plan.target, plan.source, plan.worker
    console.print(
        f"From   {source.db_instance}, restore point {source.restore_point}{' (archived)' if plan.archived else ''}"
    )
    console.print(
        f"Into   {target.db_instance}: {target.engine} {target.engine_version} at {target.host}:{target.port}, {target.vpc_id}"
    )
    streams = f", {worker.streams} streams" if plan.engine == "postgres" else ""
    console.print(
        f"Worker {worker.first.instance_type} in {worker.first.subnet_id}{streams}, at most {duration(worker.max_run_minutes * 60)}"
    )
    if plan.native:
        console.print(
            f"Copied {size(plan.native.staged_bytes)} into a temporary bucket, which RDS reads with {plan.native.option_role_arn}"
        )
    console.print(_planned_dumps(plan) if plan.engine == "postgres" else _planned_native_backups(plan))
    for note in plan.notes:
        console.print(f"Note: {note}")
    state = "ReplayDumps" if plan.engine == "postgres" else "RestoreNativeBackups"
    console.print(
        f"Not looked at yet: whether a name is free in the target. Only the worker can see that, first thing in {state}."
    )


def _planned_dumps(plan: Plan) -> Table:
    table = _table("database", "comes back as", "is built as", "tables", "rows", "size")
    for database in plan.databases:
        table.add_row(
            database.name, database.asked_name, database.temporary_name,
            number(database.tables), number(database.rows), size(database.bytes),
        )  # fmt: skip
    return table


def _planned_native_backups(plan: Plan) -> Table:
    table = _table("database", "comes back as", "size")
    for database in plan.databases:
        table.add_row(database.name, database.asked_name, size(database.bytes))
    return table


def headline(report: Report) -> Text:
    """`r-1234 SUCCEEDED in 7.1 s: shop/20261123T... -> shop`, and the first error."""
    took = duration((report.ended_at - report.started_at).total_seconds())
    way = f"{report.source.db_instance}/{report.source.restore_point} -> {report.target.db_instance}"
    text = Text(
        f"{report.restore_id} {report.status} in {took}: {way}",
        style="green" if report.status == "SUCCEEDED" else "red",
    )
    return text.append(f"\n{report.error.name}: {report.error.message}") if report.error else text


def states(phases: tuple[PhaseRow, ...]) -> Table:
    """Every state with its start and duration."""
    table = _table("state", "started", "took", "outcome")
    for phase in phases:
        outcome = f"{phase.status} {phase.error.name}" if phase.error else phase.status
        table.add_row(
            phase.state, f"{phase.started_at:%H:%M:%S}", duration(seconds_of(phase)), _coloured(outcome, phase.status)
        )
    return table


def databases(report: Report) -> Table:
    """What became of each database. The rows of a native backup are counted by nobody."""
    has_rows = report.target.engine == "postgres"
    table = _table("database", "as", "outcome", *(["rows"] if has_rows else []), "size", "took")
    for outcome in report.databases:
        words = f"{outcome.status} {outcome.error.name}: {outcome.error.message}" if outcome.error else outcome.status
        rows = [number(outcome.rows)] if has_rows else []
        table.add_row(
            outcome.name, outcome.asked_name, _coloured(words, outcome.status),
            *rows, size(outcome.bytes), duration(outcome.seconds),
        )  # fmt: skip
    return table


def verification(database: DatabaseResult) -> Table:
    """Every check with what was expected and what was found."""
    table = _table(f"check of {database.backup_name}", "expected", "found", "result")
    for check in database.checks:
        table.add_row(check.check, check.expected, check.actual, _coloured(check.result, check.result))
    return table


def verification_in_short(database: DatabaseResult) -> Table:
    """The same with all good rows of one sort in one row, for where the whole list is too long to read."""
    table = _table(f"check of {database.backup_name}", "checked", "ok")
    sorts: dict[str, list[Check]] = {}
    for check in database.checks:
        sorts.setdefault(_sort(check.check), []).append(check)
    for sort, checks in sorts.items():
        good = sum(check.result == "ok" for check in checks)
        table.add_row(sort, number(len(checks)), _coloured(number(good), "ok" if good == len(checks) else "failed"))
    for check in database.checks:
        if check.result != "ok":
            table.add_row(
                f"  {check.check}: {check.actual}, not {check.expected}", "", _coloured(check.result, check.result)
            )
    return table


def fix_ups(name: str, entries: list[FixUp]) -> Table:
    """Every entry of one database that could not be restored to the letter."""
    table = _table(f"adapted in {name}", "what was done instead")
    for fix_up in entries:
        table.add_row(fix_up.entry, fix_up.what)
    return table


def proof(resources: tuple[ResourceRow, ...]) -> Table:
    """Each thing that the restore made: when it came, went, and was seen to be gone."""
    table = _table("resource", "id or name", "created", "removed", "seen absent")
    for row in resources:
        # Written down before it is made: whoever made it may have died before it could say so.
        created = _moment(row.created_at) if row.created_at else f"({_moment(row.intended_at)})"
        removed = ["kept", ""] if row.state == "KEPT" else [_moment(row.deleted_at), _moment(row.seen_absent_at)]
        table.add_row(_kind(row), row.physical_id or row.name, created, *removed)
    remarks = [f"{row.physical_id or row.name}: {row.note}" for row in resources if row.note]
    if any(row.created_at is None for row in resources):
        remarks.append("(time): when it was announced; that it was made was never confirmed")
    if remarks:
        table.caption = Text("\n".join(remarks))
        table.caption_justify = "left"
    return table


def left_behind(report: Report) -> str:
    """One sentence about the clean-up."""
    if report.leftovers:
        return "LEFT BEHIND: " + ", ".join(report.leftovers)
    gone = [row for row in report.resources if row.state == "DELETED" and row.seen_absent_at]
    sentence = f"Nothing left behind: all {len(gone)} temporary resources were removed and seen absent."
    others = [row for row in report.resources if row.state == "DELETED" and row.created_at and not row.seen_absent_at]
    return " ".join([sentence, *(f"{row.kind} {row.name} is {row.note}." for row in others)])


def verified(worker_results: list[Result]) -> Iterator[DatabaseResult]:
    """The databases that verification looked at."""
    for result in worker_results:
        if result.kind == "verify":
            yield from (database for database in result.databases if database.checks)


def adapted(worker_results: list[Result]) -> dict[str, list[FixUp]]:
    """What was adapted by the database's name in the backup: objects by the replay, owners, grants and settings by the verification."""
    found: dict[str, list[FixUp]] = {}
    for database in (database for result in worker_results for database in result.databases if database.fix_ups):
        found.setdefault(database.backup_name, []).extend(database.fix_ups)
    return found


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            column, overflow="fold", justify="right" if column in ("rows", "size", "took", "tables") else "left"
        )
    return table


def _sort(check: str) -> str:
    if check.startswith("rows of "):
        return "tables whose rows were counted"
    return "kinds of objects, each counted" if check.endswith(" present") else check


def _coloured(words: str, key: str) -> Text:
    return Text(visible(words), style=_COLOURS.get(key, ""))


def _moment(moment: object) -> str:
    return f"{moment:%H:%M:%S}" if moment else "-"


def _kind(row: ResourceRow) -> str:
    return f"{row.kind} ({row.role})" if row.role and row.role != row.kind else row.kind
