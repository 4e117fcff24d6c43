"""Restores in the ledger, for the tests of the commands that list them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dbrestore.cli import main
from dbrestore.cli.control import ControlPlane
from dbrestore.contract import anchor
from dbrestore.contract.job import ErrorNote
from dbrestore.contract.names import restore_id
from dbrestore.contract.plan import Plan
from dbrestore.ledger import restore_list
from lambdas.runtime.ledger import Ledger
from tests.unit.cli.conftest import REGION
from tests.unit.lambdas.estimated_plans import database, planned, target

NOW = datetime.now(UTC).replace(microsecond=0)
JANE = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Dba_1f/jane@example.com"
LOST = ErrorNote(name="WorkerLost", message="The worker is gone\nand more")


def open_one(plane: ControlPlane, name: str, age: float = 0, arn: str | None = None, **changes: Any) -> Plan:
    """A restore that began `age` hours ago; its execution is over at once unless `arn` names another."""
    execution_arn = arn or f"{plane.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
    plan = planned(
        **{
            "restore_id": restore_id(execution_arn),
            "execution_arn": execution_arn,
            "mode": "restore",
            "databases": (database(name),),
            "target": target(region=REGION),
            **changes,
        }
    )
    Ledger(plane.ledger, plan.restore_id).open(plan, NOW - timedelta(hours=age))
    return plan


def close(plane: ControlPlane, plan: Plan, error: ErrorNote | None = None, seconds: float = 90) -> None:
    ledger = Ledger(plane.ledger, plan.restore_id)
    began = ledger.meta().started_at
    restore_list.ended(plane.ledger, plan.restore_id, began, began + timedelta(seconds=seconds), error)
    ledger.close(anchor.of(plan))


def change(plane: ControlPlane, pk: str, sk: str, **attributes: Any) -> None:
    """What a hand or another version does to a row; None takes an attribute away."""
    item = {**(plane.ledger.get(pk, sk) or {}), "pk": pk, "sk": sk, **attributes}
    plane.ledger.write(plane.ledger.put(item))


def summary_key(plane: ControlPlane, plan: Plan) -> str:
    return restore_list.sort_key(Ledger(plane.ledger, plan.restore_id).meta().started_at, plan.restore_id)


@pytest.fixture
def listed(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> Any:
    def lines(*arguments: str) -> list[dict[str, Any]]:
        assert main.run([*(arguments or ("list",)), "--json"]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return lines
