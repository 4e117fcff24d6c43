"""The whole definition with the real functions: restores that go well, clean-ups that were asked for, and steps that are done twice."""

import json
from typing import Any

import boto3
import pytest
from moto.core.exceptions import JsonRESTError
from moto.events.models import EventsBackend

from dbrestore.contract import names
from dbrestore.contract.record import RestoreEvent
from lambdas.runtime.aws import ControlAccount
from tests.statemachine.world import INSTANCE, POINT, REQUEST, World, execution_arn


class ServiceUnavailable(JsonRESTError):
    """Clients try again what ends so."""

    code = 503


STEPS = [
    "PlanRestore",
    "DeployWorker",
    "PairSecurityGroups",
    "ReplayDumps",
    "VerifyDatabases",
    "DiscardUnfinishedDatabases",
    "RemoveWorker",
    "UnpairSecurityGroups",
    "RemoveStagingBucket",
    "CloseRestore",
]


def test_a_restore_succeeds_and_leaves_only_the_database(world: World) -> None:
    before = world.inventory()

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended
    assert list(dict.fromkeys(world.calls)) == STEPS
    assert world.inventory() == before | {"databases": ["orders"]}
    assert world.meta().status == "CLOSED"


def test_the_report_proves_the_absence_of_every_resource(world: World) -> None:
    world.run()

    report = world.report()

    kinds = {row["kind"] for row in report["resources"]}
    assert kinds == {"instance", "security-group", "security-group-rule", "group-list-entry", "database", "role"}
    for row in report["resources"]:
        kept = row["kind"] == "database"
        assert row["state"] == ("KEPT" if kept else "DELETED"), row
        assert kept or row["seenAbsentAt"], row
    assert [phase["state"] for phase in report["phases"]] == STEPS
    assert {phase["status"] for phase in report["phases"]} == {"SUCCEEDED"}
    assert report["databases"][0]["status"] == "PROMOTED"
    assert [uri.split("/")[-2] for uri in report["results"]] == ["replay", "verify"]


def test_one_event_tells_of_the_end(world: World) -> None:
    world.run({**REQUEST, "ticket": {"id": "INC-7"}})

    heard = world.events()

    assert [event["detail-type"] for event in heard] == ["Restore Succeeded"]
    assert heard[0]["detail"]["status"] == "SUCCEEDED"
    assert heard[0]["detail"]["ticket"]["id"] == "INC-7"
    assert heard[0]["detail"]["report"].startswith("s3://evidence/restores/r-")


def test_the_bus_is_told_of_the_beginning_and_of_each_state_once(world: World) -> None:
    world.repeats = 2
    world.run({**REQUEST, "ticket": {"id": "INC-7"}})

    *told, _ = world.heard()

    kinds = [(event["detail-type"], event["detail"]["phase"]) for event in told]
    assert kinds[0] == ("Restore Started", "PlanRestore")
    assert sorted(kinds[1:]) == sorted(("Phase Changed", step) for step in STEPS[1:])
    for event in told:
        detail = RestoreEvent.model_validate(event["detail"])
        assert event["resources"] == [detail.execution_arn]
        assert (detail.mode, detail.drill_name, detail.status, detail.ended_at) == ("restore", None, "RUNNING", None)
        assert (detail.target, detail.ticket.id) == (world.report()["target"]["arn"], "INC-7")


