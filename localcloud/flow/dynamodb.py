"""DynamoDB: nobody sees half a write.

| moto 5.2.5 | fixed to |
|---|---|
| a reader sees an item that an update has made and not yet filled, and a transaction half done | one operation at a time |
| an update changes the item that the table shows | a copy, which takes its place: an item that was shown never changes |
| every transaction copies the whole table, for the case that it has to go back | the table's list of items |
| every copy of an item copies each value | values that nothing changes are shared, and not even asked |
"""

import copy
import threading
from collections.abc import Callable
from typing import Any

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DDBType, DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import Table

from localcloud.base.corrections import add, fix

_one_at_a_time = threading.RLock()

# moto puts another value in their place; into sets, lists and maps it writes.
_NEVER_CHANGED = frozenset({DDBType.STRING, DDBType.NUMBER, DDBType.BINARY, DDBType.BOOLEAN, DDBType.NULL})


def install() -> None:
    """Fix moto's DynamoDB."""
    for operation in ("put_item", "delete_item", "transact_write_items", "get_item", "query", "scan"):
        fix(DynamoDBBackend, operation, _alone)
    fix(DynamoDBBackend, "update_item", _in_a_copy)
    add(Table, "__deepcopy__", _as_it_is)
    fix(DynamoType, "__deepcopy__", _shared)
    fix(Item, "__deepcopy__", _with_its_values)


def _alone(original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    with _one_at_a_time:
        return original(*arguments, **keywords)


def _in_a_copy(original: Callable[..., Any], backend: Any, table_name: str, key: dict[str, Any], *arguments: Any, **keywords: Any) -> Any:
    with _one_at_a_time:
        table = backend.tables.get(table_name)
        shown = table.get_item(*backend.get_keys_value(table, key)) if table and set(table.table_key_attrs) == set(key) else None
        if shown is None:
            return original(backend, table_name, key, *arguments, **keywords)
        _put(table, copy.deepcopy(shown))
        try:
            return original(backend, table_name, key, *arguments, **keywords)
        except BaseException:
            _put(table, shown)
            raise


def _put(table: Table, item: Item) -> None:
    if table.has_range_key:
        table.items[item.hash_key][item.range_key] = item
    else:
        table.items[item.hash_key] = item


def _as_it_is(table: Table, _memo: dict[int, Any]) -> Table:
    kept = copy.copy(table)
    kept.items = table.items.copy()
    if table.has_range_key:
        for hash_value, items in table.items.items():
            kept.items[hash_value] = items.copy()
    return kept


def _shared(original: Callable[..., Any], value: DynamoType, memo: dict[int, Any]) -> DynamoType:
    return value if value.type in _NEVER_CHANGED else original(value, memo)


def _with_its_values(_original: Callable[..., Any], item: Item, memo: dict[int, Any]) -> Item:
    kept = Item.__new__(type(item))
    kept.hash_key, kept.range_key = item.hash_key, item.range_key
    # As moto does: what was measured when it was written isn't measured again.
    kept.attrs = LimitedSizeDict.__new__(LimitedSizeDict)
    changing = {name: copy.deepcopy(value, memo) for name, value in item.attrs.items() if value.type not in _NEVER_CHANGED}
    dict.update(kept.attrs, item.attrs | changing)
    return kept
