"""Ten thousand single values changed in the temporary database by another session, between replay and verification: each is found.

Each change is looked for in its table alone, as the verification reads it; a few whole verifications stand for the way to the end.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from dbrestore.contract.job import PostgresOptions
from dbrestore.worker.postgresql.checks.content import Content
from tests.databases.conftest import authority, cloud, clouds, nothing_left, server
from tests.databases.content_case import compared, expected
from tests.databases.restore_case import Cloud, Restore

__all__ = ["authority", "cloud", "clouds", "nothing_left", "server"]

CHANGES = 10_000
SAMPLE = 200
WHOLE = 10
ROWS = 150
SOURCE = f"""
CREATE TYPE mood AS ENUM ('sad', 'fair', 'happy');
CREATE TYPE pair AS (a integer, b text);
CREATE TABLE mixed (
    id integer, small smallint, big bigint, exact numeric(30,9), rough double precision, single real, yes boolean, words text,
    short varchar(40), fixed char(20), raw bytea, doc jsonb, old json, at timestamptz, local timestamp, day date, clock time,
    lasts interval, uid uuid, net inet, tags text[], feels mood, two pair, span int4range, bits bit varying(64), place point
);
INSERT INTO mixed SELECT
    i, i % 100, i::bigint << 33, i / 7.0, i / 7.0, i / 3.0, i % 2 = 0, repeat(md5(i::text), i % 9) || E'\\t\\n\\\\',
    md5(i::text), 'f' || i, decode(md5(i::text), 'hex'), jsonb_build_object('n', i, 'l', jsonb_build_array(i, NULL)), '{{"a" : 1}}',
    timestamptz '2026-01-01' + i * interval '7:11:13.000123', timestamp '2026-01-01' + i * interval '1 day', date '2026-01-01' + i,
    '12:00', i * interval '1 hour', md5(i::text)::uuid, '10.0.0.1'::inet + i, ARRAY['a', NULL, i::text], 'fair', ROW(i, 'x')::pair,
    int4range(i, i + 3), B'101', point(i, i / 3.0)
    FROM generate_series(1, {ROWS}) AS i;
"""
# How one value becomes another, by column: the least that a type can change by.
OTHER = {
    "id": "id + 1",
    "small": "small + 1",
    "big": "big + 1",
    "exact": "exact + 0.000000001",
    "rough": "rough * (1 + 3e-16::double precision)",
    "single": "single * 1.0000002::real",
    "yes": "NOT yes",
    "words": "overlay(words PLACING 'Z' FROM length(words))",
    "short": "overlay(short PLACING 'Z' FROM {n})",
    "fixed": "'g' || substr(fixed, 2)",
    "raw": "set_bit(raw, {n}, 1 - get_bit(raw, {n}))",
    "doc": "doc || jsonb_build_object('n', {n} + 1000)",
    "old": "'{{\"a\" :  1}}'",
    "at": "at + interval '1 microsecond'",
    "local": "local - interval '1 microsecond'",
    "day": "day + 1",
    "clock": "clock + interval '1 microsecond'",
    "lasts": "lasts + interval '1 day'",
    "uid": "overlay(uid::text PLACING translate(substr(uid::text, 1, 1), '0123456789abcdef', '123456789abcdef0') FROM 1)::uuid",
    "net": "net + 1",
    "tags": "array_append(tags, NULL)",
    "feels": "'sad'",
    "two": "ROW((two).a, 'X')::public.pair",
    "span": "int4range(lower(span), upper(span) + 1)",
    "bits": "bits || B'0'",
    "place": "point(place[0], place[1] + 1)",
}


@dataclass(frozen=True)
class Replayed:
    """A database that waits for its verification; `other` is a session beside the one that reads."""

    restore: Restore
    content: Content
    reader: psycopg.Connection
    other: psycopg.Connection


@pytest.fixture
def replayed(cloud: Cloud) -> Iterator[Replayed]:
    cloud.create_database("mixed")
    cloud.execute(SOURCE, "mixed")
    restore = Restore(cloud, {"mixed": cloud.dump("mixed")}, {"mixed": "back"}, postgres=PostgresOptions(verify="content"))
    restore.add_point()
    restore.run("replay")
    dsn = cloud.server.superuser_dsn(restore.databases()[0].temporary_name)
    with psycopg.connect(dsn, autocommit=True) as reader, psycopg.connect(dsn, autocommit=True) as other:
        yield Replayed(restore, expected(restore.dumps["mixed"])["mixed"], reader, other)
    restore.run("discard")


@dataclass(frozen=True)
class Change:
    """One value of one row is now another; `place` is where the row lies."""

    statement: str
    row: int
    place: str


def change(other: psycopg.Connection, chance: random.Random) -> Change:
    """Another value in one place, or none."""
    column, row = chance.choice(list(OTHER)), chance.randrange(1, ROWS + 1)
    value = "NULL" if chance.random() < 0.1 else OTHER[column].format(n=chance.randrange(1, 30))
    statement = f"UPDATE public.mixed SET {column} = {value} WHERE id = {row}"
    (place,) = other.execute(statement + " RETURNING ctid::text").fetchall()  # type: ignore[arg-type]
    return Change(statement, row, place[0])


def take_back(other: psycopg.Connection, done: Change) -> None:
    """The row as it was."""
    other.execute("DELETE FROM public.mixed WHERE ctid = %s::tid", [done.place])
    other.execute("INSERT INTO public.mixed SELECT * FROM kept WHERE id = %s", [done.row])


@pytest.mark.parametrize("changes", [SAMPLE, pytest.param(CHANGES, marks=pytest.mark.slow)])
@pytest.mark.timeout(3600)
def test_every_changed_value_is_found(replayed: Replayed, changes: int) -> None:
    chance, missed = random.Random(8), []
    replayed.other.execute("CREATE TEMPORARY TABLE kept AS TABLE public.mixed")
    for _ in range(changes):
        done = change(replayed.other, chance)
        if compared(replayed.reader, replayed.content).result != "failed":
            missed.append(done.statement)
        take_back(replayed.other, done)

    assert not missed
    assert compared(replayed.reader, replayed.content).result == "ok"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_whole_verifications_find_changed_values(replayed: Replayed) -> None:
    chance = random.Random(9)
    replayed.other.execute("CREATE TEMPORARY TABLE kept AS TABLE public.mixed")
    for number in range(WHOLE):
        done = change(replayed.other, chance)
        (verified,) = replayed.restore.run("verify", f"verify-{number}").databases
        assert [c.check for c in verified.checks if c.result == "failed"] == ["content of public.mixed"], done.statement
        take_back(replayed.other, done)
