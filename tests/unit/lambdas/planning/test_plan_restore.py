"""PlanRestore: what is refused, under which name, with which lines, and what a plan says."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto.cloudwatch.models import cloudwatch_backends
from moto.rds.models import rds_backends

from dbrestore.contract.errors import (
    BackupDamaged,
    CertificateBundleMissing,
    CredentialsNotUsable,
    DatabaseNotInRestorePoint,
    NotEnoughStorage,
    NotReady,
    NoUsableSubnet,
    RestoreError,
    RestorePointNotFound,
    RestoreRequestInvalid,
    TargetNotFound,
    TargetNotUsable,
    TargetVersionTooNew,
    TargetVersionTooOld,
)
from dbrestore.contract.names import CA_BUNDLE_KEY, restore_id
from lambdas.planning.plan_restore import plan_restore
from lambdas.runtime.state import Surroundings
from tests.statemachine.engines import SQLSERVER
from tests.statemachine.world import (
    ACCOUNT,
    INSTANCE,
    POINT,
    REGION,
    REQUEST,
    World,
    create_instance,
    execution_arn,
    store_point,
)

ARN = execution_arn("restore-1")


def plan(request: Any = REQUEST, surroundings: Surroundings | None = None, **more: Any) -> dict[str, Any]:
    """One call of the function."""
    return plan_restore({"request": request, "executionArn": ARN, **more}, None, surroundings)


def refused(request: Any, kind: type[RestoreError]) -> list[str]:
    """The lines of the refusal."""
    with pytest.raises(RestoreError) as caught:
        plan(request)
    assert type(caught.value) is kind, str(caught.value)
    return str(caught.value).splitlines()


def asking(**changes: Any) -> dict[str, Any]:
    return {**REQUEST, **changes}


def test_a_plan_names_everything_before_anything_exists(world: World) -> None:
    told = plan(asking(databases=["orders", {"name": "crm", "as": "CRM 'copy'; --"}], reason="rehearsal"))

    stem = restore_id(ARN).removeprefix("r-")
    assert told["restoreId"] == restore_id(ARN)
    assert [d["temporaryName"] for d in told["databases"]] == [f"dbrestore_{stem}_1", f"dbrestore_{stem}_2"]
    assert [d["askedName"] for d in told["databases"]] == ["orders", "CRM 'copy'; --"]
    assert told["databases"][0]["rows"] == 3
    assert told["source"] == {
        "dbInstance": INSTANCE,
        "restorePoint": POINT,
        "manifest": f"s3://repository/{INSTANCE}/{POINT}/manifest.json",
        "manifestSha256": told["source"]["manifestSha256"],
    }
    assert told["target"]["port"] == 5432
    assert told["target"]["secretArn"].startswith("arn:aws:secretsmanager:")
    assert told["worker"]["programUri"] == "s3://evidence/programs/worker.zip"
    assert told["worker"]["maxRunMinutes"] == 168 * 60
    assert told["reason"] == "rehearsal"
    lacks = "no indexes, constraints or triggers in this dump"
    owned = "owned by app as before, where the target has the role, and otherwise by a role without login or rights"
    uncompared = "1 of 1 tables can't be compared value by value, because the restore point has no digest of them"
    beginnings = [f"orders: {lacks}", f"crm: {lacks}"]
    beginnings += [f"orders, crm: {note}" for note in (owned, uncompared)]
    assert len(told["notes"]) == len(beginnings)
    assert all(note.startswith(each) for note, each in zip(told["notes"], beginnings, strict=True))


def test_the_worker_stands_in_the_instances_availability_zone(world: World) -> None:
    told = plan()

    subnets = boto3.client("ec2").describe_subnets()["Subnets"]
    zones = {s["SubnetId"]: s["AvailabilityZone"] for s in subnets}
    assert zones[told["worker"]["launches"][0]["subnetId"]] == f"{REGION}b"
    chosen = list(dict.fromkeys(launch["subnetId"] for launch in told["worker"]["launches"]))
    assert sorted(chosen) == sorted(zones)


def test_a_second_call_of_the_same_execution_gives_the_stored_plan(world: World) -> None:
    first = plan()

    second = plan()

    assert second == first


@pytest.mark.parametrize(
    ("request_", "lines"),
    [
        ({}, ["/target: is missing: add it", "/databases: is missing: add it"]),
        (asking(database=["orders"]), ["/database: isn't a known key: did you mean databases?"]),
        (asking(databases=[]), ["/databases: is empty: name at least one database"]),
        (asking(databases=[{"name": "orders", "As": "x"}]), ["/databases/0/As: isn't a known key: did you mean as?"]),
        (asking(databases=[7]), ['/databases/0: must be a name or {"name": ..., "as": ...}, not 7']),
        (asking(databases="orders"), ['/databases: must be a list of database names, not "orders"']),
        (asking(target="orders-prod"), ['/target: must be an object like {"dbInstance": ...}, not "orders-prod"']),
        (asking(target={"dbInstance": "-x"}), None),
        (asking(worker={"streams": 0}), None),
        (asking(onConflict="overwrite"), None),
        (
            asking(databases=["orders", "orders"]),
            [
                "/databases/0/name: 'orders' is requested twice: request it once",
                "/databases/1/name: 'orders' is requested twice: request it once",
            ],
        ),
        (
            asking(databases=["orders", {"name": "crm", "as": "orders"}]),
            [
                "/databases/0/name: two databases would get the name 'orders': give one another name",
                "/databases/1/as: two databases would get the name 'orders': give one another name",
            ],
        ),
        (
            asking(databases=[{"name": "orders", "as": "ä" * 32}]),
            ["/databases/0/as: is 64 bytes long, but PostgreSQL's names have at most 63: shorten it"],
        ),
        (
            asking(databases=[{"name": "orders", "as": "a\0b"}]),
            ["/databases/0/as: contains a NUL character, which no PostgreSQL name may: write the name without it"],
        ),
        (
            asking(databases=[{"name": "orders", "as": "template1"}]),
            ["/databases/0/as: 'template1' belongs to the server: restore it under another name with `as`"],
        ),
    ],
)
def test_a_bad_request_is_refused_with_a_pointer_to_each_problem(world: World, request_: Any, lines: list[str] | None) -> None:
    told = refused(request_, RestoreRequestInvalid)

    assert all(line.startswith("/") for line in told)
    assert lines is None or told == lines


def test_every_problem_is_in_one_answer(world: World) -> None:
    boto3.client("s3").delete_object(Bucket="evidence", Key=CA_BUNDLE_KEY)
    boto3.client("ssm").delete_parameter(Name="/dbrestore/target")
    request = asking(databases=["ordres", {"name": "crm", "as": "rdsadmin"}], worker={"subnetId": "subnet-0"}, mode="drill")

    told = refused(request, RestoreRequestInvalid)

    assert [line.split(":")[0] for line in told] == [
        "/mode",
        "/databases/1/as",
        "/databases/0/name",
        "/",
        "/target",
        "/worker/subnetId",
    ]


def test_nothing_is_in_the_ledger_after_a_refusal(world: World) -> None:
    refused(asking(databases=["nothing"]), DatabaseNotInRestorePoint)

    assert boto3.client("dynamodb").scan(TableName="ledger")["Items"] == []


@pytest.mark.parametrize("name", ["x" * 63, 'quo"ted', "with space", "Upper", "🐘", "../../etc", "$(reboot)", "a;b"])
def test_a_name_that_postgresql_allows_is_planned_to_the_letter(world: World, name: str) -> None:
    told = plan(asking(databases=[{"name": "orders", "as": name}]))

    assert told["databases"][0]["askedName"] == name


def test_an_unknown_instance_is_refused_with_near_names(world: World) -> None:
    request = asking(target={"dbInstance": "order-prod"}, source={"dbInstance": INSTANCE})

    told = refused(request, TargetNotFound)

    assert told == ["/target/dbInstance: no DB instance or cluster 'order-prod' in this account and Region: did you mean orders-prod?"]


def test_an_unknown_point_is_refused_with_what_there_is(world: World) -> None:
    told = refused(asking(source={"restorePoint": "20261122T021500Z-3fa9c1d3"}), RestorePointNotFound)

    assert told[0].startswith("/source/restorePoint: ")
    assert POINT in told[0]


def test_an_unknown_database_is_refused_with_what_the_point_has(world: World) -> None:
    told = refused(asking(databases=["Orders"]), DatabaseNotInRestorePoint)

    assert told == [f"/databases/0/name: the restore point {POINT} has no database 'Orders'; it has crm, orders"]


def test_a_wish_of_drills_alone_is_refused_as_such(world: World) -> None:
    assert len(refused(asking(mode="drill"), RestoreRequestInvalid)) == 1


@pytest.mark.parametrize(
    ("settings", "kind", "part"),
    [
        (
            {"ManageMasterUserPassword": False, "MasterUserPassword": "s3cr3t-s3cr3t"},
            CredentialsNotUsable,
            "gives the master user a new password at once and every 7 days",
        ),
        ({"EngineVersion": "15.8"}, TargetVersionTooOld, "was dumped from 16.4"),
        ({"EngineVersion": "19.1"}, TargetVersionTooNew, "runs PostgreSQL 19.1, which this version of dbrestore doesn't know"),
    ],
)
def test_an_instance_that_cannot_take_part_is_refused(world: World, settings: dict[str, Any], kind: type[RestoreError], part: str) -> None:
    create_instance("other", world.group_list, **settings)
    request = asking(target={"dbInstance": "other"}, source={"dbInstance": INSTANCE})

    told = refused(request, kind)

    assert all(line.startswith("/target/dbInstance: other ") for line in told)
    assert any(part in line for line in told)


@pytest.mark.parametrize("key", ["dbrestore:allow", "DBRestore:Allow"])
def test_a_shielded_instance_is_refused_with_the_fix(world: World, key: str) -> None:
    _tag_instance(key, "false")

    told = refused(REQUEST, TargetNotUsable)

    assert told == [
        f"/target/dbInstance: {INSTANCE} is shielded from restores by its tag {key} = false: remove the tag, or restore into "
        "another instance"
    ]


@pytest.mark.parametrize(("key", "value"), [("dbrestore:allow", "true"), ("allow", "false")])
def test_an_instance_with_other_tags_is_no_shielded_one(world: World, key: str, value: str) -> None:
    _tag_instance(key, value)

    assert plan()["target"]["arn"].endswith(INSTANCE)


def _tag_instance(key: str, value: str) -> None:
    rds = boto3.client("rds")
    arn = rds.describe_db_instances(DBInstanceIdentifier=INSTANCE)["DBInstances"][0]["DBInstanceArn"]
    rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": key, "Value": value}])


def test_a_full_group_list_is_refused(world: World) -> None:
    world.change_group_list(*(world.group(f"g{n}") for n in range(5)))

    told = refused(REQUEST, TargetNotUsable)

    assert "5 security groups already" in told[0]


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        ({"stopAt": "2026-05-12T13:29:50"}, "/sqlserver/stopAt"),
        ({"fixUsers": True}, "/sqlserver/fixUsers"),
        ({"checkDatabase": True}, "/sqlserver/checkDatabase"),
    ],
)
def test_a_wish_that_only_sql_server_can_fulfil_is_refused(world: World, wish: dict[str, Any], pointer: str) -> None:
    [line] = refused(asking(sqlserver=wish), RestoreRequestInvalid)

    assert line == f"{pointer}: is only for SQL Server, and this restore is of PostgreSQL: leave it out"


def test_not_to_check_a_sql_server_database_is_no_wish(world: World) -> None:
    assert plan(asking(sqlserver={"checkDatabase": False, "fixUsers": False}))["engine"] == "postgres"


def test_a_read_replica_is_refused_with_its_source(world: World) -> None:
    boto3.client("rds").create_db_instance_read_replica(DBInstanceIdentifier="orders-copy", SourceDBInstanceIdentifier=INSTANCE)

    told = refused(asking(target={"dbInstance": "orders-copy"}, source={"dbInstance": INSTANCE}), TargetNotUsable)

    assert told == [
        "/target/dbInstance: orders-copy is a read replica of orders-prod and can't have databases of its own: restore into orders-prod"
    ]


@pytest.mark.parametrize(
    ("shown", "part"),
    [
        ({"engine": "aurora-mysql", "db_cluster_identifier": "shop"}, "is an aurora-mysql instance: only PostgreSQL and SQL Server"),
        ({"read_replica_source_db_cluster_identifier": "shop"}, "is a read replica of the DB cluster shop"),
        ({"engine": "custom-sqlserver-se"}, "is an RDS Custom instance (custom-sqlserver-se)"),
        ({"engine": "custom-oracle-ee"}, "is an RDS Custom instance (custom-oracle-ee)"),
        ({"engine": "mysql"}, "is a mysql instance: only PostgreSQL and SQL Server"),
        ({"engine": "docdb", "db_cluster_identifier": "shop"}, "is a docdb instance: only PostgreSQL and SQL Server"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_no_instance_of_its_own_is_refused_by_name_and_for_nothing_else(world: World, shown: dict[str, str], part: str) -> None:
    # As RDS may show it: without a secret of its own, and at work.
    for name, value in {**shown, "status": "configuring-something", "master_user_secret": None}.items():
        world.patch.setattr(rds_backends[ACCOUNT][REGION].databases[INSTANCE], name, value, raising=False)

    [line] = refused(REQUEST, TargetNotUsable)

    assert line.startswith(f"/target/dbInstance: {INSTANCE} {part}")
    assert ": " in line.removeprefix("/target/dbInstance: ")


@pytest.mark.parametrize("value", ["yesterday", "2026-05-12T13:29:50Z", "2026-05-12T13:29:50+02:00"])
def test_a_point_in_time_that_is_no_moment_or_has_a_zone_is_refused_with_an_example(world: World, value: str) -> None:
    [line] = refused(asking(sqlserver={"stopAt": value}), RestoreRequestInvalid)

    assert line.startswith("/sqlserver/stopAt: must be a moment on the clock of the server that was backed up, without a zone, like 2026")
    assert value in line


def with_status(world: World, status: str) -> None:
    """RDS says that the instance has this status."""
    instance = rds_backends["123456789012"][REGION].databases[INSTANCE]
    world.patch.setattr(instance, "status", status)


@pytest.mark.parametrize("status", ["backing-up", "storage-optimization", "storage-initialization", "configuring-log-exports"])
def test_what_rds_does_beside_the_server_is_not_waited_for(world: World, status: str) -> None:
    with_status(world, status)

    assert plan()["target"]["dbInstance"] == INSTANCE


@pytest.mark.parametrize("status", ["maintenance", "modifying", "starting"])
def test_a_passing_status_is_waited_for(world: World, status: str) -> None:
    with_status(world, status)

    with pytest.raises(NotReady, match=status):
        plan()


def test_a_passing_status_that_stays_is_refused_in_the_end(world: World) -> None:
    with_status(world, "modifying")
    long_ago = datetime.now(UTC) - timedelta(hours=2)

    with pytest.raises(TargetNotUsable, match="still modifying after 45 minutes"):
        plan(startedAt=long_ago.isoformat())


def test_other_problems_are_told_at_once_while_a_status_passes(world: World) -> None:
    with_status(world, "modifying")

    refused(asking(databases=["nothing"]), DatabaseNotInRestorePoint)


@pytest.mark.parametrize("status", ["stopped", "failed", "deleting"])
def test_a_status_that_does_not_pass_is_refused(world: World, status: str) -> None:
    with_status(world, status)

    told = refused(REQUEST, TargetNotUsable)

    assert f"is {status}" in told[0]


def no_storage_metric(instance: str) -> None:
    """CloudWatch knows nothing of the instance's free storage."""
    backend = cloudwatch_backends["123456789012"][REGION]
    backend.metric_data = [d for d in backend.metric_data if instance not in [x.value for x in d.dimensions]]


