"""The temporary bucket is shared, and no order of events takes it from one who uses it or leaves it behind."""

import inspect
import json
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from dbrestore.contract import limits
from dbrestore.contract.errors import NotReady, RestoreClosed
from dbrestore.contract.names import staging_bucket
from dbrestore.contract.plan import Plan
from dbrestore.contract.sqlserver_errors import StagingAccessDenied
from dbrestore.ledger.table import Table
from lambdas.runtime import invocations
from lambdas.runtime.bounds import Bounds
from lambdas.runtime.inputs import RemoverInput
from lambdas.runtime.ledger import Ledger
from lambdas.staging import lease as staging_lease
from lambdas.staging.bucket import STAGING, ensure, policy, remove_staging_bucket
from localcloud.iam import access_policies
from tests.moving_clock import MovingClock
from tests.statemachine import plain_moto
from tests.statemachine.plain_moto import Died
from tests.unit.lambdas.staging.interleaving import Buckets, Items, Schedule, until_done
from tests.unit.lambdas.staging.staged_restores import ACCOUNT, REGION, ROLE, hand_made_plan

remove = inspect.unwrap(remove_staging_bucket)
GONE = f"arn:aws:iam::{ACCOUNT}:role/gone"


# S3 in memory knows at once what it made; a function that was given up may still go on.
SHOWN_AT_ONCE = Bounds(shown_within=0, looks_apart=0)


@dataclass
class Restore:
    """One restore on the account in memory; `uses` is the object that it reads at this moment."""

    plan: Plan
    account: "Account"
    uses: tuple[str, str] | None = None
    is_given_up: bool = False
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def bounds(self) -> Bounds:
        return self.account.bounds

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.account.table, self.plan.restore_id, self.account.clock, self.bounds)

    def target(self, _plan: Plan) -> Any:
        return SimpleNamespace(s3=self.account.s3)

    def stage(self) -> None:
        """One invocation: the bucket, and an object in it."""
        with invocations.at_work(self.ledger, STAGING):
            bucket = ensure(self, self.plan, self.account.s3)  # type: ignore[arg-type]
            key = f"{self.plan.restore_id}/1"
            row = self.ledger.intend("staged-objects", "staging", f"{bucket}/{self.plan.restore_id}/")
            self.account.s3.put_object(Bucket=bucket, Key=key)
            self.ledger.created(row, key)
            if not self.is_given_up:
                self.uses = (bucket, key)

    def remove(self) -> None:
        """One invocation."""
        self.uses, self.is_given_up = None, True
        remove(RemoverInput.model_validate({"plan": {"restoreId": self.plan.restore_id}}), self)


@dataclass
class Account:
    """A ledger and S3 in memory; `live` are the restores that were planned."""

    items: Items = field(default_factory=Items)
    s3: Buckets = field(default_factory=Buckets)
    restores: list[Restore] = field(default_factory=list)
    clock: MovingClock = field(default_factory=MovingClock)
    bounds: Bounds = SHOWN_AT_ONCE

    @property
    def table(self) -> Table:
        return Table(self.items, "ledger")  # type: ignore[arg-type]

    def restore(self, name: str, role: str = ROLE) -> Restore:
        plan = hand_made_plan(name, role)
        Ledger(self.table, plan.restore_id).open(plan, datetime.now(UTC))
        self.restores.append(Restore(plan, self))
        return self.restores[-1]

    def follow(self, schedule: Schedule | None) -> None:
        self.items.schedule = self.s3.schedule = schedule

    def check(self) -> None:
        """Whoever reads finds its object, and may read it."""
        for restore in self.restores:
            if restore.uses:
                bucket, key = restore.uses
                assert key in self.s3.objects.get(bucket, set()), f"{key} was taken away while it was read"
                assert restore.plan.restore_id in self.s3.policies[bucket], "the grant was taken away"
        self.check_grants()

    def check_grants(self) -> None:
        """Whoever holds the lease and has its bucket may read there. Looking isn't a step of the schedule."""
        table = Table(Items(items=self.items.items), "ledger")  # type: ignore[arg-type]
        holders = staging_lease.read(table, self.restores[0].plan.target).holders
        for restore in self.restores:
            if restore.plan.restore_id in holders:
                for row in Ledger(table, restore.plan.restore_id).rows("bucket"):
                    if row.state == "CREATED":
                        assert restore.plan.restore_id in self.s3.policies[row.name], "a holder has no grant"

    def check_end(self) -> None:
        """Nothing is left, and for each bucket somebody saw it gone."""
        self.follow(None)
        assert self.s3.objects == {}
        assert staging_lease.read(self.table, self.restores[0].plan.target).holders == {}
        rows = [row for restore in self.restores for row in restore.ledger.rows()]
        assert {row.state for row in rows} <= {"DELETED"}
        seen = {row.name for row in rows if row.kind == "bucket" and row.seen_absent_at}
        assert set(self.s3.made) <= seen


