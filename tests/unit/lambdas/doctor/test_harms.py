"""Whatever breaks is found: each harm has its finding, with these words and this fix.

Harms that don't meet are done to one installation, which is examined once; `round` says to which. `test_doctor` shows
that none of these findings comes without its harm.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto.rds.models import rds_backends

from dbrestore.contract import names
from dbrestore.contract.deployed.versions import NUMBER, of_code
from dbrestore.contract.names import CA_BUNDLE_KEY
from dbrestore.contract.questions.examination import Finding
from dbrestore.ledger.reading import META
from tests.statemachine.conftest import installed
from tests.statemachine.engines import INSTANCE
from tests.statemachine.world import ACCOUNT, MACHINE_ARN, REGION, execution_arn
from tests.unit.lambdas.doctor.examined_installation import Installation

pytestmark = pytest.mark.xdist_group("doctor-harms")

Harm = Callable[[Installation], object]


@dataclass(frozen=True)
class Case:
    """What is done, and the finding that tells it."""

    check: str
    harm: Harm
    words: str
    fix: str
    state: str = "problem"
    round: int = 1


def call(service: str, operation: str, **arguments: Any) -> Harm:
    """Somebody's call to AWS."""
    return lambda _: getattr(boto3.client(service), operation)(**arguments)  # type: ignore[call-overload]


def unruled(name: str) -> Harm:
    def remove(_: Installation) -> None:
        boto3.client("events").remove_targets(Rule=name, Ids=["function"])
        boto3.client("events").delete_rule(Name=name)

    return remove


def denied(action: str, decision: str = "implicitDeny", **more: Any) -> Harm:
    """What IAM's simulation says of a call."""
    return lambda installation: installation.denied.update({action: {"EvalDecision": decision, **more}})


BY_ORGANIZATION: dict[str, Any] = {"OrganizationsDecisionDetail": {"AllowedByOrganizations": False}}
BY_BOUNDARY: dict[str, Any] = {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}}


def abandoned(clean_ups: int) -> Harm:
    """A restore that was begun by an execution that nobody finds any more, and cleaned up in vain so many times."""

    def begin(installation: Installation) -> None:
        world, arn = installation.world, execution_arn("abandoned")
        world.call("PlanRestore", {"request": world.engine.request(), "executionArn": arn})
        ledger = world.ledger("abandoned")
        count = ledger.table.update(ledger.restore_id, META, "SET cleanUps = :n", n=clean_ups)
        ledger.table.write(count)

    return begin


def changed_row(name: str, update: str, plan: dict[str, Any] | None = None, **anchored: Any) -> Harm:
    """A restore whose own row another version wrote, or a hand changed: other keys in plan and anchor."""

    def begin(installation: Installation) -> None:
        world, arn = installation.world, execution_arn(name)
        request = {**world.engine.request(), "databases": [{"name": "crm", "as": name}]}
        world.call("PlanRestore", {"request": request, "executionArn": arn})
        ledger = world.ledger(name)
        item = ledger.table.get(ledger.restore_id, META) or {}
        values = {
            "plan": json.dumps(json.loads(item["plan"]) | plan if plan is not None else {}),
            "anchor": json.dumps(json.loads(item["anchor"]) | anchored),
        }
        told = {key: value for key, value in values.items() if f":{key}" in update}
        ledger.table.write(ledger.table.update(ledger.restore_id, META, update, **told))

    return begin


BOTH = "SET #plan = :plan, #anchor = :anchor"


def bundle(text: bytes) -> Harm:
    return call("s3", "put_object", Bucket="evidence", Key=CA_BUNDLE_KEY, Body=text)


def expired_authority() -> bytes:
    key, end = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC) - timedelta(days=1)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of the past")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(end - timedelta(days=9)).not_valid_after(end)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def database() -> Any:
    return rds_backends[ACCOUNT][REGION].databases[INSTANCE]


def secret() -> dict[str, str]:
    [found] = boto3.client("rds").describe_db_instances(DBInstanceIdentifier=INSTANCE)["DBInstances"]
    return dict(found["MasterUserSecret"])  # type: ignore[arg-type]