def free_storage(instance: str, bytes_: float) -> None:
    no_storage_metric(instance)
    boto3.client("cloudwatch").put_metric_data(
        Namespace="AWS/RDS",
        MetricData=[
            {
                "MetricName": "FreeStorageSpace",
                "Unit": "Bytes",
                "Value": bytes_,
                "Timestamp": datetime.now(UTC) - timedelta(minutes=1),
                "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": instance}],
            }
        ],
    )


def test_too_little_free_storage_is_refused_with_both_numbers(world: World) -> None:
    create_instance("small", world.group_list)
    store_point("small", POINT, ["orders"], uncompressed_length=8 * 1024**3)
    free_storage("small", 9.0 * 1024**3)

    told = refused(asking(target={"dbInstance": "small"}), NotEnoughStorage)

    assert "12.0 GiB" in told[0]
    assert "9.0 GiB" in told[0]


def test_without_a_storage_metric_the_allocated_storage_counts_and_the_plan_says_so(world: World) -> None:
    create_instance("quiet", world.group_list)
    no_storage_metric("quiet")

    told = plan(asking(target={"dbInstance": "quiet"}, source={"dbInstance": INSTANCE}))

    assert sum("FreeStorageSpace" in note for note in told["notes"]) == 1


def test_a_missing_ca_bundle_is_refused_with_the_fix(world: World) -> None:
    boto3.client("s3").delete_object(Bucket="evidence", Key=CA_BUNDLE_KEY)

    told = refused(REQUEST, CertificateBundleMissing)

    assert "truststore.pki.rds.amazonaws.com" in told[0]


