"""Restore points of what lies in S3, at the command line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dbrestore.cli import main
from dbrestore.cli.control import ControlPlane
from dbrestore.contract.adoption.patterns import parse
from tests.unit.cli.conftest import REGION
from tests.unit.points.pgdump import archives
from tests.unit.points.sqlserver.backups import backup
from tests.unit.points.sqlserver.test_adding import FULL

NIGHTLY = "s3://team-backups/nightly/"


@pytest.fixture
def plane_with_backups(plane: ControlPlane) -> ControlPlane:
    plane.storage.create_bucket(Bucket="team-backups", CreateBucketConfiguration={"LocationConstraint": REGION})
    for number in (1, 2):
        body = backup(replace(FULL, stripe=number, stripes=2, pages=30 * number))
        plane.storage.put_object(Bucket="team-backups", Key=f"nightly/crm {number}.bak", Body=body)
    return plane


def test_native_backups_are_added_and_shown(plane_with_backups: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["points", "add", "crm-mssql", "--engine", "sqlserver", "--from", NIGHTLY]) == 0
    point_id = capsys.readouterr().out.strip()

    assert main.run(["points", "show", "crm-mssql"]) == 0
    assert f"crm-mssql {point_id}: sqlserver" in capsys.readouterr().out
    assert main.run(["points", "verify", "crm-mssql", "--deep"]) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--from", "s3://x"], "isn't a place in S3: write s3://bucket/key"),
        (["--from", "s3://team-backups/a", "--from", "/tmp/a"], "give paths or places in S3, not both"),
        (["--from", "s3://team-backups/a", "--from", "s3://other-bucket/b"], "lie in one bucket"),
        (
            ["--engine", "sqlserver", "--from", "s3://team-backups/a", "--sha256", "0" * 64],
            "nobody reads native backups in S3",
        ),
        (["--from", "a.dump", "--retrieve", "Bulk"], "--retrieve is for backups in S3"),
    ],
)
def test_what_can_not_be_meant_is_wrong_usage(
    plane: ControlPlane, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main.run(["points", "add", "shop", *arguments]) == 2

    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(("where", "code"), [("s3://no-such-bucket-there/a", 10), (NIGHTLY + "none", 10)])
def test_what_is_not_there_ends_with_10(
    plane_with_backups: ControlPlane, capsys: pytest.CaptureFixture[str], where: str, code: int
) -> None:
    for arguments in (["add", "shop", "--from", where], ["add", "shop", "--engine", "sqlserver", "--from", where], ["discover", where]):
        assert main.run(["points", *arguments]) == code
        assert "SourceNotFound: " in capsys.readouterr().err


def test_a_bucket_is_looked_through_where_nothing_is_deployed(
    plane_with_backups: ControlPlane, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    plane_with_backups.account.client("ssm").delete_parameter(Name="/dbrestore/control")
    s3 = plane_with_backups.storage
    s3.put_object(Bucket="team-backups", Key="pg/shop.dump", Body=archives.custom(archives.shop("zstd")))
    s3.put_object(Bucket="team-backups", Key="pg/shop.sql", Body=b"-- plain")
    s3.put_object(Bucket="team-backups", Key="pg/shop.log", Body=b"done")

    assert main.run(["points", "discover", "s3://team-backups"]) == 0
    told = capsys.readouterr()
    assert main.run(["points", "discover", "s3://team-backups", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert "s3://team-backups/pg/shop.dump" in told.out
    assert f"{NIGHTLY}crm 1.bak and 1 more" in told.out
    assert "Can't be added: s3://team-backups/pg/shop.sql: a plain SQL text" in told.err.replace("\n", " ")
    assert "1 of 5 objects (1 .log)" in told.err
    assert "To add the newest: dbrestore points add INSTANCE" in told.err
    rule = json.loads(told.err[told.err.index('{"name"') :].replace("\n", ""))
    assert parse(rule["pattern"]).match("pg/crm.dump") or rule["engine"] == "sqlserver"
    assert (rule["bucket"], rule["instance"]) == ("team-backups", "INSTANCE")
    assert [line["type"] for line in lines] == ["point", "point", "refused", "summary"]
    assert lines[-1]["notLookedAt"] == {".log": 1}


def test_when_the_reading_fails_for_another_reason_the_same_command_carries_on(
    plane_with_backups: ControlPlane, capsys: pytest.CaptureFixture[str]
) -> None:
    s3, repository = plane_with_backups.storage, plane_with_backups.repository_bucket
    s3.put_object(Bucket="team-backups", Key="shop.dump", Body=archives.custom(archives.shop("zstd")))

    # This account's state machine knows nothing of restore points: it fails.
    assert main.run(["points", "add", "shop", "--from", "s3://team-backups/shop.dump"]) == 1

    told = capsys.readouterr().err.replace("\n", " ")
    assert "A worker reads what S3 has copied: r-" in told
    assert "stays for two days: the same command carries on" in told
    kept = [(item["Key"], item["LastModified"]) for item in s3.list_objects_v2(Bucket=repository)["Contents"]]
    assert [key.rpartition("/")[2].partition(".")[2] for key, _ in kept] == ["json", "pgdump"]
    assert main.run(["points", "add", "shop", "--from", "s3://team-backups/shop.dump"]) == 1
    again = s3.list_objects_v2(Bucket=repository)["Contents"]
    assert (kept[1], len(again)) == ((again[1]["Key"], again[1]["LastModified"]), 2)
