"""A cluster as a target: found by its own name or a member's, planned by what is the cluster's, refused by name."""

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto.core.exceptions import AccessDeniedError
from moto.rds.models import RDSBackend, rds_backends

from dbrestore.contract import names
from dbrestore.contract.errors import CredentialsNotUsable, NotEnoughStorage, NotReady, TargetNotFound, TargetNotUsable, TargetVersionTooOld
from tests.statemachine.engines import AURORA, MULTI_AZ, Engine, of_both_clusters
from tests.statemachine.world import ACCOUNT, POINT, REGION, World, create_cluster, create_instance, store_point
from tests.unit.lambdas.planning.test_plan_restore import free_storage, plan, refused


def cluster_of(engine: Engine) -> dict[str, Any]:
    found: Any = boto3.client("rds").describe_db_clusters(DBClusterIdentifier=engine.instance)["DBClusters"][0]
    return dict(found)


def members(engine: Engine) -> list[str]:
    """The writer first."""
    told = sorted(cluster_of(engine)["DBClusterMembers"], key=lambda one: not one["IsClusterWriter"])
    return [one["DBInstanceIdentifier"] for one in told]


def show(world: World, of: Engine, **attributes: Any) -> None:
    """What RDS says of the cluster from now on."""
    cluster = rds_backends[ACCOUNT][REGION].clusters[of.instance]
    for name, value in attributes.items():
        world.patch.setattr(cluster, name, value, raising=False)


def show_member(world: World, name: str, **attributes: Any) -> None:
    """What RDS says of an instance from now on."""
    for attribute, value in attributes.items():
        world.patch.setattr(rds_backends[ACCOUNT][REGION].databases[name], attribute, value)


def asked(name: str, **more: Any) -> dict[str, Any]:
    return {"target": {"dbInstance": name}, "databases": ["orders"], **more}


@of_both_clusters
@pytest.mark.parametrize("named", ["the cluster", "the writer", "a reader", "in capitals"])
def test_whatever_of_a_cluster_is_named_the_cluster_is_planned(world: World, engine: Engine, named: str) -> None:
    world.use(engine)
    cluster, (writer, reader, *_) = cluster_of(engine), members(engine)
    names = {"the cluster": engine.instance, "the writer": writer, "a reader": reader, "in capitals": reader.upper()}

    told = plan(asked(names[named]))

    target = told["target"]
    assert (target["dbInstance"], target["dbCluster"], target["writer"]) == (engine.instance, engine.instance, writer)
    assert target["arn"] == cluster["DBClusterArn"]
    assert (target["host"], target["port"]) == (cluster["Endpoint"], 5432)
    assert (target["engine"], told["engine"]) == (cluster["Engine"], "postgres")
    assert target["secretArn"] == cluster["MasterUserSecret"]["SecretArn"]
    assert (
        target["availabilityZone"]
        == boto3.client("rds").describe_db_instances(DBInstanceIdentifier=writer)["DBInstances"][0]["AvailabilityZone"]
    )
    # Points of a cluster bear the cluster's name.
    assert told["source"]["dbInstance"] == engine.instance


def test_a_plan_for_an_instance_names_no_cluster(world: World) -> None:
    target = plan()["target"]

    assert (target["dbCluster"], target["writer"]) == ("", "")
    assert ":db:" in target["arn"]


def test_an_instance_of_its_own_comes_before_a_cluster_of_its_name(world: World) -> None:
    world.use(AURORA)
    create_instance(AURORA.instance, world.group_list)

    of_instance = plan(asked(AURORA.instance, mode="plan"))
    of_cluster = plan(asked(members(AURORA)[0], mode="plan"))

    assert ":db:" in of_instance["target"]["arn"]
    assert ":cluster:" in of_cluster["target"]["arn"]
    note = "a DB cluster bears that name, too: to restore into the cluster, name one of its instances"
    assert [note in told for told in of_instance["notes"]].count(True) == 1
    assert not [told for told in of_cluster["notes"] if note in told]


