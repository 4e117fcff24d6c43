"""Which texts can stand as a derived table of T-SQL, and that none gets out of it."""

import pytest

from dbrestore.contract.checks import tsql_question
from dbrestore.contract.checks.tsql_question import NotOneQuestion

VALUE = "SELECT TOP (2) [value] FROM (\n{}\n) AS [answer] ([value])"

ONE = [
    "SELECT 1",
    "select max(at) from dbo.orders where name = 'it''s; --' and [a;b]]c] = \"d;)\"",
    "SELECT ')' /* ) /* ( */ ; */ -- )\n, (1)",
    "SELECT 1 -- the end",
    "SELECT 1 /* the end */",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "SELECT a.b.c.d()",
    "SELECT x.a, y.b, 1.5e3, .5 FROM shop.dbo.x, dbo.y",
    "SELECT openquery FROM t",
    "SELECT TOP (1) a FROM t ORDER BY a",
    "SELECT ROW_NUMBER() OVER (ORDER BY a), [order] FROM t",
    "SELECT '\\\n' FROM t",
]


@pytest.mark.parametrize("text", ONE[:6] + ONE[7:])
def test_a_query_stands_in_parentheses_as_it_is(text: str) -> None:
    assert tsql_question.read(text).value == VALUE.format(text.removesuffix(" -- the end").removesuffix(" /* the end */"))


@pytest.mark.parametrize("end", [";", " ; ;\n", "; -- done", ";/* done; */"])
def test_semicolons_and_comments_at_its_end_are_left_out(end: str) -> None:
    assert tsql_question.read(f"SELECT 1{end}").value == VALUE.format("SELECT 1")


def test_tables_before_a_query_stay_before_it() -> None:
    question = tsql_question.read("WITH a (x) AS (SELECT 1), [b c] AS (SELECT x FROM a /* ( */)\nSELECT x FROM [b c];")

    assert question.value == "WITH a (x) AS (SELECT 1), [b c] AS (SELECT x FROM a /* ( */)\n" + VALUE.format("SELECT x FROM [b c]")


def test_each_column_of_rows_that_are_counted_has_a_name() -> None:
    counted = tsql_question.read("SELECT a, a FROM t").count(2)

    assert counted == "SELECT COUNT_BIG(*) AS [value] FROM (\nSELECT a, a FROM t\n) AS [answer] ([c1], [c2])"


REFUSED = [
    ("", "not a query of T-SQL"),
    (";", "not a query of T-SQL"),
    ("TABLE orders", "not a query of T-SQL"),
    ("VALUES (1)", "not a query of T-SQL"),
    ("EXEC xp_cmdshell 'dir'", "not a query of T-SQL"),
    ("SELECT 1; SELECT 2", "more than one statement"),
    ("SELECT 1;;DROP TABLE t", "more than one statement"),
    ("SELECT 1) AS a (b) DROP TABLE t --", "closes a parenthesis that it did not open"),
    ("SELECT 1) AS a (b); SELECT (1", "closes a parenthesis that it did not open"),
    ("SELECT 1 /* ) */) AS a (b) COMMIT SELECT (2", "closes a parenthesis that it did not open"),
    # Where comments did not nest, the parenthesis would be outside of one.
    ("SELECT 1 /* /* */ ) AS a (b) COMMIT", "the comment at /* has no end"),
    ("SELECT '1) AS a (b) COMMIT", "' at character 8 has no end"),
    ("SELECT [1) AS a (b) COMMIT", "[ at character 8 has no end"),
    ('SELECT "1) AS a (b) COMMIT', '" at character 8 has no end'),
    ("SELECT 1]", "] at character 9 has no end"),
    ("SELECT (1", "opens a parenthesis that it does not close"),
    ("SELECT 1 -- a\r) AS a (b) COMMIT --", "may end its line"),
    ("SELECT 1 -- a\u2028) AS a (b) COMMIT --", "may end its line"),
    ("SELECT 1 -- a\x85) AS a (b) COMMIT --", "may end its line"),
    ("SELECT * FROM OPENROWSET(BULK 'c:\\x', SINGLE_CLOB) AS x", "OPENROWSET reads from elsewhere"),
    ("SELECT * FROM openquery /* */ (linked, 'DELETE FROM t')", "OPENQUERY reads from elsewhere"),
    ("SELECT * FROM OpenDataSource('SQLNCLI', 'x').a.b.c", "OPENDATASOURCE reads from elsewhere"),
    ("SELECT * FROM linked.a.b.c", "a name of four parts is one of another server"),
    ("SELECT * FROM [linked]...[c]", "a name of four parts is one of another server"),
    ("SELECT a FROM t ORDER BY a", "can't be without TOP"),
    ("WITH a AS (SELECT TOP 1 b FROM t ORDER BY b) SELECT b FROM a UNION SELECT 1 ORDER BY b", "can't be without TOP"),
    ("WITH a AS (SELECT 1) DELETE FROM a", "SELECT must follow WITH"),
    ("WITH a AS (SELECT 1)", "SELECT must follow WITH"),
    ("WITH a AS SELECT 1", "WITH needs a name, AS and a query in parentheses"),
    ("WITH XMLNAMESPACES ('u' AS n) SELECT 1", "WITH needs a name, AS and a query in parentheses"),
    ("WITH (NOLOCK) SELECT 1", "WITH needs a name, AS and a query in parentheses"),
]


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_what_is_no_single_query_is_refused(text: str, why: str) -> None:
    with pytest.raises(NotOneQuestion) as refused:
        tsql_question.read(text)

    assert why in str(refused.value)


def test_line_ends_of_windows_are_those_of_a_line() -> None:
    assert tsql_question.read("SELECT 1 -- a\r\n, 2").value == VALUE.format("SELECT 1 -- a\r\n, 2")
