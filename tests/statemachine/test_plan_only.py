"""Mode `plan` through the whole definition: what it asks of AWS, what it leaves, and that what it announces is what a restore makes."""

import json
import re
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto.core.botocore_stubber import BotocoreStubber

from dbrestore.cli.views import creations
from dbrestore.cli.views import sqlserver as sqlserver_view
from dbrestore.contract import keys, limits
from dbrestore.contract.plan import ArchivedFiles, ConsideredSubnet, Plan, PlannedArchive, PlannedNetwork
from dbrestore.prices import GB
from infrastructure.functions import FUNCTIONS
from lambdas.estimate import estimate, orchestration
from tests.statemachine.conftest import installed
from tests.statemachine.engines import POSTGRES, SQL_SERVER, SQLSERVER, Engine
from tests.statemachine.sources import POINT, store_native_point, store_point
from tests.statemachine.world import DEFINITION, INSTANCE, World

READS = re.compile(r"(Describe|Get|List|Head|Query)|AssumeRole$")
MOST_STATE = 32 * 1024

# One process restores for all of these tests.
pytestmark = pytest.mark.xdist_group("planned-restores")
ENGINES = pytest.mark.parametrize("engine", [POSTGRES, SQLSERVER], ids=str)


class Asked:
    """Every request that the functions send, by service and operation."""

    def __init__(self, world: World) -> None:
        self.requests: list[tuple[str, str]] = []
        self.write_units = 0
        self._is_on = False
        through = BotocoreStubber.__call__

        def listen(stub: Any, event_name: str, request: Any, **more: Any) -> Any:
            if self._is_on:
                _, service, operation = event_name.split(".")
                self.requests.append((service, operation))
                if operation == "TransactWriteItems":
                    self.write_units += 2 * len(json.loads(request.body)["TransactItems"])
            return through(stub, event_name, request, **more)

        world.patch.setattr(BotocoreStubber, "__call__", listen)
        world.around = lambda: self

    def __enter__(self) -> None:
        self._is_on = True

    def __exit__(self, *_: object) -> None:
        self._is_on = False

    def changes(self) -> set[tuple[str, str]]:
        return {request for request in self.requests if not READS.match(request[1])}


def plan_of(ended: dict[str, Any]) -> Plan:
    assert ended["status"] == "SUCCEEDED", ended
    return Plan.model_validate(json.loads(ended["output"])["plan"])


def everything(world: World) -> dict[str, Any]:
    """The inventory, the ledger's table row by row, and both buckets object by object."""
    s3, items = boto3.client("s3"), boto3.client("dynamodb").scan(TableName="ledger")["Items"]
    stored = {bucket: s3.list_objects_v2(Bucket=bucket)["Contents"] for bucket in ("repository", "evidence")}
    objects = {name: sorted((o["Key"], o["ETag"], str(o["LastModified"])) for o in all_) for name, all_ in stored.items()}
    return {**world.inventory(), "rows": items, "objects": objects}


def archive_all(instance: str) -> None:
    """What a lifecycle rule does to the files of every point of this instance; manifests stay."""
    s3 = boto3.client("s3")
    for item in s3.list_objects_v2(Bucket="repository", Prefix=keys.segment(instance) + "/")["Contents"]:
        if not item["Key"].endswith(keys.MANIFEST):
            source = {"Bucket": "repository", "Key": item["Key"]}
            s3.copy_object(Bucket="repository", Key=item["Key"], CopySource=source, StorageClass="DEEP_ARCHIVE")


@ENGINES
@pytest.mark.parametrize("is_archived", [False, True], ids=["at hand", "archived"])
def test_a_plan_only_reads_and_leaves_everything_as_it_was(world: World, engine: Engine, is_archived: bool) -> None:
    world.use(engine)
    if is_archived:
        archive_all(engine.instance)
    before, asked = everything(world), Asked(world)

    plan = plan_of(world.run({**engine.request(), "mode": "plan"}))

    assert asked.changes() == set()
    assert ("sts", "AssumeRole") in asked.requests
    assert everything(world) == before
    assert world.calls == ["PlanRestore"]
    assert plan.archived is is_archived
    assert plan.estimate
    assert "RetrieveArchive" in {item.state for item in plan.estimate.durations} or not is_archived


def test_a_refused_plan_leaves_everything_as_it_was_and_names_all_its_problems(world: World) -> None:
    archive_all(INSTANCE)
    before, asked = everything(world), Asked(world)
    request = {
        **POSTGRES.request("orders", "nowhere"),
        "archive": {"tier": "Expedited"},
        "worker": {"subnetId": "subnet-1"},
    }

    ended = world.run({**request, "mode": "plan"})

    assert ended["status"] == "FAILED"
    assert asked.changes() == set()
    assert everything(world) == before
    told = json.loads(ended["cause"])["errorMessage"] if ended["cause"].startswith("{") else ended["cause"]
    assert {"/databases/1/name", "/archive/tier", "/worker/subnetId"} <= {line.split(":")[0] for line in told.splitlines()}


@dataclass(frozen=True)
class Restored:
    """One restore as planned before, and as it went."""

    announced: Plan
    plan: Plan
    asked: Asked
    functions: set[str]
    states: int
    report: dict[str, Any]


