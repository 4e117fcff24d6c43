"""`points verify` at the command line: a line per file, and an exit code that a script can rely on."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient

from dbrestore.cli import main
from dbrestore.cli.control import ControlPlane
from tests.unit.points.pgdump.test_adding import dump
from tests.unit.points.sqlserver.backups import Written, backup
from tests.unit.points.sqlserver.damages import flipped


@pytest.fixture
def key(plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The second file of a point of a backup of two stripes."""
    arguments = []
    for number in (1, 2):
        path = tmp_path / f"{number}.bak"
        path.write_bytes(backup(Written(stripes=2, stripe=number, pages=200)))
        arguments += ["--from", str(path)]
    assert main.run(["points", "add", "crm", "--engine", "sqlserver", *arguments]) == 0
    return f"crm/{capsys.readouterr().out.strip()}/shop/01-full-2-of-2.bak"


def verified(capsys: pytest.CaptureFixture[str], *arguments: str, instance: str = "crm") -> tuple[int, list[str], str]:
    """The exit code, the lines on stdout, what stood on stderr."""
    code = main.run(["points", "verify", instance, *arguments])
    printed = capsys.readouterr()
    return code, printed.out.splitlines(), printed.err


def replaced(plane: ControlPlane, key: str, body: bytes | None = None, **arguments: str) -> None:
    at = {"Bucket": plane.repository_bucket, "Key": key}
    data = plane.storage.get_object(**at)["Body"].read() if body is None else body
    plane.storage.put_object(**at, Body=data, ChecksumAlgorithm="CRC32", **arguments)  # type: ignore[arg-type]


def damage(plane: ControlPlane, key: str) -> None:
    data = plane.storage.get_object(Bucket=plane.repository_bucket, Key=key)["Body"].read()
    replaced(plane, key, flipped(data, 8 * (len(data) // 2)))


@pytest.mark.parametrize("how", [[], ["--deep"]])
def test_a_point_in_order_ends_with_0_and_a_line_per_file(key: str, capsys: pytest.CaptureFixture[str], how: list[str]) -> None:
    code, lines, said = verified(capsys, *how)

    assert code == 0
    assert [line.split()[:2] for line in lines[:-1]] == [["ok", key.replace("2-of-2", "1-of-2")], ["ok", key]]
    assert lines[-1].startswith("shop can be restored: ")
    assert said.splitlines() == ["2 files"]


@pytest.mark.parametrize("how", [[], ["--deep"]])
def test_a_damaged_file_ends_with_1_and_stands_out(
    plane: ControlPlane, key: str, capsys: pytest.CaptureFixture[str], how: list[str]
) -> None:
    damage(plane, key)

    code, lines, said = verified(capsys, *how)

    assert code == 1
    assert [line.split()[:2] for line in lines][1:-1] == [["DAMAGED", key]]
    assert lines[-1].startswith(f"shop CAN'T BE RESTORED: a restore ends with BackupDamaged: {key} ")
    assert said.splitlines() == ["2 files, 1 damaged or missing"]


def test_a_missing_file_ends_with_1(plane: ControlPlane, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    plane.storage.delete_object(Bucket=plane.repository_bucket, Key=key)

    code, lines, _ = verified(capsys)

    assert code == 1
    assert lines[1] == f"MISSING   {key} is not in the repository: choose another restore point"


def test_an_archived_file_that_was_not_read_ends_with_4_and_one_that_nobody_wanted_to_read_with_0(
    plane: ControlPlane, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    replaced(plane, key, StorageClass="GLACIER")

    code, lines, said = verified(capsys, "--deep")

    assert code == 4
    assert lines[1].startswith(f"not read  {key} is archived")
    assert said.splitlines() == ["2 files, 1 not read"]
    assert verified(capsys)[0] == 0


def test_damage_outranks_what_was_not_read(plane: ControlPlane, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    replaced(plane, key, StorageClass="GLACIER")
    damage(plane, key.replace("2-of-2", "1-of-2"))

    assert verified(capsys, "--deep")[0] == 1


@pytest.mark.parametrize("how", [[], ["--deep"]])
def test_json_is_a_line_per_verdict_and_nothing_else(
    plane: ControlPlane, key: str, capsys: pytest.CaptureFixture[str], how: list[str]
) -> None:
    damage(plane, key)

    code, lines, said = verified(capsys, "--json", *how)

    *told, of_database = [json.loads(line) for line in lines]
    assert (code, said) == (1, "")
    assert [(one["type"], one["key"], one["state"]) for one in told] == [
        ("file", key.replace("2-of-2", "1-of-2"), "ok"),
        ("file", key, "damaged"),
    ]
    assert all(one["message"] for one in told)
    assert (of_database["type"], of_database["name"], of_database["state"]) == ("database", "shop", "damaged")


def test_a_point_that_was_removed_meanwhile_is_no_damaged_one(
    plane: ControlPlane, key: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = BaseClient._make_api_call

    def call(client: Any, operation: str, arguments: Any) -> Any:
        if operation == "HeadObject":
            for item in plane.storage.list_objects_v2(Bucket=plane.repository_bucket).get("Contents", []):
                original(plane.storage, "DeleteObject", {"Bucket": plane.repository_bucket, "Key": item["Key"]})
        return original(client, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)

    code, lines, _ = verified(capsys, key.split("/")[1])

    assert (code, lines) == (10, [])


def test_points_of_dumps_are_verified_too(plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["points", "add", "shop", "--from", str(dump(tmp_path / "a"))]) == 0
    capsys.readouterr()

    assert verified(capsys, "--deep", instance="shop")[0] == 0


def test_a_point_that_is_not_there_ends_with_10(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verified(capsys, instance="nobody")[0] == 10
    assert verified(capsys, "20200101T000000Z-00000000")[0] == 10
