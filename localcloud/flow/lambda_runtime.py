"""Lambda: every function of a template really runs, with its own code, variables, time-out and the credentials of its own role.

| moto 5.2.5 | fixed to |
|---|---|
| Docker, or an echo of the input | sandboxes (`lambda_sandbox`), started when first needed, kept warm, as many at a time as are invoked |
| an invocation of type Event is awaited | answered 202 at once, runs by itself; a failed one is tried twice more, then goes to its queue |
| a version in a template has no ARN | its own |
| `Handled` for any error | `Unhandled`, as AWS says for an exception of a Python handler |

What a function writes is in CloudWatch Logs under its own group.
Invariant: an invocation never meets the code or the variables of an older configuration.
"""

import hashlib
import io
import json
import shutil
import threading
import uuid
import zipfile
from collections import Counter, defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import moto.awslambda.models as models
from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import LambdaFunction
from moto.core.config import default_user_config

from localcloud.base import clock
from localcloud.base.clients import Clients, Place
from localcloud.base.corrections import fix
from localcloud.flow.lambda_sandbox import Outcome, Sandbox
from localcloud.iam import roles

# Warm sandboxes kept per function; more may run at a time.
WARM = 2

# AWS tries an event invocation again after one and after two minutes.
EVENT_RETRIES = (60.0, 120.0)


class Functions:
    """All sandboxes of a cloud. `directory` holds unpacked code and logs; `path` is the PATH of the children."""

    def __init__(self, directory: Path, clients: Clients, path: str) -> None:
        self.directory = directory
        self._clients = clients
        self._path = path
        self._idle: defaultdict[str, list[Sandbox]] = defaultdict(list)
        self._all: set[Sandbox] = set()
        self._events: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._closed = False

    def invoke(self, function: Any, event: bytes) -> Outcome:
        """Run the function in a warm sandbox if there is one, else in a new one."""
        configuration = _configuration_hash(function)
        sandbox = self._warm(configuration) or self._cold(function, configuration)
        try:
            return sandbox.invoke(event, function.function_arn, float(function.timeout))
        finally:
            self._release(sandbox, configuration)

    def invoke_later(self, function: Any, event: bytes, retries: tuple[float, ...] = EVENT_RETRIES) -> None:
        """Run the function in a thread, again after each of `retries` (AWS's seconds) while it fails, and never once closed."""
        with self._lock:
            self._events[function.function_name] += 1
        threading.Thread(target=self._try_first, args=(function, event, retries), daemon=True).start()

    def has_event(self, function_name: str) -> bool:
        """Whether an event that it got is being worked on for the first time."""
        with self._lock:
            return self._events[function_name] > 0

    def _try_first(self, function: Any, event: bytes, retries: tuple[float, ...]) -> None:
        try:
            self._invoke_event(function, event, retries)
        finally:
            with self._lock:
                self._events[function.function_name] -= 1

    def _invoke_event(self, function: Any, event: bytes, retries: tuple[float, ...]) -> None:
        with suppress(ConnectionAbortedError):
            outcome = _logged(function, self.invoke(function, event))
            if outcome.failed and retries:
                clock.later(retries[0], lambda: self._invoke_event(function, event, retries[1:]))
            elif outcome.failed:
                self._tell_destination(function, event, outcome)

    def _tell_destination(self, function: Any, event: bytes, outcome: Outcome) -> None:
        """With the function's own role, as AWS does: one that may not send loses the event."""
        for config in function.event_invoke_config:
            queue = config.config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
            if queue.split(":")[2:3] == ["sqs"]:
                _, _, _, region, account, name = queue.split(":")
                sqs = self._clients.client("sqs", function.role, Place(account, region))
                # Deleted with its stack while the function was at work: then nobody is told.
                with suppress(sqs.exceptions.QueueDoesNotExist):
                    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
                    sqs.send_message(QueueUrl=url, MessageBody=_record(function, event, outcome))

    def close(self) -> None:
        """Kill every child."""
        with self._lock:
            self._closed = True
            sandboxes, self._all = self._all, set()
        with ThreadPoolExecutor(max_workers=16) as pool:
            list(pool.map(Sandbox.close, sandboxes))

    def _warm(self, configuration: str) -> Sandbox | None:
        with self._lock:
            if self._closed:
                raise ConnectionAbortedError("The local cloud is stopping.")
            while self._idle[configuration]:
                sandbox = self._idle[configuration].pop()
                if sandbox.alive:
                    return sandbox
                self._all.discard(sandbox)
        return None

    def _cold(self, function: Any, configuration: str) -> Sandbox:
        task_root = self._unpacked(function)
        credentials = roles.session(function.role, function.function_name)
        log = self.directory / "log" / f"{function.function_name}-{uuid.uuid4().hex[:8]}.log"
        variables = _variables(function, task_root, credentials, self._clients.endpoint) | {"PATH": self._path}
        with self._lock:
            if self._closed:
                raise ConnectionAbortedError("The local cloud is stopping.")
            sandbox = Sandbox(task_root, function.handler, variables | function.environment_vars, log)
            self._all.add(sandbox)
        return sandbox

    def _release(self, sandbox: Sandbox, configuration: str) -> None:
        with self._lock:
            if sandbox.alive and not self._closed and len(self._idle[configuration]) < WARM:
                self._idle[configuration].append(sandbox)
                return
            self._all.discard(sandbox)
        sandbox.close()

    def _unpacked(self, function: Any) -> Path:
        task_root = self.directory / "code" / hashlib.sha256(function.code_bytes).hexdigest()[:32]
        if not task_root.exists():
            half_way = task_root.with_name(f"{task_root.name}.{uuid.uuid4().hex}")
            with zipfile.ZipFile(io.BytesIO(function.code_bytes)) as archive:
                archive.extractall(half_way)
            try:
                half_way.rename(task_root)
            except OSError:
                # Another first invocation was faster.
                shutil.rmtree(half_way)
        return task_root


