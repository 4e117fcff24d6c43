"""What is worked out once comes out as moto works it out each time."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import boto3
import jsonpath_ng.ext
import pytest
from moto import mock_aws
from moto.core.serialize import XFormedAttributePicker
from moto.core.utils import get_service_model
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.kms.models import kms_backends
from moto.moto_api._internal import mock_random
from moto.stepfunctions.parser.asl.eval import states

from localcloud.base import remembered

PLACE = {"region_name": "eu-central-1"}


@pytest.fixture
def aws() -> Iterator[None]:
    remembered.install()
    with mock_aws():
        yield


# The same for each test, as moto's is for each request: what is remembered is remembered with it.
SHAPE: Any = get_service_model("rds").shape_for("DBInstance")


class DBInstance:
    class Meta:
        serialization_aliases: ClassVar = {"Engine": "kind"}

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)


@dataclass
class Serializer:
    """What a member is looked up with."""

    _value_picker: Any
    path: list[str]


def asked(value: Any, key: str, *, transformers: dict[str, Any] | None = None) -> Any:
    member = SHAPE.members[key]
    member.parent = SHAPE
    serializer = Serializer(XFormedAttributePicker(response_transformers=transformers), ["DescribeDBInstances", "DBInstance"])
    return remembered._member(_never, serializer, value, key, member)


def _never(*_: Any) -> Any:
    raise AssertionError("asked moto")


def test_a_member_is_found_under_each_of_its_names_and_in_each_class() -> None:
    for _ in range(2):
        assert asked(DBInstance(identifier="a"), "DBInstanceIdentifier") == "a"
        assert asked(DBInstance(db_instance_identifier="b"), "DBInstanceIdentifier") == "b"
        assert asked({"DBInstanceIdentifier": "c"}, "DBInstanceIdentifier") == "c"
        assert asked(DBInstance(kind="d"), "Engine") == "d"
        assert asked({"Engine": "e", "kind": "f"}, "Engine") == "e"


def test_what_is_nowhere_and_what_is_nothing_are_nothing() -> None:
    assert asked({}, "Engine") is None
    assert asked({"Engine": None, "engine": "later"}, "Engine") is None


def test_an_answer_is_changed_where_moto_changes_it_and_nowhere_else() -> None:
    changed = {"DBInstance.Engine": lambda value: f"<{value}>"}

    assert asked({"Engine": "a"}, "Engine", transformers=changed) == "<a>"
    assert asked({"EngineVersion": "1"}, "EngineVersion", transformers=changed) == "1"


def test_a_value_of_each_kind_comes_out_as_it_was_put(aws: None) -> None:
    dynamodb: Any = boto3.client("dynamodb", **PLACE)
    keys = {
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    }
    dynamodb.create_table(TableName="kinds", BillingMode="PAY_PER_REQUEST", **keys)
    item = {
        "pk": {"S": "a"},
        "number": {"N": "1.50"},
        "bytes": {"B": b"\x00\xff"},
        "false": {"BOOL": False},
        "nothing": {"NULL": True},
        "many": {"L": [{"S": ""}, {"M": {"k": {"N": "2"}, "of": {"L": []}}}, {"B": b"x"}]},
        "some": {"SS": ["a", "b"]},
        "numbers": {"NS": ["1", "2"]},
        "pieces": {"BS": [b"a", b"b"]},
    }
    dynamodb.put_item(TableName="kinds", Item=item)

    assert dynamodb.get_item(TableName="kinds", Key={"pk": {"S": "a"}})["Item"] == item
    assert dynamodb.scan(TableName="kinds")["Items"] == [item]


def test_keys_sign_and_their_signatures_are_judged(aws: None) -> None:
    kms = boto3.client("kms", **PLACE)
    key = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")["KeyMetadata"]["KeyId"]
    how: Any = {"KeyId": key, "MessageType": "RAW", "SigningAlgorithm": "RSASSA_PSS_SHA_256"}
    signature = kms.sign(Message=b"text", **how)["Signature"]

    assert kms.verify(Message=b"text", Signature=signature, **how)["SignatureValid"]
    assert kms.get_public_key(KeyId=key)["PublicKey"] == kms.get_public_key(KeyId=key)["PublicKey"]


def test_a_key_that_signs_nothing_makes_none(aws: None) -> None:
    key = boto3.client("kms", **PLACE).create_key()["KeyMetadata"]["KeyId"]

    assert "_key" not in vars(kms_backends["123456789012"]["eu-central-1"].keys[key].private_key)


def test_one_path_finds_what_is_in_each_text() -> None:
    remembered.install()
    found = [[match.value for match in jsonpath_ng.ext.parse("$.a[*].b").find(json.loads(text))] for text in ('{"a": [{"b": 1}]}', "{}")]

    assert found == [[1], []]


def test_what_a_state_gets_is_its_own_in_all_its_depth() -> None:
    remembered.install()
    held = {"Execution": {"Input": {"many": [{"n": 1}, [None, True, 1.5, "text"]], "bytes": bytearray(b"a")}}}
    context = states.States(context=held)  # type: ignore[arg-type]

    got = context.get_input()
    assert got == held["Execution"]["Input"]
    got["many"][0]["n"], got["many"][1][0], got["bytes"][0] = 2, "changed", 98

    assert context.get_input() == {"many": [{"n": 1}, [None, True, 1.5, "text"]], "bytes": bytearray(b"a")}


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ({"S": "a"}, {"S": "a"}, True),
        ({"S": "a"}, {"S": "b"}, False),
        ({"S": "1"}, {"N": "1"}, False),
        ({"N": "1.50"}, {"N": "1.5"}, True),
        ({"SS": ["a", "b"]}, {"SS": ["b", "a"]}, True),
        ({"BOOL": True}, {"BOOL": False}, False),
        ({"NULL": True}, {"NULL": True}, True),
        ({"L": [{"N": "1.0"}]}, {"L": [{"N": "1"}]}, True),
        ({"M": {"k": {"S": "a"}}}, {"M": {"k": {"S": "b"}}}, False),
    ],
)
def test_values_are_equal_where_dynamodb_takes_them_for_equal(one: dict[str, Any], other: dict[str, Any], equal: bool) -> None:
    remembered.install()

    assert (DynamoType(one) == DynamoType(other)) is equal


def test_a_random_text_has_its_length_and_letters_and_comes_once() -> None:
    remembered.install()
    drawn = [mock_random.get_random_string(52) for _ in range(20)]

    assert {len(text) for text in drawn} == {52}
    assert len(set(drawn)) == 20
    assert mock_random.get_random_string(200, include_digits=False, lower_case=True).islower()
    assert mock_random.get_random_string(200, include_digits=False).isalpha()
