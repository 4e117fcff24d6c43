"""The verdict: one sentence that an engineer would put a name under, and what a PASS is not without."""

from collections.abc import Iterator, Sequence
from typing import Final

from dbrestore.contract.errors import DrillFailed, DrillSkipped, LeftoversRemain, ObjectsLeftOut, RestoreCancelled
from dbrestore.contract.evidence import DatabaseEvidence, PointEvidence, Verdict
from dbrestore.contract.job import ErrorNote
from dbrestore.contract.record import Report
from dbrestore.evidence.words import listed, moment, plural, short

_NAMED: Final = 3
_LONGEST: Final = 80
_NOT_CARRIED_OVER: Final = "{} of what belonged to a replaced database could not be given to the one that took its name."


def judged(report: Report, databases: Sequence[DatabaseEvidence], point: PointEvidence) -> Verdict:
    """Of a restore that is over, or of what ran instead of one."""
    if report.mode == "swap":
        return _of_exchange(report)
    if report.mode == "add":
        return _of_addition(report)
    if not _is_pass(report, databases):
        return Verdict(outcome="FAIL", sentence=_why_not(report, databases))
    exceptions = tuple(_exceptions(report, databases, point))
    checks = sum(sort.ok for database in databases for sort in database.sorts) + sum(len(d.answers) for d in databases)
    back = _came_back(databases)
    if exceptions:
        sentence = f"{back} and passed {plural(checks, 'check')}, with these exceptions:"
        return Verdict(outcome="PASS WITH EXCEPTIONS", sentence=sentence, exceptions=exceptions)
    return Verdict(outcome="PASS", sentence=f"{back}, passed every one of {plural(checks, 'check')}, and {_gone(report)}.")


def of_refused(error: ErrorNote) -> Verdict:
    """Of a drill that ended before it had a plan."""
    if error.name == DrillSkipped.__name__:
        sentence = "Nothing was proven: the drill was skipped, because the one before it was still running."
    else:
        sentence = f"Nothing was proven: the drill could not begin ({error.name}): {_first_line(error.message)}"
    return Verdict(outcome="FAIL", sentence=sentence)


def _gone(report: Report) -> str:
    if report.drill and report.drill.copies == "DELETING":
        return f"everything temporary is gone but the copies, which stay until {moment(report.drill.copies_until)}"
    return "everything temporary is gone"


def _is_pass(report: Report, databases: Sequence[DatabaseEvidence]) -> bool:
    """What is left out because the request allows it ends no restore green, and is an exception that somebody accepted beforehand. A drill
    knows itself how it ended."""
    if report.drill and report.drill.verdict != "PASSED":
        return False
    is_green = report.status == "SUCCEEDED" or (report.error is not None and report.error.name == ObjectsLeftOut.__name__)
    return is_green and not report.leftovers and bool(databases) and all(database.proven for database in databases)


def _came_back(databases: Sequence[DatabaseEvidence]) -> str:
    if len(databases) == 1:
        return f"The database {short(databases[0].name, _LONGEST)} came back from its backup"
    return f"All {len(databases)} databases came back from their backups"


def _exceptions(report: Report, databases: Sequence[DatabaseEvidence], point: PointEvidence) -> Iterator[str]:
    left_out = sum(len(d.left_out) + d.left_out_unlisted for d in databases)
    adapted = sum(len(d.adapted) + d.adapted_unlisted for d in databases)
    unchecked = sum(sort.not_checked for d in databases for sort in d.sorts)
    if left_out:
        yield f"{plural(left_out, 'object')} of the backup {_was(left_out)} left out, as the request allows."
    if adapted:
        yield f"{plural(adapted, 'entry', 'entries')} of the backup {_was(adapted)} adapted to the target."
    if unchecked:
        yield f"{plural(unchecked, 'check')} could not be made."
    if notes := sum(len(swap.fix_ups) for swap in report.swaps):
        yield _NOT_CARRIED_OVER.format(plural(notes, "entry", "entries"))
    if point.manifest_state == "changed":
        yield "The restore point's manifest is not the one that this restore was planned with: somebody has changed it since."


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _why_not(report: Report, databases: Sequence[DatabaseEvidence]) -> str:
    name = report.error.name if report.error else ""
    if name == RestoreCancelled.__name__:
        return "Nothing was proven: the restore was stopped before its end."
    if report.leftovers or name == LeftoversRemain.__name__:
        return f"{_proven(databases)} the clean-up could not finish: {plural(len(report.leftovers), 'temporary thing')} may still exist."
    if name == DrillFailed.__name__ or (report.drill and report.drill.verdict == "FAILED"):
        return f"The drill failed: {_first_line(report.drill.why if report.drill and report.drill.why else _message(report))}"
    failed = [database for database in databases if not database.proven]
    if failed and len(failed) < len(databases):
        names = listed([database.name for database in failed], _NAMED)
        return f"{len(failed)} of {len(databases)} databases did not pass: {names}."
    if databases and not failed and any(not swap.is_done for swap in report.swaps):
        return f"{_came_back(databases)}, but took no other database's name ({name}): {_first_line(_message(report))}"
    reason = f" ({name}): {_first_line(_message(report))}" if name else "."
    return f"The backup was not proven to restore{reason}"


def _of_exchange(report: Report) -> Verdict:
    """Whether what was asked for is so: the databases themselves were proven, or not, by the restore that made them."""
    if report.status != "SUCCEEDED" or report.leftovers:
        done = sum(swap.is_done for swap in report.swaps)
        told = f"{report.error.name}): {_first_line(report.error.message)}" if report.error else "leftovers)"
        return Verdict(outcome="FAIL", sentence=f"{done} of {plural(len(report.swaps), 'exchange')} of names took place ({told}")
    sentence = (
        f"{plural(len(report.swaps), 'exchange')} of names took place as asked: {'; '.join(swap.truth for swap in report.swaps[:_NAMED])}."
    )
    notes = sum(len(swap.fix_ups) for swap in report.swaps)
    if notes:
        told = _NOT_CARRIED_OVER.format(plural(notes, "entry", "entries"))
        return Verdict(outcome="PASS WITH EXCEPTIONS", sentence=sentence, exceptions=(told,))
    return Verdict(outcome="PASS", sentence=sentence)


def _of_addition(report: Report) -> Verdict:
    if report.status == "SUCCEEDED" and not report.leftovers:
        read = plural(len(report.databases), "dump")
        return Verdict(
            outcome="PASS", sentence=f"{read} read to the end and found whole; nothing was restored, so nothing is proven of that."
        )
    name = report.error.name if report.error else "leftovers"
    return Verdict(outcome="FAIL", sentence=f"No restore point was made ({name}): {_first_line(_message(report))}")


def _proven(databases: Sequence[DatabaseEvidence]) -> str:
    failed = sum(not database.proven for database in databases)
    if failed or not databases:
        return f"{failed} of {plural(len(databases), 'database')} did not pass, and"
    return f"{_came_back(databases)}, but"


def _message(report: Report) -> str:
    return report.error.message if report.error else ""


def _first_line(text: str, longest: int = 300) -> str:
    line = " ".join(text.split("\n", 1)[0].split())
    return line if len(line) <= longest else f"{line[:longest]}..."
