"""What the bus is told for tickets: every end of a ticket's restore has a notice, refusals too; and no answer of ours starts a restore."""

import json
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract.api.notice import MARKER
from dbrestore.contract.record import RestoreEvent
from lambdas.entrances.hooks import secrets
from tests.statemachine import api_calls
from tests.statemachine.hook_senders import SENDERS, Sender, declare
from tests.statemachine.test_hooks import executions
from tests.statemachine.world import REQUEST, World

BY_NAME = {sender.name: sender for sender in SENDERS}
ANSWERED = "[dbrestore r-0123456789ab FAILED] The restore into orders-prod failed: BackupDamaged."


@pytest.fixture
def world(world: World, tmp_path: Path) -> World:
    secrets.provider.cache_clear()
    declare(world, tmp_path)
    return world


def notices(world: World) -> dict[str, Any]:
    """The event of each kind but those of phases, as the contract reads it."""
    heard = [event for event in world.heard() if event["detail-type"] != "Phase Changed"]
    return {event["detail-type"]: RestoreEvent.model_validate(event["detail"]) for event in heard}


def restored(world: World, body: dict[str, Any], **options: Any) -> str:
    """A ticket's restore by the API, to its end: the id."""
    accepted = api_calls.call(world, "POST", "/v1/restores", body, **options)
    assert accepted.status == 202, accepted.text
    world.wait(executions()[0])
    return str(accepted.json["id"])


def test_a_tickets_restore_is_told_from_the_beginning_to_the_end(world: World) -> None:
    id_ = restored(world, {**REQUEST, "ticket": {"id": "INC-7"}, "requestedBy": "jane@example.com"})

    told = notices(world)

    assert list(told) == ["Restore Started", "Restore Succeeded"]
    for event in told.values():
        assert (event.caller, event.notice.caller, event.notice.ticket, event.notice.has_ticket) == ("tickets", "tickets", "INC-7", True)
        assert "jane" not in event.notice.to_json()
    end = told["Restore Succeeded"].notice
    assert end.text == (
        f"[dbrestore {id_} SUCCEEDED] The restore into orders-prod succeeded: 1 of 1 databases, verified. "
        f"To read more: dbrestore report {id_}"
    )
    assert end.details.splitlines()[0] == end.text
    assert end.details.splitlines()[1].startswith("orders (from orders): PROMOTED, ")


def test_a_restore_that_its_plan_refuses_is_told(world: World) -> None:
    id_ = restored(world, {**REQUEST, "databases": ["orders_of_nobody"], "ticket": {"id": "INC-8"}})

    [(kind, event)] = notices(world).items()

    assert (kind, event.status, event.restore_id, event.caller) == ("Restore Refused", "FAILED", id_, "tickets")
    assert event.notice.text.startswith(f"[dbrestore {id_} REFUSED] The restore into orders-prod was refused before anything was made: ")
    assert event.notice.severity == "error"
    assert event.error.message not in event.notice.text
    assert "orders_of_nobody" in event.notice.details


def test_a_plan_is_its_own_answer(world: World) -> None:
    world.run({**REQUEST, "mode": "plan", "databases": ["orders_of_nobody"]})

    assert notices(world) == {}


def test_a_person_is_no_caller_whatever_they_say(world: World) -> None:
    world.run({**REQUEST, "requestedBy": "tickets for nobody", "ticket": {"id": "INC-7"}})

    assert {event.notice.caller for event in notices(world).values()} == {""}


def brought_back(sender: Sender) -> bytes:
    """The sender's event that our own answer makes, and that asks for a restore all the same: its hook has a wide `when`."""
    event = json.loads(sender.body())
    match sender.name:
        case "pagerduty":
            event["event"]["data"]["title"] = ANSWERED
        case "standard-webhooks":
            event["data"]["text"] = ANSWERED
        case _:
            event["comment"] = ANSWERED if sender.name == "zendesk" else {"body": f"h1. {ANSWERED}\n"}
    return json.dumps(event).encode()


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "servicenow"])
def test_an_answer_that_comes_back_starts_nothing(world: World, tmp_path: Path, name: str) -> None:
    sender = BY_NAME[name]

    ours = sender.sent(world, brought_back(sender))
    theirs = sender.sent(world, brought_back(sender).replace(b"[dbrestore r-0123456789ab FAILED]", b"restored?"))

    assert (ours.status, theirs.status) == (204, 202)
    assert len(executions()) == 1


def test_the_marker_is_the_same_however_often_an_end_is_told() -> None:
    assert MARKER.match(ANSWERED)
    assert not MARKER.search("dbrestore r-0123456789ab")
