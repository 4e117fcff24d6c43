"""Restore points of dumps at the command line: refused names, what a dump lacks, the listing."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from dbrestore.cli import main
from dbrestore.cli.control import ControlPlane
from dbrestore.contract import keys
from tests.unit.points.pgdump import archives
from tests.unit.points.pgdump.test_adding import dump


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


def definitions_alone(path: Path) -> Path:
    """As `pg_dump --section=pre-data` leaves it."""
    whole = archives.shop("gzip")
    entries = tuple(entry for entry in whole.entries if entry.dump_id not in (20, 21, 22, 30, 90))
    path.write_bytes(archives.custom(replace(whole, entries=entries)))
    return path


def test_a_dump_without_data_is_said_to_be_one_when_it_is_added_and_shown(
    plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(definitions_alone(tmp_path / "a")) == 0
    added = capsys.readouterr()
    assert main.run(["points", "show", "shop"]) == 0
    shown = capsys.readouterr().out
    assert add(tmp_path / "a", "--json") == 0
    summary = json.loads(capsys.readouterr().out)

    assert len(added.out.splitlines()) == 1
    for text in (added.err, shown):
        assert "Note: shop: tables 2, without data 2: " in text
        assert "Note: shop: no indexes, constraints or triggers in this dump" in text
        assert "Note: shop: it names the roles other, shop_owner, and a dump of a database doesn't create roles" in text
        assert "Note: shop: it needs the extensions uuid-ossp" in text
    assert [note.split(":")[0] for note in summary["notes"]] == ["shop"] * 4
    assert "UTF8" in shown
    assert "C.UTF-8" in shown


def test_a_digest_from_where_the_dump_was_made_is_compared(plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = dump(tmp_path / "a")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    assert add(path) == 0
    assert "its data (zstd) has no checksum" in capsys.readouterr().err
    assert add(path, "--sha256", digest) == 0
    assert "has no checksum" not in capsys.readouterr().err
    assert add(path, "--sha256", "0" * 64) == 1
    assert f"a: the SHA-256 of its bytes is {digest}, --sha256 says {'0' * 64}" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--sha256", "x"], ["--sha256", "0" * 64, "--sha256", "0" * 64]])
def test_a_digest_that_cannot_be_one_is_wrong_usage(plane: ControlPlane, tmp_path: Path, arguments: list[str]) -> None:
    assert add(dump(tmp_path / "a"), *arguments) == 2


def test_the_listing_says_what_each_point_holds(plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(dump(tmp_path / "a"), "--from", str(dump(tmp_path / "b", database="crm"))) == 0
    point_id = capsys.readouterr().out.strip()

    assert main.run(["points", "list"]) == 0
    [_, row] = capsys.readouterr().out.splitlines()
    assert main.run(["points", "list", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)

    assert row.split()[:2] == ["shop", point_id]
    assert row.split()[-3:] == ["shop,", "crm", "6,000"]
    assert [(database["name"], database["rows"]) for database in told["databases"]] == [("shop", 3000), ("crm", 3000)]


def test_a_point_whose_manifest_is_damaged_is_listed_as_that(
    plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(dump(tmp_path / "a")) == 0
    key = keys.manifest_key("shop", capsys.readouterr().out.strip())
    plane.storage.put_object(Bucket=plane.repository_bucket, Key=key, Body=b"{")

    assert main.run(["points", "list"]) == 0
    assert "manifest damaged" in capsys.readouterr().out
    assert main.run(["points", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["error"]["name"] == "BackupDamaged"
    assert main.run(["points", "show", "shop"]) == 1
    assert f"{key} can't be read as a manifest" in capsys.readouterr().err


def test_the_listing_of_an_unknown_instance_ends_with_10_and_says_which_there_are(
    plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(dump(tmp_path / "a")) == 0

    assert main.run(["points", "list", "NOPE"]) == 10

    assert "it has points of shop" in capsys.readouterr().err
