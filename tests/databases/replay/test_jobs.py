"""A job runs once, ends with a result, and leaves nothing behind however it ends."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import psycopg
import pytest

from dbrestore.contract.job import DatabaseServer
from dbrestore.contract.sqlserver_errors import CertificateRefused
from dbrestore.worker.base import private_folder
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.base.lock import only_one
from dbrestore.worker.base.secrets import Credentials, Login
from dbrestore.worker.postgresql.session import Server, explained
from localcloud.base import certificates
from tests.databases.hostile.test_damage import flip_a_bit
from tests.databases.restore_case import EVIDENCE, Cloud, Restore, dump_that_needs_a_missing_extension, edited


@pytest.fixture(scope="module")
def dump(cloud: Cloud, small: str) -> Path:
    """A dump of the small database."""
    return cloud.dump(small)


def test_a_job_that_has_a_result_is_not_done_again(cloud: Cloud, small: str, dump: Path) -> None:
    restore = Restore(cloud, {small: dump}, {small: "once"})
    restore.add_point()
    restore.run("replay")
    first = restore.run("verify")
    cloud.drop_database("once")

    again = restore.run("verify")

    assert again == first
    assert "once" not in cloud.names()[0]


def test_a_second_command_waits_for_the_first(cloud: Cloud, small: str, dump: Path) -> None:
    restore = Restore(cloud, {small: dump}, {small: "twice"})
    restore.add_point()
    uri = restore.job_uri("replay", "replay")

    with patch.dict(os.environ, cloud.environment()), only_one(uri):
        second = restore.start(uri)
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(5)
        assert restore.databases()[0].temporary_name not in cloud.names()[0]

    assert second.wait(60) == 0
    assert restore.result(uri).databases[0].status == "REPLAYED"
    restore.run("discard")


def test_two_commands_at_once_are_one_job(cloud: Cloud, small: str, dump: Path) -> None:
    restore = Restore(cloud, {small: dump}, {small: "twice"})
    restore.add_point()
    uri = restore.job_uri("replay", "replay")

    processes = [restore.start(uri) for _ in range(2)]

    assert [process.wait(60) for process in processes] == [0, 0]
    assert restore.result(uri).databases[0].status == "REPLAYED"
    assert restore.run("verify").databases[0].status == "PROMOTED"


def test_a_replay_without_its_journal_starts_afresh(cloud: Cloud, small: str, dump: Path) -> None:
    restore = Restore(cloud, {small: dump}, {small: "afresh"})
    restore.add_point()
    restore.run("replay")
    temporary = restore.databases()[0].temporary_name
    cloud.execute(
        f'DELETE FROM items WHERE id NOT IN (SELECT item FROM lines); CREATE TABLE rest (x int); DROP SCHEMA "{temporary}-journal" CASCADE',
        temporary,
        superuser=True,
    )

    again = restore.run("replay", "replay-2")

    assert again.databases[0].status == "REPLAYED"
    assert cloud.execute("SELECT to_regclass('public.rest')", temporary, superuser=True) == [(None,)]
    assert restore.run("verify").databases[0].status == "PROMOTED"


def test_after_the_death_of_the_worker_discard_leaves_nothing(cloud: Cloud, small: str, dump: Path) -> None:
    before = cloud.names(), cloud.memberships()
    restore = Restore(cloud, {small: dump}, {small: "dead"})
    restore.add_point()
    process = restore.start(restore.job_uri("replay", "replay"))
    _wait_for_database(cloud, restore.databases()[0].temporary_name)

    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    discarded = restore.run("discard")

    assert discarded.databases[0].status == "DISCARDED"
    assert [absence.seen_absent for absence in discarded.absences] == [True, True, True]
    assert (cloud.names(), cloud.memberships()) == before


def test_a_killed_worker_leaves_nothing_outside_its_state_directory_and_the_next_job_clears_that(
    cloud: Cloud, small: str, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    private = cloud.directory / "state" / "private"
    restore = Restore(cloud, {small: dump}, {small: "dead"})
    restore.add_point()
    process = restore.start(restore.job_uri("replay", "replay"))
    _wait_for_database(cloud, restore.databases()[0].temporary_name)

    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    assert list(tmp_path.iterdir()) == []
    assert list(private.iterdir()) != []
    assert private.stat().st_mode & 0o777 == 0o700
    restore.run("discard")
    assert list(private.iterdir()) == []


def test_the_private_files_of_a_job_that_runs_stay_when_another_begins(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBRESTORE_STATE_DIR", str(cloud.directory / "state"))
    with only_one("s3://one"), private_folder.of_job("s3://one") as first:
        (first / "pgpass").touch()

        with only_one("s3://two"), private_folder.of_job("s3://two") as second:
            assert first != second

        assert (first / "pgpass").exists()
    assert not first.exists()


def test_discard_of_what_never_was_is_a_success(cloud: Cloud, small: str, dump: Path) -> None:
    restore = Restore(cloud, {small: dump}, {small: small})

    discarded = restore.run("discard")

    assert discarded.databases[0].status == "DISCARDED"
    assert small in cloud.names()[0]


def test_a_taken_name_fails_its_database_alone_before_anything_of_it_is_created(cloud: Cloud, small: str, dump: Path) -> None:
    restore = Restore(cloud, {"first": dump, "second": dump}, {"first": small, "second": "free"})
    restore.add_point()

    replayed = restore.run("replay")
    names = set.union(*cloud.names())
    verified = restore.run("verify")
    discarded = restore.run("discard")

    taken, free = replayed.databases
    assert replayed.error is None
    assert taken.error is not None
    assert (taken.status, taken.error.name, taken.rows) == ("FAILED", "DatabaseExists", 0)
    assert "'small'" in taken.error.message
    assert taken.temporary_name not in names
    assert free.status == "REPLAYED"
    assert [database.status for database in verified.databases] == ["FAILED", "PROMOTED"]
    assert [database.status for database in discarded.databases] == ["DISCARDED", "PROMOTED"]
    assert all(absence.seen_absent for absence in discarded.absences)


def test_a_missing_extension_fails_its_database_alone_before_anything_of_it_is_created(cloud: Cloud, small: str, dump: Path) -> None:
    lacking = dump_that_needs_a_missing_extension(cloud)
    restore = Restore(cloud, {"first": lacking, "second": dump}, {"first": "first", "second": "second"})
    restore.add_point()

    bad, good = restore.run("replay").databases
    names = set.union(*cloud.names())
    restore.run("discard")

    assert bad.error is not None
    assert (bad.status, bad.error.name) == ("FAILED", "ReplayFailed")
    assert "no_ext" in bad.error.message
    assert bad.temporary_name not in names
    assert good.status == "REPLAYED"


def test_when_every_name_is_taken_nothing_is_created_and_each_database_says_so(cloud: Cloud, small: str, dump: Path) -> None:
    before = cloud.names()
    restore = Restore(cloud, {"first": dump, "second": dump}, {"first": small, "second": "postgres"})
    restore.add_point()

    result = restore.run("replay")

    assert [database.error.name for database in result.databases if database.error] == ["DatabaseExists"] * 2
    assert cloud.names() == before


def test_a_name_taken_during_the_replay_is_not_overwritten(cloud: Cloud, small: str, dump: Path) -> None:
    restore = Restore(cloud, {small: dump}, {small: "late"})
    restore.add_point()
    restore.run("replay")
    cloud.create_database("late")

    (verified,) = restore.run("verify").databases

    assert verified.error is not None
    assert (verified.status, verified.error.name) == ("FAILED", "DatabaseExists")
    assert cloud.execute("SELECT to_regclass('public.items')", "late") == [(None,)]
    cloud.drop_database("late")
    assert restore.run("verify", "verify-2").databases[0].status == "PROMOTED"


def test_one_bad_database_does_not_stop_the_next(cloud: Cloud, small: str, dump: Path) -> None:
    restore = Restore(cloud, {"bad": dump, "good": dump}, {"bad": "bad", "good": "good"})
    restore.add_point()
    restore.damage("bad", flip_a_bit)

    replayed = restore.run("replay")
    verified = restore.run("verify")

    assert [database.status for database in replayed.databases] == ["FAILED", "REPLAYED"]
    assert [database.status for database in verified.databases] == ["FAILED", "PROMOTED"]
    restore.run("discard")
    assert "bad" not in cloud.names()[0]


def test_a_rotated_password_is_read_again(cloud: Cloud) -> None:
    secret_over_time = [Login("master", "before the rotation"), Login("master", "secret")]
    server = Server(_address(cloud), cloud.ca_file, _reading(lambda: secret_over_time.pop(0)))

    with server.connect_master() as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("master",)
    assert secret_over_time == []


def test_a_password_that_is_being_rotated_is_waited_for_without_asking_the_server_again(cloud: Cloud) -> None:
    old, new = Login("master", "before the rotation"), Login("master", "secret")
    # The server has the new password already, the secret gets it after some looks.
    read = [old, old, old, new]
    server = Server(_address(cloud), cloud.ca_file, _reading(lambda: read.pop(0), Bounds(rotation_pause_seconds=0.01)))

    server.connect_master().close()

    assert read == []


def test_a_server_that_is_behind_the_secret_is_asked_once_more(cloud: Cloud) -> None:
    # The secret has the new password already, the server gets it after the first refusal.
    cloud.execute("ALTER ROLE master PASSWORD 'before the rotation'", superuser=True)
    looks: list[Login] = []

    def read() -> Login:
        if looks:
            cloud.execute("ALTER ROLE master PASSWORD 'secret'", superuser=True)
        looks.append(Login("master", "secret"))
        return looks[-1]

    server = Server(_address(cloud), cloud.ca_file, _reading(read, Bounds(rotation_seconds=0.0)))

    server.connect_master().close()


def test_a_wrong_password_ends_the_job_and_is_not_quoted(cloud: Cloud, small: str, dump: Path) -> None:
    restore = Restore(cloud, {small: dump}, {small: "refused"}, bounds=Bounds(rotation_seconds=0.1))
    restore.add_point()
    cloud.execute("ALTER ROLE master PASSWORD 'other'", superuser=True)

    refused = restore.run("replay")
    cloud.execute("ALTER ROLE master PASSWORD 'secret'", superuser=True)

    assert refused.error is not None
    assert refused.error.name == "LoginRefused"
    assert not refused.logged_in
    assert f"the password in {cloud.secret_arn} was refused" in refused.error.message
    assert "rotate-secret), which gives the master user a new password" in refused.error.message
    assert "password authentication failed" in refused.error.message
    assert "'secret'" not in refused.error.message


def test_a_user_who_lacks_rights_is_told_which_before_anything_is_made(cloud: Cloud, small: str, dump: Path) -> None:
    restore = Restore(cloud, {small: dump}, {small: "unmade"})
    restore.add_point()
    before = cloud.names()
    cloud.execute("ALTER ROLE master NOCREATEDB; REVOKE rds_superuser FROM master", superuser=True)

    result = restore.run("replay")
    cloud.execute("ALTER ROLE master CREATEDB; GRANT rds_superuser TO master", superuser=True)

    assert result.error is not None
    assert result.error.name == "CredentialsNotUsable"
    assert result.error.message.endswith('run ALTER ROLE "master" CREATEDB; GRANT rds_superuser TO "master"')
    assert result.databases == ()
    assert cloud.names() == before


def test_a_locale_that_the_server_lacks_is_named(cloud: Cloud, small: str, dump: Path) -> None:
    elsewhere = edited(dump, b"LOCALE = 'C.UTF-8';\n", b"LOCALE = 'xx_YY';\n\n\n")
    restore = Restore(cloud, {small: elsewhere}, {small: "unmade"})
    restore.add_point()

    (replayed,) = restore.run("replay").databases
    restore.run("discard")

    assert replayed.error is not None
    assert "can't hold a database with encoding UTF8, lc collate xx_YY, " in replayed.error.message


def test_a_session_that_the_server_ended_reads_as_a_lost_connection(cloud: Cloud) -> None:
    server = Server(_address(cloud), cloud.ca_file, _reading(lambda: Login("master", "secret")))
    messages = []

    with server.connect_master() as connection:
        cloud.execute(f"SELECT pg_terminate_backend({connection.info.backend_pid}, 5000)", superuser=True)
        for _ in range(2):
            with pytest.raises(psycopg.Error) as caught:
                connection.execute("SELECT 1")
            messages.append(explained(caught.value))

    assert messages[0].startswith("the connection to the instance was lost: terminating connection")
    assert messages[1].startswith("the connection to the instance was lost: ")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("INSERT INTO kept VALUES (7, 'ada@secret.example')", 'duplicate key value violates unique constraint "kept_pkey"'),
        ("INSERT INTO kept VALUES (-1, 'eve@ada@secret.example')", 'new row for relation "kept" violates check constraint "kept_id_check"'),
        ("SELECT 'ada@secret.example'::int", "invalid input syntax for type integer"),
        ("SELECT 1 FROM ada WHERE 'ada@secret.example' = nobody", 'relation "ada" does not exist'),
    ],
)
def test_what_postgresql_quotes_of_rows_is_in_no_message(cloud: Cloud, statement: str, said: str) -> None:
    server = Server(_address(cloud), cloud.ca_file, _reading(lambda: Login("master", "secret")))
    with server.connect_master() as connection:
        connection.execute("CREATE TEMPORARY TABLE kept (id int CHECK (id > 0), mail text PRIMARY KEY)")
        connection.execute("INSERT INTO kept VALUES (7, 'ada@secret.example')")
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement)

    assert "ada@secret" in str(caught.value)
    assert explained(caught.value) == said


def test_a_row_that_copy_refuses_is_named_by_its_line(cloud: Cloud) -> None:
    server = Server(_address(cloud), cloud.ca_file, _reading(lambda: Login("master", "secret")))
    with server.connect_master() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE kept (id int, mail text)")
        with pytest.raises(psycopg.Error) as caught, cursor.copy("COPY kept FROM STDIN") as copy:
            copy.write("1\tx\n078-05-1120\tada@secret.example\n")

    assert explained(caught.value) == "invalid input syntax for type integer (COPY kept, line 2, column id)"


def test_a_server_with_another_certificate_is_not_trusted(cloud: Cloud, tmp_path: Path) -> None:
    stranger = certificates.create(tmp_path / "other").bundle
    server = Server(_address(cloud), stranger, _reading(lambda: Login("master", "secret")))

    with pytest.raises(CertificateRefused, match="certificate verify failed"):
        server.connect_master()


def test_a_server_of_another_name_is_not_trusted(cloud: Cloud) -> None:
    address = _address(cloud).model_copy(update={"host": "127.0.0.1"})
    server = Server(address, cloud.ca_file, _reading(lambda: Login("master", "secret")))

    with pytest.raises(CertificateRefused, match="does not match host name"):
        server.connect_master()


def test_progress_is_written_while_the_job_runs(cloud: Cloud, small: str, dump: Path) -> None:
    restore = Restore(cloud, {small: dump}, {small: "watched"})
    restore.add_point()

    restore.run("replay")

    key = f"restores/{restore.restore_id}/jobs/replay/progress.json"
    progress = json.loads(cloud.s3().get_object(Bucket=EVIDENCE, Key=key)["Body"].read())
    assert progress["kind"] == "replay"
    assert progress["database"] == small
    restore.run("discard")


def _wait_for_database(cloud: Cloud, name: str) -> None:
    deadline = time.monotonic() + 60
    while name not in cloud.names()[0]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _reading(read: Callable[[], Login], bounds: Bounds | None = None) -> Credentials:
    return Credentials(read, "the secret", "put it right", bounds=bounds or Bounds())


def _address(cloud: Cloud) -> DatabaseServer:
    return DatabaseServer(host="localhost", port=cloud.server.port, region="us-east-1", secret_arn=cloud.secret_arn, ca_bundle="")
