"""Rules of adoption in the ledger: what was heard, what was made of it, and what could not be.

    pk             sk                   what
    ADOPT#<rule>   HEARD#<of the key>   an object of which an event told, and when
    ADOPT#<rule>   LOOKED               when the bucket was listed last, when it has to be again, and what waits for what
    ADOPT#<rule>   LEASE                which invocation is at work on the rule, and until when it may be
    ADOPT#<rule>   POINT#<point id>     what becomes a point, or has: written before the first copy
    ADOPT#<rule>   REFUSED#<of the URI> what did not, why, and whether people were told

Invariant: a point's row is there before anything is made, and under one point id one thing is made. Rows go when what they are of is older
than the rule's window, and so never looked at again.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from pydantic import AwareDatetime, Field

from dbrestore.contract.adoption.answers import Waiting
from dbrestore.contract.document import Document
from dbrestore.contract.job import ErrorNote
from dbrestore.ledger.table import ConditionFailed, Table
from dbrestore.points.adoption.arrivals import digest

_HEARD: Final = "HEARD#"
_POINT: Final = "POINT#"
_REFUSED: Final = "REFUSED#"
_LOOKED: Final = "LOOKED"
_LEASE: Final = "LEASE"
# Longer than clocks differ, and than anything is under way.
_KEPT_AFTER_WINDOW: Final = timedelta(days=3)


class Heard(Document):
    """An event's object."""

    key: str
    at: AwareDatetime


class Looked(Document):
    """The last listing."""

    at: AwareDatetime
    next_at: AwareDatetime | None = None
    waiting: tuple[Waiting, ...] = ()


class PointRow(Document):
    """`members` are the keys by their fingerprints, of dumps; `fulls` and `sets` ids of backup sets, of native backups. `FAILED` is not
    tried again; what is postponed is `COPYING` until `next_at`."""

    point_id: str
    uri: str
    files: int
    state: Literal["COPYING", "READING", "MADE", "FAILED"]
    changed: AwareDatetime
    at: AwareDatetime
    members: dict[str, str] = Field(default={})
    fulls: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    tries: int = 0
    next_at: AwareDatetime | None = None
    execution_arn: str | None = None


class RefusedRow(Document):
    """`fingerprint` is of what was refused as it was then; `again`: what is wrong lies outside of it. `missing`: it is
    waited for, and people were told that something is missing."""

    uri: str
    fingerprint: str
    error: ErrorNote
    at: AwareDatetime
    changed: AwareDatetime
    again: bool
    missing: bool = False
    told: bool = False


@dataclass(frozen=True)
class AdoptionRows:
    """The rows of one rule."""

    table: Table
    rule: str

    def hear(self, heard: Heard) -> None:
        """Note an event; one that comes twice changes nothing but the time."""
        self._put(_HEARD + digest(heard.key), heard)

    def heard(self) -> tuple[Heard, ...]:
        """What was heard and not forgotten."""
        return tuple(map(Heard.of_any_version, self._read(_HEARD)))

    def forget(self, heard: Heard) -> None:
        """Unless it was heard again meanwhile."""
        with suppress(ConditionFailed):
            sk = _HEARD + digest(heard.key)
            self.table.write(self.table.delete(self._pk, sk, "#at = :at", at=str(heard.to_state()["at"])))

    def take(self, owner: str, now: datetime, until: datetime) -> bool:
        """Whether this invocation is the one at work on the rule."""
        row = {"pk": self._pk, "sk": _LEASE, "owner": owner, "until": _text(until)}
        try:
            self.table.write(
                self.table.put(row, "attribute_not_exists(pk) OR #until < :now OR #owner = :owner", now=_text(now), owner=owner)
            )
        except ConditionFailed:
            return False
        return True

    def leave(self, owner: str) -> None:
        """The next one may work on it."""
        with suppress(ConditionFailed):
            self.table.write(self.table.delete(self._pk, _LEASE, "#owner = :owner", owner=owner))

    def looked(self) -> Looked | None:
        """The last listing, if there was one."""
        found = list(self._read(_LOOKED))
        return Looked.of_any_version(found[0]) if found else None

    def note(self, looked: Looked) -> None:
        """Say that the bucket was listed."""
        self._put(_LOOKED, looked)

    def points(self) -> tuple[PointRow, ...]:
        """What became a point, or is to."""
        return tuple(map(PointRow.of_any_version, self._read(_POINT)))

    def keep(self, point: PointRow) -> PointRow:
        """Write it as it is now."""
        self._put(_POINT + point.point_id, point)
        return point

    def drop(self, point: PointRow) -> None:
        """What it was to be made of isn't there any more."""
        self.table.write(self.table.delete(self._pk, _POINT + point.point_id))

    def refused(self) -> tuple[RefusedRow, ...]:
        """What did not become a point."""
        return tuple(map(RefusedRow.of_any_version, self._read(_REFUSED)))

    def refuse(self, row: RefusedRow) -> None:
        """Note it. Who was told of the same thing and the same error isn't told again."""
        sk = _REFUSED + digest(row.uri)
        before = [RefusedRow.of_any_version(values) for values in self._read(sk)]
        known = any(one.told and (one.fingerprint, one.error.name) == (row.fingerprint, row.error.name) for one in before)
        self._put(sk, row.model_copy(update={"told": known}))

    def tell(self, row: RefusedRow) -> None:
        """People were told of it."""
        self._put(_REFUSED + digest(row.uri), row.model_copy(update={"told": True}))

    def accept(self, uri: str) -> None:
        """It has become a point after all."""
        self.table.write(self.table.delete(self._pk, _REFUSED + digest(uri)))

    def prune(self, since: datetime) -> None:
        """Forget what is older than the rule's window, which begins at `since`."""
        for point in self.points():
            if point.state in ("MADE", "FAILED") and point.changed < since - _KEPT_AFTER_WINDOW:
                self.drop(point)
        for row in self.refused():
            if row.told and row.changed < since - _KEPT_AFTER_WINDOW:
                self.accept(row.uri)

    @property
    def _pk(self) -> str:
        return f"ADOPT#{self.rule}"

    def _put(self, sk: str, document: Document) -> None:
        self.table.write(self.table.put({"pk": self._pk, "sk": sk, **document.to_state()}))

    def _read(self, prefix: str) -> Iterator[Mapping[str, Any]]:
        for item in self.table.query(self._pk, prefix):
            yield {name: value for name, value in item.items() if name not in ("pk", "sk")}


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
