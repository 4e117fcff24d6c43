"""Every format and compression of pg_dump comes back as an equal database."""

from itertools import product
from typing import Any

import pytest

from localcloud.postgresql import sample
from tests.databases.equality import contents, rows_of_tables, schema_without_publications
from tests.databases.restore_case import Cloud, Restore


@pytest.fixture(scope="module")
def shop(cloud: Cloud) -> str:
    """The sample database, with few rows."""
    cloud.create_database("shop")
    sample.create(cloud.dsn("shop"), 5000)
    return "shop"


# Each format and each compression; in the campaign each with each.
QUICK = {("-Fc", "gzip"), ("-Fc", "zstd"), ("-Fd", "none"), ("-Fd", "lz4")}


def formats() -> list[Any]:
    return [
        pytest.param(*one, id="-".join(one), marks=() if one in QUICK else pytest.mark.slow)
        for one in product(("-Fc", "-Fd"), ("none", "gzip", "lz4", "zstd"))
    ]


@pytest.mark.parametrize(("archive_format", "compression"), formats())
def test_an_equal_database_comes_back(cloud: Cloud, shop: str, archive_format: str, compression: str) -> None:
    before = cloud.names(), cloud.memberships()
    restore = Restore(cloud, {shop: cloud.dump(shop, archive_format, "-Z", compression)}, {shop: "shop_back"}).keeping_owners()
    restore.add_point()

    result = restore.run_all()

    (database,) = result.databases
    assert (database.status, database.error) == ("PROMOTED", None)
    assert schema_without_publications(cloud, "shop_back", {restore.holder: "master"}) == schema_without_publications(cloud, shop)
    assert contents(cloud, "shop_back", {restore.holder: "master"}) == contents(cloud, shop)
    assert all(check.result == "ok" for check in database.checks)
    assert len(database.checks) > 50
    assert all(absence.seen_absent for absence in result.absences)
    assert len(result.absences) == 2
    cloud.drop_database("shop_back")
    cloud.drop_role(restore.holder)
    assert (cloud.names(), cloud.memberships()) == before


def test_what_is_left_out_is_listed(cloud: Cloud, shop: str) -> None:
    restore = Restore(cloud, {shop: cloud.dump(shop)}, {shop: "shop_listed"})
    restore.add_point()

    (replayed,) = restore.run("replay").databases

    assert {fix_up.entry for fix_up in replayed.fix_ups} == {
        "PUBLICATION orders_feed",
        "PUBLICATION TABLE shop.orders_feed orders",
    }
    assert replayed.tables == 19
    assert replayed.rows == sum(rows_of_tables(cloud, shop).values())
    restore.run("discard")


def test_large_rows_need_constant_memory(cloud: Cloud) -> None:
    cloud.create_database("wide")
    cloud.execute(
        "CREATE TABLE wide (id int, body text STORAGE EXTERNAL);"
        "INSERT INTO wide SELECT i, repeat(md5(i::text), 400000) FROM generate_series(1, 20) AS i",
        "wide",
    )
    restore = Restore(cloud, {"wide": cloud.dump("wide", "-Fc", "-Z", "zstd")}, {"wide": "wide_back"})
    restore.add_point()

    replayed = restore.run_program("replay")

    assert replayed.databases[0].status == "REPLAYED"
    assert replayed.databases[0].bytes > 250_000_000
    assert replayed.peak_memory < 300_000_000
    restore.run("discard")
