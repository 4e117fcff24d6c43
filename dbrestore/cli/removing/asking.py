"""Restore points are removed by a function of the control plane, which works for a while and is asked again until it is through."""

from collections.abc import Sequence

from dbrestore.cli import examination
from dbrestore.cli.control import ControlPlane
from dbrestore.contract.questions.removal import MOST_POINTS, PointRemoval, RemovalAnswer, RemovalQuestion

FUNCTION = "RemovePoints"


def asked(plane: ControlPlane, instance: str, points: Sequence[str], *, dry_run: bool) -> tuple[PointRemoval, ...]:
    """What became of each point, or would, in their order. Raises what `examination.ask` does."""
    told: dict[str, PointRemoval] = {}
    left, caller = list(points), plane.account.caller()
    while left:
        gone = tuple(name for name, one in told.items() if one.outcome == "removable")[-MOST_POINTS:]
        some, rest = left[:MOST_POINTS], left[MOST_POINTS:]
        question = RemovalQuestion(instance=instance, points=tuple(some), gone=gone, dry_run=dry_run, asked_by=caller)
        answer = examination.ask(plane, FUNCTION, question, RemovalAnswer)
        for one in answer.points:
            told[one.point_id] = _of_all_of_it(one, told.get(one.point_id))
        left = [*answer.remaining, *rest]
    return tuple(told[point] for point in dict.fromkeys(points))


def _of_all_of_it(now: PointRemoval, before: PointRemoval | None) -> PointRemoval:
    """A call that goes on with a point sees only what the one before left of it."""
    if before is None or before.outcome != "unfinished":
        return now
    counted = {name: getattr(before, name) for name in ("files", "bytes", "billed_longer")}
    return now.model_copy(update=counted)
