"""The two stacks: what is in them, how it is guarded, and that they fit together without importing from each other."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract import limits
from dbrestore.contract.names import WITHOUT_ACCOUNT_REGIONAL_NAMES
from infrastructure.functions import FUNCTIONS
from lambdas.runtime import settings

from .conftest import ACCOUNT, PSEUDO_PARAMETERS, REGION, ROOT, Template, synthesise, template_of

# One process synthesises each template once.
pytestmark = pytest.mark.xdist_group("templates")

DEFINITION = (ROOT / "statemachine" / "restore_databases.asl.json").read_text()
STATES = set(re.findall(r"\$\{(\w+)\}", DEFINITION))


def test_every_state_has_its_function_and_every_function_its_state(control: Template) -> None:
    functions = {row.state for row in FUNCTIONS if not (row.answers_api or row.adopts)}

    assert functions - STATES == {"SweepLedger", "HearRetrieval", "RemoveAbandonedPoints"} | {
        row.state for row in FUNCTIONS if row.answers_commands
    }
    assert functions >= STATES
    assert {f["FunctionName"] for f in control.of_type("AWS::Lambda::Function").values()} == {f"dbrestore-{state}" for state in functions}


def test_a_state_calls_the_function_of_its_own_name(control: Template) -> None:
    functions, versions = control.of_type("AWS::Lambda::Function"), control.of_type("AWS::Lambda::Version")

    substitutions = control.only("AWS::StepFunctions::StateMachine")["DefinitionSubstitutions"]

    assert set(substitutions) == STATES
    for state, version in substitutions.items():
        assert functions[versions[version]["FunctionName"]]["FunctionName"] == f"dbrestore-{state}"


def test_a_restore_keeps_the_code_that_it_began_with(control: Template) -> None:
    """An execution keeps its definition, which names versions; a deployment makes new ones and leaves these."""
    versions = control.only("AWS::StepFunctions::StateMachine")["DefinitionSubstitutions"].values()

    assert {control.content["Resources"][version]["DeletionPolicy"] for version in versions} == {"Retain"}
    assert {control.content["Resources"][version]["UpdateReplacePolicy"] for version in versions} == {"Retain"}


def test_the_definition_is_deployed_as_it_is_read(control: Template) -> None:
    assert control.only("AWS::StepFunctions::StateMachine")["DefinitionString"] == DEFINITION


def test_the_machine_may_call_its_functions_and_nothing_else(control: Template) -> None:
    versions, named = control.of_type("AWS::Lambda::Version"), control.only("AWS::StepFunctions::StateMachine")["DefinitionSubstitutions"]
    invoked = {f"{versions[version]['FunctionName']}.Arn" for version in named.values()}
    statements = control.only("AWS::IAM::Policy")["PolicyDocument"]["Statement"]

    allowed = [s["Resource"] for s in statements if s["Action"] == "lambda:InvokeFunction"]

    assert [set(resources) for resources in allowed] == [invoked | {f"{arn}:*" for arn in invoked}]


def test_functions_run_no_longer_than_the_control_plane_believes(control: Template) -> None:
    for function in control.of_type("AWS::Lambda::Function").values():
        assert function["Timeout"] <= limits.FUNCTION_TIMEOUT
        assert function["Runtime"] == "python3.13"
        assert function["LoggingConfig"]["LogFormat"] == "JSON"


def test_every_function_finds_every_variable_that_the_settings_read(control: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    for function in control.of_type("AWS::Lambda::Function").values():
        for name, value in function["Environment"]["Variables"].items():
            monkeypatch.setenv(name, value)

        read = settings.Settings.from_environment()

        assert read.ledger_table == "dbrestore-ledger"
        assert read.repository_bucket == f"dbrestore-repository-{ACCOUNT}-{REGION}-an"
        assert read.state_machine_arn == f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:dbrestore"
        assert read.target_accounts == ()


def test_an_execution_that_ends_without_its_removers_wakes_the_sweeper(control: Template) -> None:
    rules = _rules(control, "SweepLedger")

    assert [rule["ScheduleExpression"] for rule in rules if "ScheduleExpression" in rule] == ["rate(5 minutes)"]
    (pattern,) = [rule["EventPattern"] for rule in rules if "EventPattern" in rule]
    assert set(pattern["detail"]["status"]) == {"FAILED", "TIMED_OUT", "ABORTED"}
    assert pattern["detail"]["stateMachineArn"] == [f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:dbrestore"]


def test_a_retrieval_that_is_complete_wakes_the_restore_that_waits_for_it(control: Template) -> None:
    repository = f"dbrestore-repository-{ACCOUNT}-{REGION}-an"
    bucket = control.only("AWS::S3::Bucket", BucketName=repository)

    (rule,) = _rules(control, "HearRetrieval")

    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Restore Completed"],
        "detail": {"bucket": {"name": [repository]}},
    }


def test_the_bus_may_call_the_functions_that_rules_name_and_no_others(control: Template) -> None:
    topics = control.of_type("AWS::SNS::Topic")
    called = {rule["Targets"][0]["Arn"] for rule in control.of_type("AWS::Events::Rule").values()} - set(topics)

    permissions = control.of_type("AWS::Lambda::Permission").values()

    assert {permission["FunctionName"] for permission in permissions} == called
    assert {permission["Principal"] for permission in permissions} == {"events.amazonaws.com"}
    assert all(permission["SourceArn"].endswith(".Arn") for permission in permissions)


def _rules(control: Template, state: str) -> list[dict[str, Any]]:
    """The rules that call this function, and nothing besides."""
    functions = control.of_type("AWS::Lambda::Function").items()
    (called,) = [id_ for id_, function in functions if function["FunctionName"] == f"dbrestore-{state}"]
    rules = control.of_type("AWS::Events::Rule").values()
    return [rule for rule in rules if [target["Arn"] for target in rule["Targets"]] == [f"{called}.Arn"]]


def test_buckets_are_private_encrypted_and_survive_the_stack(control: Template) -> None:
    buckets = control.of_type("AWS::S3::Bucket")

    assert len(buckets) == 3
    for id_, bucket in buckets.items():
        assert all(bucket["PublicAccessBlockConfiguration"].values())
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        assert bucket["BucketEncryption"]
        assert bucket["BucketNamespace"] == "account-regional"
        assert bucket["BucketName"].endswith(f"-{ACCOUNT}-{REGION}-an")
        assert _is_kept(control, id_)


def _is_kept(template: Template, id_: str) -> bool:
    """But for a first deployment that fails: what that left would make the next one fail on its name."""
    resource = template.content["Resources"][id_]
    return (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_buckets_refuse_whatever_does_not_come_over_tls(control: Template) -> None:
    policies = control.of_type("AWS::S3::BucketPolicy").values()

    for policy in policies:
        denials = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
        insecure = {"Bool": {"aws:SecureTransport": "false"}}
        assert [(s["Principal"], s["Action"]) for s in denials if s["Condition"] == insecure] == [({"AWS": "*"}, "s3:*")]
        allowed = [s["Principal"] for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
        # Only S3 itself, into the log of accesses.
        logs = "access-log" in policy["Bucket"]
        assert allowed == [{"Service": "logging.s3.amazonaws.com"}] * 2 * logs
    assert len(policies) == 3


@pytest.mark.parametrize("region", sorted(WITHOUT_ACCOUNT_REGIONAL_NAMES))
def test_a_region_that_has_no_names_for_the_buckets_is_refused_with_the_reason(
    control: Template, target: Template, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert control.refusals() == []

    monkeypatch.setitem(PSEUDO_PARAMETERS, "AWS::Region", region)

    told = f"S3 in {region} has no names of buckets that no other account can take: deploy elsewhere"
    assert control.refusals() == [told]
    assert target.refusals() == []


def test_who_reads_or_writes_backups_and_reports_is_logged(control: Template) -> None:
    buckets = {bucket["BucketName"]: bucket for bucket in control.of_type("AWS::S3::Bucket").values()}

    logged = {name: bucket["LoggingConfiguration"] for name, bucket in buckets.items() if "LoggingConfiguration" in bucket}

    log = f"dbrestore-access-log-{ACCOUNT}-{REGION}-an"
    assert logged == {
        f"dbrestore-{kind}-{ACCOUNT}-{REGION}-an": {"DestinationBucketName": log, "LogFilePrefix": f"{kind}/"}
        for kind in ("repository", "evidence")
    }
    # S3 delivers to no bucket that a KMS key encrypts.
    (encryption,) = buckets[log]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert buckets[log]["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"] == 365


def test_reports_are_never_rewritten_unseen(control: Template) -> None:
    evidence = control.only("AWS::S3::Bucket", BucketName=f"dbrestore-evidence-{ACCOUNT}-{REGION}-an")

    assert evidence["VersioningConfiguration"] == {"Status": "Enabled"}
    assert any("NoncurrentVersionExpiration" in rule for rule in evidence["LifecycleConfiguration"]["Rules"])


def test_a_backup_that_is_overwritten_or_deleted_can_be_had_back_for_a_month(control: Template) -> None:
    repository = control.only("AWS::S3::Bucket", BucketName=f"dbrestore-repository-{ACCOUNT}-{REGION}-an")

    rules = repository["LifecycleConfiguration"]["Rules"]
    assert repository["VersioningConfiguration"] == {"Status": "Enabled"}
    assert [rule["NoncurrentVersionExpiration"] for rule in rules if "NoncurrentVersionExpiration" in rule] == [{"NoncurrentDays": 30}]
    assert "ObjectLockEnabled" not in repository


@pytest.mark.parametrize(("locked", "open_"), [("repository", "evidence"), ("evidence", "repository")])
def test_repository_and_evidence_can_be_locked_each_for_itself(tmp_path: Path, locked: str, open_: str) -> None:
    template = template_of(synthesise(tmp_path / "out", **{f"{locked}LockDays": "35"}), "DbrestoreControl")
    with_lock = template.only("AWS::S3::Bucket", BucketName=f"dbrestore-{locked}-{ACCOUNT}-{REGION}-an")
    without = template.only("AWS::S3::Bucket", BucketName=f"dbrestore-{open_}-{ACCOUNT}-{REGION}-an")

    assert with_lock["ObjectLockEnabled"] is True
    assert with_lock["ObjectLockConfiguration"]["Rule"] == {"DefaultRetention": {"Days": 35, "Mode": "GOVERNANCE"}}
    assert "ObjectLockConfiguration" not in without


def test_the_ledger_can_be_brought_back_to_any_second(control: Template) -> None:
    ((id_, ledger),) = control.of_type("AWS::DynamoDB::Table").items()

    assert ledger["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert ledger["SSESpecification"] == {"SSEEnabled": True}
    assert [(k["AttributeName"], k["KeyType"]) for k in ledger["KeySchema"]] == [("pk", "HASH"), ("sk", "RANGE")]
    assert _is_kept(control, id_)
    assert ledger["DeletionProtectionEnabled"] is True


def test_signposts_are_json_with_the_real_names(control: Template, target: Template) -> None:
    there = json.loads(control.only("AWS::SSM::Parameter", Name="/dbrestore/control")["Value"])
    here = json.loads(target.only("AWS::SSM::Parameter", Name="/dbrestore/target")["Value"])

    assert there == {
        "stateMachineArn": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:dbrestore",
        "ledgerTable": "dbrestore-ledger",
        "repositoryBucket": f"dbrestore-repository-{ACCOUNT}-{REGION}-an",
        "evidenceBucket": f"dbrestore-evidence-{ACCOUNT}-{REGION}-an",
        "functions": {row.state: f"dbrestore-{row.state}" for row in FUNCTIONS if row.answers_commands},
    }
    assert here["documentName"] == "dbrestore-run-job"
    assert here["instanceProfileArn"] == "WorkerProfile.Arn"
    assert here["programUri"].startswith(f"s3://cdk-hnb659fds-assets-{ACCOUNT}-{REGION}/")


def test_the_program_that_is_announced_is_the_one_that_is_deployed(target: Template, cdk_out: Path) -> None:
    announced = json.loads(target.only("AWS::SSM::Parameter")["Value"])["programUri"].rsplit("/", 1)[1]
    assets = json.loads((cdk_out / "DbrestoreTarget.assets.json").read_text())["files"].values()

    (program,) = [a for a in assets if any(d["objectKey"] == announced for d in a["destinations"].values())]

    assert (cdk_out / program["source"]["path"]).read_bytes()[:2] == b"PK"


def test_the_stacks_need_nothing_of_each_other_but_names(control: Template, target: Template) -> None:
    for template in (control, target):
        text = json.dumps(template.content)
        assert "Fn::ImportValue" not in text
        assert '"Export"' not in text
        assert "Custom::" not in text
        assert "AWS::CloudFormation::CustomResource" not in text


def test_a_target_stack_elsewhere_names_the_control_accounts_buckets(target_elsewhere: Template) -> None:
    (policy,) = target_elsewhere.only("AWS::IAM::Role", RoleName=f"dbrestore-worker-{REGION}")["Policies"]

    resources = {r for s in policy["PolicyDocument"]["Statement"] for r in s["Resource"]}

    assert "arn:aws:s3:::dbrestore-repository-999999999999-eu-west-1-an/*" in resources
    assert "arn:aws:s3:::dbrestore-evidence-999999999999-eu-west-1-an/restores/*/jobs/*/job.json" in resources


def test_workers_have_a_way_out_to_https_and_no_way_in(target: Template) -> None:
    group = target.only("AWS::EC2::SecurityGroup")

    assert [(r["IpProtocol"], r["FromPort"], r["ToPort"]) for r in group["SecurityGroupEgress"]] == [("tcp", 443, 443)]
    assert "SecurityGroupIngress" not in group
    assert not target.of_type("AWS::EC2::SecurityGroupIngress")
    assert group["VpcId"] == "vpc-1"
    assert group["Tags"] == [{"Key": "dbrestore:standing", "Value": "worker"}]
