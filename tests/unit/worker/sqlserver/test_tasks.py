"""Rows of rds_task_status however they are spelled, and the statements that submit and cancel; over the real wire."""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime

import pytest

from dbrestore.contract.job import NativeStep
from dbrestore.worker.sqlserver import tasks as native_tasks
from dbrestore.worker.sqlserver.session import NativeConnection
from dbrestore.worker.sqlserver.tasks import Listing, Task
from localcloud.base import certificates
from localcloud.tds.engine import Column, ResultSet, Value
from tests.unit.worker.sqlserver.scripted_server import Answer, Script, sql_server, start

MOMENT = datetime(2026, 1, 2, 3, 4, 5)
ARN = "arn:aws-cn:s3:::bucket/r-1/1/01-full/s-*"
# As the documentation has them, and as they were seen: another order, case and blanks.
SPELLINGS = [
    ("task_id", "task_type", "database_name", "% complete", "lifecycle", "task_info", "last_updated", "created_at", "S3_object_arn"),
    ("Lifecycle", "%complete", "s3_object_ARN", "TASK_ID", "Task_Info", "created_at ", "Database_Name", "task_type", "last_updated"),
]
VALUES: dict[str, Value] = {
    "taskid": 7,
    "tasktype": "RESTORE_DB",
    "databasename": "shop",
    "%complete": 45,
    "lifecycle": "IN_PROGRESS",
    "taskinfo": "[..] 45",
    "lastupdated": MOMENT,
    "createdat": MOMENT,
    "s3objectarn": ARN,
}


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def connection(script: Script, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeConnection]:
    authority = certificates.create(tmp_path_factory.mktemp("ca"))
    server = start(script, authority)
    with sql_server(server.port, authority.bundle).connect() as open_one:
        yield open_one
    server.stop()


@pytest.mark.parametrize("names", SPELLINGS)
def test_tasks_are_read_by_the_names_of_their_columns(script: Script, connection: NativeConnection, names: Sequence[str]) -> None:
    script.answer = answering(names, [VALUES])

    listing = native_tasks.listing(connection)

    assert listing == Listing((Task(7, "RESTORE_DB", "shop", "IN_PROGRESS", 45, "[..] 45", MOMENT, ARN, MOMENT),), MOMENT)
    assert listing.tasks[0].key == "r-1/1/01-full/s-*"
    assert [text for text, _ in script.statements] == [
        "exec msdb.dbo.rds_task_status",
        "SELECT GETUTCDATE() AS server_time",
    ]


def test_empty_values_and_missing_columns_are_empty(script: Script, connection: NativeConnection) -> None:
    script.answer = answering(
        ("task_id", "lifecycle", "% complete", "task_info"),
        [
            {**VALUES, "%complete": None, "taskinfo": None, "lifecycle": "CREATED"},
        ],
    )

    [task] = native_tasks.listing(connection).tasks

    assert (task.percent, task.task_info, task.s3_arn, task.key, task.created_at) == (0, "", "", "", None)


def test_tasks_are_listed_oldest_first_whatever_the_server_does(script: Script, connection: NativeConnection) -> None:
    script.answer = answering(SPELLINGS[0], [{**VALUES, "taskid": number} for number in (9, 7, 10)])

    assert [task.task_id for task in native_tasks.listing(connection).tasks] == [7, 9, 10]


def test_a_lifecycle_that_nobody_knows_is_unfinished_and_logged(
    script: Script, connection: NativeConnection, caplog: pytest.LogCaptureFixture
) -> None:
    script.answer = answering(SPELLINGS[0], [{**VALUES, "lifecycle": "PAUSED"}])

    with caplog.at_level(logging.WARNING):
        listing = native_tasks.listing(connection)

    assert native_tasks.is_unfinished(listing.tasks)
    assert listing.free_slots == 2
    assert "task 7 is 'PAUSED'" in caplog.text


@pytest.mark.parametrize(
    ("lives", "free", "running"),
    [
        ((), 2, 0),
        (("SUCCESS", "ERROR", "CANCELLED"), 2, 0),
        (("CREATED",), 1, 0),
        (("CREATED", "IN_PROGRESS"), 0, 1),
        (("CANCEL_REQUESTED",), 1, 1),
        (("IN_PROGRESS", "IN_PROGRESS", "CREATED"), -1, 2),
    ],
)
def test_slots_are_taken_by_everybodys_tasks_that_are_not_over(lives: Sequence[str], free: int, running: int) -> None:
    listing = Listing(tuple(task(number, life) for number, life in enumerate(lives)), MOMENT)

    assert (listing.free_slots, listing.running) == (free, running)
    assert native_tasks.is_unfinished(listing.tasks) == (free < 2)


