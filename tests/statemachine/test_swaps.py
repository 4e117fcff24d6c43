"""Restores that replace a database, exchanges that are turned back, and copies that are dropped, through the whole definition."""

import json
from datetime import timedelta
from typing import Any

import boto3
import pytest

from dbrestore.contract import names
from dbrestore.contract.job import ErrorNote
from dbrestore.ledger.restore_list import RESTORES
from tests.statemachine.engines import SQLSERVER
from tests.statemachine.fake_worker import FakeWorker, lose_worker
from tests.statemachine.world import REQUEST, World, execution_arn

REPLACE = {**REQUEST, "onConflict": "replace"}
ID = names.restore_id(execution_arn("restore-1"))
DIGITS = ID.removeprefix("r-")
NEW, OLD = f"orders_new_{DIGITS}", f"orders_old_{DIGITS}"
ENDING = ["DiscardUnfinishedDatabases", "RemoveWorker", "UnpairSecurityGroups", "RemoveStagingBucket", "CloseRestore"]
ONLY = ["PlanRestore", "DeployWorker", "PairSecurityGroups", "SwapDatabases", *ENDING]


@pytest.fixture
def shop(world: World) -> World:
    """A server that has the database already."""
    world.worker.databases.add("orders")
    world.worker.identity("orders")
    return world


def order(action: str, **more: Any) -> dict[str, Any]:
    return {"swap": {"action": action, "restoreId": ID, **more}}


def run(world: World, action: str, **more: Any) -> dict[str, Any]:
    return world.run(order(action, **more), f"{action}-1")


def test_a_restore_replaces_a_database_and_keeps_the_old_one(shop: World) -> None:
    was, before = shop.worker.identity("orders"), shop.inventory()

    ended = shop.run(REPLACE)

    assert ended["status"] == "SUCCEEDED", ended
    assert shop.worker.identity(OLD) == was
    assert shop.inventory() == before | {"databases": ["orders", OLD]}
    output = json.loads(ended["output"])
    assert output["swapped"]["exchanges"] == [{"name": "orders", "restoredIs": "orders", "oldIs": OLD}]
    report = shop.report()
    assert [row["state"] for row in report["resources"] if row["kind"] == "swap"] == ["KEPT"]
    assert [(one["restoredIs"], one["oldIs"], one["isDone"]) for one in report["swaps"]] == [("orders", OLD, True)]
    assert report["keptUntil"][:10] == (shop.clock() + timedelta(days=7)).isoformat()[:10]


def test_the_plan_says_what_becomes_what_and_makes_nothing(shop: World) -> None:
    before = shop.inventory()

    ended = shop.run({**REPLACE, "mode": "plan", "swap": {"sessions": "end", "minutes": 3, "keepDays": 2}})

    plan = json.loads(ended["output"])["plan"]
    assert [(one["name"], one["askedName"]) for one in plan["databases"]] == [("orders", plan["swap"]["exchanges"][0]["restoredAs"])]
    assert "'orders' becomes 'orders_old_" in plan["notes"][-1]
    assert "Sessions in them are ended, for 3 minutes at most; what was replaced is dropped 2 days later" in plan["notes"][-1]
    assert shop.inventory() == before


def test_an_exchange_that_fails_fails_the_restore_and_tells_which_name_holds_what(shop: World) -> None:
    was = shop.worker.identity("orders")
    shop.worker.failing["swap orders"] = ErrorNote(name="DatabaseInUse", message="sessions stayed")

    ended = shop.run(REPLACE)

    assert (ended["status"], ended["error"]) == ("FAILED", "DatabaseInUse")
    told = json.loads(ended["cause"])["errorMessage"]
    assert f"Now 'orders' is the database from before, the restored one is {NEW!r}" in told
    assert f"dbrestore swap {ID}" in told
    assert shop.worker.databases == {"orders", NEW}
    assert shop.worker.identity("orders") == was
    assert shop.report()["keptUntil"] is None
    assert shop.meta().status == "CLOSED"

    shop.worker.failing.clear()
    assert run(shop, "swap")["status"] == "SUCCEEDED"
    assert (shop.worker.databases, shop.worker.identity(OLD)) == ({"orders", OLD}, was)


@pytest.mark.parametrize("was_done", [False, True])
def test_when_the_worker_is_lost_another_one_looks_which_name_holds_what(shop: World, was_done: bool) -> None:
    def lost(worker: FakeWorker, job: Any, command: Any) -> None:
        if was_done:
            worker._do(job)
        lose_worker(worker, job, command)

    shop.worker.behaviour["swap"] = lost

    ended = shop.run(REPLACE)

    assert (ended["status"], ended["error"]) == ("FAILED", "WorkerLost")
    (row,) = (row for row in shop.report()["resources"] if row["kind"] == "swap")
    holder = "the restored database" if was_done else "the database from before"
    assert row["state"] == ("KEPT" if was_done else "DELETED")
    assert f"'orders' is {holder}" in row["note"]
    assert (shop.report()["keptUntil"] is not None) is was_done
    assert shop.meta().status == "CLOSED"
    assert ended["error"] == "WorkerLost"
    if was_done:
        shop.worker.behaviour.clear()
        assert run(shop, "undo")["status"] == "SUCCEEDED"


