"""Both stacks, deployed from their templates by CloudFormation itself: no npm, no bootstrap stack, a bucket of the run's for the assets."""

import json
import tempfile
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from acceptance import tags, waiting
from acceptance.account import TriedAccount
from acceptance.diary import Diary
from acceptance.made import buckets, roles
from acceptance.made.kinds import Kind, absent
from dbrestore.contract.refusals import error_code
from infrastructure import names
from infrastructure.deploying import certificates
from infrastructure.functions import FUNCTIONS
from localcloud.base.clients import Place
from localcloud.stacks import assets

STACK, TABLE, LOGS = "stack", "table", "log-groups"
# In the name of the bucket where the templates look for their assets.
QUALIFIER = "@aws-cdk/core:bootstrapQualifier"
# What an operator may have set for good: it would outlast the run, or have others notice it.
WITHOUT = {
    "encryptionKey": "",
    "repositoryLockDays": "0",
    "evidenceLockDays": "0",
    "targetAccounts": "",
    "alarmAddresses": "",
    "restoreAddresses": "",
    "dashboard": "false",
    "apiWebAcl": "",
}
# What the ControlStack keeps when it is deleted.
KEPT_BUCKETS = (names.ACCESS_LOG_BUCKET, names.REPOSITORY_BUCKET, names.EVIDENCE_BUCKET)
DEPLOYED_WITHIN = REMOVED_WITHIN = 30.0


class StackFailed(Exception):
    """CloudFormation could not; the message has its reasons."""


class AlreadyDeployed(Exception):
    """The message names what is there and what to do."""


def require_none(account: TriedAccount) -> None:
    """An account and Region has room for one installation of a prefix. Raises AlreadyDeployed."""
    table, target = account.named(names.LEDGER_TABLE), f"{account.named(names.TARGET_ROLE)}-{account.here}"
    found = [stack for stack in _stack_names(account) if _stack_exists(account, stack)]
    found += [name for name in _kept(account) if buckets.exists(account, name)]
    found += [table] if _table_exists(account, table) else []
    found += [target] if roles.exists(account, target) else []
    if found:
        raise AlreadyDeployed(
            f"An installation with the prefix {account.installation} is, or was, in this account and Region ({', '.join(found)}), and what "
            "is there is never touched. If an earlier run left it: python -m acceptance --remove RUN; otherwise choose another --prefix"
        )


def deploy(account: TriedAccount, diary: Diary, vpc: str) -> None:
    """Both, for the VPC. Raises StackFailed, and localcloud.server.LocalCloudError if there are no templates."""
    control, target = _stack_names(account)
    with tempfile.TemporaryDirectory() as scratch:
        folder = assets.synthesised(context(diary, Path(scratch)), Path(scratch, "assemblies"))
        bucket = _publish(account, diary, folder)
        for name in _kept(account):
            diary.note(buckets.BUCKET, name)
        diary.note(TABLE, account.named(names.LEDGER_TABLE))
        diary.note(LOGS, account.installation)
        for name, parameters in ((control, {}), (target, {"VpcId": vpc})):
            _create(account, diary, bucket, _template(folder, name), name, parameters)


def context(diary: Diary, folder: Path) -> dict[str, str]:
    """What the templates are made with, whatever cdk.json has besides: what is only this run's. `folder` is for its files."""
    drills, access = folder / "drills.json", folder / "access.json"
    drills.write_text(json.dumps({"drills": []}))
    # No caller, so no API: those of production would have a second way in.
    access.write_text(json.dumps({"callers": []}))
    ours = {"prefix": diary.prefix, "externalId": diary.external_id, QUALIFIER: diary.run}
    return {**ours, **WITHOUT, "drillConfiguration": str(drills), "accessConfiguration": str(access)}


def _stack_names(account: TriedAccount) -> tuple[str, str]:
    return names.stack(account.installation, "Control"), names.stack(account.installation, "Target")


def upload_certificates(account: TriedAccount, bucket: str, source: str) -> None:
    """RDS's certificates, from a path or an https URL, where workers read them."""
    certificates.provide(account.client("s3"), bucket, source)


def _kept(account: TriedAccount) -> list[str]:
    return [names.bucket(account.named(name), account.number, account.here) for name in KEPT_BUCKETS]


def _publish(account: TriedAccount, diary: Diary, folder: Path) -> str:
    place, made = Place(account.number, account.here), ""
    for asset in assets.assets(folder, _stack_names(account), place, account.partition):
        made = made or buckets.create(account, diary, asset.bucket)
        account.client("s3").put_object(Bucket=asset.bucket, Key=asset.key, Body=asset.body)
    return made


