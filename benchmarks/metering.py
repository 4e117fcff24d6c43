"""What a restore uses of the services that are paid by use: functions, transitions, units of the ledger, and how large its states are.

Units are counted by size, as DynamoDB counts them: a write for every begun KiB of the item as it is then, twice in a transaction and for
a condition that is only checked; a consistent read for every 4 KiB.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto.core.botocore_stubber import BotocoreStubber
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType

from localcloud.base.clients import ACCOUNT, REGION

KIB = 1024
TABLE = "ledger"


@dataclass
class Meter:
    """`calls` by function; the ledger's units. Only what functions ask for is counted, and they are called one at a time."""

    calls: Counter[str] = field(default_factory=Counter)
    writes: int = 0
    reads: float = 0
    _is_on: bool = False
    _one_at_a_time: Any = field(default_factory=threading.Lock)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Stand before moto."""
        through = BotocoreStubber.__call__

        def listen(stub: Any, event_name: str, request: Any, **more: Any) -> Any:
            _, service, operation = event_name.split(".")
            if service != "dynamodb" or not self._is_on:
                return through(stub, event_name, request, **more)
            asked = json.loads(request.body)
            before = _written(asked) if operation == "TransactWriteItems" else 0
            answer = through(stub, event_name, request, **more)
            self._count(operation, asked, before, answer)
            return answer

        patch.setattr(BotocoreStubber, "__call__", listen)

    def counted(self, call: Callable[[str, dict[str, Any]], Any]) -> Callable[[str, dict[str, Any]], Any]:
        """The same function, its calls counted."""

        def counting(state: str, event: dict[str, Any]) -> Any:
            with self._one_at_a_time:
                self.calls[state] += 1
                self._is_on = True
                try:
                    return call(state, event)
                finally:
                    self._is_on = False

        return counting

    def _count(self, operation: str, asked: dict[str, Any], before: int, answer: Any) -> None:
        if operation == "TransactWriteItems":
            self.writes += max(before, _written(asked))
        elif operation in ("GetItem", "Query"):
            # An answer that may be a second old costs half.
            self.reads += max(1, -(-len(answer.content) // (4 * KIB))) * (1.0 if asked.get("ConsistentRead") else 0.5)
        else:
            raise ValueError(f"The ledger's units of {operation} are not known here")


def _written(asked: dict[str, Any]) -> int:
    return sum(2 * -(-max(1, _size(write)) // KIB) for write in asked["TransactItems"])


def _size(write: dict[str, Any]) -> int:
    """Bytes of the item as it lies in the table."""
    [wish] = write.values()
    key = wish.get("Key") or wish["Item"]
    table = dynamodb_backends[ACCOUNT][REGION].tables[TABLE]
    found = table.get_item(DynamoType(key["pk"]), DynamoType(key["sk"]))
    return int(found.size()) if found else 0


def transitions(history: Sequence[dict[str, Any]]) -> int:
    """States entered, and tasks begun again: what Step Functions charges for."""
    entered = sum(str(event["type"]).endswith("StateEntered") for event in history)
    scheduled = sum(event["type"] in ("LambdaFunctionScheduled", "TaskScheduled") for event in history)
    tasks = sum(event["type"] == "TaskStateEntered" for event in history)
    return int(entered + scheduled - tasks)


def largest_state(history: Sequence[dict[str, Any]]) -> tuple[int, str]:
    """Bytes of the largest input or output of a state, and its name."""
    sizes = []
    for event in history:
        for detail, text in (("stateEnteredEventDetails", "input"), ("stateExitedEventDetails", "output")):
            if detail in event:
                sizes.append((len(event[detail].get(text, "").encode()), event[detail]["name"]))
    return max(sizes)