def key_that_goes(_: Installation) -> None:
    boto3.client("kms").schedule_key_deletion(KeyId=secret()["KmsKeyId"].rpartition("/")[2])


def secret_that_goes(_: Installation) -> None:
    boto3.client("secretsmanager").delete_secret(SecretId=secret()["SecretArn"], RecoveryWindowInDays=7)


def disabled_key(_: Installation) -> None:
    """The buckets have a key of their own, and somebody disabled it."""
    kms = boto3.client("kms")
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    used: Any = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_id}
    encryption: Any = {"Rules": [{"ApplyServerSideEncryptionByDefault": used}]}
    boto3.client("s3").put_bucket_encryption(Bucket="repository", ServerSideEncryptionConfiguration=encryption)
    kms.disable_key(KeyId=key_id)


def shielded(_: Installation) -> None:
    boto3.client("rds").add_tags_to_resource(ResourceName=database().db_instance_arn, Tags=[{"Key": names.ALLOW, "Value": "false"}])


def full_list(installation: Installation) -> None:
    installation.world.change_group_list(*[installation.world.group(f"of-others-{n}") for n in range(5)])


def full_disk(_: Installation) -> None:
    free: Any = {
        "MetricName": "FreeStorageSpace",
        "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": INSTANCE}],
        "Value": 1.0,
        "Timestamp": datetime.now(UTC) - timedelta(seconds=5),
        "Unit": "Bytes",
    }
    boto3.client("cloudwatch").put_metric_data(Namespace="AWS/RDS", MetricData=[free])


def standing_group() -> dict[str, Any]:
    tagged: Any = [{"Name": f"tag:{names.STANDING}", "Values": ["worker"]}]
    [group] = boto3.client("ec2").describe_security_groups(Filters=tagged)["SecurityGroups"]
    return dict(group)


def shut_in(_: Installation) -> None:
    group = standing_group()
    boto3.client("ec2").revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=group["IpPermissionsEgress"])


def no_standing_group(_: Installation) -> None:
    boto3.client("ec2").delete_security_group(GroupId=standing_group()["GroupId"])


def closed_network(_: Installation) -> None:
    """Nobody's packets leave any subnet."""
    ec2 = boto3.client("ec2")
    for acl in ec2.describe_network_acls()["NetworkAcls"]:
        ec2.create_network_acl_entry(
            NetworkAclId=acl["NetworkAclId"],
            RuleNumber=1,
            Protocol="-1",
            RuleAction="deny",
            Egress=True,
            CidrBlock="0.0.0.0/0",
        )


def damaged_manifests(_: Installation) -> None:
    s3 = boto3.client("s3")
    for found in s3.list_objects_v2(Bucket="repository")["Contents"]:
        if found["Key"].endswith("manifest.json"):
            s3.put_object(Bucket="repository", Key=found["Key"], Body=b"{}")


def other_document(_: Installation) -> None:
    content = {"schemaVersion": "2.2", "description": "somebody's", "mainSteps": []}
    boto3.client("ssm").update_document(Name="dbrestore-run-job", Content=json.dumps(content), DocumentVersion="$LATEST")
    boto3.client("ssm").update_document_default_version(Name="dbrestore-run-job", DocumentVersion="2")


def profile_without_role(_: Installation) -> None:
    boto3.client("iam").remove_role_from_instance_profile(InstanceProfileName="dbrestore-worker", RoleName="dbrestore-worker")


def no_profile(installation: Installation) -> None:
    profile_without_role(installation)
    boto3.client("iam").delete_instance_profile(InstanceProfileName="dbrestore-worker")


