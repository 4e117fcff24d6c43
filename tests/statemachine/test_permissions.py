"""The whole flow as the TargetStack's role, judged as IAM judges it, with each function's own session policy."""

import json

import boto3
import pytest

from dbrestore.contract import names
from lambdas.runtime.aws import TargetAccount
from localcloud.ec2 import sharing
from localcloud.iam import judgement
from tests.statemachine.engines import Engine, of_both_engines
from tests.statemachine.fake_worker import end_without_result
from tests.statemachine.world import ACCOUNT, INSTANCE, REGION, TARGET_ROLE, World

in_both_worlds = pytest.mark.parametrize("fills_keys", [True, False], ids=["keys filled in", "keys left out"])


def session(world: World) -> TargetAccount:
    """The target's account as the function sees it that changes the group list."""
    surroundings = world.surroundings("PairSecurityGroups")
    return surroundings.target(partition="aws", account=ACCOUNT, region=REGION, restore_id="r-1")


@in_both_worlds
@of_both_engines
def test_a_role_may_change_the_group_list_whether_or_not_rds_fills_in_keys(world: World, engine: Engine, fills_keys: bool) -> None:
    before = world.use(engine).inventory()
    world.judge()
    world.patch.setattr(judgement, "fills_keys", fills_keys)

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert world.inventory() == before | {"databases": ["orders"]}


@in_both_worlds
def test_no_role_may_have_rds_make_another_password(world: World, fills_keys: bool) -> None:
    world.judge()
    world.patch.setattr(judgement, "fills_keys", fills_keys)
    rds = (
        world.surroundings("PairSecurityGroups")
        .target(partition="aws", account="123456789012", region="eu-central-1", restore_id="r-1")
        .rds
    )

    with pytest.raises(rds.exceptions.ClientError, match="not authorized to perform: rds:ModifyDBInstance"):
        rds.modify_db_instance(DBInstanceIdentifier=INSTANCE, ManageMasterUserPassword=True, RotateMasterUserPassword=True)


def test_a_shielded_instance_is_kept_by_iam_too(world: World) -> None:
    world.judge()
    arn = boto3.client("rds").describe_db_instances(DBInstanceIdentifier=INSTANCE)["DBInstances"][0]["DBInstanceArn"]
    boto3.client("rds").add_tags_to_resource(ResourceName=arn, Tags=[{"Key": names.ALLOW, "Value": "false"}])
    rds = (
        world.surroundings("PairSecurityGroups")
        .target(partition="aws", account="123456789012", region="eu-central-1", restore_id="r-1")
        .rds
    )

    with pytest.raises(rds.exceptions.ClientError, match="not authorized"):
        rds.modify_db_instance(DBInstanceIdentifier=INSTANCE, VpcSecurityGroupIds=world.group_list)


def test_a_second_worker_is_allowed_what_the_first_one_was(world: World) -> None:
    before = world.inventory()
    world.judge()
    world.worker.behaviour["replay"] = end_without_result

    ended = world.run()

    assert ended["error"] == "WorkerFailed", ended.get("cause")
    assert world.inventory() == before


def test_a_restore_works_in_a_vpc_that_another_account_shares(world: World) -> None:
    before = world.inventory()
    sharing.share(ACCOUNT, REGION, world.vpc_id, "999988887777")
    subnet = boto3.client("ec2").describe_subnets()["Subnets"][0]
    world.judge()

    ended = world.run()

    assert subnet["OwnerId"] == "999988887777"
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert world.inventory() == before | {"databases": ["orders"]}


def own_key() -> str:
    """A key of the customer's own, with which EBS encrypts by default; its ARN."""
    arn = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    boto3.client("ec2").modify_ebs_default_kms_key_id(KmsKeyId=arn)
    return str(arn)


def test_a_worker_starts_where_ebs_encrypts_with_a_key_of_the_customers_own(world: World) -> None:
    before = world.inventory()
    world.judge()
    own_key()

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert world.inventory() == before | {"databases": ["orders"]}


def test_a_key_that_can_not_be_used_is_named_after_one_launch(world: World) -> None:
    before = world.inventory()
    world.judge()
    boto3.client("kms").disable_key(KeyId=own_key().rpartition("/")[2])

    ended = world.run()

    assert ended["error"] == "WorkerVolumeRefused"
    assert "Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state" in ended["cause"]
    assert world.inventory() == before
    rows = [row for row in world.report()["resources"] if row["kind"] == "instance"]
    assert [row["note"].partition(";")[0] for row in rows] == [
        "Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state"
    ]


def test_a_key_that_the_role_may_not_use_is_named_too(world: World) -> None:
    world.judge()
    key = own_key()
    denied = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": ["kms:CreateGrant"], "Resource": [key]}]}
    boto3.client("iam").put_role_policy(RoleName=TARGET_ROLE, PolicyName="boundary", PolicyDocument=json.dumps(denied))

    ended = world.run()

    assert ended["error"] == "WorkerVolumeRefused"
    assert "Client.InternalError: Client error on launch" in ended["cause"]
