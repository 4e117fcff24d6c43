"""The worker at its border: it reads job.json when a command arrives and writes result.json, and keeps database servers of names only."""

import json
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlparse

import boto3
import pytest
from moto.ec2.models import ec2_backends
from moto.ssm.exceptions import SSMException
from moto.ssm.models import SimpleSystemManagerBackend
from moto.ssm.responses import SimpleSystemManagerResponse

from dbrestore.contract import keys
from dbrestore.contract.checks.asked import CheckAnswer
from dbrestore.contract.deployed import job_document
from dbrestore.contract.job import FOLLOWED_BY, Absence, DatabaseJob, DatabaseResult, ErrorNote, Job, LeftOut, Result, SwapResult
from dbrestore.contract.swaps.exchanges import SwapJob
from tests.statemachine.fake_native import NativeServer

Behaviour = Callable[["FakeWorker", Job, Any], None]


@dataclass
class FakeWorker:
    """`databases` and `roles` are what stands in the servers. `behaviour` replaces what a kind of job does, `jobs` arrived.
    `orphaned` are the asked names of databases whose objects a role of their own must hold; `left_out` says what a job leaves out, by
    `<status> <asked name>`, `answers` what a verification is answered, by the asked name; `silent` are the instances whose agent SSM no
    longer hears. `goes_on`: verifies at once what it has replayed, as the program does; without, it is one of an older version, or one that
    always dies in between."""

    databases: set[str] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    behaviour: dict[str, Behaviour] = field(default_factory=dict)
    failing: dict[str, ErrorNote] = field(default_factory=dict)
    orphaned: set[str] = field(default_factory=set)
    left_out: dict[str, tuple[LeftOut, ...]] = field(default_factory=dict)
    answers: dict[str, tuple[CheckAnswer, ...]] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)
    commands: list[Any] = field(default_factory=list)
    online: bool = True
    goes_on: bool = False
    silent: set[str] = field(default_factory=set)
    agent: str = "3.3.3572.0"
    native: NativeServer = field(init=False)
    identities: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.native = NativeServer(self.databases, self.failing, answers=self.answers)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Stand behind moto's SSM."""
        send = SimpleSystemManagerBackend.send_command

        def send_command(backend: Any, **request: Any) -> Any:
            instance_id = request["instance_ids"][0]
            if not _is_running(backend, instance_id):
                raise SSMException("InvalidInstanceId", f"Instances [[{instance_id}]] not in a valid state")
            command = send(backend, **request)
            command.status = "InProgress"
            # moto adds every other instance.
            command.instance_ids = [instance_id]
            command.invocations = [one for one in command.invocations if one["InstanceId"] == instance_id]
            self.receive(command)
            return command

        patch.setattr(SimpleSystemManagerBackend, "send_command", send_command)
        # moto looks for plain functions: a bound method would not be found.
        answers = {
            "cancel_command": lambda response: self._cancel(response),
            "describe_instance_information": lambda response: self._information(response),
        }
        for name, answer in answers.items():
            patch.setattr(SimpleSystemManagerResponse, name, answer, raising=False)

    def receive(self, command: Any) -> None:
        """Do the job of a command; a second command for the same job finds it done."""
        job = read_job(command.parameters["JobUri"][0])
        self.commands.append(command)
        if _is_done(command.parameters["JobUri"][0]):
            command.status = "Success"
            return
        self.jobs.append(job)
        self.behaviour.get(job.kind, FakeWorker.do)(self, job, command)
        if self.goes_on and (uri := _following(job, command)):
            self._go_on(command, uri)

    def _go_on(self, command: Any, uri: str) -> None:
        """The same command does the job that follows, and ends with it."""
        following, job = copy(command), read_job(uri)
        following.parameters, following.status = {"JobUri": [uri]}, "InProgress"
        self.jobs.append(job)
        self.behaviour.get(job.kind, FakeWorker.do)(self, job, following)
        command.status = following.status

    def do(self, job: Job, command: Any) -> None:
        """What a worker without trouble does."""
        is_native = job.engine == "sqlserver" and job.kind != "swap"
        self.write(job, command, self._identified(self.native.do(job), job) if is_native else self._do(job))

    def _identified(self, result: Result, job: Job) -> Result:
        databases = tuple(
            one.model_copy(update={"identity": self.identity(one.asked_name)}) if one.status == "PROMOTED" else one
            for one in result.databases
        )
        return result.model_copy(update={"databases": databases, "swaps": tuple(map(self.look, job.swaps))})

    def identity(self, name: str) -> str:
        """Of the database of this name, from its first look on, whatever it is called later."""
        return self.identities.setdefault(name, str(16384 + len(self.identities))) if name in self.databases else ""

    def rename(self, before: str, after: str) -> None:
        """The server's own rename."""
        if before == after:
            return
        self.identities[after] = self.identity(before)
        self.identities.pop(before)
        self.databases.remove(before)
        self.databases.add(after)

    def _swap(self, swap: SwapJob) -> SwapResult:
        error = self.failing.get(f"{swap.action} {swap.name}")
        old_id = swap.old_id or self.identity(swap.kept_as) or self.identity(swap.name)
        if error is None and swap.action == "drop":
            self.databases.discard(swap.kept_as)
        elif error is None:
            there, back = (swap.kept_as, swap.restored_as) if swap.action == "swap" else (swap.restored_as, swap.kept_as)
            if swap.name in self.databases:
                self.rename(swap.name, there)
            self.rename(back, swap.name)
        return self.look(swap, old_id).model_copy(update={"error": error})

    def look(self, swap: SwapJob, old_id: str = "") -> SwapResult:
        """Which name holds what."""
        names = {self.identity(name): name for name in self.databases}
        old_id = swap.old_id or old_id or self.identity(swap.kept_as) or self.identity(swap.name)
        restored, old = names.get(swap.restored_id, ""), names.get(old_id, "")
        done = {"swap": restored == swap.name, "undo": old == swap.name, "drop": not old}[swap.action]
        told = swap.model_dump(include={"action", "name", "restored_as", "kept_as", "restored_id"})
        return SwapResult(**told, is_done=done, restored_is=restored, old_id=old_id, old_is=old)

    def _do(self, job: Job) -> Result:
        if job.kind == "swap":
            return Result(kind=job.kind, restore_id=job.restore_id, swaps=tuple(map(self._swap, job.swaps)))
        work = {"replay": self._replay, "verify": self._verify, "discard": self._discard}[job.kind]
        databases = tuple(work(database) for database in job.databases)
        finished = job.databases if job.kind != "replay" else ()
        absences = [self._absence("database", d.temporary_name, self.databases) for d in finished]
        absences += [self._absence("role", d.login_role, self.roles) for d in finished]
        # Like the worker: the holder is named when it is gone, and stays unnamed with what it owns.
        absences += [self._absence("role", d.holder_role, set()) for d in finished if d.holder_role not in self.roles]
        return Result(
            kind=job.kind, restore_id=job.restore_id, databases=databases, absences=tuple(absences), swaps=tuple(map(self.look, job.swaps))
        )

    def _absence(self, kind: Any, name: str, present: set[str]) -> Absence:
        return Absence(kind=kind, name=name, seen_absent=name not in present)

    def write(self, job: Job, command: Any, result: Result) -> None:
        """Write the result beside the job and end the command."""
        bucket, key = _place(command.parameters["JobUri"][0])
        boto3.client("s3").put_object(Bucket=bucket, Key=key.replace("job.json", "result.json"), Body=result.to_json().encode())
        command.status = "Success"

    def _replay(self, database: DatabaseJob) -> DatabaseResult:
        self.databases.add(database.temporary_name)
        self.roles |= {database.login_role, database.holder_role}
        return self._result(database, "REPLAYED")

    def _verify(self, database: DatabaseJob) -> DatabaseResult:
        found = self._result(database, "PROMOTED")
        if found.status == "PROMOTED":
            # An earlier command may have come that far, as the worker knows from the evidence.
            if database.temporary_name in self.databases:
                self.rename(database.temporary_name, database.asked_name)
            self.roles.discard(database.login_role)
            if database.asked_name not in self.orphaned:
                self.roles.discard(database.holder_role)
        return found

    def _discard(self, database: DatabaseJob) -> DatabaseResult:
        self.databases.discard(database.temporary_name)
        self.roles.discard(database.login_role)
        if database.asked_name in self.databases & self.orphaned:
            return self._result(database, "PROMOTED")
        self.roles.discard(database.holder_role)
        return self._result(database, "DISCARDED")

    def _result(self, database: DatabaseJob, status: Any) -> DatabaseResult:
        error = self.failing.get(f"{status} {database.asked_name}")
        return DatabaseResult(
            backup_name=database.backup_name,
            asked_name=database.asked_name,
            temporary_name=database.temporary_name,
            status="FAILED" if error else status,
            error=error,
            rows=3,
            bytes=30,
            left_out=self.left_out.get(f"{status} {database.asked_name}", ()),
            answers=self.answers.get(database.asked_name, ()) if status == "PROMOTED" else (),
            identity=self.identity(database.temporary_name) if status == "PROMOTED" else "",
        )

    def _cancel(self, response: Any) -> Any:
        command = response.ssm_backend.get_command_by_id(response._get_param("CommandId"))
        if command.status == "InProgress":
            command.status = "Cancelled"
        return "{}"

    def _information(self, response: Any) -> str:
        wanted = [v for f in response._get_param("Filters", []) for v in f["Values"]]
        found = [i for i in wanted if self.online and _is_running(response.ssm_backend, i)]
        return json.dumps({"InstanceInformationList": [self._shown(i) for i in found]})

    def _shown(self, instance_id: str) -> dict[str, str]:
        ping = "ConnectionLost" if instance_id in self.silent else "Online"
        return {"InstanceId": instance_id, "PingStatus": ping, "AgentVersion": self.agent}


