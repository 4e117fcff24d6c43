"""The schema public has the owner, the comment and the privileges that it had, and nobody more than that."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import pytest

from dbrestore.contract.job import DatabaseResult, PostgresOptions
from tests.databases.clouds import Clouds
from tests.databases.restore_case import Cloud, Restore

STATE = """SELECT nspowner::regrole::text, coalesce(r.rolname, 'PUBLIC'), a.privilege_type, obj_description(n.oid, 'pg_namespace')
    FROM pg_namespace AS n CROSS JOIN LATERAL aclexplode(coalesce(nspacl, acldefault('n', nspowner))) AS a
    LEFT JOIN pg_roles AS r ON r.oid = a.grantee WHERE nspname = 'public' ORDER BY 2, 3"""
HARDENED = "REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO reader"
TABLE = "CREATE TABLE t (x int); INSERT INTO t VALUES (1)"
KEEPING = PostgresOptions(keep_owners=True)


class Public(NamedTuple):
    """What `STATE` shows, without the owner's own privileges."""

    owner: str
    comment: str | None
    privileges: list[tuple[str, str]]


@pytest.fixture
def roles(clouds: Clouds) -> Iterator[None]:
    """The roles `app` and `reader` on the servers of these tests, and afterwards no databases of theirs."""
    used = [clouds.of(version) for version in ("14", "16")]
    for cloud in used:
        cloud.execute("CREATE ROLE app; CREATE ROLE reader; GRANT app TO master", superuser=True)
    yield
    for cloud in used:
        for name in cloud.names()[0]:
            if name.startswith("open"):
                cloud.drop_database(name)
        for role in cloud.names()[1]:
            if role in ("app", "reader") or role.endswith("-holder"):
                cloud.drop_role(role)


def made(cloud: Cloud, statements: str, options: str = "") -> Cloud:
    """The database `open`, made by the master of these."""
    cloud.execute(f"CREATE DATABASE open {options}")
    cloud.execute(TABLE, "open")
    cloud.execute(statements, "open", superuser=True)
    return cloud


def restore_of(source: Cloud, target: Cloud, client: str = "", postgres: PostgresOptions = KEEPING) -> Restore:
    """`client`: the version of pg_dump, if not the server's."""
    program = replace(source, server=replace(source.server, version=client or source.server.version))
    restore = Restore(target, {"open": program.dump("open", superuser=True)}, {"open": "open_back"}, postgres=postgres)
    restore.add_point()
    return restore


def come_back(restore: Restore) -> DatabaseResult:
    (result,) = restore.run_all().databases
    assert (result.status, result.error) == ("PROMOTED", None)
    return result


def public(cloud: Cloud, database: str) -> Public:
    rows = cloud.execute(STATE, database, superuser=True)
    return Public(rows[0][0], rows[0][3], [row[1:3] for row in rows if row[1] != row[0]])


def told(result: DatabaseResult) -> list[str]:
    return [note.what for note in result.fix_ups if note.entry == "SCHEMA public"]


