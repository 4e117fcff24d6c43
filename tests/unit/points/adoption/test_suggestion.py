"""What `points discover` suggests as a rule means what was found, and what will come."""

import pytest

from dbrestore.contract.adoption.patterns import parse
from dbrestore.points.adoption.suggestion import pattern_for
from dbrestore.points.in_s3.discovery import WouldBe


def found(engine: str, databases: tuple[str, ...], *keys: str) -> WouldBe:
    return WouldBe(engine, databases, None, 1, tuple(f"s3://team-backups/{key}" for key in keys), 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("point", "pattern", "next_one"),
    [
        (found("postgres", ("orders",), "pg/orders-2026-11-29.dump"), "pg/{database}-{time}.dump", "pg/crm-2026-11-30.dump"),
        (found("postgres", ("orders",), "2026-11-29/orders.dump"), "{time}/{database}.dump", "2026-11-30/crm.dump"),
        (
            found("postgres", ("orders", "crm"), "n/2026-11-29/orders.dump", "n/2026-11-29/crm.dump"),
            "n/{run}/{database}.dump",
            "n/x/y.dump",
        ),
        (found("postgres", ("orders",), "dumps/20261129T0200Z/orders/"), "dumps/{time}/{database}/", "dumps/20261130T0200Z/crm/toc.dat"),
        (found("postgres", ("orders",), "nächtlich/letzter Stand.dump"), "nächtlich/letzter Stand.dump", "nächtlich/letzter Stand.dump"),
        (found("sqlserver", ("crm",), "bak/2026-11-29/crm 1.bak", "bak/2026-11-29/crm 2.bak"), "bak/*/*", "bak/2026-11-30/x.trn"),
        (found("sqlserver", ("crm",), "sql/full/crm.bak", "sql/logs/crm.trn"), "sql/**", "sql/logs/crm 2.trn"),
    ],
)
def test_the_pattern_means_what_was_found_and_what_comes_next(point: WouldBe, pattern: str, next_one: str) -> None:
    assert pattern_for(point) == pattern
    assert parse(pattern).match(next_one)


@pytest.mark.parametrize(
    "point",
    [
        found("postgres", ("x",), "a/{odd}.dump"),
        # The whole bucket is nobody's wish.
        found("sqlserver", ("crm",), "full/crm.bak", "logs/crm.trn"),
    ],
)
def test_where_no_pattern_is_close_none_is_told(point: WouldBe) -> None:
    assert pattern_for(point) is None
