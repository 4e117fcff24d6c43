"""What PlanRestore learns in the target's account: the instance, its free storage, what the TargetStack offers there."""

import difflib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from pydantic import ValidationError

from dbrestore.contract import limits, names
from dbrestore.contract.allowed import engines, versions
from dbrestore.contract.document import Document
from dbrestore.contract.errors import NotReady, TargetNotFound, TargetNotUsable, TargetVersionTooNew, TargetVersionTooOld
from dbrestore.contract.manifest import Engine
from dbrestore.contract.refusals import error_code
from lambdas.lookup import clusters, instance_kinds
from lambdas.lookup.instance_status import PASSING, USABLE
from lambdas.runtime.aws import TargetAccount

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef

# Where a request names the instance.
POINTER = "/target/dbInstance"
NOT_FOUND = ("DBInstanceNotFound", "DBInstanceNotFoundFault")


class Offer(Document):
    """What the TargetStack of an account and Region has ready for workers. Besides the secrets that RDS manages, their role may read those
    that have the tag `dbrestore:credentials` = `true` or a name beginning with `credential_prefix`, and log in to databases as `iam_user`
    with tokens of IAM; empty: none."""

    instance_profile_arn: str
    document_name: str
    program_uri: str
    credential_prefix: str = ""
    iam_user: str = ""


@dataclass(frozen=True)
class Storage:
    """Free bytes, None where they have no bound; `note` says so, or that they could only be estimated."""

    free: int | None
    note: str | None = None


def find_instance(target: TargetAccount, name: str) -> "DBInstanceTypeDef":
    """The instance as RDS describes it, or the cluster that the name or the instance of that name belongs to, described likewise. A DB
    instance of its own comes before a cluster of the same name. Raises TargetNotFound with near names, TargetNotUsable for a cluster that
    can't be restored into."""
    instance = _instance(target, name)
    if instance is None:
        if cluster := clusters.find(target.rds, name):
            return clusters.as_target(target.rds, cluster)
        raise TargetNotFound(f"no DB instance or cluster {name!r} in this account and Region{_near(target, name)}")
    of = instance.get("DBClusterIdentifier")
    if not of or engines.of_instance(instance["Engine"]) is None:
        return instance
    if cluster := clusters.find(target.rds, of):
        return clusters.as_target(target.rds, cluster)
    raise TargetNotFound(f"{name} is a member of the cluster {of}, which RDS doesn't show: start again when it does")


def _instance(target: TargetAccount, name: str) -> "DBInstanceTypeDef | None":
    try:
        return target.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    except ClientError as error:
        if error_code(error) in NOT_FOUND:
            return None
        raise


def namesakes(target: TargetAccount, instance: "DBInstanceTypeDef") -> list[str]:
    """A note if a cluster bears the name of a DB instance of its own, so that nobody restores into the one and means the other. The role of
    an older TargetStack may not look: instances are restored into all the same."""
    name = instance["DBInstanceIdentifier"]
    if instance.get("DBClusterIdentifier"):
        return []
    try:
        if clusters.find(target.rds, name) is None:
            return []
    except ClientError as error:
        if error_code(error) != "AccessDenied":
            raise
        return []
    return [f"{name} is a DB instance, and a DB cluster bears that name, too: to restore into the cluster, name one of its instances"]


def _near(target: TargetAccount, name: str) -> str:
    instances = target.rds.get_paginator("describe_db_instances").paginate()
    known = [instance["DBInstanceIdentifier"] for page in instances for instance in page["DBInstances"]]
    of_clusters = target.rds.get_paginator("describe_db_clusters").paginate()
    known += [cluster["DBClusterIdentifier"] for page in of_clusters for cluster in page["DBClusters"]]
    if near := difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5):
        return f": did you mean {' or '.join(near)}?"
    return ": check its name, target.account and target.region"


def instance_problems(instance: "DBInstanceTypeDef") -> list[str]:
    """Why an instance of a kind that can take part can't as it is, apart from a status that passes."""
    status = instance["DBInstanceStatus"]
    problems = []
    if status not in USABLE | PASSING:
        problems.append(f"is {status}: bring it to available, then start again")
    if shield := _shield(instance):
        problems.append(f"is shielded from restores by its tag {shield} = false: remove the tag, or restore into another instance")
    if (groups := len(instance.get("VpcSecurityGroups", []))) >= limits.MOST_GROUPS_OF_AN_INSTANCE:
        problems.append(f"has {groups} security groups already, and a restore needs room for one more: remove one")
    return problems


def _shield(instance: "DBInstanceTypeDef") -> str | None:
    """The key of the tag by which IAM will refuse to change the group list. As in IAM, the case matters in its value but not in its key."""
    tags = {tag["Key"]: tag["Value"] for tag in instance.get("TagList", [])}
    return next((key for key, value in tags.items() if key.lower() == names.ALLOW and value == "false"), None)


