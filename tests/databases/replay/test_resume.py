"""A replay that was cut off anywhere is carried on: what was done is not done again, and the database is equal in the end."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from dbrestore.contract.job import DatabaseResult, PostgresOptions
from dbrestore.worker.base.bounds import Bounds
from localcloud.postgresql import sample, server, versions
from tests.databases.clouds import Clouds
from tests.databases.equality import contents, schema_without_publications
from tests.databases.replay.test_cases_replay import SKIP, message, replayed, restore_of
from tests.databases.replay.test_left_out import TRANSFORM
from tests.databases.replay.test_partition_roots import HASHED, KINDS
from tests.databases.restore_case import Cloud, Restore

SOURCE, BACK = "resumed_source", "resumed_back"
# With a key that needs another key, a view that needs rows, row security, large objects, and a type that takes its own name with it.
MORE = """CREATE TABLE parents (id int PRIMARY KEY, label text UNIQUE);
INSERT INTO parents SELECT i, md5(i::text) FROM generate_series(1, 9000) i;
CREATE TABLE children (parent int REFERENCES parents, at int) PARTITION BY RANGE (at);
CREATE TABLE children_1 PARTITION OF children FOR VALUES FROM (0) TO (3000);
CREATE TABLE children_2 PARTITION OF children DEFAULT;
INSERT INTO children SELECT i, i FROM generate_series(1, 9000) i; CREATE INDEX ON children (at); CREATE INDEX ON children_2 (parent, at);
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM children; ALTER TABLE parents ENABLE ROW LEVEL SECURITY;
CREATE POLICY everybody ON parents USING (id > 0); SELECT lo_from_bytea(4711, '\\x0102'), lo_from_bytea(4712, '\\x03');
CREATE SEQUENCE counting; SELECT setval('counting', 77)"""
DONE = "SELECT kind, number FROM {}.done"
# Each row waits: long enough to be met in the middle of its table.
SLOW = """CREATE FUNCTION slowly(int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.002); RETURN true; END$$;
CREATE TABLE slow (id int, CHECK (slowly(id))); INSERT INTO slow SELECT generate_series(1, 1500);
CREATE TABLE quick (id int PRIMARY KEY); INSERT INTO quick SELECT generate_series(1, 9)"""

INDEXED_SLOWLY = """CREATE FUNCTION slowly(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN
    IF current_setting('sample.source', true) = 'yes' THEN RETURN $1; END IF;
    PERFORM pg_sleep(0.01); RETURN $1; END$$;
SET sample.source = yes; CREATE TABLE slow (id int); INSERT INTO slow SELECT generate_series(1, 600); CREATE INDEX ON slow (slowly(id))"""


@pytest.fixture(scope="module")
def source(cloud: Cloud) -> Iterator[Cloud]:
    """With the database that is restored by these tests."""
    cloud.create_database(SOURCE)
    sample.create(cloud.dsn(SOURCE), 3000)
    cloud.execute(MORE, SOURCE)
    yield cloud
    cloud.drop_database(SOURCE)


@pytest.fixture(scope="module")
def passed(source: Cloud) -> int:
    """How many lines around its transactions a whole replay passes."""
    restore = of_source(source, "-Fc")
    found = killed(restore, 0)
    restore.run("discard")
    return found


@pytest.fixture
def restore(source: Cloud) -> Restore:
    """Of that database."""
    return of_source(source, "-Fc")


def of_source(cloud: Cloud, *options: str) -> Restore:
    made = Restore(
        cloud, {SOURCE: cloud.dump(SOURCE, *options)}, {SOURCE: BACK}, postgres=PostgresOptions(verify="content", keep_owners=True)
    )
    made.add_point()
    return made


def killed(restore: Restore, last: int) -> int:
    """How many lines the job passed; 0 if it was killed before the last one."""
    command = [sys.executable, "-m", "tests.databases.replay.killed_replay", restore.job_uri("replay", "replay"), str(last)]
    ended = subprocess.run(command, env=restore.cloud.environment(), check=False, capture_output=True, text=True, timeout=120)
    assert ended.returncode == (-signal.SIGKILL if last else 0), ended.stderr
    return int(ended.stdout or 0)


def lines_of(restore: Restore) -> set[tuple[str, int]]:
    """The journal's."""
    temporary = restore.databases()[0].temporary_name
    return set(restore.cloud.execute(DONE.format(f'"{temporary}-journal"'), temporary, superuser=True))


def transactions(restore: Restore) -> dict[str, tuple[str, ...]]:
    """Table -> the transactions that its rows came in."""
    temporary, query = restore.databases()[0].temporary_name, "SELECT xmin::text FROM ONLY {} GROUP BY 1 ORDER BY 1"
    tables = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    with psycopg.connect(restore.cloud.server.superuser_dsn(temporary)) as connection:
        names = [name for (name,) in connection.execute(tables).fetchall()]
        return {n: tuple(x for (x,) in connection.execute(sql.SQL(query).format(sql.Identifier(n)))) for n in names}


def finish(restore: Restore) -> DatabaseResult:
    """Carry on to the end; returns what the replay says."""
    (replayed,) = restore.run("replay").databases
    assert (replayed.status, replayed.error) == ("REPLAYED", None)
    (verified,) = restore.run("verify").databases
    assert (verified.status, verified.error) == ("PROMOTED", None)
    return replayed


def require_equal(restore: Restore) -> None:
    """The database that came back, with the source; then it goes."""
    cloud = restore.cloud
    stands_for = {restore.holder: "master"}
    assert schema_without_publications(cloud, BACK, stands_for) == schema_without_publications(cloud, SOURCE)
    assert contents(cloud, BACK, stands_for) == contents(cloud, SOURCE)
    assert cloud.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'dbrestore%'", BACK) == []
    cloud.drop_database(BACK)
    cloud.drop_role(restore.holder)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, *(pytest.param(share, marks=pytest.mark.slow) for share in (0.3, 0.7))])
