"""Users without a login on the simulated server: how long they live, what they may; what derived tables and described queries say."""

import threading

import pytest

from localcloud.sqlserver.databases import Contents
from localcloud.tds.engine import ResultSet, SqlError
from tests.unit.localcloud.sqlserver.objects import MASTER, PASSWORD, START, Server

ORDERS = (("id", "placed_at", "note"), [(1, START, "a"), (2, START, None)])
MAKE = "BEGIN TRANSACTION CREATE USER [nobody] WITHOUT LOGIN"
USERS = "SELECT name, authentication_type_desc FROM sys.database_principals WHERE name = 'nobody'"


@pytest.fixture
def server() -> Server:
    made = Server()
    made.engine.create_database("shop").contents = Contents(tables={"Orders": ORDERS}, triggers={"t": ("CREATE_USER",)}, policies=("p",))
    made.engine.create_database("crm")
    made.rows("USE shop")
    return made


def become(server: Server, *granted: str) -> None:
    grants = " ".join(f"GRANT {one} TO nobody" for one in granted)
    server.rows(f"{MAKE} {grants} EXECUTE AS USER = N'nobody' WITH NO REVERT")


def error(server: Server, text: str) -> tuple[int, str]:
    with pytest.raises(SqlError) as refused:
        server.results(text)
    return refused.value.number, str(refused.value)


def test_tables_of_a_database_are_those_that_a_test_says(server: Server) -> None:
    assert server.rows("SELECT o.id AS n FROM dbo.orders AS o WHERE o.note IS NULL") == [{"n": 2}]
    assert server.rows("SELECT COUNT(*) AS n FROM shop..ORDERS") == [{"n": 2}]
    assert server.rows("SELECT name, type_desc FROM sys.tables") == [{"name": "Orders", "type_desc": "USER_TABLE"}]
    assert server.rows("SELECT name FROM crm.sys.tables") == []
    assert error(server, "SELECT 1 FROM dbo.lines") == (208, "Invalid object name 'dbo.lines'.")
    assert error(server, "SELECT 1 FROM sales.orders") == (208, "Invalid object name 'sales.orders'.")
    assert error(server, "SELECT o.nothing FROM orders AS o")[0] == 207
    # Of the server's own views only some columns are here: that isn't told as if the server had said it.
    assert error(server, "SELECT lock_escalation FROM sys.tables")[0] == 102


def test_triggers_and_policies_are_seen(server: Server) -> None:
    of_trigger = "SELECT t.name, e.type_desc FROM sys.triggers AS t JOIN sys.trigger_events AS e ON e.object_id = t.object_id"

    assert server.rows(of_trigger) == [{"name": "t", "type_desc": "CREATE_USER"}]
    assert server.rows("SELECT name FROM sys.security_policies WHERE is_enabled = 1") == [{"name": "p"}]


@pytest.mark.parametrize(("end", "stays"), [("COMMIT", True), ("ROLLBACK TRANSACTION", False)])
def test_a_user_of_a_transaction_ends_or_stays_with_it(server: Server, end: str, stays: bool) -> None:
    server.rows(MAKE)
    assert server.rows(USERS) == [{"name": "nobody", "authentication_type_desc": "NONE"}]

    server.rows(end)

    assert bool(server.rows(USERS)) is stays
    assert server.rows("SELECT @@TRANCOUNT AS n") == [{"n": 0}]


def test_the_end_of_a_session_undoes_its_transaction_and_no_other(server: Server) -> None:
    server.rows("CREATE USER [old] WITHOUT LOGIN")
    server.rows(MAKE)

    server.engine.end_transaction(server.session, is_committed=False)

    database = server.engine.database("shop")
    assert database and [user.name for user in database.users] == ["old"]  # noqa: PT018
    server.rows("DROP USER old")
    assert error(server, "DROP USER old")[0] == 15151
    server.rows("CREATE USER [new] WITHOUT LOGIN")
    assert error(server, "CREATE USER [NEW] WITHOUT LOGIN")[0] == 15023


def test_others_wait_for_the_transaction_that_made_a_user(server: Server) -> None:
    server.rows(MAKE)
    other = Server.__new__(Server)
    other.engine, other.session = server.engine, server.engine.login(MASTER, PASSWORD, "shop")
    other.results("SET LOCK_TIMEOUT 50")
    assert error(other, USERS) == (1222, "Lock request time out period exceeded.")
    other.results("SET LOCK_TIMEOUT 5000")
    threading.Timer(0.2, lambda: server.engine.end_transaction(server.session, is_committed=False)).start()

    assert other.rows(USERS) == []


def test_who_is_impersonated_may_what_was_granted(server: Server) -> None:
    become(server)
    assert error(server, "SELECT id FROM orders") == (
        229,
        "The SELECT permission was denied on the object 'Orders', database 'shop', schema 'dbo'.",
    )
    server.rows("ROLLBACK")


