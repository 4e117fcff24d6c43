"""T-SQL on the simulated server: variables, conditions, loops, errors, tables of a script's own, and what is refused."""

import threading
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from localcloud.tds.engine import Message, ResultSet, SqlError, Value
from localcloud.tsql.interpreter import MOST_STATEMENTS
from tests.unit.localcloud.sqlserver.objects import START, Server, arn
from tests.unit.points.sqlserver.backups import Written, backup

EXPRESSIONS: list[tuple[str, Value]] = [
    ("'a' + 'b' + 'c'", "abc"),
    ("1 + 2 * 3 - 4", 3),
    ("-1 + 3", 2),
    ("(1 + 2) * 3", 9),
    ("'1' + 2", 3),
    ("'a' + NULL", None),
    ("7 / 2", 3),
    ("1.5 + 1", 2.5),
    ("'x' + CAST(5 AS varchar) + 'y'", "x5y"),
    ("CASE WHEN 1 = 1 THEN 'yes' ELSE 'no' END + '!'", "yes!"),
    ("CASE 2 WHEN 1 THEN 'one' WHEN 2 THEN 'two' END", "two"),
    ("N'it''s'", "it's"),
    ("IIF('A' = 'a', 1, 0)", 1),
    ("LEN('ab  ')", 2),
    ("SUBSTRING('s3://bucket', 6, 3)", "buc"),
    ("REPLACE('a-B-a', 'b', 'c')", "a-c-a"),
    ("CHARINDEX('C', 'abc')", 3),
    ("LEFT('abc', 2) + RIGHT('abc', 1)", "abc"),
    ("QUOTENAME('a]b')", "[a]]b]"),
    ("CONCAT('a', NULL, 1)", "a1"),
    ("UPPER(LTRIM(RTRIM(' a ')))", "A"),
    ("ISNULL(NULL, 'b')", "b"),
    ("COALESCE(NULL, NULL, 3)", 3),
    ("CAST('12' AS int) + 1", 13),
    ("CONVERT(nvarchar(3), 'abcdef')", "abc"),
    ("CAST(1 AS nvarchar(10))", "1"),
    ("DATEDIFF(day, CAST('2026-01-01' AS datetime), GETDATE())", 1),
    ("DATEPART(year, GETDATE())", 2026),
    ("CONVERT(varchar(10), GETDATE(), 112)", "20260102"),
    ("CONVERT(varchar(19), GETDATE(), 120)", "2026-01-02 03:04:06"),
    ("CONVERT(varchar(30), GETDATE(), 126)", "2026-01-02T03:04:06.000"),
    ("FORMAT(GETDATE(), 'yyyy-MM-dd HH:mm')", "2026-01-02 03:04"),
    ("DATEADD(minute, 90, GETDATE())", START + timedelta(minutes=90, seconds=1)),
    ("DATEADD(month, 1, CAST('2026-01-31' AS datetime))", datetime(2026, 2, 28)),
    ("GETDATE() - 1", START - timedelta(hours=23, minutes=59, seconds=59)),
    ("(SELECT TOP 1 name FROM sys.databases ORDER BY name)", "master"),
    ("(SELECT TOP (1) name FROM sys.databases WITH (NOLOCK) ORDER BY 1 DESC)", "tempdb"),
    ("@P1 + 'x'", "shopx"),
    ("@@TRANCOUNT", 0),
    ("OBJECT_ID('tempdb..#none')", None),
]


# When the synthetic backup ended.
FINISHED = datetime(2023, 3, 1, 0, 0, 3)
UNKNOWN = [
    "DECLARE c CURSOR FOR SELECT 1",
    "PRINT 'a' OPEN c",
    "FETCH NEXT FROM c",
    "WITH x AS (SELECT 1 AS n) SELECT n FROM x",
    "GRANT SELECT ON x TO y",
    "CREATE TABLE orders (n int)",
    "DECLARE @x xml",
    "DECLARE @d decimal(5, 2)",
    "EXEC ('x' + QUOTENAME('y'))",
    "EXEC p @a = LOWER('x')",
    "SET NOEXEC ON",
    "SELECT * INTO #x FROM sys.databases",
    "BEGIN PRINT 'open'",
    "IF 1 = 1",
    "WHILE",
    "BEGIN TRY PRINT 'x' END TRY PRINT 'y'",
    "WAITFOR TIME '10:00'",
    "GOTO done",
    "KILL 52",
    "BACKUP DATABASE x TO DISK = 'y'",
    "PRINT 'x' END",
    "ALTER DATABASE x SET OFFLINE",
    "ALTER DATABASE x MODIFY NAME = y",
    "INSERT #t SELECT @a = 1",
    "RAISERROR('x')",
    "TRUNCATE TABLE #t",
]


