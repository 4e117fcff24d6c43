"""Members are told of in the order in which they were read, each when it is whole."""

from dataclasses import replace

import pytest

from dbrestore.contract.errors import BackupDamaged
from dbrestore.contract.manifest import ByteRange, LargeObjectMember, ObjectDigest
from dbrestore.points.pgdump.begun import Member
from dbrestore.points.pgdump.rows.block_count import RowShape
from dbrestore.points.pgdump.rows.canonical_text import Columns
from dbrestore.points.pgdump.rows.member_rows import MemberRows
from dbrestore.points.pgdump.toc import TocEntry, parse
from dbrestore.points.pgdump.underway import MembersUnderway
from tests.unit.points.pgdump import archives
from tests.unit.points.pgdump.rows.test_member_rows import Later

AT = ByteRange(offset=0, length=1, sha256="0" * 64)
OBJECTS = LargeObjectMember(dump_id=22, oids=(1,), stored=AT, uncompressed_length=0, content=ObjectDigest(seed=1, total="0" * 32))
ENTRY: TocEntry = next(e for e in parse([archives.custom(archives.shop())]).entries if e.description == "TABLE DATA")


def rows(others: Later, text: bytes = b"1\n") -> MemberRows:
    read = MemberRows(RowShape(Columns(), 7, is_utf8=True), 1, others)
    read.add(text)
    return read


def entry(dump_id: int) -> TocEntry:
    return replace(ENTRY, dump_id=dump_id, tag=f"t{dump_id}")


def test_whoever_was_read_later_waits_for_who_is_not_counted_yet() -> None:
    told: list[int] = []
    underway, others = MembersUnderway(lambda member: told.append(member.dump_id)), Later()

    underway.rows_read(entry(1), rows(others), AT)
    assert told == [1]
    underway.rows_read(entry(2), awaited := rows(others), AT)
    underway.read(OBJECTS)
    underway.rows_read(entry(3), rows(others), AT)
    assert told == [1]
    awaited.result()
    underway.read(OBJECTS.model_copy(update={"dump_id": 23}))

    assert told == [1, 2, 22, 3, 23]


def test_at_the_end_all_are_waited_for() -> None:
    told: list[Member] = []
    underway, others = MembersUnderway(told.append), Later()
    for dump_id in range(1, 8):
        underway.rows_read(entry(dump_id), rows(others), AT)

    underway.finish()

    assert [member.dump_id for member in told] == list(range(1, 8))
    assert [member.rows for member in underway.tables] == [1] * 7


def test_members_that_somebody_else_has_read_keep_their_place_and_are_not_told_of() -> None:
    told: list[int] = []
    underway, others = MembersUnderway(lambda member: told.append(member.dump_id)), Later()

    underway.known(OBJECTS)
    underway.rows_read(entry(1), rows(others), AT)
    underway.finish()

    assert told == [1]
    assert [member.dump_id for member in underway.members] == [22, 1]
    assert underway.large_objects == (OBJECTS,)


def test_damage_names_the_member_that_it_is_in() -> None:
    underway, others = MembersUnderway(lambda member: None), Later()
    underway.rows_read(entry(1), rows(others), AT)
    underway.rows_read(entry(2), rows(others, b"\xff\n"), AT)

    with pytest.raises(BackupDamaged, match=r"t2.*aren't UTF-8"):
        underway.finish()
