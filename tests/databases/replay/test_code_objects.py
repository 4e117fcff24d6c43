"""What a dump brings that runs by itself, or as its owner, is listed from the catalogue; so is whoever owns what nobody decided on."""

from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest

from dbrestore.points.pgdump import toc as pgdump_toc
from dbrestore.worker.postgresql.checks.code_objects import code_objects
from dbrestore.worker.postgresql.checks.ownership import owners_check, strangers, strangers_check
from tests.databases.restore_case import Cloud

CODE = """
CREATE EXTENSION citext; CREATE ROLE app;
CREATE FUNCTION "Own"(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION said(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR ### (rightarg = int, function = said);
CREATE DOMAIN odd AS int CHECK (said(VALUE));
CREATE TABLE t (x int, c citext); CREATE INDEX plain ON t (x); CREATE INDEX of_server ON t (abs(x)) WHERE c = 'a';
CREATE INDEX expressed ON t (("Own"(x) + 1)); CREATE INDEX partial ON t (x) WHERE ### x; CREATE INDEX by_domain ON t ((x::odd));
CREATE DOMAIN wide AS odd; CREATE DOMAIN even AS int CHECK (### VALUE); CREATE TYPE pair AS (a odd, b int);
CREATE INDEX by_wide ON t ((x::wide)); CREATE INDEX by_even ON t ((x::even)); CREATE INDEX by_array ON t ((ARRAY[x]::odd[]));
CREATE INDEX by_pair ON t ((ROW(x, x)::pair));
CREATE FUNCTION apart(int, int) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT 1::float8';
CREATE TYPE span AS RANGE (subtype = int, subtype_diff = apart, multirange_type_name = multispan); CREATE DOMAIN term AS span;
CREATE TABLE spans (a span, b term, c int4range, d multispan, e text); CREATE TABLE of_range (r int4range);
CREATE STATISTICS of_server_too ON abs(x), c FROM t; CREATE STATISTICS counted ON ("Own"(x)), c FROM t;
CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION "def; iner"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER a BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION fire();
CREATE CONSTRAINT TRIGGER b AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION "def; iner"();
CREATE TABLE s (x int PRIMARY KEY) PARTITION BY LIST (x); CREATE TABLE s1 PARTITION OF s FOR VALUES IN (1);
CREATE TABLE r (x int REFERENCES s);
CREATE TRIGGER a BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION fire();
CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER watched ON ddl_command_end EXECUTE FUNCTION watch();
ALTER TABLE t OWNER TO app; ALTER FUNCTION "def; iner"() OWNER TO app
"""
# Each is owned by app where it isn't the extension's.
OWNED = """
CREATE ROLE app; CREATE SCHEMA of_app AUTHORIZATION app; CREATE EXTENSION pg_trgm; CREATE EXTENSION earthdistance CASCADE;
SET ROLE app;
CREATE TABLE of_app.t (id serial, y int GENERATED ALWAYS AS IDENTITY, z text); CREATE VIEW of_app.v AS SELECT 1 AS x;
CREATE MATERIALIZED VIEW of_app.m AS SELECT 1 AS x; CREATE SEQUENCE of_app.q; CREATE INDEX ON of_app.t (z);
CREATE TYPE of_app.pair AS (a int); CREATE TYPE of_app.mood AS ENUM ('a'); CREATE TYPE of_app.span AS RANGE (subtype = int);
CREATE DOMAIN of_app.d AS int;
CREATE FUNCTION of_app.f(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE PROCEDURE of_app.p(OUT a int) LANGUAGE plpgsql AS 'BEGIN END';
CREATE AGGREGATE of_app.g(int) (sfunc = int4pl, stype = int);
CREATE OPERATOR of_app.### (leftarg = int, rightarg = int, function = of_app.f);
CREATE COLLATION of_app.k FROM "C"; CREATE TEXT SEARCH CONFIGURATION of_app.c (COPY = simple);
CREATE STATISTICS of_app.s ON id, z FROM of_app.t;
CREATE TEXT SEARCH DICTIONARY of_app.i (TEMPLATE = simple); CREATE CONVERSION of_app.n FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
SELECT lo_create(77); RESET ROLE; CREATE OPERATOR FAMILY of_app.o USING btree; ALTER OPERATOR FAMILY of_app.o USING btree OWNER TO app
"""
KINDS = {
    "aggregate": 1,
    "collation": 1,
    "conversion": 1,
    "function": 1,
    "large": 1,
    "materialized": 1,
    "operator": 2,
    "procedure": 1,
    "schema": 1,
    "sequence": 3,
    "statistics": 1,
    "table": 1,
    "text": 2,
    "type": 4,
    "view": 1,
}


@pytest.fixture
def listed(cloud: Cloud) -> Iterator[psycopg.Connection]:
    """A session of the superuser in an empty database."""
    cloud.create_database("listed")
    with psycopg.connect(cloud.server.superuser_dsn("listed"), autocommit=True, options="-c search_path=") as connection:
        yield connection


