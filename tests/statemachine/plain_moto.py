"""moto as these tests need it, in this process: instances, groups and executions as true as the local cloud makes them, the rest plain.

The local cloud's fixes last as long as the process: those that start real servers are taken back here for the time of a test.
"""

import inspect
import json
import time
from collections.abc import Iterable
from functools import cache
from threading import Thread
from typing import Any

import boto3
import pytest
from moto import settings
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core import responses
from moto.ec2.models import ec2_backends
from moto.s3.models import s3_backends
from moto.stepfunctions.parser.backend.execution_worker import TMP_THREADS

from lambdas.runtime.bounds import Bounds
from localcloud.base import clock, consistency, corrections, remembered
from localcloud.base.clients import ACCOUNT, REGION
from localcloud.ec2 import instances, security_groups, sharing, volume_keys
from localcloud.ec2 import late_answers as late_ec2
from localcloud.flow import dynamodb, stepfunctions
from localcloud.iam import judgement, outer_policies
from localcloud.rds import cluster_states, group_changes, instance_states
from localcloud.rds import late_answers as late_rds
from localcloud.s3 import glacier_objects
from localcloud.s3 import late_answers as late_s3
from localcloud.s3 import rules as s3_rules
from tests.statemachine import quick_clients

KEPT = (
    "localcloud.base.remembered",
    "localcloud.flow.dynamodb",
    "localcloud.s3.glacier",
    "localcloud.ec2.instances",
    "localcloud.s3.events",
    "localcloud.s3.object_lock",
    "localcloud.s3.rules",
    "localcloud.ec2.security_groups",
    "localcloud.ec2.sharing",
    "localcloud.ec2.volume_keys",
    "localcloud.iam.judgement",
    "localcloud.iam.outer_policies",
    "localcloud.rds.cluster_states",
    "localcloud.rds.group_changes",
    "localcloud.rds.instance_states",
    "localcloud.flow.stepfunctions",
    "localcloud.flow.step_retries",
    "localcloud.flow.task_tokens",
    "localcloud.ec2.late_answers",
    "localcloud.rds.late_answers",
    "localcloud.s3.late_answers",
)
TIME_SCALE = 5000.0
# Where everything shows at once, nobody waits.
SHOWN_AT_ONCE = Bounds(visible_after=0, shown_within=0, looks_apart=0)


def install(patch: pytest.MonkeyPatch) -> None:
    """Everything but the handlers."""
    remembered.install()
    instances.install(TIME_SCALE)
    security_groups.install()
    group_changes.install()
    instance_states.install()
    cluster_states.install()
    sharing.install()
    volume_keys.install()
    judgement.install()
    outer_policies.install()
    patch.setattr(judgement, "_is_judging", False)
    s3_rules.install()
    dynamodb.install()
    for service in (late_ec2, late_rds, late_s3):
        service.install()
    patch.setattr(consistency, "_current", None)
    # By the real clock: how long a test takes decides nothing.
    patch.setattr(instances, "SHOWN_TERMINATED", instances.SHOWN_TERMINATED * TIME_SCALE)
    patch.setattr(stepfunctions, "_clients", None)
    patch.setattr(stepfunctions, "status_listeners", [])
    stepfunctions.install(_InProcess())  # type: ignore[arg-type]
    patch.setattr(clock, "_scale", TIME_SCALE)
    # A test says when a retrieval ends and when its data goes: `glacier_objects.finish` and `expire`.
    patch.setattr(glacier_objects, "by_hand", True)
    for owner, name in {(owner, name) for owner, name, replacement in corrections._fixed if replacement.__module__ not in KEPT}:
        patch.setattr(owner, name, _as_kept(owner, name))
    for (owner, name), (original, by) in corrections.replaced.items():
        if by not in KEPT:
            patch.setattr(owner, name, original)
    quick_clients.install(patch)
    # What costs most of the time and proves nothing here: 800 images per Region, and moto's look for its methods at each call.
    patch.setattr(settings, "ENABLE_AMI_VALIDATION", False)
    patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    patch.setattr(responses, "method_names_from_class", _method_names)
    patch.setattr(instances, "launched", [])
    patch.setattr(instances, "ended", [])


def _as_kept(owner: Any, name: str) -> Any:
    """The method as moto has it, with those fixes around it that are kept: another module's may stand between or around them."""
    method = _original(owner, name)
    for fixed, fixed_name, replacement in corrections._fixed:
        if (fixed, fixed_name) == (owner, name) and replacement.__module__ in KEPT:
            is_property = isinstance(method, property)
            around = corrections._wrapped(method.fget if is_property else method, replacement)
            method = property(around, method.fset) if is_property else around
    return method


def fill(bucket: str, names: Iterable[str], body: bytes = b"") -> None:
    """Objects, straight into moto: by requests, a thousand of them take as long as three restores."""
    for name in names:
        s3_backends[ACCOUNT]["aws"].put_object(bucket, name, body)


def know_images() -> None:
    """For a cloud in this process: moto's EC2 outlives the tests that made it without Amazon's images."""
    images = ec2_backends[ACCOUNT][REGION]
    if not images.amis:
        images._load_amis()


def serve(patch: pytest.MonkeyPatch, call: Any) -> None:
    """Lambda invocations become `call(state name, event)`; its exceptions become the function's errors, as Lambda shows them."""

    def invoke(_backend: Any, function_name: str, _qualifier: Any, body: Any, _headers: Any, answer: Any) -> bytes:
        name = function_name.split(":")[-1]
        try:
            return json.dumps(call(name, json.loads(body))).encode()
        except (Exception, Died) as error:
            answer["x-amz-function-error"] = "Unhandled"
            kind = "Lambda.Unknown" if isinstance(error, Died) else type(error).__name__
            return json.dumps({"errorType": kind, "errorMessage": str(error)}).encode()

    patch.setattr(LambdaSimpleBackend, "invoke", invoke)


_look_for_methods = responses.method_names_from_class


@cache
def _names_of_methods(owner: type, _attributes: int) -> list[str]:
    return _look_for_methods(owner)


def _method_names(owner: type) -> list[str]:
    # Tests give moto's classes methods that they lack.
    return _names_of_methods(owner, len(vars(owner)))


class Died(BaseException):
    """A function's process ended in the middle of its work. Not an Exception: botocore would take one for a lost connection."""


class _InProcess:
    """In the place of the local cloud's clients: a machine invokes its functions in this process."""

    def client(self, service: str, _role_arn: str | None = None) -> Any:
        return boto3.client(service)  # type: ignore[call-overload]


def _original(owner: Any, name: str) -> Any:
    fixed = inspect.getattr_static(owner, name)
    if isinstance(fixed, property) and fixed.fget:
        return property(inspect.unwrap(fixed.fget), fixed.fset)
    return inspect.unwrap(getattr(owner, name)) if isinstance(fixed, staticmethod) else inspect.unwrap(fixed)


def executions() -> frozenset[Thread]:
    """The threads of all executions that were started in this process."""
    return frozenset(TMP_THREADS)


def wait_for_executions(but: frozenset[Thread] = frozenset(), seconds: float = 20.0) -> None:
    """Until no execution but those does anything any more: one that was stopped ends with the function that it is in."""
    until = time.monotonic() + seconds
    for thread in executions() - but:
        while time.monotonic() < until:
            try:
                thread.join(until - time.monotonic())
                break
            except RuntimeError:
                # moto lists a thread a moment before it starts it.
                time.sleep(0.01)
