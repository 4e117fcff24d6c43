"""Nobody sees half a write."""

import threading
import time
from typing import Any

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.parsing.executors import UpdateExpressionExecutor

from localcloud.flow import dynamodb

TABLE = "half"
KEY: Any = {"pk": {"S": "a"}, "sk": {"S": "b"}}


@pytest.fixture(scope="module")
def client(endpoint: str) -> Any:
    dynamodb.install()
    found = boto3.client("dynamodb")
    found.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    return found


def test_a_reader_sees_an_item_as_it_was_or_as_it_is(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write = UpdateExpressionExecutor.execute

    def slowly(executor: Any, node: Any = None) -> None:
        # Where moto has made the item and not yet filled it.
        time.sleep(0.02)
        write(executor, node)

    monkeypatch.setattr(UpdateExpressionExecutor, "execute", slowly)
    done = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not done.is_set():
            items = client.query(TableName=TABLE, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": "a"}})["Items"]
            seen.extend(len(item) for item in items)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(20):
        update = {
            "TableName": TABLE,
            "Key": KEY,
            "UpdateExpression": "SET x = :v, y = :v, z = :v",
            "ExpressionAttributeValues": {":v": {"N": str(number)}},
        }
        client.transact_write_items(TransactItems=[{"Update": update}])
        client.delete_item(TableName=TABLE, Key=KEY)
    done.set()
    for reader in readers:
        reader.join()

    assert seen
    assert set(seen) == {5}


def _update(number: int, **more: Any) -> dict[str, Any]:
    values = {":v": {"N": str(number)}, ":l": {"L": [{"N": str(number)}]}}
    expression = "SET x = :v, l = list_append(if_not_exists(l, :e), :l)"
    return {"TableName": TABLE, "Key": KEY, "UpdateExpression": expression, "ExpressionAttributeValues": values | {":e": {"L": []}}} | more


def test_a_shown_item_never_changes(client: Any) -> None:
    backend = dynamodb_backends[ACCOUNT_ID]["eu-central-1"]
    client.update_item(**_update(1))
    shown = backend.get_item(TABLE, KEY)
    before = shown.to_json()
    client.update_item(**_update(2))

    assert shown.to_json() == before
    assert len(backend.get_item(TABLE, KEY).to_json()["Attributes"]["l"]["L"]) == 2
    client.delete_item(TableName=TABLE, Key=KEY)


def test_a_transaction_that_is_refused_has_done_nothing(client: Any) -> None:
    client.update_item(**_update(1))
    other: Any = {"pk": {"S": "a"}, "sk": {"S": "c"}}
    refused = {"ConditionCheck": {"TableName": TABLE, "Key": other, "ConditionExpression": "attribute_exists(pk)"}}
    put = {"Put": {"TableName": TABLE, "Item": {"pk": {"S": "a"}, "sk": {"S": "d"}}}}
    before = client.scan(TableName=TABLE)["Items"]

    with pytest.raises(client.exceptions.TransactionCanceledException):
        client.transact_write_items(TransactItems=[put, {"Update": _update(2)}, refused])

    assert client.scan(TableName=TABLE)["Items"] == before
    assert before[0]["l"] == {"L": [{"N": "1"}]}
    client.delete_item(TableName=TABLE, Key=KEY)


def test_an_update_that_is_refused_leaves_the_item(client: Any) -> None:
    client.update_item(**_update(1))

    with pytest.raises(client.exceptions.ConditionalCheckFailedException):
        client.update_item(**_update(2, ConditionExpression="attribute_not_exists(pk)"))

    assert client.get_item(TableName=TABLE, Key=KEY)["Item"]["x"] == {"N": "1"}
    client.delete_item(TableName=TABLE, Key=KEY)