TEMPLATE = "back to its template"
TARGET_STACK = "deploy the TargetStack"
BUNDLE = "https://truststore.pki.rds.amazonaws.com/"
CONTROL = (
    # First, while a plan can still be made.
    Case("open-restores", abandoned(1), "its execution is gone and it is not CLOSED", "dbrestore report", "warning"),
    Case("open-restores", abandoned(4), "after 4 clean-ups", "dbrestore report", round=2),
    Case(
        "open-restores",
        changed_row("older", "SET #plan = :plan REMOVE #anchor", {}),
        "its row has no anchor",
        "nothing",
        "warning",
    ),
    Case(
        "open-restores",
        changed_row("other", BOTH, {"tenants": []}),
        "/plan/tenants: is unknown to this version",
        "start it again",
        "warning",
    ),
    Case(
        "open-restores",
        changed_row("newer", BOTH, {}, schemaVersion="2"),
        "its anchor is of version 2, newer",
        "deploy the newer version",
        "warning",
        round=2,
    ),
    Case(
        "open-restores",
        changed_row("edited", BOTH, None, target={"account": "mine"}),
        "/anchor/target/account: ",
        "correct the named keys in the ledger",
        round=2,
    ),
    Case(
        "open-restores",
        changed_row("flawed", BOTH, {}, engine="mysql"),
        "counts as unknown: /anchor/engine: ",
        "correct it in the ledger",
        round=2,
    ),
    Case(
        "code",
        lambda i: i.expect(code="0" * 64, version="9.9.9"),
        f"is dbrestore {NUMBER} (code {of_code()[:12]}); this command is 9.9.9 (code 000000000000)",
        "or use the command of the deployed version",
        round=3,
    ),
    Case("code", lambda i: i.expect(code="0" * 64, version=None), "this command is of another version", "ControlStack", round=2),
    Case("definition", lambda i: i.expect(definition="0"), "runs a different definition", TEMPLATE),
    Case("functions", call("lambda", "delete_function", FunctionName="RemoveWorker"), "does not exist", TEMPLATE),
    Case("rules", unruled("ExecutionEnded"), "a stopped restore is cleaned up five minutes later", TEMPLATE),
    Case(
        "rules",
        call("events", "disable_rule", Name="EveryFiveMinutes"),
        "EveryFiveMinutes is disabled",
        "aws events enable-rule --name EveryFiveMinutes",
    ),
    Case("rules", unruled("RetrievalCompleted"), "noticed half an hour later", TEMPLATE, "warning"),
    Case(
        "ledger-recovery",
        call(
            "dynamodb",
            "update_continuous_backups",
            TableName="ledger",
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
        ),
        "has no point-in-time recovery",
        "aws dynamodb update-continuous-backups",
    ),
    Case("rules", unruled("EveryFiveMinutes"), "what everything else missed is left behind", TEMPLATE, round=2),
    Case(
        "functions",
        call("lambda", "update_function_code", FunctionName="DeployWorker", ZipFile=b"another version"),
        "has different code from ExamineInstallation",
        TEMPLATE,
        round=2,
    ),
    Case(
        "definition",
        call("stepfunctions", "delete_state_machine", stateMachineArn=MACHINE_ARN),
        "does not exist",
        TEMPLATE,
        round=3,
    ),
    Case("ledger", call("dynamodb", "delete_table", TableName="ledger"), "the table ledger does not exist", TEMPLATE, round=3),
)
STORAGE = (
    Case(
        "bucket-public",
        call("s3", "delete_public_access_block", Bucket="repository"),
        "could become public: BlockPublicAcls",
        "aws s3api put-public-access-block --bucket repository",
    ),
    Case("bucket-encryption", call("s3", "delete_bucket_encryption", Bucket="evidence"), "no default encryption", TEMPLATE),
    Case("bucket-tls", call("s3", "delete_bucket_policy", Bucket="repository"), "accepts requests without TLS", TEMPLATE),
    Case(
        "bucket-events",
        call("s3", "put_bucket_notification_configuration", Bucket="repository", NotificationConfiguration={}),
        "sends no events to EventBridge",
        "aws s3api put-bucket-notification-configuration",
        "warning",
    ),
    Case("bucket-key", disabled_key, "of repository is Disabled: nobody can read", "enable the key", round=2),
    Case("certificates", bundle(b"no certificate"), "holds no certificates that can be read", BUNDLE),
    Case("certificates", bundle(expired_authority()), "no authority that is still valid", BUNDLE, round=2),
    Case("restore-points", damaged_manifests, "can't be read as a manifest", "dbrestore points", round=2),
    Case(
        "certificates",
        call("s3", "delete_object", Bucket="evidence", Key=CA_BUNDLE_KEY),
        f"s3://evidence/{CA_BUNDLE_KEY} does not exist",
        BUNDLE,
        round=3,
    ),
)
TARGET = (
    Case("instance-profile", profile_without_role, "has no role", TARGET_STACK),
    Case("instance-profile", no_profile, "does not exist", TARGET_STACK, round=2),
    Case("job-document", other_document, "has different content from this version's", TARGET_STACK),
    Case("job-document", call("ssm", "delete_document", Name="dbrestore-run-job"), "does not exist", TARGET_STACK, round=2),
    Case(
        "worker-program",
        call("s3", "delete_object", Bucket="evidence", Key="programs/worker.zip"),
        "does not exist: no worker could start",
        TARGET_STACK,
    ),
    Case(
        "role-permissions",
        denied("ec2:CreateSecurityGroup"),
        "security-group/*: nothing allows it",
        TARGET_STACK,
    ),
    Case(
        "role-permissions",
        denied("ec2:RunInstances", **BY_ORGANIZATION),
        "instance/*: the organization's service control policies",
        "let the owners of the organization's",
    ),
    Case(
        "role-permissions",
        denied("iam:PassRole", **BY_BOUNDARY),
        "role/dbrestore-worker: the role's permissions boundary",
        "let the owners of the role's permissions boundary",
        round=3,
    ),
    Case(
        "instance-permissions",
        denied("rds:ModifyDBInstance", "explicitDeny"),
        "may not call rds:ModifyDBInstance",
        "let the owners of a policy that denies it",
    ),
    Case(
        "worker-permissions",
        denied("secretsmanager:GetSecretValue"),
        "may not call secretsmanager:GetSecretValue",
        TARGET_STACK,
        round=3,
    ),
    Case("worker-permissions", denied("s3:GetObject"), "may not call s3:GetObject on arn:aws:s3:::repository/*", TARGET_STACK, round=3),
)
DATABASE = (
    Case("instance-usable", shielded, "is shielded from restores by its tag", "remove the tag"),
    Case("instance-usable", full_list, "has 5 security groups already", "remove one"),
    # By the same harm, and in the same words.
    Case("group-room", lambda _: None, "stopped by what instance-usable found", "remove one", "not checked"),
    Case("credentials", secret_that_goes, "is scheduled for deletion on", "do what the finding says"),
    Case("secret-key", lambda _: None, "no credentials can be used", "enable the key", "not checked"),
    Case("secret-key", key_that_goes, "is PendingDeletion", "enable the key", round=2),
    Case("free-storage", full_disk, "0.0 GiB of 20.0 GiB are free", "grow the instance's storage", "warning"),
    Case("standing-group", shut_in, "lets nothing out to port 443", TARGET_STACK),
    Case(
        "instance-usable",
        lambda _: setattr(database(), "status", "stopped"),
        "is stopped",
        "bring it to available",
        round=2,
    ),
    Case(
        "engine", lambda _: setattr(database(), "engine_version", "19.1"), "runs PostgreSQL 19.1", "restore into an RDS instance", round=2
    ),
    Case("standing-group", no_standing_group, "no security group tagged", TARGET_STACK, round=2),
    Case("worker-place", closed_network, "can't hold the worker", "fix one of the subnets", round=3),
    Case("plan", full_disk, "orders-prod needs about", "do what the finding says", round=3),
)
CASES = (*CONTROL, *STORAGE, *TARGET, *DATABASE)


@pytest.fixture(scope="module")
def harmed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], list[Finding]]:
    """The findings of an installation after all harms of a round."""

    @cache
    def examined(number: int) -> list[Finding]:
        with pytest.MonkeyPatch.context() as patch, installed(patch) as world:
            installation = Installation(world, tmp_path_factory.mktemp("harmed")).build()
            for case in CASES:
                if case.round == number:
                    case.harm(installation)
            findings: list[Finding] = installation.examine(INSTANCE)
            return findings

    return examined


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check}: {case.words}")
def test_what_breaks_is_found_and_has_its_fix(harmed: Callable[[int], list[Finding]], case: Case) -> None:
    findings = [finding for finding in harmed(case.round) if finding.check == case.check]

    told = [finding for finding in findings if case.words in finding.sentence]

    assert {finding.state for finding in told} == {case.state}, findings
    assert all(case.fix in finding.fix for finding in told)