def value(expression: str, **parameters: Value) -> Value:
    [row] = Server().rows(f"SELECT {expression} AS it", **parameters)
    return row["it"]


def errors(server: Server, text: str) -> list[tuple[int, str]]:
    results = server.engine.execute(server.session, text, {})
    return [(one.number, str(one)) for one in results if isinstance(one, SqlError)]


@pytest.mark.parametrize(("expression", "expected"), EXPRESSIONS)
def test_an_expression_comes_to_what_it_does_on_sql_server(expression: str, expected: Value) -> None:
    assert value(expression, P1="shop") == expected


@pytest.mark.parametrize(
    ("expression", "number"),
    [
        ("1 + 'x'", 245),
        ("CAST('x' AS int)", 245),
        ("CAST('never' AS datetime)", 241),
        ("CAST(300 AS tinyint)", 8115),
        ("@nobody", 137),
        ("FORMAT(GETDATE(), 'dddd')", 8114),
    ],
)
def test_what_cannot_be_worked_out_is_the_server_s_own_error(expression: str, number: int) -> None:
    with pytest.raises(SqlError) as caught:
        value(expression)

    assert caught.value.number == number


def test_variables_have_types_that_cut_and_convert() -> None:
    [row] = Server().rows(
        "DECLARE @short varchar(3) = 'abcdef', @one nvarchar = 'xyz', @n int = '42', @b AS bit = 7, @none datetime\n"
        "SELECT @short AS short, @one AS one, @n + 1 AS n, @b AS b, @none AS none"
    )

    assert row == {"short": "abc", "one": "x", "n": 43, "b": 1, "none": None}


def test_a_variable_is_assigned_by_set_by_select_and_by_what_it_was() -> None:
    server = Server()

    rows = server.rows(
        "DECLARE @a int = 5, @b nvarchar(99), @c sysname = 'kept' SET @a += 2 * 3 SET @a -= 1 SELECT @b = name, @a = @a + 1 "
        "FROM sys.databases WHERE database_id <= 2 ORDER BY database_id SELECT @c = name FROM sys.databases WHERE 1 = 0 "
        "SELECT @a AS a, @b AS b, @c AS c"
    )

    # The last row counts, and no row changes nothing.
    assert rows == [{"a": 11, "b": "tempdb", "c": "kept"}]


def test_a_variable_is_there_before_its_declaration_runs_and_keeps_its_value_in_a_loop() -> None:
    said = Server().messages(
        "DECLARE @n int = 0 WHILE @n < 3 BEGIN DECLARE @seen varchar(9) SET @seen = ISNULL(@seen, '') + 'x' SET @n += 1 END "
        "IF 1 = 0 DECLARE @never int PRINT @seen PRINT ISNULL(CAST(@never AS varchar), 'null')"
    )

    assert said == ["xxx", "null"]


def test_blocks_loops_and_conditions_need_no_semicolons() -> None:
    said = Server().messages("""
        DECLARE @n INT = 0
        WHILE 1 = 1
        BEGIN
            SET @n = @n + 1
            IF @n = 2 CONTINUE
            IF @n IN (3) BEGIN PRINT 'three' END ELSE IF @n > 4 BREAK ELSE PRINT 'n' + CAST(@n AS varchar(9));
        END
        IF NOT EXISTS (SELECT 1 FROM sys.databases WHERE name = 'shop') PRINT 'no shop'; ELSE PRINT 'shop'
        RETURN
        PRINT 'never'
    """)

    assert said == ["n1", "three", "n4", "no shop"]


