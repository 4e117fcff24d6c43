"""Restore scripts of the kinds that people publish, run whole through the drivers that people use."""

import re
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pymssql
import pytds
import pytest

from localcloud.tds import server as tds_server
from tests.unit.localcloud.sqlserver.objects import MASTER, PASSWORD, START, Server
from tests.unit.localcloud.sqlserver.restore_scripts import COLLECT, SWAP, TEMPORARY, batches
from tests.unit.localcloud.tds import tedious_client
from tests.unit.points.sqlserver.backups import Written, backup

BACKUP = backup(Written())


@pytest.fixture
def server() -> Server:
    return Server({"shop.bak": BACKUP, "shop/shop.bak": BACKUP, "text.bak": b"no backup" * 100})


@pytest.fixture
def port(server: Server) -> Iterator[int]:
    running = tds_server.start(server.engine, certificate=None, key=None)
    yield running.port
    running.stop()


class Sqlcmd:
    """Sends a script batch by batch through python-tds, and keeps what it would print."""

    def __init__(self, port: int) -> None:
        self._connection = pytds.connect("127.0.0.1", port=port, user=MASTER, password=PASSWORD, autocommit=True, timeout=20)
        self.messages: list[str] = []
        self.rows: list[tuple[Any, ...]] = []
        self.errors: list[tuple[int, str]] = []

    def run(self, script: str, **values: str) -> None:
        for batch in batches(script, **values):
            with closing(self._connection.cursor()) as cursor:
                self._one(cursor, batch)

    def close(self) -> None:
        self._connection.close()

    def _one(self, cursor: Any, batch: str) -> None:
        try:
            cursor.execute(batch)
            while True:
                if cursor.description:
                    self.rows += cursor.fetchall()
                if not cursor.nextset():
                    break
        except pytds.Error as error:
            self.errors.append((error.number, error.text))
        self.messages += [message.text for _, message in cursor.messages if message.severity <= 10]


@pytest.fixture
def sqlcmd(port: int) -> Iterator[Sqlcmd]:
    made = Sqlcmd(port)
    yield made
    made.close()


def test_a_script_that_swaps_the_database_runs_whole(server: Server, sqlcmd: Sqlcmd) -> None:
    server.engine.create_database("shop")
    begun = time.monotonic()

    sqlcmd.run(SWAP, db="shop", file="shop.bak")

    assert sqlcmd.errors == []
    assert sqlcmd.messages == [
        "Found 1 database named [shop]",
        "Source: arn:aws:s3:::staging/shop/shop.bak",
        "CDC: off",
        "Task 1: SUCCESS after 10 s",
        "Dropped shop_parked",
    ]
    assert sqlcmd.rows[-1] == ("shop", "ONLINE", "MULTI_USER")
    restored = server.engine.database("shop")
    assert restored is not None
    assert restored.was_restored
    # Ten seconds and three polls on the server's clock; nobody slept.
    assert server.engine.instance.clock.now - START > timedelta(minutes=6)
    assert time.monotonic() - begun < 10


def test_the_same_script_puts_the_old_database_back_when_rds_fails(server: Server, sqlcmd: Sqlcmd) -> None:
    server.engine.create_database("shop")

    sqlcmd.run(SWAP, db="shop", file="absent.bak")

    assert sqlcmd.messages[3:] == [
        "RDS could not restore it.",
        "Task 1: ERROR after 0 s",
        "Back to the old one: shop_parked -> shop",
        "In service again.",
    ]
    assert sqlcmd.rows[-1] == ("shop", "ONLINE", "MULTI_USER")


def test_the_same_script_stops_at_its_own_error(server: Server, sqlcmd: Sqlcmd) -> None:
    sqlcmd.run(SWAP, db="shop", file="shop.bak")

    assert sqlcmd.errors == [(50000, "shop is not on this server (5 databases are).")]
    assert server.engine.tasks == ()


