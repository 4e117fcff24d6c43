"""The target's account and Region: the role, and what the TargetStack has ready for workers there."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from dbrestore.contract.deployed import versions as doctor_versions
from dbrestore.contract.errors import TargetNotUsable
from dbrestore.contract.refusals import error_code
from lambdas.doctor.control import incomparable
from lambdas.doctor.findings import Check, Outcome, fine, unseen, wrong
from lambdas.doctor.sides import ControlSide, TargetSide
from lambdas.lookup import target as target_lookup
from lambdas.worker.instance import IMAGE_PARAMETER

DEPLOY = "deploy the TargetStack of this version in the target's account and Region"


def role(control: ControlSide) -> Iterator[Outcome]:
    """The role lets the function in."""
    try:
        _ = control.target
    except TargetNotUsable as error:
        yield wrong(str(error), control.target_role_arn, _cause(control))
        return
    yield fine(f"can be assumed in {control.place.account}, {control.place.region}", control.target_role_arn)


def _cause(control: ControlSide) -> str:
    """Why the role refuses. STS gives one answer for a role that is missing, an external id that is wrong and a trust in somebody else;
    in our own account IAM tells them apart."""
    name = control.target_role_arn.rsplit("/", 1)[-1]
    elsewhere = (
        f"in account {control.place.account}, see whether the role {name} exists; if it doesn't, {DEPLOY}; if it does, deploy "
        f"that again with ControlAccount={control.account} and the ExternalId that the ControlStack has"
    )
    if control.place.account != control.account:
        return elsewhere
    try:
        found = control.iam.get_role(RoleName=name)["Role"]
    except control.iam.exceptions.NoSuchEntityException:
        return f"the role does not exist: {DEPLOY}"
    except (ClientError, BotoCoreError):
        return elsewhere
    return f"the role exists, so {_distrust(control, found['AssumeRolePolicyDocument'])}"


def _distrust(control: ControlSide, trust: dict[str, Any]) -> str:
    listed = trust.get("Statement", [])
    statements = listed if isinstance(listed, list) else [listed]
    wanted = {one.get("Condition", {}).get("StringEquals", {}).get("sts:ExternalId") for one in statements}
    if control.surroundings.settings.external_id not in wanted:
        return "its external id is not the ControlStack's: deploy the TargetStack again with that ExternalId"
    return f"it trusts other functions: deploy the TargetStack again with ControlAccount={control.account} and this ControlRegion"


def offer(target: TargetSide) -> Iterator[Outcome]:
    """What the TargetStack announces, in the form that this version reads."""
    found = target_lookup.offer(target.account)
    yield fine(f"announces {found.document_name} and {found.program_uri}", target.account.offer_parameter)


def profile(target: TargetSide) -> Iterator[Outcome]:
    """The worker's instance profile holds its role."""
    arn = target_lookup.offer(target.account).instance_profile_arn
    try:
        roles = target.worker_roles
    except target.iam.exceptions.NoSuchEntityException:
        yield wrong("does not exist: no worker could be launched", arn)
        return
    yield fine(f"holds {roles[0]}", arn) if roles else wrong("has no role: a worker couldn't do anything", arn)


def document(target: TargetSide) -> Iterator[Outcome]:
    """The SSM document, its state and its content."""
    name = target_lookup.offer(target.account).document_name
    client = target.account.ssm
    try:
        found = client.get_document(Name=name)
    except client.exceptions.InvalidDocument:
        yield wrong("does not exist", name)
        return
    expected = target.control.question.expected
    if found.get("Status", "Active") != "Active":
        yield wrong(f"is {found['Status']}", name)
    elif why := incomparable(expected, expected.document):
        yield unseen(f"is active; {why[0]}", name, why[1])
    elif doctor_versions.of_json(found["Content"]) == expected.document:
        yield fine("is active and of this version", name)
    else:
        yield wrong("has different content from this version's", name)


def program(target: TargetSide) -> Iterator[Outcome]:
    """The worker's program lies where the worker fetches it."""
    uri = target_lookup.offer(target.account).program_uri
    where = urlsplit(uri)
    # In the control account's bucket only the workers of other accounts are let in, not their target roles.
    is_ours = where.netloc == target.control.surroundings.settings.evidence_bucket
    s3 = target.control.surroundings.control.s3 if is_ours else target.account.s3
    try:
        found = s3.head_object(Bucket=where.netloc, Key=where.path.lstrip("/"))
    except ClientError as error:
        if error_code(error) not in ("404", "NoSuchKey", "NoSuchBucket"):
            raise
        yield wrong("does not exist: no worker could start", uri)
        return
    yield fine(f"is there, {found['ContentLength']:,} bytes", uri)


def image(target: TargetSide) -> Iterator[Outcome]:
    """The parameter that names the newest Amazon Linux 2023."""
    found = target.account.ssm.get_parameter(Name=IMAGE_PARAMETER)["Parameter"]["Value"]
    yield fine(f"names {found}", IMAGE_PARAMETER)


ROLE: Check[ControlSide] = Check("target-role", "the target's role", DEPLOY, role, is_vital=True)
CHECKS: tuple[Check[TargetSide], ...] = (
    Check("target-offer", "what the TargetStack announces", DEPLOY, offer, is_vital=True),
    Check("instance-profile", "the worker's instance profile", DEPLOY, profile),
    Check("job-document", "the worker's SSM document", DEPLOY, document),
    Check("worker-program", "the worker's program", DEPLOY, program),
    Check("worker-image", "the worker's image", f"allow ssm:GetParameter for {IMAGE_PARAMETER}", image, is_vital=True),
)
