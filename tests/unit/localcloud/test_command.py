"""`dbrestore local` when a local cloud is up already."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbrestore.cli import main
from localcloud.base import processes


@pytest.fixture
def up_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A process with the daemon's command line and its state file: all that tells whether a local cloud is up."""
    monkeypatch.setenv("DBRESTORE_LOCAL_DIR", str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "localcloud", "--directory", str(tmp_path / "cloud")])
    state = {
        "pid": process.pid,
        "endpoint": "http://127.0.0.1:4566",
        "directory": str(tmp_path / "cloud"),
        "already": False,
        "started": processes.started(process.pid),
    }
    (tmp_path / "state.json").write_text(json.dumps(state))
    yield process.pid
    process.kill()
    process.wait()


def test_up_says_at_once_that_it_is_up_already(up_already: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["local", "up"]) == 0

    printed = capsys.readouterr()
    assert "Starting" not in printed.err
    assert "Already up: http://127.0.0.1:4566" in printed.err
    assert f"in {os.environ['DBRESTORE_LOCAL_DIR']}" in printed.err
    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:4566\n" in printed.out


def test_up_on_another_port_says_that_it_is_not_there(up_already: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["local", "up", "--port", "4567"]) == 0

    assert "It is not on port 4567" in capsys.readouterr().err


def test_what_is_scheduled_is_not_known_while_it_is_not_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DBRESTORE_LOCAL_DIR", str(tmp_path))

    assert main.run(["local", "schedules"]) == 10

    assert "The local cloud is not up" in capsys.readouterr().err


def test_what_was_told_is_not_known_while_it_is_not_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DBRESTORE_LOCAL_DIR", str(tmp_path))

    assert main.run(["local", "events", "--follow"]) == 10

    assert "The local cloud is not up" in capsys.readouterr().err


def test_what_was_told_is_printed_as_it_came(up_already: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = {"at": "2027-01-31T02:00:05Z", "type": "message", "topic": "dbrestore-restores", "subject": None, "message": "done"}
    (tmp_path / "cloud").mkdir()
    (tmp_path / "cloud" / "told.jsonl").write_text(json.dumps(message) + "\n")

    assert main.run(["local", "events"]) == 0
    assert main.run(["local", "events", "--json"]) == 0

    plain, as_json = capsys.readouterr().out.splitlines()
    assert plain == "2027-01-31T02:00:05Z  to dbrestore-restores: done"
    assert json.loads(as_json) == message


def test_the_help_says_that_there_is_one_per_directory(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["local", "--help"]) == 0

    assert "DBRESTORE_LOCAL_DIR" in capsys.readouterr().out