def test_a_script_that_collects_the_status_in_a_table_runs_whole(server: Server, sqlcmd: Sqlcmd) -> None:
    sqlcmd.run(COLLECT, db="shop", file="shop.bak")

    assert sqlcmd.errors == []
    assert sqlcmd.messages == ['Restoring "shop" from "arn:aws:s3:::staging/shop.bak"']
    # The backup set that was restored is in msdb's history.
    assert sqlcmd.rows == [(Written().database, Written().begun, "D")]
    restored = server.engine.database("shop")
    assert restored is not None
    assert (restored.state, restored.recovery_model) == ("ONLINE", "SIMPLE")


def test_the_same_script_tells_what_rds_says(sqlcmd: Sqlcmd) -> None:
    sqlcmd.run(COLLECT, db="shop", file="text.bak")

    [(number, text)] = sqlcmd.errors
    assert number == 50000
    assert text.startswith("RDS says:")
    assert "Aborted the task because of a task failure" in text
    assert sqlcmd.messages[-1].startswith("Failed with 50000: RDS says:")


@pytest.mark.parametrize("version", ["7_1", "7_4"])
def test_a_tool_s_script_runs_whole_through_tedious(server: Server, port: int, version: str) -> None:
    [batch] = batches(TEMPORARY, db="shop", file="shop.bak")

    answer = tedious_client.asked(port, MASTER, PASSWORD, version, [batch])

    lines = [one["row"]["line"] for one in answer if "line" in one.get("row", {})]
    [made] = [one for one in server.engine.instance.databases if not one.is_system]
    assert re.fullmatch(r"shop_restore_20260102_0304\d\d", made.name)
    assert lines == [f"From arn:aws:s3:::staging/shop.bak into [{made.name}]", "Task 1", "Done"]
    assert not [one for one in answer if "error" in one]


def test_the_same_script_cleans_up(server: Server, port: int) -> None:
    server.engine.switches.fail_next("transfer-aborted", file="shop.bak", leaves_database=True)
    [batch] = batches(TEMPORARY, db="shop", file="shop.bak")

    answer = tedious_client.asked(port, MASTER, PASSWORD, "7_4", [batch])

    lines = [one["row"]["line"] for one in answer if "line" in one.get("row", {})]
    assert lines[-1] == "Cleaned up"
    assert "995(The I/O operation has been aborted" in lines[-2]
    assert [one.name for one in server.engine.instance.databases if not one.is_system] == []


def test_a_python_script_replaces_a_database_and_polls(server: Server, port: int) -> None:
    server.engine.create_database("shop")
    address: dict[str, Any] = {"server": "127.0.0.1", "port": str(port), "user": MASTER, "password": PASSWORD}
    with closing(pymssql.connect(**address, autocommit=True, encryption="off", tds_version="7.1")) as connection:
        cursor: Any = connection.cursor()
        cursor.execute("exec msdb.dbo.rds_task_status @task_id=0")
        assert cursor.fetchone() is None
        cursor.execute("SELECT name FROM sys.databases WHERE name = 'shop'")
        assert cursor.fetchone() == ("shop",)
        cursor.execute("USE shop; ALTER DATABASE shop SET SINGLE_USER WITH ROLLBACK IMMEDIATE;")
        cursor.execute("USE master")
        cursor.execute("DROP DATABASE IF EXISTS [shop];")
        cursor.execute(
            "EXEC msdb.dbo.rds_restore_database @restore_db_name='shop', @s3_arn_to_restore_from='arn:aws:s3:::staging/shop.bak';"
        )
        task = cursor.fetchone()[0]
        seen: list[Any] = []
        while not seen or seen[-1][5] not in ("SUCCESS", "ERROR"):
            cursor.execute(f"exec msdb.dbo.rds_task_status @task_id='{task}'")
            seen.append(cursor.fetchone())

    assert [(row[3], row[5]) for row in seen] == [(0, "IN_PROGRESS"), (50, "IN_PROGRESS"), (100, "SUCCESS")]
