"""A verification that died anywhere is completed by the next run of the same job."""

from pathlib import Path

import pytest

from tests.databases.restore_case import EVIDENCE, Cloud, Restore


@pytest.fixture(scope="module")
def point(cloud: Cloud, small: str) -> Restore:
    """Of a point that every test restores anew."""
    restore = Restore(cloud, {small: cloud.dump(small)}, {small: "again"})
    restore.add_point()
    return restore


@pytest.fixture
def replayed(point: Restore) -> Restore:
    """A restore whose database stands under its temporary name."""
    restore = point.again()
    restore.run("replay")
    return restore


def forget_result(restore: Restore, *, and_what_was_kept: bool) -> None:
    """As if the worker had died before it wrote the result (and before it kept the database's)."""
    database = restore.databases()[0]
    for name in ["result.json"] + [f"promoted/{database.temporary_name}.json"] * and_what_was_kept:
        restore.cloud.s3().delete_object(Bucket=EVIDENCE, Key=f"restores/{restore.restore_id}/jobs/verify/{name}")


def test_death_after_the_rename(cloud: Cloud, replayed: Restore) -> None:
    replayed.run("verify")
    forget_result(replayed, and_what_was_kept=True)
    database = replayed.databases()[0]
    mark = f"dbrestore {replayed.restore_id}: {database.temporary_name} was verified and renamed"
    cloud.execute(f"""COMMENT ON DATABASE again IS '{mark}'; CREATE ROLE "{database.login_role}" LOGIN""")
    cloud.execute(f'GRANT "{database.login_role}" TO CURRENT_USER')

    (result,) = replayed.run("verify").databases

    assert (result.status, result.error) == ("PROMOTED", None)
    assert cloud.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'again'") == [(None,)]
    assert database.login_role not in cloud.names()[1]


def test_death_before_the_result_is_written(cloud: Cloud, replayed: Restore) -> None:
    first = replayed.run("verify").databases
    forget_result(replayed, and_what_was_kept=False)

    second = replayed.run("verify").databases

    assert second[0].status == "PROMOTED"
    assert second[0].checks == first[0].checks


@pytest.mark.parametrize("table", ["items", "lines"])
def test_death_while_owners_were_changed(cloud: Cloud, replayed: Restore, table: str) -> None:
    replayed.run("verify")
    forget_result(replayed, and_what_was_kept=True)
    database = replayed.databases()[0]
    # As it was in the middle: still under its temporary name, and one table changed hands.
    cloud.execute(f'ALTER DATABASE again RENAME TO "{database.temporary_name}"')
    cloud.execute(f'CREATE ROLE "{database.login_role}"; GRANT "{database.login_role}" TO CURRENT_USER')
    cloud.execute(f'ALTER TABLE {table} OWNER TO "{database.login_role}"', database.temporary_name, superuser=True)

    (result,) = replayed.run("verify").databases

    assert (result.status, result.error) == ("PROMOTED", None)
    assert len(result.checks) > 10
    assert cloud.execute(f"SELECT relowner::regrole::text FROM pg_class WHERE relname = '{table}'", "again") == [
        (f'"{database.holder_role}"',)
    ]


def test_what_a_table_became_after_the_checks_is_not_read_by_anybody(cloud: Cloud, replayed: Restore) -> None:
    """A table that code of the dump gave away and replaced by a view: who reads it runs that code."""
    replayed.run("verify")
    forget_result(replayed, and_what_was_kept=True)
    database = replayed.databases()[0]
    temporary = database.temporary_name
    cloud.execute(f'ALTER DATABASE again RENAME TO "{temporary}"')
    cloud.execute(f'CREATE ROLE "{database.login_role}"; GRANT "{database.login_role}" TO CURRENT_USER')
    cloud.execute(
        "ALTER TABLE items RENAME TO away; CREATE SEQUENCE reads; "
        "CREATE VIEW items AS SELECT nextval('reads') AS id, 'x'::text AS label;"
        f'ALTER SEQUENCE reads OWNER TO "{database.login_role}"; ALTER VIEW items OWNER TO "{database.login_role}"',
        temporary,
        superuser=True,
    )

    replayed.run("verify")

    assert cloud.execute("SELECT is_called FROM reads", "again", superuser=True) == [(False,)]


def test_a_database_that_is_not_there_is_no_success(cloud: Cloud, small: str) -> None:
    restore = Restore(cloud, {small: cloud.dump(small)}, {small: small})
    restore.add_point()

    (result,) = restore.run("verify").databases

    assert result.error is not None
    assert (result.status, result.error.name) == ("FAILED", "ReplayFailed")


def test_what_a_replay_job_left_is_gone_after_the_promotion(cloud: Cloud, replayed: Restore, tmp_path: Path) -> None:
    verified = replayed.run("verify")

    discarded = replayed.run("discard")

    assert all(absence.seen_absent for absence in (*verified.absences, *discarded.absences))
    assert "again" in cloud.names()[0]
