"""The comparison finds each single difference, and none where there is none."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.generated import compare
from tests.generated.facts import Facts
from tests.generated.servers import Servers

CONTENT = """
CREATE SCHEMA s; CREATE TYPE s.mood AS ENUM ('a', 'b'); CREATE DOMAIN s.d AS text;
ALTER DOMAIN s.d ADD CONSTRAINT c CHECK (VALUE <> 'x') NOT VALID;
CREATE TABLE s."T; 1" (id int PRIMARY KEY, t text DEFAULT 'x', n numeric);
INSERT INTO s."T; 1" SELECT i, 't' || i, i FROM generate_series(1, 50) AS i;
COMMENT ON COLUMN s."T; 1".t IS 'the text'; GRANT SELECT (t) ON s."T; 1" TO gen_reader; GRANT INSERT ON s."T; 1" TO gen_reader;
CREATE TABLE s.child (id int REFERENCES s."T; 1"); CREATE INDEX child_id ON s.child (id);
CREATE TABLE s.p (id int) PARTITION BY RANGE (id); CREATE TABLE s.p1 PARTITION OF s.p FOR VALUES FROM (1) TO (9);
CREATE FUNCTION s.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER tr BEFORE INSERT ON s."T; 1" FOR EACH ROW EXECUTE FUNCTION s.f(); CREATE RULE r AS ON DELETE TO s.child DO INSTEAD NOTHING;
CREATE TRIGGER tr BEFORE INSERT ON s.p FOR EACH ROW EXECUTE FUNCTION s.f();
CREATE POLICY pol ON s.child USING (id > 1); CREATE SEQUENCE s.q START 5; CREATE STATISTICS s.st ON id, n FROM s."T; 1";
CREATE OPERATOR s.@#@ (RIGHTARG = int, FUNCTION = int4um); CREATE OPERATOR s.@#@ (RIGHTARG = bigint, FUNCTION = int8um);
CREATE AGGREGATE s.agg (text) (SFUNC = textcat, STYPE = text); CREATE VIEW s.v AS SELECT id FROM s.child;
CREATE MATERIALIZED VIEW s.m AS SELECT n FROM s."T; 1"; CREATE EXTENSION hstore SCHEMA s; SELECT lo_from_bytea(555, 'abc');
CREATE TEXT SEARCH CONFIGURATION s.ts (COPY = pg_catalog.english);
ALTER DEFAULT PRIVILEGES FOR ROLE gen_first GRANT SELECT ON TABLES TO gen_reader;
"""
CHANGES = r"""
COMMENT ON COLUMN s."T; 1".t IS NULL
COMMENT ON SCHEMA s IS 'x'
UPDATE s."T; 1" SET n = n + 0.0 WHERE id = 7
UPDATE s."T; 1" SET t = t || ' ' WHERE id = 7
DELETE FROM s."T; 1" WHERE id = 50
REVOKE INSERT ON s."T; 1" FROM gen_reader
REVOKE SELECT (t) ON s."T; 1" FROM gen_reader
GRANT INSERT ON s."T; 1" TO gen_reader WITH GRANT OPTION
REVOKE EXECUTE ON FUNCTION s.f() FROM PUBLIC
GRANT USAGE ON SCHEMA s TO gen_reader
REVOKE USAGE ON TYPE s.mood FROM PUBLIC
ALTER TABLE s.child OWNER TO gen_first
ALTER OPERATOR s.@#@ (NONE, bigint) OWNER TO gen_first
ALTER TYPE s.mood OWNER TO gen_first
ALTER STATISTICS s.st OWNER TO gen_first
ALTER SCHEMA s OWNER TO gen_first
ALTER AGGREGATE s.agg (text) OWNER TO gen_first
ALTER TABLE s."T; 1" DISABLE TRIGGER tr
ALTER TABLE s.p1 ENABLE ALWAYS TRIGGER tr
ALTER TABLE s.child DISABLE RULE r
SELECT lo_put(555, 1, 'x')
GRANT SELECT ON LARGE OBJECT 555 TO gen_reader
ALTER LARGE OBJECT 555 OWNER TO gen_first
COMMENT ON LARGE OBJECT 555 IS 'x'
SELECT lo_unlink(555)
SELECT lo_create(556)
SELECT setval('s.q', 77)
SELECT nextval('s.q')
ALTER SEQUENCE s.q INCREMENT 3
ALTER TABLE s.child ENABLE ROW LEVEL SECURITY
ALTER TABLE s.child FORCE ROW LEVEL SECURITY
ALTER POLICY pol ON s.child USING (id > 2)
ALTER POLICY pol ON s.child TO gen_reader
ALTER DOMAIN s.d VALIDATE CONSTRAINT c
UPDATE pg_constraint SET convalidated = false WHERE conname = 'child_id_fkey'
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 's.child_id'::regclass
ALTER STATISTICS s.st SET STATISTICS 9
DROP STATISTICS s.st
ALTER TABLE s."T; 1" ALTER t SET STORAGE EXTERNAL
ALTER TABLE s."T; 1" ALTER n SET STATISTICS 5
ALTER TABLE s."T; 1" ALTER t SET COMPRESSION lz4
ALTER TABLE s.child SET (fillfactor = 50)
ALTER TABLE s.child CLUSTER ON child_id
ALTER TABLE s.child REPLICA IDENTITY FULL
ALTER TABLE s.child SET UNLOGGED
ALTER FUNCTION s.f() SECURITY DEFINER
ALTER FUNCTION s.f() SET search_path = ''
ALTER VIEW s.v SET (security_barrier)
ALTER DATABASE "comparison b" SET work_mem = '2MB'
ALTER ROLE gen_reader IN DATABASE "comparison b" SET work_mem = '2MB'
REVOKE CONNECT ON DATABASE "comparison b" FROM PUBLIC
ALTER DATABASE "comparison b" OWNER TO gen_first
COMMENT ON DATABASE "comparison b" IS 'x'
ALTER DATABASE "comparison b" CONNECTION LIMIT 3
DROP EXTENSION hstore
ALTER EXTENSION hstore SET SCHEMA public
ALTER TEXT SEARCH CONFIGURATION s.ts DROP MAPPING FOR word
ALTER TYPE s.mood ADD VALUE 'c'
ALTER DEFAULT PRIVILEGES FOR ROLE gen_first REVOKE SELECT ON TABLES FROM gen_reader
REFRESH MATERIALIZED VIEW s.m WITH NO DATA
ALTER TABLE s.p DETACH PARTITION s.p1
CREATE TABLE extra ()
DROP VIEW s.v
ALTER TABLE s.child ALTER id SET NOT NULL
CREATE EVENT TRIGGER et ON sql_drop EXECUTE FUNCTION suppressed()
CREATE PUBLICATION pub
ALTER TABLE s."T; 1" DROP COLUMN n CASCADE
CREATE CAST (s.mood AS int) WITH INOUT
ALTER TABLE s."T; 1" ALTER t DROP DEFAULT
GRANT USAGE ON LANGUAGE plpgsql TO gen_reader
""".strip().splitlines()


@pytest.fixture(scope="module")
def original(newest: Servers) -> Iterator[Facts]:
    """The facts of a database; another of the same content is the template of those that are changed."""
    source = newest.source
    names = ("comparison a", "comparison template")
    for name in names:
        _execute(source.superuser_dsn(), f'CREATE DATABASE "{name}" OWNER gen_owner')
        _execute(source.superuser_dsn(name), CONTENT)
        _execute(
            source.superuser_dsn(name),
            "CREATE FUNCTION suppressed() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
        )
    yield compare.facts_of(source.superuser_dsn(names[0]), newest.comparing)
    for name in names:
        _execute(source.superuser_dsn(), f'DROP DATABASE "{name}"')


@pytest.fixture
def changed(newest: Servers, original: Facts) -> Iterator[str]:
    """A copy that may be changed."""
    _execute(newest.source.superuser_dsn(), 'CREATE DATABASE "comparison b" OWNER gen_owner TEMPLATE "comparison template"')
    yield newest.source.superuser_dsn("comparison b")
    _execute(newest.source.superuser_dsn(), 'DROP DATABASE "comparison b" WITH (FORCE)')


def test_equal_databases_have_no_difference(newest: Servers, original: Facts, changed: str) -> None:
    assert compare.differences(original, compare.facts_of(changed, newest.comparing)) == []


# Each comparison takes a dump: the quick tests make every sixth change.
@pytest.mark.parametrize("change", [pytest.param(change, marks=[pytest.mark.slow] if n % 6 else []) for n, change in enumerate(CHANGES)])
def test_one_change_is_found(newest: Servers, original: Facts, changed: str, change: str) -> None:
    _execute(changed, change)

    found = compare.differences(original, compare.facts_of(changed, newest.comparing))

    assert found, change


def _execute(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode())
