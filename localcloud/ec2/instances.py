"""EC2 instances as the product meets them: launched once per client token, alive and dying in steps.

| moto 5.2.5 | fixed to |
|---|---|
| a known ClientToken launches again | the same reservation, terminated or not; `IdempotentParameterMismatch` |
| `running` at once, `terminated` at once | `pending`, `shutting-down` and `stopping` last for a (scaled) while |
| what runs in an instance knows of no stop | whoever is in `stopped` and `started` is told |
| the interface made with an instance stays for ever | released a little after the instance is terminated |
| a second TerminateInstances fails | repeated without effect |
| unknown AMI accepted | `InvalidAMIID.NotFound` |
| unknown instance profile: `NoSuchEntity` | `InvalidParameterValue` |
| tags for `network-interface` dropped | kept |
| DescribeInstances has no filter `client-token` | it has |
| a terminated instance is shown for ever | for an hour (EC2 User Guide), then `InvalidInstanceID.NotFound` |

Invariant: whoever asks sees a state that a real instance has on its way, and never one that it skips.
"""

import copy
import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

import moto.ec2.responses.instances as instance_responses
from moto import settings
from moto.ec2.exceptions import EC2ClientError, InvalidNetworkInterfaceIdError
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.responses._base_response import EC2BaseResponse
from moto.ec2.utils import filter_dict_attribute_mapping
from moto.iam.exceptions import NotFoundException

from localcloud.base import clock
from localcloud.base.corrections import fix

# Seconds on AWS, the usual order of magnitude (assumed: AWS promises none).
BOOT = 20.0
STOPPING = 15.0
SHUTTING_DOWN = 15.0
INTERFACE_RELEASE = 10.0
SHOWN_TERMINATED = 3600.0

# Called with every instance that was really launched, that is about to end, that was stopped, and that was started after that.
launched: list[Callable[[Any], None]] = []
ended: list[Callable[[Any], None]] = []
stopped: list[Callable[[Any], None]] = []
started: list[Callable[[Any], None]] = []

_launching = threading.Lock()


def install(time_scale: float) -> None:
    """Fix moto's EC2 instances. `time_scale`: see `localcloud.base.clock.set_scale`."""
    clock.set_scale(time_scale)
    settings.ENABLE_AMI_VALIDATION = True
    filter_dict_attribute_mapping["client-token"] = "client_token"
    # moto says `pending` in every answer of RunInstances, even of an instance that a repeated token finds terminated.
    EC2BaseResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER.pop("RunInstances.Reservation.Instances.Instance.State", None)
    fix(instance_responses.InstanceResponse, "run_instances", _run_instances)
    fix(instance_responses, "filter_iam_instance_profiles", _existing_instance_profile)
    fix(Instance, "__init__", _launch)
    fix(Instance, "terminate", _terminate)
    fix(Instance, "stop", _stop)
    fix(Instance, "start", _start)
    fix(InstanceBackend, "all_reservations", _all_reservations)


class GradualState:
    """Stands in for moto's InstanceState, which is set to its final name at once: shows the step on the way until its time is over."""

    CODES: ClassVar = {
        "pending": 0,
        "running": 16,
        "shutting-down": 32,
        "terminated": 48,
        "stopping": 64,
        "stopped": 80,
    }
    ON_THE_WAY: ClassVar = {
        "running": ("pending", BOOT),
        "terminated": ("shutting-down", SHUTTING_DOWN),
        "stopped": ("stopping", STOPPING),
    }

    def __init__(self) -> None:
        self.final = "running"
        self.since = time.monotonic()
        self.failed_launch = False

    def fail(self) -> None:
        """A launch that ends without ever running."""
        self.final, self.failed_launch = "terminated", True

    @property
    def name(self) -> str:
        step, seconds = ("pending", BOOT) if self.failed_launch else self.ON_THE_WAY[self.final]
        return step if time.monotonic() < self.since + clock.shortened(seconds) else self.final

    @name.setter
    def name(self, final: str) -> None:
        if final != self.final:
            self.final, self.since = final, time.monotonic()

    @property
    def code(self) -> int:
        return self.CODES[self.name]

    @code.setter
    def code(self, code: int) -> None:
        """moto sets the code beside the name; the name decides."""

    @property
    def is_forgotten(self) -> bool:
        """Whether EC2 no longer shows the instance."""
        return self.final == "terminated" and time.monotonic() > self.since + clock.shortened(SHUTTING_DOWN + SHOWN_TERMINATED)