def lose_file(key: str) -> None:
    boto3.client("s3").delete_object(Bucket="repository", Key=key)


def cut_file(key: str) -> None:
    boto3.client("s3").put_object(Bucket="repository", Key=key, Body=b"x" * 9)


@pytest.mark.parametrize(("harm", "part"), [(lose_file, "is missing"), (cut_file, "has 9 bytes, the manifest says 10")])
def test_a_file_that_is_not_what_the_manifest_says_is_refused(world: World, harm: Callable[[str], None], part: str) -> None:
    harm(f"{INSTANCE}/{POINT}/orders/dump.pgdump")

    told = refused(REQUEST, BackupDamaged)

    assert part in told[0]


@pytest.mark.parametrize("value", [None, "{}", "nonsense", json.dumps({"documentName": "x"})])
def test_an_account_without_the_target_stack_is_refused_with_the_fix(world: World, value: str | None) -> None:
    ssm = boto3.client("ssm")
    ssm.delete_parameter(Name="/dbrestore/target")
    if value:
        ssm.put_parameter(Name="/dbrestore/target", Value=value, Type="String")

    told = refused(REQUEST, TargetNotUsable)

    assert "deploy the TargetStack" in told[0]


def test_an_account_that_the_buckets_do_not_let_in_is_refused_before_a_worker_dies_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TARGET_ACCOUNTS", "333333333333")
    elsewhere = {"dbInstance": INSTANCE, "account": "222222222222"}

    told = refused(asking(target=elsewhere), TargetNotUsable)

    assert "deploy the ControlStack with -c targetAccounts=333333333333,222222222222" in told[0]