Actors = Callable[[Account, Schedule], list[Callable[[], None]]]


def whole(restore: Restore, schedule: Schedule) -> Callable[[], None]:
    """Stages, reads for a while, removes."""

    def work() -> None:
        until_done(schedule, restore.stage)
        schedule.call()
        until_done(schedule, restore.remove)

    return work


def staging(restore: Restore, schedule: Schedule) -> Callable[[], None]:
    """Invocations that go on while the restore may have been given up."""

    def work() -> None:
        try:
            until_done(schedule, restore.stage)
        except RestoreClosed:
            return

    return work


def removing(restore: Restore, schedule: Schedule) -> Callable[[], None]:
    return lambda: until_done(schedule, restore.remove)


def two_whole(account: Account, schedule: Schedule) -> list[Callable[[], None]]:
    return [whole(account.restore(name), schedule) for name in ("a", "b")]


def removed_twice(account: Account, schedule: Schedule) -> list[Callable[[], None]]:
    """One restore is removed by its execution and by a clean-up while another comes."""
    first, second = account.restore("a"), account.restore("b")
    first.stage()
    return [removing(first, schedule), removing(first, schedule), whole(second, schedule)]


def removed_twice_beside_others(account: Account, schedule: Schedule) -> list[Callable[[], None]]:
    """The same while another stays, so the policy is written again."""
    first, second, third = (account.restore(name) for name in ("a", "b", "c"))
    first.stage()
    second.stage()
    return [removing(first, schedule), removing(first, schedule), whole(third, schedule), whole(second, schedule)]


def given_up_while_it_stages(account: Account, schedule: Schedule) -> list[Callable[[], None]]:
    first, second = account.restore("a"), account.restore("b")
    return [staging(first, schedule), removing(first, schedule), whole(second, schedule)]


def play(actors: Actors, preemptions: dict[int, int]) -> Schedule:
    account = Account()
    schedule = Schedule(preemptions, account.check)
    acting = actors(account, schedule)
    account.follow(schedule)
    schedule.run(acting)
    account.check_end()
    return schedule


def schedules(actors: Actors, preemptions: dict[int, int], most: int) -> Iterator[dict[int, int]]:
    """Every schedule with up to so many preemptions more."""
    played = play(actors, preemptions)
    yield preemptions
    if not most:
        return
    for step in range(max(preemptions, default=-1) + 1, len(played.steps)):
        current, alive = played.steps[step]
        for other in alive:
            if other != current:
                yield from schedules(actors, {**preemptions, step: other}, most - 1)


ACTORS = pytest.mark.parametrize("actors", [two_whole, removed_twice, removed_twice_beside_others, given_up_while_it_stages])


@ACTORS
def test_no_order_with_one_preemption_takes_or_leaves_a_bucket(actors: Actors) -> None:
    assert sum(1 for _ in schedules(actors, {}, 1)) > 30


@pytest.mark.slow
@ACTORS
def test_no_order_among_many_takes_or_leaves_a_bucket(actors: Actors) -> None:
    chance = random.Random(7)

    for _ in range(250):
        play(actors, {chance.randrange(120): chance.randrange(4) for _ in range(chance.randint(2, 12))})


@pytest.mark.slow
@ACTORS
def test_no_order_with_two_preemptions_takes_or_leaves_a_bucket(actors: Actors) -> None:
    assert sum(1 for _ in schedules(actors, {}, 2)) > 500


