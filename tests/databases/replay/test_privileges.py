"""Privileges come back as the catalogue had them, on objects of every kind and name; what would reach further is listed."""

import psycopg
import pytest

from dbrestore.contract.job import DatabaseResult
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.points.pgdump.toc_values import Common
from dbrestore.worker.postgresql.checks.privileges import Expected, lost
from dbrestore.worker.postgresql.rights.acl_sources import all_privileges
from dbrestore.worker.postgresql.rights.privileges import Privilege, Surroundings, privileges
from tests.databases.equality import contents
from tests.databases.restore_case import Cloud, Restore

# Every object with its privileges, also those that it has by default; owners' own are told as `owner`.
PRIVILEGES = """SELECT o.what, coalesce(r.rolname, 'PUBLIC'), a.privilege_type, a.is_grantable FROM (
        SELECT 'r' || relname, relowner, coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
        FROM pg_class WHERE relnamespace::regnamespace::text !~ '^(pg_|information)' AND relkind IN ('r', 'v', 'm', 'S')
        UNION ALL SELECT 'c' || attrelid::regclass::text || attname, NULL, attacl FROM pg_attribute
        WHERE attacl IS NOT NULL AND attrelid > 16383
        UNION ALL SELECT 'f' || oid::regprocedure::text || prokind::text || pg_get_function_identity_arguments(oid), proowner,
            coalesce(proacl, acldefault('f', proowner)) FROM pg_proc WHERE oid > 16383
        UNION ALL SELECT 't' || oid::regtype::text, typowner, coalesce(typacl, acldefault('T', typowner)) FROM pg_type
        WHERE oid > 16383 AND typtype IN ('d', 'e')
        UNION ALL SELECT 's' || nspname, nspowner, nspacl FROM pg_namespace WHERE nspacl IS NOT NULL AND nspname !~ '^(pg_|information)'
        UNION ALL SELECT 'l' || oid, lomowner, lomacl FROM pg_largeobject_metadata
        UNION ALL SELECT 'd' || defaclobjtype::text || defaclnamespace, NULL, defaclacl FROM pg_default_acl
    ) AS o (what, owner, acl) CROSS JOIN LATERAL aclexplode(o.acl) AS a LEFT JOIN pg_roles AS r ON r.oid = nullif(a.grantee, 0)
    ORDER BY 1, 2, 3, 4"""
OBJECTS = """
CREATE ROLE "r; ""1 " ; CREATE ROLE reader;
CREATE SCHEMA "s; TO x"; GRANT USAGE ON SCHEMA "s; TO x" TO reader;
CREATE TABLE "s; TO x"."t ON y" (id int, "n, m" int); GRANT SELECT ("n, m"), UPDATE (id) ON "s; TO x"."t ON y" TO "r; ""1 ";
GRANT MAINTAIN, SELECT ON "s; TO x"."t ON y" TO reader WITH GRANT OPTION; REVOKE DELETE ON "s; TO x"."t ON y" FROM CURRENT_USER;
CREATE VIEW v AS SELECT 1 AS x; GRANT ALL ON v TO reader; CREATE MATERIALIZED VIEW m AS SELECT 1 AS x; GRANT SELECT ON m TO PUBLIC;
CREATE SEQUENCE q; GRANT USAGE ON SEQUENCE q TO reader;
CREATE PROCEDURE p(IN a int) LANGUAGE plpgsql AS 'BEGIN END'; CREATE PROCEDURE p(OUT a int) LANGUAGE plpgsql AS 'BEGIN END';
GRANT EXECUTE ON PROCEDURE p(IN a int) TO reader; REVOKE EXECUTE ON PROCEDURE p(OUT a int) FROM PUBLIC;
CREATE FUNCTION "f(x"(VARIADIC "a)b" text[], OUT c int) LANGUAGE sql AS 'SELECT 1'; REVOKE ALL ON FUNCTION "f(x" FROM PUBLIC;
CREATE AGGREGATE n(*) (sfunc = int8inc, stype = bigint, initcond = '0'); GRANT EXECUTE ON FUNCTION n() TO reader;
CREATE TYPE mood AS ENUM ('a'); REVOKE ALL ON TYPE mood FROM PUBLIC; CREATE DOMAIN zip AS text; GRANT USAGE ON DOMAIN zip TO reader;
"""
# As many as share an entry of the dump, with different privileges among them.
LARGE_OBJECTS = """
DO $$ DECLARE o oid; BEGIN FOR i IN 1..12 LOOP
    o := lo_from_bytea(5000 + i, 'x'); EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO reader', o);
    IF i % 4 = 0 THEN EXECUTE format('GRANT UPDATE ON LARGE OBJECT %s TO reader WITH GRANT OPTION', o); END IF;
END LOOP; END $$
"""

