"""What IAM would say to calls that change or read what no look-up touches, asked before they are made.

IAM's simulation sees identity policies, permissions boundaries and service control policies, but no policy of a key or a bucket: an allowed
call may still be refused, a denied one surely is.
"""

from collections.abc import Iterator, Mapping

from lambdas import names
from lambdas.doctor_findings import Check, Outcome, fine, unseen, wrong
from lambdas.doctor_sides import InstanceSide, TargetSide

GROUP_CALLS = (
    "ec2:CreateSecurityGroup",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupIngress",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:DeleteSecurityGroup",
)
OF_THE_STACK = "deploy the TargetStack of this version again"
DENIED_OTHERWISE = (
    "a permissions boundary or a service control policy of the account denies it: let its owners except the role"
)


def target_role(target: TargetSide) -> Iterator[Outcome]:
    """The calls that make and remove groups and workers, with the tags that they carry."""
    place = target.control.place
    resources = f"arn:{place.partition}:ec2:{place.region}:{place.account}"
    tags = {f"aws:RequestTag/{names.MANAGED}": "true", f"aws:ResourceTag/{names.MANAGED}": "true"}
    role = target.control.target_role_arn
    yield from _simulated(target, role, f"{resources}:security-group/*", GROUP_CALLS, tags)
    yield from _simulated(target, role, f"{resources}:instance/*", ("ec2:TerminateInstances",), tags)


def group_list(patient: InstanceSide) -> Iterator[Outcome]:
    """The one call that changes the instance: its list of security groups."""
    tags = {f"aws:ResourceTag/{tag['Key']}": tag["Value"] for tag in patient.instance.get("TagList", [])}
    arn, role = patient.instance["DBInstanceArn"], patient.target.control.target_role_arn
    yield from _simulated(patient.target, role, arn, ("rds:ModifyDBInstance",), tags)


def worker_role(patient: InstanceSide) -> Iterator[Outcome]:
    """The worker's role may read the master secret and the backups, and write its results."""
    target, settings = patient.target, patient.target.control.surroundings.settings
    if not target.worker_roles:
        yield unseen("there is no worker role, as told above")
        return
    buckets = f"arn:{target.control.place.partition}:s3:::"
    asked = {
        "secretsmanager:GetSecretValue": patient.instance.get("MasterUserSecret", {}).get("SecretArn"),
        "s3:GetObject": f"{buckets}{settings.repository_bucket}/*",
        "s3:PutObject": f"{buckets}{settings.evidence_bucket}/restores/*",
    }
    for action, resource in asked.items():
        if resource:
            yield from _simulated(target, target.worker_roles[0], resource, (action,), {})


def _simulated(
    target: TargetSide, role: str, resource: str, actions: tuple[str, ...], context: Mapping[str, str]
) -> Iterator[Outcome]:
    told = target.iam.simulate_principal_policy(
        PolicySourceArn=role,
        ActionNames=list(actions),
        ResourceArns=[resource],
        ContextEntries=[
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for key, value in context.items()
        ],
    )
    denied = [result for result in told["EvaluationResults"] if result["EvalDecision"] != "allowed"]
    for result in denied:
        mend = OF_THE_STACK if result["EvalDecision"] == "implicitDeny" else DENIED_OTHERWISE
        sentence = f"may not call {result['EvalActionName']} on {resource} ({result['EvalDecision']})"
        yield wrong(sentence, role, mend)
    if not denied:
        yield fine(f"may call {', '.join(actions)} on {resource}", role)


ROLE: Check[TargetSide] = Check("role-permissions", "the target role's permissions", OF_THE_STACK, target_role)
CHECKS: tuple[Check[InstanceSide], ...] = (
    Check("instance-permissions", "the change of the instance's group list", OF_THE_STACK, group_list),
    Check("worker-permissions", "the worker role's permissions", OF_THE_STACK, worker_role),
)
