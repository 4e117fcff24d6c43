"""An account in which somebody else has the last word: the organization's control policies, a boundary of the role, a quota of 0.

Whatever is refused, the restore ends by itself and says who can change that; and when it is allowed again, nothing is left.
"""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.models.security_groups import SecurityGroupBackend
from moto.s3.exceptions import S3ClientError
from moto.s3.models import S3Backend

from infrastructure.functions import FUNCTIONS
from localcloud.iam import outer_policies
from tests.statemachine.engines import ENGINES, POSTGRES, SQLSERVER, Engine
from tests.statemachine.world import ACCOUNT, TARGET_ROLE, World

ACTIONS = sorted({action for row in FUNCTIONS if not row.answers_commands for one in row.target for action in one.actions})
A_FEW = ("ec2:RunInstances", "ec2:CreateSecurityGroup", "rds:ModifyDBInstance", "ssm:SendCommand", "ec2:TerminateInstances")


def but_for(action: str) -> dict[str, Any]:
    """Everything is allowed, and this is denied."""
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [everything, {"Effect": "Deny", "Action": action, "Resource": "*"}]}


def by_organization(action: str) -> Callable[[], None]:
    """Somebody denies it to the whole account. What is returned takes that back."""
    outer_policies.control(ACCOUNT, but_for(action))
    return lambda: outer_policies.control(ACCOUNT)


def by_boundary(action: str) -> Callable[[], None]:
    """The same for the target's role."""
    iam = boto3.client("iam")
    arn = iam.create_policy(PolicyName="bounds", PolicyDocument=json.dumps(but_for(action)))["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=TARGET_ROLE, PermissionsBoundary=arn)
    return lambda: iam.delete_role_permissions_boundary(RoleName=TARGET_ROLE)


BOUNDS = {
    "the organization": (by_organization, "service control policy", "ask whoever administers the organization (AWS Organizations)"),
    "a boundary": (by_boundary, "permissions boundary", "ask whoever keeps the boundary to allow it"),
}


def check(world: World, engine: Engine, bound: str, action: str) -> str:
    """One restore with one action denied, and what must be true after it; how it ended."""
    before = world.use(engine).inventory()
    world.judge()
    deny, kind, whom = BOUNDS[bound]
    allow = deny(action)

    ended = world.run()
    allow()
    for _ in range(3):
        world.clock.let_pass(hours=30)
        world.sweep()

    told = (ended["status"], ended.get("error"), ended.get("cause"), world.calls[-30:])
    databases = ["orders"] if ended["status"] == "SUCCEEDED" or ended.get("error") == "LeftoversRemain" else []
    assert world.inventory() == before | {"databases": databases}, told
    if ended["status"] != "SUCCEEDED":
        assert f"{action} on resource: " in ended["cause"], told
        assert f"with an explicit deny in a {kind}" in ended["cause"], told
        assert whom in ended["cause"], told
    return str(ended["status"])


@pytest.mark.parametrize("action", A_FEW)
@pytest.mark.parametrize("bound", BOUNDS)
def test_what_somebody_else_denies_is_told_with_whom_to_ask_and_leaves_nothing(world: World, bound: str, action: str) -> None:
    assert check(world, POSTGRES, bound, action) == "FAILED"


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_no_denied_action_leaves_anything(world: World, engine: Engine, bound: str, action: str) -> None:
    check(world, engine, bound, action)


QUOTAS: dict[str, tuple[Engine, type, str, Exception, str]] = {
    "instances": (
        POSTGRES,
        InstanceBackend,
        "run_instances",
        EC2ClientError("VcpuLimitExceeded", "You have requested more vCPU capacity than your current vCPU limit of 0 allows"),
        "Running On-Demand instances, in vCPUs (Amazon EC2)",
    ),
    "groups": (
        POSTGRES,
        SecurityGroupBackend,
        "create_security_group",
        EC2ClientError("SecurityGroupLimitExceeded", "The maximum number of security groups has been reached."),
        "VPC security groups per Region (Amazon VPC)",
    ),
    "rules": (
        POSTGRES,
        SecurityGroupBackend,
        "authorize_security_group_ingress",
        EC2ClientError("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached."),
        "Inbound or outbound rules per security group (Amazon VPC)",
    ),
    "buckets": (
        SQLSERVER,
        S3Backend,
        "create_bucket",
        S3ClientError("TooManyBuckets", "You have attempted to create more buckets than allowed"),
        "General purpose buckets (Amazon S3)",
    ),
}


@pytest.mark.parametrize("quota", QUOTAS)
def test_a_quota_of_0_is_named_and_leaves_nothing(world: World, quota: str) -> None:
    engine, owner, method, refusal, named = QUOTAS[quota]
    before = world.use(engine).inventory()

    def refuse(*_: Any, **__: Any) -> None:
        raise refusal

    # moto makes the default groups of the next test by the same method.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, method, refuse)
        ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "AwsRefused")
    assert f"a quota is used up: free some, or ask for more in Service Quotas: {named}" in ended["cause"]
    assert world.inventory() == before
    assert world.meta().status == "CLOSED"