def test_the_role_of_an_older_stack_which_may_not_look_at_clusters_restores_into_instances(world: World) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AccessDeniedError("somebody", "rds:DescribeDBClusters")

    world.patch.setattr(RDSBackend, "describe_db_clusters", refuse)

    assert plan()["target"]["dbCluster"] == ""


def test_near_names_of_clusters_are_told_too(world: World) -> None:
    world.use(AURORA)

    [line] = refused(asked("order-aurora", source={"dbInstance": AURORA.instance}), TargetNotFound)

    assert "no DB instance or cluster 'order-aurora'" in line
    assert "orders-aurora" in line.partition("did you mean")[2]


@pytest.mark.parametrize(
    ("shown", "part"),
    [
        ({"engine": "aurora-mysql"}, "is a cluster of aurora-mysql: only PostgreSQL and SQL Server"),
        ({"engine": "docdb"}, "is a cluster of docdb: only PostgreSQL and SQL Server"),
        ({"engine_mode": "serverless"}, "is an Aurora Serverless v1 cluster"),
        ({"cluster_scalability_type": "limitless"}, "is an Aurora Limitless Database"),
        (
            {"replication_source_identifier": "arn:aws:rds:eu-west-1:1:cluster:first"},
            "is a read replica of arn:aws:rds:eu-west-1:1:cluster",
        ),
        ({"global_cluster_identifier": "world", "db_cluster_members": None}, "is a secondary cluster of the Aurora global database world"),
        ({"db_cluster_members": []}, "has no instance that a worker could connect to"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_cluster_of_another_kind_is_refused_by_name_and_for_nothing_else(world: World, shown: dict[str, Any], part: str) -> None:
    world.use(AURORA)
    if "db_cluster_members" in shown:
        readers = [{"DBInstanceIdentifier": members(AURORA)[1], "IsClusterWriter": False}]
        told = readers if shown["db_cluster_members"] is None else []
        world.patch.setattr("moto.rds.models.DBCluster.db_cluster_members", told)
    more = {name: value for name, value in shown.items() if name != "db_cluster_members"}
    show(world, AURORA, **more, status="inaccessible-encryption-credentials")

    [line] = refused(asked(AURORA.instance), TargetNotUsable)

    assert line.startswith(f"/target/dbInstance: {AURORA.instance} {part}")
    assert ": " in line.removeprefix("/target/dbInstance: ")


def test_a_global_databases_primary_is_restored_into(world: World) -> None:
    world.use(AURORA)
    show(world, AURORA, global_cluster_identifier="world")

    assert plan(asked(AURORA.instance))["target"]["writer"] == members(AURORA)[0]


@pytest.mark.parametrize("status", ["failing-over", "upgrading", "update-iam-db-auth", "modifying"])
def test_a_clusters_status_that_passes_is_waited_for(world: World, status: str) -> None:
    world.use(AURORA)
    show(world, AURORA, status=status)

    with pytest.raises(NotReady, match=f"waiting for {AURORA.instance} to be available .now {status}"):
        plan(asked(AURORA.instance))


def test_a_writer_that_is_away_is_waited_for(world: World) -> None:
    world.use(MULTI_AZ)
    show_member(world, members(MULTI_AZ)[0], status="rebooting")

    with pytest.raises(NotReady, match="rebooting"):
        plan(asked(MULTI_AZ.instance))


def test_a_reader_that_is_away_keeps_no_restore_out(world: World) -> None:
    world.use(MULTI_AZ)
    show_member(world, members(MULTI_AZ)[1], status="failed")

    assert plan(asked(MULTI_AZ.instance))["target"]["writer"] == members(MULTI_AZ)[0]


def test_a_cluster_that_has_no_writer_for_a_moment_is_waited_for_and_refused_in_the_end(world: World) -> None:
    world.use(AURORA)
    readers = [{"DBInstanceIdentifier": name, "IsClusterWriter": False} for name in members(AURORA)]
    world.patch.setattr("moto.rds.models.DBCluster.db_cluster_members", readers)

    with pytest.raises(NotReady, match="failing-over"):
        plan(asked(AURORA.instance))
    with pytest.raises(TargetNotUsable, match="still failing-over after 45 minutes"):
        plan(asked(AURORA.instance), startedAt=(datetime.now(UTC) - timedelta(hours=2)).isoformat())


@pytest.mark.parametrize("status", ["stopped", "deleting", "cloning-failed"])
def test_a_clusters_status_that_does_not_pass_is_refused(world: World, status: str) -> None:
    world.use(AURORA)
    show(world, AURORA, status=status)

    [line] = refused(asked(AURORA.instance), TargetNotUsable)

    assert f"{AURORA.instance} is {status}" in line


@of_both_clusters
def test_a_shielded_or_full_cluster_is_refused(world: World, engine: Engine) -> None:
    world.use(engine)
    arn = cluster_of(engine)["DBClusterArn"]
    boto3.client("rds").add_tags_to_resource(ResourceName=arn, Tags=[{"Key": names.ALLOW, "Value": "false"}])
    world.change_group_list(*(world.group(f"of-somebody-{n}") for n in range(5)))

    lines = refused(asked(members(engine)[1]), TargetNotUsable)

    assert any("is shielded from restores by its tag dbrestore:allow = false" in line for line in lines)
    assert any("has " in line and "security groups already" in line for line in lines)


def test_auroras_storage_is_not_checked_and_the_plan_says_so(world: World) -> None:
    world.use(AURORA)
    store_point(AURORA.instance, POINT, ["orders"], uncompressed_length=40 * 1024**3)

    told = plan(asked(AURORA.instance))

    [note] = [note for note in told["notes"] if "storage" in note]
    assert note == "Aurora's storage grows by itself, up to the limit of its version: free storage was not checked"


def test_a_multi_az_clusters_storage_is_its_writers(world: World) -> None:
    world.use(MULTI_AZ)
    store_point(MULTI_AZ.instance, POINT, ["orders"], uncompressed_length=8 * 1024**3)
    free_storage(members(MULTI_AZ)[0], 9.0 * 1024**3)
    free_storage(members(MULTI_AZ)[1], 900.0 * 1024**3)

    [line] = refused(asked(MULTI_AZ.instance), NotEnoughStorage)

    assert "12.0 GiB" in line
    assert "9.0 GiB" in line


def test_a_cluster_of_an_old_version_is_refused(world: World) -> None:
    world.use(AURORA)
    show(world, AURORA, engine_version="11.21")

    assert f"{AURORA.instance} runs PostgreSQL 11.21" in refused(asked(AURORA.instance), TargetVersionTooOld)[0]


def test_logins_with_tokens_of_iam_are_the_clusters_to_switch_on(world: World) -> None:
    world.use(AURORA)
    by_iam = {"target": {"dbInstance": AURORA.instance, "credentials": {"iamUser": "dbrestore"}}, "databases": ["orders"]}
    [line] = refused(by_iam, CredentialsNotUsable)
    assert "modify-db-cluster --enable-iam-database-authentication" in line

    show(world, AURORA, iam_auth=True)
    offered = boto3.client("ssm").get_parameter(Name="/dbrestore/target")["Parameter"]["Value"]
    boto3.client("ssm").put_parameter(Name="/dbrestore/target", Value=offered[:-1] + ', "iamUser": "dbrestore"}', Overwrite=True)

    assert plan(by_iam)["target"]["iamUser"] == "dbrestore"


def test_a_cluster_without_managed_secret_is_told_its_own_command(world: World) -> None:
    world.use(AURORA)
    more = {"ManageMasterUserPassword": False, "MasterUserPassword": "s3cr3t-s3cr3t"}
    other = Engine("other", "others", AURORA.creators, AURORA.job, AURORA.made, AURORA.cluster)
    create_cluster(other, world.group_list, **more)

    [line] = refused(asked("others", source={"dbInstance": AURORA.instance}), CredentialsNotUsable)

    assert "others has no credentials for a restore" in line


def test_what_a_member_says_of_its_own_replication_counts_for_nothing(world: World) -> None:
    world.use(MULTI_AZ)
    show_member(world, members(MULTI_AZ)[0], source_db_instance_identifier=members(MULTI_AZ)[1])

    assert plan(asked(MULTI_AZ.instance))["target"]["writer"] == members(MULTI_AZ)[0]
