"""A restored SQL Server database is compared with its backup's header, and what came with it is settled. No SQL Server engine is in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from dbrestore.contract.job import Check, DatabaseResult, FixUp, Job, NativeDatabaseJob, NativeOptions, Progress
from dbrestore.contract.manifest import (
    Manifest,
    NativeBackupSet,
    NativeChecks,
    NativeDatabaseBackup,
    NativeDatabaseFile,
    NativeKind,
)
from dbrestore.contract.sqlserver_errors import ServerUnreachable
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.base.progress import ProgressWriter
from dbrestore.worker.sqlserver import verification as native_verification
from dbrestore.worker.sqlserver.database_names import bracketed
from dbrestore.worker.sqlserver.session import NativeConnection, SqlServer
from localcloud.base import certificates
from localcloud.sqlserver.databases import Contents, Database, File, User
from localcloud.sqlserver.views import VIEWS
from localcloud.tds.engine import DropConnection, Session, SqlError
from localcloud.tsql.syntax import AlterDatabase, AlterUser, CheckDatabase
from tests.databases.native_server import NativeServer, job, native_server

HOSTILE = "100%s'] %d ; ALTER DATABASE [other] SET TRUSTWORTHY ON; --"


@pytest.fixture
def case(authority: certificates.Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[NativeServer]:
    with native_server(authority, Bounds(native_reconnect_pause_seconds=0.01, native_online_within_seconds=0.1)) as made:
        yield made


FILES = {"shop": 8 << 20, "shop_log": 1 << 20}


def backup_set(kind: NativeKind = "FULL", set_id: str = "set-1", level: int = 150, files: Mapping[str, int] = FILES) -> NativeBackupSet:
    return NativeBackupSet(
        kind=kind,
        set_id=set_id,
        media_set_id="media",
        files=(),
        compressed=False,
        checksums=True,
        server="HOST",
        version="15.0.2080",
        database_version=904,
        compatibility_level=level,
        begun_at=datetime(2023, 3, 1),
        first_lsn="1:1:1",
        last_lsn="2:1:1",
        checkpoint_lsn="1:1:1",
        base_lsn="0:0:0",
        data_size=1,
        database_files=tuple(NativeDatabaseFile(logical_name=n, physical_path=f"D:\\{n}", size=s) for n, s in files.items()),
    )


def verify(
    case: NativeServer,
    *sets: NativeBackupSet,
    databases: tuple[NativeDatabaseJob, ...] = (),
    options: NativeOptions = NativeOptions(),  # noqa: B008 (frozen)
    server: SqlServer | None = None,
) -> list[DatabaseResult]:
    """The last of the sets is the one that was restored last."""
    chain = sets or (backup_set(),)
    backup = NativeDatabaseBackup(name="shop", source_name="shop", database_id="id", backup_sets=chain)
    manifest = Manifest(
        point_id="p",
        instance="i",
        engine="sqlserver",
        engine_version="15",
        created_at=datetime.now(UTC),
        native_databases=(backup,),
    )
    work = Job(
        kind="verify",
        restore_id="r",
        engine="sqlserver",
        server=case.server.address,
        native_options=options,
        native_databases=databases or (job(last_set=chain[-1].set_id),),
    )
    progress = ProgressWriter("verify", lambda _: None)
    return [result for result, _ in native_verification.run(server or case.server, work, manifest, progress)]


def check(result: DatabaseResult, name: str) -> Check:
    [found] = [one for one in result.checks if one.check == name]
    return found


def database(case: NativeServer, name: str = "shop") -> Database:
    found = case.engine.database(name)
    assert found
    return found


def test_a_whole_database_is_promoted_and_every_check_is_told(case: NativeServer) -> None:
    case.restored()

    [result] = verify(case)

    assert (result.status, result.error, result.asked_name) == ("PROMOTED", None, "shop")
    assert [(one.check, one.result) for one in result.checks] == [
        ("state", "ok"),
        ("files", "ok"),
        ("size of file shop", "ok"),
        ("size of file shop_log", "ok"),
        ("pages in use", "not checked"),
        ("compatibility level", "ok"),
        ("owner", "ok"),
        ("TRUSTWORTHY", "ok"),
        ("DBCC CHECKDB", "not checked"),
    ]
    assert check(result, "owner").actual == "admin"
    assert result.fix_ups == ()
    assert result.bytes == 9 << 20


def test_a_second_verification_comes_to_the_same(case: NativeServer) -> None:
    case.restored()

    first, second = verify(case), verify(case)

    assert [one.checks for one in first] == [one.checks for one in second]
    assert second[0].status == "PROMOTED"


def test_a_database_that_was_left_restoring_fails_clearly(case: NativeServer) -> None:
    case.submit(norecovery=True)
    case.poll(4)

    [result] = verify(case)

    assert result.status == "FAILED"
    assert result.error
    assert result.error.name == "VerificationFailed"
    assert result.error.message == "shop: 1 of 1 checks failed: state: expected ONLINE, found RESTORING"


def test_a_database_that_is_gone_fails_clearly(case: NativeServer) -> None:
    [result] = verify(case)

    assert result.error
    assert result.error.name == "VerificationFailed"
    assert "there is no such database" in result.error.message


@pytest.mark.parametrize(
    ("sizes", "failing"),
    [
        ({"shop": 8 << 20}, "files"),
        ({"shop": 8 << 20, "shop_log": 1 << 20, "archive": 1 << 20}, "files"),
        ({"shop": 8 << 20, "SHOP_LOG": 1 << 20}, "files"),
        ({"shop": (8 << 20) + 8192, "shop_log": 1 << 20}, "size of file shop"),
    ],
)
def test_files_that_are_not_the_backups_fail(case: NativeServer, sizes: dict[str, int], failing: str) -> None:
    case.restored()

    [result] = verify(case, backup_set(files=sizes))

    assert result.status == "FAILED"
    assert [one.check for one in result.checks if one.result == "failed"] == [failing]
    assert result.error
    assert failing in result.error.message


def test_a_file_that_is_larger_than_its_backup_is_fine(case: NativeServer) -> None:
    case.restored()

    [result] = verify(case, backup_set(files={"shop": 1 << 20, "shop_log": 8192}))

    assert result.status == "PROMOTED"


@pytest.mark.parametrize(
    ("backed_up", "found", "is_good"),
    [
        (150, 150, True),
        (100, 100, True),
        (90, 100, True),
        (80, 110, True),
        (90, 90, True),
        (110, 150, False),
        (150, 100, False),
    ],
)
def test_the_compatibility_level_is_kept_or_raised_to_the_lowest(case: NativeServer, backed_up: int, found: int, is_good: bool) -> None:
    case.restored()
    database(case).compatibility_level = found

    [result] = verify(case, backup_set(level=backed_up))

    assert (result.status == "PROMOTED") is is_good
    assert check(result, "compatibility level").result == ("ok" if is_good else "failed")


def holding(pages: int | None, log: tuple[str, str] = ("1:1:1", "1:9:1"), kind: NativeKind = "FULL") -> NativeBackupSet:
    """A backup with so many allocated pages, and the LSNs that its own log goes from and to."""
    checks = NativeChecks(length=1, covered=1, allocated_pages=pages)
    return backup_set(kind).model_copy(update={"checks": checks, "first_lsn": log[0], "last_lsn": log[1]})


@pytest.mark.parametrize("kind", ["FULL", "DIFFERENTIAL"])
@pytest.mark.parametrize(("backed_up", "found"), [(1000, 1000), (1000, 1024), (1, 1000)])
def test_as_many_pages_as_in_the_backup_or_more_are_right(case: NativeServer, backed_up: int, found: int, kind: NativeKind) -> None:
    case.restored()
    case.switches.allocated_pages = found

    [result] = verify(case, holding(backed_up, kind=kind))

    told = check(result, "pages in use")
    assert (told.expected, told.actual, told.result) == (f"at least {backed_up}", str(found), "ok")
    assert result.status == "PROMOTED"


def test_fewer_pages_than_the_log_in_the_backup_can_have_freed_fail_the_database(case: NativeServer) -> None:
    case.restored()
    case.switches.allocated_pages = 1000
    # (8 + 120) sectors hold 2730 records, each of which may free 64 extents; a thousandth is left to the maps.
    most = 1000 + 2730 * 64 * 8

    [right] = verify(case, holding(most + most // 1000))
    [wrong] = verify(case, holding(most + 1500))

    assert right.status == "PROMOTED"
    assert check(right, "pages in use").result == "not checked"
    assert wrong.status == "FAILED"
    assert check(wrong, "pages in use").actual == "1000: 1399260 fewer, and the log in the backup can have freed 1397760 at most"


def test_a_database_that_shrank_while_a_long_log_was_written_is_not_thrown_away(case: NativeServer) -> None:
    case.restored()
    case.switches.allocated_pages = 8

    for log in (("1:1:1", "2:1:1"), ("1:1:1", "1:90000000:1")):
        [result] = verify(case, holding(100_000_000, log))

        assert result.status == "PROMOTED"
        assert check(result, "pages in use").result == "not checked"
        assert "freed while the backup ran" in check(result, "pages in use").actual


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (backup_set(), "version 0.2"),
        (holding(None), "could not be counted"),
        (holding(None, kind="LOG"), "a log backup holds no pages"),
    ],
    ids=["older point", "compressed", "log"],
)
def test_pages_that_are_not_known_are_told_and_compared_with_nothing(case: NativeServer, last: NativeBackupSet, words: str) -> None:
    case.restored()

    [result] = verify(case, last)

    told = check(result, "pages in use")
    assert (told.expected, told.result) == ("any", "not checked")
    assert told.actual.startswith("1024; ")
    assert words in told.actual


def test_a_server_that_does_not_tell_its_pages_fails_nothing(case: NativeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    case.restored()
    monkeypatch.delitem(VIEWS, "dm_db_file_space_usage")

    [result] = verify(case, holding(10))

    assert result.status == "PROMOTED"
    assert check(result, "pages in use").result == "not checked"
    assert check(result, "pages in use").actual.startswith("not reported: ")


def test_the_last_restored_set_is_what_counts(case: NativeServer) -> None:
    case.restored()

    [result] = verify(case, backup_set(set_id="older", level=130, files={"old": 1}), backup_set("DIFFERENTIAL", set_id="newer"))

    assert result.status == "PROMOTED"


def test_what_a_log_says_after_the_point_in_time_fails_nothing_and_is_told(case: NativeServer) -> None:
    case.restored()
    log = backup_set("LOG", files={**FILES, "shop": 16 << 20, "added_later": 1 << 20})

    [result] = verify(case, backup_set(set_id="full"), log, options=NativeOptions(stop_at=datetime(2023, 3, 1)))

    assert result.status == "PROMOTED"
    assert check(result, "files").result == "not checked"
    assert "after the requested point in time" in check(result, "size of file shop").actual
    assert check(result, "size of file shop_log").result == "ok"


@pytest.mark.parametrize("kind", ["FULL", "LOG"])
def test_without_logs_after_a_point_in_time_the_files_must_be_right(case: NativeServer, kind: NativeKind) -> None:
    case.restored()
    stop_at = datetime(2023, 3, 1) if kind == "FULL" else None

    [result] = verify(case, backup_set(kind, files={"other": 1}), options=NativeOptions(stop_at=stop_at))

    assert result.status == "FAILED"


def test_a_trustworthy_database_is_made_untrustworthy_and_that_is_told(case: NativeServer) -> None:
    case.switches.source_is_trustworthy = True
    case.restored()

    [result] = verify(case)

    assert not database(case).is_trustworthy_on
    assert result.status == "PROMOTED"
    assert [note.entry for note in result.fix_ups] == ["TRUSTWORTHY"]


def test_a_database_that_stays_trustworthy_fails(case: NativeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    case.switches.source_is_trustworthy = True
    case.restored()

    meanwhile(case, AlterDatabase, SqlError(15247, "User does not have permission to perform this action."))

    [result] = verify(case)

    assert result.status == "FAILED"
    assert "15247" in check(result, "TRUSTWORTHY").actual


def test_a_name_full_of_signs_is_only_a_name(case: NativeServer) -> None:
    case.switches.source_is_trustworthy = True
    case.engine.create_database("other")
    case.restored(HOSTILE)

    [result] = verify(case, databases=(job(HOSTILE, last_set="set-1"),))

    assert result.status == "PROMOTED"
    assert not database(case, HOSTILE).is_trustworthy_on
    assert not database(case, "other").is_trustworthy_on


def test_users_without_a_login_are_told_and_stay_as_they_are(case: NativeServer) -> None:
    case.switches.source_users = ("anna", "bert")
    case.engine.add_login("bert", "secret")
    case.restored()
    before = list(database(case).users)

    [result] = verify(case)

    assert result.status == "PROMOTED"
    assert [note.entry for note in result.fix_ups] == ["USER anna", "USER bert"]
    assert "create one" in result.fix_ups[0].what
    assert "sqlserver.fixUsers" in result.fix_ups[1].what
    assert database(case).users == before


def test_users_are_mapped_to_logins_of_their_name_when_that_was_asked_for(case: NativeServer) -> None:
    case.switches.source_users = ("anna", "bert")
    case.engine.add_login("Bert", "secret")
    case.restored()

    [result] = verify(case, options=NativeOptions(fix_users=True))
    [again] = verify(case, options=NativeOptions(fix_users=True))

    assert result.fix_ups[1] == FixUp(entry="USER bert", what="mapped to the login Bert")
    [bert] = [user for user in database(case).users if user.name == "bert"]
    assert bert.sid == next(login.sid for login in case.engine.instance.logins if login.name == "Bert")
    assert [note.entry for note in again.fix_ups] == ["USER anna"]


def test_a_user_with_a_login_is_no_orphan(case: NativeServer) -> None:
    case.restored()
    case.engine.add_login("carl", "secret")
    login = next(login for login in case.engine.instance.logins if login.name == "carl")
    database(case).users.append(User("carl", login.sid))

    [result] = verify(case)

    assert result.fix_ups == ()


def test_a_user_whose_name_is_full_of_signs_is_mapped_and_no_other(case: NativeServer) -> None:
    name = "u] WITH LOGIN = [admin]; -- 100%s"
    case.switches.source_users = (name, "u")
    case.engine.add_login(name, "secret")
    case.restored()
    [_, untouched] = list(database(case).users)

    [result] = verify(case, options=NativeOptions(fix_users=True))

    assert result.fix_ups[1].what == f"mapped to the login {name}"
    users = {user.name: user for user in database(case).users}
    assert users["u"] == untouched
    assert users[name].sid == next(login.sid for login in case.engine.instance.logins if login.name == name)


def test_a_trigger_of_the_backup_is_never_fired_by_mapping_a_user(case: NativeServer) -> None:
    case.switches.source_users = ("anna", "bert")
    case.switches.source_contents = Contents(triggers={"hostile": ("ALTER_USER",)})
    case.engine.add_login("bert", "secret")
    case.restored()
    before = [user.sid for user in database(case).users]

    [result] = verify(case, options=NativeOptions(fix_users=True))

    assert result.status == "PROMOTED"
    assert result.fix_ups[1].what.startswith(
        "not mapped: the database trigger hostile of the backup would run with the rights of the login"
    )
    assert "run ALTER USER [bert] WITH LOGIN = [bert] in the database" in result.fix_ups[1].what
    assert [user.sid for user in database(case).users] == before


def test_a_user_that_can_not_be_mapped_is_told_and_fails_nothing(case: NativeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    case.switches.source_users = ("bert",)
    case.engine.add_login("bert", "secret")
    case.restored()

    meanwhile(case, AlterUser, SqlError(15063, "The login already has an account under a different user name."))

    [result] = verify(case, options=NativeOptions(fix_users=True))

    assert result.status == "PROMOTED"
    assert "15063" in result.fix_ups[0].what


def test_users_of_a_database_that_is_not_whole_are_left_alone(case: NativeServer) -> None:
    case.switches.source_users = ("bert",)
    case.engine.add_login("bert", "secret")
    case.restored()
    before = list(database(case).users)

    [result] = verify(case, backup_set(files={"other": 1}), options=NativeOptions(fix_users=True))

    assert result.status == "FAILED"
    assert database(case).users == before


def test_a_database_is_checked_page_by_page_when_that_was_asked_for(case: NativeServer) -> None:
    case.restored()

    [result] = verify(case, options=NativeOptions(check_database=True))

    assert check(result, "DBCC CHECKDB").result == "ok"
    assert result.status == "PROMOTED"


def test_a_damaged_page_fails_the_database_with_what_the_check_said(case: NativeServer) -> None:
    case.switches.source_is_damaged = True
    case.restored()

    [unchecked] = verify(case)
    [checked] = verify(case, options=NativeOptions(check_database=True))

    assert unchecked.status == "PROMOTED"
    assert checked.status == "FAILED"
    assert "page ID (1:368)" in check(checked, "DBCC CHECKDB").actual
    assert checked.error
    assert "DBCC CHECKDB: expected no errors, found Table error" in checked.error.message


def test_the_next_database_is_verified_although_one_failed(case: NativeServer) -> None:
    case.restored()

    results = verify(case, databases=(job("gone", last_set="set-1"), job(last_set="set-1"), job("shop", last_set="none")))

    assert [one.status for one in results] == ["FAILED", "PROMOTED", "FAILED"]
    assert results[2].error
    assert results[2].error.name == "DatabaseNotInRestorePoint"


@dataclass
class FailingOver(SqlServer):
    """Fails over when a database is opened, for the first so many times."""

    case: NativeServer | None = None
    times: int = 1

    def connect(self, database: str = "master", answer_within: float | None = 60.0) -> NativeConnection:
        made = super().connect(database, answer_within)
        if database != "master" and self.times and self.case:
            self.times -= 1
            self.case.engine.fail_over()
        return made


def failing_over(case: NativeServer, times: int) -> FailingOver:
    return FailingOver(case.server.address, case.server.ca_file, case.server.credentials, case=case, times=times)


def test_a_fail_over_in_the_middle_is_survived(case: NativeServer) -> None:
    case.switches.source_users = ("anna",)
    case.restored()

    [result] = verify(case, server=failing_over(case, 2), options=NativeOptions(check_database=True))

    assert result.status == "PROMOTED"
    assert [note.entry for note in result.fix_ups] == ["USER anna"]
    assert len(result.checks) == 9


def meanwhile(case: NativeServer, kind: type, error: SqlError, *, once: bool = False) -> None:
    """What the server says to statements of this kind, or to the next of them."""

    def say(statement: object) -> None:
        if isinstance(statement, kind):
            if once:
                case.switches.before_statement.remove(say)
            raise error

    case.switches.before_statement.append(say)


def put(case: NativeServer, state: str) -> None:
    """Into a state that the simulated server takes no database to by itself."""
    vars(database(case))["state"] = state


class Looks:
    """What the simulated server does at each look at sys.databases, and at each login to the restored database: `states` are taken on one
    by one, `refusals` count how often it can't be opened."""

    def __init__(self, case: NativeServer) -> None:
        self.count = self.refusals = self.logins = 0
        self.states: list[str] = []
        self._case = case
        case.switches.before_batch.append(self._look)
        case.switches.at_login.append(self._log_in)

    def _look(self, _: Session, text: str) -> None:
        if "FROM sys.databases" in text:
            self.count += 1
            if self.states:
                put(self._case, self.states.pop(0))

    def _log_in(self, name: str) -> None:
        if name == "shop":
            self.logins += 1
            if self.refusals:
                self.refusals -= 1
                raise SqlError(4060, f'Cannot open database "{name}" requested by the login.', severity=11)


