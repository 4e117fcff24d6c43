"""What a person sees first of a restore that did not bring back everything, and what of the dump runs by itself."""

from io import StringIO
from typing import Any

from rich.console import RenderableType

from dbrestore.cli import consoles
from dbrestore.cli.following import Ended
from dbrestore.cli.views import left_out as left_out_view
from dbrestore.cli.views import report as report_view
from dbrestore.cli.views.display import as_json_lines
from dbrestore.contract.job import Check, CodeObject, ErrorNote, LeftOut, PostgresOptions
from dbrestore.contract.left_out_lists import by_database
from tests.unit.cli.views.test_report import printed, report, result

VIEW = LeftOut(entry="VIEW public.v", why="function f() does not exist", sql="CREATE VIEW public.v AS\n SELECT f();\n")
TABLE = LeftOut(entry="TABLE public.t", why="type x does not exist", rows=1200)
TRIGGER = CodeObject(
    kind="expression index", name="public.t_f", function="public.f(integer)", runs_as="app", when="whenever autovacuum analyses public.t"
)


def shown(*parts: RenderableType) -> str:
    console, written = consoles.out(), StringIO()
    console.file, console.width = written, 160
    for part in parts:
        console.print(part)
    return written.getvalue()


def ended(**more: Any) -> Ended:
    error = ErrorNote(name="ObjectsLeftOut", message="copy: 2 objects of the dump were left out")
    missing = by_database([result("replay", left_out=(VIEW, TABLE)), result("verify")])
    return Ended("r-1", "FAILED", error, (), report(), "s3://b/report.json", {}, left_out=missing, **more)


def test_a_report_begins_with_what_is_missing_why_and_the_sql_to_make_it() -> None:
    text = printed(report(status="FAILED"), result("replay", left_out=(VIEW, TABLE)), result("verify"))

    lines = [line.rstrip() for line in text.splitlines()]
    assert lines[1:9] == [
        "LEFT OUT of copy: 2 objects of the dump, 1,200 rows of the dump were not loaded",
        "  VIEW public.v",
        "    function f() does not exist",
        "    CREATE VIEW public.v AS",
        "     SELECT f();",
        "  TABLE public.t (1,200 rows)",
        "    type x does not exist",
        lines[8],
    ]
    assert lines[8].startswith("state ")


def test_the_screen_at_the_end_begins_with_it_too_and_says_where_the_sql_is() -> None:
    written = StringIO()
    console = consoles.out()
    console.file, console.width = written, 160

    report_view.print_end(console, ended())

    lines = written.getvalue().splitlines()
    assert lines[0].startswith("LEFT OUT of copy: 2 objects of the dump, 1,200 rows")
    assert "CREATE VIEW" not in written.getvalue()
    assert "The whole list, with the SQL to make each by hand: dbrestore report r-1" in lines


def test_a_long_list_is_shown_by_its_beginning_on_the_screen_and_whole_in_the_report() -> None:
    many = tuple(LeftOut(entry=f"VIEW v{n}", why="no") for n in range(100))
    found = by_database([result("replay", left_out=many), result("verify")])

    assert "and 80 more" in shown(*left_out_view.in_short(found, "r-1"))
    assert "VIEW v99" not in shown(*left_out_view.in_short(found, "r-1"))
    assert "VIEW v99" in shown(*left_out_view.whole(found))


def test_the_table_of_databases_says_how_much_each_lacks() -> None:
    lacking = {
        "name": "shop",
        "askedName": "copy",
        "status": "PROMOTED",
        "rows": 1,
        "bytes": 1,
        "seconds": 3,
        "leftOut": 2,
    }

    assert "PROMOTED, 2 left out" in printed(report(databases=[lacking]))
    assert "left out" not in printed(report())


def test_programs_get_it_first_and_whole() -> None:
    summary = list(as_json_lines(ended()))[-1]

    assert list(summary).index("leftOut") < list(summary).index("status")
    assert summary["leftOut"]["copy"][0] == {
        "entry": "VIEW public.v",
        "why": "function f() does not exist",
        "sql": VIEW.sql,
        "rows": 0,
    }
    assert summary["exitCode"] == 4


def test_a_database_that_does_not_stay_lacks_nothing() -> None:
    failed = result("verify").model_copy(
        update={"databases": tuple(d.model_copy(update={"status": "FAILED"}) for d in result("verify").databases)}
    )
    replayed = result("replay", left_out=(VIEW,)).model_copy(
        update={"databases": tuple(d.model_copy(update={"status": "REPLAYED", "left_out": (VIEW,)}) for d in failed.databases)}
    )

    assert by_database([replayed, failed]) == {}


def test_names_and_reasons_of_a_dump_do_nothing_to_the_terminal() -> None:
    evil = LeftOut(entry="VIEW \x1b[2J", why="\x1b]0;owned\x07", sql="SELECT '\x1b[31m[bold]'")

    text = shown(*left_out_view.whole(by_database([result("replay", left_out=(evil,)), result("verify")])))

    assert "\x1b" not in text
    assert "\\x1b[2J" in text
    assert "[bold]" in text


def test_what_of_the_dump_runs_by_itself_is_listed_once() -> None:
    text = printed(report(), result("replay", code=(TRIGGER,)), result("verify", code=(TRIGGER,)))

    [line] = [line for line in text.splitlines() if "public.t_f" in line]
    assert line.split("  ")[0] == "expression index"
    assert "whenever autovacuum analyses public.t" in line
    assert "code of the dump in copy" in text


def test_a_report_says_what_was_chosen_and_how_it_was_verified() -> None:
    text = printed(report(postgres=PostgresOptions(verify="counts").to_state()))

    assert "Proof: rows are counted, values are not compared" in text
    assert "Owners: a role without login or rights, one per database" in text


def test_what_was_not_checked_is_neither_good_nor_bad() -> None:
    checks = (
        Check(check="rows of a", expected="3", actual="3", result="ok"),
        Check(check="values of a.x", expected="as dumped", actual="float8 differs by version", result="not checked"),
    )
    [database] = result("verify", checks=checks).databases

    text = shown(report_view.verification_in_short(database))

    assert "values of a.x: float8 differs by version  " in text
    assert "not as dumped" not in text
    assert "not checked" in printed(report(), result("verify", checks=checks))