def test_a_killed_replay_is_carried_on_and_nothing_is_loaded_again(restore: Restore, passed: int, share: float) -> None:
    assert passed > 100
    killed(restore, int(passed * share))
    done = {number for kind, number in lines_of(restore) if kind == "entry"}
    before = transactions(restore)

    (replayed,) = restore.run("replay").databases

    assert (replayed.status, replayed.error) == ("REPLAYED", None)
    after = transactions(restore)
    assert done < {number for kind, number in lines_of(restore) if kind == "entry"}
    kept = {table: found for table, found in before.items() if found}
    assert share < 0.5 or kept
    assert kept == {table: after[table] for table in kept}
    assert restore.run("verify").databases[0].status == "PROMOTED"
    require_equal(restore)


@pytest.mark.slow
@pytest.mark.parametrize("archive_format", ["-Fc", "-Fd"])
def test_a_replay_killed_at_twenty_random_moments(source: Cloud, passed: int, archive_format: str) -> None:
    restore, chance = of_source(source, archive_format), random.Random(archive_format)
    for _ in range(20):
        again = replace(restore, restore_id=f"r-{chance.randrange(16**12):012x}")
        killed(again, chance.randint(1, passed))
        if chance.random() < 0.5:
            process = again.start(again.job_uri("replay", "replay"))
            time.sleep(chance.uniform(0.8, 2.5))
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        finish(again)
        require_equal(again)


def journal_of(restore: Restore, statements: str) -> None:
    """As a superuser, in the temporary database; `{j}` is the journal."""
    temporary = restore.databases()[0].temporary_name
    restore.cloud.execute(statements.format(j=f'"{temporary}-journal".done'), temporary, superuser=True)


def data_of(restore: Restore, table: str) -> int:
    """The dump id of its rows."""
    (backup,) = restore.manifest().databases
    return next(member.dump_id for member in backup.tables if member.table == table)


def carried_on(restore: Restore) -> DatabaseResult:
    """By another job of the restore."""
    (replayed,) = restore.run("replay", "replay-2").databases
    return replayed


def test_a_table_of_which_some_sessions_committed_their_rows_is_loaded_anew(cloud: Cloud) -> None:
    """As when the one that led them died before it could commit."""
    restore = restore_of(cloud, "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 5000)")
    restore.run("replay")
    number = data_of(restore, "t")
    journal_of(
        restore, f"DELETE FROM {{j}} WHERE number = {number}; INSERT INTO {{j}} VALUES ('share', {number}); DELETE FROM t WHERE id > 9"
    )

    assert carried_on(restore).error is None

    assert restore.run("verify").databases[0].status == "PROMOTED"
    assert contents(cloud, "case_back") == contents(cloud, "case")


