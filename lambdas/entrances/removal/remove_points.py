"""`dbrestore points remove` and `points prune`: restore points are removed, each only if nobody needs it, and in an order that survives a
crash.

1. Looked at: Object Lock, drills, other points, restores. A refusal here has touched nothing.
2. Begun in the ledger: from here on no restore of the point begins. What another removal may have changed meanwhile is looked at again,
   and a refusal withdraws the beginning.
3. The manifest goes, and with it the point from every list; then the files; then the ledger says that it is over.

A removal that died is in the ledger, and the clock finishes it: with the manifest gone it goes on, with the manifest still there it begins
again at 1. The function has no right to delete a version: what it removes from a versioned bucket can be had back until a lifecycle rule or
a person with that right deletes it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from dbrestore.contract import limits
from dbrestore.contract.errors import RemovalRefused, RestoreError, RestorePointNotFound
from dbrestore.contract.job import ErrorNote
from dbrestore.contract.questions.removal import Outcome, PointRemoval, RemovalAnswer, RemovalQuestion
from lambdas.configuration import drills as drill_configuration
from lambdas.entrances.removal import bucket_keeping
from lambdas.entrances.removal.needs import Needs
from lambdas.entrances.removal.point_files import PointPlace, StoredObject, billed_longer
from lambdas.runtime import point_rows
from lambdas.runtime.aws import translated
from lambdas.runtime.point_rows import Removal
from lambdas.runtime.state import Surroundings, handler
from lambdas.runtime.telemetry import log


@handler("RemovePoints", RemovalQuestion, asked=True)
def remove_points(question: RemovalQuestion, surroundings: Surroundings) -> RemovalAnswer:
    """What became of each point; a refusal of one doesn't keep the others. Raises RestoreError if none could be looked at."""
    until = surroundings.stopwatch() + surroundings.bounds.removal_seconds

    def is_time_up() -> bool:
        return surroundings.stopwatch() > until

    if question.instance is None:
        return _finish(surroundings, is_time_up)
    remover = _remover(surroundings, question.instance, is_time_up)
    remover.needs.gone |= set(question.gone)
    told: list[PointRemoval] = []
    for number, point_id in enumerate(question.points):
        if is_time_up():
            return RemovalAnswer(points=tuple(told), remaining=question.points[number:])
        told.append(remover.told(point_id, question))
        if told[-1].outcome == "unfinished":
            return RemovalAnswer(points=tuple(told), remaining=question.points[number:])
    return RemovalAnswer(points=tuple(told))


def _finish(surroundings: Surroundings, is_time_up: Callable[[], bool]) -> RemovalAnswer:
    finished, stuck = [], []
    for removal in list(point_rows.unfinished(surroundings.table)):
        if is_time_up() or not _is_given_up(removal, surroundings):
            continue
        question = RemovalQuestion(instance=removal.instance, points=(removal.point_id,), asked_by=removal.asked_by)
        told = _remover(surroundings, removal.instance, is_time_up).told(removal.point_id, question)
        if told.outcome == "removed":
            finished.append(removal.name)
        else:
            stuck.append(f"{removal.name}: {told.error.in_short if told.error else 'it takes longer than one call'}")
    for sentence in stuck:
        log.warning("a removal isn't over: %s", sentence)
    return RemovalAnswer(finished=tuple(finished), stuck=tuple(stuck))


def _is_given_up(removal: Removal, surroundings: Surroundings) -> bool:
    """Whether the function that began it can no longer run."""
    return removal.since < surroundings.clock() - timedelta(seconds=limits.VISIBLE_AFTER)


def _remover(surroundings: Surroundings, instance: str, is_time_up: Callable[[], bool]) -> "_Remover":
    s3, bucket = surroundings.control.s3, surroundings.settings.repository_bucket
    declared = drill_configuration.deployed(surroundings.settings.drill_configuration).drills
    of_instance = tuple(drill for drill in declared if drill.source.db_instance == instance)
    keeping = bucket_keeping.of(s3, bucket, f"{instance}/")
    return _Remover(surroundings, instance, keeping, Needs(s3, bucket, instance, of_instance), is_time_up)