# Of each target's own time; in the campaign each with each.
@pytest.mark.parametrize(
    ("target", "client"),
    [
        ("14", "14"),
        ("16", "17"),
        pytest.param("14", "17", marks=pytest.mark.slow),
        pytest.param("16", "14", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(
    "statements",
    ["", HARDENED, "REVOKE ALL ON SCHEMA public FROM PUBLIC", "ALTER SCHEMA public OWNER TO app; GRANT ALL ON SCHEMA public TO reader"],
)
def test_what_everybody_may_do_in_it_comes_back(clouds: Clouds, roles: None, statements: str, target: str, client: str) -> None:
    source, other = made(clouds.of("14"), statements), clouds.of(target)

    result = come_back(restore_of(source, other, client))

    was, found = public(source, "open"), public(other, "open_back")
    assert found.privileges == [each for each in was.privileges if each[0] != found.owner]
    assert found.owner == (was.owner if "OWNER" in statements or target == "14" else "pg_database_owner")
    assert told(result) == []


@pytest.mark.parametrize(("target", "client"), [("14", "17"), ("16", "16"), ("16", "17")])
def test_its_comment_comes_back(clouds: Clouds, roles: None, target: str, client: str) -> None:
    source = made(clouds.of(target), "COMMENT ON SCHEMA public IS 'it''s; \\ ours'")

    result = come_back(restore_of(source, source, client))

    assert public(source, "open_back") == public(source, "open")
    assert "ours" in (public(source, "open_back").comment or "")
    assert told(result) == []


@pytest.mark.parametrize("statements", ["", HARDENED, "ALTER SCHEMA public OWNER TO app", "REVOKE ALL ON SCHEMA public FROM PUBLIC"])
def test_it_comes_back_to_a_server_where_it_goes_with_the_database(clouds: Clouds, roles: None, statements: str) -> None:
    cloud = made(clouds.of("16"), statements)

    result = come_back(restore_of(cloud, cloud))

    assert public(cloud, "open_back") == public(cloud, "open")
    assert told(result) == []


@pytest.mark.parametrize("target", ["14", "16"])
def test_an_owner_that_was_not_asked_for_is_told(clouds: Clouds, roles: None, target: str) -> None:
    source, other = made(clouds.of("14"), "ALTER SCHEMA public OWNER TO app"), clouds.of(target)

    result = come_back(restore_of(source, other, postgres=PostgresOptions()))

    owner = "master" if target == "14" else "pg_database_owner"
    assert public(other, "open_back").owner == owner
    assert told(result) == [f"{owner!r} owns it instead of 'app'"]


@pytest.mark.parametrize(("options", "in_template"), [("TEMPLATE template0 LOCALE 'C'", ""), ("", "CREATE TABLE of_somebody (x int)")])
def test_what_can_not_be_taken_from_everybody_is_never_green(clouds: Clouds, roles: None, options: str, in_template: str) -> None:
    cloud = made(clouds.of("14"), "", options)
    cloud.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC", "open", superuser=True)
    restore = restore_of(cloud, cloud)
    cloud.execute(in_template or "SELECT", "template1")
    try:
        (refused,) = restore.run("replay").databases
        restore.run("discard")
        (result,) = replace(restore, postgres=PostgresOptions(skip_unrestorable=True)).run_all_again().databases
    finally:
        cloud.execute("DROP TABLE IF EXISTS of_somebody", "template1")

    assert refused.error is not None
    assert refused.error.message.startswith("SCHEMA public: everybody would have CREATE and USAGE on it, unlike in the source")
    assert (result.status, result.error) == ("PROMOTED", None)
    assert [(note.entry, note.sql) for note in result.left_out] == [("SCHEMA public", "REVOKE CREATE, USAGE ON SCHEMA public FROM PUBLIC;")]
    assert cloud.execute("SELECT to_regclass('of_somebody')", "open_back") == [(None,)]


def test_what_was_changed_in_template1_is_not_in_the_restored_database(clouds: Clouds, roles: None) -> None:
    cloud = made(clouds.of("14"), HARDENED)
    restore = restore_of(cloud, cloud)
    cloud.execute("GRANT CREATE ON SCHEMA public TO app", "template1")
    try:
        come_back(restore)
    finally:
        cloud.execute("REVOKE CREATE ON SCHEMA public FROM app", "template1")

    assert public(cloud, "open_back") == public(cloud, "open")


def test_a_right_that_everybody_got_on_the_way_is_found(clouds: Clouds, roles: None) -> None:
    cloud = made(clouds.of("14"), HARDENED)
    restore = restore_of(cloud, cloud)
    restore.run("replay")
    temporary = restore.databases()[0].temporary_name
    cloud.execute("ALTER SCHEMA public OWNER TO rdsadmin; GRANT ALL ON SCHEMA public TO PUBLIC", temporary, superuser=True)

    (result,) = restore.run("verify").databases
    restore.run("discard")

    assert result.error is not None
    assert "privileges on schema public that everybody has beyond those in the source" in result.error.message


def test_what_was_usual_before_and_is_not_now_is_told(clouds: Clouds, roles: None) -> None:
    source, other = made(clouds.of("14"), "", "TEMPLATE template0"), clouds.of("16")

    result = come_back(restore_of(source, other))

    assert [row for row in public(other, "open_back").privileges if row[0] == "PUBLIC"] == [("PUBLIC", "USAGE")]
    assert told(result) == ["everybody could create in it, as everywhere before PostgreSQL 15; here only its owner can, as is usual since"]


def test_one_that_the_source_did_not_have_is_told_where_the_dump_shows_it(clouds: Clouds, roles: None) -> None:
    source = made(clouds.of("14"), "DROP SCHEMA public CASCADE; CREATE SCHEMA own; CREATE TABLE own.t (x int)")

    (new, old) = (come_back(restore_of(source, source, "17")), restore_of(source, source, "14"))

    assert told(new) == [
        "the dump lacks it (the source had none, or it was left out of the dump): the database has one, like every new database"
    ]
    source.drop_database("open_back")
    assert told(come_back(old)) == []
