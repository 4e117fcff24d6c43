"""Restore points of dumps at the command line: refused names, what a dump lacks, the listing."""

from pathlib import Path

import pytest

from cli import main
from cli.control import ControlPlane
from tests.unit.repository.test_points import dump


def add(path: Path, *arguments: str) -> int:
    return main.run(["points", "add", "shop", "--from", str(path), *arguments])


@pytest.mark.parametrize("arguments", [["../x"], ["orders\n"], [""], ["shop", "--database", "x" * 64]])
def test_a_name_that_could_not_be_restored_is_wrong_usage_and_nothing_is_uploaded(
    plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    path = dump(tmp_path / "a")

    assert main.run(["points", "add", *arguments, "--from", str(path)]) == 2

    assert "RestoreRequestInvalid: " in capsys.readouterr().err
    assert "Contents" not in plane.storage.list_objects_v2(Bucket=plane.repository_bucket)
