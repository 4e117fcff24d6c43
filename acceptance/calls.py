"""Which calls were made to AWS while something was tried: with their request ids AWS's support finds them, and so does CloudTrail."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from typing import Any

import boto3

from acceptance.sheet import Call

# Of what AWS answered as asked; what it refused is always kept.
KEPT = 12


class Calls:
    """The calls of one boto3 session, in the order of their answers."""

    def __init__(self) -> None:
        self._heard: list[Call] = []
        self._guard = Lock()

    def listen(self, session: boto3.Session) -> None:
        """Note from here on what its clients call."""
        session.events.register("after-call", self._note)

    @contextmanager
    def during(self) -> Iterator[list[Call]]:
        """The list is filled at the end of the block: every refused call, and the first few others that changed something."""
        begin, told = len(self._heard), list[Call]()
        try:
            yield told
        finally:
            heard = self._heard[begin:]
            changing = [call for call in heard if not call.error and not _only_reads(call)][:KEPT]
            told += [call for call in heard if call.error or call in changing]

    def _note(self, model: Any, parsed: dict[str, Any], **_: Any) -> None:
        answer = parsed.get("ResponseMetadata", {})
        error = parsed.get("Error", {}).get("Code")
        identifier = str(answer.get("RequestId") or answer.get("HTTPHeaders", {}).get("x-amz-request-id", ""))
        call = Call(
            at=datetime.now(UTC),
            service=model.service_model.service_name,
            operation=model.name,
            request_id=identifier,
            error=str(error) if error else None,
        )
        with self._guard:
            self._heard.append(call)


def _only_reads(call: Call) -> bool:
    return call.operation.startswith(("Describe", "Get", "Head", "List", "Query"))
