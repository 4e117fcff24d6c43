"""DynamoDB: nobody sees half a write.

| moto 5.2.5 | mended to |
|---|---|
| a reader sees an item that an update has made and not yet filled, and a transaction half done | one operation at a time |
"""

import copy
import threading
from collections.abc import Callable
from typing import Any

from moto.dynamodb.models import DynamoDBBackend

from localcloud.base.mending import mend

_one_at_a_time = threading.RLock()


def install() -> None:
    """Mend moto's DynamoDB."""
    for operation in ("put_item", "update_item", "delete_item", "transact_write_items"):
        mend(DynamoDBBackend, operation, _alone)
    for operation in ("get_item", "query", "scan"):
        mend(DynamoDBBackend, operation, _copied)


def _alone(original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    with _one_at_a_time:
        return original(*arguments, **keywords)


def _copied(original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    # moto gives its own items, and writes the answer when others may change them again.
    with _one_at_a_time:
        return copy.deepcopy(original(*arguments, **keywords))
