"""Restores by the product itself: begun as the `dbrestore` command begins them, followed by the ledger and the report."""

from dataclasses import dataclass

from acceptance import dumps, waiting
from dbrestore.cli import request, restore
from dbrestore.cli.control import ControlPlane
from dbrestore.cli.exchanging import swap
from dbrestore.cli.following import Ended, follow, read_report
from dbrestore.contract.plan import Plan
from dbrestore.contract.record import PhaseRow, Report
from dbrestore.contract.request import RestoreRequest
from dbrestore.contract.swaps.orders import SwapAction
from dbrestore.ledger import reading

ENDED_WITHIN = 90.0
# For the sweeper, which comes every five minutes, and for the clean-up it starts.
CLEANED_WITHIN = 45.0


@dataclass(frozen=True)
class Begun:
    """A restore that was begun."""

    plane: ControlPlane
    restore_id: str
    arn: str

    def phase(self, state: str) -> PhaseRow | None:
        """How far it is with a state of the flow; None if it has not come there."""
        found = {row.state: row for row in reading.phases(self.plane.ledger, self.restore_id)}
        return found.get(state)

    def reach(self, *states: str) -> PhaseRow | None:
        """Wait until one of them runs; None if the restore ended before."""
        found = waiting.until(lambda: self._in(states) or self._is_over(), ENDED_WITHIN, f"{self.restore_id} is in {states[0]}")
        return found if isinstance(found, PhaseRow) else None

    def _in(self, states: tuple[str, ...]) -> PhaseRow | None:
        return next((row for state in states if (row := self.phase(state)) and row.status == "RUNNING"), None)

    def _is_over(self) -> bool:
        return bool(self.status != "RUNNING")

    @property
    def status(self) -> str:
        """Step Functions' word for how far its execution is."""
        return str(self.plane.executions.describe_execution(executionArn=self.arn)["status"])

    def end(self) -> Report:
        """The report, when the execution is over. Raises RuntimeError if it was refused before there could be a report."""
        waiting.until(self._is_over, ENDED_WITHIN, f"{self.restore_id} ends")
        report = read_report(self.plane, self.restore_id)
        if report is None:
            answer = self.plane.executions.describe_execution(executionArn=self.arn)
            raise RuntimeError(f"{self.restore_id} was refused: {answer.get('error')}: {answer.get('cause')}")
        return report

    def cleaned(self) -> Report:
        """The report of a restore that was stopped, once its clean-up has closed it."""
        return waiting.until(lambda: read_report(self.plane, self.restore_id), CLEANED_WITHIN, f"{self.restore_id} is cleaned up")

    def stop(self) -> None:
        """As somebody does on the console: no Catch runs."""
        self.plane.executions.stop_execution(executionArn=self.arn, error="Acceptance", cause="stopped on purpose")


def begin(plane: ControlPlane, target: str, source: str, database: str, new: str) -> Begun:
    """Restore `database` of the source's newest restore point as `new`."""
    asked = wish(target, source, database, new, "restore")
    started = restore.start(plane, asked)
    return Begun(plane, started.restore_id, started.arn)


def exchange(plane: ControlPlane, restore_id: str, action: SwapAction) -> Begun:
    """What this restore restored takes its own name, or gives it back."""
    how = {"database": None, "end_sessions": True, "minutes": None, "reason": "acceptance"}
    started = swap.start(plane, swap.order(restore_id, action, how, plane.account.caller()))
    return Begun(plane, started.restore_id, started.arn)


def planned(plane: ControlPlane, instance: str) -> Plan:
    """The plan of a restore that isn't begun. Raises RuntimeError if it is refused."""
    started = restore.start(plane, wish(instance, instance, dumps.DATABASE, "shop_planned", "plan"))
    [end] = [event for event in follow(plane, started.restore_id, started.arn) if isinstance(event, Ended)]
    if end.status != "SUCCEEDED":
        raise RuntimeError(f"The plan was refused: {end.error}")
    return Plan.model_validate(end.output["plan"])


def wish(target: str, source: str, database: str, new: str, mode: str) -> RestoreRequest:
    """The request. Roles that a dump names are made, because the instance is new."""
    return request.build(
        request.Target(target),
        [f"{database}={new}"],
        source=source,
        point="latest",
        mode=mode,
        on_conflict="fail",
        reason="acceptance",
        choices={"roles": "create-missing"} if database == dumps.DATABASE else {},
    )
