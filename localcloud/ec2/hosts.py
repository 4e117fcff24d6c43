"""What is inside an EC2 instance of the local cloud: a folder, the worker's program, and the processes of its commands.

The user data is not executed. Its comment lines say what it would have done:
`# dbrestore-program: s3://bucket/key` is unpacked to opt/dbrestore (with `.ready` in it), `# dbrestore-max-minutes: N` ends the instance
N (scaled) minutes after the launch. A program that can't be fetched with the profile's role and through the VPC's endpoints leaves the
script's own last words there (`.failed`). Like a real agent, the host registers with SSM all the same, and never without an instance
profile with a role.

| moto 5.2.5 | fixed to |
|---|---|
| GetConsoleOutput: the same text for every instance | behind it what the instance said, also when it is gone |

Invariant: when the instance ends or is stopped, every process group of its commands is killed at once; when it ends, its folder goes like
an encrypted volume. SSM hears of neither: it misses the agent's pings, and takes minutes to say so. `systemctl stop amazon-ssm-agent`
inside an instance ends the agent alone, and what it had begun runs on.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moto.ec2.responses.general import SAMPLE_CONSOLE_OUTPUT, General
from moto.ec2.utils import Base64EncodedString

from localcloud.base import clock
from localcloud.base.corrections import fix
from localcloud.ec2 import host_files, host_programs, instances
from localcloud.ec2.command_documents import KNOWS_VARIABLES, Script
from localcloud.iam import roles

# A tag for rehearsals: the worker configuration sets it, as an older image would set the agent.
AGENT = "localcloud:ssm-agent"
# Seconds on AWS from `running` until the agent answers (assumed).
REGISTRATION = 20.0
# Seconds on AWS after which SSM says of an agent that it doesn't hear it: two of its pings, which come every five minutes
# (HealthFrequencyMinutes of amazon-ssm-agent). Assumed; users saw "several minutes", and an agent that was online after eight.
CONNECTION_LOST = 600.0
# Seconds, at most, until the last system call of a killed process has come back.
DELETION = 5.0
MAX_MINUTES = re.compile(r"^# dbrestore-max-minutes: (\d+)$", re.MULTILINE)

_directory = Path()
_endpoint = ""
_hosts: dict[str, "Host"] = {}


@dataclass
class Host:
    """One instance from the inside. `instance` is moto's; `has_ended`: nothing runs in it, until it is started again if it was only
    stopped; `silent_since` at which moment of the cloud its agent fell silent; `said` is what stands on its console."""

    instance: Any
    directory: Path
    is_registered: bool = False
    has_ended: bool = False
    silent_since: float | None = None
    said: str = ""
    groups: set[int] = field(default_factory=set)
    guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_answering(self) -> bool:
        """Whether the agent takes commands and tells of their ends."""
        return self.is_registered and self.silent_since is None and self.instance.state == "running"

    @property
    def silent_for(self) -> float:
        """AWS's seconds since its last ping, as far as they count."""
        return clock.moment() - self.silent_since if self.silent_since is not None else 0.0

    @property
    def ping(self) -> str:
        """What SSM believes of it."""
        return "ConnectionLost" if self.silent_for > CONNECTION_LOST else "Online"

    @property
    def agent(self) -> str:
        """The version of the SSM agent on its image: what its tag AGENT says, else one that knows everything."""
        return next((tag["value"] for tag in self.instance.get_tags() if tag["key"] == AGENT), KNOWS_VARIABLES)

    @property
    def role_arn(self) -> str | None:
        """The role of the instance profile, if there is one."""
        association = self.instance.ec2_backend.iam_instance_profile_associations.get(self.instance.id)
        found = association.iam_instance_profile.roles if association else []
        return found[0].arn if found else None

    @property
    def credentials(self) -> dict[str, str]:
        """What the instance's metadata service would give."""
        return roles.session(self.role_arn, self.instance.id) if self.role_arn else {}


def install(directory: Path, endpoint: str) -> None:
    """Give every instance launched from now on an inside under `directory`/instances; `endpoint` is the cloud's URL."""
    global _directory, _endpoint
    _directory, _endpoint = directory, endpoint
    fix(General, "get_console_output", _console)
    if _boot not in instances.launched:
        instances.launched.append(_boot)
        instances.ended.append(_end)
        instances.stopped.append(_stop)
        instances.started.append(_boot_again)


def shutdown() -> None:
    """Kill everything that runs in any instance and delete their folders."""
    while _hosts:
        host = _hosts.popitem()[1]
        _kill(host)
        _delete_volume(host)


def find(instance_id: str) -> Host | None:
    """The inside of an instance."""
    return _hosts.get(instance_id)


def registered(account: str, region: str) -> list[Host]:
    """The hosts that SSM knows there: those that EC2 still shows, and that registered once."""
    hosts = [host for host in list(_hosts.values()) if host.is_registered and not host.instance._state.is_forgotten]
    return [host for host in hosts if (host.instance.owner_id, host.instance.region_name) == (account, region)]


