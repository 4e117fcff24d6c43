"""Step 4 on SQL Server: RDS restores native backups from the temporary bucket, and the worker submits and follows its tasks.

Invariants: no database that is there already is touched: its name is looked for first. Each set is submitted exactly once, whatever
happens to the connection or to the worker. No more tasks are submitted than RDS works on, everybody's together.
"""

import contextlib
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from dbrestore.contract.errors import CheckRefused, DatabaseExists, RestoreError, RestoreFailed
from dbrestore.contract.job import Absence, DatabaseResult, ErrorNote, Job, NativeDatabaseJob
from dbrestore.contract.manifest import Manifest, NativeDatabaseBackup
from dbrestore.contract.sqlserver_errors import NativeSlotsTaken, NativeTaskStuck
from dbrestore.worker.base import limits
from dbrestore.worker.base.progress import ProgressWriter
from dbrestore.worker.sqlserver import asked
from dbrestore.worker.sqlserver import database_names as native_names
from dbrestore.worker.sqlserver import tasks as native_tasks
from dbrestore.worker.sqlserver.beginnings import Beginnings
from dbrestore.worker.sqlserver.messages import error_of_engine, split_entries
from dbrestore.worker.sqlserver.session import ConnectionLost, EngineError, SqlServer
from dbrestore.worker.sqlserver.standing_connection import StandingConnection
from dbrestore.worker.sqlserver.steps import Chain, Next, Submission
from dbrestore.worker.sqlserver.tasks import SLOTS, Listing

Settled = tuple[DatabaseResult, tuple[Absence, ...]]


def run(server: SqlServer, job: Job, manifest: Manifest, progress: ProgressWriter, beginnings: Beginnings) -> Iterator[Settled]:
    """Restore all databases of the job; each as it is settled, RESTORED or FAILED. Raises ServerUnreachable and what else means that
    none can go on."""
    chains = [Chain(database, _lengths(database, manifest), server.bounds) for database in job.native_databases]
    with StandingConnection(server) as connection:
        askable = []
        for chain in chains:
            if problem := _refusal(server, connection, chain):
                yield _failed(chain, problem, connection.ask(native_tasks.listing))
            else:
                askable.append(chain)
        yield from NativeRestore(connection, askable, progress, beginnings).settle_all()


def _refusal(server: SqlServer, connection: StandingConnection, chain: Chain) -> CheckRefused | None:
    try:
        asked.require_questions(server, connection, chain.job.asked_checks)
    except CheckRefused as problem:
        return problem
    return None


