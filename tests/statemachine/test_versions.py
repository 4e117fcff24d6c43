"""Functions that are deployed anew or rolled back while a restore runs: whatever version wrote its row or its state's plan, nothing is left
behind, the run ends with a named error, and the next restore of the same database starts."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from dbrestore.contract import keys
from dbrestore.contract.errors import AwsRefused, NotReady
from dbrestore.contract.job import Job
from dbrestore.ledger.reading import META
from lambdas.runtime.ledger import Ledger
from tests.statemachine.engines import ALIKE, ENGINES, POSTGRES, REMOVERS, SQLSERVER, Engine, of_both_engines
from tests.statemachine.fake_worker import FakeWorker, end_without_result, leave_unfinished, lose_worker
from tests.statemachine.world import World, execution_arn

Values = dict[str, Any]
Change = Callable[[Values], None]
ANOTHER = "PlanOfAnotherVersion"


def unknown_key(plan: Values) -> None:
    plan["drill"] = {"every": "week"}


def unknown_key_deep(plan: Values) -> None:
    plan["target"]["tenant"] = "a"
    plan["databases"][0]["owner"] = "b"


def missing_key(plan: Values) -> None:
    del plan["target"], plan["databases"]


def version_99(plan: Values) -> None:
    """Another version's plan keeps nothing but what the definition itself and its removers read."""
    kept = {key: plan[key] for key in ("restoreId", "engine", "archived", "mode")}
    plan.clear()
    plan.update(kept, schemaVersion="99", where={"instances": []})


CHANGES = (unknown_key, unknown_key_deep, missing_key, version_99)


def cases(*, twice: bool) -> list[Any]:
    """Every change in every state; those of the second engine that the first one meets alike come in the campaign. `twice`: the states in
    which nothing depends on the engine are met for the second one too."""
    return [
        pytest.param(engine, state, change, id=f"{engine}-{state}-{change.__name__}", marks=marks(engine, change, alike))
        for engine in ENGINES
        for state in (*engine.creators, *REMOVERS)
        for alike in [not twice and engine is SQLSERVER and state in ALIKE]
        for change in CHANGES
    ]


def marks(engine: Engine, change: Change, alike: bool) -> Any:
    return () if change is (version_99 if engine is POSTGRES else missing_key) and not alike else pytest.mark.slow


def change_row(ledger: Ledger, change: Change, *, anchor: Change | None = None, without_anchor: bool = False) -> None:
    """Make of the stored row what another version would have written."""
    item = ledger.table.get(ledger.restore_id, META) or {}
    told = {}
    for name, what in (("plan", change), ("anchor", anchor)):
        values = json.loads(item[name])
        if what:
            what(values)
        told[name] = json.dumps(values)
    update = "SET #plan = :plan" + (" REMOVE anchor" if without_anchor else ", anchor = :anchor")
    told = {"plan": told["plan"]} if without_anchor else told
    ledger.table.write(ledger.table.update(ledger.restore_id, META, update, **told))


def once(world: World, state: str, what: Callable[[], None]) -> None:
    """Do it when the state is called first."""
    world.before[state] = lambda: what() if world.calls.count(state) == 1 else None


def starts_again(engine: Engine, state: str, change: Change) -> bool:
    """Whether a case goes on to the next restore. A restore is half of a case's time, and that all locks are free is seen in the inventory
    too: outside the campaign one creator and one remover of each engine are enough."""
    return state in (engine.restoring, "CloseRestore") or bool(marks(engine, change, alike=False))


def require_next_starts(world: World, engine: Engine, kept: list[str]) -> None:
    """The next restore finds no lock, under the same name or, where a good database stands, another."""
    world.before.clear()
    world.change = lambda _state, event: event
    world.worker.behaviour.clear()
    request = engine.request() if not kept else {**engine.request(), "databases": [{"name": "orders", "as": "again"}]}
    assert world.run(request, name="restore-2")["status"] == "SUCCEEDED"


