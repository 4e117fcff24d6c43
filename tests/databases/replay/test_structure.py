"""Every kind of object is found again in the catalogue, whatever it is called and however it was dumped."""

import pytest

from dbrestore.contract.job import DatabaseResult
from tests.databases.restore_case import Cloud, Restore

# A restore of each database is green: name -> statements.
SOUND = {
    "checks that a child has from its parent and were never validated": """
        CREATE TABLE parent (x int); CREATE TABLE child () INHERITS (parent);
        CREATE TABLE own (CONSTRAINT c CHECK (x > 0)) INHERITS (parent);
        INSERT INTO parent VALUES (-1); INSERT INTO child VALUES (-2);
        ALTER TABLE parent ADD CONSTRAINT c CHECK (x > 0) NOT VALID;
        CREATE TABLE split (x int) PARTITION BY LIST (x); CREATE TABLE split_1 PARTITION OF split FOR VALUES IN (1);
        ALTER TABLE split ADD CONSTRAINT c CHECK (x > 3) NOT VALID;
        CREATE DOMAIN small AS int; CREATE TABLE holds (x small); INSERT INTO holds VALUES (99);
        ALTER DOMAIN small ADD CONSTRAINT "fits NOT VALID" CHECK (VALUE < 9) NOT VALID""",
    "operators of one name": """
        CREATE OPERATOR @#@ (rightarg = int, function = int4um); CREATE OPERATOR @#@ (rightarg = bigint, function = int8um);
        CREATE OPERATOR @#@ (leftarg = int, rightarg = int, function = int4mi);
        COMMENT ON OPERATOR @#@ (NONE, int) IS 'one side'; COMMENT ON OPERATOR @#@ (int, int) IS 'two sides';
        CREATE FUNCTION repeats(int, text) RETURNS boolean LANGUAGE sql AS 'SELECT true'; CREATE SCHEMA class;
        CREATE OPERATOR class.= (leftarg = int, rightarg = text, function = repeats); COMMENT ON OPERATOR class.= (int, text) IS 'odd'""",
    "aggregates with arguments of every mode": """
        CREATE AGGREGATE v(VARIADIC items int[]) (sfunc = array_cat, stype = int[]); COMMENT ON AGGREGATE v(VARIADIC int[]) IS 'v';
        CREATE FUNCTION done(int, float8) RETURNS int LANGUAGE sql AS 'SELECT $1';
        CREATE AGGREGATE o(float8 ORDER BY int) (sfunc = int4pl, stype = int, initcond = '0', finalfunc = done);
        COMMENT ON AGGREGATE o(float8 ORDER BY int) IS 'o';
        REVOKE ALL ON FUNCTION o(float8, int) FROM PUBLIC; REVOKE ALL ON FUNCTION v(int[]) FROM PUBLIC""",
    "procedures that differ in the modes of their arguments": """
        CREATE PROCEDURE p(IN a int) LANGUAGE plpgsql AS 'BEGIN END'; CREATE PROCEDURE p(OUT a int) LANGUAGE plpgsql AS 'BEGIN END';
        CREATE FUNCTION f("in" int, OUT b text, VARIADIC c int[]) LANGUAGE sql AS 'SELECT ''''';
        COMMENT ON PROCEDURE p(IN a int) IS 'in'; COMMENT ON PROCEDURE p(OUT a int) IS 'out';
        COMMENT ON FUNCTION f(int, VARIADIC int[]) IS 'f'""",
    "names that look like statements": """
        CREATE SCHEMA "s; IS 'x'"; CREATE TABLE "s; IS 'x'"."t IS 'a" ("c IS 'b' ;" int, CONSTRAINT "c; ON (x)" CHECK (true));
        CREATE FUNCTION "s; IS 'x'"."f(a, b) IS '"("IN x" int, "a,b" text) RETURNS int LANGUAGE sql AS 'SELECT 1';
        CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER "a; b" BEFORE INSERT ON "s; IS 'x'"."t IS 'a" FOR EACH ROW WHEN ('
ALTER TABLE x DISABLE TRIGGER y;' <> '') EXECUTE FUNCTION fire('
ALTER TABLE x DISABLE TRIGGER y;');
        CREATE TRIGGER "DISABLE; TRIGGER" BEFORE INSERT ON "s; IS 'x'"."t IS 'a" FOR EACH ROW EXECUTE FUNCTION fire();
        ALTER TABLE "s; IS 'x'"."t IS 'a" DISABLE TRIGGER "DISABLE; TRIGGER";
        COMMENT ON TABLE "s; IS 'x'"."t IS 'a" IS 'on IS ''it''; \\'; COMMENT ON COLUMN "s; IS 'x'"."t IS 'a"."c IS 'b' ;" IS 'c';
        COMMENT ON FUNCTION "s; IS 'x'"."f(a, b) IS '"(int, text) IS 'f'; COMMENT ON TRIGGER "a; b" ON "s; IS 'x'"."t IS 'a" IS 't';
        COMMENT ON CONSTRAINT "c; ON (x)" ON "s; IS 'x'"."t IS 'a" IS 'c'""",
    "a table and a column whose names together read like others'": """
        CREATE TABLE "a b" (c int DEFAULT 1); CREATE TABLE a ("b c" int DEFAULT 1);
        ALTER TABLE "a b" ADD CONSTRAINT d CHECK (c > 0) NOT VALID; ALTER TABLE a ADD CONSTRAINT "b d" CHECK ("b c" > 0)""",
    "triggers of partitions that fire differently": """
        CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TABLE split (x int) PARTITION BY LIST (x);
        CREATE TABLE one PARTITION OF split FOR VALUES IN (1); CREATE TABLE two PARTITION OF split FOR VALUES IN (2);
        CREATE TRIGGER fired AFTER INSERT ON split FOR EACH ROW EXECUTE FUNCTION fire();
        CREATE TRIGGER quiet AFTER INSERT ON split FOR EACH ROW EXECUTE FUNCTION fire();
        ALTER TABLE one DISABLE TRIGGER fired; ALTER TABLE two ENABLE ALWAYS TRIGGER fired; ALTER TABLE split DISABLE TRIGGER quiet""",
    "comments of one text, and of every kind": """
        CREATE TABLE t (x int PRIMARY KEY, y int REFERENCES t CONSTRAINT pos CHECK (y > 0)); CREATE INDEX i ON t (y);
        CREATE DOMAIN domain AS int CONSTRAINT d CHECK (VALUE > 0); CREATE SCHEMA domain;
        CREATE TABLE domain.t (x int CONSTRAINT d CHECK (x > 0));
        CREATE VIEW v AS SELECT x FROM t; CREATE RULE r AS ON INSERT TO v DO INSTEAD NOTHING; CREATE POLICY p ON t;
        CREATE MATERIALIZED VIEW m AS SELECT x FROM t; CREATE SEQUENCE q; CREATE TYPE pair AS (a int, b int); CREATE TYPE e AS ENUM ('a');
        CREATE STATISTICS s ON x, y FROM t; CREATE AGGREGATE total(int) (sfunc = int4pl, stype = int);
        CREATE AGGREGATE n(*) (sfunc = int8inc, stype = bigint, initcond = '0');
        CREATE TEXT SEARCH CONFIGURATION c (COPY = simple); CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple);
        CREATE COLLATION k FROM "C";
        CREATE FUNCTION of_e(e) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'; CREATE CAST (e AS int) WITH FUNCTION of_e(e);
        SELECT lo_from_bytea(77, 'x'); COMMENT ON LARGE OBJECT 77 IS 'same';
        COMMENT ON TABLE t IS 'same'; COMMENT ON COLUMN t.x IS 'same'; COMMENT ON COLUMN pair.b IS 'same'; COMMENT ON INDEX i IS 'same';
        COMMENT ON INDEX t_pkey IS 'same'; COMMENT ON CONSTRAINT t_pkey ON t IS 'same'; COMMENT ON CONSTRAINT t_y_fkey ON t IS 'same';
        COMMENT ON CONSTRAINT pos ON t IS 'same'; COMMENT ON CONSTRAINT d ON DOMAIN domain IS 'same';
        COMMENT ON CONSTRAINT d ON domain.t IS 'same';
        COMMENT ON DOMAIN domain IS 'same'; COMMENT ON VIEW v IS 'same'; COMMENT ON RULE r ON v IS 'same';
        COMMENT ON POLICY p ON t IS 'same';
        COMMENT ON MATERIALIZED VIEW m IS 'same'; COMMENT ON SEQUENCE q IS 'same'; COMMENT ON TYPE pair IS 'same';
        COMMENT ON TYPE e IS 'same';
        COMMENT ON STATISTICS s IS 'same'; COMMENT ON AGGREGATE total(int) IS 'same'; COMMENT ON AGGREGATE n(*) IS 'same';
        COMMENT ON TEXT SEARCH CONFIGURATION c IS 'same'; COMMENT ON TEXT SEARCH DICTIONARY d IS 'same'; COMMENT ON COLLATION k IS 'same';
        COMMENT ON CAST (e AS int) IS 'same'; COMMENT ON FUNCTION of_e IS 'same'; COMMENT ON SCHEMA domain IS 'same'""",
    "views that need each other, and row security": """
        CREATE TABLE t (x int PRIMARY KEY, y int); CREATE VIEW v AS SELECT x, y FROM t GROUP BY x; CREATE VIEW "w _RETURN" AS SELECT 1 AS x;
        ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY; CREATE POLICY "p ON x" ON t USING (true);
        CREATE TABLE "lines
ALTER TABLE ONLY public.t FORCE ROW LEVEL SECURITY;" (x text DEFAULT '
ALTER TABLE ONLY public.t FORCE ROW LEVEL SECURITY;')""",
    "names of several lines, forced and firing otherwise": """
        CREATE SCHEMA "a
b"; CREATE TABLE "a
b"."lines
ALTER TABLE ONLY public.t FORCE ROW LEVEL SECURITY;" (x text DEFAULT '
ALTER TABLE ONLY public.plain FORCE ROW LEVEL SECURITY;'); ALTER TABLE "a
b"."lines
ALTER TABLE ONLY public.t FORCE ROW LEVEL SECURITY;" FORCE ROW LEVEL SECURITY;
        CREATE TABLE plain (x text DEFAULT '
ALTER TABLE ONLY public.plain FORCE ROW LEVEL SECURITY;');
        CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER "x
ALTER TABLE y" BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION fire(); ALTER TABLE plain DISABLE TRIGGER "x
ALTER TABLE y" """,
    "operators that exist only as the negator of another": """
        CREATE SCHEMA s; CREATE FUNCTION s.f(text, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT length($1) < $2';
        CREATE OPERATOR public.<<<= (LEFTARG = text, RIGHTARG = int, FUNCTION = s.f, NEGATOR = OPERATOR(public.>>>>));
        CREATE SCHEMA "S; 2";
        CREATE OPERATOR "S; 2".<<<= (LEFTARG = text, RIGHTARG = int, FUNCTION = s.f, NEGATOR = OPERATOR("S; 2".>>>>))""",
}
DUMPS = {"plainly": (), "with all names quoted": ("--quote-all-identifiers",)}


