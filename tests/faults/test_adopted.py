"""Backups that arrive in somebody's bucket become the latest restore points without anybody: on the local cloud, with S3's own events, the
deployed rules and functions under their own roles, and a real worker.
"""

import json
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
from localcloud.cloud import Cloud
from localcloud.stacks import application

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("adopted")]

SETTLED_WITHIN = 300
RULES: list[dict[str, Any]] = [
    {
        "name": "shop",
        "bucket": "team-backups",
        "pattern": "nightly/{run}/{database}.dump",
        "instance": "shop",
        "engine": "postgres",
        "settleMinutes": 1,
    },
    {"name": "crm", "bucket": "team-natives", "pattern": "crm/**", "instance": "crm", "engine": "sqlserver", "settleMinutes": 1},
]


@pytest.fixture(scope="module")
def schedules() -> bool:
    return True


@pytest.fixture(scope="module")
def declared() -> dict[str, Any]:
    return {application.ADOPTION: {"rules": RULES}}


@pytest.fixture(scope="module", autouse=True)
def buckets(running: Cloud) -> None:
    for rule in RULES:
        bucket_that_tells(rule["bucket"], running.region)


def bucket_that_tells(name: str, region: str) -> None:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}})


def until(condition: Callable[[], Any], seconds: float = SETTLED_WITHIN) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(2)
    return found


def points(plane: ControlPlane, instance: str) -> list[str]:
    return [point.point_id for point in stored_points.list_points(plane.storage, plane.repository_bucket, instance)]


def told(capsys: pytest.CaptureFixture[str], rule: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main.run(["points", "adoptions", rule, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_nightly_dump_becomes_the_latest_point_and_what_is_none_is_told(
    running: Cloud, plane: ControlPlane, shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    s3, path = boto3.client("s3"), demo_shop.dump(shop, tmp_path)
    for n in range(30):
        s3.put_object(Bucket="team-backups", Key=f"nightly/2026-11-30/part-{n}.parquet", Body=b"PAR1")
    s3.upload_file(str(path), "team-backups", "nightly/2026-11-30/shop ü+.dump")
    s3.put_object(Bucket="team-backups", Key="nightly/2026-11-30/inventory.dump", Body=b"PAR1 not a dump")

    [point] = until(lambda: points(plane, "shop"))

    lines = until(lambda: [line for line in told(capsys, "shop") if line["type"] in ("adopted", "notAdopted")])
    assert [line["pointId"] for line in lines if line["type"] == "adopted"] == [point]
    assert [(line["uri"], line["error"]["name"]) for line in lines if line["type"] == "notAdopted"] == [
        ("s3://team-backups/nightly/2026-11-30/inventory.dump", "BackupUnreadable")
    ]
    before = demo_shop.fingerprints(shop, "shop")
    assert main.run(["restore", "shop", "-d", "shop ü+=copy"]) == 0
    assert demo_shop.fingerprints(shop, "copy") == before
    assert points(plane, "shop") == [point]
    until(lambda: "Contents" not in s3.list_objects_v2(Bucket=plane.repository_bucket, Prefix=".unfinished/"))


def test_native_backups_become_the_latest_point(running: Cloud, plane: ControlPlane, tmp_path: Path) -> None:
    s3 = boto3.client("s3")
    demo_crm.create(plane.account, plane, tmp_path, "crm", demo_crm.create_option_group(plane.account))
    for file in sample_native.create(tmp_path):
        s3.upload_file(str(file), "team-natives", f"crm/{file.name}")

    until(lambda: points(plane, "crm"))

    moment = sample_native.STOP_AT.isoformat()
    assert main.run(["restore", "crm", "-d", f"{sample_native.DATABASE}=copy", "--stop-at", moment]) == 0
    assert len(points(plane, "crm")) == 1