def _template(folder: Path, name: str) -> str:
    return next(stack.template for stack in assets.stacks(folder) if stack.name == name).read_text()


def _create(account: TriedAccount, diary: Diary, bucket: str, template: str, name: str, parameters: dict[str, str]) -> None:
    formation, key = account.client("cloudformation"), f"templates/{name}.json"
    account.client("s3").put_object(Bucket=bucket, Key=key, Body=template.encode())
    diary.note(STACK, name)
    set_id = formation.create_change_set(
        StackName=name,
        ChangeSetName=f"{name}-first",
        ChangeSetType="CREATE",
        TemplateURL=_url(account, bucket, key),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Tags=tags.upper(diary.run),
    )["Id"]
    waiting.until(lambda: _is_ready(formation, set_id), 5, f"the change set of {name}")
    formation.execute_change_set(ChangeSetName=set_id)
    waiting.until(lambda: _is_created(formation, name), DEPLOYED_WITHIN, f"the stack {name} is created")


def _url(account: TriedAccount, bucket: str, key: str) -> str:
    # An endpoint of AWS's own, whoever answers in its place: CloudFormation takes no other.
    suffix = "amazonaws.com.cn" if account.partition == "aws-cn" else "amazonaws.com"
    return f"https://{bucket}.s3.{account.here}.{suffix}/{key}"


def _is_ready(formation: Any, set_id: str) -> bool:
    answer = formation.describe_change_set(ChangeSetName=set_id)
    if answer["Status"] == "FAILED":
        raise StackFailed(f"CloudFormation refuses the template: {answer.get('StatusReason', 'no reason given')}")
    return bool(answer["Status"] == "CREATE_COMPLETE")


def _is_created(formation: Any, name: str) -> bool:
    status = _status(formation, name)
    if status not in ("REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"):
        raise StackFailed(f"The stack {name} is {status}: {_reasons(formation, name)}")
    return status == "CREATE_COMPLETE"


def _status(formation: Any, name: str) -> str | None:
    """None if there is no such stack."""
    try:
        [stack] = formation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error_code(error) == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    return str(stack["StackStatus"])


def _reasons(formation: Any, name: str) -> str:
    """Of the first resources that failed."""
    events = formation.describe_stack_events(StackName=name)["StackEvents"]
    failed = [one for one in reversed(events) if one.get("ResourceStatus", "").endswith("_FAILED")]
    told = [f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', 'no reason given')}" for one in failed[:3]]
    return "; ".join(told) or "CloudFormation gives no reason"


def _remove_stack(account: TriedAccount, name: str) -> None:
    formation = account.client("cloudformation")
    if _status(formation, name) not in (None, "DELETE_IN_PROGRESS", "DELETE_COMPLETE"):
        formation.delete_stack(StackName=name)


def _stack_exists(account: TriedAccount, name: str) -> bool:
    return _status(account.client("cloudformation"), name) not in (None, "DELETE_COMPLETE")


def _remove_table(account: TriedAccount, name: str) -> None:
    dynamodb = account.client("dynamodb")
    try:
        if dynamodb.describe_table(TableName=name)["Table"]["TableStatus"] != "DELETING":
            dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
            waiting.until(lambda: dynamodb.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE", 5, f"{name} is active")
            dynamodb.delete_table(TableName=name)
    except ClientError as error:
        absent(error, "ResourceNotFoundException", "ResourceInUseException")


def _table_exists(account: TriedAccount, name: str) -> bool:
    try:
        account.client("dynamodb").describe_table(TableName=name)
    except ClientError as error:
        return not absent(error, "ResourceNotFoundException")
    return True


def _log_groups(account: TriedAccount, prefix: str) -> list[str]:
    """Of an installation's functions: one that still ran when its stack was deleted may have written to a new one."""
    ours = {f"/aws/lambda/{names.of(prefix, names.function(row.state))}" for row in FUNCTIONS}
    pages = account.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=f"/aws/lambda/{prefix}-")
    return [group["logGroupName"] for page in pages for group in page["logGroups"] if group["logGroupName"] in ours]


def _remove_log_groups(account: TriedAccount, name: str) -> None:
    for group in _log_groups(account, name):
        account.client("logs").delete_log_group(logGroupName=group)


def _log_groups_exist(account: TriedAccount, name: str) -> bool:
    return bool(_log_groups(account, name))


KINDS = {
    LOGS: Kind(_remove_log_groups, _log_groups_exist),
    STACK: Kind(_remove_stack, _stack_exists, REMOVED_WITHIN),
    TABLE: Kind(_remove_table, _table_exists),
}
