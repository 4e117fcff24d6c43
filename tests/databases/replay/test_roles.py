"""Owners and privileges: restored to the letter where the roles exist, listed where they don't, and nothing stays lent."""

import psycopg
import pytest

from tests.databases.restore_case import Cloud, Restore

OWNED = """
CREATE SCHEMA sales AUTHORIZATION {owner};
CREATE TABLE sales.deals (id serial PRIMARY KEY, amount int);
ALTER TABLE sales.deals OWNER TO {owner};
INSERT INTO sales.deals (amount) VALUES (1), (2);
CREATE FUNCTION sales.twice(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1';
ALTER FUNCTION sales.twice(int) OWNER TO {owner};
GRANT SELECT ON sales.deals TO {reader} WITH GRANT OPTION;
REVOKE ALL ON FUNCTION sales.twice(int) FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA sales GRANT SELECT ON TABLES TO {reader};
"""
# A schema in which the right to create was lent has its default privileges written out: the same, to the server and to pg_dump.
OWNERS = """SELECT n.nspname, c.relname, c.relowner::regrole::text, c.relacl::text
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = 'sales'
    UNION ALL SELECT '', proname, proowner::regrole::text, proacl::text FROM pg_proc WHERE proname = 'twice'
    UNION ALL SELECT '', nspname, nspowner::regrole::text, coalesce(nspacl, acldefault('n', nspowner))::text
    FROM pg_namespace WHERE nspname = 'sales'
    UNION ALL SELECT '', '', defaclrole::regrole::text, defaclacl::text FROM pg_default_acl ORDER BY 1, 2"""


def owned_database(cloud: Cloud, owner: str, reader: str) -> None:
    """A database `owned` with objects of `owner`, readable by `reader`, and these two roles."""
    for role in (owner, reader):
        cloud.execute(f"CREATE ROLE {role}")
    cloud.execute(f"GRANT {owner} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE")
    cloud.create_database("owned")
    cloud.execute(f"GRANT CREATE ON DATABASE owned TO {owner}")
    cloud.execute(OWNED.format(owner=owner, reader=reader), "owned")


def forget(cloud: Cloud, *roles: str) -> None:
    """Drop the source and the roles, as they would be missing on another server."""
    cloud.drop_database("owned")
    for role in roles:
        cloud.execute(f"DROP ROLE {role}")


def test_owners_and_privileges_of_existing_roles_come_back_to_the_letter(cloud: Cloud) -> None:
    owned_database(cloud, "seller", "reader")
    expected = cloud.execute(OWNERS, "owned")
    restore = Restore(cloud, {"owned": cloud.dump("owned")}, {"owned": "owned_back"}).keeping_owners()
    restore.add_point()
    cloud.execute("REVOKE seller FROM CURRENT_USER GRANTED BY CURRENT_USER")
    before = cloud.memberships()

    (database,) = restore.run_all().databases

    assert database.status == "PROMOTED"
    assert cloud.execute(OWNERS, "owned_back", superuser=True) == expected
    assert [fix_up.entry for fix_up in database.fix_ups] == ["ROLE master"]
    assert restore.holder not in cloud.names()[1]
    assert cloud.memberships() == before


def test_unknown_roles_are_listed_one_by_one(cloud: Cloud) -> None:
    owned_database(cloud, "leaver", "stranger")
    restore = Restore(cloud, {"owned": cloud.dump("owned")}, {"owned": "owned_back"})
    restore.add_point()
    forget(cloud, "leaver", "stranger")

    (database,) = restore.run_all().databases

    listed = {(fix_up.entry, fix_up.what) for fix_up in database.fix_ups}
    assert database.status == "PROMOTED"
    assert ("ROLE leaver", f"does not exist in the target: what it owned belongs to {restore.holder!r}") in listed
    assert (
        "ACL sales.TABLE deals",
        'not executed, the target has no role \'stranger\': GRANT SELECT ON TABLE "sales"."deals" TO "stranger" WITH GRANT OPTION',
    ) in listed
    assert any(entry.startswith("DEFAULT ACL") for entry, _ in listed)
    assert {row[2] for row in cloud.execute(OWNERS, "owned_back")} == {f'"{restore.holder}"'}


def test_a_role_that_the_master_may_not_act_for_is_listed(cloud: Cloud) -> None:
    cloud.execute("CREATE ROLE foreign_role", superuser=True)
    cloud.create_database("owned")
    cloud.execute("CREATE TABLE kept (x int); ALTER TABLE kept OWNER TO foreign_role", "owned", superuser=True)
    restore = Restore(cloud, {"owned": cloud.dump("owned", superuser=True)}, {"owned": "owned_back"}).keeping_owners()
    restore.add_point()

    (database,) = restore.run_all().databases

    assert database.status == "PROMOTED"
    assert "can't be given anything" in next(f.what for f in database.fix_ups if f.entry == "ROLE foreign_role")


