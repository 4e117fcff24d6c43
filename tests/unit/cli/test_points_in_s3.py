"""Restore points of what lies in S3, at the command line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dbrestore.cli import control, main
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


def declare(plane: ControlPlane, **places: list[str]) -> ControlPlane:
    """As a deployment with these places does."""
    ssm = plane.account.client("ssm")
    parts = json.loads(ssm.get_parameter(Name="/dbrestore/control")["Parameter"]["Value"])
    ssm.put_parameter(Name="/dbrestore/control", Value=json.dumps({**parts, **places}), Type="String", Overwrite=True)
    return control.find(plane.account)


@pytest.mark.parametrize(
    "places",
    [
        {"placesCopied": ["s3://team-backups/pg/"]},
        {"placesCopied": ["s3://others/", "s3://team-backups/"]},
        {"placesInPlace": ["s3://team-backups/pg/"]},
    ],
)
def test_what_lies_in_a_declared_place_is_ordered_and_not_copied(
    plane_with_backups: ControlPlane, capsys: pytest.CaptureFixture[str], places: dict[str, list[str]]
) -> None:
    plane = declare(plane_with_backups, **places)
    plane.storage.put_object(Bucket="team-backups", Key="pg/shop.dump", Body=archives.custom(archives.shop("zstd")))

    # This account's state machine knows nothing of restore points: it fails.
    assert main.run(["points", "add", "shop", "--from", "s3://team-backups/pg/shop.dump"]) == 1

    told = " ".join(capsys.readouterr().err.split())
    assert "The execution has S3 copy the dumps: this computer may be switched off meanwhile." in told
    assert "S3 copies, then a worker reads: r-" in told
    assert "stays for two days" not in told, "nothing was copied"
    [lies] = plane.storage.list_objects_v2(Bucket=plane.repository_bucket)["Contents"]
    assert lies["Key"].startswith(".unfinished/shop/")


@pytest.mark.parametrize("place", ["s3://team-backups/nightly/", "s3://team-backups-of-others/", "s3://team-backups/pg/shop.dump.sha256"])
def test_what_lies_elsewhere_the_command_copies_and_says_how_to_declare_it(
    plane_with_backups: ControlPlane, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    plane = declare(plane_with_backups, placesCopied=[place])
    plane.storage.put_object(Bucket="team-backups", Key="pg/shop.dump", Body=archives.custom(archives.shop("zstd")))

    assert main.run(["points", "add", "shop", "--from", "s3://team-backups/pg/shop.dump"]) == 1

    told = " ".join(capsys.readouterr().err.split())
    assert "at the request of this computer, which must stay switched on until a worker reads them" in told
    assert "s3://team-backups is no place that this installation may copy from" in told
    assert "configuration/in_place.json" in told
    assert len(plane.storage.list_objects_v2(Bucket=plane.repository_bucket)["Contents"]) == 2