_functions: Functions | None = None


def install(functions: Functions) -> None:
    """Fix moto's Lambda: `functions` run what is invoked."""
    global _functions
    _functions = functions
    # Not the Docker-less backend: that one echoes and knows no unknown function.
    default_user_config["lambda"] = {"use_docker": True}
    fix(LambdaFunction, "invoke", _invoke)
    fix(models, "_s3_content", _code_from_s3)
    fix(models.LambdaVersion, "create_from_cloudformation_json", _version_of_template)


def is_at_work(arn: str) -> bool:
    """Whether the function, of any version, is at work on an event."""
    return _functions is not None and _functions.has_event(arn.split(":")[6])


def _invoke(original: Any, function: Any, body: Any, request_headers: Any, response_headers: Any) -> str | bytes:
    assert _functions is not None  # noqa: S101 - install() sets it before the fix
    event = body.encode() if isinstance(body, str) else body or b"{}"
    kind = request_headers.get("x-amz-invocation-type", "RequestResponse")
    if kind == "Event":
        _functions.invoke_later(function, event)
    if kind != "RequestResponse":
        return b""
    outcome = _logged(function, _functions.invoke(function, event))
    if outcome.failed:
        response_headers["x-amz-function-error"] = "Unhandled"
    return outcome.payload.encode()


def _version_of_template(original: Any, name: str, template: Any, account: str, region: str, **more: Any) -> Any:
    version = original(name, template, account, region, **more)
    function = models.lambda_backends[account][region].get_function(template["Properties"]["FunctionName"], str(version.version))
    version.physical_resource_id = function.function_arn
    return version


def _code_from_s3(original: Any, key: Any) -> Any:
    """`localcloud.s3.objects` keeps large objects in files; moto wants the bytes of a code archive."""
    return original(SimpleNamespace(value=bytes(key.value), size=key.size))


def _logged(function: Any, outcome: Outcome) -> Outcome:
    if not _is_there(function):
        # One that was deleted while it ran: on AWS its log group is gone, and its role may not make another.
        return outcome
    function.logs_backend.ensure_log_group(function.logs_group_name)
    if outcome.log:
        function.save_logs(outcome.log)
    return outcome


def _is_there(function: Any) -> bool:
    try:
        models.lambda_backends[function.account_id][function.region].get_function(function.function_name)
    except UnknownFunctionException:
        return False
    return True


def _record(function: Any, event: bytes, outcome: Outcome) -> str:
    """What a destination gets (Lambda developer guide, "Capturing records of Lambda asynchronous invocations")."""
    record = {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": f"{function.function_arn}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 1 + len(EVENT_RETRIES),
        },
        "requestPayload": json.loads(event),
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": json.loads(outcome.payload),
    }
    return json.dumps(record)


def _configuration_hash(function: Any) -> str:
    """Changes with code, variables, role, time-out: whatever an old sandbox would not know."""
    return json.dumps(function.get_configuration(), sort_keys=True, default=str)


def _variables(function: Any, task_root: Path, credentials: Mapping[str, str], endpoint: str) -> dict[str, str]:
    """The reserved variables of the Lambda developer guide, and the endpoint. Nothing of the person's own environment."""
    return {
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONPATH": str(task_root),
        "PYTHONUNBUFFERED": "1",
        "_HANDLER": function.handler,
        "LAMBDA_TASK_ROOT": str(task_root),
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
        "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": function.logs_group_name,
        "AWS_LAMBDA_LOG_STREAM_NAME": uuid.uuid4().hex,
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        **{name.upper(): value for name, value in credentials.items()},
    }
