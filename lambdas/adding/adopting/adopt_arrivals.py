"""Every few minutes: what has arrived and settled becomes restore points, by the rules of the installation.

Events only say that a look is worth it; what lies in the bucket decides. A rule whose bucket nothing was heard of is looked at slowly, so
that what no event told of is found. Invariant: one invocation at a time is at work on a rule, and what one rule meets stops no other.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from dbrestore.contract.adoption.answers import Waiting
from dbrestore.contract.adoption.rules import AdoptionRule
from dbrestore.contract.document import Document
from dbrestore.contract.errors import AwsRefused, BackupUnreadable, Busy, RestoreRequestInvalid
from dbrestore.points.adoption import arrivals
from dbrestore.points.adoption.arrivals import Unit
from lambdas.adding.adopting import telling
from lambdas.adding.adopting.engines import ENGINES
from lambdas.adding.adopting.rows import AdoptionRows, Heard, Looked
from lambdas.adding.adopting.rule_at_work import FAILURES, RuleAtWork, named
from lambdas.configuration import adoption as adoption_configuration
from lambdas.runtime.inputs import SweepInput
from lambdas.runtime.state import Surroundings, handler
from lambdas.runtime.telemetry import log

# What a look may have before it; more is a pattern that means too much.
MOST_UNITS: Final = 5000
MOST_WAITING: Final = 50
_LEASE: Final = timedelta(minutes=20)
_RULE: Final = "rule"


class Adoptions(Document):
    """The rules whose bucket was listed."""

    looked: tuple[str, ...]


@handler("AdoptArrivals", SweepInput)
def adopt_arrivals(_: SweepInput, surroundings: Surroundings) -> Adoptions:
    """Raises AwsRefused, after all rules had their turn, if one met something unforeseen."""
    ends = surroundings.stopwatch() + surroundings.bounds.adopting_seconds
    looked, failed = [], []
    for rule in adoption_configuration.deployed(surroundings.settings.adoption_configuration).rules:
        rows = AdoptionRows(surroundings.table, rule.name)
        work = RuleAtWork(rule, rows, surroundings, surroundings.clock(), lambda: surroundings.stopwatch() >= ends)
        try:
            looked += [rule.name] * _alone(work)
        except FAILURES as error:
            log.error("the rule %s: %s: %s", rule.name, type(error).__name__, error)
            failed.append(f"{rule.name}: {error}")
    if failed:
        raise AwsRefused("\n".join(failed))
    return Adoptions(looked=tuple(looked))


def _alone(work: RuleAtWork) -> bool:
    owner = uuid4().hex
    if not work.rows.take(owner, work.now, work.now + _LEASE):
        return False
    try:
        has_ended = ENGINES[work.rule.engine].follow(work)
        heard = work.rows.heard()
        is_due = has_ended or _is_due(work.rule, work.rows.looked(), heard, work.now)
        if is_due:
            _look(work, heard)
        telling.tell(work)
        return is_due
    finally:
        work.rows.leave(owner)


def _is_due(rule: AdoptionRule, last: Looked | None, heard: Sequence[Heard], now: datetime) -> bool:
    if last is None or last.at + timedelta(hours=rule.look_hours) <= now:
        return True
    return (last.next_at is not None and last.next_at <= now) or any(one.at + rule.settle <= now for one in heard)


def _look(work: RuleAtWork, heard: Sequence[Heard]) -> None:
    """What can't be listed is told like a backup that can't be adopted, and looked at again at the slow pace; what passes, at the next
    call."""
    place = f"{work.rule.keys.prefix}*"
    try:
        units = _units(work, heard)
        waiting = tuple(ENGINES[work.rule.engine].adopt(work, units))
    except FAILURES as caught:
        error = named(caught)
        is_passing = isinstance(error, Busy)
        if not is_passing:
            work.refuse(place, _RULE, work.now, error, again=True)
        work.rows.note(Looked(at=work.now, next_at=work.now if is_passing else None))
        log.warning("the rule %s: %s: %s", work.rule.name, type(error).__name__, error)
    else:
        work.rows.accept(work.uri(place))
        work.rows.note(Looked(at=work.now, next_at=_next(work, waiting), waiting=waiting[:MOST_WAITING]))
        work.rows.prune(work.since)
    for one in heard:
        if work.settled(one):
            work.rows.forget(one)


def _units(work: RuleAtWork, heard: Sequence[Heard]) -> list[Unit]:
    if work.rule.bucket in work.surroundings.settings.own_buckets:
        raise RestoreRequestInvalid(
            "is a bucket of this installation, whose restore points would be adopted over and over: name another one"
        )
    found = arrivals.units(work.rule.keys, work.listed(), {one.key: one.at for one in heard})
    young = [unit for unit in found if unit.changed >= work.since]
    if len(young) > MOST_UNITS:
        raise BackupUnreadable(
            f"the pattern {work.rule.pattern} means {len(young):,} backups of the last {work.rule.within_days} days, {MOST_UNITS:,} at "
            "most: narrow it, or set withinDays lower"
        )
    return found


def _next(work: RuleAtWork, waiting: Sequence[Waiting]) -> datetime | None:
    """When something may have become due without an event."""
    return min((one.until for one in waiting if one.until), default=None)