@pytest.mark.parametrize("listed", ["", "222222222222,333333333333"])
def test_the_control_account_needs_no_entry(world: World, monkeypatch: pytest.MonkeyPatch, listed: str) -> None:
    monkeypatch.setenv("TARGET_ACCOUNTS", listed)

    assert plan()["target"]["account"] == ARN.split(":")[4]


def test_a_vpc_without_a_standing_group_is_refused_with_the_fix(world: World) -> None:
    ec2 = boto3.client("ec2")
    group = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["dbrestore-standing"]}])
    ec2.delete_security_group(GroupId=group["SecurityGroups"][0]["GroupId"])

    told = refused(REQUEST, TargetNotUsable)

    assert "deploy the TargetStack with this VPC" in told[0]


def test_every_subnet_is_in_the_plan_with_its_reasons_the_chosen_one_first(world: World) -> None:
    told = plan()

    subnets = told["network"]["subnets"]
    assert told["network"]["vpcId"] == told["target"]["vpcId"] == world.vpc_id
    assert sorted(subnet["subnetId"] for subnet in subnets) == world.subnets
    assert [subnet["rank"] for subnet in subnets] == [1, 2, 3]
    assert {subnet["way"] for subnet in subnets} == {"endpoints"}
    assert subnets[0]["subnetId"] == told["worker"]["launches"][0]["subnetId"]
    assert subnets[0]["reasons"][0] == f"in the Availability Zone of {INSTANCE}"
    assert subnets[1]["reasons"][0].startswith("in a different Availability Zone")


