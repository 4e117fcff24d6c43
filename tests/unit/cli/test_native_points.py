"""Native SQL Server backups at the command line: added, shown, refused with one line per problem."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest

from dbrestore.cli import main
from dbrestore.cli.control import ControlPlane
from dbrestore.cli.views import sqlserver as native_view
from dbrestore.contract.manifest import NativeBackupSet, NativeDatabaseBackup, NativeKind
from tests.unit.points.sqlserver.backups import Written, backup


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
    monkeypatch.setenv("COLUMNS", "200")
    assert add("--from", whole) == 0
    point_id = capsys.readouterr().out.strip()

    assert main.run(["points", "show", "crm-mssql"]) == 0

    title, names, row, line = capsys.readouterr().out.rstrip().splitlines()
    assert title.startswith(f"crm-mssql {point_id}: sqlserver 15.0.2080, made ")
    columns = ["database", "backup", "begun", "finished", "recovery", "server", "version", "LSNs"]
    assert names.split() == [*columns, "files", "checked", "used", "size", "stored"]
    moments = ["2023-02-28", "23:59:58", "2023-03-01", "00:00:03"]
    lsns, sizes = ["21:153:37", "to", "21:169:1"], ["53", "%", "114.7", "kB", "9.4", "MB", "215.6", "kB"]
    assert row.split() == ["shop", "full", *moments, "full", "HOST\\SQL", "15.0.2080", *lsns, "1", *sizes]
    assert line == "Note: shop: full"


def point(sets: Sequence[NativeBackupSet]) -> NativeDatabaseBackup:
    return NativeDatabaseBackup(name="crm", source_name="crm", database_id="i", backup_sets=tuple(sets))


def sets(text: str) -> list[NativeBackupSet]:
    """Each a kind and the numbers where its log begins and ends: `F0-1 L0-2 D1-3`."""
    kinds: dict[str, NativeKind] = {"F": "FULL", "D": "DIFFERENTIAL", "L": "LOG"}
    return [
        NativeBackupSet(
            kind=kinds[word[0]],
            set_id="s",
            media_set_id="m",
            files=(),
            compressed=False,
            checksums=True,
            server="s",
            version="15.0.2080",
            database_version=904,
            compatibility_level=150,
            begun_at=datetime(2026, 5, 12),
            first_lsn=f"21:{begin}:1",
            last_lsn=f"21:{end}:1",
            checkpoint_lsn="21:1:1",
            base_lsn="0:0:0",
            data_size=1,
            database_files=(),
        )
        for word in text.split()
        for begin, end in [word[1:].split("-")]
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("F0-1", "full"),
        ("F0-1 L0-2", "full ── log"),
        ("F0-1 L0-2 L2-3 L3-4 D4-5 L4-6", "full ── 3 logs ── differential ── log"),
        ("F0-1 L0-2 L3-4 L4-5", "full ── log ╳ 2 logs (╳: a log backup is missing)"),
        ("F0-1 L0-2 D5-6 L5-7 L9-9", "full ── log ── differential ╳ log ╳ log (╳: a log backup is missing)"),
        ("F0-1 D2-3 D4-5", "full ── 2 differentials"),
    ],
)
def test_the_chain_is_a_line_and_gaps_are_shown_in_it(text: str, line: str) -> None:
    assert native_view.chain(point(sets(text))) == f"crm: {line}"


def test_a_set_that_was_cut_out_and_what_was_not_judged_are_told(
    plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "shop.bak"
    path.write_bytes(backup(Written(sets=3, protection="torn", flags=0x200)))

    assert add("--from", path) == 0

    told = capsys.readouterr().err.splitlines()
    assert f"Left out: {path} (set 1 of 3): full backup of 'shop' begun 2023-02-26 23:59:58 is left out, because set 3 is" in told[-2]
    assert "Note: shop: full" in told
    assert "Note: shop: the full backup begun 2023-02-28 23:59:58 was set 3 of 3 in its file, and is stored alone" in told
    assert any("torn-page detection" in line for line in told)


def test_each_point_of_a_folder_is_printed_the_oldest_first_and_json_tells_what_was_left_out(
    plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = Written(
        set_id=UUID(int=9), media=UUID(int=9), begun=datetime(2023, 3, 7), first=(30, 1, 1), last=(30, 9, 1), checkpoint=(30, 1, 1)
    )
    (tmp_path / "a.bak").write_bytes(backup(newer))
    (tmp_path / "b.bak").write_bytes(backup())
    (tmp_path / "job.txt").write_text("done")

    assert add("--from", tmp_path, "--json") == 0

    first, second, left_out = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["pointId"] < second["pointId"]
    assert left_out == {"type": "leftOut", "message": f"{tmp_path / 'job.txt'}: isn't a backup, and was skipped"}
    assert main.run(["points", "list", "--json"]) == 0
    listed = [json.loads(line)["pointId"] for line in capsys.readouterr().out.splitlines()]
    assert listed == [first["pointId"], second["pointId"]]


def test_a_set_is_chosen_by_its_position(plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "shop.bak"
    path.write_bytes(backup(Written(sets=3)))

    assert add("--from", path, "--set", 2, "--json") == 0
    assert main.run(["points", "show", "crm-mssql", "--json"]) == 0

    [one] = json.loads(capsys.readouterr().out.splitlines()[1])["nativeDatabases"][0]["backupSets"]
    assert (one["position"], one["setsInFile"], one["begunAt"]) == (2, 3, "2023-02-27T23:59:58")


def test_a_position_is_for_native_backups_alone(no_aws: None, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["points", "add", "shop", "--from", str(whole), "--set", "1"]) == 2

    assert "--set is for native SQL Server backups" in capsys.readouterr().err


def test_json_gives_a_summary_and_the_manifest(plane: ControlPlane, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add("--from", whole, "--database", "crm", "--json") == 0
    assert main.run(["points", "show", "crm-mssql", "--json"]) == 0

    summary, manifest = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert summary["databases"] == [{"name": "crm", "backups": ["FULL"], "bytes": 9 << 20}]
    assert manifest["nativeDatabases"][0]["backupSets"][0]["checkpointLsn"] == "21:153:37"
    assert manifest["pointId"] == summary["pointId"]


def test_every_problem_is_one_line_that_names_its_file(plane: ControlPlane, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty, half = whole.with_name("empty"), whole.with_name("half")
    empty.touch()
    half.write_bytes(backup(Written(database="crm", stripes=2, set_id=UUID(int=9))))

    assert add("--from", whole, "--from", empty, "--from", half) == 1

    printed = capsys.readouterr()
    assert printed.out == ""
    assert [f"{empty}: is empty" in line or f"{half}: the set of 'crm'" in line for line in printed.err.splitlines()] == [True, True]


def test_two_names_are_wrong_usage(no_aws: None, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add("--from", whole, "--from", whole, "--database", "a", "--database", "b") == 2

    assert "2 --database for native backups" in capsys.readouterr().err


def test_a_native_backup_offered_as_a_dump_is_refused(plane: ControlPlane, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["points", "add", "crm-mssql", "--from", str(whole)]) == 1

    assert "SQL Server backup" in capsys.readouterr().err
