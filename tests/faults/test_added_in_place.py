"""Backups that stay in somebody's bucket are restored from there, on the local cloud: real functions and a real worker under their own
roles, for both engines.
"""

from pathlib import Path
from typing import Any

import boto3
import pytest

from dbrestore.cli import main
from dbrestore.cli.control import ControlPlane
from dbrestore.points import stored_points
from demo import crm as demo_crm
from demo import shop as demo_shop
from demo.shop import Shop
from localcloud import cloud as local
from localcloud.backups import sample as sample_native
from localcloud.cloud import Cloud
from localcloud.s3 import access_log
from localcloud.server import ACCESS_LOG
from localcloud.stacks import application
from tests.faults import other_account
from tests.faults.other_account import OtherAccount

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("added-in-place")]

OWN, THEIRS = "team-backups", other_account.BUCKET
# Those that docs/in-place.md names.
READERS = (
    *(
        f"dbrestore-control-{state}-{local.REGION}"
        for state in (
            "PlanRestore",
            "ExamineInstallation",
            "StageNativeBackups",
            "RequestRetrieval",
            "RetrieveArchive",
            "ReplayDumps",
            "VerifyDatabases",
        )
    ),
    f"dbrestore-target-{local.REGION}",
    f"dbrestore-worker-{local.REGION}",
)


def places(key: str) -> dict[str, Any]:
    own = {"bucket": OWN, "prefix": "nightly/"}
    return {"places": [own, {"bucket": THEIRS, "prefix": "nightly/", "kmsKey": key}]}


@pytest.fixture(scope="module")
def others(cloud: Cloud) -> OtherAccount:
    return other_account.create(cloud, versioned=True)


@pytest.fixture(scope="module")
def declared(others: OtherAccount) -> dict[str, Any]:
    return {application.IN_PLACE: places(others.key)}


@pytest.fixture(scope="module")
def own(running: Cloud) -> Any:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=OWN, CreateBucketConfiguration={"LocationConstraint": running.region})
    s3.put_bucket_versioning(Bucket=OWN, VersioningConfiguration={"Status": "Enabled"})
    return s3


def test_a_dump_is_a_database_again_from_where_it_lies(
    running: Cloud, plane: ControlPlane, shop: Shop, own: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own.upload_file(str(demo_shop.dump(shop, tmp_path)), OWN, "nightly/shop ü.dump")

    assert main.run(["points", "add", "shop", "--from", f"s3://{OWN}/nightly/shop ü.dump", "--in-place"]) == 0

    told = capsys.readouterr()
    point_id = told.out.strip()
    assert f"1 file stays in s3://{OWN}, in place" in told.err.replace("\n", " ")
    lies = own.list_objects_v2(Bucket=plane.repository_bucket, Prefix=f"shop/{point_id}/")["Contents"]
    assert [item["Key"] for item in lies] == [f"shop/{point_id}/manifest.json"]
    # What takes its place, and what hides that.
    own.put_object(Bucket=OWN, Key="nightly/shop ü.dump", Body=b"the next night's, half written")
    own.delete_object(Bucket=OWN, Key="nightly/shop ü.dump")
    assert main.run(["points", "verify", "shop", "--deep"]) == 0
    before = demo_shop.fingerprints(shop, "shop")
    since = len(access_log.read(running.directory / ACCESS_LOG))
    assert main.run(["restore", "shop", "-d", "shop=copy"]) == 0
    assert demo_shop.fingerprints(shop, "copy") == before
    reads = {one.requester.rpartition("/")[2] for one in access_log.read(running.directory / ACCESS_LOG)[since:] if one.bucket == OWN}
    assert "dbrestore-worker-eu-central-1" in reads


def test_a_version_that_is_gone_is_refused_by_the_plan(
    plane: ControlPlane, shop: Shop, own: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own.upload_file(str(demo_shop.dump(shop, tmp_path)), OWN, "nightly/gone.dump")
    assert main.run(["points", "add", "shop", "--from", f"s3://{OWN}/nightly/gone.dump", "--in-place"]) == 0
    [file] = stored_points.load(own, plane.repository_bucket, "shop").files
    reference = file.reference
    assert reference
    own.delete_object(Bucket=OWN, Key=reference.key, VersionId=reference.version_id)
    capsys.readouterr()

    assert main.run(["restore", "shop", "-d", "shop=lost"]) == 1

    told = capsys.readouterr().err.replace("\n", " ")
    assert f"BackupDamaged: /databases/0/name: s3://{OWN}/nightly/gone.dump (version {reference.version_id}) is gone" in told


def test_native_backups_are_restored_from_where_they_lie(
    running: Cloud, plane: ControlPlane, own: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demo_crm.create(plane.account, plane, tmp_path, "crm", demo_crm.create_option_group(plane.account))
    for file in sample_native.create(tmp_path):
        own.upload_file(str(file), OWN, f"nightly/{file.name}")

    assert main.run(["points", "add", "crm", "--engine", "sqlserver", "--from", f"s3://{OWN}/nightly/", "--in-place"]) == 0
    assert main.run(["points", "verify", "crm", "--deep"]) == 0
    moment = sample_native.STOP_AT.isoformat()
    assert main.run(["restore", "crm", "-d", f"{sample_native.DATABASE}=copy", "--stop-at", moment]) == 0


def added(plane: ControlPlane, bucket: str, key: str) -> None:
    assert main.run(["points", "add", "shop", "--from", f"s3://{bucket}/{key}", "--in-place"]) == 0


def test_what_lies_in_another_account_under_its_key_is_restored_by_the_roles_that_it_lets_in(
    running: Cloud, plane: ControlPlane, shop: Shop, others: OtherAccount, tmp_path: Path
) -> None:
    others.let(*READERS, decrypt=READERS)
    others.put(demo_shop.dump(shop, tmp_path), "nightly/shop.dump")
    added(plane, THEIRS, "nightly/shop.dump")
    before = demo_shop.fingerprints(shop, "shop")
    since = len(access_log.read(running.directory / ACCESS_LOG))

    assert main.run(["restore", "shop", "-d", "shop=of_others"]) == 0

    assert demo_shop.fingerprints(shop, "of_others") == before
    seen = [one for one in access_log.read(running.directory / ACCESS_LOG)[since:] if one.bucket == THEIRS]
    assert {one.requester.rpartition("/")[2] for one in seen} <= set(READERS)
    assert f"dbrestore-worker-{local.REGION}" in {one.requester.rpartition("/")[2] for one in seen}
    assert {one.method for one in seen} <= {"GET", "HEAD"}


@pytest.mark.parametrize(
    ("roles", "decrypt", "told"),
    [
        ((), (), "S3 denies it"),
        (READERS, (), "refuses kms:Decrypt"),
    ],
)
def test_a_restore_that_another_account_does_not_let_in_is_refused_by_the_plan(
    plane: ControlPlane,
    shop: Shop,
    others: OtherAccount,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    roles: tuple[str, ...],
    decrypt: tuple[str, ...],
    told: str,
) -> None:
    others.let(*READERS, decrypt=READERS)
    others.put(demo_shop.dump(shop, tmp_path), "nightly/denied.dump")
    added(plane, THEIRS, "nightly/denied.dump")
    others.let(*roles, decrypt=decrypt)
    capsys.readouterr()

    assert main.run(["restore", "shop", "-d", "shop=denied"]) != 0

    refusal = capsys.readouterr().err.replace("\n", " ")
    assert "SourceAccessDenied" in refusal
    assert told in refusal
