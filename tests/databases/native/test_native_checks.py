"""Checks of one's own, asked of a restored SQL Server database: what they find, what they can't do, and what they leave. The server is
simulated, and its tables hold what the test says."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from dbrestore.contract.checks.asked import AskedCheck, CheckAnswer
from dbrestore.contract.job import DatabaseResult, Job
from dbrestore.contract.manifest import Manifest, NativeDatabaseBackup
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.base.progress import ProgressWriter
from dbrestore.worker.sqlserver import verification as native_verification
from localcloud.base import certificates
from localcloud.sqlserver.databases import Contents
from localcloud.sqlserver.texts import text
from localcloud.tds.engine import DropConnection, Session
from localcloud.tsql.syntax import CreateUser, Grant, Impersonate
from tests.databases.native.test_native_verification import backup_set
from tests.databases.native_server import RESTORE, NativeServer, job, native_server

POINT_MADE = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
USER = f"dbrestore_{RESTORE.removeprefix('r-')}_asks"
ORDERS = (
    ("id", "currency", "placed_at", "is_paid", "note"),
    [
        (1, "EUR", datetime(2026, 1, 2, 2, 30), True, "100% [x]"),
        (2, "EUR", datetime(2026, 1, 1, 0, 0), True, None),
        (3, "EUR", datetime(2025, 12, 31, 0, 0), True, "c"),
    ],
)
LINES = (("id", "order_id"), [(1, 1), (2, 9)])
CONTENTS = Contents(tables={"orders": ORDERS, "lines": LINES, "long": (("t",), [("x" * 9999,), ("x" * 10_001,)])})


@pytest.fixture
def case(authority: certificates.Authority) -> Iterator[NativeServer]:
    with native_server(authority, Bounds(native_reconnect_pause_seconds=0.01, native_online_within_seconds=0.1)) as made:
        made.switches.source_contents = CONTENTS
        made.restored()
        yield made


def check(sql: str, expect: Any, **more: Any) -> AskedCheck:
    return AskedCheck.model_validate({"name": "c", "database": "shop", "sql": sql, "expect": expect, **more})


def verified(case: NativeServer, *checks: AskedCheck) -> DatabaseResult:
    manifest = Manifest(
        point_id="p",
        instance="i",
        engine="sqlserver",
        engine_version="15",
        created_at=POINT_MADE,
        native_databases=(NativeDatabaseBackup(name="shop", source_name="shop", database_id="id", backup_sets=(backup_set(),)),),
    )
    numbered = tuple(one.model_copy(update={"name": f"c{n}"}) for n, one in enumerate(checks))
    database = job(last_set="set-1").model_copy(update={"asked_checks": numbered})
    work = Job(kind="verify", restore_id=RESTORE, engine="sqlserver", server=case.server.address, native_databases=(database,))
    [result] = [one for one, _ in native_verification.run(case.server, work, manifest, ProgressWriter("verify", lambda _: None))]
    return result


def ask(case: NativeServer, *checks: AskedCheck) -> tuple[CheckAnswer, ...]:
    """The answers; the database is promoted whatever they are, and nobody was made in it."""
    result = verified(case, *checks)
    assert (result.status, result.error) == ("PROMOTED", None)
    require_untouched(case)
    return result.answers


def require_untouched(case: NativeServer) -> None:
    database = case.engine.database("shop")
    assert database
    assert database.users == []
    assert database.contents is CONTENTS


HOLD = [
    ("SELECT COUNT(*) FROM orders", 3),
    ("SELECT COUNT(*) FROM dbo.orders;", 3),
    ("-- how many\nSELECT COUNT(*) FROM [shop].[dbo].[orders] /* all /* of */ them */", {"min": 3, "max": 3}),
    ("SELECT MAX(placed_at) FROM orders", {"maxAgeSeconds": 1800}),
    ("SELECT DISTINCT currency FROM orders", "EUR"),
    ("SELECT is_paid FROM orders WHERE id = 1", True),
    ("SELECT note FROM orders WHERE id = 1", "100% [x]"),
    ("SELECT note FROM orders WHERE id = 2", None),
    ("SELECT COUNT(*) FROM orders WHERE note LIKE '100%'", 1),
    ("SELECT 1.5 + 1", 2.5),
    ("SELECT 0x0AFF", "0x0AFF"),
    ("SELECT n FROM (VALUES (5), (6)) AS five (n) WHERE n < 6", 5),
    ("SELECT id, note, note FROM orders WHERE id > 3", {"rows": 0}),
    ("SELECT id, note, note FROM orders", {"rows": 3}),
    ("SELECT 1 FROM lines AS l WHERE NOT EXISTS (SELECT 1 FROM orders AS o WHERE o.id = l.order_id)", {"rows": 1}),
    ("WITH paid AS (SELECT id FROM orders WHERE is_paid = 1) SELECT COUNT(*) FROM paid", 3),
    ("WITH a AS (SELECT 1 AS x), b AS (SELECT x FROM a) SELECT x FROM b", {"rows": 1}),
    ("SELECT COUNT(*) FROM sys.tables", 3),
    ("SELECT COUNT(*) FROM sys.databases WHERE name = 'shop'", 1),
    # It is nobody outside of the database.
    ("SELECT name FROM sys.databases WHERE name IN ('msdb', 'rdsadmin')", {"rows": 0}),
    ("SELECT t FROM long WHERE LEN(t) < 10000", "x" * 9999),
]


@pytest.mark.parametrize(("sql", "expect"), HOLD)
def test_the_answer_that_was_expected_is_ok(case: NativeServer, sql: str, expect: Any) -> None:
    [answer] = ask(case, check(sql, expect))

    assert (answer.status, answer.why) == ("ok", "")


def test_the_value_is_shown_only_on_request_and_its_digest_always(case: NativeServer) -> None:
    hidden, shown, null, counted = ask(
        case,
        check("SELECT DISTINCT currency FROM orders", "EUR"),
        check("SELECT DISTINCT currency FROM orders", "EUR", show=True),
        check("SELECT note FROM orders WHERE id = 2", None, show=True),
        check("SELECT id FROM orders", {"rows": 3}, show=True),
    )

    assert (hidden.value, hidden.sha256) == (None, sha256(b"EUR").hexdigest())
    assert (shown.value, shown.sha256) == ("EUR", sha256(b"EUR").hexdigest())
    assert (null.value, null.sha256) == ("NULL", "")
    assert (counted.value, counted.sha256) == ("3", sha256(b"3").hexdigest())


DIFFER = [
    ("SELECT COUNT(*) FROM orders", 4, "another value came back"),
    ("SELECT COUNT(*) FROM orders", {"min": 4}, "a smaller number came back"),
    ("SELECT COUNT(*) FROM orders", {"max": 2}, "a greater number came back"),
    ("SELECT MAX(placed_at) FROM orders", {"maxAgeSeconds": 1799}, "an older moment came back"),
    ("SELECT id FROM orders", {"rows": 0}, "another number of rows came back"),
    ("SELECT is_paid FROM orders WHERE id = 1", False, "another value came back"),
    ("SELECT is_paid FROM orders WHERE id = 1", {"min": 1}, "a value of type bit came back, which is no number"),
    ("SELECT currency FROM orders WHERE id = 1", {"maxAgeSeconds": 1}, "a value of type nvarchar came back, which is no moment in time"),
    ("SELECT note FROM orders WHERE id = 2", "x", "NULL came back"),
]


@pytest.mark.parametrize(("sql", "expect", "why"), DIFFER)
def test_another_answer_is_told_and_the_database_stays(case: NativeServer, sql: str, expect: Any, why: str) -> None:
    [answer] = ask(case, check(sql, expect))

    assert (answer.status, answer.why) == ("failed", why)


UNANSWERED = [
    ("SELECT id FROM orders", 1, "more than one row came back"),
    ("SELECT id FROM orders WHERE id = 9", 1, "no row came back, and one value was expected"),
    ("SELECT id, note FROM orders WHERE id = 1", 1, "its rows have 2 columns, and one value was expected"),
    ("SELECT id FROM nowhere", 1, "Invalid object name 'nowhere'. (208)"),
    ("SELECT nothing FROM orders", 1, "Invalid column name 'nothing'. (207)"),
    ("SELECT t FROM long WHERE LEN(t) > 10000", "x", "the value is longer than 10,000 characters: compare its length or its digest"),
    (
        "SELECT COUNT(*) FROM msdb.dbo.backupset",
        0,
        'The server principal "S-1-9-3-1" is not able to access the database "msdb" under the current security context. (916)',
    ),
    (
        "SELECT unallocated_extent_page_count FROM sys.dm_db_file_space_usage",
        0,
        "VIEW DATABASE STATE permission denied in database 'shop'. (262)",
    ),
]


@pytest.mark.parametrize(("sql", "expect", "why"), UNANSWERED)
def test_what_can_not_be_asked_is_not_checked(case: NativeServer, sql: str, expect: Any, why: str) -> None:
    answers = ask(case, check(sql, expect), check("SELECT 1", 1))

    assert [(one.status, one.why) for one in answers] == [("not checked", why), ("ok", "")]


def test_it_is_asked_as_a_user_that_may_read_and_lives_in_a_transaction(case: NativeServer) -> None:
    seen: list[tuple[type, bool]] = []
    grants: list[str] = []

    def look(session: Session, batch: str) -> None:
        if "FROM (\n" in batch:
            user = session.settings["impersonated"]
            assert (user.name, session.in_transaction) == (USER, True)
            grants.extend(sorted(user.granted))

    case.switches.before_batch.append(look)
    case.switches.before_statement.append(lambda one: seen.append((type(one), True)))

    ask(case, check("SELECT 1", 1))

    assert grants == ["SELECT", "UNMASK"]
    assert [kind for kind, _ in seen if kind in (CreateUser, Grant, Impersonate)] == [CreateUser, Grant, Grant, Impersonate]


def test_a_lock_that_can_not_be_had_is_not_checked(case: NativeServer) -> None:
    def locked(session: Session, batch: str) -> None:
        if "FROM (\n" in batch:
            raise text("lock-timeout").error()

    case.switches.before_batch.append(locked)

    [answer] = ask(case, check("SELECT COUNT(*) FROM orders", 3))

    assert (answer.status, answer.why) == ("not checked", "Lock request time out period exceeded. (1222)")


def test_one_that_does_not_end_is_given_up_and_leaves_nobody(case: NativeServer) -> None:
    over = threading.Event()

    def slow(session: Session, batch: str) -> None:
        if "SELECT TOP (2) [value] FROM (\nSELECT 1" in batch:
            over.wait(20)

    case.switches.before_batch.append(slow)
    case.bound(check_seconds=1)
    threading.Timer(2, over.set).start()

    result = verified(case, check("SELECT 1", 1), check("SELECT 2", 2))

    assert [(one.status, one.why) for one in result.answers] == [("not checked", "it did not end within 1 s"), ("ok", "")]
    assert result.answers[0].seconds < 2
    over.wait(5)
    for _ in range(50):
        if not (database := case.engine.database("shop")) or not database.users:
            break
        threading.Event().wait(0.1)
    require_untouched(case)


def test_a_lost_connection_is_no_answer_and_is_asked_again(case: NativeServer) -> None:
    lost: list[str] = []

    def lose(session: Session, batch: str) -> None:
        if "FROM (\n" in batch and not lost:
            lost.append(batch)
            raise DropConnection

    case.switches.before_batch.append(lose)

    assert [one.status for one in ask(case, check("SELECT COUNT(*) FROM orders", 3))] == ["ok"]
    assert lost


@pytest.mark.parametrize("event", ["CREATE_USER", "GRANT_DATABASE"])
def test_a_trigger_of_the_backup_never_runs_as_the_login_that_restores(case: NativeServer, event: str) -> None:
    database = case.engine.database("shop")
    assert database
    database.contents = replace(CONTENTS, triggers={"harmless": ("CREATE_TABLE",), "hostile": (event,)})
    made: list[object] = []
    case.switches.before_statement.append(lambda one: made.append(one) if isinstance(one, CreateUser | Grant) else None)

    [answer] = verified(case, check("SELECT 1", 1)).answers

    assert answer.status == "not checked"
    assert answer.why.startswith("the database trigger hostile of the backup would run with the rights of the login that restores")
    assert made == []


def test_other_triggers_matter_to_nobody(case: NativeServer) -> None:
    database = case.engine.database("shop")
    assert database
    database.contents = replace(CONTENTS, triggers={"harmless": ("CREATE_TABLE",)})

    [answer] = verified(case, check("SELECT 1", 1)).answers

    assert answer.status == "ok"


def test_rows_that_a_policy_may_hide_are_not_counted_as_absent(case: NativeServer) -> None:
    database = case.engine.database("shop")
    assert database
    database.contents = replace(CONTENTS, policies=("tenants",))

    [answer] = verified(case, check("SELECT id FROM orders WHERE id > 9", {"rows": 0})).answers

    assert answer.status == "not checked"
    assert answer.why.startswith("the security policy tenants may show only some of the rows")


def test_a_user_that_stayed_is_dropped_and_told(case: NativeServer) -> None:
    def commit(session: Session, batch: str) -> None:
        if "FROM (\n" in batch:
            case.engine.end_transaction(session, is_committed=True)
            session.in_transaction = True

    case.switches.before_batch.append(commit)

    result = verified(case, check("SELECT 1", 1))

    assert (result.status, result.error and result.error.name) == ("FAILED", "VerificationFailed")
    assert result.error
    assert f"the user {USER} that asked the checks was still there, and was dropped" in result.error.message
    require_untouched(case)


def test_no_check_no_session(case: NativeServer) -> None:
    case.switches.before_statement.append(lambda one: pytest.fail("nobody is made") if isinstance(one, CreateUser) else None)

    assert ask(case) == ()


def test_ages_are_counted_back_from_the_point_and_without_a_zone_in_utc(case: NativeServer) -> None:
    age = (POINT_MADE.replace(tzinfo=None) - datetime(2026, 1, 2, 2, 30)) / timedelta(seconds=1)

    holds, differs = ask(
        case,
        check("SELECT MAX(placed_at) FROM orders", {"maxAgeSeconds": age}),
        check("SELECT MAX(placed_at) FROM orders", {"maxAgeSeconds": age - 1}),
    )

    assert (holds.status, differs.status) == ("ok", "failed")
