"""The local cloud as one object: started, used, stopped. One per process, because moto keeps its state per process."""

import os
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localcloud.base import callers, certificates, clock, consistency, remembered
from localcloud.base.callers import Call
from localcloud.base.clients import ACCOUNT, HOME, REGION, Clients, Place
from localcloud.base.consistency import Inconsistency
from localcloud.ec2 import instances, security_groups, sharing, ssm, volume_keys, vpc
from localcloud.ec2 import late_answers as late_ec2
from localcloud.flow import api_destinations, dynamodb, events, lambda_runtime, scheduler, stepfunctions, told
from localcloud.gateway import deployments, user_pools
from localcloud.gateway.gateway import ADDRESSES, Gateway
from localcloud.iam import judgement, outer_policies, role_trust, secrets
from localcloud.rds import instances as rds
from localcloud.rds import late_answers as late_rds
from localcloud.s3 import accounts as s3_accounts
from localcloud.s3 import late_answers as late_s3
from localcloud.s3 import objects as s3
from localcloud.server import LocalCloudError, Server
from localcloud.stacks import assets, cloudformation

_running = threading.Lock()


@dataclass
class Cloud:
    """A running local cloud. `calls` lists who called what, oldest first, `redirected` whom S3 sent to another Region; `authority` signs
    the databases' certificates."""

    directory: Path
    endpoint: str
    authority: certificates.Authority
    calls: list[Call]
    redirected: list[Call]
    _server: Server
    _clients: Clients
    _functions: lambda_runtime.Functions
    _schedules: events.Schedules | None
    _scheduler: scheduler.Scheduler | None
    _gateway: Gateway
    _destinations: api_destinations.ApiDestinations
    region: str = REGION
    account: str = ACCOUNT
    _stopped: threading.Event = field(default_factory=threading.Event)

    def client(self, service: str, role_arn: str | None = None, place: Place = HOME) -> Any:
        """A boto3 client of the place's account, or of a role, in its Region."""
        return self._clients.client(service, role_arn, place)

    def environment(self) -> dict[str, str]:
        """The variables with which the AWS CLI, boto3 and dbrestore find this cloud."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "localcloud",
            "AWS_SECRET_ACCESS_KEY": "localcloud",  # nosec B105 - of no account
        }

    def deploy(self, assembly: Path, *, only: Collection[str] | None = None, place: Place = HOME, **parameters: str) -> None:
        """Deploy every stack of a cloud assembly (`assets.synthesised()` is the application's), or the ones named, unchanged."""
        stacks = [stack for stack in assets.stacks(assembly) if only is None or stack.name in only]
        cloudformation.bootstrap(self._clients, place)
        assets.publish(self._clients, assembly, [stack.name for stack in stacks], place)
        for stack in stacks:
            cloudformation.deploy(self._clients, stack, parameters, place)

    def api_url(self, api_id: str, stage: str) -> str:
        """Where a stage of a REST API is served. Raises LocalCloudError if there is no such API."""
        return f"{self._gateway.url(api_id)}/{stage}"

    def local_url(self, url: str) -> str:
        """The address here of what a stack's output calls `https://<api>.execute-api.<region>.amazonaws.com/<stage>`."""
        return self._gateway.local(url)

    def stand_in(self, host: str, url: str) -> None:
        """From here on `url`, an address of this computer, gets what API destinations send to `https://host/...`."""
        self._destinations.stand_in(host, url)

    def be_inconsistent(self, seed: int, *, for_roles_alone: bool = False) -> None:
        """From here on EC2 shows what is made only after a while, and RDS and S3 are now and then changing what is asked of them.
        `for_roles_alone`: whoever has the owner's keys, as tests that look have, sees what is."""
        consistency.begin(Inconsistency(seed, applies=callers.is_role_asking) if for_roles_alone else Inconsistency(seed))

    def stop(self) -> None:
        """End everything that was started here. A second time it does nothing."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        clock.forget()
        consistency.end()
        if self._schedules:
            self._schedules.stop()
        if self._scheduler:
            self._scheduler.stop()
        self._gateway.stop()
        stepfunctions.shutdown()
        self._functions.close()
        ssm.shutdown()
        rds.shutdown()
        role_trust.shutdown()
        secrets.shutdown()
        judgement.shutdown()
        s3_accounts.shutdown()
        self._server.stop()
        _running.release()


def start(directory: Path, port: int = 0, time_scale: float = 60.0, *, schedules: bool = True) -> Cloud:
    """Start the local cloud in this process.

    `directory` holds whatever must be a file; `port` 0 takes a free one; `time_scale` 60 makes a minute of AWS's waiting one second.
    `schedules` False: nothing fires by itself. Raises LocalCloudError if the port is busy or a cloud runs here already.
    """
    if not _running.acquire(blocking=False):
        raise LocalCloudError("A local cloud runs in this process already: stop it first.")
    try:
        return _start(directory, port, time_scale, schedules)
    except BaseException:
        _running.release()
        raise


def _start(directory: Path, port: int, time_scale: float, schedules: bool) -> Cloud:
    directory.mkdir(parents=True, exist_ok=True)
    clock.set_scale(time_scale)
    server = Server(port, directory / "server.log")
    clients = Clients(server.url)
    authority = certificates.create(directory / "certificates")
    functions = lambda_runtime.Functions(directory / "lambda", clients, os.environ.get("PATH", os.defpath))
    calls: list[Call] = []
    redirected: list[Call] = []
    remembered.install()
    stepfunctions.install(clients)
    lambda_runtime.install(functions)
    destinations = api_destinations.ApiDestinations(clients, directory / api_destinations.RECORD)
    events.install(clients, destinations)
    told.install(directory)
    scheduler.install()
    deployments.install()
    user_pools.install()
    cloudformation.install(clients)
    callers.install(calls)
    _install_resources(directory, time_scale, server.url, authority)
    s3_accounts.install(redirected)
    return Cloud(
        directory,
        server.url,
        authority,
        calls,
        redirected,
        server,
        clients,
        functions,
        events.Schedules() if schedules else None,
        scheduler.Scheduler(clients, directory / scheduler.RECORD).begun() if schedules else None,
        Gateway(clients, directory / ADDRESSES),
        destinations,
    )


def _install_resources(directory: Path, time_scale: float, endpoint: str, authority: certificates.Authority) -> None:
    """What a restore makes, uses and removes."""
    instances.install(time_scale)
    security_groups.install()
    dynamodb.install()
    vpc.install()
    ssm.install(directory, time_scale, endpoint)
    rds.install(directory, time_scale, authority)
    s3.install(directory)
    role_trust.install()
    secrets.install()
    sharing.install()
    volume_keys.install()
    judgement.install()
    outer_policies.install()
    for service in (late_ec2, late_rds, late_s3):
        service.install()