def test_a_key_that_was_added_and_not_proven_is_proven_and_not_added_again(cloud: Cloud) -> None:
    restore = restore_of(
        cloud,
        "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 9);"
        "CREATE TABLE c (p int REFERENCES p); INSERT INTO c SELECT id FROM p",
    )
    restore.run("replay")
    (number,) = {number for kind, number in lines_of(restore) if kind == "added"}
    journal_of(
        restore,
        f"DELETE FROM {{j}} WHERE kind = 'entry' AND number = {number}; ALTER TABLE c DROP CONSTRAINT c_p_fkey;"
        "ALTER TABLE c ADD CONSTRAINT c_p_fkey FOREIGN KEY (p) REFERENCES p (id) NOT VALID",
    )

    assert carried_on(restore).error is None

    assert ("entry", number) in lines_of(restore)
    assert restore.run("verify").databases[0].status == "PROMOTED"
    assert schema_without_publications(cloud, "case_back", {restore.holder: "master"}) == schema_without_publications(cloud, "case")


def test_what_is_half_loaded_beside_rows_that_were_led_elsewhere_is_made_anew(cloud: Cloud) -> None:
    """Emptying the table could take the rows of another one with it."""
    restore = restore_of(cloud, f"{KINDS}; {HASHED}")
    (first,) = restore.run("replay").databases
    before, number = transactions(restore), data_of(restore, "h1")
    assert "root" in {kind for kind, _ in lines_of(restore)}
    journal_of(restore, f"DELETE FROM {{j}} WHERE number = {number}; INSERT INTO {{j}} VALUES ('share', {number})")

    again = carried_on(restore)

    assert (again.error, again.fix_ups) == (None, first.fix_ups)
    assert set(before["h0"]).isdisjoint(transactions(restore)["h0"])
    assert restore.run("verify").databases[0].status == "PROMOTED"


def test_rows_that_were_led_elsewhere_are_told_and_compared_after_a_resumption(cloud: Cloud) -> None:
    restore = restore_of(cloud, f"{KINDS}; {HASHED}")
    (first,) = restore.run("replay").databases
    before = transactions(restore)

    again = carried_on(restore)

    assert again.fix_ups == first.fix_ups != ()
    assert transactions(restore) == before
    assert restore.run("verify").databases[0].status == "PROMOTED"


def test_what_was_left_out_is_left_out_and_told_again(cloud: Cloud) -> None:
    restore = restore_of(cloud, f"{TRANSFORM}; CREATE TABLE t (x int); INSERT INTO t VALUES (1)", superuser=True, postgres=SKIP)
    (first,) = restore.run("replay").databases
    journal_of(
        restore, "DELETE FROM {j} WHERE number > (SELECT min(number) FROM {j}); DROP VIEW twice; DROP TABLE t; DROP FUNCTION doubled"
    )
    journal_of(restore, "DROP VIEW IF EXISTS uses; DELETE FROM {j}")

    again = carried_on(restore)

    assert (again.error, again.left_out) == (None, first.left_out)
    assert len(again.left_out) == 3
    assert restore.run("verify").databases[0].status == "PROMOTED"


def test_another_request_does_not_carry_on(restore: Restore) -> None:
    restore.run("replay")
    before = transactions(restore)

    other = replace(restore, postgres=PostgresOptions(keep_owners=True, skip_unrestorable=True))
    assert other.run("replay", "replay-2").databases[0].error is None

    after = transactions(restore)
    assert all(set(found).isdisjoint(after[table]) for table, found in before.items())
    restore.run("discard")


