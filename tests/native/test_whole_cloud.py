"""Restores of native backups end to end on the local cloud: two that share the temporary bucket, and what is left of one that was ended
from outside. Real backups where they are at hand, written ones elsewhere; no SQL Server engine is in it."""

import json
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from localcloud import cloud as local
from localcloud.stacks import application
from tests.native.chains import CHAIN, FULL, another
from tests.native.granted_calls import not_granted
from tests.native.installation import BYSTANDER
from tests.native.whole_cloud import Run, WholeCloud, wait_for
from tests.statemachine.plain_moto import know_images
from tests.unit.points.sqlserver.test_samples import SAMPLES

pytestmark = [pytest.mark.xdist_group("whole-cloud-native"), pytest.mark.timeout(600), pytest.mark.slow]

# The source of each instance: files, databases, and for the chain a point in time.
if SAMPLES.is_dir():
    CHAIN_FILES: Any = [SAMPLES / name for name in ("chain-b-full.bak", "chain-b-log-1.trn", "chain-b-log-2.trn")]
    CHAINED, STOP_AT, CHAIN_TASKS = "StopAt", datetime(2020, 5, 12, 13, 29, 50), 4
    OTHER_FILES: Any = [SAMPLES / name for name in ("stripe-1-of-2.bak", "stripe-2-of-2.bak", "compressed-2016.bak")]
    OTHERS = ("RestoreTimeStripe", "TutorialDB")
else:
    CHAIN_FILES, CHAINED, STOP_AT, CHAIN_TASKS = CHAIN, FULL.database, datetime(2023, 3, 1, 12), 4
    OTHER_FILES = [
        *(another(FULL, stripe=number, stripes=2, keeps_ids=True) for number in (1, 2)),
        another(FULL, database="crm", database_id=FULL.media),
    ]
    OTHERS = ("shop", "crm")


DRILL = {
    "name": "erp-yearly",
    "schedule": {"expression": "cron(0 0 1 1 ? *)", "timeZone": "UTC"},
    "source": {"dbInstance": "erp"},
    "target": {"dbInstance": "erp"},
    "databases": [OTHERS[0]],
}


@pytest.fixture(scope="module")
def whole() -> Iterator[WholeCloud]:
    with tempfile.TemporaryDirectory(prefix="native-") as folder, pytest.MonkeyPatch.context() as patch:
        declared = Path(folder, "drills.json")
        declared.write_text(json.dumps({"drills": [DRILL]}))
        patch.setenv(application.DRILLS, str(declared))
        running = local.start(Path(folder, "cloud"), time_scale=100.0, schedules=False)
        try:
            know_images()
            made = WholeCloud(running, Path(folder)).build()
            made.point("crm", CHAIN_FILES)
            made.point("erp", OTHER_FILES)
            yield made
            assert not_granted(running.calls) == set()
        finally:
            running.stop()


def hold(whole: WholeCloud, instance: str) -> Callable[[], None]:
    """The instance's tasks begin and come no further, until what is returned is called."""
    switches = whole.engine(instance).switches
    switches.percent_per_poll = 0
    return lambda: setattr(switches, "percent_per_poll", 50)


def drop(whole: WholeCloud, instance: str, *names: str) -> None:
    """So that the next test finds the instance as this one did."""
    databases = whole.engine(instance).instance.databases
    for name in names:
        found = databases.find(name)
        assert found
        databases.drop(found)


def test_a_restore_that_ends_takes_nothing_from_one_that_shares_its_bucket(whole: WholeCloud) -> None:
    before = whole.inventory()
    go_on = hold(whole, "crm")
    slow = whole.start("crm", CHAINED, stopAt=STOP_AT)
    wait_for(lambda: whole.is_restoring("crm"))
    [(bucket, staged)] = whole.buckets().items()

    fast = whole.start("erp", *OTHERS)
    ended = fast.ended()

    assert ended["status"] == "SUCCEEDED", ended
    assert slow.now()["status"] == "RUNNING"
    assert whole.is_restoring("crm")
    assert whole.buckets() == {bucket: staged}
    assert {key.split("/")[0] for key in staged} == {slow.id}
    go_on()
    ended = slow.ended()
    assert ended["status"] == "SUCCEEDED", ended
    after = whole.inventory()
    assert {name: set(found) for name, found in after.pop("databases").items()} == {
        "crm": {BYSTANDER, CHAINED},
        "erp": {BYSTANDER, *OTHERS},
    }
    assert after == {name: found for name, found in before.items() if name != "databases"}
    restored = whole.engine("crm").database(CHAINED)
    assert restored
    assert (restored.state, restored.recovered_to) == ("ONLINE", STOP_AT)
    assert [task.lifecycle for task in whole.engine("crm").tasks] == ["SUCCESS"] * CHAIN_TASKS
    [row] = [row for row in fast.report()["resources"] if row["kind"] == "bucket"]
    assert (row["state"], row["seenAbsentAt"], slow.id in row["note"]) == ("DELETED", None, True)
    [row] = [row for row in slow.report()["resources"] if row["kind"] == "bucket"]
    assert (row["physicalId"], bool(row["seenAbsentAt"])) == (bucket, True)
    drop(whole, "crm", CHAINED)
    drop(whole, "erp", *OTHERS)


