"""Tasks of the simulated RDS: made by procedures, moved by polls, two at a time."""

import re
from datetime import datetime, timedelta

import pytest

from localcloud.sqlserver.switches import Intruder
from localcloud.tds.engine import DropConnection, SqlError, Value
from tests.unit.localcloud.sqlserver.objects import MASTER, PASSWORD, START, Server, arn
from tests.unit.points.sqlserver.backups import Written, backup

KEY = "a/s-01.bak"
SHOP = {KEY: backup(Written())}
STATUS = "exec msdb.dbo.rds_task_status"


def lives(server: Server) -> list[Value]:
    """The lifecycle of all tasks after a poll."""
    return [row["lifecycle"] for row in server.rows(STATUS)]


def refused(server: Server, text: str, **parameters: Value) -> tuple[int, str]:
    with pytest.raises(SqlError) as caught:
        server.rows(text, **parameters)
    return caught.value.number, str(caught.value)


def reconnected(server: Server) -> None:
    server.session = server.engine.login(MASTER, PASSWORD, "master")


def test_a_restore_goes_through_its_life_and_leaves_the_database() -> None:
    server = Server(SHOP)

    task = server.restore("shop", KEY)
    rows = [server.polled(task, polls=1) for _ in range(3)]

    assert [(row["lifecycle"], row["% complete"], row["duration(mins)"]) for row in rows] == [
        ("IN_PROGRESS", 0, 2),
        ("IN_PROGRESS", 50, 4),
        ("SUCCESS", 100, 6),
    ]
    assert rows[-1]["task_type"] == "RESTORE_DB"
    assert rows[-1]["S3_object_arn"] == arn(KEY)
    [database] = server.rows("SELECT state_desc, create_date FROM sys.databases WHERE name = 'shop'")
    assert database["state_desc"] == "ONLINE"
    created = rows[-1]["created_at"]
    assert isinstance(created, datetime)
    assert database["create_date"] == created + timedelta(minutes=2, seconds=1)
    assert created > START


def test_a_submission_answers_with_the_new_task() -> None:
    server = Server(SHOP)
    call = "EXEC msdb.dbo.rds_restore_database N'shop', N'arn:aws:s3:::staging/a/s-01.bak'"

    [row] = server.rows(call)

    assert (row["task_id"], row["task_type"], row["lifecycle"], row["database_name"]) == (
        1,
        "RESTORE_DB",
        "CREATED",
        "shop",
    )


