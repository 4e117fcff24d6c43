"""Who reads and writes the repository and the evidence: the accounts that were named, their TargetStacks' roles, and nobody else.

Judged by the text of the policies: the bucket's, the key's, and those of the roles that the TargetStack makes elsewhere.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from infrastructure.settings import MOST_TARGET_ACCOUNTS
from localcloud.iam.access_policies import Question, Statement, may

from .conftest import ACCOUNT, PSEUDO_PARAMETERS, REGION, Template

# One process synthesises each template once.
pytestmark = pytest.mark.xdist_group("templates")

NAMED, ALSO_NAMED, STRANGE = "111111111111", "222222222222", "333333333333"
ELSEWHERE = "eu-west-3"
REPOSITORY = f"dbrestore-repository-{ACCOUNT}-{REGION}-an"
EVIDENCE = f"dbrestore-evidence-{ACCOUNT}-{REGION}-an"
BACKUP = f"{REPOSITORY}/shop/p-1/shop.dump"
JOB = f"{EVIDENCE}/restores/r-1/jobs/replay/job.json"
RESULT = f"{EVIDENCE}/restores/r-1/jobs/replay/result.json"
REPORT = f"{EVIDENCE}/restores/r-1/report.json"
CERTIFICATES = f"{EVIDENCE}/certificates/rds-ca.pem"
PROGRAM = f"{EVIDENCE}/programs/{'0' * 64}.zip"
EVERYTHING: list[Statement] = [{"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": "*"}]
# Bytes (AWS Lambda Developer Guide, "Lambda quotas").
LARGEST_ENVIRONMENT = 4096
# What is asked, and the roles of a TargetStack that may.
QUESTIONS = [
    ("s3:GetObject", BACKUP, {"worker", "target"}),
    ("s3:PutObject", BACKUP, set()),
    ("s3:DeleteObject", BACKUP, set()),
    ("s3:ListBucket", REPOSITORY, {"worker"}),
    ("s3:GetObject", JOB, {"worker"}),
    ("s3:PutObject", JOB, set()),
    ("s3:DeleteObject", JOB, set()),
    ("s3:GetObject", RESULT, {"worker"}),
    ("s3:PutObject", RESULT, {"worker"}),
    ("s3:GetObject", REPORT, set()),
    ("s3:PutObject", REPORT, set()),
    ("s3:ListBucket", EVIDENCE, {"worker"}),
    ("s3:GetObject", CERTIFICATES, {"worker"}),
    ("s3:PutObject", CERTIFICATES, set()),
    ("s3:GetObject", PROGRAM, {"worker"}),
    ("s3:PutObject", PROGRAM, set()),
    ("s3:PutBucketPolicy", EVIDENCE, set()),
]


def _role(account: str, name: str) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


def _bucket_policy(template: Template, bucket: str) -> list[Statement]:
    """The statements of a bucket's policy, with the ARNs that the stack would have."""
    ids = {id_: b["BucketName"] for id_, b in template.of_type("AWS::S3::Bucket").items()}
    (document,) = [policy["PolicyDocument"] for policy in template.of_type("AWS::S3::BucketPolicy").values() if policy["Bucket"] == bucket]
    text = json.dumps(document)
    for id_, name in ids.items():
        text = text.replace(f"{id_}.Arn", f"arn:aws:s3:::{name}")
    statements: list[Statement] = json.loads(text)["Statement"]
    return statements


def _asked(principal: str, action: str, resource: str, **context: str) -> Question:
    keys = {
        "aws:principalarn": principal,
        "aws:securetransport": "true",
        "s3:tlsversion": "1.3",
        "s3:prefix": "restores/r-1/",
    }
    return Question(principal, action, f"arn:aws:s3:::{resource}", keys | context)


@pytest.fixture
def own_policies(target: Template) -> Mapping[str, list[Statement]]:
    """The policies of the roles of a TargetStack in `NAMED` and `ELSEWHERE`: "worker", "target"."""
    stack = Template(target.content, {"VpcId": "vpc-1", "ControlAccount": ACCOUNT, "ControlRegion": REGION})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PSEUDO_PARAMETERS, "AWS::AccountId", NAMED)
        patch.setitem(PSEUDO_PARAMETERS, "AWS::Region", ELSEWHERE)
        return {kind: _of_role(stack, f"dbrestore-{kind}-{ELSEWHERE}") for kind in ("worker", "target")}


def _of_role(stack: Template, name: str) -> list[Statement]:
    policies = stack.only("AWS::IAM::Role", RoleName=name)["Policies"]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def _words(value: str | set[str]) -> str:
    """A set in its alphabetical order: two processes must give a test the same name."""
    return (",".join(sorted(value)) or "nobody") if isinstance(value, set) else value[-40:]


