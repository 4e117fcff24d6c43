"""Quotas of the target's account and Region that a restore meets: security groups of an interface, vCPUs of running instances."""

from collections.abc import Iterator
from dataclasses import dataclass

from botocore.exceptions import ClientError

from dbrestore.contract import limits
from lambdas.doctor.findings import Check, Outcome, fine, unseen, wrong
from lambdas.doctor.sides import InstanceSide, TargetSide


@dataclass(frozen=True)
class Quota:
    """A quota by its codes in Service Quotas. `needed` is the least with which a restore works; `why` says what takes it."""

    service: str
    code: str
    subject: str
    needed: int
    why: str


# The standing group and the pair's; the instance's own list is looked at with the instance.
GROUPS = Quota("vpc", "L-2AFB9258", "security groups of a network interface", 2, "a worker has two")
VCPUS = Quota("ec2", "L-1216C47A", "vCPUs of running on-demand instances", 2, "the smallest worker has two")


def quotas(target: TargetSide) -> Iterator[Outcome]:
    """Each quota's value against what one restore needs."""
    for quota in (GROUPS, VCPUS):
        value = _value(target, quota)
        if isinstance(value, Outcome):
            yield value
        elif value < quota.needed:
            yield wrong(f"is {value}, and {quota.why}", quota.subject, _raise(quota))
        else:
            yield fine(f"is {value}", quota.subject)


def room(patient: InstanceSide) -> Iterator[Outcome]:
    """One more group fits into the instance's list. With a quota that was lowered, less fits than the default lets believe."""
    has = len(patient.instance.get("VpcSecurityGroups", []))
    told = _value(patient.target, GROUPS)
    most = limits.MOST_GROUPS_OF_AN_INSTANCE if isinstance(told, Outcome) else min(told, limits.MOST_GROUPS_OF_AN_INSTANCE)
    if has < most:
        yield fine(f"has {has} of {most} security groups", patient.name)
        return
    sentence = f"{patient.name} has {has} security groups already, and a restore needs room for one more: remove one"
    yield wrong(sentence, patient.name)


def _value(target: TargetSide, quota: Quota) -> int | Outcome:
    client = target.client("service-quotas")
    try:
        found = client.get_service_quota(ServiceCode=quota.service, QuotaCode=quota.code)
    except client.exceptions.NoSuchResourceException:
        return unseen("Service Quotas does not know it here", quota.subject, "look in the console of Service Quotas")
    except ClientError as error:
        reason = error.response.get("Error", {})
        return unseen(f"AWS refused GetServiceQuota: {reason.get('Code')}: {reason.get('Message')}", quota.subject)
    return int(found["Quota"]["Value"])


def _raise(quota: Quota) -> str:
    return (
        f"aws service-quotas request-service-quota-increase --service-code {quota.service} --quota-code {quota.code} "
        f"--desired-value {max(quota.needed, 5)}"
    )


CHECKS: tuple[Check[TargetSide], ...] = (Check("quotas", "quotas", "let the target's role call servicequotas:GetServiceQuota", quotas),)
ROOM: Check[InstanceSide] = Check("group-room", "room in the instance's group list", "remove a group from the instance", room)