@pytest.fixture(scope="module", params=[POSTGRES, SQLSERVER], ids=str)
def restored(request: pytest.FixtureRequest) -> Restored:
    """A plan, and then the restore of the same request."""
    with pytest.MonkeyPatch.context() as patch, installed(patch) as world:
        world.use(request.param)
        announced = plan_of(world.run({**request.param.request(), "mode": "plan"}, name="planned"))
        asked = Asked(world)
        world.calls.clear()
        arn = world.run()["executionArn"]
        pages = boto3.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
        entered = [e for page in pages for e in page["events"] if e["type"].endswith("StateEntered")]
        return Restored(announced, world.meta().plan, asked, set(world.calls), len(entered), world.report())


def test_a_restore_is_seen_to_change_things_by_the_same_watch(restored: Restored) -> None:
    assert {("ec2", "RunInstances"), ("dynamodb", "TransactWriteItems")} <= restored.asked.changes()


def test_what_a_plan_announces_is_what_a_restore_makes(restored: Restored) -> None:
    recorded = [creation for creation in creations.of(restored.plan) if creation.is_recorded]

    rows, any_ = restored.report["resources"], f"-g{sqlserver_view.ANY_GENERATION}-"
    assert {(c.kind, c.name) for c in recorded} == {(row["kind"], re.sub(r"-g\d+-", any_, row["name"])) for row in rows}
    assert {c.name for c in recorded if c.stays} == {row["name"] for row in rows if row["state"] == "KEPT"}


def test_the_report_keeps_what_the_plan_expected(restored: Restored) -> None:
    assert restored.announced.estimate
    assert restored.report["estimate"] == restored.announced.estimate.to_state()


def test_a_restore_does_no_more_than_is_priced(restored: Restored) -> None:
    # A plan of some kilobytes takes two units to read, and most reads are of it.
    reads = [operation for service, operation in restored.asked.requests if service == "dynamodb" and READS.match(operation)]

    assert 15 < restored.states <= orchestration.TRANSITIONS
    assert 9 < len(restored.functions) <= orchestration.INVOCATIONS
    assert 100 < restored.asked.write_units <= orchestration.WRITES
    assert 100 < 2 * len(reads) <= orchestration.READS


def test_the_functions_have_the_memory_that_is_priced() -> None:
    memory = {row.state: row.memory / 1024 for row in FUNCTIONS}
    flow = DEFINITION.read_text()

    assert memory["HearRetrieval"] * 0.02 == orchestration.ARRIVAL_GB_SECONDS
    assert (memory.pop("PlanRestore"), memory.pop("CloseRestore")) == (orchestration.PLANNING_GB, orchestration.CLOSING_GB)
    # No restore's: restore points are made by them.
    assert (memory.pop("CopyDumps"), memory.pop("ReadDumps")) == (1.0, 1.0)
    assert {memory[state] for state in memory if f"${{{state}}}" in flow} == {orchestration.FUNCTION_GB}


def twenty(length: int) -> list[str]:
    return [f"{number:02}{'n' * (length - 2)}" for number in range(20)]


def crowded(plan: Plan) -> Plan:
    """The plan with as many subnets, storage classes and files as a plan can name."""
    sentences = tuple(f"a reason of some length, the {number}th of this subnet" for number in range(4))
    subnets = [
        ConsideredSubnet(subnet_id=f"subnet-{n:017x}", availability_zone="eu-central-1a", way="nat", reasons=sentences)
        for n in range(limits.LISTED_SUBNETS)
    ]
    while sum(len(subnet.to_json()) for subnet in subnets) > limits.LISTED_SUBNETS_CHARACTERS:
        subnets.pop()
    classes = tuple(
        ArchivedFiles(storage_class=name, objects=12_500, bytes=2**40, wait_hours=48.0)
        for name in ("GLACIER", "DEEP_ARCHIVE", "ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS")
    )
    archive = PlannedArchive(tier="Standard", objects=50_000, bytes=4 * 2**40, classes=classes, days=30, batches=tuple(range(50)))
    network = PlannedNetwork(vpc_id=plan.target.vpc_id, subnets=tuple(subnets), unlisted=160)
    filled = plan.model_copy(update={"archive": archive, "archived": True, "network": network})
    return filled.model_copy(update={"estimate": estimate.of(filled)})


def test_a_plan_of_twenty_dumps_with_all_its_parts_stays_small(world: World) -> None:
    names = twenty(limits.LONGEST_DATABASE_NAME_BYTES)
    store_point(INSTANCE, POINT, names, object_counts={"TABLE": 100_000, "TABLE DATA": 1}, uncompressed_length=30)

    plan = plan_of(world.run({**POSTGRES.request(*names), "mode": "plan"}))

    assert len(plan.databases) == 20
    assert len(crowded(plan).to_json().encode()) < MOST_STATE


def test_a_plan_of_twenty_native_backups_with_all_its_parts_stays_small(world: World) -> None:
    world.use(SQLSERVER)
    names = twenty(limits.LONGEST_SQLSERVER_NAME)
    store_native_point(SQL_SERVER, names, logs=2)

    plan = plan_of(world.run({**SQLSERVER.request(*names), "mode": "plan"}))

    assert len(plan.databases) == 20
    assert plan.databases[0].bytes < GB
    assert len(crowded(plan).to_json().encode()) < MOST_STATE