@pytest.mark.parametrize(("action", "resource", "roles"), QUESTIONS, ids=_words)
def test_the_buckets_let_in_exactly_the_named_accounts_roles(shared_control: Template, action: str, resource: str, roles: set[str]) -> None:
    policy = _bucket_policy(shared_control, resource.partition("/")[0])

    def may_(account: str, role: str) -> bool:
        return may(_asked(_role(account, role), action, resource), EVERYTHING, policy, ACCOUNT)

    for account in (NAMED, ALSO_NAMED):
        for region in (REGION, ELSEWHERE):
            assert {kind for kind in ("worker", "target") if may_(account, f"dbrestore-{kind}-{region}")} == roles
        assert not may_(account, "Admin")
        assert not may_(account, "my-dbrestore-worker-eu-central-1")
    assert not may_(STRANGE, f"dbrestore-worker-{REGION}")
    assert not may_(STRANGE, f"dbrestore-target-{REGION}")


@pytest.mark.parametrize("key", [BACKUP, JOB, CERTIFICATES])
def test_nobody_of_another_account_is_let_in_unless_accounts_are_named(control: Template, key: str) -> None:
    policy = _bucket_policy(control, key.partition("/")[0])

    for role in (f"dbrestore-worker-{REGION}", f"dbrestore-target-{REGION}"):
        assert not may(_asked(_role(NAMED, role), "s3:GetObject", key), EVERYTHING, policy, ACCOUNT)
    assert all(statement["Effect"] == "Deny" for statement in policy)


def test_a_named_account_is_refused_without_tls(shared_control: Template) -> None:
    policy = _bucket_policy(shared_control, REPOSITORY)
    worker = _role(NAMED, f"dbrestore-worker-{REGION}")

    plain = _asked(worker, "s3:GetObject", BACKUP, **{"aws:securetransport": "false"})

    assert may(_asked(worker, "s3:GetObject", BACKUP), EVERYTHING, policy, ACCOUNT)
    assert not may(plain, EVERYTHING, policy, ACCOUNT)


@pytest.mark.parametrize(
    ("kind", "action", "resource"),
    [
        ("worker", "s3:GetObject", BACKUP),
        ("worker", "s3:GetObject", JOB),
        ("worker", "s3:PutObject", RESULT),
        ("worker", "s3:ListBucket", EVIDENCE),
        ("worker", "s3:ListBucket", REPOSITORY),
        ("worker", "s3:GetObject", CERTIFICATES),
        ("target", "s3:GetObject", BACKUP),
    ],
)
def test_what_the_buckets_let_a_role_do_its_own_policies_let_it_too(
    shared_control: Template, own_policies: Mapping[str, list[Statement]], kind: str, action: str, resource: str
) -> None:
    question = _asked(_role(NAMED, f"dbrestore-{kind}-{ELSEWHERE}"), action, resource)

    allowed = may(question, own_policies[kind], _bucket_policy(shared_control, resource.partition("/")[0]), ACCOUNT)

    assert allowed


# The key

OF_BACKUPS = {
    "kms:viaservice": f"s3.{REGION}.amazonaws.com",
    "kms:encryptioncontext:aws:s3:arn": f"arn:aws:s3:::{REPOSITORY}",
}
OF_EVIDENCE = {**OF_BACKUPS, "kms:encryptioncontext:aws:s3:arn": f"arn:aws:s3:::{EVIDENCE}"}


def _may_use(template: Template, principal: str, action: str, own: list[Statement], context: Mapping[str, str]) -> bool:
    """A key's policy is asked also about principals of the key's account: IAM alone never suffices."""
    policy: list[Statement] = template.only("AWS::KMS::Key")["KeyPolicy"]["Statement"]
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
    return may(Question(principal, action, key, {"aws:principalarn": principal, **context}), own, policy, owner="")


@pytest.mark.parametrize(
    ("kind", "action", "context", "expected"),
    [
        ("worker", "kms:Decrypt", OF_BACKUPS, True),
        ("worker", "kms:Decrypt", {**OF_BACKUPS, "kms:encryptioncontext:aws:s3:arn": f"arn:aws:s3:::{BACKUP}"}, True),
        ("worker", "kms:GenerateDataKey", OF_BACKUPS, False),
        ("worker", "kms:Decrypt", OF_EVIDENCE, True),
        ("worker", "kms:GenerateDataKey", OF_EVIDENCE, True),
        ("target", "kms:Decrypt", OF_BACKUPS, True),
        ("target", "kms:GenerateDataKey", OF_BACKUPS, False),
        ("target", "kms:Decrypt", OF_EVIDENCE, False),
    ],
    ids=lambda value: str(value)[-30:],
)
def test_the_key_serves_the_named_accounts_roles_as_far_as_the_buckets_do(
    shared_control: Template,
    own_policies: Mapping[str, list[Statement]],
    kind: str,
    action: str,
    context: dict[str, str],
    expected: bool,
) -> None:
    role = f"dbrestore-{kind}-{ELSEWHERE}"

    assert _may_use(shared_control, _role(NAMED, role), action, own_policies[kind], context) is expected
    assert not _may_use(shared_control, _role(STRANGE, role), action, EVERYTHING, context)
    assert not _may_use(shared_control, _role(NAMED, "Admin"), action, EVERYTHING, context)


