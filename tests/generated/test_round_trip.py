"""The verdict on databases whose rows belong to other partitions on the new server: good when they are all there or told, bad otherwise."""

import psycopg
import pytest

from tests.databases.restore_case import Restore
from tests.generated import round_trip
from tests.generated.dumps import Dump
from tests.generated.round_trip import Choices, Meanwhile, Verdict
from tests.generated.script import OWNER, Script, Statement
from tests.generated.servers import Pool

# The hash of an enum's array is made of numbers that each server gives anew.
HASHED = (
    """DO $$ BEGIN EXECUTE (SELECT format('CREATE TYPE kind AS ENUM (%s)', string_agg(quote_literal('k' || i), ','))
        FROM generate_series(1, 40) AS i); END $$""",
    'CREATE TABLE "the, root" (at int, k kind[]) PARTITION BY HASH (k)',
    'CREATE TABLE h0 PARTITION OF "the, root" FOR VALUES WITH (MODULUS 2, REMAINDER 0)',
    'CREATE TABLE "h 1" PARTITION OF "the, root" FOR VALUES WITH (MODULUS 2, REMAINDER 1)',
    """INSERT INTO "the, root" SELECT i, ARRAY[('k' || 1 + i % 40)::kind] FROM generate_series(1, 4000) AS i""",
)
# Rows that come to h0 from its sister are refused there, so that neither the leaf nor the root takes them.
ONLY_ITS_OWN = """DO $$ BEGIN EXECUTE (SELECT format('ALTER TABLE h0 ADD CONSTRAINT own CHECK (k::text IN (%s))',
    string_agg(DISTINCT quote_literal(k::text), ',')) FROM h0); END $$"""
# Between versions, a superuser's pg_restore is compared with: it loses such rows itself.
PAIRS = [("17", "17"), pytest.param(("15", "17"), marks=pytest.mark.slow)]


def judged(pool: Pool, pair: tuple[str, str], *statements: str, meanwhile: Meanwhile | None = None) -> Verdict:
    """The verdict on the database that these make, restored with `skip`."""
    drawn = Script("UTF8", "C", hard=False, statements=tuple(Statement(text, OWNER) for text in statements))
    choices = Choices(owners_kept=True, skip=True, content=True, extensions=())
    return round_trip.run(pool.pair(*pair), 0, drawn, Dump(("-Fc",), is_whole=True), choices, meanwhile)


@pytest.mark.parametrize("pair", PAIRS)
def test_rows_that_went_to_other_partitions_are_no_difference(pool: Pool, pair: tuple[str, str]) -> None:
    verdict = judged(pool, pair, *HASHED)

    assert verdict.outcome == "PROMOTED"
    assert verdict.is_good, str(verdict)
    assert not any(each.was_left_out for each in verdict.told)


@pytest.mark.parametrize("pair", PAIRS)
def test_rows_that_neither_the_partition_nor_the_root_takes_are_told(pool: Pool, pair: tuple[str, str]) -> None:
    verdict = judged(pool, pair, *HASHED, ONLY_ITS_OWN)

    assert verdict.outcome == "PROMOTED"
    assert [each.entry for each in verdict.told if each.was_left_out] == ["TABLE DATA public.h 1"]
    assert verdict.is_good, str(verdict)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("more", [(), (ONLY_ITS_OWN,)])
def test_a_row_that_is_lost_besides_is_found(pool: Pool, pair: tuple[str, str], more: tuple[str, ...]) -> None:
    def lose(restore: Restore) -> None:
        with psycopg.connect(restore.cloud.server.superuser_dsn("gen 0 back"), autocommit=True) as connection:
            connection.execute("DELETE FROM h0 WHERE at = (SELECT min(at) FROM h0)")

    verdict = judged(pool, pair, *HASHED, *more, meanwhile=lose)

    assert [(d.identity, d.aspect) for d in verdict.false_green] == [('public."the, root"', "rows")]