def test_what_runs_by_itself_or_as_its_owner_is_listed(cloud: Cloud, listed: psycopg.Connection) -> None:
    cloud.execute(CODE, "listed", superuser=True)

    found = [(c.kind, c.name, c.function, c.runs_as, c.when) for c in code_objects(listed)]

    superuser = listed.info.user
    on_spans = "whenever autovacuum or ANALYZE works on public.spans"
    analysed = "whenever autovacuum, ANALYZE or REINDEX works on public.t"
    assert found == [
        ("security definer function", 'public."def; iner"()', 'public."def; iner"()', "app", "whenever a role that may call it does"),
        ("expression index", "public.by_array", "public.said(integer)", "app", analysed),
        ("expression index", "public.by_domain", "public.said(integer)", "app", analysed),
        ("expression index", "public.by_even", "public.said(integer)", "app", analysed),
        ("expression index", "public.by_pair", "public.said(integer)", "app", analysed),
        ("expression index", "public.by_wide", "public.said(integer)", "app", analysed),
        ("expression index", "public.expressed", 'public."Own"(integer)', "app", analysed),
        ("partial index", "public.partial", "public.said(integer)", "app", analysed),
        ("statistics object", "public.counted", 'public."Own"(integer)', "app", "whenever autovacuum or ANALYZE works on public.t"),
        ("range column", "public.spans.a", "public.apart(integer,integer)", superuser, on_spans),
        ("range column", "public.spans.b", "public.apart(integer,integer)", superuser, on_spans),
        ("range column", "public.spans.d", "public.apart(integer,integer)", superuser, on_spans),
        ("event trigger", "watched", "public.watch()", "whoever gives the command", "at each ddl_command_end"),
        ("trigger", "a on public.s", "public.fire()", "whoever writes the table", "whenever somebody writes public.s"),
        ("trigger", "a on public.t", "public.fire()", "whoever writes the table", "whenever somebody writes public.t"),
        ("trigger", "b on public.t", 'public."def; iner"()', "app", "whenever somebody writes public.t"),
    ]


def test_statistics_of_ranges_run_their_functions_as_the_owner_of_the_table(cloud: Cloud, listed: psycopg.Connection) -> None:
    cloud.execute(
        """CREATE ROLE app; GRANT CREATE ON SCHEMA public TO app; SET ROLE app; CREATE TABLE public.seen (who text);
        CREATE FUNCTION public.v() RETURNS void LANGUAGE sql AS 'INSERT INTO public.seen SELECT current_user';
        CREATE FUNCTION public.apart(int, int) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.v(); RETURN 1; END';
        CREATE TYPE public.span AS RANGE (subtype = int, subtype_diff = public.apart); CREATE TABLE public.spans (a public.span);
        INSERT INTO public.spans SELECT public.span(i, i + 2) FROM generate_series(1, 9) AS i; RESET ROLE; ANALYZE public.spans""",
        "listed",
        superuser=True,
    )

    assert set(cloud.execute("SELECT who FROM public.seen", "listed", superuser=True)) == {("app",)}
    assert [(each.kind, each.runs_as) for each in code_objects(listed)] == [("range column", "app")]


def test_a_long_list_says_how_much_it_leaves_out(cloud: Cloud, listed: psycopg.Connection) -> None:
    for number in range(5):
        listed.execute(f"CREATE FUNCTION public.f{number}() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'")

    found = code_objects(listed, most=2)

    assert [each.name for each in found] == ["public.f0()", "public.f1()", "3 more"]


def test_every_object_that_belongs_to_somebody_else_is_found(cloud: Cloud, listed: psycopg.Connection) -> None:
    cloud.execute(OWNED, "listed", superuser=True)

    found = strangers(listed, ["nobody"])

    assert [each for each in found if not each.endswith(" of app")] == []
    assert Counter(each.split(" ")[0] for each in found) == KINDS
    assert strangers(listed, ["app"]) == []
    assert strangers_check(listed, ["app"]).result == "ok"
    assert strangers_check(listed, []).result == "failed"


def test_each_owner_is_compared_with_what_was_decided(cloud: Cloud, listed: psycopg.Connection) -> None:
    cloud.execute(OWNED, "listed", superuser=True)
    toc = pgdump_toc.parse([cloud.dump("listed", superuser=True).read_bytes()])
    listed.execute("CREATE ROLE other")

    as_decided = owners_check(listed, toc.entries, {"app": "app"}, "nobody")
    listed.execute("ALTER OPERATOR of_app.### (int, int) OWNER TO other; ALTER LARGE OBJECT 77 OWNER TO other")
    changed = owners_check(listed, toc.entries, {"app": "app"}, "nobody")

    assert (as_decided.result, as_decided.actual) == ("ok", "none")
    assert (changed.result, changed.actual) == (
        "failed",
        "OPERATOR of_app.### of other, not app, BLOB METADATA 77 of other, not app",
    )
