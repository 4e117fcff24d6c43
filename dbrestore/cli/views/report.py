"""The report of a restore as people read it: states with their times, databases, the verification table, and the proof of clean-up."""

from collections.abc import Iterable, Iterator

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from dbrestore.cli.consoles import visible
from dbrestore.cli.following import Ended, seconds_of
from dbrestore.cli.views import choices as choices_view
from dbrestore.cli.views import exchanges as exchanges_view
from dbrestore.cli.views import left_out as left_out_view
from dbrestore.cli.views import plan as plan_view
from dbrestore.cli.views.engines import ENGINES
from dbrestore.cli.views.tables import table
from dbrestore.cli.views.units import dollars, duration, number, size
from dbrestore.contract import left_out_lists as left_out
from dbrestore.contract.allowed import engines
from dbrestore.contract.checks import answer_lists
from dbrestore.contract.checks.asked import CheckAnswer
from dbrestore.contract.drills import DrillVerdict
from dbrestore.contract.job import Check, DatabaseResult, FixUp, Result
from dbrestore.contract.plan import Estimate
from dbrestore.contract.record import PhaseRow, Report, ResourceRow
from dbrestore.contract.sections import ArchiveSection

_COLOURS = {"ok": "green", "failed": "red", "not checked": "yellow", "FAILED": "red"}
_WORST_FIRST = ("failed", "not checked")


def print_report(console: Console, report: Report, worker_results: list[Result]) -> None:
    """Everything in the order in which it happened, but first what is missing."""
    console.print(headline(report))
    for part in left_out_view.whole(left_out.by_database(worker_results)):
        console.print(part)
    for part in _chosen(report):
        console.print(part)
    console.print(states(report.phases, report.estimate))
    if report.estimate:
        console.print(against_the_estimate(report, report.estimate))
    for part in _surroundings(report, console.width):
        console.print(part)
    for part in _databases(report):
        console.print(part)
    for name, objects in left_out_view.code_by_database(worker_results).items():
        console.print(left_out_view.code(name, objects))
    for name, entries in adapted(worker_results).items():
        console.print(fix_ups(name, entries))
    for part in _verifications(report, worker_results):
        console.print(part)
    console.print(proof(report.resources))
    if report.leftovers:
        console.print(Text("LEFT BEHIND: " + ", ".join(report.leftovers), style="bold red"))


def print_end(console: Console, end: Ended) -> None:
    """A few lines at the end of a followed restore; first what is missing."""
    for part in left_out_view.in_short(end.left_out, end.restore_id):
        console.print(part)
    for part in _databases(end.report) if end.report else ():
        console.print(part)
    for name, found in end.answers.items():
        console.print(answers(name, found))
    if end.report:
        console.print(left_behind(end.report))
    if end.adapted:
        console.print(f"Adapted: {number(end.adapted)}. To see what and why: dbrestore report {end.restore_id}")
    if end.report and end.report.drill:
        console.print(drill(end.report.drill))
    style = "green" if end.status == "SUCCEEDED" else "red"
    error = f": {end.error.name}" if end.error else ""
    console.print(Text(f"{end.restore_id} {end.status}{error}", style=f"bold {style}"))


def _chosen(report: Report) -> Iterator[RenderableType]:
    if report.postgres:
        yield from (f"{label}: {told}" for label, told in choices_view.told(report.postgres))


def headline(report: Report) -> Text:
    """`r-1234 SUCCEEDED in 7.1 s: shop/20261123T... -> shop`, and the first error."""
    took = duration((report.ended_at - report.started_at).total_seconds())
    way = f"{report.source.db_instance}/{report.source.restore_point} -> {report.target.db_instance}"
    text = Text(
        f"{report.restore_id} {report.status} in {took}: {way}",
        style="green" if report.status == "SUCCEEDED" else "red",
    )
    if report.error:
        text.append(f"\n{report.error.name}: {report.error.message}")
    if report.drill:
        text.append("\n").append(drill(report.drill))
    return text.append(f"\nThe plan: {report.plan_trouble}", style="yellow") if report.plan_trouble else text


