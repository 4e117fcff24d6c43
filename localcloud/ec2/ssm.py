"""SSM Run Command that really runs.

| moto 5.2.5 | fixed to |
|---|---|
| SendCommand succeeds at once, for any document and instance | the document's script runs under bash inside the instance |
| unknown, ended or unregistered instances accepted | `InvalidInstanceId` |
| parameters unchecked | `InvalidParameters` as the document says |
| without Targets, every instance of the Region gets the command | only the instances named |
| CancelCommand, ListCommandInvocations, DescribeInstanceInformation missing | there |
| a document from CloudFormation needs its format spelled out | JSON by default, content as an object too |

Statuses go Pending, InProgress, then Success, Failed, TimedOut or Cancelled; output shows only at the end. As on AWS, a command whose
instance ended or was stopped, or whose agent fell silent, stays InProgress until its `executionTimeout` is over: nobody is left to report.
One that no agent takes stays Pending until its TimeoutSeconds are. `executionTimeout` of what runs is not scaled, because the work is real.

SendCommand refuses instances that shut down or are terminated, and those that SSM has lost (botocore's model of InvalidInstanceId names the
states, and "SSM Agent isn't running"; that SSM takes commands for an agent as long as it believes it online is assumed).
"""

import json
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from moto.core.responses import ActionResult
from moto.ssm.exceptions import SSMException
from moto.ssm.models import Command, SimpleSystemManagerBackend
from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud.base import clock
from localcloud.base.corrections import add, fix
from localcloud.ec2 import command_documents, hosts
from localcloud.ec2.command_documents import Script
from localcloud.ec2.hosts import Host

# What GetCommandInvocation shows at most, in characters (botocore's model of the API).
STANDARD_OUTPUT = 24_000
STANDARD_ERROR = 8_000
# Of a process killed by SIGKILL, as a shell counts it (assumed for SSM).
KILLED = 137

_running: dict[tuple[str, str], "subprocess.Popen[bytes]"] = {}


def install(directory: Path, time_scale: float, endpoint: str) -> None:
    """Fix moto's SSM. Instances live under `directory`/instances, see `localcloud.ec2.hosts`; `endpoint` is the cloud's URL."""
    clock.set_scale(time_scale)
    hosts.install(directory, endpoint)
    fix(SimpleSystemManagerBackend, "create_document", _create_document)
    fix(SimpleSystemManagerBackend, "send_command", _send_command)
    fix(Command, "_get_instance_ids_from_targets", _targets)
    add(SimpleSystemManagerResponse, "cancel_command", _cancel_command)
    add(SimpleSystemManagerResponse, "list_command_invocations", _list_command_invocations)
    add(SimpleSystemManagerResponse, "describe_instance_information", _describe_instance_information)


def shutdown() -> None:
    """Kill every command and delete the folders of the instances."""
    hosts.shutdown()


def _create_document(original: Callable[..., Any], backend: Any, **keywords: Any) -> Any:
    if isinstance(keywords.get("content"), dict):
        keywords["content"] = json.dumps(keywords["content"])
    keywords["document_format"] = keywords.get("document_format") or "JSON"
    keywords["document_type"] = keywords.get("document_type") or "Command"
    return original(backend, **keywords)


def _send_command(original: Callable[..., Any], backend: Any, **keywords: Any) -> Any:
    name = str(keywords["document_name"]).rpartition("/")[2]
    content = command_documents.RUN_SHELL_SCRIPT
    if name != "AWS-RunShellScript":
        content = backend._get_documents(name).get_default_version().content_json
    parameters = keywords["parameters"] or {}
    script = command_documents.render(content, parameters)
    for instance_id in keywords["instance_ids"]:
        _reachable(backend, instance_id)
    command = original(backend, **keywords)
    command.status = command.status_details = "Pending"
    command.completed_count = 0
    for invocation in command.invocations:
        invocation |= {
            "PluginName": script.step,
            "ResponseCode": -1,
            "ExecutionElapsedTime": "",
            "ExecutionEndDateTime": "",
        }
        _report(command, invocation, "Pending")
        host = _reachable(backend, invocation["InstanceId"])
        script = command_documents.render(content, parameters, host.agent)
        threading.Thread(target=_run, args=(command, invocation, script, host), daemon=True).start()
    return command


def _reachable(backend: Any, instance_id: str) -> Host:
    for host in hosts.registered(backend.account_id, backend.region_name):
        if host.instance.id == instance_id and _is_valid(host):
            return host
    raise SSMException("InvalidInstanceId", f"Instances [[{instance_id}]] not in a valid state for account {backend.account_id}")


def _is_valid(host: Host) -> bool:
    return host.ping == "Online" and host.instance.state not in ("shutting-down", "terminated")


def _targets(original: Callable[..., Any], command: Any) -> list[str]:
    if not command.targets:
        return []
    known = hosts.registered(command.account_id, command.backend_region)
    reachable = [host.instance.id for host in known if _is_valid(host)]
    return [instance_id for instance_id in original(command) if instance_id in reachable]


def _run(command: Any, invocation: dict[str, Any], script: Script, host: Host) -> None:
    folder = host.directory / "ssm" / command.command_id
    process = hosts.start(host, script, folder) if _is_delivered(command, invocation, host) else None
    if process is None:
        return
    _running[command.command_id, host.instance.id] = process
    _report(command, invocation, "InProgress")
    status = _outcome(process, invocation, script.seconds, host)
    del _running[command.command_id, host.instance.id]
    hosts.forget_group(host, process.pid)
    # With the guard, the folder is there while its files are read.
    with host.guard:
        if not host.is_answering:
            clock.later(script.seconds, lambda: _give_up(command, invocation, "Execution Timed Out"))
            return
        invocation |= {
            "ResponseCode": process.returncode if process.returncode >= 0 else KILLED,
            "StandardOutputContent": _beginning(folder / "stdout", STANDARD_OUTPUT),
            "StandardErrorContent": _beginning(folder / "stderr", STANDARD_ERROR),
            "ExecutionEndDateTime": datetime.now(UTC).isoformat(),
        }
        _report(command, invocation, status)


