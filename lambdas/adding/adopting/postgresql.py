"""Dumps by a rule: S3 copies them, an execution with a worker reads them, and the next look finds how that ended."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from dbrestore.contract.adoption.answers import Waiting
from dbrestore.contract.error_names import by_name
from dbrestore.contract.errors import BackupDamaged, BackupUnreadable, RestoreError, RestoreFailed
from dbrestore.contract.questions.additions import AdditionOrder, AdditionStart
from dbrestore.contract.refusals import error_code
from dbrestore.points.adoption import arrivals
from dbrestore.points.adoption.arrivals import Unit
from dbrestore.points.adoption.postgresql import Group, groups, newest_of_each
from dbrestore.points.adoption.sqlserver import LATE
from dbrestore.points.in_s3 import dumps, making, unfinished
from dbrestore.points.in_s3 import postgresql as in_s3
from dbrestore.points.pgdump import directory
from lambdas.adding.adopting.rows import PointRow
from lambdas.adding.adopting.rule_at_work import FAILURES, RuleAtWork, is_its_own, named
from lambdas.runtime.executions import described, message_of

# Each is a worker.
MOST_READ_AT_ONCE: Final = 4
MOST_DUMPS: Final = 500


def follow(work: RuleAtWork) -> bool:
    """See how what is being read has ended, and begin what was only intended; whether something has ended."""
    reading = [point for point in work.rows.points() if point.state == "READING"]
    return any([_followed(work, point).state != "READING" for point in reading])


def _followed(work: RuleAtWork, point: PointRow) -> PointRow:
    found = described(work.surroundings, point.execution_arn or "")
    if found is None:
        return _start(work, point)
    if found["status"] == "SUCCEEDED":
        return work.made(point, point.members.values())
    if found["status"] == "RUNNING":
        return point
    return _failed(work, point, by_name(found.get("error", RestoreFailed.__name__))(message_of(found.get("cause", ""))))


def adopt(work: RuleAtWork, units: Sequence[Unit]) -> Iterator[Waiting]:
    """Begin the points that are due; what waits, and for what."""
    points = {frozenset(point.members): point for point in work.rows.points()}
    made = {one for members, point in points.items() if point.state in ("READING", "MADE") for one in members}
    _forget_others(work, points, units, made)
    reading = sum(point.state == "READING" for point in points.values())
    for group in groups(units, work.since):
        if not group.fresh(made | work.known_as_refused):
            continue
        if group.changed + work.rule.settle > work.now:
            yield work.wait(group.name, "the settle time: more may follow", group.changed + work.rule.settle)
        elif reading >= MOST_READ_AT_ONCE or work.is_over():
            yield work.wait(group.name, "its turn: others are being copied or read", work.now)
        else:
            sound, waiting = _sound(work, group)
            yield from waiting
            if sound and not waiting:
                before = points.get(frozenset(unit.fingerprint for unit in sound))
                if before and before.state in ("READING", "MADE"):
                    continue
                point = _begun(work, before or _row(work, sound), sound)
                reading += point.state == "READING"
                if point.state == "COPYING":
                    yield work.wait(group.name, "S3, or another try", point.next_at)


def _sound(work: RuleAtWork, group: Group) -> tuple[tuple[Unit, ...], list[Waiting]]:
    """Those that can be in the point. What can't be is refused; what isn't there as a whole holds the others back for a day."""
    if len(group.units) > MOST_DUMPS:
        error = BackupUnreadable(f"{len(group.units):,} dumps bear it in their keys, {MOST_DUMPS} at most: {{run}} stands for too much")
        _refuse_all(work, group.units, error)
        return (), []
    refused = work.known_as_refused
    newest, replaced = newest_of_each([unit for unit in group.units if unit.fingerprint not in refused])
    _refuse_all(work, replaced, BackupUnreadable("is left out: the same run has a newer dump of the same database"))
    sound, waiting = [], []
    for unit in newest:
        try:
            if missing := _missing(work, unit):
                waiting += _incomplete(work, unit, missing)
            else:
                dumps.look(work.source, unit.key, unit.database)
                sound.append(unit)
        except FAILURES as error:
            work.refuse(unit.key, unit.fingerprint, unit.changed, named(error))
    return tuple(sound), waiting


def _missing(work: RuleAtWork, unit: Unit) -> str:
    """The first file of a directory that isn't there yet; empty if all is."""
    if not unit.has_root:
        return dumps.TOC
    present = {one.key.removeprefix(unit.key) for one in unit.objects}
    if not unit.key.endswith("/") or dumps.TOC not in present:
        return ""
    toc = dumps.read_toc(work.source, work.source.pinned(unit.key + dumps.TOC))
    return next((name for name in sorted(directory.known_files(toc)) if name not in present), "")


