"""Small tables are read before a session asks for them: the right bytes, in turn, and not too many."""

import hashlib
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from dbrestore.contract.manifest import ByteRange, TableMember
from dbrestore.worker.postgresql.rows.loading import Members
from dbrestore.worker.postgresql.rows.reading_ahead import ReadAhead
from tests.statemachine import sources

CONTENT = bytes(range(100))
# Of ten bytes for each table, two tables in a group; the texts become shorter from group to group.
GROUPS = [
    tuple(
        TableMember(
            dump_id=1 + group * 2 + number,
            schema_name="s",
            table=f"t{group}{number}",
            stored=ByteRange(offset=begin, length=10, sha256=hashlib.sha256(CONTENT[begin : begin + 10]).hexdigest()),
            uncompressed_length=100 - group,
            rows=1,
        )
        for number, begin in enumerate((group * 20, group * 20 + 10))
    )
    for group in range(5)
]


class Asked:
    """The ranges that S3 was asked for, as they come."""

    def __init__(self) -> None:
        self.ranges: list[str] = []
        self._changed = threading.Condition()

    def note(self, params: dict[str, Any], **_: Any) -> None:
        with self._changed:
            self.ranges.append(params["headers"]["Range"])
            self._changed.notify_all()

    def await_requests(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.ranges) >= count, timeout=30)


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def members(asked: Asked) -> Iterator[Members]:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="repository")
        backup = sources.dump_backup("orders", "p", "shop", {})
        s3.put_object(Bucket="repository", Key=backup.files[0].key, Body=CONTENT)
        s3.meta.events.register("before-call.s3.GetObject", asked.note)
        yield Members(s3, "repository", backup)


def range_of(number: int) -> str:
    return f"bytes={number * 20}-{number * 20 + 19}"


def test_groups_are_asked_for_before_anybody_takes_them_and_no_more_than_there_is_room_for(members: Members, asked: Asked) -> None:
    ahead = ReadAhead(members, ahead=2)

    for group in (GROUPS[1], GROUPS[1], GROUPS[0], GROUPS[2]):
        ahead.begin(group)

    asked.await_requests(2)
    where = ahead.take(GROUPS[0])
    assert sorted(asked.ranges) == [range_of(0), range_of(1)]
    assert [b"".join(where.stored(member.stored, "it")) for member in GROUPS[0]] == [CONTENT[:10], CONTENT[10:20]]


def test_each_group_is_read_once_whatever_was_begun(members: Members, asked: Asked) -> None:
    ahead, taken = ReadAhead(members, ahead=2), {}

    for number in (0, 4, 1, 3, 2):
        for group in GROUPS[::-1]:
            ahead.begin(group)
        taken[number] = ahead.take(GROUPS[number])
        ahead.begin(GROUPS[number])

    assert sorted(asked.ranges) == [range_of(number) for number in range(5)]
    for number, where in taken.items():
        for member in GROUPS[number]:
            assert b"".join(where.stored(member.stored, "it")) == CONTENT[member.stored.offset : member.stored.offset + 10]


def test_a_group_that_is_taken_again_is_read_again(members: Members, asked: Asked) -> None:
    ahead = ReadAhead(members)

    ahead.take(GROUPS[0])
    ahead.take(GROUPS[0])

    assert asked.ranges == [range_of(0), range_of(0)]


def test_an_error_of_the_reading_is_raised_to_who_takes_the_group(members: Members, asked: Asked) -> None:
    ahead = ReadAhead(members)
    members.s3.delete_object(Bucket="repository", Key=members.backup.files[0].key)
    members.s3.delete_bucket(Bucket="repository")

    with pytest.raises(ClientError, match="NoSuchBucket"):
        ahead.take(GROUPS[0])
    ahead.begin(GROUPS[1])
    asked.await_requests(2)
    with pytest.raises(ClientError, match="NoSuchBucket"):
        ahead.take(GROUPS[1])


def test_a_large_table_is_read_while_it_is_loaded(members: Members, asked: Asked) -> None:
    ahead = ReadAhead(members)
    ahead.begin(GROUPS[0][:1])

    assert ahead.take(GROUPS[0][:1]) is members
    assert asked.ranges == []
