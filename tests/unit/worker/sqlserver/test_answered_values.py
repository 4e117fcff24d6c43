"""What SQL Server answers, through the driver, as the text that is compared: every type that can be."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytds
import pytest

from dbrestore.contract.checks.asked import AskedCheck
from dbrestore.worker.base import answers
from dbrestore.worker.sqlserver import answered_values
from localcloud.tds import server as tds_server
from tests.unit.localcloud.tds.echo_engine import PASSWORD, USER, EchoEngine, serving

TEXTS = {
    "int": "-2147483648",
    "bigint": "4611686018427387904",
    "bit": "true",
    "float": "-1.5e+300",
    "nvarchar": "O'Brien ü 🦊",
    "numeric": "-1000000000000000000000000",
    # The driver leaves out zeros at the end.
    "decimal": "-12345678901234567890.12",
    "money": "-922337203685477.5808",
    "date": "2026-11-23",
    "datetime2": "2026-11-23 08:30:42.123456",
    "datetimeoffset": "2026-11-23 08:30:42.123000-03:30",
    "uniqueidentifier": "6F9619FF-8B86-D011-B42D-00C04FC964FF",
}
MOMENTS = {
    "date": datetime(2026, 11, 23, tzinfo=UTC),
    "datetime2": datetime(2026, 11, 23, 8, 30, 42, 123456, tzinfo=UTC),
    "datetimeoffset": datetime(2026, 11, 23, 12, 0, 42, 123000, tzinfo=UTC),
}


@pytest.fixture(scope="module")
def answered() -> Iterator[dict[str, Any]]:
    with serving(EchoEngine()) as server:
        yield {**_row(server, "types"), **_row(server, "newer")}


def _row(server: tds_server.TdsServer, word: str) -> dict[str, Any]:
    keywords = {"user": USER, "password": PASSWORD, "autocommit": True, "as_dict": True, "disable_connect_retry": True}
    with closing(pytds.connect("127.0.0.1", port=server.port, **keywords)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(word)
        found: dict[str, Any] = cursor.fetchone()
        return found


@pytest.mark.parametrize("kind", TEXTS)
def test_each_type_has_its_text(answered: dict[str, Any], kind: str) -> None:
    answer = answered_values.answer(1, answered[kind], kind)

    assert (answer.text, answer.kind, answer.moment) == (TEXTS[kind], kind, MOMENTS.get(kind))
    assert kind in answered_values.COMPARABLE


def test_bytes_are_written_as_sql_server_writes_them(answered: dict[str, Any]) -> None:
    text = answered_values.answer(1, answered["varbinary"], "varbinary").text

    assert text == "0x" + bytes(range(256)).hex().upper()


def test_no_value_is_none() -> None:
    assert answered_values.answer(1, None, "int").text is None


@pytest.mark.parametrize("kind", ["xml", "sql_variant", "json", "vector", "geography", ""])
def test_types_that_the_server_would_send_whole_are_left_out(kind: str) -> None:
    assert kind not in answered_values.COMPARABLE


@pytest.mark.parametrize(
    ("kind", "expect", "status"),
    [
        ("decimal", {"max": -12345678901234567890}, "ok"),
        ("decimal", "-12345678901234567890.12", "ok"),
        ("money", {"min": -922337203685478, "max": -922337203685477}, "ok"),
        ("float", -1.5e300, "ok"),
        ("bit", True, "ok"),
        ("bit", False, "failed"),
        ("bigint", 4611686018427387904, "ok"),
        ("bigint", 4611686018427387905, "failed"),
        # Made at the same moment, then a second later.
        ("datetimeoffset", {"maxAgeSeconds": 0}, "ok"),
        ("datetime2", {"maxAgeSeconds": 0}, "failed"),
        ("nvarchar", {"min": 1}, "failed"),
    ],
)
def test_they_are_compared_as_what_they_are(answered: dict[str, Any], kind: str, expect: Any, status: str) -> None:
    check = AskedCheck.model_validate({"name": "c", "sql": "SELECT 1", "expect": expect})
    point_made = MOMENTS["datetimeoffset"]

    assert answers.judged(check, answered_values.answer(1, answered[kind], kind), point_made).status == status