def test_print_and_raiserror_up_to_ten_are_messages() -> None:
    results = Server().results("PRINT 42 RAISERROR('%d%% of %s, %5d|', 10, 3, 7, N'shop', 12) WITH NOWAIT")

    assert results == [Message("42"), Message("7% of shop,    12|", 50000, severity=10, state=3)]


def test_an_error_is_told_in_its_place_and_the_batch_goes_on() -> None:
    server = Server()

    results = server.engine.execute(server.session, "PRINT 'a' RAISERROR('no', 16, 2) EXEC nothing PRINT @@ERROR PRINT @@ERROR", {})

    assert [one.text if isinstance(one, Message) else one.number for one in results if not isinstance(one, ResultSet)] == [
        "a",
        50000,
        2812,
        "2812",
        "0",
    ]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("SET XACT_ABORT ON RAISERROR('x', 16, 1)", 50000),
        ("THROW 50001, 'x', 1", 50001),
        ("PRINT CAST('x' AS int)", 245),
        ("THROW", 10704),
        ("THROW 7, 'x', 1", 35100),
        ("RAISERROR('x', 19, 1)", None),
    ],
)
def test_some_errors_end_the_batch(text: str, number: int | None) -> None:
    server = Server()

    results = server.engine.execute(server.session, f"{text}\nPRINT 'after'", {})

    ended = [one.number for one in results if isinstance(one, SqlError)]
    assert (ended == [number]) == (Message("after") not in results)


def test_catch_knows_the_error_and_can_pass_it_on() -> None:
    server = Server()
    text = """
        BEGIN TRY
            BEGIN TRY
                PRINT 'before' EXEC msdb.dbo.rds_cancel_task 99 PRINT 'never'
            END TRY
            BEGIN CATCH
                PRINT CAST(ERROR_NUMBER() AS varchar) + ' ' + ERROR_MESSAGE();
                THROW
            END CATCH
        END TRY
        BEGIN CATCH
            PRINT 'outer ' + ERROR_MESSAGE()
        END CATCH
        PRINT ISNULL(ERROR_MESSAGE(), 'no error')
    """

    said = server.messages(text)

    assert said == ["before", "50000 Task ID 99 does not exist.", "outer Task ID 99 does not exist.", "no error"]


def test_an_endless_loop_ends_and_no_catch_hides_it() -> None:
    [(number, text)] = errors(Server(), "BEGIN TRY WHILE 1 = 1 WAITFOR DELAY '01:00:00' END TRY BEGIN CATCH PRINT 'caught' END CATCH")

    assert number == 50000
    assert f"{MOST_STATEMENTS} statements" in text


def test_waiting_moves_the_clock_and_the_tasks_and_takes_no_time() -> None:
    server = Server({"shop.bak": backup(Written())})
    server.restore("shop", "shop.bak")

    said = server.messages("""
        DECLARE @rounds int = 0
        WHILE DATABASEPROPERTYEX('shop', 'Status') IS NULL OR DATABASEPROPERTYEX('shop', 'Status') <> 'ONLINE'
        BEGIN
            WAITFOR DELAY '00:00:30'
            SET @rounds += 1
        END
        PRINT @rounds
    """)

    # Three times two minutes: it begins, is half done, is done.
    assert said == ["12"]
    assert server.engine.instance.clock.now - START > timedelta(minutes=6)


@pytest.mark.parametrize("delay", ["soon", "00:61:00x", "5"])
def test_a_delay_that_is_none_is_refused(delay: str) -> None:
    assert [number for number, _ in errors(Server(), f"WAITFOR DELAY '{delay}'")] == [148]


def test_other_sessions_run_between_the_statements_of_a_loop() -> None:
    server = Server()
    waiting = threading.Thread(target=server.rows, args=("WHILE DB_ID('other') IS NULL WAITFOR DELAY '00:00:01'",))

    waiting.start()
    server.engine.create_database("other")
    waiting.join(10)

    assert not waiting.is_alive()


