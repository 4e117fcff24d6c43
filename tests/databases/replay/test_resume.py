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
from localcloud.postgresql import sample
from tests.databases.clouds import Clouds
from tests.databases.equality import contents, schema_without_publications
from tests.databases.restore_case import Cloud, Restore

SOURCE, BACK = "resumed_source", "resumed_back"
# With a key that needs another key, a view that needs rows, row security, large objects, and a type that takes its own name with it.
MORE = """CREATE TABLE parents (id int PRIMARY KEY, label text UNIQUE); INSERT INTO parents SELECT i, md5(i::text) FROM generate_series(1, 9000) i;
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


@pytest.fixture(scope="module")
def source(cloud: Cloud) -> Iterator[Cloud]:
    """With the database that is restored by these tests."""
    cloud.create_database(SOURCE)
    sample.create(cloud.dsn(SOURCE), 3000)
    cloud.execute(MORE, SOURCE)
    yield cloud
    cloud.drop_database(SOURCE)


@pytest.fixture
def restore(source: Cloud) -> Restore:
    """Of that database."""
    return of_source(source, "-Fc")


def of_source(cloud: Cloud, *options: str) -> Restore:
    made = Restore(cloud, {SOURCE: cloud.dump(SOURCE, *options)}, {SOURCE: BACK}, postgres=PostgresOptions(verify="content", keep_owners=True))
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
    return set(restore.cloud.execute(DONE.format(f'"{temporary}"'), temporary, superuser=True))


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


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.7, 0.95])
def test_a_killed_replay_is_carried_on_and_nothing_is_loaded_again(restore: Restore, share: float) -> None:
    passed = killed(replace(restore, restore_id="r-counting"), 0)
    replace(restore, restore_id="r-counting").run("discard")
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
def test_a_replay_killed_at_twenty_random_moments(source: Cloud, archive_format: str) -> None:
    restore, chance = of_source(source, archive_format), random.Random(archive_format)
    passed = killed(restore, 0)
    restore.run("discard")
    for _ in range(20):
        again = replace(restore, restore_id=f"r-{chance.randrange(16**12):012x}")
        killed(again, chance.randint(1, passed))
        if chance.random() < 0.5:
            with pytest.MonkeyPatch.context():
                process = again.start(again.job_uri("replay", "replay"))
                time.sleep(chance.uniform(0.8, 2.5))
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
        finish(again)
        require_equal(again)


def test_a_table_that_some_sessions_committed_is_loaded_anew(restore: Restore) -> None:
    """As when the one that led them died before it could commit."""
    restore.run("replay")
    temporary = restore.databases()[0].temporary_name
    (number,) = {number for kind, number in lines_of(restore) if kind == "share"} & of_data(restore, "parents")
    restore.cloud.execute(
        f'DELETE FROM "{temporary}".done WHERE number = {number} AND kind = \'entry\';'
        "ALTER TABLE children DROP CONSTRAINT children_parent_fkey; DELETE FROM parents WHERE id % 2 = 0",
        temporary,
        superuser=True,
    )
    forget(restore, "FK CONSTRAINT", "children")

    finish_again(restore)

    require_equal(restore)


def of_data(restore: Restore, table: str) -> set[int]:
    """The dump ids of its data."""
    return {member.dump_id for backup in restore.manifest().databases for member in backup.tables if member.table == table}
