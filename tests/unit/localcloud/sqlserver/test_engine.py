"""The simulated server's own side: logins, databases, the clock and the statements that aren't restores."""

from datetime import datetime, timedelta

import pytest

from localcloud.tds.engine import DropConnection, ResultSet, SqlError
from tests.unit.localcloud.sqlserver.objects import MASTER, PASSWORD, START, Server
from tests.unit.points.sqlserver.backups import Written, backup


def refusal(server: Server, text: str, **parameters: object) -> SqlError:
    with pytest.raises(SqlError) as caught:
        server.rows(text, **parameters)  # type: ignore[arg-type]
    return caught.value


def test_a_wrong_password_and_an_unknown_user_are_refused_alike() -> None:
    server = Server()

    for user, password in [(MASTER, "wrong"), ("nobody", PASSWORD)]:
        with pytest.raises(SqlError) as caught:
            server.engine.login(user, password, "master")
        assert (caught.value.number, caught.value.severity) == (18456, 14)
        assert user in str(caught.value)


def test_a_changed_master_password_is_the_one_that_counts() -> None:
    server = Server()

    server.engine.set_master_password("another")

    assert server.engine.login(MASTER, "another", "master").user == MASTER
    with pytest.raises(SqlError):
        server.engine.login(MASTER, PASSWORD, "master")


def test_nobody_logs_in_to_a_database_that_is_not_there_or_not_ready() -> None:
    server = Server()
    server.engine.create_database("half").state = "RESTORING"

    for name in ("absent", "half"):
        with pytest.raises(SqlError) as caught:
            server.engine.login(MASTER, PASSWORD, name)
        assert caught.value.number == 4060


def test_the_clock_moves_a_second_with_a_statement_and_two_minutes_with_a_poll() -> None:
    server = Server()

    [first] = server.rows("SELECT GETDATE() AS now")
    server.rows("exec msdb.dbo.rds_task_status")
    [second] = server.rows("select getdate() as now")

    assert first["now"] == START + timedelta(seconds=1)
    assert second["now"] == START + timedelta(seconds=3, minutes=2)


def test_the_difference_of_two_moments_counts_boundaries() -> None:
    server = Server(now=datetime(2026, 1, 2, 10, 59, 50))

    [row] = server.rows(
        "SELECT DATEDIFF(hour, GETDATE(), @P1) AS hours, DATEDIFF(MINUTE, @P1, GETDATE()) AS minutes",
        P1=datetime(2026, 1, 2, 11, 1),
    )

    assert row == {"hours": 1, "minutes": -2}


def test_values_come_back_with_their_types() -> None:
    server = Server()
    query = (
        "SELECT @P1 AS moment, @P2 AS small, @P3 AS big, @P4 AS part, @P5 AS words, @P6 AS many, @P7 AS bytes, @P8 AS nothing, "
        "is_read_only FROM sys.databases WHERE name = 'master'"
    )
    given = (START, 1, 1 << 40, 0.5, "it's ü", "x" * 5000, b"\x01", None)

    [result] = server.engine.execute(server.session, query, {f"@P{number}": one for number, one in enumerate(given, start=1)})

    assert isinstance(result, ResultSet)
    assert list(result.rows) == [(*given, False)]
    assert [column.type for column in result.columns] == [
        "datetime",
        "int",
        "bigint",
        "float",
        "nvarchar",
        "nvarchar(max)",
        "varbinary",
        "nvarchar",
        "bit",
    ]


def test_the_version_and_edition_are_said_as_the_server_says_them() -> None:
    server = Server(version="16.00.4165.4.v1", edition="ee")

    [row] = server.rows("SELECT SERVERPROPERTY('ProductVersion') AS version, SERVERPROPERTY(N'EngineEdition') AS edition")

    assert row == {"version": "16.0.4165.4", "edition": 3}


def test_databases_are_listed_and_found_without_case() -> None:
    server = Server()
    server.engine.create_database("Shop")

    rows = server.rows("SELECT name, state_desc, create_date FROM sys.databases WHERE name = @P1", P1="SHOP")

    assert rows == [{"name": "Shop", "state_desc": "ONLINE", "create_date": START}]


def test_databases_are_found_without_accents_where_the_query_says_so() -> None:
    server = Server()
    server.engine.create_database("Café")
    query = "SELECT name FROM sys.databases WHERE name {} = @P1"

    assert server.rows(query.format("COLLATE Latin1_General_CI_AI"), P1="CAFE") == [{"name": "Café"}]
    assert server.rows(query.format(""), P1="CAFE") == []


def test_the_owner_of_a_database_is_named_by_its_sid() -> None:
    server = Server()
    server.engine.create_database("shop")

    rows = server.rows("SELECT name, SUSER_SNAME(owner_sid) AS owner FROM sys.databases WHERE database_id > 4")

    assert rows == [{"name": "rdsadmin", "owner": "rdsa"}, {"name": "shop", "owner": MASTER}]


@pytest.mark.parametrize(
    "text",
    [
        "MERGE INTO x USING y ON 1=1",
        "SELECT sqlite_version()",
        "SELECT name || 'x' FROM sys.databases",
        "SELECT CAST(name AS xml) FROM sys.databases",
        "SELECT name FROM sys.databases LIMIT 1",
        "SELECT nothing FROM sys.databases",
        "ALTER DATABASE x SET OFFLINE",
        "DBCC CHECKDB ('x') WITH REPAIR_REBUILD",
        "SELECT (1",
        "RESTORE DATABASE x FROM DISK = 'y'",
        "EXEC a @b=1 2",
        "SELECT 1; SELECT ?",
    ],
)
def test_a_statement_that_is_not_known_is_refused_by_name(text: str) -> None:
    error = refusal(Server(), text)

    assert error.number == 102
    assert text.split("; ")[-1].split()[0] in str(error)


def test_a_parameter_without_a_value_is_refused() -> None:
    assert refusal(Server(), "SELECT name FROM sys.databases WHERE name = @P1").number == 137


def test_an_expression_without_an_alias_has_no_name() -> None:
    server = Server()

    [result] = server.engine.execute(server.session, "SELECT DB_NAME(), 1, name, create_date AS [made on] FROM sys.databases", {})

    assert isinstance(result, ResultSet)
    assert [column.name for column in result.columns] == ["", "", "name", "made on"]
    assert [column.type for column in result.columns] == ["nvarchar", "int", "nvarchar", "datetime"]


def test_statements_of_one_batch_run_in_turn() -> None:
    server = Server()
    server.engine.create_database("shop")

    rows = server.rows("SET NOCOUNT ON\nUSE [shop];\nSELECT DB_NAME() AS name -- ; not an end")

    assert rows == [{"name": "shop"}]
    assert server.session.database == "shop"


def test_trustworthy_is_set_and_seen() -> None:
    server = Server()
    server.engine.create_database("it's").is_trustworthy_on = True

    server.rows("ALTER DATABASE [it's]\nSET TRUSTWORTHY OFF")

    assert server.rows("SELECT is_trustworthy_on FROM sys.databases WHERE name = 'it''s'") == [{"is_trustworthy_on": False}]


def test_a_failover_ends_every_connection() -> None:
    server = Server({"shop.bak": backup(Written())})
    task = server.restore("shop", "shop.bak")
    server.rows("exec msdb.dbo.rds_task_status")

    server.engine.fail_over()

    with pytest.raises(DropConnection):
        server.rows("SELECT 1 AS one")
    server.session = server.engine.login(MASTER, PASSWORD, "master")
    assert server.polled(task)["lifecycle"] == "ERROR"
    assert server.engine.database("shop") is not None