def test_a_restores_own_tasks_are_those_below_its_prefix() -> None:
    keys = ("r-1/1/01-full/s-01.bak", "r-1/10/01-full/s-01.bak", "r-11/1/01-full/s-01.bak", "other.bak")
    listing = Listing(tuple(task(n, "SUCCESS", f"arn:aws:s3:::b{n}/{key}") for n, key in enumerate(keys)), MOMENT)

    assert [one.task_id for one in listing.of_prefix("r-1/1/")] == [0]


def test_the_finish_of_a_database_is_the_one_after_its_restores() -> None:
    tasks = (
        task(1, "SUCCESS", "", "FINISH_RESTORE", "shop"),
        task(2, "SUCCESS", ARN),
        task(3, "SUCCESS", "", "FINISH_RESTORE", "crm"),
        task(4, "CREATED", "", "FINISH_RESTORE", "Shop"),
    )

    found = Listing(tasks, MOMENT).finishing("shop", after=2)

    assert found
    assert found.task_id == 4
    assert Listing(tasks[:3], MOMENT).finishing("shop", after=2) is None


@pytest.mark.parametrize(
    ("step", "recover", "text", "values"),
    [
        (
            NativeStep(kind="FULL", s3_arn=ARN),
            True,
            "rds_restore_database @restore_db_name={}, @s3_arn_to_restore_from={}, @with_norecovery={}, @type={}",
            ["O'Brien", ARN, 0, "FULL"],
        ),
        (
            NativeStep(kind="DIFFERENTIAL", s3_arn=ARN),
            False,
            "rds_restore_database @restore_db_name={}, @s3_arn_to_restore_from={}, @with_norecovery={}, @type={}",
            ["O'Brien", ARN, 1, "DIFFERENTIAL"],
        ),
        (
            NativeStep(kind="LOG", s3_arn=ARN),
            False,
            "rds_restore_log @restore_db_name={}, @s3_arn_to_restore_from={}, @with_norecovery={}",
            ["O'Brien", ARN, 1],
        ),
        (
            NativeStep(kind="LOG", s3_arn=ARN, stop_at=MOMENT),
            False,
            "rds_restore_log @restore_db_name={}, @s3_arn_to_restore_from={}, @with_norecovery={}, @stopat={}",
            ["O'Brien", ARN, 1, "2026-01-02T03:04:05.000"],
        ),
        (None, True, "rds_finish_restore @db_name={}", ["O'Brien"]),
    ],
)
def test_a_submission_calls_the_procedure_for_its_kind(
    script: Script, connection: NativeConnection, step: NativeStep | None, recover: bool, text: str, values: list[Value]
) -> None:
    native_tasks.submit(connection, "O'Brien", step, recover=recover)

    [(said, parameters)] = script.statements
    names = [f"@P{number}" for number in range(1, len(values) + 1)]
    assert said == f"exec msdb.dbo.{text.format(*names)}"
    assert dict(parameters) == dict(zip(names, values, strict=True))


def test_a_task_is_cancelled_by_its_number(script: Script, connection: NativeConnection) -> None:
    native_tasks.cancel(connection, task(7, "IN_PROGRESS"))

    assert [(text, dict(values)) for text, values in script.statements] == [("exec msdb.dbo.rds_cancel_task @task_id=@P1", {"@P1": 7})]


def task(number: int, lifecycle: str, arn: str = ARN, kind: str = "RESTORE_DB", database: str = "shop") -> Task:
    return Task(number, kind, database, lifecycle, 0, "", MOMENT, arn)


def answering(names: Sequence[str], rows: Sequence[dict[str, Value]]):
    """rds_task_status with these columns, and a clock."""
    types = {
        "taskid": "int",
        "%complete": "int",
        "createdat": "datetime",
        "lastupdated": "datetime",
        "taskinfo": "nvarchar(max)",
    }

    def plain(name: str) -> str:
        return name.replace(" ", "").replace("_", "").lower()

    def answer(text: str) -> Answer:
        if "server_time" in text:
            return (ResultSet((Column("server_time", "datetime"),), [(MOMENT,)]),)
        columns = tuple(Column(name, types.get(plain(name), "nvarchar")) for name in names)
        return (ResultSet(columns, [tuple(row[plain(name)] for name in names) for row in rows]),)

    return answer
