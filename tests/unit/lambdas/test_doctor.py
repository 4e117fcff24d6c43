"""The examination: a healthy installation has no problem, and whatever breaks is found with its words and its mend."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.rds.models import rds_backends

from lambdas import doctor
from lambdas.doctor_findings import Finding
from lambdas.settings import CA_BUNDLE_KEY
from tests.statemachine.engines import INSTANCE, SQL_SERVER, SQLSERVER
from tests.statemachine.world import ACCOUNT, MACHINE_ARN, REGION, World, execution_arn, start
from tests.unit.lambdas.examined_installation import Installation

ROLE = f"dbrestore-target-{REGION}"


@pytest.fixture
def installation(world: World, tmp_path: Path) -> Installation:
    return Installation(world, tmp_path).build()


def told(findings: list[Finding], state: str) -> list[tuple[str, str]]:
    return [(finding.check, finding.sentence) for finding in findings if finding.state == state]


# Quotas that moto has not got, and a date that it does not tell.
NOT_IN_MOTO = {"quotas", "server-certificate"}


def test_a_healthy_installation_has_nothing_to_mend(installation: Installation) -> None:
    findings = installation.examine(INSTANCE)

    assert told(findings, "problem") == []
    assert told(findings, "warning") == []
    assert {check for check, _ in told(findings, "not checked")} == NOT_IN_MOTO
    assert not [finding for finding in findings if finding.state == "ok" and finding.mend]


def test_a_healthy_instance_of_sql_server_has_nothing_to_mend(installation: Installation) -> None:
    installation.world.use(SQLSERVER)

    findings = installation.examine(SQL_SERVER)

    assert told(findings, "problem") == []
    assert told(findings, "warning") == []
    assert {finding.check for finding in findings if finding.state == "ok"} >= {"native-option", "native-role", "plan"}


def test_without_a_target_the_control_account_alone_is_looked_at(installation: Installation) -> None:
    findings = installation.examine()

    assert {finding.check for finding in findings} == {check.name for check in doctor.OF_CONTROL}
    assert told(findings, "problem") == []


def test_with_a_region_alone_the_targets_half_is_looked_at_and_no_instance(installation: Installation) -> None:
    findings = installation.examine(region=REGION)

    checks = {check.name for check in doctor.OF_CONTROL} | {check.name for check in doctor.OF_TARGET} | {"target-role"}
    assert {finding.check for finding in findings} == checks


def test_whoever_does_not_say_of_which_version_it_is_gets_the_rest(installation: Installation) -> None:
    findings = installation.examine(INSTANCE, expected={})

    unseen = dict(told(findings, "not checked"))
    assert {"code", "definition", "job-document"} <= set(unseen)
    assert told(findings, "problem") == []


Break = Callable[[Installation], object]


@dataclass(frozen=True)
class Case:
    """What is broken, and the finding that tells it."""

    check: str
    harm: Break
    words: str
    mend: str
    state: str = "problem"


def s3(operation: str, **arguments: Any) -> Break:
    return lambda _: getattr(boto3.client("s3"), operation)(**arguments)


def call(service: str, operation: str, **arguments: Any) -> Break:
    return lambda _: getattr(boto3.client(service), operation)(**arguments)  # type: ignore[call-overload]


def instance(**attributes: Any) -> Break:
    def change(installation: Installation) -> None:
        found = rds_backends[ACCOUNT][REGION].databases[INSTANCE]
        for name, value in attributes.items():
            setattr(found, name, value)

    return change


def rules_of(name: str) -> Break:
    def remove(_: Installation) -> None:
        boto3.client("events").remove_targets(Rule=name, Ids=["function"])
        boto3.client("events").delete_rule(Name=name)

    return remove


def bundle(text: bytes) -> Break:
    return s3("put_object", Bucket="evidence", Key=CA_BUNDLE_KEY, Body=text)


def stopped_restore(installation: Installation) -> None:
    """An execution that somebody stopped; nothing has swept yet."""
    installation.world.before["PairSecurityGroups"] = lambda: (
        boto3.client("stepfunctions").stop_execution(executionArn=execution_arn("stopped")) and None
    )
    installation.world.wait(start(installation.world.engine.request(), "stopped"))


def secret_arn() -> str:
    [found] = boto3.client("rds").describe_db_instances(DBInstanceIdentifier=INSTANCE)["DBInstances"]
    return str(found["MasterUserSecret"]["SecretArn"])


CONTROL = [
    Case("code", lambda i: i.expect(code="0" * 64), "is of another version than this command", "deploy the ControlStack"),
    Case(
        "functions",
        call("lambda", "delete_function", FunctionName="RemoveWorker"),
        "does not exist",
        "deploy the ControlStack",
    ),
    Case(
        "functions",
        call("lambda", "update_function_code", FunctionName="DeployWorker", ZipFile=b"another version"),
        "has other code than ExamineInstallation",
        "deploy the ControlStack",
    ),
    Case(
        "definition",
        lambda i: i.expect(definition="0" * 64),
        "runs another definition",
        "edits in the console are undone",
    ),
    Case(
        "definition",
        call("stepfunctions", "delete_state_machine", stateMachineArn=MACHINE_ARN),
        "does not exist",
        "deploy the ControlStack",
    ),
    Case("rules", rules_of("ExecutionEnded"), "there is no such rule", "deploy the ControlStack"),
    Case("rules", rules_of("EveryFiveMinutes"), "there is no such rule", "deploy the ControlStack"),
    Case("rules", rules_of("RetrievalCompleted"), "there is no such rule", "deploy the ControlStack"),
    Case(
        "rules",
        call("events", "disable_rule", Name="EveryFiveMinutes"),
        "the rule EveryFiveMinutes is disabled",
        "aws events enable-rule --name EveryFiveMinutes",
    ),
    Case("ledger", call("dynamodb", "delete_table", TableName="ledger"), "the table ledger does not exist", "deploy"),
    Case(
        "ledger-recovery",
        call(
            "dynamodb", "update_continuous_backups", TableName="ledger",
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
        ),
        "has no point-in-time recovery",
        "deploy the ControlStack",
    ),
    Case("open-restores", stopped_restore, "its execution is ABORTED", "dbrestore report", state="warning"),
]  # fmt: skip
STORAGE = [
    Case("buckets", lambda i: i.world.patch.setenv("EVIDENCE_BUCKET", "gone"), "does not exist", "deploy"),
    Case(
        "bucket-public", s3("delete_public_access_block", Bucket="repository"), "could become public: BlockPublicAcls", "deploy"
    ),
    Case("bucket-encryption", s3("delete_bucket_encryption", Bucket="evidence"), "has no default encryption", "deploy"),
    Case("bucket-tls", s3("delete_bucket_policy", Bucket="repository"), "takes requests that don't come over TLS", "deploy"),
    Case(
        "bucket-events",
        s3("put_bucket_notification_configuration", Bucket="repository", NotificationConfiguration={}),
        "sends no events to EventBridge",
        "deploy",
        state="warning",
    ),
    Case("certificates", s3("delete_object", Bucket="evidence", Key=CA_BUNDLE_KEY), "does not exist", "truststore.pki.rds"),
    Case("certificates", bundle(b"no certificate"), "no certificates that can be read", "truststore.pki.rds"),
]  # fmt: skip


def damage_manifest() -> None:
    s3_client = boto3.client("s3")
    for found in s3_client.list_objects_v2(Bucket="repository")["Contents"]:
        if found["Key"].endswith("manifest.json"):
            s3_client.put_object(Bucket="repository", Key=found["Key"], Body=b"{}")


@pytest.mark.parametrize("case", [*CONTROL, *STORAGE], ids=lambda case: f"{case.check}: {case.words}")
def test_what_breaks_in_the_control_account_is_found(installation: Installation, case: Case) -> None:
    case.harm(installation)

    assert_found(installation.examine(), case)


def assert_found(findings: list[Finding], case: Case) -> None:
    [*found] = [f for f in findings if f.check == case.check and case.words in f.sentence]
    assert [f.state for f in found] == [case.state] * len(found) != [], [f for f in findings if f.check == case.check]
    assert all(case.mend in f.mend for f in found), found
