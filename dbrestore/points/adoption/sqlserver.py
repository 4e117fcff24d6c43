"""Native backups that have arrived: which make a point together, and what they wait for. Their headers say what belongs to what.

A point is made of the full backups that one job leaves, each of another database, and of what follows them. A job is over when no full
backup has come for the settle time; where they never stop, when none of its own has for four times as long. What follows later makes
another point of the same full backups, at most once in the chain time, because each copies them again. Invariant: each full backup begins
one point, and what a point is made of can be restored.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from dbrestore.contract.errors import RestoreError
from dbrestore.contract.sqlserver_errors import NotANativeBackup, StripeMissing
from dbrestore.points.in_s3.sqlserver import SEVERAL
from dbrestore.points.sqlserver import assembled_points
from dbrestore.points.sqlserver import chain as native_chain
from dbrestore.points.sqlserver import sets as native_sets
from dbrestore.points.sqlserver.chain import Chain
from dbrestore.points.sqlserver.file import NativeFile
from dbrestore.points.sqlserver.sets import Stripe, StripedSet

# So long a backup of which something is missing is waited for in silence, and holds back those that came with it.
LATE: Final = timedelta(hours=24)
_ONE_LATER: Final = timedelta(seconds=1)
_LONGEST_SETTLES: Final = 4


@dataclass(frozen=True)
class Made:
    """A point that was made: the ids of its full backups and of all its sets, when, and when the last of it arrived."""

    fulls: frozenset[str]
    sets: frozenset[str]
    at: datetime
    changed: datetime


@dataclass(frozen=True)
class Due:
    """A point to be made now. `files` are the names of what it is made of; `changed` is when the last of it arrived, or somewhat later:
    what arrived together is in the order in which it was backed up."""

    files: tuple[str, ...]
    fulls: frozenset[str]
    sets: frozenset[str]
    changed: datetime


class Missing(NamedTuple):
    """Files that can't be in a point yet, and why; `since` is when the last of them arrived."""

    files: tuple[str, ...]
    error: type[RestoreError]
    sentence: str
    since: datetime


class _Job(NamedTuple):
    """Full backups with what follows them, which make one point from `over` on; `changed` as in Due."""

    chains: Sequence[Chain]
    changed: datetime
    over: datetime


class Unfit(NamedTuple):
    """A file that never can be in one, and why."""

    file: str
    error: type[RestoreError]
    sentence: str


@dataclass
class Judged:
    """`waiting` are files with what they wait for, and until when."""

    due: list[Due] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    unfit: list[Unfit] = field(default_factory=list)
    waiting: list[tuple[tuple[str, ...], str, datetime]] = field(default_factory=list)


@dataclass(frozen=True)
class Times:
    """`changed`: when each file arrived, by its name; `now`, and for how long what is waited for."""

    changed: Mapping[str, datetime]
    now: datetime
    settle: timedelta
    chain: timedelta

    def first(self, one: StripedSet) -> datetime:
        """When the first of its stripes arrived."""
        return min(self.changed[name] for name in _names(one))

    def of(self, sets: Iterable[StripedSet]) -> datetime:
        """When the last of these arrived."""
        return max(self.changed[name] for one in sets for name in _names(one))


def judge(files: Sequence[NativeFile], made: Sequence[Made], times: Times) -> Judged:
    """All files of a rule that were looked at, in any order."""
    judged = Judged()
    sound = [file for file in files if not _refused(file, judged)]
    whole, partial = _apart(sound, judged, times)
    chains = [_usable(chain, judged, times) for chain in _chains(whole, judged, times)]
    known = {one for point in made for one in point.fulls}
    _grow(chains, made, judged, times)
    for job in _jobs(chains, times):
        if any(_id(chain.full) not in known for chain in job.chains):
            _begin(job, partial, judged, times)
    judged.due.sort(key=lambda due: due.changed)
    return judged


def _refused(file: NativeFile, judged: Judged) -> bool:
    problems = [*file.own_problems, *(problem for placed in file.sets for problem in placed.problems)]
    if not problems and len(file.sets) > 1:
        problems.append((NotANativeBackup, SEVERAL.format(count=len(file.sets))))
    judged.unfit += [Unfit(file.name, kind, sentence) for kind, sentence in problems]
    return bool(problems)


def _apart(files: Sequence[NativeFile], judged: Judged, times: Times) -> tuple[list[NativeFile], list[StripedSet]]:
    """The files of whole sets, and full backups of which a stripe is missing."""
    whole: list[NativeFile] = []
    partial: list[StripedSet] = []
    for one in native_sets.grouped([Stripe(file, placed) for file in files for placed in file.sets]):
        if one.is_whole:
            whole += [stripe.file for stripe in one.stripes]
            continue
        absent = sorted({*range(1, one.header.stripes + 1)} - {stripe.header.stripe for stripe in one.stripes})
        sentence = f"{one.told}: of {one.header.stripes} files these have not arrived: {', '.join(map(str, absent))}"
        judged.missing.append(Missing(_names(one), StripeMissing, sentence, times.of([one])))
        if one.backup_set.kind == "D":
            partial.append(one)
    return list({file.name: file for file in whole}.values()), partial


def _chains(files: Sequence[NativeFile], judged: Judged, times: Times) -> list[Chain]:
    """One for each full backup. What has none is missing it."""
    everywhere = frozenset(file.name for file in files)
    found = assembled_points.selected(sorted(files, key=lambda file: file.name), (), everywhere)
    chains = [chain for point in found.points for chain in point]
    in_chains = {name for chain in chains for one in chain.sets for name in _names(one)}
    for names, error, sentence in found.complaints:
        alone = tuple(file.name for file in files if file.name not in in_chains and file.name in names)
        if alone:
            judged.missing.append(Missing(alone, error, sentence, max(times.changed[name] for name in alone)))
    return chains


