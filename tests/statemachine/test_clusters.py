"""Restores into clusters, Aurora's and Multi-AZ DB clusters: by the cluster from the plan to the last clean-up, whoever writes in it."""

from typing import Any

import boto3

from tests.statemachine.engines import Engine, of_both_clusters
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
