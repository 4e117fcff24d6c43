"""The real definition with databases that come back without all of their dump, and with roles that hold what nobody else may own."""

from typing import Any

import boto3
import pytest

from dbrestore.cli.exit_code_choice import of_execution
from dbrestore.contract import keys, limits
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.job import ErrorNote, Job, LeftOut, Result
from dbrestore.contract.record import Report
from tests.statemachine.engines import POSTGRES
from tests.statemachine.fake_worker import FakeWorker
from tests.statemachine.world import World

DBLINK = LeftOut(entry="EXTENSION dblink", why="not allowed\nhere", sql="CREATE EXTENSION dblink")
TABLE = LeftOut(entry="TABLE public.feed", why="type dblink_x does not exist", sql="CREATE TABLE ...", rows=1200)


def resources(world: World) -> dict[str, dict[str, Any]]:
    return {row["name"].rpartition("_")[2]: row for row in world.report()["resources"] if row["kind"] == "role"}


def report(world: World) -> Report:
    key = keys.report_key(world.ledger().restore_id)
    return Report.from_json(boto3.client("s3").get_object(Bucket="evidence", Key=key)["Body"].read())


def test_a_database_that_lacks_something_stays_and_the_restore_does_not_succeed(world: World) -> None:
    before = world.inventory()
    world.worker.left_out["REPLAYED orders"] = (DBLINK, TABLE)

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "ObjectsLeftOut")
    told = report(world)
    assert told.error is not None
    assert told.error.message.splitlines() == [
        "orders: 2 objects of the dump were left out, 1,200 rows of the dump were not loaded",
        "orders: EXTENSION dblink: not allowed here",
        "orders: TABLE public.feed: type dblink_x does not exist",
        f"The whole list, with the SQL to make each by hand: dbrestore report {told.restore_id}",
    ]
    assert [(d.status, d.left_out) for d in told.databases] == [("PROMOTED", 2)]
    assert of_execution(ended["status"], told.error, told.leftovers) == ExitCode.NOT_VERIFIED == 4
    assert world.inventory() == before | {"databases": ["orders"]}
    assert world.meta().status == "CLOSED"
    assert [event["detail-type"] for event in world.events()] == ["Restore Failed"]


def test_what_the_verification_leaves_out_is_told_with_what_the_replay_did_and_nothing_twice(world: World) -> None:
    world.worker.left_out |= {"REPLAYED orders": (DBLINK,), "PROMOTED orders": (DBLINK, TABLE)}

    ended = world.run()

    assert ended["error"] == "ObjectsLeftOut"
    assert report(world).databases[0].left_out == 2


def test_a_failed_database_is_told_before_one_that_lacks_something(world: World) -> None:
    world.worker.left_out["REPLAYED orders"] = (TABLE,)
    world.worker.failing["PROMOTED crm"] = ErrorNote(name="VerificationFailed", message="rows of t: 2, not 3")

    ended = world.run(POSTGRES.request("orders", "crm"))

    assert (ended["status"], ended["error"]) == ("FAILED", "SomeDatabasesFailed")
    told = report(world)
    assert told.error is not None
    lines = told.error.message.splitlines()
    assert lines[0] == "1 of 2 failed; orders stay, without what was left out of them"
    assert lines[1] == "crm: VerificationFailed: rows of t: 2, not 3"
    assert lines[2].startswith("orders: 1 objects of the dump were left out")
    assert {d.asked_name: d.left_out for d in told.databases} == {"orders": 1, "crm": 0}


def test_a_database_that_was_discarded_lacks_nothing(world: World) -> None:
    world.worker.left_out["REPLAYED orders"] = (TABLE,)
    world.worker.failing["PROMOTED orders"] = ErrorNote(name="VerificationFailed", message="rows of t: 2, not 3")

    ended = world.run()

    assert ended["error"] == "VerificationFailed"
    assert report(world).databases[0].left_out == 0