def test_rows_of_a_procedure_go_into_a_table_and_are_asked_there() -> None:
    server = Server({"shop.bak": backup(Written())})
    server.restore("shop", "shop.bak")

    results = server.results("""
        CREATE TABLE #status (task_id INT NOT NULL, task_type VARCHAR(99), db VARCHAR(50), pct VARCHAR(10), minutes INT,
            lifecycle VARCHAR(99), info VARCHAR(4), updated DATETIME, created DATETIME, arn VARCHAR(500), overwrite_it INT,
            kms VARCHAR(100), path VARCHAR(5), o INT)
        INSERT #status EXEC msdb.dbo.rds_task_status
        PRINT @@ROWCOUNT
        UPDATE #status SET db = db + '!' WHERE task_id = 1
        SELECT task_id, db, pct, info, updated FROM #status s WHERE s.lifecycle NOT IN ('ERROR') AND updated > DATEADD(hh, -1, GETDATE())
    """)

    message, rows = results
    assert message == Message("1")
    assert isinstance(rows, ResultSet)
    assert [row[:4] for row in rows.rows] == [(1, "shop!", "0", " [20")]
    # It outlives its batch, for this connection alone.
    assert server.rows("SELECT COUNT(*) AS n FROM #status") == [{"n": 1}]
    server.rows("IF OBJECT_ID('tempdb..#status') IS NOT NULL DROP TABLE #status DROP TABLE IF EXISTS #status")
    assert [number for number, _ in errors(server, "DROP TABLE #status")] == [3701]
    assert [number for number, _ in errors(server, "SELECT * FROM #status")] == [208]


def test_a_table_variable_counts_its_rows_itself_and_is_gone_with_its_batch() -> None:
    server = Server()

    rows = server.rows("""
        DECLARE @t TABLE (id INT IDENTITY(1,1), name sysname, size tinyint NULL)
        INSERT INTO @t (name) SELECT name FROM sys.databases WHERE database_id <= 2
        INSERT INTO @t VALUES ('x', 1), ('y', NULL)
        DELETE FROM @t WHERE name = 'TEMPDB'
        SELECT * FROM @t
    """)

    assert [tuple(row.values()) for row in rows] == [(1, "master", None), (3, "x", 1), (4, "y", None)]
    assert [number for number, _ in errors(server, "SELECT * FROM @t")] == [137]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("INSERT @t VALUES (1, 2)", 213),
        ("INSERT @t (nothing) VALUES (1)", 207),
        ("INSERT #t VALUES (1)", 208),
        ("INSERT @t VALUES ('x')", 245),
    ],
)
def test_rows_that_do_not_fit_are_refused(text: str, number: int) -> None:
    assert [one for one, _ in errors(Server(), f"DECLARE @t TABLE (n int) {text}")] == [number]


def test_a_text_is_executed_with_variables_of_its_own() -> None:
    server = Server()
    server.engine.create_database("shop")

    said = server.messages("""
        DECLARE @n int, @sql nvarchar(max) = N'PRINT ''inner''; SELECT @count = COUNT(*) FROM sys.databases WHERE name LIKE @what'
        EXEC sp_executesql @sql, N'@what sysname, @count int OUTPUT', @what = 's%', @count = @n OUTPUT
        PRINT @n
        DECLARE @name sysname = 'shop'
        EXEC ('ALTER DATABASE [' + @name + '] SET SINGLE_USER WITH ROLLBACK IMMEDIATE PRINT ''done''')
    """)

    assert said == ["inner", "1", "done"]
    assert server.rows("SELECT user_access_desc FROM sys.databases WHERE name = 'shop'") == [{"user_access_desc": "SINGLE_USER"}]
    assert [number for number, _ in errors(server, "DECLARE @x int = 1 EXEC ('PRINT @x')")] == [137]


def test_what_a_procedure_returns_is_its_status() -> None:
    said = Server().messages("DECLARE @rc int = 5, @p sysname = 'msdb..rds_task_status' EXEC @rc = @p @db_name = NULL PRINT @rc")

    assert said == ["0"]