def test_whoever_dies_while_it_changes_the_lease_is_waited_out() -> None:
    account = Account()
    first, second = account.restore("a"), account.restore("b")
    account.s3.dies_at = 1
    with pytest.raises(Died):
        first.stage()

    for invoke in (first.remove, second.stage):
        with pytest.raises(NotReady):
            invoke()
    account.clock.let_pass(seconds=limits.VISIBLE_AFTER + 1)
    second.stage()
    first.remove()
    account.check()
    second.remove()

    account.check_end()


@pytest.mark.parametrize("dies_at", range(1, 12))
def test_whoever_dies_anywhere_leaves_nothing_when_it_is_removed(dies_at: int) -> None:
    account = Account(bounds=plain_moto.SHOWN_AT_ONCE)
    first, second = account.restore("a"), account.restore("b")
    second.stage()
    account.s3.calls, account.s3.dies_at = 0, dies_at

    def whole_life() -> None:
        first.stage()
        first.remove()

    with suppress(Died):
        whole_life()
    account.s3.dies_at = None
    second.remove()
    for _ in range(3):
        first.remove()

    account.check_end()


def test_a_restore_joins_who_is_there_and_begins_anew_when_nobody_is() -> None:
    account = Account()
    first, second, third = (account.restore(name) for name in ("a", "b", "c"))

    first.stage()
    second.stage()
    first.remove()
    second.remove()
    third.stage()

    assert [r.ledger.rows("bucket")[0].name.split("-")[2] for r in account.restores] == ["g1", "g1", "g2"]
    third.remove()
    account.check_end()


def test_a_bucket_that_others_use_is_handed_over_and_not_called_gone() -> None:
    account = Account()
    first, second = account.restore("a"), account.restore("b")
    first.stage()
    second.stage()

    first.remove()

    (row,) = first.ledger.rows("bucket")
    assert (row.state, row.seen_absent_at) == ("DELETED", None)
    assert row.note == f"used by {second.plan.restore_id}: the last of them deletes it"
    account.check()
    second.remove()
    (row,) = second.ledger.rows("bucket")
    assert row.seen_absent_at
    account.check_end()


