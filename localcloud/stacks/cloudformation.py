"""CloudFormation: the application's synthesised templates are deployed as they are.

moto knows most of their resource types; the missing ones are added here, and a type that neither knows is refused before anything is made:
moto would leave it out and go on.

| moto 5.2.5 | fixed to |
|---|---|
| a security group keeps the rule "everything out" beside those of the template | it has the template's rules only |
| no schedules, CDK metadata, bucket policies | there; `localcloud.s3.accounts` judges the policies, where another account asks |
| layers stay when their stack is deleted | they go |
| no alarms, policies of queues and topics, asynchronous invocations' destinations | there; no metric ever reaches an alarm |

Left out without a word, as the product doesn't rely on it: a function's layers and log format.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from moto.awslambda.models import LayerVersion, lambda_backends
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.core.common_models import CloudFormationModel
from moto.ec2.models.security_groups import SecurityGroup

from localcloud.base.clients import HOME, Clients, Place
from localcloud.base.corrections import add, fix
from localcloud.flow import connections
from localcloud.gateway import templates as gateway
from localcloud.gateway import user_pool_templates as user_pools
from localcloud.server import LocalCloudError
from localcloud.stacks import protections

# What `cdk bootstrap` leaves behind and every template asks for (AWS CDK developer guide, "Bootstrapping").
BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
BOOTSTRAP_VERSION = "30"

_clients: Clients | None = None
_types: list[type] = []


@dataclass(frozen=True)
class Stack:
    """One template of a cloud assembly, by the name of its stack."""

    name: str
    template: Path


def install(clients: Clients) -> None:
    """Add the missing resource types; they're made with `clients`."""
    global _clients
    _clients = clients
    if not _types:
        # moto finds them as subclasses, which Python forgets unless somebody keeps them.
        _types.extend(_added_type(kind, *made) for kind, made in {**_ADDED, **gateway.ADDED, **user_pools.ADDED}.items())
    gateway.install(clients)
    user_pools.install(clients)
    fix(SecurityGroup, "create_from_cloudformation_json", _group_with_its_rules)
    add(LayerVersion, "delete", _delete_layer)
    protections.install()
    for cache in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        cache.cache_clear()


def _group_with_its_rules(original: Any, name: str, description: Any, account: str, region: str, **more: Any) -> Any:
    group = original(name, description, account, region, **more)
    rules = [_permission(rule) for rule in description["Properties"].get("SecurityGroupEgress", [])]
    if rules:
        ec2 = _made_with().client("ec2", place=Place(account, region))
        everything = ec2.describe_security_groups(GroupIds=[group.id])["SecurityGroups"][0]["IpPermissionsEgress"]
        ec2.revoke_security_group_egress(GroupId=group.id, IpPermissions=everything)
        ec2.authorize_security_group_egress(GroupId=group.id, IpPermissions=rules)
    return group


def _delete_layer(layer: LayerVersion, account: str, region: str) -> None:
    lambda_backends[account][region].delete_layer_version(layer.name, layer.version)


def _permission(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule of a template as the EC2 API has it. Only address ranges: a rule that names a group is a resource of its own."""
    target = {"CidrIp": rule["CidrIp"], "Description": rule.get("Description", "")}
    return {
        "IpProtocol": rule["IpProtocol"],
        "FromPort": rule["FromPort"],
        "ToPort": rule["ToPort"],
        "IpRanges": [target],
    }


def _made_with() -> Clients:
    assert _clients is not None  # noqa: S101 - install() sets it before any stack exists
    return _clients


def bootstrap(clients: Clients, place: Place = HOME) -> None:
    """What `cdk bootstrap` does to an account and Region, as far as a template asks for it."""
    clients.client("ssm", place=place).put_parameter(Name=BOOTSTRAP_PARAMETER, Value=BOOTSTRAP_VERSION, Type="String", Overwrite=True)


def deploy(clients: Clients, stack: Stack, parameters: dict[str, str], place: Place = HOME) -> None:
    """Create the stack and everything in it there. Raises LocalCloudError naming what can't be made."""
    template = json.loads(stack.template.read_text())
    _refuse_unknown_types(stack, template)
    declared = template.get("Parameters", {})
    formation = clients.client("cloudformation", place=place)
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items() if key in declared]
    try:
        formation.create_stack(StackName=stack.name, TemplateBody=json.dumps(template), Parameters=given)
    except (ClientError, ResponseParserError) as error:
        raise LocalCloudError(f"The stack {stack.name} could not be deployed, see server.log: {error}") from error
    status = formation.describe_stacks(StackName=stack.name)["Stacks"][0]["StackStatus"]
    if status != "CREATE_COMPLETE":
        raise LocalCloudError(f"The stack {stack.name} could not be deployed: it is {status}.")


def _refuse_unknown_types(stack: Stack, template: dict[str, Any]) -> None:
    types = {resource["Type"] for resource in template["Resources"].values()}
    unknown = sorted(types - parsing.get_model_map().keys())
    if unknown:
        raise LocalCloudError(f"The local cloud has no {', '.join(unknown)}, which the template of {stack.name} asks for.")