def drill(verdict: DrillVerdict) -> Text:
    """`Drill shop-weekly PASSED: recoveryMinutes 0.5 of 30, pointHours 0.1 of 24`, and until when copies stay."""
    measured = [
        f"{one.name} {'not reached' if one.measured is None else f'{one.measured:,.1f}'} of {one.asked:,.15g}{'' if one.met else ' MISSED'}"
        for one in verdict.objectives
    ]
    until = [f"its copies stay until {verdict.copies_until:%Y-%m-%d %H:%M}"] if verdict.copies == "DELETING" else []
    told = ", ".join([*measured, *until])
    style = "green" if verdict.verdict == "PASSED" else "red"
    return Text(f"Drill {verdict.name} {verdict.verdict}{': ' if told else ''}{told}", style=style)


def states(phases: tuple[PhaseRow, ...], estimate: Estimate | None = None) -> Table:
    """Every state with its start and duration, and what the plan expected of it."""
    expected = {item.state: duration(item.seconds) for item in estimate.durations} if estimate else {}
    shown = table("state", "started", "took", *(["expected"] if expected else []), "outcome")
    for phase in phases:
        outcome = f"{phase.status} {phase.error.name}" if phase.error else phase.status
        before = [expected.get(phase.state, "-")] if expected else []
        shown.add_row(phase.state, f"{phase.started_at:%H:%M:%S}", duration(seconds_of(phase)), *before, _coloured(outcome, phase.status))
    return shown


def against_the_estimate(report: Report, estimate: Estimate) -> str:
    """How long it took beside what the plan expected. What it cost, nobody knows yet: the bill comes later."""
    took = duration((report.ended_at - report.started_at).total_seconds())
    worker = worker_hours(report.phases)
    told = f"Expected {duration(estimate.seconds)}, took {took}; worker hours expected {estimate.worker_hours:,.2f}, were {worker:,.2f}"
    return f"{told}; expected cost {dollars(estimate.dollars)} by prices of {estimate.prices_in} as of {estimate.prices_of}"


def worker_hours(phases: tuple[PhaseRow, ...]) -> float:
    """From the beginning of DeployWorker to the end of RemoveWorker; 0 if there was no worker."""
    began = [phase.started_at for phase in phases if phase.state == "DeployWorker"]
    ended = [phase.ended_at for phase in phases if phase.state == "RemoveWorker" and phase.ended_at]
    return (ended[-1] - began[0]).total_seconds() / 3600 if began and ended else 0.0


def _surroundings(report: Report, width: int) -> Iterator[RenderableType]:
    """How the archive's files came, and why the worker stood where it stood."""
    if report.archive:
        yield retrieval(report.archive)
    if report.network:
        yield from plan_view.network(report.network, "stood", width)
        yield ""


def retrieval(archive: ArchiveSection) -> str:
    """One sentence about the archive."""
    ready = f", {number(archive.found_ready)} were ready or on their way" if archive.found_ready else ""
    slower = f", {number(archive.fell_back)} by Standard because Expedited had no capacity" if archive.fell_back else ""
    until = f", readable until {archive.readable_until:%Y-%m-%d %H:%M}" if archive.readable_until else ""
    files = f"{number(archive.objects)} files, {size(archive.bytes)}, tier {archive.tier}"
    return f"Retrieved from the archive: {files}; {number(archive.requested)} asked for{ready}{slower}{until}"


def databases(report: Report) -> Table:
    """What became of each database. The rows of a native backup are counted by nobody."""
    engine = engines.of_instance(report.target.engine)
    has_rows = engine is not None and ENGINES[engine].counts_rows
    shown = table("database", "as", "outcome", *(["rows"] if has_rows else []), "size", "took")
    for outcome in report.databases:
        words = f"{outcome.status}, {number(outcome.left_out)} left out" if outcome.left_out else outcome.status
        words = f"{words} {outcome.error.name}: {outcome.error.message}" if outcome.error else words
        rows = [number(outcome.rows)] if has_rows else []
        shown.add_row(
            outcome.name,
            outcome.asked_name,
            _coloured(words, outcome.status),
            *rows,
            size(outcome.bytes),
            duration(outcome.seconds),
        )
    return shown


def _databases(report: Report) -> Iterator[RenderableType]:
    if report.databases:
        yield databases(report)
    yield from exchanges_view.told(report)