def _run_instances(original: Callable[..., Any], response: Any) -> Any:
    token = response._get_param("ClientToken")
    asked = json.dumps({**response.params, "ClientToken": None}, sort_keys=True, default=str)
    # On the backend, so that a reset of moto forgets the tokens too.
    launches = response.ec2_backend.__dict__.setdefault("dbrestore_launches", {})
    with _launching:
        if token not in launches:
            result = original(response)
            _tag_interfaces(response, result.result)
            if token:
                launches[token] = (asked, result)
            for instance in result.result.instances:
                for observer in launched:
                    observer(instance)
            return result
    known, result = launches[token]
    if known != asked:
        raise EC2ClientError(
            "IdempotentParameterMismatch",
            f"The client token {token} was used with other parameters in an earlier request.",
        )
    return result


def _tag_interfaces(response: Any, reservation: Any) -> None:
    tags = response._parse_tag_specification().get("network-interface", {})
    for instance in reservation.instances:
        for interface in instance.nics.values():
            interface.add_tags(tags)


def _existing_instance_profile(original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    try:
        return original(*arguments, **keywords)
    except NotFoundException:
        name = keywords.get("iam_instance_profile_name") or keywords.get("iam_instance_profile_arn")
        kind = "name" if keywords.get("iam_instance_profile_name") else "arn"
        raise EC2ClientError(
            "InvalidParameterValue",
            f"Value ({name}) for parameter iamInstanceProfile.{kind} is invalid. Invalid IAM Instance Profile {kind}",
        ) from None


def _launch(original: Callable[..., Any], instance: Any, *arguments: Any, **keywords: Any) -> None:
    original(instance, *arguments, **keywords)
    instance._state = GradualState()
    asked = {int(nic["DeviceIndex"]): nic for nic in keywords.get("nics", [])}
    for index, interface in instance.nics.items():
        made_here = "NetworkInterfaceId" not in asked.get(index, {})
        interface.delete_on_termination = asked.get(index, {}).get("DeleteOnTermination", made_here)


def _terminate(original: Callable[..., Any], instance: Any) -> Any:
    if instance._state.final == "terminated":
        return copy.copy(instance._state)
    doomed = [interface for interface in instance.nics.values() if interface.delete_on_termination]
    for interface in doomed:
        # moto would delete it within this call; on AWS it stays for a while and blocks DeleteSecurityGroup.
        interface.delete_on_termination = False
    previous = original(instance)
    for interface in doomed:
        interface.delete_on_termination = True
        clock.later(SHUTTING_DOWN + INTERFACE_RELEASE, lambda interface=interface: _release(interface))  # type: ignore[misc]
    for observer in ended:
        observer(instance)
    return previous


def _stop(original: Callable[..., Any], instance: Any) -> Any:
    previous = original(instance)
    for observer in stopped:
        observer(instance)
    return previous


def _start(original: Callable[..., Any], instance: Any) -> Any:
    was_stopped = instance._state.final == "stopped"
    previous = original(instance)
    for observer in started if was_stopped else ():
        observer(instance)
    return previous


def _all_reservations(original: Callable[..., Any], backend: Any, *arguments: Any, **keywords: Any) -> Any:
    shown = []
    for reservation in original(backend, *arguments, **keywords):
        left = [instance for instance in reservation.instances if not instance._state.is_forgotten]
        if len(left) < len(reservation.instances):
            reservation = copy.copy(reservation)
            reservation.instances = left
        shown += [reservation] if left else []
    return shown


def _release(interface: Any) -> None:
    with suppress(InvalidNetworkInterfaceIdError):
        interface.delete()