def come_back(cloud: Cloud, name: str, *options: str) -> DatabaseResult:
    """Dump as superuser, restore as `<name>_back`, and expect the same schema."""
    restore = Restore(cloud, {name: cloud.dump(name, "-Fc", *options, superuser=True)}, {name: f"{name}_back"})
    restore.add_point()
    (database,) = restore.run_all().databases
    assert (database.status, database.error) == ("PROMOTED", None)
    # What the master user owned belongs to the powerless role of the database.
    schema = cloud.schema(f"{name}_back").replace(f'"{restore.holder}"', "master").replace(restore.holder, "master")
    assert schema == cloud.schema(name)
    return database


@pytest.mark.parametrize("dumped", DUMPS)
@pytest.mark.parametrize("what", SOUND)
def test_a_sound_database_is_found_whole(cloud: Cloud, what: str, dumped: str) -> None:
    cloud.create_database("sound")
    cloud.execute(SOUND[what], "sound")

    database = come_back(cloud, "sound", *DUMPS[dumped])

    assert [fix_up for fix_up in database.fix_ups if not fix_up.entry.startswith("ROLE ")] == []


SPOILT = """
CREATE TABLE t (x int CONSTRAINT c CHECK (x > 0)); CREATE TABLE u (x int); COMMENT ON TABLE t IS 'about t';
COMMENT ON COLUMN t.x IS 'about x'; ALTER TABLE t FORCE ROW LEVEL SECURITY; CREATE OPERATOR @#@ (rightarg = int, function = int4um);
CREATE OPERATOR @#@ (rightarg = bigint, function = int8um); CREATE PROCEDURE p(IN a int) LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE split (x int) PARTITION BY LIST (x); CREATE TABLE one PARTITION OF split FOR VALUES IN (1);
CREATE TRIGGER fired AFTER INSERT ON split FOR EACH ROW EXECUTE FUNCTION fire()
"""
# What is done to the restored database -> the check that must fail, and what it finds.
SPOILING = {
    "COMMENT ON TABLE t IS NULL; COMMENT ON TABLE u IS 'about t'": ("COMMENT public.TABLE t", "missing"),
    "COMMENT ON COLUMN t.x IS NULL; COMMENT ON COLUMN u.x IS 'about x'": ("COMMENT public.COLUMN t.x", "missing"),
    "DROP OPERATOR @#@ (NONE, int); CREATE OPERATOR @#@ (leftarg = int, rightarg = int, function = int4mi)": (
        "OPERATOR public.@#@",
        "missing",
    ),
    "DROP PROCEDURE p(IN int); CREATE PROCEDURE p(OUT a int) LANGUAGE plpgsql AS 'BEGIN END'": ("PROCEDURE public.p(integer)", "missing"),
    "ALTER TABLE t NO FORCE ROW LEVEL SECURITY": ("row security forced on owners", "none"),
    "ALTER TABLE one DISABLE TRIGGER fired": ("triggers firing differently", "one fired is not as its parent's"),
    "ALTER TABLE t DROP CONSTRAINT c; ALTER TABLE t ADD CONSTRAINT c CHECK (x > 0) NOT VALID": ("constraints not validated", "public.t c"),
}


@pytest.fixture(scope="module")
def spoilt(cloud: Cloud) -> Restore:
    """Of a point that every test restores anew."""
    cloud.create_database("spoilt")
    cloud.execute(SPOILT, "spoilt")
    restore = Restore(cloud, {"spoilt": cloud.dump("spoilt")}, {"spoilt": "spoilt_back"})
    restore.add_point()
    cloud.drop_database("spoilt")
    return restore


@pytest.mark.parametrize("statements", SPOILING)
def test_verification_goes_red_after(cloud: Cloud, spoilt: Restore, statements: str) -> None:
    restore = spoilt.again()
    restore.run("replay")
    cloud.execute(statements, restore.databases()[0].temporary_name, superuser=True)

    (verified,) = restore.run("verify").databases
    restore.run("discard")

    assert verified.status == "FAILED"
    assert [(c.check, c.actual) for c in verified.checks if c.expected in ("present", "none", "public.t") and c.result == "failed"] == [
        SPOILING[statements]
    ]
