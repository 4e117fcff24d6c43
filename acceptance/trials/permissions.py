"""Trials 1 and 2: what the target role may do, seen by AWS's own judgement and not by a simulation."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from acceptance import restores
from acceptance.made import target_role
from acceptance.trials.trial import Finding, Scene, Trial, require
from dbrestore.contract.refusals import error_code
from lambdas.worker import instance as worker

# How EC2 says that a call would have been allowed, and that it wouldn't.
ALLOWED, DENIED = "DryRunOperation", "UnauthorizedOperation"


def _group_list(scene: Scene) -> Finding:
    rds = target_role.client(scene.session("PairSecurityGroups"), "rds")
    instance = scene.postgresql
    before = sorted(instance.groups())
    rds.modify_db_instance(DBInstanceIdentifier=instance.name, VpcSecurityGroupIds=before)
    instance.settle()
    require(sorted(instance.groups()) == before, f"the group list is {sorted(instance.groups())}, not {before}")
    refused = _refusal(lambda: rds.modify_db_instance(DBInstanceIdentifier=instance.name, ManageMasterUserPassword=True))
    require(refused == "AccessDenied", f"a change of the master password's keeper was answered with {refused}")
    return Finding("the group list was written as it was; taking over the master password was denied")


def _launch(scene: Scene) -> Finding:
    session = scene.session("DeployWorker")
    ec2, ssm = target_role.client(session, "ec2"), target_role.client(session, "ssm")
    plan = restores.planned(scene.plane, scene.postgresql.name)
    image = plan.worker.image_id or ssm.get_parameter(Name=worker.IMAGE_PARAMETER)["Parameter"]["Value"]
    asked = worker.launch_request(plan, "worker", 1, "acceptance", image)
    answer = _refusal(lambda: ec2.run_instances(**asked, DryRun=True))
    require(answer == ALLOWED, f"the launch was answered with {answer}")
    bare = {**asked, "TagSpecifications": []}
    answer = _refusal(lambda: ec2.run_instances(**bare, DryRun=True))
    require(answer == DENIED, f"a launch without tags was answered with {answer}")
    return Finding("the launch that a plan leads to is allowed; the same one without tags is not")


def _refusal(call: Callable[[], Any]) -> str:
    """The code of AWS's answer; `done` if it did as asked."""
    try:
        call()
    except ClientError as error:
        return error_code(error)
    return "done"


GROUP_LIST = Trial(
    "group-list",
    "The target role may write an instance's security groups (ModifyDBInstance), and not take over its master password.",
    _group_list,
)
LAUNCH = Trial(
    "launch-permission",
    "The session of DeployWorker may launch the worker that a plan describes (RunInstances, dry run), and none without our tags.",
    _launch,
)