def test_an_undo_gives_the_name_back_and_nothing_is_dropped_any_more(shop: World) -> None:
    was = shop.worker.identity("orders")
    shop.run(REPLACE)
    shop.calls.clear()

    ended = run(shop, "undo")

    assert ended["status"] == "SUCCEEDED", ended
    assert list(dict.fromkeys(shop.calls)) == ONLY
    assert shop.worker.identity("orders") == was
    assert shop.worker.databases == {"orders", NEW}
    assert (refused := run(shop, "drop"))["error"] == "SwapRefused"
    assert "its exchange is UNDONE since" in refused["cause"]


def test_what_is_undone_can_be_exchanged_again(shop: World) -> None:
    shop.run(REPLACE)
    run(shop, "undo")

    assert run(shop, "swap")["status"] == "SUCCEEDED"
    assert shop.worker.databases == {"orders", OLD}


def test_the_old_copy_is_dropped_by_its_identity(shop: World) -> None:
    shop.run(REPLACE)

    ended = run(shop, "drop")

    assert ended["status"] == "SUCCEEDED", ended
    assert shop.worker.databases == {"orders"}
    assert shop.worker.jobs[-1].swaps[0].old_id
    assert (refused := shop.run(order("undo"), "undo-2"))["error"] == "SwapRefused"
    assert "DROPPED" in refused["cause"]


def test_a_restore_under_another_name_takes_the_name_afterwards(shop: World) -> None:
    shop.run({**REQUEST, "databases": [{"name": "orders", "as": "orders_copy"}]})

    ended = run(shop, "swap")

    assert ended["status"] == "SUCCEEDED", ended
    assert shop.worker.databases == {"orders", OLD}


def test_the_sweeper_drops_copies_whose_time_is_over_and_no_others(shop: World) -> None:
    shop.run(REPLACE)

    assert shop.sweep() == []
    shop.clock.let_pass(days=7, seconds=1)
    (ended,) = shop.sweep()

    assert ended["status"] == "SUCCEEDED", ended
    assert shop.worker.databases == {"orders"}
    assert shop.sweep() == []


def test_a_copy_that_can_not_be_dropped_is_tried_again_a_day_later(shop: World) -> None:
    shop.run(REPLACE)
    shop.worker.failing["drop orders"] = ErrorNote(name="DatabaseInUse", message="sessions stayed")
    shop.clock.let_pass(days=8)

    assert [ended["status"] for ended in shop.sweep()] == ["FAILED"]
    assert shop.sweep() == []
    shop.worker.failing.clear()
    shop.clock.let_pass(days=1, seconds=1)

    assert [ended["status"] for ended in shop.sweep()] == ["SUCCEEDED"]
    assert shop.worker.databases == {"orders"}


def test_a_restore_into_sql_server_replaces_a_database_too(shop: World) -> None:
    shop.use(SQLSERVER)
    was = shop.worker.identity("orders")

    ended = shop.run({**SQLSERVER.request(), "onConflict": "replace"})

    assert ended["status"] == "SUCCEEDED", ended
    assert shop.worker.identity(OLD) == was
    assert shop.worker.databases == {"orders", OLD}
    assert run(shop, "undo")["status"] == "SUCCEEDED"
    assert shop.worker.identity("orders") == was


def test_what_rds_does_not_rename_is_refused_before_anything_is_made(shop: World) -> None:
    shop.use(SQLSERVER)
    boto3.client("rds").modify_db_instance(DBInstanceIdentifier=SQLSERVER.instance, MultiAZ=True, ApplyImmediately=True)
    before = shop.inventory()

    ended = shop.run({**SQLSERVER.request(), "onConflict": "replace"})

    assert ended["error"] == "NotSupportedYet"
    assert "is Multi-AZ, and RDS can't rename a database there" in ended["cause"]
    assert shop.inventory() == before


def test_the_filesare_locked_while_it_runs(shop: World) -> None:
    taken: list[str] = []

    def other() -> None:
        with pytest.raises(Exception, match=r"orders: restore r-.* is working on it right now") as caught:
            shop.call("PlanRestore", {"request": REQUEST, "executionArn": execution_arn("other"), "startedAt": "2026-01-01T00:00:00Z"})
        taken.append(type(caught.value).__name__)

    shop.before["SwapDatabases"] = lambda: taken or other()
    shop.run(REPLACE)

    assert taken == ["DatabaseBusy"]
    assert shop.inventory()["locks"] == []


