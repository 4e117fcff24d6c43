"""A target account and Region's half: the role that the functions assume, and what a worker needs to stand there.

Nothing is imported from the ControlStack: its names follow from the control account and Region, so the same template serves the same
account and any other one. Names of IAM roles end in the Region: they are one space per account, and every Region has a stack of its own.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_cdk import Acknowledgment, Aws, CfnCondition, CfnOutput, CfnParameter, CfnTag, Fn, Stack, Validations
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from dbrestore.contract.deployed import job_document
from dbrestore.contract.names import standing
from infrastructure import in_place, names
from infrastructure import permissions as may
from infrastructure.acknowledged import acknowledge_wildcards
from infrastructure.bundles import worker_program
from infrastructure.dependencies import ROOT
from infrastructure.functions import FUNCTIONS
from infrastructure.settings import CREDENTIAL_PREFIX, EXTERNAL_ID, IAM_USER, KEY_ARN, POLICY_ARN
from infrastructure.statements import Places, Statement, policy
from lambdas.configuration import in_place as in_place_configuration

# CloudFormation has no loops without a transform, which StackSets of an organisation refuse: each VPC is a parameter of its own.
MOST_VPCS = 4
OF_THE_CONTROL_STACK = "Of the ControlStack; empty: the same as this stack's"


@dataclass(frozen=True)
class Program:
    """Where the zip file of the worker's program lies."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """What a worker is told to fetch when it boots."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def arn(self) -> str:
        """What a worker's role may read."""
        return f"arn:{Aws.PARTITION}:s3:::{self.bucket}/{self.key}"