def test_what_no_entry_names_is_handed_over_before_its_schema(cloud: Cloud) -> None:
    cloud.execute("CREATE ROLE seller; CREATE ROLE reader")
    cloud.create_database("owned")
    statements = """CREATE SCHEMA sales;
        CREATE FUNCTION sales.f(text, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT length($1) < $2';
        CREATE OPERATOR sales.<<<= (LEFTARG = text, RIGHTARG = int, FUNCTION = sales.f, NEGATOR = OPERATOR(sales.>>>>));
        ALTER SCHEMA sales OWNER TO seller"""
    cloud.execute(statements, "owned", superuser=True)
    restore = Restore(cloud, {"owned": cloud.dump("owned", superuser=True)}, {"owned": "owned_back"}).keeping_owners()
    restore.add_point()
    before = cloud.memberships()

    (database,) = restore.run_all().databases

    assert (database.status, database.error) == ("PROMOTED", None)
    query = "SELECT oprname, oprowner::regrole::text FROM pg_operator WHERE oprnamespace = 'sales'::regnamespace ORDER BY 1"
    holder = f'"{restore.holder}"'
    assert cloud.execute(query, "owned_back") == [("<<<=", holder), (">>>>", holder)]
    query = """SELECT nspowner::regrole::text, coalesce(nspacl, acldefault('n', nspowner))::text
        FROM pg_namespace WHERE nspname = 'sales'"""
    assert cloud.execute(query, "owned_back") == [("seller", "{seller=UC/seller}")]
    assert {m for m in cloud.memberships() if restore.holder not in m[0]} == before


def test_a_role_that_owns_nothing_is_not_told_as_an_owner(cloud: Cloud) -> None:
    cloud.execute("CREATE ROLE listed")
    cloud.create_database("owned")
    statements = """CREATE TABLE t (x int); GRANT SELECT ON t TO listed; ALTER TABLE t ENABLE ROW LEVEL SECURITY;
        CREATE POLICY p ON t TO listed USING (true)"""
    cloud.execute(statements, "owned")
    restore = Restore(cloud, {"owned": cloud.dump("owned")}, {"owned": "owned_back"})
    restore.add_point()

    (database,) = restore.run_all().databases

    assert [f.entry for f in database.fix_ups if f.entry.startswith("ROLE")] == ["ROLE master"]
    assert cloud.execute("SELECT relacl::text LIKE '%listed=r/%' FROM pg_class WHERE relname = 't'", "owned_back") == [(True,)]


def test_the_database_itself_gets_its_privileges_and_owner(cloud: Cloud) -> None:
    cloud.execute("CREATE ROLE visitor")
    cloud.create_database("owned")
    cloud.execute(
        "REVOKE ALL ON DATABASE owned FROM PUBLIC; GRANT CONNECT ON DATABASE owned TO visitor; ALTER DATABASE owned SET work_mem TO '9MB'"
    )
    query = "SELECT replace(datacl::text, 'owned_back', 'owned'), datdba::regrole::text FROM pg_database WHERE datname = '{}'"
    expected = cloud.execute(query.format("owned"))
    restore = Restore(cloud, {"owned": cloud.dump("owned")}, {"owned": "owned_back"})
    restore.add_point()

    (database,) = restore.run_all().databases

    assert cloud.execute(query.format("owned_back")) == expected
    (settings,) = [fix_up for fix_up in database.fix_ups if fix_up.entry.startswith("DATABASE PROPERTIES")]
    assert "SET work_mem TO '9MB'" in settings.what


def test_nobody_else_may_connect_before_the_promotion(cloud: Cloud, small: str) -> None:
    cloud.execute("CREATE ROLE onlooker LOGIN PASSWORD 'x'")
    restore = Restore(cloud, {small: cloud.dump(small)}, {small: "closed"})
    restore.add_point()
    restore.run("replay")
    as_onlooker = {"user": "onlooker", "password": "x"}

    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(cloud.dsn(restore.databases()[0].temporary_name), **as_onlooker)
    restore.run("verify")

    with psycopg.connect(cloud.dsn("closed"), **as_onlooker) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


OVERLOADED = """
CREATE OPERATOR @#@ (rightarg = int, function = int4um); CREATE OPERATOR @#@ (rightarg = bigint, function = int8um);
CREATE PROCEDURE p(IN a int) LANGUAGE plpgsql AS 'BEGIN END'; CREATE PROCEDURE p(OUT a int) LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION f(text) RETURNS int LANGUAGE sql AS 'SELECT 1';
GRANT CREATE ON SCHEMA public TO seller, buyer;
ALTER OPERATOR @#@ (NONE, int) OWNER TO seller; ALTER OPERATOR @#@ (NONE, bigint) OWNER TO buyer;
ALTER PROCEDURE p(IN a int) OWNER TO seller; ALTER PROCEDURE p(OUT a int) OWNER TO buyer;
ALTER FUNCTION f(int) OWNER TO seller; ALTER FUNCTION f(text) OWNER TO buyer
"""


@pytest.mark.parametrize("option", ["--quote-all-identifiers", "--verbose"])
def test_each_of_several_of_one_name_gets_its_own_owner(cloud: Cloud, option: str) -> None:
    for role in ("seller", "buyer"):
        cloud.execute(f"CREATE ROLE {role}; GRANT {role} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE")
    cloud.create_database("owned")
    cloud.execute(OVERLOADED, "owned")
    query = """SELECT oid::regoperator::text, oprowner::regrole::text FROM pg_operator WHERE oprname = '@#@'
        UNION ALL SELECT proname || pg_get_function_identity_arguments(oid), proowner::regrole::text
        FROM pg_proc WHERE proname IN ('f', 'p') ORDER BY 1"""
    expected = cloud.execute(query, "owned")
    restore = Restore(cloud, {"owned": cloud.dump("owned", "-Fc", option)}, {"owned": "owned_back"}).keeping_owners()
    restore.add_point()

    (database,) = restore.run_all().databases

    assert (database.status, database.error) == ("PROMOTED", None)
    assert {owner for _, owner in expected} == {"seller", "buyer"}
    assert cloud.execute(query, "owned_back") == expected