def _is_delivered(command: Any, invocation: dict[str, Any], host: Host) -> bool:
    """Whether an agent took it in time."""
    clock.wait(command.timeout_seconds, lambda: host.is_answering, lambda seconds: time.sleep(min(seconds, 0.05)))
    if not host.is_answering:
        _give_up(command, invocation, "Delivery Timed Out")
    return host.is_answering


def _give_up(command: Any, invocation: dict[str, Any], details: str) -> None:
    """SSM's own end of a command that nobody reports on."""
    if invocation["Status"] in ("Pending", "InProgress", "Cancelling"):
        _report(command, invocation, "TimedOut", details)


def _outcome(process: "subprocess.Popen[bytes]", invocation: dict[str, Any], seconds: float, host: Host) -> str:
    deadline = time.monotonic() + seconds
    while True:
        try:
            code = process.wait(timeout=min(0.1, max(0.0, deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            hosts.heed(host)
            if time.monotonic() < deadline:
                continue
            hosts.kill_group(process.pid)
            process.wait()
            return "TimedOut"
        hosts.heed(host)
        if invocation["Status"] == "Cancelling":
            return "Cancelled"
        return "Failed" if code else "Success"


def _beginning(path: Path, characters: int) -> str:
    with path.open(encoding="utf-8", errors="replace") as stream:
        return stream.read(characters)


def _report(command: Any, invocation: dict[str, Any], status: str, details: str = "") -> None:
    """Set an invocation's status, and the command's, which is the least finished of its invocations' or the first bad one."""
    details = details or ("Execution Timed Out" if status == "TimedOut" else status)
    invocation |= {"Status": status, "StatusDetails": details}
    order = ("InProgress", "Pending", "Cancelling", "TimedOut", "Failed", "Cancelled", "Success")
    decisive = min(command.invocations, key=lambda each: order.index(each["Status"]))
    command.status, command.status_details = decisive["Status"], decisive["StatusDetails"]
    statuses = [each["Status"] for each in command.invocations]
    command.completed_count = sum(each not in order[:3] for each in statuses)
    command.error_count = sum(each in ("Failed", "TimedOut") for each in statuses)


def _cancel_command(response: Any) -> ActionResult:
    command = response.ssm_backend.get_command_by_id(response._get_param("CommandId"))
    asked = response._get_param("InstanceIds", []) or command.instance_ids
    for invocation in command.invocations:
        process = _running.get((command.command_id, invocation["InstanceId"]))
        if process and invocation["InstanceId"] in asked:
            _report(command, invocation, "Cancelling")
            hosts.kill_group(process.pid)
    return ActionResult({})


def _list_command_invocations(response: Any) -> ActionResult:
    commands = response.ssm_backend.list_commands(response._get_param("CommandId"), response._get_param("InstanceId"))
    instance_id = response._get_param("InstanceId")
    invocations = [
        _listed(command, invocation, bool(response._get_param("Details", False)))
        for command in commands
        for invocation in command.invocations
        if instance_id in (None, invocation["InstanceId"])
    ]
    return ActionResult({"CommandInvocations": invocations})


def _listed(command: Any, invocation: dict[str, Any], with_details: bool) -> dict[str, Any]:
    state = {"Status": invocation["Status"], "StatusDetails": invocation["StatusDetails"]}
    plugin = {
        "Name": invocation["PluginName"],
        "ResponseCode": invocation["ResponseCode"],
        **state,
        "Output": invocation["StandardOutputContent"][:2500],
    }
    return {
        "CommandId": command.command_id,
        "InstanceId": invocation["InstanceId"],
        "DocumentName": command.document_name,
        "Comment": command.comment,
        "RequestedDateTime": command.requested_date_time,
        **state,
        "CommandPlugins": [plugin] if with_details else [],
    }


def _describe_instance_information(response: Any) -> ActionResult:
    backend = response.ssm_backend
    found = hosts.registered(backend.account_id, backend.region_name)
    wanted = [(each["Key"], each["Values"]) for each in response._get_param("Filters", [])]
    wanted += [(each["key"], each["valueSet"]) for each in response._get_param("InstanceInformationFilterList", [])]
    for key, values in wanted:
        found = [host for host in found if _has(host, key, values)]
    return ActionResult({"InstanceInformationList": [_information(host) for host in found]})


def _has(host: Host, key: str, values: list[str]) -> bool:
    if key.startswith("tag:"):
        return any(tag["key"] == key[4:] and tag["value"] in values for tag in host.instance.get_tags())
    if key not in ("InstanceIds", "PingStatus"):
        raise SSMException("InvalidFilterKey", f"The local cloud does not filter by {key}.")
    return (host.instance.id if key == "InstanceIds" else host.ping) in values


def _information(host: Host) -> dict[str, Any]:
    return {
        "InstanceId": host.instance.id,
        "PingStatus": host.ping,
        "LastPingDateTime": clock.now() - timedelta(seconds=host.silent_for),
        "AgentVersion": host.agent,
        "IsLatestVersion": True,
        "PlatformType": "Linux",
        "PlatformName": "Amazon Linux",
        "PlatformVersion": "2023",
        "ResourceType": "EC2Instance",
        "IPAddress": host.instance.private_ip,
        "ComputerName": host.instance.private_dns_name,
    }