def engine_of(instance: "DBInstanceTypeDef") -> Engine:
    """The engine without its edition. Raises TargetNotUsable for other engines, replicas and the like."""
    engine, refusal = engines.of_instance(instance["Engine"]), instance_kinds.refusal(instance)
    if engine is None or refusal:
        raise TargetNotUsable(f"{instance['DBInstanceIdentifier']} {refusal}")
    return engine


def require_supported(instance: "DBInstanceTypeDef", engine: Engine) -> None:
    """Raises TargetVersionTooOld or TargetVersionTooNew for a version that no restore goes into."""
    runs, supported = instance["EngineVersion"], versions.ENGINES[engine]
    told = f"{instance['DBInstanceIdentifier']} runs {supported.product} {runs}"
    if versions.is_too_old(engine, runs):
        oldest = supported.name(supported.oldest)
        raise TargetVersionTooOld(f"{told}, which is too old to restore into: restore into {oldest} or newer, or upgrade the instance")
    if versions.is_too_new(engine, runs):
        raise TargetVersionTooNew(
            f"{told}, which this version of dbrestore doesn't know, so that it can't tell what it would miss: restore into "
            f"{supported.told}, or install a version of dbrestore that knows it"
        )


def require_available(instance: "DBInstanceTypeDef", waited: timedelta) -> None:
    """Raises NotReady while a status lasts in which the server may be away, TargetNotUsable when it lasted too long."""
    status = instance["DBInstanceStatus"]
    if status in USABLE and instance.get("Endpoint", {}).get("Address"):
        return
    if waited.total_seconds() > limits.TARGET_AVAILABLE_WITHIN:
        minutes = limits.TARGET_AVAILABLE_WITHIN // 60
        raise TargetNotUsable(
            f"{instance['DBInstanceIdentifier']} is still {status} after {minutes} minutes: start again when it is available"
        )
    raise NotReady(f"waiting for {instance['DBInstanceIdentifier']} to be available (now {status})")


def free_storage(target: TargetAccount, instance: "DBInstanceTypeDef", now: datetime) -> Storage:
    """Free bytes by CloudWatch's FreeStorageSpace, of a Multi-AZ DB cluster its writer's; without a datapoint the allocated storage, which
    is only an upper bound. Aurora has no such metric: its storage grows by itself (Amazon Aurora User Guide, "Amazon Aurora storage")."""
    if engines.is_aurora(instance["Engine"]):
        return Storage(None, "Aurora's storage grows by itself, up to the limit of its version: free storage was not checked")
    name = clusters.writer_of(instance) or instance["DBInstanceIdentifier"]
    points = target.cloudwatch.get_metric_statistics(
        Namespace="AWS/RDS",
        MetricName="FreeStorageSpace",
        Dimensions=[{"Name": "DBInstanceIdentifier", "Value": name}],
        StartTime=now - timedelta(seconds=limits.STORAGE_METRIC_WINDOW),
        EndTime=now,
        Period=60,
        Statistics=["Minimum"],
    )["Datapoints"]
    if points:
        return Storage(int(max(points, key=lambda point: point["Timestamp"])["Minimum"]))
    note = "CloudWatch has no FreeStorageSpace for the last hour: the allocated storage was used instead"
    return Storage(instance["AllocatedStorage"] * 1024**3, note)


def offer(target: TargetAccount) -> Offer:
    """What the TargetStack offers. Raises TargetNotUsable with the fix."""
    fix = "deploy the TargetStack in the target's account and Region"
    try:
        text = target.ssm.get_parameter(Name=target.offer_parameter)["Parameter"]["Value"]
    except ClientError as error:
        if error_code(error) != "ParameterNotFound":
            raise
        raise TargetNotUsable(f"the SSM parameter {target.offer_parameter} does not exist: {fix}") from error
    try:
        return Offer.model_validate(json.loads(text))
    except (ValidationError, ValueError) as error:
        raise TargetNotUsable(f"the SSM parameter {target.offer_parameter} is not what this version writes: {fix} again") from error


def standing_group(target: TargetAccount, vpc_id: str) -> str:
    """The security group that lets workers of this VPC reach AWS's endpoints. Raises TargetNotUsable with the fix."""
    marked = names.standing(target.prefix)
    filters: Any = [
        {"Name": f"tag:{names.STANDING}", "Values": [marked]},
        {"Name": "vpc-id", "Values": [vpc_id]},
    ]
    found = sorted(g["GroupId"] for g in target.ec2.describe_security_groups(Filters=filters)["SecurityGroups"])
    if not found:
        raise TargetNotUsable(
            f"no security group tagged {names.STANDING}={marked} in {vpc_id}: deploy the TargetStack with this VPC among its VPCs"
        )
    return found[0]
