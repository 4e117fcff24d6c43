"""The calls that change a target, judged as IAM judges them: by the role's policies AND the session's, with the condition keys that the
request has.

| moto 5.2.5 | fixed to |
|---|---|
| whoever asks may call ModifyDBInstance, ModifyDBCluster | `AccessDenied` |
| whoever asks may call RunInstances, CreateSecurityGroup, ModifyInstanceAttribute | `UnauthorizedOperation`, for each resource |

A VPC and its subnets bear the account of their owner, which another account may be: `localcloud.ec2.sharing`. Keys of an account's owner
may do everything. Not judged: images, and other calls (`localcloud.base.callers` lists them, with whoever made them).

RDS's own example policies deny `Bool: {rds:ManageMasterUserPassword: false}` and the like, which does something only if the key is there
when the parameter isn't (Amazon RDS User Guide, "Using condition keys"). No page says so: `fills_keys` is the one world and the other.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.core.exceptions import AccessDeniedError
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.responses.security_groups import SecurityGroups
from moto.rds.responses import RDSResponse

from localcloud.base.corrections import fix
from localcloud.iam import access_policies, roles
from localcloud.iam.access_policies import Question, statements

# Whether RDS gives a key that the request lacks its default.
fills_keys = True
_is_judging = False


def install() -> None:
    """Judge until `shutdown`."""
    global _is_judging
    _is_judging = True
    fix(RDSResponse, "modify_db_instance", _modify_db_instance)
    fix(RDSResponse, "modify_db_cluster", _modify_db_cluster)
    fix(InstanceResponse, "run_instances", _run_instances)
    fix(InstanceResponse, "modify_instance_attribute", _modify_instance_attribute)
    fix(SecurityGroups, "create_security_group", _create_security_group)


def shutdown() -> None:
    """moto alone lets everybody do everything."""
    global _is_judging
    _is_judging = False


def allowed(access_key: str, action: str, resource: str, context: Mapping[str, str]) -> bool:
    """Whether the session that the key is of may do this; the owner's keys may everything."""
    session = roles.session_of(access_key)
    if session is None or not _is_judging:
        return True
    role = roles.find(session.role_arn)
    question = Question(session.role_arn, action, resource, {key.lower(): value for key, value in context.items()})
    policies = [roles.permissions(role) if role else []]
    if session.policy:
        policies.append(statements(session.policy))
    return all(access_policies.lets(question, policy) for policy in policies)


def _modify_db_instance(original: Callable[..., Any], response: Any) -> Any:
    name = str(response.params.get("DBInstanceIdentifier"))
    _require_modification(response, "rds:ModifyDBInstance", f"db:{name}", response.backend.databases.get(name))
    return original(response)


def _modify_db_cluster(original: Callable[..., Any], response: Any) -> Any:
    name = str(response.params.get("DBClusterIdentifier"))
    _require_modification(response, "rds:ModifyDBCluster", f"cluster:{name}", response.backend.clusters.get(name))
    return original(response)


def _require_modification(response: Any, action: str, resource: str, found: Any) -> None:
    """The keys are the same for both (Service Authorization Reference, Amazon RDS). A cluster is judged by its own tags."""
    context = {f"aws:ResourceTag/{tag['Key']}": tag["Value"] for tag in (found.tags if found else [])}
    asked = response.params.get("ManageMasterUserPassword")
    if asked is not None or fills_keys:
        context["rds:ManageMasterUserPassword"] = str(bool(asked)).lower()
    arn = f"arn:aws:rds:{response.region}:{response.current_account}:{resource}"
    if not allowed(response.get_access_key(), action, arn, context):
        session = roles.session_of(response.get_access_key())
        raise AccessDeniedError(session.arn, f"{action} on resource: {arn}")


def _run_instances(original: Callable[..., Any], response: Any) -> Any:
    _require(response, "ec2:RunInstances", _of_a_launch(response))
    return original(response)