def test_a_second_removal_waits_for_the_lock_and_takes_no_grant_away(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(bounds=plain_moto.SHOWN_AT_ONCE)
    first, second, third = (account.restore(name) for name in ("a", "b", "c"))
    first.stage()
    second.stage()
    account.s3.calls, account.s3.dies_at = 0, 4
    with pytest.raises(Died):
        first.remove()
    account.s3.dies_at = None
    account.bounds = SHOWN_AT_ONCE

    put = account.s3.put_bucket_policy

    def meanwhile(**request: Any) -> None:
        monkeypatch.setattr(account.s3, "put_bucket_policy", put)
        with suppress(NotReady):
            third.stage()
        put(**request)

    monkeypatch.setattr(account.s3, "put_bucket_policy", meanwhile)
    first.remove()

    account.check()
    third.stage()
    account.check()
    for restore in (second, third):
        restore.remove()
    account.check_end()


def test_a_role_that_does_not_exist_ends_its_restore_and_harms_no_other() -> None:
    account = Account()
    account.s3.unknown_roles = {GONE}
    first, lost, last = account.restore("a"), account.restore("b", GONE), account.restore("c")
    first.stage()

    with pytest.raises(StagingAccessDenied, match=f"{GONE}.*IAM_ROLE_ARN.*does not exist"):
        lost.stage()
    last.stage()
    first.remove()

    account.check()
    assert set(staging_lease.read(account.table, last.plan.target).holders) == {last.plan.restore_id}
    lost.remove()
    (row,) = lost.ledger.rows()
    assert (row.state, row.seen_absent_at) == ("DELETED", None)
    assert row.note == f"used by {last.plan.restore_id}: the last of them deletes it"
    last.remove()
    account.check_end()


def test_the_first_of_a_bucket_removes_it_also_when_its_role_does_not_exist() -> None:
    account = Account()
    account.s3.unknown_roles = {GONE}
    lost, other = account.restore("a", GONE), account.restore("b")
    with pytest.raises(StagingAccessDenied):
        lost.stage()

    other.stage()
    lost.remove()

    account.check()
    (row,) = lost.ledger.rows()
    assert row.seen_absent_at
    assert other.ledger.rows("bucket")[0].name != row.name
    other.remove()
    account.check_end()


def test_a_role_that_is_deleted_while_its_restore_runs_keeps_nobody_from_leaving(
    caplog: pytest.LogCaptureFixture,
) -> None:
    account = Account()
    first, lost = account.restore("a"), account.restore("b", GONE)
    first.stage()
    lost.stage()
    account.s3.unknown_roles = {GONE}

    first.remove()

    assert "Invalid principal in policy" in caplog.text
    assert {row.state for row in first.ledger.rows()} == {"DELETED"}
    lost.remove()
    account.check_end()


def test_many_restores_of_one_instance_share_the_bucket() -> None:
    account = Account()

    stage_all([account.restore(str(number)) for number in range(100)])

    account.check()

    assert account.s3.made == [staging_bucket("dbrestore", 1, ACCOUNT, REGION)]


def test_who_finds_no_room_in_the_policy_waits_and_is_no_holder() -> None:
    account = Account()
    restores = [account.restore(str(number), f"{ROLE}-of-instance-{number:03}") for number in range(100)]

    with pytest.raises(NotReady, match=r"waiting for another restore to end: .* has no room for one more"):
        stage_all(restores)

    joined = [restore for restore in restores if restore.uses]
    waiting = restores[len(joined)]
    assert len(joined) >= 35
    assert waiting.ledger.rows() == ()
    holders = staging_lease.read(account.table, waiting.plan.target).holders
    assert set(holders) == {restore.plan.restore_id for restore in joined}
    joined[0].remove()
    waiting.stage()
    account.check()


def stage_all(restores: list[Restore]) -> None:
    for restore in restores:
        restore.stage()


def test_each_role_reads_the_files_of_its_own_restores_only() -> None:
    other_role = f"{ROLE}-of-another-instance"
    bucket = f"arn:aws:s3:::{staging_bucket('dbrestore', 1, ACCOUNT, REGION)}"
    lease = staging_lease.Lease(1, {"r-1": ROLE, "r-2": other_role, "r-3": ROLE})
    statements = access_policies.statements(json.dumps(policy("aws", staging_bucket("dbrestore", 1, ACCOUNT, REGION), lease)))

    def may(role: str, action: str, resource: str, **context: str) -> bool:
        asked = {"aws:securetransport": "true"} | {f"s3:{name}": value for name, value in context.items()}
        question = access_policies.Question(role, f"s3:{action}", resource, asked)
        return access_policies.may(question, (), statements, ACCOUNT)

    restores = ("r-1", "r-2", "r-3")
    for role, own in ((ROLE, ["r-1", "r-3"]), (other_role, ["r-2"]), (GONE, [])):
        assert [r for r in restores if may(role, "GetObject", f"{bucket}/{r}/1/s-01.bak")] == own
        assert [r for r in restores if may(role, "ListBucket", bucket, prefix=f"{r}/1/")] == own
        assert may(role, "ListBucket", bucket) is may(role, "GetBucketLocation", bucket) is bool(own)
        assert not may(role, "ListBucket", bucket, prefix="")
        assert not may(role, "PutObject", f"{bucket}/r-1/1/s-01.bak")


def test_a_row_whose_lease_was_never_taken_says_so() -> None:
    account = Account()
    restore = account.restore("a")
    restore.ledger.intend("bucket", "staging", f"dbrestore-staging-g7-{ACCOUNT}-{REGION}-an")

    restore.remove()

    (row,) = restore.ledger.rows()
    assert (row.state, row.seen_absent_at) == ("DELETED", None)
    assert "never taken" in (row.note or "")
    assert account.s3.made == []


def test_nothing_joins_for_a_restore_that_closes() -> None:
    account = Account()
    restore = account.restore("a")
    restore.ledger.advance("CLOSING")

    with pytest.raises(RestoreClosed):
        restore.stage()

    assert account.s3.made == []
    assert staging_lease.read(account.table, restore.plan.target).holders == {}
