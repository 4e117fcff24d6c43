"""What every state has around its work: input validation, log lines, phase rows, the check that the restore may still make things, and
the translation of AWS's errors. The work itself is the function below the decorator."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from threading import Lock
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from dbrestore.contract.anchor import Whereabouts
from dbrestore.contract.document import Document
from dbrestore.contract.errors import NotReady, RestoreError, RestoreRequestInvalid
from dbrestore.contract.job import ErrorNote
from dbrestore.ledger import stored_plan
from dbrestore.ledger.stored_rows import Meta
from dbrestore.ledger.table import Table
from lambdas.runtime import events, phases, telemetry
from lambdas.runtime.aws import ControlAccount, TargetAccount, target_account, translated
from lambdas.runtime.bounds import Bounds
from lambdas.runtime.clock import Clock, system_clock
from lambdas.runtime.inputs import RemoverInput
from lambdas.runtime.ledger import Ledger
from lambdas.runtime.settings import Settings
from lambdas.runtime.telemetry import log

Handler = Callable[..., dict[str, Any]]
Input = TypeVar("Input", bound=Document)


@dataclass(frozen=True)
class Surroundings:
    """What a function stands in: its settings, its own account, the ledger's table, the time (`stopwatch`: in seconds since
    some beginning), and what bounds it. One invocation has one, and in it the target's role is assumed once."""

    settings: Settings = field(default_factory=Settings.from_environment)
    control: ControlAccount = field(default_factory=ControlAccount)
    clock: Clock = system_clock
    stopwatch: Callable[[], float] = time.monotonic
    bounds: Bounds = field(default_factory=Bounds)
    _assuming: Lock = field(default_factory=Lock, repr=False, compare=False)
    _targets: dict[tuple[str, str, str], TargetAccount] = field(default_factory=dict, repr=False, compare=False)

    @property
    def table(self) -> Table:
        return Table(self.control.dynamodb, self.settings.ledger_table)

    def ledger(self, restore_id: str) -> Ledger:
        """The rows of one restore."""
        return Ledger(self.table, restore_id, self.clock, self.bounds)

    def target(self, *, partition: str, account: str, region: str, restore_id: str) -> TargetAccount:
        """An account and Region as its target role. Raises ClientError if the role can't be assumed."""
        key = (account, region, restore_id)
        # An examination's checks come at once.
        with self._assuming:
            if key not in self._targets:
                self._targets[key] = target_account(
                    self.control,
                    self.settings,
                    partition=partition,
                    account=account,
                    region=region,
                    restore_id=restore_id,
                )
            return self._targets[key]


@dataclass(frozen=True)
class Restore:
    """One restore as its states see it. `began_at` is when the state was first entered, `waits_since` when in this execution: that bounds
    what the state may wait."""

    surroundings: Surroundings
    ledger: Ledger
    state: str
    began_at: datetime
    waits_since: datetime

    @property
    def settings(self) -> Settings:
        return self.surroundings.settings

    @property
    def bounds(self) -> Bounds:
        return self.surroundings.bounds

    @property
    def waited(self) -> float:
        """Seconds since the state was first entered in this execution."""
        return (self.now() - self.waits_since).total_seconds()

    def now(self) -> datetime:
        """The moment now, in UTC."""
        return self.surroundings.clock()

    def target(self, where: Whereabouts) -> TargetAccount:
        """The target's account, with the credentials of its role."""
        return self.surroundings.target(
            partition=where.execution_arn.split(":")[1],
            account=where.target.account,
            region=where.target.region,
            restore_id=where.restore_id,
        )


def handler(name: str, model: type[Input], *, asked: bool = False) -> Callable[[Callable[[Input, Surroundings], Document | None]], Handler]:
    """Make a function of the control plane out of its work. `asked`: its input is a person's question, so what is wrong with it is theirs
    to change; any other input is written by this application."""

    def decorate(work: Callable[[Input, Surroundings], Document | None]) -> Handler:
        @wraps(work)
        def handle(event: dict[str, Any], context: Any, surroundings: Surroundings | None = None) -> dict[str, Any]:
            telemetry.begin(name, context)
            return _told(name, lambda: work(_read(model, event, asked=asked), surroundings or Surroundings()))

        return handle

    return decorate


