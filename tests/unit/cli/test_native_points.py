"""Native SQL Server backups at the command line: added, shown, refused with one line per problem."""

import json
from pathlib import Path
from uuid import UUID

import pytest

from cli import main
from cli.control import ControlPlane
from tests.unit.repository.native_backups import Written, backup


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "shop.bak"
    path.write_bytes(backup(Written(flags=0x200)))
    return path


def add(*arguments: object) -> int:
    return main.run(["points", "add", "crm-mssql", "--engine", "sqlserver", *map(str, arguments)])


def test_a_point_is_added_and_shown_as_its_header_says(
    plane: ControlPlane, whole: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert add("--from", whole) == 0
    point_id = capsys.readouterr().out.strip()

    assert main.run(["points", "show", "crm-mssql"]) == 0

    title, names, row = capsys.readouterr().out.rstrip().splitlines()
    assert title.startswith(f"crm-mssql {point_id}: sqlserver 15.0.2080, made ")
    assert names.split() == [
        "database",
        "backup",
        "begun",
        "server",
        "version",
        "level",
        "files",
        "checksums",
        "size",
        "stored",
    ]
    assert row.split() == [
        "shop", "full", "2023-02-28", "23:59:58", "HOST\\SQL", "15.0.2080", "150", "1", "no", "9.4", "MB", "215.6", "kB",
    ]  # fmt: skip


def test_json_gives_a_summary_and_the_manifest(
    plane: ControlPlane, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add("--from", whole, "--database", "crm", "--json") == 0
    assert main.run(["points", "show", "crm-mssql", "--json"]) == 0

    summary, manifest = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert summary["databases"] == [{"name": "crm", "backups": ["FULL"], "bytes": 9 << 20}]
    assert manifest["nativeDatabases"][0]["backupSets"][0]["checkpointLsn"] == "21:153:37"
    assert manifest["pointId"] == summary["pointId"]


def test_every_problem_is_one_line_that_names_its_file(
    plane: ControlPlane, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty, half = whole.with_name("empty"), whole.with_name("half")
    empty.touch()
    half.write_bytes(backup(Written(database="crm", stripes=2, set_id=UUID(int=9))))

    assert add("--from", whole, "--from", empty, "--from", half) == 1

    printed = capsys.readouterr()
    assert printed.out == ""
    assert [
        f"{empty}: is empty" in line or f"{half}: the set of 'crm'" in line for line in printed.err.splitlines()
    ] == [True, True]


def test_two_names_are_wrong_usage(no_aws: None, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add("--from", whole, "--from", whole, "--database", "a", "--database", "b") == 2

    assert "2 --database for native backups" in capsys.readouterr().err


def test_a_native_backup_offered_as_a_dump_is_refused(
    plane: ControlPlane, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["points", "add", "crm-mssql", "--from", str(whole)]) == 1

    assert "SQL Server backup" in capsys.readouterr().err
