"""The pair of groups and the instance's list: what is opened, what is waited for, and what of others stays."""

from typing import Any

import boto3
import pytest
from moto.ec2.exceptions import DependencyViolationError
from moto.ec2.models.security_groups import SecurityGroupBackend
from moto.rds.exceptions import RDSClientError
from moto.rds.models import DBInstance, RDSBackend, rds_backends

from dbrestore.contract import limits, names
from dbrestore.contract.errors import AwsRefused, NotReady, TargetNotUsable
from dbrestore.contract.plan import Plan
from dbrestore.contract.things import group_list_entry
from lambdas.pairing.security_groups import pair_security_groups, unpair_security_groups
from lambdas.planning.plan_restore import plan_restore
from lambdas.runtime.ledger import Ledger
from lambdas.runtime.locks import group_list_lock
from lambdas.runtime.state import Surroundings
from lambdas.worker.instance import deploy_worker, remove_worker
from tests.statemachine.test_failures import failing
from tests.statemachine.world import ACCOUNT, INSTANCE, REGION, REQUEST, World, execution_arn


@pytest.fixture
def deployed(world: World) -> dict[str, Any]:
    """A restore whose worker stands."""
    state: dict[str, Any] = {"plan": plan_restore({"request": REQUEST, "executionArn": execution_arn("restore-1")}, None)}
    return state | {"worker": world.until_done(deploy_worker, state)}


def group(group_id: str) -> dict[str, Any]:
    return dict(boto3.client("ec2").describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0])