def test_another_instance_of_the_same_name_is_refused(shop: World) -> None:
    from moto.rds.models import rds_backends

    shop.run(REPLACE)
    rds_backends["123456789012"]["eu-central-1"].databases[shop.engine.instance].dbi_resource_id = "db-ANOTHER"

    ended = run(shop, "drop")

    assert ended["error"] == "SwapRefused"
    assert "another instance" in ended["cause"]
    assert shop.worker.databases == {"orders", OLD}


def test_an_undo_can_wait_for_a_second_person(shop: World) -> None:
    shop.run(REPLACE)
    shop.before["AwaitApproval"] = lambda: shop.clock.let_pass(hours=2)

    ended = run(shop, "undo", approval={"hours": 1})

    assert ended["error"] == "ApprovalExpired"
    assert shop.worker.databases == {"orders", OLD}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"restoreId": "r-000000000000"}, "has no restore r-000000000000"),
        ({"name": "crm"}, "'crm' of r-"),
        ({"restoreId": "orders"}, "/swap/restoreId"),
        ({"sessions": "kill"}, "/swap/sessions"),
    ],
)
def test_what_can_not_be_meant_is_refused_before_anything_is_made(shop: World, asked: dict[str, Any], told: str) -> None:
    shop.run(REPLACE)
    before = shop.inventory()

    ended = run(shop, "undo", **asked)

    assert ended["status"] == "FAILED"
    assert told in ended["cause"]
    assert shop.inventory() == before
    assert boto3.client("ec2").describe_instances(Filters=[{"Name": "instance-state-name", "Values": ["running"]}])["Reservations"] == []


def evidence(world: World, restore_id: str) -> tuple[dict[str, Any], str]:
    """The document and the page that an execution left."""
    s3 = boto3.client("s3")
    files = ("evidence.json", "report.html")
    document, page = [s3.get_object(Bucket="evidence", Key=f"restores/{restore_id}/{name}")["Body"].read() for name in files]
    return json.loads(document), page.decode()


def test_events_and_evidence_of_a_restore_say_what_it_replaced(shop: World) -> None:
    shop.run(REPLACE)

    [event] = shop.events()
    assert (event["detail-type"], event["detail"]["mode"]) == ("Restore Succeeded", "restore")
    assert [(one["name"], one["oldIs"], one["isDone"]) for one in event["detail"]["swaps"]] == [("orders", OLD, True)]
    assert event["detail"]["keptUntil"] == shop.report()["keptUntil"]
    assert event["detail"]["notice"]["text"].partition(".")[0].endswith("1 of 1 databases, verified, in place of those from before")
    assert f"'orders' is the restored database, the one from before is '{OLD}'" in event["detail"]["notice"]["details"]
    document, page = evidence(shop, ID)
    assert document["verdict"]["outcome"].startswith("PASS")
    assert (document["swaps"][0]["oldIs"], document["swapOf"], bool(document["keptUntil"])) == (OLD, ID, True)
    assert "Which name holds what" in page
    assert f"the one from before is &#39;{OLD}&#39;" in page


def test_an_undo_is_evidence_of_an_exchange_and_of_no_backup(shop: World) -> None:
    shop.run(REPLACE)
    shop.events()

    run(shop, "undo")

    [event] = shop.events()
    assert (event["detail-type"], event["detail"]["mode"]) == ("Swap Succeeded", "swap")
    assert "The exchange of names in orders-prod succeeded: 1 of 1 databases turned back." in event["detail"]["notice"]["text"]
    undo = names.restore_id(execution_arn("undo-1"))
    document, page = evidence(shop, undo)
    assert (document["mode"], document["verdict"]["outcome"], document["swapOf"]) == ("swap", "PASS", ID)
    assert "1 exchange of names took place as asked: 'orders' is the database from before" in document["verdict"]["sentence"]
    assert "Exchange of names in orders-prod" in page
    assert "The backup" not in page
    listed = {row["restoreId"]: row for row in shop.ledger().table.query(RESTORES)}
    assert (listed[undo]["mode"], listed[undo].get("proof"), bool(listed[ID].get("proof"))) == ("undo", None, True)


def test_a_restore_that_could_not_take_the_name_is_not_said_to_be_unproven(shop: World) -> None:
    shop.worker.failing["swap orders"] = ErrorNote(name="DatabaseInUse", message="sessions stayed")

    shop.run(REPLACE)

    sentence = evidence(shop, ID)[0]["verdict"]["sentence"]
    told = "The database orders came back from its backup, but took no other database's name (DatabaseInUse): orders: sessions stayed."
    assert sentence.startswith(told)