def _incomplete(work: RuleAtWork, unit: Unit, missing: str) -> list[Waiting]:
    until = unit.changed + LATE
    if until > work.now:
        return [work.wait(unit.key, f"{missing}, which has not arrived", until)]
    error = BackupDamaged(f"the file {missing} hasn't arrived within a day of the others: upload it, and the dump is adopted")
    work.note_late(unit.key, unit.fingerprint, unit.changed, error)
    return []


def _row(work: RuleAtWork, sound: Sequence[Unit]) -> PointRow:
    members = {unit.fingerprint: unit.key for unit in sound}
    changed = max(unit.changed for unit in sound)
    return PointRow(
        point_id=arrivals.point_id(changed, work.rule.instance, members),
        uri=work.uri(sound[0].key),
        files=sum(len(unit.objects) for unit in sound),
        state="COPYING",
        changed=changed,
        at=work.now,
        members=members,
    )


def _begun(work: RuleAtWork, point: PointRow, sound: Sequence[Unit]) -> PointRow:
    if point.next_at and point.next_at > work.now:
        return point
    if work.is_made(point.point_id):
        return work.made(point, point.members.values())
    work.rows.keep(point)
    pairs = [(unit.database, unit.key) for unit in sound]
    try:
        note = in_s3.prepare(
            work.source,
            work.repository,
            work.rule.instance,
            pairs,
            pace=work.pace,
            point_id=point.point_id,
            places=work.places,
        )
    except FAILURES as error:
        return work.failed(point, named(error), point.members)
    arn = _execution_arn(work, AdditionStart(add=_order(work, note.point_ids[0])).execution_name(point.tries + 1))
    intended = point.model_copy(update={"state": "READING", "point_id": note.point_ids[0], "at": work.now, "execution_arn": arn})
    return _start(work, work.rows.keep(intended))


def _start(work: RuleAtWork, point: PointRow) -> PointRow:
    """Under the name that the row has: whoever comes second starts nothing."""
    steps = work.surroundings.control.stepfunctions
    order = AdditionStart(add=_order(work, point.point_id))
    name = (point.execution_arn or "").rpartition(":")[2]
    try:
        steps.start_execution(stateMachineArn=work.surroundings.settings.state_machine_arn, name=name, input=order.input_text())
    except steps.exceptions.ClientError as error:
        if error_code(error) != "ExecutionAlreadyExists":
            raise
    return point


def _order(work: RuleAtWork, point_id: str) -> AdditionOrder:
    by = f"adoption rule {work.rule.name}"
    return AdditionOrder(instance=work.rule.instance, point_id=point_id, near=work.rule.beside, requested_by=by)


def _execution_arn(work: RuleAtWork, name: str) -> str:
    return f"{work.surroundings.settings.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"


def _failed(work: RuleAtWork, point: PointRow, error: RestoreError) -> PointRow:
    """The copies go. A dump that the worker found damaged is refused, and the next look makes the point of the others."""
    bucket, key = work.repository.bucket, unfinished.key(work.rule.instance, point.point_id)
    note = next((one for one in unfinished.every(work.repository.s3, bucket, work.rule.instance) if one.key == key), None)
    if note and is_its_own(error):
        making.remove(work.repository, note, error)
    return work.failed(point, error, point.members)


def _refuse_all(work: RuleAtWork, units: Iterable[Unit], error: RestoreError) -> None:
    for unit in units:
        work.refuse(unit.key, unit.fingerprint, unit.changed, error)


def _forget_others(work: RuleAtWork, points: Mapping[frozenset[str], PointRow], units: Sequence[Unit], made: set[str]) -> None:
    """What was to be made of something that is no more: replaced or deleted meanwhile, or made together with what came later."""
    present = {unit.fingerprint for unit in units}
    for members, point in points.items():
        if point.state == "COPYING" and (not members <= present or members <= made):
            work.rows.drop(point)
