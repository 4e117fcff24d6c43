"""The second net: what carries this installation's tags and belongs to no open restore, in each account and Region that it ever restored
into, is told, and removed when it was seen twice with some time between.

Whatever the ledger lost (a row, a table brought back from an earlier day, a thing that EC2 did not show for longer than it says) is found
here, by the tags that every thing has from its creation on. Of an open restore, of one that is just being planned, and of another
installation nothing is touched: things are listed first and the ledger is read afterwards, and a restore is in the ledger before it makes
anything. What has no tag that says whose it is, and whose restore this ledger doesn't know, is told and kept.
"""

from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dbrestore.contract import keys, limits, names
from dbrestore.contract.anchor import AnchoredTarget
from dbrestore.contract.errors import LedgerRowUnreadable, NotReady, RestoreNotFound
from dbrestore.contract.questions.strays import CleanUpAnswer, CleanUpQuestion, Outcome, Stray
from dbrestore.contract.things import BUCKET
from dbrestore.ledger import restore_list
from dbrestore.ledger.reading import open_restores
from dbrestore.ledger.restore_list import RESTORES
from lambdas.closing import tagged_things
from lambdas.closing.tagged_things import Thing
from lambdas.runtime import telemetry
from lambdas.runtime.aws import translated
from lambdas.runtime.state import Surroundings, handler
from lambdas.runtime.telemetry import log
from lambdas.staging import lease as staging_lease

STRAYS = "STRAYS"
SESSION = "dbrestore-cleanup"
WHOSE = "no tag says which installation made it, and this one's ledger doesn't know its restore: if it is yours, delete it by hand"


@handler("CleanUpStrays", CleanUpQuestion, asked=True)
def clean_up_strays(question: CleanUpQuestion, surroundings: Surroundings) -> CleanUpAnswer:
    """What was found, and what became of it."""
    strays: list[Stray] = []
    unseen: list[str] = []
    places = known_places(surroundings)
    for place in places:
        try:
            strays += _At(surroundings, *place, is_dry=question.dry_run).look()
        except (ClientError, BotoCoreError) as error:
            # Its TargetStack may be gone; the other places must not wait for it.
            log.warning("%s/%s: %s", *place, error)
            unseen.append(f"{'/'.join(place)}: {translated(error)}")
    answer = CleanUpAnswer(
        looked_at=surroundings.clock(),
        dry_run=question.dry_run,
        places=tuple("/".join(place) for place in places),
        unseen=tuple(unseen),
        strays=tuple(strays),
    )
    _keep(surroundings, answer)
    return answer


def known_places(surroundings: Surroundings) -> tuple[tuple[str, str], ...]:
    """The accounts and Regions of all restores in the ledger."""
    listed = (restore_list.read(item).target for item in surroundings.table.query(RESTORES))
    return tuple(sorted({(target.account, target.region) for target in listed if target and target.account and target.region}))


def _keep(surroundings: Surroundings, answer: CleanUpAnswer) -> None:
    telemetry.count("Strays", len(answer.strays))
    for stray in answer.strays:
        log.warning("%s %s of %s: %s: %s", stray.kind, stray.physical_id, stray.restore_id, stray.outcome, stray.why)
    if answer.strays and not answer.dry_run:
        surroundings.control.s3.put_object(
            Bucket=surroundings.settings.evidence_bucket,
            Key=keys.stray_report_key(answer.looked_at),
            Body=answer.to_json().encode(),
            ContentType="application/json",
        )