def state(name: str, model: type[Input], *, makes: bool = False) -> Callable[[Callable[[Input, Restore], Document | None]], Handler]:
    """Make a state of the flow out of its work. `makes`: the state makes things, so it refuses when the restore no longer runs, or can't be
    cleaned up and told of by the plan that the ledger keeps."""

    def decorate(work: Callable[[Input, Restore], Document | None]) -> Handler:
        @wraps(work)
        def handle(event: dict[str, Any], context: Any, surroundings: Surroundings | None = None) -> dict[str, Any]:
            telemetry.begin(name, context, _restore_id(event))
            return _told(name, lambda: in_phase(event, surroundings or Surroundings()))

        def in_phase(event: dict[str, Any], surroundings: Surroundings) -> Document | None:
            # The id alone, before anything else of the input: a plan of another version ends the state, and is told as its end.
            reference = _read(RemoverInput, event)
            restore_id = reference.plan.restore_id
            ledger = surroundings.ledger(restore_id)
            meta = ledger.meta()
            telemetry.concerns(restore_id, meta.execution_arn, meta.anchor.target.db_instance)
            for flaw in meta.flaws:
                log.warning("of the ledger's row META this counts as unknown: %s", flaw)
            began = _entered(ledger, meta, name, reference.clean_up_execution, surroundings.control)

            def permitted() -> Document | None:
                # Inside the phase, so that a state which waits when the restore is asked to stop ends as FAILED and not as RUNNING.
                if makes:
                    ledger.require("RUNNING")
                section = _read(model, event)
                if makes and (trouble := meta.plan_trouble):
                    raise trouble
                return work(section, Restore(surroundings, ledger, name, began.first, began.here))

            return _watched(ledger, name, began.first, permitted)

        return handle

    return decorate


def _entered(ledger: Ledger, meta: Meta, name: str, clean_up_execution: str | None, control: ControlAccount) -> phases.Beginning:
    """The state is noted, and the bus told of its first entry. Before its work: it is of use only now."""
    began = phases.began(ledger, name, clean_up_execution or meta.execution_arn)
    if began.is_first:
        events.mention(control, events.PHASE_CHANGED, lambda: events.under_way(meta.anchor, meta.started_at, name, meta.parts))
    return began


def _restore_id(event: dict[str, Any]) -> str | None:
    """As far as the input tells it, for the log alone."""
    plan = event.get("plan")
    found = plan.get("restoreId") if isinstance(plan, dict) else None
    return found if isinstance(found, str) else None


def _told(name: str, work: Callable[[], Document | None]) -> dict[str, Any]:
    """The function's answer; log lines at its beginning and end, and AWS's errors by our names."""
    try:
        log.info("start")
        result = telemetry.traced(name, work)
    except (ClientError, BotoCoreError) as error:
        raise _noted(translated(error)) from error
    except RestoreError as error:
        _noted(error)
        raise
    except Exception:
        log.exception("a bug: this error has no name that a person could use")
        telemetry.count("UnexpectedErrors")
        raise
    log.info("done")
    return result.to_state() if result else {}


def _watched(ledger: Ledger, name: str, began_at: datetime, work: Callable[[], Document | None]) -> Document | None:
    try:
        result = work()
    except (ClientError, BotoCoreError, RestoreError) as caught:
        age = (ledger.clock() - began_at).total_seconds()
        error = caught if isinstance(caught, RestoreError) else translated(caught, age, ledger.bounds.shown_within)
        if isinstance(error, NotReady):
            phases.waits(ledger, name, str(error))
        else:
            phases.failed(ledger, name, ErrorNote.of(error))
            _measured(ledger, name, began_at, "FAILED")
        raise error from caught
    phases.succeeded(ledger, name)
    _measured(ledger, name, began_at, "SUCCEEDED")
    return result


def _measured(ledger: Ledger, name: str, began_at: datetime, outcome: str) -> None:
    telemetry.duration("StateSeconds", began_at, ledger.clock(), state=name, outcome=outcome)


def _read(model: type[Input], event: dict[str, Any], *, asked: bool = False) -> Input:
    try:
        return model.model_validate(event)
    except ValidationError as error:
        if asked:
            raise RestoreRequestInvalid("\n".join(stored_plan.problems(error))) from error
        raise stored_plan.why_unreadable(error) from error


def _noted(error: RestoreError) -> RestoreError:
    if isinstance(error, NotReady):
        log.info("not ready: %s", error)
    else:
        log.error("%s: %s", type(error).__name__, error)
    return error