@pytest.mark.parametrize(("engine", "state", "change"), cases(twice=False))
def test_a_stored_plan_of_another_version_leaves_nothing_behind(world: World, engine: Engine, state: str, change: Change) -> None:
    before = world.use(engine).inventory()
    once(world, state, lambda: change_row(world.ledger(), change))

    ended = world.run()

    kept = ["orders"] if state in REMOVERS else []
    assert world.inventory() == before | {"databases": kept}
    report = world.report()
    assert "another version" in report["planTrouble"]
    assert report["target"]["dbInstance"] == engine.instance
    assert {row["state"] for row in report["resources"]} <= {"DELETED", "KEPT"}
    # What was verified and cleaned up by then is done: red would be a lie. The report tells of the plan all the same.
    assert (ended["status"], ended.get("error")) == (("SUCCEEDED", None) if kept else ("FAILED", ANOTHER))
    assert bool(report["error"]) is not bool(kept)
    if starts_again(engine, state, change):
        require_next_starts(world, engine, kept)


@pytest.mark.parametrize(("engine", "state", "change"), cases(twice=True))
def test_a_states_plan_of_another_version_leaves_nothing_behind(world: World, engine: Engine, state: str, change: Change) -> None:
    before = world.use(engine).inventory()

    def become(called: str, event: Values) -> Values:
        if state in world.calls and "plan" in event:
            event = json.loads(json.dumps(event))
            change(event["plan"])
        return event

    world.change = become
    ended = world.run()

    kept = ["orders"] if state in REMOVERS else []
    assert world.inventory() == before | {"databases": kept}
    assert (ended["status"], ended.get("error")) == (("SUCCEEDED", None) if kept else ("FAILED", ANOTHER))
    if not kept:
        phases = {phase["state"]: phase.get("error") for phase in world.report()["phases"]}
        assert phases[state]["name"] == ANOTHER
        assert "start the restore again" in ended["cause"]
    if starts_again(engine, state, change):
        require_next_starts(world, engine, kept)


@of_both_engines
def test_a_plan_that_another_version_stored_while_it_was_planned_is_cleared_up(world: World, engine: Engine) -> None:
    before = world.use(engine).inventory()

    def change_and_come_back() -> None:
        if world.calls.count("PlanRestore") == 1:
            change_row(world.ledger(), unknown_key)
            raise NotReady("the answer of the first invocation was lost")

    world.after["PlanRestore"] = change_and_come_back

    ended = world.run()
    swept = world.sweep()

    assert (ended["status"], ended["error"]) == ("FAILED", ANOTHER)
    assert [clean_up["status"] for clean_up in swept] == ["SUCCEEDED"]
    assert world.inventory() == before
    world.after.clear()
    require_next_starts(world, engine, [])


def test_a_state_that_lost_even_the_restores_id_is_cleared_up_by_the_sweeper(world: World) -> None:
    before = world.inventory()

    def become(called: str, event: Values) -> Values:
        lost = "ReplayDumps" in world.calls and not event.get("cleanUp")
        return {**event, "plan": {"id": event["plan"]["restoreId"]}} if lost and "plan" in event else event

    world.change = become
    ended = world.run()
    swept = world.sweep()

    assert (ended["status"], ended["error"]) == ("FAILED", ANOTHER)
    assert [clean_up["status"] for clean_up in swept] == ["SUCCEEDED"]
    assert world.inventory() == before


@pytest.mark.parametrize("change", [unknown_key_deep, version_99], ids=lambda change: change.__name__)
@of_both_engines
def test_a_lost_worker_is_replaced_by_the_anchor_alone(world: World, engine: Engine, change: Change) -> None:
    before = world.use(engine).inventory()

    def lose(worker: Any, job: Any, command: Any) -> None:
        lose_worker(worker, job, command)
        change_row(world.ledger(), change)

    world.worker.behaviour[engine.job] = lose

    ended = world.run()

    assert ended["status"] == "FAILED"
    assert world.inventory() == before
    roles = {row["role"] for row in world.report()["resources"] if row["kind"] == "instance"}
    assert roles == {"worker", "discard-worker"}


@of_both_engines
def test_a_stopped_restore_whose_row_no_anchor_has_is_cleared_up_by_what_its_plan_tells(world: World, engine: Engine) -> None:
    before = world.use(engine).inventory()
    world.worker.behaviour[engine.job] = leave_unfinished

    def stop() -> None:
        change_row(world.ledger(), unknown_key_deep, without_anchor=True)
        boto3.client("stepfunctions").stop_execution(executionArn=execution_arn("restore-1"))
        raise AwsRefused("nobody hears this any more")

    world.before["VerifyDatabases"] = stop
    world.before[engine.restoring] = lambda: stop() if world.calls.count(engine.restoring) > 1 else None
    world.run()
    world.before.clear()
    swept = world.sweep()

    assert [clean_up["status"] for clean_up in swept] == ["SUCCEEDED"]
    assert world.inventory() == before
    assert "another version" in world.report()["planTrouble"]