def test_checks_have_the_answers_that_a_server_without_rows_can_give(whole: WholeCloud) -> None:
    first = OTHERS[0]
    checks = [
        {"name": "it is there", "sql": "SELECT COUNT(*) FROM sys.databases WHERE name = DB_NAME()", "expect": 1, "show": True},
        {"name": "rows", "sql": "SELECT COUNT(*) FROM dbo.orders", "expect": {"min": 1}},
    ]

    run = whole.start_request({"target": {"dbInstance": "erp"}, "databases": [first], "checks": checks})
    ended = run.ended()

    assert (ended["status"], ended.get("error")) == ("FAILED", "ChecksFailed")
    message = run.report()["error"]["message"]
    assert "1 of 2 checks did not hold" in message
    assert "rows: not checked: expected at least 1; Invalid object name 'dbo.orders'. (208)" in message
    restored = whole.engine("erp").database(first)
    assert restored
    assert (restored.state, [user for user in restored.users if user.without_login]) == ("ONLINE", [])
    drop(whole, "erp", first)


def test_a_drill_with_damage_ends_red_and_the_same_without_it_green(whole: WholeCloud) -> None:
    before = whole.inventory()
    tasks = len(whole.engine("erp").tasks)

    damaged = whole.start_request({"drill": {"name": DRILL["name"], "withDamage": True}}).ended()

    assert (damaged["status"], damaged.get("error")) == ("FAILED", "StagedCopyDiffers"), damaged
    assert len(whole.engine("erp").tasks) == tasks
    assert whole.inventory() == before
    passed = whole.start_request({"drill": {"name": DRILL["name"]}}).ended()
    assert passed["status"] == "SUCCEEDED", passed
    assert whole.inventory() == before


def test_a_worker_that_an_endpoint_keeps_from_its_program_says_so_and_leaves_nothing(whole: WholeCloud) -> None:
    """A condition that no plan can judge: the worker comes up, registers, and has no program."""
    before, tasks = whole.inventory(), len(whole.engine("erp").tasks)
    everything = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    of_somebody = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/somebody"}}
    set_policy(whole, {"Statement": [{**everything, "Condition": of_somebody}]})

    run = whole.start("erp", OTHERS[0])
    ended = run.ended()
    set_policy(whole, {"Statement": [everything]})

    assert (ended["status"], ended.get("error")) == ("FAILED", "WorkerNotStarted"), ended
    told = run.report()["error"]["message"]
    assert "could not be fetched: check the subnet's way to S3, the endpoint's policy, and that the TargetStack's program is there" in told
    bucket, key = told.rpartition("lies in s3://")[2].split("/", 1)
    console = whole.cloud.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    assert "because no VPC endpoint policy allows the s3:GetObject action" in console
    assert (whole.inventory(), len(whole.engine("erp").tasks)) == (before, tasks)


def set_policy(whole: WholeCloud, policy: dict[str, Any]) -> None:
    """Of the VPC's endpoint for S3."""
    ec2 = whole.client("ec2")
    [endpoint] = [one for one in ec2.describe_vpc_endpoints()["VpcEndpoints"] if one["ServiceName"].endswith(".s3")]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint["VpcEndpointId"], PolicyDocument=json.dumps(policy))


def lose_worker(whole: WholeCloud, _run: Run) -> None:
    """AWS ends the worker's instance."""
    whole.client("ec2").terminate_instances(InstanceIds=whole.workers())


def stop_execution(_whole: WholeCloud, run: Run) -> None:
    """Somebody stops the execution: the sweeper has to come."""
    run.stop()


@pytest.mark.parametrize(
    ("end", "status", "error"),
    [(lose_worker, "FAILED", "WorkerLost"), (stop_execution, "ABORTED", None)],
    ids=["worker terminated", "execution stopped"],
)
def test_a_restore_that_is_ended_in_the_middle_leaves_nothing(
    whole: WholeCloud, end: Callable[[WholeCloud, Run], None], status: str, error: str | None
) -> None:
    before = whole.inventory()
    go_on = hold(whole, "erp")
    run = whole.start("erp", *OTHERS)
    wait_for(lambda: whole.is_restoring("erp"))
    assert set(whole.databases("erp")) > {BYSTANDER}

    end(whole, run)
    ended = run.ended()

    report = run.report()
    wait_for(lambda: not whole.inventory()["ledger"])
    assert (ended["status"], ended.get("error")) == (status, error), ended.get("cause")
    assert whole.inventory() == before
    assert (report["status"], report["leftovers"]) == ("FAILED", [])
    assert {row["state"] for row in report["resources"]} == {"DELETED"}
    assert all(row["seenAbsentAt"] or row["note"] for row in report["resources"])
    assert {task.lifecycle for task in whole.engine("erp").tasks[-2:]} == {"CANCELLED"}
    go_on()