def test_what_is_no_journal_of_ours_is_none(cloud: Cloud) -> None:
    """A database whose journal is the temporary login's is made anew, whatever that tells."""
    restore = restore_of(cloud, "CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
    restore.run("replay")
    database = restore.databases()[0]
    before = transactions(restore)
    journal_of(restore, f'ALTER TABLE {{j}} OWNER TO "{database.login_role}"')

    assert carried_on(restore).error is None

    assert transactions(restore) != before
    restore.run("discard")


@pytest.mark.parametrize("waited", [60.0, 0.0])
def test_an_index_that_a_dead_worker_began_is_waited_for_and_kept_within_bounds(cloud: Cloud, waited: float) -> None:
    restore = replace(restore_of(cloud, INDEXED_SLOWLY), bounds=Bounds(building_seconds=waited))
    process = restore.start(restore.job_uri("replay", "replay"))
    began = transaction_of_index(restore)
    process.kill()
    process.wait()

    assert restore.run("replay").databases[0].error is None

    temporary = restore.databases()[0].temporary_name
    told_by = set(cloud.execute(f'SELECT xmin::text FROM "{temporary}-journal".done', temporary, superuser=True))
    assert ((began,) in told_by) == (waited > 0)
    assert restore.run("verify").databases[0].status == "PROMOTED"
    assert contents(cloud, "case_back") == contents(cloud, "case")


def transaction_of_index(restore: Restore) -> str:
    """The one in which an index is being built, at most a minute from now."""
    login, deadline = restore.databases()[0].login_role, time.monotonic() + 60
    building = f"""SELECT backend_xid::text FROM pg_stat_activity JOIN pg_stat_progress_create_index USING (pid)
        WHERE usename = '{login}' AND backend_xid IS NOT NULL"""
    while not (found := restore.cloud.execute(building, superuser=True)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return str(found[0][0])


def end_sessions(restore: Restore) -> None:
    """Of the temporary login, as a failover does."""
    login = restore.databases()[0].login_role
    restore.cloud.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{login}'", superuser=True)


def when_slow_is_loaded(restore: Restore) -> None:
    """Returns when rows of the slow table are on their way, and the quick one's are committed."""
    login = restore.databases()[0].login_role
    copying = f"SELECT 1 FROM pg_stat_activity WHERE usename = '{login}' AND query LIKE 'COPY%slow%'"
    deadline = time.monotonic() + 60
    while not restore.cloud.execute(copying, superuser=True):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.7)


LOST = {"the sessions are ended": 1, "again and again": 2}


@pytest.mark.parametrize("times", LOST.values(), ids=LOST.keys())
def test_lost_connections_are_carried_on_from_within_the_job(cloud: Cloud, times: int) -> None:
    restore = replace(restore_of(cloud, SLOW), bounds=Bounds(connect_pause_seconds=0.05))

    def harm() -> None:
        for _ in range(times):
            when_slow_is_loaded(restore)
            end_sessions(restore)
            time.sleep(0.5)

    harming = threading.Thread(target=harm)
    harming.start()
    (replayed,) = restore.run("replay").databases
    harming.join()

    assert (replayed.status, replayed.error) == ("REPLAYED", None)
    assert transactions(restore).keys() == {"slow", "quick"}
    assert restore.run("verify").databases[0].status == "PROMOTED"
    assert contents(cloud, "case_back") == contents(cloud, "case")


def test_a_server_that_crashes_is_waited_for_and_carried_on_with(clouds: Clouds) -> None:
    cloud = clouds.of(versions.DEFAULT, max_wal_senders="3")
    restore = replace(restore_of(cloud, SLOW), bounds=Bounds(connect_pause_seconds=0.1))

    def harm() -> None:
        when_slow_is_loaded(restore)
        restart(cloud)

    harming = threading.Thread(target=harm)
    harming.start()
    (replayed,) = restore.run("replay").databases
    harming.join()

    assert (replayed.status, replayed.error) == ("REPLAYED", None)
    assert restore.run("verify").databases[0].status == "PROMOTED"
    assert contents(cloud, "case_back") == contents(cloud, "case")


def restart(cloud: Cloud) -> None:
    """As after a crash, on the same port."""
    program, data = cloud.server.binaries / "pg_ctl", cloud.server.directory / "data"
    server._run(program, "-D", data, "-l", cloud.server.directory / "log", "-m", "immediate", "-w", "restart")


def test_code_that_ends_every_session_is_not_tried_for_ever(cloud: Cloud) -> None:
    ends = """CREATE FUNCTION ends(int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN
        IF current_setting('sample.source', true) = 'yes' THEN RETURN true; END IF;
        PERFORM pg_terminate_backend(pg_backend_pid()); RETURN true; END$$;
        SET sample.source = yes; CREATE TABLE t (id int, CHECK (ends(id))); INSERT INTO t VALUES (1)"""
    restore = replace(restore_of(cloud, ends), bounds=Bounds(connect_pause_seconds=0.05))
    log = cloud.server.directory / "log"
    before = log.read_text(errors="replace").count("terminating connection due to administrator command")

    told = message(replayed(restore))

    assert "the connection to the instance was lost" in told
    ended = log.read_text(errors="replace").count("terminating connection due to administrator command") - before
    assert 2 <= ended <= 2 * (Bounds().replay_losses_in_vain + 2)