def no_way_to_aws(service: str) -> None:
    ec2 = boto3.client("ec2")
    found = ec2.describe_vpc_endpoints(Filters=[{"Name": "service-name", "Values": [f"com.amazonaws.{REGION}.{service}"]}])
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"] for endpoint in found["VpcEndpoints"]])


def test_a_vpc_without_a_way_to_aws_is_refused_with_what_is_missing(world: World) -> None:
    no_way_to_aws("secretsmanager")

    [line] = refused(REQUEST, NoUsableSubnet)

    assert line.startswith("/target: ")
    assert all(subnet in line for subnet in world.subnets)
    assert "has no way to AWS: no endpoint for secretsmanager" in line


def test_a_subnet_that_was_asked_for_and_cannot_be_used_is_refused_where_it_was_asked_for(world: World) -> None:
    no_way_to_aws("ssm")

    [line] = refused(asking(worker={"subnetId": world.subnets[1]}), NoUsableSubnet)

    assert line.startswith(f"/worker/subnetId: {world.subnets[1]} ({REGION}")
    assert "no endpoint for ssm" in line


def of_class(world: World, name: str) -> None:
    """Let the target be of this class."""
    boto3.client("rds").modify_db_instance(DBInstanceIdentifier=world.engine.instance, DBInstanceClass=name, ApplyImmediately=True)