@of_both_engines
def test_rows_of_a_newer_version_are_read_as_far_as_they_are_known(world: World, engine: Engine) -> None:
    before = world.use(engine).inventory()
    world.worker.behaviour[engine.job] = end_without_result

    def add_keys() -> None:
        ledger = world.ledger()
        for item in ledger.table.query(ledger.restore_id):
            ledger.table.write(ledger.table.update(ledger.restore_id, item["sk"], "SET tenant = :a", a="a"))

    once(world, "DiscardUnfinishedDatabases", add_keys)

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "WorkerFailed")
    assert world.inventory() == before


@of_both_engines
def test_a_worker_of_another_version_is_given_what_it_needs_alone_and_is_understood(world: World, engine: Engine) -> None:
    before = world.use(engine).inventory()
    given: list[Values] = []

    def newer(worker: FakeWorker, job: Job, command: Any) -> None:
        s3, key = boto3.client("s3"), keys.job_prefix(job.restore_id, "discard-1")
        given.append(json.loads(s3.get_object(Bucket="evidence", Key=key + "job.json")["Body"].read()))
        worker.do(job, command)
        result = json.loads(s3.get_object(Bucket="evidence", Key=key + "result.json")["Body"].read())
        body = json.dumps({**result, "tenant": "a"}).encode()
        s3.put_object(Bucket="evidence", Key=key + "result.json", Body=body)

    world.worker.behaviour |= {engine.job: end_without_result, "discard": newer}

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "WorkerFailed")
    assert world.inventory() == before
    [job] = given
    databases = "databases" if engine is POSTGRES else "nativeDatabases"
    assert job.keys() == {"kind", "restoreId", "engine", "server", databases}
    assert job[databases][0].keys() == (
        {"backupName", "askedName", "temporaryName", "loginRole", "holderRole"}
        if engine is POSTGRES
        else {"backupName", "askedName", "keyPrefix"}
    )


@of_both_engines
def test_a_newer_anchor_is_read_as_far_as_it_is_known(world: World, engine: Engine) -> None:
    before = world.use(engine).inventory()

    def newer(anchor: Values) -> None:
        anchor["schemaVersion"] = "2"
        anchor["tenants"] = ["a"]
        anchor["target"]["cluster"] = "b"
        anchor["databases"][0]["owner"] = "c"

    once(world, engine.restoring, lambda: change_row(world.ledger(), version_99, anchor=newer))

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", ANOTHER)
    assert world.inventory() == before


@pytest.mark.parametrize("engine", [POSTGRES, SQLSERVER], ids=str)
def test_what_neither_anchor_nor_plan_tells_of_databases_their_rows_tell(world: World, engine: Engine) -> None:
    before = world.use(engine).inventory()
    world.worker.behaviour[engine.job] = lose_worker

    def forget(anchor: Values) -> None:
        del anchor["databases"]

    once(world, "DiscardUnfinishedDatabases", lambda: change_row(world.ledger(), version_99, anchor=forget))

    world.run()

    assert world.inventory() == before


def test_an_account_that_nothing_tells_is_named_by_every_remover_and_the_restore_stays_open(world: World) -> None:
    def break_row(anchor: Values) -> None:
        anchor["target"] = {"account": "none", "region": "eu-central-1"}

    once(world, "RemoveWorker", lambda: change_row(world.ledger(), version_99, anchor=break_row))

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "LeftoversRemain")
    leftovers = json.loads(ended["cause"]) if ended["cause"].startswith("{") else {"cause": ended["cause"]}
    assert "LedgerRowUnreadable" in json.dumps(leftovers)
    assert "/anchor/target/account" in json.dumps(leftovers)
    assert world.inventory()["unclosed"]


def test_a_section_that_does_not_fit_is_our_own_fault(world: World) -> None:
    before = world.inventory()

    def become(called: str, event: Values) -> Values:
        if called == "VerifyDatabases":
            event = {**event, "restored": {"databases": "none"}}
        return event

    world.change = become

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "InternalContradiction")
    assert "/restored/databases" in ended["cause"]
    assert "Report this" in ended["cause"]
    assert world.inventory() == before
