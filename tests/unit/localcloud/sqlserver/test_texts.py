"""The table of what the simulated server says, and the engine: neither has what the other has not."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.sqlserver import engine as sqlserver_engine
from localcloud.sqlserver import page as sqlserver_page
from localcloud.sqlserver import texts as sqlserver_texts
from tests.unit.localcloud.sqlserver.objects import Server
from tests.unit.points.sqlserver.backups import Written, backup

FOLDER = Path(sqlserver_engine.__file__).parent
PAGE = FOLDER / "page.py"
TABLE = FOLDER / "texts.py"
# What stands between the engine and the RDS API: it speaks the API's words.
NOT_ENGINE = {"instances.py", "__init__.py"}
MODULES = sorted(
    path
    for path in (*FOLDER.glob("*.py"), *(FOLDER.parent / "tsql").glob("*.py"))
    if path not in (TABLE, PAGE) and path.name not in NOT_ENGINE
)
# PRINT, RAISERROR and THROW: the words are the script's.
SAYS_WHAT_SCRIPTS_SAY = "raising.py"
# Texts that a test chooses: Switches.fail_next has them said.
CHOSEN = {"transfer-aborted", "automated-backup", "backup-window"}
# SQL for SQLite.
SQL_WORDS = re.compile(r"(CREATE TABLE|INSERT INTO) ")


def literals(path: Path) -> Iterator[str]:
    """Strings of the code but docstrings, and the fixed parts of f-strings."""
    tree = ast.parse(path.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, documented)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in docstrings:
            yield node.value


def asked_for(path: Path) -> set[str]:
    """The keys that a module names."""
    return {literal for literal in literals(path) if literal in sqlserver_texts.TEXTS}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_sentence_is_said_that_is_not_in_the_table(path: Path) -> None:
    sentences = [one for one in literals(path) if len(one.split()) > 3 and "(?P<" not in one and "%Y" not in one]

    assert [one for one in sentences if not one.isupper() and not SQL_WORDS.match(one)] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_errors_are_made_by_the_table_alone(path: Path) -> None:
    if path.name == SAYS_WHAT_SCRIPTS_SAY:
        return
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]

    assert [one for one in calls if isinstance(one, ast.Name) and one.id in ("SqlError", "Message")] == []


def test_every_text_of_the_table_is_said_somewhere() -> None:
    said = CHOSEN.union(*map(asked_for, MODULES)) | {"terminated"}

    assert set(sqlserver_texts.TEXTS) - said == set()


def test_every_text_says_how_sure_it_is_and_why() -> None:
    for one in sqlserver_texts.TEXTS.values():
        assert one.mark in ("documented", "observed", "assumed")
        assert one.source
        assert "|" not in one.text


def test_what_rds_raises_carries_the_number_of_raised_texts() -> None:
    numbers = {one.number for one in sqlserver_texts.TEXTS.values()}

    assert {18456, 4060, 229, 3241, 3132, 3169, 3136, 4305, 4326, 3257, 1827, 33111, 102, 50000, 0} <= numbers
    assert all(10 <= one.severity <= 19 for one in sqlserver_texts.TEXTS.values())


def test_task_types_and_lifecycles_are_those_of_the_table() -> None:
    known = {one.name for one in sqlserver_texts.VALUES}
    full = backup(Written())
    server = Server({"full": full, "log": backup(Written(kind="L", first=(21, 160, 1), last=(21, 200, 1)))})
    server.restore("shop", "full", with_norecovery=1)
    server.restore_log("shop", "log")
    server.engine.take_slots(1)
    server.rows("exec msdb.dbo.rds_cancel_task 2")

    rows = [row for _ in range(4) for row in server.rows("exec msdb.dbo.rds_task_status")]

    assert {str(row["task_type"]) for row in rows} | {str(row["lifecycle"]) for row in rows} <= known
    assert [column.name for column in sqlserver_texts.columns(sqlserver_texts.TASK_STATUS)] == list(rows[0])


def test_the_page_has_a_row_for_every_text_column_and_value() -> None:
    page = sqlserver_page.page()

    for one in sqlserver_texts.TEXTS.values():
        assert f"`{one.text}` | {one.mark} | {one.source} |" in page
    for said in (*sqlserver_texts.TASK_STATUS, *sqlserver_texts.SUBMITTED, *sqlserver_texts.VALUES):
        assert f"| `{said.name}` |" in page
    assert page.endswith("|\n")