@pytest.fixture
def looks(case: NativeServer) -> Looks:
    return Looks(case)


def test_a_database_that_comes_up_after_a_fail_over_is_waited_for(case: NativeServer, looks: Looks) -> None:
    case.restored()
    looks.states = ["RESTORING", "RECOVERY_PENDING", "RECOVERING", "RECOVERING", "ONLINE"]

    [result] = verify(case)

    assert result.status == "PROMOTED"
    assert check(result, "state") == Check(check="state", expected="ONLINE", actual="ONLINE", result="ok")
    assert len(result.checks) == 9
    assert looks.count == 5
    assert result.identity == str(database(case).guid).upper()


def test_a_database_that_is_online_and_can_not_be_opened_yet_is_waited_for(case: NativeServer, looks: Looks) -> None:
    case.restored()
    looks.refusals = 3

    [result] = verify(case)

    assert result.status == "PROMOTED"
    assert looks.logins == 4


def test_a_database_that_is_recovered_anew_while_it_is_checked_is_waited_for(
    case: NativeServer, looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.restored()

    def fail_over(statement: object) -> None:
        if isinstance(statement, CheckDatabase):
            case.switches.before_statement.clear()
            put(case, "RECOVERING")
            looks.states = ["RECOVERING", "RECOVERING", "ONLINE"]
            raise DropConnection

    case.switches.before_statement.append(fail_over)

    [result] = verify(case, options=NativeOptions(check_database=True))

    assert result.status == "PROMOTED"
    assert check(result, "DBCC CHECKDB").result == "ok"


def test_connections_that_are_lost_while_a_database_comes_up_are_survived(
    case: NativeServer, looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.bound(native_interruptions=2)
    case.restored()
    looks.states = ["RECOVERING"] * 6 + ["ONLINE"]
    lost: list[bool] = []

    def drop_every_second(_: Session, text: str) -> None:
        lost.append(len(lost) % 2 == 0)
        if lost[-1] and "FROM sys.databases" in text:
            raise DropConnection

    # What is lost reaches no database.
    case.switches.before_batch.insert(0, drop_every_second)

    [result] = verify(case)

    assert result.status == "PROMOTED"
    assert looks.count == 7


@pytest.mark.parametrize("state", ["RECOVERING", "RECOVERY_PENDING"])
def test_a_database_that_does_not_come_up_fails_in_the_end(case: NativeServer, looks: Looks, state: str) -> None:
    case.restored()
    put(case, state)

    [result] = verify(case)

    assert result.error
    assert result.error.name == "VerificationFailed"
    assert result.error.message == f"shop: 1 of 1 checks failed: state: expected ONLINE, found {state}"
    assert looks.count > 5


def test_a_database_that_can_never_be_opened_fails_in_the_end(case: NativeServer, looks: Looks) -> None:
    case.restored()
    looks.refusals = 1000

    [result] = verify(case)

    assert result.error
    assert result.error.name == "VerificationFailed"
    assert "state: expected ONLINE, found ONLINE, but it can't be opened" in result.error.message
    assert looks.logins > 5


def test_a_database_that_is_gone_or_suspect_is_not_waited_for(case: NativeServer, looks: Looks) -> None:
    case.restored()
    looks.states = ["SUSPECT"]

    results = verify(case, databases=(job(last_set="set-1"), job("gone", last_set="set-1")))

    assert [one.status for one in results] == ["FAILED", "FAILED"]
    assert looks.count == 2


def test_a_deadlock_in_the_check_of_all_pages_is_no_damage(case: NativeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    case.restored()
    meanwhile(case, CheckDatabase, SqlError(1205, "Transaction was chosen as the deadlock victim."), once=True)

    [result] = verify(case, options=NativeOptions(check_database=True))

    assert result.status == "PROMOTED"


def test_a_deadlock_in_switching_trustworthy_off_fails_nothing(case: NativeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    case.switches.source_is_trustworthy = True
    case.restored()
    meanwhile(case, AlterDatabase, SqlError(1205, "Transaction was chosen as the deadlock victim."), once=True)

    [result] = verify(case)

    assert result.status == "PROMOTED"
    assert not database(case).is_trustworthy_on
    assert [note.entry for note in result.fix_ups] == ["TRUSTWORTHY"]


def test_a_verification_that_begins_in_the_middle_of_a_fail_over_waits_for_the_server(
    case: NativeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.restored()
    refused: list[str] = []

    def refuse_at_first(name: str) -> None:
        if len(refused) < 3:
            refused.append(name)
            raise SqlError(4060, f'Cannot open database "{name}" requested by the login.', severity=11)

    case.switches.at_login.append(refuse_at_first)

    [result] = verify(case)

    assert result.status == "PROMOTED"
    assert refused == ["master"] * 3


def test_a_server_that_is_lost_for_good_ends_the_job(case: NativeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    case.bound(native_reconnect_seconds=0.1)
    case.restored()

    with pytest.raises(ServerUnreachable):
        verify(case, server=failing_over(case, 1000))


def test_progress_names_the_database(case: NativeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    case.restored()
    written: list[Progress] = []
    progress = ProgressWriter("verify", written.append, every=0.0)
    work = Job(kind="verify", restore_id="r", engine="sqlserver", server=case.server.address, native_databases=(job(last_set="set-1"),))
    manifest = Manifest(
        point_id="p",
        instance="i",
        engine="sqlserver",
        engine_version="15",
        created_at=datetime.now(UTC),
        native_databases=(NativeDatabaseBackup(name="shop", source_name="shop", database_id="i", backup_sets=(backup_set(),)),),
    )

    list(native_verification.run(case.server, work, manifest, progress))

    assert (written[-1].phase, written[-1].database) == ("verifying", "shop")


def test_a_closing_bracket_in_a_name_is_doubled_and_nothing_else_changes() -> None:
    assert bracketed("a]b") == "[a]]b]"
    assert bracketed("]]") == "[]]]]]"
    assert bracketed("[a") == "[[a]"
    assert bracketed('O\'Brien "ü" %s') == '[O\'Brien "ü" %s]'


def test_files_of_the_simulated_server_are_what_the_test_believes(case: NativeServer) -> None:
    case.restored()

    assert [replace(file, physical_name="") for file in database(case).files] == [
        File("shop", "", "ROWS", 1024),
        File("shop_log", "", "LOG", 128),
    ]
