"""Which fingerprints a command knows: of the source tree it runs in, of the stamp in its wheel, or none with the reason."""

import json
import shutil
from pathlib import Path

import pytest

from dbrestore.cli import own_version
from dbrestore.contract.deployed import versions

SUMS = {"version": versions.NUMBER, "code": "c" * 64, "definition": "d" * 64}


@pytest.fixture
def stamp(tmp_path: Path) -> Path:
    path = tmp_path / "fingerprints.json"
    path.write_text(json.dumps(SUMS))
    return path


def test_a_source_tree_is_read_even_beside_a_stamp(stamp: Path) -> None:
    expected = own_version.expected(versions.ROOT, stamp)

    assert expected.code == versions.of_code()
    assert expected.why_unknown is None


def test_without_a_source_tree_the_stamp_counts(stamp: Path, tmp_path: Path) -> None:
    expected = own_version.expected(tmp_path, stamp)

    assert (expected.code, expected.definition, expected.version) == ("c" * 64, "d" * 64, versions.NUMBER)
    assert expected.document == own_version.expected().document


def test_another_packages_folder_of_that_name_is_no_source_tree(stamp: Path, tmp_path: Path) -> None:
    (tmp_path / "lambdas").mkdir()

    assert own_version.expected(tmp_path, stamp).code == "c" * 64


def test_a_definition_alone_is_no_source_tree(stamp: Path, tmp_path: Path) -> None:
    shutil.copytree(versions.ROOT / "statemachine", tmp_path / "statemachine")

    assert own_version.expected(tmp_path, stamp).code == "c" * 64


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "was installed without fingerprints.json"),
        ("{", "can't be read"),
        ("[]", "can't be read"),
        ('{"version": "0.1.0"}', "can't be read (KeyError('code'))"),
        (json.dumps(SUMS | {"version": "9.9.9"}), f"is {versions.NUMBER}, but its fingerprints.json is of 9.9.9"),
    ],
    ids=["none", "no JSON", "no object", "without sums", "of another version"],
)
def test_without_a_stamp_that_counts_nothing_is_expected_and_the_reason_is_told(
    stamp: Path, tmp_path: Path, content: str | None, reason: str
) -> None:
    if content is None:
        stamp.unlink()
    else:
        stamp.write_text(content)

    expected = own_version.expected(tmp_path, stamp)

    assert (expected.code, expected.definition) == (None, None)
    assert reason in str(expected.why_unknown)
