"""The anchor of a row: written from the plan, read whatever version wrote it."""

import json
from typing import Any

import pytest

from dbrestore.contract import anchor
from dbrestore.contract.errors import LedgerRowUnreadable
from dbrestore.contract.plan import Plan
from dbrestore.ledger import anchor_reading
from dbrestore.ledger.anchor_reading import DERIVED
from lambdas.planning.plan_restore import plan_restore
from tests.statemachine.engines import POSTGRES, Engine, of_both_engines
from tests.statemachine.world import World, execution_arn

ID = "r-0123456789ab"


def planned(world: World, engine: Engine) -> Plan:
    world.use(engine)
    request = {**engine.request("orders", "crm"), "mode": "plan"}
    return Plan.model_validate(plan_restore({"request": request, "executionArn": execution_arn("restore-1")}, None))


def row(plan: Plan, **anchored: Any) -> dict[str, str]:
    values = json.loads(anchor.of(plan).to_json()) | anchored
    return {"plan": plan.to_json(), "anchor": json.dumps(values), "executionArn": plan.execution_arn}


@of_both_engines
def test_what_is_written_is_read(world: World, engine: Engine) -> None:
    plan = planned(world, engine)

    reading = anchor_reading.read(plan.restore_id, row(plan))

    assert reading.anchor == anchor.of(plan)
    assert reading.flaws == ()
    assert reading.anchor.planned_target == plan.target
    assert reading.anchor.planned_source == plan.source
    assert [known.asked_name for known in reading.anchor.databases] == ["orders", "crm"]
    assert len(reading.anchor.locks) == 2


@of_both_engines
def test_without_an_anchor_the_plans_json_tells_the_same(world: World, engine: Engine) -> None:
    plan = planned(world, engine)
    other = json.loads(plan.to_json()) | {"tenants": []}
    del other["worker"]["streams"], other["mode"]

    reading = anchor_reading.read(plan.restore_id, {"plan": json.dumps(other), "executionArn": plan.execution_arn})

    assert reading.anchor == anchor.of(plan).model_copy(update={"schema_version": DERIVED})


def test_a_key_that_the_anchor_lacks_is_taken_from_the_plan(world: World) -> None:
    plan = planned(world, POSTGRES)
    item = row(plan, databases=[], worker={}, locks=None)

    assert anchor_reading.read(plan.restore_id, item).anchor == anchor.of(plan)


def test_an_arn_tells_account_region_and_name_and_is_told_by_them(world: World) -> None:
    plan = planned(world, POSTGRES)
    arn = plan.target.arn
    short = {"anchor": json.dumps({"target": {"arn": arn}}), "executionArn": plan.execution_arn, "startedAt": START}
    names = {"account": plan.target.account, "region": plan.target.region, "dbInstance": plan.target.db_instance}
    parts = {"anchor": json.dumps({"target": names}), "executionArn": plan.execution_arn, "startedAt": START}

    assert anchor_reading.read(ID, short).anchor.target == anchor_reading.read(ID, parts).anchor.target
    assert anchor_reading.read(ID, parts).anchor.target.arn == arn


@pytest.mark.parametrize(
    ("place", "value"),
    [("port", "some"), ("kmsKeyId", 7), ("hosts", None)],
)
def test_a_value_that_can_not_be_read_is_left_out_and_named(world: World, place: str, value: Any) -> None:
    plan = planned(world, POSTGRES)
    item = row(plan, target=json.loads(plan.target.to_json()) | {place: value})

    reading = anchor_reading.read(plan.restore_id, item)

    assert len(reading.flaws) == (place != "hosts")
    assert all(flaw.startswith(f"/anchor/target/{place}: ") for flaw in reading.flaws)
    assert reading.anchor.target.account == plan.target.account


@pytest.mark.parametrize("url", ['http://x";reboot;"', "http://me:secret@x"])
def test_no_anchor_brings_anything_into_the_boot_script_but_a_proxys_url(world: World, url: str) -> None:
    plan = planned(world, POSTGRES)

    reading = anchor_reading.read(plan.restore_id, row(plan, worker={"proxy": url}))

    assert reading.anchor.worker.proxy is None
    assert [flaw.partition(":")[0] for flaw in reading.flaws] == ["/anchor/worker/proxy"]


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"x"', '{"target": []}', '{"target": {"account": "1"}}'])
def test_what_tells_nothing_is_named_and_never_a_traceback(text: str) -> None:
    with pytest.raises(LedgerRowUnreadable, match=rf"row META of {ID} .*/anchor/target"):
        anchor_reading.read(ID, {"plan": text, "anchor": text, "executionArn": "arn", "startedAt": START})


def test_what_is_needed_and_unknown_is_named(world: World) -> None:
    plan = planned(world, POSTGRES)
    known = anchor.of(plan)
    known.require("target.arn", "worker.launches", "locks")
    unknown = known.model_copy(update={"locks": (), "target": known.target.model_copy(update={"host": ""})})

    with pytest.raises(LedgerRowUnreadable, match=r"/anchor/locks is missing; /anchor/target/host is missing"):
        unknown.require("locks", "target.host", "target.arn")


START = "2026-11-23T10:00:00+00:00"
