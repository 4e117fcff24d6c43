"""Native backups by a rule: their headers are read, and S3 copies them. No worker is needed."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final

from dbrestore.contract.adoption.answers import Waiting
from dbrestore.points.adoption import arrivals
from dbrestore.points.adoption.arrivals import Unit
from dbrestore.points.adoption.sqlserver import LATE, Due, Made, Missing, Times, Unfit, judge
from dbrestore.points.in_s3 import sqlserver as in_s3
from dbrestore.points.sqlserver.given import BACKUPS
from lambdas.adding.adopting.rows import PointRow
from lambdas.adding.adopting.rule_at_work import FAILURES, RuleAtWork, named

_KNOWN: Final = ("MADE", "FAILED")


def follow(work: RuleAtWork) -> bool:
    """Nothing is under way between two looks."""
    return False


def adopt(work: RuleAtWork, units: Sequence[Unit]) -> Iterator[Waiting]:
    """Make the points that are due; what waits, and for what."""
    files = {work.uri(unit.key): unit for unit in units if _is_looked_at(work, unit)}
    if not files:
        return
    looked = in_s3.look(work.source, [unit.key for unit in files.values()]).given.files
    rows = work.rows.points()
    made = [Made(frozenset(row.fulls), frozenset(row.sets), row.at, row.changed) for row in rows if row.state in _KNOWN]
    chain = timedelta(hours=work.rule.chain_hours)
    judged = judge(looked, made, Times({name: unit.changed for name, unit in files.items()}, work.now, work.rule.settle, chain))
    _refuse(work, judged.unfit, files)
    for missing in judged.missing:
        yield from _late(work, missing, files)
    for names, reason, until in judged.waiting:
        yield from (work.wait(files[name].key, reason, until) for name in names)
    for due in judged.due:
        yield from _make(work, due, rows, files)


def _is_looked_at(work: RuleAtWork, unit: Unit) -> bool:
    """A pattern that leaves the end of the name open means what is called like a backup."""
    is_one = not work.rule.pattern.endswith("*") or unit.key.lower().endswith(BACKUPS)
    return is_one and unit.changed >= work.since and unit.fingerprint not in work.known_as_refused


def _refuse(work: RuleAtWork, unfit: Sequence[Unfit], files: Mapping[str, Unit]) -> None:
    for name, error, sentence in unfit:
        unit = files[name]
        work.refuse(unit.key, unit.fingerprint, unit.changed, error(sentence))


def _late(work: RuleAtWork, missing: Missing, files: Mapping[str, Unit]) -> Iterator[Waiting]:
    """It is waited for as long as its files are looked at; people are told after a day."""
    until = missing.since + LATE
    for unit in (files[name] for name in missing.files):
        yield work.wait(unit.key, missing.sentence, until if until > work.now else None)
        if until <= work.now:
            error = missing.error(f"{missing.sentence}; nothing more has come for a day: upload what is missing, and it is taken in")
            work.note_late(unit.key, unit.fingerprint, unit.changed, error)


def _make(work: RuleAtWork, due: Due, rows: Sequence[PointRow], files: Mapping[str, Unit]) -> Iterator[Waiting]:
    sets = tuple(sorted(due.sets))
    point = next((row for row in rows if row.sets == sets), None) or _row(work, due)
    units = [files[name] for name in due.files]
    if point.next_at is None or point.next_at <= work.now:
        point = work.rows.keep(point) if work.is_over() else _made(work, work.rows.keep(point), units)
    if point.state == "COPYING":
        yield work.wait(units[0].key, "S3, which copies it, or another try", point.next_at or work.now)


def _row(work: RuleAtWork, due: Due) -> PointRow:
    return PointRow(
        point_id=arrivals.point_id(due.changed, work.rule.instance, due.sets),
        uri=due.files[0],
        files=len(due.files),
        state="COPYING",
        changed=due.changed,
        at=work.now,
        fulls=tuple(sorted(due.fulls)),
        sets=tuple(sorted(due.sets)),
    )


def _made(work: RuleAtWork, point: PointRow, units: Sequence[Unit]) -> PointRow:
    if not work.is_made(point.point_id):
        keys = [unit.key for unit in units]
        try:
            in_s3.add(
                work.source,
                work.repository,
                work.rule.instance,
                keys,
                pace=work.pace,
                point_id=point.point_id,
                places=work.places,
            )
        except FAILURES as error:
            return work.failed(point, named(error), {units[0].fingerprint: units[0].key})
    return work.made(point, [unit.key for unit in units])
