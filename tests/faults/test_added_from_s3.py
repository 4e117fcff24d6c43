"""A dump in somebody's bucket becomes a restore point and a database again, on the local cloud: real functions under their own roles, a
real worker, and S3's own count of who moved how many bytes.
"""

import os
from pathlib import Path

import boto3
import pytest

from dbrestore.cli import main
from dbrestore.cli.control import ControlPlane
from dbrestore.points import stored_points
from demo import crm as demo_crm
from demo import shop as demo_shop
from demo.shop import Shop
from localcloud.backups import sample as sample_native
from localcloud.cloud import Cloud
from localcloud.s3 import access_log
from localcloud.server import ACCESS_LOG

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("added-from-s3")]

WORKER, CALLER = "dbrestore-worker-eu-central-1", "root"


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

    point_id = capsys.readouterr().out.strip()
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
