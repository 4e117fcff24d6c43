"""A dump in somebody's bucket becomes a restore point and a database again, on the local cloud: real functions under their own roles, a
real worker, and S3's own count of who moved how many bytes. What lies in a declared place the execution copies, also out of another
account's bucket, under that account's key.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
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
from localcloud.backups import sample as sample_native
from localcloud.base.clients import ACCOUNT
from localcloud.cloud import Cloud
from localcloud.s3 import access_log
from localcloud.server import ACCESS_LOG
from localcloud.stacks import application
from tests.faults import other_account
from tests.faults.other_account import OtherAccount

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("added-from-s3")]

WORKER, CALLER, COPIER = "dbrestore-worker-eu-central-1", "root", "dbrestore-control-CopyDumps-eu-central-1"
DECLARED, THEIRS = "declared-backups", other_account.BUCKET
# Somebody starts it in a shell of their own.
COMMAND = "import sys; from dbrestore.cli import main; sys.exit(main.run(sys.argv[1:]))"


@pytest.fixture(scope="module")
def others(cloud: Cloud) -> OtherAccount:
    return other_account.create(cloud, versioned=False)


@pytest.fixture(scope="module")
def declared(cloud: Cloud, others: OtherAccount) -> dict[str, Any]:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=DECLARED, CreateBucketConfiguration={"LocationConstraint": cloud.region})
    s3.put_bucket_versioning(Bucket=DECLARED, VersioningConfiguration={"Status": "Enabled"})
    own, theirs = {"bucket": DECLARED, "prefix": "nightly/"}, {"bucket": THEIRS, "kmsKey": others.key}
    return {application.IN_PLACE: {"places": [{**own, "copyOnly": True}, {**theirs, "copyOnly": True}]}}


def moved(running: Cloud, since: int) -> dict[str, int]:
    """Bytes of objects' bodies in the two buckets of backups, by who asked for them; notes and manifests aside."""
    found: dict[str, int] = {}
    for access in access_log.read(running.directory / ACCESS_LOG)[since:]:
        if access.key.endswith(".dump") or access.key.endswith(".pgdump"):
            who = access.requester.rpartition("/")[2]
            found[who] = found.get(who, 0) + (access.sent if access.method == "GET" else access.received)
    return found