def _make_nothing(properties: dict[str, Any], name: str, place: Place) -> dict[str, str]:
    return {}


def _make_bucket_policy(properties: dict[str, Any], name: str, place: Place) -> dict[str, str]:
    _made_with().client("s3", place=place).put_bucket_policy(Bucket=properties["Bucket"], Policy=json.dumps(properties["PolicyDocument"]))
    return {}


def _make_schedule(properties: dict[str, Any], name: str, place: Place) -> dict[str, str]:
    # The names of a template are those of the call.
    made = _made_with().client("scheduler", place=place).create_schedule(**{"Name": name, **properties})
    return {"Arn": made["ScheduleArn"]}


def _make_schedule_group(properties: dict[str, Any], name: str, place: Place) -> dict[str, str]:
    made = _made_with().client("scheduler", place=place).create_schedule_group(Name=name)
    return {"Arn": made["ScheduleGroupArn"]}


def _make_alarm(properties: dict[str, Any], name: str, place: Place) -> dict[str, str]:
    cloudwatch = _made_with().client("cloudwatch", place=place)
    cloudwatch.put_metric_alarm(**properties)
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[properties["AlarmName"]])["MetricAlarms"]
    return {"Arn": alarm["AlarmArn"]}


def _make_queue_policy(properties: dict[str, Any], name: str, place: Place) -> dict[str, str]:
    for url in properties["Queues"]:
        document = json.dumps(properties["PolicyDocument"])
        _made_with().client("sqs", place=place).set_queue_attributes(QueueUrl=url, Attributes={"Policy": document})
    return {}


def _make_topic_policy(properties: dict[str, Any], name: str, place: Place) -> dict[str, str]:
    for arn in properties["Topics"]:
        document = json.dumps(properties["PolicyDocument"])
        _made_with().client("sns", place=place).set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=document)
    return {}


def _make_event_invoke_config(properties: dict[str, Any], name: str, place: Place) -> dict[str, str]:
    _made_with().client("lambda", place=place).put_function_event_invoke_config(**properties)
    return {}


def _make_connection(properties: dict[str, Any], name: str, place: Place) -> dict[str, str]:
    return connections.make_connection(_made_with(), properties, name, place)


def _make_api_destination(properties: dict[str, Any], name: str, place: Place) -> dict[str, str]:
    return connections.make_api_destination(_made_with(), properties, name, place)


# Resource type: the property that names it, and the call that makes it and returns its attributes. An attribute `Ref` is what `Ref` gives,
# where that isn't the name.
_ADDED: dict[str, tuple[str, Callable[[dict[str, Any], str, Place], dict[str, str]]]] = {
    "AWS::CDK::Metadata": ("", _make_nothing),
    "AWS::CloudWatch::Alarm": ("AlarmName", _make_alarm),
    "AWS::Events::ApiDestination": ("", _make_api_destination),
    "AWS::Events::Connection": ("", _make_connection),
    "AWS::Lambda::EventInvokeConfig": ("", _make_event_invoke_config),
    "AWS::S3::BucketPolicy": ("", _make_bucket_policy),
    "AWS::SNS::TopicPolicy": ("", _make_topic_policy),
    "AWS::SQS::QueuePolicy": ("", _make_queue_policy),
    "AWS::Scheduler::Schedule": ("Name", _make_schedule),
    "AWS::Scheduler::ScheduleGroup": ("Name", _make_schedule_group),
}


def _remove_alarm(name: str, place: Place) -> None:
    _made_with().client("cloudwatch", place=place).delete_alarms(AlarmNames=[name])


def _remove_schedule(name: str, place: Place) -> None:
    _made_with().client("scheduler", place=place).delete_schedule(Name=name)


_REMOVED: dict[str, Callable[[str, Place], None]] = {
    "AWS::CloudWatch::Alarm": _remove_alarm,
    "AWS::Scheduler::Schedule": _remove_schedule,
    **gateway.REMOVED,
    **user_pools.REMOVED,
}


def _added_type(kind: str, name_property: str, make: Callable[[dict[str, Any], str, Place], dict[str, str]]) -> type:
    class Added(CloudFormationModel):  # type: ignore[misc]
        def __init__(self, name: str, attributes: dict[str, str]) -> None:
            self.physical_resource_id = name
            self.attributes = attributes

        @staticmethod
        def cloudformation_name_type() -> str:
            return name_property

        @staticmethod
        def cloudformation_type() -> str:
            return kind

        @classmethod
        def create_from_cloudformation_json(
            cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
        ) -> Any:
            made = make(cloudformation_json["Properties"], resource_name, Place(account_id, region_name))
            return cls(made.pop("Ref", resource_name), made)

        @classmethod
        def delete_from_cloudformation_json(cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str) -> None:
            """What hangs on another resource goes with it."""
            if kind in _REMOVED:
                _REMOVED[kind](resource_name, Place(account_id, region_name))

        @classmethod
        def has_cfn_attr(cls, attr: str) -> bool:
            return True

        def get_cfn_attribute(self, attribute_name: str) -> str:
            if attribute_name not in self.attributes:
                raise UnformattedGetAttTemplateException
            return self.attributes[attribute_name]

    return Added