def read_job(job_uri: str) -> Job:
    """The job document at an s3:// URI."""
    bucket, key = _place(job_uri)
    return Job.from_json(boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


def _is_done(job_uri: str) -> bool:
    bucket, key = _place(job_uri)
    folder = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix=key.removesuffix("job.json"))
    return any(found["Key"].endswith("result.json") for found in folder["Contents"])


def _following(job: Job, command: Any) -> str | None:
    """As the program decides it (`tests/databases/replay/test_following.py`)."""
    uri = command.parameters["JobUri"][0]
    if job.kind not in FOLLOWED_BY or not _is_done(uri):
        return None
    bucket, key = _place(uri)
    result = Result.from_json(boto3.client("s3").get_object(Bucket=bucket, Key=key.replace("job.json", "result.json"))["Body"].read())
    following = f"s3://{bucket}/{keys.job_prefix(job.restore_id, FOLLOWED_BY[job.kind])}job.json"
    failed = result.error or any(database.error for database in result.databases)
    return None if failed or read_job(following).databases != job.databases else following


def end_without_result(worker: FakeWorker, job: Job, command: Any) -> None:
    """The worker's program crashes after it made the temporary databases."""
    leave_unfinished(worker, job, command)
    command.status = "Failed"
    command.invocations[0].update(Status="Failed", StandardErrorContent="MemoryError", ResponseCode=137)