def test_who_may_read_may_nothing_else_and_nothing_elsewhere(server: Server) -> None:
    become(server, "SELECT", "UNMASK")

    assert server.rows("SELECT COUNT(*) AS n FROM orders") == [{"n": 2}]
    outside = 'The server principal "S-1-9-3-1" is not able to access the database "{}" under the current security context.'
    for text in ("SELECT 1 FROM crm.dbo.orders", "SELECT name FROM crm.sys.tables", "USE crm"):
        assert error(server, text) == (916, outside.format("crm"))
    for text in ("EXEC msdb.dbo.rds_drop_database 'shop'", "SELECT 1 FROM msdb.dbo.backupset"):
        assert error(server, text) == (916, outside.format("msdb"))
    for text in (
        "CREATE USER [x] WITHOUT LOGIN",
        "GRANT SELECT TO nobody",
        "ALTER DATABASE shop SET TRUSTWORTHY ON",
        "DROP DATABASE shop",
        "DBCC CHECKDB",
        "ALTER USER nobody WITH LOGIN = admin",
        "WAITFOR DELAY '00:01'",
    ):
        assert error(server, text) == (15247, "User does not have permission to perform this action.")
    assert error(server, "EXECUTE AS USER = 'dbo' WITH NO REVERT")[0] == 15517
    assert error(server, "SELECT file_id FROM sys.dm_db_file_space_usage") == (
        262,
        "VIEW DATABASE STATE permission denied in database 'shop'.",
    )
    assert [row["name"] for row in server.rows("SELECT name FROM sys.databases ORDER BY name")] == ["master", "shop", "tempdb"]


def test_derived_tables_have_names_for_their_columns(server: Server) -> None:
    assert server.rows("SELECT TOP (1) [b] FROM (SELECT id, note FROM orders) AS [x y] ([a], [b]) ORDER BY a DESC") == [{"b": None}]
    assert server.rows("SELECT n FROM (VALUES (1), (2)) AS v (n) WHERE n > 1") == [{"n": 2}]
    assert error(server, "SELECT a FROM (SELECT id, note FROM orders) AS x (a)") == (
        8158,
        "'x' has more columns than were specified in the column list.",
    )
    assert error(server, "SELECT a FROM (SELECT id FROM orders) AS x (a, b)")[0] == 8159
    assert error(server, "SELECT a FROM (SELECT id FROM orders ORDER BY id) AS x (a)")[0] == 1033
    assert server.rows("SELECT a FROM (SELECT TOP 1 id FROM orders ORDER BY id DESC) AS x (a)") == [{"a": 2}]
    assert error(server, "SELECT a FROM (WITH t AS (SELECT 1 AS a) SELECT a FROM t) AS x (a)")[0] == 102
    assert server.rows("WITH t AS (SELECT id FROM orders), u AS (SELECT id FROM t) SELECT TOP 1 id FROM u ORDER BY id") == [{"id": 1}]


def test_comments_nest(server: Server) -> None:
    assert server.rows("SELECT 1 AS n /* a /* b */ c */") == [{"n": 1}]
    assert error(server, "SELECT 1 AS n /* a /* b */")[0] == 102


def test_a_query_is_described_without_a_word_about_its_rows(server: Server) -> None:
    text = "SELECT column_ordinal, name, system_type_name, error_number FROM sys.dm_exec_describe_first_result_set(@q, NULL, 0)"

    assert [tuple(row.values()) for row in server.rows(text, q="SELECT id, placed_at, note, 1.5 FROM orders")] == [
        (1, "id", "int", None),
        (2, "placed_at", "datetime", None),
        (3, "note", "nvarchar(4000)", None),
        (4, None, "float", None),
    ]
    assert [tuple(row.values()) for row in server.rows(text, q="SELECT nothing FROM orders")] == [(0, None, None, 207)]
    assert server.rows(text, q="PRINT 'x'") == []


def test_parse_only_runs_nothing(server: Server) -> None:
    server.rows("SET PARSEONLY ON")

    assert server.results("SELECT 1 FROM nowhere CREATE USER [x] WITHOUT LOGIN") == []
    assert error(server, "SELECT 1 FROM (SELECT 1 DROP TABLE t) AS x (a)")[0] == 102
    assert error(server, "SELECT a FROM (SELECT 1 INTO t) AS x (a)")[0] == 102
    server.rows("SET PARSEONLY OFF")
    [found] = server.results("SELECT 1 AS n")
    assert isinstance(found, ResultSet)
    database = server.engine.database("shop")
    assert database and database.users == []  # noqa: PT018


def test_bytes_are_bytes(server: Server) -> None:
    assert server.rows("SELECT 0x0aF AS b, 0x AS e") == [{"b": b"\x00\xaf", "e": b""}]