@dataclass
class _Remover:
    surroundings: Surroundings
    instance: str
    keeping: bucket_keeping.Keeping
    needs: Needs
    is_time_up: Callable[[], bool]

    def told(self, point_id: str, question: RemovalQuestion) -> PointRemoval:
        """What became of it; what went wrong is part of it."""
        try:
            found = self._removal(point_id, question)
        except (ClientError, BotoCoreError, RestoreError) as caught:
            error = caught if isinstance(caught, RestoreError) else translated(caught)
            log.info("%s/%s is not removed: %s", self.instance, point_id, error)
            return PointRemoval(point_id=point_id, outcome="refused", error=ErrorNote.of(error))
        if found.outcome != "unfinished":
            self.needs.gone.add(point_id)
        return found

    def _removal(self, point_id: str, question: RemovalQuestion) -> PointRemoval:
        now, table = self.surroundings.clock(), self.surroundings.table
        place = PointPlace(self.needs.s3, self.needs.bucket, self.instance, point_id)
        under_way = point_rows.find(table, self.instance, point_id)
        is_listed = place.is_listed()
        if not is_listed and under_way is None:
            raise self._not_there(point_id)
        removal = under_way or Removal(self.instance, point_id, now, question.asked_by)
        objects = list(place.objects())
        if is_listed:
            self._require_free(removal, place, objects, now)
        if not question.dry_run:
            return self._removed(removal, place, objects, is_listed=is_listed)
        return self._told(point_id, "removable", objects, now)

    def _require_free(self, removal: Removal, place: PointPlace, objects: list[StoredObject], now: datetime) -> None:
        try:
            if found := point_rows.readers(self.surroundings.table, removal):
                raise point_rows.in_use(removal, found)
            if self.keeping.locks:
                place.require_unlocked(objects, now)
            self.needs.require_unneeded(removal.point_id, now)
        except RestoreError:
            # Of a function that died before it touched anything; else nobody could restore the point again.
            if _is_given_up(removal, self.surroundings):
                point_rows.withdraw(self.surroundings.table, removal)
            raise

    def _removed(self, asked: Removal, place: PointPlace, objects: list[StoredObject], *, is_listed: bool) -> PointRemoval:
        table = self.surroundings.table
        if is_listed:
            begun = point_rows.begin(table, asked)
            is_ours = begun is asked or _is_given_up(begun, self.surroundings)
            self._require_still_unneeded(begun, is_ours=is_ours)
            place.unlist()
        is_over = place.remove_files(self.is_time_up)
        now = self.surroundings.clock()
        if is_over:
            point_rows.over(table, asked, now)
            log.info("%s is removed, asked by %s", asked.name, asked.asked_by)
        return self._told(asked.point_id, "removed" if is_over else "unfinished", objects, now)

    def _require_still_unneeded(self, begun: Removal, *, is_ours: bool) -> None:
        others = {one.point_id for one in point_rows.unfinished(self.surroundings.table) if one.instance == self.instance}
        try:
            self.needs.look_again(others - {begun.point_id})
            self.needs.require_unneeded(begun.point_id, self.surroundings.clock())
        except RemovalRefused:
            if is_ours:
                point_rows.withdraw(self.surroundings.table, begun)
            raise

    def _told(self, point_id: str, outcome: Outcome, objects: list[StoredObject], now: datetime) -> PointRemoval:
        freed_at = self.keeping.freed_at(now)
        return PointRemoval(
            point_id=point_id,
            outcome=outcome,
            files=len(objects),
            bytes=sum(item.size for item in objects),
            versioned=self.keeping.versioned,
            freed_at=freed_at,
            billed_longer=billed_longer(objects, freed_at),
        )

    def _not_there(self, point_id: str) -> RestorePointNotFound:
        removed_at = point_rows.removed_at(self.surroundings.table, self.instance, point_id)
        why = f"it was removed at {removed_at[:19]} UTC" if removed_at else "`dbrestore points list` shows what there is"
        return RestorePointNotFound(f"{self.instance!r} has no restore point {point_id!r}: {why}")