def test_the_log_of_a_task_grows_and_dates_each_entry() -> None:
    server = Server(SHOP)
    server.engine.switches.percent_per_poll = 5

    task = server.restore("shop", KEY)
    first = str(server.polled(task, polls=2)["task_info"])
    second = str(server.polled(task, polls=1)["task_info"])

    assert second.startswith(first)
    entries = [entry.strip() for entry in re.split(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\]", second)]
    assert entries == [
        "",
        "Task has been created.",
        "Task execution has started.",
        "5 percent processed.",
        "s-01.bak: Completed processing 5% of S3 chunks.",
        "10 percent processed.",
        "s-01.bak: Completed processing 10% of S3 chunks.",
    ]


def test_a_database_is_restoring_while_its_task_runs_and_lets_nobody_in() -> None:
    server = Server(SHOP)

    task = server.restore("shop", KEY)
    server.polled(task, polls=1)

    assert server.rows("SELECT state_desc FROM sys.databases WHERE name = 'shop'") == [{"state_desc": "RESTORING"}]
    assert refused(server, "SELECT name FROM shop.sys.database_files")[0] == 927
    assert refused(server, "USE shop")[0] == 927
    assert refused(server, "ALTER DATABASE [shop] SET TRUSTWORTHY OFF")[0] == 5052
    with pytest.raises(SqlError, match="Cannot open database"):
        server.engine.login(MASTER, PASSWORD, "shop")


def test_two_tasks_run_at_a_time_and_the_third_waits() -> None:
    server = Server(SHOP)
    for name in ("one", "two", "three"):
        server.restore(name, KEY)

    seen = [lives(server) for _ in range(5)]

    assert seen == [
        ["IN_PROGRESS", "IN_PROGRESS", "CREATED"],
        ["IN_PROGRESS", "IN_PROGRESS", "CREATED"],
        ["SUCCESS", "SUCCESS", "IN_PROGRESS"],
        ["SUCCESS", "SUCCESS", "IN_PROGRESS"],
        ["SUCCESS", "SUCCESS", "SUCCESS"],
    ]


def test_tasks_of_one_database_run_one_after_the_other() -> None:
    log = backup(Written(kind="L", first=(21, 160, 1), last=(21, 200, 1)))
    server = Server({**SHOP, "log": log})
    server.restore("shop", KEY, with_norecovery=1)
    server.restore_log("shop", "log", with_norecovery=1)

    assert lives(server) == ["IN_PROGRESS", "CREATED"]
    assert [lives(server) for _ in range(4)][-1] == ["SUCCESS", "SUCCESS"]


@pytest.mark.parametrize("polls", [1, 3, 7])
def test_tasks_of_others_hold_the_slots_for_so_many_polls(polls: int) -> None:
    server = Server(SHOP)
    server.engine.take_slots(2, polls)
    task = server.restore("shop", KEY)

    seen = [server.polled(task, polls=1)["lifecycle"] for _ in range(polls)]

    assert seen == ["CREATED"] * (polls - 1) + ["IN_PROGRESS"]


def test_tasks_of_others_that_never_end_hold_the_slots_for_good() -> None:
    server = Server(SHOP)
    server.engine.take_slots(1)
    other = server.restore("other", KEY)
    server.engine.take_slots(1)
    task = server.restore("shop", KEY)

    assert server.polled(task, polls=40)["lifecycle"] == "CREATED"
    assert server.polled(other, polls=1)["lifecycle"] == "CREATED"


def test_a_stuck_task_stays_created_until_the_switch_is_off() -> None:
    server = Server(SHOP)
    server.engine.switches.stuck_in_created = True
    task = server.restore("shop", KEY)

    assert server.polled(task, polls=20)["lifecycle"] == "CREATED"
    server.engine.switches.stuck_in_created = False
    assert server.polled(task)["lifecycle"] == "SUCCESS"


def test_a_slow_start_keeps_a_task_created_for_some_polls() -> None:
    server = Server(SHOP)
    server.engine.switches.polls_until_start = 3
    task = server.restore("shop", KEY)

    assert [server.polled(task, polls=1)["lifecycle"] for _ in range(3)] == ["CREATED", "CREATED", "IN_PROGRESS"]


def test_a_cancelled_task_ends_at_the_next_poll_and_leaves_the_database_restoring() -> None:
    server = Server(SHOP)
    task = server.restore("shop", KEY)
    server.polled(task, polls=1)

    server.rows("exec msdb.dbo.rds_cancel_task @task_id = @P1", P1=task)

    assert server.engine.tasks[0].lifecycle == "CANCEL_REQUESTED"
    row = server.polled(task, polls=1)
    assert row["lifecycle"] == "CANCELLED"
    assert "Task has been aborted" in str(row["task_info"])
    database = server.engine.database("shop")
    assert database is not None
    assert database.state == "RESTORING"


def test_a_task_that_was_cancelled_before_it_began_leaves_no_database() -> None:
    server = Server(SHOP)
    task = server.restore("shop", KEY)

    server.rows(f"exec rds_cancel_task {task}")

    assert server.polled(task, polls=1)["lifecycle"] == "CANCELLED"
    assert server.engine.database("shop") is None


def test_what_has_ended_or_finishes_or_is_unknown_cannot_be_cancelled() -> None:
    server = Server(SHOP)
    task = server.restore("shop", KEY, with_norecovery=1)
    server.polled(task)
    [finish] = server.rows("exec msdb.dbo.rds_finish_restore @db_name='shop'")

    for number in (task, finish["task_id"], 99):
        assert refused(server, "exec msdb.dbo.rds_cancel_task @task_id=@P1", P1=number)[0] == 50000
    assert [one.lifecycle for one in server.engine.tasks] == ["SUCCESS", "CREATED"]


def test_somebody_else_may_cancel_what_runs() -> None:
    server = Server(SHOP)
    server.engine.switches.cancel_at_poll = 2
    task = server.restore("shop", KEY)

    assert [server.polled(task, polls=1)["lifecycle"] for _ in range(3)] == ["IN_PROGRESS", "CANCELLED", "CANCELLED"]


def test_the_answer_of_a_submission_may_get_lost_after_the_task_was_made() -> None:
    server = Server(SHOP)
    server.engine.switches.drop_after_submit = 2
    server.restore("one", KEY)

    with pytest.raises(DropConnection):
        server.restore("two", KEY)

    server.restore("three", KEY)
    assert [task.database for task in server.engine.tasks] == ["one", "two", "three"]


def test_a_submission_may_get_lost_before_the_task_was_made() -> None:
    server = Server(SHOP)
    server.engine.switches.drop_before_submit = 1

    with pytest.raises(DropConnection):
        server.restore("one", KEY)

    server.restore("two", KEY)
    assert [task.database for task in server.engine.tasks] == ["two"]


@pytest.mark.parametrize("leaves", [False, True])
def test_the_next_task_fails_for_a_chosen_reason(leaves: bool) -> None:
    server = Server(SHOP)
    server.engine.switches.fail_next("transfer-aborted", file="s-01.bak", leaves_database=leaves)
    task = server.restore("shop", KEY)

    row = server.polled(task)

    assert row["lifecycle"] == "ERROR"
    entries = re.split(r"\s*\[[^]]{23}\]\s*", str(row["task_info"]).strip())
    assert entries[2:5] == [
        "Task execution has started.",
        "Aborted the task because of a task failure or a concurrent RESTORE_DB request.",
        "Task has been aborted",
    ]
    assert entries[5].startswith('Write on "s-01.bak" failed: 995(')
    assert (server.engine.database("shop") is not None) is leaves
    assert server.polled(server.restore("other", KEY))["lifecycle"] == "SUCCESS"


def test_a_failover_at_a_poll_ends_tasks_and_connections() -> None:
    server = Server(SHOP)
    server.engine.switches.fail_over_at_poll = 2
    task = server.restore("shop", KEY)
    server.rows(STATUS)

    with pytest.raises(DropConnection):
        server.rows(STATUS)

    with pytest.raises(DropConnection):
        server.rows("SELECT GETDATE()")
    reconnected(server)
    assert "failed over" in str(server.polled(task)["task_info"])


def test_a_failover_may_forget_the_tasks_but_not_their_numbers() -> None:
    server = Server(SHOP)
    server.engine.switches.fail_over_forgets_tasks = True
    server.restore("shop", KEY)

    server.engine.fail_over()
    reconnected(server)

    assert server.rows(STATUS) == []
    assert server.restore("other", KEY) == 2


def test_a_database_may_appear_before_the_submission_looks() -> None:
    server = Server(SHOP)
    server.engine.switches.intruders.append(Intruder("SHÓP"))

    with pytest.raises(SqlError, match="'shop' already exists"):
        server.restore("shop", KEY)

    assert server.engine.tasks == ()
    server.rows("exec msdb.dbo.rds_drop_database N'SHÓP'")
    assert server.restore("shop", KEY) == 1


def test_a_database_may_appear_between_the_submission_and_the_start() -> None:
    server = Server(SHOP)
    server.engine.switches.intruders.append(Intruder("shop", before="start"))

    row = server.polled(server.restore("shop", KEY))

    assert row["lifecycle"] == "ERROR"
    assert "Database 'shop' already exists." in str(row["task_info"])
    database = server.engine.database("shop")
    assert database is not None
    assert database.create_date > row["created_at"]  # type: ignore[operator]
    assert database.state == "ONLINE"


def test_nobody_but_the_master_user_calls_the_procedures() -> None:
    server = Server(SHOP)
    server.engine.add_login("reader", "secret")
    server.session = server.engine.login("reader", "secret", "master")

    number, words = refused(server, "exec msdb.dbo.rds_restore_database 'shop', 'arn:aws:s3:::staging/a'")

    assert number == 229
    assert "'rds_restore_database', database 'msdb'" in words
    assert refused(server, STATUS)[0] == 229


def test_a_misaligned_master_user_is_set_right_by_a_new_password() -> None:
    server = Server(SHOP)
    server.engine.switches.master_is_misaligned = True

    assert refused(server, STATUS)[0] == 229
    server.engine.set_master_password("new")
    assert server.rows(STATUS) == []


def test_no_procedure_runs_inside_a_transaction() -> None:
    server = Server(SHOP)

    server.rows("BEGIN TRANSACTION")
    number, words = refused(server, STATUS)
    server.rows("ROLLBACK")

    assert number == 50000
    assert "inside a transaction" in words
    assert server.rows(STATUS) == []


@pytest.mark.parametrize("state", ["applying", "missing"])
def test_without_the_option_in_effect_nothing_is_submitted(state: str) -> None:
    server = Server(SHOP, backup_restore_option=state)

    with pytest.raises(SqlError, match="option is not enabled yet"):
        server.restore("shop", KEY)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("rds_restore_database 'shop', ''", "S3 ARN prefix cannot be empty"),
        ("rds_restore_database 'shop', 'staging/a'", "Invalid S3 ARN"),
        ("rds_restore_database 'MSDB', 'arn:aws:s3:::staging/a'", "is reserved"),
        ("rds_restore_database 'Shóp', 'arn:aws:s3:::staging/a'", "already exists"),
        ("rds_restore_database 'x', 'arn:aws:s3:::staging/a', @type='LOG'", "Invalid backup type"),
        ("rds_restore_database 'x', 'arn:aws:s3:::staging/a', @type='DIFFERENTIAL'", "@with_norecovery is required"),
        ("rds_restore_database 'x', 'arn:aws:s3:::staging/a', @with_norecovery=1, @keep_cdc=1", "KEEP_CDC"),
        ("rds_restore_database 'x'", "expects parameter '@s3_arn_to_restore_from'"),
        ("rds_restore_database 'x', 'arn:aws:s3:::staging/a', @name='y'", "@name is not a parameter"),
        ("rds_restore_log 'x', 'arn:aws:s3:::staging/a', @stopat='soon'", "converting data type nvarchar to datetime"),
        ("rds_cancel_task 'x'", "converting data type nvarchar to int"),
        ("rds_finish_restore 1, 2", "too many arguments"),
        ("rds_finish_restore 'shop'", "not in the RESTORING state"),
        ("rds_finish_restore 'nothing'", "does not exist"),
        ("rds_drop_database 'nothing'", "does not exist"),
        ("rds_drop_database 'rdsadmin'", "is reserved"),
        ("rds_backup_database 'shop'", "Could not find stored procedure"),
    ],
)
def test_a_call_that_cannot_be_is_refused_at_once(call: str, words: str) -> None:
    server = Server(SHOP)
    server.engine.create_database("shop")

    assert words in refused(server, f"exec msdb.dbo.{call}")[1]
    assert server.engine.tasks == ()


