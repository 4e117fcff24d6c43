"""Nobody sees half a write."""

import threading
import time
from typing import Any

import boto3
import pytest
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
