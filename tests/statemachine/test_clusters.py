"""Restores into clusters, Aurora's and Multi-AZ DB clusters: by the cluster from the plan to the last clean-up, whoever writes in it."""

from typing import Any

import boto3
import pytest

from dbrestore.contract import names
from localcloud.iam import judgement
from tests.statemachine.engines import AURORA, MULTI_AZ, Engine, of_both_clusters
from tests.statemachine.fake_worker import end_without_result
from tests.statemachine.test_failures import failing
from tests.statemachine.test_permissions import session
from tests.statemachine.test_versions import change_row, once
from tests.statemachine.world import ACCOUNT, REGION, World


def cluster_of(engine: Engine) -> Any:
    return boto3.client("rds").describe_db_clusters(DBClusterIdentifier=engine.instance)["DBClusters"][0]


def members(engine: Engine) -> dict[str, bool]:
    """Whether it writes, by each member's name."""
    return {one["DBInstanceIdentifier"]: one["IsClusterWriter"] for one in cluster_of(engine)["DBClusterMembers"]}


@of_both_clusters
def test_a_restore_into_a_cluster_leaves_its_group_list_as_it_was(world: World, engine: Engine) -> None:
    before = world.use(engine).inventory()
    listed: list[str] = []
    world.before["ReplayDumps"] = lambda: listed.extend(world.groups_of_instance())

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert len(listed) == 2
    assert world.inventory() == before | {"databases": ["orders"]}
    assert world.groups_of_instance() == world.group_list
    target = world.report()["target"]
    assert target["arn"] == f"arn:aws:rds:{REGION}:{ACCOUNT}:cluster:{engine.instance}"
    assert target["host"] == cluster_of(engine)["Endpoint"]


@of_both_clusters
@pytest.mark.parametrize("state", ["PairSecurityGroups", "ReplayDumps", "VerifyDatabases"])
def test_after_a_failure_the_clusters_group_list_is_as_it_was(world: World, engine: Engine, state: str) -> None:
    before = world.use(engine).inventory()
    world.before[state] = failing(RuntimeError("as a bug would"))

    ended = world.run()

    assert ended["status"] == "FAILED"
    assert world.inventory() == before
    assert world.groups_of_instance() == world.group_list
    assert world.meta().status == "CLOSED"


@of_both_clusters
def test_a_worker_that_dies_is_followed_by_one_that_is_paired_with_the_cluster(world: World, engine: Engine) -> None:
    before = world.use(engine).inventory()
    world.judge()
    world.worker.behaviour["replay"] = end_without_result

    ended = world.run()

    assert ended["error"] == "WorkerFailed", ended.get("cause")
    assert world.inventory() == before


def test_a_failover_meanwhile_changes_nothing_for_the_restore(world: World) -> None:
    before = world.use(AURORA).inventory()
    writer, reader = members(AURORA)

    def fail_over() -> None:
        boto3.client("rds").failover_db_cluster(DBClusterIdentifier=AURORA.instance, TargetDBInstanceIdentifier=reader)
        boto3.client("rds").delete_db_instance(DBInstanceIdentifier=writer, SkipFinalSnapshot=True)

    once(world, "VerifyDatabases", fail_over)

    ended = world.run({**AURORA.request(), "target": {"dbInstance": writer}})

    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert members(AURORA) == {reader: True}
    assert world.inventory() == before | {"databases": ["orders"]}
    assert world.report()["target"]["writer"] == writer


@of_both_clusters
def test_foreign_changes_of_a_clusters_list_survive(world: World, engine: Engine) -> None:
    world.use(engine)
    theirs = world.group("added-by-somebody-meanwhile")
    world.before["VerifyDatabases"] = lambda: world.change_group_list(*world.groups_of_instance(), theirs)

    ended = world.run()

    assert ended["status"] == "SUCCEEDED"
    assert sorted(world.groups_of_instance()) == sorted([*world.group_list, theirs])


def test_a_cluster_that_is_deleted_meanwhile_leaves_nothing(world: World) -> None:
    before = world.use(MULTI_AZ).inventory()

    def delete() -> None:
        boto3.client("rds").delete_db_cluster(DBClusterIdentifier=MULTI_AZ.instance, SkipFinalSnapshot=True)
        world.worker.databases.clear()
        world.worker.roles.clear()
        raise RuntimeError("as if the connection broke")

    once(world, "VerifyDatabases", delete)

    ended = world.run()

    assert ended["status"] == "FAILED"
    assert world.inventory(target_is_gone=True) == {kind: things for kind, things in before.items() if kind != "group list"}
    assert world.meta().status == "CLOSED"


@of_both_clusters
@pytest.mark.parametrize("seed", [7, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 23))])
def test_a_cluster_is_restored_into_where_aws_is_slow_and_inconsistent(world: World, engine: Engine, seed: int) -> None:
    before = world.use(engine).inventory()
    late = world.be_inconsistent(seed)

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert world.inventory() == before | {"databases": ["orders"]}
    assert late.met


@pytest.mark.parametrize("fills_keys", [True, False], ids=["keys filled in", "keys left out"])
@of_both_clusters
def test_the_target_role_may_change_a_clusters_group_list_and_nothing_else(world: World, engine: Engine, *, fills_keys: bool) -> None:
    before = world.use(engine).inventory()
    world.judge()
    world.patch.setattr(judgement, "fills_keys", fills_keys)

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert world.inventory() == before | {"databases": ["orders"]}
    rds = session(world).rds
    with pytest.raises(rds.exceptions.ClientError, match="not authorized to perform: rds:ModifyDBCluster"):
        rds.modify_db_cluster(DBClusterIdentifier=engine.instance, ManageMasterUserPassword=True, RotateMasterUserPassword=True)


@of_both_clusters
def test_a_shielded_cluster_is_kept_by_iam_too(world: World, engine: Engine) -> None:
    world.use(engine).judge()
    boto3.client("rds").add_tags_to_resource(ResourceName=cluster_of(engine)["DBClusterArn"], Tags=[{"Key": names.ALLOW, "Value": "false"}])
    rds = session(world).rds

    with pytest.raises(rds.exceptions.ClientError, match="not authorized"):
        rds.modify_db_cluster(DBClusterIdentifier=engine.instance, VpcSecurityGroupIds=world.group_list)


def forget_the_cluster(values: dict[str, Any]) -> None:
    """As a version that knew clusters by their ARN alone would have written."""
    for key in ("dbCluster", "writer"):
        del values["target"][key]


@of_both_clusters
def test_an_anchor_that_tells_a_cluster_by_its_arn_alone_is_cleaned_up_by_it(world: World, engine: Engine) -> None:
    before = world.use(engine).inventory()
    world.before["VerifyDatabases"] = failing(RuntimeError("as a bug would"))
    once(world, "DiscardUnfinishedDatabases", lambda: change_row(world.ledger(), forget_the_cluster, anchor=forget_the_cluster))

    ended = world.run()

    assert ended["status"] == "FAILED"
    assert world.inventory() == before
    assert world.meta().anchor.target.db_cluster == ""