def test_more_streams_than_the_target_has_processors_are_not_used(world: World) -> None:
    assert plan(asking(worker={"streams": 16}))["worker"]["streams"] == 2


def test_the_worker_has_a_processor_for_every_stream(world: World) -> None:
    of_class(world, "db.m6g.2xlarge")

    told = plan(asking())

    assert told["worker"]["streams"] == 8
    assert {launch["instanceType"].partition(".")[2] for launch in told["worker"]["launches"]} == {"2xlarge"}


def test_the_worker_that_only_steers_is_small(world: World) -> None:
    world.use(SQLSERVER)

    assert plan(SQLSERVER.request())["worker"]["launches"][0]["instanceType"] == "t3.small"


@pytest.mark.parametrize("kind", ["m7g.large", "x99.huge"])
def test_a_worker_type_that_cannot_run_the_program_is_refused(world: World, kind: str) -> None:
    told = refused(asking(worker={"instanceType": kind}), TargetNotUsable)

    assert told[0].startswith("/worker/instanceType: ")


def test_wishes_for_the_worker_are_taken_over(world: World) -> None:
    of_class(world, "db.m6g.4xlarge")
    wish = {"instanceType": "m6i.xlarge", "subnetId": world.subnets[0], "streams": 4, "maxRunHours": 2}

    told = plan(asking(worker=wish))

    assert told["worker"]["launches"][0]["instanceType"] == "m6i.xlarge"
    assert {launch["subnetId"] for launch in told["worker"]["launches"]} == {world.subnets[0]}
    assert (told["worker"]["streams"], told["worker"]["maxRunMinutes"]) == (4, 120)


def test_the_console_s_comment_is_tolerated(world: World) -> None:
    assert plan(asking(Comment="Insert your JSON here"))["mode"] == "restore"