class TargetStack(Stack):
    """Deploy once per account and Region.

    Parameters: `VpcId` and `VpcId2` to `VpcId4` (of the DB instances), `ControlAccount` and `ControlRegion` (empty: the same as here),
    `ExternalId` (as in the ControlStack), `CredentialPrefix` and `IamUser` (what workers log in with), `PermissionsBoundary` (empty: none),
    `EncryptionKey` (of the ControlStack's buckets) and `VolumeKey` (of workers; both empty: any).
    `program_key`: the program lies there in the control account's evidence bucket, and the parameter `ProgramKey` may name another; None:
    the CDK publishes it as an asset of the stack.
    """

    def __init__(self, scope: Construct, id_: str, *, program_key: str | None = None, **options: Any) -> None:
        super().__init__(scope, id_, description="dbrestore: what restores need beside the DB instances", **options)
        self.prefix = str(self.node.try_get_context("prefix") or names.PRODUCT)
        self.control_account = self._or("ControlAccount", Aws.ACCOUNT_ID, r"^(\d{12})?$", OF_THE_CONTROL_STACK)
        self.control_region = self._or("ControlRegion", Aws.REGION, r"^([a-z]{2,4}(-[a-z]+)+-\d)?$", OF_THE_CONTROL_STACK)
        self.external_id = self._external_id()
        self.credential_prefix = self._credential_prefix()
        self.iam_user = self._iam_user()
        boundary = "The ARN of the policy that bounds the roles of this stack, or empty"
        self.permissions_boundary = self._or("PermissionsBoundary", Aws.NO_VALUE, rf"^({POLICY_ARN})?$", boundary)
        self.repository_keys = self._repository_keys()
        any_volume = f"arn:{Aws.PARTITION}:kms:{Aws.REGION}:*:key/*"
        self.volume_keys = self._or("VolumeKey", any_volume, rf"^({KEY_ARN})?$", "The ARN of the one key of workers' volumes, or empty")
        self.vpcs = self._vpcs()
        given = self.node.try_get_context("inPlaceConfiguration") or in_place_configuration.DEPLOYED
        self.read_in_place = in_place_configuration.read(ROOT / given).places
        self.evidence = names.bucket(self._named(names.EVIDENCE_BUCKET), self.control_account, self.control_region)
        self.program = self._program_at(program_key) if program_key else self._published(worker_program())
        role = self._target_role()
        profile = self._instance_profile()
        self._standing_groups()
        document = self._document()
        self._signposts(role, profile, document)

    def _named(self, name: str) -> str:
        return names.of(self.prefix, name)

    def _or(self, name: str, otherwise: str, pattern: str, description: str, default: str = "") -> str:
        """A parameter that may be left empty, with what it then means."""
        parameter = CfnParameter(self, name, default=default, allowed_pattern=pattern, description=description)
        empty = CfnCondition(self, f"No{name}", expression=Fn.condition_equals(parameter.value_as_string, ""))
        return Fn.condition_if(empty.logical_id, otherwise, parameter.value_as_string).to_string()

    def _vpcs(self) -> tuple[str, ...]:
        """A VPC that is not given is the first once more: a policy that names it twice allows the same."""
        first = CfnParameter(self, "VpcId", type="AWS::EC2::VPC::Id", description="A VPC of DB instances")
        others = (
            self._or(f"VpcId{number}", first.value_as_string, r"^(vpc-[0-9a-f]+)?$", "Another one, or empty")
            for number in range(2, MOST_VPCS + 1)
        )
        return (first.value_as_string, *others)

    def _external_id(self) -> str:
        return CfnParameter(
            self,
            "ExternalId",
            default=self.node.try_get_context("externalId"),
            allowed_pattern=EXTERNAL_ID,
            description="The same as the ControlStack's context value externalId",
        ).value_as_string

    def _credential_prefix(self) -> str:
        """Without one it is the prefix of what workers may read anyway: a policy that names it twice allows the same."""
        default, told = (
            self.node.try_get_context("credentialPrefix") or "",
            "How the names of secrets begin that workers may read, or empty",
        )
        return self._or("CredentialPrefix", names.MANAGED_SECRETS, CREDENTIAL_PREFIX, told, default)

    def _repository_keys(self) -> str:
        anyone = f"arn:{Aws.PARTITION}:kms:*:{self.control_account}:key/*"
        asked = str(self.node.try_get_context("encryptionKey") or "")
        told = "The ARN of the KMS key of the ControlStack's buckets, or empty: any of the control account's"
        return self._or("EncryptionKey", anyone, rf"^({KEY_ARN})?$", told, asked if asked.startswith("arn:") else "")

    def _iam_user(self) -> str:
        default = self.node.try_get_context("iamUser")
        return CfnParameter(
            self,
            "IamUser",
            default=names.DEFAULT_IAM_USER if default is None else default,
            allowed_pattern=IAM_USER,
            description="The user of PostgreSQL databases as whom workers log in with tokens of IAM, or empty",
        ).value_as_string

    def _program_at(self, default: str) -> Program:
        key = CfnParameter(
            self,
            "ProgramKey",
            default=default,
            allowed_pattern=rf"^{names.PROGRAMS}[0-9a-f]{{64}}\.zip$",
            description="The worker's program in the evidence bucket of the ControlStack",
        )
        return Program(self.evidence, key.value_as_string)

    def _published(self, program: Path) -> Program:
        asset = assets.Asset(self, "WorkerProgram", path=str(program))
        return Program(asset.s3_bucket_name, asset.s3_object_key)

    def _target_role(self) -> iam.CfnRole:
        statements = [statement for row in FUNCTIONS for statement in row.target]
        return self._role("TargetRole", self._named(names.TARGET_ROLE), self._trust_in_functions(), statements)

    def _trust_in_functions(self) -> dict[str, Any]:
        control = f"arn:{Aws.PARTITION}:iam::{self.control_account}"
        function_roles = f"{control}:role/{self._named(names.FUNCTION_ROLE)}-*-{self.control_region}"
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
        role = self._role("WorkerRole", self._named(names.WORKER_ROLE), trust, list(may.WORKER))
        return iam.CfnInstanceProfile(
            self, "WorkerProfile", instance_profile_name=f"{self._named(names.WORKER_ROLE)}-{Aws.REGION}", roles=[role.ref]
        )

    def _role(self, id_: str, name: str, trust: dict[str, Any], statements: list[Statement]) -> iam.CfnRole:
        made = iam.CfnRole(
            self,
            id_,
            role_name=f"{name}-{Aws.REGION}",
            assume_role_policy_document={"Version": "2012-10-17", "Statement": [trust]},
            permissions_boundary=self.permissions_boundary,
            policies=[iam.CfnRole.PolicyProperty(policy_name=name, policy_document=policy(statements, self._places()))],
        )
        acknowledge_wildcards(made, statements, self._places())
        # It checks the parameter's default, which stands for no boundary.
        Validations.of(made).acknowledge(Acknowledgment(id="CloudFormation-Validate::F3033", reason="empty: no boundary"))
        return made

    def _places(self) -> Places:
        return {
            "partition": Aws.PARTITION,
            "region": Aws.REGION,
            "account": Aws.ACCOUNT_ID,
            "control": self.control_account,
            "control_region": self.control_region,
            "prefix": self.prefix,
            "vpc": self.vpcs,
            "repository": names.bucket(self._named(names.REPOSITORY_BUCKET), self.control_account, self.control_region),
            "evidence": self.evidence,
            "program": self.program.arn,
            "repository_keys": self.repository_keys,
            "volume_keys": self.volume_keys,
            "credential_prefix": self.credential_prefix,
            "iam_user": self.iam_user,
            **in_place.places(self.read_in_place),
        }

    def _standing_groups(self) -> None:
        """What every worker of a VPC has besides its own pair: a way out to the AWS endpoints, no way in."""
        self._standing_group("StandingGroup", "VpcId")
        for number in range(2, MOST_VPCS + 1):
            name = f"VpcId{number}"
            given = Fn.condition_not(Fn.condition_equals(Fn.ref(name), ""))
            group = self._standing_group(f"StandingGroup{number}", name)
            group.cfn_options.condition = CfnCondition(self, f"Has{name}", expression=given)
            # Both check the parameter's default, for which the group is not made.
            Validations.of(group).acknowledge(Acknowledgment(id="CloudFormation-Validate::E1151", reason="not made"))
            group.add_metadata("cfn-lint", {"config": {"ignore_checks": ["E1151"]}})

    def _standing_group(self, id_: str, parameter: str) -> ec2.CfnSecurityGroup:
        return ec2.CfnSecurityGroup(
            self,
            id_,
            group_description="dbrestore workers: out to AWS endpoints",
            vpc_id=Fn.ref(parameter),
            security_group_egress=[
                ec2.CfnSecurityGroup.EgressProperty(
                    ip_protocol="tcp", from_port=443, to_port=443, cidr_ip="0.0.0.0/0", description="AWS endpoints"
                )
            ],
            tags=[CfnTag(key="dbrestore:standing", value=standing(self.prefix))],
        )

    def _document(self) -> ssm.CfnDocument:
        return ssm.CfnDocument(
            self,
            "JobDocument",
            name=self._named(names.JOB_DOCUMENT),
            document_type="Command",
            document_format="JSON",
            content=job_document.content(),
            # A document with a name of its own can't be replaced, only get a new version.
            update_method="NewVersion",
        )

    def _signposts(self, role: iam.CfnRole, profile: iam.CfnInstanceProfile, document: ssm.CfnDocument) -> None:
        places = {
            "instanceProfileArn": profile.attr_arn,
            "documentName": document.ref,
            "programUri": self.program.uri,
        }
        ssm.StringParameter(
            self,
            "Signpost",
            parameter_name=self._named(names.TARGET_PARAMETER),
            description="What dbrestore gives a worker in this account and Region",
            string_value=self.to_json_string({**places, "credentialPrefix": Fn.ref("CredentialPrefix"), "iamUser": self.iam_user}),
        )
        for name, value in {**places, "targetRoleArn": role.attr_arn}.items():
            CfnOutput(self, name[0].upper() + name[1:], value=value)
