"""The hostile dumps of the collection beside the repository, as an unedited pg_dump makes them: none gains anything.

The collection isn't part of the repository; what it covers is covered in small by tests that need no file.
"""

import time
from collections.abc import Iterator

import psycopg
import pytest

from dbrestore.contract.job import DatabaseResult
from dbrestore.contract.texts import LONGEST_TEXT
from tests.databases import shared_data
from tests.databases.clouds import Clouds
from tests.databases.restore_case import Cloud, Restore

PLACE = shared_data.folder("hostile")
pytestmark = shared_data.needs(PLACE)
# Autovacuum looks at every database in turn.
OFTEN = {"autovacuum_naptime": "1s"}
STATE = """SELECT (SELECT array_agg((rolname, rolsuper, rolcreaterole, rolcreatedb, rolcanlogin) ORDER BY rolname) FROM pg_roles
        WHERE rolname NOT LIKE 'dbrestore-%')::text,
    (SELECT array_agg(s::text) FROM pg_db_role_setting AS s)::text,
    (SELECT array_agg((datname, datdba, datistemplate, datconnlimit, datacl) ORDER BY datname) FROM pg_database
        WHERE datname <> 'hostile_back')::text"""


@pytest.fixture
def target(clouds: Clouds) -> Iterator[Cloud]:
    """A server on which autovacuum comes often."""
    cloud = clouds.of("17.10", **OFTEN)
    yield cloud
    cloud.drop_database("hostile_back")


def _restored(cloud: Cloud, name: str) -> tuple[DatabaseResult, str]:
    """Replayed and verified, or discarded; whatever became of it, nothing was gained. Returns the last result and the holder's name."""
    cloud.create_database("hostile")
    cloud.execute((PLACE / f"{name}.sql").read_text(), "hostile", superuser=True)
    restore = Restore(cloud, {"hostile": cloud.dump("hostile", superuser=True)}, {"hostile": "hostile_back"})
    restore.postgres = restore.postgres.model_copy(update={"verify": "content"})
    restore.add_point()
    cloud.drop_database("hostile")
    cloud.drop_role("tenant_src")
    before = cloud.execute(STATE, superuser=True)
    (result,) = restore.run("replay").databases
    result = restore.run("verify").databases[0] if result.status == "REPLAYED" else result
    if result.status != "PROMOTED":
        assert all(absence.seen_absent for absence in restore.run("discard").absences)
    # As the master user, with the password that it had.
    assert cloud.execute(STATE) == before
    return result, restore.holder


@pytest.mark.slow
def test_autovacuum_runs_what_it_brings_as_nobody(target: Cloud) -> None:
    result, holder = _restored(target, "01-autovacuum")
    assert (result.status, result.error) == ("PROMOTED", None)
    before = target.execute(STATE)
    analysed = "SELECT coalesce(sum(autoanalyze_count), 0) FROM pg_stat_user_tables"
    target.execute(
        "INSERT INTO t1 SELECT generate_series(1, 90); INSERT INTO t2 SELECT generate_series(1, 90)",
        "hostile_back",
        superuser=True,
    )
    until = time.monotonic() + 60
    while target.execute(analysed, "hostile_back") == [(0,)] and time.monotonic() < until:
        time.sleep(0.5)
    time.sleep(10)

    assert target.execute(analysed, "hostile_back") != [(0,)]
    assert target.execute(STATE) == before
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        target.execute("SELECT public.sd()", "hostile_back")
    assert target.execute("SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relname IN ('t1', 't2')", "hostile_back") == [
        (holder,)
    ]


def test_what_becomes_a_view_is_not_read_as_the_master(target: Cloud) -> None:
    result, _ = _restored(target, "02-master-in-verification")

    assert "PWN user=master" not in (target.server.directory / "log").read_text()
    assert result.status == "PROMOTED" or result.error is not None


@pytest.mark.parametrize(
    ("name", "entry"), [("03-template", "TABLE DATA public.a"), ("04-settings-after-reset", "INDEX public.bait_f_idx")]
)
def test_the_database_itself_can_not_be_bent(target: Cloud, name: str, entry: str) -> None:
    result, _ = _restored(target, name)

    assert result.error is not None
    assert result.error.message.startswith(f"{entry}: must be owner of database")


def test_a_long_error_is_cut(target: Cloud) -> None:
    result, _ = _restored(target, "05-long-error")

    assert result.error is not None
    assert result.error.message.startswith("INDEX public.a_f_idx: xxx")
    assert len(result.error.message) <= LONGEST_TEXT