class _At:
    """One account and Region."""

    def __init__(self, surroundings: Surroundings, account: str, region: str, *, is_dry: bool) -> None:
        self._surroundings, self._account, self._region, self._is_dry = surroundings, account, region, is_dry
        self._now = surroundings.clock()
        self._ours = names.installation(surroundings.settings.state_machine_arn)
        self._prefix = names.prefix(surroundings.settings.state_machine_arn)

    def look(self) -> list[Stray]:
        """What was found. Raises ClientError."""
        partition = self._surroundings.settings.state_machine_arn.split(":")[1]
        target = self._surroundings.target(partition=partition, account=self._account, region=self._region, restore_id=SESSION)
        things = list(tagged_things.everything(target, self._prefix, self._account, self._region))
        seen_before = {
            item["sk"]: item["firstSeenAt"] for item in self._surroundings.table.query(STRAYS, f"{self._account}#{self._region}#")
        }
        strays = [thing for thing in things if self._is_stray(thing)]
        found = [self._treated(thing, seen_before.get(self._key(thing))) for thing in strays]
        if not self._is_dry:
            self._forget(seen_before.keys() - {self._key(thing) for thing in strays})
        return found

    def _is_stray(self, thing: Thing) -> bool:
        if thing.installation not in (None, self._ours):
            return False
        return self._is_unused(thing.id) if thing.kind == BUCKET else not self._is_open(thing.restore_id)

    def _is_unused(self, bucket: str) -> bool:
        where = AnchoredTarget(account=self._account, region=self._region)
        generation = names.generation_of(self._prefix, bucket, self._account, self._region)
        if not staging_lease.read(self._surroundings.table, where).is_over(generation):
            return False
        ledgers = (self._surroundings.ledger(restore) for restore in open_restores(self._surroundings.table))
        return not any(row.name == bucket for ledger in ledgers for row in ledger.unsettled(BUCKET))

    def _is_open(self, restore_id: str | None) -> bool:
        try:
            return restore_id is not None and self._surroundings.ledger(restore_id).meta().status != "CLOSED"
        except RestoreNotFound:
            return False
        except LedgerRowUnreadable:
            # What can't be determined is left alone; the sweeper tells of it.
            return True

    def _treated(self, thing: Thing, seen_before: str | None) -> Stray:
        first = _moment(seen_before) or self._now
        outcome, why = self._outcome(thing, first)
        return Stray(
            kind=thing.kind,
            physical_id=thing.id,
            name=thing.tags.get("Name"),
            restore_id=thing.restore_id,
            account=self._account,
            region=self._region,
            first_seen_at=first,
            outcome=outcome,
            why=why,
        )

    def _outcome(self, thing: Thing, first: datetime) -> tuple[Outcome, str]:
        if thing.installation is None and not self._is_known(thing.restore_id):
            return "kept", WHOSE
        again_at = first + timedelta(seconds=limits.STRAY_LOOKS_APART)
        if not self._is_dry and first == self._now:
            self._remember(thing)
        if not self._is_expired(thing):
            return "waiting", "its restore isn't in the ledger, and may run: removed once it has expired"
        if self._now < again_at:
            return "waiting", f"removed if it is seen again after {again_at:%Y-%m-%d %H:%M} UTC"
        if self._is_dry:
            return "waiting", "seen twice: the next run that is no dry run removes it"
        return _removed(thing)

    def _is_known(self, restore_id: str | None) -> bool:
        return restore_id is not None and self._surroundings.ledger(restore_id).exists()

    def _is_expired(self, thing: Thing) -> bool:
        """Of a restore that the ledger doesn't know (any more), the tag is what tells when nobody can need the thing."""
        at = thing.tags.get(names.EXPIRES_AT)
        # What can't be read is no moment that has passed.
        expires_at = _moment(at)
        return at is None or self._is_known(thing.restore_id) or (expires_at is not None and expires_at < self._now)

    def _key(self, thing: Thing) -> str:
        return f"{self._account}#{self._region}#{thing.kind}#{thing.id}"

    def _remember(self, thing: Thing) -> None:
        table = self._surroundings.table
        item: dict[str, Any] = {"pk": STRAYS, "sk": self._key(thing), "firstSeenAt": self._now.isoformat()}
        table.write(table.put(item))

    def _forget(self, gone: set[str]) -> None:
        table = self._surroundings.table
        for key in sorted(gone):
            table.write(table.delete(STRAYS, key))


def _moment(text: str | None) -> datetime | None:
    """As we write moments; None for anything that somebody else may have written."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else None


def _removed(thing: Thing) -> tuple[Outcome, str]:
    try:
        thing.remove()
    except NotReady as error:
        return "kept", f"{error}; the next run tries again"
    except (ClientError, BotoCoreError) as error:
        return "kept", f"{translated(error)}; the next run tries again"
    return "removed", "seen twice, and of no open restore"