def _usable(chain: Chain, judged: Judged, times: Times) -> Chain:
    """Without what can't be restored after the full backup as long as something between is missing."""
    while wrong := list(native_chain.complaints(chain)):
        bad = {names for names, _, _ in wrong}
        for one in (one for one in chain.others if one.names in bad):
            error, sentence = next((kind, text) for names, kind, text in wrong if names == one.names)
            judged.missing.append(Missing(_names(one), error, sentence, times.of([one])))
        chain = replace(chain, others=tuple(one for one in chain.others if one.names not in bad))
    return chain


def _grow(chains: Sequence[Chain], made: Sequence[Made], judged: Judged, times: Times) -> None:
    """Points of full backups that are in one, with what has followed since; only where no newer full backup has come."""
    by_id = {_id(chain.full): chain for chain in chains}
    newest = _newest(chains)
    begun = {one.fulls for one in made}
    # What a late backup was added to goes on with it.
    last_of = {fulls for fulls in begun if not any(fulls < other for other in begun)}
    latest = {fulls: max((one for one in made if one.fulls == fulls), key=lambda one: one.at) for fulls in last_of}
    for fulls, last in latest.items():
        own = [by_id[one] for one in fulls if one in by_id]
        if len(own) < len(fulls) or any(newest[_database(chain)] is not chain for chain in own):
            continue
        sets = _ids(own)
        known = {one for point in made if point.fulls == fulls for one in point.sets}
        if not sets - known:
            continue
        due = _due(own, max(times.of([one for chain in own for one in chain.sets]), last.changed + _ONE_LATER))
        if last.at + times.chain <= times.now:
            judged.due.append(due)
        else:
            fresh = tuple(name for chain in own for one in chain.others if _id(one) not in known for name in _names(one))
            judged.waiting.append((fresh, "the chain time: the full backup was copied a short while ago", last.at + times.chain))


def _jobs(chains: Sequence[Chain], times: Times) -> Iterator[_Job]:
    """A job writes each database once, and never rests for the settle time. Of several that came together, in whichever order, each counts
    as having arrived a second after the one before it."""
    for together in _together(chains, times):
        last = times.of([one for chain in together for one in chain.sets])
        rested = times.of([chain.full for chain in together]) + times.settle
        for number, job in enumerate(_each_once(together)):
            of_its_own = times.of([chain.full for chain in job]) + _LONGEST_SETTLES * times.settle
            yield _Job(job, last + number * _ONE_LATER, min(rested, of_its_own))


def _together(chains: Sequence[Chain], times: Times) -> Iterator[list[Chain]]:
    """Those between whose full backups no more than the settle time lies; a stripe that comes late doesn't take its backup out of them."""
    found: list[Chain] = []
    newest = datetime.min.replace(tzinfo=UTC)
    for chain in sorted(chains, key=lambda chain: times.first(chain.full)):
        if found and times.first(chain.full) - newest > times.settle:
            yield found
            found = []
        found.append(chain)
        newest = max(newest, times.of([chain.full]))
    if found:
        yield found


def _each_once(chains: Sequence[Chain]) -> Iterator[list[Chain]]:
    """As they were backed up: where a database comes again, a new job begins."""
    job: dict[str, Chain] = {}
    for chain in sorted(chains, key=lambda chain: (chain.full.backup_set.begun_at, chain.database)):
        if _database(chain) in job:
            yield list(job.values())
            job = {}
        job[_database(chain)] = chain
    if job:
        yield list(job.values())


def _begin(job: _Job, partial: Sequence[StripedSet], judged: Judged, times: Times) -> None:
    files = tuple(name for chain in job.chains for one in chain.sets for name in _names(one))
    if job.over > times.now:
        judged.waiting.append((files, "the settle time: more of the same job may follow", job.over))
    elif late := _held_back_by(job.chains, partial, times):
        until = times.of([late]) + LATE
        judged.waiting.append((files, f"the rest of {late.told}, which came with it", until))
    else:
        judged.due.append(_due(job.chains, job.changed))


def _held_back_by(job: Sequence[Chain], partial: Sequence[StripedSet], times: Times) -> StripedSet | None:
    """A full backup of another database that came with the job, and of which a stripe is missing that may still come."""
    own = set(map(_database, job))
    first, last = (bound(times.first(chain.full) for chain in job) for bound in (min, max))
    for one in partial:
        came_with_it = first - times.settle <= times.first(one) <= last + times.settle
        if came_with_it and one.backup_set.database.casefold() not in own and times.of([one]) + LATE > times.now:
            return one
    return None


def _due(chains: Sequence[Chain], changed: datetime) -> Due:
    sets = [one for chain in chains for one in chain.sets]
    files = tuple(name for one in sets for name in _names(one))
    return Due(files, frozenset(_id(chain.full) for chain in chains), frozenset(map(_id, sets)), changed)


def _newest(chains: Iterable[Chain]) -> dict[str, Chain]:
    return {_database(chain): chain for chain in sorted(chains, key=lambda chain: chain.full.backup_set.begun_at)}


def _ids(chains: Iterable[Chain]) -> set[str]:
    return {_id(one) for chain in chains for one in chain.sets}


def _id(one: StripedSet) -> str:
    return str(one.backup_set.id)


def _database(chain: Chain) -> str:
    return chain.database.casefold()


def _names(one: StripedSet) -> tuple[str, ...]:
    return tuple(stripe.file.name for stripe in one.stripes)