@pytest.mark.parametrize(
    "context",
    [
        {},
        {**OF_BACKUPS, "kms:viaservice": f"dynamodb.{REGION}.amazonaws.com"},
        {**OF_BACKUPS, "kms:encryptioncontext:aws:s3:arn": "arn:aws:s3:::somebody-elses-bucket"},
    ],
    ids=["by itself", "another service", "another bucket"],
)
def test_the_key_decrypts_nothing_but_objects_of_the_two_buckets(shared_control: Template, context: dict[str, str]) -> None:
    for principal in (_role(ACCOUNT, "Admin"), _role(NAMED, f"dbrestore-worker-{REGION}")):
        assert not _may_use(shared_control, principal, "kms:Decrypt", EVERYTHING, context)
        assert not _may_use(shared_control, principal, "kms:GenerateDataKey", EVERYTHING, context)


def test_administrators_of_the_control_account_keep_the_key_in_their_hands(shared_control: Template) -> None:
    (key,) = shared_control.of_type("AWS::KMS::Key")

    assert _may_use(shared_control, _role(ACCOUNT, "Admin"), "kms:PutKeyPolicy", EVERYTHING, {})
    assert not _may_use(shared_control, _role(NAMED, "Admin"), "kms:PutKeyPolicy", EVERYTHING, {})
    assert shared_control.only("AWS::KMS::Key")["EnableKeyRotation"] is True
    assert shared_control.content["Resources"][key]["DeletionPolicy"] == "RetainExceptOnCreate"


def test_both_buckets_encrypt_with_the_key_that_was_asked_for(control: Template, shared_control: Template) -> None:
    (key,) = shared_control.of_type("AWS::KMS::Key")

    assert not control.of_type("AWS::KMS::Key")
    assert _encryption(control) == [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}] * 2
    with_key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": f"{key}.Arn"}
    assert _encryption(shared_control) == [{"BucketKeyEnabled": True, "ServerSideEncryptionByDefault": with_key}] * 2


def _encryption(template: Template) -> list[dict[str, Any]]:
    """Of the buckets that hold something of ours: S3 delivers its log to none that a KMS key encrypts."""
    buckets = [bucket for bucket in template.of_type("AWS::S3::Bucket").values() if "access-log" not in bucket["BucketName"]]
    return [rule for bucket in buckets for rule in bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]]


def test_functions_may_use_the_key_for_what_they_may_do_with_objects(shared_control: Template) -> None:
    roles = {r["RoleName"]: r["Policies"] for r in shared_control.of_type("AWS::IAM::Role").values() if "Policies" in r}
    (key,) = shared_control.of_type("AWS::KMS::Key")

    for name, policies in roles.items():
        statements = [s for policy in policies for s in policy["PolicyDocument"]["Statement"]]
        granted = {action for s in statements for action in _listed(s["Action"])}
        of_key = [s for s in statements if f"{key}.Arn" in s["Resource"]]
        asked = {action for s in of_key for action in _listed(s["Action"])}
        assert ("kms:Decrypt" in asked) is ("s3:GetObject" in granted), name
        assert ("kms:GenerateDataKey" in asked) is ("s3:PutObject" in granted), name
        assert all(s["Condition"] == {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}} for s in of_key)
    assert any(name.startswith("dbrestore-control-PlanRestore") for name in roles)


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_a_functions_environment_has_room_for_the_most_accounts(shared_control: Template) -> None:
    more = (MOST_TARGET_ACCOUNTS - 2) * len(f",{NAMED}")

    for function in shared_control.of_type("AWS::Lambda::Function").values():
        variables = function["Environment"]["Variables"].items()
        assert sum(len(name) + len(value) for name, value in variables) + more <= LARGEST_ENVIRONMENT


def test_external_id_and_accounts_are_taken_from_the_context(shared_control: Template) -> None:
    function = next(iter(shared_control.of_type("AWS::Lambda::Function").values()))

    assert function["Environment"]["Variables"]["EXTERNAL_ID"] == "our-secret"
