"""`docs/simulated-sqlserver.md`: what the simulated SQL Server says and understands."""

from collections.abc import Iterator
from typing import Final

from localcloud.sqlserver import texts as sqlserver_texts
from localcloud.sqlserver.views import HISTORY, VIEWS
from localcloud.tsql import functions as sqlserver_functions
from localcloud.tsql.interpreter import MOST_STATEMENTS

# What is known, and where it is less than on a real server.
STATEMENTS: Final = (
    (
        "`EXEC` of RDS's procedures, `sp_executesql`, `EXEC ('...' + @x)`",
        "arguments by position and name, `OUTPUT` of `sp_executesql`, "
        "`EXEC @rc = ...`, the name in a variable; a function call as an argument is refused, as by a real server",
    ),
    (
        "`SELECT`, `SELECT @x = ...`",
        "views, own tables, functions below, joins, subqueries, `TOP`, derived tables, `VALUES` in them, `WITH` without lists of columns; "
        "no `INTO`, no windows. What a restored database holds nothing here reads out of its backup: tests say it (`source_contents`), and "
        "anything else is an invalid object name",
    ),
    (
        "`DECLARE`, `SET @x =`, `SET @x +=`",
        "int, bigint, smallint, tinyint, bit, float, real, (n)char, (n)varchar, sysname, datetime, "
        "datetime2, smalldatetime, tables; no decimal, date, xml, no cursors",
    ),
    (
        "`IF`, `ELSE`, `WHILE`, `BEGIN ... END`, `BREAK`, `CONTINUE`, `RETURN`",
        f"a batch ends after {MOST_STATEMENTS:,} statements; no `GOTO`",
    ),
    ("`BEGIN TRY ... BEGIN CATCH`, `THROW`, `RAISERROR`, `PRINT`", "severities up to 10 and `PRINT` are INFO messages"),
    ("`WAITFOR DELAY`", "moves the server's clock, and the tasks once every two minutes of it; nobody sleeps. No `WAITFOR TIME`"),
    (
        "`CREATE TABLE #t`, `DROP TABLE #t`, `INSERT`, `DELETE`, `UPDATE`",
        "table variables and temporary tables only; `INSERT ... EXEC`, `VALUES`, `SELECT`; no joins in `DELETE` and `UPDATE`",
    ),
    (
        "`ALTER DATABASE ... SET`",
        "`SINGLE_USER`, `RESTRICTED_USER`, `MULTI_USER` (seen in `sys.databases`, keep nobody out), `RECOVERY` "
        "(RDS would put FULL back where it keeps backups; here it stays), `TRUSTWORTHY`, `COMPATIBILITY_LEVEL`",
    ),
    (
        "`ALTER AUTHORIZATION ON DATABASE::`",
        "to oneself, and to logins that a test lets one impersonate; triggers don't run, and whoever gives a database away loses nothing",
    ),
    ("`DROP DATABASE [IF EXISTS]`", "refused while a task is at work on it, from within it, for system databases, and with Multi-AZ"),
    (
        "`USE`, `ALTER USER ... WITH LOGIN`, `DBCC CHECKDB`, `BEGIN`/`COMMIT`/`ROLLBACK TRANSACTION`",
        "transactions change `@@TRANCOUNT` and what RDS's procedures refuse, and undo users that were made in them; nothing else is undone",
    ),
    (
        "`CREATE USER ... WITHOUT LOGIN`, `DROP USER`, `GRANT SELECT`/`UNMASK TO`, `EXECUTE AS USER = '...' WITH NO REVERT`",
        "who is impersonated reads what was granted, and is refused everything outside of the database; triggers don't run, security "
        "policies and masks hide nothing. Other sessions wait for a transaction that made a user (`LOCK_TIMEOUT`), and for no other lock",
    ),
    (
        "`SET NOCOUNT` and other settings of sessions",
        "only `XACT_ABORT`, `LOCK_TIMEOUT` and `PARSEONLY` have an effect: the last knows SQLite's syntax, less what isn't in this table; "
        "`GO` is the client's",
    ),
)


def page() -> str:
    """The whole table as Markdown."""
    return "\n".join(
        [
            "# What the simulated SQL Server says",
            "",
            "Generated from `localcloud/sqlserver/texts.py` and `localcloud/sqlserver/page.py` by `make docs`. No SQL Server engine and no",
            "real RDS instance is behind the local cloud's SQL Server: this is all it can say, and how sure each part is. *documented*: in",
            "AWS's or Microsoft's documentation; *observed*: quoted in public by people who met it; *assumed*: ours, and a real server",
            "may differ.",
            "",
            *_statements(),
            "## Messages",
            "",
            "Number 50000 is what a raised text carries (assumed for RDS's own); without a number it is a line of `task_info`. Errors of",
            "the engine that stop a restore are seen in `task_info` only, without their number: that RDS passes them on so is assumed.",
            "",
            *_table(("number", "severity", "text", "mark", "source"), map(_message_row, sqlserver_texts.TEXTS.values())),
            "",
            "## Columns of `rds_task_status`",
            "",
            *_table(("name", "type", "mark", "source"), map(_column_row, sqlserver_texts.TASK_STATUS)),
            "",
            "## Columns that a submitting procedure returns",
            "",
            *_table(("name", "type", "mark", "source"), map(_column_row, sqlserver_texts.SUBMITTED)),
            "",
            "## Values of `task_type` and `lifecycle`",
            "",
            *_table(("value", "mark", "source"), ((f"`{one.name}`", one.mark, one.source) for one in sqlserver_texts.VALUES)),
            "",
        ]
    )


def _statements() -> Iterator[str]:
    yield "## Statements and clients"
    yield ""
    yield "A batch is read whole before any of it runs; one with a statement that isn't in this table does nothing and ends in error 102,"
    yield "which names it. An error ends its statement, and the batch goes on, except after those that end it. Clients speak TDS 7.1"
    yield "to 7.4."
    yield ""
    yield from _table(("statement", "what it does here"), iter(STATEMENTS))
    yield ""
    yield "Queries see `sys.` " + ", ".join(f"`{name}`" for name in sorted(VIEWS)) + " and, in msdb,"
    yield (
        ", ".join(f"`{name}`" for name in sorted(HISTORY))
        + ", with only those columns that are true here. msdb has a row for each backup set that was restored; that RDS"
    )
    yield "keeps such rows is assumed. Functions:"
    yield (", ".join(f"`{name}`" for name in sorted({*sqlserver_functions.NAMES, *sqlserver_functions.GLOBALS, "CAST", "CONVERT"})) + ".")
    yield ""


def _message_row(one: sqlserver_texts.Text) -> tuple[str, ...]:
    number, severity = (str(one.number), str(one.severity)) if one.number else ("", "")
    return number, severity, f"`{one.text}`", one.mark, one.source


def _column_row(one: sqlserver_texts.Said) -> tuple[str, ...]:
    return f"`{one.name}`", one.type, one.mark, one.source


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