def _verifications(report: Report, worker_results: list[Result]) -> Iterator[RenderableType]:
    """The checks of each database, and what they come to."""
    yield from (verification(database) for database in verified(worker_results))
    yield from (answers(name, found) for name, found in answer_lists.by_database(worker_results).items())
    yield from (Text(visible(sentence)) for sentence in report.proofs)


def verification(database: DatabaseResult) -> Table:
    """Every check with what was expected and what was found."""
    shown = table(f"check of {database.backup_name}", "expected", "found", "result")
    for check in database.checks:
        shown.add_row(check.check, check.expected, check.actual, _coloured(check.result, check.result))
    return shown


def answers(name: str, found: Iterable[CheckAnswer]) -> Table:
    """Every check that the request asked of one database. A value that isn't to be shown is told by the beginning of its digest."""
    shown = table(f"asked of {name}", "expected", "found", "result")
    for answer in found:
        told = answer.value if answer.value is not None else f"sha256:{answer.sha256[:12]}" if answer.sha256 else ""
        words = f"{told} ({answer.why})" if told and answer.why else told or answer.why
        shown.add_row(visible(answer.name), visible(answer.expected), visible(words), _coloured(answer.status, answer.status))
    return shown


def verification_in_short(database: DatabaseResult) -> Table:
    """The same with all good rows of one sort in one row, for where the whole list is too long to read."""
    shown = table(f"check of {database.backup_name}", "checked", "ok")
    sorts: dict[str, list[Check]] = {}
    for check in database.checks:
        sorts.setdefault(_sort(check.check), []).append(check)
    for sort, checks in sorts.items():
        good = sum(check.result == "ok" for check in checks)
        worst = next((result for result in _WORST_FIRST if any(check.result == result for check in checks)), "ok")
        shown.add_row(sort, number(len(checks)), _coloured(number(good), worst))
    for check in database.checks:
        if check.result != "ok":
            expected = f", not {check.expected}" if check.result == "failed" else ""
            shown.add_row(f"  {check.check}: {check.actual}{expected}", "", _coloured(check.result, check.result))
    return shown


def fix_ups(name: str, entries: list[FixUp]) -> Table:
    """Every entry of one database that could not be restored to the letter."""
    shown = table(f"adapted in {name}", "what was done instead")
    for fix_up in entries:
        shown.add_row(fix_up.entry, fix_up.what)
    return shown


def proof(resources: tuple[ResourceRow, ...]) -> Table:
    """Each thing that the restore made: when it came, went, and was seen to be gone."""
    shown = table("resource", "id or name", "created", "removed", "seen absent")
    for row in resources:
        # Written down before it is made: whoever made it may have died before it could say so.
        created = _moment(row.created_at) if row.created_at else f"({_moment(row.intended_at)})"
        removed = ["kept", ""] if row.state == "KEPT" else [_moment(row.deleted_at), _moment(row.seen_absent_at)]
        shown.add_row(_kind(row), row.physical_id or row.name, created, *removed)
    remarks = [f"{row.physical_id or row.name}: {row.note}" for row in resources if row.note]
    remarks += [f"{row.physical_id}: {_taken_off(row)}" for row in resources if row.taken_off_at]
    if any(row.created_at is None for row in resources):
        remarks.append("(time): when it was announced; its creation was never confirmed")
    if remarks:
        shown.caption = Text("\n".join(remarks))
        shown.caption_justify = "left"
    return shown


def _taken_off(row: ResourceRow) -> str:
    return f"somebody took it off the instance's list at {', '.join(map(_moment, row.taken_off_at))}, and it was put back"


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


def _sort(check: str) -> str:
    if check.startswith("rows of "):
        return "tables whose rows were counted"
    if check.startswith("content of "):
        return "large objects and tables compared value by value"
    return "kinds of objects, each counted" if check.endswith(" present") else check


def _coloured(words: str, key: str) -> Text:
    return Text(visible(words), style=_COLOURS.get(key, ""))


def _moment(moment: object) -> str:
    return f"{moment:%H:%M:%S}" if moment else "-"


def _kind(row: ResourceRow) -> str:
    return f"{row.kind} ({row.role})" if row.role and row.role != row.kind else row.kind