def _modify_instance_attribute(original: Callable[..., Any], response: Any) -> Any:
    instance_id = response._get_param("InstanceId")
    tags = response.ec2_backend.describe_tags(filters={"resource-id": [instance_id]})
    resources = [(_arn(response, f"instance/{instance_id}"), {f"aws:ResourceTag/{tag['key']}": tag["value"] for tag in tags})]
    resources += _groups(response, response._get_param("Groups", []))
    _require(response, "ec2:ModifyInstanceAttribute", resources)
    return original(response)


def _create_security_group(original: Callable[..., Any], response: Any) -> Any:
    tags = _request_tags(response, "security-group")
    resources = [(_arn(response, "security-group/*"), tags)]
    # Who names none gets the default one. Nothing of ours relies on it, and people's own keys are not judged.
    if vpc := response._get_param("VpcId"):
        resources.append((_vpc_arn(response, vpc), {}))
    _require(response, "ec2:CreateSecurityGroup", resources)
    return original(response)


Resource = tuple[str, dict[str, str]]


def _of_a_launch(response: Any) -> Iterator[Resource]:
    """What a launch is judged for, each with its keys (Service Authorization Reference, Amazon EC2, RunInstances)."""
    metadata = response._get_param("MetadataOptions", {})
    profile = response._get_param("IamInstanceProfile", {}).get("Arn", "")
    keys = {
        "ec2:MetadataHttpTokens": str(metadata.get("HttpTokens", "optional")),
        "ec2:MetadataHttpPutResponseHopLimit": str(metadata.get("HttpPutResponseHopLimit", 1)),
        "ec2:InstanceProfile": str(profile),
    }
    yield _arn(response, "instance/*"), {**keys, **_request_tags(response, "instance")}
    for mapping in response._get_param("BlockDeviceMappings", []):
        encrypted = str(mapping.get("Ebs", {}).get("Encrypted", "false")).lower()
        yield _arn(response, "volume/*"), {"ec2:Encrypted": encrypted, **_request_tags(response, "volume")}
    for interface in response._get_param("NetworkInterfaces", []):
        public = str(interface.get("AssociatePublicIpAddress", "true")).lower()
        yield (
            _arn(response, "network-interface/*"),
            {"ec2:AssociatePublicIpAddress": public, **_request_tags(response, "network-interface")},
        )
        subnet = response.ec2_backend.get_subnet(interface["SubnetId"])
        yield subnet.arn, {"ec2:Vpc": _vpc_arn(response, subnet.vpc_id)}
        yield from _groups(response, interface.get("Groups", []))


def _groups(response: Any, group_ids: list[str]) -> list[Resource]:
    # Somebody may give the same list again; one that isn't there is refused for that.
    found = filter(None, (response.ec2_backend.get_security_group_from_id(group_id) for group_id in group_ids))
    return [(_arn(response, f"security-group/{one.id}"), {"ec2:Vpc": _vpc_arn(response, one.vpc_id)}) for one in found]


def _request_tags(response: Any, kind: str) -> dict[str, str]:
    tags = response._parse_tag_specification().get(kind, {})
    return {f"aws:RequestTag/{key}": value for key, value in tags.items()}


def _vpc_arn(response: Any, vpc_id: str) -> str:
    return f"arn:aws:ec2:{response.region}:{response.ec2_backend.get_vpc(vpc_id).owner_id}:vpc/{vpc_id}"


def _arn(response: Any, rest: str) -> str:
    return f"arn:aws:ec2:{response.region}:{response.current_account}:{rest}"


def _require(response: Any, action: str, resources: Any) -> None:
    """The whole call or nothing: every resource of it must be allowed."""
    key = response.get_access_key()
    for resource, context in resources:
        if not allowed(key, action, resource, {"aws:RequestedRegion": response.region, **context}):
            raise EC2ClientError(
                "UnauthorizedOperation",
                f"You are not authorized to perform this operation. User: {roles.session_of(key).arn} is not authorized to perform: "
                f"{action} on resource: {resource} because no identity-based policy allows the {action} action.",
            )