def test_a_dump_in_s3_is_a_database_again_and_no_row_passed_the_caller(
    running: Cloud, plane: ControlPlane, shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    s3, path = boto3.client("s3"), demo_shop.dump(shop, tmp_path)
    s3.create_bucket(Bucket="team-backups", CreateBucketConfiguration={"LocationConstraint": running.region})
    s3.upload_file(str(path), "team-backups", "nightly/shop ü.dump")
    since = len(access_log.read(running.directory / ACCESS_LOG))

    assert main.run(["points", "add", "shop", "--from", "s3://team-backups/nightly/shop ü.dump"]) == 0

    told = capsys.readouterr()
    assert "S3 copies the dumps at the request of this computer" in told.err.replace("\n", " ")
    point_id = told.out.strip()
    assert [point.point_id for point in stored_points.list_points(s3, plane.repository_bucket)] == [point_id]
    bytes_by = moved(running, since)
    size = path.stat().st_size
    assert bytes_by[CALLER] <= 256 << 10
    assert size <= bytes_by[WORKER] <= size + (256 << 10)
    assert set(bytes_by) == {CALLER, WORKER}
    assert "Contents" not in s3.list_objects_v2(Bucket=plane.repository_bucket, Prefix=".unfinished/")
    alive = [i for r in boto3.client("ec2").describe_instances()["Reservations"] for i in r["Instances"] if i["State"]["Name"] == "running"]
    assert alive == []
    before = demo_shop.fingerprints(shop, "shop")
    assert main.run(["restore", "shop", "-d", "shop=copy"]) == 0
    assert demo_shop.fingerprints(shop, "copy") == before


def test_a_damaged_dump_ends_in_its_error_and_nothing_stays(
    running: Cloud, plane: ControlPlane, shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    s3 = boto3.client("s3")
    present = {item["Key"] for item in s3.list_objects_v2(Bucket=plane.repository_bucket).get("Contents", [])}
    s3.put_object(Bucket="team-backups", Key="cut.dump", Body=demo_shop.dump(shop, tmp_path).read_bytes()[:-5000])

    assert main.run(["points", "add", "shop", "--from", "s3://team-backups/cut.dump"]) == 1

    assert "BackupDamaged: s3://team-backups/cut.dump: " in capsys.readouterr().err.replace("\n", " ")
    assert {item["Key"] for item in s3.list_objects_v2(Bucket=plane.repository_bucket).get("Contents", [])} == present
    assert os.environ["AWS_ENDPOINT_URL"] == running.endpoint


def test_native_backups_in_s3_are_restored_to_a_moment(
    running: Cloud, plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    s3 = boto3.client("s3")
    demo_crm.create(plane.account, plane, tmp_path, "crm", demo_crm.create_option_group(plane.account))
    s3.create_bucket(Bucket="team-natives", CreateBucketConfiguration={"LocationConstraint": running.region})
    for file in sample_native.create(tmp_path):
        s3.upload_file(str(file), "team-natives", f"nightly/{file.name}")

    assert main.run(["points", "add", "crm", "--engine", "sqlserver", "--from", "s3://team-natives/nightly/"]) == 0
    moment = sample_native.STOP_AT.isoformat()
    assert main.run(["restore", "crm", "-d", f"{sample_native.DATABASE}=copy", "--stop-at", moment]) == 0


def until(condition: Callable[[], Any], seconds: float = 240) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(1)
    return found


def in_the_repository(plane: ControlPlane) -> set[str]:
    return {item["Key"] for item in plane.storage.list_objects_v2(Bucket=plane.repository_bucket).get("Contents", [])}


def test_what_is_declared_the_execution_copies_also_when_the_command_is_killed(
    running: Cloud, plane: ControlPlane, shop: Shop, tmp_path: Path
) -> None:
    s3, path = boto3.client("s3"), demo_shop.dump(shop, tmp_path)
    s3.upload_file(str(path), DECLARED, "nightly/shop.dump")
    before = {point.point_id for point in stored_points.list_points(s3, plane.repository_bucket, "shop")}
    since = len(access_log.read(running.directory / ACCESS_LOG))
    asked = [sys.executable, "-c", COMMAND, "points", "add", "shop", "--from", f"s3://{DECLARED}/nightly/shop.dump"]
    with subprocess.Popen(asked, stderr=subprocess.PIPE, text=True) as command:
        assert command.stderr
        assert "this computer may be switched off" in command.stderr.readline()
        until(lambda: any(one.requester.endswith(COPIER) for one in access_log.read(running.directory / ACCESS_LOG)[since:]))
        command.send_signal(signal.SIGKILL)
    # The next night's.
    s3.put_object(Bucket=DECLARED, Key="nightly/shop.dump", Body=b"half written")

    [made] = until(lambda: {point.point_id for point in stored_points.list_points(s3, plane.repository_bucket, "shop")} - before)

    until(lambda: "Contents" not in s3.list_objects_v2(Bucket=plane.repository_bucket, Prefix=".unfinished/"))
    copies = {
        one.requester.rpartition("/")[2]
        for one in access_log.read(running.directory / ACCESS_LOG)[since:]
        if one.method == "PUT" and one.key.endswith(".pgdump")
    }
    assert copies == {COPIER}
    bytes_by = moved(running, since)
    # 262,156 were seen: twelve more than one read of the beginning.
    assert bytes_by[CALLER] <= (256 << 10) + 12
    assert bytes_by.get(COPIER, 0) == 0
    rows = demo_shop.fingerprints(shop, "shop")
    assert main.run(["restore", "shop", "-d", "shop=of_the_declared", "--point", made]) == 0
    assert demo_shop.fingerprints(shop, "of_the_declared") == rows


def test_what_lies_in_another_account_is_copied_when_it_lets_the_function_in(
    running: Cloud, plane: ControlPlane, shop: Shop, others: OtherAccount, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others.put(demo_shop.dump(shop, tmp_path), "shop.dump")
    present = in_the_repository(plane)
    add = ["points", "add", "shop", "--from", f"s3://{THEIRS}/shop.dump"]

    others.let(decrypt=(COPIER,))
    capsys.readouterr()
    assert main.run(add) == 1
    denied = " ".join(capsys.readouterr().err.split())
    assert f"s3://{THEIRS}/shop.dump: S3 denies it" in denied
    assert f"the caller is arn:aws:iam::{ACCOUNT}:role/{COPIER}, the role of the function CopyDumps" in denied
    assert in_the_repository(plane) == present

    others.let(COPIER, decrypt=())
    assert main.run(add) == 1
    refused = " ".join(capsys.readouterr().err.split())
    assert f"its KMS key {others.key} refuses kms:Decrypt to arn:aws:iam::{ACCOUNT}:role/{COPIER}" in refused
    assert in_the_repository(plane) == present
    assert plane.storage.list_multipart_uploads(Bucket=plane.repository_bucket).get("Uploads", []) == []

    others.let(COPIER, decrypt=(COPIER,))
    assert main.run(add) == 0
    assert capsys.readouterr().out.strip() in {
        point.point_id for point in stored_points.list_points(plane.storage, plane.repository_bucket)
    }