BY_DEFAULT = "ALTER DEFAULT PRIVILEGES FOR ROLE reader"


def come_back(cloud: Cloud, name: str, *options: str) -> tuple[DatabaseResult, str]:
    """Dump as superuser, restore as `<name>_back`. Returns the result without what it says of owners, and who owns what the master did."""
    restore = Restore(cloud, {name: cloud.dump(name, "-Fc", *options, superuser=True)}, {name: f"{name}_back"})
    restore.add_point()
    (database,) = restore.run_all().databases
    assert (database.status, database.error) == ("PROMOTED", None)
    notes = tuple(fix_up for fix_up in database.fix_ups if not fix_up.entry.startswith("ROLE "))
    return database.model_copy(update={"fix_ups": notes}), restore.holder


@pytest.mark.parametrize("option", ["--quote-all-identifiers", "--verbose"])
def test_privileges_on_every_kind_of_object_come_back(cloud: Cloud, option: str) -> None:
    cloud.create_database("granted")
    cloud.execute(OBJECTS, "granted")

    database, holder = come_back(cloud, "granted", option)

    found = sorted((what, "master" if role == holder else role, *rest) for what, role, *rest in cloud.execute(PRIVILEGES, "granted_back"))
    assert found == sorted(cloud.execute(PRIVILEGES, "granted"))
    assert database.fix_ups == ()


def test_privileges_of_each_large_object_come_back(cloud: Cloud) -> None:
    cloud.create_database("granted")
    cloud.execute("CREATE ROLE reader" + LARGE_OBJECTS.replace("\nDO", ";\nDO", 1), "granted")

    database, holder = come_back(cloud, "granted")

    found = str(sorted(contents(cloud, "granted_back").items())).replace(f'"{holder}"', "master").replace(holder, "master")
    assert found == str(sorted(contents(cloud, "granted").items()))
    query = "SELECT count(*) FROM pg_largeobject_metadata WHERE lomacl::text LIKE '%reader=rw*%'"
    assert cloud.execute(query, "granted_back") == [(3,)]
    assert database.fix_ups == ()


def test_privileges_on_what_belongs_to_the_server_are_listed(cloud: Cloud) -> None:
    cloud.create_database("granted")
    cloud.execute("CREATE ROLE reader; GRANT EXECUTE ON FUNCTION pg_stat_reset() TO reader", "granted", superuser=True)

    database, _ = come_back(cloud, "granted")

    assert [(fix_up.entry, fix_up.what) for fix_up in database.fix_ups] == [
        (
            "ACL pg_catalog.FUNCTION pg_stat_reset()",
            "not executed: GRANT ALL ON FUNCTION pg_catalog.pg_stat_reset() TO reader; (what is in pg_catalog belongs to the server)",
        )
    ]