def find_no_program(_worker: FakeWorker, _job: Job, command: Any) -> None:
    """The boot script had failed before any command came."""
    command.status = "Failed"
    told = "the worker could not boot: s3://evidence/programs/worker.zip could not be fetched\n"
    command.invocations[0].update(Status="Failed", StandardErrorContent=told, ResponseCode=job_document.NEVER_BOOTED)


def leave_unfinished(worker: FakeWorker, job: Job, _command: Any) -> None:
    """The job runs on for ever."""
    worker.databases.update(d.temporary_name for d in job.databases)
    worker.roles |= {d.login_role for d in job.databases}
    if job.kind == "restore":
        worker.native.begin(job.native_databases)


def lose_worker(worker: FakeWorker, job: Job, command: Any) -> None:
    """The instance dies in the middle of the job."""
    leave_unfinished(worker, job, command)
    boto3.client("ec2").terminate_instances(InstanceIds=command.instance_ids)


def lose_agent(worker: FakeWorker, job: Job, command: Any) -> None:
    """The instance runs on, and nobody hears of it: SSM says that the command is in progress, for up to 48 hours."""
    leave_unfinished(worker, job, command)
    worker.silent.update(command.instance_ids)


def _place(uri: str) -> tuple[str, str]:
    parsed = urlparse(uri)
    return parsed.netloc, parsed.path.lstrip("/")


def _is_running(backend: Any, instance_id: str) -> bool:
    instance = ec2_backends[backend.account_id][backend.region_name].get_instance_by_id(instance_id)
    return instance is not None and instance._state.name == "running"
