"""What IAM would say to calls that change or read what no look-up touches, asked before they are made.

IAM's simulation sees identity policies, permissions boundaries and service control policies, but no policy of a key or a bucket: an allowed
call may still be refused, a denied one surely is.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from dbrestore.contract import names
from dbrestore.contract.errors import CredentialsNotUsable
from lambdas.doctor.findings import Check, Outcome, fine, unseen, wrong
from lambdas.doctor.sides import InstanceSide, TargetSide
from lambdas.lookup import clusters

GROUP_CALLS = (
    "ec2:CreateSecurityGroup",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupIngress",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:DeleteSecurityGroup",
)
OF_THE_STACK = "deploy the TargetStack of this version again"


def target_role(target: TargetSide) -> Iterator[Outcome]:
    """The calls that make and remove groups and workers, with the tags that they carry."""
    place, role = target.control.place, target.control.target_role_arn
    resources = f"arn:{place.partition}:ec2:{place.region}:{place.account}"
    tagged = _tagged(names.installation(target.control.surroundings.settings.state_machine_arn))
    yield from simulated(target, role, f"{resources}:security-group/*", GROUP_CALLS, tagged)
    yield from simulated(target, role, f"{resources}:instance/*", ("ec2:TerminateInstances",), tagged)
    # Allowed by many conditions together, which can't all be told to the simulation: only what forbids them counts.
    yield from simulated(target, role, f"{resources}:instance/*", ("ec2:RunInstances",), tagged, if_forbidden=True)
    passed = {"iam:PassedToService": "ec2.amazonaws.com"}
    for worker in target.worker_roles:
        yield from simulated(target, role, worker, ("iam:PassRole",), passed)


def _tagged(installation: str) -> dict[str, str]:
    tags = {names.MANAGED: "true", names.INSTALLATION: installation}
    return {f"aws:{place}Tag/{key}": value for place in ("Request", "Resource") for key, value in tags.items()}


def group_list(patient: InstanceSide) -> Iterator[Outcome]:
    """The one call that changes the instance or the cluster: its list of security groups."""
    tags = {f"aws:ResourceTag/{tag['Key']}": tag["Value"] for tag in patient.instance.get("TagList", [])}
    arn, role = patient.instance["DBInstanceArn"], patient.target.control.target_role_arn
    action = "rds:ModifyDBCluster" if clusters.is_cluster(arn) else "rds:ModifyDBInstance"
    # Whether RDS fills in the key of a parameter that a request lacks is not documented, so the call must be allowed in either case.
    for filled in ({}, {"rds:ManageMasterUserPassword": "false"}):
        yield from simulated(patient.target, role, arn, (action,), tags, filled)


def worker_role(patient: InstanceSide) -> Iterator[Outcome]:
    """The worker's role may read the secret, or log in by IAM, and read the backups, and write its results."""
    target, settings = patient.target, patient.target.control.surroundings.settings
    if not target.worker_roles:
        yield unseen("there is no worker role, as reported above")
        return
    buckets = f"arn:{target.control.place.partition}:s3:::"
    asked = {
        "s3:GetObject": f"{buckets}{settings.repository_bucket}/*",
        "s3:PutObject": f"{buckets}{settings.evidence_bucket}/restores/r/jobs/j/result.json",
        **_login(patient),
    }
    # Of the secret's tags only one counts, and the look at the credentials has seen that it is there or not needed.
    tags = {f"aws:ResourceTag/{names.CREDENTIALS}": "true"}
    for action, resource in asked.items():
        yield from simulated(target, target.worker_roles[0], resource, (action,), tags)


def _login(patient: InstanceSide) -> dict[str, str]:
    """The call by which a worker logs in; none if no credentials can be used, which is told already."""
    try:
        chosen = patient.credentials
    except CredentialsNotUsable:
        return {}
    if chosen.secret_arn:
        return {"secretsmanager:GetSecretValue": chosen.secret_arn}
    place, resource_id = patient.target.control.place, patient.instance["DbiResourceId"]
    return {"rds-db:connect": f"arn:{place.partition}:rds-db:{place.region}:{place.account}:dbuser:{resource_id}/{chosen.iam_user}"}


def simulated(
    target: TargetSide,
    role: str,
    resource: str,
    actions: tuple[str, ...],
    context: Mapping[str, str],
    truths: Mapping[str, str] | None = None,
    *,
    if_forbidden: bool = False,
) -> Iterator[Outcome]:
    """What IAM's simulation says of these actions; `context` has condition keys that are strings, `truths` those that are true or
    false."""
    told = target.iam.simulate_principal_policy(
        PolicySourceArn=role,
        ActionNames=list(actions),
        ResourceArns=[resource],
        ContextEntries=[*_entries(context, "string"), *_entries(truths or {}, "boolean")],
    )
    denied = [result for result in told["EvaluationResults"] if result["EvalDecision"] != "allowed"]
    denied = [result for result in denied if not if_forbidden or _who_forbids(result)]
    for result in denied:
        who = _who_forbids(result)
        sentence = f"may not call {result['EvalActionName']} on {resource}: {who or 'nothing allows it'}"
        yield wrong(sentence, role, f"let the owners of {who} except the role" if who else OF_THE_STACK)
    if not denied:
        yield fine(f"may call {', '.join(actions)} on {resource}", role)


def _entries(context: Mapping[str, str], kind: str) -> list[dict[str, Any]]:
    return [{"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": kind} for key, value in context.items()]


def _who_forbids(result: Mapping[str, Any]) -> str | None:
    """Whose policy it is, if the call is forbidden and not merely allowed by none."""
    if not result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True):
        return "the organization's service control policies"
    if not result.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary", True):
        return "the role's permissions boundary"
    return "a policy that denies it" if result["EvalDecision"] == "explicitDeny" else None


ROLE: Check[TargetSide] = Check("role-permissions", "the target role's permissions", OF_THE_STACK, target_role)
CHECKS: tuple[Check[InstanceSide], ...] = (
    Check("instance-permissions", "the change of the instance's group list", OF_THE_STACK, group_list),
    Check("worker-permissions", "the worker role's permissions", OF_THE_STACK, worker_role),
)
