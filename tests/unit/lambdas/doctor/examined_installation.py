"""An installation in which nothing is wrong: tests.statemachine.world with all that the stacks deploy, in moto."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse

from dbrestore.contract.deployed import job_document
from dbrestore.contract.deployed import versions as doctor_versions
from dbrestore.contract.names import CA_BUNDLE_KEY
from dbrestore.contract.questions.examination import Expected, Finding
from infrastructure.functions import FUNCTIONS
from localcloud.base import certificates
from tests.statemachine.world import ACCOUNT, DEFINITION, ENVIRONMENT, MACHINE_ARN, OPTION_ROLE, REGION, World

FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
TLS_ONLY = {
    "Effect": "Deny",
    "Principal": {"AWS": "*"},
    "Action": "s3:*",
    "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def this_version() -> Expected:
    """What the code of this working tree consists of."""
    return Expected(
        code=doctor_versions.of_code(),
        definition=doctor_versions.of_definition(DEFINITION.read_text(), ""),
        document=doctor_versions.of_value(job_document.content()),
    )


@dataclass
class Installation:
    """`denied` are the actions that IAM's simulation denies, and how, `only_with` the condition keys without which it allows them;
    `expected` is what the asking side consists of."""

    world: World
    folder: Path
    denied: dict[str, dict[str, Any]] = field(default_factory=dict)
    only_with: dict[str, str] = field(default_factory=dict)
    expected: Expected = field(default_factory=this_version)

    def build(self) -> "Installation":
        """What the two stacks deploy and an operator puts there."""
        self.world.patch.setenv("AWS_LAMBDA_FUNCTION_NAME", "ExamineInstallation")
        self.world.patch.setattr(IamResponse, "simulate_principal_policy", self._simulation(), raising=False)
        self._roles()
        self._functions()
        self._rules()
        self._buckets()
        self._target()
        return self

    def examine(self, db_instance: str | None = None, **question: Any) -> list[Finding]:
        """The function's answer."""
        functions = [row.state for row in FUNCTIONS if row.answers_commands]
        asked = {"dbInstance": db_instance, "functions": functions, "expected": self.expected.to_state(), **question}
        answer = self.world.call("ExamineInstallation", asked)
        return [Finding.model_validate(finding) for finding in answer["findings"]]

    def expect(self, **sums: str | None) -> None:
        """The asking side is of another version."""
        self.expected = self.expected.model_copy(update=sums)

    def _simulation(self) -> Callable[[Any], ActionResult]:
        """IAM's simulation, which moto hasn't got: allowed unless the test denies it."""

        def simulate(response: Any) -> ActionResult:
            actions = response._get_param("ActionNames", [])
            allowed = {"EvalDecision": "allowed"}
            keys = {entry["ContextKeyName"] for entry in response._get_param("ContextEntries", [])}
            denied = {action: how for action, how in self.denied.items() if self.only_with.get(action) in (None, *keys)}
            results = [{"EvalActionName": action, **denied.get(action, allowed)} for action in actions]
            return ActionResult({"EvaluationResults": results, "IsTruncated": False})

        return simulate

    def _roles(self) -> None:
        iam = boto3.client("iam")
        for name, service in (("machine", "states"), ("dbrestore-worker", "ec2"), ("rds-reads-backups", "rds")):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(Service=f"{service}.amazonaws.com"))
        iam.add_role_to_instance_profile(InstanceProfileName="dbrestore-worker", RoleName="dbrestore-worker")
        control = {"StringEquals": {"sts:ExternalId": ENVIRONMENT["EXTERNAL_ID"]}}
        iam.create_role(
            RoleName=f"dbrestore-target-{REGION}",
            AssumeRolePolicyDocument=trust(control, AWS=f"arn:aws:iam::{ACCOUNT}:root"),
        )
        assert OPTION_ROLE.endswith("rds-reads-backups")

    def _functions(self) -> None:
        for row in FUNCTIONS:
            boto3.client("lambda").create_function(
                FunctionName=row.state,
                Runtime="python3.13",
                Handler=row.handler,
                Code={"ZipFile": b"one version"},
                Role=f"arn:aws:iam::{ACCOUNT}:role/machine",
            )
        text = re.sub(r"\$\{(\w+)\}", lambda match: FUNCTION + match[1], DEFINITION.read_text())
        boto3.client("stepfunctions").update_state_machine(stateMachineArn=MACHINE_ARN, definition=text)

    def _rules(self) -> None:
        ended = {"source": ["aws.states"], "detail": {"status": ["FAILED", "TIMED_OUT", "ABORTED"]}}
        retrieved = {"source": ["aws.s3"], "detail-type": ["Object Restore Completed"]}
        rule("ExecutionEnded", "SweepLedger", EventPattern=json.dumps(ended))
        rule("EveryFiveMinutes", "SweepLedger", ScheduleExpression="rate(5 minutes)")
        rule("RetrievalCompleted", "HearRetrieval", EventPattern=json.dumps(retrieved))

    def _buckets(self) -> None:
        s3 = boto3.client("s3")
        for bucket in ("repository", "evidence"):
            flags = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
            closed: Any = dict.fromkeys(flags, True)
            s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=closed)
            encryption: Any = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
            s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=encryption)
            s3.put_bucket_policy(Bucket=bucket, Policy=statements())
        s3.put_bucket_notification_configuration(Bucket="repository", NotificationConfiguration={"EventBridgeConfiguration": {}})
        bundle = certificates.create(self.folder / "authority").bundle.read_bytes()
        s3.put_object(Bucket="evidence", Key=CA_BUNDLE_KEY, Body=bundle)
        boto3.client("dynamodb").update_continuous_backups(
            TableName="ledger", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )

    def _target(self) -> None:
        boto3.client("s3").put_object(Bucket="evidence", Key="programs/worker.zip", Body=b"PK")
        boto3.client("ssm").create_document(Name="dbrestore-run-job", DocumentType="Command", Content=json.dumps(job_document.content()))


def statements(*more: dict[str, Any]) -> str:
    """A bucket's policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": [TLS_ONLY, *more]})


def rule(name: str, state: str, **when: str) -> None:
    """A rule that wakes a function."""
    events: Any = boto3.client("events")
    events.put_rule(Name=name, **when)
    events.put_targets(Rule=name, Targets=[{"Id": "function", "Arn": FUNCTION + state}])


def trust(condition: dict[str, Any] | None = None, **principal: str) -> str:
    """A role's trust policy."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    listed = {**statement, "Condition": condition} if condition else statement
    return json.dumps({"Version": "2012-10-17", "Statement": [listed]})
