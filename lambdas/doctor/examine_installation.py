"""`dbrestore doctor`: everything that a restore would lean on, looked at without making or changing anything.

The command can't look for itself: the target's role trusts functions only. One subject per module `lambdas.doctor_*`; this one puts them in
order and says which could not be begun because of another.
"""

import os
import re
from collections.abc import Iterator

from dbrestore.contract.questions.examination import Examination, ExaminationQuestion, Finding
from lambdas.doctor import access as doctor_access
from lambdas.doctor import adoption as doctor_adoption
from lambdas.doctor import control as doctor_control
from lambdas.doctor import instance as doctor_instance
from lambdas.doctor import network as doctor_network
from lambdas.doctor import permissions as doctor_permissions
from lambdas.doctor import plan as doctor_plan
from lambdas.doctor import quotas as doctor_quotas
from lambdas.doctor import sqlserver as doctor_native
from lambdas.doctor import storage as doctor_storage
from lambdas.doctor import target as doctor_target
from lambdas.doctor import volume_key as doctor_volume_key
from lambdas.doctor.findings import Check, examine, judge, skipped
from lambdas.doctor.sides import STATE, ControlSide, InstanceSide, TargetSide
from lambdas.runtime.state import Surroundings, handler

# Lambda's own variable.
OWN_NAME = "AWS_LAMBDA_FUNCTION_NAME"
# The plan's problems begin with their place in the request.
POINTER = re.compile(r"^/[\w/]*: ")
OF_CONTROL: tuple[Check[ControlSide], ...] = (
    *doctor_control.CHECKS,
    *doctor_storage.CHECKS,
    doctor_access.KEY,
    *doctor_adoption.CHECKS,
)
OF_TARGET: tuple[Check[TargetSide], ...] = (
    *doctor_target.CHECKS,
    doctor_access.LET_IN,
    *doctor_quotas.CHECKS,
    doctor_permissions.ROLE,
)
OF_INSTANCE: tuple[Check[InstanceSide], ...] = (
    *doctor_instance.CHECKS,
    doctor_quotas.ROOM,
    *doctor_native.CHECKS,
    *doctor_network.CHECKS,
    doctor_volume_key.CHECK,
    *doctor_permissions.CHECKS,
    doctor_plan.PLAN,
)


@handler(STATE, ExaminationQuestion, asked=True)
def examine_installation(question: ExaminationQuestion, surroundings: Surroundings) -> Examination:
    """All findings. Raises nothing that a check met."""
    control = ControlSide(question, surroundings, os.environ[OWN_NAME])
    findings = examine(OF_CONTROL, control, surroundings.bounds.examination_seconds)
    if question.db_instance or question.account or question.region:
        findings += _target(control)
    return Examination(findings=tuple(dict.fromkeys(_without_echoes(findings))))


def _target(control: ControlSide) -> list[Finding]:
    findings = judge(doctor_target.ROLE, control)
    if not _is_open(findings):
        return findings + skipped(OF_TARGET, "the target's role can't be assumed")
    target = TargetSide(control, control.target)
    findings += examine(OF_TARGET, target, control.surroundings.bounds.examination_seconds)
    return findings + _instance(target) if control.question.db_instance else findings


def _instance(target: TargetSide) -> list[Finding]:
    findings = judge(doctor_instance.INSTANCE, target)
    if not _is_open(findings):
        return findings + skipped(OF_INSTANCE, "the instance was not found")
    return findings + examine(OF_INSTANCE, InstanceSide(target, target.instance), target.control.surroundings.bounds.examination_seconds)


def _is_open(findings: list[Finding]) -> bool:
    """Whether what lies behind a check can be looked at."""
    return all(finding.state == "ok" for finding in findings)


def _without_echoes(findings: list[Finding]) -> Iterator[Finding]:
    """One cause stops several look-ups, and the plan's too, in the same words: the first tells it, the others point there."""
    told: dict[str, Finding] = {}
    for finding in findings:
        sentence = POINTER.sub("", finding.sentence)
        first = told.setdefault(sentence, finding)
        if finding.state in ("ok", "not checked") or first.check == finding.check:
            yield finding
        else:
            update = {"state": "not checked", "sentence": f"stopped by what {first.check} found", "fix": first.fix}
            yield finding.model_copy(update=update)
