"""Tasks of the simulated RDS: made by procedures, moved by polls, two at a time."""

from tests.unit.localcloud.sqlserver_objects import START, Server, arn
from tests.unit.repository.native_backups import Written, backup

SHOP = {"a/s-01.bak": backup(Written())}


def test_a_restore_goes_through_its_life_and_leaves_the_database() -> None:
    server = Server(SHOP)

    task = server.restore("shop", "a/s-01.bak")
    lives = [server.polled(task, polls=1) for _ in range(3)]

    assert [(row["lifecycle"], row["% complete"]) for row in lives] == [
        ("IN_PROGRESS", 0), ("IN_PROGRESS", 50), ("SUCCESS", 100),
    ]  # fmt: skip
    assert lives[-1]["task_type"] == "RESTORE_DB"
    assert lives[-1]["S3_object_arn"] == arn("a/s-01.bak")
    [database] = server.rows("SELECT name, state_desc, create_date FROM sys.databases WHERE name = 'shop'")
    created = lives[-1]["created_at"]
    assert database["state_desc"] == "ONLINE"
    assert database["create_date"] > created >= START  # type: ignore[operator]
