"""Which databases were proven to restore in a stretch of time, which failed, and which nobody ever tried.

Restores count as drills do: a database that came back and passed is proven, whoever asked. What failed stays in the picture also when a
later one passed. Known are the databases of the newest restore points and those that drills are declared for.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from pydantic import AwareDatetime

from dbrestore.contract.document import Document
from dbrestore.contract.drills import Drill
from dbrestore.contract.evidence import ListedProof, Outcome, ProvenDatabase
from dbrestore.evidence.words import plural


class Ended(Document):
    """One restore that is over, as the ledger's list knows it."""

    restore_id: str
    ended_at: AwareDatetime
    proof: ListedProof


class Trial(Document):
    """What one restore showed of one database. `by` is the drill's name, None for a restore that was no drill; `recovery_seconds` of the
    whole restore, from its start to the verified databases."""

    restore_id: str
    at: AwareDatetime
    by: str | None = None
    proven: bool
    outcome: Outcome
    age_seconds: float | None = None
    recovery_seconds: float | None = None
    why: str = ""


class CoveredDatabase(Document):
    """One database of one instance, and what was tried of it, oldest first. `drills` are the declared ones that name it or take all of its
    instance; `in_point`: the instance's newest restore point has it."""

    instance: str
    name: str
    in_point: bool = False
    drills: tuple[str, ...] = ()
    trials: tuple[Trial, ...] = ()

    @property
    def last_proven(self) -> Trial | None:
        """The newest trial that it passed."""
        return next((trial for trial in reversed(self.trials) if trial.proven), None)

    @property
    def failures(self) -> tuple[Trial, ...]:
        """Those that it did not pass."""
        return tuple(trial for trial in self.trials if not trial.proven)


class Coverage(Document):
    """`failures` are the restores and drills that did not pass, newest first; `unread` says in a sentence each what could not
    be looked at."""

    schema_version: str = "1"
    since: AwareDatetime
    until: AwareDatetime
    databases: tuple[CoveredDatabase, ...] = ()
    failures: tuple[Ended, ...] = ()
    restores: int = 0
    unread: tuple[str, ...] = ()

    @property
    def proven(self) -> tuple[CoveredDatabase, ...]:
        """Those that were proven in this time."""
        return tuple(one for one in self.databases if one.last_proven)

    @property
    def never(self) -> tuple[CoveredDatabase, ...]:
        """Those that were not, whether they failed or were not tried."""
        return tuple(one for one in self.databases if not one.last_proven)

    @property
    def sentence(self) -> str:
        """All of it in one sentence."""
        if not self.databases:
            return "No database is known: there is no restore point, no declared drill and no restore in this time."
        proven = f"{len(self.proven):,} of {plural(len(self.databases), 'database')} {_was(len(self.proven))} proven to restore"
        return f"{proven}; {len(self.never):,} {_was(len(self.never))} not." if self.never else f"{proven}: every one that is known."


def gathered(
    ended: Iterable[Ended],
    points: Iterable[tuple[str, str]],
    drills: Iterable[Drill],
    since: datetime,
    until: datetime,
    unread: tuple[str, ...] = (),
) -> Coverage:
    """`points` are instance and database of what the newest restore points hold."""
    over = sorted(ended, key=lambda one: one.ended_at)
    in_points = set(points)
    declared = list(drills)
    trials: dict[tuple[str, str], list[Trial]] = {}
    for one in over:
        for database in one.proof.databases:
            trials.setdefault((one.proof.source, database.name), []).append(_trial(one, database))
    named = {(drill.source.db_instance, name) for drill in declared if isinstance(drill.databases, tuple) for name in drill.databases}
    return Coverage(
        since=since,
        until=until,
        databases=tuple(
            CoveredDatabase(
                instance=instance,
                name=name,
                in_point=(instance, name) in in_points,
                drills=tuple(_drills_of(declared, instance, name)),
                trials=tuple(trials.get((instance, name), ())),
            )
            for instance, name in sorted({*in_points, *named, *trials})
        ),
        failures=tuple(one for one in reversed(over) if one.proof.outcome == "FAIL"),
        restores=len(over),
        unread=unread,
    )


def _trial(ended: Ended, database: ProvenDatabase) -> Trial:
    proof = ended.proof
    return Trial(
        restore_id=ended.restore_id,
        at=ended.ended_at,
        by=proof.drill,
        proven=database.proven,
        outcome=proof.outcome,
        age_seconds=proof.age_seconds,
        recovery_seconds=proof.recovery_seconds,
        why=proof.why,
    )


def _drills_of(drills: Iterable[Drill], instance: str, name: str) -> Iterator[str]:
    """Of a drill that takes all, rotates or draws at random, every database of the instance gets its turn."""
    for drill in drills:
        if drill.source.db_instance == instance and (not isinstance(drill.databases, tuple) or name in drill.databases):
            yield drill.name


def _was(count: int) -> str:
    return "was" if count == 1 else "were"
