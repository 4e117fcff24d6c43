"""The planner's statistics: those that the dump brings, else collected."""

from tests.databases.clouds import Clouds
from tests.databases.restore_case import Cloud, Restore

STATEMENTS = """
CREATE TABLE sampled (x int) WITH (autovacuum_enabled = off); INSERT INTO sampled SELECT generate_series(1, 10); ANALYZE sampled;
INSERT INTO sampled SELECT generate_series(11, 1000);
CREATE TABLE unknown (x int) WITH (autovacuum_enabled = off); INSERT INTO unknown SELECT generate_series(1, 10);
"""
MOST = """SELECT tablename, (histogram_bounds::text::int[])[array_upper(histogram_bounds::text::int[], 1)]
    FROM pg_stats WHERE tablename IN ('sampled', 'unknown') ORDER BY 1"""


def highest_known(cloud: Cloud, *options: str) -> list[tuple]:
    """The highest value that the planner knows of each table after a restore."""
    cloud.create_database("stats")
    cloud.execute(STATEMENTS, "stats")
    restore = Restore(cloud, {"stats": cloud.dump("stats", "-Fc", *options)}, {"stats": "stats_back"})
    restore.add_point()
    (database,) = restore.run_all().databases
    assert database.status == "PROMOTED", database.error
    return cloud.execute(MOST, "stats_back", superuser=True)


def test_statistics_of_the_dump_stay_and_only_missing_ones_are_collected(clouds: Clouds) -> None:
    cloud = clouds.of("18")
    try:
        assert highest_known(cloud, "--statistics") == [("sampled", 10), ("unknown", 10)]
    finally:
        for name in ("stats", "stats_back"):
            cloud.drop_database(name)


def test_statistics_are_collected_where_the_dump_has_none(cloud: Cloud) -> None:
    assert highest_known(cloud) == [("sampled", 1000), ("unknown", 10)]
