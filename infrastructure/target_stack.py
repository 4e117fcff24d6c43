"""A target account and Region's half: the role that the functions assume, and what a worker needs to stand there.

Nothing is imported from the ControlStack: its names follow from the control account and Region, so the same template serves the same
account and any other one.
"""

from typing import Any

from aws_cdk import Aws, CfnCondition, CfnOutput, CfnParameter, CfnTag, Fn, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infrastructure import job_document, names
from infrastructure import permissions as may
from infrastructure.bundles import worker_program
from infrastructure.functions import FUNCTIONS
from infrastructure.statements import Statement, policy


class TargetStack(Stack):
    """Deploy once per VPC's Region. Parameters: `VpcId` (of the DB instances), `ControlAccount` and `ControlRegion` (empty: the same as
    here), `ExternalId` (as in the ControlStack)."""

    def __init__(self, scope: Construct, id_: str, **options: Any) -> None:
        super().__init__(scope, id_, description="dbrestore: what restores need beside the DB instances", **options)
        self.vpc = CfnParameter(
            self, "VpcId", type="AWS::EC2::VPC::Id", description="The VPC of the DB instances"
        ).value_as_string
        self.control_account = self._or_own("ControlAccount", Aws.ACCOUNT_ID, r"^(\d{12})?$")
        self.control_region = self._or_own("ControlRegion", Aws.REGION, r"^([a-z]{2,4}(-[a-z]+)+-\d)?$")
        self.external_id = self._external_id()
        self.program = assets.Asset(self, "WorkerProgram", path=str(worker_program()))
        role = self._target_role()
        profile = self._instance_profile()
        group = self._standing_group()
        document = self._document()
        self._signposts(role, profile, group, document)

    def _or_own(self, name: str, own: str, pattern: str) -> str:
        """A parameter that may be left empty, with what it then means."""
        parameter = CfnParameter(
            self,
            name,
            default="",
            allowed_pattern=pattern,
            description="Of the ControlStack; empty: the same as this stack's",
        )
        empty = CfnCondition(self, f"No{name}", expression=Fn.condition_equals(parameter.value_as_string, ""))
        return Fn.condition_if(empty.logical_id, own, parameter.value_as_string).to_string()

    def _external_id(self) -> str:
        return CfnParameter(
            self,
            "ExternalId",
            default=self.node.try_get_context("externalId") or names.DEFAULT_EXTERNAL_ID,
            allowed_pattern=r"^[\w+=,.@:/-]{2,1224}$",
            description="The same as the ControlStack's context value externalId",
        ).value_as_string

    def _target_role(self) -> iam.CfnRole:
        statements = [statement for row in FUNCTIONS for statement in row.target]
        return self._role("TargetRole", names.TARGET_ROLE, self._trust_in_functions(), statements)

    def _trust_in_functions(self) -> dict[str, Any]:
        control = f"arn:{Aws.PARTITION}:iam::{self.control_account}"
        function_roles = f"{control}:role/{names.FUNCTION_ROLE}-*-{self.control_region}"
        return {
            "Effect": "Allow",
            "Principal": {"AWS": f"{control}:root"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"sts:ExternalId": self.external_id},
                "ArnLike": {"aws:PrincipalArn": function_roles},
            },
        }

    def _instance_profile(self) -> iam.CfnInstanceProfile:
        trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = self._role("WorkerRole", names.WORKER_ROLE, trust, list(may.WORKER))
        return iam.CfnInstanceProfile(
            self, "WorkerProfile", instance_profile_name=f"{names.WORKER_ROLE}-{Aws.REGION}", roles=[role.ref]
        )

    def _role(self, id_: str, name: str, trust: dict[str, Any], statements: list[Statement]) -> iam.CfnRole:
        return iam.CfnRole(
            self,
            id_,
            role_name=f"{name}-{Aws.REGION}",
            assume_role_policy_document={"Version": "2012-10-17", "Statement": [trust]},
            policies=[iam.CfnRole.PolicyProperty(policy_name=name, policy_document=policy(statements, self._places()))],
        )

    def _places(self) -> dict[str, str]:
        control = (self.control_account, self.control_region)
        return {
            "partition": Aws.PARTITION,
            "region": Aws.REGION,
            "account": Aws.ACCOUNT_ID,
            "control": self.control_account,
            "vpc": self.vpc,
            "repository": names.bucket(names.REPOSITORY_BUCKET, *control),
            "evidence": names.bucket(names.EVIDENCE_BUCKET, *control),
            "program": f"arn:{Aws.PARTITION}:s3:::{self.program.s3_bucket_name}/{self.program.s3_object_key}",
        }

    def _standing_group(self) -> ec2.CfnSecurityGroup:
        """What every worker has besides its own pair: a way out to the AWS endpoints, no way in."""
        return ec2.CfnSecurityGroup(
            self,
            "StandingGroup",
            group_description="dbrestore workers: out to AWS endpoints",
            vpc_id=self.vpc,
            security_group_egress=[
                ec2.CfnSecurityGroup.EgressProperty(
                    ip_protocol="tcp", from_port=443, to_port=443, cidr_ip="0.0.0.0/0", description="AWS endpoints"
                )
            ],
            tags=[CfnTag(key="dbrestore:standing", value="worker")],
        )

    def _document(self) -> ssm.CfnDocument:
        return ssm.CfnDocument(
            self,
            "JobDocument",
            name=names.JOB_DOCUMENT,
            document_type="Command",
            document_format="JSON",
            content=job_document.content(),
            # A document with a name of its own can't be replaced, only get a new version.
            update_method="NewVersion",
        )

    def _signposts(
        self, role: iam.CfnRole, profile: iam.CfnInstanceProfile, group: ec2.CfnSecurityGroup, document: ssm.CfnDocument
    ) -> None:
        places = {
            "instanceProfileArn": profile.attr_arn,
            "documentName": document.ref,
            "programUri": f"s3://{self.program.s3_bucket_name}/{self.program.s3_object_key}",
        }
        ssm.StringParameter(
            self,
            "Signpost",
            parameter_name=names.TARGET_PARAMETER,
            description="What dbrestore gives a worker in this account and Region",
            string_value=self.to_json_string(places),
        )
        for name, value in {**places, "targetRoleArn": role.attr_arn, "standingGroupId": group.attr_group_id}.items():
            CfnOutput(self, name[0].upper() + name[1:], value=value)
