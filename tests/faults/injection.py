"""Faults at the border of AWS: every request of a function passes one point, where it can be lost, throttled, denied, or end its process.

The point is moto's own handler of botocore's `before-send`: a second handler beside it would not keep moto from applying the effect.
"""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Literal

import botocore.endpoint
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse

from tests.statemachine.plain_moto import Died

Kind = Literal["lost_once", "throttle_once", "denied", "die_before", "die_after"]
KINDS: tuple[Kind, ...] = ("lost_once", "throttle_once", "denied", "die_before", "die_after")
TRANSIENT: tuple[Kind, ...] = ("lost_once", "throttle_once", "die_before", "die_after")

# (status, code) by protocol: what AWS answers differs by service.
THROTTLED = {
    "ec2": (503, "RequestLimitExceeded"),
    "s3": (503, "SlowDown"),
    "dynamodb": (400, "ProvisionedThroughputExceededException"),
}
DENIED = {"ec2": (403, "UnauthorizedOperation"), "s3": (403, "AccessDenied")}


@dataclass
class Injector:
    """Counts the requests that functions make, and does one fault to one of them: `at` is its number, None for none."""

    at: int | None = None
    kind: Kind = "lost_once"
    calls: list[str] = field(default_factory=list)
    _inside: threading.local = field(default_factory=threading.local)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Stand at the border; retries of botocore don't wait."""
        through = BotocoreStubber.__call__

        def at_the_border(stub: Any, event_name: str, request: Any, **more: Any) -> Any:
            if not getattr(self._inside, "function", False):
                return through(stub, event_name, request, **more)
            _, service, operation = event_name.split(".")
            with self._counting:
                number = len(self.calls)
                self.calls.append(f"{service}:{operation}")
            if number != self.at:
                return through(stub, event_name, request, **more)
            return self._fault(service, lambda: through(stub, event_name, request, **more), request)

        patch.setattr(BotocoreStubber, "__call__", at_the_border)
        self._follow_into_threads(patch)
        patch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _seconds: None, time=lambda: 0.0))

    @contextmanager
    def inside(self, function: bool = True) -> Iterator[None]:
        """What happens in here is a function's doing, or, within one, somebody else's."""
        before = getattr(self._inside, "function", False)
        self._inside.function = function
        try:
            yield
        finally:
            self._inside.function = before

    def _follow_into_threads(self, patch: pytest.MonkeyPatch) -> None:
        """What a function's own threads ask for is the function's doing too."""
        submit = ThreadPoolExecutor.submit

        def as_the_submitter(pool: ThreadPoolExecutor, work: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
            function = getattr(self._inside, "function", False)

            def run() -> Any:
                with self.inside(function):
                    return work(*args, **named)

            return submit(pool, run)

        patch.setattr(ThreadPoolExecutor, "submit", as_the_submitter)

    def _fault(self, service: str, through: Any, request: Any) -> Any:
        if self.kind == "die_before":
            raise Died("before the request")
        if self.kind in ("throttle_once", "denied"):
            status, code = self._refusal(service)
            return answer(request, service, status, code)
        through()
        if self.kind == "die_after":
            raise Died("after the request")
        raise ReadTimeoutError(endpoint_url=request.url)

    def _refusal(self, service: str) -> tuple[int, str]:
        if self.kind == "denied":
            return DENIED.get(service, (403 if service in ("sts", "rds", "cloudwatch") else 400, "AccessDeniedException"))
        return THROTTLED.get(service, (400, "ThrottlingException"))


def answer(request: Any, service: str, status: int, code: str) -> AWSResponse:
    """The refusal in the form in which the service answers this request."""
    bodies = {
        "ec2": f"<Response><Errors><Error><Code>{code}</Code><Message>injected</Message></Error></Errors></Response>",
        "s3": f"<Error><Code>{code}</Code><Message>injected</Message></Error>",
    }
    query = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>injected</Message></Error></ErrorResponse>"
    asked = str(request.headers.get("Content-Type", ""))
    body = bodies.get(service, query).encode()
    if "cbor" in asked:
        body = _cbor({"__type": code, "message": "injected"})
    elif "json" in asked:
        body = json.dumps({"__type": code, "message": "injected"}).encode()
    kind = asked if "cbor" in asked or "json" in asked else "text/xml"
    headers = {"x-amzn-errortype": code, "content-type": kind, "smithy-protocol": "rpc-v2-cbor"}
    return AWSResponse(request.url, status, headers, MockRawResponse(body))


def _cbor(texts: dict[str, str]) -> bytes:
    """A map of short texts (RFC 8949: 0xa0 + pairs, 0x60 + length or 0x78 and a length byte)."""
    encoded = [part.encode() for pair in texts.items() for part in pair]
    return bytes([0xA0 + len(texts)]) + b"".join(bytes([0x78, len(part)]) + part for part in encoded)
