"""A cluster's list of security groups: read of the cluster, changed with it, waited for by its status and its memberships."""

from typing import Any

import boto3
import pytest
from moto.rds.exceptions import RDSClientError
from moto.rds.models import RDSBackend, rds_backends

from dbrestore.contract.errors import AwsRefused, NotReady
from lambdas.pairing.security_groups import pair_security_groups, unpair_security_groups
from lambdas.planning.plan_restore import plan_restore
from lambdas.worker.instance import deploy_worker, remove_worker
from tests.statemachine.engines import AURORA
from tests.statemachine.world import ACCOUNT, REGION, World, execution_arn
from tests.unit.lambdas.worker.test_instance import until_done

ARN = execution_arn("restore-1")


@pytest.fixture
def deployed(world: World) -> dict[str, Any]:
    """A restore into an Aurora cluster, whose worker stands."""
    world.use(AURORA)
    state: dict[str, Any] = {"plan": plan_restore({"request": AURORA.request(), "executionArn": ARN}, None)}
    return state | {"worker": until_done(deploy_worker, state)}


def show(world: World, **attributes: Any) -> None:
    """What RDS says of the cluster from now on."""
    for name, value in attributes.items():
        world.patch.setattr(rds_backends[ACCOUNT][REGION].clusters[AURORA.instance], name, value)


def memberships() -> dict[str, str]:
    found = boto3.client("rds").describe_db_clusters(DBClusterIdentifier=AURORA.instance)["DBClusters"][0]
    return {group["VpcSecurityGroupId"]: group["Status"] for group in found["VpcSecurityGroups"]}


@pytest.mark.parametrize("status", ["backing-up", "modifying", "failing-over", "upgrading"])
def test_a_list_that_rds_lets_nobody_change_is_written_when_it_does(world: World, deployed: dict[str, Any], status: str) -> None:
    show(world, status=status)
    for _ in range(3):
        with pytest.raises(NotReady, match=f"waiting for {AURORA.instance}, which .*{status}"):
            pair_security_groups(deployed, None)
    assert world.groups_of_instance() == world.group_list

    show(world, status="available")
    until_done(pair_security_groups, deployed)


def test_pairing_and_unpairing_again_change_nothing_more(world: World, deployed: dict[str, Any]) -> None:
    told = until_done(pair_security_groups, deployed)
    assert until_done(pair_security_groups, deployed) == told
    assert memberships() == {world.group_list[0]: "active", told["databaseGroupId"]: "active"}

    until_done(remove_worker, {"executionArn": ARN, **deployed})
    for _ in range(2):
        until_done(unpair_security_groups, {"executionArn": ARN, **deployed})
    assert memberships() == {world.group_list[0]: "active"}


@pytest.mark.parametrize("code", ["InvalidDBClusterStateFault", "InvalidDBInstanceState"])
def test_that_rds_is_at_work_is_waited_for_and_another_refusal_is_final(world: World, deployed: dict[str, Any], code: str) -> None:
    codes = iter([code] * 20)

    def refuse(*_: Any, **__: Any) -> None:
        raise RDSClientError(next(codes, "InvalidParameterCombination"), "as RDS says it")

    world.patch.setattr(RDSBackend, "modify_db_cluster", refuse)
    for _ in range(3):
        with pytest.raises(NotReady, match="refused changes"):
            pair_security_groups(deployed, None)
    list(codes)

    with pytest.raises(AwsRefused, match="InvalidParameterCombination"):
        until_done(pair_security_groups, deployed)
