"""Names out of backups reach the terminal and programs as text, whatever they hold."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dbrestore.cli.consoles import one_line, visible
from dbrestore.cli.control import ControlPlane
from dbrestore.cli.main import run
from dbrestore.cli.views import display
from localcloud.backups.files import Written, backup


def test_what_turns_the_direction_of_text_or_ends_a_line_is_shown() -> None:
    assert visible("gnp\u202eexe \u2066x\u2069 a\u2028b \u200f") == "gnp\\u202eexe \\u2066x\\u2069 a\\u2028b \\u200f"
    assert visible("👩\u200d💻 ßé漢") == "👩\u200d💻 ßé漢"


def test_a_name_stays_on_its_line() -> None:
    assert one_line("a\nNote: b\tc\x1b") == "a\\x0aNote: b\\x09c\\x1b"


def test_json_lines_hold_no_byte_that_a_terminal_acts_on(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = {"name": "\x1b\x9b31m\u202e\u2028 é", "file": "\udcff.bak"}

    display.print_json(hostile)

    line = capsys.readouterr().out
    line.encode()
    assert json.loads(line) == hostile
    assert line == '{"name": "\\u001b\\u009b31m\\u202e\\u2028 é", "file": "\\udcff.bak"}\n'


def test_a_line_feed_in_a_database_name_makes_no_line(plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.bak"
    path.write_bytes(backup(replace(Written(), database="a\nNote: all is well")))

    assert run(["points", "add", "crm", "--engine", "sqlserver", "--from", str(path)]) == 0
    assert run(["points", "show", "crm"]) == 0
    assert run(["points", "list"]) == 0

    told = capsys.readouterr()
    assert not [line for line in (told.out + told.err).splitlines() if line.startswith("Note: all")]
    assert "a\\x0aNote: all is well: full" in told.out