class NativeRestore:
    """The loop over the databases that are not settled yet."""

    def __init__(self, connection: StandingConnection, chains: list[Chain], progress: ProgressWriter, beginnings: Beginnings) -> None:
        self._connection, self._chains, self._progress, self._beginnings = connection, chains, progress, beginnings
        self._bounds = connection.bounds
        self._free_slots = 0
        self._waiting: list[Chain] = []
        self._blocked_since: datetime | None = None
        self._pause = self._bounds.native_poll_seconds

    def settle_all(self) -> Iterator[Settled]:
        """Until none is left."""
        left = list(self._chains)
        while left:
            listing = self._connection.ask(native_tasks.listing)
            self._free_slots, self._waiting = listing.free_slots, []
            for chain in tuple(left):
                if settled := self._advance(chain, listing):
                    left.remove(chain)
                    yield settled
            for chain in self._blocked_for_too_long(left, listing):
                left.remove(chain)
                yield _failed(chain, _slots_taken(listing, self._bounds.native_slot_wait_seconds), listing)
            self._tell(left)
            if left:
                self._wait()

    def _advance(self, chain: Chain, listing: Listing) -> Settled | None:
        """One step further; the result if that settled it. What its own task met is its own failure, however it is named."""
        try:
            due = chain.next(listing)
        except RestoreError as problem:
            if isinstance(problem, NativeTaskStuck):
                self._cancel(chain)
            return _failed(chain, problem, listing)
        try:
            due = self._submit(chain, due) if isinstance(due, Submission) else due
        except EngineError as problem:
            return _failed(chain, error_of_engine(problem.number, problem.message), listing)
        except DatabaseExists as problem:
            return _failed(chain, problem, listing)
        return _restored(chain, listing) if due == "restored" else None

    def _submit(self, chain: Chain, due: Submission) -> Next:
        name = chain.job.asked_name
        if due.number == 0:
            self._require_free(name)
        else:
            self._require_same(chain, due.number)
        if due.step is None and self._connection.ask(lambda asked: native_names.state_of(asked, name)) == "ONLINE":
            return "restored"
        if self._free_slots <= 0:
            self._waiting.append(chain)
            return "awaited"
        is_first = due.number == 0 and self._beginnings.note(chain.job)
        try:
            self._connection.send(lambda sent: native_tasks.submit(sent, name, due.step, recover=due.recover))
            chain.submitted(due, is_certain=True)
        except ConnectionLost:
            chain.submitted(due, is_certain=False)
        except EngineError:
            if is_first:
                self._beginnings.withdraw(chain.job)
            raise
        self._free_slots -= 1
        self._pause = self._bounds.native_poll_seconds
        return "awaited"

    def _require_free(self, name: str) -> None:
        taken = self._connection.ask(lambda asked: native_names.taken_by(asked, name))
        if taken is not None:
            raise DatabaseExists(
                f"the target already has a database {taken!r}, and RDS doesn't allow another whose name differs only by case or accent: "
                f"restore {name!r} under another name"
            )

    def _require_same(self, chain: Chain, number: int) -> None:
        """The name still means the database that our tasks made: everything after it goes onto whatever bears the name, and may have waited
        for hours for a slot. If there is none, RDS says so. Log restores leave the date as it is (secondaries of log shipping show it);
        whether a differential does is documented nowhere, so what is found after one counts."""
        found = self._connection.ask(lambda asked: native_names.created(asked, chain.job.asked_name))
        base = max(n for n, step in enumerate(chain.job.steps[:number]) if step.kind != "LOG")
        if chain.made is None or chain.made[0] != base:
            chain.made = (base, found)
        if found and found != chain.made[1]:
            raise DatabaseExists(
                f"{chain.job.asked_name}: somebody replaced the database while it was being restored: there is another of this name, "
                f"created at {found} by the server's clock: it stays as it is, restore again under another name"
            )

    def _cancel(self, chain: Chain) -> None:
        """So that it gives its slot back. Whether it worked, the clean-up sees."""
        task = chain.current
        if task:
            with contextlib.suppress(EngineError, ConnectionLost):
                self._connection.send(lambda sent: native_tasks.cancel(sent, task))

    def _blocked_for_too_long(self, left: list[Chain], listing: Listing) -> list[Chain]:
        """Those that wait for a slot, once tasks of others have had both for too long."""
        queued = [chain for chain in left if chain.is_queued] if listing.running >= SLOTS else []
        waiting = [*self._waiting, *queued]
        if not waiting or any(chain.is_under_way for chain in left):
            self._blocked_since = None
            return []
        self._blocked_since = self._blocked_since or listing.now
        if listing.now - self._blocked_since <= timedelta(seconds=self._bounds.native_slot_wait_seconds):
            return []
        for chain in queued:
            self._cancel(chain)
        return waiting

    def _tell(self, left: list[Chain]) -> None:
        chain = next((one for one in left if one.current), left[0] if left else self._chains[-1])
        entries = split_entries(chain.current.task_info) if chain.current else []
        self._progress.follow(
            "waiting for a free task slot" if chain in self._waiting else "restoring",
            chain.job.asked_name,
            done=sum(one.bytes_done for one in self._chains),
            total=sum(sum(one.lengths) for one in self._chains),
            note=entries[-1] if entries else "",
        )

    def _wait(self) -> None:
        time.sleep(self._pause)
        self._pause = min(self._pause * limits.NATIVE_POLL_GROWTH, self._bounds.native_longest_poll_seconds)


def _lengths(database: NativeDatabaseJob, manifest: Manifest) -> tuple[int, ...]:
    """The bytes of each step's files. Raises DatabaseNotInRestorePoint, RestoreFailed if the steps are not the manifest's."""
    held = {one.set_id: one for one in manifest.backup(database.backup_name, NativeDatabaseBackup).backup_sets}
    sets = [held.get(step.set_id) for step in database.steps]
    if [one and one.kind for one in sets] != [step.kind for step in database.steps]:
        raise RestoreFailed(
            f"{database.backup_name}: the job has {[step.kind for step in database.steps]} to restore where the manifest has "
            f"{[one.kind if one else None for one in sets]}: control plane and worker are of different versions, deploy both again"
        )
    return tuple(one.stored_length for one in sets if one)


def _slots_taken(listing: Listing, seconds: float) -> NativeSlotsTaken:
    others = [f"{one.task_id} ({one.task_type} of {one.database_name})" for one in listing.tasks if one.takes_slot]
    return NativeSlotsTaken(
        f"for {seconds / 3600:g} hours other tasks took both slots that RDS has for backup and restore: "
        f"{', '.join(others)}; restore again when they have ended"
    )


def _restored(chain: Chain, listing: Listing) -> Settled:
    return _result(chain, None), _absences(chain, listing)


def _failed(chain: Chain, problem: RestoreError, listing: Listing) -> Settled:
    return _result(chain, ErrorNote.of(problem)), _absences(chain, listing)


def _result(chain: Chain, error: ErrorNote | None) -> DatabaseResult:
    job = chain.job
    return DatabaseResult(
        backup_name=job.backup_name,
        asked_name=job.asked_name,
        temporary_name=job.asked_name,
        status="FAILED" if error else "RESTORED",
        error=error,
        bytes=chain.bytes_done,
        seconds=chain.seconds,
    )


def _absences(chain: Chain, listing: Listing) -> tuple[Absence, ...]:
    """The proof that no task of it goes on; none while one does."""
    if native_tasks.is_unfinished(listing.of_prefix(chain.job.key_prefix)):
        return ()
    return (Absence(kind="native-task", name=chain.job.key_prefix, seen_absent=True),)