def test_databases_are_altered() -> None:
    server = Server()
    server.engine.create_database("shop")

    server.rows("""
        ALTER DATABASE [shop] SET RESTRICTED_USER WITH ROLLBACK IMMEDIATE
        ALTER DATABASE shop SET RECOVERY SIMPLE
        ALTER DATABASE shop SET COMPATIBILITY_LEVEL = 130
        USE shop
        ALTER DATABASE CURRENT SET MULTI_USER;
    """)

    [row] = server.rows("SELECT recovery_model_desc, compatibility_level, user_access_desc FROM sys.databases WHERE name = 'shop'")
    assert row == {"recovery_model_desc": "SIMPLE", "compatibility_level": 130, "user_access_desc": "MULTI_USER"}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("ALTER DATABASE nothing SET MULTI_USER", 911),
        ("ALTER DATABASE half SET MULTI_USER", 5052),
        ("DROP DATABASE nothing", 3701),
        ("DROP DATABASE msdb", 3708),
        ("USE shop DROP DATABASE shop", 3702),
    ],
)
def test_what_cannot_be_altered_or_dropped_is_refused(text: str, number: int) -> None:
    server = Server()
    server.engine.create_database("shop")
    server.engine.create_database("half").state = "RESTORING"

    assert [one for one, _ in errors(server, text)] == [number]


def test_a_database_is_dropped_unless_something_holds_it() -> None:
    server = Server({"shop.bak": backup(Written())})
    server.engine.create_database("old")
    server.restore("shop", "shop.bak")
    server.rows("exec msdb.dbo.rds_task_status")

    assert [number for number, _ in errors(server, "DROP DATABASE shop")] == [3702]
    server.rows("DROP DATABASE IF EXISTS old, nothing")
    server.engine.instance.multi_az = True
    server.engine.create_database("mirrored")
    assert [number for number, _ in errors(server, "DROP DATABASE mirrored")] == [3752]
    assert server.engine.database("old") is None


def test_msdb_remembers_what_was_restored() -> None:
    full, log = backup(Written()), backup(Written(kind="L", first=(21, 160, 1), last=(21, 200, 1), set_id=UUID(int=7)))
    server = Server({"full.bak": full, "log.trn": log})
    server.restore("copy", "full.bak", with_norecovery=1)
    server.polled(1)
    server.restore_log("copy", "log.trn", with_norecovery=0)
    server.polled(2)

    sets = server.rows("SELECT * FROM msdb.dbo.backupset ORDER BY backup_set_id")
    restores = server.rows(
        "SELECT r.destination_database_name AS name, b.database_name AS source, r.restore_type AS type, r.recovery "
        "FROM msdb..restorehistory r JOIN msdb.dbo.backupset b ON b.backup_set_id = r.backup_set_id ORDER BY r.restore_history_id"
    )

    assert [(one["type"], one["database_name"], one["backup_start_date"], one["backup_finish_date"]) for one in sets] == [
        ("D", Written().database, Written().begun, FINISHED),
        ("L", Written().database, Written().begun, FINISHED),
    ]
    # 21:160:1 as numeric(25, 0).
    assert sets[1]["first_lsn"] == 21000000016000001
    assert [(one["name"], one["source"], one["type"], one["recovery"]) for one in restores] == [
        ("copy", Written().database, "D", False),
        ("copy", Written().database, "L", True),
    ]
    assert server.rows("USE msdb SELECT COUNT(*) AS n FROM backupset WHERE first_lsn < last_lsn") == [{"n": 2}]
    server.rows(f"EXEC msdb.dbo.sp_delete_database_backuphistory @database_name = N'{Written().database}'")
    assert server.rows("SELECT * FROM msdb.dbo.restorehistory") == []


@pytest.mark.parametrize("text", UNKNOWN)
def test_a_batch_with_a_statement_that_is_not_known_does_nothing(text: str) -> None:
    server = Server()

    with pytest.raises(SqlError) as caught:
        server.engine.execute(server.session, f"USE tempdb\n{text}", {})

    assert caught.value.number == 102
    assert "does not know the statement" in str(caught.value)
    assert server.session.database == "master"


def test_the_documented_call_with_all_its_parameters_is_understood() -> None:
    server = Server({"shop.bak": backup(Written())})

    [row] = server.rows(
        f"DECLARE @a nvarchar(200) = '{arn('shop.bak')}', @no bit = 0 EXECUTE [msdb].[dbo].[rds_restore_database] @restore_db_name = shop,"
        " @s3_arn_to_restore_from = @a, @with_norecovery = @no, @type = 'full'"
    )

    assert (row["task_id"], row["database_name"]) == (1, "shop")