def opened(rules: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """(protocol, from, to, peer groups, addresses) of each rule."""
    return [
        (
            r["IpProtocol"],
            r.get("FromPort"),
            r.get("ToPort"),
            [p["GroupId"] for p in r["UserIdGroupPairs"]],
            r["IpRanges"],
        )
        for r in rules
    ]


def test_the_pair_opens_one_port_between_the_two_and_nothing_else(world: World, deployed: dict[str, Any]) -> None:
    told = world.until_done(pair_security_groups, deployed)

    worker, database = group(told["workerGroupId"]), group(told["databaseGroupId"])
    assert opened(worker["IpPermissionsEgress"]) == [("tcp", 5432, 5432, [told["databaseGroupId"]], [])]
    assert opened(worker["IpPermissions"]) == []
    assert opened(database["IpPermissions"]) == [("tcp", 5432, 5432, [told["workerGroupId"]], [])]
    assert opened(database["IpPermissionsEgress"]) == []
    assert {tag["Key"] for tag in worker["Tags"]} >= {names.RESTORE_ID, names.MANAGED, names.EXPIRES_AT}


def test_the_pair_stands_beside_what_was_there(world: World, deployed: dict[str, Any]) -> None:
    told = world.until_done(pair_security_groups, deployed)

    reservation = boto3.client("ec2").describe_instances(InstanceIds=[deployed["worker"]["instanceId"]])["Reservations"][0]
    interface = reservation["Instances"][0]["NetworkInterfaces"][0]
    standing = deployed["plan"]["worker"]["securityGroupIds"][0]
    assert sorted(g["GroupId"] for g in interface["Groups"]) == sorted([standing, told["workerGroupId"]])
    assert sorted(world.groups_of_instance()) == sorted([*world.group_list, told["databaseGroupId"]])


def test_rules_that_somebody_added_to_our_groups_go(world: World, deployed: dict[str, Any]) -> None:
    told = world.until_done(pair_security_groups, deployed)
    everybody = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    boto3.client("ec2").authorize_security_group_ingress(GroupId=told["workerGroupId"], IpPermissions=[everybody])

    world.until_done(pair_security_groups, deployed)

    assert opened(group(told["workerGroupId"])["IpPermissions"]) == []


def test_a_group_of_our_name_without_our_tag_is_not_taken_over(world: World, deployed: dict[str, Any]) -> None:
    world.group(f"dbrestore-{deployed['plan']['restoreId']}-worker")

    with pytest.raises(AwsRefused, match="carries no tag of this restore"):
        world.until_done(pair_security_groups, deployed)


def test_a_group_whose_creation_was_not_recorded_is_adopted(world: World, deployed: dict[str, Any]) -> None:
    restore = deployed["plan"]["restoreId"]
    made = world.group(f"dbrestore-{restore}-worker", {names.RESTORE_ID: restore, names.MANAGED: "true"})

    told = world.until_done(pair_security_groups, deployed)

    assert told["workerGroupId"] == made


def test_the_list_is_not_written_while_another_restore_holds_its_lock(world: World, deployed: dict[str, Any]) -> None:
    other = {**REQUEST, "databases": ["crm"]}
    plan = Plan.model_validate(plan_restore({"request": other, "executionArn": execution_arn("restore-2")}, None))
    theirs = Ledger(Surroundings().table, plan.restore_id)

    with group_list_lock(theirs, plan.target.arn, "PairSecurityGroups", "RUNNING"):
        for _ in range(3):
            with pytest.raises(NotReady, match=plan.restore_id):
                world.invoke(pair_security_groups, deployed)
        assert world.groups_of_instance() == world.group_list

    world.until_done(pair_security_groups, deployed)


def gradually(world: World, steps: int) -> None:
    """Memberships are `adding` for the next looks."""
    looks = [steps]

    def memberships(instance: Any) -> list[dict[str, str]]:
        looks[0] -= 1
        told = []
        for group_id in instance.vpc_security_group_ids:
            new = group_id not in world.group_list and looks[0] > 0
            told.append({"VpcSecurityGroupId": group_id, "Status": "adding" if new else "active"})
        return told

    world.patch.setattr(DBInstance, "vpc_security_group_membership_list", property(memberships))


def test_the_pair_is_ready_only_when_the_membership_is_active(world: World, deployed: dict[str, Any]) -> None:
    gradually(world, steps=8)
    waits = []

    while len(waits) < 50:
        try:
            world.invoke(pair_security_groups, deployed)
            break
        except NotReady as later:
            waits.append(str(later))

    assert 2 < len(waits) < 50
    assert all("in force" in wait or "changing" in wait for wait in waits)


def test_an_instance_that_stays_busy_is_given_up_with_the_reason(world: World, deployed: dict[str, Any]) -> None:
    gradually(world, steps=1000)
    with pytest.raises(NotReady):
        world.invoke(pair_security_groups, deployed)
    world.clock.let_pass(seconds=limits.GROUPS_ACTIVE_WITHIN + 1)

    with pytest.raises(TargetNotUsable, match=r"has been changing .* its group list can't be changed"):
        world.invoke(pair_security_groups, deployed)


def show(world: World, status: str) -> None:
    """What RDS says of the instance from now on."""
    world.patch.setattr(rds_backends[ACCOUNT][REGION].databases[INSTANCE], "status", status)


def test_an_instance_whose_storage_is_optimised_is_restored_into(world: World) -> None:
    before = world.inventory()
    boto3.client("rds").modify_db_instance(DBInstanceIdentifier=INSTANCE, AllocatedStorage=30)
    assert boto3.client("rds").describe_db_instances()["DBInstances"][0]["DBInstanceStatus"] == "storage-optimization"

    ended = world.run()

    assert ended["status"] == "SUCCEEDED"
    assert world.inventory() == before | {"databases": ["orders"]}


@pytest.mark.parametrize("status", ["backing-up", "modifying"])
def test_a_list_that_rds_lets_nobody_change_is_written_when_it_does(world: World, deployed: dict[str, Any], status: str) -> None:
    show(world, status)
    for _ in range(3):
        with pytest.raises(NotReady, match=f"waiting for {INSTANCE}, which .*{status}"):
            world.invoke(pair_security_groups, deployed)
    assert world.groups_of_instance() == world.group_list

    show(world, "available")
    world.until_done(pair_security_groups, deployed)


@pytest.mark.parametrize("status", ["backing-up", "modifying"])
def test_a_list_that_rds_lets_nobody_change_is_given_up_with_the_reason(world: World, deployed: dict[str, Any], status: str) -> None:
    show(world, status)
    with pytest.raises(NotReady):
        world.invoke(pair_security_groups, deployed)
    world.clock.let_pass(seconds=limits.GROUPS_ACTIVE_WITHIN + 1)

    with pytest.raises(TargetNotUsable, match=f"{status}.* for over 60 minutes"):
        world.invoke(pair_security_groups, deployed)


def test_a_refusal_for_another_reason_is_final(world: World, deployed: dict[str, Any]) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RDSClientError("InvalidParameterCombination", "not this one")

    world.patch.setattr(RDSBackend, "modify_db_instance", refuse)

    with pytest.raises(AwsRefused, match="not this one"):
        world.until_done(pair_security_groups, deployed)


def test_a_later_clean_up_waits_as_long_as_the_first(world: World, deployed: dict[str, Any]) -> None:
    world.until_done(pair_security_groups, deployed)
    world.until_done(remove_worker, deployed)
    show(world, "backing-up")
    clean_up = {**deployed, "cleanUpExecution": execution_arn("cleanup-1")}
    with pytest.raises(NotReady):
        unpair_security_groups(deployed, None, world.surroundings())
    world.clock.let_pass(hours=2)
    with pytest.raises(TargetNotUsable, match="for over 60 minutes"):
        unpair_security_groups(deployed, None, world.surroundings())

    for _ in range(3):
        with pytest.raises(NotReady, match="backing-up"):
            unpair_security_groups(clean_up, None, world.surroundings())
        world.clock.let_pass(minutes=29)

    with pytest.raises(TargetNotUsable, match="for over 60 minutes"):
        unpair_security_groups(clean_up, None, world.surroundings())


def test_removers_of_a_clean_up_know_its_execution(world: World) -> None:
    told = []

    def listen(state: str, event: dict[str, Any]) -> dict[str, Any]:
        told.append(event.get("cleanUpExecution"))
        return event

    world.before["UnpairSecurityGroups"] = failing(AwsRefused("denied on purpose"))
    world.run()
    world.before.clear()
    world.change = listen

    [swept] = world.sweep()

    assert swept["status"] == "SUCCEEDED"
    assert {*told} == {None, swept["executionArn"]}
    assert told.count(None) == 1, "the sweeper's own call"


def test_entries_of_restores_that_are_over_go_and_those_of_strangers_stay(world: World) -> None:
    world.run(name="over")
    over = names.restore_id(execution_arn("over"))
    dead = world.group("came-back", {names.RESTORE_ID: over, names.MANAGED: "true"})
    strange = world.group("other-installation", {names.RESTORE_ID: "r-ffffffffffff", names.MANAGED: "true"})
    world.change_group_list(*world.group_list, dead, strange)

    ended = world.run({**REQUEST, "databases": [{"name": "orders", "as": "again"}]}, name="next")

    assert ended["status"] == "SUCCEEDED"
    assert sorted(world.groups_of_instance()) == sorted([*world.group_list, strange])


def test_an_entry_that_comes_back_after_it_was_seen_absent_is_taken_off_again(world: World, deployed: dict[str, Any]) -> None:
    told = world.until_done(pair_security_groups, deployed)
    world.until_done(remove_worker, deployed)
    delete = SecurityGroupBackend.delete_security_group
    came_back: list[str] = []

    def bring_back_first(backend: Any, **request: Any) -> Any:
        if not came_back:
            came_back.append(told["databaseGroupId"])
            world.change_group_list(*world.group_list, told["databaseGroupId"])
            raise DependencyViolationError("resource has a dependent object")
        return delete(backend, **request)

    world.patch.setattr(SecurityGroupBackend, "delete_security_group", bring_back_first)

    world.until_done(unpair_security_groups, deployed)

    assert came_back
    assert world.groups_of_instance() == world.group_list
    row = world.ledger().row("group-list-entry", "database", group_list_entry(deployed["plan"]["restoreId"]))
    assert row is not None
    assert row.state == "DELETED"


def test_groups_in_use_are_waited_for(world: World, deployed: dict[str, Any]) -> None:
    world.until_done(pair_security_groups, deployed)

    # The worker still runs and carries its group.
    for _ in range(3):
        with pytest.raises(NotReady, match=r"off the list|carries or names"):
            world.invoke(unpair_security_groups, deployed)

    world.until_done(remove_worker, deployed)
    world.until_done(unpair_security_groups, deployed)
    assert all(row.state == "DELETED" for row in world.ledger().rows())


def test_the_list_is_never_emptied(world: World, deployed: dict[str, Any]) -> None:
    told = world.until_done(pair_security_groups, deployed)
    world.change_group_list(told["databaseGroupId"])

    with pytest.raises(AwsRefused, match="without any security group"):
        world.invoke(unpair_security_groups, deployed)