def test_nothing_is_submitted_while_a_restore_with_recovery_is_pending() -> None:
    server = Server(SHOP)
    server.restore("shop", KEY)

    for name in ("shop", "SHOP"):
        with pytest.raises(SqlError, match="already pending"):
            server.restore(name, KEY)


def test_a_database_with_a_pending_task_is_neither_dropped_nor_finished() -> None:
    server = Server(SHOP)
    task = server.restore("shop", KEY, with_norecovery=1)
    server.polled(task, polls=1)

    for procedure in ("rds_drop_database", "rds_finish_restore"):
        assert "pending" in refused(server, f"exec msdb.dbo.{procedure} N'shop'")[1]
    server.polled(task)
    server.rows("exec msdb.dbo.rds_drop_database N'shop'")
    assert server.engine.database("shop") is None


def test_a_waiting_database_is_finished_by_a_task_of_its_own() -> None:
    server = Server(SHOP)
    server.polled(server.restore("shop", KEY, with_norecovery=1))

    [submitted] = server.rows("exec msdb.dbo.rds_finish_restore @db_name=@P1", P1="shop")
    row = server.polled(int(str(submitted["task_id"])))

    assert (row["task_type"], row["S3_object_arn"], row["lifecycle"]) == ("FINISH_RESTORE", None, "SUCCESS")
    assert server.rows("SELECT state_desc FROM sys.databases WHERE name='shop'") == [{"state_desc": "ONLINE"}]


def test_tasks_are_listed_by_database_or_number_or_as_a_function() -> None:
    server = Server(SHOP)
    for name in ("one", "two"):
        server.restore(name, KEY)

    assert [row["task_id"] for row in server.rows(f"{STATUS} @db_name = N'TWO'")] == [2]
    assert [row["task_id"] for row in server.rows(f"{STATUS} NULL, 1")] == [1]
    query = "SELECT task_id, [% complete] FROM msdb.dbo.rds_fn_task_status(NULL, 0) WHERE database_name = @P1"
    assert server.rows(query, P1="Two") == [{"task_id": 2, "% complete": 100}]
    [row] = server.rows("SELECT * FROM msdb.dbo.rds_fn_task_status('one', 0)")
    assert list(row) == list(server.rows(STATUS)[0])


def test_a_database_is_renamed_unless_the_instance_is_multi_az() -> None:
    server = Server()
    server.engine.create_database("old")
    call = "exec rdsadmin.dbo.rds_modify_db_name N'old', N'new'"

    server.engine.instance.multi_az = True
    assert "Multi-AZ" in refused(server, call)[1]
    server.engine.instance.multi_az = False
    server.rows(call)

    assert server.engine.database("new") is not None
