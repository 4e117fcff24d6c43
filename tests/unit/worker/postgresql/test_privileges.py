"""Privileges are rebuilt from tokens: the allowed shapes exactly, everything else refused."""

import pytest

from dbrestore.worker.postgresql.addresses import Key
from dbrestore.worker.postgresql.rights.privileges import NOTHING_ELSE, Privilege, Surroundings, privileges
from dbrestore.worker.postgresql.sql_tokens import NotUnderstood


def rebuilt(definition: str, around: Surroundings = NOTHING_ELSE) -> list[str]:
    """The statements as text; what is passed over as it is said."""
    return [each.statement.as_string() if isinstance(each, Privilege) else each for each in privileges(definition, around)]


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("GRANT ALL ON TABLE a.b TO c;", 'GRANT ALL ON TABLE "a"."b" TO "c"'),
        (
            'GRANT SELECT(id),UPDATE("n,m") ON TABLE a.b TO "C d" WITH GRANT OPTION;',
            'GRANT SELECT ("id"), UPDATE ("n,m") ON TABLE "a"."b" TO "C d" WITH GRANT OPTION',
        ),
        ("REVOKE ALL ON SCHEMA public FROM PUBLIC;", 'REVOKE ALL ON SCHEMA "public" FROM PUBLIC'),
        ("REVOKE GRANT OPTION FOR USAGE ON SEQUENCE s.q FROM r;", 'REVOKE GRANT OPTION FOR USAGE ON SEQUENCE "s"."q" FROM "r"'),
        (
            'GRANT ALL ON FUNCTION s."F; x"("A" integer, VARIADIC r text[], timestamp without time zone) TO r;',
            'GRANT ALL ON FUNCTION "s"."F; x"( "A" integer , variadic r text [ ] , timestamp without time zone ) TO "r"',
        ),
        ("GRANT SELECT ON LARGE OBJECT 17 TO r;", 'GRANT SELECT ON LARGE OBJECT 17 TO "r"'),
        ('GRANT SELECT ON TABLE t TO "public";', 'GRANT SELECT ON TABLE "t" TO "public"'),
        ("GRANT SELECT ON TABLE t TO current_user;", 'GRANT SELECT ON TABLE "t" TO "current_user"'),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE a IN SCHEMA b GRANT SELECT ON TABLES TO c;",
            'ALTER DEFAULT PRIVILEGES FOR ROLE "a" IN SCHEMA "b" GRANT SELECT ON TABLES TO "c"',
        ),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE a REVOKE ALL ON FUNCTIONS FROM PUBLIC;",
            'ALTER DEFAULT PRIVILEGES FOR ROLE "a" REVOKE ALL ON FUNCTIONS FROM PUBLIC',
        ),
    ],
)
def test_an_allowed_statement_is_rebuilt_with_quoted_names(definition: str, expected: str) -> None:
    assert rebuilt(definition) == [expected]


@pytest.mark.parametrize(
    "definition",
    [
        "GRANT rds_superuser TO c;",
        "GRANT ALL ON DATABASE other TO c;",
        "GRANT ALL ON ALL TABLES IN SCHEMA a TO c;",
        "GRANT ALL ON TABLE a TO c; DROP TABLE a;",
        "GRANT ALL ON TABLE a TO c WITH ADMIN OPTION;",
        "GRANT ALL ON TABLE a TO c, d;",
        "GRANT SELECT ON TABLE a TO c /* */;",
        "GRANT SET ON PARAMETER x TO c;",
        "GRANT ALL ON TABLESPACE x TO c;",
        "GRANT EXECUTE ON FUNCTION f('x') TO c;",
        "GRANT EXECUTE ON FUNCTION f(int) ; TO c;",
        "GRANT EXECUTE ON FUNCTION f TO c;",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO c;",
        "ALTER ROLE c SUPERUSER;",
        "SET ROLE c;",
        "SET SESSION AUTHORIZATION a b;",
        "DO $$ BEGIN END $$;",
        "CREATE EXTENSION x;",
    ],
)
def test_every_other_statement_is_refused(definition: str) -> None:
    with pytest.raises(NotUnderstood):
        rebuilt(definition)


def test_another_grantor_is_replaced_by_the_owner_and_said() -> None:
    found = rebuilt("SET SESSION AUTHORIZATION bob;\nGRANT SELECT ON TABLE a TO c;\nRESET SESSION AUTHORIZATION;")

    assert found == ["granted by the object's owner instead of 'bob'", 'GRANT SELECT ON TABLE "a" TO "c"']


def test_what_is_said_to_be_of_the_database_is_about_nothing_else() -> None:
    with pytest.raises(NotUnderstood):
        rebuilt("ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT ALL ON TABLES TO c;", Surroundings("temp"))


def test_privileges_of_the_database_go_to_the_database_being_restored() -> None:
    assert rebuilt("REVOKE CONNECT ON DATABASE shop FROM PUBLIC;", Surroundings("temp;name")) == [
        'REVOKE CONNECT ON DATABASE "temp;name" FROM PUBLIC'
    ]


GIVEN = {
    Key("TABLE", "ext", ("jobs",)): ("SELECT",),
    Key("TABLE", "ext", ("t",)): ("INSERT", "SELECT", "DELETE"),
    Key("SCHEMA", None, ("ext",)): ("USAGE",),
    Key("FUNCTION", "ext", ("as_owner",)): (),
}


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("GRANT ALL ON TABLE ext.t TO c;", ['GRANT INSERT, SELECT, DELETE ON TABLE "ext"."t" TO "c"']),
        ("GRANT ALL(x),TRIGGER ON TABLE ext.t TO c;", ['GRANT INSERT ("x"), SELECT ("x") ON TABLE "ext"."t" TO "c"']),
        ("GRANT SELECT,INSERT ON TABLE ext.jobs TO c WITH GRANT OPTION;", ['GRANT SELECT ON TABLE "ext"."jobs" TO "c" WITH GRANT OPTION']),
        ("GRANT CREATE ON SCHEMA ext TO c;", []),
        ("GRANT ALL ON FUNCTION ext.as_owner(int4) TO c;", []),
        ("GRANT EXECUTE ON ROUTINE ext.as_owner(x int) TO c;", []),
    ],
)
def test_of_an_extensions_object_only_what_is_harmless_is_given(definition: str, expected: list[str]) -> None:
    told, *statements = rebuilt(definition, Surroundings(allowed=GIVEN))

    assert "an extension's" in told
    assert statements == expected


@pytest.mark.parametrize(
    "definition",
    ["REVOKE ALL ON TABLE ext.t FROM c;", "GRANT SELECT ON TABLE ext.t TO c;", "GRANT ALL ON TABLE t TO c;"],
)
def test_what_is_taken_away_or_harmless_or_of_others_is_as_the_dump_says(definition: str) -> None:
    assert rebuilt(definition, Surroundings(allowed=GIVEN)) == rebuilt(definition)
