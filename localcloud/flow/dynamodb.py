"""DynamoDB: nobody sees half a write.

| moto 5.2.5 | fixed to |
|---|---|
| a reader sees an item that an update has made and not yet filled, and a transaction half done | one operation at a time |
| every answer and every transaction copies each value that it may touch, the whole table's | values that nothing changes are shared |
"""

import copy
import threading
from collections.abc import Callable
from typing import Any

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DDBType, DynamoType

from localcloud.base.corrections import fix

_one_at_a_time = threading.RLock()

# moto puts another value in their place; into sets, lists and maps it writes.
_NEVER_CHANGED = frozenset({DDBType.STRING, DDBType.NUMBER, DDBType.BINARY, DDBType.BOOLEAN, DDBType.NULL})


def install() -> None:
    """Fix moto's DynamoDB."""
    for operation in ("put_item", "update_item", "delete_item", "transact_write_items"):
        fix(DynamoDBBackend, operation, _alone)
    for operation in ("get_item", "query", "scan"):
        fix(DynamoDBBackend, operation, _copied)
    fix(DynamoType, "__deepcopy__", _shared)


def _alone(original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    with _one_at_a_time:
        return original(*arguments, **keywords)


def _copied(original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    # moto gives its own items, and writes the answer when others may change them again.
    with _one_at_a_time:
        return copy.deepcopy(original(*arguments, **keywords))


def _shared(original: Callable[..., Any], value: DynamoType, memo: dict[int, Any]) -> DynamoType:
    return value if value.type in _NEVER_CHANGED else original(value, memo)