def start(host: Host, script: Script, folder: Path) -> "subprocess.Popen[bytes] | None":
    """Run a script under bash in a process group of its own, its output in `folder`; None if the instance has ended."""
    variables = environment(host) | script.environment
    with host.guard, ExitStack() as files:
        if host.has_ended:
            return None
        folder.mkdir(parents=True)
        (folder / "script.sh").write_text(script.text)
        out, err = (files.enter_context((folder / name).open("wb")) for name in ("stdout", "stderr"))
        process = subprocess.Popen(
            ["/bin/bash", str(folder / "script.sh")],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=script.working_directory or host.directory,
            env=variables,
            process_group=0,
        )
        host.groups.add(process.pid)
    return process


def environment(host: Host) -> dict[str, str]:
    """All that a command finds: nothing of the environment of whoever started the local cloud, and as from a real agent no AWS_REGION."""
    home, region = host.directory, host.instance.region_name
    return {
        "PATH": f"{home / 'bin'}:{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "AWS_ENDPOINT_URL": _endpoint,
        "AWS_SSM_REGION_NAME": region,
        "AWS_SSM_INSTANCE_ID": host.instance.id,
        "DBRESTORE_HOME": str(home / "opt" / "dbrestore"),
        "DBRESTORE_STATE_DIR": str(home / "state"),
        **{name.upper(): value for name, value in host.credentials.items()},
    }


def heed(host: Host) -> None:
    """Do what something inside asked for: `shutdown` ends the instance, `systemctl` its agent."""
    with suppress(FileNotFoundError):
        (host.directory / "agent-stopped").unlink()
        fall_silent(host)
    note = host.directory / "power-off"
    with suppress(FileNotFoundError):
        when = note.read_text().strip()
        note.unlink()
        minutes = float(when[1:]) if re.fullmatch(r"\+\d+", when) else 0.0
        clock.later(minutes * 60, lambda: _power_off(host))


def fall_silent(host: Host) -> None:
    """The agent says nothing more."""
    if host.silent_since is None:
        host.silent_since = clock.moment()


def forget_group(host: Host, group: int) -> None:
    """Stop watching a process group whose processes have all ended, before its number is given to another."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        host.groups.discard(group)


def kill_group(group: int) -> None:
    """SIGKILL to a process group; absence is success."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _boot(instance: Any) -> None:
    host = Host(instance, _directory / "instances" / instance.id)
    _hosts[instance.id] = host
    host_files.lay_out(host.directory)
    user_data = instance.user_data.decode() if instance.user_data else ""
    if limit := MAX_MINUTES.search(user_data):
        clock.later(float(limit[1]) * 60, lambda: _power_off(host))
    threading.Thread(target=_register, args=(host, user_data), daemon=True).start()


def _boot_again(instance: Any) -> None:
    """Started after a stop: the program is on the volume, and the agent comes back. What was at work isn't taken up again."""
    if host := _hosts.get(instance.id):
        host.has_ended = False
        clock.later(instances.BOOT + REGISTRATION, lambda: _speak_again(host))


def _speak_again(host: Host) -> None:
    if not host.has_ended:
        host.silent_since = None


def _register(host: Host, user_data: str) -> None:
    time.sleep(clock.shortened(instances.BOOT))
    try:
        host_programs.install(host, user_data, _directory / "programs", _endpoint)
        role = host.role_arn
    except (FileNotFoundError, AttributeError):
        return  # Its folder, and what moto's backends hold, are gone if the cloud was shut down meanwhile.
    if role is None:
        host.said += "no instance profile with a role: the SSM agent has no credentials\n"
        return
    time.sleep(clock.shortened(REGISTRATION))
    host.is_registered = True


def _console(original: Callable[[Any], Any], response: Any) -> Any:
    answer = original(response)
    if host := _hosts.get(answer.result["InstanceId"]):
        answer.result["Output"] = Base64EncodedString.from_raw_string(f"{SAMPLE_CONSOLE_OUTPUT}{host.said}")
    return answer


def _power_off(host: Host) -> None:
    if not host.has_ended:
        is_final = host.instance.instance_initiated_shutdown_behavior == "terminate"
        (host.instance.terminate if is_final else host.instance.stop)()


def _end(instance: Any) -> None:
    if host := _hosts.get(instance.id):
        _kill(host)
        _delete_volume(host)


def _stop(instance: Any) -> None:
    if host := _hosts.get(instance.id):
        _kill(host)


def _kill(host: Host) -> None:
    fall_silent(host)
    with host.guard:
        host.has_ended = True
        # Of a copy: whoever waits for a group's end takes it off at once.
        for group in list(host.groups):
            kill_group(group)


def _delete_volume(host: Host) -> None:
    """A process that is being killed may finish the writing of a last file, so deleting once isn't always enough."""
    deadline = time.monotonic() + DELETION
    while host.directory.exists() and time.monotonic() < deadline:
        shutil.rmtree(host.directory, ignore_errors=True)
