"""The control account's half: state machine, functions, ledger, repository, evidence."""

from pathlib import Path
from typing import Any

from aws_cdk import ArnFormat, Aws, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_ssm as ssm
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from dbrestore.contract.adoption.rules import AdoptionRule
from dbrestore.contract.allowed.reading_places import ReadingPlace
from infrastructure import adoption, answers, drills, encryption, in_place, names
from infrastructure.acknowledged import acknowledge, acknowledge_wildcards, wildcard
from infrastructure.alarms import Watched, alarms, undelivered, undelivered_of_lambda
from infrastructure.api import http_api
from infrastructure.buckets import Keeping, access_log_bucket, evidence_bucket, repository_bucket, require_names
from infrastructure.bundles import dependency_layer, function_code
from infrastructure.dashboard import dashboard
from infrastructure.dependencies import ROOT
from infrastructure.functions import FUNCTIONS, Function
from infrastructure.ledger_table import ledger_table
from infrastructure.occasions import Occasions
from infrastructure.settings import Settings
from infrastructure.statements import Statement, policy, session_policy
from infrastructure.telling import topic_for_people
from lambdas.configuration import adoption as adoption_configuration
from lambdas.configuration import drills as drill_configuration
from lambdas.configuration import in_place as in_place_configuration

OF_FUNCTIONS = {
    "CKV_AWS_115": "reserving fails where the account's quota is 10 executions at once; a restore waits when it is throttled",
    "CKV_AWS_116": "what the event bus calls has a queue; Step Functions calls the others and hears every error",
    "CKV_AWS_117": "it calls AWS' own endpoints with IAM's checks; in a VPC it would need a way out, and reach databases",
    "CKV_AWS_173": "its environment holds names, no secrets; Lambda encrypts it with a key of its own",
    "L1": "the Python that the layer is made for: docs/decisions.md, D6",
}
OF_LOGS = {"CKV_AWS_158": "logs hold no rows and no secrets; CloudWatch encrypts them with a key of its own"}
DEFINITION = ROOT / "statemachine" / "restore_databases.asl.json"


