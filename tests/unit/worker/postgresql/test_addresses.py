"""An entry of a dump has one key, however pg_dump quoted its names; what isn't understood has none."""

import pytest

from dbrestore.points.pgdump.packed_statements import Statements
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.points.pgdump.toc_values import Common
from dbrestore.worker.postgresql.addresses import Key, firing, object_keys


def entry(description: str, tag: str, drop: str = "", definition: str = "", schema: str | None = "s") -> TocEntry:
    """An entry of the table of contents."""
    sql = (Statements(definition, drop=drop),)
    return TocEntry(1, tag, Common(False, description, "pre-data", schema, owner="owner"), statements=sql)


@pytest.mark.parametrize(
    ("plain", "quoted", "names"),
    [
        (
            "DROP FUNCTION s.f(a integer, VARIADIC b text[]);",
            'DROP FUNCTION "s"."f"("a" integer, VARIADIC "b" "text"[]);',
            ("f", "a integer , variadic b text [ ]"),
        ),
        (
            'DROP PROCEDURE s."p(x"(IN a double precision, OUT "B c" s."T");',
            'DROP PROCEDURE "s"."p(x"("a" double precision, OUT "B c" "s"."T");',
            ("p(x", 'a double precision , out "B c" s . T'),
        ),
        ("DROP AGGREGATE s.n(*);", 'DROP AGGREGATE "s"."n"();', ("n", "")),
        ("DROP OPERATOR s.<>@ (NONE, integer);", 'DROP OPERATOR "s".<>@ (NONE, integer);', ("<>@", "none", "integer")),
        ("DROP OPERATOR CLASS s.o USING btree;", 'DROP OPERATOR CLASS "s"."o" USING "btree";', ("o", "btree")),
        ('DROP TRIGGER "t; ON x" ON s."a b";', 'DROP TRIGGER "t; ON x" ON "s"."a b";', ("a b", "t; ON x")),
    ],
)
def test_quoting_makes_no_difference(plain: str, quoted: str, names: tuple[str, ...]) -> None:
    kind = " ".join(word for word in plain.split(" s.")[0].split()[1:3] if word.isupper() and word.isalpha())

    assert object_keys(entry(kind, "x", plain)) == object_keys(entry(kind, "x", quoted)) == [Key(kind, "s", names)]


@pytest.mark.parametrize("only", ["ONLY ", ""])
@pytest.mark.parametrize(("schema", "table", "name"), [("s", "t", "c"), ("only", "_1", "drop_"), ("a_b", "t9", "domain")])
def test_nor_does_it_of_a_constraint(only: str, schema: str, table: str, name: str) -> None:
    plain = f"ALTER TABLE {only}{schema}.{table} DROP CONSTRAINT {name};\n"
    quoted = f'ALTER TABLE {only}"{schema}"."{table}" DROP CONSTRAINT "{name}";\n'

    assert (
        object_keys(entry("CONSTRAINT", "x", plain))
        == object_keys(entry("CONSTRAINT", "x", quoted))
        == [Key("CONSTRAINT", schema, (table, name))]
    )


@pytest.mark.parametrize("more", ["DROP TABLE s.t;", "-- no", "ALTER TABLE s.t DROP CONSTRAINT d;"])
def test_a_constraint_is_dropped_by_one_statement(more: str) -> None:
    assert object_keys(entry("CONSTRAINT", "x", f"ALTER TABLE ONLY s.t DROP CONSTRAINT c;\n{more}")) == []


@pytest.mark.parametrize(
    ("description", "drop", "names"),
    [
        ("FK CONSTRAINT", "ALTER TABLE ONLY s.t DROP CONSTRAINT c;", ("t", "c")),
        ("CHECK CONSTRAINT", "ALTER DOMAIN s.d DROP CONSTRAINT c;", ("d", "c")),
        ("CONSTRAINT", 'ALTER FOREIGN TABLE "s"."t" DROP CONSTRAINT "c";', ("t", "c")),
        ("DEFAULT", 'ALTER TABLE s.t ALTER COLUMN "a b" DROP DEFAULT;', ("t", "a b")),
    ],
)
def test_what_belongs_to_a_table_is_named_with_it(description: str, drop: str, names: tuple[str, ...]) -> None:
    assert object_keys(entry(description, "ambiguous a b", drop)) == [Key(description, "s", names)]


@pytest.mark.parametrize(
    "drop",
    [
        "",
        "DROP FUNCTION s.f;",
        "DROP FUNCTION f(integer);",
        "DROP FUNCTION s.f(integer); DROP TABLE s.t;",
        "DROP FUNCTION s.f(integer) --",
        "DROP PROCEDURE s.f(integer);",
        "DROP FUNCTION s.f(integer",
        "DROP FUNCTION IF EXISTS s.f(integer);",
    ],
)
def test_what_is_not_understood_is_no_object(drop: str) -> None:
    assert object_keys(entry("FUNCTION", "f(integer)", drop)) == []


def test_a_schema_named_like_a_part_of_a_kind_is_a_schema() -> None:
    drop = "DROP OPERATOR class.= (integer, integer);"

    assert object_keys(entry("OPERATOR", "=", drop)) == [Key("OPERATOR", "class", ("=", "integer", "integer"))]


@pytest.mark.parametrize(
    ("definition", "drop", "state"),
    [
        ("CREATE TRIGGER x BEFORE INSERT ON s.t EXECUTE FUNCTION f();\n", "DROP TRIGGER x ON s.t;", "enabled"),
        ("CREATE TRIGGER x ON s.t EXECUTE FUNCTION f();\n\nALTER TABLE s.t DISABLE TRIGGER x;\n", "DROP TRIGGER x ON s.t;", "disabled"),
        ("CREATE TRIGGER x ON s.t EXECUTE FUNCTION f();\n\nALTER TABLE s.t ENABLE ALWAYS TRIGGER x;\n", "DROP TRIGGER x ON s.t;", "always"),
        ("CREATE TRIGGER x ON s.t EXECUTE FUNCTION f('\nALTER TABLE s.t DISABLE TRIGGER x;');\n", "DROP TRIGGER x ON s.t;", "enabled"),
        ("\nALTER TABLE s.t ENABLE REPLICA TRIGGER x;\n", "", "replica"),
        ("\nALTER TABLE s.t ENABLE TRIGGER x;\n", "", "enabled"),
    ],
)
def test_how_a_trigger_fires_is_read_from_the_statement_that_says_so(definition: str, drop: str, state: str) -> None:
    assert firing(entry("TRIGGER", "t x", drop, definition)) == state
    assert object_keys(entry("TRIGGER", "t x", drop, definition)) == [Key("TRIGGER", "s", ("t", "x"))]