def test_however_much_is_left_out_the_error_stays_short(world: World) -> None:
    world.worker.left_out["REPLAYED orders"] = tuple(LeftOut(entry=f"VIEW {'v' * 200}{n}", why="w" * 9000) for n in range(5000))

    world.run()

    error = report(world).error
    assert error is not None
    assert f"and {5000 - limits.NAMED_LEFT_OUT:,} more" in error.message
    assert len(error.message) < 2000
    assert report(world).databases[0].left_out == 5000


@pytest.mark.parametrize("repeats", [1, 2])
def test_the_role_that_holds_what_nobody_may_own_stays_with_the_database(world: World, repeats: int) -> None:
    world.worker.orphaned.add("orders")
    world.repeats = repeats

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended
    holder = resources(world)["holder"]
    assert (holder["state"], holder["physicalId"]) == ("KEPT", holder["name"])
    assert holder["note"] == "owns objects of orders; goes with the first restore after that database is dropped"
    assert resources(world)["owner"]["state"] == "DELETED"
    assert world.worker.roles == {holder["name"]}
    assert world.meta().status == "CLOSED"


def test_a_holder_that_owns_nothing_is_seen_absent(world: World) -> None:
    world.run()

    holder = resources(world)["holder"]
    assert holder["state"] == "DELETED"
    assert holder["seenAbsentAt"]


def test_a_holder_goes_with_a_database_that_was_not_verified(world: World) -> None:
    world.worker.orphaned.add("orders")
    world.worker.failing["PROMOTED orders"] = ErrorNote(name="VerificationFailed", message="rows of t: 2, not 3")

    world.run()

    assert resources(world)["holder"]["state"] == "DELETED"
    assert world.worker.roles == set()


def test_a_database_that_was_finished_by_a_worker_that_then_died_is_kept_with_its_holder(world: World) -> None:
    world.worker.orphaned.add("orders")
    world.worker.left_out["REPLAYED orders"] = (TABLE,)

    def finish_and_die(worker: FakeWorker, job: Job, command: Any) -> None:
        worker.do(job, command)
        boto3.client("s3").delete_object(Bucket="evidence", Key=keys.job_prefix(job.restore_id, "verify") + "result.json")
        command.status = "Failed"

    world.worker.behaviour["verify"] = finish_and_die

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "WorkerFailed")
    told = report(world)
    states = {(row.kind, row.name.rpartition("_")[2]): row.state for row in told.resources if row.kind in ("database", "role")}
    assert states == {("database", "1"): "KEPT", ("role", "owner"): "DELETED", ("role", "holder"): "KEPT"}
    assert [(d.status, d.left_out) for d in told.databases] == [("PROMOTED", 1)]
    assert told.leftovers == ()


def test_the_worker_gets_what_was_chosen(world: World) -> None:
    request = POSTGRES.request() | {
        "owners": {"app": "orders_owner"},
        "roles": "create-missing",
        "extensions": "skip-missing",
        "onUnrestorable": "skip",
        "encoding": "utf-8",
        "locale": "C",
        "verify": "counts",
    }

    world.run(request)

    assert {job.postgres.model_dump_json() for job in world.worker.jobs} == {report(world).postgres.model_dump_json()}  # type: ignore[union-attr]
    chosen = world.worker.jobs[0].postgres
    assert (chosen.owners, chosen.create_missing_roles, chosen.skip_missing_extensions) == (
        {"app": "orders_owner"},
        True,
        True,
    )
    assert (chosen.skip_unrestorable, chosen.encoding, chosen.locale, chosen.verify) == (True, "UTF8", "C", "counts")
    assert not chosen.keep_owners


def test_a_job_that_could_not_begin_left_nothing_out(world: World) -> None:
    def refuse(worker: FakeWorker, job: Job, command: Any) -> None:
        worker.write(
            job,
            command,
            Result(kind=job.kind, restore_id=job.restore_id, error=ErrorNote(name="ReplayFailed", message="no")),
        )

    world.worker.left_out["REPLAYED orders"] = (TABLE,)
    world.worker.behaviour["verify"] = refuse

    assert world.run()["error"] == "ReplayFailed"