def test_a_bus_that_takes_nothing_neither_fails_nor_delays_a_state(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    original = EventsBackend.put_events

    def put_events(backend: EventsBackend, entries: list[dict[str, Any]]) -> Any:
        if '"RUNNING"' not in entries[0]["Detail"]:
            return original(backend, entries)
        asked.append(entries[0]["DetailType"])
        raise ServiceUnavailable("ServiceUnavailable", "not now")

    monkeypatch.setattr(EventsBackend, "put_events", put_events)

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended
    assert len(asked) == len(STEPS)
    assert [event["detail-type"] for event in world.heard()] == ["Restore Succeeded"]
    assert capsys.readouterr().err.count('"UnsentEvents": [1.0]') == len(STEPS)


def test_what_nothing_waits_for_is_asked_once_and_given_up_soon(world: World) -> None:
    config = ControlAccount().hasty_events.meta.config

    assert (config.retries["total_max_attempts"], config.connect_timeout, config.read_timeout) == (1, 2, 2)


def test_every_step_may_be_done_twice(world: World) -> None:
    before = world.inventory()
    world.repeats = 2

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended
    assert world.inventory() == before | {"databases": ["orders"]}
    assert len(world.worker.jobs) == 2, "one replay and one verification, however often the step was done"
    assert len(world.events()) == 1


def test_mode_plan_makes_nothing_at_all(world: World) -> None:
    before = world.inventory()

    ended = world.run({**REQUEST, "mode": "plan"})

    assert ended["status"] == "SUCCEEDED"
    assert json.loads(ended["output"])["plan"]["source"]["restorePoint"] == POINT
    assert world.calls == ["PlanRestore"]
    assert world.inventory() == before
    items = boto3.client("dynamodb").scan(TableName="ledger")["Items"]
    assert items == []


def test_a_clean_up_of_a_finished_restore_finds_nothing_to_do(world: World) -> None:
    world.run()
    first = world.report()

    ended = world.run({"cleanUp": {"restoreId": world.ledger().restore_id}}, name="again")

    assert ended["status"] == "SUCCEEDED"
    assert world.report() == first


def test_a_clean_up_of_an_unknown_restore_fails_with_its_name(world: World) -> None:
    ended = world.run({"cleanUp": {"restoreId": "r-000000000000"}})

    assert (ended["status"], ended["error"]) == ("FAILED", "RestoreNotFound")


@pytest.mark.parametrize("wish", [{"restoreId": 7}, {}, "r-000000000000"])
def test_a_clean_up_without_an_id_is_refused(world: World, wish: object) -> None:
    ended = world.run({"cleanUp": wish})

    assert (ended["status"], ended["error"]) == ("FAILED", "RestoreRequestInvalid")
    assert world.calls == []


def test_a_second_restore_of_the_same_database_is_refused_while_the_first_runs(world: World) -> None:
    second: list[dict[str, object]] = []

    def try_another() -> None:
        if not second:
            second.append({})
            second[0] = world.run(name="restore-2")

    world.before["PairSecurityGroups"] = try_another

    first = world.run()

    assert first["status"] == "SUCCEEDED"
    assert (second[0]["status"], second[0]["error"]) == ("FAILED", "DatabaseBusy")
    assert names.restore_id(execution_arn("restore-1")) in str(second[0]["cause"])


def test_two_restores_of_different_databases_share_the_instance(world: World) -> None:
    before = world.inventory()
    second: list[dict[str, object]] = []

    def restore_the_other() -> None:
        if not second:
            second.append({})
            second[0] = world.run({**REQUEST, "databases": ["crm"]}, name="restore-2")

    world.before["ReplayDumps"] = restore_the_other

    first = world.run()

    assert (first["status"], second[0]["status"]) == ("SUCCEEDED", "SUCCEEDED")
    assert world.inventory() == before | {"databases": ["crm", "orders"]}


def test_foreign_changes_of_the_group_list_survive(world: World) -> None:
    theirs = world.group("added-by-somebody-meanwhile")
    world.before["VerifyDatabases"] = lambda: world.change_group_list(*world.groups_of_instance(), theirs)

    ended = world.run()

    assert ended["status"] == "SUCCEEDED"
    assert sorted(world.groups_of_instance()) == sorted([*world.group_list, theirs])


def test_a_lost_update_that_brings_our_group_back_is_undone(world: World) -> None:
    with_ours: list[str] = []

    def note() -> None:
        with_ours[:] = world.groups_of_instance()

    def bring_back() -> None:
        if world.calls.count("UnpairSecurityGroups") == 2:
            world.change_group_list(*with_ours)

    world.before["ReplayDumps"] = note
    world.before["UnpairSecurityGroups"] = bring_back

    ended = world.run()

    assert ended["status"] == "SUCCEEDED"
    assert len(with_ours) == 2
    assert world.groups_of_instance() == world.group_list
    assert INSTANCE in world.report()["target"]["arn"]


def test_a_group_that_somebody_took_off_meanwhile_is_put_back(world: World) -> None:
    taken: list[int] = []

    def take_off() -> None:
        if world.calls.count("PairSecurityGroups") == 2 and not taken:
            taken.append(1)
            world.change_group_list(*world.group_list)

    world.before["PairSecurityGroups"] = take_off

    ended = world.run()

    assert ended["status"] == "SUCCEEDED"
    assert taken
    assert world.calls.count("PairSecurityGroups") >= 3
