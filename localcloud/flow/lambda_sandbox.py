"""One execution environment of one Lambda function: a child process under AWS's own runtime client, fed through the Runtime API.

The child is copied from a process that has read the libraries (`lambda_child`).
Real: the runtime client (context object, serialisation, error payloads, warm reuse), the function's code from its zip, its variables,
its time-out. Not real: memory limits, architecture, layers: dependencies come from the interpreter that runs the local cloud, and the
function's own zip goes before them.
Source: AWS Lambda developer guide, "Using the Lambda runtime API".
"""

import json
import multiprocessing
import queue
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from localcloud.flow import lambda_child

_CHILDREN = multiprocessing.get_context("forkserver")
_CHILDREN.set_forkserver_preload([*lambda_child.LIBRARIES, "localcloud.flow.lambda_nursery"])


@dataclass(frozen=True)
class Outcome:
    """What an invocation came to: the payload (JSON text), whether it is an error's, and what the function wrote."""

    payload: str
    failed: bool
    log: str


@dataclass
class Invocation:
    """One event on its way through the child."""

    event: bytes
    function_arn: str
    deadline: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    answered: threading.Event = field(default_factory=threading.Event)
    payload: str = ""
    failed: bool = False


class Sandbox:
    """A child process and its Runtime API. Takes one invocation at a time; `alive` is False after a time-out or a crash."""

    def __init__(self, task_root: Path, handler: str, variables: Mapping[str, str], log: Path) -> None:
        self._waiting: queue.Queue[Invocation | None] = queue.Queue()
        self._current: Invocation | None = None
        self._start_failure: str | None = None
        self._server = _RuntimeApiServer(("127.0.0.1", 0), _handler_for(self))
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True).start()
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        log.touch()
        variables = {**variables, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}"}
        self._child = _CHILDREN.Process(target=lambda_child.become, args=(task_root, handler, variables, log), daemon=True)
        self._child.start()
        self._looking = threading.Lock()

    @property
    def alive(self) -> bool:
        """Whether it can take another invocation."""
        # Its end can be read once only, and whoever comes second would take it for another.
        with self._looking:
            return self._child.is_alive()

    def invoke(self, event: bytes, function_arn: str, timeout: float) -> Outcome:
        """Run the handler once. `timeout` in real seconds: a Lambda time-out bounds real work, so it isn't scaled.

        As on AWS the time for the child's start isn't counted: the limit runs from when the child fetches the event.
        """
        written = self._log.stat().st_size
        invocation = Invocation(event, function_arn, timeout)
        self._waiting.put(invocation)
        verdict = self._wait(invocation, timeout)
        if verdict:
            self.close()
            invocation.payload, invocation.failed = json.dumps(verdict), True
        with self._log.open("rb") as log:
            log.seek(written)
            return Outcome(invocation.payload, invocation.failed, log.read().decode(errors="replace"))

    def _wait(self, invocation: Invocation, timeout: float) -> dict[str, str] | None:
        while not invocation.answered.wait(0.05):
            if not self.alive and not invocation.answered.wait(0.05):
                return _death(invocation, self._child.exitcode or 0, self._start_failure)
            if self._current is invocation and time.monotonic() > invocation.deadline:
                text = f"RequestId: {invocation.id} Error: Task timed out after {timeout:.2f} seconds"
                return {"errorType": "Sandbox.Timedout", "errorMessage": text}
        return None

    def close(self) -> None:
        """Kill the child and close its Runtime API. A second time it does nothing."""
        with self._looking:
            self._child.kill()
            self._child.join()
        self._waiting.put(None)
        self._server.shutdown()
        self._server.server_close()

    def take(self) -> Invocation | None:
        """The next invocation for the child, or None when there will be none."""
        invocation = self._waiting.get()
        if invocation:
            invocation.deadline += time.monotonic()
        self._current = invocation
        return invocation

    def answer(self, invocation_id: str, payload: str, *, failed: bool) -> None:
        """The child has finished this invocation."""
        if self._current and self._current.id == invocation_id:
            self._current.payload, self._current.failed = payload, failed
            self._current.answered.set()

    def start_failed(self, payload: str) -> None:
        """The child could not load its handler: the error payload, told to whoever invokes."""
        self._start_failure = payload


class _RuntimeApiServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A child that was killed in the middle of a request is nothing to report; anything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def _death(invocation: Invocation, code: int, start_failure: str | None) -> dict[str, str]:
    if start_failure:
        failure: dict[str, str] = json.loads(start_failure)
        return failure
    how = f"signal: {-code}" if code < 0 else f"exit status {code}"
    return {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {invocation.id} Error: Runtime exited with error: {how}",
    }


def _handler_for(sandbox: Sandbox) -> type[BaseHTTPRequestHandler]:
    class RuntimeApi(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            invocation = sandbox.take()
            if invocation is None:
                self.close_connection = True
                return
            self.send_response(200)
            for name, value in {
                "Lambda-Runtime-Aws-Request-Id": invocation.id,
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + invocation.deadline - time.monotonic()) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
                "Content-Type": "application/json",
                "Content-Length": str(len(invocation.event)),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(invocation.event)

        def do_POST(self) -> None:
            payload = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            *_, invocation_id, kind = self.path.split("/")
            if invocation_id == "init":
                sandbox.start_failed(payload)
            else:
                sandbox.answer(invocation_id, payload, failed=kind == "error")
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """The child's own log tells more."""

    return RuntimeApi
