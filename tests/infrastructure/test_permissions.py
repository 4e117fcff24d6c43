"""Who may do what: nothing wider than its tag or its name, nothing that the code doesn't call, nothing made that can't be removed."""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from dbrestore.contract import keys
from dbrestore.contract.names import staging_bucket
from dbrestore.evidence.digests import MADE_LAST
from dbrestore.worker.base.job_folder import JobFolder
from dbrestore.worker.sqlserver.beginnings import Beginnings
from infrastructure import permissions
from infrastructure.functions import FUNCTIONS, Function
from infrastructure.statements import Statement

from .conftest import ACCOUNT, REGION, ROOT, Template, synthesise, template_of

# One process synthesises each template once.
pytestmark = pytest.mark.xdist_group("templates")

READING = ("Describe", "Get", "List", "Query")
# IAM has no resource-level permission for these: the SSM agent's own channels, the delivery of logs that Step Functions sets up, and the
# answer to a task, for which one has to know its token.
WITHOUT_RESOURCES = {
    "ssm:CancelCommand",
    "ssm:UpdateInstanceInformation",
    "ssm:UpdateInstanceAssociationStatus",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
    "ec2messages:AcknowledgeMessage",
    "ec2messages:DeleteMessage",
    "ec2messages:FailMessage",
    "ec2messages:SendReply",
    "logs:CreateLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:PutResourcePolicy",
    "states:SendTaskSuccess",
    "states:SendTaskFailure",
}
OF_VOLUME_KEYS = ("CreateGrant", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo")
# Actions that no client method names: they come with another call.
IMPLIED = {
    "iam:PassRole": "ec2:RunInstances",
    "ec2:CreateTags": "ec2:RunInstances",
    "s3:ListBucket": "s3:GetObject",
    "s3:PutBucketOwnershipControls": "s3:CreateBucket",
    "kms:Decrypt": "s3:GetObject",
    # Of a version that a request names.
    "s3:GetObjectVersion": "s3:GetObject",
    **{f"kms:{action}": "ec2:RunInstances" for action in OF_VOLUME_KEYS},
}
# Lambda itself does this, in the name of the function whose event it gives up.
BY_LAMBDA = {"sqs:SendMessage"}
# lambdas.entrances.hooks.secrets reads through its provider of secrets.
BY_POWERTOOLS = {"secretsmanager:GetSecretValue"}
REMOVERS = {
    "ec2:RunInstances": "ec2:TerminateInstances",
    "ec2:CreateSecurityGroup": "ec2:DeleteSecurityGroup",
    "ec2:AuthorizeSecurityGroupIngress": "ec2:RevokeSecurityGroupIngress",
    "ec2:AuthorizeSecurityGroupEgress": "ec2:RevokeSecurityGroupEgress",
    "s3:CreateBucket": "s3:DeleteBucket",
    "s3:PutObject": "s3:DeleteObject",
}
# Names that are also some client's: the standard library's socket.create_connection, and `verify` of a request, as which KMS has a method.
OF_OTHERS = {"create_connection", "verify"}
CLEANING = ("DiscardUnfinishedDatabases", "RemoveWorker", "UnpairSecurityGroups", "RemoveStagingBucket")


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _statements(template: Template) -> Iterator[dict[str, Any]]:
    for role in template.of_type("AWS::IAM::Role").values():
        for policy in role.get("Policies", []):
            yield from policy["PolicyDocument"]["Statement"]
    for policy in template.of_type("AWS::IAM::Policy").values():
        yield from policy["PolicyDocument"]["Statement"]


def _changing(statement: dict[str, Any]) -> list[str]:
    return [a for a in _listed(statement["Action"]) if not a.split(":")[1].startswith(READING)]


def _actions(statements: Iterable[Statement]) -> set[str]:
    return {action for statement in statements for action in statement.actions}


def test_nothing_may_be_changed_everywhere(control: Template, target: Template) -> None:
    for statement in (*_statements(control), *_statements(target)):
        assert not any("*" in action for action in _listed(statement["Action"])), statement
        if "*" in _listed(statement["Resource"]):
            assert set(_changing(statement)) <= WITHOUT_RESOURCES


def test_what_is_shared_by_an_account_may_be_changed_only_where_a_tag_or_the_vpc_says_so(target: Template) -> None:
    for statement in _statements(target):
        shared = [r for r in _listed(statement["Resource"]) if re.search(r"^arn:aws:(ec2|rds):.*[:/]\*$", r)]
        if shared and _changing(statement):
            keys = {key for test in statement["Condition"].values() for key in test}
            tagged = {key for key in keys if re.search(r"(ResourceTag|RequestTag|resourceTag)/dbrestore:", key)}
            assert tagged or keys & {"ec2:Vpc", "ec2:CreateAction", "ec2:Owner"}, statement


def test_no_managed_policy_is_attached(control: Template, target: Template) -> None:
    for template in (control, target):
        for role in template.of_type("AWS::IAM::Role").values():
            assert not role.get("ManagedPolicyArns")


@pytest.mark.parametrize("action", ["rds:ModifyDBInstance", "rds:ModifyDBCluster"])
def test_only_who_puts_a_group_on_its_list_back_or_off_may_touch_the_instance_or_cluster(action: str) -> None:
    may_touch = {row.state for row in FUNCTIONS if action in _actions(row.target)}

    jobs = {"ReplayDumps", "RestoreNativeBackups", "VerifyDatabases", "SwapDatabases"}
    assert may_touch == {"PairSecurityGroups", "UnpairSecurityGroups", "DiscardUnfinishedDatabases", *jobs}
    [statement] = [one for one in permissions.CHANGE_GROUP_LIST if one.actions == (action,)]
    assert statement.conditions["StringNotEquals"] == {"aws:ResourceTag/dbrestore:allow": "false"}
    assert statement.conditions["BoolIfExists"] == {"rds:ManageMasterUserPassword": "false"}
    kind = {"rds:ModifyDBInstance": "db", "rds:ModifyDBCluster": "cluster"}[action]
    assert statement.resources == (f"arn:{{partition}}:rds:{{region}}:{{account}}:{kind}:*",)


def test_no_permission_depends_on_whether_aws_fills_in_a_key(control: Template, target: Template) -> None:
    for statement in (*_statements(control), *_statements(target)):
        assert not [operator for operator in statement.get("Condition", {}) if "Null" in operator], statement


def test_only_temporary_buckets_of_this_account_may_be_made_filled_and_deleted(target: Template) -> None:
    role = target.only("AWS::IAM::Role", RoleName=f"dbrestore-target-{REGION}")
    (policy,) = role["Policies"]
    bucket = f"arn:aws:s3:::dbrestore-staging-g*-{ACCOUNT}-{REGION}-an"

    changing = [s for s in policy["PolicyDocument"]["Statement"] if any(a.startswith("s3:") for a in _changing(s))]

    assert changing
    for statement in changing:
        assert set(_listed(statement["Resource"])) <= {bucket, f"{bucket}/*"}, statement
    assert fnmatchcase(f"arn:aws:s3:::{staging_bucket('dbrestore', 12, ACCOUNT, REGION)}", bucket)
    assert not fnmatchcase(f"arn:aws:s3:::dbrestore-repository-{ACCOUNT}-{REGION}-an", bucket)


def test_a_worker_runs_an_image_of_amazons_or_of_its_own_account_and_no_other(target: Template) -> None:
    role = target.only("AWS::IAM::Role", RoleName=f"dbrestore-target-{REGION}")
    launching = [s for s in role["Policies"][0]["PolicyDocument"]["Statement"] if s["Action"] == ["ec2:RunInstances"]]

    [images] = [s for s in launching if any(":image/" in resource for resource in _listed(s["Resource"]))]

    assert images["Condition"] == {"StringEquals": {"ec2:Owner": ["amazon", ACCOUNT]}}


def test_the_copier_reads_backups_and_changes_none(target: Template) -> None:
    role = target.only("AWS::IAM::Role", RoleName=f"dbrestore-target-{REGION}")
    (policy,) = role["Policies"]
    repository = f"arn:aws:s3:::dbrestore-repository-{ACCOUNT}-{REGION}-an"

    granted = [
        action
        for statement in policy["PolicyDocument"]["Statement"]
        for action in _listed(statement["Action"])
        if any(repository in resource for resource in _listed(statement["Resource"]))
    ]

    assert granted == ["s3:GetObject"]


@pytest.mark.parametrize("made", REMOVERS)
def test_whatever_may_be_made_may_be_removed_by_a_remover(made: str) -> None:
    makers = {row.state for row in FUNCTIONS if made in _actions(row.target)}
    removers = {row.state for row in FUNCTIONS if REMOVERS[made] in _actions(row.target) and row.state in CLEANING}

    assert makers
    assert removers


def test_every_kind_that_may_be_made_is_known_to_the_test_above() -> None:
    made = {
        action
        for action in _actions(s for row in FUNCTIONS for s in row.target)
        if re.search(r":(Create|Run|Authorize|Allocate|Attach|Start|PutObject)", action)
    }

    # EC2 retires a volume's grant with the volume.
    assert made - {"ec2:CreateTags", "kms:CreateGrant"} == set(REMOVERS)


def test_keys_are_used_through_ec2_and_granted_to_it_alone(target: Template) -> None:
    role = target.only("AWS::IAM::Role", RoleName=f"dbrestore-target-{REGION}")
    using = [
        s for s in role["Policies"][0]["PolicyDocument"]["Statement"] if set(_listed(s["Action"])) & {f"kms:{a}" for a in OF_VOLUME_KEYS}
    ]

    assert len(using) == 2
    for statement in using:
        assert statement["Condition"]["StringEquals"] == {"kms:ViaService": f"ec2.{REGION}.amazonaws.com"}
        assert ("kms:CreateGrant" in statement["Action"]) == ("Bool" in statement["Condition"])


def of_keys(template: Template) -> dict[str, set[str]]:
    """The KMS keys that the roles may use, each with how."""
    found: dict[str, set[str]] = {}
    for role in template.of_type("AWS::IAM::Role").values():
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"]:
            actions = {action for action in _listed(statement["Action"]) if action.startswith("kms:")}
            for key in _listed(statement["Resource"]) if actions else ():
                found.setdefault(key, set()).update(actions)
    return found


def test_the_stack_that_is_told_which_keys_there_are_lets_no_other_be_used(target: Template, cdk_out: Path) -> None:
    repository, volumes = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1-a", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/2-b"
    told = of_keys(template_of(cdk_out, "DbrestoreTarget", VpcId="vpc-1", EncryptionKey=repository, VolumeKey=volumes))
    anything = of_keys(target)

    own = f"arn:aws:kms:*:{ACCOUNT}:key/*"
    assert told.keys() - anything.keys() == {repository, volumes}
    assert told[repository] == {"kms:Decrypt", "kms:GenerateDataKey"}
    assert (
        told[volumes] == anything[f"arn:aws:kms:{REGION}:*:key/*"] == {f"kms:{one}" for one in (*OF_VOLUME_KEYS, "Decrypt", "DescribeKey")}
    )
    # Of secrets, and of the program's bucket; to look at for the doctor.
    assert told.keys() - {repository, volumes} == {own, f"arn:aws:kms:{REGION}:{ACCOUNT}:key/*"}
    assert told[own] == {"kms:Decrypt"}


def test_the_target_role_is_the_union_of_the_table(target: Template) -> None:
    role = target.only("AWS::IAM::Role", RoleName=f"dbrestore-target-{REGION}")
    (policy,) = role["Policies"]

    granted = {a for s in policy["PolicyDocument"]["Statement"] for a in _listed(s["Action"])}

    # Versions are read in the places that are declared, and here none is (test_in_place has some).
    assert granted == _actions(s for row in FUNCTIONS for s in row.target) - {"s3:GetObjectVersion"}
    assert len(json.dumps(policy["PolicyDocument"], separators=(",", ":"))) <= 10240


def test_a_session_in_the_target_account_may_do_what_its_function_does(control: Template) -> None:
    rows = {f"dbrestore-{row.state}": row for row in FUNCTIONS}

    for function in control.of_type("AWS::Lambda::Function").values():
        row, text = rows[function["FunctionName"]], function["Environment"]["Variables"]["TARGET_POLICY"]
        assert len(text) <= 2048
        session = set(json.loads(text)["Statement"]["Action"]) if text else set()
        assert session == _actions(row.target)


def test_target_roles_are_those_of_the_accounts_that_are_named(control: Template, tmp_path: Path) -> None:
    named = template_of(synthesise(tmp_path / "out", targetAccounts="111111111111,222222222222"), "DbrestoreControl")

    for template, accounts in ((control, [ACCOUNT]), (named, [ACCOUNT, "111111111111", "222222222222"])):
        roles = template.of_type("AWS::IAM::Role").values()
        statements = [s for r in roles for p in r.get("Policies", ()) for s in p["PolicyDocument"]["Statement"]]
        assuming = [s for s in statements if "sts:AssumeRole" in _listed(s["Action"])]
        assert assuming
        assert all(s["Condition"] == {"StringEqualsIfExists": {"aws:ResourceAccount": accounts}} for s in assuming)


def test_only_functions_with_work_there_may_assume_the_target_role(control: Template) -> None:
    rows = {f"dbrestore-control-{row.state}-{REGION}": row for row in FUNCTIONS if not (row.answers_api or row.adopts)}
    roles = {r["RoleName"]: r for r in control.of_type("AWS::IAM::Role").values()}

    for name, row in rows.items():
        statements = [s for p in roles[name]["Policies"] for s in p["PolicyDocument"]["Statement"]]
        assumed = [s["Resource"] for s in statements if "sts:AssumeRole" in _listed(s["Action"])]
        assert assumed == (["arn:aws:iam::*:role/dbrestore-target-*"] if row.target else [])


def test_the_target_role_trusts_the_functions_and_nobody_else(control: Template, target: Template) -> None:
    role = target.only("AWS::IAM::Role", RoleName=f"dbrestore-target-{REGION}")
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    variables = next(iter(control.of_type("AWS::Lambda::Function").values()))["Environment"]["Variables"]

    pattern = trust["Condition"]["ArnLike"]["aws:PrincipalArn"]

    assert trust["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert trust["Condition"]["StringEquals"] == {"sts:ExternalId": variables["EXTERNAL_ID"]}
    assert variables["TARGET_ROLE_NAME"] == "dbrestore-target-{region}"
    assert role["RoleName"] == variables["TARGET_ROLE_NAME"].replace("{region}", REGION)
    for row in FUNCTIONS:
        assert fnmatchcase(f"arn:aws:iam::{ACCOUNT}:role/dbrestore-control-{row.state}-{REGION}", pattern)
    assert not fnmatchcase(f"arn:aws:iam::{ACCOUNT}:role/Admin", pattern)
    assert not fnmatchcase(f"arn:aws:iam::999999999999:role/dbrestore-control-PlanRestore-{REGION}", pattern)


def test_role_names_fit_in_the_longest_region() -> None:
    assert max(len(f"dbrestore-control-{row.state}-ap-southeast-3") for row in FUNCTIONS) <= 64


# Of a restore and of a point in the making, below the evidence bucket: what worker programs write, and what functions write.
OF_THE_WORKER = {
    "restores/r-1/logged-in.json",
    "restores/r-1/jobs/replay-2/progress.json",
    "restores/r-1/jobs/replay-2/result.json",
    "restores/r-1/jobs/replay-2/promoted/orders_1a2b.json",
    "restores/r-1/checked/orders_1a2b.json",
    "restores/r-1/left-out/orders_1a2b.json",
    "restores/r-1/backups/1.json",
    "restores/r-1/begun/1.json",
    "readings/orders-prod/p-1/1.json",
}
OF_THE_FUNCTIONS = {
    "restores/r-1/jobs/replay-2/job.json",
    "restores/r-1/boot/i-0a1b.log",
    "restores/r-1/plan.json",
    "restores/r-1/report.json",
    *(f"restores/r-1/{name}" for name in MADE_LAST),
    "strays/2026-11-30T000000Z.json",
    "certificates/rds-ca.pem",
    f"programs/{'0' * 64}.zip",
}


def test_a_worker_writes_what_its_programs_write_and_no_orders_reports_or_evidence(target: Template) -> None:
    evidence = f"arn:aws:s3:::dbrestore-evidence-{ACCOUNT}-{REGION}-an"
    (policy,) = target.only("AWS::IAM::Role", RoleName=f"dbrestore-worker-{REGION}")["Policies"]
    patterns = [r for s in policy["PolicyDocument"]["Statement"] if "s3:PutObject" in s["Action"] for r in s["Resource"]]

    may_write = {key for key in OF_THE_WORKER | OF_THE_FUNCTIONS if any(fnmatchcase(f"{evidence}/{key}", pattern) for pattern in patterns)}

    assert may_write == OF_THE_WORKER
    assert all(pattern.startswith(f"{evidence}/") for pattern in patterns)


def test_every_document_of_the_worker_is_one_of_those() -> None:
    written: set[str] = set()
    s3: Any = SimpleNamespace(put_object=lambda **call: written.add(call["Key"]), list_objects_v2=lambda **_: {})
    folder = JobFolder.of(s3, "s3://evidence/restores/r-1/jobs/replay-2/job.json")
    database = SimpleNamespace(temporary_name="orders_1a2b", to_json=str)
    document: Any = SimpleNamespace(to_json=str)

    folder.note_login()
    for write in (folder.write_result, folder.write_progress):
        write(document)
    for keep in (folder.write_promoted, folder.write_checked):
        keep(database)  # type: ignore[arg-type]
    folder.write_backup(1, document)
    folder.write_left_out("orders_1a2b", document)
    Beginnings(s3, "evidence", "r-1").note(SimpleNamespace(asked_name="orders", key_prefix="r-1/1/"))  # type: ignore[arg-type]

    assert written | {keys.reading_key("orders-prod", "p-1", 1)} == OF_THE_WORKER
    writing = {name for name in vars(JobFolder) if name.startswith(("write_", "note_"))}
    assert writing == {"note_login", "write_result", "write_progress", "write_promoted", "write_checked", "write_backup", "write_left_out"}


def test_a_worker_logs_in_with_what_is_marked_for_it_and_nothing_else(target: Template) -> None:
    (policy,) = target.only("AWS::IAM::Role", RoleName=f"dbrestore-worker-{REGION}")["Policies"]
    allowed = policy["PolicyDocument"]["Statement"]
    every = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"

    secrets = [(s["Resource"], s.get("Condition")) for s in allowed if "secretsmanager:GetSecretValue" in s["Action"]]
    connects = [s["Resource"] for s in allowed if "rds-db:connect" in s["Action"]]

    by_tag = {"StringEquals": {"aws:ResourceTag/dbrestore:credentials": "true"}}
    # Without a prefix of one's own it is that of the managed secrets once more.
    assert secrets == [([f"{every}rds!*", f"{every}rds!*"], None), ([f"{every}*"], by_tag)]
    assert connects == [[f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:*/dbrestore"]]


def test_no_function_reads_a_databases_secret_or_logs_in_to_a_database() -> None:
    statements = [s for row in FUNCTIONS for s in (*row.own_statements, *row.target) if s != permissions.READ_HOOK_SECRETS]
    granted = _actions(statements)

    assert {action for action in granted if action.startswith(("secretsmanager:", "rds-db:"))} == {"secretsmanager:DescribeSecret"}
    assert [row.state for row in FUNCTIONS if permissions.READ_HOOK_SECRETS in row.own_statements] == ["AnswerApi"]


def test_functions_are_granted_what_they_call_and_nothing_else() -> None:
    called = _called(ROOT / "lambdas") | _called(ROOT / "dbrestore" / "ledger")
    granted = _actions(s for row in FUNCTIONS for s in (*row.own_statements, *row.target))

    # Nobody needs a right to ask who they are (STS API Reference, "GetCallerIdentity").
    assert called - granted == {"sts:GetCallerIdentity"}
    assert {a for a in granted - called - BY_LAMBDA - BY_POWERTOOLS if IMPLIED.get(a) not in called} == set()


def test_nobody_may_delete_a_version_of_a_backup_or_get_around_a_lock() -> None:
    everything = [(row.state, s) for row in FUNCTIONS for s in (*row.own_statements, *row.target)]
    granted = _actions(s for _, s in everything) | _actions(permissions.WORKER)
    ours = ("{repository}", "{adopted_points}")
    deleting = {state for state, s in everything if "s3:DeleteObject" in s.actions and any(place in str(s.resources) for place in ours)}

    assert deleting == {"RemovePoints", "RemoveAbandonedPoints", "RemoveCopies", "AdoptArrivals"}
    assert "s3:BypassGovernanceRetention" not in granted
    assert not [s for _, s in everything if "s3:DeleteObjectVersion" in s.actions and any(place in str(s.resources) for place in ours)]


def test_a_worker_is_granted_what_it_calls() -> None:
    assert _called(ROOT / "dbrestore" / "worker") - _actions(permissions.WORKER) == set()


def _called(package: Path) -> set[str]:
    """The IAM actions of all client methods and paginators that a package names."""
    operations = _operations()
    names = {name for path in package.rglob("*.py") for name in _method_names(ast.parse(path.read_text()))}
    return {action for name in names - OF_OTHERS for action in operations.get(name, ())}


def _method_names(tree: ast.AST) -> Iterator[str]:
    """Attributes, called or handed on, and what a paginator is asked for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get_paginator":
            assert isinstance(node.args[0], ast.Constant)
            yield str(node.args[0].value)


SERVICES = (
    "cloudwatch",
    "dynamodb",
    "ec2",
    "events",
    "iam",
    "kms",
    "lambda",
    "rds",
    "s3",
    "secretsmanager",
    "service-quotas",
    "ssm",
    "stepfunctions",
    "sts",
)


def _operations() -> dict[str, tuple[str, ...]]:
    """Client method -> IAM actions, for the services that are used; S3 and DynamoDB name some of theirs differently."""
    session = botocore.session.get_session()
    found: dict[str, tuple[str, ...]] = {}
    for service in SERVICES:
        prefix = {"stepfunctions": "states", "service-quotas": "servicequotas"}.get(service, service)
        for operation in session.get_service_model(service).operation_names:
            found[xform_name(operation)] = (f"{prefix}:{operation}",)
    written = tuple(f"dynamodb:{a}" for a in ("PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"))
    return found | {
        "transact_write_items": written,
        "head_object": ("s3:GetObject",),
        "head_bucket": ("s3:ListBucket",),
        "list_buckets": ("s3:ListAllMyBuckets",),
        "list_objects_v2": ("s3:ListBucket",),
        "list_object_versions": ("s3:ListBucketVersions",),
        "list_multipart_uploads": ("s3:ListBucketMultipartUploads",),
        "list_parts": ("s3:ListMultipartUploadParts",),
        "copy_object": ("s3:GetObject", "s3:PutObject"),
        "create_multipart_upload": ("s3:PutObject",),
        "upload_part_copy": ("s3:GetObject", "s3:PutObject"),
        "upload_part": ("s3:PutObject",),
        "complete_multipart_upload": ("s3:PutObject",),
        "delete_objects": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
        "get_bucket_lifecycle_configuration": ("s3:GetLifecycleConfiguration",),
        "get_object_lock_configuration": ("s3:GetBucketObjectLockConfiguration",),
        "get_bucket_encryption": ("s3:GetEncryptionConfiguration",),
        "get_bucket_notification_configuration": ("s3:GetBucketNotification",),
        "get_public_access_block": ("s3:GetBucketPublicAccessBlock",),
        "put_public_access_block": ("s3:PutBucketPublicAccessBlock",),
        "put_bucket_encryption": ("s3:PutEncryptionConfiguration",),
        "put_bucket_lifecycle_configuration": ("s3:PutLifecycleConfiguration",),
    }


@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda row: row.state)
def test_every_handler_exists(row: Function) -> None:
    module, name = row.handler.rsplit(".", 1)
    tree = ast.parse((ROOT / (module.replace(".", "/") + ".py")).read_text())

    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


BOUNDARY = "arn:aws:iam::123456789012:policy/platform/boundary"


def test_every_role_is_bounded_where_the_account_asks_for_it(control: Template, target: Template, cdk_out: Path, tmp_path: Path) -> None:
    bounded = template_of(synthesise(tmp_path / "out", permissionsBoundary=BOUNDARY), "DbrestoreControl")
    bounded_target = template_of(cdk_out, "DbrestoreTarget", VpcId="vpc-1", PermissionsBoundary=BOUNDARY)

    for free, held in ((control, bounded), (target, bounded_target)):
        assert {role["PermissionsBoundary"] for role in held.of_type("AWS::IAM::Role").values()} == {BOUNDARY}
        assert {role.get("PermissionsBoundary", "AWS::NoValue") for role in free.of_type("AWS::IAM::Role").values()} == {"AWS::NoValue"}


def test_of_a_refused_drill_the_plan_may_write_what_is_made_last_and_nothing_else_of_the_evidence() -> None:
    (plan,) = [row for row in FUNCTIONS if row.state == "PlanRestore"]

    written = {resource for statement in plan.own_statements if "s3:PutObject" in statement.actions for resource in statement.resources}

    assert written == {f"arn:{{partition}}:s3:::{{evidence}}/restores/*/{name}" for name in MADE_LAST}
