"""The ledger's table as plain items: consistent reads, and writes that are always one transaction with conditions.

A condition that did not hold is an answer here, not an error. boto3 repeats a transaction whose answer was lost with the same token, but
only for ten minutes and not across invocations: callers therefore read again and compare before they believe a failed condition."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from dbrestore.contract.refusals import error_code

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = Mapping[str, Any]
Write = Mapping[str, Any]


class ConditionFailed(Exception):
    """Conditions that did not hold; `writes` are the positions of their writes in the transaction. Nothing was written."""

    def __init__(self, writes: tuple[int, ...]) -> None:
        super().__init__(f"conditions of writes {writes} did not hold")
        self.writes = writes


class Table:
    """Items with the keys `pk` and `sk`. In expressions `#name` stands for an attribute and `:name` for a value given by keyword."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self._client = client
        self._name = name

    def get(self, pk: str, sk: str) -> Item | None:
        """The item as it is now, or None."""
        found = self._client.get_item(TableName=self._name, Key=_key(pk, sk), ConsistentRead=True).get("Item")
        return _plain(found) if found else None

    def query(self, pk: str, prefix: str = "", *, consistent: bool = True) -> tuple[Item, ...]:
        """All items of `pk` whose sort key begins with `prefix`, in the order of the sort keys. Half as dear if what was written in the
        last second may be missed."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            ConsistentRead=consistent,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)" if prefix else "pk = :pk",
            ExpressionAttributeValues=_values({"pk": pk, "prefix": prefix} if prefix else {"pk": pk}),
        )
        return tuple(_plain(item) for page in pages for item in page["Items"])

    def newest(self, pk: str, since: str = "", page: int = 100, *, before: str = "") -> Iterator[Item]:
        """Items of `pk` from the highest sort key, or from below `before`, down to `since`, read `page` at a time as they are asked for."""
        beyond = {"ExclusiveStartKey": _key(pk, before)} if before else {}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            ConsistentRead=True,
            ScanIndexForward=False,
            KeyConditionExpression="pk = :pk AND sk >= :since" if since else "pk = :pk",
            ExpressionAttributeValues=_values({"pk": pk, "since": since} if since else {"pk": pk}),
            PaginationConfig={"PageSize": page},
            **beyond,
        )
        return (_plain(item) for page in pages for item in page["Items"])

    def put(self, item: Item, condition: str = "", **values: Any) -> Write:
        """A write that replaces the item."""
        attributes = _attributes({k: v for k, v in item.items() if v is not None})
        return {"Put": {"Item": attributes, **self._where(condition, condition, values)}}

    def update(self, pk: str, sk: str, change: str, condition: str = "", **values: Any) -> Write:
        """A write that changes attributes; `change` is an update expression."""
        clauses = self._where(f"{change} {condition}", condition, values)
        return {"Update": {"Key": _key(pk, sk), "UpdateExpression": change, **clauses}}

    def delete(self, pk: str, sk: str, condition: str = "", **values: Any) -> Write:
        """A write that removes the item."""
        return {"Delete": {"Key": _key(pk, sk), **self._where(condition, condition, values)}}

    def check(self, pk: str, sk: str, condition: str, **values: Any) -> Write:
        """No write: the transaction succeeds only if the condition holds."""
        return {"ConditionCheck": {"Key": _key(pk, sk), **self._where(condition, condition, values)}}

    def write(self, *writes: Write) -> None:
        """All of it or nothing. Raises ConditionFailed."""
        try:
            self._client.transact_write_items(TransactItems=list(writes))  # type: ignore[arg-type]
        except ClientError as error:
            failed = _failed_conditions(error)
            if not failed:
                raise
            raise ConditionFailed(failed) from error

    def _where(self, expressions: str, condition: str, values: Mapping[str, Any]) -> dict[str, Any]:
        clauses: dict[str, Any] = {"TableName": self._name}
        if condition:
            clauses["ConditionExpression"] = condition
        if names := set(re.findall(r"#(\w+)", expressions)):
            clauses["ExpressionAttributeNames"] = {f"#{name}": name for name in names}
        if values:
            clauses["ExpressionAttributeValues"] = _values(values)
        return clauses


def _failed_conditions(error: ClientError) -> tuple[int, ...]:
    if error_code(error) != "TransactionCanceledException":
        return ()
    reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]
    return tuple(n for n, reason in enumerate(reasons) if reason.get("Code") == "ConditionalCheckFailed")


def _key(pk: str, sk: str) -> Any:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _attributes(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: TypeSerializer().serialize(value) for name, value in item.items()}


def _values(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f":{name}": attribute for name, attribute in _attributes(values).items()}


def _plain(item: Mapping[str, Any]) -> Item:
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