class ControlStack(Stack):
    """Deploy once. The ledger, the repository, the evidence and their key stay when the stack is deleted."""

    def __init__(self, scope: Construct, id_: str, *, settings: Settings, **options: Any) -> None:
        super().__init__(scope, id_, description="dbrestore: restores databases into running RDS instances", **options)
        self.prefix = settings.prefix
        self.external_id = settings.external_id
        self.target_accounts = settings.target_accounts
        self.tracing, self.swap_keep_days = settings.tracing, settings.swap_keep_days
        self.configurations = (
            settings.worker_configuration,
            settings.extension_configuration,
            settings.sqlserver_configuration,
            settings.credential_configuration,
            settings.drill_configuration,
            settings.access_configuration,
            settings.adoption_configuration,
        )
        self.adopted, self.read_in_place, self.copied_from = _declared(settings)
        require_names(self)
        self.ledger = ledger_table(self, settings.prefix)
        self.key = encryption.key(self, settings)
        keeping = Keeping(self.key, access_log_bucket(self, self.prefix), self.prefix)
        self.repository = repository_bucket(self, settings.target_accounts, keeping, settings.repository_lock_days)
        self.evidence = evidence_bucket(self, settings.target_accounts, keeping, settings.evidence_lock_days)
        # Built from its name: the functions name the machine and the machine names the functions.
        self.machine_arn = self.format_arn(
            service="states",
            resource="stateMachine",
            resource_name=self._named(names.STATE_MACHINE),
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        self.undelivered = undelivered(self, self.prefix)
        self.api = http_api(self, settings)
        self.functions = self._functions()
        self.machine = self._machine(DEFINITION)
        self.api_url = self.api.url(self.api.serve(self.functions["AnswerApi"])) if self.api else None
        self._hearing()
        self._watching(settings)
        if settings.permissions_boundary:
            boundary = iam.ManagedPolicy.from_managed_policy_arn(self, "Boundary", settings.permissions_boundary)
            iam.PermissionsBoundary.of(self).apply(boundary)
        self._signposts()

    def _named(self, name: str) -> str:
        return names.of(self.prefix, name)

    def _functions(self) -> dict[str, lambda_.Function]:
        code = lambda_.Code.from_asset(str(function_code(*self.configurations)))
        layer = lambda_.LayerVersion(
            self,
            "Dependencies",
            code=lambda_.Code.from_asset(str(dependency_layer())),
            compatible_runtimes=[lambda_.Runtime.PYTHON_3_13],
            compatible_architectures=[lambda_.Architecture.X86_64],
        )
        wanted = [row for row in FUNCTIONS if (self.api or not row.answers_api) and (self.adopted or not row.adopts)]
        return {row.state: self._function(row, code, layer) for row in wanted}

    def _function(self, row: Function, code: lambda_.Code, layer: lambda_.LayerVersion) -> lambda_.Function:
        name = self._named(names.function(row.state))
        log_group = logs.LogGroup(
            self,
            f"{row.state}Logs",
            log_group_name=f"/aws/lambda/{name}",
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(log_group, OF_LOGS)
        function = lambda_.Function(
            self,
            row.state,
            function_name=name,
            description=f"dbrestore: {row.state}",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.X86_64,
            handler=row.handler,
            code=code,
            layers=[layer],
            role=self._function_role(row, log_group),
            timeout=Duration.seconds(row.timeout),
            memory_size=row.memory,
            environment=self._environment(row),
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            tracing=lambda_.Tracing.ACTIVE if self.tracing else lambda_.Tracing.DISABLED,
            # A restore keeps the code that it began with, for days: an execution's definition names versions, and they stay.
            current_version_options=lambda_.VersionOptions(removal_policy=RemovalPolicy.RETAIN),
        )
        acknowledge(function, OF_FUNCTIONS)
        return function

    def _function_role(self, row: Function, log_group: logs.LogGroup) -> iam.Role:
        write_log = Statement(("logs:CreateLogStream", "logs:PutLogEvents"), (log_group.log_group_arn,))
        of_the_key = encryption.statements(row.control, self.key)
        document = policy((write_log, *row.own_statements, *of_the_key), self._places())
        role = iam.Role(
            self,
            f"{row.state}Role",
            role_name=f"{self._named(names.FUNCTION_ROLE)}-{row.state}-{Aws.REGION}",
            description=f"dbrestore: what {row.state} may do in the control account",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"control": iam.PolicyDocument.from_json(document)},
        )
        acknowledge_wildcards(role, row.own_statements, self._places())
        if self.tracing:
            acknowledge(role, {"IAM5[Resource::*]": "of the CDK: IAM knows no resource for traces"})
        return role

    def _places(self) -> dict[str, str | tuple[str, ...]]:
        return {
            "partition": Aws.PARTITION,
            "prefix": self.prefix,
            "region": Aws.REGION,
            "account": Aws.ACCOUNT_ID,
            "target_account": (Aws.ACCOUNT_ID, *self.target_accounts),
            "ledger": self.ledger.table_arn,
            "repository": self.repository.bucket_name,
            "evidence": self.evidence.bucket_name,
            "undelivered": self.undelivered.queue_arn,
            "hook_secret": self.api.hook_secrets if self.api else (),
            **adoption.places(self.adopted, self.repository.bucket_name),
            **in_place.places(self.read_in_place),
            **in_place.copied(self.copied_from),
        }

    def _environment(self, row: Function) -> dict[str, str]:
        return {
            "LEDGER_TABLE": self.ledger.table_name,
            "REPOSITORY_BUCKET": self.repository.bucket_name,
            "EVIDENCE_BUCKET": self.evidence.bucket_name,
            "STATE_MACHINE_ARN": self.machine_arn,
            # Role names are unique per account, so a TargetStack's role ends in its Region; the function puts the target's there.
            "TARGET_ROLE_NAME": f"{self._named(names.TARGET_ROLE)}-{{region}}",
            "EXTERNAL_ID": self.external_id,
            "METRICS": self.prefix,
            "TARGET_POLICY": session_policy(row.target),
            "TARGET_ACCOUNTS": ",".join(self.target_accounts),
            **({"SWAP_KEEP_DAYS": str(self.swap_keep_days)} if row.state == "PlanRestore" else {}),
            **({"TRACING": "on"} if self.tracing else {}),
            **({"API_CALLERS": self.api.environment()} if self.api and row.answers_api else {}),
        }

    def _machine(self, definition: Path) -> sfn.StateMachine:
        role = iam.Role(
            self,
            "MachineRole",
            role_name=f"{self._named(names.PREFIX)}-machine-{Aws.REGION}",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
        )
        text = definition.read_text()
        steps = {state: function for state, function in self.functions.items() if f"${{{state}}}" in text}
        # Also the versions of earlier deployments, which restores call that were running then.
        arns = [arn for function in steps.values() for arn in (function.function_arn, f"{function.function_arn}:*")]
        role.add_to_policy(iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=arns))
        acknowledge(role, {wildcard(role, arn): "versions have numbers that aren't known yet" for arn in arns if arn.endswith(":*")})
        acknowledge(role, {"IAM5[Resource::*]": "of the CDK: IAM knows no resource for the delivery of logs and traces"})
        machine = sfn.StateMachine(
            self,
            "RestoreDatabases",
            state_machine_name=self._named(names.STATE_MACHINE),
            definition_body=sfn.DefinitionBody.from_string(text),
            definition_substitutions={state: function.current_version.function_arn for state, function in steps.items()},
            role=role,
            tracing_enabled=self.tracing,
            logs=sfn.LogOptions(
                destination=self._machine_logs(),
                level=sfn.LogLevel.ERROR,
                include_execution_data=False,
            ),
        )
        machine.apply_removal_policy(RemovalPolicy.DESTROY)
        unlogged = "errors alone: Step Functions keeps all events of an execution for 90 days, and the report what matters of them"
        acknowledge(machine, {"SF1": unlogged, "SF2": "traces cost money: the context's `tracing` switches them on"})
        return machine

    def _machine_logs(self) -> logs.LogGroup:
        group = logs.LogGroup(
            self,
            "MachineLogs",
            log_group_name=f"/aws/vendedlogs/states/{self._named(names.STATE_MACHINE)}",
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(group, OF_LOGS)
        return group

    def _hearing(self) -> None:
        """What calls functions besides the flow, and what becomes of events that no function takes."""
        Occasions(self, self.functions, self.machine_arn, self.repository, self.undelivered).all()
        adoption.listening(self, self.adopted, self.functions, self.undelivered)
        hearing = {row.state: self.functions[row.state] for row in FUNCTIONS if row.hears_events and row.state in self.functions}
        undelivered_of_lambda(self, hearing, self.undelivered)

    def _watching(self, settings: Settings) -> None:
        """The schedules of drills, and who is told of what goes wrong and of what ended."""
        declared = drill_configuration.read(settings.drill_configuration).drills
        undelivered_drills = drills.scheduled(self, self.prefix, declared, self.machine)
        not_told = answers.answered(self, settings)
        sweeper, adopts = self.functions["SweepLedger"], bool(self.adopted)
        watched = Watched(self.prefix, self.machine, sweeper, self.undelivered, undelivered_drills, not_told, adopts)
        self.alarms = alarms(self, watched, settings.alarm_addresses)
        self.restores = topic_for_people(self, self.prefix, settings.restore_addresses, self.undelivered)
        adoption.told_to_people(self, self.adopted, self.restores, self.machine_arn, self.undelivered)
        if settings.dashboard:
            dashboard(self, watched)

    def _signposts(self) -> None:
        places = {
            "stateMachineArn": self.machine_arn,
            "ledgerTable": self.ledger.table_name,
            "repositoryBucket": self.repository.bucket_name,
            "evidenceBucket": self.evidence.bucket_name,
        }
        asked = {row.state: self._named(names.function(row.state)) for row in FUNCTIONS if row.answers_commands}
        ssm.StringParameter(
            self,
            "Signpost",
            parameter_name=self._named(names.CONTROL_PARAMETER),
            # With many places it has more than the 4,096 characters that cost nothing.
            tier=ssm.ParameterTier.INTELLIGENT_TIERING,
            description="Where the dbrestore command finds its parts",
            string_value=self.to_json_string({**places, "functions": asked, **self._told_besides()}),
        )
        for name, value in places.items():
            CfnOutput(self, name[0].upper() + name[1:], value=value)

    def _told_besides(self) -> dict[str, object]:
        """What an installation may lack."""
        told = {
            "apiUrl": self.api_url,
            "placesInPlace": [place.uri for place in self.read_in_place if not place.copy_only],
            "placesCopied": list(dict.fromkeys(place.uri for place in self.copied_from if place.copy_only)),
        }
        return {name: value for name, value in told.items() if value}


def _declared(settings: Settings) -> tuple[tuple[AdoptionRule, ...], tuple[ReadingPlace, ...], tuple[ReadingPlace, ...]]:
    """What arrives where, what is declared, and from where executions copy."""
    adopted = adoption_configuration.read(settings.adoption_configuration).rules
    places = in_place_configuration.read(settings.in_place_configuration).places
    adoption_configuration.require_places(adopted, places)
    return adopted, places, in_place.copied_from(places, adopted)