@pytest.mark.parametrize(
    ("definition", "says"),
    [
        ("GRANT SELECT ON TABLE public.t TO reader;", ["SELECT on TABLE public.t of reader is missing"]),
        ("GRANT SELECT(x) ON TABLE public.t TO reader;", ["SELECT (column 'x') on TABLE public.t of reader is missing"]),
        ("GRANT UPDATE ON TABLE public.t TO reader WITH GRANT OPTION;", ["UPDATE on TABLE public.t of reader is missing"]),
        ("REVOKE ALL ON FUNCTION public.f() FROM PUBLIC;", ["EXECUTE on FUNCTION public.f of PUBLIC is still there"]),
        (
            "GRANT ALL ON LARGE OBJECT 77 TO reader;",
            ["SELECT on LARGE OBJECT 77 of reader is missing", "UPDATE on LARGE OBJECT 77 of reader is missing"],
        ),
        (
            "GRANT SELECT ON TABLE public.t TO reader; REVOKE ALL ON TABLE public.t FROM reader;",
            ["UPDATE on TABLE public.t of reader is still there"],
        ),
        ("GRANT UPDATE ON TABLE public.t TO reader;", []),
        (f"{BY_DEFAULT} GRANT SELECT ON TABLES TO PUBLIC;", ["SELECT on TABLES that 'reader' will make of PUBLIC is missing"]),
        (
            f"{BY_DEFAULT} IN SCHEMA app GRANT SELECT ON TABLES TO PUBLIC;",
            ["SELECT on TABLES that 'reader' will make in schema app of PUBLIC is missing"],
        ),
        (f"{BY_DEFAULT} REVOKE ALL ON FUNCTIONS FROM PUBLIC;", ["EXECUTE on FUNCTIONS that 'reader' will make of PUBLIC is still there"]),
        (f"{BY_DEFAULT} GRANT USAGE ON TYPES TO PUBLIC;", []),
        (
            f"{BY_DEFAULT} IN SCHEMA app GRANT UPDATE ON SEQUENCES TO PUBLIC WITH GRANT OPTION;",
            ["UPDATE on SEQUENCES that 'reader' will make in schema app of PUBLIC is missing"],
        ),
        (f"{BY_DEFAULT} IN SCHEMA app GRANT USAGE ON SEQUENCES TO reader;", []),
        (
            "REVOKE ALL ON DATABASE granted FROM PUBLIC;",
            ["TEMPORARY on DATABASE granted of PUBLIC is still there", "CONNECT on DATABASE granted of PUBLIC is still there"],
        ),
        ("GRANT CREATE, CONNECT ON DATABASE granted TO reader;", ["CREATE on DATABASE granted of reader is missing"]),
        ("GRANT CONNECT ON DATABASE granted TO PUBLIC;", []),
    ],
)
def test_a_privilege_that_was_lost_in_silence_is_told(cloud: Cloud, definition: str, says: list[str]) -> None:
    cloud.create_database("granted")
    made = "CREATE ROLE reader; CREATE TABLE t (x int); GRANT UPDATE ON t TO reader; SELECT lo_create(77); "
    made += "GRANT reader TO master; CREATE SCHEMA app; GRANT CONNECT ON DATABASE granted TO reader; "
    made += f"{BY_DEFAULT} IN SCHEMA app GRANT USAGE, UPDATE ON SEQUENCES TO reader; "
    cloud.execute(made + "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "granted")
    entry = TocEntry(1, "x", Common(description="ACL", owner="master")).defined_by(definition)
    with psycopg.connect(cloud.dsn("granted"), autocommit=True, options="-c search_path=") as master:
        expected = Expected(all_privileges(master))
        around = Surroundings("granted" if " DATABASE " in definition else None)
        for privilege in privileges(definition, around):
            assert isinstance(privilege, Privilege)
            expected.after(entry, privilege, done=True)

        found = [fix_up.what.removesuffix(" after the privileges were executed") for fix_up in lost(master, expected)]

    assert found == says


ON_DATABASE = """SELECT coalesce(r.rolname, 'PUBLIC'), a.privilege_type, a.is_grantable FROM pg_database AS d
    CROSS JOIN LATERAL aclexplode(d.datacl) AS a LEFT JOIN pg_roles AS r ON r.oid = a.grantee
    WHERE datname = current_database() ORDER BY 1, 2"""


def test_default_privileges_and_those_on_the_database_come_back_without_a_word(cloud: Cloud) -> None:
    cloud.create_database("granted")
    cloud.execute(
        """CREATE ROLE reader; CREATE ROLE maker; GRANT maker TO master; CREATE SCHEMA app;
        ALTER DEFAULT PRIVILEGES FOR ROLE maker REVOKE ALL ON FUNCTIONS FROM PUBLIC;
        ALTER DEFAULT PRIVILEGES FOR ROLE maker REVOKE DELETE ON TABLES FROM maker;
        ALTER DEFAULT PRIVILEGES FOR ROLE maker GRANT ALL ON TABLES TO reader WITH GRANT OPTION;
        ALTER DEFAULT PRIVILEGES FOR ROLE maker IN SCHEMA app GRANT SELECT ON SEQUENCES TO PUBLIC;
        ALTER DEFAULT PRIVILEGES FOR ROLE maker GRANT USAGE ON SCHEMAS TO reader;
        REVOKE TEMPORARY ON DATABASE granted FROM PUBLIC; GRANT CREATE ON DATABASE granted TO reader WITH GRANT OPTION""",
        "granted",
    )
    restore = Restore(cloud, {"granted": cloud.dump("granted")}, {"granted": "granted_back"}).keeping_owners()
    restore.add_point()

    (database,) = restore.run_all().databases

    assert (database.status, database.error) == ("PROMOTED", None)
    assert [note for note in database.fix_ups if not note.entry.startswith("ROLE ")] == []
    defaults = "SELECT defaclrole::regrole::text, defaclnamespace::regnamespace::text, defaclobjtype, defaclacl::text FROM pg_default_acl"
    assert sorted(cloud.execute(defaults, "granted_back")) == sorted(cloud.execute(defaults, "granted"))
    assert len(cloud.execute(defaults, "granted")) == 4
    assert cloud.execute(ON_DATABASE, "granted_back") == cloud.execute(ON_DATABASE, "granted")
