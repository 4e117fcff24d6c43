"""What decides whether a restore task succeeds: the staged objects' headers, the chain before it, and the instance."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from localcloud.sqlserver.databases import Database
from localcloud.tds.engine import SqlError, Value
from tests.unit.localcloud.sqlserver.objects import BUCKET, MASTER, Server
from tests.unit.points.sqlserver.backups import Written, backup, compressed

FULL = Written()
BEGUN = FULL.begun
DIFFERENTIAL = Written(
    kind="I",
    base=FULL.checkpoint,
    first=(21, 180, 1),
    last=(21, 190, 1),
    checkpoint=(21, 180, 1),
    files=(("shop", "D:\\shop.mdf", 16 << 20), ("shop_log", "D:\\shop.ldf", 2 << 20)),
    begun=BEGUN + timedelta(hours=1),
)
LOG_1 = Written(kind="L", first=(21, 160, 1), last=(21, 200, 1), begun=BEGUN + timedelta(hours=2))
LOG_2 = Written(kind="L", first=(21, 200, 1), last=(21, 250, 1), begun=BEGUN + timedelta(hours=3))
CHAIN = {name: backup(what) for name, what in [("full", FULL), ("diff", DIFFERENTIAL), ("log-1", LOG_1), ("log-2", LOG_2)]}

STRIPE_1 = backup(Written(stripes=2))
# A compressed container without a record that could be read.
ENCRYPTED = compressed(FULL)[:477] + bytes(byte ^ 0x5A for byte in compressed(FULL)[477:])


def outcome(server: Server, key: str, name: str = "shop", **arguments: Value) -> tuple[Value, str]:
    """The lifecycle and the last line of the log of a restore."""
    return ended(server, server.restore(name, key, **arguments))


def ended(server: Server, task: int) -> tuple[Value, str]:
    row = server.polled(task)
    return row["lifecycle"], str(row["task_info"]).rpartition("] ")[2].strip()


def failure(objects: Mapping[str, bytes], key: str = "full", **settings: Any) -> str:
    """Why the restore of a fresh server failed; it left no database."""
    server = Server(objects, **settings)
    lifecycle, words = outcome(server, key)
    assert lifecycle == "ERROR"
    assert server.engine.database("shop") is None
    return words


def shop(server: Server) -> Database:
    database = server.engine.database("shop")
    assert database is not None
    return database


def waiting(*steps: str) -> Server:
    """A server with a database that waits for more: the full backup and what follows it."""
    server = Server(CHAIN)
    assert outcome(server, "full", with_norecovery=1)[0] == "SUCCESS"
    for key in steps:
        assert step(server, key)[0] == "SUCCESS"
    return server


def step(server: Server, key: str, **arguments: Value) -> tuple[Value, str]:
    given: dict[str, Value] = {"with_norecovery": 1, **arguments}
    if key.startswith("diff"):
        return ended(server, server.restore("shop", key, type="DIFFERENTIAL", **given))
    return ended(server, server.restore_log("shop", key, **given))


@pytest.mark.parametrize("data", [backup(FULL), compressed(FULL)], ids=["plain", "compressed"])
def test_a_restored_database_has_what_the_header_says(data: bytes) -> None:
    server = Server({"full": data})

    assert outcome(server, "full")[0] == "SUCCESS"

    files = server.rows("SELECT name, type_desc, CAST(size AS bigint) * 8192 AS bytes FROM shop.sys.database_files")
    assert files == [
        {"name": "shop", "type_desc": "ROWS", "bytes": 8 << 20},
        {"name": "shop_log", "type_desc": "LOG", "bytes": 1 << 20},
    ]
    [row] = server.rows(
        "SELECT d.compatibility_level AS level, SUSER_SNAME(d.owner_sid) AS owner, d.is_trustworthy_on AS trusted, "
        "d.recovery_model_desc AS model FROM sys.databases AS d WHERE d.name = @P1",
        P1="Shop",
    )
    assert row == {"level": 150, "owner": MASTER, "trusted": False, "model": "FULL"}


def test_at_most_two_ranges_of_an_object_are_read() -> None:
    server = Server({"full": backup(Written(pages=1000))})

    outcome(server, "full")

    assert len(server.s3.reads) == 2
    assert sum(count for _, _, count in server.s3.reads) <= 2 * (64 << 10)


def test_stripes_under_a_prefix_are_one_backup() -> None:
    server = Server({f"a/s-{n:02}.bak": backup(Written(stripe=n, stripes=3)) for n in (1, 2, 3)})

    task = server.restore("shop", "a/s-*")
    row = server.polled(task)

    assert row["lifecycle"] == "SUCCESS"
    assert "will initiate a multi-file task with 3 file(s). The files are: a/s-01.bak" in str(row["task_info"])


@pytest.mark.parametrize(
    ("objects", "key", "words"),
    [
        ({}, "full", "Please reissue task with correct type and overwrite property"),
        ({"fuller": backup(FULL)}, "full", "Please reissue task"),
        ({}, "prefix*", "Please reissue task"),
        ({f"p{n:02}": backup(Written(stripe=n, stripes=11)) for n in range(1, 12)}, "p*", "more than 10 backup file(s)"),
        ({"full": b""}, "full", "The volume on device 'full' is empty"),
        ({"full": b"version https://git-lfs.github.com/spec/v1\n"}, "full", "device 'full' is incorrectly formed"),
        ({"full": ENCRYPTED}, "full", "Cannot find server certificate"),
        ({"full": backup(FULL)[:-512]}, "full", 'Read on "full" failed: 38('),
        ({"full": backup(Written(password=b"secret"))}, "full", "Access is denied due to a password failure"),
        ({"full": backup(Written(stripes=2))}, "full", "The media set has 2 media families but only 1 are provided"),
        ({"a": STRIPE_1, "b": STRIPE_1}, "*", 'The backup media on "b" is part of media family 1'),
        ({"a": STRIPE_1, "b": backup(Written(stripe=2, stripes=2, media=UUID(int=5)))}, "*", "is not part of the media set"),
        ({"a": STRIPE_1, "b": backup(Written(stripe=2, stripes=2, set_id=UUID(int=5)))}, "*", "is not part of the media set"),
        ({"full": backup(Written(version=(16, 0, 1000)))}, "full", "running version 16.0.1000. That version is incompatible with"),
        ({"full": backup(LOG_1)}, "full", "RESTORE can only create a database when restoring either a full backup"),
        ({"full": backup(DIFFERENTIAL)}, "full", "RESTORE can only create a database"),
        ({"full": backup(Written(kind="F"))}, "full", "Please reissue task"),
    ],
)
def test_a_backup_that_cannot_be_restored_fails_and_says_why(objects: Mapping[str, bytes], key: str, words: str) -> None:
    if key == "*":
        objects, key = {f"set/{name}": data for name, data in objects.items()}, "set/*"

    assert words in failure(objects, key)


def test_of_several_sets_in_a_file_the_first_is_restored() -> None:
    assert outcome(Server({"full": backup(Written(sets=2))}), "full")[0] == "SUCCESS"


@pytest.mark.parametrize(("version", "fits"), [("15.00.1.1", True), ("16.00.1.1", True), ("14.00.9999.1", False), ("10.50.1.1", False)])
def test_the_server_must_not_be_older_than_the_backup(version: str, fits: bool) -> None:
    server = Server(CHAIN, version=version)

    assert (outcome(server, "full")[0] == "SUCCESS") is fits


def test_a_wrong_bucket_region_or_policy_has_its_own_words() -> None:
    server = Server(CHAIN)
    task = server.rows(f"exec msdb.dbo.rds_restore_database 'shop', 'arn:aws:s3:::not-{BUCKET}/full'")[0]["task_id"]
    assert "The specified bucket does not exist" in ended(server, int(str(task)))[1]

    server.s3.refused = True
    assert outcome(server, "full")[1] == "Access Denied"
    server.s3.elsewhere = True
    assert "bucket that is in the same region" in outcome(server, "full")[1]


def test_an_object_that_goes_away_while_it_is_read_fails_the_task() -> None:
    server = Server(CHAIN)
    task = server.restore("shop", "full")
    server.polled(task, polls=1)

    del server.s3.content["full"]

    assert ended(server, task)[0] == "ERROR"
    assert shop(server).state == "RESTORING"


def test_the_files_must_fit_on_the_volume_beside_those_that_are_there() -> None:
    server = Server(CHAIN, free_storage=20 << 20)
    assert outcome(server, "full", "first")[0] == "SUCCESS"
    assert outcome(server, "full", "second")[0] == "SUCCESS"

    lifecycle, words = outcome(server, "full", "third")

    assert lifecycle == "ERROR"
    assert "requires 9437184 additional free bytes, while only 2097152 bytes are available" in words


def test_express_takes_ten_gibibytes_of_data_and_no_more() -> None:
    def of(size: int) -> dict[str, bytes]:
        return {"full": backup(Written(files=(("d", "D:\\d.mdf", size), ("l", "D:\\l.ldf", 4 << 30))))}

    assert outcome(Server(of(10 << 30), edition="ex"), "full")[0] == "SUCCESS"
    assert "licensed limit of 10240 MB" in failure(of((10 << 30) + 8192), edition="ex")
    assert outcome(Server(of((10 << 30) + 8192), edition="web"), "full")[0] == "SUCCESS"


@pytest.mark.parametrize(
    ("switch", "value", "words"),
    [
        ("certificate_missing", True, "Cannot find server certificate with thumbprint '0x"),
        ("source_has_filestream", True, "FILESTREAM filegroup"),
        ("same_file_guids", True, "Task ID 1 (RESTORE_DB) exception: Database shop cannot be restored because"),
        ("kms", "kms-key-missing", "Key arn:aws:kms:us-east-1:"),
        ("kms", "kms-refused", "is not authorized to perform kms:Decrypt on resource arn:aws:kms:"),
    ],
)
def test_what_headers_do_not_tell_is_switched(switch: str, value: object, words: str) -> None:
    server = Server(CHAIN)
    setattr(server.engine.switches, switch, value)

    lifecycle, said = outcome(server, "full")

    assert lifecycle == "ERROR"
    assert words in said
    assert server.engine.database("shop") is None


@pytest.mark.parametrize("model", ["SIMPLE", "BULK_LOGGED"])
def test_multi_az_takes_the_full_recovery_model_only(model: str) -> None:
    server = Server(CHAIN, multi_az=True)
    server.engine.switches.source_recovery_model = model  # type: ignore[assignment]
    assert "FULL recovery model" in outcome(server, "full")[1]

    server.engine.instance.multi_az = False
    assert outcome(server, "full")[0] == "SUCCESS"
    assert shop(server).recovery_model == model


def test_a_chain_rolls_the_database_forward_and_is_recovered_at_the_end() -> None:
    server = waiting("diff", "log-1", "log-2")

    assert shop(server).state == "RESTORING"
    assert [file.size * 8192 for file in shop(server).files] == [8 << 20, 1 << 20]
    [row] = server.rows("exec msdb.dbo.rds_finish_restore 'shop'")
    assert ended(server, int(str(row["task_id"])))[0] == "SUCCESS"
    assert shop(server).state == "ONLINE"


def test_the_sizes_are_those_of_the_last_set() -> None:
    assert [file.size * 8192 for file in shop(waiting("diff")).files] == [16 << 20, 2 << 20]


def test_the_types_of_tasks_say_kind_and_recovery() -> None:
    server = waiting("diff", "log-1")
    ended(server, server.restore_log("shop", "log-2", with_norecovery=0))

    assert [task.type for task in server.engine.tasks] == [
        "RESTORE_DB_NORECOVERY",
        "RESTORE_DB_DIFFERENTIAL_NORECOVERY",
        "RESTORE_DB_LOG_NORECOVERY",
        "RESTORE_DB_LOG",
    ]
    assert shop(server).state == "ONLINE"


def test_a_log_stays_restoring_unless_recovery_is_asked_for() -> None:
    server = waiting()

    ended(server, server.restore_log("shop", "log-1"))

    assert shop(server).state == "RESTORING"


@pytest.mark.parametrize(
    ("done", "key", "what", "words"),
    [
        ((), "diff-x", Written(kind="I", base=(21, 1, 1)), "has not been restored to the correct earlier state"),
        ((), "diff-x", Written(kind="I", base=FULL.checkpoint, database_id=UUID(int=3)), "correct earlier state"),
        ((), "diff-x", LOG_1, "Please reissue task"),
        ((), "log-x", DIFFERENTIAL, "Please reissue task"),
        (
            (),
            "log-x",
            LOG_2,
            "begins at LSN 21:200:1, which is too recent to apply to the database. An earlier log backup that includes LSN 21:169:1",
        ),
        (("diff", "log-1"), "log-x", LOG_1, "terminates at LSN 21:200:1, which is too early"),
        ((), "log-x", Written(kind="L", first=(21, 160, 1), last=(21, 200, 1), database_id=UUID(int=3)), "a database other than"),
    ],
)
def test_a_set_that_does_not_follow_fails_and_the_chain_can_go_on(done: tuple[str, ...], key: str, what: Written, words: str) -> None:
    server = waiting(*done)
    server.s3.content[key] = backup(what)

    lifecycle, said = step(server, key)

    assert lifecycle == "ERROR"
    assert words in said
    assert step(server, "log-2" if done else "log-1")[0] == "SUCCESS"


def test_nothing_follows_onto_a_database_that_is_online_or_absent() -> None:
    server = Server(CHAIN)
    assert "does not exist" in step(server, "log-1")[1]
    outcome(server, "full")

    for key in ("diff", "log-1"):
        assert "no files are ready to rollforward" in step(server, key)[1]


def test_a_point_in_time_is_reached_by_the_log_that_holds_it() -> None:
    moment = LOG_1.begun + timedelta(minutes=10)
    server = waiting()

    first = step(server, "log-1", stopat=moment)
    reached_early = shop(server).recovered_to
    second = step(server, "log-2", stopat=moment.isoformat(timespec="milliseconds"), with_norecovery=0)

    assert first[0] == second[0] == "SUCCESS"
    assert reached_early is None
    assert shop(server).recovered_to == moment
    assert shop(server).state == "ONLINE"


def test_a_log_that_ends_before_the_point_in_time_leaves_the_database_restoring() -> None:
    server = waiting("log-1")

    task = server.restore_log("shop", "log-2", with_norecovery=0, stopat=datetime(2030, 1, 1))
    row = server.polled(task)

    assert row["lifecycle"] == "SUCCESS"
    assert "left in the restoring state" in str(row["task_info"])
    assert shop(server).state == "RESTORING"


def test_a_point_in_time_before_the_full_backup_is_refused() -> None:
    assert "STOPAT time is too early" in step(waiting(), "log-1", stopat=BEGUN)[1]


def test_an_old_compatibility_level_is_raised_to_the_lowest_there_is() -> None:
    data = bytearray(backup(FULL))
    # The header stands before the data and once more behind it.
    for at in (data.index(b"SCIN"), data.rindex(b"SCIN")):
        data[at + 91] = 80
    server = Server({"full": bytes(data)})

    outcome(server, "full")

    assert shop(server).compatibility_level == 100


def test_users_of_the_backup_are_orphans_until_they_are_given_a_login() -> None:
    orphans = (
        "SELECT dp.name AS user_name FROM sys.database_principals AS dp LEFT JOIN sys.server_principals AS sp ON dp.sid = sp.sid "
        "WHERE sp.sid IS NULL AND dp.type = 'S' AND dp.authentication_type = 1 AND dp.principal_id > 4 ORDER BY dp.name"
    )
    server = Server(CHAIN)
    server.engine.add_login("app", "secret")
    server.engine.switches.source_users = ("app", "lost")
    outcome(server, "full")
    server.rows("USE [shop]")

    assert [row["user_name"] for row in server.rows(orphans)] == ["app", "lost"]
    server.rows("ALTER USER [app] WITH LOGIN = [app]")
    assert [row["user_name"] for row in server.rows(orphans)] == ["lost"]
    for user, login, number in [("lost", "lost", 15007), ("nobody", "app", 15151), ("lost", "app", 15063)]:
        with pytest.raises(SqlError) as caught:
            server.rows(f"ALTER USER [{user}] WITH LOGIN = [{login}]")
        assert caught.value.number == number


def test_a_restored_dbo_has_the_sid_of_its_old_server() -> None:
    server = Server(CHAIN)
    outcome(server, "full")

    [row] = server.rows(
        "SELECT COUNT(*) AS matches FROM shop.sys.database_principals AS u, sys.server_principals AS l "
        "WHERE u.name = 'dbo' AND u.sid = l.sid"
    )

    assert row == {"matches": 0}


@pytest.mark.parametrize("text", ["DBCC CHECKDB (N'shop') WITH NO_INFOMSGS", "USE shop; DBCC CHECKDB WITH NO_INFOMSGS, ALL_ERRORMSGS"])
def test_a_check_is_silent_on_a_sound_database_and_fails_on_a_damaged_one(text: str) -> None:
    server = Server(CHAIN)
    outcome(server, "full")
    assert server.engine.execute(server.session, text, {}) == []

    shop(server).damaged = True
    with pytest.raises(SqlError, match="Table error") as caught:
        server.rows(text)
    assert caught.value.number == 8909


def test_the_switches_for_a_backups_contents_reach_the_database() -> None:
    server = Server(CHAIN)
    server.engine.switches.source_is_damaged = True
    server.engine.switches.source_is_trustworthy = True

    outcome(server, "full")

    assert (shop(server).damaged, shop(server).is_trustworthy_on) == (True, True)
